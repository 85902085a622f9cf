/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terminals as files, their ioctls, and job control: who may read and write, who gets signals, what happens when the
 * terminal or its session ends.
 */
#include "guest/fs/ldisc.h"
#include "guest/fs/pts.h"
#include "guest/mm/mm.h"

static struct tty *console;

struct tty *tty_new(const struct tty_ops *ops, void *priv, uint64_t rdev)
{
    struct tty *t = mem_alloc(sizeof(*t));

    if (!t) { return NULL; }
    t->refs = 1;
    t->ops = ops;
    t->priv = priv;
    t->rdev = rdev;
    waitq_init(&t->read_wait);
    waitq_init(&t->write_wait);
    ldisc_init(t);
    return t;
}

void tty_get(struct tty *t) { t->refs++; }

void tty_put(struct tty *t)
{
    if (!t || --t->refs > 0) { return; }
    tty_disassociate(t, false);
    if (t->ops->free) { t->ops->free(t); }
    mem_free(t);
}

void *tty_priv(struct tty *t) { return t->priv; }
uint64_t tty_rdev(const struct tty *t) { return t->rdev; }
int32_t tty_foreground(const struct tty *t) { return t->pgid; }

void tty_set_console(struct tty *t)
{
    tty_get(t);
    tty_put(console);
    console = t;
}

struct tty *tty_console(void) { return console; }

void tty_output_ready(struct tty *t) { wake(&t->write_wait, LPOLLOUT | LPOLLWRNORM); }

/* ---- sessions and groups ---- */

static void signal_group(int32_t pgid, int signo)
{
    if (pgid) { (void)signal_pgrp(pgid, &(struct ksiginfo){.signo = signo, .code = LSI_KERNEL}); }
}

void tty_set_controlling(struct tty *t, struct proc *p)
{
    t->sid = p->sid;
    t->pgid = p->pgid;
    p->tty = t;
}

/* No session has this terminal any more. With hangup: open files are dead and its processes are told. */
void tty_disassociate(struct tty *t, bool hangup)
{
    LIST_EACH (l, &proc_all) {
        struct proc *p = LIST_ENTRY(l, struct proc, all);
        if (p->tty != t) { continue; }
        if (hangup && p->pid == p->sid && p->state != PROC_ZOMBIE) {
            signal_simple(p, LSIG_HUP);
            signal_simple(p, LSIG_CONT);
        }
        p->tty = NULL;
    }
    int32_t group = t->pgid;
    t->sid = t->pgid = 0;
    if (!hangup) { return; }
    signal_group(group, LSIG_HUP);
    signal_group(group, LSIG_CONT);
    t->generation++;
    wake(&t->read_wait, LPOLLHUP | LPOLLIN);
    wake(&t->write_wait, LPOLLHUP | LPOLLOUT);
}

void tty_hangup(struct tty *t)
{
    t->gone = true;
    tty_disassociate(t, true);
}

void tty_session_exit(struct proc *p)
{
    struct tty *t = p->tty;

    p->tty = NULL;
    if (t && t->sid == p->sid) { tty_disassociate(t, true); }
}

/* Nobody outside the group but inside the session would notice that it stopped. */
static bool orphaned(int32_t pgid)
{
    LIST_EACH (l, &proc_all) {
        const struct proc *p = LIST_ENTRY(l, struct proc, all);
        if (p->pgid != pgid || p->state == PROC_ZOMBIE || !p->parent) { continue; }
        if (p->parent->sid == p->sid && p->parent->pgid != pgid) { return false; }
    }
    return true;
}

/* A background process touches its terminal: 0 go on, -EIO, or -ERESTARTSYS with the group stopped. */
static int job_control(struct tty *t, int signo)
{
    struct proc *p = current_proc();

    if (p->tty != t || t->pgid == 0 || p->pgid == t->pgid) { return 0; }
    if (signal_blocked_or_ignored(current(), signo)) { return signo == LSIG_TTIN ? -EIO : 0; }
    if (orphaned(p->pgid)) { return -EIO; }
    signal_group(p->pgid, signo);
    return -ERESTARTSYS;
}

