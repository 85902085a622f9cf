# SPDX-License-Identifier: Apache-2.0
#
# How the tests that are not Criterion binaries are built and run: fuzz targets and their replay, programs that run
# inside the guest, the emulated machine. Included last: it reads the sources lists and archives of every folder.

# ---- fuzz targets: tests/fuzz/NAME.c with LLVMFuzzerTestOneInput, corpus in tests/fuzz/corpus/NAME/ --------------------
# The first lines of NAME.c say what it links:   /* libs: image base */   and, where needed,   /* ldlibs: -lz */
# Each is built twice: by clang with its fuzzer and AddressSanitizer (make fuzz-smoke), and by CC with a driver that
# replays the corpus (part of make test).

FUZZ_NAMES  := $(basename $(notdir $(filter-out tests/fuzz/replay.c,$(wildcard tests/fuzz/*.c))))
FUZZ_SAN    := -fsanitize=address,undefined -fno-sanitize=alignment -fno-sanitize-recover=undefined
# A smoke run is the same run every time; to look for more: make fuzz-smoke FUZZ_SEED=0 FUZZ_RUNS=-1 FUZZ_TIME=600.
FUZZ_RUNS   ?= 20000
FUZZ_TIME   ?= 3
FUZZ_SEED   ?= 1
fuzz_says    = $(shell sed -n '1,10s,.*[ *]$(1): *\(.*[^ ]\) *\*/.*,\1,p' tests/fuzz/$(2).c)
# What links the whole library OS goes without AddressSanitizer, whose heap lies in the library OS's address range.
fuzz_world   = $(if $(filter los,$(1)),los,$(if $(filter $(1),$(NATIVE_ARCHIVES)),native,host))
FUZZ_SAN_LOS := -fsanitize=undefined -fno-sanitize=alignment -fno-sanitize-recover=undefined
fuzz_san     = $(if $(filter los,$(1)),$(FUZZ_SAN_LOS),$(FUZZ_SAN))
fuzz_objs    = $(foreach l,$(1),$(patsubst %,$(B)/fuzz/$(call fuzz_world,$(l))/%.o,$(basename $($(l)_SRCS))))

$(B)/fuzz/host/%.o: %.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC Z    $<")
	$(Q)$(FUZZ_CC) $(TEST_CFLAGS) $(FUZZ_SAN) -fsanitize=fuzzer-no-link -c -o $@ $<
$(B)/fuzz/native/%.o: %.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC Z    $<")
	$(Q)$(FUZZ_CC) $(NATIVE_CFLAGS) $(FUZZ_SAN) -fsanitize=fuzzer-no-link -c -o $@ $<
$(B)/fuzz/los/%.o: %.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC Z    $<")
	$(Q)$(FUZZ_CC) $(NATIVE_CFLAGS) $(FUZZ_SAN_LOS) -fsanitize=fuzzer-no-link -c -o $@ $<
$(B)/fuzz/los/%.o: %.S
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(NATIVE_CFLAGS) -I$(B)/gen -c -o $@ $<
$(B)/fuzz/native/%.o: %.S
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(NATIVE_CFLAGS) -I$(B)/gen -c -o $@ $<

define fuzz
$(B)/fuzz/$(1): $(B)/fuzz/$(if $(filter los,$(2)),los,host)/tests/fuzz/$(1).o $(call fuzz_objs,$(2))
	$$(if $$(Q),@echo "  LD Z    $(1)")
	$(Q)$$(FUZZ_CC) $(call fuzz_san,$(2)) -fsanitize=fuzzer -pthread -o $$@ $$^ $(3)
$(B)/replay/$(1): $(B)/test/tests/fuzz/$(1).o $(B)/test/tests/fuzz/replay.o $(foreach l,$(2),$(B)/lib/lib$(l).a)
	@mkdir -p $$(@D)
	$$(if $$(Q),@echo "  LD T    replay/$(1)")
	$(Q)$$(CC) -pthread $$(SAN) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $(3)
fuzz-smoke-$(1): $(B)/fuzz/$(1)
	@mkdir -p $(B)/fuzz/found/$(1)
	@echo "  FUZZ    $(1)"
	$(Q)$(B)/fuzz/$(1) -seed=$(FUZZ_SEED) -runs=$(FUZZ_RUNS) -max_total_time=$(FUZZ_TIME) -timeout=10 -rss_limit_mb=2048 \
	    -artifact_prefix=$(B)/fuzz/found/$(1)- $(B)/fuzz/found/$(1) $(wildcard tests/fuzz/corpus/$(1)) \
	    >$(B)/fuzz/$(1).log 2>&1 || { tail -n 40 $(B)/fuzz/$(1).log; exit 1; }
endef
$(foreach f,$(FUZZ_NAMES),$(eval $(call fuzz,$(f),$(call fuzz_says,libs,$(f)),$(call fuzz_says,ldlibs,$(f)))))

.PHONY: fuzz-smoke $(FUZZ_NAMES:%=fuzz-smoke-%)
fuzz-smoke: $(FUZZ_NAMES:%=fuzz-smoke-%)
TEST_EXTRA += $(FUZZ_NAMES:%=$(B)/replay/%)

# ---- programs that run inside the guest: ordinary static Linux programs, once per libc --------------------------------

GUEST_TEST_NAMES  := $(basename $(notdir $(wildcard tests/guest/*.c)))
GUEST_TEST_CFLAGS := $(WARN) -I. -g -O1 -D_GNU_SOURCE -fno-stack-protector -pthread -static
GUEST_TESTS       := $(GUEST_TEST_NAMES:%=$(B)/guest-tests/glibc/%) $(GUEST_TEST_NAMES:%=$(B)/guest-tests/musl/%)

$(B)/guest-tests/glibc/%: tests/guest/%.c tests/guest/promise.h
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC A    $* (glibc)")
	$(Q)$(CC) $(GUEST_TEST_CFLAGS) -o $@ $<
$(B)/guest-tests/musl/%: tests/guest/%.c tests/guest/promise.h
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC A    $* (musl)")
	$(Q)musl-gcc $(GUEST_TEST_CFLAGS) -o $@ $<

.PHONY: guest-tests
guest-tests: $(GUEST_TESTS)
TEST_EXTRA += $(GUEST_TESTS)

# ---- end to end --------------------------------------------------------------------------------------------------------

# agent_host: the guest's agent as a host program. kbs_load: guests that ask several brokers.
# sim_evidence: what an honest guest sends. cc-kbs-san: the broker with sanitizers, for the hostile client.
E2E_PROGRAMS := kvm_smoke agent_host kbs_load sim_evidence
E2E_LDLIBS_agent_host := -lssl -ljansson -lcrypto
E2E_LDLIBS_kbs_load := $(E2E_LDLIBS_agent_host)
E2E_LDLIBS_sim_evidence := $(E2E_LDLIBS_agent_host)
$(addprefix $(B)/tests/,agent_host kbs_load sim_evidence): $(foreach l,$(agent_LIBS),$(B)/lib/lib$(l).a)
$(B)/tests/cc-kbs-san: $(B)/fuzz/host/attest/cc_kbs.o $(call fuzz_objs,$(KBS_LIBS))
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD Z    cc-kbs-san")
	$(Q)$(FUZZ_CC) $(FUZZ_SAN) -fsanitize=fuzzer-no-link -pthread -o $@ $^ $(KBS_LDLIBS)
TEST_EXTRA += $(B)/tests/cc-kbs-san
$(B)/tests/%: $(B)/test/tests/e2e/%.o
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD T    $*")
	$(Q)$(CC) $(SAN) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(E2E_LDLIBS_$*)
$(B)/tests/hello-static: tests/e2e/hello.c
	@mkdir -p $(@D)
	$(Q)$(CC) -O2 -static -s -o $@ $<
$(B)/tests/hello-dynamic: tests/e2e/hello.c
	@mkdir -p $(@D)
	$(Q)$(CC) -O2 -s -o $@ $<
# parties: the program of the multi-party example; its data and keys are made by the test.
$(B)/tests/parties: $(B)/test/tests/e2e/parties.o $(B)/lib/libjose.a $(B)/lib/libcrypto_small.a $(B)/lib/libbase.a
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD T    parties (static)")
	$(Q)$(CC) -static -s -Wl,--gc-sections -o $@ $^ -lcrypto
TEST_EXTRA += $(E2E_PROGRAMS:%=$(B)/tests/%) $(B)/tests/hello-static $(B)/tests/hello-dynamic $(B)/tests/parties

# OCI images for the end-to-end tests and the demo: $(B)/images is a layout, see scripts/make-image.
TEST_IMAGES := debian hello-static hello-dynamic abi-glibc abi-musl
$(B)/images/index.json: scripts/make-image tests/guest/run-all $(GUEST_TESTS) $(B)/tests/hello-static $(B)/tests/hello-dynamic
	$(if $(Q),@echo "  IMAGES  $(TEST_IMAGES)")
	$(Q)rm -rf $(B)/images
	$(Q)scripts/make-image $(B) $(B)/images $(TEST_IMAGES)
.PHONY: test-images
test-images: $(B)/images/index.json
TEST_EXTRA += $(B)/images/index.json

# The end-to-end tests that need KVM, in the emulated machine: genuine ring-0 semantics wherever this runs.
.PHONY: check-svm
check-svm: all $(TEST_EXTRA)
	$(Q)scripts/svm-run --timeout 900 -- scripts/run-tests $(B) || { \
	    [ $$? -eq 124 ] || exit 1; \
	    echo "  AGAIN   check-svm: the emulated machine itself stood still (tests/README.md)"; \
	    scripts/svm-run --timeout 900 -- scripts/run-tests $(B); }

