/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server on a real socket, and clients that misbehave. Clients block with a generous time-out, so that a server that
 * forgets one fails the test instead of hanging it; nothing here measures time.
 */
#include "attest/kbs/http/server.h"
#include "attest/kbs/desk/setup.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static struct server *srv;
static pthread_t thread;
static int run_rc = -1;
static char cert_path[64], key_path[64];

/* Answers with method, path and body, or as the path says. */
static void echo(void *ctx, const struct http_request *rq, const char *peer, int64_t now,
                 struct http_response *out)
{
    (void)ctx, (void)peer, (void)now;
    char *text;
    int n = asprintf(&text, "%s %.*s %.*s", http_method_name(rq->method), (int)rq->path.len,
                     (const char *)rq->path.p, (int)rq->body.len,
                     rq->body.p ? (const char *)rq->body.p : "");
    *out = (struct http_response){.status = 200, .body = (uint8_t *)text, .body_len = (size_t)n};
}

static void *run(void *arg)
{
    struct err e = {0};
    (void)arg;
    run_rc = server_run(srv, &e);
    return NULL;
}

static void start_with(struct server_setup s, http_handler *handle)
{
    struct err e = {0};
    s.listen = "127.0.0.1:0";
    s.handle = handle;
    if (!s.max_connections) { s.max_connections = 16; }
    if (!s.max_body) { s.max_body = 1000; }
    if (!s.max_buffered) { s.max_buffered = 1500; }
    cr_assert_eq(server_new(&s, &srv, &e), 0, "%s", e.text);
    cr_assert_neq(server_port(srv), 0);
    cr_assert_eq(pthread_create(&thread, NULL, run, NULL), 0);
}

static void start(struct server_setup s) { start_with(s, echo); }

static void stop(void)
{
    server_stop(srv);
    (void)pthread_join(thread, NULL);
    cr_assert_eq(run_rc, 0);
    server_free(srv);
}

