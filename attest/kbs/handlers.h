/* SPDX-License-Identifier: Apache-2.0 */
/* Who answers an exchange, by file; which route leads to whom is in broker.c and admin.c. */
#ifndef CASEMATE_ATTEST_KBS_HANDLERS_H
#define CASEMATE_ATTEST_KBS_HANDLERS_H

#include "attest/kbs/exchange.h"
#include "attest/kbs/rules/question.h"

void handle_auth(struct exchange *x);         /* rcar.c */
void handle_attest(struct exchange *x);       /* rcar.c */
void handle_resource_get(struct exchange *x); /* release.c */
void handle_admin_kbs(struct exchange *x);    /* admin.c: /kbs/v0 */
void handle_admin_own(struct exchange *x);    /* admin.c: /casemate/v0 */

void handle_approval_put(struct exchange *x); /* approvals.c */
void handle_approval_delete(struct exchange *x);
void handle_approval_list(struct exchange *x);

/* What rules look up, for a release of the resource in x->subject. approvals.c */
struct rule_sources rule_sources_of(struct exchange *x);

/* Our public key as a JWK set; answers GET /.well-known/jwks.json. token.c */
void handle_jwks(struct exchange *x);

#endif
