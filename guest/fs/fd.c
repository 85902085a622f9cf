/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptor tables: leaves of 256 entries below a short top, so that a table may hold a million descriptors while a
 * small process pays for one leaf. The lowest free number is found by bitmaps from a hint.
 */
#include "guest/fs/vfs.h"
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"

#define LEAF           256u
#define LEAF_WORDS     (LEAF / 64)
#define FD_MAX         1048576u /* LEAF * 4096; also the most that RLIMIT_NOFILE gives */
#define RLIMIT_NOFILE_ 7
#define RANGE_UNSHARE  2u
#define RANGE_CLOEXEC  4u

struct leaf {
    uint64_t used[LEAF_WORDS], cloexec[LEAF_WORDS];
    struct file *file[LEAF];
};

struct fdtable {
    uint32_t leaf_count;
    uint32_t hint; /* no free descriptor below */
    struct leaf **leaf;
};

static uint64_t bit(unsigned fd) { return 1ull << fd % 64; }
static unsigned word(unsigned fd) { return fd % LEAF / 64; }

static struct leaf *leaf_of(const struct fdtable *t, unsigned fd)
{
    return fd / LEAF < t->leaf_count ? t->leaf[fd / LEAF] : NULL;
}

static struct leaf *leaf_make(struct fdtable *t, unsigned fd)
{
    uint32_t at = fd / LEAF;

    if (at >= t->leaf_count) {
        uint32_t count = at + 1 < 2 * t->leaf_count ? 2 * t->leaf_count : at + 1;
        struct leaf **to = mem_alloc(count * sizeof(*to));
        if (!to) { return NULL; }
        if (t->leaf) { memcpy(to, t->leaf, t->leaf_count * sizeof(*to)); }
        mem_free(t->leaf);
        t->leaf = to;
        t->leaf_count = count;
    }
    if (!t->leaf[at]) { t->leaf[at] = mem_alloc(sizeof(struct leaf)); }
    return t->leaf[at];
}

struct fdtable *fdtable_new(void)
{
    struct fdtable *t = mem_alloc(sizeof(*t));

    if (t && !leaf_make(t, 0)) {
        mem_free(t);
        return NULL;
    }
    return t;
}

struct file *fdtable_file(struct fdtable *t, int fd)
{
    struct leaf *l = fd < 0 ? NULL : leaf_of(t, (unsigned)fd);
    return l ? l->file[(unsigned)fd % LEAF] : NULL;
}

struct file *fd_file(int fd) { return fdtable_file(current_proc()->files, fd); }

int fdtable_next(struct fdtable *t, int from)
{
    for (unsigned fd = (unsigned)from; fd < t->leaf_count * LEAF;) {
        struct leaf *l = t->leaf[fd / LEAF];
        uint64_t left = l ? l->used[word(fd)] >> fd % 64 : 0;
        if (left) { return (int)fd + __builtin_ctzll(left); }
        fd = l ? (fd | 63) + 1 : (fd | (LEAF - 1)) + 1;
    }
    return -1;
}

/* The lowest free number >= min. */
static unsigned lowest_free(const struct fdtable *t, unsigned min)
{
    unsigned fd = min;

    for (;;) {
        const struct leaf *l = leaf_of(t, fd);
        uint64_t free = l ? ~l->used[word(fd)] >> fd % 64 : 1;
        if (free) { return fd + (unsigned)__builtin_ctzll(free); }
        fd = (fd | 63) + 1;
    }
}

static bool cloexec_get(const struct leaf *l, unsigned fd)
{
    return (l->cloexec[word(fd)] & bit(fd)) != 0;
}

static void cloexec_set(struct leaf *l, unsigned fd, bool on)
{
    if (on) {
        l->cloexec[word(fd)] |= bit(fd);
    } else {
        l->cloexec[word(fd)] &= ~bit(fd);
    }
}

static void put_in(struct leaf *l, unsigned fd, struct file *take_f, bool cloexec)
{
    l->file[fd % LEAF] = take_f;
    l->used[word(fd)] |= bit(fd);
    cloexec_set(l, fd, cloexec);
}

/* The entry becomes free; its file, still referenced, or NULL. */
static struct file *take_out(struct fdtable *t, unsigned fd)
{
    struct leaf *l = leaf_of(t, fd);
    struct file *f = l ? l->file[fd % LEAF] : NULL;

    if (!f) { return NULL; }
    l->file[fd % LEAF] = NULL;
    l->used[word(fd)] &= ~bit(fd);
    cloexec_set(l, fd, false);
    if (fd < t->hint) { t->hint = fd; }
    return f;
}

/* What each close means beside dropping the reference. */
static void closed(struct file *f)
{
    locks_close(f, current_proc());
    if (f->ops->close_by) { f->ops->close_by(f, current_proc()); }
    file_put(f);
}

static unsigned fd_limit(void)
{
    return (unsigned)min_u64(current_proc()->rlim[RLIMIT_NOFILE_].cur, FD_MAX);
}

