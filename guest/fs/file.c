/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open files: how they come to life by kind of object, how they end, and what the rest of the library OS does with them.
 */
#include "guest/fs/vfs.h"
#include "guest/mm/mm.h"

struct file *file_new(const struct file_ops *ops, struct path p, uint32_t flags)
{
    struct file *f = mem_alloc(sizeof(*f));

    if (!f) { return NULL; }
    f->ops = ops;
    f->refs = 1;
    f->flags = flags;
    path_get(p);
    f->mnt = p.mnt;
    f->dentry = p.dentry;
    inode_get(p.dentry->inode);
    f->inode = p.dentry->inode;
    list_init(&f->epolls);
    return f;
}

void file_get(struct file *f) { f->refs++; }

static void file_free(struct file *f)
{
    path_put(file_place(f));
    inode_put(f->inode);
    mem_free(f);
}

void file_put(struct file *f)
{
    if (!f || --f->refs > 0) { return; }
    epoll_forget(f);
    locks_release(f);
    if (!(f->flags & LO_PATH)) {
        notify_inode(f->inode, f->dentry, file_writes(f) ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
    }
    if (f->ops->release) { f->ops->release(f); }
    if (f->inode->ops == &anon_ops && f->inode->priv == f) { f->inode->priv = NULL; }
    file_free(f);
}

/* ---- anonymous files ---- */

static struct super anon_super = {
    .type = "anon_inodefs", .source = "anon_inodefs", .magic = 0x09041934, .next_ino = 1};

struct inode *anon_inode(uint32_t mode) { return inode_new(&anon_super, &anon_ops, mode); }

struct dentry *anon_dentry(struct inode *i, const char *name)
{
    char text[64];
    size_t len;

    if (strcmp(name, "pipe") == 0 || strcmp(name, "socket") == 0) {
        len = fmt(text, sizeof(text), "%s:[%lu]", name, (unsigned long)i->ino);
        return dentry_new(NULL, text, len, i);
    }
    return dentry_new(NULL, name, strnlen(name, LNAME_MAX), i);
}

struct file *file_anon(const struct file_ops *ops, void *priv, uint32_t flags, uint32_t mode,
                       const char *name)
{
    struct inode *i = anon_inode(mode);
    struct dentry *d = i ? anon_dentry(i, name) : NULL;
    struct file *f = d ? file_new(ops, (struct path){NULL, d}, flags) : NULL;

    if (f) {
        f->priv = priv;
        i->priv = f; /* for a second open through /proc/self/fd; cleared by file_put() */
    }
    dentry_put(d);
    inode_put(i);
    return f;
}

/* A second file onto an anonymous one. */
static int64_t forward_read(struct file *f, struct uio *u, uint64_t *pos)
{
    struct file *to = f->priv;
    return to->ops->read ? to->ops->read(to, u, pos) : -EINVAL;
}
static int64_t forward_write(struct file *f, struct uio *u, uint64_t *pos)
{
    struct file *to = f->priv;
    return to->ops->write ? to->ops->write(to, u, pos) : -EINVAL;
}
static uint32_t forward_poll(struct file *f, struct poller *p) { return file_poll(f->priv, p); }
static int64_t forward_ioctl(struct file *f, uint32_t cmd, uint64_t arg)
{
    struct file *to = f->priv;
    return to->ops->ioctl ? to->ops->ioctl(to, cmd, arg) : -ENOTTY;
}
static void forward_release(struct file *f) { file_put(f->priv); }
static const struct file_ops forward_ops = {.read = forward_read,
                                            .write = forward_write,
                                            .poll = forward_poll,
                                            .ioctl = forward_ioctl,
                                            .release = forward_release};

static int anon_open(struct inode *i, struct file *f)
{
    if (i->pipe) { return fifo_open(i, f); }
    if (s_isreg(i) && i->data) {
        f->ops = &regular_ops;
        return 0;
    }
    if ((!s_isfifo(i) && !s_ischr(i)) || !i->priv) { return -ENXIO; }
    file_get(i->priv);
    f->priv = i->priv;
    f->ops = &forward_ops;
    return 0;
}

const struct inode_ops anon_ops = {.open = anon_open};

/* ---- opening ---- */

static const struct file_ops path_ops = {0}; /* O_PATH: a place, nothing to do with it */

static int open_by_kind(struct inode *i, struct file *f)
{
    if (i->ops->open) { return i->ops->open(i, f); }
    switch (i->mode & LS_IFMT) {
    case LS_IFREG: f->ops = &regular_ops; return 0;
    case LS_IFDIR: f->ops = &dir_ops; return 0;
    case LS_IFCHR: return dev_open(i, f);
    case LS_IFIFO: return fifo_open(i, f);
    case LS_IFLNK: return -ELOOP;
    default: return -ENXIO; /* sockets, block devices */
    }
}

int file_open_path(struct path p, uint32_t flags, struct file **out)
{
    struct file *f = file_new(&path_ops, p, flags & ~LO_CLOEXEC);
    int err = f ? 0 : -ENFILE;

    if (f && !(flags & LO_PATH)) { err = open_by_kind(f->inode, f); }
    if (err) {
        if (f) { file_free(f); }
        return err;
    }
    f->flags &= ~(LO_CREAT | LO_EXCL | LO_NOCTTY | LO_TRUNC); /* they speak to the open only */
    if (!(flags & LO_PATH)) { notify_inode(f->inode, f->dentry, IN_OPEN); }
    *out = f;
    return 0;
}

/* ---- transfers ---- */

int64_t file_read(struct file *f, struct uio *u, uint64_t *pos)
{
    if (!file_reads(f)) { return -EBADF; }
    if (!f->ops->read) { return -EINVAL; }
    int64_t n = f->ops->read(f, u, pos);
    if (n > 0) { notify_inode(f->inode, f->dentry, IN_ACCESS); }
    return n;
}

int64_t file_write(struct file *f, struct uio *u, uint64_t *pos)
{
    if (!file_writes(f)) { return -EBADF; }
    if (!f->ops->write) { return -EINVAL; }
    int64_t n = f->ops->write(f, u, pos);
    if (n > 0) { notify_inode(f->inode, f->dentry, IN_MODIFY); }
    return n;
}

uint32_t file_poll(struct file *f, struct poller *p)
{
    return f->ops->poll ? f->ops->poll(f, p) : LPOLLIN | LPOLLOUT | LPOLLRDNORM | LPOLLWRNORM;
}

/* ---- for the library OS itself ---- */

int64_t file_read_at(struct file *f, void *dst, size_t len, uint64_t off)
{
    struct uio u;

    uio_kernel(&u, dst, len);
    return f->ops->read ? f->ops->read(f, &u, &off) : -EINVAL;
}

int64_t file_size(struct file *f) { return (int64_t)inode_size(f->inode); }

int file_exec_ok(struct file *f)
{
    if (!s_isreg(f->inode)) { return -EACCES; }
    if (f->mnt && (f->mnt->flags & MOUNT_NOEXEC)) { return -EACCES; }
    return inode_may(f->inode, MAY_EXEC);
}

void file_exec_ids(const struct file *f, uint32_t *uid, uint32_t *gid)
{
    const struct inode *i = f->inode;

    if (f->mnt && (f->mnt->flags & MOUNT_NOSUID)) { return; }
    if (i->mode & LS_ISUID) { *uid = i->uid; }
    if ((i->mode & LS_ISGID) && (i->mode & 010)) { *gid = i->gid; }
}

size_t file_path(struct file *f, char *buf, size_t size)
{
    char *text = path_text(file_place(f), current_proc()->fs->root, buf, size);
    size_t len = text ? strlen(text) : 0;

    if (text) { memmove(buf, text, len + 1); }
    if (!text && size > 0) { buf[0] = 0; }
    return len;
}

uint32_t file_seals(const struct file *f) { return f->inode->seals; }
