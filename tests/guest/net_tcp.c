/* SPDX-License-Identifier: Apache-2.0 */
/* TCP over loopback: ports, names, data both ways, half close, refusal, non-blocking connect and accept. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "tests/guest/promise.h"

static struct sockaddr_in local(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int port_of(int fd)
{
    struct sockaddr_in a;
    socklen_t len = sizeof(a);
    MUST(getsockname(fd, (void *)&a, &len));
    WANT_EQ(a.sin_family, AF_INET);
    return ntohs(a.sin_port);
}

static int option(int fd, int level, int name)
{
    int v = -1;
    socklen_t len = sizeof(v);
    MUST(getsockopt(fd, level, name, &v, &len));
    return v;
}

PROMISE("loopback TCP")
{
    char b[32];
    int one = 1, n;
    int l = MUST(socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = local(0), peer;
    WANT_ERR(connect(l, (void *)&a, 3), EINVAL);
    MUST(bind(l, (void *)&a, sizeof(a)));
    int port = port_of(l);
    WANT(port > 0);
    a = local(port);
    int refused = MUST(socket(AF_INET, SOCK_STREAM, 0));
    WANT_ERR(connect(refused, (void *)&a, sizeof(a)), ECONNREFUSED);
    MUST(listen(l, 8));
    WANT_EQ(option(l, SOL_SOCKET, SO_ACCEPTCONN), 1);
    int other = MUST(socket(AF_INET, SOCK_STREAM, 0));
    WANT_ERR(bind(other, (void *)&a, sizeof(a)), EADDRINUSE);
    WANT_ERR(getpeername(other, (void *)&peer, &(socklen_t){sizeof(peer)}), ENOTCONN);
    WANT_ERR(send(other, "x", 1, MSG_NOSIGNAL), EPIPE);
    WANT_ERR(recv(other, b, 1, 0), ENOTCONN);

    int c = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    MUST(connect(c, (void *)&a, sizeof(a)));
    WANT_ERR(connect(c, (void *)&a, sizeof(a)), EISCONN);
    socklen_t len = sizeof(peer);
    int s = MUST(accept4(l, (void *)&peer, &len, SOCK_NONBLOCK));
    WANT_EQ(ntohs(peer.sin_port), port_of(c));
    WANT_EQ(ntohl(peer.sin_addr.s_addr), INADDR_LOOPBACK);
    len = sizeof(peer);
    MUST(getpeername(c, (void *)&peer, &len));
    WANT_EQ(ntohs(peer.sin_port), port);
    WANT_ERR(read(s, b, 1), EAGAIN);
    MUST(setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)));
    WANT_EQ(option(c, IPPROTO_TCP, TCP_NODELAY), 1);
    WANT_ERR(setsockopt(c, IPPROTO_TCP, 9999, &one, sizeof(one)), ENOPROTOOPT);
    WANT_EQ(send(c, "hello", 5, 0), 5);
    struct pollfd p = {.fd = s, .events = POLLIN | POLLRDHUP};
    WANT_EQ(MUST(poll(&p, 1, 10000)), 1);
    MUST(ioctl(s, FIONREAD, &n));
    WANT_EQ(n, 5);
    WANT_EQ(recv(s, b, 3, MSG_PEEK), 3);
    WANT_EQ(read(s, b, sizeof(b)), 5);
    MUST(shutdown(c, SHUT_WR));
    WANT_EQ(MUST(poll(&p, 1, 10000)), 1);
    WANT_EQ(p.revents, POLLIN | POLLRDHUP);
    WANT_EQ(read(s, b, sizeof(b)), 0);
    WANT_EQ(write(s, "answer", 6), 6); /* the other half still works */
    WANT_EQ(recv(c, b, 6, MSG_WAITALL), 6);
    MUST(close(s));
    WANT_EQ(read(c, b, 1), 0);

    /* Non-blocking connect: result by poll and SO_ERROR. */
    int nb = MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    if (connect(nb, (void *)&a, sizeof(a)) == -1) { WANT_EQ(errno, EINPROGRESS); }
    p = (struct pollfd){.fd = nb, .events = POLLOUT};
    WANT_EQ(MUST(poll(&p, 1, 10000)), 1);
    WANT_EQ(p.revents, POLLOUT);
    WANT_EQ(option(nb, SOL_SOCKET, SO_ERROR), 0);
    s = MUST(accept(l, NULL, NULL));
    MUST(fcntl(l, F_SETFL, O_NONBLOCK));
    WANT_ERR(accept(l, NULL, NULL), EAGAIN);
    MUST(close(l));
    int late = MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    if (connect(late, (void *)&a, sizeof(a)) == -1 && errno == EINPROGRESS) {
        p.fd = late;
        WANT_EQ(MUST(poll(&p, 1, 10000)), 1);
        WANT(p.revents & POLLERR);
        WANT_EQ(option(late, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
        WANT_EQ(option(late, SOL_SOCKET, SO_ERROR), 0); /* told once */
    } else {
        WANT_EQ(errno, ECONNREFUSED);
    }
    /* A reset: closing with unread data. */
    WANT_EQ(write(nb, "unread", 6), 6);
    p = (struct pollfd){.fd = s, .events = POLLIN};
    WANT_EQ(MUST(poll(&p, 1, 10000)), 1);
    MUST(close(s));
    p.fd = nb;
    WANT_EQ(MUST(poll(&p, 1, 10000)), 1);
    WANT_ERR(read(nb, b, 1), ECONNRESET);
    WANT_ERR(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
    WANT_ERR(socket(99, SOCK_STREAM, 0), EAFNOSUPPORT);
}
