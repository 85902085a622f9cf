/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stub: what the processor measures. From the reset vector (32-bit protected mode, flat, 4 GiB - 16) to the ward, in
 * this order: long mode on measured tables, window mapped, down to ring 3 for everything that loops over data (load.c:
 * copy, hash, compare, place), back by the one gate, ward's slot linked in, jump.
 *
 * Linked at STUB_TABLES_GPA; addresses are constants, so descriptor tables are written out here. Every exception but the gate is
 * a panic. Nothing in this file depends on anything the host wrote, but the window's address, which is only mapped.
 */
#include "firmware/abi/launch.h"

#define PRESENT_W_U 0x27                /* P W U A */
#define LEAF        0xe7                /* P W U A D PS */
#define CR4_RUN     0x10620             /* PAE OSFXSR OSXMMEXCPT FSGSBASE */
#define CR0_RUN     0x80050033
#define EFER        0xc0000080
#define EFER_RUN    0x901               /* NXE LME SCE */
#define PANIC_STUB_EXCEPTION 1
#define STUB_FAULT_OFF 0x00
#define STUB_GATE_OFF  0x10
#define STUB_TSS_OFF   0x40
#define STUB_RING0_STACK_OFF 0x140      /* its end; 40 bytes are used */
#define WINDOW_CHUNKS (STUB_WINDOW_MAX / CHUNK_SIZE)

/* ---- page tables: one level-2 table serves the first GiB (RAM, window) and the last below 4 GiB (firmware) ------------- */

    .section .tables, "aw"
    .balign 4096
pml4:
    .quad   pdpt + PRESENT_W_U
    .fill   511, 8, 0
pdpt:
    .quad   pd + PRESENT_W_U
    .quad   0, 0
    .quad   pd + PRESENT_W_U
    .fill   508, 8, 0
pd:
    .quad   0 * CHUNK_SIZE + LEAF, 1 * CHUNK_SIZE + LEAF, 2 * CHUNK_SIZE + LEAF, 3 * CHUNK_SIZE + LEAF
    .fill   507, 8, 0                   /* 256.. : the window, set below */
    .quad   HOLE_HI - CHUNK_SIZE + LEAF

/* ---- 32-bit entry --------------------------------------------------------------------------------------------------------- */

    .section .text.entry, "ax"
/* Fixed places first: the descriptor tables below name them by number. */
    .code64
    .org    STUB_FAULT_OFF
    jmp     exception
    .org    STUB_GATE_OFF
    jmp     gate_entry
    .org    STUB_TSS_OFF                /* written by the processor: all memory of the slot is writable */
    .long   0
    .quad   STUB_CODE_GPA + STUB_RING0_STACK_OFF
    .fill   90, 1, 0
    .word   104                         /* no I/O bitmap */
    .org    STUB_RING0_STACK_OFF

    .code32
start32:
    mov     $CR4_RUN, %eax
    mov     %eax, %cr4
    mov     $pml4, %eax
    mov     %eax, %cr3
    mov     $EFER, %ecx
    mov     $EFER_RUN, %eax
    xor     %edx, %edx
    wrmsr
    mov     $CR0_RUN, %eax
    mov     %eax, %cr0
    lgdt    gdt_register
    ljmp    $SEL_KCS, $start64

    .code64
start64:
    lidt    idt_register(%rip)
    mov     $SEL_TSS, %eax
    ltr     %ax
    mov     $STUB_PARAMS_GPA, %edi
    mov     24(%rdi), %rax              /* window_gpa: mapped here, judged in load.c */
    shr     $21, %rax
    shl     $21, %rax
    btr     $63, %rax
    add     $LEAF, %rax
    mov     $pd + 256 * 8, %ebx
    mov     $WINDOW_CHUNKS, %ecx
1:  mov     %rax, (%rbx)
    add     $CHUNK_SIZE, %rax
    add     $8, %rbx
    dec     %ecx
    jnz     1b
    mov     $ring3_frame, %esp
    iretq

/* ---- back from ring 3 ------------------------------------------------------------------------------------------------------ */

    .globl  stub_gate
stub_gate:                              /* ring 3: rax = ward_entry, or edi = panic code and rax = 0 */
    int3
stub_gate_ret:
    ud2

gate_entry:                             /* ring 0, on the ring-0 stack: rip, cs, rflags, rsp, ss */
    lea     stub_gate_ret(%rip), %rbx
    cmp     %rbx, (%rsp)
    jne     exception
    test    %rax, %rax
    jz      panic
    mov     $TABLES_GPA + (WARD_LO >> 39 & 511) * 8, %ebx
    mov     (%rbx), %rcx
    mov     $pml4 + (WARD_LO >> 39 & 511) * 8, %ebx
    mov     %rcx, (%rbx)
    jmp     *%rax

exception:
    mov     $PANIC_STUB_EXCEPTION, %edi
panic:
    mov     %edi, %eax
    mov     $PORT_PANIC, %edx
1:  outl    %eax, %dx
    hlt
    jmp     1b

/* ---- constant tables --------------------------------------------------------------------------------------------------------- */

    .section .rodata.entry, "a"
    .balign 16
gdt:
    .quad   0, 0
    .quad   0x00af9b000000ffff          /* SEL_KCS   */
    .quad   0x00cf93000000ffff          /* SEL_KDS   */
    .quad   0x00cffb000000ffff          /* SEL_UCS32 */
    .quad   0x00cff3000000ffff          /* SEL_UDS   */
    .quad   0x00affb000000ffff          /* SEL_UCS   */
    .quad   0
    .word   103                         /* SEL_TSS: base in pieces */
    .word   (STUB_CODE_GPA + STUB_TSS_OFF) & 0xffff
    .byte   STUB_CODE_GPA >> 16 & 0xff, 0x89, 0, STUB_CODE_GPA >> 24
    .quad   0
gdt_end:
gdt_register:
    .word   gdt_end - gdt - 1
    .long   gdt, 0
idt_register:
    .word   32 * 16 - 1
    .quad   idt
    .balign 8
ring3_frame:
    .quad   stub_main, SEL_UCS, 0x2, STUB_STACK_TOP - 8, SEL_UDS

    .balign 16
idt:
    .set    v, 0
  .rept 32
    .if v == 3
    .word   (STUB_CODE_GPA + STUB_GATE_OFF) & 0xffff, SEL_KCS
    .byte   0, 0xee
    .word   STUB_CODE_GPA >> 16
    .else
    .word   (STUB_CODE_GPA + STUB_FAULT_OFF) & 0xffff, SEL_KCS
    .byte   0, 0x8e
    .word   STUB_CODE_GPA >> 16
    .endif
    .quad   0
    .set    v, v + 1
  .endr

    .section .reset, "ax"
    .code32
    jmp     start32
    .balign 16, 0xf4
