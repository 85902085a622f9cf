/* SPDX-License-Identifier: Apache-2.0 */
/* timerfd: expirations are counted, absolute and relative times work, gettime tells what is left. */
#include <poll.h>
#include <sys/timerfd.h>
#include <time.h>

#include "tests/guest/promise.h"

PROMISE("timerfd expires")
{
    int fd = MUST(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
    uint64_t n = 0;
    WANT_ERR(read(fd, &n, 8), EAGAIN);
    struct itimerspec t = {.it_value = {0, 5000000}, .it_interval = {0, 5000000}}, old;
    MUST(timerfd_settime(fd, 0, &t, NULL));
    struct pollfd p = {.fd = fd, .events = POLLIN};
    WANT_EQ(MUST(poll(&p, 1, 10000)), 1);
    WANT_EQ(read(fd, &n, 8), 8);
    WANT(n >= 1);
    struct timespec pause = {0, 30000000};
    nanosleep(&pause, NULL);
    WANT_EQ(read(fd, &n, 8), 8);
    WANT(n >= 5); /* several at once */
    t = (struct itimerspec){.it_value = {100, 0}};
    MUST(timerfd_settime(fd, 0, &t, &old));
    WANT_EQ(old.it_interval.tv_nsec, 5000000);
    WANT_ERR(read(fd, &n, 8), EAGAIN);
    MUST(timerfd_gettime(fd, &old));
    WANT(old.it_value.tv_sec >= 98 && old.it_value.tv_sec <= 100);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    t.it_value = now; /* in the past at once */
    MUST(timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL));
    WANT_EQ(MUST(poll(&p, 1, 10000)), 1);
    WANT_EQ(read(fd, &n, 8), 8);
    WANT_EQ(n, 1);
    t.it_value = (struct timespec){0, 0};
    MUST(timerfd_settime(fd, 0, &t, NULL));
    WANT_EQ(MUST(poll(&p, 1, 0)), 0);
    t.it_value.tv_nsec = 1000000000;
    WANT_ERR(timerfd_settime(fd, 0, &t, NULL), EINVAL);
    WANT_ERR(timerfd_create(99, 0), EINVAL);
}
