/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions in memory. All live in one list by age, and all live equally long, so the oldest is always the first to
 * expire: sweeping is looking at the head. Identifiers are random, so the first bytes of one are its hash.
 */
#include "attest/kbs/session/backend.h"

#include "guest/base/ct.h"
#include "guest/base/list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024u

struct entry {
    struct list by_age, chain;
    struct list state; /* in `open` or in `settled` */
    struct session s;
};

struct memory_sessions {
    struct sessions base;
    struct list by_age;  /* oldest first */
    struct list open;    /* those that nobody has settled, oldest first */
    struct list settled; /* the others, likewise */
    uint32_t open_count;
    struct list buckets[BUCKETS];
    uint32_t count;
};

static struct memory_sessions *of(struct sessions *t)
{
    return CONTAINER_OF(t, struct memory_sessions, base);
}

static void drop(struct memory_sessions *t, struct entry *n)
{
    list_del(&n->by_age);
    list_del(&n->chain);
    list_del(&n->state);
    t->open_count -= n->s.token == NULL;
    t->count--;
    session_fini(&n->s);
    free(n);
}

static void sweep(struct memory_sessions *t, int64_t now)
{
    while (!list_empty(&t->by_age)) {
        struct entry *n = LIST_ENTRY(t->by_age.next, struct entry, by_age);
        if (n->s.expires > now) { return; }
        drop(t, n);
    }
}

/* There is a session. */
static void make_room(struct memory_sessions *t)
{
    bool open = t->open_count > session_open_share(t->base.max) || list_empty(&t->settled);
    struct list *oldest = open ? t->open.next : t->settled.next;
    drop(t, LIST_ENTRY(oldest, struct entry, state));
}

static struct list *bucket_of(struct memory_sessions *t, const char *id)
{
    size_t h = 0;
    for (size_t i = 0; i < 4; i++) { h = h << 4 ^ (uint8_t)id[i]; }
    return &t->buckets[h % BUCKETS];
}

/*
 * In constant time per candidate. One that has expired is none, although it may still be here: where the clock was put
 * back, a session that began before that is the oldest and not the first to expire.
 */
static struct entry *lookup(struct memory_sessions *t, const char *id, int64_t now)
{
    LIST_EACH (l, bucket_of(t, id)) {
        struct entry *n = LIST_ENTRY(l, struct entry, chain);
        if (ct_eq(n->s.id, id, SESSION_ID_LEN)) { return n->s.expires > now ? n : NULL; }
    }
    return NULL;
}

static int memory_open(struct sessions *base, const struct session *s, int64_t now, struct err *e)
{
    struct memory_sessions *t = of(base);
    sweep(t, now);
    if (t->count >= base->max && t->count > 0) { make_room(t); }
    struct entry *n = malloc(sizeof *n);
    if (!n) { return err_set(e, ENOMEM, "session: out of memory"); }
    n->s = *s;
    list_add_tail(&t->by_age, &n->by_age);
    list_add_tail(&t->open, &n->state);
    t->open_count++;
    list_add_tail(bucket_of(t, s->id), &n->chain);
    t->count++;
    return 0;
}

static int memory_find(struct sessions *base, const char *id, int64_t now, struct session *out,
                       struct err *e)
{
    struct memory_sessions *t = of(base);
    sweep(t, now);
    struct entry *n = lookup(t, id, now);
    if (!n) { return err_set(e, ENOENT, "session: unknown or expired"); }
    char *token = n->s.token ? strdup(n->s.token) : NULL;
    if (n->s.token && !token) { return err_set(e, ENOMEM, "session: out of memory"); }
    *out = n->s;
    out->token = token;
    return 0;
}

static int memory_settle(struct sessions *base, const char *id, const char *token, int64_t now,
                         struct err *e)
{
    struct memory_sessions *t = of(base);
    sweep(t, now);
    struct entry *n = lookup(t, id, now);
    if (!n || n->s.token) { return err_set(e, ENOENT, "session: not open any more"); }
    n->s.token = strdup(token);
    if (!n->s.token) { return err_set(e, ENOMEM, "session: out of memory"); }
    list_del(&n->state);
    list_add_tail(&t->settled, &n->state);
    t->open_count--;
    return 0;
}

static int memory_refuse(struct sessions *base, const char *id, struct err *e)
{
    (void)e;
    struct memory_sessions *t = of(base);
    struct entry *n = lookup(t, id, INT64_MIN);
    if (n && !n->s.token) { drop(t, n); }
    return 0;
}

static uint32_t memory_count(const struct sessions *base)
{
    return CONTAINER_OF(base, const struct memory_sessions, base)->count;
}

static void memory_free(struct sessions *base)
{
    struct memory_sessions *t = of(base);
    LIST_EACH_SAFE (l, &t->by_age) { drop(t, LIST_ENTRY(l, struct entry, by_age)); }
    free(t);
}

struct sessions *sessions_in_memory(uint32_t max, int64_t lifetime)
{
    static const struct session_ops ops = {
        .free = memory_free,
        .count = memory_count,
        .open = memory_open,
        .find = memory_find,
        .settle = memory_settle,
        .refuse = memory_refuse,
    };
    struct memory_sessions *t = calloc(1, sizeof *t);
    if (!t) { return NULL; }
    t->base = (struct sessions){.ops = &ops, .max = max, .lifetime = lifetime};
    list_init(&t->by_age);
    list_init(&t->open);
    list_init(&t->settled);
    for (size_t i = 0; i < BUCKETS; i++) { list_init(&t->buckets[i]); }
    return &t->base;
}
