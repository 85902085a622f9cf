/* SPDX-License-Identifier: Apache-2.0 */
/* What exec keeps (pid, mask, ignored signals, directory, umask) and what it drops (handlers, CLOEXEC descriptors,
 * memory); a failed exec leaves the caller as it was. */
#include "tests/guest/promise.h"

static void handler(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    (void)context;
}

static void after(char **argv)
{
    WANT_EQ(getpid(), atoi(argv[2]));
    WANT_EQ(strcmp(argv[3], ""), 0); /* empty and odd arguments arrive as they are */
    WANT_EQ(strcmp(argv[4], "two words\n"), 0);
    WANT_EQ(strcmp(getenv("ONLY"), "this=that"), 0);
    WANT(!getenv("PATH"));
    WANT_EQ(fcntl(50, F_GETFD), 0);
    WANT_ERR(fcntl(51, F_GETFD), EBADF);
    struct sigaction sa;
    MUST(sigaction(SIGUSR1, NULL, &sa));
    WANT(sa.sa_handler == SIG_DFL);
    MUST(sigaction(SIGUSR2, NULL, &sa));
    WANT(sa.sa_handler == SIG_IGN);
    sigset_t mask, pending;
    MUST(sigprocmask(SIG_BLOCK, NULL, &mask));
    WANT_EQ(sigismember(&mask, SIGHUP), 1);
    MUST(sigpending(&pending));
    WANT_EQ(sigismember(&pending, SIGHUP), 1);
    WANT_EQ(umask(0), 027);
    WANT_EQ(access("marker", F_OK), 0);
    stack_t ss;
    MUST(sigaltstack(NULL, &ss));
    WANT_EQ(ss.ss_flags, SS_DISABLE);
}

PROMISE("exec keeps and drops what Linux does")
{
    if (argc > 1) {
        after(argv);
        return;
    }
    char self[512];
    ssize_t n = MUST(readlink("/proc/self/exe", self, sizeof(self) - 1));
    self[n] = 0;
    scratch();
    put_file("marker", "");
    put_file("text", "no program\n");
    MUST(chmod("text", 0755));
    put_file("elf", "\x7f"
                    "ELF broken");
    MUST(chmod("elf", 0755));
    put_file("plain", "x");
    char *none[] = {NULL};
    WANT_ERR(execve("missing", none, none), ENOENT);
    WANT_ERR(execve(".", none, none), EACCES);
    WANT_ERR(execve("plain", none, none), EACCES);
    WANT_ERR(execve("text", none, none), ENOEXEC);
    WANT_ERR(execve("elf", none, none), ENOEXEC);
    WANT_ERR(execve("plain/x", none, none), ENOTDIR);

    static char altstack[65536];
    stack_t ss = {.ss_sp = altstack, .ss_size = sizeof(altstack)};
    MUST(sigaltstack(&ss, NULL));
    on_signal(SIGUSR1, handler, SA_ONSTACK);
    signal(SIGUSR2, SIG_IGN);
    sigset_t hup;
    sigemptyset(&hup);
    sigaddset(&hup, SIGHUP);
    MUST(sigprocmask(SIG_BLOCK, &hup, NULL));
    MUST(kill(getpid(), SIGHUP));
    umask(027);
    int fd = MUST(open("marker", O_RDONLY));
    MUST(dup2(fd, 50));
    MUST(dup3(fd, 51, O_CLOEXEC));
    char pid[16];
    snprintf(pid, sizeof(pid), "%d", getpid());
    char *args[] = {"name", "again", pid, "", "two words\n", NULL};
    char *env[] = {"ONLY=this=that", NULL};
    execve(self, args, env);
    WANT(!"exec of this program itself works");
}
