/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's bucket is one number: the time at which it will be full again. A request moves it on by the time one request
 * takes to be refilled; it is refused when that would be more than a whole bucket ahead of now. (The generic cell rate
 * algorithm.)
 *
 * The table has rows of ROW places; a client lives in the row that his hash names. In a full row the one whose bucket
 * filled first makes room, of those without a connection; when all have one, whoever asks is refused until one closes.
 */
#include "attest/kbs/http/limit.h"

#include "attest/crypto.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define ROW 8u

struct place {
    struct limit_client who; /* v[0] == 0: nobody */
    uint32_t connections;
    uint64_t full_us;
};

struct limiter {
    uint64_t step_us; /* one request's share of time */
    uint64_t depth_us;
    uint32_t connections;
    uint8_t key[16];
    size_t rows; /* a power of two */
    struct place places[];
};

int limiter_new(const struct limit_setup *s, struct limiter **out, struct err *e)
{
    size_t rows = 1;
    while (rows * ROW < s->clients) { rows *= 2; }
    struct limiter *l = calloc(1, sizeof *l + rows * ROW * sizeof l->places[0]);
    if (!l) { return err_set(e, ENOMEM, "limits: out of memory"); }
    l->rows = rows;
    l->step_us = 1000000 / s->per_second;
    l->depth_us = l->step_us * s->burst;
    l->connections = s->connections;
    int rc = crypto_random(l->key, sizeof l->key);
    if (rc < 0) {
        free(l);
        return err_set(e, -rc, "limits: no randomness");
    }
    *out = l;
    return 0;
}

void limiter_free(struct limiter *l) { free(l); }

struct limit_client limit_client_of(const struct sockaddr *sa)
{
    struct limit_client c = {.v = {1}};
    if (sa->sa_family == AF_INET) {
        c.v[0] = 4;
        memcpy(c.v + 1, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
    }
    if (sa->sa_family == AF_INET6) {
        const uint8_t *a = ((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr.s6_addr;
        static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
        bool v4 = memcmp(a, mapped, sizeof mapped) == 0;
        c.v[0] = v4 ? 4 : 6;
        memcpy(c.v + 1, v4 ? a + 12 : a, v4 ? 4 : 8);
    }
    return c;
}

static struct place *row_of(struct limiter *l, const struct limit_client *c)
{
    uint8_t text[sizeof l->key + sizeof c->v], hash[CRYPTO_SHA256_SIZE];
    uint32_t at;
    memcpy(text, l->key, sizeof l->key);
    memcpy(text + sizeof l->key, c->v, sizeof c->v);
    crypto_sha256(text, sizeof text, hash);
    memcpy(&at, hash, sizeof at);
    return &l->places[(at & (l->rows - 1)) * ROW];
}

static struct place *find(struct limiter *l, const struct limit_client *c)
{
    struct place *row = row_of(l, c);
    for (size_t i = 0; i < ROW; i++) {
        if (memcmp(row[i].who.v, c->v, sizeof c->v) == 0) { return &row[i]; }
    }
    return NULL;
}

/* The client's place, taken from another if need be; NULL when all of the row are connected. */
static struct place *take(struct limiter *l, const struct limit_client *c)
{
    struct place *p = find(l, c);
    if (p) { return p; }
    struct place *row = row_of(l, c);
    for (size_t i = 0; i < ROW; i++) {
        if (row[i].connections == 0 && (!p || row[i].full_us < p->full_us)) { p = &row[i]; }
    }
    if (p) { *p = (struct place){.who = *c}; }
    return p;
}

/* When the bucket would be full again after one more. */
static uint64_t full_after(const struct limiter *l, const struct place *p, uint64_t now_us)
{
    return (p->full_us > now_us ? p->full_us : now_us) + l->step_us;
}

uint32_t limiter_request(struct limiter *l, const struct limit_client *c, uint64_t now_us)
{
    struct place *p = take(l, c);
    if (!p) { return 1; }
    uint64_t full = full_after(l, p, now_us);
    if (full - now_us > l->depth_us) {
        uint64_t wait_us = full - now_us - l->depth_us;
        return (uint32_t)((wait_us + 999999) / 1000000);
    }
    p->full_us = full;
    return 0;
}

bool limiter_connect(struct limiter *l, const struct limit_client *c, uint64_t now_us)
{
    struct place *p = take(l, c);
    if (!p || p->connections >= l->connections) { return false; }
    uint64_t full = full_after(l, p, now_us);
    if (full - now_us > 2 * l->depth_us) { return false; }
    p->full_us = full;
    p->connections++;
    return true;
}

void limiter_disconnect(struct limiter *l, const struct limit_client *c)
{
    struct place *p = find(l, c);
    if (p && p->connections) { p->connections--; }
}
