/* SPDX-License-Identifier: Apache-2.0 */
/* A session with a controlling terminal: keys become signals for the foreground group, others are stopped. */
#include <sys/ioctl.h>
#include <termios.h>

#include "tests/guest/promise.h"

static int master;

static void session(void)
{
    int status;
    MUST(setsid());
    WANT_ERR(open("/dev/tty", O_RDWR), ENXIO);
    int tty = MUST(open(ptsname(master), O_RDWR | O_NOCTTY));
    MUST(ioctl(tty, TIOCSCTTY, 0));
    MUST(open("/dev/tty", O_RDWR));
    WANT_EQ(tcgetsid(tty), getpid());
    WANT_EQ(tcgetpgrp(tty), getpgrp());
    signal(SIGTTOU, SIG_IGN);

    static const struct {
        char key;
        int number;
    } keys[] = {{3, SIGINT}, {28, SIGQUIT}};
    for (size_t i = 0; i < COUNT(keys); i++) { /* ^C and ^\ */
        pid_t job = MUST(fork());
        if (job == 0) {
            MUST(setpgid(0, 0));
            MUST(tcsetpgrp(tty, getpgrp()));
            WANT_EQ(write(master, &keys[i].key, 1), 1);
            for (;;) { pause(); }
        }
        MUST(waitpid(job, &status, 0));
        WANT_EQ(status & 0x7f, keys[i].number);
        MUST(tcsetpgrp(tty, getpgrp()));
    }
    pid_t job =
        MUST(fork()); /* ^Z, then continued in the background, where reading stops it again */
    if (job == 0) {
        char byte;
        MUST(setpgid(0, 0));
        MUST(tcsetpgrp(tty, getpgrp()));
        WANT_EQ(write(master, "\x1a", 1), 1);
        while (tcgetpgrp(tty) == getpgrp()) { sched_yield(); }
        _exit(read(tty, &byte, 1) == 1 && byte == 'a' ? 0 : 1);
    }
    WANT_EQ(MUST(waitpid(job, &status, WUNTRACED)), job);
    WANT_EQ(status, SIGTSTP << 8 | 0x7f);
    MUST(tcsetpgrp(tty, getpgrp()));
    MUST(kill(-job, SIGCONT));
    WANT_EQ(MUST(waitpid(job, &status, WUNTRACED)), job);
    WANT_EQ(status, SIGTTIN << 8 | 0x7f);
    WANT_EQ(write(master, "a\n", 2), 2);
    MUST(tcsetpgrp(tty, job));
    MUST(kill(-job, SIGCONT));
    MUST(waitpid(job, &status, 0));
    WANT_EQ(status, 0);
    WANT_ERR(tcsetpgrp(tty, 1 << 21), ESRCH);
    MUST(tcsetpgrp(tty, getpgrp()));
    MUST(close(master)); /* the parent closes the last one: hang-up */
    for (;;) { pause(); }
}

PROMISE("terminals control jobs")
{
    master = MUST(posix_openpt(O_RDWR | O_NOCTTY));
    MUST(grantpt(master));
    MUST(unlockpt(master));
    int alive[2];
    char byte;
    MUST(pipe(alive));
    pid_t pid = MUST(fork());
    if (pid == 0) {
        MUST(close(alive[0]));
        session();
    }
    MUST(close(alive[1]));
    int flags = 0;
    /* Until the session waits for its hang-up, the parent only holds the master open. */
    while (flags == 0) {
        char path[64], line[512];
        snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, master);
        flags = readlink(path, line, sizeof(line)) == -1;
        sched_yield();
    }
    MUST(close(master));
    int status;
    WANT_EQ(MUST(waitpid(pid, &status, 0)), pid);
    WANT_EQ(status, SIGHUP);
    WANT_EQ(read(alive[0], &byte, 1), 0);
}
