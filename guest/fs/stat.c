/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is this? stat, statx, access, statfs. newfstatat is the most frequent path call of all: walk, fill, one copy out.
 */
#include "guest/fs/vfs.h"
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"

#define AT_SYMLINK_NOFOLLOW   0x100u
#define AT_EACCESS            0x200u
#define AT_NO_AUTOMOUNT       0x800u
#define AT_EMPTY_PATH         0x1000u
#define AT_STATX_SYNC         0x6000u
#define NS                    1000000000ull
#define STATX_ALL             0xfffu /* BASIC_STATS and BTIME */
#define STATX_MNT_ID          0x1000u
#define STATX_RESERVED        0x80000000u
#define STATX_ATTR_MOUNT_ROOT 0x2000ull

struct stat_abi {
    uint64_t dev, ino, nlink;
    uint32_t mode, uid, gid, pad;
    uint64_t rdev;
    int64_t size, blksize, blocks;
    uint64_t atime_s, atime_ns, mtime_s, mtime_ns, ctime_s, ctime_ns;
    int64_t unused[3];
};
ABI_SIZE(struct stat_abi, 144);
ABI_AT(struct stat_abi, rdev, 40);
ABI_AT(struct stat_abi, ctime_s, 104);

struct statx_time {
    int64_t s;
    uint32_t ns, pad;
};
struct statx_abi {
    uint32_t mask, blksize;
    uint64_t attributes;
    uint32_t nlink, uid, gid;
    uint16_t mode, pad;
    uint64_t ino, size, blocks, attributes_mask;
    struct statx_time atime, btime, ctime, mtime;
    uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
    uint64_t mnt_id;
    uint64_t spare[13];
};
ABI_SIZE(struct statx_abi, 256);
ABI_AT(struct statx_abi, attributes_mask, 56);
ABI_AT(struct statx_abi, rdev_major, 128);
ABI_AT(struct statx_abi, mnt_id, 144);

struct statfs_abi {
    uint64_t type, bsize, blocks, bfree, bavail, files, ffree, fsid, namelen, frsize, flags,
        spare[4];
};
ABI_SIZE(struct statfs_abi, 120);
ABI_AT(struct statfs_abi, flags, 80);

static int64_t blocks_of(struct inode *i)
{
    return i->data ? (int64_t)(mobj_pages(i->data) * (PAGE_SIZE / 512)) : 0;
}

static void stat_fill(struct inode *i, struct stat_abi *s)
{
    *s = (struct stat_abi){
        .dev = inode_dev(i),
        .ino = i->ino,
        .nlink = i->nlink,
        .mode = i->mode,
        .uid = i->uid,
        .gid = i->gid,
        .rdev = i->rdev,
        .size = (int64_t)inode_size(i),
        .blksize = PAGE_SIZE,
        .blocks = blocks_of(i),
        .atime_s = i->atime_ns / NS,
        .atime_ns = i->atime_ns % NS,
        .mtime_s = i->mtime_ns / NS,
        .mtime_ns = i->mtime_ns % NS,
        .ctime_s = i->ctime_ns / NS,
        .ctime_ns = i->ctime_ns % NS,
    };
}

static int64_t stat_out(struct inode *i, uint64_t va)
{
    struct stat_abi s;

    stat_fill(i, &s);
    return copy_to_user(va, &s, sizeof(s));
}

static int64_t stat_fd(int fd, uint64_t va)
{
    struct file *f = fd_file(fd);
    return f ? stat_out(f->inode, va) : -EBADF;
}

static int64_t stat_path(int dfd, uint64_t path, uint64_t va, uint32_t walk)
{
    struct walk w;
    int64_t err = walk_user(&w, dfd, path, walk);

    if (err) { return err; }
    err = w.at.dentry ? stat_out(w.at.dentry->inode, va) : -ENOENT;
    walk_end(&w);
    return err;
}

static uint32_t walk_flags(uint32_t at)
{
    return (at & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) | (at & AT_EMPTY_PATH ? WALK_EMPTY : 0);
}

/* fstat in glibc >= 2.33 is newfstatat(fd, "", AT_EMPTY_PATH); a NULL path is the same since Linux 6.11. */
static bool is_fd_itself(uint64_t path, uint32_t flags)
{
    char first;

    if (!(flags & AT_EMPTY_PATH)) { return false; }
    return path == 0 || (copy_from_user(&first, path, 1) == 0 && first == 0);
}

int64_t sys_newfstatat(const uint64_t a[6])
{
    uint32_t flags = (uint32_t)a[3];

    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH)) { return -EINVAL; }
    if ((int)a[0] >= 0 && is_fd_itself(a[1], flags)) { return stat_fd((int)a[0], a[2]); }
    return stat_path((int)a[0], a[1], a[2], walk_flags(flags));
}

int64_t sys_stat(const uint64_t a[6]) { return stat_path(AT_FDCWD_, a[0], a[1], WALK_FOLLOW); }
int64_t sys_lstat(const uint64_t a[6]) { return stat_path(AT_FDCWD_, a[0], a[1], 0); }
int64_t sys_fstat(const uint64_t a[6]) { return stat_fd((int)a[0], a[1]); }

static struct statx_time statx_time(uint64_t ns)
{
    return (struct statx_time){.s = (int64_t)(ns / NS), .ns = (uint32_t)(ns % NS)};
}

