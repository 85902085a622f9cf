/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and objects, private to fs/.
 *
 * An inode is an object: mode, owner, times, contents. A dentry is a name of an inode inside a directory. A mount shows
 * a tree of dentries at a place of another tree. A path is (mount, dentry).
 *
 * 1. In a tmpfs tree every existing name has a dentry in its directory's name table, which holds one reference. So the table
 *    is the directory: a miss is ENOENT, and no negative entries are needed. Trees that are computed (proc) have no
 *    table: each look-up makes a fresh dentry that lives as long as someone holds it.
 * 2. A dentry holds its parent, its inode and nothing else; an inode holds no dentry.
 * 3. A directory inode has exactly one dentry.
 * 4. Nothing in walk.c or names.c sleeps: what a walk found is still true when the caller acts on it.
 */
#ifndef CASEMATE_GUEST_FS_VFS_H
#define CASEMATE_GUEST_FS_VFS_H

#include "guest/fs/fs.h"
#include "guest/task/task.h"

#define LNAME_MAX 255
#define LPATH_MAX 4096
#define LSYMLINK_MAX 40
#define LLINK_MAX 65000

#define CAP_CHOWN 0
#define CAP_DAC_OVERRIDE 1
#define CAP_DAC_READ_SEARCH 2
#define CAP_FOWNER 3
#define CAP_FSETID 4
#define CAP_KILL 5
#define CAP_SYS_CHROOT 18
#define CAP_SYS_ADMIN 21
#define CAP_SYS_RESOURCE 24
#define CAP_MKNOD 27

#define MAY_EXEC 1u
#define MAY_WRITE 2u
#define MAY_READ 4u

/* ---- inodes (inode.c) ----------------------------------------------------------------------------------------------- */

struct lockset;
struct pipe;
struct walk;
struct dirsink;

struct inode_ops {
    /* Directories of computed trees: a fresh dentry with one reference, or -ENOENT. NULL: the name table decides. */
    int (*lookup)(struct dentry *dir, const char *name, size_t len, struct dentry **out);
    /* The entries after . and .. of computed trees, from *pos on; stops when the sink is full. */
    int (*iterate)(struct dentry *dir, struct dirsink *s);
    /* An inode that a directory of this tree may name: kind and permissions in mode, link text or NULL. NULL op: -EPERM. */
    int (*make)(struct inode *dir, uint32_t mode, uint64_t rdev, const char *target, struct inode **out);
    int64_t (*readlink)(struct dentry *d, char *buf, size_t size); /* links without text in inode->link */
    int (*follow)(struct dentry *d, struct mount **mnt, struct dentry **out); /* magic links: both referenced; mnt may be NULL */
    int (*open)(struct inode *i, struct file *f); /* sets ops and priv; NULL: by kind (file.c) */
    int (*truncate)(struct inode *i, uint64_t size); /* NULL: by kind */
    uint64_t (*size)(struct inode *i);               /* NULL: by kind */
    void (*release)(struct inode *i);                /* frees priv */
};

struct super {
    const char *type; /* as in /proc/mounts and /proc/filesystems */
    const char *source;
    uint32_t magic;   /* statfs f_type */
    uint32_t minor;   /* st_dev = 0:minor */
    uint64_t next_ino;
    struct dentry *root; /* one reference; NULL for anonymous objects */
};

struct inode {
    const struct inode_ops *ops;
    struct super *super;
    uint32_t refs;
    uint32_t mode, uid, gid, nlink;
    uint32_t seals;
    bool linkable;          /* O_TMPFILE: may get its first name though nlink is 0 */
    uint64_t ino, rdev;
    uint64_t atime_ns, mtime_ns, ctime_ns, btime_ns;
    struct mobj *data;      /* regular files: the contents */
    char *link;             /* symbolic links: the text, owned */
    struct lockset *locks;  /* locks.c; NULL: none */
    struct pipe *pipe;      /* FIFOs while open */
    struct list xattrs;     /* of struct xattr, xattr.c */
    struct list watches;    /* of struct watch, inotify.c */
    void *socket;           /* net/'s */
    void *priv;             /* of the tree that made it */
};

