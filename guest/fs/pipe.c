/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipes and FIFOs: a ring of frames with byte positions that only grow. Frames come as the writer reaches them and all but one
 * go when the pipe runs empty, so an idle pipe costs a page.
 *
 * 1. tail - head <= size. A byte at position p lies in frame (p / PAGE_SIZE) % frames.
 * 2. A write of up to PIPE_BUF bytes enters whole or not at all; one call is one step, so it is never mixed with others.
 * 3. Every arrival wakes: edge-triggered pollers count on each write, not only on the first.
 */
#include "guest/fs/vfs.h"
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"

#define PIPE_BUF_    PAGE_SIZE
#define PIPE_DEFAULT 16u  /* frames */
#define PIPE_MAX     256u /* frames: /proc/sys/fs/pipe-max-size = 1 MiB */
#define FIONREAD_    0x541bu

struct pipe {
    uint32_t frames; /* power of two */
    uint32_t readers, writers;
    uint32_t reader_opens, writer_opens; /* for opens that wait for the other side */
    uint32_t refs;                       /* open files */
    uint64_t head, tail;                 /* bytes taken, bytes given */
    struct waitq read_wait, write_wait;
    gpa_t *frame;
};

static struct pipe *pipe_new(void)
{
    struct pipe *p = mem_alloc(sizeof(*p));

    if (!p) { return NULL; }
    p->frames = PIPE_DEFAULT;
    p->frame = mem_alloc(PIPE_DEFAULT * sizeof(gpa_t));
    if (!p->frame) {
        mem_free(p);
        return NULL;
    }
    for (unsigned k = 0; k < p->frames; k++) { p->frame[k] = GPA_NONE; }
    waitq_init(&p->read_wait);
    waitq_init(&p->write_wait);
    return p;
}

static void drop_frames(struct pipe *p, unsigned keep)
{
    for (unsigned k = keep; k < p->frames; k++) {
        if (gpa_ok(p->frame[k])) { frame_put(p->frame[k]); }
        p->frame[k] = GPA_NONE;
    }
}

static void pipe_free(struct pipe *p)
{
    drop_frames(p, 0);
    mem_free(p->frame);
    mem_free(p);
}

static uint64_t size_of(const struct pipe *p) { return p->frames * PAGE_SIZE; }
static uint64_t room_of(const struct pipe *p) { return size_of(p) - (p->tail - p->head); }

static uint8_t *place(struct pipe *p, uint64_t pos, size_t *run)
{
    gpa_t g = p->frame[pos / PAGE_SIZE % p->frames];
    uint64_t off = pos % PAGE_SIZE;

    *run = (size_t)(PAGE_SIZE - off);
    return gpa_ok(g) ? (uint8_t *)frame_va(g) + off : NULL;
}

/* ---- reading ---- */

static int64_t take(struct pipe *p, struct uio *u)
{
    uint64_t done = 0;

    while (u->left > 0 && p->head < p->tail) {
        size_t run;
        const uint8_t *from = place(p, p->head, &run);
        size_t n = (size_t)min_u64(min_u64(run, p->tail - p->head), u->left);
        size_t moved = uio_put(u, from, n);
        p->head += moved;
        done += moved;
        if (moved < n) { break; }
    }
    if (p->head == p->tail) {
        p->head = p->tail = 0;
        drop_frames(p, 1);
    }
    return done > 0 ? (int64_t)done : -EFAULT;
}

static int64_t pipe_read(struct file *f, struct uio *u, uint64_t *pos)
{
    struct pipe *p = f->priv;

    (void)pos;
    if (u->left == 0) { return 0; }
    while (p->head == p->tail) {
        if (p->writers == 0) { return 0; }
        if (f->flags & LO_NONBLOCK) { return -EAGAIN; }
        int err = wait_on(&p->read_wait, NO_DEADLINE, true);
        if (err) { return err; }
    }
    int64_t n = take(p, u);
    if (n > 0) { wake(&p->write_wait, LPOLLOUT | LPOLLWRNORM); }
    return n;
}

/* ---- writing ---- */

/* Up to len bytes, as room and frames allow. */
static int64_t give(struct pipe *p, struct uio *u, uint64_t len)
{
    uint64_t done = 0;
    int64_t err = 0;

    while (done < len) {
        gpa_t *slot = &p->frame[p->tail / PAGE_SIZE % p->frames];
        if (!gpa_ok(*slot)) { *slot = frame_alloc(false); }
        if (!gpa_ok(*slot)) {
            err = -ENOMEM;
            break;
        }
        size_t run;
        uint8_t *to = place(p, p->tail, &run);
        size_t n = (size_t)min_u64(run, len - done);
        size_t moved = uio_get(u, to, n);
        p->tail += moved;
        done += moved;
        if (moved < n) {
            err = -EFAULT;
            break;
        }
    }
    return done > 0 ? (int64_t)done : err;
}

