/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes, answers and the audit line. What is decided is decided in rcar.c, release.c and admin.c.
 *
 * A path is looked at as it was sent: percent escapes are refused everywhere, so what a rule names, what an administrator
 * signs for and what is stored are one and the same text. [coco §17.3]
 */
#include "attest/kbs/broker_internal.h"

#include "guest/base/hosted.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#define ERROR_TYPE "https://github.com/confidential-containers/kbs/errors/"

/* ---- answers --------------------------------------------------------------------------------- */

/* Without memory the answer is an empty 500. */
static void reply_bytes(struct exchange *x, int status, const char *content_type, char *take_text)
{
    x->out->status = take_text ? status : 500;
    x->out->content_type = content_type;
    x->out->body = (uint8_t *)take_text;
    x->out->body_len = take_text ? strlen(take_text) : 0;
}

void reply_text(struct exchange *x, const char *content_type, char *take_text)
{
    reply_bytes(x, 200, content_type, take_text);
}

void reply_json(struct exchange *x, json_t *take_json)
{
    reply_bytes(x, 200, "application/json",
                take_json ? json_dumps(take_json, JSON_COMPACT | JSON_ENCODE_ANY) : NULL);
    json_decref(take_json);
}

void reply_empty(struct exchange *x) { x->out->status = 200; }

void reply_error(struct exchange *x, int status, const char *variant, const char *fmt, ...)
{
    char detail[DECISION_REASON_SIZE * 4], type[128];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    (void)snprintf(type, sizeof type, ERROR_TYPE "%s", variant);
    json_t *body = json_pack("{s:s, s:o}", "type", type, "detail", json_printable(detail));
    reply_json(x, body);
    x->out->status = status;
    x->decision.allowed = false;
    if (x->decision.reason_count == 0) {
        (void)snprintf(x->decision.reasons[0], sizeof x->decision.reasons[0], "%.*s",
                       DECISION_REASON_SIZE - 1, detail);
        x->decision.reason_count = 1;
    }
}

void reasons_join(const struct decision *d, char *out, size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < d->reason_count && len < size; i++) {
        int n = snprintf(out + len, size - len, "%s%s", i ? "; " : "", d->reasons[i]);
        len += n > 0 ? (size_t)n : 0;
    }
}

/* ---- the audit line -------------------------------------------------------------------------- */

static void add_hex(json_t *line, const char *name, const uint8_t *p, size_t len)
{
    char hex[HEX_LEN(64)];
    hex_encode(p, len, hex);
    (void)json_object_set_new(line, name, json_string(hex));
}

/* What is known of whoever asked; not every kind has all of it. */
static void add_claims(json_t *line, const struct claims *c)
{
    if (c->tee[0]) { (void)json_object_set_new(line, "tee", json_string(c->tee)); }
    if (reference_name_of(c->tee)) {
        add_hex(line, "measurement", c->measurement, CLAIMS_MEASUREMENT);
    }
    if (c->initdata_len) { add_hex(line, "initdata", c->initdata, c->initdata_len); }
}

/* Has the decision been recorded? */
static bool audit(const struct exchange *x)
{
    char when[32];
    struct tm tm;
    time_t t = (time_t)x->now;
    (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
    auto_json line =
        json_pack("{s:s, s:s, s:s, s:s, s:i}", "time", when, "peer", x->peer, "event", x->event,
                  "decision", x->decision.allowed ? "allow" : "refuse", "status", x->out->status);
    if (!line) { return false; }
    if (x->subject[0]) { (void)json_object_set_new(line, "subject", json_printable(x->subject)); }
    if (x->session[0]) { (void)json_object_set_new(line, "session", json_string(x->session)); }
    if (x->has_claims) { add_claims(line, &x->claims); }
    if (x->decision.allowed && x->decision.rule[0]) {
        (void)json_object_set_new(line, "rule", json_string(x->decision.rule));
    }
    if (!x->decision.allowed) {
        json_t *reasons = json_array();
        for (size_t i = 0; i < x->decision.reason_count; i++) {
            (void)json_array_append_new(reasons, json_printable(x->decision.reasons[i]));
        }
        (void)json_object_set_new(line, "reasons", reasons);
    }
    auto_free char *text = json_dumps(line, JSON_COMPACT);
    return text && x->b->setup.audit(x->b->setup.audit_ctx, text) == 0;
}

/*
 * The database was away while this was decided: whatever was decided, it is not told, and whoever asks hears that he may
 * ask again. What exactly was the matter is in the audit line alone.
 */
static void answer_outage(struct exchange *x, const char *what)
{
    http_response_fini(x->out);
    reply_error(x, 503, "StorageBackendInitialization", "%s; try again", what);
    x->out->extra = "Retry-After: 1\r\n";
}

static void count(const struct exchange *x)
{
    struct broker_counts *c = &x->b->counts;
    if (strcmp(x->event, "attest") == 0) {
        *(x->decision.allowed ? &c->attested : &c->not_attested) += 1;
    }
    if (strcmp(x->event, "release") == 0) {
        *(x->decision.allowed ? &c->released : &c->not_released) += 1;
    }
}

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
    if (store_outages(x.b->setup.store) != x.outages) {
        if (!x.event) { x.event = "outage"; }
        answer_outage(&x, "the database cannot be reached");
    }
    if (x.event && !audit(&x) && x.b->setup.audit_required) {
        answer_outage(&x, "the audit log cannot be written");
    }
    if (x.event) { count(&x); }
    claims_fini(&x.claims);
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

/* A value is a digest in hex or a list of them; anything else in it matches nothing. */
static struct reference_answer reference_ask(void *ctx, const char *tee,
                                             const uint8_t measurement[CLAIMS_MEASUREMENT])
{
    struct broker *b = ctx;
    struct reference_answer a = {0};
    const char *name = reference_name_of(tee);
    auto_store_value text = {0};
    struct err e = {0};
    if (!name || store_get(b->setup.store, STORE_REFERENCE, name, &text, &e) < 0) { return a; }
    auto_json value = json_loadb((const char *)text.p, text.len, JSON_DECODE_ANY, NULL);
    return reference_answer_of(value, measurement);
}

struct references broker_references(struct broker *b)
{
    return (struct references){.ctx = b, .ask = reference_ask};
}

static json_t *reference_get(void *ctx, const char *name)
{
    struct broker *b = ctx;
    auto_store_value text = {0};
    struct err e = {0};
    if (store_get(b->setup.store, STORE_REFERENCE, name, &text, &e) < 0) { return NULL; }
    return json_loadb((const char *)text.p, text.len, JSON_DECODE_ANY, NULL);
}

struct reference_source broker_reference_source(struct broker *b)
{
    return (struct reference_source){.ctx = b, .get = reference_get};
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