struct super *super_new(const char *type, const char *source, uint32_t magic);
struct inode *inode_new(struct super *s, const struct inode_ops *ops, uint32_t mode); /* times now, owner of the caller */
uint64_t inode_size(struct inode *i);
uint64_t inode_dev(const struct inode *i);
bool capable(unsigned cap);
bool in_groups(uint32_t gid); /* one of the caller's supplementary groups */
bool inode_owner_or_capable(const struct inode *i);
int inode_may(const struct inode *i, uint32_t may); /* by fsuid, fsgid, groups, capabilities; -EACCES */
int inode_may_as(const struct inode *i, uint32_t may, uint32_t uid, uint32_t gid); /* access(2): by these ids */
void inode_touch(struct inode *i);                  /* contents changed: mtime and ctime */
void inode_accessed(struct inode *i);               /* relatime */
int inode_truncate(struct inode *i, uint64_t size);
void inode_drop_suid(struct inode *i);              /* after write and chown by the unprivileged */

static inline bool s_isdir(const struct inode *i) { return (i->mode & LS_IFMT) == LS_IFDIR; }
static inline bool s_isreg(const struct inode *i) { return (i->mode & LS_IFMT) == LS_IFREG; }
static inline bool s_islnk(const struct inode *i) { return (i->mode & LS_IFMT) == LS_IFLNK; }
static inline bool s_isfifo(const struct inode *i) { return (i->mode & LS_IFMT) == LS_IFIFO; }
static inline bool s_ischr(const struct inode *i) { return (i->mode & LS_IFMT) == LS_IFCHR; }

/* ---- dentries (dentry.c) ---------------------------------------------------------------------------------------------- */

struct names { /* the name table of a directory */
    struct list children; /* of struct dentry.sibling, ascending cookie */
    uint32_t count, mask; /* mask + 1 buckets */
    uint64_t next_cookie;
    struct dentry **bucket; /* NULL while empty */
};

#define DENTRY_INLINE 32
struct dentry {
    uint32_t refs, hash;
    struct dentry *parent; /* referenced; itself for a root */
    struct inode *inode;   /* referenced */
    struct names *names;   /* directories of stored trees */
    struct dentry *chain;  /* bucket */
    struct list sibling;
    uint64_t cookie;       /* d_off, ascending */
    uint32_t mounts;       /* something is mounted here in some view */
    uint16_t len;
    bool linked;           /* in its parent's name table, or alive by nature (roots, computed trees) */
    const char *name;      /* NUL-terminated; short_name or owned */
    char short_name[DENTRY_INLINE];
};

uint32_t name_hash(const char *name, size_t len);
/* One reference; takes a reference of parent (NULL: a root) and of inode. NULL: no memory. */
struct dentry *dentry_new(struct dentry *parent, const char *name, size_t len, struct inode *inode);
void dentry_get(struct dentry *d);
void dentry_put(struct dentry *d);
struct dentry *dentry_find(struct dentry *dir, const char *name, size_t len, uint32_t hash); /* borrowed */
int dentry_link(struct dentry *dir, struct dentry *d); /* enters the table, which takes a reference; -ENOMEM */
void dentry_unlink(struct dentry *d);                  /* leaves it; the table's reference goes */
int dentry_move(struct dentry *d, struct dentry *dir, const char *name, size_t len); /* rename; -ENOMEM changes nothing */
void dentry_exchange(struct dentry *x, struct dentry *y); /* names and places swap; cannot fail */
bool dentry_inside(const struct dentry *d, const struct dentry *tree); /* is tree d or above it? */

/* ---- mounts and views (mount.c) ---------------------------------------------------------------------------------------- */

struct path {
    struct mount *mnt; /* NULL: anonymous object */
    struct dentry *dentry;
};
static inline bool path_eq(struct path a, struct path b) { return a.mnt == b.mnt && a.dentry == b.dentry; }

