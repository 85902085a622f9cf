/* SPDX-License-Identifier: Apache-2.0 */
/* Which evidence a broker takes: the verifiers that its configuration enables, one file per kind (evidence/). */
#ifndef CASEMATE_ATTEST_KBS_VERIFIERS_H
#define CASEMATE_ATTEST_KBS_VERIFIERS_H

#include "attest/kbs/config/config.h"
#include "attest/kbs/evidence/sim.h"
#include "attest/kbs/evidence/snp.h"
#include "attest/kbs/evidence/tdx.h"
#include "attest/kbs/evidence/verifier.h"

#define VERIFIERS_MAX 8

struct verifiers {
    struct verifier v[VERIFIERS_MAX];
    size_t count;
    struct evidence_sim sim;
    struct evidence_snp snp;
    struct evidence_tdx tdx;
};

/* Fills in *out, which must stay where it is; c is borrowed and outlives it. Warns on standard error of what is insecure. */
void verifiers_make(const struct config *c, struct verifiers *out);

#endif
