/* SPDX-License-Identifier: Apache-2.0 */
/* /proc lists the living: a child appears, shows its state, is a zombie, and is gone. */
#include <dirent.h>

#include "tests/guest/promise.h"

static bool listed(pid_t pid)
{
    bool found = false;
    DIR *d = opendir("/proc");
    WANT(d);
    for (struct dirent *e; (e = readdir(d));) { found |= atoi(e->d_name) == pid; }
    closedir(d);
    return found;
}

static char state_of(pid_t pid)
{
    char path[64], b[512];
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    int fd = MUST(open(path, O_RDONLY));
    ssize_t n = MUST(read(fd, b, sizeof(b) - 1));
    MUST(close(fd));
    b[n] = 0;
    return strrchr(b, ')')[2];
}

PROMISE("/proc shows other processes")
{
    int status;
    pid_t pid = MUST(fork());
    if (pid == 0) {
        raise(SIGSTOP);
        _exit(0);
    }
    MUST(waitpid(pid, &status, WUNTRACED));
    WANT(listed(pid));
    WANT_EQ(state_of(pid), 'T');
    MUST(kill(pid, SIGCONT));
    siginfo_t info;
    MUST(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
    WANT_EQ(state_of(pid), 'Z');
    MUST(waitpid(pid, &status, 0));
    WANT(!listed(pid));
}
