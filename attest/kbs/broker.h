/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key broker without sockets: a request comes in, an answer goes out, and a line goes to the audit log. Speaks the
 * CoCo KBS protocol 0.4.0; refuses with a reason.
 *
 * Routes under /kbs/v0: auth, attest, resource (guests: GET; administrators: POST, DELETE), resource-policy,
 * attestation-policy, reference-value. Ours, for administrators: /casemate/v0/{resources,policy,references}. For anybody:
 * /healthz, and /.well-known/jwks.json, the key that our tokens are signed with.
 */
#ifndef CASEMATE_ATTEST_KBS_BROKER_H
#define CASEMATE_ATTEST_KBS_BROKER_H

#include "attest/kbs/broker_setup.h"
#include "attest/kbs/http/http.h"

struct broker;

/* Reads policy and reference values from the store; one that does not load is an error here, not at the first request. */
MUST_CHECK int broker_new(const struct broker_setup *s, struct broker **out, struct err *e);
void broker_free(struct broker *b);

/*
 * Between two requests: go on with another setup of the same store, audit log and sessions. Nothing of the old is kept; on
 * failure it goes on with the old.
 */
MUST_CHECK int broker_adopt(struct broker *b, const struct broker_setup *s, struct err *e);

/*
 * Bring the policies up to what the store has, as each request does: for a caller that wants to hear now whether they load.
 */
MUST_CHECK int broker_load_policies(struct broker *b, struct err *e);

/* Sessions that there are now. */
uint32_t broker_sessions(const struct broker *b);

struct broker_counts broker_counts(const struct broker *b);

/* An http_handler: ctx is the broker. */
void broker_handle(void *ctx, const struct http_request *rq, const char *peer, int64_t now,
                   struct http_response *out);

#endif
