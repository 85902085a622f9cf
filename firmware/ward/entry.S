/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every way into and out of the ward.
 *
 *   exceptions of ring 3   CPU frame on the vframe page (RSP0), completed here, up to LOS_UPCALL by the constant template
 *   interrupts             on a stack of their own (IST1), because the vframe may hold a frame that LOS_UPCALL is still
 *                          copying; mark pending, go up only while the library OS has deferred = 0
 *   NMI                    dropped, on a stack of its own (IST2): it may come while IST1 is in use
 *   the gate               `int3` at LOS_GATE_INT3, or `syscall` at LOS_GATE_SYSCALL where that enters ring 0
 *   other `syscall`s       reflected to LOS_SYSCALL with every register as the instruction left it
 *
 * All stacks of a vCPU lie in its area at WARD_CPU + id * CPU_STRIDE, so masking rsp gives the area. Kernel GS points to
 * the private page, never to anything that ring 3 chose. Code here counts: on a deprivileged host each instruction is
 * interpreted. No SSE, no `int`, no `lretq`, no indirect branches (spec: firmware/README.md).
 */
#include "firmware/abi/layout.h"
#include "firmware/abi/ward.h"
#include "firmware/ward/private.h"

/* Pages that are flushed one by one; loading CR3 costs more than several, and makes every page dear once more. */
#define FLUSH_PAGES 8

    .text

/* ---- exceptions: 32 stubs, 16 bytes each; mkimage.c fills the IDT from ward_stubs ------------------------------------- */

.macro STUB vector
    .balign 16
  .if \vector == 2
    iretq                               /* NMI: the host's to send at any time, nobody's news */
  .elseif \vector == 3
    jmp     ward_int3
  .elseif (\vector == 8) || (\vector == 18)
    jmp     ward_ring0_exception        /* #DF, #MC: whoever ran cannot go on */
  .elseif (\vector >= 10 && \vector <= 14) || (\vector == 17) || (\vector == 21) || (\vector == 29) || (\vector == 30)
    push    $\vector
    jmp     ward_exception
  .else
    push    $0
    push    $\vector
    jmp     ward_exception
  .endif
.endm

    .globl  ward_stubs
    .balign 16
ward_stubs:
    .irp    v, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    STUB    \v
    .endr

    .balign 16
ward_exception:                         /* vector, error, rip, cs, rflags, rsp, ss */
    push    %rax
ward_exception_rax:
    mov     %cr2, %rax
    push    %rax
    testb   $3, 40(%rsp)
    jz      ward_ring0_exception
    mov     %rsp, %rax
    and     $-CPU_STRIDE, %rax
    cmpl    $0, VPAGE_DEFERRED(%rax)
    jne     2f
1:  movl    $1, VPAGE_DEFERRED(%rax)
    lea     PRIVATE_TEMPLATE(%rax), %rsp
    mov     CPU_VFRAME + VFRAME_RAX(%rax), %rax
    iretq
2:  /* A synchronous fault of the library OS. Legal on a thread's stack, not on the upcall stack itself. */
    push    %rcx
    push    %rdx
    mov     72(%rsp), %rcx              /* interrupted rsp */
    movabs  $LOS_CPU, %rdx
    sub     %rdx, %rcx
    cmp     $CPU_MAX * CPU_STRIDE, %rcx
    pop     %rdx
    pop     %rcx
    jae     1b
    mov     $PANIC_NR_WARD_UPCALL_LOOP, %edi
    jmp     ward_panic

ward_ring0_exception:
    mov     $PANIC_NR_WARD_EXCEPTION, %edi
    jmp     ward_panic

/* ---- interrupts -------------------------------------------------------------------------------------------------------- */

.macro INTERRUPT name, vector, bit
    .globl  \name
    .balign 16
\name:
    push    %rax
    push    %rcx
    mov     %rsp, %rax
    and     $-CPU_STRIDE, %rax
    movl    $0, ward_apic + 0xb0(%rip)  /* end of interrupt */
    lock orl $\bit, VPAGE_PENDING(%rax)
    testb   $3, 24(%rsp)                /* park waits in ring 0 */
    jz      ward_interrupt_parked
    cmpl    $0, VPAGE_DEFERRED(%rax)
    jne     ward_interrupt_done
    movl    $\vector, CPU_VFRAME + VFRAME_VECTOR(%rax)
    jmp     ward_interrupt_up
.endm

    INTERRUPT ward_irq_timer, VEC_TIMER, PENDING_TIMER
    INTERRUPT ward_irq_device, VEC_DEVICE, PENDING_DEVICE
    INTERRUPT ward_irq_kick, VEC_KICK, PENDING_KICK

/*
 * Nothing may come between `sti` and the `hlt` behind it; but an emulated processor can lose that shadow when its host
 * interrupts it there. An interrupt taken before the `hlt` would then be slept over: so it skips the `hlt`, one byte.
 */
ward_interrupt_parked:
    lea     ward_park_hlt(%rip), %rcx
    cmp     %rcx, 16(%rsp)
    je      1f
    lea     ward_ticket_hlt(%rip), %rcx
    cmp     %rcx, 16(%rsp)
    jne     ward_interrupt_done
1:  incq    16(%rsp)
ward_interrupt_done:
    pop     %rcx
    pop     %rax
    iretq

.macro TO_VFRAME from, to
    mov     \from(%rsp), %rcx
    mov     %rcx, CPU_VFRAME + \to(%rax)
.endm

