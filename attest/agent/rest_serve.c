/* SPDX-License-Identifier: Apache-2.0 */
/* See rest.h: sockets and processes. The peer is the application: a stranger. */
#include "attest/agent/rest.h"

#include "guest/base/ct.h"
#include "guest/base/hosted.h"
#include "guest/base/io.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#define HEAD_MAX 16384u

int rest_listen(uint16_t port, int *out_fd, struct err *e)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    auto_fd fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof a) < 0 ||
        listen(fd, REST_CLIENTS_MAX) < 0) {
        return err_set(e, errno, "REST service on 127.0.0.1 port %u: %s", (unsigned)port,
                       strerror(errno));
    }
    *out_fd = steal_fd(&fd);
    return 0;
}

/* ---- one connection */

struct conn {
    int fd;
    uint8_t buf[HEAD_MAX + REST_BODY_MAX];
    size_t len;
};

static bool fill(struct conn *c)
{
    if (c->len == sizeof c->buf) { return false; }
    ssize_t n;
    do {
        n = read(c->fd, c->buf + c->len, sizeof c->buf - c->len);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) { return false; }
    c->len += (size_t)n;
    return true;
}

static bool reply(const struct conn *c, struct http_response *rs, bool keep)
{
    char head[HTTP_RESPONSE_HEAD_MAX];
    size_t n = http_response_head(rs, keep, (int64_t)time(NULL), head, sizeof head);
    bool ok =
        n > 0 && write_all(c->fd, head, n) == 0 && write_all(c->fd, rs->body, rs->body_len) == 0;
    if (rs->body) { wipe(rs->body, rs->body_len); }
    http_response_fini(rs);
    return ok && keep;
}

static bool refuse(const struct conn *c, int status, const char *text)
{
    struct http_response rs = {.status = status, .close = true, .body = (uint8_t *)strdup(text)};
    rs.body_len = rs.body ? strlen(text) : 0;
    return reply(c, &rs, false);
}

/* Bytes up to and with the empty line; 0 = the peer has gone, or sends more than a head. */
static size_t read_head(struct conn *c)
{
    for (;;) {
        const uint8_t *end = memmem(c->buf, c->len, "\r\n\r\n", 4);
        if (end) { return (size_t)(end - c->buf) + 4; }
        if (c->len >= HEAD_MAX) {
            (void)refuse(c, 431, "");
            return 0;
        }
        if (!fill(c)) { return 0; }
    }
}

/* True: the connection can carry another request. */
static bool serve_request(const struct rest *r, struct conn *c)
{
    struct http_request q;
    struct err e = {0};
    size_t head = read_head(c);
    if (head == 0) { return false; }
    int rc = http_head_read(c->buf, head, &q, &e);
    if (rc < 0) {
        int status = http_status_of(rc);
        return refuse(c, status, status == 405 ? "Method Not Allowed" : e.text);
    }
    if (q.body_len > REST_BODY_MAX) { return refuse(c, 413, "payload reached size limit"); }
    if (q.expect_continue && write_all(c->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25) < 0) {
        return false;
    }
    size_t whole = head + (size_t)q.body_len;
    while (c->len < whole) {
        if (!fill(c)) { return false; }
    }
    q.body = (struct view){.p = c->buf + head, .len = (size_t)q.body_len};
    struct http_response rs = {0};
    rest_answer(r, &q, &rs);
    if (!reply(c, &rs, q.keep_alive)) { return false; }
    c->len -= whole;
    memmove(c->buf, c->buf + whole, c->len);
    return true;
}

static bool is_loopback(const struct sockaddr_in *a)
{
    return a->sin_family == AF_INET && ntohl(a->sin_addr.s_addr) >> 24 == 127;
}

/* In a process of its own, which the alarm ends whatever it waits for. */
static NORETURN void serve_connection(const struct rest *r, int fd, const struct sockaddr_in *peer)
{
    static struct conn c;
    c.fd = fd;
    (void)alarm(REST_SECONDS);
    if (!is_loopback(peer)) {
        (void)refuse(&c, 403, "Forbidden");
    } else {
        while (serve_request(r, &c)) { (void)alarm(REST_SECONDS); }
    }
    _exit(0);
}

/* ---- the listener */

void rest_serve(const struct rest *r, int listener)
{
    int running = 0;
    for (;;) {
        struct sockaddr_in peer = {0};
        socklen_t len = sizeof peer;
        while (running > 0 && waitpid(-1, NULL, running < REST_CLIENTS_MAX ? WNOHANG : 0) > 0) {
            running--;
        }
        auto_fd fd = accept4(listener, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED)) { continue; }
        if (fd < 0) { return; }
        pid_t pid = fork();
        if (pid == 0) {
            (void)close(listener);
            serve_connection(r, fd, &peer);
        }
        running +=
            pid > 0; /* without memory for a process the client finds its connection closed */
    }
}
