/* SPDX-License-Identifier: Apache-2.0 */
/* A bad pointer costs the call EFAULT, never the process; what could be copied before it counts. */
#include <poll.h>
#include <sys/uio.h>
#include <time.h>

#include "tests/guest/promise.h"

PROMISE("bad pointers give EFAULT")
{
    char *page = anon(2);
    MUST(mprotect(page + PAGE, PAGE, PROT_NONE));
    char *edge = page + PAGE; /* the first byte that cannot be read */
    void *bad[] = {(void *)8, edge, (void *)0x7ffffffff000, (void *)0x800000000000, (void *)-8};
    scratch();
    put_file("f", "0123456789");
    int fd = MUST(open("f", O_RDWR));
    int fds[2];
    MUST(pipe(fds));
    for (size_t i = 0; i < COUNT(bad); i++) {
        MUST(lseek(fd, 0, SEEK_SET));
        WANT_ERR(syscall(SYS_read, fd, bad[i], 4), EFAULT);
        WANT_ERR(syscall(SYS_write, fds[1], bad[i], 4), EFAULT);
        WANT_ERR(syscall(SYS_openat, AT_FDCWD, bad[i], O_RDONLY), EFAULT);
        WANT_ERR(syscall(SYS_newfstatat, AT_FDCWD, "f", bad[i], 0), EFAULT);
        WANT_ERR(syscall(SYS_pipe2, bad[i], 0), EFAULT);
        WANT_ERR(syscall(SYS_clock_gettime, 1, bad[i]), EFAULT);
        WANT_ERR(syscall(SYS_rt_sigaction, SIGUSR1, bad[i], NULL, 8), EFAULT);
        WANT_ERR(syscall(SYS_poll, bad[i], 1, 0), EFAULT);
        WANT_ERR(syscall(SYS_readv, fd, bad[i], 1), EFAULT);
        WANT_ERR(syscall(SYS_uname, bad[i]), EFAULT);
        WANT_ERR(syscall(SYS_execve, bad[i], NULL, NULL), EFAULT);
    }
    /* Read-only memory is no target. */
    char *constant = MUST(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    WANT_ERR(syscall(SYS_read, fd, constant, 4), EFAULT);
    /* A failed pipe2 leaves no descriptor behind. */
    int next = MUST(dup(0));
    MUST(close(next));
    WANT_ERR(syscall(SYS_pipe2, edge - 4, 0), EFAULT);
    WANT_EQ(MUST(dup(0)), next);
    /* A string may end right at the edge, and must not be read beyond. */
    strcpy(edge - 2, "f");
    WANT(MUST(open(edge - 2, O_RDONLY)) >= 0);
    edge[-1] = 'f';
    WANT_ERR(open(edge - 2, O_RDONLY), EFAULT);
}
