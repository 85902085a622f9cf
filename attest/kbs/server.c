/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server: a connection is in one of four phases, each with its own absolute deadline.
 *
 *      accept -> HEAD -> BODY -> WRITE -> HEAD ...       HEAD covers the TLS handshake and waiting for a next request
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
 *
 * OpenSSL is used here directly, and only for TLS; the broker's own cryptography is in attest/crypto.h.
 */
#include "attest/kbs/server.h"

#include "guest/base/ct.h"
#include "guest/base/hosted.h"
#include "guest/base/list.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#define HEAD_SECONDS   10
#define BODY_SECONDS   30
#define WRITE_SECONDS  30
#define IDLE_SECONDS   30
#define LINGER_SECONDS 2
#define DRAIN_SECONDS  5

#define SPARE_DESCRIPTORS 64u

struct server {
    struct server_setup setup;
    SSL_CTX *tls; /* NULL = plain http */
    struct event_base *base;
    struct evconnlistener *listener;
    struct event *on_term, *on_int, *on_stop, *on_drain_end;
    int stop_pipe[2]; /* server_stop() writes one byte */
    struct list conns;
    uint32_t conn_count;
    uint64_t buffered; /* bytes of bodies in memory */
    bool stopping;
};

enum phase { PHASE_HEAD, PHASE_BODY, PHASE_WRITE, PHASE_LINGER };

struct conn {
    struct list node;
    struct server *srv;
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
    bool close_after; /* when the answer is out */
    bool linger;      /* the peer may still be sending */
};

/* ---- connections ----------------------------------------------------------------------------- */

