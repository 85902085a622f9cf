/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory system calls: decode, check, then call space.c. Errors and their order as Linux has them;
 * what is accepted and ignored is named. [mmap(2) and neighbours]
 */
#include "guest/fs/fs.h"
#include "guest/mm/space.h"
#include "guest/sys/sys.h"
#include "guest/task/task.h"

#define RLIMIT_DATA_ 2
#define RLIMIT_AS_   9

static struct space *own(void) { return current_proc()->space; }

/*
 * [va, va + len) rounded up to pages, in application memory. -EINVAL: not aligned; -ENOMEM: not
 * application memory.
 */
static int pages_of(uint64_t va, uint64_t len, uint64_t *out_hi)
{
    uint64_t size;
    if (va % PAGE_SIZE != 0) { return -EINVAL; }
    if (!align_up_ok(len, PAGE_SIZE, &size) || !user_range_ok(va, size)) { return -ENOMEM; }
    *out_hi = va + size;
    return 0;
}

/* ---- mmap ------------------------------------------------------------------------------------ */

#define KNOWN_FLAGS                                                                                \
    (LMAP_TYPE | LMAP_FIXED | LMAP_ANONYMOUS | LMAP_32BIT | LMAP_GROWSDOWN | LMAP_LOCKED |         \
     LMAP_POPULATE | LMAP_NONBLOCK | LMAP_STACK | LMAP_HUGETLB | LMAP_FIXED_NOREPLACE |            \
     0x800 /* DENYWRITE */ | 0x1000 /* EXECUTABLE */ | 0x4000 /* NORESERVE */)

static int check_file(const struct file *f, int prot, int flags)
{
    uint32_t mode = f->flags & LO_ACCMODE;
    if ((f->flags & LO_PATH) != 0) { return -EBADF; }
    if (mode == LO_WRONLY) { return -EACCES; }
    if ((flags & LMAP_SHARED) != 0 && (prot & LPROT_WRITE) != 0) {
        if (mode != LO_RDWR || (f->flags & LO_APPEND) != 0) { return -EACCES; }
        if ((file_seals(f) & (LF_SEAL_WRITE | LF_SEAL_FUTURE_WRITE)) != 0) { return -EPERM; }
    }
    return 0;
}

/*
 * Pages that are asked for, or that will be touched next as far as experience goes: a dynamic
 * loader maps segments at fixed places and runs them. One fault costs more than mapping hundreds
 * of pages that exist, or copying a few. What fails here fails again, with an error, at the touch.
 */
static void map_early(uint64_t va, uint64_t len, int prot, int flags)
{
    bool write = (prot & LPROT_WRITE) != 0, file = (flags & LMAP_ANONYMOUS) == 0;
    uint64_t most = 0;

    if ((flags & (LMAP_POPULATE | LMAP_LOCKED)) != 0) {
        most = (flags & LMAP_NONBLOCK) != 0 ? 0 : len;
    } else if (prot == 0 || (flags & LMAP_SHARED) != 0) {
        return;
    } else if (write) {
        most = len <= EAGER_COPY ? len : 0;
    } else if (file) {
        most = min_u64(len, (flags & LMAP_FIXED) != 0 ? EAGER_MAP : EAGER_FIRST);
    }
    if (most > 0) { (void)space_populate(own(), va, va + most, write); }
}

int64_t sys_mmap(const uint64_t a[6])
{
    int prot = (int)a[2] & LPROT_ALL, flags = (int)a[3];
    int type = flags & LMAP_TYPE;
    struct file *f = NULL;

    if (type != LMAP_SHARED && type != LMAP_PRIVATE && type != LMAP_SHARED_VALIDATE) {
        return -EINVAL;
    }
    if (type == LMAP_SHARED_VALIDATE && (flags & ~KNOWN_FLAGS) != 0) { return -EOPNOTSUPP; }
    if (a[1] == 0 || a[5] % PAGE_SIZE != 0) { return -EINVAL; }
    if ((flags & LMAP_HUGETLB) != 0) { return -ENOMEM; }
    if (type == LMAP_SHARED_VALIDATE) { flags = (flags & ~LMAP_TYPE) | LMAP_SHARED; }
    if ((flags & LMAP_ANONYMOUS) == 0) {
        f = fd_file((int)a[4]);
        if (f == NULL) { return -EBADF; }
        int r = check_file(f, prot, flags);
        if (r < 0) { return r; }
    }
    int64_t va = space_map(own(), a[0], a[1], prot, flags, f, f != NULL ? a[5] : 0);
    if (va >= 0) {
        map_early((uint64_t)va, (a[1] + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1), prot, flags);
    }
    return va;
}

