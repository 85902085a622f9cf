/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside mm/: start-up of the frame allocator, and runs of frames for objects larger than a pool
 * slab.
 */
#ifndef CASEMATE_GUEST_MM_FRAMES_H
#define CASEMATE_GUEST_MM_FRAMES_H

#include "guest/mm/mm.h"

#define CHUNK_FRAMES  512u
#define RUN_ORDER_MAX 4u /* 16 frames, 64 KiB */

/*
 * Reads and checks the handoff page; panics when it contradicts itself. Before everything else in
 * mm/.
 */
void frames_init(void);

/*
 * 2^order adjacent frames at their natural alignment, order <= RUN_ORDER_MAX, not zeroed.
 * GPA_NONE: no memory.
 */
gpa_t run_alloc(unsigned order);
/* Frees what run_alloc() gave; the allocator knows the order. */
void run_free(gpa_t g);
/* Bytes of the run that starts at g. */
size_t run_size(gpa_t g);

/* gpa <-> library-OS address in the direct map. */
static inline gpa_t va_frame(const void *va)
{
    return (gpa_t){(uint64_t)(uintptr_t)va - LOS_DIRECT};
}

#endif
