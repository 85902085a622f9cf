/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who answers what, and the life of a broker. What is decided is decided in rcar.c, release.c and admin.c.
 *
 * A path is looked at as it was sent: percent escapes are refused everywhere, so what a rule names, what an administrator
 * signs for and what is stored are one and the same text. [coco §17.3]
 */
#include "attest/kbs/broker.h"

#include "attest/kbs/exchange.h"
#include "attest/kbs/handlers.h"
#include "attest/kbs/token.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- routes ---------------------------------------------------------------------------------- */

static bool starts_with(struct view v, const char *text)
{
    size_t n = strlen(text);
    return v.len >= n && memcmp(v.p, text, n) == 0;
}

/* Cut the prefix and split what follows at its first slash. */
static void path_split(struct exchange *x, size_t prefix)
{
    struct view p = {.p = x->rq->path.p + prefix, .len = x->rq->path.len - prefix};
    const uint8_t *slash = p.len ? memchr(p.p, '/', p.len) : NULL;
    x->plugin = (struct view){.p = p.p, .len = slash ? (size_t)(slash - p.p) : p.len};
    x->rest = slash ? (struct view){.p = slash + 1, .len = p.len - x->plugin.len - 1}
                    : (struct view){.p = p.p};
}

static void route_kbs(struct exchange *x)
{
    enum http_method m = x->rq->method;
    if (http_view_is(x->plugin, "auth") && m == HTTP_POST) {
        handle_auth(x);
    } else if (http_view_is(x->plugin, "attest") && m == HTTP_POST) {
        handle_attest(x);
    } else if (http_view_is(x->plugin, "resource") && m == HTTP_GET) {
        handle_resource_get(x);
    } else {
        handle_admin_kbs(x);
    }
}

void broker_handle(void *ctx, const struct http_request *rq, const char *peer, int64_t now,
                   struct http_response *out)
{
    static const char kbs[] = "/kbs/v0/", own[] = "/casemate/v0/";
    struct exchange x = {.b = ctx, .rq = rq, .peer = peer, .now = now, .out = out};
    x.outages = store_outages(x.b->setup.store);
    bool at_kbs = starts_with(rq->path, kbs), at_own = starts_with(rq->path, own);
    if ((at_kbs || at_own) && memchr(rq->path.p, '%', rq->path.len)) {
        reply_error(&x, 401, "PluginInternalError",
                    "path: found a percent escape, wanted the plain text");
    } else if (at_kbs) {
        path_split(&x, sizeof kbs - 1);
        route_kbs(&x);
    } else if (at_own) {
        path_split(&x, sizeof own - 1);
        handle_admin_own(&x);
    } else if (http_view_is(rq->path, "/healthz") && rq->method == HTTP_GET) {
        reply_empty(&x);
    } else if (http_view_is(rq->path, "/.well-known/jwks.json") && rq->method == HTTP_GET) {
        handle_jwks(&x);
    } else {
        out->status = 404;
    }
    exchange_end(&x);
}

/* ---- state ----------------------------------------------------------------------------------- */

int broker_load_policies(struct broker *b, struct err *e)
{
    int rc = policy_refresh(b->setup.store, POLICY_RELEASE, &b->release, e);
    for (enum claims_class c = CLAIMS_CPU; rc == 0 && c < CLAIMS_CLASSES; c++) {
        char name[POLICY_NAME_SIZE];
        policy_appraisal_name(c, name);
        rc = policy_refresh(b->setup.store, name, &b->appraising[c], e);
    }
    return rc < 0 ? err_wrap(e, "stored policy") : 0;
}

int broker_adopt(struct broker *b, const struct broker_setup *s, struct err *e)
{
    json_t *header = NULL;
    int rc = token_header_make(s, &header, e);
    if (rc < 0) { return rc; }
    json_decref(b->token_header);
    b->token_header = header;
    b->setup = *s;
    b->setup.token_trust.own = s->token_key;
    return 0;
}

uint32_t broker_sessions(const struct broker *b) { return sessions_count(b->sessions); }
struct broker_counts broker_counts(const struct broker *b) { return b->counts; }

int broker_new(const struct broker_setup *s, struct broker **out, struct err *e)
{
    struct broker *b = calloc(1, sizeof *b);
    if (!b) { return err_set(e, ENOMEM, "broker: out of memory"); }
    b->recent = recent_new();
    int rc = b->recent ? broker_adopt(b, s, e) : err_set(e, ENOMEM, "broker: out of memory");
    if (rc == 0) {
        b->sessions = store_is_shared(s->store)
                          ? sessions_in_store(s->store, s->max_sessions, s->session_seconds)
                          : sessions_in_memory(s->max_sessions, s->session_seconds);
        rc = b->sessions ? 0 : err_set(e, ENOMEM, "broker: out of memory");
    }
    if (rc == 0) { rc = broker_load_policies(b, e); }
    if (rc < 0) {
        broker_free(b);
        return rc;
    }
    *out = b;
    return 0;
}

void broker_free(struct broker *b)
{
    if (!b) { return; }
    json_decref(b->token_header);
    recent_free(b->recent);
    policy_fini(&b->release);
    for (size_t i = 0; i < CLAIMS_CLASSES; i++) { policy_fini(&b->appraising[i]); }
    sessions_free(b->sessions);
    free(b);
}
