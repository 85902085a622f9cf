/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mremap: shrink in place, grow in place, or move. Moving moves entries, not bytes; a 2 MiB page
 * moves whole when both addresses allow it. [mremap(2)]
 */
#include "guest/mm/space.h"
#include "guest/sys/sys.h"
#include "guest/task/task.h"

#define MREMAP_MAYMOVE_   1u
#define MREMAP_FIXED_     2u
#define MREMAP_DONTUNMAP_ 4u
#define RLIMIT_AS_        9

/* A region whose object was made for it grows with it. */
static int grow_object(const struct region *r, uint64_t new_len)
{
    uint64_t need = r->off + new_len;
    if (r->mobj == NULL || r->file != NULL || mobj_size(r->mobj) >= need) { return 0; }
    return mobj_truncate(r->mobj, need);
}

static bool move_chunk(struct gather *g, const struct leaf *l, uint64_t from, uint64_t to)
{
    if (l->level != 2 || from % CHUNK_SIZE != 0 || to % CHUNK_SIZE != 0) { return false; }
    uint32_t dst = tree_own(g, to, 2, true), src = tree_own(g, from, 2, true);
    if (dst == TABLE_NONE || src == TABLE_NONE) { panic("mremap: no table left"); }
    uint64_t e = table_at(src)[l->i];
    table_set(dst, 2, tree_index(to, 2), 1, e);
    table_set(src, 2, l->i, 1, 0);
    g->all = true;
    return true;
}

/*
 * Pages of [from, from + len) to `to`. The destination is empty; the caller knows that there are
 * tables enough.
 */
static void move_pages(struct space *s, uint64_t from, uint64_t to, uint64_t len)
{
    struct gather g;
    gather_start(&g, s);
    for (uint64_t off = 0; off < len;) {
        struct leaf l = tree_find(s, from + off);
        if (l.entry == 0) {
            uint64_t span = PAGE_SIZE << (9 * (l.level - 1));
            off = align_down(from + off, span) + span - from;
            continue;
        }
        if (len - off >= CHUNK_SIZE && move_chunk(&g, &l, from + off, to + off)) {
            off += CHUNK_SIZE;
            continue;
        }
        uint32_t dst = tree_own(&g, to + off, 1, true), src = tree_own(&g, from + off, 1, true);
        if (dst == TABLE_NONE || src == TABLE_NONE) { panic("mremap: no table left"); }
        unsigned i = tree_index(from + off, 1);
        uint64_t e = table_at(src)[i];
        table_set(dst, 1, tree_index(to + off, 1), 1, e);
        table_set(src, 1, i, 1, 0);
        gather_page(&g, from + off);
        off += PAGE_SIZE;
    }
    gather_finish(&g);
}

/*
 * Pages of [from, from + len) that wait in the stash wait at `to` as well; -ENOMEM: none does. What
 * is left where they were goes with mobj_remove().
 */
static int copy_stashed(struct space *s, uint64_t from, uint64_t to, uint64_t len)
{
    uint64_t left = s->stash != NULL ? mobj_pages(s->stash) : 0;
    for (uint64_t off = 0; left > 0 && off < len; off += PAGE_SIZE) {
        gpa_t f = mobj_frame(s->stash, (from + off) / PAGE_SIZE, false);
        if (!gpa_ok(f)) { continue; }
        if (mobj_insert(s->stash, (to + off) / PAGE_SIZE, f) < 0) {
            mobj_remove(s->stash, to / PAGE_SIZE, (to + len) / PAGE_SIZE);
            return -ENOMEM;
        }
        frame_get(f);
        left--;
    }
    return 0;
}

static void remove_stashed(struct space *s, uint64_t at, uint64_t len)
{
    if (s->stash != NULL) { mobj_remove(s->stash, at / PAGE_SIZE, (at + len) / PAGE_SIZE); }
}

/* [old, old + old_len), one region, becomes [to, to + new_len). */
static int64_t move(struct space *s, struct region *r, uint64_t old_len, uint64_t to,
                    uint64_t new_len, bool keep_old)
{
    struct region want = *r;
    uint64_t from = r->lo;
    want.lo = to;
    want.hi = to + new_len;
    int e = grow_object(r, new_len);
    if (e == 0 && tables_left() < 2 * (new_len / CHUNK_SIZE + 4)) { e = -ENOMEM; }
    uint64_t both = min_u64(old_len, new_len);
    if (e == 0) { e = copy_stashed(s, from, to, both); }
    if (e < 0) { return e; }
    e = region_add(s, &want);
    remove_stashed(s, e < 0 ? to : from, both);
    if (e < 0) { return e; }
    move_pages(s, from, to, both);
    if (!keep_old) {
        e = space_unmap(s, from, old_len);
        if (e < 0) { return e; }
    }
    return (int64_t)to;
}

