/* SPDX-License-Identifier: Apache-2.0 */
/* Words of the policy language, one at a time, out of bytes that nobody has checked. */
#ifndef CASEMATE_ATTEST_POLICY_LEX_H
#define CASEMATE_ATTEST_POLICY_LEX_H

#include "attest/policy/value.h"
#include "guest/base/err.h"

enum token_kind { TOKEN_END = 1, TOKEN_NAME, TOKEN_STRING, TOKEN_NUMBER, TOKEN_SIGN };

struct token {
    enum token_kind kind;
    unsigned line;             /* from 1 */
    bool glued;                /* nothing stands between it and the token before */
    bool first;                /* a line break does */
    struct view text;          /* as it stands in the source */
    const struct value *value; /* of a string or number; in the arena */
};

struct lexer {
    struct cur c;
    unsigned line;
    struct arena *arena;
};

/* Signs are := == != <= >= < > = + - * / % & | ( ) [ ] { } , ; : . and a name never holds a dot. */
MUST_CHECK int lex_next(struct lexer *l, struct token *out, struct err *e);

#endif
