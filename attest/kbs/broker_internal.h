/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the broker's own files: one exchange from request to answer and audit line. */
#ifndef CASEMATE_ATTEST_KBS_BROKER_INTERNAL_H
#define CASEMATE_ATTEST_KBS_BROKER_INTERNAL_H

#include "attest/kbs/appraise.h"
#include "attest/kbs/broker.h"
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
};

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

/* ---- handlers, by file */

void handle_auth(struct exchange *x);         /* rcar.c */
void handle_attest(struct exchange *x);       /* rcar.c */
void handle_resource_get(struct exchange *x); /* release.c */
void handle_admin_kbs(struct exchange *x);    /* admin.c: /kbs/v0 */
void handle_admin_own(struct exchange *x);    /* admin.c: /casemate/v0 */

void handle_approval_put(struct exchange *x); /* approvals.c */
void handle_approval_delete(struct exchange *x);
void handle_approval_list(struct exchange *x);

/* What rules look up, for a release of the resource in x->subject. approvals.c */
struct rule_sources broker_rule_sources(struct exchange *x);

/* ---- state */

/* Readers of the store: for rules_judge(), and for an attestation policy. */
struct references broker_references(struct broker *b);
struct reference_source broker_reference_source(struct broker *b);

/* ---- tokens (token.c) */

/* A guest that has proved itself, and what it sent beside the evidence. */
struct attested {
    struct claims device[CLAIMS_DEVICES_MAX]; /* the TEE first */
    size_t device_count;
    const char *nonce, *additional; /* borrowed */
    json_t *initdata_claims;        /* owned; NULL = none */
    json_t *submods;                /* one per device, once appraised; owned */
};
void attested_fini(struct attested *a);
#define auto_attested __attribute__((cleanup(attested_fini))) struct attested

/* Key, its name and its certificates. */
MUST_CHECK int token_header_make(const struct broker_setup *setup, json_t **out, struct err *e);
/*
 * By the owner's policies, or the broker's own. -EINVAL or -ERANGE when a policy fails over this guest: the text is for
 * the log.
 */
MUST_CHECK int appraise_devices(struct broker *b, int64_t now, struct attested *a, struct err *e);
/* The same once more for claims that somebody changed: payload is a token's. */
MUST_CHECK int appraise_again(struct broker *b, int64_t now, json_t *payload, struct err *e);

/* An attestation token over a->submods. *out: malloc. */
MUST_CHECK int token_issue(struct broker *b, const struct attested *a, int64_t now, char **out,
                           json_t **out_payload, struct err *e);
/*
 * The payload of a token that is believed, or of one that we issued into a session and that has not expired.
 * out_own  is it one of ours?
 */
MUST_CHECK int token_take(struct broker *b, struct view token, int64_t now, json_t **out_payload,
                          bool *out_own, struct err *e);
MUST_CHECK int token_age_check(const json_t *payload, int64_t now, struct err *e);
MUST_CHECK int token_take_own(const char *token, int64_t now, json_t **out_payload, struct err *e);

/* Our public key as a JWK set; answers GET /.well-known/jwks.json. */
void handle_jwks(struct exchange *x);

/* Whoever sent this request may do that; otherwise the reason. */
MUST_CHECK int admin_check(struct broker *b, const struct http_request *rq, const char *operation,
                           int64_t now, struct err *e);

/* The token of `Authorization: Bearer`, or an empty view with p NULL. The scheme is case sensitive. [coco §17.2] */
struct view bearer_of(const struct http_request *rq);

#endif
