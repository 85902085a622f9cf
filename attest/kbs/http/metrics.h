/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator's monitoring reads: requests by route and status, and how long their answers took, in the text form of
 * Prometheus. Routes and statuses are closed lists, so no stranger can make the table grow or put a name into it.
 */
#ifndef CASEMATE_ATTEST_KBS_HTTP_METRICS_H
#define CASEMATE_ATTEST_KBS_HTTP_METRICS_H

#include "attest/kbs/http/http.h"

#define METRICS_ROUTES   16
#define METRICS_STATUSES 16
#define METRICS_BUCKETS  12

/* Zero is a valid start. */
struct metrics {
    uint64_t requests[METRICS_ROUTES][METRICS_STATUSES];
    uint64_t took[METRICS_ROUTES][METRICS_BUCKETS]; /* not cumulative; the last has no upper end */
    uint64_t took_us[METRICS_ROUTES];
};

/* rq NULL: a request that could not be read. took_us: from the last byte of the request to the answer's first. */
void metrics_request(struct metrics *m, const struct http_request *rq, int status,
                     uint64_t took_us);

/* A number that somebody else keeps. */
struct metrics_value {
    const char *name, *help; /* without the common prefix */
    bool counter;            /* else a gauge */
    uint64_t value;
};

/* *out: malloc; NULL = out of memory. */
char *metrics_text(const struct metrics *m, const struct metrics_value *values, size_t count);

#endif
