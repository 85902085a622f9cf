/* SPDX-License-Identifier: Apache-2.0 */
/* The engine behind computed trees. A process may end at any time: whatever belongs to one is looked up again by pid in
 * each call, and is ESRCH or ENOENT when it is gone. */
#include "guest/fs/computed.h"
#include "guest/fmt.h"
#include "guest/mm/mm.h"

#define FIRST_STATIC  2       /* cookies 0 and 1 are . and .. */
#define FIRST_DYNAMIC 0x10000 /* + number */

/* ---- text ---- */

void text_bytes(struct text *t, const void *bytes, size_t len)
{
    const uint8_t *from = bytes;

    if (t->full || t->len + len > TEXT_MAX || mobj_truncate(t->to, t->len + len) != 0) {
        t->full = true;
        return;
    }
    while (len > 0) {
        uint64_t off = t->len % PAGE_SIZE;
        size_t n = (size_t)min_u64(len, PAGE_SIZE - off);
        gpa_t g = mobj_frame(t->to, t->len / PAGE_SIZE, true);
        if (!gpa_ok(g)) {
            t->full = true;
            return;
        }
        memcpy((uint8_t *)frame_va(g) + off, from, n);
        from += n;
        len -= n;
        t->len += n;
    }
}

void text_add(struct text *t, const char *f, ...)
{
    char line[1024];
    va_list ap;

    va_start(ap, f);
    size_t n = fmt_va(line, sizeof(line), f, ap);
    va_end(ap);
    text_bytes(t, line, n < sizeof(line) ? n : sizeof(line) - 1);
}

int32_t number_of(const char *s, size_t len)
{
    int64_t v = 0;

    if (len == 0 || len > 10 || (s[0] == '0' && len > 1)) { return -1; }
    for (size_t k = 0; k < len; k++) {
        if (s[k] < '0' || s[k] > '9') { return -1; }
        v = v * 10 + (s[k] - '0');
    }
    return v <= INT32_MAX ? (int32_t)v : -1;
}

/* ---- files ---- */

static const struct cnode *node_of(const struct inode *i) { return i->priv; }

/* The node's process. False: it had one and that is gone. */
static bool process_of(const struct cnode *n, struct proc **out)
{
    *out = n->pid ? proc_find(n->pid) : NULL;
    return n->pid == 0 || *out != NULL;
}

static int make_text(struct file *f)
{
    const struct cnode *n = node_of(f->inode);
    struct text t = {.to = mobj_new()};
    struct proc *p;

    if (!t.to) { return -ENOMEM; }
    if (!process_of(n, &p)) {
        mobj_put(t.to);
        return -ESRCH;
    }
    if (n->e->show) {
        n->e->show(&t, n, p);
    } else if (n->e->text) {
        text_bytes(&t, n->e->text, strlen(n->e->text));
    }
    if (t.full) {
        mobj_put(t.to);
        return -ENOMEM;
    }
    mobj_put(f->priv);
    f->priv = t.to;
    return 0;
}

static int64_t computed_read(struct file *f, struct uio *u, uint64_t *pos)
{
    if (*pos == 0 || !f->priv) {
        int err = make_text(f);
        if (err) { return err; }
    }
    return mobj_read(f->priv, u, pos);
}

static int64_t computed_write(struct file *f, struct uio *u, uint64_t *pos)
{
    const struct cnode *n = node_of(f->inode);
    size_t len = (size_t)min_u64(u->left, LPATH_MAX - 1);
    struct proc *p;

    if (!n->e->write) { return -EIO; } /* root may open it, as in Linux, and no more */
    if (!process_of(n, &p)) { return -ESRCH; }
    char *buf = name_get();
    if (!buf) { return -ENOMEM; }
    int64_t r = uio_get(u, buf, len) == len ? 0 : -EFAULT;
    buf[len] = 0;
    if (r == 0) { r = n->e->write(n, p, buf, len); }
    name_put(buf);
    if (r < 0) { return r; }
    *pos += len;
    return (int64_t)len;
}

static int64_t computed_seek(struct file *f, int64_t off, int whence)
{
    if (whence == 1) { off += (int64_t)f->pos; }
    if (whence > 1 || whence < 0 || off < 0) { return -EINVAL; }
    f->pos = (uint64_t)off;
    return off;
}

static void computed_file_release(struct file *f) { mobj_put(f->priv); }

static const struct file_ops computed_ops = {.read = computed_read,
                                             .write = computed_write,
                                             .seek = computed_seek,
                                             .release = computed_file_release};

/* ---- inodes ---- */

static const struct inode_ops tree_ops, magic_ops;

/* Stable while the entry means the same thing, and different for each. */
static uint64_t number_inode(const struct cnode *n)
{
    uint64_t entry = (uint64_t)((uintptr_t)n->e - (uintptr_t)&tree_ops) / 8 & 0xfffff;
    return ((uint64_t)(uint32_t)n->pid << 32 ^ (uint64_t)(uint32_t)(n->arg + 1) << 20 ^ entry) +
           0x100;
}

static struct inode *node_inode(struct super *s, const struct cnode *n)
{
    struct cnode *own = mem_alloc(sizeof(*own));
    struct inode *i = own ? inode_new(s, n->e->follow ? &magic_ops : &tree_ops, n->e->mode) : NULL;
    struct proc *p;