int fd_install_at_least(struct file *take_f, int min, bool cloexec)
{
    struct fdtable *t = current_proc()->files;
    unsigned fd = lowest_free(t, (unsigned)min > t->hint ? (unsigned)min : t->hint);
    struct leaf *l = fd < fd_limit() ? leaf_make(t, fd) : NULL;

    if (!l) {
        file_put(take_f);
        return fd < fd_limit() ? -ENOMEM : -EMFILE;
    }
    put_in(l, fd, take_f, cloexec);
    if ((unsigned)min <= t->hint) { t->hint = fd + 1; }
    return (int)fd;
}

int fd_install(struct file *take_f, bool cloexec)
{
    return fd_install_at_least(take_f, 0, cloexec);
}

int fd_close(int fd)
{
    struct file *f = fd < 0 ? NULL : take_out(current_proc()->files, (unsigned)fd);

    if (!f) { return -EBADF; }
    closed(f);
    return 0;
}

bool fdtable_cloexec(struct fdtable *t, int fd)
{
    struct leaf *l = fd < 0 ? NULL : leaf_of(t, (unsigned)fd);
    return l && cloexec_get(l, (unsigned)fd);
}

bool fd_cloexec(int fd) { return fdtable_cloexec(current_proc()->files, fd); }

int fd_set_cloexec(int fd, bool on)
{
    struct leaf *l = fd < 0 ? NULL : leaf_of(current_proc()->files, (unsigned)fd);

    if (!l || !l->file[(unsigned)fd % LEAF]) { return -EBADF; }
    cloexec_set(l, (unsigned)fd, on);
    return 0;
}

int fdtable_set(struct fdtable *t, int fd, struct file *f)
{
    struct leaf *l = fd < 0 || (unsigned)fd >= FD_MAX ? NULL : leaf_make(t, (unsigned)fd);

    if (!l) { return fd < 0 ? -EBADF : -ENOMEM; }
    file_put(take_out(t, (unsigned)fd));
    file_get(f);
    put_in(l, (unsigned)fd, f, false);
    return 0;
}

struct fdtable *fdtable_copy(struct fdtable *t)
{
    struct fdtable *to = mem_alloc(sizeof(*to));

    if (!to) { return NULL; }
    for (int fd = fdtable_next(t, 0); fd >= 0; fd = fdtable_next(t, fd + 1)) {
        struct file *f = fdtable_file(t, fd);
        struct leaf *l = leaf_make(to, (unsigned)fd);
        if (!l) {
            fdtable_put(to);
            return NULL;
        }
        file_get(f);
        put_in(l, (unsigned)fd, f, fdtable_cloexec(t, fd));
    }
    to->hint = t->hint;
    return to;
}

void fdtable_put(struct fdtable *t)
{
    if (!t) { return; }
    for (int fd = fdtable_next(t, 0); fd >= 0; fd = fdtable_next(t, fd + 1)) {
        closed(take_out(t, (unsigned)fd));
    }
    for (uint32_t i = 0; i < t->leaf_count; i++) { mem_free(t->leaf[i]); }
    mem_free(t->leaf);
    mem_free(t);
}

void fdtable_exec(struct fdtable *t)
{
    for (int fd = fdtable_next(t, 0); fd >= 0; fd = fdtable_next(t, fd + 1)) {
        if (fdtable_cloexec(t, fd)) { closed(take_out(t, (unsigned)fd)); }
    }
}

/* ---- calls ---- */

int64_t sys_close(const uint64_t a[6]) { return fd_close((int)a[0]); }

int64_t sys_close_range(const uint64_t a[6])
{
    struct fdtable *t = current_proc()->files;
    uint32_t first = (uint32_t)a[0], last = (uint32_t)a[1], flags = (uint32_t)a[2];

    if (first > last || (flags & ~(RANGE_UNSHARE | RANGE_CLOEXEC))) { return -EINVAL; }
    if (first >= FD_MAX) { return 0; }
    for (int fd = fdtable_next(t, (int)first); fd >= 0 && (uint32_t)fd <= last;
         fd = fdtable_next(t, fd + 1)) {
        if (flags & RANGE_CLOEXEC) {
            cloexec_set(leaf_of(t, (unsigned)fd), (unsigned)fd, true);
        } else {
            closed(take_out(t, (unsigned)fd));
        }
    }
    return 0;
}

static int64_t dup_at_least(int fd, uint64_t min, bool cloexec)
{
    struct file *f = fd_file(fd);

    if (!f) { return -EBADF; }
    if (min >= fd_limit()) { return -EINVAL; }
    file_get(f);
    return fd_install_at_least(f, (int)min, cloexec);
}

int64_t sys_dup(const uint64_t a[6])
{
    struct file *f = fd_file((int)a[0]);

    if (!f) { return -EBADF; }
    file_get(f);
    return fd_install(f, false);
}

static int64_t dup_onto(int from, int to, bool cloexec)
{
    struct fdtable *t = current_proc()->files;
    struct file *f = fd_file(from), *old;
    struct leaf *l;

    if (!f || to < 0 || (unsigned)to >= fd_limit()) { return -EBADF; }
    l = leaf_make(t, (unsigned)to);
    if (!l) { return -ENOMEM; }
    file_get(f);
    old = take_out(t, (unsigned)to);
    put_in(l, (unsigned)to, f, cloexec);
    if (old) { closed(old); }
    return to;
}

