/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes: user.* on files and directories of tmpfs trees, trusted.* for root there; every other name space
 * (security, ACLs) is EOPNOTSUPP to set and ENODATA to get, which is what programs are known to accept.
 */
#include "guest/fs/vfs.h"
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"

#define XNAME_MAX         255
#define XVALUE_MAX        65536u
#define XVALUE_STORED_MAX 4096u  /* stated ceiling: ext4's default, too */
#define XLIST_MAX         65536u /* bytes of all names of one inode */
#define XATTR_CREATE      1u
#define XATTR_REPLACE     2u

struct xattr {
    struct list link;
    size_t name_len, value_len;
    char bytes[]; /* name, NUL, value */
};

static const char *value_of(const struct xattr *x) { return x->bytes + x->name_len + 1; }

void xattr_free(struct inode *i)
{
    LIST_EACH_SAFE (l, &i->xattrs) {
        struct xattr *x = LIST_ENTRY(l, struct xattr, link);
        list_del(&x->link);
        mem_free(x);
    }
}

static struct xattr *find(struct inode *i, const char *name)
{
    LIST_EACH (l, &i->xattrs) {
        struct xattr *x = LIST_ENTRY(l, struct xattr, link);
        if (strcmp(x->bytes, name) == 0) { return x; }
    }
    return NULL;
}

static bool starts(const char *s, const char *with) { return strncmp(s, with, strlen(with)) == 0; }

/* May the caller use this name here? */
static int may_use(struct inode *i, const char *name, uint32_t may)
{
    if (starts(name, "trusted.")) {
        if (!capable(CAP_SYS_ADMIN)) { return may == MAY_READ ? -ENODATA : -EPERM; }
    } else if (!starts(name, "user.")) {
        return may == MAY_READ ? -ENODATA : -EOPNOTSUPP;
    } else if (!s_isreg(i) && !s_isdir(i)) {
        return may == MAY_READ ? -ENODATA : -EPERM;
    }
    if (i->ops != &tmpfs_ops) { return -EOPNOTSUPP; }
    return inode_may(i, may);
}

static int name_from_user(char name[XNAME_MAX + 1], uint64_t va)
{
    int64_t n = user_string(name, va, XNAME_MAX + 1);

    if (n == 0 || n == -ENAMETOOLONG) { return -ERANGE; }
    return n < 0 ? (int)n : 0;
}

static size_t names_size(struct inode *i)
{
    size_t sum = 0;

    LIST_EACH (l, &i->xattrs) { sum += LIST_ENTRY(l, struct xattr, link)->name_len + 1; }
    return sum;
}

static int64_t set_attr(struct path p, uint64_t name_va, uint64_t value_va, uint64_t size,
                        uint32_t flags)
{
    struct inode *i = p.dentry->inode;
    char name[XNAME_MAX + 1];
    int err = name_from_user(name, name_va);

    if (err) { return err; }
    if (flags & ~(XATTR_CREATE | XATTR_REPLACE)) { return -EINVAL; }
    if (size > XVALUE_MAX) { return -E2BIG; }
    if (mount_readonly(p.mnt)) { return -EROFS; }
    err = may_use(i, name, MAY_WRITE);
    if (err) { return err; }
    struct xattr *old = find(i, name);
    if (old && (flags & XATTR_CREATE)) { return -EEXIST; }
    if (!old && (flags & XATTR_REPLACE)) { return -ENODATA; }
    size_t len = strlen(name);
    if (size > XVALUE_STORED_MAX || names_size(i) + len + 1 > XLIST_MAX) { return -ENOSPC; }
    struct xattr *x = mem_alloc(sizeof(*x) + len + 1 + size);
    if (!x) { return -ENOSPC; }
    x->name_len = len;
    x->value_len = size;
    memcpy(x->bytes, name, len + 1);
    if (size > 0 && copy_from_user(x->bytes + len + 1, value_va, size) != 0) {
        mem_free(x);
        return -EFAULT;
    }
    if (old) {
        list_del(&old->link);
        mem_free(old);
    }
    list_add_tail(&i->xattrs, &x->link);
    i->ctime_ns = clock_wall_ns();
    return 0;
}

