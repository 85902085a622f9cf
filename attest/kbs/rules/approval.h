/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "I agree that this secret goes to this guest": a statement that somebody signed with a key of his
 * own, on a machine of his own. The broker keeps such statements and a rule says whose are needed
 * (rules.h, approvals and signer). An approval lets nobody in by itself: every other member of the
 * rule must hold, too.
 *
 * Form: JWS, compact; ES256, ES384, ES512 or EdDSA, whichever the approver's key is for; header
 * {"alg", "kid": the approver's name, "typ": "casemate-approval"}; payload, all members required,
 * no others:
 *
 *      {"version": 1,
 *       "id": "<32 digits of hex>",            random; two approvals of one thing are two
 *       "resource": "default/key/img",         a segment may be *
 *       "initdata": "9f1c...",                 the digest of the guest's initdata, or its first 32
 *                                              bytes; there is no "any": an approval that does not
 *                                              depend on initdata would be one of every workload
 *       "measurement": "ab12..." or "any",     launch digest
 *       "image": "sha256:77aa..." or "any",    manifest digest, as register 1 tells it
 *       "expires": "2026-12-31T00:00:00Z",
 *       "count": 1}                            releases it is good for, 1..APPROVAL_COUNT_MAX
 */
#ifndef CASEMATE_ATTEST_KBS_RULES_APPROVAL_H
#define CASEMATE_ATTEST_KBS_RULES_APPROVAL_H

#include "attest/crypto.h"
#include "attest/kbs/claims.h"
#include "attest/kbs/rules/names.h"

#define APPROVAL_TEXT_MAX     4096u
#define APPROVAL_COUNT_MAX    1000000u
#define APPROVAL_ID_SIZE      33  /* with the zero byte */
#define APPROVAL_RESOURCE_MAX 768 /* three segments and a zero byte */
/* Where it is kept, and what counts its releases: "approver/id". */
#define APPROVAL_NAME_SIZE (APPROVER_SIZE + APPROVAL_ID_SIZE)

struct approval {
    char approver[APPROVER_SIZE];
    char id[APPROVAL_ID_SIZE];
    char resource[APPROVAL_RESOURCE_MAX];
    uint8_t initdata[CLAIMS_INITDATA_MAX];
    size_t initdata_len; /* 32, 48 or 64 */
    bool any_measurement, any_image;
    uint8_t measurement[CLAIMS_MEASUREMENT];
    uint8_t image[32];
    int64_t expires; /* seconds since 1970 */
    uint64_t count;
};

/* What a text says; whether it was signed by anybody is not looked at. */
MUST_CHECK int approval_parse(const char *text, size_t len, struct approval *out, struct err *e);
/* -EKEYREJECTED when this key did not sign it. */
MUST_CHECK int approval_verify(const char *text, size_t len, const struct crypto_key *key,
                               struct err *e);
/* approver and everything else filled in; id empty = a random one. *out: malloc. */
MUST_CHECK int approval_sign(const struct approval *a, const struct crypto_key *key, char **out,
                             struct err *e);

void approval_name(const struct approval *a, char out[APPROVAL_NAME_SIZE]);

/*
 * Is this about that resource going to this guest at this time? why: NULL, or the member that is
 * not, for people.
 */
MUST_CHECK bool approval_covers(const struct approval *a, const struct claims *c,
                                const char *resource, int64_t now, const char **out_why);

#endif
