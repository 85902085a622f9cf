/* SPDX-License-Identifier: Apache-2.0 */
/* A signal that interrupts a call shows the application's own addresses: rip behind its call, -EINTR in rax; the number
 * and rip at the call itself when it will be restarted. */
#include <ucontext.h>

#include "tests/guest/promise.h"

extern const char call_site[], call_return[];
static greg_t rip, rax;
static int fds[2];

static void handler(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    rip = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    rax = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX];
    WANT_EQ(write(fds[1], "x", 1), 1); /* a restarted read ends */
}

__attribute__((noinline)) static long read_byte(void)
{
    long rc;
    char byte;
    __asm__ volatile(".globl call_site, call_return\n"
                     "call_site: syscall\n"
                     "call_return: nop\n"
                     : "=a"(rc)
                     : "a"(SYS_read), "D"(fds[0]), "S"(&byte), "d"(1)
                     : "rcx", "r11", "memory");
    return rc;
}

/* A child sends the signal once this process sleeps in read. */
static void interrupt_me(void)
{
    pid_t parent = getpid();
    if (MUST(fork()) == 0) {
        char path[64], stat[256];
        snprintf(path, sizeof(path), "/proc/%d/stat", parent);
        for (;;) {
            int fd = MUST(open(path, O_RDONLY));
            ssize_t n = MUST(read(fd, stat, sizeof(stat) - 1));
            stat[n] = 0;
            MUST(close(fd));
            if (strrchr(stat, ')')[2] == 'S') { break; }
            sched_yield();
        }
        MUST(kill(parent, SIGUSR1));
        _exit(0);
    }
}

PROMISE("an interrupted call shows application addresses")
{
    MUST(pipe(fds));
    for (int round = 0; round < 3; round++) {
        char byte;
        on_signal(SIGUSR1, handler, 0);
        interrupt_me();
        WANT_EQ(read_byte(), -EINTR);
        WANT_EQ(rip, call_return);
        WANT_EQ(rax, -EINTR);
        MUST(wait(NULL));
        WANT_EQ(read(fds[0], &byte, 1), 1);
        on_signal(SIGUSR1, handler, SA_RESTART);
        interrupt_me();
        WANT_EQ(read_byte(), 1);
        WANT_EQ(rip, call_site);
        WANT_EQ(rax, SYS_read);
        MUST(wait(NULL));
    }
}
