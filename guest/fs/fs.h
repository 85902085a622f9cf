/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files as the rest of the library OS sees them: the open file, its operations, descriptors, and the few path functions
 * that exec and start-up need. Directories, inodes and mounts are private to fs/ (fs/vfs.h).
 */
#ifndef CASEMATE_GUEST_FS_FS_H
#define CASEMATE_GUEST_FS_FS_H

#include "guest/los.h"

struct file;
struct inode;
struct dentry;
struct mount;
struct mobj;
struct uio;
struct waitq;
struct proc;

/* Who wants to be told: poll() of a file hands each of its wait queues to add(). NULL poller: only readiness is asked. */
struct poller {
    void (*add)(struct poller *p, struct waitq *q);
};
static inline void poll_add(struct poller *p, struct waitq *q)
{
    if (p) { p->add(p, q); }
}
#define LPOLLIN 0x001u
#define LPOLLPRI 0x002u
#define LPOLLOUT 0x004u
#define LPOLLERR 0x008u
#define LPOLLHUP 0x010u
#define LPOLLNVAL 0x020u
#define LPOLLRDNORM 0x040u
#define LPOLLRDBAND 0x080u
#define LPOLLWRNORM 0x100u
#define LPOLLRDHUP 0x2000u

/* An op that is NULL: the error in the comment. All may sleep unless O_NONBLOCK is in file_flags. */
struct file_ops {
    /* pos is the offset to use and advance; NULL for files without one. Bytes or -errno. */
    int64_t (*read)(struct file *f, struct uio *u, uint64_t *pos);  /* EINVAL */
    int64_t (*write)(struct file *f, struct uio *u, uint64_t *pos); /* EINVAL */
    uint32_t (*poll)(struct file *f, struct poller *p);             /* always ready: IN | OUT */
    int64_t (*ioctl)(struct file *f, uint32_t cmd, uint64_t arg);   /* ENOTTY; FIONBIO, FIOCLEX are handled before */
    int64_t (*seek)(struct file *f, int64_t off, int whence);       /* ESPIPE */
    struct mobj *(*mobj)(struct file *f);                           /* ENODEV for mmap; borrowed */
    int64_t (*getdents)(struct file *f, struct uio *u, bool old);   /* ENOTDIR */
    void (*flags_changed)(struct file *f);                          /* optional: O_NONBLOCK, O_ASYNC by fcntl */
    void (*close_by)(struct file *f, struct proc *p);               /* optional: each close() */
    void (*release)(struct file *f);                                /* last reference; frees priv */
};

struct file {
    const struct file_ops *ops;
    uint32_t refs;
    uint32_t flags;   /* O_* as F_GETFL shows: access mode, O_APPEND, O_NONBLOCK, O_DIRECT, O_PATH … */
    uint64_t pos;
    void *priv;
    struct inode *inode;   /* referenced; every file has one */
    struct dentry *dentry; /* referenced; anonymous files have one of their own, in no directory */
    struct mount *mnt;     /* referenced; NULL for anonymous files */
    struct list epolls;    /* of struct epitem: who watches this file (epoll.c) */
    int32_t owner;         /* F_SETOWN; kept and shown */
};

/* st_mode */
#define LS_IFMT 0170000u
#define LS_IFSOCK 0140000u
#define LS_IFLNK 0120000u
#define LS_IFREG 0100000u
#define LS_IFBLK 0060000u
#define LS_IFDIR 0040000u
#define LS_IFCHR 0020000u
#define LS_IFIFO 0010000u
#define LS_ISUID 04000u
#define LS_ISGID 02000u
#define LS_ISVTX 01000u

#define LO_ACCMODE 3u
#define LO_RDONLY 0u
#define LO_WRONLY 1u
#define LO_RDWR 2u
#define LO_CREAT 0100u
#define LO_EXCL 0200u
#define LO_NOCTTY 0400u
#define LO_TRUNC 01000u
#define LO_APPEND 02000u
#define LO_NONBLOCK 04000u
#define LO_DSYNC 010000u
#define LO_ASYNC 020000u
#define LO_DIRECT 040000u
#define LO_LARGEFILE 0100000u
#define LO_DIRECTORY 0200000u
#define LO_NOFOLLOW 0400000u
#define LO_NOATIME 01000000u
#define LO_CLOEXEC 02000000u
#define LO_PATH 010000000u
#define LO_TMPFILE 020200000u
#define AT_FDCWD_ (-100)

