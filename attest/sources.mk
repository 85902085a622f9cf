# SPDX-License-Identifier: Apache-2.0

# Numbers from strangers end up in sizes here.
$(B)/host/attest/%.o: HOST_CFLAGS += -Wconversion -Wno-sign-conversion

# crypto_small: hashes, HMAC, counter mode; no provider, so a static program stays small. crypto_full: the rest, by EVP.
crypto_small_SRCS := attest/crypto_small.c attest/crypto_ctr.c attest/crypto_gcm.c attest/crypto_xts.c attest/crypto_kdf.c
crypto_full_SRCS  := attest/crypto_openssl.c attest/crypto_key.c attest/crypto_cert.c attest/crypto_x509.c attest/crypto_crl.c
HOST_ARCHIVES += crypto_small crypto_full

# JOSE over the two: base64, strict JSON, JWK, JWE, JWS; and the other strict text, times.
jose_SRCS := attest/base64.c attest/json.c attest/rfc3339.c attest/jwk.c attest/jwe.c attest/jws.c
HOST_ARCHIVES += jose

# What crosses between guest and broker: initdata, report data, shares of secrets. evidence: reports and their verifiers.
initdata_SRCS := attest/toml.c attest/initdata.c attest/transcript.c attest/shares.c
evidence_SRCS := attest/der.c attest/sim_report.c attest/sim_signer.c attest/measure_snp.c attest/measure.c attest/measure_tdx.c attest/tdvf.c
evidence_SRCS += $(addprefix attest/verify/,verdict.c explain.c binding.c sim.c)
evidence_SRCS += $(addprefix attest/verify/snp/,chain.c codes.c demands.c evidence.c policy.c report.c snp.c trust.c \
                   vek.c)
evidence_SRCS += attest/verify/sample.c
evidence_SRCS += $(addprefix attest/verify/tdx/,appraise.c chain.c codes.c collateral.c endorse.c eventlog.c pck.c pem.c \
                   policy.c quote.c tcb.c tdx.c)
# What vendors sign, kept in a directory; fetch.c alone needs libcurl.
collateral_SRCS := $(addprefix attest/collateral/,bundle.c check.c fetch.c keeper.c snp_keeper.c store.c supply.c)
HOST_ARCHIVES += initdata evidence collateral

# Policies in Rego: an interpreter that only computes.
rego_SRCS := $(addprefix attest/policy/,arena.c builtins.c check.c decide.c decision.c eval.c lex.c parse.c \
              regex.c run.c time.c trace.c value.c)
HOST_ARCHIVES += rego

# The key broker: everything but its main. kbs_pure: functions of bytes, without sockets, files or a clock.
kbs_pure_SRCS := $(addprefix attest/kbs/,appraise.c audit_check.c claims.c ear.c initdata_claims.c target.c trust.c http/http.c http/limit.c \
    http/metrics.c rules/agree.c rules/approval.c rules/check.c rules/names.c rules/read.c \
    rules/reference.c rules/rule.c rules/rules.c)
kbs_SRCS := $(addprefix attest/kbs/,admin.c appraisal.c approvals.c attestation.c audit.c broker.c exchange.c file.c ops.c policies.c rcar.c \
    references.c release.c serve.c supplies.c token.c verifiers.c \
    config/coco.c config/collateral.c config/config.c config/hsm.c config/reader.c config/snp.c config/storage.c \
    config/tdx.c desk/approve.c desk/client.c desk/command.c desk/import.c desk/policy.c \
    desk/selfsigned.c desk/setup.c desk/split.c evidence/sample.c evidence/sim.c evidence/snp.c \
    evidence/tdx.c http/conn.c http/server.c session/memory.c \
    session/recent.c session/session.c session/shared.c store/copy.c store/pg.c store/postgres.c \
    store/sqlite.c store/store.c store/value.c)
HOST_ARCHIVES += kbs kbs_pure
KBS_LIBS   := kbs kbs_pure collateral rego evidence initdata jose crypto_full crypto_small base
KBS_LDLIBS := -ljansson -lsqlite3 -lpq -lp11 -levent -levent_openssl -lcurl -lssl -lcrypto
PROGRAMS      += cc-kbs
cc-kbs_MAIN   := attest/cc_kbs.c
cc-kbs_LIBS   := $(KBS_LIBS)
cc-kbs_LDLIBS := $(KBS_LDLIBS)

# agent: the guest's half of key release. A static program of the guest image; the archive also runs on a host in tests.
# --no-warnings: libcrypto's name lookups are linked in and never called; the linker would warn that they need libc.so.
agent_SRCS := $(addprefix attest/agent/,uri.c http.c tls.c settings.c kbs.c sealed.c release.c rest.c rest_serve.c serve.c) \
              attest/kbs/http/http.c
HOST_ARCHIVES += agent
agent_LIBS := agent evidence initdata jose crypto_full crypto_small base
AGENT_ELF := $(B)/image/agent
IMAGES += $(AGENT_ELF)
$(B)/image/agent: $(B)/host/attest/agent/main.o $(foreach l,$(agent_LIBS),$(B)/lib/lib$(l).a)
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD      agent (static)")
	$(Q)$(CC) -static -no-pie -Wl,--gc-sections,-s,--build-id=none,--no-warnings -o $@ $< -Wl,--start-group \
	    $(filter %.a,$^) -lssl -lcrypto -ljansson -Wl,--end-group

# cc-attest: launch digests and evidence on the command line. cli/: a file per command, judge_*: a file per kind of evidence.
attest_cli_SRCS := $(addprefix attest/cli/,cli.c collateral.c measure.c explain.c refusal.c request.c sim_key.c verify.c words.c)
attest_cli_SRCS += $(addprefix attest/cli/,judge_sim.c judge_snp.c judge_tdx.c)
HOST_ARCHIVES   += attest_cli
PROGRAMS         += cc-attest
cc-attest_MAIN   := attest/cc_attest.c
cc-attest_LIBS   := attest_cli collateral evidence initdata jose crypto_full crypto_small plan base
cc-attest_LDLIBS := -ljansson -lcurl -lcrypto
