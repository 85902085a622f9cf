/* SPDX-License-Identifier: Apache-2.0 */
/* Blocking, pending, nesting, SA_NODEFER, SA_RESETHAND, sigsuspend: who may interrupt whom. */
#include "tests/guest/promise.h"

static volatile int depth, deepest, runs, first, second;

static void nests(int number, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    if (++depth > deepest) { deepest = depth; }
    if (++runs < 3) { raise(number); }
    depth--;
}

static void notes_order(int number, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    *(first ? &second : &first) = number;
}

PROMISE("masks hold signals back")
{
    sigset_t set, pending, old;
    on_signal(SIGUSR1, nests, 0);
    raise(SIGUSR1); /* blocked while it runs: comes afterwards, once */
    WANT_EQ(deepest, 1);
    WANT_EQ(runs, 3);
    runs = deepest = 0;
    on_signal(SIGUSR1, nests, SA_NODEFER);
    raise(SIGUSR1);
    WANT_EQ(deepest, 3);

    on_signal(SIGUSR2, nests, SA_RESETHAND);
    raise(SIGUSR2);
    WANT_EQ(runs, 4);
    struct sigaction sa;
    MUST(sigaction(SIGUSR2, NULL, &sa));
    WANT(sa.sa_handler == SIG_DFL);

    on_signal(SIGUSR1, notes_order, 0);
    on_signal(SIGUSR2, notes_order, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    MUST(sigprocmask(SIG_BLOCK, &set, &old));
    raise(SIGUSR2);
    raise(SIGUSR2);
    raise(SIGUSR1);
    WANT_EQ(first, 0);
    MUST(sigpending(&pending));
    WANT(sigismember(&pending, SIGUSR1) && sigismember(&pending, SIGUSR2) &&
         !sigismember(&pending, SIGHUP));
    sigset_t but_one = old;
    sigaddset(&but_one, SIGUSR2);
    WANT_ERR(sigsuspend(&but_one), EINTR); /* lets USR1 through, then blocks it again */
    WANT_EQ(first, SIGUSR1);
    WANT_EQ(second, 0);
    MUST(sigprocmask(SIG_SETMASK, &old, &set));
    WANT(sigismember(&set, SIGUSR1));
    WANT_EQ(second, SIGUSR2);
    second = 0;
    MUST(sigprocmask(SIG_SETMASK, &old, NULL));
    WANT_EQ(second, 0); /* two of a standard kind are one */
    sigfillset(&set);
    MUST(sigprocmask(SIG_BLOCK, &set, NULL));
    MUST(sigprocmask(SIG_BLOCK, NULL, &set));
    WANT(!sigismember(&set, SIGKILL) && !sigismember(&set, SIGSTOP));
}
