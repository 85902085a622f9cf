/* SPDX-License-Identifier: Apache-2.0 */
/* Opening by name: open, openat, openat2, creat, and file_open() for the library OS itself. */
#include "guest/fs/vfs.h"
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"

#define TMPFILE_BIT 020000000u
#define OPEN_FLAGS                                                                                 \
    (LO_ACCMODE | LO_CREAT | LO_EXCL | LO_NOCTTY | LO_TRUNC | LO_APPEND | LO_NONBLOCK | LO_DSYNC | \
     LO_ASYNC | LO_DIRECT | LO_LARGEFILE | LO_DIRECTORY | LO_NOFOLLOW | LO_NOATIME | LO_CLOEXEC |  \
     LO_PATH | 04000000u | TMPFILE_BIT)
#define PATH_FLAGS (LO_DIRECTORY | LO_NOFOLLOW | LO_PATH | LO_CLOEXEC)

#define RESOLVE_NO_XDEV       1u
#define RESOLVE_NO_MAGICLINKS 2u
#define RESOLVE_NO_SYMLINKS   4u
#define RESOLVE_BENEATH       8u
#define RESOLVE_IN_ROOT       16u

static uint32_t access_wanted(uint32_t flags)
{
    uint32_t mode = flags & LO_ACCMODE;
    uint32_t may = (mode == LO_RDONLY ? 0 : MAY_WRITE) | (mode == LO_WRONLY ? 0 : MAY_READ);

    return flags & LO_TRUNC ? may | MAY_WRITE : may;
}

static int may_open(struct path p, uint32_t flags)
{
    const struct inode *i = p.dentry->inode;
    uint32_t may = access_wanted(flags);

    if (s_islnk(i)) { return flags & LO_PATH ? 0 : -ELOOP; }
    if ((flags & LO_DIRECTORY) && !s_isdir(i)) { return -ENOTDIR; }
    if (flags & LO_PATH) { return 0; }
    if (s_isdir(i) && (may & MAY_WRITE)) { return -EISDIR; }
    if ((may & MAY_WRITE) && mount_readonly(p.mnt) && s_isreg(i)) { return -EROFS; }
    if (p.mnt && (p.mnt->flags & MOUNT_NODEV) && s_ischr(i)) { return -EACCES; }
    if ((flags & LO_NOATIME) && !inode_owner_or_capable(i)) { return -EPERM; }
    return inode_may(i, may);
}

static int open_tmpfile(struct path dir, uint32_t flags, uint32_t mode, struct file **out)
{
    struct inode *d = dir.dentry->inode, *i;
    int err = s_isdir(d) ? may_create(dir) : -ENOTDIR;

    if (err) { return err; }
    if (!d->ops->make) { return -EOPNOTSUPP; }
    err = d->ops->make(d, LS_IFREG | (mode & 07777 & ~current_proc()->fs->umask), 0, NULL, &i);
    if (err) { return err; }
    char name[24];
    size_t len = fmt(name, sizeof(name), "#%lu", (unsigned long)i->ino);
    struct dentry *gone = dentry_new(dir.dentry, name, len, i);
    if (gone) {
        gone->linked = false;
        i->nlink = 0;
        i->linkable = !(flags & LO_EXCL);
        err = file_open_path((struct path){dir.mnt, gone}, flags & ~(TMPFILE_BIT | LO_DIRECTORY),
                             out);
    } else {
        err = -ENOMEM;
    }
    dentry_put(gone);
    inode_put(i);
    return err;
}

/* What the walk found, or a new file. A reference in *out. */
static int find_or_make(struct walk *w, uint32_t flags, uint32_t mode, struct path *out)
{
    if (!w->at.dentry) {
        if (!(flags & LO_CREAT)) { return -ENOENT; }
        if (w->slash) { return -EISDIR; }
        return names_make(w, LS_IFREG | (mode & 07777), 0, NULL, out);
    }
    if ((flags & LO_CREAT) && (flags & LO_EXCL)) { return -EEXIST; }
    if ((flags & LO_CREAT) && s_isdir(w->at.dentry->inode)) { return -EISDIR; }
    int err = may_open(w->at, flags);
    if (err) { return err; }
    if ((flags & LO_TRUNC) && s_isreg(w->at.dentry->inode) && inode_size(w->at.dentry->inode) > 0) {
        err = inode_truncate(w->at.dentry->inode, 0);
        if (err) { return err; }
        notify_inode(w->at.dentry->inode, w->at.dentry, IN_MODIFY);
    }
    *out = w->at;
    path_get(*out);
    return 0;
}

