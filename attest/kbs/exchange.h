/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One exchange, from request to answer and audit line, and the broker it is with: what every handler stands on. Nothing here
 * calls a handler.
 */
#ifndef CASEMATE_ATTEST_KBS_EXCHANGE_H
#define CASEMATE_ATTEST_KBS_EXCHANGE_H

#include "attest/jose.h"
#include "attest/kbs/broker_setup.h"
#include "attest/kbs/http/http.h"
#include "attest/kbs/policies.h"
#include "attest/kbs/session/recent.h"
#include "attest/kbs/session/session.h"

#define COOKIE_NAME "kbs-session-id"
#define SUBJECT_MAX                                                                                \
    1100 /* three segments of a resource, or the longest name of a reference value */

struct broker {
    struct broker_setup setup;
    struct sessions *sessions;
    struct recent *recent;
    struct policy release;                    /* policy_refresh() before each use */
    struct policy appraising[CLAIMS_CLASSES]; /* the same */
    json_t *token_header;                     /* of every token that we sign */
    struct broker_counts counts;
};

/* One request under way. */
struct exchange {
    struct broker *b;
    const struct http_request *rq;
    const char *peer;
    int64_t now;
    struct view plugin, rest; /* of the path: first segment, and what follows its slash */
    struct http_response *out;
    uint64_t outages; /* of the store, before this exchange */

    /* for the audit line; event NULL = this exchange decides nothing */
    const char *event;
    char subject[SUBJECT_MAX]; /* what it is about: a resource, a policy, a reference value */
    char session[9];           /* first digits of the session's id */
    struct claims claims;      /* of whoever asks, out of a token; freed with the exchange */
    bool has_claims;
    const struct crypto_key
        *guest_key; /* of a guest out of b->recent; NULL = read it from the claims */
    enum jwe_alg guest_alg;
    struct decision decision;
    bool coming; /* the evidence was refused, but what the verifier missed is on its way */
};

/* The token of `Authorization: Bearer`, or an empty view with p NULL. The scheme is case sensitive. [coco §17.2] */
struct view bearer_of(const struct http_request *rq);

/* ---- answers */

/* JSON error body; the reason goes to the guest and, as the decision's reason, into the audit log. [coco §2.6] */
void reply_error(struct exchange *x, int status, const char *variant, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* Takes json. */
void reply_json(struct exchange *x, json_t *take_json);
/* Takes text, which came from malloc. */
void reply_text(struct exchange *x, const char *content_type, char *take_text);
void reply_empty(struct exchange *x);

/* All reasons in one text, cut where it is full. */
void reasons_join(const struct decision *d, char *out, size_t size);

/*
 * The end of it, whatever became of it. What was decided while the database was away is not told, nor what cannot be
 * recorded where that is asked for: then the answer is a 503. Frees what x holds.
 */
void exchange_end(struct exchange *x);

#endif
