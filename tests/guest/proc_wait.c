/* SPDX-License-Identifier: Apache-2.0 */
/* wait4 and waitid tell how a child ended, once; WNOHANG tells "not yet" from "no such child". */
#include <sys/resource.h>

#include "tests/guest/promise.h"

static void exits(void) { _exit(0x1ff); }
static void killed(void) { raise(SIGKILL); }
static void terminated(void) { raise(SIGTERM); }

PROMISE("wait reports what happened")
{
    WANT_ERR(waitpid(-1, NULL, 0), ECHILD);
    WANT_EQ(in_child(exits), 0xff00);
    WANT_EQ(in_child(killed), SIGKILL);
    WANT_EQ(in_child(terminated), SIGTERM);

    int gate[2];
    char byte = 0;
    MUST(pipe(gate));
    pid_t pid = MUST(fork());
    if (pid == 0) {
        MUST(close(gate[1]));
        WANT_EQ(read(gate[0], &byte, 1), 1);
        _exit(42);
    }
    int status = 1234;
    WANT_EQ(MUST(waitpid(pid, &status, WNOHANG)), 0);
    WANT_ERR(waitpid(pid + 1000, &status, WNOHANG), ECHILD);
    WANT_EQ(write(gate[1], &byte, 1), 1);
    siginfo_t info = {0};
    MUST(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT)); /* leaves it to be waited for */
    WANT_EQ(info.si_signo, SIGCHLD);
    WANT_EQ(info.si_code, CLD_EXITED);
    WANT_EQ(info.si_status, 42);
    WANT_EQ(info.si_pid, pid);
    struct rusage usage;
    WANT_EQ(MUST(wait4(-1, &status, 0, &usage)), pid);
    WANT_EQ(WEXITSTATUS(status), 42);
    WANT(usage.ru_utime.tv_sec >= 0 && usage.ru_utime.tv_sec < 60);
    WANT_ERR(waitpid(pid, &status, 0), ECHILD);
    WANT_ERR(waitpid(-1, &status, 0x40000), EINVAL);
}
