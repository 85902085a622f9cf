/* SPDX-License-Identifier: Apache-2.0 */
/* poll and select: what each kind of readiness looks like, on pipes, closed descriptors and none at all. */
#include <poll.h>
#include <sys/select.h>
#include <time.h>

#include "tests/guest/promise.h"

static int poll_one(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events, .revents = -1};
    int n = MUST(poll(&p, 1, 0));
    WANT_EQ(n, p.revents != 0);
    return p.revents;
}

/* A descriptor that is not open. Below 64: Linux looks at no bits beyond its table of descriptors, which starts that small. */
enum { SHUT = 63 };

PROMISE("poll and select tell the truth")
{
    int fds[2];
    close(SHUT); /* may have been inherited */
    MUST(pipe(fds));
    WANT_EQ(poll_one(fds[0], POLLIN), 0);
    WANT_EQ(poll_one(fds[1], POLLOUT), POLLOUT);
    WANT_EQ(write(fds[1], "x", 1), 1);
    WANT_EQ(poll_one(fds[0], POLLIN), POLLIN);
    WANT_EQ(poll_one(fds[0], 0), 0);
    WANT_EQ(poll_one(-1, POLLIN), 0);
    WANT_EQ(poll_one(SHUT, POLLIN), POLLNVAL);
    fd_set in, out;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(fds[0], &in);
    FD_SET(fds[1], &out);
    struct timeval zero = {0, 0};
    WANT_EQ(MUST(select(fds[1] + 1, &in, &out, NULL, &zero)), 2);
    char byte;
    WANT_EQ(read(fds[0], &byte, 1), 1);
    struct timeval brief = {0, 10000};
    WANT_EQ(MUST(syscall(SYS_select, fds[0] + 1, &in, NULL, NULL, &brief)), 0);
    WANT(!FD_ISSET(fds[0], &in));
    WANT_EQ(brief.tv_sec | brief.tv_usec, 0); /* Linux writes back what is left */
    FD_SET(SHUT, &in);
    WANT_ERR(select(SHUT + 1, &in, NULL, NULL, &zero), EBADF);
    WANT_ERR(select(-1, NULL, NULL, NULL, &zero), EINVAL);
    int extra = MUST(dup(fds[1]));
    MUST(close(fds[1]));
    WANT_EQ(poll_one(fds[0], POLLIN), 0);
    MUST(close(extra));
    WANT_EQ(poll_one(fds[0], POLLIN), POLLHUP);
    MUST(pipe(fds));
    MUST(close(fds[0]));
    WANT_EQ(poll_one(fds[1], POLLOUT) & POLLERR, POLLERR);
    int file = MUST(open("/proc/self/exe", O_RDONLY));
    WANT_EQ(poll_one(file, POLLIN | POLLOUT), POLLIN | POLLOUT);
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    WANT_EQ(MUST(poll(NULL, 0, 30)), 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    WANT((end.tv_sec - start.tv_sec) * 1000000000 + end.tv_nsec - start.tv_nsec >= 30000000);
}
