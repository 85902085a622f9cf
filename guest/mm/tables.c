/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two implementations of tables.h, chosen by ward_guarded(). Every change has been checked by
 * tree.c; a ward that refuses one has found a bug, which is a panic.
 */
#include "guest/mm/tables.h"

#include "guest/mm/space.h"
#include "guest/ward.h"

/* Tables kept back so that giving memory back never fails for want of a table. */
#define RESERVE 64u

/* Counts live in frames of their own, made when a table of their range is first used. */
#define COUNTS_PER_FRAME (PAGE_SIZE / sizeof(uint32_t))
#define COUNT_FRAMES     (TABLES_MAX / PAGE_SIZE / COUNTS_PER_FRAME)

static uint32_t *counts[COUNT_FRAMES]; /* open regime: of a free table, the next free one */
static uint32_t total, fresh, free_head, in_use;
static uint32_t queued; /* operations in vpage.ops, guarded regime */

void tables_init(void)
{
    total = (uint32_t)(handoff->tables_size / PAGE_SIZE);
    if (ward_guarded()) {
        uint64_t ram_end = handoff->ram[1].size != 0 ? handoff->ram[1].gpa + handoff->ram[1].size
                                                     : handoff->ram[0].size;
        total -= ward_note_pages(handoff->tables_size, ram_end);
    }
    fresh = CORE_TABLES;
    in_use = CORE_TABLES;
    free_head = TABLE_NONE;
    queued = 0;
}

static uint64_t *entries(uint32_t t) { return (uint64_t *)(LOS_TABLES + t * PAGE_SIZE); }

static uint32_t *count_of(uint32_t t)
{
    return &counts[t / COUNTS_PER_FRAME][t % COUNTS_PER_FRAME];
}

static bool counts_make(uint32_t t)
{
    uint32_t **f = &counts[t / COUNTS_PER_FRAME];
    if (*f == NULL) {
        gpa_t g = frame_alloc(true);
        if (!gpa_ok(g)) { return false; }
        *f = frame_va(g);
    }
    return true;
}

/*
 * The next frame of counts is made while this one has room: the table that brings more RAM into use
 * must not wait for RAM.
 */
static bool count_make(uint32_t t)
{
    static bool ahead;
    uint32_t later = t + COUNTS_PER_FRAME / 2;

    if (!counts_make(t)) { return false; }
    if (!ahead && later < total) {
        ahead = true; /* not once more for a table that this frame needs */
        (void)counts_make(later);
        ahead = false;
    }
    return true;
}

/* ---- guarded: a queue of operations ---------------------------------------------------------- */

#define GAP_MAX 8u /* entries without what is wanted cost less than one more operation */

void tables_sync(void)
{
    if (queued == 0) { return; }
    uint32_t n = queued;
    queued = 0;
    if (ward_call(WARD_BATCH, n, 0, 0, 0, 0) != n) { panic("tables: the ward refused a change"); }
}

static void queue(uint32_t call, uint32_t t, uint64_t a, uint64_t b, uint64_t c)
{
    cpu_vpage()->ops[queued++] = (struct ward_op){.call = call, .table = t, .arg = {a, b, c}};
    if (queued == WARD_OPS_MAX) { tables_sync(); }
}

static uint64_t range(unsigned i, unsigned n) { return i | (uint64_t)n << 32; }

/*
 * The next run of [*i, end) that starts and ends with entries that have all of `want`, with gaps of
 * at most GAP_MAX; its length, 0 = none. Reading here is free, each entry of an operation is not.
 */
static unsigned next_run(const uint64_t *e, unsigned *i, unsigned end, uint64_t want)
{
    while (*i < end && (e[*i] & want) != want) { ++*i; }
    unsigned last = *i;
    for (unsigned k = *i; k < end && k - last <= GAP_MAX; k++) {
        if ((e[k] & want) == want) { last = k; }
    }
    return *i < end ? last + 1 - *i : 0;
}

/* ---- tables ---------------------------------------------------------------------------------- */

const uint64_t *table_at(uint32_t t)
{
    tables_sync();
    return entries(t);
}

/*
 * By single stores, never by a string instruction: a host with shadow paging may still watch the
 * page, and then interprets the whole instruction, but lets go after a few stores.
 */
static void zero_entries(uint32_t t)
{
    uint64_t *e = entries(t);
    for (unsigned i = 0; i < TABLE_ENTRIES; i++) { __atomic_store_n(&e[i], 0, __ATOMIC_RELAXED); }
}

