/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every program in this folder shares. Each is an ordinary Linux program that keeps one promise of the Linux ABI to
 * account: it exits 0 when the promise holds, and otherwise says on stderr what was found and what was wanted and exits
 * 1. Linux itself is the oracle: a program that fails there is wrong.
 *
 *     PROMISE("a child sees memory as it was at fork") { WANT_EQ(x, 1); ... }
 */
#ifndef CASEMATE_TESTS_PROMISE_H
#define CASEMATE_TESTS_PROMISE_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* What else the caller had open is none of our business, and would shift descriptor numbers. */
static inline void close_inherited(void)
{
    for (int fd = 3; fd < 64; fd++) { close(fd); }
}

#define PROMISE(text)                                     \
    static void promise(int argc, char **argv);           \
    int main(int argc, char **argv)                       \
    {                                                     \
        alarm(PROMISE_SECONDS); /* a hang is a failure */ \
        if (argc == 1) { close_inherited(); } /* more: a program that started itself again */ \
        promise(argc, argv);                              \
        return 0;                                         \
    }                                                     \
    static void promise(int argc __attribute__((unused)), char **argv __attribute__((unused)))

#define PROMISE_SECONDS 60
#define PAGE            4096ul
#define COUNT(a)        (sizeof(a) / sizeof((a)[0]))

static inline void promise_broken(const char *file, int line, const char *what, long long found, long long wanted)
{
    int e = errno;
    dprintf(2, "%s:%d: %s: found %lld (0x%llx), wanted %lld (0x%llx); errno %d (%s)\n", file, line, what, found,
        (unsigned long long)found, wanted, (unsigned long long)wanted, e, strerror(e));
    _exit(1);
}

#define WANT_EQ(found, wanted)                                                \
    do {                                                                      \
        long long found_ = (long long)(found), wanted_ = (long long)(wanted); \
        if (found_ != wanted_) {                                              \
            promise_broken(__FILE__, __LINE__, #found, found_, wanted_);      \
        }                                                                     \
    } while (0)

#define WANT(condition)                                               \
    do {                                                              \
        if (!(condition)) {                                           \
            promise_broken(__FILE__, __LINE__, #condition, 0, 1);     \
        }                                                             \
    } while (0)

/* The call fails with exactly this errno. */
#define WANT_ERR(call, wanted)                                                  \
    do {                                                                        \
        errno = 0;                                                              \
        long long rc_ = (long long)(call);                                      \
        if (rc_ != -1 || errno != (wanted)) {                                   \
            promise_broken(__FILE__, __LINE__, #call, rc_ == -1 ? errno : rc_, (wanted)); \
        }                                                                       \
    } while (0)

/* The call succeeds; its value is handed on. */
#define MUST(call)                                                    \
    ({                                                                \
        __typeof__(call) must_ = (call);                                \
        if (must_ == (__typeof__(must_))-1) {                             \
            promise_broken(__FILE__, __LINE__, #call, -1, 0);         \
        }                                                             \
        must_;                                                          \
    })

/* Runs body in a child of fork and yields its wait status. */
static inline int in_child(void (*body)(void))
{
    pid_t pid = MUST(fork());
    if (pid == 0) {
        body();
        _exit(0);
    }
    int status;
    WANT_EQ(MUST(waitpid(pid, &status, 0)), pid);
    return status;
}

/* A fresh directory becomes the current one. */
static inline void scratch(void)
{
    const char *tmp = getenv("TMPDIR");
    char path[256];
    snprintf(path, sizeof(path), "%s/promise.XXXXXX", tmp ? tmp : "/tmp");
    WANT(mkdtemp(path));
    MUST(chdir(path));
}

static inline void put_file(const char *path, const char *text)
{
    int fd = MUST(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
    WANT_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    MUST(close(fd));
}

static inline void want_file(const char *path, const char *text)
{
    char found[512] = "";
    int fd = MUST(open(path, O_RDONLY));
    ssize_t n = MUST(read(fd, found, sizeof(found) - 1));
    MUST(close(fd));
    if (n != (ssize_t)strlen(text) || strcmp(found, text) != 0) {
        dprintf(2, "%s holds \"%s\", wanted \"%s\"\n", path, found, text);
        _exit(1);
    }
}

static inline void *anon(size_t pages)
{
    return MUST(mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static inline void on_signal(int number, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
    MUST(sigaction(number, &sa, NULL));
}

#endif
