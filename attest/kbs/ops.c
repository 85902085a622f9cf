/* SPDX-License-Identifier: Apache-2.0 */
/* Health and numbers of a running broker. */
#include "attest/kbs/ops.h"

#include "guest/base/hosted.h"

#include <string.h>

static void text_reply(struct http_response *out, int status, char *take_text)
{
    out->status = take_text ? status : 500;
    out->content_type = "text/plain; charset=utf-8";
    out->body = (uint8_t *)take_text;
    out->body_len = take_text ? strlen(take_text) : 0;
}

static void ready_reply(struct ops *o, bool private, struct http_response *out)
{
    struct err e = {0};
    bool stopping = server_stats(o->server).stopping;
    bool database = store_ping(o->store, &e) == 0;
    char *text = NULL;
    int n;
    if (!stopping && database) {
        n = asprintf(&text, "ready\n");
    } else {
        n = asprintf(&text, "not ready: %s\n",
                     stopping  ? "stopping"
                     : private ? e.text
                               : "the database cannot be reached");
    }
    text_reply(out, stopping || !database ? 503 : 200, n < 0 ? NULL : text);
}

static void metrics_reply(const struct ops *o, struct http_response *out)
{
    struct server_stats s = server_stats(o->server);
    struct broker_counts c = broker_counts(o->broker);
    struct supplies_counts k = supplies_counts(o->supplies);
    const struct metrics_value values[] = {
        {"attested_total", "Guests that have proved themselves.", true, c.attested},
        {"not_attested_total", "Evidence that was refused.", true, c.not_attested},
        {"released_total", "Resources given to guests.", true, c.released},
        {"not_released_total", "Resources refused to guests.", true, c.not_released},
        {"connections", "Connections now.", false, s.connections},
        {"connections_turned_away_total", "Closed at once: too many.", true, s.turned_away},
        {"buffered_bytes", "Bodies of requests in memory now.", false, s.buffered},
        {"waiting", "Requests that wait for collateral now.", false, s.waiting},
        {"sessions", "Handshakes and attested sessions now.", false, broker_sessions(o->broker)},
        {"store_outages_total", "Calls that found no database.", true, store_outages(o->store)},
        {"collateral_fetched_total", "Items taken from vendors' services.", true, k.fetched},
        {"collateral_refused_total", "Answers of theirs that were not taken.", true, k.refused},
        {"collateral_outages_total", "Times that a service was found away.", true, k.outages},
        {"collateral_services_away", "Services that do not answer now.", false, k.away},
        {"audit_seq", "Number of the audit log's last line.", false, o->audit->seq},
        {"audit_lost", "Audit lines that wait for a log that can be written.", false,
         o->audit->lost},
    };
    text_reply(out, 200, metrics_text(&o->metrics, values, ARRAY_COUNT(values)));
}

bool ops_handle(struct ops *o, const struct http_request *rq, bool private,
                struct http_response *out)
{
    bool metrics = http_view_is(rq->path, "/metrics");
    if (rq->method != HTTP_GET) { /* [coco §2.2] */
        if (metrics) { *out = (struct http_response){.status = 405, .extra = "Allow: GET\r\n"}; }
        return metrics;
    }
    if (http_view_is(rq->path, "/healthz")) {
        out->status = 200;
    } else if (http_view_is(rq->path, "/readyz")) {
        ready_reply(o, private, out);
    } else if (metrics) {
        metrics_reply(o, out);
    } else {
        return false;
    }
    return true;
}