int64_t sys_munmap(const uint64_t a[6])
{
    uint64_t hi;
    if (a[1] == 0 || pages_of(a[0], a[1], &hi) < 0) { return -EINVAL; }
    return space_unmap(own(), a[0], hi - a[0]);
}

#define PROT_GROWSDOWN_ 0x01000000
#define PROT_GROWSUP_   0x02000000

int64_t sys_mprotect(const uint64_t a[6])
{
    uint64_t hi, lo = a[0];
    if (lo % PAGE_SIZE != 0 || (a[2] & ~(uint64_t)(LPROT_ALL | PROT_GROWSDOWN_ | 8)) != 0) {
        return -EINVAL;
    }
    if (a[1] == 0) { return 0; }
    int r = pages_of(lo, a[1], &hi);
    if (r < 0) { return r; }
    if ((a[2] & PROT_GROWSDOWN_) != 0) {
        const struct region *stack = region_find(own(), lo);
        if (stack == NULL) { return -ENOMEM; }
        if ((stack->flags & REGION_STACK) == 0) { return -EINVAL; }
        lo = stack->lo;
    }
    return space_protect(own(), lo, hi, (int)a[2] & LPROT_ALL);
}

int64_t sys_pkey_mprotect(const uint64_t a[6])
{
    return (int)a[3] == -1 ? sys_mprotect(a) : -EINVAL;
}

/* Keys are kept for the library OS; programs live without. */
int64_t sys_pkey_alloc(const uint64_t a[6])
{
    (void)a;
    return -ENOSPC;
}

int64_t sys_pkey_free(const uint64_t a[6])
{
    (void)a;
    return -EINVAL;
}

/* ---- brk ------------------------------------------------------------------------------------- */

static int64_t brk_grow(struct space *s, uint64_t old_top, uint64_t top)
{
    const struct proc *p = current_proc();
    if (s->pages + (top - old_top) / PAGE_SIZE > p->rlim[RLIMIT_AS_].cur / PAGE_SIZE) {
        return -ENOMEM;
    }
    if (top - s->start_brk > p->rlim[RLIMIT_DATA_].cur) { return -ENOMEM; }
    if (!region_range_free(s, old_top, top)) { return -ENOMEM; }
    struct region want = {
        .lo = old_top, .hi = top, .prot = LPROT_READ | LPROT_WRITE, .flags = REGION_HEAP};
    int r = region_add(s, &want);
    if (r == 0) { (void)space_populate(s, old_top, min_u64(top, old_top + EAGER_COPY), true); }
    return r;
}

int64_t sys_brk(const uint64_t a[6])
{
    struct space *s = own();
    uint64_t old_top, top;

    if (a[0] < s->start_brk || !user_range_ok(s->start_brk, a[0] - s->start_brk)) {
        return (int64_t)s->brk;
    }
    if (!align_up_ok(s->brk, PAGE_SIZE, &old_top) || !align_up_ok(a[0], PAGE_SIZE, &top)) {
        return (int64_t)s->brk;
    }
    int64_t r = 0;
    if (top > old_top) {
        r = brk_grow(s, old_top, top);
    } else if (top < old_top) {
        r = space_unmap(s, top, old_top - top);
    }
    if (r == 0) { s->brk = a[0]; }
    return (int64_t)s->brk;
}

/* ---- advice, presence, locking --------------------------------------------------------------- */

#define LMADV_WILLNEED       3
#define LMADV_DONTNEED       4
#define LMADV_FREE           8
#define LMADV_REMOVE         9
#define LMADV_DONTFORK       10
#define LMADV_DOFORK         11
#define LMADV_HUGEPAGE       14
#define LMADV_NOHUGEPAGE     15
#define LMADV_DONTDUMP       16
#define LMADV_DODUMP         17
#define LMADV_WIPEONFORK     18
#define LMADV_KEEPONFORK     19
#define LMADV_COLD           20
#define LMADV_PAGEOUT        21
#define LMADV_POPULATE_READ  22
#define LMADV_POPULATE_WRITE 23

