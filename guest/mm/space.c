/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address spaces: birth and death (fork: fork.c); flushing; and the operations on ranges that
 * system calls and exec are made of. What a space is, and its invariants: space.h.
 */
#include "guest/mm/space.h"

#include "guest/fs/fs.h"
#include "guest/random.h"
#include "guest/task/sched.h"
#include "guest/task/task.h"
#include "guest/ward.h"

#define RLIMIT_AS_       9
#define MMAP_RANDOM_BITS 28
/* Room for the stack above the top of the mmap area, as Linux has it at least. */
#define STACK_ROOM (1ull << 30)

static struct space *loaded[CPU_MAX]; /* NULL: the root made at build time */

/* ---- life ------------------------------------------------------------------------------------ */

struct space *space_on(uint32_t take_root)
{
    static uint64_t last_id;
    struct space *s = take_root != TABLE_NONE ? mem_alloc(sizeof *s) : NULL;
    if (s == NULL) {
        if (take_root != TABLE_NONE) { tree_drop(take_root, 4); }
        return NULL;
    }
    s->root = take_root;
    s->id = ++last_id;
    s->users = s->refs = 1;
    list_init(&s->regions);
    uint64_t random = 0;
    random_bytes(&random, sizeof random);
    random &= (1ull << MMAP_RANDOM_BITS) - 1;
    s->mmap_top = USER_TOP - STACK_ROOM - random * PAGE_SIZE;
    return s;
}

struct space *space_new(void) { return space_on(table_new(4, false)); }

void space_get(struct space *s) { s->users++; }

static void space_unref(struct space *s)
{
    if (--s->refs > 0) { return; }
    if (s->parent_id != 0) {
        spare_keep(s->parent_id, s->root);
    } else {
        tree_drop(s->root, 4);
    }
    mem_free(s);
}

static void forget_region(struct space *s, struct region *r)
{
    region_remove(s, r);
    region_free(r);
}

void space_put(struct space *s)
{
    if (s == NULL || --s->users > 0) { return; }
    struct gather g;
    gather_start(&g, s);
    if (tree_leaf_tables(s, SPARE_TABLES + 1) > SPARE_TABLES) { s->parent_id = 0; }
    if (s->parent_id != 0) {
        tree_empty(&g);
    } else {
        tree_clear(&g, 0, LOS_LO);
        if (USER_HIGH_LO < USER_TOP) {
            tree_clear(&g, USER_HIGH_LO, align_down(USER_TOP + PAGE_SIZE, 1ull << 39));
        }
    }
    gather_finish(&g);
    LIST_EACH_SAFE (it, &s->regions) { forget_region(s, LIST_ENTRY(it, struct region, link)); }
    mobj_put(s->stash);
    s->stash = NULL;
    spare_drop(s->id);
    if ((s->cpus & 1u << cpu_id()) != 0) { space_load(NULL); }
    space_unref(s);
}

void space_load(struct space *s)
{
    unsigned cpu = cpu_id();
    struct space *old = loaded[cpu];
    if (old == s) { return; }
    ward_call(WARD_SPACE_LOAD, table_root_name(s != NULL ? s->root : CORE_ROOT), 0, 0, 0, 0);
    loaded[cpu] = s;
    if (s != NULL) {
        s->cpus |= 1u << cpu;
        s->refs++;
    }
    if (old != NULL) {
        old->cpus &= ~(1u << cpu);
        space_unref(old);
    }
}

/* ---- flushing -------------------------------------------------------------------------------- */

static void flush_others(uint32_t mask, uint64_t va, uint64_t pages)
{
    uint32_t seq = (uint32_t)ward_call(WARD_FLUSH_OTHERS, mask, va, pages, 0, 0);
    for (unsigned cpu = 0; cpu < CPU_MAX; cpu++) {
        if ((mask >> cpu & 1) == 0) { continue; }
        const struct vpage *v = (const struct vpage *)(LOS_CPU + cpu * CPU_STRIDE + CPU_VPAGE);
        while ((int32_t)(__atomic_load_n(&v->ack, __ATOMIC_ACQUIRE) - seq) < 0) { cpu_relax(); }
    }
}

