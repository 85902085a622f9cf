/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File locks. Three families on one inode that never see each other's rules:
 *   POSIX  byte ranges, owned by the process, all gone at any close() of the inode by that process
 *   OFD    byte ranges, owned by the open file, gone with it; conflict with POSIX ranges
 *   flock  whole file, owned by the open file, conflict only among themselves
 * Deadlocks of F_SETLKW are not detected (EDEADLK is optional in POSIX): such waiters end by a signal.
 */
#include "guest/fs/vfs.h"
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"

#define LOCK_SH_ 1u
#define LOCK_EX_ 2u
#define LOCK_NB_ 4u
#define LOCK_UN_ 8u
enum { RDLCK, WRLCK, UNLCK }; /* l_type */
#define CMD_GETLK      5u
#define CMD_SETLKW     7u
#define CMD_OFD_GETLK  36u
#define CMD_OFD_SETLKW 38u
#define RANGE_END      INT64_MAX /* l_len 0: to the end, wherever it will be */

struct lock {
    struct list link; /* lockset.ranges or .flocks */
    struct list all;  /* all_posix, for POSIX ranges */
    struct inode *inode;
    const void *owner; /* struct proc for POSIX, struct file for OFD and flock */
    int32_t pid;
    int type;
    int64_t lo, hi; /* [lo, hi]: inclusive, because RANGE_END is the largest offset */
};

struct lockset {
    struct list ranges, flocks;
    struct waitq wait;
};

static struct list all_posix = LIST_INIT(all_posix);

struct flock_abi { /* struct flock */
    int16_t type, whence;
    int32_t pad0;
    int64_t start, len;
    int32_t pid, pad1;
};
ABI_SIZE(struct flock_abi, 32);
ABI_AT(struct flock_abi, pid, 24);

static struct lockset *set_of(struct inode *i)
{
    if (i->locks) { return i->locks; }
    struct lockset *s = mem_alloc(sizeof(*s));
    if (!s) { return NULL; }
    list_init(&s->ranges);
    list_init(&s->flocks);
    waitq_init(&s->wait);
    i->locks = s;
    return s;
}

static void lock_free(struct lock *k)
{
    list_del(&k->link);
    list_del(&k->all);
    mem_free(k);
}

void locks_free(struct inode *i)
{
    mem_free(i->locks);
} /* every lock's owner held the inode, so none is left */

static struct lock *conflict(struct lockset *s, const void *owner, int type, int64_t lo, int64_t hi)
{
    LIST_EACH (l, &s->ranges) {
        struct lock *k = LIST_ENTRY(l, struct lock, link);
        if (k->owner != owner && k->lo <= hi && lo <= k->hi &&
            (k->type == WRLCK || type == WRLCK)) {
            return k;
        }
    }
    return NULL;
}

static void lock_place(struct lockset *s, struct lock *k, struct inode *i, const void *owner,
                       bool posix)
{
    k->inode = i;
    k->owner = owner;
    k->pid = posix ? current_proc()->pid : -1;
    list_add_tail(&s->ranges, &k->link);
    list_init(&k->all);
    if (posix) { list_add_tail(&all_posix, &k->all); }
}

/* Replaces what the owner holds in [lo, hi]. Two spare locks are taken first: one for the new range, one for a split. */
static int range_set(struct inode *i, const void *owner, bool posix, int type, int64_t lo,
                     int64_t hi)
{
    struct lockset *s = i->locks;
    struct lock *fresh = mem_alloc(sizeof(*fresh)), *split = mem_alloc(sizeof(*split));

    if (!fresh || !split) {
        mem_free(fresh);
        mem_free(split);
        return -ENOLCK;
    }
    LIST_EACH_SAFE (l, &s->ranges) {
        struct lock *k = LIST_ENTRY(l, struct lock, link);
        if (k->owner != owner || k->hi < lo || hi < k->lo) { continue; }
        if (k->lo < lo && k->hi > hi) { /* a hole in the middle: happens once at most */
            *split = (struct lock){.type = k->type, .lo = hi + 1, .hi = k->hi};
            k->hi = lo - 1;
            lock_place(s, split, i, owner, posix);
            split = NULL;
            break;
        }
        if (k->lo < lo) {
            k->hi = lo - 1;
        } else if (k->hi > hi) {
            k->lo = hi + 1;
        } else {
            lock_free(k);
        }
    }
    if (type != UNLCK) {
        fresh->type = type;
        fresh->lo = lo;
        fresh->hi = hi;
        lock_place(s, fresh, i, owner, posix);
        fresh = NULL;
    }
    mem_free(fresh);
    mem_free(split);
    wake(&s->wait, ~0u);
    return 0;
}

/* l_whence, l_start and l_len as [lo, hi]. */
static int range_of(struct file *f, const struct flock_abi *k, int64_t *lo, int64_t *hi)
{
    int64_t base = k->whence == 0   ? 0
                   : k->whence == 1 ? (int64_t)f->pos
                                    : (int64_t)inode_size(f->inode);

    if (k->whence < 0 || k->whence > 2) { return -EINVAL; }
    if (__builtin_add_overflow(base, k->start, lo)) { return -EOVERFLOW; }
    if (k->len > 0) {
        if (__builtin_add_overflow(*lo, k->len - 1, hi)) { return -EOVERFLOW; }
    } else if (k->len < 0) {
        *hi = *lo - 1;
        if (__builtin_add_overflow(*lo, k->len, lo)) { return -EINVAL; }
    } else {
        *hi = RANGE_END;
    }
    return *lo < 0 ? -EINVAL : 0;
}

