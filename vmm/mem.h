/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory: private RAM and the shared window, each in slots of its own. Device code gets the window only; RAM is
 * reached through mem_ram(), by the TEE back ends.
 */
#ifndef CASEMATE_VMM_MEM_H
#define CASEMATE_VMM_MEM_H

#include "guest/base/err.h"

#define MEM_RAM_MAX 2

struct mem_range {
    uint64_t gpa, size;
    uint8_t *host;
};

struct mem {
    struct mem_range ram[MEM_RAM_MAX]; /* below the hole; from 4 GiB, may be empty */
    struct mem_range window;
    uint64_t tables_size;              /* table region at TABLES_GPA               */
    int next_slot;
};

/* Splits `memory` bytes into RAM and window, maps and registers them. What was mapped is in *m even on failure. */
MUST_CHECK int mem_init(struct mem *m, int vm, uint64_t memory, struct err *e);
void mem_fini(struct mem *m);

/* Host address of [gpa, gpa + len) in RAM, NULL when it is not inside one range. */
void *mem_ram(const struct mem *m, uint64_t gpa, uint64_t len);

/* One more slot (firmware). host is page aligned and stays the caller's. */
MUST_CHECK int mem_slot(struct mem *m, int vm, uint64_t gpa, void *host, uint64_t size, bool readonly, struct err *e);

#endif
