/* SPDX-License-Identifier: Apache-2.0 */
/* From sim evidence on the wire to claims. What it must bind is in verify/binding.h. */
#include "attest/kbs/evidence/sim.h"

#include "attest/verify/binding.h"
#include "attest/verify/sim.h"

#include <string.h>

static void sim_verify(void *ctx, const struct evidence *ev, struct claims *out, struct verdict *v)
{
    const struct evidence_sim *s = ctx;
    uint8_t report[SNP_REPORT_SIZE], report_data[TRANSCRIPT_REPORT_DATA];
    struct binding b;
    struct sim_facts facts;
    struct err e = {0};
    struct claims c = {0};
    if (binding_make(ev->nonce, ev->tee_key, ev->additional, ev->initdata, &b, &e) < 0 ||
        sim_evidence_parse(ev->primary, report, &e) < 0) {
        verdict_refuse(v, &sim_codes[SIM_EVIDENCE], "evidence that does not parse",
                       "evidence of kind sim", "%s", e.text);
        return;
    }
    bool sealed = binding_report_data(&b, report + SNP_REPORT_REPORT_DATA, report_data);
    binding_check_registers(&b, v);
    struct sim_demand demand = {
        .insecure_keys = (const struct crypto_key *const *)s->keys,
        .insecure_key_count = s->count,
        .report_data = report_data,
        .host_data = b.host_data,
    };
    verify_sim(report, sizeof report, &demand, &facts, v); /* closes the verdict over all reasons */
    if (v->result != VERDICT_ACCEPTED) { return; }
    c.phase = sealed ? CLAIMS_PHASE_APPLICATION : CLAIMS_PHASE_INIT;
    memcpy(c.initdata, b.initdata, b.initdata_len);
    c.initdata_len = b.initdata_len;
    memcpy(c.measurement, facts.measurement, sizeof c.measurement);
    memcpy(c.report_data, facts.report_data, sizeof c.report_data);
    c.has_registers = b.has_registers;
    memcpy(c.registers, b.registers.value, sizeof c.registers);
    *out = c;
}

struct verifier evidence_sim_verifier(struct evidence_sim *s)
{
    return (struct verifier){.name = SIM_TEE_NAME, .kind = "sim", .ctx = s, .verify = sim_verify};
}