static uint32_t new_open(unsigned level)
{
    uint32_t t = free_head;
    if (t != TABLE_NONE) {
        free_head = *count_of(t);
    } else {
        if (fresh == total || !count_make(fresh)) { return TABLE_NONE; }
        t = fresh++;
    }
    zero_entries(t);
    if (level == 4) {
        memcpy(entries(t) + PML4_LOS_LO, entries(CORE_ROOT) + PML4_LOS_LO,
               (PML4_LOS_HI - PML4_LOS_LO) * sizeof(uint64_t));
    }
    return t;
}

static uint32_t new_guarded(unsigned level)
{
    tables_sync();
    int64_t t = ward_call(WARD_TABLE_NEW, level, 0, 0, 0, 0);
    if (t == -EAGAIN) { /* all that is left was freed since somebody's last flush */
        flush_everywhere();
        t = ward_call(WARD_TABLE_NEW, level, 0, 0, 0, 0);
    }
    if (t < 0) { return TABLE_NONE; }
    if (t >= total) { panic("tables: the ward named a table outside the region"); }
    if (!count_make((uint32_t)t)) {
        if (ward_call(WARD_TABLE_FREE, (uint64_t)t, 0, 0, 0, 0) < 0) {
            panic("tables: the ward refused to free");
        }
        return TABLE_NONE;
    }
    return (uint32_t)t;
}

uint32_t tables_left(void) { return total - in_use > RESERVE ? total - in_use - RESERVE : 0; }

uint32_t table_new(unsigned level, bool reserve)
{
    if (!reserve && tables_left() == 0) { return TABLE_NONE; }
    uint32_t t = ward_guarded() ? new_guarded(level) : new_open(level);
    if (t == TABLE_NONE) { return TABLE_NONE; }
    in_use++;
    *count_of(t) = 1;
    return t;
}

void table_get(uint32_t t) { ++*count_of(t); }

uint32_t table_refs(uint32_t t) { return *count_of(t); }

bool table_put(uint32_t t) { return --*count_of(t) == 0; }

void table_free(uint32_t t)
{
    in_use--;
    if (ward_guarded()) {
        tables_sync();
        if (ward_call(WARD_TABLE_FREE, t, 0, 0, 0, 0) < 0) {
            panic("tables: the ward refused to free");
        }
    } else {
        *count_of(t) = free_head;
        free_head = t;
    }
}

void table_set(uint32_t t, unsigned level, unsigned i, unsigned n, uint64_t pte)
{
    if (ward_guarded()) {
        queue(WARD_TABLE_SET, t, range(i, n), pte, 0);
        return;
    }
    uint64_t step = pte == 0 ? 0 : level == 2 ? CHUNK_SIZE : PAGE_SIZE;
    uint64_t *e = entries(t) + i;
    for (unsigned k = 0; k < n; k++, pte += step) {
        __atomic_store_n(&e[k], pte, __ATOMIC_RELAXED);
    }
}

void table_link(uint32_t t, unsigned i, uint32_t child, uint64_t flags)
{
    if (ward_guarded()) {
        queue(WARD_TABLE_LINK, t, i, child, child == TABLE_NONE ? 0 : flags);
        return;
    }
    uint64_t e = child == TABLE_NONE ? 0 : (TABLES_GPA + child * PAGE_SIZE) | flags;
    __atomic_store_n(&entries(t)[i], e, __ATOMIC_RELAXED);
}

void table_clear_w(uint32_t t, unsigned i, unsigned n)
{
    if (ward_guarded()) {
        const uint64_t *e = table_at(t);
        for (unsigned end = i + n; (n = next_run(e, &i, end, PTE_P | PTE_W)) != 0; i += n) {
            queue(WARD_TABLE_MASK, t, range(i, n), PTE_W, 0);
        }
        return;
    }
    uint64_t *e = entries(t) + i;
    for (unsigned k = 0; k < n; k++) {
        if ((e[k] & PTE_W) != 0) { __atomic_store_n(&e[k], e[k] & ~PTE_W, __ATOMIC_RELAXED); }
    }
}

void table_copy(uint32_t dst, uint32_t src)
{
    if (ward_guarded()) {
        const uint64_t *e = table_at(src);
        for (unsigned i = 0, n; (n = next_run(e, &i, TABLE_ENTRIES, PTE_P)) != 0; i += n) {
            queue(WARD_TABLE_COPY, dst, src, range(i, n), PTE_W);
        }
        return;
    }
    uint64_t *to = entries(dst);
    const uint64_t *from = entries(src);
    for (unsigned k = 0; k < TABLE_ENTRIES; k++) { to[k] = from[k] & ~PTE_W; }
}

uint64_t table_root_name(uint32_t t) { return ward_guarded() ? t : TABLES_GPA / PAGE_SIZE + t; }
