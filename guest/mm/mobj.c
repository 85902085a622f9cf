/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory objects: sparse arrays of frames, one per file, shared by read, write and every mapping.
 *
 * The array is a tree of 64-slot nodes, as high as the largest index needs; height 0 is a single
 * frame in the object itself, which is what most files are. A slot of the lowest level is a
 * frame's address, 0 a hole (frame 0 is never given out). The object holds one reference per
 * frame; mappings hold their own.
 *
 * Invariants
 *   1  Frames at or beyond page_count(size) do not exist.
 *   2  Bytes of the last frame behind `size` are zero, so that growing a file shows zeros.
 */
#include "guest/mm/mobj.h"

#define FANOUT_SHIFT 6
#define FANOUT       (1u << FANOUT_SHIFT)
#define HEIGHT_MAX   9 /* 64^9 pages are more than 2^63 bytes */

struct node {
    uint64_t slot[FANOUT]; /* a frame's gpa at level 0, else a struct node */
};

static struct node *node_at(uint64_t slot) { return (struct node *)(uintptr_t)slot; }

static uint64_t page_count(uint64_t size) { return size / PAGE_SIZE + (size % PAGE_SIZE != 0); }

/* Indices that a tree of this height covers, less one. */
static uint64_t last_index(unsigned height)
{
    return height > HEIGHT_MAX ? UINT64_MAX : (1ull << (FANOUT_SHIFT * height)) - 1;
}

struct mobj *mobj_new(void)
{
    struct mobj *o = mem_alloc(sizeof *o);
    if (o == NULL) { return NULL; }
    o->refs = 1;
    list_init(&o->maps);
    return o;
}

void mobj_get(struct mobj *o) { o->refs++; }

uint64_t mobj_size(const struct mobj *o) { return o->size; }

uint64_t mobj_pages(const struct mobj *o) { return o->pages; }

uint64_t mobj_maps(const struct mobj *o)
{
    uint64_t n = 0;
    LIST_EACH (it, &o->maps) { n++; }
    return n;
}

/*
 * Frees frames with index in [lo, hi) below `slot`, whose first index is `base`; then the nodes
 * that became empty.
 */
static void free_below(struct mobj *o, uint64_t *slot, unsigned height, uint64_t base, uint64_t lo,
                       uint64_t hi)
{
    if (*slot == 0) { return; }
    if (height == 0) {
        if (base >= lo && base < hi) {
            frame_put((gpa_t){*slot});
            *slot = 0;
            o->pages--;
        }
        return;
    }
    struct node *n = node_at(*slot);
    uint64_t span = 1ull << (FANOUT_SHIFT * (height - 1));
    bool empty = true;
    for (uint64_t i = 0; i < FANOUT; i++) {
        uint64_t first = base + i * span;
        if (first < hi && (lo <= first || lo - first < span)) {
            free_below(o, &n->slot[i], height - 1, first, lo, hi);
        }
        empty = empty && n->slot[i] == 0;
    }
    if (empty) {
        mem_free(n);
        *slot = 0;
    }
}

static void free_frames(struct mobj *o, uint64_t lo, uint64_t hi)
{
    free_below(o, &o->root, o->height, 0, lo, hi);
    if (o->root == 0) { o->height = 0; }
}

void mobj_put(struct mobj *o)
{
    if (o == NULL || --o->refs > 0) { return; }
    free_frames(o, 0, UINT64_MAX);
    mem_free(o);
}

static bool raise_to(struct mobj *o, uint64_t idx)
{
    while (idx > last_index(o->height)) {
        if (o->root != 0) {
            struct node *n = mem_alloc(sizeof *n);
            if (n == NULL) { return false; }
            n->slot[0] = o->root;
            o->root = (uint64_t)(uintptr_t)n;
        }
        o->height++;
    }
    return true;
}

/* The slot of index idx; NULL: not there, or no memory to make it. */
static uint64_t *slot_of(struct mobj *o, uint64_t idx, bool create)
{
    if (idx > last_index(o->height) && (!create || !raise_to(o, idx))) { return NULL; }
    uint64_t *slot = &o->root;
    for (unsigned h = o->height; h > 0; h--) {
        if (*slot == 0) {
            struct node *n = create ? mem_alloc(sizeof *n) : NULL;
            if (n == NULL) { return NULL; }
            *slot = (uint64_t)(uintptr_t)n;
        }
        slot = &node_at(*slot)->slot[idx >> (FANOUT_SHIFT * (h - 1)) & (FANOUT - 1)];
    }
    return slot;
}