void space_flush(struct space *s, uint64_t lo, uint64_t hi, bool all)
{
    uint64_t pages = all ? 0 : (hi - lo) / PAGE_SIZE;
    uint32_t self = 1u << cpu_id();

    if ((s->cpus & self) != 0) { ward_call(WARD_FLUSH, all ? 0 : lo, pages, 0, 0, 0); }
    if ((s->cpus & ~self) != 0) { flush_others(s->cpus & ~self, all ? 0 : lo, pages); }
}

void flush_everywhere(void)
{
    uint32_t others = ((1u << cpu_count) - 1) & ~(1u << cpu_id());
    ward_call(WARD_FLUSH, 0, 0, 0, 0, 0);
    if (others != 0) { flush_others(others, 0, 0); }
}

void space_barrier(struct space *s)
{
    uint32_t others = s->cpus & ~(1u << cpu_id());
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (others != 0) { flush_others(others, 0, 1); }
}

/* ---- ranges ---------------------------------------------------------------------------------- */

static bool page_range_ok(uint64_t va, uint64_t len)
{
    return va % PAGE_SIZE == 0 && len % PAGE_SIZE == 0 && len != 0 && user_range_ok(va, len);
}

/* The borders up to which no other region lies: whole tables between them may go. */
static void widen(const struct space *s, uint64_t *lo, uint64_t *hi)
{
    const struct region *above = region_at_or_above(s, *hi);
    const struct list *l = above != NULL ? above->link.prev : s->regions.prev;
    uint64_t zone_lo = *lo < LOS_LO ? 0 : USER_HIGH_LO;
    uint64_t zone_hi = *lo < LOS_LO ? LOS_LO : USER_TOP;
    uint64_t below = l == &s->regions ? 0 : LIST_ENTRY(l, struct region, link)->hi;
    *lo = max_u64(zone_lo, below);
    *hi = above != NULL ? min_u64(zone_hi, above->lo) : zone_hi;
}

static void stash_remove(struct space *s, uint64_t lo, uint64_t hi)
{
    if (s->stash != NULL) { mobj_remove(s->stash, lo / PAGE_SIZE, hi / PAGE_SIZE); }
}

int space_unmap(struct space *s, uint64_t va, uint64_t len)
{
    if (!page_range_ok(va, len)) { return -EINVAL; }
    uint64_t hi = va + len;
    if (region_range_free(s, va, hi)) { return 0; }
    int r = regions_cut(s, va, hi);
    if (r < 0) { return r; }

    struct list gone = LIST_INIT(gone);
    for (struct region *reg = region_at_or_above(s, va); reg != NULL && reg->lo < hi;) {
        struct region *next = region_next(reg);
        region_remove(s, reg);
        list_add_tail(&gone, &reg->link);
        reg = next;
    }
    struct gather g;
    gather_start(&g, s);
    uint64_t wide_lo = va, wide_hi = hi;
    /* else the tables wait for the next mapping there */
    if (len >= CHUNK_SIZE) { widen(s, &wide_lo, &wide_hi); }
    tree_clear(&g, wide_lo, wide_hi);
    gather_finish(&g);
    stash_remove(s, va, hi);
    LIST_EACH_SAFE (it, &gone) {
        list_del(it);
        region_free(LIST_ENTRY(it, struct region, link));
    }
    return 0;
}

void space_discard(struct space *s, uint64_t lo, uint64_t hi)
{
    struct gather g;
    gather_start(&g, s);
    tree_clear(&g, lo, hi);
    gather_finish(&g);
    stash_remove(s, lo, hi);
}

/* Nothing is at va, down to the level of l: the last page that the missing entry would cover. */
static uint64_t last_missing(const struct leaf *l, uint64_t va)
{
    uint64_t span = PAGE_SIZE << (9 * (l->level - 1));
    return align_down(va, span) + span - PAGE_SIZE;
}

/*
 * Private pages of [lo, hi) leave the tables and wait in the stash; shared ones are found again in
 * their object.
 */
static int stash_range(struct space *s, const struct region *r, uint64_t lo, uint64_t hi)
{
    if ((r->flags & REGION_SHARED) == 0) {
        for (uint64_t va = lo; va < hi; va += PAGE_SIZE) {
            struct leaf l = tree_find(s, va);
            if (l.entry == 0) {
                va = last_missing(&l, va);
                continue;
            }
            gpa_t f = leaf_frame(&l, va);
            if (s->stash == NULL && (s->stash = mobj_new()) == NULL) { return -ENOMEM; }
            if (mobj_insert(s->stash, va / PAGE_SIZE, f) < 0) { return -ENOMEM; }
            frame_get(f);
        }
    }
    struct gather g;
    gather_start(&g, s);
    tree_clear(&g, lo, hi);
    gather_finish(&g);
    return 0;
}

