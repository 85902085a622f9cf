/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filling page tables from regions: one page because it was touched, its neighbours because they
 * will be.
 *
 * A fault maps a window of FAULT_WINDOW pages, which doubles up to 2 MiB while a region is touched
 * sequentially; after that, and where the application asked for it, anonymous memory comes in 2
 * MiB pages. Entries are made with A and D set: the processor never has to write tables. A write
 * to a private page that somebody else refers to copies it; the last owner writes in place.
 */
#include "guest/mm/frames.h"
#include "guest/mm/space.h"
#include "guest/task/task.h"

#define RLIMIT_STACK_ 3
#define WINDOW_MAX    (CHUNK_SIZE / PAGE_SIZE)

static uint64_t flags_of(const struct region *r, bool w)
{
    return PTE_P | PTE_U | PTE_A | PTE_D | (w ? PTE_W : 0) |
           ((r->prot & LPROT_EXEC) != 0 ? 0 : PTE_NX);
}

static bool is_shared(const struct region *r) { return (r->flags & REGION_SHARED) != 0; }

static bool may_write(const struct region *r) { return (r->prot & LPROT_WRITE) != 0; }

/* ---- one page -------------------------------------------------------------------------------- */

/*
 * A private copy of frame f; f itself when nobody else refers to it, or without memory: then its
 * count says that it is not to be written. Takes over the caller's reference to f.
 */
static gpa_t own_frame(gpa_t f)
{
    gpa_t copy = frame_refs(f) != 1 ? frame_alloc(false) : GPA_NONE;
    if (!gpa_ok(copy)) { return f; }
    memcpy(frame_va(copy), frame_va(f), PAGE_SIZE);
    frame_put(f);
    return copy;
}

/*
 * The frame for the page at va, with a reference for its entry, and whether the entry may have W.
 * `must`: the page was asked for, else only what is already there. GPA_NONE: *err is why (-ENXIO,
 * -ENOMEM), 0 for "not there".
 */
static gpa_t page_for(struct region *r, uint64_t va, bool must, bool write, bool *w, int *err)
{
    struct space *s = r->space;
    *err = must ? -ENOMEM : 0;

    if (s->stash != NULL) {
        gpa_t f = mobj_take(s->stash, va / PAGE_SIZE);
        if (gpa_ok(f)) {
            if (write && must) { f = own_frame(f); }
            *w = may_write(r) && frame_refs(f) == 1;
            return f;
        }
    }
    if (r->mobj == NULL) {
        *w = may_write(r);
        return frame_alloc(true);
    }
    uint64_t idx = (r->off + (va - r->lo)) / PAGE_SIZE;
    if (idx >= mobj_size(r->mobj) / PAGE_SIZE + (mobj_size(r->mobj) % PAGE_SIZE != 0)) {
        *err = must ? -ENXIO : 0;
        return GPA_NONE;
    }
    gpa_t f = mobj_frame(r->mobj, idx, must);
    if (!gpa_ok(f)) { return GPA_NONE; }
    frame_get(f);
    *w = is_shared(r) && may_write(r);
    if (!is_shared(r) && write && must) {
        f = own_frame(f);
        *w = frame_refs(f) == 1;
    }
    return f;
}

/*
 * The entry exists but does not let through a write that the region allows. After a fork whose
 * child is gone again, the neighbours are in the same state: they get W back too.
 */
static int make_writable(struct gather *g, struct region *r, uint32_t t, unsigned i,
                         const uint64_t *e, uint64_t va)
{
    gpa_t old = entry_frame(e[i]);
    if (is_shared(r) || frame_refs(old) == 1) {
        uint64_t window = align_down(va, FAULT_WINDOW * PAGE_SIZE);
        uint64_t lo = max_u64(window, r->lo),
                 hi = min_u64(window + FAULT_WINDOW * PAGE_SIZE, r->hi);
        for (uint64_t at = lo; at < hi; at += PAGE_SIZE) {
            uint64_t n = e[tree_index(at, 1)];
            if ((n & (PTE_P | PTE_W)) != PTE_P ||
                (!is_shared(r) && frame_refs(entry_frame(n)) != 1)) {
                continue;
            }
            table_set(t, 1, tree_index(at, 1), 1, n | PTE_W);
        }
        /* no flush: the fault dropped this vCPU's translation, others find out by a fault */
        return 0;
    }
    gpa_t copy = frame_alloc(false);
    if (!gpa_ok(copy)) { return -ENOMEM; }
    memcpy(frame_va(copy), frame_va(old), PAGE_SIZE);
    table_set(t, 1, i, 1, copy.v | flags_of(r, true));
    gather_page(g, va);
    gather_frame(g, old);
    return 0;
}

