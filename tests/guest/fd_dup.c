/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors: the lowest free number, copies that share offset and status flags, CLOEXEC of their own. */
#include <sys/resource.h>

#include "tests/guest/promise.h"

PROMISE("descriptors are numbered and shared as Linux does")
{
    scratch();
    put_file("f", "0123456789");
    int a = MUST(open("f", O_RDWR));
    int b = MUST(dup(a));
    WANT_EQ(b, a + 1);
    MUST(close(a));
    WANT_EQ(MUST(open("f", O_RDWR)), a);
    int c = MUST(dup(a));
    MUST(lseek(a, 4, SEEK_SET));
    WANT_EQ(lseek(c, 0, SEEK_CUR), 4);
    WANT_EQ(lseek(b, 0, SEEK_CUR), 0); /* another open of the same file */
    MUST(fcntl(a, F_SETFL, O_APPEND | O_NONBLOCK));
    WANT_EQ(fcntl(c, F_GETFL) & (O_APPEND | O_NONBLOCK | O_ACCMODE),
            O_APPEND | O_NONBLOCK | O_RDWR);
    MUST(fcntl(a, F_SETFD, FD_CLOEXEC));
    WANT_EQ(fcntl(c, F_GETFD), 0);
    WANT_EQ(fcntl(MUST(fcntl(a, F_DUPFD_CLOEXEC, 10)), F_GETFD), FD_CLOEXEC);
    int ten = MUST(fcntl(a, F_DUPFD, 10));
    WANT_EQ(ten, 11);
    WANT_EQ(fcntl(ten, F_GETFD), 0);
    WANT_EQ(dup2(a, a), a);
    WANT_EQ(fcntl(a, F_GETFD), FD_CLOEXEC);
    WANT_EQ(MUST(dup2(a, 60)), 60);
    WANT_EQ(fcntl(60, F_GETFD), 0);
    WANT_ERR(dup3(a, a, 0), EINVAL);
    WANT_ERR(syscall(SYS_dup3, a, 61, O_APPEND), EINVAL);
    WANT_ERR(dup2(99, 60), EBADF);
    WANT_ERR(dup2(a, -1), EBADF);
    MUST(fcntl(60, F_GETFD)); /* a failed dup2 closes nothing */
    WANT_ERR(close(99), EBADF);
    WANT_ERR(fcntl(99, F_GETFL), EBADF);
    struct rlimit r;
    MUST(getrlimit(RLIMIT_NOFILE, &r));
    r.rlim_cur = 64;
    MUST(setrlimit(RLIMIT_NOFILE, &r));
    WANT_ERR(dup2(a, 64), EBADF);
    WANT_ERR(fcntl(a, F_DUPFD, 64), EINVAL);
    int last;
    while ((last = dup(a)) >= 0) { WANT(last < 64); }
    WANT_EQ(errno, EMFILE);
    WANT_ERR(open("f", O_RDONLY), EMFILE);
}
