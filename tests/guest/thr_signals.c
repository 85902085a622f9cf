/* SPDX-License-Identifier: Apache-2.0 */
/* Signals and threads: one thread can be hit, one that does not block is chosen, masks are per thread. */
#include <pthread.h>

#include "tests/guest/promise.h"

static volatile pid_t hit;
static volatile int ready;

static void handler(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    (void)context;
    hit = (pid_t)syscall(SYS_gettid);
}

static void *waits(void *arg)
{
    sigset_t none;
    sigemptyset(&none);
    *(volatile pid_t *)arg = (pid_t)syscall(SYS_gettid);
    ready = 1;
    while (!hit) { sigsuspend(&none); }
    return NULL;
}

PROMISE("signals find their thread")
{
    sigset_t usr1;
    pid_t tid = 0;
    on_signal(SIGUSR1, handler, 0);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    WANT_EQ(pthread_sigmask(SIG_BLOCK, &usr1, NULL), 0); /* inherited by the threads */
    for (int turn = 0; turn < 2; turn++) {
        pthread_t t;
        hit = ready = 0;
        WANT_EQ(pthread_create(&t, NULL, waits, &tid), 0);
        while (!ready) { sched_yield(); }
        if (turn) {
            WANT_EQ(pthread_kill(t, SIGUSR1), 0);
        } else {
            MUST(kill(getpid(), SIGUSR1)); /* for the process: only the other thread takes it */
        }
        WANT_EQ(pthread_join(t, NULL), 0);
        WANT_EQ(hit, tid);
    }
    WANT_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
    sigset_t pending;
    MUST(sigpending(&pending));
    WANT_EQ(sigismember(&pending, SIGUSR1), 1);
}
