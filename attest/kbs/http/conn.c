/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection is in one of five phases, each with its own absolute deadline.
 *
 *      accept -> HEAD -> BODY -> WRITE -> HEAD ...       HEAD covers the TLS handshake and waiting for a next request
 *                        BODY -> WAIT -> WRITE           the handler said `later`: it is asked again when something has
 *                                                        changed, and for the last time at the deadline
 *                               WRITE -> LINGER          after a refusal: what still arrives is thrown away for a
 *                                                        moment, or the reset would overtake our answer
 *
 * Invariants
 *  1. A connection has at most one request in hand; bytes of the next one wait in the input buffer, whose size the read
 *     watermark bounds.
 *  2. The deadline is set when a phase begins and not moved by traffic.
 *  3. A body is allocated only after its length was held against max_body and the sum against max_buffered; it is wiped
 *     before it is freed, for an administrator's upload is a secret.
 *  4. After a refused head nothing more is read: nobody knows where the next request starts.
 *  5. At most WAITING_MAX requests wait at one time; whoever comes then has the answer of that moment.
 *  6. An answer counts against max_buffered until the kernel has it: whoever asks and does not listen costs no more.
 *     Then it is wiped.
 *
 * OpenSSL is used here directly, and only for TLS; the broker's own cryptography is in attest/crypto.h.
 */
#include "attest/kbs/http/conn.h"

#include "guest/base/ct.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/util.h>

#include <openssl/err.h>

#define HEAD_SECONDS   10
#define BODY_SECONDS   30
#define WRITE_SECONDS  30
#define IDLE_SECONDS   30
#define LINGER_SECONDS 2

#define WAITING_MAX 64

enum phase { PHASE_HEAD, PHASE_BODY, PHASE_WAIT, PHASE_WRITE, PHASE_LINGER };

struct conn {
    struct list node;
    struct door *door;
    struct conns *all; /* of the door */
    struct limit_client who;
    bool counted; /* by the limiter */
    struct bufferevent *bev;
    struct event *deadline;
    enum phase phase;
    char peer[INET6_ADDRSTRLEN];
    uint8_t *head; /* malloc; the views of rq point here */
    size_t head_len;
    size_t scanned; /* bytes of the input that hold no end of head */
    struct http_request rq;
    uint8_t *body; /* malloc of rq.body_len bytes */
    size_t body_got;
    uint64_t began;    /* when the request was complete */
    size_t answer_len; /* bytes of an answer's body that are not with the kernel yet */
    bool close_after;  /* when the answer is out */
    bool linger;       /* the peer may still be sending */
};

/* Of a clock that never goes back. */
static uint64_t now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ---- connections ----------------------------------------------------------------------------- */

static void conn_drop_request(struct conn *c)
{
    if (c->body) {
        wipe(c->body, c->rq.body_len);
        free(c->body);
        c->all->buffered -= c->rq.body_len;
        c->body = NULL;
    }
    if (c->head) {
        wipe(c->head, c->head_len); /* bearer tokens */
        free(c->head);
        c->head = NULL;
    }
    c->rq = (struct http_request){0};
    c->body_got = 0;
}

/* The answer is out, or nobody wants it any more. */
static void conn_drop_answer(struct conn *c)
{
    c->all->buffered -= c->answer_len;
    c->answer_len = 0;
}

/* Our last byte is with the kernel: say so to the peer, once. */
static void conn_say_goodbye(struct conn *c)
{
    SSL *ssl = c->door->tls ? bufferevent_openssl_get_ssl(c->bev) : NULL;
    if (ssl && SSL_is_init_finished(ssl) && !(SSL_get_shutdown(ssl) & SSL_SENT_SHUTDOWN)) {
        (void)SSL_shutdown(ssl);
    }
    ERR_clear_error();
}

static void conn_free(struct conn *c)
{
    struct conns *all = c->all;
    conn_drop_request(c);
    conn_drop_answer(c);
    if (c->bev) {
        conn_say_goodbye(c);
        bufferevent_free(c->bev);
    }
    if (c->deadline) { event_free(c->deadline); }
    if (c->counted) { limiter_disconnect(all->limits, &c->who); }
    list_del(&c->node);
    all->count--;
    if (c->phase == PHASE_WAIT) { all->waiting--; }
    free(c);
    if (all->stopping && list_empty(&all->list)) { (void)event_base_loopexit(all->base, NULL); }
}

