/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by server.c (start, doors, stop) and conn.c (one connection). */
#ifndef CASEMATE_ATTEST_KBS_HTTP_INTERNAL_H
#define CASEMATE_ATTEST_KBS_HTTP_INTERNAL_H

#include "attest/kbs/http/server.h"

#include "guest/base/list.h"

#include <event2/event.h>
#include <event2/listener.h>
#include <openssl/ssl.h>

/* An address that is listened on. */
struct door {
    struct server *srv;
    struct evconnlistener *listener; /* NULL = there is none */
    SSL_CTX *tls;                    /* NULL = plain http */
    server_handler *handle;
    bool limited; /* by setup.limits */
};

struct server {
    struct server_setup setup;
    struct event_base *base;
    struct door guests, ops;
    struct event *on_term, *on_int, *on_hup, *on_stop, *on_drain_end;
    int stop_pipe[2]; /* server_stop() writes one byte */
    struct list conns;
    struct server_stats stats;
    uint64_t buffered; /* bytes of bodies in memory */
    bool stopping;
};

/* Takes fd. What cannot be served is closed. */
void conn_accept(struct door *d, evutil_socket_t fd, const struct sockaddr *sa);

/* The server stops: an idle connection is closed, another closes after its answer. */
void conn_stop(struct list *node);
/* At once. */
void conn_kill(struct list *node);

uint64_t server_now_us(void);

#endif
