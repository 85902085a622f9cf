/* SPDX-License-Identifier: Apache-2.0 */
/* See exchange.h. */
#include "attest/kbs/exchange.h"

#include "guest/base/hosted.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

#define ERROR_TYPE "https://github.com/confidential-containers/kbs/errors/"

struct view bearer_of(const struct http_request *rq)
{
    static const char scheme[] = "Bearer ";
    struct view v = http_header_get(rq, "authorization");
    size_t n = sizeof scheme - 1;
    if (v.len <= n || memcmp(v.p, scheme, n) != 0) { return (struct view){0}; }
    return (struct view){.p = v.p + n, .len = v.len - n};
}

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

static void count_told(const struct exchange *x)
{
    struct broker_counts *c = &x->b->counts;
    if (strcmp(x->event, "attest") == 0) {
        *(x->decision.allowed ? &c->attested : &c->not_attested) += 1;
    }
    if (strcmp(x->event, "release") == 0) {
        *(x->decision.allowed ? &c->released : &c->not_released) += 1;
    }
}

void exchange_end(struct exchange *x)
{
    if (store_outages(x->b->setup.store) != x->outages) {
        if (!x->event) { x->event = "outage"; }
        answer_outage(x, "the database cannot be reached");
    }
    if (x->event && !audit(x) && x->b->setup.audit_required) {
        answer_outage(x, "the audit log cannot be written");
    }
    if (x->event) { count_told(x); }
    claims_fini(&x->claims);
}
