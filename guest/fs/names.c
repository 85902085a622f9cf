/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that make, remove and move names. Each walks to the directory, checks everything, then changes; memory is taken
 * before the first change, so a refused call has changed nothing.
 */
#include "guest/fs/vfs.h"
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"

#define AT_SYMLINK_NOFOLLOW 0x100u
#define AT_REMOVEDIR        0x200u
#define AT_SYMLINK_FOLLOW   0x400u
#define AT_EMPTY_PATH       0x1000u
#define RENAME_NOREPLACE    1u
#define RENAME_EXCHANGE     2u

int may_create(struct path dir)
{
    if (mount_readonly(dir.mnt)) { return -EROFS; }
    if (!dir.dentry->linked) { return -ENOENT; }
    return inode_may(dir.dentry->inode, MAY_WRITE | MAY_EXEC);
}

/* May the name `at` in `dir` go? Sticky directories protect what belongs to others. */
static int may_delete(struct path dir, struct path at)
{
    const struct inode *d = dir.dentry->inode, *i = at.dentry->inode;

    if (mount_readonly(dir.mnt)) { return -EROFS; }
    int err = inode_may(d, MAY_WRITE | MAY_EXEC);
    if (err) { return err; }
    if ((d->mode & LS_ISVTX) && current_proc()->cred.fsuid != d->uid &&
        !inode_owner_or_capable(i)) {
        return -EPERM;
    }
    if (at.mnt != dir.mnt || at.dentry->mounts > 0) { return -EBUSY; }
    return d->ops->make ? 0 : -EPERM;
}

int names_make(struct walk *w, uint32_t mode, uint64_t rdev, const char *target, struct path *out)
{
    struct inode *dir = w->parent.dentry->inode, *inode;
    struct dentry *d;
    int err = may_create(w->parent);

    if (err) { return err; }
    if (!dir->ops->make) { return -EPERM; }
    if ((mode & LS_IFMT) != LS_IFLNK) { mode &= ~(current_proc()->fs->umask & 0777); }
    if ((dir->mode & LS_ISGID) && (mode & LS_IFMT) == LS_IFDIR) { mode |= LS_ISGID; }
    err = dir->ops->make(dir, mode, rdev, target, &inode);
    if (err) { return err; }
    if (dir->mode & LS_ISGID) { inode->gid = dir->gid; }
    d = dentry_new(w->parent.dentry, w->last, w->last_len, inode);
    inode_put(inode);
    if (!d) { return -ENOMEM; }
    err = dentry_link(w->parent.dentry, d);
    if (!err) {
        inode_touch(dir);
        notify_name(dir, d->name, d->len, IN_CREATE | (s_isdir(inode) ? IN_ISDIR : 0), 0);
        if (out) {
            *out = (struct path){w->parent.mnt, d};
            path_get(*out);
        }
    }
    dentry_put(d);
    return err;
}

/* The walk to a name that must not exist yet. */
static int walk_new(struct walk *w, int dfd, uint64_t path, bool dir)
{
    int err = walk_user(w, dfd, path, WALK_PARENT);

    if (err) { return err; }
    if (w->at.dentry) {
        err = -EEXIST;
    } else if (w->slash && !dir) {
        err = -ENOENT;
    }
    if (err) { walk_end(w); }
    return err;
}

static int64_t make_node(int dfd, uint64_t path, uint32_t mode, uint64_t rdev)
{
    uint32_t kind = mode & LS_IFMT;
    struct walk w;

    if (kind == 0) { kind = LS_IFREG; }
    if (kind == LS_IFDIR) { return -EPERM; }
    if (kind != LS_IFREG && kind != LS_IFIFO && kind != LS_IFSOCK && kind != LS_IFCHR &&
        kind != LS_IFBLK) {
        return -EINVAL;
    }
    if ((kind == LS_IFCHR || kind == LS_IFBLK) && !capable(CAP_MKNOD)) { return -EPERM; }
    int err = walk_new(&w, dfd, path, false);
    if (err) { return err; }
    err = names_make(&w, kind | (mode & 07777), rdev, NULL, NULL);
    walk_end(&w);
    return err;
}

