/* SPDX-License-Identifier: Apache-2.0 */
/* futex: compares before it sleeps, wakes as many as asked, times out, requeues, works between processes. */
#include <pthread.h>
#include <time.h>

#include "tests/guest/promise.h"

enum {
    WAIT = 0,
    WAKE = 1,
    REQUEUE = 3,
    CMP_REQUEUE = 4,
    WAIT_BITSET = 9,
    PRIVATE = 128,
    REALTIME = 256
};

static long futex(volatile int *word, int op, int value, const void *timeout, volatile int *word2,
                  int value3)
{
    return syscall(SYS_futex, word, op, value, timeout, word2, value3);
}

static volatile int word, other, woken, sleeping;

static void *sleeps(void *arg)
{
    (void)arg;
    __atomic_fetch_add(&sleeping, 1, __ATOMIC_SEQ_CST);
    WANT_EQ(futex(&word, WAIT | PRIVATE, 0, NULL, NULL, 0), 0);
    __atomic_fetch_add(&woken, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

PROMISE("futexes wait and wake")
{
    struct timespec brief = {0, 5000000}, now;
    WANT_ERR(futex(&word, WAIT, 1, NULL, NULL, 0), EAGAIN);
    WANT_ERR(futex(&word, WAIT, 0, &brief, NULL, 0), ETIMEDOUT);
    clock_gettime(CLOCK_MONOTONIC, &now);
    WANT_ERR(futex(&word, WAIT_BITSET, 0, &now, NULL, -1), ETIMEDOUT); /* absolute, passed */
    clock_gettime(CLOCK_REALTIME, &now);
    WANT_ERR(futex(&word, WAIT_BITSET | REALTIME, 0, &now, NULL, -1), ETIMEDOUT);
    WANT_ERR(futex(&word, WAIT_BITSET, 0, &now, NULL, 0), EINVAL);
    WANT_EQ(futex(&word, WAKE, 1, NULL, NULL, 0), 0);
    WANT_ERR(futex((void *)((char *)&word + 1), WAIT, 0, NULL, NULL, 0), EINVAL);
    WANT_ERR(futex((void *)8, WAIT, 0, NULL, NULL, 0), EFAULT);
    WANT_ERR(futex(&word, 77, 0, NULL, NULL, 0), ENOSYS);

    pthread_t t[4];
    for (int i = 0; i < 4; i++) { WANT_EQ(pthread_create(&t[i], NULL, sleeps, NULL), 0); }
    while (sleeping < 4) { sched_yield(); }
    int moved = 0, total = 0;
    WANT_ERR(futex(&word, CMP_REQUEUE | PRIVATE, 0, (void *)4, &other, 99), EAGAIN);
    while (moved < 2) {
        moved +=
            (int)MUST(futex(&word, REQUEUE | PRIVATE, 0, (void *)(intptr_t)(2 - moved), &other, 0));
    }
    while (total < 2) { total += (int)MUST(futex(&word, WAKE | PRIVATE, 2, NULL, NULL, 0)); }
    WANT_EQ(futex(&word, WAKE | PRIVATE, 9, NULL, NULL, 0), 0);
    WANT_EQ(MUST(futex(&other, WAKE | PRIVATE, 1, NULL, NULL, 0)), 1);
    WANT_EQ(MUST(futex(&other, WAKE | PRIVATE, 9, NULL, NULL, 0)), 1);
    for (int i = 0; i < 4; i++) { WANT_EQ(pthread_join(t[i], NULL), 0); }
    WANT_EQ(woken, 4);

    volatile int *shared =
        MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    pid_t pid = MUST(fork());
    if (pid == 0) {
        while (*shared == 0) {
            if (futex(shared, WAIT, 0, NULL, NULL, 0) == -1) { WANT_EQ(errno, EAGAIN); }
        }
        _exit(0);
    }
    usleep(5000);
    *shared = 1;
    MUST(futex(shared, WAKE, 1, NULL, NULL, 0));
    int status;
    MUST(waitpid(pid, &status, 0));
    WANT_EQ(status, 0);
}
