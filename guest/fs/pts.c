/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pseudo-terminals. A pair is a tty whose other side is a file: the master reads what the slave's output processing made
 * and writes what a keyboard would type. /dev/pts/N exists while the master is open.
 */
#include "guest/fs/pts.h"
#include "guest/fs/ldisc.h"
#include "guest/mm/mm.h"

#define DEVPTS_MAGIC 0x1cd1
#define PTS_MAX      256u /* pairs: one byte of minor number */
#define OUT_SIZE     16384u
#define GID_TTY      5

#define TIOCPKT_     0x5420u
#define TIOCGPTN_    0x80045430u
#define TIOCSPTLCK_  0x40045431u
#define TIOCGPKT_    0x80045438u
#define TIOCGPTLCK_  0x80045439u
#define TIOCGPTPEER_ 0x5441u
#define TCFLSH_      0x540bu
#define FIONREAD_    0x541bu

struct pty {
    struct tty *slave;   /* referenced by the master */
    struct dentry *name; /* referenced: /dev/pts/N */
    uint32_t index;
    bool locked, packet, slave_was_open, master_closed;
    uint64_t head, tail;                /* slave's output: taken, given */
    struct waitq read_wait, write_wait; /* of the master */
    uint8_t out[OUT_SIZE];
};

static struct pty *ptys[PTS_MAX];
static struct super *devpts;
static const struct inode_ops devpts_ops = {0};

struct super *devpts_super(void) { return devpts; }

/* ---- the slave's far side ---- */

static size_t slave_room(struct tty *t)
{
    const struct pty *p = tty_priv(t);
    return p->master_closed ? 0 : OUT_SIZE - (size_t)(p->tail - p->head);
}

static size_t slave_write(struct tty *t, const void *bytes, size_t len)
{
    struct pty *p = tty_priv(t);
    size_t n = (size_t)min_u64(len, slave_room(t));

    for (size_t k = 0; k < n; k++) { p->out[p->tail++ % OUT_SIZE] = ((const uint8_t *)bytes)[k]; }
    if (n > 0) { wake(&p->read_wait, LPOLLIN | LPOLLRDNORM); }
    return n;
}

static void slave_input_room(struct tty *t)
{
    struct pty *p = tty_priv(t);
    wake(&p->write_wait, LPOLLOUT | LPOLLWRNORM);
}

static void slave_last_close(struct tty *t)
{
    struct pty *p = tty_priv(t);
    wake(&p->read_wait, LPOLLHUP | LPOLLIN);
}

static void slave_free(struct tty *t)
{
    struct pty *p = tty_priv(t);

    ptys[p->index] = NULL;
    dentry_put(p->name);
    mem_free(p);
}

static const struct tty_ops slave_ops = {
    .write = slave_write,
    .room = slave_room,
    .input_room = slave_input_room,
    .last_close = slave_last_close,
    .free = slave_free,
};

/* ---- the master ---- */

static bool slave_closed(const struct pty *p) { return p->slave_was_open && p->slave->opens == 0; }

static int64_t master_read(struct file *f, struct uio *u, uint64_t *pos)
{
    struct pty *p = f->priv;
    int64_t done = 0;

    (void)pos;
    if (u->left == 0) { return 0; }
    while (p->head == p->tail) {
        if (slave_closed(p)) { return -EIO; }
        if (f->flags & LO_NONBLOCK) { return -EAGAIN; }
        int err = wait_on(&p->read_wait, NO_DEADLINE, true);
        if (err) { return err; }
    }
    if (p->packet) { /* a status byte before the data; nothing but data is ever reported */
        if (uio_put(u, &(uint8_t){0}, 1) != 1) { return -EFAULT; }
        done = 1;
    }
    while (u->left > 0 && p->head < p->tail) {
        size_t off = p->head % OUT_SIZE;
        size_t n = (size_t)min_u64(min_u64(OUT_SIZE - off, p->tail - p->head), u->left);
        size_t moved = uio_put(u, p->out + off, n);
        p->head += moved;
        done += (int64_t)moved;
        if (moved < n) {
            if (done == 0) { return -EFAULT; }
            break;
        }
    }
    tty_output_ready(p->slave);
    return done;
}

static int64_t master_write(struct file *f, struct uio *u, uint64_t *pos)
{
    struct pty *p = f->priv;
    int64_t done = 0;

    (void)pos;
    while (u->left > 0) {
        uint8_t buf[256];
        size_t room = (size_t)min_u64(tty_input_room(p->slave), sizeof(buf));

        if (slave_closed(p)) { return done > 0 ? done : -EIO; }
        if (room == 0) {
            if (f->flags & LO_NONBLOCK) { return done > 0 ? done : -EAGAIN; }
            int err = wait_on(&p->write_wait, NO_DEADLINE, true);
            if (err) { return done > 0 ? done : err; }
            continue;
        }
        size_t n = (size_t)min_u64(u->left, room), got = uio_get(u, buf, n);
        done += (int64_t)tty_input(p->slave, buf, got);
        if (got < n) { return done > 0 ? done : -EFAULT; }
    }
    return done;
}

