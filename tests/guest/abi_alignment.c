/* SPDX-License-Identifier: Apache-2.0 */
/* The alignment-check flag is the application's: it holds for its own accesses, and system calls at odd addresses work. */
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>

#include "tests/guest/promise.h"

/* One place, so that it is also the place of many calls. [flag AC is bit 18] */
static __attribute__((noinline)) long checked_call(long nr, long a, long b, long c)
{
    long ret;
    __asm__ volatile(
        "pushfq; orl $0x40000, (%%rsp); popfq; syscall; pushfq; btl $18, (%%rsp); setc %%cl; movzbl %%cl, %%ecx;"
        "andl $~0x40000, (%%rsp); popfq; test %%ecx, %%ecx; jnz 1f; mov $-9999, %%rax; 1:"
        : "=a"(ret)
        : "a"(nr), "D"(a), "S"(b), "d"(c)
        : "rcx", "r11", "memory", "cc");
    return ret;
}

PROMISE("system calls work with the alignment check on")
{
    char *odd = (char *)anon(2) + 1;
    struct iovec v = {odd, 3};
    int p[2];
    MUST(pipe(p));
    memcpy(odd + 600, &v, sizeof v);
    for (int i = 0; i < 20; i++) {
        WANT_EQ(checked_call(SYS_uname, (long)odd, 0, 0), 0);
        WANT_EQ(strcmp(odd, "Linux"), 0);
        WANT_EQ(checked_call(SYS_getcwd, (long)odd, 333, 0), (long)strlen(odd) + 1);
        WANT_EQ(checked_call(SYS_clock_gettime, CLOCK_REALTIME, (long)odd, 0), 0);
        WANT_EQ(checked_call(SYS_writev, p[1], (long)odd + 600, 1), 3);
        WANT_EQ(checked_call(SYS_read, p[0], (long)odd + 301, 7), 3);
        WANT_EQ(checked_call(SYS_rt_sigprocmask, SIG_BLOCK, 0, 0), -EINVAL);
    }
}