int64_t sys_mknod(const uint64_t a[6])
{
    return make_node(AT_FDCWD_, a[0], (uint32_t)a[1], (uint32_t)a[2]);
}
int64_t sys_mknodat(const uint64_t a[6])
{
    return make_node((int)a[0], a[1], (uint32_t)a[2], (uint32_t)a[3]);
}

static int64_t make_dir(int dfd, uint64_t path, uint32_t mode)
{
    struct walk w;
    int err = walk_new(&w, dfd, path, true);

    if (err) { return err; }
    if (w.parent.dentry->inode->nlink >= LLINK_MAX) {
        err = -EMLINK;
    } else {
        err = names_make(&w, LS_IFDIR | (mode & 01777), 0, NULL, NULL);
    }
    walk_end(&w);
    return err;
}

int64_t sys_mkdir(const uint64_t a[6]) { return make_dir(AT_FDCWD_, a[0], (uint32_t)a[1]); }
int64_t sys_mkdirat(const uint64_t a[6]) { return make_dir((int)a[0], a[1], (uint32_t)a[2]); }

static int64_t make_symlink(uint64_t target_va, int dfd, uint64_t path)
{
    char *target = name_get();
    struct walk w;
    int64_t err;

    if (!target) { return -ENOMEM; }
    err = user_string(target, target_va, LPATH_MAX);
    if (err == 0) { err = -ENOENT; }
    if (err > 0) { err = walk_new(&w, dfd, path, false); }
    if (err == 0) {
        err = names_make(&w, LS_IFLNK | 0777, 0, target, NULL);
        walk_end(&w);
    }
    name_put(target);
    return err;
}

int64_t sys_symlink(const uint64_t a[6]) { return make_symlink(a[0], AT_FDCWD_, a[1]); }
int64_t sys_symlinkat(const uint64_t a[6]) { return make_symlink(a[0], (int)a[1], a[2]); }

static int link_checked(struct path from, struct walk *to)
{
    struct inode *i = from.dentry->inode;
    struct dentry *d;
    int err = may_create(to->parent);

    if (err) { return err; }
    if (from.mnt != to->parent.mnt) { return -EXDEV; }
    if (s_isdir(i) || !to->parent.dentry->inode->ops->make) { return -EPERM; }
    if (i->nlink == 0 && !i->linkable) { return -ENOENT; }
    if (i->nlink >= LLINK_MAX) { return -EMLINK; }
    d = dentry_new(to->parent.dentry, to->last, to->last_len, i);
    if (!d) { return -ENOMEM; }
    err = dentry_link(to->parent.dentry, d);
    if (!err) {
        i->nlink++;
        i->ctime_ns = clock_wall_ns();
        inode_touch(to->parent.dentry->inode);
        notify_name(to->parent.dentry->inode, d->name, d->len, IN_CREATE, 0);
    }
    dentry_put(d);
    return err;
}

static int64_t make_link(int from_dfd, uint64_t from_va, int to_dfd, uint64_t to_va, uint32_t flags)
{
    struct path from;
    struct walk to;
    int err;

    if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) { return -EINVAL; }
    err = walk_to(from_dfd, from_va,
                  (flags & AT_SYMLINK_FOLLOW ? WALK_FOLLOW : 0) |
                      (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0),
                  &from);
    if (err) { return err; }
    err = walk_new(&to, to_dfd, to_va, false);
    if (!err) {
        err = link_checked(from, &to);
        walk_end(&to);
    }
    path_put(from);
    return err;
}

int64_t sys_link(const uint64_t a[6]) { return make_link(AT_FDCWD_, a[0], AT_FDCWD_, a[1], 0); }
int64_t sys_linkat(const uint64_t a[6])
{
    return make_link((int)a[0], a[1], (int)a[2], a[3], (uint32_t)a[4]);
}

