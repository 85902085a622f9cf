/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's doors, its signals and its end; conn.c is one connection.
 *
 * OpenSSL is used here directly, and only for TLS; the broker's own cryptography is in attest/crypto.h.
 */
#include "attest/kbs/http/server.h"

#include "attest/kbs/http/conn.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <event2/listener.h>

#include <openssl/err.h>

#define DRAIN_SECONDS 5

#define SPARE_DESCRIPTORS 64u

struct server {
    struct conns conns;
    struct door guests, ops;
    struct evconnlistener *guests_listener, *ops_listener; /* NULL = there is none */
    struct event *on_term, *on_int, *on_hup, *on_stop, *on_wake, *on_drain_end;
    int stop_pipe[2]; /* server_stop() writes one byte */
    int wake_fd;      /* eventfd of server_wake() */
    void (*hangup)(void *ctx);
    void (*woken)(void *ctx);
};

/* ---- signals --------------------------------------------------------------------------------- */

static void on_drain_end(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct server *s = arg;
    (void)event_base_loopexit(s->conns.base, NULL);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct server *s = arg;
    if (s->conns.stopping) { return; }
    s->conns.stopping = true;
    (void)evconnlistener_disable(s->guests_listener);
    struct timeval tv = {.tv_sec = DRAIN_SECONDS};
    (void)event_add(s->on_drain_end, &tv);
    if (list_empty(&s->conns.list)) { (void)event_base_loopexit(s->conns.base, NULL); }
    LIST_EACH_SAFE (n, &s->conns.list) { conn_stop(n); }
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct server *s = arg;
    uint64_t count;
    if (read(fd, &count, sizeof count) < 0) { return; }
    if (s->woken) { s->woken(s->conns.ctx); }
    LIST_EACH_SAFE (n, &s->conns.list) { conn_wake(n); }
}

static void on_hangup(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct server *s = arg;
    if (s->hangup) { s->hangup(s->conns.ctx); }
}

/* ---- TLS ------------------------------------------------------------------------------------- */

static int tls_error(struct err *e, const char *what, const char *name)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(code);
    ERR_clear_error();
    return err_set(e, EINVAL, "%s %s: %s", what, name, reason ? reason : "failed");
}

static int tls_new(const char *cert_pem, const char *key_pem, SSL_CTX **out, struct err *e)
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
    } else if (SSL_CTX_use_certificate_chain_file(ctx, cert_pem) != 1) {
        rc = tls_error(e, "tls certificate", cert_pem);
    } else if (SSL_CTX_use_PrivateKey_file(ctx, key_pem, SSL_FILETYPE_PEM) != 1) {
        rc = tls_error(e, "tls key", key_pem);
    } else if (SSL_CTX_check_private_key(ctx) != 1) {
        rc = tls_error(e, "tls key does not fit the certificate:", key_pem);
    }
    if (rc < 0) {
        SSL_CTX_free(ctx);
        return rc;
    }
    *out = ctx;
    return 0;
}

int server_reload_tls(struct server *s, const char *cert_pem, const char *key_pem, struct err *e)
{
    if (!s->guests.tls) { return 0; }
    SSL_CTX *fresh;
    int rc = tls_new(cert_pem, key_pem, &fresh, e);
    if (rc < 0) { return rc; }
    SSL_CTX_free(s->guests.tls); /* connections hold it as long as they need it */
    s->guests.tls = fresh;
    return 0;
}

/* ---- doors ----------------------------------------------------------------------------------- */

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

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len,
                      void *arg)
{
    (void)l, (void)len;
    conn_accept(arg, fd, sa);
}

static int address_parse(const char *text, struct sockaddr_storage *out, socklen_t *out_len,
                         struct err *e)
{
    return listen_parse(text, out, out_len)
               ? 0
               : err_set(e, EINVAL, "listen %s: not ADDRESS:PORT", text);
}

static int door_open(struct door *d, const char *address, struct evconnlistener **out,
                     struct err *e)
{
    struct sockaddr_storage ss;
    socklen_t len;
    int rc = address_parse(address, &ss, &len, e);
    if (rc < 0) { return rc; }
    *out =
        evconnlistener_new_bind(d->conns->base, on_accept, d,
                                LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_EXEC,
                                256, (struct sockaddr *)&ss, (int)len);
    if (!*out) {
        int code = errno ? errno : EADDRINUSE;
        return err_set(e, code, "listen %s: %s", address, strerror(code));
    }
    return 0;
}

static uint16_t port_of(struct evconnlistener *l)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    if (!l || getsockname(evconnlistener_get_fd(l), (struct sockaddr *)&ss, &len) < 0) { return 0; }
    return ntohs(ss.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&ss)->sin6_port
                                          : ((struct sockaddr_in *)&ss)->sin_port);
}

uint16_t server_port(const struct server *s) { return port_of(s->guests_listener); }
uint16_t server_ops_port(const struct server *s) { return port_of(s->ops_listener); }

/* ---- start and stop -------------------------------------------------------------------------- */

