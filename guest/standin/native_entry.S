/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals as the way in, rt_sigreturn as the way out. The C library's thread pointer has to be in FS whenever C runs;
 * the application's is kept beside it.
 */
    .text

/* A signal handler: (sig, info, ucontext) and, fourth, what FS base was. */
    .globl  native_signal_entry
native_signal_entry:
    pushfq
    andl    $~0x40000, (%rsp)           /* the application's alignment check */
    popfq
    rdfsbase %rcx
    mov     native_host_fs(%rip), %rax
    wrfsbase %rax
    jmp     native_signal

/* void native_on_stack(struct regs *r, uint64_t vector, uint64_t error, uint64_t cr2): continue below r, for good. */
    .globl  native_on_stack
native_on_stack:
    mov     %rdi, %rsp
    and     $-16, %rsp
    xor     %ebp, %ebp
    call    native_entered
    ud2

/* void native_sigreturn(void *ucontext, uint64_t fs_base) */
    .globl  native_sigreturn
native_sigreturn:
    wrfsbase %rsi
    mov     %rdi, %rsp
    mov     $15, %eax
    syscall
    ud2

    .section .note.GNU-stack, "", @progbits