/* Enter a phase: invariant 2. */
static void conn_enter_for(struct conn *c, enum phase phase, uint32_t ms)
{
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    if (c->phase == PHASE_WAIT) { c->all->waiting--; }
    if (phase == PHASE_WAIT) { c->all->waiting++; }
    c->phase = phase;
    (void)event_add(c->deadline, &tv);
}

static void conn_enter(struct conn *c, enum phase phase, uint32_t seconds)
{
    uint32_t ms = c->all->phase_ms;
    conn_enter_for(c, phase, ms ? ms : seconds * 1000);
}

/* Invariant 6: an answer that does not fit beside the others is not kept. */
static void answer_hold(struct conn *c, struct http_response *rs)
{
    struct conns *all = c->all;
    if (rs->body_len > all->max_buffered - all->buffered) {
        http_response_fini(rs);
        *rs = (struct http_response){.status = 503, .extra = "Retry-After: 1\r\n"};
    }
    c->answer_len = rs->body_len;
    all->buffered += rs->body_len;
}

static void wipe_and_free(const void *p, size_t len, void *ctx)
{
    (void)ctx;
    wipe((void *)(uintptr_t)p, len);
    free((void *)(uintptr_t)p);
}

/*
 * Head and body of an answer, to be written when the socket takes them. libevent frees what was written as it is, and an
 * answer may be a bearer token: so these bytes stay ours, and are wiped when they are with the kernel.
 */
static int conn_queue(struct conn *c, const struct http_response *rs, bool keep)
{
    char *p = malloc(HTTP_RESPONSE_HEAD_MAX + rs->body_len);
    if (!p) { return -ENOMEM; }
    size_t n = http_response_head(rs, keep, (int64_t)time(NULL), p, HTTP_RESPONSE_HEAD_MAX);
    if (n && rs->body_len) { memcpy(p + n, rs->body, rs->body_len); }
    size_t len = n ? n + rs->body_len : 0;
    if (len == 0 ||
        evbuffer_add_reference(bufferevent_get_output(c->bev), p, len, wipe_and_free, NULL) < 0) {
        wipe_and_free(p, len, NULL);
        return -ENOMEM;
    }
    return 0;
}

/*
 * Takes the bytes of rs.
 * rq  what it answers; NULL = it could not be read
 */
static void conn_answer(struct conn *c, const struct http_request *rq, struct http_response *rs,
                        uint64_t took_us)
{
    const struct conns *all = c->all;
    bool keep = c->rq.keep_alive && !rs->close && !c->all->stopping;
    answer_hold(c, rs);
    if (all->observe) { all->observe(all->ctx, rq, rs->status, took_us); }
    conn_drop_request(c);
    c->close_after = !keep;
    conn_enter(c, PHASE_WRITE, WRITE_SECONDS);
    if (conn_queue(c, rs, keep) < 0) {
        c->close_after = true; /* no memory for it: the deadline ends the connection */
    }
    http_response_fini(rs);
}

/* An answer outside the protocol of the broker: the request was not read, or not looked at. */
static void conn_refuse(struct conn *c, int status, const char *extra, const char *why)
{
    struct http_response rs = {.status = status,
                               .content_type = "text/plain; charset=utf-8",
                               .extra = extra,
                               .close = true};
    rs.body = (uint8_t *)strdup(why);
    rs.body_len = rs.body ? strlen(why) : 0;
    c->linger = true;
    conn_answer(c, c->rq.path.p ? &c->rq : NULL, &rs, 0);
}

/* Copy n bytes out of the input, wiping them there. */
static void take_and_wipe(struct evbuffer *in, uint8_t *to, size_t n)
{
    while (n > 0) {
        size_t have = evbuffer_get_contiguous_space(in);
        size_t step = have && have < n ? have : n;
        uint8_t *p = evbuffer_pullup(in, (ev_ssize_t)step);
        memcpy(to, p, step);
        wipe(p, step);
        (void)evbuffer_drain(in, step);
        to += step;
        n -= step;
    }
}