static uint32_t master_poll(struct file *f, struct poller *poller)
{
    struct pty *p = f->priv;
    uint32_t events = 0;

    poll_add(poller, &p->read_wait);
    poll_add(poller, &p->write_wait);
    if (p->head < p->tail) { events |= LPOLLIN | LPOLLRDNORM; }
    if (tty_input_room(p->slave) > 0) { events |= LPOLLOUT | LPOLLWRNORM; }
    if (slave_closed(p)) { events |= LPOLLHUP; }
    return events;
}

static int64_t open_peer(struct pty *p, struct file *master, uint32_t flags)
{
    struct file *f;
    int err = file_open_path((struct path){master->mnt, p->name},
                             flags & (LO_ACCMODE | LO_NONBLOCK | LO_NOCTTY), &f);

    return err ? err : fd_install(f, (flags & LO_CLOEXEC) != 0);
}

static int64_t flag_in(bool *flag, uint64_t arg)
{
    uint32_t v;

    if (get_user_u32(arg, &v) != 0) { return -EFAULT; }
    *flag = v != 0;
    return 0;
}

static int64_t master_ioctl(struct file *f, uint32_t cmd, uint64_t arg)
{
    struct pty *p = f->priv;

    switch (cmd) {
    case TIOCGPTN_: return put_user_u32(arg, p->index);
    case TIOCSPTLCK_: return flag_in(&p->locked, arg);
    case TIOCGPTLCK_: return put_user_u32(arg, p->locked);
    case TIOCPKT_: return flag_in(&p->packet, arg);
    case TIOCGPKT_: return put_user_u32(arg, p->packet);
    case TIOCGPTPEER_: return open_peer(p, f, (uint32_t)arg);
    case FIONREAD_: return put_user_u32(arg, (uint32_t)(p->tail - p->head));
    case TCFLSH_:
        if (arg > 2) { return -EINVAL; }
        if (arg != 1) { p->head = p->tail; }
        return 0;
    default: return tty_ioctl(p->slave, cmd, arg, true);
    }
}

static void master_release(struct file *f)
{
    struct pty *p = f->priv;

    p->master_closed = true;
    if (p->name->linked) { dentry_unlink(p->name); }
    tty_hangup(p->slave);
    tty_put(p->slave); /* p goes with it, now or with the last slave file */
}

static const struct file_ops master_ops = {.read = master_read,
                                           .write = master_write,
                                           .poll = master_poll,
                                           .ioctl = master_ioctl,
                                           .release = master_release};

/* The name /dev/pts/N; a reference. NULL: no memory. */
static struct dentry *name_slave(uint32_t index, uint64_t rdev)
{
    struct inode *i = inode_new(devpts, &devpts_ops, LS_IFCHR | 0620);
    struct dentry *d = NULL;
    char name[12];

    if (!i) { return NULL; }
    i->rdev = rdev;
    i->gid = GID_TTY;
    d = dentry_new(devpts->root, name, fmt(name, sizeof(name), "%u", index), i);
    inode_put(i);
    if (d && dentry_link(devpts->root, d) != 0) {
        dentry_put(d);
        d = NULL;
    }
    return d;
}

int ptmx_open(struct file *f)
{
    uint32_t index = 0;
    struct pty *p;

    while (index < PTS_MAX && ptys[index]) { index++; }
    if (index == PTS_MAX) { return -ENOSPC; }
    p = mem_alloc(sizeof(*p));
    if (!p) { return -ENOMEM; }
    p->index = index;
    p->locked = true;
    waitq_init(&p->read_wait);
    waitq_init(&p->write_wait);
    p->name = name_slave(index, MKDEV(PTS_MAJOR, index));
    p->slave = p->name ? tty_new(&slave_ops, p, MKDEV(PTS_MAJOR, index)) : NULL;
    if (!p->slave) {
        if (p->name) {
            dentry_unlink(p->name);
            dentry_put(p->name);
        }
        mem_free(p);
        return -ENOMEM;
    }
    ptys[index] = p;
    f->ops = &master_ops;
    f->priv = p;
    return 0;
}

int pts_open(struct file *f, uint32_t index)
{
    struct pty *p = index < PTS_MAX ? ptys[index] : NULL;

    if (!p || p->locked || p->master_closed) { return -EIO; }
    int err = tty_attach(p->slave, f);
    if (!err) { p->slave_was_open = true; }
    return err;
}

int devpts_init(void)
{
    struct inode *i;

    devpts = super_new("devpts", "devpts", DEVPTS_MAGIC);
    i = devpts ? inode_new(devpts, &devpts_ops, LS_IFDIR | 0755) : NULL;
    if (!i) { return -ENOMEM; }
    i->nlink = 2;
    devpts->root = dentry_new(NULL, "/", 1, i);
    inode_put(i);
    if (!devpts->root) { return -ENOMEM; }
    i = inode_new(devpts, &devpts_ops, LS_IFCHR | 0666);
    if (!i) { return -ENOMEM; }
    i->rdev = MKDEV(5, 2);
    struct dentry *d = dentry_new(devpts->root, "ptmx", 4, i);
    inode_put(i);
    return d ? dentry_link(devpts->root, d) : -ENOMEM;
}
