/* SPDX-License-Identifier: Apache-2.0 */
/* Process groups and sessions: who is in which, who may change it, and signals to all of one group. */
#include "tests/guest/promise.h"

PROMISE("groups and sessions follow the rules")
{
    int ready[2];
    char byte;
    MUST(pipe(ready));
    pid_t leader = MUST(fork());
    if (leader == 0) {
        MUST(setpgid(0, 0));
        WANT_EQ(getpgrp(), getpid());
        WANT_ERR(setsid(), EPERM); /* a group leader cannot */
        pid_t group = getpid();
        MUST(fork());
        WANT_EQ(getpgrp(), group);
        WANT_EQ(write(ready[1], "x", 1), 1);
        for (;;) { pause(); }
    }
    WANT_EQ(read(ready[0], &byte, 1), 1);
    WANT_EQ(read(ready[0], &byte, 1), 1);
    WANT_EQ(MUST(getpgid(leader)), leader);
    WANT_EQ(MUST(getsid(leader)), getsid(0));
    MUST(kill(-leader, 0));
    MUST(kill(-leader, SIGTERM));
    int status;
    WANT_EQ(MUST(waitpid(-leader, &status, 0)), leader);
    WANT_EQ(status, SIGTERM);

    pid_t pid = MUST(fork());
    if (pid == 0) {
        WANT_EQ(MUST(setsid()), getpid());
        WANT_EQ(getsid(0), getpid());
        WANT_EQ(getpgrp(), getpid());
        WANT_EQ(write(ready[1], "x", 1), 1);
        pause();
    }
    WANT_EQ(read(ready[0], &byte, 1), 1);
    WANT_ERR(setpgid(pid, getpgrp()), EPERM); /* another session */
    MUST(kill(pid, SIGKILL));
    MUST(waitpid(pid, &status, 0));
    WANT_ERR(kill(pid, 0), ESRCH);
    WANT_ERR(kill(-pid, 0), ESRCH);
    WANT_ERR(setpgid(0, 1 << 21), EPERM);
    WANT_ERR(setpgid(0, -1), EINVAL);
    WANT_ERR(getpgid(1 << 21), ESRCH);
}