static int protect_region(struct space *s, struct region *r, int prot)
{
    if (r->prot == prot) { return 0; }
    if ((prot & LPROT_WRITE) != 0 &&
        (r->flags & (REGION_SHARED | REGION_MAYWRITE)) == REGION_SHARED && r->file != NULL) {
        return -EACCES;
    }
    int result = 0;
    if (prot == 0) {
        result = stash_range(s, r, r->lo, r->hi);
    } else if (r->prot != 0) {
        struct gather g;
        gather_start(&g, s);
        uint64_t nx = (prot & LPROT_EXEC) != 0 ? 0 : PTE_NX;
        result = tree_protect(&g, r->lo, r->hi, (prot & LPROT_WRITE) != 0, nx);
        gather_finish(&g);
    }
    if (result == 0) { r->prot = prot; }
    return result;
}

int space_protect(struct space *s, uint64_t lo, uint64_t hi, int prot)
{
    int result = regions_cut(s, lo, hi);
    uint64_t at = lo;
    for (struct region *r = region_at_or_above(s, lo); result == 0 && at < hi; r = region_next(r)) {
        if (r == NULL || r->lo > at) {
            result = -ENOMEM;
            break;
        }
        result = protect_region(s, r, prot);
        at = r->hi;
    }
    regions_merge(s, lo, hi);
    return result;
}

static int64_t place(struct space *s, uint64_t va, uint64_t len, int flags)
{
    if ((flags & (LMAP_FIXED | LMAP_FIXED_NOREPLACE)) != 0) {
        if (va % PAGE_SIZE != 0) { return -EINVAL; }
        if (!user_range_ok(va, len)) { return -ENOMEM; }
        if (va < USER_LOWEST) { return -EPERM; }
        if ((flags & LMAP_FIXED_NOREPLACE) != 0) {
            return region_range_free(s, va, va + len) ? (int64_t)va : -EEXIST;
        }
        int r = space_unmap(s, va, len);
        return r < 0 ? r : (int64_t)va;
    }
    va = align_down(va, PAGE_SIZE);
    bool low = (flags & LMAP_32BIT) != 0;
    if (va >= USER_LOWEST && user_range_ok(va, len) && region_range_free(s, va, va + len) &&
        (!low || va + len <= 1ull << 31)) {
        return (int64_t)va;
    }
    bool big = (flags & LMAP_ANONYMOUS) != 0 && len % CHUNK_SIZE == 0;
    uint64_t at = region_gap(s, len, big ? CHUNK_SIZE : PAGE_SIZE, low);
    if (at == 0 && big) { at = region_gap(s, len, PAGE_SIZE, low); }
    return at == 0 ? -ENOMEM : (int64_t)at;
}

/* What is behind the new region. Owned references are dropped by the caller. */
static int back(struct region *want, int flags, struct file *f)
{
    if ((flags & LMAP_SHARED) != 0) { want->flags |= REGION_SHARED; }
    if ((flags & LMAP_ANONYMOUS) == 0) {
        want->file = f;
        want->mobj = f->ops->mobj != NULL ? f->ops->mobj(f) : NULL;
        if (want->mobj == NULL) { return -ENODEV; }
        mobj_get(want->mobj);
        bool sealed = (file_seals(f) & (LF_SEAL_WRITE | LF_SEAL_FUTURE_WRITE)) != 0;
        if ((f->flags & LO_ACCMODE) == LO_RDWR && (flags & LMAP_SHARED) != 0 && !sealed) {
            want->flags |= REGION_MAYWRITE;
        }
        return 0;
    }
    want->off = 0;
    if ((flags & LMAP_SHARED) == 0) { return 0; }
    want->mobj = mobj_new();
    return want->mobj == NULL ? -ENOMEM : mobj_truncate(want->mobj, want->hi - want->lo);
}

