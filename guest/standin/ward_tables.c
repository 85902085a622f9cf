/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guarded regime of the stand-in: the ward's table calls, with the checks that find mistakes
 * of the library OS. What the real ward checks against hostile ring 3 (accepted RAM, spin locks)
 * is tested with the real ward.
 *
 * A refused call says why and aborts: there is no legal reason for one.
 */
#include <stdio.h>
#include <stdlib.h>

#include "guest/los.h"
#include "guest/standin/ward_native.h"
#include "guest/ward.h"

#define TABLES_ALL (TABLES_MAX / PAGE_SIZE)

static struct {
    uint32_t refs;
    uint8_t level; /* 0: free */
    uint32_t freed_at;
} meta[TABLES_ALL];
static uint32_t fresh = CORE_TABLES, flushes = 1;

static uint64_t *entries(uint64_t t) { return (uint64_t *)(LOS_TABLES + t * PAGE_SIZE); }
static uint32_t count(void)
{
    return (uint32_t)(handoff->tables_size / PAGE_SIZE) -
           ward_note_pages(handoff->tables_size, handoff->ram[0].size);
}
static uint64_t child_of(uint64_t e) { return ((e & PTE_FRAME) - TABLES_GPA) / PAGE_SIZE; }
static bool is_leaf(unsigned level, uint64_t e) { return level == 1 || (e & PTE_PS) != 0; }

static void require(bool ok, const char *what)
{
    if (ok) { return; }
    fprintf(stderr, "stand-in ward: %s\n", what);
    abort();
}

void native_tables_flushed(void) { flushes++; }

static int64_t table_new(uint64_t level)
{
    require(level >= 1 && level <= 4, "table_new: level");
    bool waiting = false;
    for (uint32_t t = CORE_TABLES; t < fresh; t++) {
        if (meta[t].level == 0 && meta[t].freed_at < flushes) {
            memset(entries(t), 0, PAGE_SIZE);
            meta[t].level = (uint8_t)level;
            return t;
        }
        waiting = waiting || meta[t].level == 0;
    }
    if (fresh == count()) { return waiting ? -EAGAIN : -ENOMEM; }
    meta[fresh].level = (uint8_t)level;
    return fresh++;
}

static void table_free(uint64_t t)
{
    require(t < fresh && meta[t].level != 0, "table_free: not a table");
    require(meta[t].refs == 0, "table_free: something links to it");
    unsigned level = meta[t].level;
    for (unsigned i = 0; i < 512 && level > 1; i++) {
        uint64_t e = entries(t)[i];
        bool own = level == 4 && i >= PML4_LOS_LO && i < PML4_LOS_HI;
        require((e & PTE_P) == 0 || own || is_leaf(level, e), "table_free: it links to something");
    }
    meta[t].level = 0;
    meta[t].freed_at = flushes;
}

static void range_ok(uint64_t t, unsigned i, unsigned n)
{
    require(t < fresh && meta[t].level != 0, "not a table");
    require(n >= 1 && i < 512 && n <= 512 - i, "range");
}

static void table_set(uint64_t t, unsigned i, unsigned n, uint64_t pte)
{
    range_ok(t, i, n);
    uint64_t step = meta[t].level == 2 ? CHUNK_SIZE : PAGE_SIZE, gpa = pte & PTE_FRAME;
    require(meta[t].level <= 2, "table_set: level");
    require(pte == 0 || (meta[t].level == 2) == ((pte & PTE_PS) != 0), "table_set: PS");
    require(pte == 0 || (gpa % step == 0 && range_fits(handoff->ram[0].size, gpa, n * step)),
            "table_set: frame");
    require(pte == 0 || gpa >= TABLES_GPA + handoff->tables_size || gpa + n * step <= TABLES_GPA,
            "table_set: a table");
    for (unsigned k = 0; k < n; k++, pte += pte != 0 ? step : 0) {
        uint64_t *e = entries(t) + i + k;
        require((*e & PTE_P) == 0 || is_leaf(meta[t].level, *e), "table_set: over a link");
        *e = pte;
    }
}

static void table_link(uint64_t t, unsigned i, uint64_t child, uint64_t flags)
{
    range_ok(t, i, 1);
    uint64_t *e = entries(t) + i;
    require(meta[t].level > 1, "table_link: level");
    require((*e & PTE_P) == 0 || !is_leaf(meta[t].level, *e), "table_link: over a page");
    if ((*e & PTE_P) != 0) { meta[child_of(*e)].refs--; }
    *e = 0;
    if (child == WARD_NONE) { return; }
    require(child < fresh && meta[child].level == meta[t].level - 1,
            "table_link: the child's level");
    meta[child].refs++;
    *e = (TABLES_GPA + child * PAGE_SIZE) | flags;
}

static void table_mask(uint64_t t, unsigned i, unsigned n, uint64_t clear)
{
    range_ok(t, i, n);
    for (unsigned k = i; k < i + n; k++) { entries(t)[k] &= ~clear; }
}

static void table_copy(uint64_t dst, uint64_t src, unsigned i, unsigned n, uint64_t clear)
{
    range_ok(dst, i, n);
    range_ok(src, i, n);
    require(meta[dst].level == meta[src].level, "table_copy: levels");
    for (unsigned k = i; k < i + n; k++) {
        uint64_t e = entries(src)[k];
        require((entries(dst)[k] & PTE_P) == 0, "table_copy: over an entry");
        if ((e & PTE_P) == 0) { continue; }
        if (!is_leaf(meta[src].level, e)) { meta[child_of(e)].refs++; }
        entries(dst)[k] = e & ~clear;
    }
}

int64_t native_table_call(uint64_t nr, uint64_t t, uint64_t a, uint64_t b, uint64_t c)
{
    require(ward_guarded(), "a table call in the open regime");
    unsigned i = (unsigned)a, n = (unsigned)(a >> 32);
    switch (nr) {
    case WARD_TABLE_NEW: return table_new(t);
    case WARD_TABLE_FREE: table_free(t); return 0;
    case WARD_TABLE_SET: table_set(t, i, n, b); return 0;
    case WARD_TABLE_LINK: table_link(t, i, b, c); return 0;
    case WARD_TABLE_MASK: table_mask(t, i, n, b); return 0;
    case WARD_TABLE_COPY: table_copy(t, a, (unsigned)b, (unsigned)(b >> 32), c); return 0;
    default: require(false, "an unknown table call"); return -ENOSYS;
    }
}
