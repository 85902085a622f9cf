/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork: a copy-on-write copy of an address space, in one of two ways.
 *
 * A large process shares its tables with the child: two or three links lose W, whatever its size;
 * what either side changes later is copied on the way (tree.c). That way costs dozens of changes
 * to live tables in the first writes, each of which a deprivileged host may trap. So a small
 * process, which most that fork are, gets tables of its own at once, and the pages that both sides
 * are sure to write next are copied now: a copy costs less than a hundredth of the two faults it
 * saves.
 */
#include "guest/mm/space.h"

#include "guest/fs/fs.h"
#include "guest/task/arch.h"
#include "guest/task/task.h"

#define SMALL_TABLES 16u /* of 512 pages */
#define COPIES_MAX   32u

/* ---- pages copied ahead ---------------------------------------------------------------------- */

/* Gives the child its own frame for a page that only these two have, and both W again. */
static bool copy_now(struct space *s, struct space *child, const struct region *r, uint64_t va)
{
    struct leaf mine = tree_find(s, va), theirs = tree_find(child, va);
    if (mine.entry == 0 || mine.level != 1 || !mine.path || theirs.level != 1) { return false; }
    gpa_t f = entry_frame(mine.entry);

    if ((r->flags & REGION_SHARED) == 0) {
        gpa_t copy = frame_refs(f) == 2 ? frame_alloc(false) : GPA_NONE;
        if (!gpa_ok(copy)) { return false; }
        memcpy(frame_va(copy), frame_va(f), PAGE_SIZE);
        table_set(theirs.t, 1, theirs.i, 1, (mine.entry & ~PTE_FRAME) | copy.v | PTE_W);
        frame_put(f);
    } else {
        table_set(theirs.t, 1, theirs.i, 1, mine.entry | PTE_W);
    }
    table_set(mine.t, 1, mine.i, 1, mine.entry | PTE_W);
    return true;
}

/*
 * Is va, in the writable region r, sure to be written soon? Data of programs and libraries; the
 * stack; the thread's own.
 */
static bool is_hot(const struct region *r, uint64_t va, uint64_t rsp, uint64_t thread)
{
    bool data = r->file != NULL || (r->flags & (REGION_STACK | REGION_HEAP)) == 0;
    if (data && r->hi - r->lo <= EAGER_COPY) { return true; }
    return (va <= rsp && rsp < va + 2 * PAGE_SIZE) || va == align_down(thread, PAGE_SIZE);
}

static void copy_hot(struct space *s, struct space *child)
{
    uint64_t rsp = current()->regs->rsp, thread = arch_fs_get();
    unsigned copies = 0;

    LIST_EACH (it, &s->regions) {
        const struct region *r = LIST_ENTRY(it, struct region, link);
        if ((r->prot & LPROT_WRITE) == 0 ||
            (r->flags & (REGION_DONTFORK | REGION_WIPEONFORK)) != 0) {
            continue;
        }
        bool shared = (r->flags & REGION_SHARED) != 0;
        for (uint64_t va = r->lo; va < r->hi; va += PAGE_SIZE) {
            struct leaf l = tree_find(s, va);
            if (l.level > 1) { /* a hole, or a 2 MiB page */
                uint64_t span = PAGE_SIZE << (9 * (l.level - 1));
                va = align_down(va, span) + span - PAGE_SIZE;
                continue;
            }
            if (!shared && (copies == COPIES_MAX || !is_hot(r, va, rsp, thread))) { continue; }
            copies += copy_now(s, child, r, va) && !shared;
        }
    }
}

/* ---- spare trees ----------------------------------------------------------------------------- */

/*
 * Shells and servers fork children of one shape again and again. A dead child's upper tables,
 * already in that shape, are kept for the next one: filling new ones is what a host with shadow
 * paging makes dear.
 */
#define SPARES 4u

static struct {
    uint64_t parent_id; /* 0: free */
    uint32_t root;
} spares[SPARES];

void spare_keep(uint64_t parent_id, uint32_t take_root)
{
    static unsigned next; /* the oldest makes room: its parent may be gone for all we know */
    uint32_t old = spares[next].parent_id != 0 ? spares[next].root : TABLE_NONE;
    spares[next].parent_id = parent_id;
    spares[next].root = take_root;
    next = (next + 1) % SPARES;
    if (old != TABLE_NONE) { tree_drop(old, 4); }
}

static uint32_t spare_take(uint64_t parent_id)
{
    for (unsigned i = 0; i < SPARES; i++) {
        if (spares[i].parent_id == parent_id) {
            spares[i].parent_id = 0;
            return spares[i].root;
        }
    }
    return TABLE_NONE;
}

void spare_drop(uint64_t parent_id)
{
    for (uint32_t t = spare_take(parent_id); t != TABLE_NONE; t = spare_take(parent_id)) {
        tree_drop(t, 4);
    }
}

/* ---- fork ------------------------------------------------------------------------------------ */

/*
 * The child's copy of a region. Its pages come with the tables, except where madvise() said
 * otherwise.
 */
static int fork_region(struct space *child, struct gather *g, const struct region *r)
{
    if ((r->flags & (REGION_DONTFORK | REGION_WIPEONFORK)) != 0) {
        tree_clear(g, r->lo, r->hi);
        if (child->stash != NULL) {
            mobj_remove(child->stash, r->lo / PAGE_SIZE, r->hi / PAGE_SIZE);
        }
    }
    return (r->flags & REGION_DONTFORK) != 0 ? 0 : region_add(child, r);
}

static int fork_regions(struct space *s, struct space *child)
{
    struct gather g;
    int r = 0;
    gather_start(&g, child);
    LIST_EACH (it, &s->regions) {
        r = fork_region(child, &g, LIST_ENTRY(it, struct region, link));
        if (r < 0) { break; }
    }
    gather_finish(&g);
    return r;
}

static bool fork_tables(struct space *s, struct space *child, bool small)
{
    bool ok = true;
    if (!small) {
        tree_share(s, child);
    } else {
        child->parent_id = s->id;
        ok = tree_copy(s, child);
        if (ok && s == current_proc()->space) { copy_hot(s, child); }
    }
    struct gather g;
    gather_start(&g, s);
    g.all = true; /* W is gone from what the parent may have cached */
    gather_finish(&g);
    return ok;
}

struct space *space_fork(struct space *s)
{
    bool small = tree_leaf_tables(s, SMALL_TABLES + 1) <= SMALL_TABLES;
    uint32_t root = small ? spare_take(s->id) : TABLE_NONE;
    struct space *child = space_on(root != TABLE_NONE ? root : table_new(4, false));
    if (child == NULL) { return NULL; }
    child->mmap_top = s->mmap_top;
    child->start_brk = s->start_brk;
    child->brk = s->brk;
    child->start_stack = s->start_stack;
    child->arg_lo = s->arg_lo;
    child->arg_hi = s->arg_hi;
    child->env_lo = s->env_lo;
    child->env_hi = s->env_hi;
    bool ok = fork_tables(s, child, small);
    if (ok && s->stash != NULL) {
        child->stash = mobj_clone(s->stash);
        ok = child->stash != NULL;
    }
    if (ok && fork_regions(s, child) == 0) { return child; }
    space_put(child);
    return NULL;
}
