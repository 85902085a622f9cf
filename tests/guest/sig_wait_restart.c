/* SPDX-License-Identifier: Apache-2.0 */
/* wait goes on over a handler with SA_RESTART, and over the stop and continue of the waiting process. */
#include "tests/guest/promise.h"

static volatile int seen;

static void handler(int number, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    seen += number == SIGUSR1;
}

PROMISE("wait restarts")
{
    on_signal(SIGUSR1, handler, SA_RESTART);
    pid_t parent = getpid(), pid = MUST(fork());
    if (pid == 0) {
        MUST(kill(parent, SIGUSR1));
        MUST(kill(parent, SIGSTOP));
        MUST(kill(parent, SIGCONT));
        MUST(kill(parent, SIGUSR1));
        _exit(4);
    }
    int status;
    WANT_EQ(MUST(waitpid(pid, &status, 0)), pid);
    WANT_EQ(WEXITSTATUS(status), 4);
    WANT(seen >= 1);
}
