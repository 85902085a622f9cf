/* SPDX-License-Identifier: Apache-2.0 */
/* Where a process stands and what it sees there: getdents, getcwd, chdir, chroot, readlink; and the views themselves. */
#include "guest/fs/vfs.h"
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"

static int64_t list(int fd, uint64_t va, uint64_t len, bool old)
{
    struct file *f = fd_file(fd);
    struct uio u;

    if (!f || (f->flags & LO_PATH)) { return -EBADF; }
    if (!f->ops->getdents) { return -ENOTDIR; }
    uio_user(&u, va, len & UINT32_MAX);
    file_get(f);
    int64_t n = f->ops->getdents(f, &u, old);
    file_put(f);
    return n;
}

int64_t sys_getdents64(const uint64_t a[6]) { return list((int)a[0], a[1], a[2], false); }
int64_t sys_getdents(const uint64_t a[6]) { return list((int)a[0], a[1], a[2], true); }

int64_t sys_getcwd(const uint64_t a[6])
{
    const struct fsctx *fs = current_proc()->fs;
    char *buf;
    int64_t n;

    if (!fs->cwd.dentry->linked) { return -ENOENT; }
    buf = name_get();
    if (!buf) { return -ENOMEM; }
    char *text = path_text(fs->cwd, fs->root, buf, LPATH_MAX);
    if (!text) {
        n = -ENAMETOOLONG;
    } else {
        n = (int64_t)strlen(text) + 1;
        if ((uint64_t)n > a[1]) {
            n = -ERANGE;
        } else if (copy_to_user(a[0], text, (size_t)n) != 0) {
            n = -EFAULT;
        }
    }
    name_put(buf);
    return n;
}

/* p's reference is taken over on success. */
static int enter(struct path *at, struct path take_p)
{
    if (!s_isdir(take_p.dentry->inode)) { return -ENOTDIR; }
    int err = inode_may(take_p.dentry->inode, MAY_EXEC);
    if (err) { return err; }
    path_put(*at);
    *at = take_p;
    return 0;
}

int64_t sys_chdir(const uint64_t a[6])
{
    struct path p;
    int err = walk_to(AT_FDCWD_, a[0], WALK_FOLLOW, &p);

    if (err) { return err; }
    err = enter(&current_proc()->fs->cwd, p);
    if (err) { path_put(p); }
    return err;
}

int64_t sys_fchdir(const uint64_t a[6])
{
    struct file *f = fd_file((int)a[0]);

    if (!f) { return -EBADF; }
    path_get(file_place(f));
    int err = enter(&current_proc()->fs->cwd, file_place(f));
    if (err) { path_put(file_place(f)); }
    return err;
}

int64_t sys_chroot(const uint64_t a[6])
{
    struct path p;
    int err = walk_to(AT_FDCWD_, a[0], WALK_FOLLOW, &p);

    if (err) { return err; }
    err = capable(CAP_SYS_CHROOT) ? enter(&current_proc()->fs->root, p) : -EPERM;
    if (err) { path_put(p); }
    return err;
}

/* ---- readlink ---- */

static int64_t link_text(struct dentry *d, char *buf, size_t size)
{
    struct inode *i = d->inode;

    if (!s_islnk(i)) { return -EINVAL; }
    if (!i->link) { return i->ops->readlink(d, buf, size); }
    size_t n = strlen(i->link);
    if (n > size) { n = size; }
    memcpy(buf, i->link, n);
    return (int64_t)n;
}

static int64_t read_link(int dfd, uint64_t path, uint64_t va, int32_t size)
{
    struct path p;
    char *buf;
    int64_t n;

    if (size <= 0) { return -EINVAL; }
    n = walk_to(dfd, path, dfd == AT_FDCWD_ ? 0 : WALK_EMPTY, &p);
    if (n) { return n; }
    buf = name_get();
    n = buf ? link_text(p.dentry, buf, (size_t)min_u64((uint64_t)size, LPATH_MAX)) : -ENOMEM;
    if (n > 0 && copy_to_user(va, buf, (size_t)n) != 0) { n = -EFAULT; }
    name_put(buf);
    path_put(p);
    return n;
}

int64_t sys_readlink(const uint64_t a[6])
{
    return read_link(AT_FDCWD_, a[0], a[1], (int32_t)a[2]);
}
int64_t sys_readlinkat(const uint64_t a[6])
{
    return read_link((int)a[0], a[1], a[2], (int32_t)a[3]);
}

/* ---- the file context of a process ---- */

struct fsctx *fsctx_copy(struct fsctx *c)
{
    struct fsctx *to = mem_alloc(sizeof(*to));

    if (!to) { return NULL; }
    *to = *c;
    to->view->refs++;
    path_get(to->root);
    path_get(to->cwd);
    return to;
}

void fsctx_put(struct fsctx *c)
{
    if (!c) { return; }
    path_put(c->cwd);
    path_put(c->root);
    view_put(c->view);
    mem_free(c);
}