/* A file without a name (sockets, pipes, epoll, eventfd …): one reference; name is for /proc/self/fd, "anon_inode:[x]" or
 * "socket" / "pipe" (then shown as "socket:[ino]"). mode = S_IF* | permissions. NULL: no memory, priv stays the caller's.
 * ops->release frees priv. Opening /proc/self/fd/N of a FIFO or character kind made here gives a second file that
 * forwards to the first: this is how /dev/stdout works; sockets answer ENXIO. */
struct file *file_anon(const struct file_ops *ops, void *priv, uint32_t flags, uint32_t mode, const char *name);
void file_get(struct file *f);
void file_put(struct file *f); /* NULL allowed */

/* Descriptors of the current process. */
struct file *fd_file(int fd);                        /* borrowed until the next sleep: take file_get() before one; NULL: EBADF */
int fd_install(struct file *take_f, bool cloexec);   /* lowest free; descriptor or -EMFILE (file is put) */
int fd_install_at_least(struct file *take_f, int min, bool cloexec);
int fd_close(int fd);
bool fd_cloexec(int fd);

/* Opens for the library OS itself, with the current process's root and cwd. File with one reference or negative errno in *out_err. */
struct file *file_open(const char *path, uint32_t flags, uint32_t mode, int *out_err);
int64_t file_read_at(struct file *f, void *dst, size_t len, uint64_t off); /* into library-OS memory; short at the end */
int64_t file_size(struct file *f);
/* May the current process execute it? 0, -EACCES, -ENOEXEC for non-regular files. */
int file_exec_ok(struct file *f);
/* Whom the program behind f runs as: its set-user-ID and set-group-ID bits change what is in *uid and *gid. */
void file_exec_ids(const struct file *f, uint32_t *uid, uint32_t *gid);
size_t file_path(struct file *f, char *buf, size_t size); /* absolute, in the current root; length without NUL */

/*
 * Unix sockets in the name space. fs_bind_socket makes a socket inode at path (0, -EADDRINUSE, -EACCES …), fs_find_socket
 * finds one the current process may write to (0, -ENOENT, -ECONNREFUSED for other kinds, -EACCES). Both give a reference,
 * inode_put() drops it. The socket bound to an inode is kept by net/ through inode_socket().
 */
int fs_bind_socket(const char *path, struct inode **out);
int fs_find_socket(const char *path, struct inode **out);
void **inode_socket(struct inode *i); /* a slot of net/'s own; NULL in it: nobody listens here any more */
void inode_get(struct inode *i);
void inode_put(struct inode *i);

/* An unnamed regular file in memory, as memfd_create() makes: empty, executable, read and write. NULL: no memory. */
struct file *file_memory(const char *name);
/* memfd seals of the inode behind f, F_SEAL_* bits; mmap refuses shared writable mappings under F_SEAL_WRITE. */
uint32_t file_seals(const struct file *f);
#define LF_SEAL_SEAL 1u
#define LF_SEAL_SHRINK 2u
#define LF_SEAL_GROW 4u
#define LF_SEAL_WRITE 8u
#define LF_SEAL_FUTURE_WRITE 16u
#define LF_SEAL_EXEC 32u

int fs_init(void); /* mounts tmpfs root, /dev, /proc, /sys for init's world; 0 or -errno */
struct fsctx *fsctx_first(void); /* the first process's: the root of init's view; NULL: no memory */
/* start_container: a view whose root is the directory behind f; proc, dev, sys mounted in it. */
struct fsctx *fsctx_container(struct file *rootdir, const char *cwd, uint32_t umask, bool readonly, int *out_err);
struct fdtable *fdtable_new(void);
int fdtable_set(struct fdtable *t, int fd, struct file *f); /* takes a reference of its own */

#endif
