/* SPDX-License-Identifier: Apache-2.0 */
/* See release.h. */
#include "attest/agent/release.h"

#include "guest/base/ct.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

void release_fini(struct release *r)
{
    kbs_close(r->session);
    for (size_t i = 0; i < SHARES_MAX; i++) { kbs_close(r->share_sessions[i]); }
    r->session = NULL;
    memset(r->share_sessions, 0, sizeof r->share_sessions);
}

static int session(struct release *r, const struct agent_broker *broker, struct kbs **at,
                   struct err *e)
{
    return *at ? 0 : kbs_open(r->env, broker, r->guest, at, e);
}

int release_session(struct release *r, struct kbs **out, struct err *e)
{
    int rc = session(r, &r->settings->broker, &r->session, e);
    if (rc == 0) { *out = r->session; }
    return rc;
}

/* ---- shares */

struct collected {
    struct view share[SHARES_MAX]; /* heap bytes */
    size_t count, wanted;          /* wanted: what the first share says */
    size_t secret_len;
    struct err last; /* why the last broker gave none */
};

static void collected_fini(struct collected *c)
{
    for (size_t i = 0; i < c->count; i++) {
        uint8_t *p = (uint8_t *)(uintptr_t)c->share[i].p;
        wipe(p, c->share[i].len);
        free(p);
    }
}

/* One broker's share; what is none is as if it had not come. */
static int collect(struct release *r, size_t i, const char *uri, struct collected *c, struct err *e)
{
    const struct agent_broker *broker = &r->settings->share_brokers[i];
    struct share_head head;
    uint8_t *p = NULL;
    size_t len = 0;
    int rc = session(r, broker, &r->share_sessions[i], e);
    if (rc == 0) { rc = kbs_get(r->share_sessions[i], uri, &p, &len, e); }
    if (rc < 0) { return rc; }
    struct view share = {.p = p, .len = len};
    rc = share_read(share, &head, e);
    if (rc < 0) {
        wipe(p, len);
        free(p);
        return rc;
    }
    if (c->count == 0) {
        c->wanted = head.k;
        c->secret_len = head.secret_len;
    }
    c->share[c->count++] = share;
    return 0;
}

static int join(const struct collected *c, uint8_t **out, size_t *out_len, struct err *e)
{
    uint8_t *secret = calloc(1, c->secret_len + 1);
    if (!secret) { return err_set(e, ENOMEM, "out of memory"); }
    int rc = shares_join(c->share, c->count, secret, c->secret_len, e);
    if (rc < 0) {
        free(secret);
        return rc;
    }
    *out = secret;
    *out_len = c->secret_len;
    return 0;
}

static int join_shares(struct release *r, const char *name, uint8_t **out, size_t *out_len,
                       struct err *e)
{
    const struct agent_settings *s = r->settings;
    struct collected c = {.wanted = 1};
    char path[URI_PATH_MAX], uri[URI_PATH_MAX + 8];
    int rc = share_set_uri_parse(name, path, e);
    if (rc < 0) { return rc; }
    if (s->share_broker_count == 0) {
        return err_set(e, EINVAL, "%.100s: initdata name no brokers of shares: brokers.toml", name);
    }
    (void)snprintf(uri, sizeof uri, "kbs:///%s", path);
    for (size_t i = 0; i < s->share_broker_count && c.count < c.wanted; i++) {
        struct err why = {0};
        if (collect(r, i, uri, &c, &why) < 0) {
            err_prefix(&why, "broker %s", s->share_brokers[i].name);
            c.last = why;
        }
    }
    if (c.count < c.wanted) {
        rc = c.last.code ? err_set(e, c.last.code, "%s", c.last.text)
                         : err_set(e, EINVAL, "initdata name %zu brokers", s->share_broker_count);
    } else {
        rc = join(&c, out, out_len, e);
    }
    if (rc < 0) {
        rc = err_wrap(e, "%.60s: %zu shares came, %zu wanted", name, c.count,
                      c.count > 0 ? c.wanted : 2);
    }
    collected_fini(&c);
    return rc;
}

/* ---- */

int release_resource(struct release *r, const char *uri, uint8_t **out, size_t *out_len,
                     struct err *e)
{
    if (share_set_uri_is(uri)) { return join_shares(r, uri, out, out_len, e); }
    int rc = session(r, &r->settings->broker, &r->session, e);
    return rc < 0 ? rc : kbs_get(r->session, uri, out, out_len, e);
}

static int get(void *ctx, const char *uri, uint8_t **out, size_t *out_len, struct err *e)
{
    return release_resource(ctx, uri, out, out_len, e);
}

int release_sealed(struct release *r, const char *text, size_t len, uint8_t **out, size_t *out_len,
                   struct err *e)
{
    struct sealed_source from = {.ctx = r,
                                 .get = get,
                                 .credentials = r->settings->credentials,
                                 .credential_count = r->settings->credential_count,
                                 .insecure_unsigned = r->settings->insecure_unsigned_secrets};
    return sealed_open(&from, text, len, out, out_len, e);
}