void tty_resize(struct tty *t, uint16_t rows, uint16_t cols)
{
    if (t->size.rows == rows && t->size.cols == cols) { return; }
    t->size.rows = rows;
    t->size.cols = cols;
    signal_group(t->pgid, LSIG_WINCH);
}

/* ---- files ---- */

/* The position, which a terminal does not have, keeps the generation that the file was opened in. */
static bool hung_up(const struct file *f)
{
    const struct tty *t = f->priv;
    return f->pos != t->generation || t->gone;
}

static int attach(struct tty *t, struct file *f)
{
    if (t->gone) { return -EIO; }
    if (t->exclusive && t->opens > 0 && !capable(CAP_SYS_ADMIN)) { return -EBUSY; }
    tty_get(t);
    t->opens++;
    f->ops = &tty_ops;
    f->priv = t;
    f->pos = t->generation;
    return 0;
}

/* The first terminal that a session leader without one opens becomes its own, unless it says O_NOCTTY. */
static void maybe_control(struct tty *t, uint32_t flags)
{
    struct proc *p = current_proc();

    if (!(flags & LO_NOCTTY) && p->pid == p->sid && !p->tty && t->sid == 0) {
        tty_set_controlling(t, p);
    }
}

int tty_attach(struct tty *t, struct file *f)
{
    int err = attach(t, f);

    if (!err) { maybe_control(t, f->flags); }
    return err;
}

struct file *tty_file(struct tty *t, uint32_t flags)
{
    struct dentry *d = dentry_new(NULL, "/dev/console", 12, dev_console());
    struct file *f =
        d ? file_new(&tty_ops, (struct path){NULL, d}, flags & (LO_ACCMODE | LO_NONBLOCK)) : NULL;

    dentry_put(d);
    if (!f) { return NULL; }
    f->priv = t;
    f->pos = t->generation;
    tty_get(t);
    t->opens++;
    return f;
}

int tty_open_controlling(struct file *f)
{
    struct tty *t = current_proc()->tty;
    return t ? attach(t, f) : -ENXIO;
}

int tty_open_console(struct file *f) { return console ? tty_attach(console, f) : -ENXIO; }

static int64_t read_wait(struct file *f, struct tty *t, uint64_t deadline)
{
    if (f->flags & LO_NONBLOCK) { return -EAGAIN; }
    return wait_on(&t->read_wait, deadline, true);
}

/* Raw mode with a timer: VTIME tenths of a second after the last byte, or after the call when VMIN is 0. */
static int64_t read_timed(struct file *f, struct tty *t)
{
    uint64_t tick = t->t.cc[C_TIME] * 100000000ull;
    size_t min = t->t.cc[C_MIN] ? t->t.cc[C_MIN] : 1, had = ldisc_readable(t);
    uint64_t deadline = t->t.cc[C_MIN] && had == 0 ? NO_DEADLINE : clock_mono_ns() + tick;

    while (ldisc_readable(t) < min && !hung_up(f)) {
        int64_t err = read_wait(f, t, deadline);
        if (err == -ETIMEDOUT) { return 0; }
        if (err) { return err; }
        if (ldisc_readable(t) != had && t->t.cc[C_MIN]) { deadline = clock_mono_ns() + tick; }
        had = ldisc_readable(t);
    }
    return 0;
}

static int64_t tty_read(struct file *f, struct uio *u, uint64_t *pos)
{
    struct tty *t = f->priv;

    (void)pos;
    if (u->left == 0) { return 0; }
    for (;;) {
        if (hung_up(f)) { return 0; }
        int64_t err = job_control(t, LSIG_TTIN);
        if (err) { return err; }
        if (ldisc_may_read(t)) { return ldisc_take(t, u); }
        if (!(t->t.lflag & L_ICANON) && (t->t.cc[C_TIME] || !t->t.cc[C_MIN])) {
            if (!t->t.cc[C_TIME]) { return ldisc_take(t, u); }
            err = read_timed(f, t);
            return err ? err : ldisc_take(t, u);
        }
        err = read_wait(f, t, NO_DEADLINE);
        if (err) { return err; }
    }
}

