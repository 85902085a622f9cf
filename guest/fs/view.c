/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two views. Init's: a tmpfs with dev, proc, sys, a place to unpack in. The container's: the unpacked directory as root,
 * with mounts of its own over it; files of init's tree outside that directory have no name in it.
 */
#include "guest/fs/vfs.h"

static struct view *init_view;

/* The directory `name` in dir, made if it is not there; borrowed. -ENOTDIR: a file or link of the image is in the way. */
static int directory(struct dentry *dir, const char *name, struct dentry **out)
{
    struct dentry *d = dentry_find(dir, name, strlen(name), name_hash(name, strlen(name)));

    if (!d) { d = tmpfs_add(dir, name, LS_IFDIR | 0755, 0, NULL); }
    if (!d) { return -ENOMEM; }
    *out = d;
    return s_isdir(d->inode) ? 0 : -ENOTDIR;
}

/* A mount on the directory `name` at the root of `on`. The super may be NULL: no memory. */
static int mount_on(struct mount *on, const char *name, struct super *s, uint32_t flags,
                    struct mount **out)
{
    struct dentry *d;
    int err = s ? directory(on->root, name, &d) : -ENOMEM;

    if (err) { return err; }
    *out = mount_add(on->view, (struct path){on, d}, s, s->root, flags);
    return *out ? 0 : -ENOMEM;
}

/* A fresh tmpfs there, its root with this mode. */
static int mount_fresh(struct mount *on, const char *name, const char *source, uint32_t mode,
                       uint32_t flags)
{
    struct super *s = tmpfs_new(source);
    struct mount *m;

    if (s) { s->root->inode->mode = LS_IFDIR | mode; }
    return mount_on(on, name, s, flags, &m);
}

/* /dev and below it, /proc, /sys. */
static int mount_usual(struct view *v)
{
    struct mount *root = view_root(v), *dev, *sys, *m;
    uint32_t nosuid = MOUNT_NOSUID | MOUNT_NOEXEC;
    int err = mount_on(root, "dev", dev_new(), MOUNT_NOSUID, &dev);

    if (!err) { err = mount_on(dev, "pts", devpts_super(), nosuid, &m); }
    if (!err) { err = mount_fresh(dev, "shm", "shm", 01777, nosuid | MOUNT_NODEV); }
    if (!err) { err = mount_on(root, "proc", proc_super(), nosuid | MOUNT_NODEV, &m); }
    if (!err) {
        err = mount_on(root, "sys", sysfs_super(), nosuid | MOUNT_NODEV | MOUNT_RDONLY, &sys);
    }
    if (err) { return err; }
    struct super *cgroup = cgroup_super();
    m = mount_add(v, sysfs_cgroup_place(sys), cgroup, cgroup->root,
                  nosuid | MOUNT_NODEV | MOUNT_RDONLY);
    return m ? 0 : -ENOMEM;
}

static struct fsctx *fsctx_new(struct view *v, uint32_t umask)
{
    struct fsctx *c = mem_alloc(sizeof(*c));

    if (!c) { return NULL; }
    v->refs++;
    c->view = v;
    c->root = c->cwd = (struct path){view_root(v), view_root(v)->root};
    path_get(c->root);
    path_get(c->cwd);
    c->umask = umask;
    return c;
}

int fs_init(void)
{
    struct super *root = tmpfs_new("rootfs");

    if (!root || proc_init() != 0 || sysfs_init() != 0 || dev_init() != 0) { return -ENOMEM; }
    init_view = view_new(root, root->root, 0);
    if (!init_view || !tmpfs_add(root->root, "tmp", LS_IFDIR | 01777, 0, NULL)) { return -ENOMEM; }
    return mount_usual(init_view);
}

struct fsctx *fsctx_first(void) { return fsctx_new(init_view, 022); }

/* With a read-only root, what programs must be able to write to stays writable in memory. */
static int mount_writable(struct view *v)
{
    int err = mount_fresh(view_root(v), "tmp", "tmpfs", 01777, MOUNT_NOSUID | MOUNT_NODEV);
    return err ? err : mount_fresh(view_root(v), "run", "tmpfs", 0755, MOUNT_NOSUID | MOUNT_NODEV);
}

/* cwd inside the new view. */
static int set_cwd(struct fsctx *c, const char *cwd)
{
    struct fsctx *before = current_proc()->fs;
    struct walk w;

    current_proc()->fs = c; /* the walk starts at the new root */
    int err = walk_path(&w, AT_FDCWD_, cwd, WALK_FOLLOW);
    current_proc()->fs = before;
    if (err) { return err; }
    if (!w.at.dentry) {
        err = -ENOENT;
    } else if (!s_isdir(w.at.dentry->inode)) {
        err = -ENOTDIR;
    } else {
        path_get(w.at);
        path_put(c->cwd);
        c->cwd = w.at;
    }
    walk_end(&w);
    return err;
}

struct fsctx *fsctx_container(struct file *rootdir, const char *cwd, uint32_t umask, bool readonly,
                              int *out_err)
{
    struct fsctx *c = NULL;
    struct view *v;

    *out_err = -ENOTDIR;
    if (!s_isdir(rootdir->inode) || rootdir->inode->ops != &tmpfs_ops) { return NULL; }
    *out_err = -ENOMEM;
    v = view_new(rootdir->inode->super, rootdir->dentry, 0);
    if (!v) { return NULL; }
    *out_err = mount_usual(v);
    if (!*out_err && readonly) { *out_err = mount_writable(v); }
    if (!*out_err) {
        if (readonly) { view_root(v)->flags |= MOUNT_RDONLY; }
        c = fsctx_new(v, umask & 0777);
        *out_err = c ? set_cwd(c, cwd) : -ENOMEM;
    }
    if (*out_err && c) {
        fsctx_put(c);
        c = NULL;
    }
    view_put(v); /* c holds its own */
    return c;
}
