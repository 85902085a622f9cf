/* SPDX-License-Identifier: Apache-2.0 */
/* SIGCHLD says who, how and with what; SA_NOCLDSTOP keeps stops quiet. */
#include "tests/guest/promise.h"

static volatile int count;
static siginfo_t last;

static void handler(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    last = *info;
    count++;
}

static void exits(void) { _exit(21); }
static void dies(void) { raise(SIGTERM); }

PROMISE("SIGCHLD tells the story")
{
    on_signal(SIGCHLD, handler, SA_RESTART | SA_NOCLDSTOP);
    in_child(exits);
    WANT_EQ(count, 1);
    WANT_EQ(last.si_code, CLD_EXITED);
    WANT_EQ(last.si_status, 21);
    WANT_EQ(last.si_uid, getuid());
    in_child(dies);
    WANT_EQ(count, 2);
    WANT_EQ(last.si_code, CLD_KILLED);
    WANT_EQ(last.si_status, SIGTERM);
    pid_t pid = MUST(fork());
    if (pid == 0) {
        raise(SIGSTOP);
        _exit(0);
    }
    int status;
    MUST(waitpid(pid, &status, WUNTRACED));
    WANT_EQ(count, 2);
    MUST(kill(pid, SIGCONT));
    MUST(waitpid(pid, &status, 0));
    WANT_EQ(count, 3);
    WANT_EQ(last.si_pid, pid);
}
