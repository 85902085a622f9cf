/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an attestation policy says of one device, and how a token puts it: a vector of trust claims, the status that
 * follows from it, and extensions. Pure functions of JSON.
 *
 * Source: [EAR] draft-ietf-rats-ear, [AR4SI] draft-ietf-rats-ar4si; the values and names are CoCo's choice of them.
 * [coco §4.4, §5.2]
 */
#ifndef CASEMATE_ATTEST_KBS_EAR_H
#define CASEMATE_ATTEST_KBS_EAR_H

#include "attest/json.h"

enum ear_tier { EAR_NONE, EAR_AFFIRMING, EAR_WARNING, EAR_CONTRAINDICATED };

enum ear_tier ear_tier_of(int value);
const char *ear_tier_name(enum ear_tier t);

struct appraisal {
    json_t *vector;     /* trust claims by name; owned */
    json_t *extensions; /* members of the submodule by name; owned; NULL = none */
};
void appraisal_fini(struct appraisal *a); /* a zeroed one is fine */
#define auto_appraisal __attribute__((cleanup(appraisal_fini))) struct appraisal

/*
 * From what a policy answered. CoCo's broker lets values wrap at 8 bits, so that 258 becomes an affirming 2, and falls
 * over an unknown name; here both are errors. [coco §17.4]
 *
 * trust_claims  an object with at least one of the eight names, integers -128..127; NULL = the policy did not say: eight
 *               zeros, status none
 * extensions    an array of {"name", "key": integer, "value"}; NULL = none
 */
MUST_CHECK int appraisal_read(const json_t *trust_claims, const json_t *extensions,
                              struct appraisal *out, struct err *e);

/* The highest tier in the vector. */
enum ear_tier appraisal_status(const struct appraisal *a);

/* A device's part of a token. evidence: from claims_to_evidence(), borrowed. New reference, NULL without memory. */
json_t *ear_submodule(const struct appraisal *a, const json_t *evidence);

#endif
