/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpfs: the tree that exists only in memory. Names are in the name tables, contents in memory objects; what is left for this
 * file is to make inodes. There is no size limit of its own: a write fails with ENOSPC when guest memory is out, and
 * statfs reports half of memory, as Linux does.
 */
#include "guest/fs/vfs.h"
#include "guest/mm/mm.h"

#define TMPFS_MAGIC 0x01021994

static int tmpfs_make(struct inode *dir, uint32_t mode, uint64_t rdev, const char *target,
                      struct inode **out)
{
    struct inode *i = inode_new(dir->super, &tmpfs_ops, mode);

    if (!i) { return -ENOSPC; }
    i->rdev = rdev;
    if (s_isdir(i)) { i->nlink = 2; }
    if (s_isreg(i) && !(i->data = mobj_new())) { goto no_space; }
    if (target) {
        size_t size = strlen(target) + 1;
        if (!(i->link = mem_alloc(size))) { goto no_space; }
        memcpy(i->link, target, size);
    }
    *out = i;
    return 0;
no_space:
    inode_put(i);
    return -ENOSPC;
}

const struct inode_ops tmpfs_ops = {.make = tmpfs_make};

struct super *tmpfs_new(const char *source)
{
    struct super *s = super_new("tmpfs", source, TMPFS_MAGIC);
    struct inode *i = s ? inode_new(s, &tmpfs_ops, LS_IFDIR | 0755) : NULL;

    if (!i) {
        mem_free(s);
        return NULL;
    }
    i->nlink = 2;
    i->uid = i->gid = 0;
    s->root = dentry_new(NULL, "/", 1, i);
    inode_put(i);
    if (!s->root) {
        mem_free(s);
        return NULL;
    }
    return s;
}

struct dentry *tmpfs_add(struct dentry *dir, const char *name, uint32_t mode, uint64_t rdev,
                         const char *target)
{
    struct inode *i;
    struct dentry *d;

    if (tmpfs_make(dir->inode, mode, rdev, target, &i) != 0) { return NULL; }
    d = dentry_new(dir, name, strlen(name), i);
    inode_put(i);
    if (d && dentry_link(dir, d) != 0) {
        dentry_put(d);
        return NULL;
    }
    dentry_put(d);
    return d;
}