int64_t space_map(struct space *s, uint64_t va, uint64_t len, int prot, int flags, struct file *f,
                  uint64_t off)
{
    if (!align_up_ok(len, PAGE_SIZE, &len)) { return -ENOMEM; }
    if (len == 0) { return -EINVAL; }
    uint64_t limit = current_proc()->rlim[RLIMIT_AS_].cur / PAGE_SIZE;
    if (s->pages + len / PAGE_SIZE > limit) { return -ENOMEM; }
    uint64_t off_end;
    if (off % PAGE_SIZE != 0) { return -EINVAL; }
    if (!add_ok(off, len, &off_end) || off_end > INT64_MAX) { return -EOVERFLOW; }

    struct region want = {.prot = prot, .off = off, .hi = len};
    int r = back(&want, flags, f);
    if (r == 0) {
        int64_t at = place(s, va, len, flags);
        if (at < 0) {
            r = (int)at;
        } else {
            want.lo = (uint64_t)at;
            want.hi = want.lo + len;
            if ((flags & LMAP_GROWSDOWN) != 0) { want.flags |= REGION_STACK; }
            r = region_add(s, &want);
        }
    }
    mobj_put(want.mobj); /* the region has its own reference */
    return r < 0 ? r : (int64_t)want.lo;
}

/* ---- memory objects shrink ------------------------------------------------------------------- */

static void zap_own(struct region *r, uint64_t lo, uint64_t hi)
{
    struct gather g;
    gather_start(&g, r->space);
    for (uint64_t va = lo; va < hi; va += PAGE_SIZE) {
        struct leaf l = tree_find(r->space, va);
        if (l.entry == 0) {
            va = last_missing(&l, va);
            continue;
        }
        gpa_t f = mobj_frame(r->mobj, (r->off + (va - r->lo)) / PAGE_SIZE, false);
        if (leaf_frame(&l, va).v == f.v) { tree_clear(&g, va, va + PAGE_SIZE); }
    }
    gather_finish(&g);
}

void mobj_zap(struct mobj *o, uint64_t lo, uint64_t hi, bool copies)
{
    LIST_EACH (it, &o->maps) {
        struct region *r = LIST_ENTRY(it, struct region, of_mobj);
        uint64_t first = r->off / PAGE_SIZE, last = first + (r->hi - r->lo) / PAGE_SIZE;
        uint64_t from = max_u64(lo, first), to = min_u64(hi, last);
        if (from >= to) { continue; }
        uint64_t va = r->lo + (from - first) * PAGE_SIZE, end = r->lo + (to - first) * PAGE_SIZE;
        if (copies) {
            space_discard(r->space, va, end);
        } else {
            zap_own(r, va, end);
        }
    }
}

bool mobj_writable_maps(const struct mobj *o)
{
    LIST_EACH (it, &o->maps) {
        if ((LIST_ENTRY(it, struct region, of_mobj)->flags & REGION_MAYWRITE) != 0) { return true; }
    }
    return false;
}

/* ---- looking at spaces ----------------------------------------------------------------------- */

bool space_region(const struct space *s, uint64_t va, struct region_info *out)
{
    const struct region *r = region_at_or_above(s, va);
    if (r == NULL) { return false; }
    *out = (struct region_info){
        .lo = r->lo,
        .hi = r->hi,
        .off = r->off,
        .prot = r->prot,
        .shared = (r->flags & REGION_SHARED) != 0,
        .stack = (r->flags & REGION_STACK) != 0,
        .heap = (r->flags & REGION_HEAP) != 0,
        .file = r->file,
    };
    return true;
}

void space_stat(const struct space *s, struct space_stat *out)
{
    *out = (struct space_stat){
        .size_pages = s->pages,
        .minor_faults = s->minor_faults,
        .start_brk = s->start_brk,
        .brk = s->brk,
        .start_stack = s->start_stack,
        .arg_lo = s->arg_lo,
        .arg_hi = s->arg_hi,
        .env_lo = s->env_lo,
        .env_hi = s->env_hi,
    };
    LIST_EACH (it, &s->regions) {
        const struct region *r = LIST_ENTRY(it, struct region, link);
        uint64_t pages = (r->hi - r->lo) / PAGE_SIZE, present = tree_count(s, r->lo, r->hi);
        out->rss_pages += present;
        if (r->mobj != NULL) { out->shared_pages += present; }
        if ((r->flags & REGION_STACK) != 0) {
            out->stack_pages += pages;
        } else if ((r->prot & LPROT_EXEC) != 0) {
            out->text_pages += pages;
        } else if ((r->prot & LPROT_WRITE) != 0) {
            out->data_pages += pages;
        }
    }
}