static void conn_drop_request(struct conn *c)
{
    if (c->body) {
        wipe(c->body, c->rq.body_len);
        free(c->body);
        c->srv->buffered -= c->rq.body_len;
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

/* Our last byte is with the kernel: say so to the peer, once. */
static void conn_say_goodbye(struct conn *c)
{
    SSL *ssl = c->srv->tls ? bufferevent_openssl_get_ssl(c->bev) : NULL;
    if (ssl && SSL_is_init_finished(ssl) && !(SSL_get_shutdown(ssl) & SSL_SENT_SHUTDOWN)) {
        (void)SSL_shutdown(ssl);
    }
    ERR_clear_error();
}

static void conn_free(struct conn *c)
{
    struct server *s = c->srv;
    conn_drop_request(c);
    if (c->bev) {
        conn_say_goodbye(c);
        bufferevent_free(c->bev);
    }
    if (c->deadline) { event_free(c->deadline); }
    list_del(&c->node);
    s->conn_count--;
    free(c);
    if (s->stopping && list_empty(&s->conns)) { (void)event_base_loopexit(s->base, NULL); }
}

/* Enter a phase: invariant 2. */
static void conn_enter(struct conn *c, enum phase phase, int seconds)
{
    uint32_t ms = c->srv->setup.phase_ms;
    struct timeval tv = {.tv_sec = seconds};
    if (ms) { tv = (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000}; }
    c->phase = phase;
    (void)event_add(c->deadline, &tv);
}

/* Takes the bytes of rs. */
static void conn_answer(struct conn *c, struct http_response *rs)
{
    char head[HTTP_RESPONSE_HEAD_MAX];
    bool keep = c->rq.keep_alive && !rs->close && !c->srv->stopping;
    size_t n = http_response_head(rs, keep, (int64_t)time(NULL), head, sizeof head);
    c->close_after = !keep;
    conn_enter(c, PHASE_WRITE, WRITE_SECONDS);
    if (n == 0 || bufferevent_write(c->bev, head, n) < 0 ||
        (rs->body_len && bufferevent_write(c->bev, rs->body, rs->body_len) < 0)) {
        c->close_after = true; /* out of memory: what is there goes out, then the end */
    }
    http_response_fini(rs);
    conn_drop_request(c);
}

/* An answer outside the protocol of the broker: the request could not even be read. */
static void conn_refuse(struct conn *c, int status, const char *why)
{
    struct http_response rs = {
        .status = status, .content_type = "text/plain; charset=utf-8", .close = true};
    if (status == 405) { rs.extra = "Allow: GET, POST, PUT, DELETE\r\n"; }
    rs.body = (uint8_t *)strdup(why);
    rs.body_len = rs.body ? strlen(why) : 0;
    c->linger = true;
    conn_answer(c, &rs);
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
    if (c->scanned == 0) {
        conn_enter(c, PHASE_HEAD, HEAD_SECONDS);
    } /* the first byte ends the idle time */
    struct evbuffer_ptr from;
    size_t back = c->scanned > 3 ? c->scanned - 3 : 0;
    if (evbuffer_ptr_set(in, &from, back, EVBUFFER_PTR_SET) < 0) { return false; }
    struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, &from);
    size_t head_len = end.pos < 0 ? 0 : (size_t)end.pos + 4;
    if ((head_len ? head_len : have) > HTTP_HEAD_MAX) {
        conn_refuse(c, 431, "the head is too large");
        return false;
    }
    if (head_len == 0) {
        c->scanned = have;
        return false;
    }
    c->scanned = 0;
    c->head = malloc(head_len);
    if (!c->head) {
        conn_refuse(c, 503, "out of memory");
        return false;
    }
    c->head_len = head_len;
    take_and_wipe(in, c->head, head_len);
    struct err e = {0};
    int rc = http_head_read(c->head, head_len, &c->rq, &e);
    if (rc < 0) {
        conn_refuse(c, http_status_of(rc), e.text);
        return false;
    }
    return true;
}

static bool conn_begin_body(struct conn *c)
{
    struct server *s = c->srv;
    if (c->rq.body_len > s->setup.max_body) {
        c->rq.body_len = 0;
        conn_refuse(c, 413,
                    "payload reached size limit"); /* the CoCo broker's words [coco §17.1] */
        return false;
    }
    if (c->rq.body_len > s->setup.max_buffered - s->buffered) {
        c->rq.body_len = 0;
        conn_refuse(c, 503, "too many requests in memory; try again");
        return false;
    }
    conn_enter(c, PHASE_BODY, BODY_SECONDS);
    if (c->rq.body_len == 0) { return true; }
    c->body = malloc(c->rq.body_len);
    if (!c->body) {
        c->rq.body_len = 0;
        conn_refuse(c, 503, "out of memory");
        return false;
    }
    s->buffered += c->rq.body_len;
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

/* Do what the bytes at hand allow. */
static void conn_advance(struct conn *c)
{
    if (c->phase == PHASE_HEAD && (!conn_read_head(c) || !conn_begin_body(c))) { return; }
    if (c->phase != PHASE_BODY || !conn_read_body(c)) { return; }
    c->rq.body = (struct view){.p = c->body, .len = c->rq.body_len};
    struct http_response rs = {0};
    c->srv->setup.handle(c->srv->setup.ctx, &c->rq, c->peer, (int64_t)time(NULL), &rs);
    conn_answer(c, &rs);
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
    if (mid_head || c->phase == PHASE_BODY) {
        conn_refuse(c, 408, "the request did not arrive in time");
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

static struct bufferevent *bev_new(struct server *s, evutil_socket_t fd)
{
    if (!s->tls) { return bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE); }
    SSL *ssl = SSL_new(s->tls);
    if (!ssl) { return NULL; }
    struct bufferevent *bev = bufferevent_openssl_socket_new(
        s->base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
    if (!bev) { SSL_free(ssl); }
    return bev;
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len,
                      void *arg)
{
    (void)l, (void)len;
    struct server *s = arg;
    struct conn *c = s->conn_count < s->setup.max_connections ? calloc(1, sizeof *c) : NULL;
    if (!c) {
        evutil_closesocket(fd);
        return;
    }
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    c->srv = s;
    list_add_tail(&s->conns, &c->node);
    s->conn_count++;
    peer_name(sa, c->peer);
    c->bev = bev_new(s, fd);
    if (!c->bev) {
        evutil_closesocket(fd);
        conn_free(c);
        return;
    }
    c->deadline = event_new(s->base, -1, 0, on_deadline, c);
    if (!c->deadline) {
        conn_free(c);
        return;
    }
    bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
    bufferevent_setwatermark(c->bev, EV_READ, 0, HTTP_HEAD_MAX + 4);
    conn_enter(c, PHASE_HEAD, HEAD_SECONDS);
    (void)bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

/* ---- start and stop -------------------------------------------------------------------------- */

static void on_drain_end(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct server *s = arg;
    (void)event_base_loopexit(s->base, NULL);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct server *s = arg;
    if (s->stopping) { return; }
    s->stopping = true;
    (void)evconnlistener_disable(s->listener);
    struct timeval tv = {.tv_sec = DRAIN_SECONDS};
    (void)event_add(s->on_drain_end, &tv);
    if (list_empty(&s->conns)) { (void)event_base_loopexit(s->base, NULL); }
    LIST_EACH_SAFE (n, &s->conns) {
        struct conn *c = LIST_ENTRY(n, struct conn, node);
        if (c->phase == PHASE_HEAD) {
            conn_free(c);
        } else {
            c->close_after = true;
        }
    }
}

static int tls_error(struct err *e, const char *what, const char *name)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(code);
    ERR_clear_error();
    return err_set(e, EINVAL, "%s %s: %s", what, name, reason ? reason : "failed");
}

static int tls_new(const struct server_setup *s, SSL_CTX **out, struct err *e)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx) { return tls_error(e, "tls", "context"); }
    int rc = 0;
    SSL_CTX_set_mode(ctx,
                     SSL_MODE_RELEASE_BUFFERS); /* an idle connection holds no 32 KiB of buffers */
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_num_tickets(ctx, 0) != 1) {
        rc = tls_error(e, "tls", "version 1.3");
    } else if (SSL_CTX_use_certificate_chain_file(ctx, s->tls_cert_pem) != 1) {
        rc = tls_error(e, "tls certificate", s->tls_cert_pem);
    } else if (SSL_CTX_use_PrivateKey_file(ctx, s->tls_key_pem, SSL_FILETYPE_PEM) != 1) {
        rc = tls_error(e, "tls key", s->tls_key_pem);
    } else if (SSL_CTX_check_private_key(ctx) != 1) {
        rc = tls_error(e, "tls key does not fit the certificate:", s->tls_key_pem);
    }
    if (rc < 0) {
        SSL_CTX_free(ctx);
        return rc;
    }
    *out = ctx;
    return 0;
}

static int server_events_new(struct server *s, struct err *e)
{
    s->base = event_base_new();
    if (!s->base || pipe(s->stop_pipe) < 0) {
        return err_set(e, ENOMEM, "event loop: cannot be made");
    }
    s->on_term = evsignal_new(s->base, SIGTERM, on_stop, s);
    s->on_int = evsignal_new(s->base, SIGINT, on_stop, s);
    s->on_stop = event_new(s->base, s->stop_pipe[0], EV_READ, on_stop, s);
    s->on_drain_end = event_new(s->base, -1, 0, on_drain_end, s);
    if (!s->on_term || !s->on_int || !s->on_stop || !s->on_drain_end ||
        event_add(s->on_stop, NULL) < 0) {
        return err_set(e, ENOMEM, "event loop: out of memory");
    }
    return 0;
}

/* "127.0.0.1:8443" or "[::]:8443": an address, never a name, so that nobody else decides where we
 * listen. */
static bool listen_parse(const char *text, struct sockaddr_storage *out, socklen_t *out_len)
{
    char host[INET6_ADDRSTRLEN + 2];
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0;
    if (n == 0 || n >= sizeof host) { return false; }
    memcpy(host, text, n);
    host[n] = '\0';
    size_t digits = strspn(colon + 1, "0123456789");
    long port = strtol(colon + 1, NULL, 10);
    if (digits == 0 || digits > 5 || colon[1 + digits] != '\0' || port > UINT16_MAX) {
        return false;
    }

    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    memset(out, 0, sizeof *out);
    if (host[0] == '[' && host[n - 1] == ']') {
        host[n - 1] = '\0';
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        *out_len = sizeof *v6;
        return inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1;
    }
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)port);
    *out_len = sizeof *v4;
    return inet_pton(AF_INET, host, &v4->sin_addr) == 1;
}

