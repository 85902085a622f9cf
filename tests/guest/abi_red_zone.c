/* SPDX-License-Identifier: Apache-2.0 */
/* The 128 bytes below rsp belong to the program, also around a system call and a signal. */
#include "tests/guest/promise.h"

/* Fills the red zone, calls, and counts the bytes that changed. */
__attribute__((naked, noinline)) static long changed_across(long number __attribute__((unused)),
    long arg1 __attribute__((unused)), long arg2 __attribute__((unused)))
{
    __asm__("mov %rdi, %rax; mov %rsi, %rdi; mov %rdx, %rsi\n"
            "mov $-128, %r8\n"
            "1: movb $0x5a, (%rsp,%r8); inc %r8; jnz 1b\n"
            "syscall\n"
            "xor %eax, %eax; mov $-128, %r8\n"
            "2: cmpb $0x5a, (%rsp,%r8); je 3f; inc %eax\n"
            "3: inc %r8; jnz 2b\n"
            "ret");
}

static volatile int seen;

static void handler(int number, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    seen += number == SIGUSR1;
}

PROMISE("the red zone survives")
{
    on_signal(SIGUSR1, handler, 0);
    for (int round = 1; round <= 3; round++) {
        WANT_EQ(changed_across(SYS_getppid, 0, 0), 0);
        WANT_EQ(changed_across(SYS_kill, getpid(), SIGUSR1), 0);
        WANT_EQ(seen, round);
    }
}
