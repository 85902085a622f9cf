/* SPDX-License-Identifier: Apache-2.0 */
/* The alternate stack: used by handlers that ask for it, shown and guarded while in use; it catches an overflow. */
#include <setjmp.h>

#include "tests/guest/promise.h"

static char *alt;
#define ALT_SIZE 65536
static volatile int inside;
static sigjmp_buf back;

static void checks(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    (void)context;
    char here;
    inside = &here >= alt && &here < alt + ALT_SIZE;
    stack_t ss;
    MUST(sigaltstack(NULL, &ss));
    WANT_EQ(ss.ss_flags, inside ? SS_ONSTACK : 0);
    ss.ss_flags = 0;
    if (inside) { WANT_ERR(sigaltstack(&ss, NULL), EPERM); }
}

static void overflowed(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    (void)context;
    siglongjmp(back, 1);
}

__attribute__((noinline)) static int recurse(volatile char *above)
{
    volatile char frame[4096];
    frame[0] = above[0];
    return above[0] ? recurse(frame) + frame[0] : 0;
}

PROMISE("handlers run on the alternate stack")
{
    alt = anon(ALT_SIZE / PAGE);
    stack_t ss = {.ss_sp = alt, .ss_size = 100};
    WANT_ERR(sigaltstack(&ss, NULL), ENOMEM);
    ss.ss_size = ALT_SIZE;
    MUST(sigaltstack(&ss, NULL));
    on_signal(SIGUSR1, checks, SA_ONSTACK);
    on_signal(SIGUSR2, checks, 0);
    raise(SIGUSR1);
    WANT_EQ(inside, 1);
    raise(SIGUSR2);
    WANT_EQ(inside, 0);
    on_signal(SIGSEGV, overflowed, SA_ONSTACK);
    char start = 1;
    for (volatile int i = 0; i < 2; i++) {
        if (sigsetjmp(back, 1) == 0) {
            recurse(&start);
            WANT(!"a stack without end");
        }
    }
    ss.ss_flags = SS_DISABLE;
    MUST(sigaltstack(&ss, NULL));
    MUST(sigaltstack(NULL, &ss));
    WANT_EQ(ss.ss_flags, SS_DISABLE);
}
