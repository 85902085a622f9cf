/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two views. Init's: a tmpfs with dev, proc, sys, a place to unpack in. The container's: the unpacked directory as root,
 * with mounts of its own over it; files of init's tree outside that directory have no name in it.
 */
#include "guest/fs/vfs.h"

static struct view *init_view;

/* The directory `name` in dir, made if it is not there; borrowed. What stands there and is no directory: NULL. */
static struct dentry *directory(struct dentry *dir, const char *name, uint32_t mode)
{
    struct dentry *d = dentry_find(dir, name, strlen(name), name_hash(name, strlen(name)));

    if (d) { return s_isdir(d->inode) ? d : NULL; }
    return tmpfs_add(dir, name, LS_IFDIR | mode, 0, NULL);
}

/* A mount on the directory `name` of dir. NULL: no memory, or a file or link of the image is in the way. */
static struct mount *mount_on(struct view *v, struct mount *on, struct dentry *dir, const char *name, struct super *s,
                              uint32_t flags)
{
    struct dentry *d = s ? directory(dir, name, 0755) : NULL;
    return d ? mount_add(v, (struct path){on, d}, s, s->root, flags) : NULL;
}

/* /dev and below it, /proc, /sys. */
static int mount_usual(struct view *v)
{
    struct mount *root = view_root(v), *dev;
    struct super *shm = tmpfs_new("shm"), *tree = dev_new();
    uint32_t nosuid = MOUNT_NOSUID | MOUNT_NOEXEC;

    if (!shm || !tree) { return -ENOMEM; }
    shm->root->inode->mode = LS_IFDIR | 01777;
    dev = mount_on(v, root, root->root, "dev", tree, MOUNT_NOSUID);
    if (!dev || !mount_on(v, dev, dev->root, "pts", devpts_super(), nosuid) ||
        !mount_on(v, dev, dev->root, "shm", shm, nosuid | MOUNT_NODEV)) {
        return -ENOMEM;
    }
    if (!mount_on(v, root, root->root, "proc", proc_super(), nosuid | MOUNT_NODEV)) { return -ENOMEM; }
    struct mount *sys = mount_on(v, root, root->root, "sys", sysfs_super(), nosuid | MOUNT_NODEV | MOUNT_RDONLY);
    if (!sys) { return -ENOMEM; }
    struct path cgroup = sysfs_cgroup_place(sys);
    return mount_add(v, cgroup, cgroup_super(), cgroup_super()->root, nosuid | MOUNT_NODEV | MOUNT_RDONLY) ? 0 : -ENOMEM;
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
    static const struct {
        const char *name;
        uint32_t mode;
    } places[] = {{"tmp", 01777}, {"run", 0755}};

    for (size_t k = 0; k < ARRAY_COUNT(places); k++) {
        struct super *s = tmpfs_new("tmpfs");
        if (!s) { return -ENOMEM; }
        s->root->inode->mode = LS_IFDIR | places[k].mode;
        struct mount *root = view_root(v);
        if (!mount_on(v, root, root->root, places[k].name, s, MOUNT_NOSUID | MOUNT_NODEV)) { return -ENOMEM; }
    }
    return 0;
}

struct fsctx *fsctx_container(struct file *rootdir, const char *cwd, uint32_t umask, bool readonly, int *out_err)
{
    struct fsctx *c = NULL, *before = current_proc()->fs;
    struct view *v = NULL;
    struct walk w;

    *out_err = -ENOTDIR;
    if (!s_isdir(rootdir->inode) || rootdir->inode->ops != &tmpfs_ops) { return NULL; }
    *out_err = -ENOMEM;
    dentry_get(rootdir->dentry);
    v = view_new(rootdir->inode->super, rootdir->dentry, 0);
    if (!v) {
        dentry_put(rootdir->dentry);
        return NULL;
    }
    if (mount_usual(v) != 0 || (readonly && mount_writable(v) != 0)) { goto out; }
    if (readonly) { view_root(v)->flags |= MOUNT_RDONLY; }
    c = fsctx_new(v, umask & 0777);
    if (!c) { goto out; }
    current_proc()->fs = c; /* the walk below starts at the new root */
    *out_err = walk_path(&w, AT_FDCWD_, cwd, WALK_FOLLOW);
    current_proc()->fs = before;
    if (!*out_err) {
        if (!w.at.dentry) {
            *out_err = -ENOENT;
        } else if (!s_isdir(w.at.dentry->inode)) {
            *out_err = -ENOTDIR;
        } else {
            path_get(w.at);
            path_put(c->cwd);
            c->cwd = w.at;
        }
        walk_end(&w);
    }
    if (*out_err) {
        fsctx_put(c);
        c = NULL;
    }
out:
    view_put(v); /* c holds its own */
    return c;
}
