/* SPDX-License-Identifier: Apache-2.0 */
/* The stand-in's ward, started before anything of the library OS runs. */
#ifndef CASEMATE_GUEST_STANDIN_WARD_NATIVE_H
#define CASEMATE_GUEST_STANDIN_WARD_NATIVE_H

#include "guest/base/cc.h"

extern int native_ram_fd; /* guest RAM, for mapping its frames elsewhere */

void native_ward_start(uint64_t ram_size, bool guarded);

/*
 * What the processor would do, by the machine that is linked in: arch.c has no TLB, arch_native.c
 * has.
 */
void native_space_load(uint32_t root);          /* table index */
void native_flush(uint64_t va, uint64_t pages); /* 0 pages: everything */

/* ward_tables.c: the guarded regime. */
int64_t native_table_call(uint64_t nr, uint64_t t, uint64_t a, uint64_t b, uint64_t c);
void native_tables_flushed(void);

#endif
