/* SPDX-License-Identifier: Apache-2.0 */
/*
 * void thread_switch_stacks(uint64_t *save_sp, uint64_t load_sp)
 *
 * The C calling convention says that a call changes everything but these six registers and rsp, so they are all there
 * is to exchange. A new thread's stack is laid out as if it had called this (sched.c, stack_prepare).
 */
    .text
    .globl  thread_switch_stacks
    .hidden thread_switch_stacks
    .type   thread_switch_stacks, @function
thread_switch_stacks:
    push    %rbp
    push    %rbx
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    mov     %rsp, (%rdi)
    mov     %rsi, %rsp
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbx
    pop     %rbp
    ret
    .size   thread_switch_stacks, . - thread_switch_stacks

    .section .note.GNU-stack, "", @progbits
