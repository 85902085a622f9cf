/* SPDX-License-Identifier: Apache-2.0 */
/* See recent.h. One slot per value of a session's first digits, which are random. */
#include "attest/kbs/session/recent.h"

#include "attest/hex.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS                                                                                      \
    64u /* guests between /attest and their first release, at some 1000 a second; 10 KiB each */

struct recent {
    struct recent_guest slot[SLOTS];
};

static size_t slot_of(const char *session)
{
    uint8_t hi = 0, lo = 0;
    (void)(hex_nibble(session[0], &hi) && hex_nibble(session[1], &lo));
    return (size_t)(hi << 4 | lo) % SLOTS;
}

static void forget(struct recent_guest *g)
{
    json_decref(g->payload);
    jwk_fini(&g->key);
    *g = (struct recent_guest){.payload = NULL};
}

struct recent *recent_new(void) { return calloc(1, sizeof(struct recent)); }

void recent_free(struct recent *r)
{
    for (size_t i = 0; r && i < SLOTS; i++) { forget(&r->slot[i]); }
    free(r);
}

void recent_put(struct recent *r, const char *session, json_t *take_payload, struct jwk *take_key)
{
    struct recent_guest *g = &r->slot[slot_of(session)];
    forget(g);
    memcpy(g->session, session, SESSION_ID_LEN);
    g->payload = take_payload;
    g->key = *take_key;
    *take_key = (struct jwk){.key = NULL};
}

const struct recent_guest *recent_get(const struct recent *r, const char *session)
{
    const struct recent_guest *g = &r->slot[slot_of(session)];
    return g->payload && strcmp(g->session, session) == 0 ? g : NULL;
}
