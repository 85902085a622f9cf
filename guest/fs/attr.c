/* SPDX-License-Identifier: Apache-2.0 */
/* Changing what stat shows: mode, owner, size, times, reserved space. */
#include "guest/fs/vfs.h"
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"

#define AT_SYMLINK_NOFOLLOW 0x100u
#define AT_EMPTY_PATH       0x1000u
#define NS                  1000000000ull
#define UTIME_NOW           0x3fffffff
#define UTIME_OMIT          0x3ffffffe
#define NO_ID               UINT32_MAX

#define FALLOC_KEEP_SIZE  1u
#define FALLOC_PUNCH_HOLE 2u
#define FALLOC_ZERO_RANGE 16u

/* Every call here is "find the object, then change it"; by descriptor or by path. */
typedef int64_t (*changer)(struct path p, const void *arg);

static int64_t change_fd(int fd, changer change, const void *arg)
{
    struct file *f = fd_file(fd);

    if (!f || (f->flags & LO_PATH)) { return -EBADF; }
    return mount_readonly(f->mnt) ? -EROFS : change(file_place(f), arg);
}

static int64_t change_path(int dfd, uint64_t path, uint32_t walk, changer change, const void *arg)
{
    struct path p;
    int64_t err = walk_to(dfd, path, walk, &p);

    if (err) { return err; }
    err = mount_readonly(p.mnt) ? -EROFS : change(p, arg);
    path_put(p);
    return err;
}

static uint32_t walk_flags(uint32_t at)
{
    return (at & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) | (at & AT_EMPTY_PATH ? WALK_EMPTY : 0);
}

static void changed(struct path p)
{
    p.dentry->inode->ctime_ns = clock_wall_ns();
    notify_inode(p.dentry->inode, p.dentry, IN_ATTRIB);
}

/* ---- mode ---- */

static int64_t set_mode(struct path p, const void *arg)
{
    struct inode *i = p.dentry->inode;
    uint32_t mode = *(const uint32_t *)arg & 07777;

    if (s_islnk(i)) { return -EOPNOTSUPP; }
    if (!inode_owner_or_capable(i)) { return -EPERM; }
    /* A file's set-group-id bit is only for members of the group. */
    if (!s_isdir(i) && !capable(CAP_FSETID) && current_proc()->cred.fsgid != i->gid) {
        mode &= ~LS_ISGID;
    }
    i->mode = (i->mode & LS_IFMT) | mode;
    changed(p);
    return 0;
}

static int64_t chmod_path(int dfd, uint64_t path, uint32_t mode, uint32_t flags)
{
    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) { return -EINVAL; }
    return change_path(dfd, path, walk_flags(flags), set_mode, &mode);
}

int64_t sys_chmod(const uint64_t a[6]) { return chmod_path(AT_FDCWD_, a[0], (uint32_t)a[1], 0); }
int64_t sys_fchmodat(const uint64_t a[6]) { return chmod_path((int)a[0], a[1], (uint32_t)a[2], 0); }
int64_t sys_fchmodat2(const uint64_t a[6])
{
    return chmod_path((int)a[0], a[1], (uint32_t)a[2], (uint32_t)a[3]);
}
int64_t sys_fchmod(const uint64_t a[6])
{
    uint32_t mode = (uint32_t)a[1];
    return change_fd((int)a[0], set_mode, &mode);
}

int64_t sys_umask(const uint64_t a[6])
{
    uint32_t before = current_proc()->fs->umask;

    current_proc()->fs->umask = (uint32_t)a[0] & 0777;
    return before;
}

/* ---- owner ---- */

struct owner {
    uint32_t uid, gid; /* NO_ID: leave it */
};

static int64_t set_owner(struct path p, const void *arg)
{
    const struct owner *o = arg;
    struct inode *i = p.dentry->inode;
    const struct cred *c = &current_proc()->cred;
    bool mine = c->fsuid == i->uid, member = o->gid == c->fsgid || in_groups(o->gid);

    if (!capable(CAP_CHOWN)) {
        if (o->uid != NO_ID && (!mine || o->uid != i->uid)) { return -EPERM; }
        if (o->gid != NO_ID && (!mine || (o->gid != i->gid && !member))) { return -EPERM; }
    }
    if (o->uid != NO_ID) { i->uid = o->uid; }
    if (o->gid != NO_ID) { i->gid = o->gid; }
    if (s_isreg(i)) { i->mode &= ~(LS_ISUID | ((i->mode & 010) ? LS_ISGID : 0)); }
    changed(p);
    return 0;
}

