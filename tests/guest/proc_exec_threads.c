/* SPDX-License-Identifier: Apache-2.0 */
/* exec from any thread ends the others and goes on under the process's own id. */
#include <pthread.h>

#include "tests/guest/promise.h"

static char *name, pid[16];

static void *spins(void *arg)
{
    while (!arg) { __asm__ volatile(""); }
    return NULL;
}

static void *execs(void *arg)
{
    (void)arg;
    char *args[] = {name, pid, NULL};
    execve("/proc/self/exe", args, args + 2);
    _exit(100);
}

PROMISE("exec leaves one thread with the process id")
{
    if (argc > 1) {
        WANT_EQ(getpid(), atoi(argv[1]));
        WANT_EQ(syscall(SYS_gettid), getpid());
        return;
    }
    name = argv[0];
    snprintf(pid, sizeof(pid), "%d", getpid());
    pthread_t t;
    WANT_EQ(pthread_create(&t, NULL, spins, NULL), 0);
    WANT_EQ(pthread_create(&t, NULL, execs, NULL), 0);
    for (;;) { pause(); }
}
