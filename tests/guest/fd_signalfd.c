/* SPDX-License-Identifier: Apache-2.0 */
/* signalfd: blocked signals are read as records; what was read is no longer pending. */
#include <poll.h>
#include <sys/signalfd.h>

#include "tests/guest/promise.h"

PROMISE("signalfd reads signals")
{
    sigset_t set, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGCHLD);
    MUST(sigprocmask(SIG_BLOCK, &set, NULL));
    int fd = MUST(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    struct signalfd_siginfo s[4];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    WANT_EQ(sizeof(s[0]), 128);
    WANT_ERR(read(fd, s, sizeof(s)), EAGAIN);
    WANT_ERR(read(fd, s, 100), EINVAL);
    WANT_EQ(MUST(poll(&p, 1, 0)), 0);
    MUST(kill(getpid(), SIGUSR1));
    WANT_EQ(MUST(poll(&p, 1, 0)), 1);
    WANT_EQ(read(fd, s, sizeof(s)), 128);
    WANT_EQ(s[0].ssi_signo, SIGUSR1);
    WANT_EQ(s[0].ssi_pid, getpid());
    MUST(sigpending(&pending));
    WANT_EQ(sigismember(&pending, SIGUSR1), 0);
    pid_t pid = MUST(fork());
    if (pid == 0) { _exit(12); }
    WANT_EQ(MUST(poll(&p, 1, 30000)), 1);
    WANT_EQ(read(fd, s, sizeof(s)), 128);
    WANT_EQ(s[0].ssi_signo, SIGCHLD);
    WANT_EQ(s[0].ssi_status, 12);
    WANT_EQ(MUST(waitpid(pid, NULL, 0)), pid);
}