static int server_listen(struct server *s, struct err *e)
{
    struct sockaddr_storage ss;
    socklen_t len;
    if (!listen_parse(s->setup.listen, &ss, &len)) {
        return err_set(e, EINVAL, "listen %s: not ADDRESS:PORT", s->setup.listen);
    }
    s->listener = evconnlistener_new_bind(
        s->base, on_accept, s, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_EXEC,
        256, (struct sockaddr *)&ss, (int)len);
    if (!s->listener) {
        int code = errno ? errno : EADDRINUSE;
        return err_set(e, code, "listen %s: %s", s->setup.listen, strerror(code));
    }
    return 0;
}

/*
 * A descriptor for each connection and some for everything else: running out of them in accept() would leave a readable
 * listener that nobody can serve.
 */
static int descriptors_ensure(uint32_t connections, struct err *e)
{
    struct rlimit lim;
    rlim_t want = (rlim_t)connections + SPARE_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &lim) < 0) {
        return err_set(e, errno, "getrlimit: %s", strerror(errno));
    }
    if (lim.rlim_cur >= want) { return 0; }
    lim.rlim_cur = want;
    if (want > lim.rlim_max || setrlimit(RLIMIT_NOFILE, &lim) < 0) {
        return err_set(e, EMFILE, "%u connections need %llu descriptors, the limit is %llu",
                       connections, (unsigned long long)want, (unsigned long long)lim.rlim_max);
    }
    return 0;
}

