/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts and views. There are two views: init's, made at boot, and the container's, made by start_container; nobody
 * mounts anything later (mount(2) is refused). So a view is a short list, and finding a mount is a scan of it.
 */
#include "guest/fs/vfs.h"

static uint32_t next_id = 20;

static struct mount *mount_new(struct view *v, struct super *s, struct dentry *root, uint32_t flags)
{
    struct mount *m = mem_alloc(sizeof(*m));

    if (!m) { return NULL; }
    m->refs = 1;
    m->id = next_id++;
    m->flags = flags;
    m->view = v;
    m->super = s;
    m->root = root;
    dentry_get(root);
    list_add_tail(&v->mounts, &m->link);
    return m;
}

struct view *view_new(struct super *s, struct dentry *root, uint32_t flags)
{
    struct view *v = mem_alloc(sizeof(*v));

    if (!v) { return NULL; }
    v->refs = 1;
    list_init(&v->mounts);
    if (!mount_new(v, s, root, flags)) {
        mem_free(v);
        return NULL;
    }
    return v;
}

struct mount *view_root(struct view *v) { return LIST_ENTRY(v->mounts.next, struct mount, link); }

/* Drops the view's own references. A mount that an open file still holds lives on, in no list. */
void view_put(struct view *v)
{
    if (!v || --v->refs > 0) { return; }
    LIST_EACH_SAFE (l, &v->mounts) {
        struct mount *m = LIST_ENTRY(l, struct mount, link);
        list_del(&m->link);
        m->view = NULL;
        mount_put(m);
    }
    mem_free(v);
}

struct mount *mount_add(struct view *v, struct path at, struct super *s, struct dentry *root,
                        uint32_t flags)
{
    struct mount *m = mount_new(v, s, root, flags);

    if (!m) { return NULL; }
    mount_get(at.mnt);
    m->parent = at.mnt;
    dentry_get(at.dentry);
    m->point = at.dentry;
    m->point->mounts++;
    return m;
}

void mount_get(struct mount *m)
{
    if (m) { m->refs++; }
}

void mount_put(struct mount *m)
{
    while (m && --m->refs == 0) {
        struct mount *parent = m->parent;

        if (m->point) { m->point->mounts--; }
        dentry_put(m->point);
        dentry_put(m->root);
        mem_free(m);
        m = parent;
    }
}

void path_get(struct path p)
{
    mount_get(p.mnt);
    dentry_get(p.dentry);
}

void path_put(struct path p)
{
    dentry_put(p.dentry);
    mount_put(p.mnt);
}

static struct mount *mounted_at(struct path p)
{
    if (!p.mnt || !p.mnt->view) { return NULL; }
    LIST_EACH (l, &p.mnt->view->mounts) {
        struct mount *m = LIST_ENTRY(l, struct mount, link);
        if (m->parent == p.mnt && m->point == p.dentry) { return m; }
    }
    return NULL;
}

void path_cross(struct path *p)
{
    while (unlikely(p->dentry->mounts > 0)) {
        struct mount *m = mounted_at(*p);

        if (!m) { return; }
        struct path on = {m, m->root};
        path_get(on);
        path_put(*p);
        *p = on;
    }
}

static bool prepend(char **at, char *buf, const char *text, size_t len)
{
    if ((size_t)(*at - buf) < len) { return false; }
    *at -= len;
    memcpy(*at, text, len);
    return true;
}

char *path_text(struct path p, struct path root, char *buf, size_t size)
{
    static const char deleted[] = " (deleted)", unreachable[] = "(unreachable)";
    char *at = buf + size - 1;

    *at = 0;
    if (!p.mnt) { return prepend(&at, buf, p.dentry->name, p.dentry->len) ? at : NULL; }
    if (!p.dentry->linked && !prepend(&at, buf, deleted, sizeof(deleted) - 1)) { return NULL; }
    bool any = false;
    while (!path_eq(p, root)) {
        if (p.dentry == p.mnt->root) {
            if (!p.mnt->parent) { break; }
            p = (struct path){p.mnt->parent, p.mnt->point};
            continue;
        }
        if (!prepend(&at, buf, p.dentry->name, p.dentry->len) || !prepend(&at, buf, "/", 1)) {
            return NULL;
        }
        any = true;
        p.dentry = p.dentry->parent;
    }
    if (!any && !prepend(&at, buf, "/", 1)) { return NULL; }
    if (!path_eq(p, root) && !prepend(&at, buf, unreachable, sizeof(unreachable) - 1)) {
        return NULL;
    }
    return at;
}
