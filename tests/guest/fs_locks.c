/* SPDX-License-Identifier: Apache-2.0 */
/* flock belongs to the open file, POSIX locks to the process; both keep others out and go away with their owner. */
#include <sys/file.h>

#include "tests/guest/promise.h"

static struct flock range(short type, off_t start, off_t len)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
}

static void other_process(void)
{
    int fd = MUST(open("f", O_RDWR));
    struct flock l = range(F_WRLCK, 0, 10);
    errno = 0;
    WANT(fcntl(fd, F_SETLK, &l) == -1 && (errno == EAGAIN || errno == EACCES));
    MUST(fcntl(fd, F_GETLK, &l));
    WANT_EQ(l.l_type, F_WRLCK);
    WANT_EQ(l.l_pid, getppid());
    WANT_EQ(l.l_start, 5);
    WANT_EQ(l.l_len, 10);
    l = range(F_WRLCK, 20, 5);
    MUST(fcntl(fd, F_SETLK, &l));
}

PROMISE("file locks")
{
    scratch();
    put_file("f", "0123456789");
    int a = MUST(open("f", O_RDWR)), b = MUST(open("f", O_RDWR)), copy = MUST(dup(a));
    MUST(flock(a, LOCK_EX));
    WANT_ERR(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    MUST(flock(copy, LOCK_SH)); /* the same open file: converts */
    MUST(flock(b, LOCK_SH | LOCK_NB));
    MUST(flock(b, LOCK_UN));
    MUST(close(a));
    WANT_ERR(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK); /* the copy holds it */
    MUST(close(copy));
    MUST(flock(b, LOCK_EX | LOCK_NB));

    struct flock l = range(F_WRLCK, 5, 10);
    MUST(fcntl(b, F_SETLK, &l));
    WANT_EQ(in_child(other_process), 0);
    l = range(F_WRLCK, 20, 5); /* gone with the child */
    MUST(fcntl(b, F_SETLK, &l));
    l = range(F_UNLCK, 8, 2); /* a hole in the middle */
    MUST(fcntl(b, F_SETLK, &l));
    a = MUST(open("f", O_RDONLY));
    MUST(close(a)); /* closing any descriptor of the file drops all of the process's locks */
    pid_t pid = MUST(fork());
    if (pid == 0) {
        l = range(F_WRLCK, 0, 0);
        MUST(fcntl(b, F_SETLK, &l));
        _exit(0);
    }
    int status;
    MUST(waitpid(pid, &status, 0));
    WANT_EQ(status, 0);
    int ro = MUST(open("f", O_RDONLY));
    l = range(F_WRLCK, 0, 1);
    WANT_ERR(fcntl(ro, F_SETLK, &l), EBADF);
}
