/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page-table tree of a space: walking, making, sharing, taking apart. Knows no regions and no
 * regime.
 *
 * Sharing. A link without W may lead to a table that other spaces link to as well (its count is
 * above 1). Before a space changes anything below such a link it takes the table for itself: the
 * last owner gets W back, others get a copy. Making the copy takes W from every entry of the
 * original too, because what the entries refer to has two owners from then on. Taking W from a
 * shared table is always harmless: nobody can write through it anyway.
 */
#include "guest/mm/frames.h"
#include "guest/mm/space.h"

static uint64_t level_span(unsigned level) { return PAGE_SIZE << (9 * (level - 1)); }

static bool is_leaf(uint64_t entry, unsigned level) { return level == 1 || (entry & PTE_PS) != 0; }

/* ---- references ------------------------------------------------------------------------------ */

static void chunk_each(gpa_t c, void (*fn)(gpa_t))
{
    for (uint64_t i = 0; i < CHUNK_FRAMES; i++) { fn((gpa_t){c.v + i * PAGE_SIZE}); }
}

void tree_drop(uint32_t t, unsigned level)
{
    if (!table_put(t)) { return; }
    const uint64_t *e = table_at(t);
    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        uint64_t entry = e[i];
        if ((entry & PTE_P) == 0 || (level == 4 && i >= PML4_LOS_LO && i < PML4_LOS_HI)) {
            continue;
        }
        if (level == 1) {
            frame_put(entry_frame(entry));
        } else if (is_leaf(entry, level)) {
            chunk_each(entry_frame(entry), frame_put);
        } else {
            table_link(t, i, TABLE_NONE, 0);
            tree_drop(table_child(entry), level - 1);
        }
    }
    table_free(t);
}

/* ---- gather ---------------------------------------------------------------------------------- */

void gather_start(struct gather *g, struct space *s)
{
    g->s = s;
    g->lo = UINT64_MAX;
    g->hi = 0;
    g->all = false;
    g->frames = g->tables = 0;
}

void gather_finish(struct gather *g)
{
    tables_sync();
    if (g->all || g->lo < g->hi) { space_flush(g->s, g->lo, g->hi, g->all); }
    for (unsigned i = 0; i < g->frames; i++) {
        gpa_t f = {g->frame[i] & PTE_FRAME};
        if ((g->frame[i] & 1) != 0) {
            chunk_each(f, frame_put);
        } else {
            frame_put(f);
        }
    }
    for (unsigned i = 0; i < g->tables; i++) { tree_drop(g->table[i].t, g->table[i].level); }
    gather_start(g, g->s);
}

void gather_page(struct gather *g, uint64_t va)
{
    g->lo = min_u64(g->lo, va);
    g->hi = max_u64(g->hi, va + PAGE_SIZE);
}

static void gather_range(struct gather *g, uint64_t lo, uint64_t hi)
{
    g->lo = min_u64(g->lo, lo);
    g->hi = max_u64(g->hi, hi);
}

static void gather_put(struct gather *g, uint64_t frame)
{
    if (g->frames == GATHER_FRAMES) { gather_finish(g); }
    g->frame[g->frames++] = frame;
}

void gather_frame(struct gather *g, gpa_t f) { gather_put(g, f.v); }

static void gather_table(struct gather *g, uint32_t t, unsigned level)
{
    if (g->tables == GATHER_TABLES) { gather_finish(g); }
    g->all = true;
    g->table[g->tables].t = t;
    g->table[g->tables++].level = level;
}

/* ---- look-up --------------------------------------------------------------------------------- */

struct leaf tree_find(const struct space *s, uint64_t va)
{
    struct leaf l = {.t = s->root, .level = 4, .path = true};
    for (;; l.level--) {
        l.i = tree_index(va, l.level);
        uint64_t e = table_at(l.t)[l.i];
        if ((e & PTE_P) == 0) { return l; }
        if (is_leaf(e, l.level)) {
            l.entry = e;
            l.writable = l.path && (e & PTE_W) != 0;
            return l;
        }
        l.path = l.path && (e & PTE_W) != 0;
        l.t = table_child(e);
    }
}

