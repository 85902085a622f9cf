/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks go forward, agree with each other, and sleeps are never short. */
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>

#include "tests/guest/promise.h"

static int64_t ns(clockid_t clock)
{
    struct timespec t;
    MUST(clock_gettime(clock, &t));
    WANT(t.tv_nsec >= 0 && t.tv_nsec < 1000000000);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

PROMISE("time passes")
{
    static const clockid_t clocks[] = {CLOCK_REALTIME,           CLOCK_MONOTONIC,
                                       CLOCK_MONOTONIC_RAW,      CLOCK_BOOTTIME,
                                       CLOCK_REALTIME_COARSE,    CLOCK_MONOTONIC_COARSE,
                                       CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};
    struct timespec t, res;
    for (size_t i = 0; i < COUNT(clocks); i++) {
        int64_t last = ns(clocks[i]);
        for (int k = 0; k < 1000; k++) {
            int64_t now = ns(clocks[i]);
            if (now < last) {
                promise_broken(__FILE__, __LINE__, "this clock steps back", clocks[i], last - now);
            }
            last = now;
        }
        MUST(clock_getres(clocks[i], &res));
        WANT(res.tv_sec == 0 && res.tv_nsec >= 1 && res.tv_nsec <= 10000000);
        MUST(syscall(SYS_clock_gettime, clocks[i], &t)); /* without the vDSO: the same clock */
        WANT(t.tv_sec * 1000000000ll + t.tv_nsec >= last);
    }
    WANT_ERR(syscall(SYS_clock_gettime, 99, &t), EINVAL);
    struct timeval tv;
    int64_t before = ns(CLOCK_REALTIME);
    MUST(gettimeofday(&tv, NULL));
    int64_t between = tv.tv_sec * 1000000000ll + tv.tv_usec * 1000ll;
    WANT(between >= before - 1000 && between <= ns(CLOCK_REALTIME));
    WANT(tv.tv_sec > 1600000000);

    int64_t start = ns(CLOCK_MONOTONIC);
    t = (struct timespec){0, 20000000};
    MUST(nanosleep(&t, NULL));
    int64_t slept = ns(CLOCK_MONOTONIC) - start;
    WANT(slept >= 20000000 && slept < 5000000000);
    int64_t until = ns(CLOCK_MONOTONIC) + 10000000;
    t = (struct timespec){until / 1000000000, until % 1000000000};
    WANT_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL), 0);
    WANT(ns(CLOCK_MONOTONIC) >= until);
    t = (struct timespec){0, 1000000000};
    WANT_ERR(nanosleep(&t, NULL), EINVAL);
    t = (struct timespec){-1, 0};
    WANT_ERR(nanosleep(&t, NULL), EINVAL);
    int64_t cpu = ns(CLOCK_PROCESS_CPUTIME_ID);
    while (ns(CLOCK_PROCESS_CPUTIME_ID) - cpu < 10000000) {}
    struct tms tms;
    WANT(times(&tms) != (clock_t)-1);
}
