/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pipe opened again through /proc/self/fd is one more end of it, and its open never waits for the other side: what is left
 * of a writer that has gone can be read. This is `diff <(a) <(b)` in bash. A FIFO with a name does wait.
 */
#include "tests/guest/promise.h"

static int reopen(int fd, int flags)
{
    char name[32];
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    return open(name, flags);
}

PROMISE("a pipe is opened again without waiting")
{
    int fds[2];
    char got[8];
    MUST(pipe(fds));
    WANT_EQ(write(fds[1], "left", 4), 4);
    MUST(close(fds[1]));
    int again = MUST(reopen(fds[0], O_RDONLY));
    WANT_EQ(read(again, got, sizeof(got)), 4);
    WANT_EQ(read(again, got, sizeof(got)), 0);
    int writer = MUST(reopen(fds[0], O_WRONLY)); /* the other side, from this one */
    WANT_EQ(write(writer, "x", 1), 1);
    WANT_EQ(read(fds[0], got, sizeof(got)), 1);
    MUST(close(again));
    MUST(close(fds[0]));
    WANT(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    again = MUST(reopen(writer, O_WRONLY | O_NONBLOCK)); /* no ENXIO without a reader */
    WANT_ERR(write(again, "x", 1), EPIPE);
}
