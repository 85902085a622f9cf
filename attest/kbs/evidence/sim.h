/* SPDX-License-Identifier: Apache-2.0 */
/* Evidence of the software TEE, for a broker that was told by name to take it. */
#ifndef CASEMATE_ATTEST_KBS_EVIDENCE_SIM_H
#define CASEMATE_ATTEST_KBS_EVIDENCE_SIM_H

#include "attest/crypto.h"
#include "attest/kbs/evidence/verifier.h"

struct evidence_sim {
    struct crypto_key *const *keys; /* of the machines whose word is taken; borrowed */
    size_t count;
};

/* s is borrowed and outlives the verifier. */
struct verifier evidence_sim_verifier(struct evidence_sim *s);

#endif