#define MOUNT_RDONLY 1u
#define MOUNT_NOSUID 2u
#define MOUNT_NODEV 4u
#define MOUNT_NOEXEC 8u
struct view { /* what start_container makes new: a tree of mounts */
    uint32_t refs;
    struct list mounts; /* in order of mounting, the root first */
};
struct mount {
    struct list link; /* view->mounts */
    uint32_t refs;
    uint32_t flags, id;
    struct view *view; /* borrowed: a view outlives its mounts' use, see view_put */
    struct super *super;
    struct dentry *root;   /* referenced */
    struct mount *parent;  /* NULL: the view's root */
    struct dentry *point;  /* referenced: where in parent */
};
struct view *view_new(struct super *s, struct dentry *root, uint32_t flags); /* NULL: no memory */
void view_put(struct view *v);
struct mount *view_root(struct view *v);
struct mount *mount_add(struct view *v, struct path at, struct super *s, struct dentry *root, uint32_t flags);
void mount_get(struct mount *m);
void mount_put(struct mount *m);
void path_get(struct path p);
void path_put(struct path p);      /* NULL parts allowed */
void path_cross(struct path *p);   /* onto what is mounted there; keeps the reference right */
static inline bool mount_readonly(const struct mount *m) { return m && (m->flags & MOUNT_RDONLY); }
/* Absolute text of p below root into buf (size >= 2), at its end; NULL when it does not fit. Gone names get " (deleted)",
 * places outside root "(unreachable)" in front. */
char *path_text(struct path p, struct path root, char *buf, size_t size);

struct fsctx {
    struct view *view; /* referenced */
    struct path root, cwd;
    uint32_t umask;
};

/* ---- walking (walk.c) ---------------------------------------------------------------------------------------------------- */

#define WALK_FOLLOW 1u   /* the last component too */
#define WALK_PARENT 2u   /* only its directory matters: the last one is looked up, never followed, slash or not */
#define WALK_EMPTY 4u    /* "" is the start itself (AT_EMPTY_PATH) */
#define WALK_NO_XDEV 0x10u
#define WALK_NO_MAGIC 0x20u
#define WALK_NO_LINKS 0x40u
#define WALK_BENEATH 0x80u
#define WALK_IN_ROOT 0x100u

/*
 * The result: `parent` is the directory of the last component and `at` what it names (dentry NULL: nothing). After a last
 * component without a name (/, ., .., a magic link) parent.dentry is NULL. References are dropped by walk_end().
 */
struct walk {
    struct path parent, at;
    const char *last; /* inside buf */
    size_t last_len;
    uint32_t last_hash;
    bool slash;       /* a slash follows the last component */
    bool dots;        /* the last component is "." or ".." */
    uint32_t flags;
    struct path root, base;
    unsigned links;
    char *buf;
};
/* Name buffers of LPATH_MAX bytes, from a small stock. */
char *name_get(void);
void name_put(char *buf);
/* Both consume nothing on failure; walk_end() after success only. path: NUL-terminated, library-OS memory. */
MUST_CHECK int walk_user(struct walk *w, int dfd, uint64_t path_va, uint32_t flags);
MUST_CHECK int walk_path(struct walk *w, int dfd, const char *path, uint32_t flags);
void walk_end(struct walk *w);
/* The object itself, one reference; -ENOENT when there is none. */
MUST_CHECK int walk_to(int dfd, uint64_t path_va, uint32_t flags, struct path *out);

/* ---- changing names (names.c) ------------------------------------------------------------------------------------------ */

/* Makes an inode of this kind named by the walk's last component; applies umask. A reference in *out if out is given. */
int names_make(struct walk *w, uint32_t mode, uint64_t rdev, const char *target, struct path *out);
int may_create(struct path dir);

/* ---- open files ---------------------------------------------------------------------------------------------------------- */

