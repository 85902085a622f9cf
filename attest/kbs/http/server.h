/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets, TLS, time limits and ceilings: brings one complete request at a time to a handler and its answer back. One
 * thread, one event loop. Knows nothing of keys or policies.
 *
 * What a hostile client can cost: one connection of max_connections, of which it may hold a share only until the phase
 * it is in runs out of time (TLS and head 10 s, body 30 s, answer 30 s, idle 30 s); one head of HTTP_HEAD_MAX; one body
 * of max_body, and all bodies of requests and answers together max_buffered. Time limits are absolute: a byte now and then buys nothing. With
 * limits, one client has a share of connections and of requests: 429 with Retry-After.
 */
#ifndef CASEMATE_ATTEST_KBS_HTTP_SERVER_H
#define CASEMATE_ATTEST_KBS_HTTP_SERVER_H

#include "attest/kbs/http/http.h"
#include "attest/kbs/http/limit.h"

struct server;

/* Texts and file names are needed until server_new() returns, the rest as long as the server. */
struct server_setup {
    const char *listen;       /* "127.0.0.1:8080", "[::]:8080"; port 0 lets the kernel choose */
    const char *tls_cert_pem; /* file names; both NULL = plain http, asked for by name */
    const char *tls_key_pem;
    const char
        *ops_listen; /* a second address, always plain http and without limits; NULL = none */
    uint32_t max_connections;
    uint64_t max_body;      /* bytes, one request */
    uint64_t max_buffered;  /* bytes, all bodies and answers in memory at one time */
    struct limiter *limits; /* per client; borrowed; NULL = none */
    uint32_t phase_ms;      /* 0 = the time limits above; tests shorten all of them to one */
    uint32_t wait_ms;       /* how long a request may wait for its answer; 0 = not at all */
    http_handler *handle;
    http_handler *handle_ops;  /* of the second address */
    http_observer *observe;    /* NULL = nobody counts */
    void (*hangup)(void *ctx); /* on SIGHUP, between two requests; NULL = the signal is ignored */
    /* After server_wake(), before whoever waits is asked about again; NULL = nobody listens. */
    void (*woken)(void *ctx);
    void *ctx;
};

/* Would server_new() take these addresses and certificates? Binds nothing. */
MUST_CHECK int server_check(const struct server_setup *s, struct err *e);

/* Binds and loads certificates; nothing is served yet. */
MUST_CHECK int server_new(const struct server_setup *s, struct server **out, struct err *e);
void server_free(struct server *s);

/* The ports that are bound; 0 for an address that there is none of. */
uint16_t server_port(const struct server *s);
uint16_t server_ops_port(const struct server *s);

struct server_stats {
    uint32_t connections;
    uint64_t turned_away; /* connections that were closed at once */
    uint64_t buffered;    /* bytes of bodies and answers in memory */
    uint32_t waiting;     /* requests whose answer was `later` */
    bool stopping;
};
struct server_stats server_stats(const struct server *s);

/*
 * Certificate and key for connections from now on; NULL where it speaks plain http, which stays so. When they are no good
 * the old ones stay.
 */
MUST_CHECK int server_reload_tls(struct server *s, const char *cert_pem, const char *key_pem,
                                 struct err *e);

/*
 * Serve until SIGTERM, SIGINT or server_stop(). Then no new connection is taken, answers under way are finished for at
 * most 5 s, and it returns 0.
 */
MUST_CHECK int server_run(struct server *s, struct err *e);

/* From any thread. */
void server_stop(struct server *s);

/*
 * From any thread: something has changed, so every request whose answer was `later` is handled
 * again. One that has waited for wait_ms is handled once more, and may wait no longer.
 */
void server_wake(struct server *s);

#endif
