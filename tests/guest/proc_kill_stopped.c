/* SPDX-License-Identifier: Apache-2.0 */
/* SIGKILL ends a stopped process, a blocked one, and one that ignores everything it may ignore. */
#include "tests/guest/promise.h"

static void want_killed(pid_t pid)
{
    int status;
    MUST(kill(pid, SIGKILL));
    WANT_EQ(MUST(waitpid(pid, &status, 0)), pid);
    WANT_EQ(status, SIGKILL);
}

PROMISE("SIGKILL always works")
{
    int status, fds[2];
    char byte;
    pid_t pid = MUST(fork());
    if (pid == 0) {
        raise(SIGSTOP);
        _exit(1);
    }
    MUST(waitpid(pid, &status, WUNTRACED));
    want_killed(pid);
    MUST(pipe(fds));
    pid = MUST(fork());
    if (pid == 0) { _exit((int)read(fds[0], &byte, 1)); }
    want_killed(pid);
    pid = MUST(fork());
    if (pid == 0) {
        sigset_t all;
        sigfillset(&all);
        MUST(sigprocmask(SIG_BLOCK, &all, NULL));
        for (int i = 1; i < 32; i++) { signal(i, SIG_IGN); }
        WANT_EQ(write(fds[1], "x", 1), 1);
        for (;;) { }
    }
    WANT_EQ(read(fds[0], &byte, 1), 1);
    want_killed(pid);
    WANT_ERR(sigaction(SIGKILL, &(struct sigaction){.sa_handler = SIG_IGN}, NULL), EINVAL);
    WANT_ERR(sigaction(SIGSTOP, &(struct sigaction){.sa_handler = SIG_IGN}, NULL), EINVAL);
}