struct file *file_new(const struct file_ops *ops, struct path p, uint32_t flags); /* takes references; NULL: no memory */
/* Opens what the path names; the access check was made. File or negative errno. */
int file_open_path(struct path p, uint32_t flags, struct file **out);
/* A dentry for an anonymous object, named as file_anon() says; takes nothing. */
struct dentry *anon_dentry(struct inode *i, const char *name);
struct inode *anon_inode(uint32_t mode);
static inline bool file_reads(const struct file *f)
{
    return !(f->flags & LO_PATH) && ((f->flags & LO_ACCMODE) == LO_RDONLY || (f->flags & LO_ACCMODE) == LO_RDWR);
}
static inline bool file_writes(const struct file *f)
{
    return !(f->flags & LO_PATH) && ((f->flags & LO_ACCMODE) == LO_WRONLY || (f->flags & LO_ACCMODE) == LO_RDWR);
}
static inline struct path file_place(const struct file *f) { return (struct path){f->mnt, f->dentry}; }
int64_t file_read(struct file *f, struct uio *u, uint64_t *pos);
int64_t file_write(struct file *f, struct uio *u, uint64_t *pos);
uint32_t file_poll(struct file *f, struct poller *p);
int64_t mobj_read(struct mobj *o, struct uio *u, uint64_t *pos); /* a memory object's bytes; short at its end */
struct file *fdtable_file(struct fdtable *t, int fd);     /* borrowed */
int fdtable_next(struct fdtable *t, int from);            /* the lowest open descriptor >= from, or -1 */
bool fdtable_cloexec(struct fdtable *t, int fd);
int fd_set_cloexec(int fd, bool on);

extern const uint8_t zero_page[]; /* what a hole reads as */
extern const struct file_ops regular_ops, dir_ops;
extern const struct inode_ops tmpfs_ops, anon_ops;
struct super *tmpfs_new(const char *source); /* with a root directory 01777 root:root; NULL: no memory */
/* Adds a name at start-up, unchecked; borrowed (the table holds it). NULL: no memory. */
struct dentry *tmpfs_add(struct dentry *dir, const char *name, uint32_t mode, uint64_t rdev, const char *target);
struct super *proc_super(void), *sysfs_super(void), *cgroup_super(void), *devpts_super(void);
struct super *dev_new(void); /* a fresh /dev; NULL: no memory */
struct path sysfs_cgroup_place(struct mount *sys); /* where cgroup2 is mounted */
int dev_open(struct inode *i, struct file *f);   /* by rdev */
struct inode *dev_console(void);                 /* the one behind every /dev/console */
int fifo_open(struct inode *i, struct file *f);
int proc_init(void), sysfs_init(void), dev_init(void);
#define MKDEV(major, minor) ((uint64_t)(major) << 8 | ((minor) & 0xffu))

/* ---- directory listings --------------------------------------------------------------------------------------------------- */

struct dirsink {
    struct file *file;
    struct uio *uio;
    uint64_t pos;   /* cookie of the entry to give next */
    bool old;       /* the 32-bit-name layout of getdents */
    bool any;
    int err;
};
/* False: full (or failed), stop. next: the cookie after this entry. kind: mode >> 12. */
bool dirsink_add(struct dirsink *s, const char *name, size_t len, uint64_t ino, uint32_t kind, uint64_t next);

/* ---- locks, pipes, watches --------------------------------------------------------------------------------------------------- */

void locks_close(struct file *f, struct proc *p);    /* a descriptor of p was closed */
void locks_release(struct file *f);                  /* the last reference goes: flock and OFD locks */
void locks_free(struct inode *i);
int64_t locks_fcntl(struct file *f, uint32_t cmd, uint64_t arg_va);
int64_t pipe_set_size(struct file *f, uint64_t size); /* EBADF: not a pipe */
int64_t pipe_get_size(struct file *f);
void xattr_free(struct inode *i);
void epoll_forget(struct file *f);

#define IN_ACCESS 0x1u
#define IN_MODIFY 0x2u
#define IN_ATTRIB 0x4u
#define IN_CLOSE_WRITE 0x8u
#define IN_CLOSE_NOWRITE 0x10u
#define IN_OPEN 0x20u
#define IN_MOVED_FROM 0x40u
#define IN_MOVED_TO 0x80u
#define IN_CREATE 0x100u
#define IN_DELETE 0x200u
#define IN_DELETE_SELF 0x400u
#define IN_MOVE_SELF 0x800u
#define IN_ISDIR 0x40000000u
void notify_inode(struct inode *i, struct dentry *d, uint32_t mask); /* i itself, and its directory through d (may be NULL) */
void notify_name(struct inode *dir, const char *name, size_t len, uint32_t mask, uint32_t cookie);
void notify_last_name(struct inode *i); /* nlink became 0 */

#endif