static int dial(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(server_port(srv))};
    struct timeval tv = {.tv_sec = 20};
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    cr_assert_eq(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    size_t len = strlen(text);
    cr_assert_eq(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* Everything until the server closes. */
static const char *hear_all(int fd)
{
    static char text[200000];
    size_t len = 0;
    ssize_t n;
    while (len < sizeof text - 1 && (n = recv(fd, text + len, sizeof text - 1 - len, 0)) > 0) {
        len += (size_t)n;
    }
    cr_assert_lt(len, sizeof text - 1);
    cr_assert(n == 0 || errno == ECONNRESET, "the server did not close in time");
    text[len] = '\0';
    (void)close(fd);
    return text;
}

static const char *once(const char *request)
{
    int fd = dial();
    say(fd, request);
    return hear_all(fd);
}

static void assert_status(const char *answer, const char *status)
{
    cr_assert_eq(strncmp(answer, "HTTP/1.1 ", 9), 0, "%s", answer);
    cr_assert_eq(strncmp(answer + 9, status, 3), 0, "wanted %s: %s", status, answer);
}

Test(server, answers_and_keeps_or_closes)
{
    start((struct server_setup){0});
    const char *a = once("POST /x HTTP/1.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc");
    assert_status(a, "200");
    cr_assert(strstr(a, "POST /x abc"));
    a = once("POST /one HTTP/1.1\r\nContent-Length: 1\r\n\r\n1GET /two HTTP/1.1\r\n\r\nGET /three "
             "HTTP/1.0\r\n\r\n");
    const char *one = strstr(a, "POST /one 1"), *two = strstr(a, "GET /two"),
               *three = strstr(a, "GET /three");
    cr_assert(one && two && three && one < two && two < three, "%s", a);
    stop();
}

Test(server, takes_a_request_byte_by_byte)
{
    start((struct server_setup){0});
    static const char text[] = "POST /x HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc";
    int fd = dial();
    for (size_t i = 0; i + 1 < sizeof text; i++) {
        cr_assert_eq(send(fd, text + i, 1, MSG_NOSIGNAL), 1);
    }
    cr_assert(strstr(hear_all(fd), "POST /x abc"));
    stop();
}

Test(server, says_continue_to_who_waits_for_it)
{
    start((struct server_setup){0});
    int fd = dial();
    char text[512];
    say(fd, "POST /x HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\nConnection: "
            "close\r\n\r\n");
    ssize_t n = recv(fd, text, sizeof text - 1, 0);
    cr_assert_gt(n, 0);
    text[n] = '\0';
    cr_assert_str_eq(text, "HTTP/1.1 100 Continue\r\n\r\n");
    say(fd, "abc");
    const char *a = hear_all(fd);
    assert_status(a, "200");
    cr_assert(strstr(a, "POST /x abc"));
    a = once("POST /x HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc");
    assert_status(a, "200"); /* HTTP/1.0 does not know it */
    assert_status(once("POST /x HTTP/1.1\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n"),
                  "413");
    stop();
}

Test(server, refuses_what_it_cannot_read_and_closes)
{
    start((struct server_setup){0});
    static const struct {
        const char *request, *status;
    } cases[] = {
        {"GET / HTTP/1.1\n\r\n\r\n", "400"},
        {"hello\r\n\r\n", "400"},
        {"HEAD / HTTP/1.1\r\n\r\n", "405"},
        {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "501"},
        {"POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n", "413"},
        {"POST / HTTP/1.1\r\nContent-Length: 999999999999999999\r\n\r\n", "413"},
        {"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhelloGET / "
         "HTTP/1.1\r\n\r\n",
         "400"},
        {"GET / HTTP/1.1\r\nbad header\r\n\r\nGET / HTTP/1.1\r\n\r\n", "400"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *a = once(cases[i].request);
        assert_status(a, cases[i].status);
        cr_assert_null(strstr(a + 9, "HTTP/1.1 "),
                       "only one answer, for what follows is not a request: %s", a);
    }
    stop();
}

Test(server, answer_arrives_although_the_client_is_still_sending)
{
    start((struct server_setup){0});
    int fd = dial();
    say(fd, "POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n");
    char junk[1001];
    memset(junk, 'j', sizeof junk);
    (void)send(fd, junk, sizeof junk, MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
    assert_status(hear_all(fd), "413");
    stop();
}

Test(server, head_ends_at_128_kib)
{
    start((struct server_setup){0});
    int fd = dial();
    say(fd, "GET / HTTP/1.1\r\nA: ");
    static char junk[140 * 1024];
    memset(junk, 'j', sizeof junk);
    size_t sent = 0;
    while (sent < sizeof junk) {
        ssize_t n = send(fd, junk + sent, sizeof junk - sent, MSG_NOSIGNAL);
        if (n <= 0) { break; }
        sent += (size_t)n;
    }
    assert_status(hear_all(fd), "431");
    stop();
}

Test(server, bodies_together_have_a_ceiling)
{
    start((struct server_setup){0});
    int first = dial();
    say(first, "POST /a HTTP/1.0\r\nContent-Length: 1000\r\n\r\n12345");
    int ping = dial(); /* answered after the server has seen the first */
    say(ping, "GET /ping HTTP/1.0\r\n\r\n");
    assert_status(hear_all(ping), "200");
    assert_status(once("POST /b HTTP/1.0\r\nContent-Length: 600\r\n\r\n"), "503");
    (void)close(first);
    stop();
}

#define BIG (8u << 20)

static void big(void *ctx, const struct http_request *rq, const char *peer, int64_t now,
                struct http_response *out)
{
    (void)ctx, (void)rq, (void)peer, (void)now;
    *out = (struct http_response){.status = 200, .body = calloc(1, BIG), .body_len = BIG};
}

/* More than sockets hold, and nobody reads: the next answer does not fit, until the first is gone. */
Test(server, answers_that_nobody_reads_have_a_ceiling)
{
    start_with((struct server_setup){.max_buffered = BIG + 1000}, big);
    int deaf = dial();
    say(deaf, "GET /a HTTP/1.1\r\n\r\n");
    char first[16];
    cr_assert_eq(recv(deaf, first, sizeof first, MSG_WAITALL), sizeof first);
    const char *a = once("GET /b HTTP/1.0\r\n\r\n");
    assert_status(a, "503");
    cr_assert(strstr(a, "Retry-After: 1"), "%s", a);
    (void)close(deaf);
    static char all[BIG + 1000];
    size_t len = 0;
    for (size_t tries = 0; tries < 1000 && len < BIG;
         tries++) { /* until it has seen that he left */
        int fd = dial();
        say(fd, "GET /c HTTP/1.0\r\n\r\n");
        len = 0;
        for (ssize_t n; (n = recv(fd, all + len, sizeof all - len, 0)) > 0;) { len += (size_t)n; }
        (void)close(fd);
    }
    assert_status(all, "200");
    cr_assert_gt(len, BIG);
    stop();
}

Test(server, connections_have_a_ceiling)
{
    start((struct server_setup){.max_connections = 2});
    int a = dial(), c = dial();
    say(a, "GET /a HTTP/1.1\r\n\r\n");
    say(c, "GET /b HTTP/1.1\r\n\r\n");
    char buf[512];
    cr_assert_gt(recv(a, buf, sizeof buf, 0), 0);
    cr_assert_gt(recv(c, buf, sizeof buf, 0), 0);
    cr_assert_str_eq(hear_all(dial()), "");
    (void)close(a);
    (void)close(c);
    stop();
}

Test(server, slow_clients_run_out_of_time)
{
    start((struct server_setup){.phase_ms = 100});
    int idle = dial(), head = dial(), body = dial();
    say(head, "GET / HT");
    say(body, "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc");
    cr_assert_str_eq(hear_all(idle), "");
    assert_status(hear_all(head), "408");
    assert_status(hear_all(body), "408");
    stop();
}

Test(server, a_byte_now_and_then_buys_no_time)
{
    start((struct server_setup){.phase_ms = 200});
    int fd = dial();
    while (send(fd, "A", 1, MSG_NOSIGNAL) == 1) {
        struct timeval tv = {.tv_usec = 20000}; /* the client's pace, not a wait for the server */
        fd_set set;
        FD_ZERO(&set);
        FD_SET(fd, &set);
        if (select(fd + 1, &set, NULL, NULL, &tv) == 1) { break; } /* it has spoken, or closed */
    }
    assert_status(hear_all(fd), "408");
    stop();
}

Test(server, stops_when_asked_but_finishes_what_it_has)
{
    start((struct server_setup){0});
    int idle = dial(), busy = dial();
    say(busy, "POST /x HTTP/1.1\r\nContent-Length: 6\r\n\r\nabc");
    assert_status(once("GET / HTTP/1.0\r\n\r\n"),
                  "200"); /* now the server has seen the half request */
    cr_assert_eq(kill(getpid(), SIGTERM), 0);
    cr_assert_str_eq(hear_all(idle), "");
    say(busy, "def");
    const char *a = hear_all(busy);
    assert_status(a, "200");
    cr_assert(strstr(a, "Connection: close"));
    cr_assert(strstr(a, "POST /x abcdef"));
    (void)pthread_join(thread, NULL);
    cr_assert_eq(run_rc, 0);
    server_free(srv);
}

/* ---- answers that come later ------------------------------------------------------------------- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t more;
    bool ready;
    unsigned asked, woken;
} matter = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

static void matter_woken(void *ctx)
{
    (void)ctx;
    pthread_mutex_lock(&matter.lock);
    matter.woken++;
    pthread_mutex_unlock(&matter.lock);
}

/* /now is answered at once; everything else when the matter is ready, or may wait no longer. */
static void patient(void *ctx, const struct http_request *rq, const char *peer, int64_t now,
                    struct http_response *out)
{
    if (http_view_is(rq->path, "/now")) {
        echo(ctx, rq, peer, now, out);
        return;
    }
    pthread_mutex_lock(&matter.lock);
    matter.asked++;
    pthread_cond_signal(&matter.more);
    if (matter.ready) {
        echo(ctx, rq, peer, now, out);
    } else if (rq->may_wait) {
        out->later = true;
    } else {
        out->status = 503;
    }
    pthread_mutex_unlock(&matter.lock);
}

static void asked_at_least(unsigned n)
{
    pthread_mutex_lock(&matter.lock);
    while (matter.asked < n) { pthread_cond_wait(&matter.more, &matter.lock); }
    pthread_mutex_unlock(&matter.lock);
}

static void make_ready(void)
{
    pthread_mutex_lock(&matter.lock);
    matter.ready = true;
    pthread_mutex_unlock(&matter.lock);
    server_wake(srv);
}

#define LATER "POST /later HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"

Test(server, who_waits_is_answered_when_it_is_time_and_holds_up_nobody, .timeout = 60)
{
    start_with((struct server_setup){.wait_ms = 600000, .woken = matter_woken}, patient);
    int one = dial(), two = dial();
    say(one, LATER "GET /now HTTP/1.0\r\n\r\n");
    say(two, "GET /later HTTP/1.0\r\n\r\n");
    asked_at_least(2);
    assert_status(once("GET /now HTTP/1.0\r\n\r\n"), "200");
    cr_assert_eq(server_stats(srv).waiting, 2);
    server_wake(srv);
    asked_at_least(4); /* not ready: they go on waiting */
    make_ready();
    const char *a = hear_all(one);
    assert_status(a, "200");
    cr_assert(strstr(a, "POST /later abc"), "with the same request: %s", a);
    cr_assert(strstr(a, "GET /now"), "and the next one follows: %s", a);
    assert_status(hear_all(two), "200");
    cr_assert_eq(server_stats(srv).waiting, 0);
    cr_assert_geq(matter.woken, 1);
    stop();
}

Test(server, nobody_waits_longer_than_is_allowed, .timeout = 60)
{
    start_with((struct server_setup){.wait_ms = 50}, patient);
    assert_status(once("GET /later HTTP/1.0\r\n\r\n"), "503");
    cr_assert_eq(matter.asked, 2);
    cr_assert_eq(server_stats(srv).waiting, 0);
    stop();
}

Test(server, without_a_time_to_wait_the_answer_is_that_of_the_moment, .timeout = 60)
{
    start_with((struct server_setup){0}, patient);
    assert_status(once("GET /later HTTP/1.0\r\n\r\n"), "503");
    cr_assert_eq(matter.asked, 1);
    stop();
}

Test(server, only_so_many_wait, .timeout = 60)
{
    int fds[65];
    start_with((struct server_setup){.wait_ms = 600000, .max_connections = 80}, patient);
    for (unsigned i = 0; i < 64; i++) {
        fds[i] = dial();
        say(fds[i], "GET /later HTTP/1.0\r\n\r\n");
    }
    asked_at_least(64);
    assert_status(once("GET /later HTTP/1.0\r\n\r\n"), "503");
    (void)close(fds[0]); /* whoever leaves makes room */
    while (server_stats(srv).waiting == 64) {
        assert_status(once("GET /now HTTP/1.0\r\n\r\n"), "200");
    }
    fds[0] = dial();
    say(fds[0], "GET /later HTTP/1.0\r\n\r\n");
    asked_at_least(66);
    make_ready();
    for (unsigned i = 0; i < 64; i++) { assert_status(hear_all(fds[i]), "200"); }
    stop();
}

Test(server, whoever_waits_is_answered_when_the_server_stops, .timeout = 60)
{
    start_with((struct server_setup){.wait_ms = 600000}, patient);
    int one = dial();
    say(one, "GET /later HTTP/1.1\r\n\r\n");
    asked_at_least(1);
    server_stop(srv);
    assert_status(hear_all(one), "503");
    (void)pthread_join(thread, NULL);
    cr_assert_eq(run_rc, 0);
    server_free(srv);
}

/* ---- limits, the second address, counting ---------------------------------------------------- */

static struct limiter *limits_of(uint32_t burst, uint32_t connections)
{
    struct limit_setup l = {
        .per_second = 1, .burst = burst, .connections = connections, .clients = 8};
    struct limiter *out = NULL;
    struct err e = {0};
    cr_assert_eq(limiter_new(&l, &out, &e), 0, "%s", e.text);
    return out;
}

Test(server, a_client_who_asks_too_much_is_told_when_to_come_back)
{
    struct limiter *l = limits_of(3, 16);
    start((struct server_setup){.limits = l});
    const char *a = once("GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nPOST /3 HTTP/1.1\r\n"
                         "Content-Length: 3\r\n\r\nabcGET /4 HTTP/1.1\r\n\r\n");
    cr_assert(strstr(a, "GET /1") && strstr(a, "GET /2"), "%s", a);
    const char *refused = strstr(a, "HTTP/1.1 429 Too Many Requests\r\n");
    cr_assert_not_null(refused, "%s", a);
    cr_assert(strstr(refused, "\r\nRetry-After: 1\r\n"), "%s", a);
    cr_assert(strstr(refused, "\r\nConnection: close\r\n"), "%s", a);
    cr_assert_null(strstr(refused, "/4"), "%s", a);
    stop();
    limiter_free(l);
}

Test(server, a_client_has_a_share_of_the_connections)
{
    struct limiter *l = limits_of(100, 2);
    start((struct server_setup){.limits = l});
    int a = dial(), b = dial();
    say(a, "GET /a HTTP/1.1\r\n\r\n");
    say(b, "GET /b HTTP/1.1\r\n\r\n");
    char buf[512];
    cr_assert_gt(recv(a, buf, sizeof buf, 0), 0);
    cr_assert_gt(recv(b, buf, sizeof buf, 0), 0);
    cr_assert_str_eq(hear_all(dial()), "");
    say(a, "GET /a HTTP/1.0\r\n\r\n");
    (void)hear_all(a); /* the server has closed it, and its place is free */
    assert_status(once("GET /c HTTP/1.0\r\n\r\n"), "200");
    (void)close(b);
    stop();
    limiter_free(l);
}

static unsigned seen_200, seen_400, seen_unread;

static void count(void *ctx, const struct http_request *rq, int status, uint64_t took_us)
{
    (void)ctx, (void)took_us;
    seen_200 += status == 200;
    seen_400 += status == 400;
    seen_unread += rq == NULL;
}

static void say_ops(void *ctx, const struct http_request *rq, const char *peer, int64_t now,
                    struct http_response *out)
{
    (void)ctx, (void)rq, (void)peer, (void)now;
    *out = (struct http_response){.status = 200, .body = (uint8_t *)strdup("ops"), .body_len = 3};
}

Test(server, a_second_address_has_a_handler_of_its_own_and_no_limits)
{
    struct limiter *l = limits_of(1, 1);
    start((struct server_setup){
        .limits = l, .ops_listen = "127.0.0.1:0", .handle_ops = say_ops, .observe = count});
    cr_assert_neq(server_ops_port(srv), 0);
    cr_assert_neq(server_ops_port(srv), server_port(srv));
    assert_status(once("hello\r\n\r\n"), "400");
    for (size_t i = 0; i < 5; i++) {
        struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(server_ops_port(srv))};
        sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        cr_assert_eq(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
        say(fd, "GET /metrics HTTP/1.0\r\n\r\n");
        const char *a = hear_all(fd);
        assert_status(a, "200");
        cr_assert(strstr(a, "\r\n\r\nops"), "%s", a);
    }
    stop();
    cr_assert_eq(seen_200, 5);
    cr_assert_eq(seen_400, 1);
    cr_assert_eq(seen_unread, 1);
    limiter_free(l);
}

/* ---- TLS ----------------------------------------------------------------------------------- */

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    cr_assert_geq(fputs(text, f), 0);
    (void)fclose(f);
}

static void start_tls(struct server_setup s)
{
    char *key, *cert;
    struct err e = {0};
    (void)snprintf(cert_path, sizeof cert_path, "/tmp/kbs-tls-%d.crt", (int)getpid());
    (void)snprintf(key_path, sizeof key_path, "/tmp/kbs-tls-%d.key", (int)getpid());
    cr_assert_eq(setup_self_signed(NULL, 0, (int64_t)time(NULL), &key, &cert, &e), 0, "%s", e.text);
    write_file(cert_path, cert);
    write_file(key_path, key);
    s.tls_cert_pem = cert_path;
    s.tls_key_pem = key_path;
    start(s);
    (void)unlink(cert_path);
    (void)unlink(key_path);
    free(key);
    free(cert);
}

/* A handshake by a client that speaks at most this version; NULL when it fails. */
static SSL *tls_dial(SSL_CTX *ctx, int max_version)
{
    SSL *ssl = SSL_new(ctx);
    cr_assert_eq(SSL_set_max_proto_version(ssl, max_version), 1);
    cr_assert_eq(SSL_set_fd(ssl, dial()), 1);
    if (SSL_connect(ssl) == 1) { return ssl; }
    (void)close(SSL_get_fd(ssl));
    SSL_free(ssl);
    return NULL;
}

Test(server, speaks_tls_1_3_and_nothing_older)
{
    start_tls((struct server_setup){0});
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = tls_dial(ctx, TLS1_3_VERSION);
    cr_assert_not_null(ssl);
    static const char request[] =
        "POST /x HTTP/1.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc";
    cr_assert_eq(SSL_write(ssl, request, sizeof request - 1), (int)sizeof request - 1);
    char text[1024];
    int len = 0, n;
    while (len < (int)sizeof text - 1 &&
           (n = SSL_read(ssl, text + len, (int)sizeof text - 1 - len)) > 0) {
        len += n;
    }
    text[len] = '\0';
    assert_status(text, "200");
    cr_assert(strstr(text, "POST /x abc"));
    cr_assert_eq(SSL_get_error(ssl, n), SSL_ERROR_ZERO_RETURN,
                 "the end is said inside TLS: nobody can cut an answer");
    (void)close(SSL_get_fd(ssl));
    SSL_free(ssl);
    cr_assert_null(tls_dial(ctx, TLS1_2_VERSION));
    SSL_CTX_free(ctx);
    stop();
}

Test(server, survives_garbage_and_silence_instead_of_tls)
{
    start_tls((struct server_setup){.phase_ms = 200});
    int silent = dial(), half = dial(), plain = dial();
    say(plain, "GET / HTTP/1.1\r\n\r\n");
    cr_assert_eq(send(half, "\x16\x03\x01\x02\x00\x01\x00", 7, MSG_NOSIGNAL), 7);
    cr_assert_null(strstr(hear_all(plain), "HTTP/1.1 200"));
    cr_assert_str_eq(hear_all(silent), "");
    (void)hear_all(half);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = tls_dial(ctx, TLS1_3_VERSION);
    cr_assert_not_null(ssl, "others are still served");
    (void)close(SSL_get_fd(ssl)); /* without goodbye */
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    stop();
}

static int reload_rc[2];
static unsigned reloads;

/* In the server's own thread, as SIGHUP brings it. */
static void reload(void *ctx)
{
    struct err e = {0};
    (void)ctx;
    int rc = server_reload_tls(srv, cert_path, key_path, &e);
    reload_rc[reloads] = rc;
    reloads++; /* the waiting thread looks at this alone */
}

/* The key that the peer's certificate shows, as a number to compare. */
static unsigned long peer_key(SSL_CTX *ctx)
{
    SSL *ssl = tls_dial(ctx, TLS1_3_VERSION);
    cr_assert_not_null(ssl);
    X509 *cert = SSL_get1_peer_certificate(ssl);
    unsigned long h;
    unsigned char digest[32];
    cr_assert_eq(X509_pubkey_digest(cert, EVP_sha256(), digest, NULL), 1);
    memcpy(&h, digest, sizeof h);
    X509_free(cert);
    (void)close(SSL_get_fd(ssl));
    SSL_free(ssl);
    return h;
}

static void hang_up(unsigned want)
{
    cr_assert_eq(kill(getpid(), SIGHUP), 0);
    for (size_t i = 0; i < 2000 && *(volatile unsigned *)&reloads < want; i++) {
        (void)usleep(1000);
    }
    cr_assert_eq(reloads, want);
}

Test(server, takes_a_new_certificate_and_keeps_the_old_one_when_it_is_bad)
{
    char *key, *cert;
    struct err e = {0};
    start_tls((struct server_setup){.hangup = reload});
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    unsigned long first = peer_key(ctx);
    write_file(cert_path, "rubbish");
    write_file(key_path, "rubbish");
    hang_up(1);
    cr_assert_lt(reload_rc[0], 0);
    cr_assert_eq(peer_key(ctx), first);
    cr_assert_eq(setup_self_signed(NULL, 0, (int64_t)time(NULL), &key, &cert, &e), 0, "%s", e.text);
    write_file(cert_path, cert);
    write_file(key_path, key);
    hang_up(2);
    cr_assert_eq(reload_rc[1], 0);
    cr_assert_neq(peer_key(ctx), first);
    (void)unlink(cert_path);
    (void)unlink(key_path);
    free(key);
    free(cert);
    SSL_CTX_free(ctx);
    stop();
}

Test(server, says_what_is_wrong_with_its_setup)
{
    struct err e = {0};
    struct server *s = NULL;
    static const char *const addresses[] = {
        "",       "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000",
        "host:1", "[::1]",     "::1:80x",    ":80"};
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        e = (struct err){0};
        struct server_setup bad = {.listen = addresses[i], .handle = echo};
        cr_assert_lt(server_new(&bad, &s, &e), 0, "%s", addresses[i]);
        cr_assert(strstr(e.text, "not ADDRESS:PORT"), "%s", e.text);
    }
    e = (struct err){0};
    struct server_setup no_cert = {.listen = "127.0.0.1:0",
                                   .handle = echo,
                                   .tls_cert_pem = "/nothing",
                                   .tls_key_pem = "/nothing"};
    cr_assert_lt(server_new(&no_cert, &s, &e), 0);
    cr_assert(strstr(e.text, "tls certificate /nothing"), "%s", e.text);
}
