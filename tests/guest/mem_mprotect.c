/* SPDX-License-Identifier: Apache-2.0 */
/* mprotect splits and merges regions, keeps contents, takes rights away at once, and stops at holes. */
#include <setjmp.h>

#include "tests/guest/promise.h"

static sigjmp_buf back;

static void handler(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    siglongjmp(back, info->si_code);
}

static int try_write(volatile char *p)
{
    int code = sigsetjmp(back, 1);
    if (code == 0) { *p = 'w'; }
    return code;
}

PROMISE("mprotect changes rights")
{
    on_signal(SIGSEGV, handler, 0);
    char *m = anon(6);
    memset(m, 'a', 6 * PAGE);
    MUST(mprotect(m + PAGE, 2 * PAGE, PROT_READ));
    WANT_EQ(try_write(m), 0);
    WANT_EQ(try_write(m + PAGE), SEGV_ACCERR);
    WANT_EQ(try_write(m + 3 * PAGE - 1), SEGV_ACCERR);
    WANT_EQ(try_write(m + 3 * PAGE), 0);
    WANT_EQ(m[PAGE], 'a');
    MUST(mprotect(m, 6 * PAGE, PROT_READ | PROT_WRITE));
    WANT_EQ(try_write(m + PAGE), 0);
    MUST(mprotect(m, PAGE, PROT_NONE));
    WANT_EQ(try_write(m), SEGV_ACCERR);
    MUST(mprotect(m, PAGE, PROT_READ | PROT_WRITE));
    WANT_EQ(m[0], 'w');
    MUST(munmap(m + 4 * PAGE, PAGE));
    WANT_ERR(mprotect(m, 6 * PAGE, PROT_READ), ENOMEM);
    WANT_EQ(try_write(m), SEGV_ACCERR); /* up to the hole it happened */
    WANT_EQ(try_write(m + 5 * PAGE), 0);
    WANT_ERR(syscall(SYS_mprotect, m + 1, PAGE, PROT_READ), EINVAL);
    MUST(mprotect(m, 0, PROT_READ));
    /* code that was data */
    static const uint8_t ret42[] = {0xb8, 42, 0, 0, 0, 0xc3};
    memcpy(m + 5 * PAGE, ret42, sizeof(ret42));
    MUST(mprotect(m + 5 * PAGE, PAGE, PROT_READ | PROT_EXEC));
    WANT_EQ(((int (*)(void))(uintptr_t)(m + 5 * PAGE))(), 42);
    /* a child changes its own only */
    pid_t pid = MUST(fork());
    if (pid == 0) {
        MUST(mprotect(m + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE));
        WANT_EQ(try_write(m + 2 * PAGE), 0);
        _exit(0);
    }
    int status;
    MUST(waitpid(pid, &status, 0));
    WANT_EQ(status, 0);
    WANT_EQ(try_write(m + 2 * PAGE), SEGV_ACCERR);
}
