/* SPDX-License-Identifier: Apache-2.0 */
/* Interval timers and POSIX timers: signals come, intervals repeat, what is left can be asked. */
#include <sys/time.h>
#include <time.h>

#include "tests/guest/promise.h"

static volatile int alarms, value;

static void handler(int number, siginfo_t *info, void *context)
{
    (void)context;
    alarms++;
    value = number == SIGRTMIN ? info->si_value.sival_int : 0;
}

/* Signals are blocked but for the wait itself: one that comes between a test and a pause() would be waited for forever. */
static void wait_alarms(int count)
{
    sigset_t none;
    sigemptyset(&none);
    while (alarms < count) { sigsuspend(&none); }
}

PROMISE("timers fire")
{
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGALRM);
    sigaddset(&both, SIGRTMIN);
    MUST(sigprocmask(SIG_BLOCK, &both, NULL));
    on_signal(SIGALRM, handler, 0);
    on_signal(SIGRTMIN, handler, 0);
    struct itimerval it = {.it_value = {0, 5000}, .it_interval = {0, 5000}}, old;
    MUST(setitimer(ITIMER_REAL, &it, NULL));
    wait_alarms(3);
    it = (struct itimerval){.it_value = {50000, 0}}; /* an hour is room for the slowest machine */
    MUST(setitimer(ITIMER_REAL, &it, &old));
    WANT_EQ(old.it_interval.tv_usec, 5000);
    MUST(getitimer(ITIMER_REAL, &old));
    WANT(old.it_value.tv_sec >= 46400 && old.it_value.tv_sec <= 50000);
    WANT(alarm(30000) >= 46400); /* one and the same timer */
    unsigned left = alarm(0);
    WANT(left >= 26400 && left <= 30000);

    timer_t timer;
    struct sigevent ev = {
        .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 77};
    MUST(timer_create(CLOCK_MONOTONIC, &ev, &timer));
    struct itimerspec ts = {.it_value = {0, 5000000}};
    alarms = 0;
    MUST(timer_settime(timer, 0, &ts, NULL));
    while (value != 77) { wait_alarms(alarms + 1); } /* an alarm of before may still come */
    MUST(timer_gettime(timer, &ts));
    WANT_EQ(ts.it_value.tv_sec | ts.it_value.tv_nsec, 0);
    ts = (struct itimerspec){.it_value = {0, 1000000}, .it_interval = {0, 1000000}};
    MUST(timer_settime(timer, 0, &ts, NULL));
    struct timespec pause_30ms = {0, 30000000};
    nanosleep(&pause_30ms, NULL);
    siginfo_t info;
    WANT_EQ(MUST(sigwaitinfo(&both, &info)), SIGRTMIN);
    WANT_EQ(info.si_code, SI_TIMER);
    WANT(timer_getoverrun(timer) >= 10); /* many expirations, one signal */
    nanosleep(&pause_30ms, NULL);
    WANT(timer_getoverrun(timer) >= 10); /* of the signal taken last, whatever is pending since */
    MUST(timer_delete(timer));
    it = (struct itimerval){.it_value = {0, 10000}};
    on_signal(SIGVTALRM, handler, 0);
    alarms = 0;
    MUST(setitimer(ITIMER_VIRTUAL, &it, NULL));
    while (alarms < 1) {}
}
