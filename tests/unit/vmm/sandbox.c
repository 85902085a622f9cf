/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about what the sandbox lets through and what ends the process. Each try is a process of its own. */
#include "vmm/sandbox.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(sandbox, .timeout = 20);

static char said[256];

/* Runs `what` inside; its wait status, and what it said in `said`. */
static int inside(struct sandbox s, void (*what)(void))
{
    int status = 0, out[2];
    cr_assert_eq(pipe(out), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct err e = {0};
        (void)dup2(out[1], STDERR_FILENO);
        (void)close(out[1]);
        if (sandbox_enter(&s, &e) < 0) {
            (void)!write(STDERR_FILENO, e.text, strlen(e.text));
            _exit(1);
        }
        what();
        _exit(0);
    }
    (void)close(out[1]);
    memset(said, 0, sizeof said);
    (void)!read(out[0], said, sizeof said - 1);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    (void)close(out[0]);
    return status;
}

static void refused(struct sandbox s, void (*what)(void), const char *words)
{
    int status = inside(s, what);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%s: status 0x%x: %s", words,
              status, said);
    cr_assert_eq(strncmp(said, words, strlen(words)), 0, "%s: %s", words, said);
}

static void opens_a_file(void) { (void)!open("/etc/passwd", O_RDONLY); }
static void starts_a_program(void) { (void)execl("/bin/true", "true", NULL); }
static void forks(void) { (void)fork(); }
static void traces(void) { (void)ptrace(PTRACE_TRACEME, 0, NULL, NULL); }
static void kills_its_parent(void) { (void)kill(getppid(), SIGCONT); }
static void makes_another_guest(void) { (void)ioctl(STDERR_FILENO, KVM_CREATE_VM, 0); }
static void types_into_the_terminal(void) { (void)ioctl(STDIN_FILENO, TIOCSTI, "x"); }
static void makes_memory_executable(void)
{
    (void)mprotect((void *)((uintptr_t)said & ~(uintptr_t)4095), 4096, PROT_READ | PROT_EXEC);
}
static void maps_executable_memory(void)
{
    (void)mmap(NULL, 4096, PROT_EXEC | PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
static void makes_a_socket(void) { (void)socket(AF_INET, SOCK_STREAM, 0); }
static void makes_a_unix_socket(void) { (void)socket(AF_UNIX, SOCK_STREAM, 0); }

Test(sandbox, refuses_what_a_monitor_never_needs)
{
    static const struct {
        void (*what)(void);
        const char *words;
    } tries[] = {
        {opens_a_file, "sandbox: system call 257 ("},
        {starts_a_program, "sandbox: system call 59 ("},
        {forks, "sandbox: system call 56 ("},
        {traces, "sandbox: system call 101 (0 "},
        {makes_another_guest, "sandbox: system call 16 (2 44545 "},
        {types_into_the_terminal, "sandbox: system call 16 (0 21522 "},
        {makes_memory_executable, "sandbox: system call 10 ("},
        {maps_executable_memory, "sandbox: system call 9 (0 4096 5) refused\n"},
        {makes_a_unix_socket, "sandbox: system call 41 (1 1 0) refused\n"},
        {kills_its_parent, "sandbox: system call "},
    };
    for (size_t i = 0; i < ARRAY_COUNT(tries); i++) {
        refused((struct sandbox){.network = true, .helper = 0}, tries[i].what, tries[i].words);
    }
    refused((struct sandbox){.network = false}, makes_a_socket,
            "sandbox: system call 41 (2 1 0) refused\n");
}

static void works(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *more = malloc(1 << 20);
    if (fd < 0 || p == MAP_FAILED || more == NULL || munmap(p, 4096) < 0 || close(fd) < 0) {
        _exit(2);
    }
    free(more);
    (void)!write(STDERR_FILENO, "fine", 4);
    exit(0);
}

Test(sandbox, lets_through_what_a_running_guest_needs)
{
    cr_assert_eq(inside((struct sandbox){.network = true}, works), 0, "%s", said);
    cr_assert_str_eq(said, "fine");
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static void *other_thread(void *arg)
{
    (void)pthread_mutex_lock(&gate);
    opens_a_file();
    return arg;
}

Test(sandbox, holds_for_threads_that_are_there_already)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct err e = {0};
        pthread_t t;
        (void)close(STDERR_FILENO);
        (void)pthread_mutex_lock(&gate);
        if (pthread_create(&t, NULL, other_thread, NULL) != 0 ||
            sandbox_enter(&(struct sandbox){.network = false}, &e) < 0) {
            _exit(1);
        }
        (void)pthread_mutex_unlock(&gate);
        (void)pthread_join(t, NULL);
        _exit(0);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "0x%x", status);
}
