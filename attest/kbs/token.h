/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens: those we sign for guests and read again, and those administrators sign for themselves (token.c). */
#ifndef CASEMATE_ATTEST_KBS_TOKEN_H
#define CASEMATE_ATTEST_KBS_TOKEN_H

#include "attest/kbs/exchange.h"

/* Key, its name and its certificates: the header of every token that we sign. */
MUST_CHECK int token_header_make(const struct broker_setup *setup, json_t **out, struct err *e);

/* An attestation token over these submodules, which are borrowed. *out: malloc. */
MUST_CHECK int token_issue(struct broker *b, json_t *submods, int64_t now, char **out,
                           json_t **out_payload, struct err *e);
/*
 * The payload of a token that is believed, or of one that we issued into a session and that has not expired.
 * out_own  is it one of ours?
 */
MUST_CHECK int token_take(struct broker *b, struct view token, int64_t now, json_t **out_payload,
                          bool *out_own, struct err *e);
MUST_CHECK int token_take_own(const char *token, int64_t now, json_t **out_payload, struct err *e);
MUST_CHECK int token_age_check(const json_t *payload, int64_t now, struct err *e);

/* Whoever sent this request may do that; otherwise the reason. */
MUST_CHECK int admin_check(struct broker *b, const struct http_request *rq, const char *operation,
                           int64_t now, struct err *e);

#endif
