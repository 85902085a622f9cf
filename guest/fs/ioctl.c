/* SPDX-License-Identifier: Apache-2.0 */
/* ioctl: what works on every descriptor is here, the rest is the file's own business or ENOTTY. */
#include "guest/fs/vfs.h"
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"

#define FIONREAD_ 0x541bu
#define FIONBIO_ 0x5421u
#define FIONCLEX_ 0x5450u
#define FIOCLEX_ 0x5451u
#define FIOASYNC_ 0x5452u
#define FICLONE_ 0x40049409u
#define FICLONERANGE_ 0x4020940du

static int64_t flag_from_user(struct file *f, uint32_t flag, uint64_t arg)
{
    uint32_t on;

    if (get_user_u32(arg, &on) != 0) { return -EFAULT; }
    f->flags = on ? f->flags | flag : f->flags & ~flag;
    if (f->ops->flags_changed) { f->ops->flags_changed(f); }
    return 0;
}

static int64_t bytes_left(struct file *f, uint64_t arg)
{
    uint64_t size = inode_size(f->inode);
    return put_user_u32(arg, (uint32_t)(f->pos < size ? size - f->pos : 0));
}

int64_t sys_ioctl(const uint64_t a[6])
{
    int fd = (int)a[0];
    uint32_t cmd = (uint32_t)a[1];
    struct file *f = fd_file(fd);

    if (!f || (f->flags & LO_PATH)) { return -EBADF; }
    switch (cmd) {
    case FIOCLEX_: return fd_set_cloexec(fd, true);
    case FIONCLEX_: return fd_set_cloexec(fd, false);
    case FIONBIO_: return flag_from_user(f, LO_NONBLOCK, a[2]);
    case FIOASYNC_: return flag_from_user(f, LO_ASYNC, a[2]);
    case FICLONE_:
    case FICLONERANGE_: return -EOPNOTSUPP;
    case FIONREAD_:
        if (s_isreg(f->inode)) { return bytes_left(f, a[2]); }
        break;
    default: break;
    }
    if (!f->ops->ioctl) { return -ENOTTY; }
    file_get(f);
    int64_t r = f->ops->ioctl(f, cmd, a[2]);
    file_put(f);
    return r;
}
