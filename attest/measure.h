/* SPDX-License-Identifier: Apache-2.0 */
/* From the launch plan to the launch digest: the same plan the monitor plays, hashed instead. */
#ifndef CASEMATE_ATTEST_MEASURE_H
#define CASEMATE_ATTEST_MEASURE_H

#include "attest/measure_snp.h"
#include "firmware/plan.h"

/*
 * The digest of sim: SNP's algorithm over the plan. Shaped for the monitor's callback; arg is not
 * looked at.
 * Returns 0, or -EINVAL for a plan with a page that cannot be measured.
 */
MUST_CHECK int measure_sim(void *arg, const struct plan *p, uint8_t out_digest[MEASURE_SNP_SIZE]);

#endif
