/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regions of a space: a treap by start address (random priorities keep it shallow: no balancing
 * cases to get wrong), and a list in the same order for neighbours. Nothing here touches page
 * tables.
 */
#include "guest/fs/fs.h"
#include "guest/mm/space.h"

static uint32_t next_priority(void)
{
    static uint32_t x = 0x9e3779b9;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return x;
}

/* ---- treap ----------------------------------------------------------------------------------- */

static void split_tree(struct region *t, uint64_t key, struct region **below, struct region **above)
{
    if (t == NULL) {
        *below = *above = NULL;
    } else if (t->lo < key) {
        *below = t;
        split_tree(t->right, key, &t->right, above);
    } else {
        *above = t;
        split_tree(t->left, key, below, &t->left);
    }
}

static struct region *join_trees(struct region *below, struct region *above)
{
    if (below == NULL) { return above; }
    if (above == NULL) { return below; }
    if (below->priority > above->priority) {
        below->right = join_trees(below->right, above);
        return below;
    }
    above->left = join_trees(below, above->left);
    return above;
}

struct region *region_at_or_above(const struct space *s, uint64_t va)
{
    struct region *best = NULL;
    for (struct region *r = s->tree; r != NULL;) {
        if (r->hi > va) {
            best = r;
            r = r->left;
        } else {
            r = r->right;
        }
    }
    return best;
}

struct region *region_find(const struct space *s, uint64_t va)
{
    struct region *r = region_at_or_above(s, va);
    return r != NULL && r->lo <= va ? r : NULL;
}

struct region *region_next(const struct region *r)
{
    struct list *l = r->link.next;
    return l == &r->space->regions ? NULL : LIST_ENTRY(l, struct region, link);
}

struct region *region_prev(const struct region *r)
{
    struct list *l = r->link.prev;
    return l == &r->space->regions ? NULL : LIST_ENTRY(l, struct region, link);
}

static void tree_insert(struct space *s, struct region *r)
{
    struct region *above = region_at_or_above(s, r->lo);
    list_add_before(above != NULL ? &above->link : &s->regions, &r->link);
    struct region *low, *high;
    split_tree(s->tree, r->lo, &low, &high);
    s->tree = join_trees(join_trees(low, r), high);
    s->region_count++;
}

static void tree_remove(struct space *s, struct region *r)
{
    struct region *low, *self, *high;
    split_tree(s->tree, r->lo, &low, &self);
    split_tree(self, r->lo + 1, &self, &high);
    s->tree = join_trees(low, high);
    r->left = r->right = NULL;
    list_del(&r->link);
    s->region_count--;
}

/* ---- regions --------------------------------------------------------------------------------- */

static struct region *region_new(struct space *s, const struct region *want)
{
    if (s->region_count >= REGIONS_MAX) { return NULL; }
    struct region *r = mem_alloc(sizeof *r);
    if (r == NULL) { return NULL; }
    *r = *want;
    r->left = r->right = NULL;
    r->priority = next_priority();
    r->space = s;
    r->next_va = r->window = 0;
    list_init(&r->link);
    list_init(&r->of_mobj);
    if (r->mobj != NULL) {
        mobj_get(r->mobj);
        list_add_tail(&r->mobj->maps, &r->of_mobj);
    }
    if (r->file != NULL) { file_get(r->file); }
    return r;
}

void region_free(struct region *r)
{
    list_del(&r->of_mobj);
    mobj_put(r->mobj);
    file_put(r->file);
    mem_free(r);
}

static bool continues(const struct region *a, const struct region *b)
{
    if (a->hi != b->lo || a->prot != b->prot || a->flags != b->flags) { return false; }
    if (a->mobj != b->mobj || a->file != b->file) { return false; }
    return a->mobj == NULL || a->off + (a->hi - a->lo) == b->off;
}

void regions_merge(struct space *s, uint64_t lo, uint64_t hi)
{
    struct region *r = region_at_or_above(s, lo == 0 ? 0 : lo - 1);
    while (r != NULL && r->lo <= hi) {
        struct region *next = region_next(r);
        if (next != NULL && continues(r, next)) {
            tree_remove(s, next);
            r->hi = next->hi;
            region_free(next);
        } else {
            r = next;
        }
    }
}

int region_add(struct space *s, const struct region *want)
{
    struct region *r = region_new(s, want);
    if (r == NULL) { return -ENOMEM; }
    tree_insert(s, r);
    s->pages += (r->hi - r->lo) / PAGE_SIZE;
    regions_merge(s, r->lo, r->hi);
    return 0;
}

void region_remove(struct space *s, struct region *r)
{
    s->pages -= (r->hi - r->lo) / PAGE_SIZE;
    tree_remove(s, r);
}

static int cut_at(struct space *s, uint64_t va)
{
    struct region *r = region_find(s, va);
    if (r == NULL || r->lo == va) { return 0; }
    struct region upper = *r;
    upper.lo = va;
    if (r->mobj != NULL) { upper.off += va - r->lo; }
    struct region *u = region_new(s, &upper);
    if (u == NULL) { return -ENOMEM; }
    r->hi = va;
    tree_insert(s, u);
    return 0;
}

int regions_cut(struct space *s, uint64_t lo, uint64_t hi)
{
    int r = cut_at(s, lo);
    return r < 0 ? r : cut_at(s, hi);
}

bool region_range_free(const struct space *s, uint64_t lo, uint64_t hi)
{
    const struct region *r = region_at_or_above(s, lo);
    return r == NULL || r->lo >= hi;
}

/* The highest free range of len below top, not below bottom. */
static uint64_t gap_below(const struct space *s, uint64_t top, uint64_t bottom, uint64_t len,
                          uint64_t align)
{
    struct region *r = region_at_or_above(s, top - 1);
    struct list *at = r == NULL ? s->regions.prev : r->lo < top ? &r->link : r->link.prev;
    uint64_t end = top;

    for (;; at = at->prev) {
        bool last = at == &s->regions;
        uint64_t floor = last ? bottom : max_u64(bottom, LIST_ENTRY(at, struct region, link)->hi);
        if (end > floor && end - floor >= len) {
            uint64_t lo = align_down(end - len, align);
            if (lo >= floor) { return lo; }
        }
        if (last) { return 0; }
        end = min_u64(end, LIST_ENTRY(at, struct region, link)->lo);
        if (end <= bottom) { return 0; }
    }
}

uint64_t region_gap(const struct space *s, uint64_t len, uint64_t align, bool below_2g)
{
    uint64_t at = 0;
    if (below_2g) { return gap_below(s, 1ull << 31, USER_LOWEST, len, align); }
    if (s->mmap_top > USER_HIGH_LO) { at = gap_below(s, s->mmap_top, USER_HIGH_LO, len, align); }
    return at != 0 ? at : gap_below(s, min_u64(s->mmap_top, LOS_LO), USER_LOWEST, len, align);
}
