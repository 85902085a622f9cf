/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System V shared memory: a segment is an unnamed regular file that has a number, and attaching it is mapping that file.
 * So a child inherits it, exec and exit detach it, and the number of attachments is the number of mappings, as Linux counts.
 *
 * While its number is valid a segment holds the file. Removing it (IPC_RMID) drops that hold: from then on only mappings keep
 * the inode alive, and the segment goes with it (segment_release). Until then it can still be found by number. [shmget(2)]
 */
#include "guest/fs/vfs.h"
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"

#define IPC_CREAT_   01000u
#define IPC_EXCL_    02000u
#define SHM_HUGETLB_ 04000u
#define SHM_RDONLY_  010000u
#define SHM_RND_     020000u
#define SHM_REMAP_   040000u
#define SHM_EXEC_    0100000u
#define SHM_DEST_    01000u
#define SEGMENTS_MAX 4096u
#define LPROT_RW     3
#define LPROT_X      4
#define LMAP_SHARED_ 0x01
#define LMAP_FIXED_  0x10

enum { IPC_RMID_, IPC_SET_, IPC_STAT_, IPC_INFO_, SHM_LOCK_ = 11, SHM_UNLOCK_ = 12 };

struct segment {
    struct list link;
    int32_t id;
    uint32_t key; /* 0: private, or removed */
    uint64_t size;
    struct dentry *dentry; /* borrowed: the inode behind it frees the segment */
    struct file *file;     /* NULL: removed, alive while mapped */
    uint32_t creator_uid, creator_gid;
    int32_t creator_pid, last_pid;
    uint64_t attached_s, detached_s, changed_s;
};

/* As Linux gives it to applications. */
struct shm_stat {
    uint32_t key, uid, gid, cuid, cgid, mode;
    uint64_t seq, unused1[2];
    uint64_t size, atime, dtime, ctime;
    int32_t cpid, lpid;
    uint64_t nattch, unused2[2];
};
_Static_assert(sizeof(struct shm_stat) == 112, "struct shmid64_ds");

static struct list segments = LIST_INIT(segments);
static uint32_t count, next_id;

static uint64_t whole_pages(uint64_t size) { return align_down(size + PAGE_SIZE - 1, PAGE_SIZE); }
static uint64_t now_s(void) { return clock_wall_ns() / 1000000000; }

static struct segment *by_id(int32_t id)
{
    LIST_EACH (it, &segments) {
        struct segment *s = LIST_ENTRY(it, struct segment, link);
        if (s->id == id) { return s; }
    }
    return NULL;
}

static struct segment *by_key(uint32_t key)
{
    LIST_EACH (it, &segments) {
        struct segment *s = LIST_ENTRY(it, struct segment, link);
        if (s->key == key && s->file) { return s; }
    }
    return NULL;
}

static int segment_open(struct inode *i, struct file *f)
{
    (void)i;
    f->ops = &regular_ops;
    return 0;
}

static void segment_release(struct inode *i)
{
    struct segment *s = i->priv;

    if (!s) { return; }
    list_del(&s->link);
    count--;
    mem_free(s);
}

static const struct inode_ops segment_ops = {.open = segment_open, .release = segment_release};

/* ---- shmget ---- */

static int64_t segment_new(uint32_t key, uint64_t size, uint32_t flags)
{
    char name[32];
    int64_t err = -ENOMEM;

    if (size == 0 || size > INT64_MAX - PAGE_SIZE) { return -EINVAL; }
    if (count >= SEGMENTS_MAX) { return -ENOSPC; }
    struct segment *s = mem_alloc(sizeof(*s));
    struct inode *i = anon_inode(LS_IFREG | (flags & 0777));
    if (i) {
        i->ops = &segment_ops;
        i->nlink = 0;
        i->data = mobj_new();
    }
    if (!s || !i || !i->data || mobj_truncate(i->data, whole_pages(size)) != 0) { goto out; }
    size_t len = fmt(name, sizeof(name), "/SYSV%08x (deleted)", key);
    s->dentry = dentry_new(NULL, name, len, i);
    if (!s->dentry) { goto out; }
    s->file = file_new(&regular_ops, (struct path){NULL, s->dentry}, LO_RDWR);
    dentry_put(s->dentry);
    if (!s->file) { goto out; }
    s->id = (int32_t)(next_id++ & INT32_MAX);
    s->key = key;
    s->size = size;
    s->creator_uid = i->uid = current_proc()->cred.euid;
    s->creator_gid = i->gid = current_proc()->cred.egid;
    s->creator_pid = current_proc()->pid;
    s->changed_s = now_s();
    list_add_tail(&segments, &s->link);
    count++;
    i->priv = s;
    err = s->id;
    s = NULL;
out:
    inode_put(i); /* the file has its own */
    mem_free(s);
    return err;
}

int64_t sys_shmget(const uint64_t a[6])
{
    uint32_t key = (uint32_t)a[0], flags = (uint32_t)a[2];
    struct segment *s = key != 0 ? by_key(key) : NULL;

    if (flags & SHM_HUGETLB_) { return -ENOMEM; }
    if (!s) { return key != 0 && !(flags & IPC_CREAT_) ? -ENOENT : segment_new(key, a[1], flags); }
    if ((flags & IPC_CREAT_) && (flags & IPC_EXCL_)) { return -EEXIST; }
    if (a[1] > s->size) { return -EINVAL; }
    uint32_t may = (flags >> 6 | flags >> 3 | flags) & (MAY_READ | MAY_WRITE | MAY_EXEC);
    int err = inode_may(s->dentry->inode, may);
    return err ? err : s->id;
}

