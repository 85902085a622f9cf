/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes: data in order, EOF when the last writer is gone, SIGPIPE and EPIPE when the last reader is, 64 KiB of room. */
#include <sys/ioctl.h>

#include "tests/guest/promise.h"

static volatile int sigpipes;

static void handler(int number, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    sigpipes += number == SIGPIPE;
}

PROMISE("pipes behave")
{
    static char big[65536 + 1];
    int fds[2], n;
    MUST(pipe2(fds, O_NONBLOCK | O_CLOEXEC));
    WANT_EQ(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
    WANT_EQ(fcntl(fds[1], F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_WRONLY | O_NONBLOCK);
    WANT_ERR(read(fds[0], big, 1), EAGAIN);
    WANT_EQ(write(fds[1], big, sizeof(big)), 65536);
    WANT_ERR(write(fds[1], big, 1), EAGAIN);
    MUST(ioctl(fds[0], FIONREAD, &n));
    WANT_EQ(n, 65536);
    WANT_EQ(read(fds[0], big, 4096), 4096);
    WANT_EQ(write(fds[1], "abc", 3), 3);
    WANT_EQ(read(fds[0], big, sizeof(big)), 65536 - 4096 + 3);
    WANT_EQ(memcmp(big + 65536 - 4096, "abc", 3), 0);
    WANT_ERR(lseek(fds[0], 0, SEEK_CUR), ESPIPE);
    WANT_ERR(pread(fds[0], big, 1, 0), ESPIPE);
    WANT_ERR(read(fds[1], big, 1), EBADF);
    WANT_ERR(write(fds[0], big, 1), EBADF);

    int also = MUST(dup(fds[1]));
    WANT_EQ(write(also, "z", 1), 1);
    MUST(close(fds[1]));
    MUST(close(also));
    WANT_EQ(read(fds[0], big, 10), 1); /* what was written stays readable */
    WANT_EQ(read(fds[0], big, 10), 0);
    MUST(close(fds[0]));

    on_signal(SIGPIPE, handler, 0);
    MUST(pipe(fds));
    MUST(close(fds[0]));
    WANT_ERR(write(fds[1], "x", 1), EPIPE);
    WANT_EQ(sigpipes, 1);
    signal(SIGPIPE, SIG_IGN);
    WANT_ERR(write(fds[1], "x", 1), EPIPE);
}
