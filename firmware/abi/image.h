/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core image: ward, library OS and init, with their page tables, as one run of bytes that is placed so that it ends
 * at CORE_END. Its first page is this header; firmware/mkimage.c writes it. Whoever places the image has checked its hash
 * (sim, TEEs) or trusts the file it came from (none).
 */
#ifndef CASEMATE_FIRMWARE_ABI_IMAGE_H
#define CASEMATE_FIRMWARE_ABI_IMAGE_H

#include "firmware/abi/layout.h"

/*
 * The placer copies the image to CORE_END - size, clears the zero area and writes: struct handoff; struct ward_state; per
 * vCPU vpage.self and, in the last 16 bytes of its upcall stack, {address of the vpage, 0}; in the open regime PTE_W in
 * entry 0 of table T_TABLES_L3.
 */
#define CORE_CPU_PAGES 3

#define CORE_MAGIC   0x3145524f43455343ull /* "CSECORE1" */
#define CORE_VERSION 1
#define CORE_END     (TABLES_GPA + CORE_TABLES * PAGE_SIZE)

struct core_header {
    uint64_t magic;
    uint32_t version;
    uint32_t reserved;
    uint64_t size;          /* bytes of the whole image, whole pages; load address = CORE_END - size         */
    uint64_t zero_gpa, zero_size; /* must be zero before start; ends where the image begins                  */
    uint64_t handoff_gpa;   /* one page inside the zero area                                                 */
    uint64_t cpu_gpa;       /* per vCPU three pages of the zero area: vpage, upcall stack (2)                */
    uint64_t init_gpa, init_size;
    uint64_t ward_gpa;      /* [ward_gpa, end of the table region) is the ward's                              */
    uint64_t gdt, idt, tss; /* ward addresses; limits are the next three                                      */
    uint32_t gdt_limit, idt_limit, tss_limit, reserved2;
    uint64_t ward_entry;    /* ring-0 entry of vCPU 0 after the stub: interrupts off, CR3 on T_ROOT           */
    uint64_t ward_park;     /* ring-0 entry of the other vCPUs: rsp = their private stack top                 */
    uint64_t ward_syscall;  /* LSTAR */
    uint64_t ward_state_gpa; /* struct ward_state, written by the placer                                      */
};
ABI_AT(struct core_header, size, 16);
ABI_AT(struct core_header, ward_entry, 120);
ABI_SIZE(struct core_header, 152);

/* What the ward must know about the machine; written once by the placer, before the ward's first instruction. */
struct ward_state {
    uint64_t ram_end[2];    /* RAM is [0, ram_end[0]) and [4 GiB, ram_end[1])                                  */
    uint64_t window_lo, window_hi;
    uint64_t tables_size;   /* bytes                                                                          */
    uint64_t ward_gpa;
    uint32_t guarded;
    uint32_t tee;
    uint32_t cpus;
    uint32_t launch_flags;
};
ABI_SIZE(struct ward_state, 64);

#endif
