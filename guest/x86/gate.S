/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate page: every way into the library OS and every way out of it, on one page whose address never changes.
 *
 * Fixed places (firmware/abi/layout.h) come first; the code they jump to follows on the same page, so that "where was
 * it interrupted" is a comparison of page offsets. GS base is the vpage of this vCPU whenever library-OS code runs.
 *
 * The application's registers are one struct regs at the top of the thread's library-OS stack: vpage.kstack - REGS_SIZE
 * (kstack is 8 below a multiple of 16, so the frame is aligned for a call). It is complete from ENTRY's last push on
 * and stays complete until the application runs again. That gives the two windows in which `deferred` is 0 although
 * rip is in the library OS a simple meaning:
 *
 *   ENTRY  first instruction up to `deferred = 1`: nothing has changed but rsp, and vpage.ursp holds what it was. An
 *          upcall there records the application as about to enter again: rip = the entry's first instruction.
 *   EXIT   from `deferred = 0` to the jump out: the frame still says everything. An upcall there forgets the registers
 *          and continues with the frame. A fault of iretq or jmp (an address nobody can jump to) is the application's.
 *
 * Every other upcall at a library-OS rip interrupts the library OS itself (deferred is 1): a synchronous fault of a
 * user copy, or of the boot probe. It is stacked below the interrupted rsp; nothing uses a red zone here.
 */
#include "guest/x86/asm.h"

#define VF(x) %gs:(CPU_VFRAME + x)
#define GATE(sym) (sym - gate)

/* rsp = struct regs: the registers of a call, but rcx and r11, which the instruction takes for itself. */
.macro LOAD_CALL
    mov     REGS_R10(%rsp), %r10
    mov     REGS_R9(%rsp), %r9
    mov     REGS_R8(%rsp), %r8
    mov     REGS_RAX(%rsp), %rax
    mov     REGS_RDX(%rsp), %rdx
    mov     REGS_RSI(%rsp), %rsi
    mov     REGS_RDI(%rsp), %rdi
.endm

/* rsp = struct regs: everything in it becomes what runs. */
.macro RETURN_TO_FRAME
    mov     REGS_R15(%rsp), %r15
    mov     REGS_R14(%rsp), %r14
    mov     REGS_R13(%rsp), %r13
    mov     REGS_R12(%rsp), %r12
    mov     REGS_RBP(%rsp), %rbp
    mov     REGS_RBX(%rsp), %rbx
    mov     REGS_R11(%rsp), %r11
    mov     REGS_RCX(%rsp), %rcx
    LOAD_CALL
    lea     REGS_RIP(%rsp), %rsp
    iretq
.endm

    .section .gate, "ax", @progbits
    .balign 4096
    .globl gate
    .hidden gate
gate:
    /* LOS_START: vCPU 0, rdi = handoff, rsp = upcall stack with the vpage's address on it */
    mov     (%rsp), %rax
    wrgsbase %rax
    jmp     start_first

    .org    gate + (LOS_SECONDARY - LOS_TEXT)
    mov     (%rsp), %rax
    wrgsbase %rax
    jmp     start_secondary

    .org    gate + (LOS_UPCALL - LOS_TEXT)
    mov     (%rsp), %rax
    wrgsbase %rax
    jmp     upcall_entry

    .org    gate + (LOS_SYSCALL - LOS_TEXT)
    jmp     syscall_entry

    .org    gate + (LOS_GATE_SYSCALL - LOS_TEXT)
    syscall
    ret

    .org    gate + (LOS_GATE_INT3 - LOS_TEXT)
    int3
    ret

    .org    gate + 0x100

/* ---- start --------------------------------------------------------------------------------------------------------- */

start_first:
    movl    $1, %gs:VPAGE_DEFERRED
    lea     boot_stack_end(%rip), %rsp
    xor     %ebp, %ebp
    call    los_main
    ud2

start_secondary:
    movl    $1, %gs:VPAGE_DEFERRED
    xor     %ebp, %ebp
    call    cpu_secondary_stack     /* rax = end of this vCPU's idle stack */
    mov     %rax, %rsp
    call    cpu_secondary
    ud2

