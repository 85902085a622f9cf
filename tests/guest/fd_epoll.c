/* SPDX-License-Identifier: Apache-2.0 */
/* epoll, level-triggered: registration errors, one-shot, modification, copies and closing. */
#include <sys/epoll.h>

#include "tests/guest/promise.h"

static int ep;

static int ready(uint32_t *events)
{
    struct epoll_event ev[4];
    int n = MUST(epoll_wait(ep, ev, 4, 0));
    *events = n ? ev[0].events : 0;
    return n;
}

PROMISE("epoll keeps its books")
{
    int fds[2];
    uint32_t events;
    struct epoll_event ev = {.events = EPOLLIN};
    ep = MUST(epoll_create1(0));
    MUST(pipe(fds));
    scratch();
    put_file("f", "x");
    WANT_ERR(syscall(SYS_epoll_create, 0), EINVAL);
    WANT_ERR(epoll_ctl(ep, EPOLL_CTL_MOD, fds[0], &ev), ENOENT);
    WANT_ERR(epoll_ctl(ep, EPOLL_CTL_DEL, fds[0], NULL), ENOENT);
    MUST(epoll_ctl(ep, EPOLL_CTL_ADD, fds[0], &ev));
    WANT_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, fds[0], &ev), EEXIST);
    WANT_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &ev), EINVAL);
    WANT_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, 99, &ev), EBADF);
    WANT_ERR(epoll_ctl(fds[0], EPOLL_CTL_ADD, fds[1], &ev), EINVAL);
    WANT_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, MUST(open("f", O_RDONLY)), &ev), EPERM);
    WANT_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, MUST(open(".", O_RDONLY)), &ev), EPERM);
    WANT_ERR(epoll_wait(ep, &ev, 0, 0), EINVAL);
    WANT_EQ(ready(&events), 0);
    WANT_EQ(write(fds[1], "ab", 2), 2);
    char byte;
    for (int i = 0; i < 2; i++) { /* level: as long as there is data */
        WANT_EQ(ready(&events), 1);
        WANT_EQ(events, EPOLLIN);
        WANT_EQ(ready(&events), 1);
        WANT_EQ(read(fds[0], &byte, 1), 1);
    }
    WANT_EQ(ready(&events), 0);
    ev.events = EPOLLIN | EPOLLONESHOT;
    MUST(epoll_ctl(ep, EPOLL_CTL_MOD, fds[0], &ev));
    WANT_EQ(write(fds[1], "a", 1), 1);
    WANT_EQ(ready(&events), 1);
    WANT_EQ(ready(&events), 0);
    MUST(epoll_ctl(ep, EPOLL_CTL_MOD, fds[0], &ev)); /* armed again, and it is ready */
    WANT_EQ(ready(&events), 1);
    ev.events = EPOLLIN;
    MUST(epoll_ctl(ep, EPOLL_CTL_MOD, fds[0], &ev));
    int copy = MUST(dup(fds[0]));
    MUST(close(fds[0]));
    WANT_EQ(ready(&events), 1); /* the description lives on in the copy */
    MUST(close(copy));
    WANT_EQ(ready(&events), 0);
    /* An epoll descriptor can be polled itself. */
    int outer = MUST(epoll_create1(0));
    MUST(pipe(fds));
    MUST(epoll_ctl(ep, EPOLL_CTL_ADD, fds[0], &ev));
    MUST(epoll_ctl(outer, EPOLL_CTL_ADD, ep, &ev));
    WANT_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, outer, &ev), ELOOP);
    WANT_EQ(epoll_wait(outer, &ev, 1, 0), 0);
    MUST(close(fds[1]));
    WANT_EQ(MUST(epoll_wait(outer, &ev, 1, 0)), 1);
    WANT_EQ(ready(&events), 1);
    WANT_EQ(events, EPOLLHUP);
}