static int server_events_new(struct server *s, struct err *e)
{
    s->conns.base = event_base_new();
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!s->conns.base || pipe(s->stop_pipe) < 0 || s->wake_fd < 0) {
        return err_set(e, ENOMEM, "event loop: cannot be made");
    }
    s->on_term = evsignal_new(s->conns.base, SIGTERM, on_stop, s);
    s->on_int = evsignal_new(s->conns.base, SIGINT, on_stop, s);
    s->on_hup = evsignal_new(s->conns.base, SIGHUP, on_hangup, s);
    s->on_stop = event_new(s->conns.base, s->stop_pipe[0], EV_READ, on_stop, s);
    s->on_wake = event_new(s->conns.base, s->wake_fd, EV_READ | EV_PERSIST, on_wake, s);
    s->on_drain_end = event_new(s->conns.base, -1, 0, on_drain_end, s);
    if (!s->on_term || !s->on_int || !s->on_hup || !s->on_stop || !s->on_wake || !s->on_drain_end ||
        event_add(s->on_stop, NULL) < 0 || event_add(s->on_wake, NULL) < 0) {
        return err_set(e, ENOMEM, "event loop: out of memory");
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

int server_check(const struct server_setup *s, struct err *e)
{
    struct sockaddr_storage ss;
    socklen_t len;
    SSL_CTX *tls = NULL;
    int rc = address_parse(s->listen, &ss, &len, e);
    if (rc == 0 && s->ops_listen) { rc = address_parse(s->ops_listen, &ss, &len, e); }
    if (rc == 0 && s->tls_cert_pem) { rc = tls_new(s->tls_cert_pem, s->tls_key_pem, &tls, e); }
    SSL_CTX_free(tls);
    return rc;
}

int server_new(const struct server_setup *setup, struct server **out, struct err *e)
{
    struct server *s = calloc(1, sizeof *s);
    if (!s) { return err_set(e, ENOMEM, "out of memory"); }
    s->conns = (struct conns){.max_connections = setup->max_connections,
                              .max_body = setup->max_body,
                              .max_buffered = setup->max_buffered,
                              .limits = setup->limits,
                              .phase_ms = setup->phase_ms,
                              .wait_ms = setup->wait_ms,
                              .observe = setup->observe,
                              .ctx = setup->ctx};
    s->hangup = setup->hangup;
    s->woken = setup->woken;
    s->stop_pipe[0] = s->stop_pipe[1] = s->wake_fd = -1;
    s->guests = (struct door){.conns = &s->conns, .handle = setup->handle, .limited = true};
    s->ops = (struct door){.conns = &s->conns, .handle = setup->handle_ops};
    list_init(&s->conns.list);
    int rc = descriptors_ensure(setup->max_connections, e);
    if (rc == 0 && setup->tls_cert_pem) {
        rc = tls_new(setup->tls_cert_pem, setup->tls_key_pem, &s->guests.tls, e);
    }
    if (rc == 0) { rc = server_events_new(s, e); }
    if (rc == 0) { rc = door_open(&s->guests, setup->listen, &s->guests_listener, e); }
    if (rc == 0 && setup->ops_listen) {
        rc = door_open(&s->ops, setup->ops_listen, &s->ops_listener, e);
    }
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
    s->conns.stopping = false; /* conn_kill() need not end a loop any more */
    LIST_EACH_SAFE (n, &s->conns.list) { conn_kill(n); }
    struct event *const events[] = {s->on_term, s->on_int,  s->on_hup,
                                    s->on_stop, s->on_wake, s->on_drain_end};
    for (size_t i = 0; i < ARRAY_COUNT(events); i++) {
        if (events[i]) { event_free(events[i]); }
    }
    if (s->guests_listener) { evconnlistener_free(s->guests_listener); }
    if (s->ops_listener) { evconnlistener_free(s->ops_listener); }
    if (s->conns.base) { event_base_free(s->conns.base); }
    for (size_t i = 0; i < 2; i++) {
        if (s->stop_pipe[i] >= 0) { (void)close(s->stop_pipe[i]); }
    }
    if (s->wake_fd >= 0) { (void)close(s->wake_fd); }
    SSL_CTX_free(s->guests.tls);
    free(s);
}

struct server_stats server_stats(const struct server *s)
{
    const struct conns *c = &s->conns;
    return (struct server_stats){.connections = c->count,
                                 .turned_away = c->turned_away,
                                 .buffered = c->buffered,
                                 .waiting = c->waiting,
                                 .stopping = c->stopping};
}

int server_run(struct server *s, struct err *e)
{
    struct event *const signals[] = {s->on_term, s->on_int, s->on_hup};
    struct sigaction ign = {.sa_handler = SIG_IGN}, old;
    int rc = sigaction(SIGPIPE, &ign, &old);
    for (size_t i = 0; rc == 0 && i < ARRAY_COUNT(signals); i++) {
        rc = event_add(signals[i], NULL);
    }
    if (rc < 0) { return err_set(e, EINVAL, "signals: cannot be watched"); }
    rc = event_base_dispatch(s->conns.base);
    for (size_t i = 0; i < ARRAY_COUNT(signals); i++) { (void)event_del(signals[i]); }
    (void)sigaction(SIGPIPE, &old, NULL);
    return rc < 0 ? err_set(e, EIO, "event loop: failed") : 0;
}

void server_stop(struct server *s)
{
    char b = 0;
    ssize_t n = write(s->stop_pipe[1], &b, 1);
    (void)n;
}

void server_wake(struct server *s)
{
    uint64_t one = 1;
    ssize_t n = write(s->wake_fd, &one, sizeof one); /* full: it is awake already */
    (void)n;
}