/* ---- removing ---- */

/* The name is gone; what it named lives on while somebody holds it. */
static void drop_name(struct path dir, struct dentry *d)
{
    struct inode *i = d->inode;

    if (s_isdir(i)) {
        i->nlink = 0;
    } else {
        i->nlink--;
    }
    i->ctime_ns = clock_wall_ns();
    inode_touch(dir.dentry->inode);
    dentry_unlink(d);
    if (i->nlink == 0) { notify_last_name(i); }
}

static int unlink_checked(struct walk *w)
{
    int err = may_delete(w->parent, w->at);

    if (err) { return err; }
    if (s_isdir(w->at.dentry->inode)) { return -EISDIR; }
    if (w->slash) { return -ENOTDIR; }
    drop_name(w->parent, w->at.dentry);
    if (w->at.dentry->inode->nlink > 0) { notify_inode(w->at.dentry->inode, NULL, IN_ATTRIB); }
    notify_name(w->parent.dentry->inode, w->last, w->last_len, IN_DELETE, 0);
    return 0;
}

static int rmdir_checked(struct walk *w)
{
    int err = may_delete(w->parent, w->at);

    if (err) { return err; }
    if (!s_isdir(w->at.dentry->inode)) { return -ENOTDIR; }
    if (w->at.dentry->names->count > 0) { return -ENOTEMPTY; }
    drop_name(w->parent, w->at.dentry);
    notify_name(w->parent.dentry->inode, w->last, w->last_len, IN_DELETE | IN_ISDIR, 0);
    return 0;
}

static int64_t remove_name(int dfd, uint64_t path, bool dir)
{
    struct walk w;
    int err = walk_user(&w, dfd, path, WALK_PARENT);

    if (err) { return err; }
    if (w.dots) { /* "." EINVAL, ".." ENOTEMPTY, "/" EBUSY; never a file */
        err = !dir ? -EISDIR : !w.last ? -EBUSY : w.last_len == 1 ? -EINVAL : -ENOTEMPTY;
    } else if (!w.at.dentry) {
        err = -ENOENT;
    } else {
        err = dir ? rmdir_checked(&w) : unlink_checked(&w);
    }
    walk_end(&w);
    return err;
}

int64_t sys_unlink(const uint64_t a[6]) { return remove_name(AT_FDCWD_, a[0], false); }
int64_t sys_rmdir(const uint64_t a[6]) { return remove_name(AT_FDCWD_, a[0], true); }
int64_t sys_unlinkat(const uint64_t a[6])
{
    if ((uint32_t)a[2] & ~AT_REMOVEDIR) { return -EINVAL; }
    return remove_name((int)a[0], a[1], (a[2] & AT_REMOVEDIR) != 0);
}

/* ---- rename ---- */

static int rename_check(const struct walk *from, const struct walk *to, uint32_t flags)
{
    const struct inode *i = from->at.dentry->inode;
    int err;

    if (from->parent.mnt != to->parent.mnt) { return -EXDEV; }
    err = may_delete(from->parent, from->at);
    if (err) { return err; }
    if ((from->slash || to->slash) && !s_isdir(i)) { return -ENOTDIR; }
    if (s_isdir(i) && dentry_inside(to->parent.dentry, from->at.dentry)) { return -EINVAL; }
    if (!to->at.dentry) { return flags & RENAME_EXCHANGE ? -ENOENT : may_create(to->parent); }
    if (flags & RENAME_NOREPLACE) { return -EEXIST; }
    err = may_delete(to->parent, to->at);
    if (err) { return err; }
    const struct inode *over = to->at.dentry->inode;
    if (dentry_inside(from->parent.dentry, to->at.dentry)) {
        return flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
    }
    if (flags & RENAME_EXCHANGE) { return 0; }
    if (s_isdir(i) && !s_isdir(over)) { return -ENOTDIR; }
    if (!s_isdir(i) && s_isdir(over)) { return -EISDIR; }
    return s_isdir(over) && to->at.dentry->names->count > 0 ? -ENOTEMPTY : 0;
}