/* What an advice does to region flags. False: it does something else. */
static bool advice_flags(uint64_t advice, uint32_t *set, uint32_t *clear)
{
    *set = *clear = 0;
    switch (advice) {
    case LMADV_DONTFORK: *set = REGION_DONTFORK; return true;
    case LMADV_DOFORK: *clear = REGION_DONTFORK; return true;
    case LMADV_HUGEPAGE: *set = REGION_HUGE, *clear = REGION_NOHUGE; return true;
    case LMADV_NOHUGEPAGE: *set = REGION_NOHUGE, *clear = REGION_HUGE; return true;
    case LMADV_WIPEONFORK: *set = REGION_WIPEONFORK; return true;
    case LMADV_KEEPONFORK: *clear = REGION_WIPEONFORK; return true;
    default: return false;
    }
}

static int advise_region(struct space *s, struct region *r, uint64_t lo, uint64_t hi,
                         uint64_t advice)
{
    uint32_t set, clear;
    if (advice_flags(advice, &set, &clear)) {
        if (set == REGION_WIPEONFORK && r->mobj != NULL) { return -EINVAL; }
        r->flags = (r->flags & ~clear) | set;
        return 0;
    }
    if (advice == LMADV_DONTNEED || (advice == LMADV_FREE && r->mobj == NULL)) {
        space_discard(s, lo, hi);
        return 0;
    }
    if (advice == LMADV_FREE) { return -EINVAL; }
    if (advice == LMADV_REMOVE) {
        if ((r->flags & REGION_SHARED) == 0 || !(r->prot & LPROT_WRITE)) { return -EINVAL; }
        return mobj_punch(r->mobj, r->off + (lo - r->lo), hi - lo);
    }
    if (advice == LMADV_POPULATE_READ || advice == LMADV_POPULATE_WRITE) {
        bool write = advice == LMADV_POPULATE_WRITE;
        if (r->prot == 0 || (write && (r->prot & LPROT_WRITE) == 0)) { return -EINVAL; }
        return space_populate(s, lo, hi, write);
    }
    return 0;
}

int64_t sys_madvise(const uint64_t a[6])
{
    struct space *s = own();
    uint64_t lo = a[0], hi, advice = a[2];
    uint32_t set, clear;

    if (advice > LMADV_POPULATE_WRITE ||
        (advice > LMADV_WILLNEED && advice < 8 && advice != LMADV_DONTNEED) || advice == 12 ||
        advice == 13 || lo % PAGE_SIZE != 0 || pages_of(lo, a[1], &hi) < 0) {
        return -EINVAL;
    }
    if (lo == hi) { return 0; }
    bool flags = advice_flags(advice, &set, &clear);
    int result = flags ? regions_cut(s, lo, hi) : 0;
    int hole = 0;
    uint64_t at = lo;
    for (struct region *r = region_at_or_above(s, lo); result == 0 && at < hi; r = region_next(r)) {
        if (r == NULL || r->lo > at) { hole = -ENOMEM; }
        if (r == NULL || r->lo >= hi) { break; }
        at = max_u64(at, r->lo);
        uint64_t end = min_u64(hi, r->hi);
        result = advise_region(s, r, at, end, advice);
        at = end;
    }
    if (flags) { regions_merge(s, lo, hi); }
    return result < 0 ? result : hole;
}

int64_t sys_mincore(const uint64_t a[6])
{
    uint64_t hi;
    int r = pages_of(a[0], a[1], &hi);
    if (r < 0) { return r; }
    for (uint64_t va = a[0]; va < hi; va += PAGE_SIZE) {
        const struct region *reg = region_find(own(), va);
        if (reg == NULL) { return -ENOMEM; }
        uint8_t in = tree_find(own(), va).entry != 0;
        if (!in && reg->mobj != NULL) {
            in = gpa_ok(mobj_frame(reg->mobj, (reg->off + (va - reg->lo)) / PAGE_SIZE, false));
        }
        r = copy_to_user(a[2] + (va - a[0]) / PAGE_SIZE, &in, 1);
        if (r < 0) { return r; }
    }
    return 0;
}