static int64_t range_get(struct lockset *s, const void *owner, struct flock_abi *k, int64_t lo,
                         int64_t hi, uint64_t va)
{
    struct lock *c = conflict(s, owner, k->type, lo, hi);

    if (c) {
        k->type = (int16_t)c->type;
        k->whence = 0;
        k->start = c->lo;
        k->len = c->hi == RANGE_END ? 0 : c->hi - c->lo + 1;
        k->pid = c->pid;
    } else {
        k->type = UNLCK;
    }
    return copy_to_user(va, k, sizeof(*k));
}

int64_t locks_fcntl(struct file *f, uint32_t cmd, uint64_t arg_va)
{
    bool posix = cmd <= CMD_SETLKW;
    const void *owner = posix ? (const void *)current_proc() : (const void *)f;
    struct flock_abi k;
    int64_t lo, hi;
    struct lockset *s;
    int err = copy_from_user(&k, arg_va, sizeof(k));

    if (err) { return err; }
    if (k.type < RDLCK || k.type > UNLCK || (!posix && k.pid != 0)) { return -EINVAL; }
    err = range_of(f, &k, &lo, &hi);
    if (err) { return err; }
    s = set_of(f->inode);
    if (!s) { return -ENOLCK; }
    if (cmd == CMD_GETLK || cmd == CMD_OFD_GETLK) {
        return k.type == UNLCK ? -EINVAL : range_get(s, owner, &k, lo, hi, arg_va);
    }
    if ((k.type == RDLCK && !file_reads(f)) || (k.type == WRLCK && !file_writes(f))) {
        return -EBADF;
    }
    file_get(f);
    while (k.type != UNLCK && conflict(s, owner, k.type, lo, hi)) {
        err = cmd == CMD_SETLKW || cmd == CMD_OFD_SETLKW ? wait_on(&s->wait, NO_DEADLINE, true)
                                                         : -EAGAIN;
        if (err) { break; }
    }
    if (!err) { err = range_set(f->inode, owner, posix, k.type, lo, hi); }
    file_put(f);
    return err;
}

/* ---- flock ---- */

static struct lock *flock_find(struct lockset *s, const struct file *f)
{
    LIST_EACH (l, &s->flocks) {
        struct lock *k = LIST_ENTRY(l, struct lock, link);
        if (k->owner == f) { return k; }
    }
    return NULL;
}

static bool flock_conflict(struct lockset *s, const struct file *f, int type)
{
    LIST_EACH (l, &s->flocks) {
        struct lock *k = LIST_ENTRY(l, struct lock, link);
        if (k->owner != f && (type == WRLCK || k->type == WRLCK)) { return true; }
    }
    return false;
}

static void flock_drop(struct lockset *s, const struct file *f)
{
    struct lock *k = flock_find(s, f);

    if (!k) { return; }
    lock_free(k);
    wake(&s->wait, ~0u);
}

static int flock_take(struct lockset *s, struct file *f, int type, bool wait)
{
    struct lock *k = mem_alloc(sizeof(*k));
    int err = 0;

    if (!k) { return -ENOLCK; }
    flock_drop(s, f); /* changing the kind is not atomic [flock(2)] */
    while (!err && flock_conflict(s, f, type)) {
        err = wait ? wait_on(&s->wait, NO_DEADLINE, true) : -EAGAIN;
    }
    if (err || flock_find(s, f)) { /* or another thread took it through the same file meanwhile */
        mem_free(k);
        return err;
    }
    k->owner = f;
    k->inode = f->inode;
    k->type = type;
    list_init(&k->all);
    list_add_tail(&s->flocks, &k->link);
    return 0;
}

int64_t sys_flock(const uint64_t a[6])
{
    struct file *f = fd_file((int)a[0]);
    uint32_t op = (uint32_t)a[1] & ~LOCK_NB_;
    struct lockset *s;
    int err = 0;

    if (op != LOCK_SH_ && op != LOCK_EX_ && op != LOCK_UN_) { return -EINVAL; }
    if (!f || (f->flags & LO_PATH)) { return -EBADF; }
    s = set_of(f->inode);
    if (!s) { return -ENOLCK; }
    file_get(f);
    if (op == LOCK_UN_) {
        flock_drop(s, f);
    } else {
        err = flock_take(s, f, op == LOCK_EX_ ? WRLCK : RDLCK, !(a[1] & LOCK_NB_));
    }
    file_put(f);
    return err;
}

/* ---- ends ---- */

static void ranges_drop(struct inode *i, const void *owner)
{
    struct lockset *s = i->locks;
    bool any = false;

    LIST_EACH_SAFE (l, &s->ranges) {
        struct lock *k = LIST_ENTRY(l, struct lock, link);
        if (k->owner != owner) { continue; }
        lock_free(k);
        any = true;
    }
    if (any) { wake(&s->wait, ~0u); }
}

void locks_close(struct file *f, struct proc *p)
{
    if (unlikely(f->inode->locks != NULL)) { ranges_drop(f->inode, p); }
}

void locks_release(struct file *f)
{
    if (likely(!f->inode->locks)) { return; }
    ranges_drop(f->inode, f);
    flock_drop(f->inode->locks, f);
}

void file_locks_exit(struct proc *p)
{
    LIST_EACH_SAFE (l, &all_posix) {
        struct lock *k = LIST_ENTRY(l, struct lock, all);
        if (k->owner != p) { continue; }
        struct lockset *s = k->inode->locks;
        lock_free(k);
        wake(&s->wait, ~0u);
    }
}
