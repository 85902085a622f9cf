/* SPDX-License-Identifier: Apache-2.0 */
/* Which calls a handler interrupts for good, and which go on by themselves under SA_RESTART. */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <time.h>

#include "tests/guest/promise.h"

static int fds[2];
static volatile int ticks;

static void handler(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    (void)context;
    if (++ticks == 2) {
        WANT_EQ(write(fds[1], "x", 1), 1);
    } /* the second tick lets a restarted call end */
}

static void tick_every_20_ms(bool on)
{
    struct itimerval t = {{0, on ? 20000 : 0}, {0, on ? 20000 : 0}};
    ticks = 0;
    MUST(setitimer(ITIMER_REAL, &t, NULL));
}

PROMISE("restart rules")
{
    char byte;
    MUST(pipe(fds));
    on_signal(SIGALRM, handler, 0);
    tick_every_20_ms(true);
    WANT_ERR(read(fds[0], &byte, 1), EINTR);
    tick_every_20_ms(false);
    on_signal(SIGALRM, handler, SA_RESTART);
    tick_every_20_ms(true);
    WANT_EQ(read(fds[0], &byte, 1), 1);
    WANT(ticks >= 2);
    /* These never restart once a handler has run. */
    struct pollfd p = {.fd = fds[0], .events = POLLIN};
    int ep = MUST(epoll_create1(0));
    struct epoll_event ev = {.events = EPOLLIN};
    MUST(epoll_ctl(ep, EPOLL_CTL_ADD, fds[0], &ev));
    struct timespec minute = {60, 0}, left = {0, 0};
    sigset_t none;
    sigemptyset(&none);
    ticks = 100;
    WANT_ERR(poll(&p, 1, -1), EINTR);
    WANT_ERR(poll(&p, 1, 60000), EINTR);
    WANT_ERR(epoll_wait(ep, &ev, 1, -1), EINTR);
    WANT_ERR(sigsuspend(&none), EINTR);
    WANT_ERR(pause(), EINTR);
    WANT_ERR(nanosleep(&minute, &left), EINTR);
    WANT(left.tv_sec >= 50 && left.tv_sec < 60);
}
