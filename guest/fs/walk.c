/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a path to an object. Paths are hostile: any bytes, any length up to LPATH_MAX, links into links. The walk takes one
 * component at a time; a symbolic link's text is put in front of the rest in a fresh buffer, so text and rest together
 * are bounded by LPATH_MAX too (Linux bounds them one by one).
 */
#include "guest/fs/vfs.h"
#include "guest/mm/mm.h"

/* ---- name buffers: a stock, because a pool object would be zeroed for every call ---- */

#define STOCK_MAX 8
static char *stock[STOCK_MAX];
static unsigned stock_count;

char *name_get(void) { return stock_count > 0 ? stock[--stock_count] : mem_alloc(LPATH_MAX); }

void name_put(char *buf)
{
    if (!buf) { return; }
    if (stock_count < STOCK_MAX) {
        stock[stock_count++] = buf;
    } else {
        mem_free(buf);
    }
}

/* ---- steps ---- */

static void move_to(struct path *at, struct path to)
{
    path_get(to);
    path_put(*at);
    *at = to;
}

/* One directory up, from the root of a mount to where it is mounted; the process's root is its own parent. */
static int step_up(struct walk *w, struct path *at)
{
    if (path_eq(*at, w->root)) { return 0; }
    if ((w->flags & WALK_BENEATH) && path_eq(*at, w->base)) { return -EXDEV; }
    struct path up = *at;
    while (up.dentry == up.mnt->root && up.mnt->parent) {
        if (w->flags & WALK_NO_XDEV) { return -EXDEV; }
        up = (struct path){up.mnt->parent, up.mnt->point};
        if (path_eq(up, w->root)) {
            move_to(at, up);
            return 0;
        }
    }
    if (up.dentry != up.mnt->root) { up.dentry = up.dentry->parent; }
    move_to(at, up);
    return 0;
}

/* The child of `at`, with what is mounted on it. A reference in *out; -ENOENT. */
static int step_down(struct walk *w, struct path at, struct path *out)
{
    const struct inode_ops *ops = at.dentry->inode->ops;
    struct dentry *d;

    if (unlikely(ops->lookup != NULL)) {
        int err = ops->lookup(at.dentry, w->last, w->last_len, &d);
        if (err) { return err; }
    } else {
        d = at.dentry->names ? dentry_find(at.dentry, w->last, w->last_len, w->last_hash) : NULL;
        if (!d) { return -ENOENT; }
        dentry_get(d);
    }
    *out = (struct path){at.mnt, d};
    mount_get(at.mnt);
    if (unlikely(d->mounts > 0)) {
        path_cross(out);
        if (out->mnt != at.mnt && (w->flags & WALK_NO_XDEV)) {
            path_put(*out);
            return -EXDEV;
        }
    }
    return 0;
}

/* To the root, for an absolute path or link. */
static int jump_root(struct walk *w, struct path *at)
{
    if (w->flags & WALK_BENEATH) { return -EXDEV; }
    if ((w->flags & WALK_NO_XDEV) && w->root.mnt != at->mnt) { return -EXDEV; }
    move_to(at, w->root);
    return 0;
}

/* The link's text and the rest of the path become the new path. */
static int splice_link(struct walk *w, struct dentry *link, const char *rest, const char **out)
{
    char *buf = name_get();
    size_t rest_len = strlen(rest);
    int64_t n;

    if (!buf) { return -ENOMEM; }
    if (link->inode->link) {
        n = (int64_t)strlen(link->inode->link);
        if (n < LPATH_MAX) { memcpy(buf, link->inode->link, (size_t)n); }
    } else {
        n = link->inode->ops->readlink(link, buf, LPATH_MAX);
    }
    if (n == 0) { n = -ENOENT; }
    if (n > 0 && (uint64_t)n + rest_len + 2 > LPATH_MAX) { n = -ENAMETOOLONG; }
    if (n < 0) {
        name_put(buf);
        return (int)n;
    }
    memcpy(buf + n, rest, rest_len + 1);
    name_put(w->buf);
    w->buf = buf;
    *out = buf;
    return 0;
}

/* A link in the way. 0: go on at *p from *at; 1: a magic link, *at is where it leads. */
static int follow(struct walk *w, struct path link, struct path *at, const char *rest,
                  const char **p)
{
    const struct inode_ops *ops = link.dentry->inode->ops;

    if ((w->flags & WALK_NO_LINKS) || ++w->links > LSYMLINK_MAX) { return -ELOOP; }
    if (ops->follow) {
        struct path to = {NULL, NULL};

        if (w->flags & WALK_NO_MAGIC) { return -ELOOP; }
        if (w->flags & (WALK_BENEATH | WALK_IN_ROOT | WALK_NO_XDEV)) { return -EXDEV; }
        int err = ops->follow(link.dentry, &to.mnt, &to.dentry);
        if (err) { return err; }
        path_put(*at);
        *at = to;
        return 1;
    }
    int err = splice_link(w, link.dentry, rest, p);
    if (err) { return err; }
    return **p == '/' ? jump_root(w, at) : 0;
}

/* Cuts the next component off p: sets last, last_len, last_hash, slash; returns where the rest begins. */
static const char *component(struct walk *w, const char *p)
{
    uint32_t h = 2166136261u; /* as name_hash(), in the same pass */
    const char *q = p;

    for (; *q && *q != '/'; q++) { h = (h ^ (uint8_t)*q) * 16777619u; }
    w->last = p;
    w->last_len = (size_t)(q - p);
    w->last_hash = h ^ h >> 15;
    w->slash = *q == '/';
    return q;
}