static int64_t get_attr(struct path p, uint64_t name_va, uint64_t value_va, uint64_t size)
{
    char name[XNAME_MAX + 1];
    int err = name_from_user(name, name_va);

    if (!err) { err = may_use(p.dentry->inode, name, MAY_READ); }
    if (err) { return err; }
    struct xattr *x = find(p.dentry->inode, name);
    if (!x) { return -ENODATA; }
    if (size == 0) { return (int64_t)x->value_len; }
    if (size < x->value_len) { return -ERANGE; }
    return copy_to_user(value_va, value_of(x), x->value_len) != 0 ? -EFAULT : (int64_t)x->value_len;
}

static int64_t list_attrs(struct path p, uint64_t va, uint64_t size)
{
    uint64_t sum = 0;

    LIST_EACH (l, &p.dentry->inode->xattrs) {
        const struct xattr *x = LIST_ENTRY(l, struct xattr, link);
        if (starts(x->bytes, "trusted.") && !capable(CAP_SYS_ADMIN)) { continue; }
        if (size > 0) {
            if (sum + x->name_len + 1 > size) { return -ERANGE; }
            if (copy_to_user(va + sum, x->bytes, x->name_len + 1) != 0) { return -EFAULT; }
        }
        sum += x->name_len + 1;
    }
    return (int64_t)sum;
}

static int64_t remove_attr(struct path p, uint64_t name_va)
{
    char name[XNAME_MAX + 1];
    int err = name_from_user(name, name_va);

    if (!err && mount_readonly(p.mnt)) { err = -EROFS; }
    if (!err) { err = may_use(p.dentry->inode, name, MAY_WRITE); }
    if (err) { return err; }
    struct xattr *x = find(p.dentry->inode, name);
    if (!x) { return -ENODATA; }
    list_del(&x->link);
    mem_free(x);
    p.dentry->inode->ctime_ns = clock_wall_ns();
    return 0;
}

/* The four calls in their three forms: by path, by path without following, by descriptor. */
enum op { SET, GET, LIST, REMOVE };

static int64_t perform(enum op op, struct path p, const uint64_t a[6])
{
    switch (op) {
    case SET: return set_attr(p, a[1], a[2], a[3], (uint32_t)a[4]);
    case GET: return get_attr(p, a[1], a[2], a[3]);
    case LIST: return list_attrs(p, a[1], a[2]);
    default: return remove_attr(p, a[1]);
    }
}

static int64_t by_path(enum op op, uint32_t walk, const uint64_t a[6])
{
    struct path p;
    int64_t r = walk_to(AT_FDCWD_, a[0], walk, &p);

    if (r) { return r; }
    r = perform(op, p, a);
    path_put(p);
    return r;
}

static int64_t by_fd(enum op op, const uint64_t a[6])
{
    struct file *f = fd_file((int)a[0]);
    return f && !(f->flags & LO_PATH) ? perform(op, file_place(f), a) : -EBADF;
}

int64_t sys_setxattr(const uint64_t a[6]) { return by_path(SET, WALK_FOLLOW, a); }
int64_t sys_lsetxattr(const uint64_t a[6]) { return by_path(SET, 0, a); }
int64_t sys_fsetxattr(const uint64_t a[6]) { return by_fd(SET, a); }
int64_t sys_getxattr(const uint64_t a[6]) { return by_path(GET, WALK_FOLLOW, a); }
int64_t sys_lgetxattr(const uint64_t a[6]) { return by_path(GET, 0, a); }
int64_t sys_fgetxattr(const uint64_t a[6]) { return by_fd(GET, a); }
int64_t sys_listxattr(const uint64_t a[6]) { return by_path(LIST, WALK_FOLLOW, a); }
int64_t sys_llistxattr(const uint64_t a[6]) { return by_path(LIST, 0, a); }
int64_t sys_flistxattr(const uint64_t a[6]) { return by_fd(LIST, a); }
int64_t sys_removexattr(const uint64_t a[6]) { return by_path(REMOVE, WALK_FOLLOW, a); }
int64_t sys_lremovexattr(const uint64_t a[6]) { return by_path(REMOVE, 0, a); }
int64_t sys_fremovexattr(const uint64_t a[6]) { return by_fd(REMOVE, a); }
