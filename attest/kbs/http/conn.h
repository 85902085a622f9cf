/* SPDX-License-Identifier: Apache-2.0 */
/* One connection (conn.c), and what all connections of a server share. */
#ifndef CASEMATE_ATTEST_KBS_HTTP_CONN_H
#define CASEMATE_ATTEST_KBS_HTTP_CONN_H

#include "attest/kbs/http/http.h"
#include "attest/kbs/http/limit.h"
#include "guest/base/list.h"

#include <event2/event.h>
#include <openssl/ssl.h>

struct conns {
    struct event_base *base;
    /* As struct server_setup has them (server.h); set by whoever makes this. */
    uint32_t max_connections;
    uint64_t max_body, max_buffered;
    struct limiter *limits;
    uint32_t phase_ms, wait_ms;
    http_observer *observe;
    void *ctx; /* of observe and of the doors' handlers */

    struct list list;
    uint32_t count;
    uint32_t waiting;     /* requests whose answer was `later` */
    uint64_t turned_away; /* connections that were closed at once */
    uint64_t buffered;    /* bytes of bodies and answers in memory */
    bool stopping;        /* the loop ends with the last connection */
};

/* An address that is listened on. */
struct door {
    struct conns *conns;
    SSL_CTX *tls; /* NULL = plain http */
    http_handler *handle;
    bool limited; /* by conns->limits */
};

/* Takes fd. What cannot be served is closed. */
void conn_accept(struct door *d, evutil_socket_t fd, const struct sockaddr *sa);

/* The server stops: an idle connection is closed, another closes after its answer. */
void conn_stop(struct list *node);
/* At once. */
void conn_kill(struct list *node);
/* Something has changed: one that waits for its answer may have it now. */
void conn_wake(struct list *node);

#endif