static int64_t chown_path(int dfd, uint64_t path, uint64_t uid, uint64_t gid, uint32_t flags)
{
    struct owner o = {(uint32_t)uid, (uint32_t)gid};

    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) { return -EINVAL; }
    return change_path(dfd, path, walk_flags(flags), set_owner, &o);
}

int64_t sys_chown(const uint64_t a[6]) { return chown_path(AT_FDCWD_, a[0], a[1], a[2], 0); }
int64_t sys_lchown(const uint64_t a[6])
{
    return chown_path(AT_FDCWD_, a[0], a[1], a[2], AT_SYMLINK_NOFOLLOW);
}
int64_t sys_fchownat(const uint64_t a[6])
{
    return chown_path((int)a[0], a[1], a[2], a[3], (uint32_t)a[4]);
}
int64_t sys_fchown(const uint64_t a[6])
{
    struct owner o = {(uint32_t)a[1], (uint32_t)a[2]};
    return change_fd((int)a[0], set_owner, &o);
}

/* ---- size ---- */

static int64_t set_size(struct path p, const void *arg)
{
    struct inode *i = p.dentry->inode;
    uint64_t size = *(const uint64_t *)arg;

    if (s_isdir(i)) { return -EISDIR; }
    if (!s_isreg(i)) { return -EINVAL; }
    if (size > inode_size(i) && size > current_proc()->rlim[1].cur) {
        signal_thread(current(), &(struct ksiginfo){.signo = LSIG_XFSZ, .code = LSI_KERNEL});
        return -EFBIG;
    }
    int err = inode_truncate(i, size);
    if (!err) { notify_inode(i, p.dentry, IN_MODIFY); }
    return err;
}

static int64_t set_size_if_writable(struct path p, const void *arg)
{
    int err = s_isdir(p.dentry->inode) ? -EISDIR : inode_may(p.dentry->inode, MAY_WRITE);
    return err ? err : set_size(p, arg);
}

int64_t sys_truncate(const uint64_t a[6])
{
    if ((int64_t)a[1] < 0) { return -EINVAL; }
    return change_path(AT_FDCWD_, a[0], WALK_FOLLOW, set_size_if_writable, &a[1]);
}

int64_t sys_ftruncate(const uint64_t a[6])
{
    struct file *f = fd_file((int)a[0]);

    if ((int64_t)a[1] < 0) { return -EINVAL; }
    if (!f || (f->flags & LO_PATH)) { return -EBADF; }
    if (!file_writes(f) || !s_isreg(f->inode)) { return -EINVAL; }
    return set_size(file_place(f), &a[1]);
}

/* Takes the memory now, so that later writes cannot fail for want of it. Nothing is reserved behind the end of the file. */
static int64_t reserve(struct inode *i, uint64_t off, uint64_t end)
{
    if (end > off && (end - off) / PAGE_SIZE > mem_free_pages()) { return -ENOSPC; }
    for (uint64_t at = align_down(off, PAGE_SIZE); at < end; at += PAGE_SIZE) {
        if (!gpa_ok(mobj_frame(i->data, at / PAGE_SIZE, true))) { return -ENOSPC; }
    }
    return 0;
}

int64_t sys_fallocate(const uint64_t a[6])
{
    struct file *f = fd_file((int)a[0]);
    uint32_t mode = (uint32_t)a[1];
    uint64_t off = a[2], len = a[3];
    int64_t err = 0;

    if ((int64_t)off < 0 || (int64_t)len <= 0) { return -EINVAL; }
    if (!f || !file_writes(f)) { return -EBADF; }
    if (s_isfifo(f->inode)) { return -ESPIPE; }
    if (!s_isreg(f->inode) || !f->inode->data) { return -ENODEV; }
    if (mode & ~(FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE)) { return -EOPNOTSUPP; }
    if ((mode & FALLOC_PUNCH_HOLE) && mode != (FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE)) {
        return -EOPNOTSUPP;
    }
    if (off + len > (uint64_t)INT64_MAX) { return -EFBIG; }
    struct inode *i = f->inode;
    bool grows = !(mode & FALLOC_KEEP_SIZE) && off + len > inode_size(i);
    if ((i->seals & LF_SEAL_WRITE) && (mode & (FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE))) {
        return -EPERM;
    }
    if ((i->seals & LF_SEAL_GROW) && grows) { return -EPERM; }
    if (grows && off + len > current_proc()->rlim[1].cur) { return -EFBIG; }
    if (mode & (FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE)) { err = mobj_punch(i->data, off, len); }
    uint64_t size = inode_size(i);
    if (!err && grows) { err = mobj_truncate(i->data, off + len); }
    if (!err && !(mode & FALLOC_PUNCH_HOLE)) {
        err = reserve(i, off, min_u64(off + len, inode_size(i)));
    }
    if (err && grows) { err = mobj_truncate(i->data, size) ?: err; }
    if (!err) { inode_touch(i); }
    return err;
}