ward_interrupt_up:                      /* rcx, rax, rip, cs, rflags, rsp, ss */
    TO_VFRAME 8, VFRAME_RAX
    TO_VFRAME 16, VFRAME_RIP
    TO_VFRAME 24, VFRAME_CS
    TO_VFRAME 32, VFRAME_RFLAGS
    TO_VFRAME 40, VFRAME_RSP
    TO_VFRAME 48, VFRAME_SS
    movl    $1, VPAGE_DEFERRED(%rax)
    pop     %rcx
    lea     PRIVATE_TEMPLATE(%rax), %rsp
    mov     CPU_VFRAME + VFRAME_RAX(%rax), %rax
    iretq

    .globl  ward_irq_flush
    .balign 16
ward_irq_flush:                         /* everything, then tell the initiator */
    push    %rax
    push    %rcx
    mov     ward_flush_seq(%rip), %rcx  /* before the flush: what is freed from here on is not covered by it */
    mov     %cr3, %rax
    mov     %rax, %cr3
    mov     %rsp, %rax
    and     $-CPU_STRIDE, %rax
    mov     %rcx, PRIVATE_EPOCH(%rax)
    mov     %ecx, VPAGE_ACK(%rax)
    movl    $0, ward_apic + 0xb0(%rip)
    pop     %rcx
    pop     %rax
    iretq

    .globl  ward_irq_spurious
    .balign 16
ward_irq_spurious:
    iretq

/* ---- the gate by int3 --------------------------------------------------------------------------------------------------- */

    .balign 16
ward_int3:                              /* rip, cs, rflags, rsp, ss */
    push    %rax
    movabs  $LOS_GATE_INT3_RET, %rax
    cmp     %rax, 8(%rsp)
    pop     %rax
    jne     1f
    cmp     $WARD_FLUSH, %eax           /* the two calls of every process switch and page table change: short */
    je      3f
    cmp     $WARD_SPACE_LOAD, %eax
    jne     2f
    cmpl    $0, ward_state + STATE_GUARDED(%rip)
    jne     2f
    shl     $12, %rdi
    mov     %rdi, %cr3
    iretq
2:  mov     %rsp, %r11                  /* one frame deep on the vframe page, so at a known place of the area */
    lea     CPU_PRIVATE_TOP - CPU_VFRAME - VFRAME_RIP(%rsp), %rsp
    push    %r11
    cld                                 /* unlike `syscall`, a gate leaves ring 3's direction */
    mov     %r10, %rcx
    mov     %rax, %r9
    call    ward_dispatch
    pop     %rsp
    iretq
3:  cmp     $FLUSH_PAGES, %rsi          /* few pages: one by one, in both regimes */
    ja      5f
    test    %esi, %esi
    jz      5f
4:  invlpg  (%rdi)
    add     $PAGE_SIZE, %rdi
    dec     %esi
    jnz     4b
    iretq
5:  cmpl    $0, ward_state + STATE_GUARDED(%rip)
    jne     2b                          /* everything: counts there for the reuse of tables */
    mov     %cr3, %rdi
    mov     %rdi, %cr3
    iretq
1:  push    $0                          /* an application's own breakpoint */
    push    $3
    push    %rax
    jmp     ward_exception_rax

/* ---- `syscall` where it enters ring 0 ------------------------------------------------------------------------------------ */

    .globl  ward_syscall
    .balign 16
ward_syscall:                           /* interrupts off, rcx = return, r11 = flags, ring 3's rsp */
    swapgs
    mov     %rsp, %gs:PRIVATE_URSP
    mov     %gs:PRIVATE_STACK, %rsp
    push    $SEL_UDS
    push    %gs:PRIVATE_URSP
    push    %rax
    movabs  $LOS_GATE_SYSCALL_RET, %rax
    cmp     %rax, %rcx
    pop     %rax
    jne     1f
    push    %r11
    push    $SEL_UCS
    push    %rcx
    mov     %r10, %rcx
    mov     %rax, %r9
    call    ward_dispatch
    orq     $0x200, 16(%rsp)            /* rflags: interrupts on, whatever ring 3 had */
    swapgs
    iretq
1:  push    $0x202
    push    $SEL_UCS
    push    ward_syscall_entry(%rip)
    swapgs
    iretq

    .section .rodata
    .balign 8
ward_syscall_entry:
    .quad   LOS_SYSCALL

    .text
    .globl  park_once
park_once:
    sti
ward_park_hlt:
    hlt
    cli
    ret

/* ---- other vCPUs wait here until the library OS starts them --------------------------------------------------------------- */

    .globl  ward_park_entry
    .balign 16
ward_park_entry:                        /* ring 0, rsp = private stack top */
    mov     %rsp, %rbx
    and     $-CPU_STRIDE, %rbx
1:  cli
    cmpl    $0, PRIVATE_TICKET(%rbx)
    jne     2f
    sti
ward_ticket_hlt:
    hlt
    jmp     1b
2:  movl    $1, VPAGE_DEFERRED(%rbx)
    lea     PRIVATE_SECONDARY(%rbx), %rsp
    iretq

/* ---- vCPU 0 after the stub (not under `none`, where the monitor sets all this) ---------------------------------------------- */

    .globl  ward_entry
    .balign 16
ward_entry:                             /* ring 0, interrupts off, tables that map the ward */
    mov     $TABLES_GPA + T_ROOT * PAGE_SIZE, %eax
    mov     %rax, %cr3
    movabs  $WARD_CPU + CPU_PRIVATE_TOP, %rsp
    call    ward_start
    movabs  $WARD_CPU + PRIVATE_START, %rsp
    movabs  $LOS_HANDOFF, %rdi
    iretq
