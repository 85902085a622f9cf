/* SPDX-License-Identifier: Apache-2.0 */
/* A sleeping poll, select or epoll_wait wakes when another process writes or closes; ppoll swaps the mask. */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include "tests/guest/promise.h"

static int go[2], fds[2];

/* A child that acts once it may: 'w' writes, 'c' closes. */
static pid_t actor(void)
{
    MUST(pipe(go));
    MUST(pipe(fds));
    pid_t pid = MUST(fork());
    if (pid == 0) {
        char what;
        MUST(close(fds[0]));
        WANT_EQ(read(go[0], &what, 1), 1);
        if (what == 'w') { WANT_EQ(write(fds[1], "x", 1), 1); }
        _exit(0);
    }
    MUST(close(fds[1]));
    return pid;
}

static volatile int seen;

static void handler(int number, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    seen = number;
}

PROMISE("waiters wake")
{
    actor();
    WANT_EQ(write(go[1], "w", 1), 1);
    struct pollfd p = {.fd = fds[0], .events = POLLIN};
    WANT_EQ(MUST(poll(&p, 1, -1)), 1);
    WANT(p.revents & POLLIN);
    actor();
    WANT_EQ(write(go[1], "c", 1), 1);
    p.fd = fds[0];
    WANT_EQ(MUST(poll(&p, 1, 30000)), 1);
    WANT_EQ(p.revents, POLLHUP);
    actor();
    WANT_EQ(write(go[1], "w", 1), 1);
    fd_set in;
    FD_ZERO(&in);
    FD_SET(fds[0], &in);
    WANT_EQ(MUST(select(fds[0] + 1, &in, NULL, NULL, NULL)), 1);
    actor();
    int ep = MUST(epoll_create1(EPOLL_CLOEXEC));
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.u64 = 0x1122334455667788};
    MUST(epoll_ctl(ep, EPOLL_CTL_ADD, fds[0], &ev));
    WANT_EQ(write(go[1], "w", 1), 1);
    WANT_EQ(MUST(epoll_wait(ep, &ev, 1, -1)), 1);
    WANT_EQ(ev.data.u64, 0x1122334455667788);

    sigset_t usr1, none;
    sigemptyset(&none);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    MUST(sigprocmask(SIG_BLOCK, &usr1, NULL));
    on_signal(SIGUSR1, handler, 0);
    raise(SIGUSR1);
    WANT_EQ(seen, 0);
    WANT_ERR(ppoll(NULL, 0, NULL, &none), EINTR);
    WANT_EQ(seen, SIGUSR1);
    sigset_t now;
    MUST(sigprocmask(SIG_BLOCK, NULL, &now));
    WANT_EQ(sigismember(&now, SIGUSR1), 1);
}
