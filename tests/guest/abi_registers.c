/* SPDX-License-Identifier: Apache-2.0 */
/* A system call changes rax, rcx and r11 and nothing else: not at first use, not after its site was rewritten. */
#include "tests/guest/promise.h"

struct regs {
    uint64_t rbx, rdx, rsi, rdi, rbp, r8, r9, r10, r12, r13, r14, r15, flags;
};

/* Loads every register, calls getppid, stores every register. */
__attribute__((naked, noinline)) static uint64_t call_with(struct regs *in_out
                                                           __attribute__((unused)))
{
    __asm__(
        "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rdi\n"
        "mov %rdi, %rax\n"
        "push 96(%rax); popfq\n"
        "mov 0(%rax), %rbx; mov 8(%rax), %rdx; mov 16(%rax), %rsi; mov 24(%rax), %rdi; mov 32(%rax), %rbp\n"
        "mov 40(%rax), %r8; mov 48(%rax), %r9; mov 56(%rax), %r10; mov 64(%rax), %r12; mov 72(%rax), %r13\n"
        "mov 80(%rax), %r14; mov 88(%rax), %r15\n"
        "mov $110, %eax\n"
        "syscall\n"
        "mov (%rsp), %rcx\n"
        "pushfq; pop 96(%rcx)\n"
        "mov %rbx, 0(%rcx); mov %rdx, 8(%rcx); mov %rsi, 16(%rcx); mov %rdi, 24(%rcx); mov %rbp, 32(%rcx)\n"
        "mov %r8, 40(%rcx); mov %r9, 48(%rcx); mov %r10, 56(%rcx); mov %r12, 64(%rcx); mov %r13, 72(%rcx)\n"
        "mov %r14, 80(%rcx); mov %r15, 88(%rcx)\n"
        "cld\n"
        "pop %rdi; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
        "ret");
}

PROMISE("only rax, rcx and r11 change")
{
    for (int round = 0; round < 4; round++) {
        struct regs r = {0x1111,
                         0x2222,
                         0x3333,
                         0x4444,
                         0x5555,
                         0x6666,
                         0x7777,
                         0x8888,
                         0x9999,
                         0xaaaa,
                         0xbbbb,
                         0xcccc,
                         round & 1 ? 0x202 : 0xed7};
        const struct regs before = r;
        WANT_EQ(call_with(&r), getppid());
        WANT_EQ(r.rbx, before.rbx);
        WANT_EQ(r.rdx, before.rdx);
        WANT_EQ(r.rsi, before.rsi);
        WANT_EQ(r.rdi, before.rdi);
        WANT_EQ(r.rbp, before.rbp);
        WANT_EQ(r.r8, before.r8);
        WANT_EQ(r.r9, before.r9);
        WANT_EQ(r.r10, before.r10);
        WANT_EQ(r.r12, before.r12);
        WANT_EQ(r.r13, before.r13);
        WANT_EQ(r.r14, before.r14);
        WANT_EQ(r.r15, before.r15);
        WANT_EQ(r.flags & 0xcd5, before.flags & 0xcd5); /* CF PF AF ZF SF DF OF */
    }
}
