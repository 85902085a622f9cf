/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A refusal as somebody kept it, taken apart into reasons: a broker's error body {"type","detail"},
 * lines of its audit log, what `cc-attest verify --json` printed, or a reason alone as text.
 */
#ifndef CASEMATE_ATTEST_CLI_REFUSAL_H
#define CASEMATE_ATTEST_CLI_REFUSAL_H

#include "attest/verify/verdict.h"
#include "guest/base/err.h"

#define REFUSAL_REASONS_MAX 64
#define REFUSAL_TEXT_MAX    1024

struct refusal_reason {
    char text[REFUSAL_TEXT_MAX];     /* as it was told, cut where it is too long */
    char rule[64];                   /* the rule that did not hold; "" = no rule's */
    char subject[64];                /* a verifier's code, or what a rule or a broker looked at */
    const struct verdict_code *code; /* when a verifier said so; NULL = a broker */
    char found[256], wanted[256];    /* "" = not told */
};

struct refusal {
    size_t count; /* beyond the room the rest is dropped, and more says so */
    bool more;
    struct refusal_reason reasons[REFUSAL_REASONS_MAX];
};

/* -EBADMSG when there is no refusal in it. */
MUST_CHECK int refusal_parse(const char *text, size_t len, struct refusal *out, struct err *e);

#endif
