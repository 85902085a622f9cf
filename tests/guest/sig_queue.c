/* SPDX-License-Identifier: Apache-2.0 */
/* Real-time signals queue with their values, in order, lowest number first; sigtimedwait takes them without handlers. */
#include <time.h>

#include "tests/guest/promise.h"

PROMISE("real-time signals queue")
{
    int rt = SIGRTMIN;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, rt);
    sigaddset(&set, rt + 1);
    sigaddset(&set, SIGUSR1);
    MUST(sigprocmask(SIG_BLOCK, &set, NULL));
    struct timespec soon = {0, 1000000};
    siginfo_t info;
    WANT_ERR(sigtimedwait(&set, &info, &soon), EAGAIN);
    for (int i = 0; i < 3; i++) {
        MUST(sigqueue(getpid(), rt + 1, (union sigval){.sival_int = 100 + i}));
        MUST(sigqueue(getpid(), rt, (union sigval){.sival_int = i}));
    }
    MUST(kill(getpid(), SIGUSR1));
    WANT_EQ(MUST(sigtimedwait(&set, &info, &soon)), SIGUSR1);
    WANT_EQ(info.si_code, SI_USER);
    WANT_EQ(info.si_pid, getpid());
    for (int i = 0; i < 6; i++) {
        WANT_EQ(MUST(sigtimedwait(&set, &info, &soon)), i < 3 ? rt : rt + 1);
        WANT_EQ(info.si_code, SI_QUEUE);
        WANT_EQ(info.si_value.sival_int, i < 3 ? i : 97 + i);
    }
    WANT_ERR(sigtimedwait(&set, &info, &soon), EAGAIN);
}