/* ---- windows --------------------------------------------------------------------------------- */

/* Adjacent new entries with adjacent frames, set by one call. */
struct run {
    uint32_t t;
    unsigned i, n;
    uint64_t pte;
};

static void run_send(struct run *run)
{
    if (run->n > 0) { table_set(run->t, 1, run->i, run->n, run->pte); }
    run->n = 0;
}

static void run_append(struct run *run, unsigned i, uint64_t pte)
{
    if (run->n > 0 && i == run->i + run->n && pte == run->pte + run->n * PAGE_SIZE) {
        run->n++;
        return;
    }
    run_send(run);
    run->i = i;
    run->n = 1;
    run->pte = pte;
}

static bool sole_owner(gpa_t chunk)
{
    for (uint64_t i = 0; i < CHUNK_FRAMES; i++) {
        if (frame_refs((gpa_t){chunk.v + i * PAGE_SIZE}) != 1) { return false; }
    }
    return true;
}

/*
 * A 2 MiB page at va that can be used as it is: 1. 0: there is none, or it has to be copied, which
 * is done page by page and never for 2 MiB at once.
 */
static int use_chunk(struct gather *g, uint64_t va, bool write)
{
    struct leaf l = tree_find(g->s, va);
    if (l.level != 2 || l.entry == 0) { return 0; }
    uint32_t t = tree_own(g, va, 2, false);
    if (t == TABLE_NONE) { return -ENOMEM; }
    uint64_t e = table_at(t)[l.i];
    if (!write || (e & PTE_W) != 0) { return 1; }
    if (!sole_owner(entry_frame(e))) { return 0; }
    table_set(t, 2, l.i, 1, e | PTE_W);
    gather_page(g, va);
    return 1;
}

/*
 * Pages of [lo, hi), inside r and one 2 MiB window. Those in [must_lo, must_hi) have to be there
 * afterwards.
 */
static int fill(struct gather *g, struct region *r, uint64_t lo, uint64_t hi, uint64_t must_lo,
                uint64_t must_hi, bool write)
{
    int whole = use_chunk(g, lo, write);
    if (whole != 0) { return whole < 0 ? whole : 0; }
    uint32_t t = tree_own(g, lo, 1, false);
    if (t == TABLE_NONE) { return -ENOMEM; }
    const uint64_t *e = table_at(t); /* read once per entry, before its change is queued */
    struct run run = {.t = t};
    int err = 0;

    for (uint64_t va = lo; va < hi && err == 0; va += PAGE_SIZE) {
        unsigned i = tree_index(va, 1);
        bool must = va >= must_lo && va < must_hi, w;
        if ((e[i] & PTE_P) != 0) {
            if (must && write && (e[i] & PTE_W) == 0) { err = make_writable(g, r, t, i, e, va); }
            continue;
        }
        gpa_t f = page_for(r, va, must, write, &w, &err);
        if (gpa_ok(f)) {
            err = 0;
            run_append(&run, i, f.v | flags_of(r, w));
        } else if (!must && r->mobj == NULL) {
            break; /* memory is short: only what was asked for */
        }
    }
    run_send(&run);
    return err;
}

static bool wants_chunk(const struct region *r, uint64_t base)
{
    if (r->mobj != NULL || !may_write(r) || (r->flags & (REGION_STACK | REGION_NOHUGE)) != 0) {
        return false;
    }
    if (r->space->stash != NULL || base < r->lo || r->hi < CHUNK_SIZE ||
        base > r->hi - CHUNK_SIZE) {
        return false;
    }
    return (r->flags & REGION_HUGE) != 0 || (r->window == WINDOW_MAX && r->next_va == base);
}

/* A 2 MiB page at base, if nothing is there yet. False: use small ones. */
static bool fill_chunk(struct gather *g, struct region *r, uint64_t base)
{
    struct leaf l = tree_find(g->s, base);
    if (l.entry != 0 || l.level == 1) { return false; }
    gpa_t c = chunk_alloc();
    if (!gpa_ok(c)) { return false; }
    uint32_t t = tree_own(g, base, 2, false);
    if (t == TABLE_NONE) {
        for (uint64_t i = 0; i < CHUNK_FRAMES; i++) { frame_put((gpa_t){c.v + i * PAGE_SIZE}); }
        return false;
    }
    table_set(t, 2, tree_index(base, 2), 1, c.v | flags_of(r, true) | PTE_PS);
    return true;
}

