/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What crosses between ring 3 (library OS) and ring 0 (ward): calls, upcalls and the two per-vCPU pages.
 *
 * Calls. One gate (`syscall` where it enters ring 0, else `int3`; chosen once at boot) at a fixed library-OS address.
 * rax = number; rdi rsi rdx r10 r8 = arguments; rax = value or -errno. Caller-saved registers are clobbered. The ward
 * copies arguments once, then checks; it resolves no fault, walks no tree, loops over no data, waits only in park.
 * Frames are guest-physical page numbers. t = table index in the table region, readable at LOS_TABLES + t * 4096.
 *
 * Upcalls. An exception of ring 3 leaves the CPU's own frame on the vframe page, below it what VFRAME_* name, and
 * continues in ring 3 at LOS_UPCALL on the upcall stack with deferred = 1 and all other registers as they were.
 * Asynchronous events set bits in `pending`; they come up only while deferred = 0, then with the event's vector.
 */
#ifndef CASEMATE_FIRMWARE_ABI_WARD_H
#define CASEMATE_FIRMWARE_ABI_WARD_H

/* tables (guarded regime only) */
#define WARD_TABLE_NEW    1 /* (level) -> t | -ENOMEM | -EAGAIN: once all vCPUs have flushed everything    */
#define WARD_TABLE_FREE   2 /* (t) refs 0, links 0, loaded nowhere                                           */
#define WARD_TABLE_SET    3 /* (t, i | n << 32, pte) leaves, frame advancing 4 KiB / 2 MiB; pte 0 clears     */
#define WARD_TABLE_LINK   4 /* (t, i, child | WARD_NONE, flags)                                              */
#define WARD_TABLE_MASK   5 /* (t, i | n << 32, clear) clear in {W, A, D}; links too  -> OR of the old flags */
#define WARD_TABLE_COPY   6 /* (dst, src, i | n << 32, clear) same level; refs of children taken             */
#define WARD_BATCH        7 /* (n) n <= WARD_OPS_MAX of the above from vpage.ops      -> number done         */
/* space, TLB */
#define WARD_SPACE_LOAD   8 /* (root: frame in the open regime, t in the guarded one)                        */
#define WARD_FLUSH        9 /* (va, n) this vCPU; n = 0: everything                                          */
#define WARD_FLUSH_OTHERS 10 /* (cpu mask, va, n) by IPI; each target sets vpage.ack = seq  -> seq           */
/* vCPU */
#define WARD_VCPU_START   11 /* (id) enters LOS_SECONDARY on its upcall stack with deferred = 1              */
#define WARD_PARK         12 /* (tsc deadline, 0 = none) returns at once when pending -> pending bits        */
#define WARD_KICK         13 /* (cpu mask)                                                                   */
#define WARD_TIMER        14 /* (tsc deadline, 0 = off) one-shot                                             */
#define WARD_RELAX        15 /* () give the core away once                                                   */
/* memory */
#define WARD_RAM_ACCEPT   16 /* (chunk, n) content undefined afterwards; already accepted: panic             */
/* host, identity */
#define WARD_DOORBELL     18 /* (queue) TEE only                                                             */
#define WARD_EVIDENCE     19 /* (form) 64 bytes in vpage.io                   -> report length, report in io */
#define WARD_REGISTER_SET 20 /* (i) 48 bytes in vpage.io; i = 0..2, once each, before seal                   */
#define WARD_EXTEND       21 /* () 48 bytes in vpage.io into register 3                                      */
#define WARD_DERIVE_KEY   22 /* () 64-byte label in vpage.io                  -> 32 bytes in vpage.io        */
#define WARD_SEAL         23 /* ()                                                                           */
#define WARD_RANDOM       24 /* () -> 32 bytes in vpage.io                                                   */
#define WARD_POWER_OFF    25 /* (code 0..255) does not return                                                */
#define WARD_SYSCALL_TARGET 26 /* () `syscall` stays in ring 3 here: LSTAR = LOS_SYSCALL. Not in TEE builds  */
#define WARD_PANIC       27 /* (enum panic_code) does not return                                              */
#define WARD_SYSCALL_ENTERS 28 /* () by `syscall`: it enters ring 0 here, so 26 is refused with -EPERM from now on */