gpa_t leaf_frame(const struct leaf *l, uint64_t va)
{
    uint64_t inside = l->level == 2 ? va & (CHUNK_SIZE - 1) & ~(PAGE_SIZE - 1) : 0;
    return (gpa_t){entry_frame(l->entry).v + inside};
}

/* ---- ownership ------------------------------------------------------------------------------- */

/* The 2 MiB page at entry i of t (level 2) becomes a table of 4 KiB pages with the same rights. */
static uint32_t split(struct gather *g, uint32_t t, unsigned i, uint64_t va, bool reserve)
{
    uint64_t e = table_at(t)[i];
    uint32_t leaf = table_new(1, reserve);
    if (leaf == TABLE_NONE) { return TABLE_NONE; }
    table_set(leaf, 1, 0, TABLE_ENTRIES, e & ~PTE_PS);
    table_set(t, 2, i, 1, 0);
    table_link(t, i, leaf, PTE_LINK | PTE_W);
    uint64_t base = align_down(va, CHUNK_SIZE);
    gather_range(g, base, base + CHUNK_SIZE);
    return leaf;
}

/* A copy of the shared table `from`, which keeps its other owners. */
static uint32_t unshare(struct gather *g, uint32_t from, unsigned level, bool reserve)
{
    uint32_t t = table_new(level, reserve);
    if (t == TABLE_NONE) { return TABLE_NONE; }
    table_clear_w(from, 0, TABLE_ENTRIES);
    table_copy(t, from);
    const uint64_t *e = table_at(t);
    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        if ((e[i] & PTE_P) == 0) { continue; }
        if (level == 1) {
            frame_get(entry_frame(e[i]));
        } else if (is_leaf(e[i], level)) {
            chunk_each(entry_frame(e[i]), frame_get);
        } else {
            table_get(table_child(e[i]));
        }
    }
    if (table_put(from)) { panic("tree: a shared table had one owner"); }
    g->all = true; /* cached upper entries still lead to the original */
    return t;
}

/* The table behind entry i of t (level), owned. */
static uint32_t own_child(struct gather *g, uint32_t t, unsigned level, uint64_t va, bool reserve)
{
    unsigned i = tree_index(va, level);
    uint64_t e = table_at(t)[i];

    if ((e & PTE_P) == 0) {
        uint32_t child = table_new(level - 1, reserve);
        if (child != TABLE_NONE) { table_link(t, i, child, PTE_LINK | PTE_W); }
        return child;
    }
    if (is_leaf(e, level)) { return split(g, t, i, va, reserve); }
    uint32_t child = table_child(e);
    if ((e & PTE_W) != 0) { return child; }
    if (table_refs(child) > 1) {
        child = unshare(g, child, level - 1, reserve);
        if (child == TABLE_NONE) { return TABLE_NONE; }
    }
    table_link(t, i, child, PTE_LINK | PTE_W);
    return child;
}

uint32_t tree_own(struct gather *g, uint64_t va, unsigned level, bool reserve)
{
    uint32_t t = g->s->root;
    for (unsigned l = 4; l > level && t != TABLE_NONE; l--) { t = own_child(g, t, l, va, reserve); }
    return t;
}

/* ---- copies ---------------------------------------------------------------------------------- */

static bool is_ours(unsigned level, unsigned i)
{
    return level == 4 && i >= PML4_LOS_LO && i < PML4_LOS_HI;
}

void tree_share(struct space *from, struct space *to)
{
    const uint64_t *e = table_at(from->root);
    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        if ((e[i] & PTE_P) == 0 || is_ours(4, i)) { continue; }
        table_get(table_child(e[i]));
        table_link(to->root, i, table_child(e[i]), PTE_LINK);
        table_clear_w(from->root, i, 1);
    }
}

static void copy_leaf_table(uint32_t from, uint32_t to)
{
    table_clear_w(from, 0, TABLE_ENTRIES);
    table_copy(to, from);
    const uint64_t *e = table_at(to);
    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        if ((e[i] & PTE_P) != 0) { frame_get(entry_frame(e[i])); }
    }
}

