/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From sim evidence on the wire to claims. The report comes in one of two forms [design §4.7]:
 *
 *   raw             only a guest that is not sealed yet gets one. Registers, if it tells them, are what the measured init
 *                   wrote into the additional evidence, bound by report data.
 *   register form   report data is a hash over launch flags, phase, registers and what the caller wanted bound, so the
 *                   ward itself speaks for all of them.
 *
 * Where registers are told, register 0 must be the initdata: two roads to one digest that have to agree.
 */
#include "attest/kbs/evidence_sim.h"

#include "attest/initdata.h"
#include "attest/transcript.h"
#include "attest/verify/sim.h"
#include "firmware/abi/launch.h"

#include <stdio.h>
#include <string.h>

/* Everything about the evidence that stands outside the report. */
struct sim_context {
    uint8_t wanted[TRANSCRIPT_REPORT_DATA]; /* report data, raw form */
    uint8_t host_data[INITDATA_FIELD_SNP];
    uint8_t register0[INITDATA_REGISTER];
    struct transcript_registers registers;
    bool has_registers;
};

static int context_make(const struct evidence *ev, struct sim_context *x, struct claims *c,
                        struct err *e)
{
    auto_initdata init = {0};
    int rc = initdata_parse(ev->initdata.p, ev->initdata.len, &init, e);
    if (rc == 0) {
        rc = transcript_report_data(ev->nonce, ev->tee_key, ev->additional, CRYPTO_SHA384,
                                    x->wanted, e);
    }
    if (rc == 0) {
        rc = transcript_registers_parse(ev->additional, &x->registers, &x->has_registers, e);
    }
    if (rc < 0) { return rc; }
    initdata_field(&init, x->host_data, sizeof x->host_data);
    initdata_field(&init, x->register0, sizeof x->register0);
    memcpy(c->initdata, init.digest, init.digest_len);
    c->initdata_len = init.digest_len;
    return 0;
}

/* What report data must be, given the form it has; and the phase that follows from it. */
static void form_choose(const uint8_t *report, const struct sim_context *x, struct claims *c,
                        uint8_t out[TRANSCRIPT_REPORT_DATA])
{
    const uint8_t *found = report + SNP_REPORT_REPORT_DATA;
    c->phase = CLAIMS_PHASE_INIT;
    memcpy(out, x->wanted, TRANSCRIPT_REPORT_DATA);
    if (!transcript_is_register_form(found)) { return; }
    transcript_register_form(&x->registers, false, x->wanted, out);
    if (memcmp(found, out, TRANSCRIPT_REPORT_DATA) == 0) { return; }
    transcript_register_form(&x->registers, true, x->wanted, out);
    c->phase = CLAIMS_PHASE_APPLICATION;
}

/* What the guest tells about itself, before anybody asks whether it is bound. */
static void registers_check(const struct sim_context *x, struct verdict *v)
{
    /* The launch page is measured; what its flags mean must be known all the same. */
    if (x->registers.launch_flags & ~LAUNCH_FLAGS_ALL) {
        char found[16], wanted[32];
        (void)snprintf(found, sizeof found, "0x%x", x->registers.launch_flags);
        (void)snprintf(wanted, sizeof wanted, "within 0x%x", LAUNCH_FLAGS_ALL);
        verdict_refuse(v, "policy", "launch-flags", found, wanted,
                       "a launch flag this broker does not know");
    }
    const uint8_t *register0 = x->registers.value[0];
    if (x->has_registers && memcmp(register0, x->register0, sizeof x->register0) != 0) {
        verdict_refuse_bytes(v, "policy", "register-initdata", register0, x->register0,
                             sizeof x->register0, "register 0 is not the digest of the initdata");
    }
}

static void sim_verify(void *ctx, const struct evidence *ev, struct claims *out, struct verdict *v)
{
    const struct evidence_sim *s = ctx;
    uint8_t report[SNP_REPORT_SIZE], report_data[TRANSCRIPT_REPORT_DATA];
    struct sim_context x = {0};
    struct sim_facts facts;
    struct err e = {0};
    struct claims c = {0};
    if (context_make(ev, &x, &c, &e) < 0 || sim_evidence_parse(ev->primary, report, &e) < 0) {
        verdict_refuse(v, "parse", "sim-evidence", "evidence that does not parse",
                       "evidence of kind sim", "%s", e.text);
        return;
    }
    form_choose(report, &x, &c, report_data);
    registers_check(&x, v);
    struct sim_demand demand = {
        .insecure_keys = (const struct crypto_key *const *)s->keys,
        .insecure_key_count = s->count,
        .report_data = report_data,
        .host_data = x.host_data,
    };
    verify_sim(report, sizeof report, &demand, &facts, v); /* closes the verdict over all reasons */
    if (v->result != VERDICT_ACCEPTED) { return; }
    memcpy(c.measurement, facts.measurement, sizeof c.measurement);
    memcpy(c.report_data, facts.report_data, sizeof c.report_data);
    c.has_registers = x.has_registers;
    memcpy(c.registers, x.registers.value, sizeof c.registers);
    *out = c;
}

struct verifier evidence_sim_verifier(struct evidence_sim *s)
{
    return (struct verifier){.name = SIM_TEE_NAME, .kind = "sim", .ctx = s, .verify = sim_verify};
}
