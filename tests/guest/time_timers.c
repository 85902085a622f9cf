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

PROMISE("timers fire")
{
    on_signal(SIGALRM, handler, 0);
    on_signal(SIGRTMIN, handler, 0);
    struct itimerval it = {.it_value = {0, 5000}, .it_interval = {0, 5000}}, old;
    MUST(setitimer(ITIMER_REAL, &it, NULL));
    while (alarms < 3) { pause(); }
    it = (struct itimerval){.it_value = {50, 0}};
    MUST(setitimer(ITIMER_REAL, &it, &old));
    WANT_EQ(old.it_interval.tv_usec, 5000);
    MUST(getitimer(ITIMER_REAL, &old));
    WANT(old.it_value.tv_sec >= 48 && old.it_value.tv_sec <= 50);
    WANT(alarm(30) >= 48); /* one and the same timer */
    WANT_EQ(alarm(0), 30);

    timer_t timer;
    struct sigevent ev = {
        .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 77};
    MUST(timer_create(CLOCK_MONOTONIC, &ev, &timer));
    struct itimerspec ts = {.it_value = {0, 5000000}};
    alarms = 0;
    MUST(timer_settime(timer, 0, &ts, NULL));
    while (alarms < 1) { pause(); }
    WANT_EQ(value, 77);
    MUST(timer_gettime(timer, &ts));
    WANT_EQ(ts.it_value.tv_sec | ts.it_value.tv_nsec, 0);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    MUST(sigprocmask(SIG_BLOCK, &set, NULL));
    ts = (struct itimerspec){.it_value = {0, 1000000}, .it_interval = {0, 1000000}};
    MUST(timer_settime(timer, 0, &ts, NULL));
    struct timespec pause_30ms = {0, 30000000};
    nanosleep(&pause_30ms, NULL);
    siginfo_t info;
    WANT_EQ(MUST(sigwaitinfo(&set, &info)), SIGRTMIN);
    WANT_EQ(info.si_code, SI_TIMER);
    WANT(timer_getoverrun(timer) >= 10); /* many expirations, one signal */
    MUST(timer_delete(timer));
    it = (struct itimerval){.it_value = {0, 10000}};
    on_signal(SIGVTALRM, handler, 0);
    alarms = 0;
    MUST(setitimer(ITIMER_VIRTUAL, &it, NULL));
    while (alarms < 1) {}
}