static bool copy_below(uint32_t from, uint32_t to, unsigned level)
{
    if (level == 1) {
        copy_leaf_table(from, to);
        return true;
    }
    const uint64_t *e = table_at(from); /* only W changes below */
    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        if ((e[i] & PTE_P) == 0 || is_ours(level, i)) { continue; }
        if (is_leaf(e[i], level)) {
            chunk_each(entry_frame(e[i]), frame_get);
            table_set(to, 2, i, 1, e[i] & ~PTE_W);
            table_clear_w(from, i, 1);
            continue;
        }
        uint64_t there = table_at(to)[i]; /* a tree that was used before has it */
        uint32_t child = (there & PTE_P) != 0 ? table_child(there) : table_new(level - 1, false);
        if (child == TABLE_NONE) { return false; }
        if ((there & PTE_P) == 0) { table_link(to, i, child, PTE_LINK | PTE_W); }
        if (!copy_below(table_child(e[i]), child, level - 1)) { return false; }
    }
    return true;
}

bool tree_copy(struct space *from, struct space *to) { return copy_below(from->root, to->root, 4); }

static void clear_leaves(struct gather *g, uint32_t t, uint64_t lo, uint64_t hi)
{
    const uint64_t *e = table_at(t);
    unsigned first = tree_index(lo, 1), count = (unsigned)((hi - lo) / PAGE_SIZE);
    uint64_t had[TABLE_ENTRIES / 64] = {0};

    for (unsigned k = 0; k < count; k++) {
        if ((e[first + k] & PTE_P) != 0) { had[k / 64] |= 1ull << (k % 64); }
    }
    for (unsigned k = 0; k < count;) {
        if ((had[k / 64] >> (k % 64) & 1) == 0) {
            k++;
            continue;
        }
        unsigned n = 0;
        while (k + n < count && n < GATHER_FRAMES &&
               (had[(k + n) / 64] >> ((k + n) % 64) & 1) != 0) {
            n++;
        }
        if (g->frames + n > GATHER_FRAMES) { gather_finish(g); }
        for (unsigned j = k; j < k + n; j++) { gather_put(g, entry_frame(e[first + j]).v); }
        table_set(t, 1, first + k, n, 0);
        gather_range(g, lo + k * PAGE_SIZE, lo + (k + n) * PAGE_SIZE);
        k += n;
    }
}

static void empty_below(struct gather *g, uint32_t t, unsigned level, uint64_t base)
{
    if (level == 1) {
        clear_leaves(g, t, base, base + CHUNK_SIZE);
        return;
    }
    const uint64_t *e = table_at(t);
    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        uint64_t entry = e[i];
        if ((entry & PTE_P) == 0 || is_ours(level, i)) { continue; }
        if (is_leaf(entry, level)) {
            table_set(t, 2, i, 1, 0);
            gather_put(g, entry_frame(entry).v | 1);
        } else if ((entry & PTE_W) == 0) {
            table_link(t, i, TABLE_NONE, 0);
            gather_table(g, table_child(entry), level - 1);
        } else {
            empty_below(g, table_child(entry), level - 1, base + i * level_span(level));
        }
    }
}

void tree_empty(struct gather *g)
{
    empty_below(g, g->s->root, 4, 0);
    g->all = true;
}

static unsigned leaf_tables(uint32_t t, unsigned level, unsigned most)
{
    const uint64_t *e = table_at(t);
    unsigned n = 0;
    for (unsigned i = 0; i < TABLE_ENTRIES && n < most; i++) {
        if ((e[i] & PTE_P) == 0 || is_ours(level, i)) { continue; }
        n += level == 2 ? 1 : leaf_tables(table_child(e[i]), level - 1, most - n);
    }
    return n;
}

unsigned tree_leaf_tables(const struct space *s, unsigned most)
{
    return leaf_tables(s->root, 4, most);
}

/* ---- removal --------------------------------------------------------------------------------- */

static void clear_below(struct gather *g, uint32_t t, unsigned level, uint64_t lo, uint64_t hi)
{
    if (level == 1) {
        clear_leaves(g, t, lo, hi);
        return;
    }
    uint64_t span = level_span(level);
    for (uint64_t at = lo; at < hi;) {
        uint64_t end = min_u64(hi, align_down(at, span) + span);
        bool whole = at % span == 0 && end - at == span;
        unsigned i = tree_index(at, level);
        uint64_t e = table_at(t)[i];
        if ((e & PTE_P) != 0 && whole && is_leaf(e, level)) {
            table_set(t, 2, i, 1, 0);
            gather_range(g, at, end);
            gather_put(g, entry_frame(e).v | 1);
        } else if ((e & PTE_P) != 0 && whole) {
            table_link(t, i, TABLE_NONE, 0);
            gather_table(g, table_child(e), level - 1);
        } else if ((e & PTE_P) != 0) {
            uint32_t child = own_child(g, t, level, at, true);
            if (child == TABLE_NONE) { panic("tree: no table left to take memory back"); }
            clear_below(g, child, level - 1, at, end);
        }
        at = end;
    }
}

