/* SPDX-License-Identifier: Apache-2.0 */
/* What rules are asked, and what they look up to answer. */
#ifndef CASEMATE_ATTEST_KBS_RULES_QUESTION_H
#define CASEMATE_ATTEST_KBS_RULES_QUESTION_H

#include "attest/kbs/claims.h"
#include "attest/kbs/rules/reference.h"
#include "guest/base/err.h"

/*
 * What rules look up beside claims. A function that is NULL finds nothing: what needs it does not
 * hold. Counters go by name; what has been taken stays taken.
 */
struct rule_sources {
    struct references references;
    void *ctx;
    /* Each approval that is kept; each() returns 0 to go on, and anything else is returned. */
    int (*approvals)(void *ctx, int (*each)(void *each_ctx, const char *text, size_t len),
                     void *each_ctx, struct err *e);
    int (*counted)(void *ctx, const char *counter, uint64_t *out, struct err *e);
    /* One of at most max; *out_taken false: there are none left. Atomic. */
    int (*take)(void *ctx, const char *counter, uint64_t max, bool *out_taken, struct err *e);
};
/* "rule/web" and "approval/alice/5f..": a counter's name and a zero byte. */
#define RULE_COUNTER_SIZE 128

struct rule_question {
    const struct claims *claims;
    const json_t *evidence; /* as the token shows it; NULL = checks under "claims" do not hold */
    const char *resource;   /* "repository/type/tag", syntax already checked */
    int64_t now;            /* seconds since 1970 */
};

#endif