/* Returns true when a whole head was read and the request may go on to its body. */
static bool conn_read_head(struct conn *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    size_t have = evbuffer_get_length(in);
    if (have == 0) { return false; }
    if (c->scanned == 0) { /* the first byte ends the idle time */
        uint8_t first = 0;
        conn_enter(c, PHASE_HEAD, HEAD_SECONDS);
        (void)evbuffer_copyout(in, &first, 1);
        if (!http_may_begin(first)) {
            conn_refuse(c, 400, NULL, "this is not http");
            return false;
        }
    }
    struct evbuffer_ptr from;
    size_t back = c->scanned > 3 ? c->scanned - 3 : 0;
    if (evbuffer_ptr_set(in, &from, back, EVBUFFER_PTR_SET) < 0) { return false; }
    struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, &from);
    size_t head_len = end.pos < 0 ? 0 : (size_t)end.pos + 4;
    if ((head_len ? head_len : have) > HTTP_HEAD_MAX) {
        conn_refuse(c, 431, NULL, "the head is too large");
        return false;
    }
    if (head_len == 0) {
        c->scanned = have;
        return false;
    }
    c->scanned = 0;
    c->head = malloc(head_len);
    if (!c->head) {
        conn_refuse(c, 503, NULL, "out of memory");
        return false;
    }
    c->head_len = head_len;
    take_and_wipe(in, c->head, head_len);
    struct err e = {0};
    int rc = http_head_read(c->head, head_len, &c->rq, &e);
    if (rc < 0) {
        int status = http_status_of(rc);
        conn_refuse(c, status, status == 405 ? "Allow: GET, POST, PUT, DELETE\r\n" : NULL, e.text);
        return false;
    }
    return true;
}

/* Whether this client may ask one more; the refusal is the cheapest answer there is. */
static bool conn_may_ask(struct conn *c)
{
    struct limiter *l = c->door->limited ? c->all->limits : NULL;
    uint32_t wait_s = l ? limiter_request(l, &c->who, now_us()) : 0;
    if (wait_s == 0) { return true; }
    char retry[48];
    (void)snprintf(retry, sizeof retry, "Retry-After: %u\r\n", wait_s);
    c->rq.body_len = 0;
    conn_refuse(c, 429, retry, "too many requests from this address");
    return false;
}

static bool conn_begin_body(struct conn *c)
{
    struct conns *all = c->all;
    if (c->rq.body_len > all->max_body) {
        c->rq.body_len = 0;
        conn_refuse(c, 413, NULL,
                    "payload reached size limit"); /* the CoCo broker's words [coco §17.1] */
        return false;
    }
    if (c->rq.body_len > all->max_buffered - all->buffered) {
        c->rq.body_len = 0;
        conn_refuse(c, 503, NULL, "too many requests in memory; try again");
        return false;
    }
    conn_enter(c, PHASE_BODY, BODY_SECONDS);
    if (c->rq.body_len == 0) { return true; }
    c->body = malloc(c->rq.body_len);
    if (!c->body) {
        c->rq.body_len = 0;
        conn_refuse(c, 503, NULL, "out of memory");
        return false;
    }
    all->buffered += c->rq.body_len;
    if (c->rq.expect_continue) {
        (void)bufferevent_write(c->bev, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    }
    return true;
}

/* Returns true when the whole body is there. */
static bool conn_read_body(struct conn *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    size_t want = c->rq.body_len - c->body_got;
    size_t have = evbuffer_get_length(in);
    size_t n = have < want ? have : want;
    if (n > 0) {
        take_and_wipe(in, c->body + c->body_got, n);
        c->body_got += n;
    }
    return n == want;
}

/* Hand the request to its handler; it waits where the handler would have it wait and it may. */
static void conn_handle(struct conn *c, bool may_wait)
{
    const struct conns *all = c->all;
    struct http_response rs = {0};
    c->rq.may_wait = may_wait && all->wait_ms && !all->stopping &&
                     (c->phase == PHASE_WAIT || all->waiting < WAITING_MAX);
    c->door->handle(all->ctx, &c->rq, c->peer, (int64_t)time(NULL), &rs);
    if (!rs.later || !c->rq.may_wait) {
        conn_answer(c, &c->rq, &rs, now_us() - c->began);
    } else if (c->phase != PHASE_WAIT) {
        conn_enter_for(c, PHASE_WAIT, all->wait_ms);
    }
}

void conn_wake(struct list *node)
{
    struct conn *c = LIST_ENTRY(node, struct conn, node);
    if (c->phase == PHASE_WAIT) { conn_handle(c, true); }
}

/* Do what the bytes at hand allow. */
static void conn_advance(struct conn *c)
{
    if (c->phase == PHASE_HEAD && (!conn_read_head(c) || !conn_may_ask(c) || !conn_begin_body(c))) {
        return;
    }
    if (c->phase != PHASE_BODY || !conn_read_body(c)) { return; }
    c->rq.body = (struct view){.p = c->body, .len = c->rq.body_len};
    c->began = now_us();
    conn_handle(c, true);
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct conn *c = arg;
    if (c->phase == PHASE_LINGER) {
        struct evbuffer *in = bufferevent_get_input(bev);
        (void)evbuffer_drain(in, evbuffer_get_length(in));
    } else {
        conn_advance(c);
    }
}

/* The output is empty. */
static void on_write(struct bufferevent *bev, void *arg)
{
    struct conn *c = arg;
    if (c->phase != PHASE_WRITE || evbuffer_get_length(bufferevent_get_output(bev)) > 0) { return; }
    conn_drop_answer(c);
    if (c->linger) {
        conn_say_goodbye(c);
        (void)shutdown(bufferevent_getfd(bev), SHUT_WR);
        conn_enter(c, PHASE_LINGER, LINGER_SECONDS);
        on_read(bev, c);
    } else if (c->close_after) {
        conn_free(c);
    } else {
        conn_enter(c, PHASE_HEAD, IDLE_SECONDS);
        conn_advance(c);
    }
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    (void)bev;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT)) { conn_free(arg); }
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct conn *c = arg;
    bool mid_head =
        c->phase == PHASE_HEAD && evbuffer_get_length(bufferevent_get_input(c->bev)) > 0;
    if (c->phase == PHASE_WAIT) {
        conn_handle(c, false);
    } else if (mid_head || c->phase == PHASE_BODY) {
        conn_refuse(c, 408, NULL, "the request did not arrive in time");
    } else {
        conn_free(c);
    }
}

