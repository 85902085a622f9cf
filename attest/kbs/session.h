/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handshakes under way: cookie -> nonce, then a token, in memory, each for a bounded time and all of bounded number.
 *
 *      session_open          -> OPEN      a nonce is out
 *      session_attested      OPEN -> ATTESTED: the token is kept until the session expires
 *      session_drop          any -> gone; a nonce whose evidence was refused is never tried again
 *
 * When the table is full the oldest OPEN session makes room; with none of those, nobody new is let in. So a flood of
 * /auth can push out other handshakes but never a guest that has proved itself.
 */
#ifndef CASEMATE_ATTEST_KBS_SESSION_H
#define CASEMATE_ATTEST_KBS_SESSION_H

#include "attest/kbs/claims.h"
#include "guest/base/cur.h"
#include "guest/base/err.h"
#include "guest/base/list.h"

#define SESSION_ID_LEN    32 /* hex digits */
#define SESSION_NONCE_LEN 44 /* base64 of 32 bytes */

struct session {
    struct list by_age, chain;
    char id[SESSION_ID_LEN + 1];
    char nonce[SESSION_NONCE_LEN + 1];
    char tee[CLAIMS_TEE_MAX];
    int64_t expires; /* Unix seconds; the first second at which it is gone */
    bool attested;
    char *token; /* malloc, once attested */
};

struct sessions;

MUST_CHECK int sessions_new(uint32_t max, int64_t lifetime, struct sessions **out, struct err *e);
void sessions_free(struct sessions *t);

/* A new session with fresh id and nonce; borrowed from t. -EAGAIN when full. */
MUST_CHECK int session_open(struct sessions *t, const char *tee, int64_t now, struct session **out,
                            struct err *e);

/* By the value of the cookie, in constant time per candidate; NULL when unknown or expired. */
struct session *session_find(struct sessions *t, struct view id, int64_t now);

void session_attested(struct session *s, char *take_token);

void session_drop(struct sessions *t, struct session *s);

#endif
