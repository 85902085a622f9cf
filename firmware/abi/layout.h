/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every fixed guest address, drawn. C and assembly read it; the monitor, the image builder, stub, ward and library OS
 * all take their numbers from here.
 *
 * Guest-physical memory
 *
 *   0            BOOT_GPA    boot region, 4 MiB in small host pages
 *                            [ early heap | bss: handoff, cpu areas, library-OS bss | core image ... ]
 *   4 MiB        TABLES_GPA  [ ... core image: tables made at build time ] then other page tables; RAM/32 in all
 *   TABLES end   rest of RAM, 2 MiB chunks
 *   3 .. 4 GiB   hole: doorbell, local APIC, and the firmware in the last 64 KiB below 4 GiB
 *   above RAM    shared window, 1 GiB aligned
 *
 * The core image is one contiguous run of bytes that straddles TABLES_GPA: its last CORE_TABLES pages are page tables,
 * everything before them is code and data. So one copy and one hash place it, and tables made at build time are named
 * by index like any other table (index = page number inside the region).
 *
 * Guest-virtual memory, everything of ours in [LOS_LO, LOS_HI)
 *
 *   0x6000_0000_0000  LOS_TEXT    library OS: gate page first, text, rodata, data, bss
 *   0x6000_8000_0000  LOS_CPU     per vCPU CPU_STRIDE: vpage, vframe (read-only alias), upcall stack
 *   0x6000_c000_0000  LOS_HANDOFF start page, read-only; LOS_DOORBELL
 *   0x6100_0000_0000  LOS_DIRECT  all RAM at + gpa, 2 MiB pages; not executable, core text read-only
 *   0x6200_0000_0000  LOS_WINDOW  the shared window
 *   0x6300_0000_0000  LOS_TABLES  the table region: writable in the open regime, read-only in the guarded one
 *   0x6400_0000_0000  LOS_STACKS  threads' library-OS stacks with guards
 *   0x6f80_0000_0000  WARD_TEXT   supervisor only: ward text and data; WARD_CPU, WARD_TABLES, WARD_APIC
 *
 * The first image page is the core header (abi/image.h). The ward with its per-vCPU pages comes last before the tables:
 * [ward_gpa, end of table region) is what ring 3 may never map.
 */
#ifndef CASEMATE_FIRMWARE_ABI_LAYOUT_H
#define CASEMATE_FIRMWARE_ABI_LAYOUT_H

#ifdef __ASSEMBLER__
#define U64(x) x
#else
#include "guest/base/cc.h"
#define U64(x) x##ull
#endif

#define PAGE_SIZE  U64(0x1000)
#define CHUNK_SIZE U64(0x200000)

#define BOOT_GPA   U64(0)
#define BOOT_SIZE  U64(0x400000)
#define TABLES_GPA U64(0x400000)
#define TABLES_MAX U64(0x40000000) /* bytes that the build-time mapping of the region covers          */
#define TABLES_RAM_DIVISOR U64(32) /* table region = RAM / 32 in whole chunks, at least one           */
#define CORE_TABLES U64(32)        /* pages of build-time tables: indices 0 .. 31                     */
#define RAM_MIN    U64(0x2000000)
#define HOLE_LO    U64(0xc0000000)
#define HOLE_HI    U64(0x100000000)
/* A store of a queue number here rings the host's bell: an ioeventfd on plain KVM; TEEs use a ward call. */
#define DOORBELL_GPA U64(0xd0000000)
#define APIC_GPA   U64(0xfee00000)
#define FW_SIZE    U64(0x10000)
#define FW_GPA     (HOLE_HI - FW_SIZE)

#define LOS_LO       U64(0x600000000000)
#define LOS_HI       U64(0x700000000000)
#define LOS_TEXT     U64(0x600000000000)
#define LOS_CPU      U64(0x600080000000)
#define LOS_HANDOFF  U64(0x6000c0000000)
#define LOS_DOORBELL U64(0x6000c0001000)
#define LOS_DIRECT   U64(0x610000000000)
#define LOS_WINDOW   U64(0x620000000000)
#define LOS_TABLES   U64(0x630000000000)
#define LOS_STACKS   U64(0x640000000000)
#define WARD_LO      U64(0x6f8000000000)
#define WARD_TEXT    U64(0x6f8000000000)
#define WARD_CPU     U64(0x6f8000200000) /* + CPU_STRIDE * vCPU: vpage, vframe, private page                */
#define WARD_APIC    U64(0x6f8000400000) /* local APIC registers, uncached                                  */
#define WARD_TABLES  U64(0x6f8040000000)

