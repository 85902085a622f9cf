/* SPDX-License-Identifier: Apache-2.0 */
/* A signal reaches code that makes no calls: a timer stops a loop, and one thread interrupts another. */
#include <pthread.h>
#include <sys/time.h>

#include "tests/guest/promise.h"

static volatile int stop, spinning;
static volatile pid_t spinner, handled_by;

static void handler(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    (void)context;
    handled_by = (pid_t)syscall(SYS_gettid);
    stop = 1;
}

static void *spins(void *arg)
{
    (void)arg;
    spinner = (pid_t)syscall(SYS_gettid);
    spinning = 1;
    while (!stop) {}
    return NULL;
}

PROMISE("signals reach busy code")
{
    on_signal(SIGALRM, handler, 0);
    on_signal(SIGURG, handler, 0);
    struct itimerval t = {.it_value = {0, 20000}};
    MUST(setitimer(ITIMER_REAL, &t, NULL));
    while (!stop) {}
    stop = 0;
    pthread_t thread;
    WANT_EQ(pthread_create(&thread, NULL, spins, NULL), 0);
    while (!spinning) { sched_yield(); }
    MUST(syscall(SYS_tgkill, getpid(), spinner, SIGURG));
    WANT_EQ(pthread_join(thread, NULL), 0);
    WANT_EQ(handled_by, spinner);
    while (syscall(SYS_tgkill, getpid(), spinner, 0) == 0) { sched_yield(); } /* until it is gone */
    WANT_EQ(errno, ESRCH);
}