/* The walk proper, from *at (referenced; consumed). p lies in w->buf. */
static int run(struct walk *w, struct path *at, const char *p)
{
    int err;

    for (;;) {
        while (*p == '/') { p++; }
        if (!*p) { /* "/", or a magic link with at most slashes after it */
            if (w->slash && !s_isdir(at->dentry->inode)) { return -ENOTDIR; }
            w->at = *at;
            w->dots = true;
            return 0;
        }
        struct inode *dir = at->dentry->inode;
        if (!s_isdir(dir)) { return -ENOTDIR; }
        err = inode_may(dir, MAY_EXEC);
        if (err) { return err; }
        const char *rest = component(w, p);
        if (w->last_len > LNAME_MAX) { return -ENAMETOOLONG; }
        const char *next = rest;
        while (*next == '/') { next++; }
        bool last = !*next;

        if (w->last[0] == '.' && (w->last_len == 1 || (w->last_len == 2 && w->last[1] == '.'))) {
            if (w->last_len == 2 && (err = step_up(w, at)) != 0) { return err; }
            p = next;
            if (last) {
                w->at = *at;
                w->dots = true;
                return 0;
            }
            continue;
        }
        struct path child;
        err = step_down(w, *at, &child);
        if (err == -ENOENT && last) {
            w->parent = *at;
            return 0;
        }
        if (err) { return err; }
        if (s_islnk(child.dentry->inode) &&
            (!last || (!(w->flags & WALK_PARENT) && (w->slash || (w->flags & WALK_FOLLOW))))) {
            err = follow(w, child, at, rest, &p);
            path_put(child);
            if (err < 0) { return err; }
            if (err == 1) {
                p = rest;
                if (last && !w->slash) {
                    w->at = *at;
                    w->dots = true;
                    return 0;
                }
            }
            continue;
        }
        if (!last) {
            path_put(*at);
            *at = child;
            p = next;
            continue;
        }
        w->parent = *at;
        w->at = child;
        if (w->slash && !(w->flags & WALK_PARENT) && !s_isdir(child.dentry->inode)) {
            return -ENOTDIR;
        }
        return 0;
    }
}

/* Where a relative path starts. A reference in *out. */
static int start(int dfd, struct path *out)
{
    if (dfd == AT_FDCWD_) {
        *out = current_proc()->fs->cwd;
    } else {
        struct file *f = fd_file(dfd);
        if (!f) { return -EBADF; }
        *out = file_place(f);
    }
    path_get(*out);
    return 0;
}

static int walk_begin(struct walk *w, int dfd, uint32_t flags)
{
    struct path at = {NULL, NULL};
    const char *p = w->buf;
    int err;

    w->flags = flags;
    w->root = current_proc()->fs->root;
    if (!*p && !(flags & WALK_EMPTY)) {
        err = -ENOENT;
        goto no_start;
    }
    if (*p == '/' && !(flags & (WALK_IN_ROOT | WALK_BENEATH | WALK_NO_XDEV))) {
        at = w->root;
        path_get(at);
    } else {
        err = start(dfd, &at);
        if (err) { goto no_start; }
        w->base = at;
        path_get(w->base);
        if (flags & WALK_IN_ROOT) { w->root = w->base; }
        if (*p == '/' && (err = jump_root(w, &at)) != 0) { goto fail; }
    }
    if (*p && !s_isdir(at.dentry->inode)) {
        err = -ENOTDIR;
        goto fail;
    }
    err = run(w, &at, p);
    if (!err) { return 0; }
    if (w->parent.dentry) { /* found, then refused: run() had handed its references over */
        path_put(w->at);
    }
fail:
    path_put(at);
    path_put(w->base);
no_start:
    name_put(w->buf);
    return err;
}

int walk_user(struct walk *w, int dfd, uint64_t path_va, uint32_t flags)
{
    *w = (struct walk){.buf = name_get()};
    if (!w->buf) { return -ENOMEM; }
    int64_t n = user_string(w->buf, path_va, LPATH_MAX);
    if (unlikely(n < 0)) {
        name_put(w->buf);
        return (int)n;
    }
    return walk_begin(w, dfd, flags);
}

int walk_path(struct walk *w, int dfd, const char *path, uint32_t flags)
{
    size_t len = strnlen(path, LPATH_MAX);

    if (len == LPATH_MAX) { return -ENAMETOOLONG; }
    *w = (struct walk){.buf = name_get()};
    if (!w->buf) { return -ENOMEM; }
    memcpy(w->buf, path, len + 1);
    return walk_begin(w, dfd, flags);
}

void walk_end(struct walk *w)
{
    path_put(w->parent);
    path_put(w->at);
    path_put(w->base);
    name_put(w->buf);
}

int walk_to(int dfd, uint64_t path_va, uint32_t flags, struct path *out)
{
    struct walk w;
    int err = walk_user(&w, dfd, path_va, flags);

    if (err) { return err; }
    if (w.at.dentry) {
        *out = w.at;
        path_get(*out);
    } else {
        err = -ENOENT;
    }
    walk_end(&w);
    return err;
}