static gpa_t frame_at(struct mobj *o, uint64_t idx, bool create, bool zeroed, bool *out_new)
{
    uint64_t *slot = slot_of(o, idx, create);
    if (slot == NULL) { return GPA_NONE; }
    *out_new = *slot == 0;
    if (*slot == 0) {
        gpa_t g = create ? frame_alloc(zeroed) : GPA_NONE;
        if (!gpa_ok(g)) { return GPA_NONE; }
        *slot = g.v;
        o->pages++;
    }
    return (gpa_t){*slot};
}

gpa_t mobj_frame(struct mobj *o, uint64_t idx, bool create)
{
    bool is_new;
    return frame_at(o, idx, create, true, &is_new);
}

gpa_t mobj_frame_to_fill(struct mobj *o, uint64_t idx, bool *out_new)
{
    return frame_at(o, idx, true, false, out_new);
}

int mobj_insert(struct mobj *o, uint64_t idx, gpa_t take_frame)
{
    uint64_t *slot = slot_of(o, idx, true);
    if (slot == NULL) { return -ENOMEM; }
    if (*slot != 0) {
        frame_put((gpa_t){*slot});
        o->pages--;
    }
    *slot = take_frame.v;
    o->pages++;
    return 0;
}

gpa_t mobj_take(struct mobj *o, uint64_t idx)
{
    uint64_t *slot = slot_of(o, idx, false);
    if (slot == NULL || *slot == 0) { return GPA_NONE; }
    gpa_t g = {*slot};
    *slot = 0;
    o->pages--;
    return g;
}

void mobj_remove(struct mobj *o, uint64_t lo, uint64_t hi) { free_frames(o, lo, hi); }

static bool clone_below(struct mobj *to, uint64_t slot, unsigned height, uint64_t base)
{
    if (slot == 0) { return true; }
    if (height == 0) {
        if (mobj_insert(to, base, (gpa_t){slot}) < 0) { return false; }
        frame_get((gpa_t){slot});
        return true;
    }
    for (uint64_t i = 0; i < FANOUT; i++) {
        uint64_t first = base + (i << (FANOUT_SHIFT * (height - 1)));
        if (!clone_below(to, node_at(slot)->slot[i], height - 1, first)) { return false; }
    }
    return true;
}

struct mobj *mobj_clone(const struct mobj *o)
{
    struct mobj *c = mobj_new();
    if (c == NULL) { return NULL; }
    c->size = o->size;
    if (!clone_below(c, o->root, o->height, 0)) {
        mobj_put(c);
        return NULL;
    }
    return c;
}

static void zero_part(struct mobj *o, uint64_t off, uint64_t len)
{
    gpa_t g = mobj_frame(o, off / PAGE_SIZE, false);
    if (gpa_ok(g)) { memset((char *)frame_va(g) + off % PAGE_SIZE, 0, len); }
}

int mobj_truncate(struct mobj *o, uint64_t size)
{
    if (size > INT64_MAX) { return -EFBIG; }
    uint64_t old = o->size;
    o->size = size;
    if (size < old) {
        uint64_t keep = page_count(size);
        mobj_zap(o, keep, UINT64_MAX, true);
        free_frames(o, keep, UINT64_MAX);
        if (size % PAGE_SIZE != 0) { zero_part(o, size, PAGE_SIZE - size % PAGE_SIZE); }
    }
    return 0;
}

int mobj_punch(struct mobj *o, uint64_t off, uint64_t len)
{
    uint64_t end;
    if (!add_ok(off, len, &end)) { return -EFBIG; }
    uint64_t lo = page_count(off), hi = end / PAGE_SIZE;
    if (lo > hi) {
        zero_part(o, off, len);
        return 0;
    }
    if (off % PAGE_SIZE != 0) { zero_part(o, off, PAGE_SIZE - off % PAGE_SIZE); }
    if (end % PAGE_SIZE != 0) { zero_part(o, end - end % PAGE_SIZE, end % PAGE_SIZE); }
    if (lo < hi) {
        mobj_zap(o, lo, hi, false);
        free_frames(o, lo, hi);
    }
    return 0;
}
