/* SPDX-License-Identifier: Apache-2.0 */
/* exit_group ends every thread, wherever it is, with one status; a fatal signal too. */
#include <pthread.h>

#include "tests/guest/promise.h"

static void *spins(void *arg)
{
    while (!arg) { __asm__ volatile(""); }
    return NULL;
}

static void *sleeps(void *arg)
{
    while (!arg) { pause(); }
    return NULL;
}

static void *ends_all(void *arg)
{
    (void)arg;
    syscall(SYS_exit_group, 17);
    return NULL;
}

static void many_threads(void *(*last)(void *))
{
    pthread_t t;
    for (int i = 0; i < 3; i++) {
        WANT_EQ(pthread_create(&t, NULL, sleeps, NULL), 0);
        WANT_EQ(pthread_create(&t, NULL, spins, NULL), 0);
    }
    WANT_EQ(pthread_create(&t, NULL, last, NULL), 0);
    for (;;) { pause(); }
}

static void *killer(void *arg)
{
    (void)arg;
    kill(getpid(), SIGKILL);
    return NULL;
}

static void by_exit(void) { many_threads(ends_all); }
static void by_signal(void) { many_threads(killer); }

PROMISE("the whole process ends")
{
    WANT_EQ(in_child(by_exit), 17 << 8);
    WANT_EQ(in_child(by_signal), SIGKILL);
}
