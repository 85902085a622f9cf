/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GDT, IDT and task state segments. Their bytes hold addresses cut into pieces, which no linker can fill in, so
 * firmware/mkimage.c writes them at build time.
 */
#include "firmware/ward/ward.h"

#define GDT_ENTRIES (SEL_TSS / 8 + 2 * CPU_MAX)
#define TSS_SIZE    104
#define IDT_ENTRIES 256

extern uint8_t ward_gdt[GDT_ENTRIES * 8], ward_idt[IDT_ENTRIES * 16], ward_tss[CPU_MAX][128];
extern const uint32_t ward_gdt_limit, ward_idt_limit, ward_tss_limit;

uint8_t ward_gdt[GDT_ENTRIES * 8] ALIGNED(16);
uint8_t ward_idt[IDT_ENTRIES * 16] ALIGNED(16);
uint8_t ward_tss[CPU_MAX][128] ALIGNED(128);
const uint32_t ward_gdt_limit = sizeof ward_gdt - 1;
const uint32_t ward_idt_limit = sizeof ward_idt - 1;
const uint32_t ward_tss_limit = TSS_SIZE - 1;
