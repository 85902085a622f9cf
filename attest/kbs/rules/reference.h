/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reference values: which launch digests an owner has registered, by kind of TEE. A digest registered for one kind never
 * lets in a guest of another.
 */
#ifndef CASEMATE_ATTEST_KBS_RULES_REFERENCE_H
#define CASEMATE_ATTEST_KBS_RULES_REFERENCE_H

#include "attest/kbs/claims.h"

/*
 * The kinds of TEE that rules know, and the name under which each one's reference values are kept:
 * CoCo's names where it has one. NULL for other kinds.
 */
const char *reference_name_of(const char *tee);
/* Is that one of these names? */
bool reference_name_is_ours(const char *name);

/*
 * Is this launch digest one of the reference values? count: how many there are; first: one of them
 * in hex, for the reason, or empty.
 */
struct reference_answer {
    bool known;
    size_t count;
    char first[HEX_LEN(CLAIMS_MEASUREMENT)];
};
struct references {
    void *ctx;
    struct reference_answer (*ask)(void *ctx, const char *tee,
                                   const uint8_t measurement[CLAIMS_MEASUREMENT]);
};

/* The answer for a value as it is registered: one digest in hex, or a list. NULL = there is none. */
struct reference_answer reference_answer_of(const json_t *value,
                                            const uint8_t measurement[CLAIMS_MEASUREMENT]);

#endif