static int64_t move_fixed(struct space *s, uint64_t old, uint64_t old_len, uint64_t to,
                          uint64_t new_len, bool keep)
{
    if (to % PAGE_SIZE != 0 || !user_range_ok(to, new_len) || to < USER_LOWEST) { return -EINVAL; }
    if (to < old + old_len && old < to + new_len) { return -EINVAL; }
    int e = space_unmap(s, to, new_len);
    if (e == 0) { e = regions_cut(s, old, old + old_len); }
    return e < 0 ? e : move(s, region_find(s, old), old_len, to, new_len, keep);
}

/* Another mapping of what the shared region at `old` shows, unless that goes to make room for it. */
static int64_t second_view(struct space *s, uint64_t old, uint64_t to, uint64_t len)
{
    if (to < USER_LOWEST || to % PAGE_SIZE != 0 || !user_range_ok(to, len)) { return -ENOMEM; }
    int e = space_unmap(s, to, len);
    const struct region *r = e == 0 ? region_find(s, old) : NULL;
    if (r == NULL) { return e < 0 ? e : -EFAULT; }
    struct region want = *r;
    want.off = r->off + (old - r->lo);
    want.lo = to;
    want.hi = to + len;
    e = region_add(s, &want);
    return e < 0 ? e : (int64_t)to;
}

int64_t sys_mremap(const uint64_t a[6])
{
    struct space *s = current_proc()->space;
    uint64_t old = a[0], old_len, new_len, flags = a[3];
    uint64_t to = a[4];

    if ((flags & ~7ull) != 0 || old % PAGE_SIZE != 0) { return -EINVAL; }
    if ((flags & (MREMAP_FIXED_ | MREMAP_DONTUNMAP_)) != 0 && (flags & MREMAP_MAYMOVE_) == 0) {
        return -EINVAL;
    }
    if (!align_up_ok(a[1], PAGE_SIZE, &old_len) || !align_up_ok(a[2], PAGE_SIZE, &new_len)) {
        return -EINVAL;
    }
    if (new_len == 0 || ((flags & MREMAP_DONTUNMAP_) != 0 && old_len != new_len)) {
        return -EINVAL;
    }
    if (!user_range_ok(old, old_len)) { return -EFAULT; }

    struct region *r = region_find(s, old);
    if (r == NULL) { return -EFAULT; }
    if (old_len == 0) { /* a second mapping of a shared object */
        if ((r->flags & REGION_SHARED) == 0 || (flags & MREMAP_MAYMOVE_) == 0) { return -EINVAL; }
        if ((flags & MREMAP_FIXED_) == 0) { to = region_gap(s, new_len, PAGE_SIZE, false); }
        return second_view(s, old, to, new_len);
    }
    if (r->hi - old < old_len) { return -EFAULT; }
    bool keep = (flags & MREMAP_DONTUNMAP_) != 0;
    if ((flags & MREMAP_FIXED_) != 0) { return move_fixed(s, old, old_len, to, new_len, keep); }
    if (new_len <= old_len && !keep) {
        int e = new_len < old_len ? space_unmap(s, old + new_len, old_len - new_len) : 0;
        return e < 0 ? e : (int64_t)old;
    }
    if (s->pages + (new_len - old_len) / PAGE_SIZE >
        current_proc()->rlim[RLIMIT_AS_].cur / PAGE_SIZE) {
        return -ENOMEM;
    }

    int e = regions_cut(s, old, old + old_len);
    if (e < 0) { return e; }
    r = region_find(s, old);
    if (!keep && user_range_ok(old, new_len) &&
        region_range_free(s, old + old_len, old + new_len)) {
        e = grow_object(r, new_len);
        if (e < 0) { return e; }
        s->pages += (new_len - old_len) / PAGE_SIZE;
        r->hi = old + new_len;
        regions_merge(s, old, old + new_len);
        return (int64_t)old;
    }
    if ((flags & MREMAP_MAYMOVE_) == 0) {
        regions_merge(s, old, old + old_len);
        return -ENOMEM;
    }
    bool big = r->mobj == NULL && new_len >= CHUNK_SIZE && old % CHUNK_SIZE == 0;
    to = region_gap(s, new_len, big ? CHUNK_SIZE : PAGE_SIZE, false);
    if (to == 0) { return -ENOMEM; }
    return move(s, r, old_len, to, new_len, keep);
}