int64_t sys_dup2(const uint64_t a[6])
{
    if ((int)a[0] == (int)a[1]) { return fd_file((int)a[0]) ? (int)a[0] : -EBADF; }
    return dup_onto((int)a[0], (int)a[1], false);
}

int64_t sys_dup3(const uint64_t a[6])
{
    if ((uint32_t)a[2] & ~LO_CLOEXEC || (int)a[0] == (int)a[1]) { return -EINVAL; }
    return dup_onto((int)a[0], (int)a[1], (a[2] & LO_CLOEXEC) != 0);
}

/* ---- fcntl ---- */

enum {
    F_DUPFD_ = 0,
    F_GETFD_ = 1,
    F_SETFD_ = 2,
    F_GETFL_ = 3,
    F_SETFL_ = 4,
    F_GETLK_ = 5,
    F_SETLKW_ = 7,
    F_SETOWN_ = 8,
    F_GETOWN_ = 9,
    F_SETSIG_ = 10,
    F_GETSIG_ = 11,
    F_OFD_GETLK_ = 36,
    F_OFD_SETLKW_ = 38,
    F_GETLEASE_ = 1025,
    F_DUPFD_CLOEXEC_ = 1030,
    F_SETPIPE_SZ_ = 1031,
    F_GETPIPE_SZ_ = 1032,
    F_ADD_SEALS_ = 1033,
    F_GET_SEALS_ = 1034,
};
#define F_UNLCK_      2
#define FL_CHANGEABLE (LO_APPEND | LO_NONBLOCK | LO_ASYNC | LO_DIRECT | LO_NOATIME)

static int64_t set_flags(struct file *f, uint32_t flags)
{
    if ((flags & LO_NOATIME) && !(f->flags & LO_NOATIME) && !inode_owner_or_capable(f->inode)) {
        return -EPERM;
    }
    f->flags = (f->flags & ~FL_CHANGEABLE) | (flags & FL_CHANGEABLE);
    if (f->ops->flags_changed) { f->ops->flags_changed(f); }
    return 0;
}

static int64_t add_seals(struct file *f, uint32_t seals)
{
    struct inode *i = f->inode;
    uint32_t all = LF_SEAL_SEAL | LF_SEAL_SHRINK | LF_SEAL_GROW | LF_SEAL_WRITE |
                   LF_SEAL_FUTURE_WRITE | LF_SEAL_EXEC;

    if (seals & ~all || i->ops != &anon_ops || !i->data) { return -EINVAL; }
    if (!file_writes(f) || (i->seals & LF_SEAL_SEAL)) { return -EPERM; }
    if ((seals & LF_SEAL_WRITE) && !(i->seals & LF_SEAL_WRITE) && mobj_writable_maps(i->data)) {
        return -EBUSY;
    }
    i->seals |= seals;
    return 0;
}

/* Only what may be asked of a mere place. */
static bool allowed_on_path(uint32_t cmd)
{
    return cmd == F_DUPFD_ || cmd == F_DUPFD_CLOEXEC_ || cmd == F_GETFD_ || cmd == F_SETFD_ ||
           cmd == F_GETFL_;
}

int64_t sys_fcntl(const uint64_t a[6])
{
    int fd = (int)a[0];
    uint32_t cmd = (uint32_t)a[1];
    struct file *f = fd_file(fd);

    if (!f || ((f->flags & LO_PATH) && !allowed_on_path(cmd))) { return -EBADF; }
    switch (cmd) {
    case F_DUPFD_: return dup_at_least(fd, (uint32_t)a[2], false);
    case F_DUPFD_CLOEXEC_: return dup_at_least(fd, (uint32_t)a[2], true);
    case F_GETFD_: return fd_cloexec(fd);
    case F_SETFD_: return fd_set_cloexec(fd, (a[2] & 1) != 0);
    case F_GETFL_: return f->flags;
    case F_SETFL_: return set_flags(f, (uint32_t)a[2]);
    case F_GETLK_ ... F_SETLKW_:
    case F_OFD_GETLK_ ... F_OFD_SETLKW_: return locks_fcntl(f, cmd, a[2]);
    case F_SETOWN_: f->owner = (int32_t)a[2]; return 0;
    case F_GETOWN_: return f->owner;
    case F_SETSIG_: return a[2] <= 64 ? 0 : -EINVAL;
    case F_GETSIG_: return 0;
    case F_GETLEASE_: return F_UNLCK_;
    case F_SETPIPE_SZ_: return pipe_set_size(f, (uint32_t)a[2]);
    case F_GETPIPE_SZ_: return pipe_get_size(f);
    case F_ADD_SEALS_: return add_seals(f, (uint32_t)a[2]);
    case F_GET_SEALS_:
        return f->inode->ops == &anon_ops && f->inode->data ? (int64_t)f->inode->seals : -EINVAL;
    default: return -EINVAL;
    }
}
