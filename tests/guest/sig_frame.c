/* SPDX-License-Identifier: Apache-2.0 */
/* What a handler sees: the interrupted registers, application addresses only, an aligned stack 128 bytes away; and what
 * it writes there is obeyed on return. */
#include <ucontext.h>

#include "tests/guest/promise.h"

extern const char trap_at[], after_trap[];
static volatile int calls;
static siginfo_t info_seen;

static void on_ill(int number, siginfo_t *info, void *context)
{
    greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
    WANT_EQ(number, SIGILL);
    WANT_EQ(info->si_signo, SIGILL);
    WANT_EQ(info->si_addr, trap_at);
    WANT_EQ(g[REG_RIP], trap_at);
    WANT_EQ(g[REG_RBX], 0xb);
    WANT_EQ(g[REG_RDX], 0xd);
    WANT_EQ(g[REG_RSI], 0x51);
    WANT_EQ(g[REG_RDI], 0xd1);
    WANT_EQ(g[REG_R8], 0x8);
    WANT_EQ(g[REG_R9], 0x9);
    WANT_EQ(g[REG_R10], 0x10);
    WANT_EQ(g[REG_R12], 0x12);
    WANT_EQ(g[REG_R15], 0x15);
    WANT_EQ(g[REG_CSGSFS] & 0xffff, 0x33);
    WANT_EQ(g[REG_EFL] & 1, 1);
    WANT(!sigismember(&((ucontext_t *)context)->uc_sigmask, SIGILL));
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0) + 8; /* where the return address lies */
    WANT_EQ((frame + 8) % 16, 0);
    WANT(frame + 440 < (uintptr_t)g[REG_RSP] - 128);
    sigset_t mask;
    MUST(sigprocmask(SIG_BLOCK, NULL, &mask));
    WANT_EQ(sigismember(&mask, SIGILL), 1);
    WANT_EQ(sigismember(&mask, SIGUSR2), 1); /* from sa_mask */
    info_seen = *info;
    calls++;
    g[REG_RIP] = (greg_t)after_trap;
    g[REG_RAX] = 0x1234;
    g[REG_EFL] &= ~1; /* carry */
    sigaddset(&((ucontext_t *)context)->uc_sigmask, SIGUSR1);
}

PROMISE("the signal frame is Linux's")
{
    struct sigaction sa = {.sa_sigaction = on_ill, .sa_flags = SA_SIGINFO};
    sigaddset(&sa.sa_mask, SIGUSR2);
    MUST(sigaction(SIGILL, &sa, NULL));
    uint64_t rax = 0, rbx = 0;
    uint8_t carry;
    __asm__ volatile(
        "push %%rbx; push %%r12; push %%r15\n"
        "mov $0xb, %%ebx; mov $0xd, %%edx; mov $0x51, %%esi; mov $0xd1, %%edi; mov $8, %%r8d\n"
        "mov $9, %%r9d; mov $0x10, %%r10d; mov $0x12, %%r12d; mov $0x15, %%r15d\n"
        "stc\n"
        ".globl trap_at, after_trap\n"
        "trap_at: ud2\n"
        "nop; nop\n"
        "after_trap: setc %%cl\n"
        "mov %%rbx, %%rdx; pop %%r15; pop %%r12; pop %%rbx\n"
        : "=a"(rax), "=d"(rbx), "=c"(carry)
        :
        : "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
    WANT_EQ(calls, 1);
    WANT_EQ(rax, 0x1234);
    WANT_EQ(rbx, 0xb);
    WANT_EQ(carry, 0);
    sigset_t mask;
    MUST(sigprocmask(SIG_BLOCK, NULL, &mask));
    WANT_EQ(sigismember(&mask, SIGUSR1), 1); /* the handler asked for it */
    WANT_EQ(sigismember(&mask, SIGILL), 0);
    WANT_EQ(info_seen.si_code, ILL_ILLOPN);
}
