/* SPDX-License-Identifier: Apache-2.0 */
/* The verifiers of CoCo's evidence without a TEE, for a broker whose configuration says [insecure_sample]. */
#ifndef CASEMATE_ATTEST_KBS_EVIDENCE_SAMPLE_H
#define CASEMATE_ATTEST_KBS_EVIDENCE_SAMPLE_H

#include "attest/kbs/evidence/verifier.h"

struct verifier evidence_sample_verifier(void);
struct verifier evidence_sampledevice_verifier(void);

#endif
