/* SPDX-License-Identifier: Apache-2.0 */
/* Counting, and the text of [Prometheus exposition format 0.0.4]. */
#include "attest/kbs/http/metrics.h"

#include "guest/base/hosted.h"

#include <inttypes.h>
#include <string.h>

#define PREFIX "cc_kbs_"

/* The first segment behind a prefix that names a route; the last two stand for everything else. */
static const char *const routes[METRICS_ROUTES] = {
    "auth",
    "attest",
    "resource",
    "resource-policy",
    "attestation-policy",
    "reference-value",
    "resources",
    "policy",
    "references",
    "healthz",
    "readyz",
    "metrics",
    "jwks",
    "admin",
    "other",
    "unreadable",
};
#define ROUTE_JWKS       12u
#define ROUTE_ADMIN      13u
#define ROUTE_OTHER      14u
#define ROUTE_UNREADABLE 15u

static const int statuses[METRICS_STATUSES] = {200, 400, 401, 403, 404, 405, 408, 413,
                                               429, 431, 500, 501, 503, 505, 0 /* others */};
#define STATUS_OTHER 14u

static const uint64_t ends_us[METRICS_BUCKETS - 1] = {100,   250,   500,    1000,    2500,   5000,
                                                      10000, 25000, 100000, 1000000, 5000000};

static size_t route_of(const struct http_request *rq)
{
    static const struct {
        const char *prefix;
        unsigned other; /* what a segment that is not listed counts as */
    } prefixes[] = {{"/kbs/v0/", ROUTE_OTHER}, {"/casemate/v0/", ROUTE_ADMIN}, {"/", ROUTE_OTHER}};
    if (!rq) { return ROUTE_UNREADABLE; }
    if (http_view_is(rq->path, "/.well-known/jwks.json")) { return ROUTE_JWKS; }
    for (size_t i = 0; i < ARRAY_COUNT(prefixes); i++) {
        size_t n = strlen(prefixes[i].prefix);
        if (rq->path.len < n || memcmp(rq->path.p, prefixes[i].prefix, n) != 0) { continue; }
        struct view rest = {.p = rq->path.p + n, .len = rq->path.len - n};
        const uint8_t *slash = memchr(rest.p, '/', rest.len);
        if (slash) { rest.len = (size_t)(slash - rest.p); }
        for (size_t r = 0; r < ROUTE_JWKS; r++) {
            if (http_view_is(rest, routes[r])) { return r; }
        }
        return prefixes[i].other;
    }
    return ROUTE_OTHER;
}

void metrics_request(struct metrics *m, const struct http_request *rq, int status, uint64_t took_us)
{
    size_t r = route_of(rq), s = 0, b = 0;
    while (s < STATUS_OTHER && statuses[s] != status) { s++; }
    while (b < ARRAY_COUNT(ends_us) && took_us > ends_us[b]) { b++; }
    m->requests[r][s]++;
    m->took[r][b]++;
    m->took_us[r] += took_us;
}

static void requests_print(const struct metrics *m, FILE *f)
{
    (void)fputs("# HELP " PREFIX "requests_total Requests answered.\n"
                "# TYPE " PREFIX "requests_total counter\n",
                f);
    for (size_t r = 0; r < METRICS_ROUTES; r++) {
        for (size_t s = 0; s < METRICS_STATUSES; s++) {
            if (m->requests[r][s] == 0) { continue; }
            (void)fprintf(f, PREFIX "requests_total{route=\"%s\",status=\"%d\"} %" PRIu64 "\n",
                          routes[r], statuses[s], m->requests[r][s]);
        }
    }
}

static void took_print(const struct metrics *m, FILE *f)
{
    (void)fputs("# HELP " PREFIX "request_seconds From the request's last byte to the answer.\n"
                "# TYPE " PREFIX "request_seconds histogram\n",
                f);
    for (size_t r = 0; r < METRICS_ROUTES; r++) {
        uint64_t sum = 0;
        for (size_t b = 0; b < METRICS_BUCKETS; b++) { sum += m->took[r][b]; }
        if (sum == 0) { continue; }
        uint64_t below = 0;
        for (size_t b = 0; b < ARRAY_COUNT(ends_us); b++) {
            below += m->took[r][b];
            (void)fprintf(f, PREFIX "request_seconds_bucket{route=\"%s\",le=\"%g\"} %" PRIu64 "\n",
                          routes[r], (double)ends_us[b] / 1e6, below);
        }
        (void)fprintf(f,
                      PREFIX "request_seconds_bucket{route=\"%s\",le=\"+Inf\"} %" PRIu64 "\n" PREFIX
                             "request_seconds_sum{route=\"%s\"} %.6f\n" PREFIX
                             "request_seconds_count{route=\"%s\"} %" PRIu64 "\n",
                      routes[r], sum, routes[r], (double)m->took_us[r] / 1e6, routes[r], sum);
    }
}

char *metrics_text(const struct metrics *m, const struct metrics_value *values, size_t count)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f) { return NULL; }
    requests_print(m, f);
    took_print(m, f);
    for (size_t i = 0; i < count; i++) {
        (void)fprintf(f,
                      "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n" PREFIX "%s %" PRIu64 "\n",
                      values[i].name, values[i].help, values[i].name,
                      values[i].counter ? "counter" : "gauge", values[i].name, values[i].value);
    }
    bool bad = ferror(f) != 0;
    if (fclose(f) != 0 || bad) {
        free(text);
        return NULL;
    }
    return text;
}
