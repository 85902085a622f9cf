/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attestation policy that holds while the owner has uploaded none: it gives the verdicts of the one CoCo ships, over the
 * same reference values. [coco §4.4]
 *
 *      executables     33 -> 3     the launch digest is a reference value (tdx: 4, by RTMRs 1 and 2)
 *      hardware        97 -> 2     firmware and TCB are reference values
 *      configuration   36 -> 2, 3  no debugging, no migration, and the settings are reference values
 *
 * It looks at what a token will show (claims_to_evidence()), never behind it.
 */
#ifndef CASEMATE_ATTEST_KBS_APPRAISE_H
#define CASEMATE_ATTEST_KBS_APPRAISE_H

#include "attest/kbs/claims.h"
#include "attest/kbs/ear.h"

/* Reference values by name: a new reference, NULL = there is none. */
struct reference_source {
    void *ctx;
    json_t *(*get)(void *ctx, const char *name);
};

MUST_CHECK int appraise_default(enum claims_class class, const json_t *evidence,
                                const struct reference_source *rv, struct appraisal *out,
                                struct err *e);

#endif
