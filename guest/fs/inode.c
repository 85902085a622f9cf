/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inodes: life, permission, size, times. What is inside is the business of the tree that made the inode; regular files,
 * links and FIFOs are the same everywhere and live here.
 */
#include "guest/fs/vfs.h"
#include "guest/mm/mm.h"

static uint32_t next_minor = 1;

struct super *super_new(const char *type, const char *source, uint32_t magic)
{
    struct super *s = mem_alloc(sizeof(*s));

    if (!s) { return NULL; }
    s->type = type;
    s->source = source;
    s->magic = magic;
    s->minor = next_minor++;
    s->next_ino = 1;
    return s;
}

struct inode *inode_new(struct super *s, const struct inode_ops *ops, uint32_t mode)
{
    struct inode *i = mem_alloc(sizeof(*i));

    if (!i) { return NULL; }
    i->ops = ops;
    i->super = s;
    i->refs = 1;
    i->mode = mode;
    i->nlink = 1;
    i->ino = s->next_ino++;
    if (current() && current_proc()) { /* none at boot: root's */
        i->uid = current_proc()->cred.fsuid;
        i->gid = current_proc()->cred.fsgid;
    }
    i->btime_ns = clock_wall_ns();
    i->atime_ns = i->mtime_ns = i->ctime_ns = i->btime_ns;
    list_init(&i->xattrs);
    list_init(&i->watches);
    return i;
}

void inode_get(struct inode *i) { i->refs++; }

void inode_put(struct inode *i)
{
    if (!i || --i->refs > 0) { return; }
    if (i->ops->release) { i->ops->release(i); }
    mobj_put(i->data);
    mem_free(i->link);
    locks_free(i);
    xattr_free(i);
    mem_free(i);
}

void **inode_socket(struct inode *i) { return &i->socket; }

uint64_t inode_size(struct inode *i)
{
    if (i->ops->size) { return i->ops->size(i); }
    switch (i->mode & LS_IFMT) {
    case LS_IFREG: return i->data ? mobj_size(i->data) : 0;
    case LS_IFLNK: return i->link ? strlen(i->link) : 0;
    default: return 0;
    }
}

/* The encoding of st_dev and st_rdev: major 0, and minor above 8 bits moves up by 12. */
uint64_t inode_dev(const struct inode *i)
{
    uint32_t m = i->super->minor;
    return (m & 0xff) | (uint64_t)(m & ~0xffu) << 12;
}

bool capable(unsigned cap) { return (current_proc()->cred.cap_effective >> cap & 1) != 0; }

bool in_groups(uint32_t gid)
{
    const struct cred *c = &current_proc()->cred;

    for (uint32_t k = 0; k < c->groups_count; k++) {
        if (c->groups[k] == gid) { return true; }
    }
    return false;
}

bool inode_owner_or_capable(const struct inode *i)
{
    return current_proc()->cred.fsuid == i->uid || capable(CAP_FOWNER);
}

static int may_as(const struct inode *i, uint32_t may, uint32_t uid, uint32_t gid, bool override,
                  bool search)
{
    uint32_t bits = i->mode;

    if (uid == i->uid) {
        bits >>= 6;
    } else if (gid == i->gid || in_groups(i->gid)) {
        bits >>= 3;
    }
    if ((bits & may) == may) { return 0; }
    if (s_isdir(i)) {
        if (override || (search && !(may & MAY_WRITE))) { return 0; }
        return -EACCES;
    }
    if (override && (!(may & MAY_EXEC) || (i->mode & 0111))) { return 0; }
    return search && may == MAY_READ ? 0 : -EACCES;
}

int inode_may(const struct inode *i, uint32_t may)
{
    const struct cred *c = &current_proc()->cred;
    uint32_t all = i->mode & i->mode >> 3 &
                   i->mode >> 6; /* whoever asks falls into one of the three classes */

    if (likely((all & may) == may)) { return 0; }
    return may_as(i, may, c->fsuid, c->fsgid, capable(CAP_DAC_OVERRIDE),
                  capable(CAP_DAC_READ_SEARCH));
}

int inode_may_as(const struct inode *i, uint32_t may, uint32_t uid, uint32_t gid)
{
    bool root = uid == 0 && (current_proc()->cred.cap_permitted >> CAP_DAC_OVERRIDE & 1);
    return may_as(i, may, uid, gid, root, root);
}

void inode_touch(struct inode *i) { i->mtime_ns = i->ctime_ns = clock_wall_ns(); }

void inode_accessed(struct inode *i)
{
    if (i->atime_ns <= i->mtime_ns || i->atime_ns <= i->ctime_ns) { i->atime_ns = clock_wall_ns(); }
}

void inode_drop_suid(struct inode *i)
{
    uint32_t drop = LS_ISUID | ((i->mode & 010) ? LS_ISGID : 0);

    if (likely(!(i->mode & (LS_ISUID | LS_ISGID))) || !s_isreg(i) || capable(CAP_FSETID)) {
        return;
    }
    i->mode &= ~drop;
}

int inode_truncate(struct inode *i, uint64_t size)
{
    uint64_t old = inode_size(i);
    int err;

    if (i->ops->truncate) { return i->ops->truncate(i, size); }
    if (s_isdir(i)) { return -EISDIR; }
    if (!i->data) { return -EINVAL; }
    if (size < old && (i->seals & LF_SEAL_SHRINK)) { return -EPERM; }
    if (size > old && (i->seals & LF_SEAL_GROW)) { return -EPERM; }
    err = mobj_truncate(i->data, size);
    if (err) { return err; }
    inode_drop_suid(i);
    inode_touch(i);
    return 0;
}