#define WARD_NONE    0xffffffff /* table_link: no child */
#define WARD_OPS_MAX 32
/* Guarded: the region ends with what the ward notes, this much per page of it and a byte per chunk of RAM. */
#define WARD_TABLE_NOTE 16

/* evidence forms, firmware/README.md */
#define WARD_FORM_RAW      0 /* the caller's 64 bytes as they are; only before seal */
#define WARD_FORM_REGISTER 1 /* bound to launch flags, phase and registers          */

/* vpage.pending */
#define PENDING_TIMER  1
#define PENDING_DEVICE 2
#define PENDING_KICK   4

/* vpage offsets that assembly uses; asserted below */
#define VPAGE_SELF       0
#define VPAGE_DEFERRED   8
#define VPAGE_PENDING    12
#define VPAGE_POLLING    16
#define VPAGE_ACK        20
#define VPAGE_URSP       24
#define VPAGE_KSTACK     32
#define VPAGE_EXIT_FRAME 40
#define VPAGE_LOS        64

/* vframe: what an upcall leaves there, offsets from the start of the page */
#define VFRAME_CR2    0xfb8
#define VFRAME_RAX    0xfc0
#define VFRAME_VECTOR 0xfc8
#define VFRAME_ERROR  0xfd0
#define VFRAME_RIP    0xfd8
#define VFRAME_CS     0xfe0
#define VFRAME_RFLAGS 0xfe8
#define VFRAME_RSP    0xff0
#define VFRAME_SS     0xff8

#ifndef __ASSEMBLER__
#include "firmware/abi/layout.h"

struct ward_op {
    uint32_t call; /* WARD_TABLE_SET, _LINK, _MASK, _COPY */
    uint32_t table;
    uint64_t arg[3];
};
ABI_SIZE(struct ward_op, 32);

/* Ring 3 reads and writes it; as hostile to the ward as all ring-3 memory. One per vCPU, GS base points to it. */
struct vpage {
    uint64_t self;       /* its own ring-3 address                                   */
    uint32_t deferred;   /* "interrupts off": the ward only marks pending            */
    uint32_t pending;    /* PENDING_*; the ward ors, the library OS exchanges        */
    uint32_t polling;    /* this vCPU looks at pending by itself: no IPI needed      */
    uint32_t ack;        /* last flush_others sequence number carried out here       */
    uint64_t ursp;       /* entry: the application's rsp                             */
    uint64_t kstack;     /* top of the current thread's library-OS stack             */
    uint64_t exit_frame; /* full exit: the frame being returned through              */
    uint64_t reserved[2];
    uint64_t los[24];    /* the library OS's own per-vCPU words                      */
    uint8_t pad[768];
    struct ward_op ops[WARD_OPS_MAX];
    uint8_t io[2048];    /* arguments and results longer than a register             */
};
ABI_SIZE(struct vpage, 4096);
ABI_AT(struct vpage, deferred, VPAGE_DEFERRED);
ABI_AT(struct vpage, pending, VPAGE_PENDING);
ABI_AT(struct vpage, polling, VPAGE_POLLING);
ABI_AT(struct vpage, ack, VPAGE_ACK);
ABI_AT(struct vpage, ursp, VPAGE_URSP);
ABI_AT(struct vpage, kstack, VPAGE_KSTACK);
ABI_AT(struct vpage, exit_frame, VPAGE_EXIT_FRAME);
ABI_AT(struct vpage, los, VPAGE_LOS);
ABI_AT(struct vpage, ops, 1024);
ABI_AT(struct vpage, io, 2048);

/* Pages of the region that are no tables for that reason. */
static inline uint32_t ward_note_pages(uint64_t tables_size, uint64_t ram_end)
{
    uint64_t notes = tables_size / PAGE_SIZE * WARD_TABLE_NOTE + ram_end / CHUNK_SIZE;
    return (uint32_t)((notes + PAGE_SIZE - 1) / PAGE_SIZE);
}

/* Page-table entry bits that cross the interface. */
#define PTE_P     0x001ull
#define PTE_W     0x002ull
#define PTE_U     0x004ull
#define PTE_PWT   0x008ull
#define PTE_PCD   0x010ull
#define PTE_A     0x020ull
#define PTE_D     0x040ull
#define PTE_PS    0x080ull
#define PTE_NX    0x8000000000000000ull
#define PTE_FRAME 0x000ffffffffff000ull
#endif
#endif
