/* SPDX-License-Identifier: Apache-2.0 */
/* What explain says beyond a verifier's own words: a broker's subjects, what two values differ in. */
#ifndef CASEMATE_ATTEST_CLI_WORDS_H
#define CASEMATE_ATTEST_CLI_WORDS_H

#include "guest/base/cc.h"

struct words_subject {
    const char *subject; /* "nonce"; "register" for "register 1", "approval" for "approval/NAME" */
    bool of_rule;        /* what a rule looks at, or what a broker does before any rule */
    const char *means;
    const char *todo;
};
/* NULL when nobody knows it. */
const struct words_subject *words_find(const char *subject, bool of_rule);

#define WORDS_MAX 320
/*
 * In what two values differ, as a sentence: which bits of a number that has named ones, or from
 * which byte on two digests. "" when there is nothing to say beyond showing them.
 * code  a verifier's code, "" = none
 */
void words_difference(const char *code, const char *found, const char *wanted, char out[WORDS_MAX]);

#endif
