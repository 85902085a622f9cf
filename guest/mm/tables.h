/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page tables: the one primitive over both regimes. Tables are pages of the table region, named by
 * index. In the open regime these functions store into them; in the guarded one they are ward
 * calls, gathered into batches that leave before anybody reads a table. tree.c builds on them and
 * knows no regime.
 *
 * References: the number of links to a table plus holders; the library OS counts them in both
 * regimes.
 */
#ifndef CASEMATE_GUEST_MM_TABLES_H
#define CASEMATE_GUEST_MM_TABLES_H

#include "firmware/abi/ward.h"
#include "guest/mm/mm.h"

#define TABLE_NONE    WARD_NONE
#define TABLE_ENTRIES 512u
#define PTE_LINK                                                                                   \
    (PTE_P | PTE_U | PTE_A) /* of a link; | PTE_W when the child is the linker's alone */

void tables_init(void);

/*
 * An empty table with one reference, for the link the caller makes. TABLE_NONE: none left;
 * `reserve` takes the last.
 */
uint32_t table_new(unsigned level, bool reserve);
uint32_t tables_left(void); /* without the reserve */
void table_get(uint32_t t);
uint32_t table_refs(uint32_t t);
/*
 * One reference less; true: that was the last, the caller calls table_free() once nothing links to
 * it.
 */
MUST_CHECK bool table_put(uint32_t t);
/* Nothing links to t any more, and t links to no table. */
void table_free(uint32_t t);

/* The entries, up to date. Valid until the next change. */
const uint64_t *table_at(uint32_t t);
static inline uint32_t table_child(uint64_t entry)
{
    return (uint32_t)(((entry & PTE_FRAME) - TABLES_GPA) / PAGE_SIZE);
}
static inline gpa_t entry_frame(uint64_t entry) { return (gpa_t){entry & PTE_FRAME}; }

/*
 * n leaf entries from i on, frames advancing (4 KiB at level 1; 2 MiB at level 2, then pte has
 * PTE_PS). 0 clears.
 */
void table_set(uint32_t t, unsigned level, unsigned i, unsigned n, uint64_t pte);
/*
 * child TABLE_NONE unlinks. flags: PTE_LINK, perhaps PTE_W. Counts of library OS references do not
 * change.
 */
void table_link(uint32_t t, unsigned i, uint32_t child, uint64_t flags);
void table_clear_w(uint32_t t, unsigned i, unsigned n);
/* Same entries, without W, into the empty dst. */
void table_copy(uint32_t dst, uint32_t src);
/* Everything above has happened when this returns. Before the big lock is dropped. */
void tables_sync(void);

/* What WARD_SPACE_LOAD wants for a root. */
uint64_t table_root_name(uint32_t t);

#endif