void tree_clear(struct gather *g, uint64_t lo, uint64_t hi)
{
    if (lo < hi) { clear_below(g, g->s->root, 4, lo, hi); }
}

/* ---- protection ------------------------------------------------------------------------------ */

/* Entries [i, i + n) of t, a table of 4 KiB or 2 MiB pages. Not owned unless nx has to change. */
static int protect_entries(struct gather *g, struct leaf *l, uint64_t va, unsigned n, bool w,
                           uint64_t nx, bool *narrowed)
{
    const uint64_t *e = table_at(l->t);
    bool rewrite = false;
    for (unsigned k = 0; k < n; k++) {
        uint64_t old = e[l->i + k];
        if ((old & PTE_P) == 0) { continue; }
        rewrite = rewrite || ((old ^ nx) & PTE_NX) != 0;
        *narrowed = *narrowed || (!w && (old & PTE_W) != 0) || (nx != 0 && (old & PTE_NX) == 0);
    }
    if (!rewrite) {
        if (!w && *narrowed) { table_clear_w(l->t, l->i, n); }
        return 0;
    }
    uint32_t t = tree_own(g, va, l->level, false);
    if (t == TABLE_NONE) { return -ENOMEM; }
    e = table_at(t);
    for (unsigned k = 0; k < n; k++) {
        uint64_t old = e[l->i + k]; /* queued changes are to other entries */
        if ((old & PTE_P) != 0) {
            table_set(t, l->level, l->i + k, 1, (old & ~(PTE_NX | (w ? 0 : PTE_W))) | nx);
        }
    }
    return 0;
}

/*
 * The next page at or after va that has a table down to level 1 or a 2 MiB page, before hi; hi:
 * none.
 */
static uint64_t skip_empty(const struct space *s, uint64_t va, uint64_t hi, struct leaf *out)
{
    *out = (struct leaf){0};
    while (va < hi) {
        *out = tree_find(s, va);
        if (out->level == 1 || out->entry != 0) { return va; }
        uint64_t span = level_span(out->level);
        va = align_down(va, span) + span;
    }
    return hi;
}

int tree_protect(struct gather *g, uint64_t lo, uint64_t hi, bool w, uint64_t nx)
{
    struct leaf l;
    for (uint64_t va = skip_empty(g->s, lo, hi, &l); va < hi; va = skip_empty(g->s, va, hi, &l)) {
        uint64_t end = min_u64(hi, align_down(va, CHUNK_SIZE) + CHUNK_SIZE);
        if (l.level == 2 && end - va < CHUNK_SIZE) {
            uint32_t t = tree_own(g, va, 1, false);
            if (t == TABLE_NONE) { return -ENOMEM; }
            l = tree_find(g->s, va);
        }
        unsigned n = l.level == 2 ? 1 : (unsigned)((end - va) / PAGE_SIZE);
        bool narrowed = false;
        int r = protect_entries(g, &l, va, n, w, nx, &narrowed);
        if (r < 0) { return r; }
        if (narrowed) { gather_range(g, va, end); }
        va = end;
    }
    return 0;
}

uint64_t tree_count(const struct space *s, uint64_t lo, uint64_t hi)
{
    struct leaf l;
    uint64_t count = 0;
    for (uint64_t va = skip_empty(s, lo, hi, &l); va < hi; va = skip_empty(s, va, hi, &l)) {
        uint64_t end = min_u64(hi, align_down(va, CHUNK_SIZE) + CHUNK_SIZE);
        if (l.level == 2) {
            count += (end - va) / PAGE_SIZE;
        } else {
            const uint64_t *e = table_at(l.t);
            for (unsigned k = 0; k < (end - va) / PAGE_SIZE; k++) { count += e[l.i + k] & PTE_P; }
        }
        va = end;
    }
    return count;
}
