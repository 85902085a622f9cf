/* SPDX-License-Identifier: Apache-2.0 */
/* brk grows and shrinks the heap, gives zeros, and on failure returns the old end, never an error number. */
#include "tests/guest/promise.h"

PROMISE("brk moves the heap's end")
{
    char *start = (char *)syscall(SYS_brk, 0l);
    WANT(start != NULL);
    char *end = (char *)(((uintptr_t)start + 2 * PAGE) & ~(PAGE - 1));
    WANT_EQ(syscall(SYS_brk, end + 4 * PAGE), end + 4 * PAGE);
    memset(end, 'x', 4 * PAGE);
    WANT_EQ(syscall(SYS_brk, end + PAGE), end + PAGE);
    WANT_EQ(end[0], 'x');
    WANT_EQ(syscall(SYS_brk, end + 4 * PAGE), end + 4 * PAGE);
    WANT_EQ(end[2 * PAGE], 0); /* what was given back comes again as zeros */
    WANT_EQ(syscall(SYS_brk, end + 4 * PAGE + 123), end + 4 * PAGE + 123);
    WANT_EQ(syscall(SYS_brk, 1l), end + 4 * PAGE + 123);
    WANT_EQ(syscall(SYS_brk, -1l), end + 4 * PAGE + 123);
    pid_t pid = MUST(fork());
    if (pid == 0) {
        WANT_EQ(syscall(SYS_brk, end), end);
        _exit(0);
    }
    int status;
    MUST(waitpid(pid, &status, 0));
    WANT_EQ(status, 0);
    WANT_EQ(end[0], 'x');
    WANT_EQ(syscall(SYS_brk, 0l), end + 4 * PAGE + 123);
}