/* ---- system call ---------------------------------------------------------------------------------------------------- */

/* rcx = return address, r11 = flags, everything else as the application left it */
syscall_entry:
    mov     %rsp, %gs:VPAGE_URSP
    mov     %gs:VPAGE_KSTACK, %rsp
    movl    $1, %gs:VPAGE_DEFERRED
syscall_entry_end:
    movl    $1, %gs:VPAGE_LOS + 8 * 3  /* WORD_TRAPPED */
    push    $SEL_UDS
    push    %gs:VPAGE_URSP
    push    %r11
syscall_common:
    push    $SEL_UCS
    push    %rcx
    push    %rax
    push    %rdi
    push    %rsi
    push    %rdx
    push    %rcx
    push    $-38                    /* -ENOSYS until the call says otherwise */
    push    %r8
    push    %r9
    push    %r10
    push    %r11
    push    %rbx
    push    %rbp
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    cld
    xor     %ebp, %ebp
    mov     %rsp, %rdi
    call    syscall_from_app        /* 0: only caller-saved registers differ from the frame */
    test    %eax, %eax
    jne     full_exit

fast_exit:
    movl    $0, %gs:VPAGE_DEFERRED
fast_exit_lo:
    cmpl    $0, %gs:VPAGE_PENDING
    jne     exit_pending
    LOAD_CALL
    mov     REGS_RIP(%rsp), %rcx
    mov     REGS_RFLAGS(%rsp), %r11
    mov     REGS_RBP(%rsp), %rbp
    lea     REGS_RFLAGS(%rsp), %rsp
    popfq
    pop     %rsp                    /* rsp follows rflags in struct regs */
    jmp     *%rcx

/* rsp = frame, deferred = 1 */
    .globl  full_exit
    .hidden full_exit
full_exit:
    movl    $0, %gs:VPAGE_DEFERRED
full_exit_lo:
    cmpl    $0, %gs:VPAGE_PENDING
    jne     exit_pending
    RETURN_TO_FRAME
exit_pending:
    movl    $1, %gs:VPAGE_DEFERRED
exit_hi:
    mov     %rsp, %rdi
    call    exit_again
    jmp     full_exit

/* void arch_enter_app(struct regs *r): the frame at the top of the current thread's stack becomes the application. */
    .globl  arch_enter_app
    .hidden arch_enter_app
arch_enter_app:
    mov     %rdi, %rsp
    jmp     full_exit

/* ---- a rewritten call site: the same, but flags are still in the flags register --------------------------------------- */

    .globl  patched_entry
    .hidden patched_entry
patched_entry:
    mov     %rsp, %gs:VPAGE_URSP
    mov     %gs:VPAGE_KSTACK, %rsp
    movl    $1, %gs:VPAGE_DEFERRED
patched_entry_end:
    movl    $0, %gs:VPAGE_LOS + 8 * 3
    push    $SEL_UDS
    push    %gs:VPAGE_URSP
    pushfq
    mov     (%rsp), %r11
    jmp     syscall_common

/* ---- upcall ------------------------------------------------------------------------------------------------------------- */

    .globl  upcall_lo
    .hidden upcall_lo
upcall_lo:
/* On the upcall stack, deferred = 1; the interrupted rax is on the vframe, all other registers are live. */
upcall_entry:
    push    %rcx
    push    %rdx
    mov     VF(VFRAME_RIP), %rcx
    mov     VF(VFRAME_RSP), %rdx
    mov     %rcx, %rax
    shr     $44, %rax
    cmp     $(LOS_LO >> 44), %eax
    jne     upcall_app

    lea     gate(%rip), %rax
    sub     %rax, %rcx              /* offset on the gate page, or far beyond it */
    cmp     $GATE(fast_exit_lo), %rcx
    jb      1f
    cmp     $GATE(exit_hi), %rcx
    jb      upcall_exit
    cmp     $GATE(patched_entry), %rcx
    jb      upcall_nested
    je      2f
    cmp     $GATE(patched_entry_end), %rcx
    jae     upcall_nested
    mov     %gs:VPAGE_URSP, %rdx
