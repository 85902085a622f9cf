/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The read and write families and what copies between two files. A file that can seek has an offset: its own, or one that
 * the call gives.
 */
#include "guest/fs/vfs.h"
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"

#define RWF_HIPRI  1u
#define RWF_DSYNC  2u
#define RWF_SYNC   4u
#define RWF_NOWAIT 8u
#define RWF_APPEND 16u

static bool has_pos(const struct file *f) { return f->ops->seek != NULL; }

typedef int64_t (*mover)(struct file *f, struct uio *u, uint64_t *pos);

/* At the file's own offset. */
static int64_t move_here(struct file *f, struct uio *u, mover move)
{
    if (f->flags & LO_PATH) { return -EBADF; }
    file_get(f);
    int64_t n = move(f, u, has_pos(f) ? &f->pos : NULL);
    file_put(f);
    return n;
}

/* At a given offset. */
static int64_t move_at(struct file *f, struct uio *u, uint64_t pos, mover move)
{
    if (f->flags & LO_PATH) { return -EBADF; }
    if (!has_pos(f)) { return -ESPIPE; }
    file_get(f);
    int64_t n = move(f, u, &pos);
    file_put(f);
    return n;
}

static bool single(struct uio *u, uint64_t va, uint64_t len)
{
    uio_user(u, va, min_u64(len, UIO_MAX));
    return user_range_ok(va, min_u64(len, UIO_MAX));
}

static int64_t single_here(const uint64_t a[6], mover move)
{
    struct file *f = fd_file((int)a[0]);
    struct uio u;

    if (!f) { return -EBADF; }
    if (!single(&u, a[1], a[2])) { return -EFAULT; }
    return move_here(f, &u, move);
}

int64_t sys_read(const uint64_t a[6]) { return single_here(a, file_read); }
int64_t sys_write(const uint64_t a[6]) { return single_here(a, file_write); }

static int64_t single_at(const uint64_t a[6], mover move)
{
    struct file *f = fd_file((int)a[0]);
    struct uio u;

    if ((int64_t)a[3] < 0) { return -EINVAL; }
    if (!f) { return -EBADF; }
    if (!single(&u, a[1], a[2])) { return -EFAULT; }
    return move_at(f, &u, a[3], move);
}

int64_t sys_pread64(const uint64_t a[6]) { return single_at(a, file_read); }
int64_t sys_pwrite64(const uint64_t a[6]) { return single_at(a, file_write); }

/* at: the offset, or ~0 for the file's own. */
static int64_t vector(int fd, uint64_t iov, uint64_t count, uint64_t at, mover move)
{
    struct file *f = fd_file(fd);
    struct uvec *vec = NULL;
    struct uio u;
    int64_t n;

    if (!f) { return -EBADF; }
    n = uio_vec(&u, iov, count, &vec);
    if (n < 0) { return n; }
    n = at == UINT64_MAX ? move_here(f, &u, move) : move_at(f, &u, at, move);
    mem_free(vec);
    return n;
}

int64_t sys_readv(const uint64_t a[6])
{
    return vector((int)a[0], a[1], (uint32_t)a[2], UINT64_MAX, file_read);
}
int64_t sys_writev(const uint64_t a[6])
{
    return vector((int)a[0], a[1], (uint32_t)a[2], UINT64_MAX, file_write);
}

int64_t sys_preadv(const uint64_t a[6])
{
    return (int64_t)a[3] < 0 ? -EINVAL : vector((int)a[0], a[1], (uint32_t)a[2], a[3], file_read);
}

int64_t sys_pwritev(const uint64_t a[6])
{
    return (int64_t)a[3] < 0 ? -EINVAL : vector((int)a[0], a[1], (uint32_t)a[2], a[3], file_write);
}

/* preadv2 and pwritev2: offset -1 is the file's own. */
static int64_t vector2(const uint64_t a[6], uint32_t allowed, mover move)
{
    uint32_t flags = (uint32_t)a[5];

    if (flags & ~allowed) { return -EOPNOTSUPP; }
    if ((int64_t)a[3] < -1) { return -EINVAL; }
    if (!(flags & RWF_APPEND)) { return vector((int)a[0], a[1], (uint32_t)a[2], a[3], move); }
    struct file *f = fd_file((int)a[0]);
    if (!f) { return -EBADF; }
    uint32_t before = f->flags & LO_APPEND;
    file_get(f);
    f->flags |= LO_APPEND;
    int64_t n = vector((int)a[0], a[1], (uint32_t)a[2], a[3], move);
    f->flags = (f->flags & ~LO_APPEND) | before;
    file_put(f);
    return n;
}

