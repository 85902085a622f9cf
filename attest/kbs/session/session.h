/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handshakes under way: cookie -> nonce, then a token; each for a bounded time and all of bounded number. In the memory of
 * one broker, or in the database that several share: then a cookie may come back to any of them.
 *
 *      session_open          -> OPEN      a nonce is out
 *      session_settle        OPEN -> SETTLED   the token is kept until the session expires
 *      session_refuse        OPEN -> gone      a nonce whose evidence was refused is never tried again
 *
 * Of any number of requests in one session, at whichever brokers, one settles or refuses it; the others hear -ENOENT. A
 * broker that is killed on the way leaves the session open, and the guest may ask another one.
 *
 * When there are too many the oldest makes room: an OPEN one where more than a quarter of all are OPEN, else a SETTLED one.
 * So a flood of /auth pushes out other handshakes and takes a quarter of the room, no more; and a guest that has proved
 * itself goes when others have done so after it. The number bounds memory, not how many guests are served.
 */
#ifndef CASEMATE_ATTEST_KBS_SESSION_SESSION_H
#define CASEMATE_ATTEST_KBS_SESSION_SESSION_H

#include "attest/kbs/claims.h"
#include "attest/kbs/store/store.h"
#include "guest/base/cur.h"
#include "guest/base/err.h"

#define SESSION_ID_LEN    32 /* hex digits */
#define SESSION_NONCE_LEN 44 /* base64 of 32 bytes */

/* The caller's copy. */
struct session {
    char id[SESSION_ID_LEN + 1];
    char nonce[SESSION_NONCE_LEN + 1]; /* while OPEN */
    char tee[CLAIMS_TEE_MAX];          /* while OPEN */
    int64_t expires;                   /* Unix seconds; the first second at which it is gone */
    char *token;                       /* malloc; NULL = OPEN */
};
void session_fini(struct session *s); /* wipes; a zeroed one is fine */
#define auto_session __attribute__((cleanup(session_fini))) struct session

struct sessions;

/*
 * In this program's memory (memory.c), or in a store that store_is_shared() (shared.c), borrowed. NULL = out of memory.
 *
 * max       at one time
 * lifetime  seconds
 */
struct sessions *sessions_in_memory(uint32_t max, int64_t lifetime);
struct sessions *sessions_in_store(struct store *shared, uint32_t max, int64_t lifetime);
void sessions_free(struct sessions *t); /* NULL is fine */

/* How many there are; where they are shared, as far as this broker has heard. */
uint32_t sessions_count(const struct sessions *t);

/* A new session with fresh id and nonce. -EAGAIN where they are shared and others make room at this moment. */
MUST_CHECK int session_open(struct sessions *t, const char *tee, int64_t now, struct session *out,
                            struct err *e);

/* By the value of the cookie. -ENOENT when it is unknown or has expired. */
MUST_CHECK int session_find(struct sessions *t, struct view id, int64_t now, struct session *out,
                            struct err *e);

/* -ENOENT when it is not OPEN any more. */
MUST_CHECK int session_settle(struct sessions *t, const char *id, const char *token, int64_t now,
                              struct err *e);

/*
 * One that is not OPEN any more stays as it is. An error may be ignored: the session stays OPEN then, for evidence that is
 * refused again.
 */
int session_refuse(struct sessions *t, const char *id, struct err *e);

#endif