static int fault_window(struct gather *g, struct region *r, uint64_t va, bool write)
{
    uint64_t base = align_down(va, CHUNK_SIZE);
    uint64_t page = align_down(va, PAGE_SIZE);

    if (wants_chunk(r, base) && fill_chunk(g, r, base)) {
        r->next_va = base + CHUNK_SIZE;
        r->window = WINDOW_MAX;
        return 0;
    }
    bool sequential = r->next_va == page && r->window != 0;
    uint64_t pages = sequential ? min_u64(2 * r->window, WINDOW_MAX) : FAULT_WINDOW;
    uint64_t lo = sequential ? page : align_down(va, FAULT_WINDOW * PAGE_SIZE);
    uint64_t hi = min_u64(lo + pages * PAGE_SIZE, base + CHUNK_SIZE);
    lo = max_u64(lo, r->lo);
    hi = min_u64(hi, r->hi);
    r->window = (uint32_t)pages;
    r->next_va = hi;
    return fill(g, r, lo, hi, page, page + PAGE_SIZE, write);
}

/* ---- faults ---------------------------------------------------------------------------------- */

/* Nothing at va, but the stack region right above it may grow down to it. */
static struct region *grow_stack(struct space *s, uint64_t va)
{
    struct region *r = region_at_or_above(s, va);
    if (r == NULL || (r->flags & REGION_STACK) == 0) { return NULL; }
    uint64_t lo = align_down(va, PAGE_SIZE);
    const struct region *below = region_prev(r);
    if (r->hi - lo > current_proc()->rlim[RLIMIT_STACK_].cur || lo < USER_LOWEST + STACK_GAP) {
        return NULL;
    }
    if (below != NULL && below->prot != 0 && lo - below->hi < STACK_GAP) { return NULL; }
    if (below != NULL && lo < below->hi) { return NULL; }
    s->pages += (r->lo - lo) / PAGE_SIZE;
    r->lo = lo; /* order in tree and list stays */
    return r;
}

static bool allowed(const struct region *r, bool write, bool fetch)
{
    if (write) { return may_write(r); }
    if (fetch) { return (r->prot & LPROT_EXEC) != 0; }
    return r->prot != 0;
}

int space_fault(struct space *s, uint64_t va, uint64_t err)
{
    bool write = (err & PF_WRITE) != 0, fetch = (err & PF_FETCH) != 0;
    if (!user_range_ok(va, 1)) { return -EFAULT; }
    struct region *r = region_find(s, va);
    if (r == NULL) { r = grow_stack(s, va); }
    if (r == NULL) { return -EFAULT; }
    if (!allowed(r, write, fetch)) { return -EACCES; }
    s->minor_faults++;

    struct gather g;
    gather_start(&g, s);
    int result = 0;
    struct leaf l = tree_find(s, va);
    bool nx = (l.entry & PTE_NX) != 0;
    if (l.entry != 0 && (!write || l.writable) && !(fetch && nx)) {
        gather_page(&g, va); /* somebody else was faster: only this vCPU's translation is old */
    } else {
        result = fault_window(&g, r, va, write);
    }
    gather_finish(&g);
    return result;
}

int space_populate(struct space *s, uint64_t lo, uint64_t hi, bool write)
{
    struct gather g;
    int err = 0;
    gather_start(&g, s);
    while (lo < hi && err == 0) {
        struct region *r = region_find(s, lo);
        if (r == NULL) {
            err = -ENOMEM;
            break;
        }
        uint64_t base = align_down(lo, CHUNK_SIZE);
        uint64_t end = min_u64(min_u64(hi, r->hi), base + CHUNK_SIZE);
        if (allowed(r, write, false) && !(wants_chunk(r, base) && fill_chunk(&g, r, base))) {
            err = fill(&g, r, lo, end, lo, end, write);
        }
        lo = end;
    }
    gather_finish(&g);
    return err;
}

char *space_page(struct space *s, uint64_t va, bool write)
{
    struct leaf l = tree_find(s, va);
    if (l.entry == 0 || (write && !l.writable)) {
        if (space_fault(s, va, write ? PF_WRITE : 0) < 0) { return NULL; }
        l = tree_find(s, va);
        if (l.entry == 0 || (write && !l.writable)) { return NULL; }
    }
    return (char *)frame_va(leaf_frame(&l, va)) + va % PAGE_SIZE;
}