int64_t sys_preadv2(const uint64_t a[6]) { return vector2(a, RWF_HIPRI, file_read); }
int64_t sys_pwritev2(const uint64_t a[6])
{
    return vector2(a, RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND, file_write);
}

int64_t sys_lseek(const uint64_t a[6])
{
    struct file *f = fd_file((int)a[0]);

    if (!f || (f->flags & LO_PATH)) { return -EBADF; }
    return f->ops->seek ? f->ops->seek(f, (int64_t)a[1], (int)a[2]) : -ESPIPE;
}

/* ---- from file to file ---- */

#define COPY_STEP PAGE_SIZE

/* An offset that a call gives by pointer (0: none), or the file's own. */
struct cursor {
    uint64_t va, at;
    uint64_t *pos;
};

static int cursor_load(struct cursor *c, struct file *f, uint64_t va)
{
    c->va = va;
    c->pos = has_pos(f) ? &f->pos : NULL;
    if (va == 0) { return 0; }
    if (!has_pos(f)) { return -ESPIPE; }
    int err = get_user_u64(va, &c->at);
    if (err) { return err; }
    c->pos = &c->at;
    return (int64_t)c->at < 0 ? -EINVAL : 0;
}

static int cursor_store(const struct cursor *c) { return c->va ? put_user_u64(c->va, c->at) : 0; }

/* Moves up to len bytes through a buffer; what was read and could not be written is given back to a seekable source. */
static int64_t copy_by_buffer(struct file *from, uint64_t *from_pos, struct file *to,
                              uint64_t *to_pos, uint64_t len)
{
    uint64_t done = 0;
    int64_t n = 0, m;
    uint8_t *buf = (uint8_t *)name_get(); /* COPY_STEP == LPATH_MAX bytes */

    _Static_assert(COPY_STEP == LPATH_MAX, "a name buffer is the bounce buffer");
    if (!buf) { return -ENOMEM; }
    while (done < len) {
        struct uio u;
        uio_kernel(&u, buf, min_u64(len - done, COPY_STEP));
        n = file_read(from, &u, from_pos);
        if (n <= 0) { break; }
        uio_kernel(&u, buf, (uint64_t)n);
        m = file_write(to, &u, to_pos);
        if (m < n && from_pos) { *from_pos -= (uint64_t)(n - (m > 0 ? m : 0)); }
        if (m < 0) {
            n = m;
            break;
        }
        done += (uint64_t)m;
        if (m < n) { break; }
    }
    name_put((char *)buf);
    return done > 0 ? (int64_t)done : n;
}

/* The file's frames from pos on as one transfer of up to FRAMES_MAX pages; they are held, because the writer may sleep. */
#define FRAMES_MAX 16
struct frames {
    struct uio u;
    struct uvec vec[FRAMES_MAX];
    gpa_t held[FRAMES_MAX];
};

static void frames_hold(struct frames *f, struct mobj *o, uint64_t pos, uint64_t len)
{
    len = min_u64(len, mobj_size(o) > pos ? mobj_size(o) - pos : 0);
    f->u = (struct uio){.vec = f->vec, .kernel = true};
    for (size_t k = 0; k < FRAMES_MAX && len > 0; k++) {
        uint64_t off = pos % PAGE_SIZE, n = min_u64(len, PAGE_SIZE - off);
        gpa_t g = f->held[k] = mobj_frame(o, pos / PAGE_SIZE, false);
        if (gpa_ok(g)) { frame_get(g); }
        f->vec[k] =
            (struct uvec){(uint64_t)(uintptr_t)(gpa_ok(g) ? frame_va(g) : zero_page) + off, n};
        f->u.count++;
        f->u.left += n;
        pos += n;
        len -= n;
    }
}

static void frames_release(struct frames *f)
{
    for (size_t k = 0; k < f->u.count; k++) {
        if (gpa_ok(f->held[k])) { frame_put(f->held[k]); }
    }
}

/* Straight from the source's memory: no byte is copied twice. */
static int64_t copy_by_frames(struct file *from, uint64_t *from_pos, struct file *to,
                              uint64_t *to_pos, uint64_t len)
{
    uint64_t done = 0;
    int64_t n = 0;

    while (done < len) {
        struct frames f;
        frames_hold(&f, from->inode->data, *from_pos, len - done);
        uint64_t want = f.u.left;
        n = want > 0 ? file_write(to, &f.u, to_pos) : 0;
        frames_release(&f);
        if (n <= 0) { break; }
        *from_pos += (uint64_t)n;
        done += (uint64_t)n;
        if ((uint64_t)n < want) { break; }
    }
    return done > 0 ? (int64_t)done : n;
}

