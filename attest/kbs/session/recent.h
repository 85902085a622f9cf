/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guests that have proved themselves a moment ago, as they came out of the handshake: a release usually follows at once, and
 * then neither the token that was just written nor the key in it has to be read again. A few slots, the newest guest
 * takes one over, and whoever is not found is read from his token.
 *
 * Never the authority: whether there is such a session, and how old its token may be, is asked elsewhere (session.h,
 * token_age_check()).
 */
#ifndef CASEMATE_ATTEST_KBS_SESSION_RECENT_H
#define CASEMATE_ATTEST_KBS_SESSION_RECENT_H

#include "attest/jose.h"
#include "attest/kbs/session/session.h"

struct recent_guest {
    char session[SESSION_ID_LEN + 1]; /* "" = nobody */
    json_t *payload;                  /* of the token */
    struct jwk key;                   /* the tee-pubkey in it */
};

struct recent;
struct recent *recent_new(void);    /* NULL without memory */
void recent_free(struct recent *r); /* NULL is fine */

/* Takes payload and key over. session: SESSION_ID_LEN hex digits. */
void recent_put(struct recent *r, const char *session, json_t *take_payload, struct jwk *take_key);

/* NULL when he is not here any more; good until the next recent_put(). */
const struct recent_guest *recent_get(const struct recent *r, const char *session);

#endif
