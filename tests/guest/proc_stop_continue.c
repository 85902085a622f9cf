/* SPDX-License-Identifier: Apache-2.0 */
/* SIGSTOP and SIGCONT: reported to a parent that asks, with the right words in status and siginfo. */
#include "tests/guest/promise.h"

static volatile int codes[4], count;

static void on_child(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    if (count < 4) { codes[count++] = info->si_code; }
}

PROMISE("stop and continue are reported")
{
    on_signal(SIGCHLD, on_child, SA_RESTART);
    int go[2];
    char byte;
    MUST(pipe(go));
    pid_t pid = MUST(fork());
    if (pid == 0) {
        raise(SIGSTOP);
        WANT_EQ(read(go[0], &byte, 1), 1); /* "continued" is read before the next stop hides it */
        raise(SIGSTOP);
        _exit(6);
    }
    int status;
    WANT_EQ(MUST(waitpid(pid, &status, WUNTRACED)), pid);
    WANT(WIFSTOPPED(status));
    WANT_EQ(status, 0x7f | SIGSTOP << 8);
    WANT_EQ(MUST(waitpid(pid, &status, WUNTRACED | WNOHANG)), 0); /* told once */
    MUST(kill(pid, SIGCONT));
    WANT_EQ(MUST(waitpid(pid, &status, WCONTINUED)), pid);
    WANT(WIFCONTINUED(status));
    WANT_EQ(status, 0xffff);
    WANT_EQ(write(go[1], "x", 1), 1);
    siginfo_t info = {0};
    MUST(waitid(P_PID, (id_t)pid, &info, WSTOPPED));
    WANT_EQ(info.si_code, CLD_STOPPED);
    WANT_EQ(info.si_status, SIGSTOP);
    MUST(kill(pid, SIGTERM)); /* waits until it runs again */
    WANT_EQ(MUST(waitpid(pid, &status, WNOHANG)), 0);
    MUST(kill(pid, SIGCONT));
    WANT_EQ(MUST(waitpid(pid, &status, 0)), pid);
    WANT_EQ(status, SIGTERM);
    WANT(count >= 3);
    WANT_EQ(codes[0], CLD_STOPPED);
}