static void peer_name(const struct sockaddr *sa, char out[static INET6_ADDRSTRLEN])
{
    const void *addr = NULL;
    if (sa->sa_family == AF_INET) {
        addr = &((const struct sockaddr_in *)(const void *)sa)->sin_addr;
    }
    if (sa->sa_family == AF_INET6) {
        addr = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
    }
    if (!addr || !inet_ntop(sa->sa_family, addr, out, INET6_ADDRSTRLEN)) {
        (void)snprintf(out, INET6_ADDRSTRLEN, "unknown");
    }
}

static struct bufferevent *bev_new(struct door *d, evutil_socket_t fd)
{
    struct event_base *base = d->conns->base;
    if (!d->tls) { return bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE); }
    SSL *ssl = SSL_new(d->tls);
    if (!ssl) { return NULL; }
    struct bufferevent *bev = bufferevent_openssl_socket_new(
        base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
    if (!bev) { SSL_free(ssl); }
    return bev;
}

/* The place of a new connection, or NULL: there are too many, or too many of this client's. */
static struct conn *conn_new(struct door *d, const struct sockaddr *sa)
{
    struct conns *all = d->conns;
    struct limit_client who = limit_client_of(sa);
    bool counted = d->limited && all->limits;
    if (all->count >= all->max_connections) { return NULL; }
    if (counted && !limiter_connect(all->limits, &who, now_us())) { return NULL; }
    struct conn *c = calloc(1, sizeof *c);
    if (!c) {
        if (counted) { limiter_disconnect(all->limits, &who); }
        return NULL;
    }
    c->door = d;
    c->all = all;
    c->who = who;
    c->counted = counted;
    list_add_tail(&all->list, &c->node);
    all->count++;
    peer_name(sa, c->peer);
    return c;
}

void conn_accept(struct door *d, evutil_socket_t fd, const struct sockaddr *sa)
{
    struct conns *all = d->conns;
    struct conn *c = conn_new(d, sa);
    if (!c) {
        all->turned_away++;
        evutil_closesocket(fd);
        return;
    }
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    c->bev = bev_new(d, fd);
    if (!c->bev) { evutil_closesocket(fd); }
    c->deadline = c->bev ? event_new(all->base, -1, 0, on_deadline, c) : NULL;
    if (!c->deadline) {
        conn_free(c);
        return;
    }
    bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
    bufferevent_setwatermark(c->bev, EV_READ, 0, HTTP_HEAD_MAX + 4);
    conn_enter(c, PHASE_HEAD, HEAD_SECONDS);
    (void)bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

void conn_stop(struct list *node)
{
    struct conn *c = LIST_ENTRY(node, struct conn, node);
    c->close_after = true;
    if (c->phase == PHASE_HEAD) {
        conn_free(c);
    } else if (c->phase == PHASE_WAIT) {
        conn_handle(c, false);
    }
}

void conn_kill(struct list *node) { conn_free(LIST_ENTRY(node, struct conn, node)); }
