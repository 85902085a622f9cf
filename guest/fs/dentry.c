/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dentries and name tables. A table is a chained hash that doubles as it fills (up to the largest pool object), beside a list in
 * order of creation: listings resume by cookie, so entries that go or come while somebody reads are never given
 * twice and never hide others.
 */
#include "guest/fs/vfs.h"

#define BUCKETS_FIRST 8u
#define BUCKETS_MAX   8192u /* 64 KiB of pointers: the largest pool object */

uint32_t name_hash(const char *name, size_t len)
{
    uint32_t h = 2166136261u; /* FNV-1a */

    for (size_t k = 0; k < len; k++) { h = (h ^ (uint8_t)name[k]) * 16777619u; }
    return h ^ h >> 15;
}

/* Stores the name in d, or fails and leaves it alone. */
static bool set_name(struct dentry *d, const char *name, size_t len)
{
    char *to = d->short_name;

    if (len >= DENTRY_INLINE && !(to = mem_alloc(len + 1))) { return false; }
    if (d->name != d->short_name) { mem_free((void *)d->name); }
    memmove(to, name, len);
    to[len] = 0;
    d->name = to;
    d->len = (uint16_t)len;
    d->hash = name_hash(to, len);
    return true;
}

struct dentry *dentry_new(struct dentry *parent, const char *name, size_t len, struct inode *inode)
{
    struct dentry *d = mem_alloc(sizeof(*d));

    if (!d) { return NULL; }
    if (!set_name(d, name, len)) { goto no_memory; }
    if (s_isdir(inode)) {
        if (!(d->names = mem_alloc(sizeof(*d->names)))) { goto no_memory; }
        list_init(&d->names->children);
        d->names->next_cookie = 2; /* 0 and 1 are . and .. */
    }
    d->refs = 1;
    list_init(&d->sibling);
    inode_get(inode);
    d->inode = inode;
    d->parent = d;
    if (parent) {
        dentry_get(parent);
        d->parent = parent;
    }
    d->linked = true;
    return d;
no_memory:
    if (d->name != d->short_name) { mem_free((void *)d->name); }
    mem_free(d);
    return NULL;
}

void dentry_get(struct dentry *d) { d->refs++; }

void dentry_put(struct dentry *d)
{
    while (d && --d->refs == 0) {
        struct dentry *parent = d->parent != d ? d->parent : NULL;

        inode_put(d->inode);
        if (d->names) {
            mem_free(d->names->bucket);
            mem_free(d->names);
        }
        if (d->name != d->short_name) { mem_free((void *)d->name); }
        mem_free(d);
        d = parent;
    }
}

struct dentry *dentry_find(struct dentry *dir, const char *name, size_t len, uint32_t hash)
{
    const struct names *n = dir->names;

    if (!n->bucket) { return NULL; }
    for (struct dentry *d = n->bucket[hash & n->mask]; d; d = d->chain) {
        if (d->hash == hash && d->len == len && memcmp(d->name, name, len) == 0) { return d; }
    }
    return NULL;
}

/* Doubles the table. Staying small is only slow, so no memory is no error unless there is no table at all. */
static bool names_grow(struct names *n)
{
    uint32_t buckets = n->bucket ? (n->mask + 1) * 2 : BUCKETS_FIRST;
    struct dentry **to;

    if (buckets > BUCKETS_MAX) { return true; }
    to = mem_alloc(buckets * sizeof(*to));
    if (!to) { return n->bucket != NULL; }
    LIST_EACH (l, &n->children) {
        struct dentry *d = LIST_ENTRY(l, struct dentry, sibling);
        struct dentry **slot = &to[d->hash & (buckets - 1)];
        d->chain = *slot;
        *slot = d;
    }
    mem_free(n->bucket);
    n->bucket = to;
    n->mask = buckets - 1;
    return true;
}

static void enter(struct dentry *dir, struct dentry *d)
{
    struct names *n = dir->names;
    struct dentry **slot = &n->bucket[d->hash & n->mask];

    d->chain = *slot;
    *slot = d;
    d->cookie = n->next_cookie++;
    list_add_tail(&n->children, &d->sibling);
    n->count++;
    if (s_isdir(d->inode)) { dir->inode->nlink++; }
}

static void leave(struct dentry *d)
{
    struct names *n = d->parent->names;
    struct dentry **slot = &n->bucket[d->hash & n->mask];

    while (*slot != d) { slot = &(*slot)->chain; }
    *slot = d->chain;
    d->chain = NULL;
    list_del(&d->sibling);
    n->count--;
    if (s_isdir(d->inode)) { d->parent->inode->nlink--; }
}

int dentry_link(struct dentry *dir, struct dentry *d)
{
    struct names *n = dir->names;

    if ((!n->bucket || n->count > n->mask) && !names_grow(n)) { return -ENOMEM; }
    dentry_get(d);
    d->linked = true;
    enter(dir, d);
    return 0;
}

void dentry_unlink(struct dentry *d)
{
    leave(d);
    d->linked = false;
    dentry_put(d);
}

int dentry_move(struct dentry *d, struct dentry *dir, const char *name, size_t len)
{
    struct dentry *old = d->parent;

    if ((!dir->names->bucket || dir->names->count > dir->names->mask) && !names_grow(dir->names)) {
        return -ENOMEM;
    }
    leave(d);
    if (!set_name(d, name, len)) {
        enter(old, d);
        return -ENOMEM;
    }
    dentry_get(dir);
    d->parent = dir;
    enter(dir, d);
    dentry_put(old);
    return 0;
}

void dentry_exchange(struct dentry *x, struct dentry *y)
{
    struct dentry t = *x;

    leave(x);
    leave(y);
    x->name = y->name == y->short_name ? x->short_name : y->name;
    y->name = t.name == x->short_name ? y->short_name : t.name;
    memcpy(x->short_name, y->short_name, DENTRY_INLINE);
    memcpy(y->short_name, t.short_name, DENTRY_INLINE);
    x->len = y->len;
    y->len = t.len;
    x->hash = y->hash;
    y->hash = t.hash;
    x->parent = y->parent;
    y->parent = t.parent;
    enter(x->parent, x);
    enter(y->parent, y);
}

bool dentry_inside(const struct dentry *d, const struct dentry *tree)
{
    while (d != tree && d->parent != d) { d = d->parent; }
    return d == tree;
}