static int64_t tty_write(struct file *f, struct uio *u, uint64_t *pos)
{
    struct tty *t = f->priv;
    int64_t done = 0;

    (void)pos;
    while (u->left > 0) {
        uint8_t buf[256];
        int64_t err = t->t.lflag & L_TOSTOP ? job_control(t, LSIG_TTOU) : 0;

        if (hung_up(f)) { err = -EIO; }
        if (err) { return done > 0 ? done : err; }
        /* Bytes are fetched only when there is room for the widest form of each. */
        size_t n =
            t->stopped ? 0 : (size_t)min_u64(min_u64(u->left, t->ops->room(t) / 8), sizeof(buf));
        if (n == 0) {
            if (f->flags & LO_NONBLOCK) { return done > 0 ? done : -EAGAIN; }
            err = wait_on(&t->write_wait, NO_DEADLINE, true);
            if (err) { return done > 0 ? done : err; }
            continue;
        }
        size_t got = uio_get(u, buf, n);
        done += (int64_t)ldisc_out(t, buf, got);
        if (got < n) { return done > 0 ? done : -EFAULT; }
    }
    return done;
}

static uint32_t tty_poll(struct file *f, struct poller *p)
{
    struct tty *t = f->priv;
    uint32_t events = 0;

    poll_add(p, &t->read_wait);
    poll_add(p, &t->write_wait);
    if (hung_up(f)) { return LPOLLIN | LPOLLOUT | LPOLLHUP | LPOLLERR; }
    if (ldisc_may_read(t)) { events |= LPOLLIN | LPOLLRDNORM; }
    if (!t->stopped && t->ops->room(t) >= 8) { events |= LPOLLOUT | LPOLLWRNORM; }
    return events;
}

static void tty_release(struct file *f)
{
    struct tty *t = f->priv;

    if (--t->opens == 0 && t->ops->last_close) { t->ops->last_close(t); }
    tty_put(t);
}

/* ---- ioctl ---- */

enum {
    TCGETS_ = 0x5401,
    TCSETS_,
    TCSETSW_,
    TCSETSF_,
    TCSBRK_ = 0x5409,
    TCXONC_,
    TCFLSH_,
    TIOCEXCL_,
    TIOCNXCL_,
    TIOCSCTTY_,
    TIOCGPGRP_,
    TIOCSPGRP_,
    TIOCOUTQ_,
    TIOCGWINSZ_ = 0x5413,
    TIOCSWINSZ_,
    FIONREAD_ = 0x541b,
    TIOCNOTTY_ = 0x5422,
    TCSBRKP_ = 0x5425,
    TIOCGSID_ = 0x5429,
};
#define TCGETS2_  0x802c542au
#define TCSETS2_  0x402c542bu
#define TCSETSW2_ 0x402c542cu
#define TCSETSF2_ 0x402c542du
#define TIOCGDEV_ 0x80045432u

struct termios2_abi {
    struct termios_abi t;
    uint32_t ispeed, ospeed;
};
ABI_SIZE(struct termios2_abi, 44);

/* Changes are for the foreground. */
static int may_change(struct tty *t) { return job_control(t, LSIG_TTOU); }

static int64_t get_modes(struct tty *t, uint64_t arg, bool speeds)
{
    struct termios2_abi m = {t->t, t->ispeed, t->ospeed};
    return copy_to_user(arg, &m, speeds ? sizeof(m) : sizeof(m.t));
}

static int64_t set_modes(struct tty *t, uint64_t arg, bool speeds, bool flush)
{
    struct termios2_abi m = {.ispeed = t->ispeed, .ospeed = t->ospeed};
    int err = may_change(t);

    if (!err) { err = copy_from_user(&m, arg, speeds ? sizeof(m) : sizeof(m.t)); }
    if (err) { return err; }
    if (flush) { ldisc_flush_input(t); }
    t->ispeed = m.ispeed;
    t->ospeed = m.ospeed;
    ldisc_mode(t, &m.t);
    return 0;
}

static int64_t set_foreground(struct tty *t, uint64_t arg)
{
    struct proc *p = current_proc();
    uint32_t pgid;
    bool member = false;
    int err;

    if (p->tty != t || t->sid != p->sid) { return -ENOTTY; }
    err = may_change(t);
    if (!err) { err = get_user_u32(arg, &pgid); }
    if (err) { return err; }
    if ((int32_t)pgid < 0) { return -EINVAL; }
    LIST_EACH (l, &proc_all) {
        const struct proc *q = LIST_ENTRY(l, struct proc, all);
        if (q->pgid != (int32_t)pgid) { continue; }
        if (q->sid != p->sid) { return -EPERM; }
        member = true;
    }
    if (!member) { return -ESRCH; }
    t->pgid = (int32_t)pgid;
    return 0;
}

