/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What operations ask a running broker, all by GET:
 *
 *      /healthz    200 while the process answers at all
 *      /readyz     200 when it can do its work: the database answers and nobody has told it to stop; else 503
 *      /metrics    the numbers, as text for Prometheus
 *
 * With an address of their own (`ops_listen`) they are served there, with reasons; without one, at the guests' address,
 * where a 503 tells nothing about the network behind it.
 */
#ifndef CASEMATE_ATTEST_KBS_OPS_H
#define CASEMATE_ATTEST_KBS_OPS_H

#include "attest/kbs/audit.h"
#include "attest/kbs/broker.h"
#include "attest/kbs/http/metrics.h"
#include "attest/kbs/http/server.h"
#include "attest/kbs/supplies.h"

/* All borrowed. */
struct ops {
    struct store *store;
    const struct broker *broker;
    const struct server *server;
    const struct audit *audit;
    const struct supplies *supplies;
    struct metrics metrics;
};

/* False: the request is for somebody else. private: whoever asks may hear reasons. */
MUST_CHECK bool ops_handle(struct ops *o, const struct http_request *rq, bool private,
                           struct http_response *out);

#endif