/* After a walk that succeeded; ends it. */
static int open_walked(struct walk *w, uint32_t flags, uint32_t mode, struct file **out)
{
    struct path p;
    int err;

    if (flags & TMPFILE_BIT) {
        err = w->at.dentry ? open_tmpfile(w->at, flags, mode, out) : -ENOENT;
        walk_end(w);
        return err;
    }
    err = find_or_make(w, flags, mode, &p);
    walk_end(w); /* before the open, which may sleep: FIFOs */
    if (err) { return err; }
    err = file_open_path(p, flags, out);
    path_put(p);
    return err;
}

static uint32_t walk_flags(uint32_t flags)
{
    bool follow = !(flags & LO_NOFOLLOW) && (flags & (LO_CREAT | LO_EXCL)) != (LO_CREAT | LO_EXCL);
    return follow ? WALK_FOLLOW : 0;
}

static int check_flags(uint32_t *flags)
{
    *flags &= OPEN_FLAGS;
    if (*flags & LO_PATH) { *flags &= PATH_FLAGS; }
    if (*flags & TMPFILE_BIT) {
        if (!(*flags & LO_DIRECTORY) || !(access_wanted(*flags) & MAY_WRITE) ||
            (*flags & LO_CREAT)) {
            return -EINVAL;
        }
    } else if ((*flags & (LO_CREAT | LO_DIRECTORY)) == (LO_CREAT | LO_DIRECTORY)) {
        return -EINVAL;
    }
    return 0;
}

static int64_t open_user(int dfd, uint64_t path_va, uint32_t flags, uint32_t mode, uint32_t resolve)
{
    struct file *f;
    struct walk w;
    int err = check_flags(&flags);

    if (err) { return err; }
    err = walk_user(&w, dfd, path_va, walk_flags(flags) | resolve);
    if (err) { return err; }
    err = open_walked(&w, flags, mode, &f);
    return err ? err : fd_install(f, (flags & LO_CLOEXEC) != 0);
}

int64_t sys_open(const uint64_t a[6])
{
    return open_user(AT_FDCWD_, a[0], (uint32_t)a[1] | LO_LARGEFILE, (uint32_t)a[2], 0);
}
int64_t sys_creat(const uint64_t a[6])
{
    return open_user(AT_FDCWD_, a[0], LO_CREAT | LO_WRONLY | LO_TRUNC | LO_LARGEFILE,
                     (uint32_t)a[1], 0);
}
int64_t sys_openat(const uint64_t a[6])
{
    return open_user((int)a[0], a[1], (uint32_t)a[2] | LO_LARGEFILE, (uint32_t)a[3], 0);
}

int64_t sys_openat2(const uint64_t a[6])
{
    struct {
        uint64_t flags, mode, resolve;
    } how = {0};
    uint32_t walk = 0;

    if (a[3] < sizeof(how)) { return -EINVAL; }
    if (a[3] > PAGE_SIZE) { return -E2BIG; }
    int err = copy_from_user(&how, a[2], sizeof(how));
    for (uint64_t at = sizeof(how); !err && at < a[3];
         at++) { /* what a newer caller added must be zero */
        uint8_t more;
        err = copy_from_user(&more, a[2] + at, 1);
        if (!err && more) { err = -E2BIG; }
    }
    if (err) { return err; }
    if (how.flags & ~(uint64_t)OPEN_FLAGS || how.resolve & ~63ull) { return -EINVAL; }
    if ((how.flags & LO_PATH) && (how.flags & ~(uint64_t)PATH_FLAGS)) { return -EINVAL; }
    if (how.mode & ~07777ull || (how.mode && !(how.flags & (LO_CREAT | TMPFILE_BIT)))) {
        return -EINVAL;
    }
    if ((how.resolve & RESOLVE_BENEATH) && (how.resolve & RESOLVE_IN_ROOT)) { return -EINVAL; }
    if (how.resolve & RESOLVE_NO_XDEV) { walk |= WALK_NO_XDEV; }
    if (how.resolve & RESOLVE_NO_MAGICLINKS) { walk |= WALK_NO_MAGIC; }
    if (how.resolve & RESOLVE_NO_SYMLINKS) { walk |= WALK_NO_LINKS; }
    if (how.resolve & RESOLVE_BENEATH) { walk |= WALK_BENEATH; }
    if (how.resolve & RESOLVE_IN_ROOT) { walk |= WALK_IN_ROOT; }
    return open_user((int)a[0], a[1], (uint32_t)how.flags | LO_LARGEFILE, (uint32_t)how.mode, walk);
}

struct file *file_open(const char *path, uint32_t flags, uint32_t mode, int *out_err)
{
    struct file *f = NULL;
    struct walk w;
    int err = check_flags(&flags);

    if (!err) { err = walk_path(&w, AT_FDCWD_, path, walk_flags(flags)); }
    if (!err) { err = open_walked(&w, flags, mode, &f); }
    *out_err = err;
    return err ? NULL : f;
}