/* Every page of [lo, hi) lies in a region. */
static bool all_mapped(struct space *s, uint64_t lo, uint64_t hi)
{
    const struct region *r = region_find(s, lo);
    while (r != NULL && r->hi < hi) {
        const struct region *next = region_next(r);
        r = next != NULL && next->lo == r->hi ? next : NULL;
    }
    return lo == hi || r != NULL;
}

#define MS_ASYNC_      1
#define MS_INVALIDATE_ 2
#define MS_SYNC_       4

/* Objects are the files: there is nothing to write back. */
int64_t sys_msync(const uint64_t a[6])
{
    uint64_t hi;
    if ((a[2] & ~7ull) != 0 || (a[2] & (MS_ASYNC_ | MS_SYNC_)) == (MS_ASYNC_ | MS_SYNC_)) {
        return -EINVAL;
    }
    int r = pages_of(a[0], a[1], &hi);
    if (r < 0) { return r; }
    return all_mapped(own(), a[0], hi) ? 0 : -ENOMEM;
}

/* Memory is never paged out: locking is populating. */
static int64_t lock_range(uint64_t va, uint64_t len)
{
    uint64_t hi, lo = align_down(va, PAGE_SIZE);
    if (!add_ok(len, va - lo, &len) || pages_of(lo, len, &hi) < 0) { return -ENOMEM; }
    if (!all_mapped(own(), lo, hi)) { return -ENOMEM; }
    for (const struct region *r = region_find(own(), lo); r != NULL && r->lo < hi;
         r = region_next(r)) {
        bool write = (r->prot & LPROT_WRITE) != 0 && (r->flags & REGION_SHARED) == 0;
        int e = space_populate(own(), max_u64(lo, r->lo), min_u64(hi, r->hi), write);
        if (e < 0 && e != -ENXIO) { return -ENOMEM; }
    }
    return 0;
}

int64_t sys_mlock(const uint64_t a[6]) { return lock_range(a[0], a[1]); }

int64_t sys_mlock2(const uint64_t a[6])
{
    if ((a[2] & ~1ull) != 0) { return -EINVAL; }
    return (a[2] & 1) != 0 ? 0 : lock_range(a[0], a[1]); /* MLOCK_ONFAULT */
}

int64_t sys_munlock(const uint64_t a[6])
{
    uint64_t hi, lo = align_down(a[0], PAGE_SIZE), len;
    if (!add_ok(a[1], a[0] - lo, &len) || pages_of(lo, len, &hi) < 0) { return -ENOMEM; }
    return all_mapped(own(), lo, hi) ? 0 : -ENOMEM;
}

int64_t sys_mlockall(const uint64_t a[6])
{
    return a[0] == 0 || a[0] > 7 || a[0] == 4 ? -EINVAL : 0;
}

int64_t sys_munlockall(const uint64_t a[6])
{
    (void)a;
    return 0;
}

/* ---- membarrier ------------------------------------------------------------------------------ */

#define MB_QUERY                      0
#define MB_GLOBAL                     1
#define MB_GLOBAL_EXPEDITED           2
#define MB_REGISTER_GLOBAL_EXPEDITED  4
#define MB_PRIVATE_EXPEDITED          8
#define MB_REGISTER_PRIVATE_EXPEDITED 16
#define MB_PRIVATE_SYNC_CORE          32
#define MB_REGISTER_PRIVATE_SYNC_CORE 64
#define MB_ALL                        127

int64_t sys_membarrier(const uint64_t a[6])
{
    if (a[1] != 0) { return -EINVAL; }
    switch (a[0]) {
    case MB_QUERY: return MB_ALL;
    case MB_REGISTER_GLOBAL_EXPEDITED:
    case MB_REGISTER_PRIVATE_EXPEDITED:
    case MB_REGISTER_PRIVATE_SYNC_CORE: return 0;
    case MB_GLOBAL:
    case MB_GLOBAL_EXPEDITED:
    case MB_PRIVATE_EXPEDITED:
    case MB_PRIVATE_SYNC_CORE: space_barrier(own()); return 0;
    default: return -EINVAL;
    }
}