/* ---- shmat, shmdt ---- */

int64_t sys_shmat(const uint64_t a[6])
{
    uint32_t flags = (uint32_t)a[2];
    bool readonly = (flags & SHM_RDONLY_) != 0, exec = (flags & SHM_EXEC_) != 0;
    uint64_t va = flags & SHM_RND_ ? align_down(a[1], PAGE_SIZE) : a[1];
    struct file *f;

    if (va % PAGE_SIZE != 0 || (va == 0 && (flags & SHM_REMAP_))) { return -EINVAL; }
    struct segment *s = by_id((int32_t)a[0]);
    if (!s) { return -EINVAL; }
    int err =
        inode_may(s->dentry->inode, MAY_READ | (readonly ? 0 : MAY_WRITE) | (exec ? MAY_EXEC : 0));
    if (err) { return err; }
    struct space *space = current_proc()->space;
    struct region_info r;
    uint64_t len = whole_pages(s->size);
    if (va != 0 && !(flags & SHM_REMAP_) && space_region(space, va, &r) && r.lo < va + len) {
        return -EINVAL;
    }
    err = file_open_path((struct path){NULL, s->dentry}, readonly ? LO_RDONLY : LO_RDWR, &f);
    if (err) { return err; }
    int prot = (readonly ? 1 : LPROT_RW) | (exec ? LPROT_X : 0);
    int64_t at = space_map(space, va, len, prot, LMAP_SHARED_ | (va != 0 ? LMAP_FIXED_ : 0), f, 0);
    file_put(f); /* the mapping has its own */
    if (at >= 0) {
        s->last_pid = current_proc()->pid;
        s->attached_s = now_s();
    }
    return at;
}

/* The address names one attachment: all that is left of it goes, whatever it was cut into meanwhile. */
int64_t sys_shmdt(const uint64_t a[6])
{
    struct space *space = current_proc()->space;
    struct region_info r;
    struct inode *found = NULL;
    uint64_t at = a[0], end = UINT64_MAX;

    if (a[0] % PAGE_SIZE != 0) { return -EINVAL; }
    while (at < end && space_region(space, at, &r) && r.lo < end) {
        at = r.hi;
        if (!r.file || r.file->inode->ops != &segment_ops || r.lo - r.off != a[0]) { continue; }
        if (found && r.file->inode != found) { continue; }
        struct segment *s = r.file->inode->priv;
        if (!found) {
            found = r.file->inode;
            end = a[0] + whole_pages(s->size);
            s->last_pid = current_proc()->pid;
            s->detached_s = now_s();
            inode_get(found);
        }
        int err = space_unmap(space, r.lo, r.hi - r.lo);
        if (err) { break; }
    }
    inode_put(found);
    return found ? 0 : -EINVAL;
}

/* ---- shmctl ---- */

static int segment_stat(const struct segment *s, uint64_t va)
{
    const struct inode *i = s->dentry->inode;
    const struct shm_stat st = {
        .key = s->key,
        .uid = i->uid,
        .gid = i->gid,
        .cuid = s->creator_uid,
        .cgid = s->creator_gid,
        .mode = (i->mode & 0777) | (s->file ? 0 : SHM_DEST_),
        .size = s->size,
        .atime = s->attached_s,
        .dtime = s->detached_s,
        .ctime = s->changed_s,
        .cpid = s->creator_pid,
        .lpid = s->last_pid,
        .nattch = mobj_maps(i->data),
    };
    int err = inode_may(i, MAY_READ);
    return err ? err : copy_to_user(va, &st, sizeof(st));
}

static int segment_set(struct segment *s, uint64_t va)
{
    struct inode *i = s->dentry->inode;
    struct shm_stat st;
    int err = copy_from_user(&st, va, sizeof(st));

    if (err) { return err; }
    i->uid = st.uid;
    i->gid = st.gid;
    i->mode = (i->mode & ~0777u) | (st.mode & 0777);
    s->changed_s = now_s();
    return 0;
}

static void segment_remove(struct segment *s)
{
    struct file *f = s->file;

    s->key = 0;
    s->file = NULL;
    file_put(f); /* the segment too, when nobody has it mapped */
}

/* The limits, which are none but memory; the highest index in use comes back, as ipcs expects. */
static int64_t shm_limits(uint64_t va)
{
    const uint64_t limits[9] = {INT64_MAX, 1, SEGMENTS_MAX, SEGMENTS_MAX, INT64_MAX / PAGE_SIZE};
    int err = copy_to_user(va, limits, sizeof(limits));
    return err ? err : count > 0 ? (int64_t)count - 1 : 0;
}

int64_t sys_shmctl(const uint64_t a[6])
{
    uint32_t cmd = (uint32_t)a[1], uid = current_proc()->cred.euid;

    if (cmd == IPC_INFO_) { return shm_limits(a[2]); }
    if (cmd > IPC_STAT_ && cmd != SHM_LOCK_ && cmd != SHM_UNLOCK_) { return -EINVAL; }
    struct segment *s = by_id((int32_t)a[0]);
    if (!s) { return -EINVAL; }
    if (cmd == IPC_STAT_) { return segment_stat(s, a[2]); }
    if (uid != s->creator_uid && uid != s->dentry->inode->uid && !capable(CAP_SYS_ADMIN)) {
        return -EPERM;
    }
    if (cmd == IPC_SET_) { return segment_set(s, a[2]); }
    if (cmd == IPC_RMID_) { segment_remove(s); }
    return 0; /* locking: memory is never paged out */
}