static int64_t take_control(struct tty *t, uint64_t steal)
{
    struct proc *p = current_proc();

    if (p->tty == t && t->sid == p->sid) { return 0; }
    if (p->pid != p->sid || p->tty) { return -EPERM; }
    if (t->sid != 0) {
        if (steal != 1 || !capable(CAP_SYS_ADMIN)) { return -EPERM; }
        tty_disassociate(t, false);
    }
    tty_set_controlling(t, p);
    return 0;
}

static int64_t give_up_control(struct tty *t)
{
    struct proc *p = current_proc();

    if (p->tty != t) { return -ENOTTY; }
    if (p->pid == p->sid) {
        signal_group(t->pgid, LSIG_HUP);
        signal_group(t->pgid, LSIG_CONT);
        tty_disassociate(t, false);
    }
    p->tty = NULL;
    return 0;
}

static int64_t flow(struct tty *t, uint64_t arg)
{
    if (arg > 3) { return -EINVAL; }
    if (arg <= 1) { t->stopped = arg == 0; }
    if (arg == 1) { wake(&t->write_wait, LPOLLOUT); }
    return 0;
}

static int64_t set_window(struct tty *t, uint64_t arg)
{
    struct winsize_abi w;
    int err = copy_from_user(&w, arg, sizeof(w));

    if (err) { return err; }
    t->size.xpixel = w.xpixel;
    t->size.ypixel = w.ypixel;
    tty_resize(t, w.rows, w.cols);
    return 0;
}

int64_t tty_ioctl(struct tty *t, uint32_t cmd, uint64_t arg, bool master)
{
    const struct proc *p = current_proc();

    switch (cmd) {
    case TCGETS_: return get_modes(t, arg, false);
    case TCGETS2_: return get_modes(t, arg, true);
    case TCSETS_:
    case TCSETSW_:
    case TCSETSF_: return set_modes(t, arg, false, cmd == TCSETSF_);
    case TCSETS2_:
    case TCSETSW2_:
    case TCSETSF2_: return set_modes(t, arg, true, cmd == TCSETSF2_);
    case TIOCGWINSZ_: return copy_to_user(arg, &t->size, sizeof(t->size));
    case TIOCSWINSZ_: return set_window(t, arg);
    case TCSBRK_:
    case TCSBRKP_: return may_change(t);
    case TCXONC_: return flow(t, arg);
    case TCFLSH_:
        if (arg > 2) { return -EINVAL; }
        if (arg != 1) { ldisc_flush_input(t); }
        return 0;
    case TIOCEXCL_: t->exclusive = true; return 0;
    case TIOCNXCL_: t->exclusive = false; return 0;
    case TIOCSCTTY_: return master ? -EIO : take_control(t, arg);
    case TIOCNOTTY_: return give_up_control(t);
    case TIOCGPGRP_: return !master && p->tty != t ? -ENOTTY : put_user_u32(arg, (uint32_t)t->pgid);
    case TIOCSPGRP_: return set_foreground(t, arg);
    case TIOCGSID_:
        return (!master && p->tty != t) || !t->sid ? -ENOTTY : put_user_u32(arg, (uint32_t)t->sid);
    case TIOCOUTQ_: return put_user_u32(arg, 0);
    case FIONREAD_: return put_user_u32(arg, (uint32_t)ldisc_readable(t));
    case TIOCGDEV_: return put_user_u32(arg, (uint32_t)t->rdev);
    default: return -ENOTTY;
    }
}

static int64_t tty_file_ioctl(struct file *f, uint32_t cmd, uint64_t arg)
{
    return hung_up(f) ? -EIO : tty_ioctl(f->priv, cmd, arg, false);
}

const struct file_ops tty_ops = {.read = tty_read,
                                 .write = tty_write,
                                 .poll = tty_poll,
                                 .ioctl = tty_file_ioctl,
                                 .release = tty_release};