2:  lea     patched_entry(%rip), %rcx
    jmp     upcall_app

1:  cmp     $(LOS_SYSCALL - LOS_TEXT), %rcx
    je      4f
    cmp     $GATE(syscall_entry), %rcx
    jb      upcall_nested
    je      4f
    cmp     $GATE(syscall_entry_end), %rcx
    jae     upcall_nested
    mov     %gs:VPAGE_URSP, %rdx
4:  lea     (LOS_SYSCALL - LOS_TEXT) + gate(%rip), %rcx

/* The application: rcx = its rip, rdx = its rsp. Its frame goes to the top of the thread's stack. */
upcall_app:
    mov     %gs:VPAGE_KSTACK, %rax
    sub     $REGS_SIZE, %rax
    call    upcall_save
    mov     %rax, %rsp
    call    upcall_arguments
    call    upcall_from_app
    jmp     full_exit

upcall_exit:
    mov     %gs:VPAGE_KSTACK, %rsp
    sub     $REGS_SIZE, %rsp
    call    upcall_arguments
    call    upcall_from_app
    jmp     full_exit

/* The library OS itself: below what it was using. Its registers come back as the handler leaves them. */
upcall_nested:
    mov     VF(VFRAME_RIP), %rcx
    mov     %rdx, %rax
    and     $-16, %rax
    sub     $(REGS_SIZE + 8), %rax
    call    upcall_save
    mov     %rax, %rsp
    call    upcall_arguments
    call    upcall_from_los
    RETURN_TO_FRAME

/*
 * rax = frame to fill, rcx = rip, rdx = rsp, interrupted rcx and rdx pushed on the upcall stack above the return
 * address. Clobbers rcx, rdx. Still on the upcall stack.
 */
upcall_save:
    mov     %rcx, REGS_RIP(%rax)
    mov     %rdx, REGS_RSP(%rax)
    mov     %r15, REGS_R15(%rax)
    mov     %r14, REGS_R14(%rax)
    mov     %r13, REGS_R13(%rax)
    mov     %r12, REGS_R12(%rax)
    mov     %rbp, REGS_RBP(%rax)
    mov     %rbx, REGS_RBX(%rax)
    mov     %r11, REGS_R11(%rax)
    mov     %r10, REGS_R10(%rax)
    mov     %r9, REGS_R9(%rax)
    mov     %r8, REGS_R8(%rax)
    mov     %rsi, REGS_RSI(%rax)
    mov     %rdi, REGS_RDI(%rax)
    mov     8(%rsp), %rdx
    mov     %rdx, REGS_RDX(%rax)
    mov     16(%rsp), %rcx
    mov     %rcx, REGS_RCX(%rax)
    mov     VF(VFRAME_RAX), %rcx
    mov     %rcx, REGS_RAX(%rax)
    movq    $-1, REGS_ORIG_RAX(%rax)
    mov     VF(VFRAME_RFLAGS), %rcx
    mov     %rcx, REGS_RFLAGS(%rax)
    movq    $SEL_UCS, REGS_CS(%rax)
    movq    $SEL_UDS, REGS_SS(%rax)
    ret

/* From here a nested upcall may reuse the vframe. */
upcall_arguments:
    cld
    lea     8(%rsp), %rdi
    mov     VF(VFRAME_VECTOR), %rsi
    mov     VF(VFRAME_ERROR), %rdx
    mov     VF(VFRAME_CR2), %rcx
    xor     %ebp, %ebp
    ret
    .globl  upcall_hi
    .hidden upcall_hi
upcall_hi:
    .org    gate + 4096             /* refuses to go back: the page holds it all */

    .section .bss
    .balign 16
boot_stack:
    .skip   16384
    .globl  boot_stack_end
    .hidden boot_stack_end
boot_stack_end:

    .section .note.GNU-stack, "", @progbits
