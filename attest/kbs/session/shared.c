/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions in a shared store. The row's name is the SHA-256 of the identifier, so the database does not hold cookies that
 * work; its value is nonce and tee, then the token, sealed.
 *
 * What has expired is removed once a second by whichever broker opens a session then; that also tells him how many there
 * are. In between he counts his own: all together stay below max plus what the others open in one second.
 */
#include "attest/kbs/session/backend.h"

#include "attest/crypto.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct shared_sessions {
    struct sessions base;
    struct store *store;
    uint32_t count;
    int64_t swept;
};

static struct shared_sessions *of(struct sessions *t)
{
    return CONTAINER_OF(t, struct shared_sessions, base);
}

struct row {
    char name[HEX_LEN(CRYPTO_SHA256_SIZE)];
};

static struct row row_of(const char *id)
{
    struct row r;
    uint8_t hash[CRYPTO_SHA256_SIZE];
    crypto_sha256(id, SESSION_ID_LEN, hash);
    hex_encode(hash, sizeof hash, r.name);
    return r;
}

static int make_room(struct shared_sessions *t, int64_t now, struct err *e)
{
    if (t->swept == now && t->count < t->base.max) { return 0; }
    uint32_t room = t->base.max - 1;
    int rc = store_session_sweep(t->store, now, room, session_open_share(room), &t->count, e);
    if (rc < 0) { return rc; }
    t->swept = now;
    return t->count < t->base.max ? 0
                                  : err_set(e, EAGAIN, "%u sessions are open; try again", t->count);
}

static int shared_open(struct sessions *base, const struct session *s, int64_t now, struct err *e)
{
    struct shared_sessions *t = of(base);
    struct row r = row_of(s->id);
    char value[sizeof s->nonce + sizeof s->tee];
    int n = snprintf(value, sizeof value, "%s%s", s->nonce, s->tee);
    int rc = make_room(t, now, e);
    if (rc == 0) { rc = store_session_open(t->store, r.name, s->expires, value, (size_t)n, e); }
    if (rc == 0) { t->count++; }
    return rc;
}

static int shared_find(struct sessions *base, const char *id, int64_t now, struct session *out,
                       struct err *e)
{
    struct shared_sessions *t = of(base);
    struct row r = row_of(id);
    auto_store_value value = {0};
    bool settled = false;
    int rc = store_session_get(t->store, r.name, now, &settled, &out->expires, &value, e);
    if (rc < 0) { return rc; }
    if (settled) {
        out->token = strdup((const char *)value.p);
        return out->token ? 0 : err_set(e, ENOMEM, "session: out of memory");
    }
    if (value.len < SESSION_NONCE_LEN || value.len >= SESSION_NONCE_LEN + sizeof out->tee) {
        return err_set(e, EBADMSG, "session: a value of %zu bytes", value.len);
    }
    memcpy(out->nonce, value.p, SESSION_NONCE_LEN);
    memcpy(out->tee, value.p + SESSION_NONCE_LEN, value.len - SESSION_NONCE_LEN + 1);
    return 0;
}

static int shared_settle(struct sessions *base, const char *id, const char *token, int64_t now,
                         struct err *e)
{
    struct row r = row_of(id);
    return store_session_settle(of(base)->store, r.name, now, token, strlen(token), e);
}

static int shared_refuse(struct sessions *base, const char *id, struct err *e)
{
    struct row r = row_of(id);
    return store_session_drop(of(base)->store, r.name, e);
}

static uint32_t shared_count(const struct sessions *base)
{
    return CONTAINER_OF(base, const struct shared_sessions, base)->count;
}

static void shared_free(struct sessions *base) { free(of(base)); }

struct sessions *sessions_in_store(struct store *shared, uint32_t max, int64_t lifetime)
{
    static const struct session_ops ops = {
        .free = shared_free,
        .count = shared_count,
        .open = shared_open,
        .find = shared_find,
        .settle = shared_settle,
        .refuse = shared_refuse,
    };
    struct shared_sessions *t = calloc(1, sizeof *t);
    if (!t) { return NULL; }
    t->base = (struct sessions){.ops = &ops, .max = max, .lifetime = lifetime};
    t->store = shared;
    return &t->base;
}
