/* SPDX-License-Identifier: Apache-2.0 */
/* A fault whose signal is blocked or ignored kills all the same. */
#include "tests/guest/promise.h"

static void ignores(void)
{
    signal(SIGSEGV, SIG_IGN);
    *(volatile char *)8 = 1;
}

static void blocks(void)
{
    sigset_t set;
    sigfillset(&set);
    MUST(sigprocmask(SIG_BLOCK, &set, NULL));
    *(volatile char *)8 = 1;
}

PROMISE("a fault cannot be waved away")
{
    WANT_EQ(in_child(ignores) & 0x7f, SIGSEGV);
    WANT_EQ(in_child(blocks) & 0x7f, SIGSEGV);
}