static int rename_checked(struct walk *from, struct walk *to, uint32_t flags)
{
    static uint32_t cookie;
    struct dentry *d = from->at.dentry, *over = to->at.dentry;
    struct inode *from_dir = from->parent.dentry->inode, *to_dir = to->parent.dentry->inode;
    uint32_t isdir = s_isdir(d->inode) ? IN_ISDIR : 0;
    int err = rename_check(from, to, flags);

    if (err) { return err; }
    if (over && over->inode == d->inode) {
        return 0;
    } /* two names of one object: both stay [rename(2)] */
    cookie++;
    if (flags & RENAME_EXCHANGE) {
        dentry_exchange(d, over);
    } else {
        err = dentry_move(d, to->parent.dentry, to->last, to->last_len);
        if (err) { return err; }
        /* From here the new name stands twice in the table; the old holder of it goes. */
        if (over) { drop_name(to->parent, over); }
        notify_name(from_dir, from->last, from->last_len, IN_MOVED_FROM | isdir, cookie);
        notify_name(to_dir, d->name, d->len, IN_MOVED_TO | isdir, cookie);
        notify_inode(d->inode, NULL, IN_MOVE_SELF);
    }
    d->inode->ctime_ns = clock_wall_ns();
    inode_touch(from_dir);
    inode_touch(to_dir);
    return 0;
}

static int64_t rename_path(int from_dfd, uint64_t from_va, int to_dfd, uint64_t to_va,
                           uint32_t flags)
{
    struct walk from, to;
    int err;

    if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE) ||
        flags == (RENAME_NOREPLACE | RENAME_EXCHANGE)) {
        return -EINVAL;
    }
    err = walk_user(&from, from_dfd, from_va, WALK_PARENT);
    if (err) { return err; }
    err = walk_user(&to, to_dfd, to_va, WALK_PARENT);
    if (!err) {
        if (from.dots || to.dots) {
            err = to.dots && !from.dots && (flags & RENAME_NOREPLACE) ? -EEXIST : -EBUSY;
        } else {
            err = from.at.dentry ? rename_checked(&from, &to, flags) : -ENOENT;
        }
        walk_end(&to);
    }
    walk_end(&from);
    return err;
}

int64_t sys_rename(const uint64_t a[6]) { return rename_path(AT_FDCWD_, a[0], AT_FDCWD_, a[1], 0); }
int64_t sys_renameat(const uint64_t a[6])
{
    return rename_path((int)a[0], a[1], (int)a[2], a[3], 0);
}
int64_t sys_renameat2(const uint64_t a[6])
{
    return rename_path((int)a[0], a[1], (int)a[2], a[3], (uint32_t)a[4]);
}

/* ---- names of unix sockets, for net/ ---- */

int fs_bind_socket(const char *path, struct inode **out)
{
    struct path made;
    struct walk w;
    int err = walk_path(&w, AT_FDCWD_, path, WALK_PARENT);

    if (err) { return err; }
    if (w.at.dentry) {
        err = -EADDRINUSE;
    } else {
        err = names_make(&w, LS_IFSOCK | 0777, 0, NULL, &made);
    }
    if (!err) {
        *out = made.dentry->inode;
        inode_get(*out);
        path_put(made);
    }
    walk_end(&w);
    return err;
}

int fs_find_socket(const char *path, struct inode **out)
{
    struct walk w;
    int err = walk_path(&w, AT_FDCWD_, path, WALK_FOLLOW);

    if (err) { return err; }
    if (!w.at.dentry) {
        err = -ENOENT;
    } else {
        err = inode_may(w.at.dentry->inode, MAY_WRITE);
        if (!err && (w.at.dentry->inode->mode & LS_IFMT) != LS_IFSOCK) { err = -ECONNREFUSED; }
    }
    if (!err) {
        *out = w.at.dentry->inode;
        inode_get(*out);
    }
    walk_end(&w);
    return err;
}
