/* SPDX-License-Identifier: Apache-2.0 */
/* F_SETLKW and flock sleep until the lock is free, and not longer. */
#include <sys/file.h>

#include "tests/guest/promise.h"

PROMISE("waiters for locks wake")
{
    int ready[2], status;
    char byte;
    scratch();
    put_file("f", "x");
    MUST(pipe(ready));
    for (int kind = 0; kind < 2; kind++) {
        struct flock l = {.l_type = F_WRLCK};
        int fd = MUST(open("f", O_RDWR));
        kind ? MUST(flock(fd, LOCK_EX)) : MUST(fcntl(fd, F_SETLK, &l));
        pid_t pid = MUST(fork());
        if (pid == 0) {
            int own = MUST(open("f", O_RDWR));
            WANT_EQ(write(ready[1], "r", 1), 1);
            kind ? MUST(flock(own, LOCK_EX)) : MUST(fcntl(own, F_SETLKW, &l));
            _exit(8);
        }
        WANT_EQ(read(ready[0], &byte, 1), 1);
        usleep(10000);
        WANT_EQ(MUST(waitpid(pid, &status, WNOHANG)), 0);
        l.l_type = F_UNLCK;
        kind ? MUST(flock(fd, LOCK_UN)) : MUST(fcntl(fd, F_SETLK, &l));
        WANT_EQ(MUST(waitpid(pid, &status, 0)), pid);
        WANT_EQ(WEXITSTATUS(status), 8);
    }
}
