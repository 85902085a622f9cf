/* SPDX-License-Identifier: Apache-2.0 */
/* eventfd: a counter with exactly eight bytes, a semaphore mode, and limits. */
#include <poll.h>
#include <sys/eventfd.h>

#include "tests/guest/promise.h"

static short state(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
    MUST(poll(&p, 1, 0));
    return p.revents;
}

PROMISE("eventfd counts")
{
    uint64_t v = 7;
    int fd = MUST(eventfd(3, EFD_NONBLOCK));
    WANT_EQ(state(fd), POLLIN | POLLOUT);
    WANT_EQ(write(fd, &v, 8), 8);
    WANT_EQ(read(fd, &v, 8), 8);
    WANT_EQ(v, 10);
    WANT_ERR(read(fd, &v, 8), EAGAIN);
    WANT_EQ(state(fd), POLLOUT);
    WANT_ERR(read(fd, &v, 7), EINVAL);
    WANT_ERR(write(fd, &v, 4), EINVAL);
    v = UINT64_MAX;
    WANT_ERR(write(fd, &v, 8), EINVAL);
    v = UINT64_MAX - 1;
    WANT_EQ(write(fd, &v, 8), 8);
    WANT_EQ(state(fd), POLLIN);
    v = 1;
    WANT_ERR(write(fd, &v, 8), EAGAIN);
    int sem = MUST(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC));
    WANT_EQ(fcntl(sem, F_GETFD), FD_CLOEXEC);
    for (int i = 0; i < 2; i++) {
        WANT_EQ(read(sem, &v, 8), 8);
        WANT_EQ(v, 1);
    }
    WANT_ERR(read(sem, &v, 8), EAGAIN);
    /* A blocked reader in another process wakes. */
    int both = MUST(eventfd(0, 0)), status;
    pid_t pid = MUST(fork());
    if (pid == 0) {
        WANT_EQ(read(both, &v, 8), 8);
        _exit((int)v);
    }
    v = 5;
    WANT_EQ(write(both, &v, 8), 8);
    MUST(waitpid(pid, &status, 0));
    WANT_EQ(WEXITSTATUS(status), 5);
}