    if (!i) {
        mem_free(own);
        return NULL;
    }
    *own = *n;
    i->priv = own;
    i->ino = number_inode(n);
    i->uid = i->gid = 0;
    if (process_of(n, &p) && p) {
        i->uid = p->cred.euid;
        i->gid = p->cred.egid;
    }
    if (s_isdir(i)) { i->nlink = 2; }
    return i;
}

static int node_dentry(struct dentry *dir, const char *name, size_t len, const struct cnode *n,
                       struct dentry **out)
{
    struct inode *i = node_inode(dir->inode->super, n);

    if (!i) { return -ENOMEM; }
    *out = dentry_new(dir, name, len, i);
    inode_put(i);
    return *out ? 0 : -ENOMEM;
}

static int tree_lookup(struct dentry *dir, const char *name, size_t len, struct dentry **out)
{
    const struct cnode *n = node_of(dir->inode);
    struct cnode child = {.pid = n->pid, .arg = n->arg};
    struct proc *p;

    /* A kept dentry (something is mounted on it) stays the one for its name. */
    struct dentry *kept = dentry_find(dir, name, len, name_hash(name, len));
    if (kept) {
        dentry_get(kept);
        *out = kept;
        return 0;
    }
    if (!process_of(n, &p)) { return -ENOENT; }
    for (const struct centry *e = n->e->children; e && e->name; e++) {
        if (strlen(e->name) == len && memcmp(e->name, name, len) == 0) {
            child.e = e;
            return node_dentry(dir, name, len, &child, out);
        }
    }
    int err = n->e->find ? n->e->find(n, p, name, len, &child) : -ENOENT;
    return err ? err : node_dentry(dir, name, len, &child, out);
}

static int tree_iterate(struct dentry *dir, struct dirsink *s)
{
    const struct cnode *n = node_of(dir->inode);
    struct cnode child = {.pid = n->pid, .arg = n->arg};
    struct proc *p;

    if (!process_of(n, &p)) { return -ENOENT; }
    uint64_t k = FIRST_STATIC;
    for (const struct centry *e = n->e->children; e && e->name; e++, k++) {
        if (k < s->pos) { continue; }
        child.e = e;
        if (!dirsink_add(s, e->name, strlen(e->name), number_inode(&child), e->mode >> 12, k + 1)) {
            return 0;
        }
    }
    if (!n->e->next) { return 0; }
    int64_t from = s->pos < FIRST_DYNAMIC ? 0 : (int64_t)(s->pos - FIRST_DYNAMIC);
    for (;;) {
        char name[16];
        int64_t number = n->e->next(n, p, from, &child);
        if (number < 0) { return 0; }
        size_t len =
            fmt(name, sizeof(name), "%s%ld", n->e->prefix ? n->e->prefix : "", (long)number);
        if (!dirsink_add(s, name, len, number_inode(&child), child.e->mode >> 12,
                         (uint64_t)number + FIRST_DYNAMIC + 1)) {
            return 0;
        }
        from = number + 1;
    }
}

static int64_t tree_readlink(struct dentry *d, char *buf, size_t size)
{
    const struct cnode *n = node_of(d->inode);
    struct proc *p;

    if (n->e->text) {
        size_t len = min_u64(strlen(n->e->text), size);
        memcpy(buf, n->e->text, len);
        return (int64_t)len;
    }
    if (!process_of(n, &p)) { return -ENOENT; }
    return n->e->readlink(n, p, buf, size);
}

static int tree_follow(struct dentry *d, struct mount **mnt, struct dentry **out)
{
    const struct cnode *n = node_of(d->inode);
    struct path to;
    struct proc *p;

    if (!process_of(n, &p)) { return -ENOENT; }
    int err = n->e->follow(n, p, &to);
    if (err) { return err; }
    *mnt = to.mnt;
    *out = to.dentry;
    return 0;
}

static int tree_open(struct inode *i, struct file *f)
{
    if (s_islnk(i)) { return -ELOOP; }
    f->ops = s_isdir(i) ? &dir_ops : &computed_ops;
    return 0;
}

/* O_TRUNC on what can be written means nothing. */
static int tree_truncate(struct inode *i, uint64_t size)
{
    (void)size;
    return s_isdir(i) ? -EISDIR : node_of(i)->e->write ? 0 : -EACCES;
}

static uint64_t tree_size(struct inode *i)
{
    (void)i;
    return 0;
}

static void tree_release(struct inode *i) { mem_free(i->priv); }

#define TREE_OPS                                                                                   \
    .lookup = tree_lookup, .iterate = tree_iterate, .readlink = tree_readlink, .open = tree_open,  \
    .truncate = tree_truncate, .size = tree_size, .release = tree_release
static const struct inode_ops tree_ops = {TREE_OPS};
static const struct inode_ops magic_ops = {TREE_OPS, .follow = tree_follow};

struct dentry *computed_keep(struct dentry *dir, const char *name)
{
    struct dentry *d;

    if (tree_lookup(dir, name, strlen(name), &d) != 0) { return NULL; }
    int err = dentry_link(dir, d);
    dentry_put(d);
    return err ? NULL : d;
}

struct super *computed_new(const char *type, const char *source, uint32_t magic,
                           const struct centry *root)
{
    struct super *s = super_new(type, source, magic);
    struct inode *i = s ? node_inode(s, &(struct cnode){.e = root, .arg = -1}) : NULL;

    if (!i) {
        mem_free(s);
        return NULL;
    }
    i->ino = 1;
    s->root = dentry_new(NULL, "/", 1, i);
    inode_put(i);
    return s->root ? s : NULL;
}