static int64_t no_reader(int64_t done)
{
    if (done > 0) { return done; }
    signal_thread(current(), &(struct ksiginfo){
                                 .signo = LSIG_PIPE, .code = LSI_USER, .pid = current_proc()->pid});
    return -EPIPE;
}

static int64_t pipe_write(struct file *f, struct uio *u, uint64_t *pos)
{
    struct pipe *p = f->priv;
    int64_t done = 0;

    (void)pos;
    if (u->left == 0) { return 0; }
    while (u->left > 0) {
        if (p->readers == 0) { return no_reader(done); }
        uint64_t room = room_of(p), need = done == 0 && u->left <= PIPE_BUF_ ? u->left : 1;
        if (room >= need) {
            int64_t n = give(p, u, min_u64(room, u->left));
            if (n < 0) { return done > 0 ? done : n; }
            wake(&p->read_wait, LPOLLIN | LPOLLRDNORM);
            done += n;
            continue;
        }
        if (f->flags & LO_NONBLOCK) { return done > 0 ? done : -EAGAIN; }
        int err = wait_on(&p->write_wait, NO_DEADLINE, true);
        if (err) { return done > 0 ? done : err; }
    }
    return done;
}

static uint32_t pipe_poll(struct file *f, struct poller *poller)
{
    struct pipe *p = f->priv;
    uint32_t events = 0;

    if (file_reads(f)) {
        poll_add(poller, &p->read_wait);
        if (p->head < p->tail) { events |= LPOLLIN | LPOLLRDNORM; }
        if (p->writers == 0 && p->writer_opens > 0) { events |= LPOLLHUP; }
    }
    if (file_writes(f)) {
        poll_add(poller, &p->write_wait);
        if (room_of(p) >= PIPE_BUF_) { events |= LPOLLOUT | LPOLLWRNORM; }
        if (p->readers == 0) { events |= LPOLLERR; }
    }
    return events;
}

static int64_t pipe_ioctl(struct file *f, uint32_t cmd, uint64_t arg)
{
    const struct pipe *p = f->priv;
    return cmd == FIONREAD_ ? put_user_u32(arg, (uint32_t)(p->tail - p->head)) : -ENOTTY;
}

static void pipe_release(struct file *f)
{
    struct pipe *p = f->priv;

    if (file_reads(f) && --p->readers == 0) { wake(&p->write_wait, LPOLLERR | LPOLLOUT); }
    if (file_writes(f) && --p->writers == 0) { wake(&p->read_wait, LPOLLHUP | LPOLLIN); }
    if (--p->refs == 0) {
        f->inode->pipe = NULL;
        pipe_free(p);
    }
}

static const struct file_ops pipe_ops = {.read = pipe_read,
                                         .write = pipe_write,
                                         .poll = pipe_poll,
                                         .ioctl = pipe_ioctl,
                                         .release = pipe_release};

/* f becomes one more end of the inode's pipe. */
static void attach(struct pipe *p, struct file *f)
{
    f->ops = &pipe_ops;
    f->priv = p;
    p->refs++;
    if (file_reads(f)) {
        p->readers++;
        p->reader_opens++;
    }
    if (file_writes(f)) {
        p->writers++;
        p->writer_opens++;
    }
}

/* ---- FIFOs ---- */

/* Waits until the other side was opened at least once more; it may be gone again by then. */
static int await(struct waitq *q, const uint32_t *opens, const uint32_t *there)
{
    uint32_t before = *opens;
    int err = 0;

    while (!err && *there == 0 && *opens == before) { err = wait_on(q, NO_DEADLINE, true); }
    return err;
}

/* Also the ends of a pipe(2), by /proc/self/fd: they never wait for the other side, which may be gone for good. */
int fifo_open(struct inode *i, struct file *f)
{
    struct pipe *p = i->pipe ? i->pipe : pipe_new();
    bool named = i->ops != &anon_ops;
    int err = 0;

    if (!p) { return -ENOMEM; }
    i->pipe = p;
    if (named && !file_reads(f) && (f->flags & LO_NONBLOCK) && p->readers == 0) {
        if (p->refs == 0) {
            i->pipe = NULL;
            pipe_free(p);
        }
        return -ENXIO;
    }
    attach(p, f);
    wake(&p->read_wait, LPOLLOUT);
    wake(&p->write_wait, LPOLLIN);
    if (!named) { return 0; }
    if (file_reads(f) && !file_writes(f) && !(f->flags & LO_NONBLOCK)) {
        err = await(&p->read_wait, &p->writer_opens, &p->writers);
    } else if (file_writes(f) && !file_reads(f)) {
        err = await(&p->write_wait, &p->reader_opens, &p->readers);
    }
    if (err) { pipe_release(f); }
    return err;
}