int server_new(const struct server_setup *setup, struct server **out, struct err *e)
{
    struct server *s = calloc(1, sizeof *s);
    if (!s) { return err_set(e, ENOMEM, "out of memory"); }
    s->setup = *setup;
    s->stop_pipe[0] = s->stop_pipe[1] = -1;
    list_init(&s->conns);
    int rc = descriptors_ensure(setup->max_connections, e);
    if (rc == 0 && setup->tls_cert_pem) { rc = tls_new(setup, &s->tls, e); }
    if (rc == 0) { rc = server_events_new(s, e); }
    if (rc == 0) { rc = server_listen(s, e); }
    if (rc < 0) {
        server_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

void server_free(struct server *s)
{
    if (!s) { return; }
    s->stopping = false; /* conn_free() need not end a loop any more */
    LIST_EACH_SAFE (n, &s->conns) { conn_free(LIST_ENTRY(n, struct conn, node)); }
    struct event *const events[] = {s->on_term, s->on_int, s->on_stop, s->on_drain_end};
    for (size_t i = 0; i < ARRAY_COUNT(events); i++) {
        if (events[i]) { event_free(events[i]); }
    }
    if (s->listener) { evconnlistener_free(s->listener); }
    if (s->base) { event_base_free(s->base); }
    for (size_t i = 0; i < 2; i++) {
        if (s->stop_pipe[i] >= 0) { (void)close(s->stop_pipe[i]); }
    }
    SSL_CTX_free(s->tls);
    free(s);
}

uint16_t server_port(const struct server *s)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    if (getsockname(evconnlistener_get_fd(s->listener), (struct sockaddr *)&ss, &len) < 0) {
        return 0;
    }
    return ntohs(ss.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&ss)->sin6_port
                                          : ((struct sockaddr_in *)&ss)->sin_port);
}

int server_run(struct server *s, struct err *e)
{
    struct sigaction ign = {.sa_handler = SIG_IGN}, old;
    if (sigaction(SIGPIPE, &ign, &old) < 0 || event_add(s->on_term, NULL) < 0 ||
        event_add(s->on_int, NULL) < 0) {
        return err_set(e, EINVAL, "signals: cannot be watched");
    }
    int rc = event_base_dispatch(s->base);
    (void)event_del(s->on_term);
    (void)event_del(s->on_int);
    (void)sigaction(SIGPIPE, &old, NULL);
    return rc < 0 ? err_set(e, EIO, "event loop: failed") : 0;
}

void server_stop(struct server *s)
{
    char b = 0;
    ssize_t n = write(s->stop_pipe[1], &b, 1);
    (void)n;
}
