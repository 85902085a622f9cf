/* SPDX-License-Identifier: Apache-2.0 */
/* A vfork child borrows memory, and the parent sleeps until it exits or execs; descriptors are its own. */
#include "tests/guest/promise.h"

static volatile int shared;

PROMISE("vfork shares memory and waits")
{
    if (argc > 1) { _exit(9); }
    int status;
    pid_t pid = vfork();
    if (pid == 0) {
        shared = 1;
        close(0);
        _exit(3);
    }
    WANT_EQ(shared, 1);
    WANT_EQ(MUST(waitpid(pid, &status, 0)), pid);
    WANT_EQ(WEXITSTATUS(status), 3);
    MUST(fcntl(0, F_GETFD)); /* still open here */
    char *args[] = {argv[0], "again", NULL};
    pid = vfork();
    if (pid == 0) {
        shared = 2;
        execve("/proc/self/exe", args, args + 2);
        _exit(100);
    }
    WANT_EQ(shared, 2);
    MUST(waitpid(pid, &status, 0));
    WANT_EQ(WEXITSTATUS(status), 9);
}
