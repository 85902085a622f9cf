/* SPDX-License-Identifier: Apache-2.0 */
/* epoll, edge-triggered: one event per arrival, also while older data waits; none without one. */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "tests/guest/promise.h"

static int ep;

static uint32_t next(void)
{
    struct epoll_event ev;
    return MUST(epoll_wait(ep, &ev, 1, 0)) ? ev.events : 0;
}

PROMISE("no edge is lost")
{
    int s[2], efd = MUST(eventfd(0, EFD_NONBLOCK));
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET};
    uint64_t one = 1;
    ep = MUST(epoll_create1(0));
    MUST(epoll_ctl(ep, EPOLL_CTL_ADD, efd, &ev));
    for (int i = 0; i < 3; i++) {
        WANT_EQ(write(efd, &one, 8), 8);
        WANT_EQ(next(), EPOLLIN);
        WANT_EQ(next(), 0);
    }
    MUST(epoll_ctl(ep, EPOLL_CTL_MOD, efd, &ev)); /* ready at the time of MOD */
    WANT_EQ(next(), EPOLLIN);
    WANT_EQ(next(), 0);

    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s));
    ev.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    MUST(epoll_ctl(ep, EPOLL_CTL_ADD, s[0], &ev));
    WANT_EQ(next(), EPOLLOUT);
    WANT_EQ(next(), 0);
    WANT_EQ(write(s[1], "a", 1), 1);
    WANT_EQ(next() & EPOLLIN, EPOLLIN);
    WANT_EQ(next(), 0);
    WANT_EQ(write(s[1], "b", 1), 1); /* the first byte still waits */
    WANT_EQ(next() & EPOLLIN, EPOLLIN);
    WANT_EQ(next(), 0);
    static char buffer[1 << 16];
    while (write(s[0], buffer, sizeof(buffer)) > 0) { }
    WANT_EQ(errno, EAGAIN);
    next();
    while (read(s[1], buffer, sizeof(buffer)) > 0) { }
    WANT_EQ(next() & EPOLLOUT, EPOLLOUT); /* room again after having been full */
    MUST(shutdown(s[1], SHUT_WR));
    WANT_EQ(next() & (EPOLLIN | EPOLLRDHUP), EPOLLIN | EPOLLRDHUP);
    MUST(close(s[1]));
    WANT_EQ(next() & EPOLLHUP, EPOLLHUP);
}
