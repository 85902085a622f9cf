/* SPDX-License-Identifier: Apache-2.0 */
/* Character devices without state: null, zero, full, random; and the tree that is mounted at /dev. Terminals: tty.c. */
#include "guest/fs/pts.h"
#include "guest/fs/tty.h"
#include "guest/fs/vfs.h"
#include "guest/mm/mm.h"
#include "guest/random.h"

static int64_t null_read(struct file *f, struct uio *u, uint64_t *pos)
{
    (void)f, (void)u, (void)pos;
    return 0;
}

static int64_t null_write(struct file *f, struct uio *u, uint64_t *pos)
{
    int64_t n = (int64_t)u->left;

    (void)f, (void)pos;
    u->left = 0;
    return n;
}

static int64_t zero_read(struct file *f, struct uio *u, uint64_t *pos)
{
    uint64_t want = u->left;
    size_t n = uio_zero(u, want);

    (void)f, (void)pos;
    return n > 0 || want == 0 ? (int64_t)n : -EFAULT;
}

static int64_t full_write(struct file *f, struct uio *u, uint64_t *pos)
{
    (void)f, (void)u, (void)pos;
    return -ENOSPC;
}

static int64_t random_read(struct file *f, struct uio *u, uint64_t *pos)
{
    uint8_t buf[256];
    uint64_t done = 0;

    (void)f, (void)pos;
    while (u->left > 0) {
        size_t n = (size_t)min_u64(u->left, sizeof(buf)), moved;
        random_bytes(buf, n);
        moved = uio_put(u, buf, n);
        done += moved;
        if (moved < n) { break; }
    }
    memset(buf, 0, sizeof(buf));
    compiler_barrier();
    return done > 0 || u->left == 0 ? (int64_t)done : -EFAULT;
}

/* Seeks on these succeed and mean nothing. */
static int64_t null_seek(struct file *f, int64_t off, int whence)
{
    (void)f, (void)off, (void)whence;
    return 0;
}

/* Shared mappings of one open file of /dev/zero see each other, as anonymous shared memory. */
#define ZERO_SIZE (1ull << 46)
static struct mobj *zero_mobj(struct file *f)
{
    if (!f->priv) {
        struct mobj *o = mobj_new();
        if (o && mobj_truncate(o, ZERO_SIZE) != 0) {
            mobj_put(o);
            o = NULL;
        }
        f->priv = o;
    }
    return f->priv;
}
static void zero_release(struct file *f) { mobj_put(f->priv); }

static const struct file_ops null_ops = {.read = null_read, .write = null_write, .seek = null_seek};
static const struct file_ops zero_ops = {.read = zero_read,
                                         .write = null_write,
                                         .seek = null_seek,
                                         .mobj = zero_mobj,
                                         .release = zero_release};
static const struct file_ops full_ops = {.read = zero_read, .write = full_write, .seek = null_seek};
static const struct file_ops random_ops = {
    .read = random_read, .write = null_write, .seek = null_seek};

int dev_open(struct inode *i, struct file *f)
{
    switch (i->rdev) {
    case MKDEV(1, 3): f->ops = &null_ops; return 0;
    case MKDEV(1, 5): f->ops = &zero_ops; return 0;
    case MKDEV(1, 7): f->ops = &full_ops; return 0;
    case MKDEV(1, 8):
    case MKDEV(1, 9): f->ops = &random_ops; return 0;
    case MKDEV(5, 0): return tty_open_controlling(f);
    case MKDEV(5, 1): return tty_open_console(f);
    case MKDEV(5, 2): return ptmx_open(f);
    default: return i->rdev >> 8 == PTS_MAJOR ? pts_open(f, (uint32_t)(i->rdev & 0xff)) : -ENXIO;
    }
}

/*
 * The terminal of the standard streams is opened before the container has a name for it, and ttyname() compares device and
 * inode number: so every /dev names the same inode as console, and tty_file() opens that one.
 */
static struct inode *console;

struct inode *dev_console(void) { return console; }

int dev_init(void)
{
    struct super *s = super_new("tmpfs", "tmpfs", 0);

    console = s ? inode_new(s, &tmpfs_ops, LS_IFCHR | 0620) : NULL;
    if (!console) { return -ENOMEM; }
    console->rdev = MKDEV(5, 1);
    return devpts_init();
}

static bool link_console(struct dentry *dev)
{
    struct dentry *d = dentry_new(dev, "console", 7, console);
    bool ok = d && dentry_link(dev, d) == 0;

    dentry_put(d);
    return ok;
}

struct super *dev_new(void)
{
    static const struct {
        const char *name;
        uint64_t rdev;
        uint32_t mode;
    } nodes[] = {
        {"null", MKDEV(1, 3), 0666},   {"zero", MKDEV(1, 5), 0666},    {"full", MKDEV(1, 7), 0666},
        {"random", MKDEV(1, 8), 0666}, {"urandom", MKDEV(1, 9), 0666}, {"tty", MKDEV(5, 0), 0666},
    };
    static const struct {
        const char *name, *target;
    } links[] = {
        {"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
        {"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"},
    };
    struct super *s = tmpfs_new("tmpfs");

    if (!s || !link_console(s->root)) { return NULL; }
    for (size_t k = 0; k < ARRAY_COUNT(nodes); k++) {
        if (!tmpfs_add(s->root, nodes[k].name, LS_IFCHR | nodes[k].mode, nodes[k].rdev, NULL)) {
            return NULL;
        }
    }
    for (size_t k = 0; k < ARRAY_COUNT(links); k++) {
        if (!tmpfs_add(s->root, links[k].name, LS_IFLNK | 0777, 0, links[k].target)) {
            return NULL;
        }
    }
    return s;
}
