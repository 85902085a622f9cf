/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions in memory. All live in one list by age, and all live equally long, so the oldest is always the first to
 * expire: sweeping is looking at the head. Identifiers are random, so the first bytes of one are its hash.
 */
#include "attest/kbs/session.h"

#include "attest/base64.h"
#include "attest/crypto.h"
#include "guest/base/ct.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024u

struct sessions {
    struct list by_age; /* oldest first */
    struct list buckets[BUCKETS];
    uint32_t count, max;
    int64_t lifetime; /* seconds */
};

int sessions_new(uint32_t max, int64_t lifetime, struct sessions **out, struct err *e)
{
    struct sessions *t = calloc(1, sizeof *t);
    if (!t) { return err_set(e, ENOMEM, "sessions: out of memory"); }
    list_init(&t->by_age);
    for (size_t i = 0; i < BUCKETS; i++) { list_init(&t->buckets[i]); }
    t->max = max;
    t->lifetime = lifetime;
    *out = t;
    return 0;
}

void sessions_free(struct sessions *t)
{
    if (!t) { return; }
    LIST_EACH_SAFE (n, &t->by_age) { session_drop(t, LIST_ENTRY(n, struct session, by_age)); }
    free(t);
}

void session_drop(struct sessions *t, struct session *s)
{
    list_del(&s->by_age);
    list_del(&s->chain);
    t->count--;
    if (s->token) {
        wipe(s->token, strlen(s->token));
        free(s->token);
    }
    wipe(s, sizeof *s);
    free(s);
}

static void sweep(struct sessions *t, int64_t now)
{
    while (!list_empty(&t->by_age)) {
        struct session *s = LIST_ENTRY(t->by_age.next, struct session, by_age);
        if (s->expires > now) { return; }
        session_drop(t, s);
    }
}

/* False when every session has proved itself. */
static bool make_room(struct sessions *t)
{
    LIST_EACH (n, &t->by_age) {
        struct session *s = LIST_ENTRY(n, struct session, by_age);
        if (s->attested) { continue; }
        session_drop(t, s);
        return true;
    }
    return false;
}

static size_t bucket_of(const char id[static SESSION_ID_LEN])
{
    size_t h = 0;
    for (size_t i = 0; i < 4; i++) { h = h << 4 ^ (uint8_t)id[i]; }
    return h % BUCKETS;
}

int session_open(struct sessions *t, const char *tee, int64_t now, struct session **out,
                 struct err *e)
{
    sweep(t, now);
    if (t->count >= t->max && !make_room(t)) {
        return err_set(e, EAGAIN, "%u sessions are open; try again", t->count);
    }
    uint8_t id[SESSION_ID_LEN / 2], nonce[32];
    struct session *s = calloc(1, sizeof *s);
    if (!s || strlen(tee) >= sizeof s->tee) {
        free(s);
        return err_set(e, ENOMEM, "session: cannot be made");
    }
    int rc = crypto_random(id, sizeof id);
    if (rc == 0) { rc = crypto_random(nonce, sizeof nonce); }
    if (rc < 0) {
        free(s);
        return err_set(e, -rc, "session: no randomness");
    }
    hex_encode(id, sizeof id, s->id);
    b64_encode(nonce, sizeof nonce, s->nonce);
    memcpy(s->tee, tee, strlen(tee) + 1);
    s->expires = now + t->lifetime;
    list_add_tail(&t->by_age, &s->by_age);
    list_add_tail(&t->buckets[bucket_of(s->id)], &s->chain);
    t->count++;
    *out = s;
    return 0;
}

struct session *session_find(struct sessions *t, struct view id, int64_t now)
{
    sweep(t, now);
    if (id.len != SESSION_ID_LEN) { return NULL; }
    LIST_EACH (n, &t->buckets[bucket_of((const char *)id.p)]) {
        struct session *s = LIST_ENTRY(n, struct session, chain);
        if (ct_eq(s->id, id.p, SESSION_ID_LEN)) { return s; }
    }
    return NULL;
}

void session_attested(struct session *s, char *take_token)
{
    s->attested = true;
    s->token = take_token;
}