static uint32_t major_of(uint64_t dev) { return (uint32_t)(dev >> 8 & 0xfff); }
static uint32_t minor_of(uint64_t dev) { return (uint32_t)((dev & 0xff) | (dev >> 12 & 0xfff00)); }

static int64_t statx_out(struct path p, uint64_t va)
{
    struct inode *i = p.dentry->inode;
    struct statx_abi s = {
        .mask = STATX_ALL | (p.mnt ? STATX_MNT_ID : 0),
        .blksize = PAGE_SIZE,
        .attributes = p.mnt && p.dentry == p.mnt->root ? STATX_ATTR_MOUNT_ROOT : 0,
        .attributes_mask = STATX_ATTR_MOUNT_ROOT,
        .nlink = i->nlink,
        .uid = i->uid,
        .gid = i->gid,
        .mode = (uint16_t)i->mode,
        .ino = i->ino,
        .size = inode_size(i),
        .blocks = (uint64_t)blocks_of(i),
        .atime = statx_time(i->atime_ns),
        .btime = statx_time(i->btime_ns),
        .ctime = statx_time(i->ctime_ns),
        .mtime = statx_time(i->mtime_ns),
        .rdev_major = major_of(i->rdev),
        .rdev_minor = minor_of(i->rdev),
        .dev_minor = i->super->minor,
        .mnt_id = p.mnt ? p.mnt->id : 0,
    };
    return copy_to_user(va, &s, sizeof(s));
}

int64_t sys_statx(const uint64_t a[6])
{
    uint32_t flags = (uint32_t)a[2];
    struct path p;

    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC)) {
        return -EINVAL;
    }
    if ((flags & AT_STATX_SYNC) == AT_STATX_SYNC || ((uint32_t)a[3] & STATX_RESERVED)) {
        return -EINVAL;
    }
    if ((int)a[0] >= 0 && is_fd_itself(a[1], flags)) {
        struct file *f = fd_file((int)a[0]);
        return f ? statx_out(file_place(f), a[4]) : -EBADF;
    }
    int64_t err = walk_to((int)a[0], a[1], walk_flags(flags), &p);
    if (err) { return err; }
    err = statx_out(p, a[4]);
    path_put(p);
    return err;
}

/* ---- access ---- */

static int64_t access_path(int dfd, uint64_t path, uint32_t mode, uint32_t flags)
{
    const struct cred *c = &current_proc()->cred;
    struct path p;

    if (mode & ~7u || flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) {
        return -EINVAL;
    }
    int64_t err = walk_to(dfd, path, walk_flags(flags), &p);
    if (err) { return err; }
    const struct inode *i = p.dentry->inode;
    if (mode != 0) {
        err = flags & AT_EACCESS ? inode_may(i, mode) : inode_may_as(i, mode, c->ruid, c->rgid);
        if (!err && (mode & MAY_WRITE) && mount_readonly(p.mnt) && (s_isreg(i) || s_isdir(i))) {
            err = -EROFS;
        }
    }
    path_put(p);
    return err;
}

int64_t sys_access(const uint64_t a[6]) { return access_path(AT_FDCWD_, a[0], (uint32_t)a[1], 0); }
int64_t sys_faccessat(const uint64_t a[6])
{
    return access_path((int)a[0], a[1], (uint32_t)a[2], 0);
}
int64_t sys_faccessat2(const uint64_t a[6])
{
    return access_path((int)a[0], a[1], (uint32_t)a[2], (uint32_t)a[3]);
}

/* ---- statfs ---- */

#define ST_RDONLY   1u
#define ST_NOSUID   2u
#define ST_NODEV    4u
#define ST_NOEXEC   8u
#define ST_VALID    0x20u
#define ST_RELATIME 0x1000u

static int64_t statfs_out(struct path p, uint64_t va)
{
    const struct super *s = p.dentry->inode->super;
    bool stored = p.dentry->inode->ops == &tmpfs_ops;
    struct statfs_abi f = {
        .type = s->magic,
        .bsize = PAGE_SIZE,
        .frsize = PAGE_SIZE,
        .namelen = LNAME_MAX,
        .fsid = s->minor,
        .flags = ST_VALID | ST_RELATIME | (p.mnt ? p.mnt->flags : 0),
    };

    _Static_assert(MOUNT_RDONLY == ST_RDONLY && MOUNT_NOSUID == ST_NOSUID &&
                       MOUNT_NODEV == ST_NODEV && MOUNT_NOEXEC == ST_NOEXEC,
                   "mount flags are statfs flags");
    if (stored) {
        f.blocks = mem_total_pages() / 2;
        f.bfree = f.bavail = min_u64(mem_free_pages(), f.blocks);
        f.files = mem_total_pages() / 2;
        f.ffree = f.bfree;
    }
    return copy_to_user(va, &f, sizeof(f));
}

int64_t sys_statfs(const uint64_t a[6])
{
    struct path p;
    int64_t err = walk_to(AT_FDCWD_, a[0], WALK_FOLLOW, &p);

    if (err) { return err; }
    err = statfs_out(p, a[1]);
    path_put(p);
    return err;
}

int64_t sys_fstatfs(const uint64_t a[6])
{
    struct file *f = fd_file((int)a[0]);
    return f ? statfs_out(file_place(f), a[1]) : -EBADF;
}