/* ---- pipe(2) ---- */

static struct file *pipe_end(struct pipe *p, struct dentry *d, uint32_t flags)
{
    struct file *f = file_new(&pipe_ops, (struct path){NULL, d}, flags);

    if (f) { attach(p, f); }
    return f;
}

/* Both ends, one reference each. */
static int pipe_pair(uint32_t flags, struct file *out[2])
{
    struct inode *i = anon_inode(LS_IFIFO | 0600);
    struct dentry *d = i ? anon_dentry(i, "pipe") : NULL;
    struct pipe *p = d ? pipe_new() : NULL;
    int err = -ENFILE;

    if (p) {
        i->pipe = p;
        out[0] = pipe_end(p, d, LO_RDONLY | flags);
        out[1] = out[0] ? pipe_end(p, d, LO_WRONLY | flags) : NULL;
        if (out[1]) {
            err = 0;
        } else if (out[0]) {
            file_put(out[0]);
        } else {
            i->pipe = NULL;
            pipe_free(p);
        }
    }
    dentry_put(d);
    inode_put(i);
    return err;
}

static int64_t make_pipe(uint64_t va, uint32_t flags)
{
    struct file *end[2];
    int32_t fd[2];

    if (flags & ~(LO_CLOEXEC | LO_NONBLOCK)) {
        return -EINVAL;
    } /* O_DIRECT: packet mode is not offered */
    int err = pipe_pair(flags & LO_NONBLOCK, end);
    if (err) { return err; }
    fd[0] = fd_install(end[0], (flags & LO_CLOEXEC) != 0);
    if (fd[0] < 0) {
        file_put(end[1]);
        return fd[0];
    }
    fd[1] = fd_install(end[1], (flags & LO_CLOEXEC) != 0);
    err = fd[1] < 0 ? fd[1] : copy_to_user(va, fd, sizeof(fd));
    if (err) {
        if (fd[1] >= 0) { (void)fd_close(fd[1]); }
        (void)fd_close(fd[0]);
    }
    return err;
}

int64_t sys_pipe(const uint64_t a[6]) { return make_pipe(a[0], 0); }
int64_t sys_pipe2(const uint64_t a[6]) { return make_pipe(a[0], (uint32_t)a[1]); }

/* ---- size ---- */

int64_t pipe_get_size(struct file *f)
{
    const struct pipe *p = f->priv;
    return f->ops == &pipe_ops ? (int64_t)size_of(p) : -EBADF;
}

/* What waits in p goes into the empty ring `to`, which has room for it. */
static bool copy_ring(struct pipe *p, struct pipe *to)
{
    for (uint64_t at = p->head; at < p->tail;) {
        struct uio u;
        size_t run;
        uint8_t *from = place(p, at, &run);
        uint64_t n = min_u64(run, p->tail - at);
        uio_kernel(&u, from, n);
        if (give(to, &u, n) != (int64_t)n) { return false; }
        at += n;
    }
    return true;
}

int64_t pipe_set_size(struct file *f, uint64_t size)
{
    struct pipe *p = f->priv;
    uint32_t frames = 1;

    if (f->ops != &pipe_ops) { return -EBADF; }
    if (size > PIPE_MAX * PAGE_SIZE) { return -EPERM; }
    while (frames * PAGE_SIZE < size) { frames *= 2; }
    if (p->tail - p->head > frames * PAGE_SIZE) { return -EBUSY; }
    struct pipe to = {.frames = frames, .frame = mem_alloc(frames * sizeof(gpa_t))};
    if (!to.frame) { return -ENOMEM; }
    for (unsigned k = 0; k < frames; k++) { to.frame[k] = GPA_NONE; }
    if (!copy_ring(p, &to)) {
        drop_frames(&to, 0);
        mem_free(to.frame);
        return -ENOMEM;
    }
    drop_frames(p, 0);
    mem_free(p->frame);
    p->frame = to.frame;
    p->frames = frames;
    p->head = 0;
    p->tail = to.tail;
    wake(&p->write_wait, LPOLLOUT | LPOLLWRNORM);
    return (int64_t)size_of(p);
}