/* Build-time tables that somebody names later, by index. */
#define T_ROOT      0 /* every other root copies slots PML4_LOS_LO .. PML4_LOS_HI - 1 from it                 */
#define T_DIRECT_L3 1 /* LOS_DIRECT: the library OS links a T for each further GiB                            */
#define T_DIRECT_L2 2 /* first GiB of RAM: entries 0 and 1 are the boot region, the library OS sets the rest  */
#define T_WINDOW_L3 3
#define T_WINDOW_L2 4 /* LOS_WINDOW, up to 1 GiB: set by the library OS                                       */
#define T_TABLES_L3 5 /* LOS_TABLES: entry 0 has W in the open regime only                                    */
#define T_STACKS_L3 6 /* LOS_STACKS: empty, the library OS's                                                  */
#define CORE_ROOT   T_ROOT
#define PML4_LOS_LO 192 /* LOS_LO >> 39 */
#define PML4_LOS_HI 224

#define CPU_MAX     16
#define CPU_STRIDE  U64(0x10000)
#define CPU_VPAGE   U64(0)      /* struct vpage, ring 3 reads and writes                                  */
#define CPU_VFRAME  U64(0x1000) /* ring-0 exception stack, ring 3 reads                                   */
#define CPU_UPSTACK U64(0x2000) /* upcall stack; the 16 bytes at its top hold {vpage address, 0}          */
#define CPU_UPSTACK_TOP U64(0x4000)
#define CPU_PRIVATE U64(0x4000) /* WARD_CPU only: ward's own words, then its private stack                 */
#define CPU_PRIVATE_TOP U64(0x5000)

/* Fixed places on the gate page (guest/x86/gate.S). */
#define LOS_START        (LOS_TEXT + 0x00) /* vCPU 0's first instruction, rdi = LOS_HANDOFF, on its upcall stack */
#define LOS_SECONDARY    (LOS_TEXT + 0x20) /* the other vCPUs' first instruction, on their upcall stacks         */
#define LOS_UPCALL       (LOS_TEXT + 0x40)
#define LOS_SYSCALL      (LOS_TEXT + 0x60) /* rcx = return address, r11 = flags, as the instruction leaves them  */
#define LOS_GATE_SYSCALL (LOS_TEXT + 0x80) /* syscall; ret */
#define LOS_GATE_SYSCALL_RET (LOS_GATE_SYSCALL + 2)
#define LOS_GATE_INT3    (LOS_TEXT + 0xa0) /* int3; ret */
#define LOS_GATE_INT3_RET (LOS_GATE_INT3 + 1)

/* Selectors as Linux has them, so that every kind of KVM and every program sees the usual values. */
#define SEL_KCS   0x10
#define SEL_KDS   0x18
#define SEL_UCS32 0x23 /* an empty place in the ward's table: no 32-bit code */
#define SEL_UDS   0x2b
#define SEL_UCS   0x33
#define SEL_TSS   0x40 /* + 16 * vCPU */

#define VEC_TIMER    0x40
#define VEC_DEVICE   0x41
#define VEC_KICK     0x42
#define VEC_FLUSH    0x43
#define VEC_SPURIOUS 0xff

/* Ports of plain KVM and sim, 32-bit out from ring 0 only. */
#define PORT_POWER 0xca50 /* guest ends, exit code 0..255                        */
#define PORT_PANIC 0xca54 /* enum panic_code, firmware/abi/panic.h; guest ends   */
#define PORT_SIM   0xca58 /* sim TEE request, firmware/abi/sim.h */
#define PORT_CPUS  0xca5c /* sim: the ward is up, the other vCPUs may be made to park */

#endif