static int64_t copy_between(struct file *from, uint64_t *from_pos, struct file *to,
                            uint64_t *to_pos, uint64_t len)
{
    if (from->ops == &regular_ops && from->inode->data) {
        return copy_by_frames(from, from_pos, to, to_pos, len);
    }
    return copy_by_buffer(from, from_pos, to, to_pos, len);
}

int64_t sys_sendfile(const uint64_t a[6])
{
    struct file *to = fd_file((int)a[0]), *from = fd_file((int)a[1]);
    struct cursor c;
    int64_t n;

    if (!to || !from || !file_writes(to) || !file_reads(from)) { return -EBADF; }
    if (!has_pos(from) || s_isdir(from->inode) || (to->flags & LO_APPEND)) { return -EINVAL; }
    n = cursor_load(&c, from, a[2]);
    if (n) { return n; }
    file_get(to);
    file_get(from);
    n = copy_between(from, c.pos, to, has_pos(to) ? &to->pos : NULL, min_u64(a[3], UIO_MAX));
    if (cursor_store(&c) != 0 && n >= 0) { n = -EFAULT; }
    file_put(from);
    file_put(to);
    return n;
}

int64_t sys_copy_file_range(const uint64_t a[6])
{
    struct file *from = fd_file((int)a[0]), *to = fd_file((int)a[2]);
    struct cursor in, out;
    int64_t n;

    if (!from || !to || !file_reads(from) || !file_writes(to) || (to->flags & LO_APPEND)) {
        return -EBADF;
    }
    if (a[5] != 0) { return -EINVAL; }
    if (s_isdir(from->inode) || s_isdir(to->inode)) { return -EISDIR; }
    if (!s_isreg(from->inode) || !s_isreg(to->inode)) { return -EINVAL; }
    if (from->inode->super != to->inode->super) { return -EXDEV; }
    n = cursor_load(&in, from, a[1]);
    if (!n) { n = cursor_load(&out, to, a[3]); }
    if (n) { return n; }
    uint64_t len = min_u64(a[4], UIO_MAX);
    if (from->inode == to->inode && *in.pos < *out.pos + len && *out.pos < *in.pos + len) {
        return -EINVAL;
    }
    file_get(from);
    file_get(to);
    n = copy_between(from, in.pos, to, out.pos, len);
    if ((cursor_store(&in) != 0 || cursor_store(&out) != 0) && n >= 0) { n = -EFAULT; }
    file_put(to);
    file_put(from);
    return n;
}

/* Callers of splice cope with EINVAL by copying themselves; nothing here would be faster than that. */
int64_t sys_splice(const uint64_t a[6])
{
    return fd_file((int)a[0]) && fd_file((int)a[2]) ? -EINVAL : -EBADF;
}

/* ---- where nothing is left to be done: all file contents are in memory ---- */

static int64_t flush(int fd)
{
    struct file *f = fd_file(fd);

    if (!f || (f->flags & LO_PATH)) { return -EBADF; }
    return has_pos(f) ? 0 : -EINVAL;
}

int64_t sys_fsync(const uint64_t a[6]) { return flush((int)a[0]); }
int64_t sys_fdatasync(const uint64_t a[6]) { return flush((int)a[0]); }

int64_t sys_sync(const uint64_t a[6])
{
    (void)a;
    return 0;
}

int64_t sys_syncfs(const uint64_t a[6]) { return fd_file((int)a[0]) ? 0 : -EBADF; }

int64_t sys_sync_file_range(const uint64_t a[6])
{
    struct file *f = fd_file((int)a[0]);

    if (!f) { return -EBADF; }
    if ((int64_t)a[1] < 0 || (int64_t)a[2] < 0 || (a[3] & ~7ull)) { return -EINVAL; }
    return has_pos(f) ? 0 : -ESPIPE;
}

int64_t sys_fadvise64(const uint64_t a[6])
{
    struct file *f = fd_file((int)a[0]);

    if (!f) { return -EBADF; }
    if (!has_pos(f)) { return -ESPIPE; }
    return a[3] > 5 ? -EINVAL : 0;
}

int64_t sys_readahead(const uint64_t a[6])
{
    struct file *f = fd_file((int)a[0]);

    if (!f || !file_reads(f)) { return -EBADF; }
    return s_isreg(f->inode) ? 0 : -EINVAL;
}
