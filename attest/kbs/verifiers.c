/* SPDX-License-Identifier: Apache-2.0 */
/* The table of verifiers, and the warnings that belong to a table with insecure ones. */
#include "attest/kbs/verifiers.h"

#include "attest/kbs/evidence/sample.h"

#include <stdio.h>

static void insecure_warn(const struct config *c)
{
    if (c->insecure_without_initdata) {
        (void)fputs("cc-kbs: warning: [insecure_coco] without_initdata is on: a guest need not say "
                    "whose it is\n",
                    stderr);
    }
    if (c->insecure_policy_without_initdata) {
        (void)fputs("cc-kbs: warning: [insecure_coco] policy_without_initdata is on: a policy may "
                    "release to any workload of any owner\n",
                    stderr);
    }
    if (c->insecure_header_jwk) {
        (void)fputs("cc-kbs: warning: [insecure_coco] header_jwk is on: anybody can write tokens "
                    "that are believed\n",
                    stderr);
    }
}

void verifiers_make(const struct config *c, struct verifiers *out)
{
    if (c->snp.keeper) {
        out->snp = (struct evidence_snp){.keeper = c->snp.keeper, .policy = &c->snp.policy};
        out->v[out->count++] = evidence_snp_verifier(&out->snp);
    }
    if (c->tdx.keeper) {
        out->tdx = (struct evidence_tdx){.endorsements = c->tdx.endorsements,
                                         .keeper = c->tdx.keeper,
                                         .policy = &c->tdx.policy,
                                         .mr_config_id_alone = c->tdx.mr_config_id_alone};
        out->v[out->count++] = evidence_tdx_verifier(&out->tdx);
    }
    if (c->insecure_sim_keys.count) {
        (void)fprintf(stderr,
                      "cc-kbs: warning: [insecure_sim] is on: evidence of the software TEE is "
                      "accepted from %zu "
                      "machine(s)\n",
                      c->insecure_sim_keys.count);
        out->sim = (struct evidence_sim){.keys = c->insecure_sim_keys.v,
                                         .count = c->insecure_sim_keys.count};
        out->v[out->count++] = evidence_sim_verifier(&out->sim);
    }
    if (c->insecure_sample) {
        (void)fputs("cc-kbs: warning: [insecure_coco] sample is on: evidence that proves nothing "
                    "is accepted\n",
                    stderr);
        out->v[out->count++] = evidence_sample_verifier();
        out->v[out->count++] = evidence_sampledevice_verifier();
    }
    if (out->count == 0) {
        (void)fputs("cc-kbs: warning: no verifier is enabled, so no evidence will be accepted\n",
                    stderr);
    }
    insecure_warn(c);
}