/* ---- times ---- */

struct times {
    uint64_t ns[2]; /* atime, mtime */
    bool set[2], now[2];
};

static int64_t set_times(struct path p, const void *arg)
{
    const struct times *t = arg;
    struct inode *i = p.dentry->inode;

    if (t->set[0] || t->set[1]) {
        bool now = (!t->set[0] || t->now[0]) && (!t->set[1] || t->now[1]) && t->set[0] == t->set[1];
        if (!inode_owner_or_capable(i)) {
            if (!now) { return -EPERM; }
            int err = inode_may(i, MAY_WRITE);
            if (err) { return err; }
        }
        uint64_t clock = clock_wall_ns();
        if (t->set[0]) { i->atime_ns = t->now[0] ? clock : t->ns[0]; }
        if (t->set[1]) { i->mtime_ns = t->now[1] ? clock : t->ns[1]; }
        changed(p);
    }
    return 0;
}

/* Two pairs of seconds and a fraction, counted `unit` times a nanosecond; special values only where nanoseconds are. */
static int times_load(struct times *t, uint64_t va, uint64_t unit)
{
    int64_t raw[4];

    *t = (struct times){.set = {true, true}, .now = {true, true}};
    if (va == 0) { return 0; }
    int err = copy_from_user(raw, va, sizeof(raw));
    if (err) { return err; }
    for (int k = 0; k < 2; k++) {
        int64_t s = raw[2 * k], part = raw[2 * k + 1];
        t->now[k] = unit == 1 && part == UTIME_NOW;
        t->set[k] = !(unit == 1 && part == UTIME_OMIT);
        if (t->now[k] || !t->set[k]) { continue; }
        if (part < 0 || (uint64_t)part >= NS / unit) { return -EINVAL; }
        /* Times before 1970 and after 2500 are clamped: the inode keeps unsigned nanoseconds. */
        s = s < 0 ? 0 : s > 16000000000 ? 16000000000 : s;
        t->ns[k] = (uint64_t)s * NS + (uint64_t)part * unit;
    }
    return 0;
}

static int64_t times_path(int dfd, uint64_t path, uint64_t va, uint64_t unit, uint32_t flags)
{
    struct times t;
    int err = times_load(&t, va, unit);

    if (err) { return err; }
    return change_path(dfd, path, walk_flags(flags), set_times, &t);
}

int64_t sys_utimensat(const uint64_t a[6])
{
    uint32_t flags = (uint32_t)a[3];
    struct times t;

    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) { return -EINVAL; }
    if (a[1] != 0) { return times_path((int)a[0], a[1], a[2], 1, flags); }
    int err = times_load(&t, a[2], 1);
    return err ? err : change_fd((int)a[0], set_times, &t);
}

int64_t sys_utimes(const uint64_t a[6]) { return times_path(AT_FDCWD_, a[0], a[1], 1000, 0); }
int64_t sys_futimesat(const uint64_t a[6])
{
    if (a[1] != 0) { return times_path((int)a[0], a[1], a[2], 1000, 0); }
    struct times t;
    int err = times_load(&t, a[2], 1000);
    return err ? err : change_fd((int)a[0], set_times, &t);
}

int64_t sys_utime(const uint64_t a[6])
{
    struct times t = {.set = {true, true}, .now = {true, true}};
    int64_t raw[2];

    if (a[1] != 0) {
        int err = copy_from_user(raw, a[1], sizeof(raw));
        if (err) { return err; }
        for (int k = 0; k < 2; k++) {
            t.now[k] = false;
            t.ns[k] = (raw[k] < 0 ? 0 : min_u64((uint64_t)raw[k], 16000000000)) * NS;
        }
    }
    return change_path(AT_FDCWD_, a[0], WALK_FOLLOW, set_times, &t);
}
