/* SPDX-License-Identifier: Apache-2.0 */
/* Evidence of SEV-SNP, in the form CoCo's guests send it and ours do. */
#ifndef CASEMATE_ATTEST_KBS_EVIDENCE_SNP_H
#define CASEMATE_ATTEST_KBS_EVIDENCE_SNP_H

#include "attest/collateral/snp_keeper.h"
#include "attest/collateral/supply.h"
#include "attest/kbs/evidence/verifier.h"
#include "attest/verify/snp/policy.h"

/* What each handshake decides anew, so that a configured policy does not have it. */
#define EVIDENCE_SNP_SESSION (1u << SNP_M_REPORT_DATA | 1u << SNP_M_HOST_DATA)
/* And what rules decide; a configured list is demanded as well. */
#define EVIDENCE_SNP_BESIDE (EVIDENCE_SNP_SESSION | 1u << SNP_M_MEASUREMENTS)

struct evidence_snp {
    struct snp_keeper *keeper;
    const struct snp_policy *policy; /* complete but for EVIDENCE_SNP_BESIDE */
    struct supply *supply; /* of what is in neither evidence nor directory; NULL = there is none */
};

/* s is borrowed and outlives the verifier. */
struct verifier evidence_snp_verifier(struct evidence_snp *s);

#endif
