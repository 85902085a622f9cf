/* SPDX-License-Identifier: Apache-2.0 */
/* eventfd, timerfd and signalfd: a number, a clock and the pending signals as files. */
#include "guest/fs/vfs.h"
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"

#define NS 1000000000ull

/* ---- eventfd ---- */

#define EFD_SEMAPHORE_ 1u
#define EVENT_MAX      0xfffffffffffffffeull

struct event {
    uint64_t count;
    bool semaphore;
    struct waitq read_wait, write_wait;
};

static int64_t event_read(struct file *f, struct uio *u, uint64_t *pos)
{
    struct event *e = f->priv;

    (void)pos;
    if (u->left < 8) { return -EINVAL; }
    while (e->count == 0) {
        if (f->flags & LO_NONBLOCK) { return -EAGAIN; }
        int err = wait_on(&e->read_wait, NO_DEADLINE, true);
        if (err) { return err; }
    }
    uint64_t v = e->semaphore ? 1 : e->count;
    e->count -= v;
    wake(&e->write_wait, LPOLLOUT);
    return uio_put(u, &v, 8) == 8 ? 8 : -EFAULT;
}

static int64_t event_write(struct file *f, struct uio *u, uint64_t *pos)
{
    struct event *e = f->priv;
    uint64_t v;

    (void)pos;
    if (u->left < 8) { return -EINVAL; }
    if (uio_get(u, &v, 8) != 8) { return -EFAULT; }
    if (v > EVENT_MAX) { return -EINVAL; }
    while (v > EVENT_MAX - e->count) {
        if (f->flags & LO_NONBLOCK) { return -EAGAIN; }
        int err = wait_on(&e->write_wait, NO_DEADLINE, true);
        if (err) { return err; }
    }
    e->count += v;
    wake(&e->read_wait, LPOLLIN); /* each write is an arrival, whatever was there */
    return 8;
}

static uint32_t event_poll(struct file *f, struct poller *p)
{
    struct event *e = f->priv;

    poll_add(p, &e->read_wait);
    poll_add(p, &e->write_wait);
    return (e->count > 0 ? LPOLLIN : 0) | (e->count < EVENT_MAX ? LPOLLOUT : 0);
}

static void priv_release(struct file *f) { mem_free(f->priv); }

static const struct file_ops event_ops = {
    .read = event_read, .write = event_write, .poll = event_poll, .release = priv_release};

static int64_t event_create(uint32_t count, uint32_t flags)
{
    struct event *e;
    struct file *f;

    if (flags & ~(EFD_SEMAPHORE_ | LO_CLOEXEC | LO_NONBLOCK)) { return -EINVAL; }
    e = mem_alloc(sizeof(*e));
    if (!e) { return -ENOMEM; }
    e->count = count;
    e->semaphore = (flags & EFD_SEMAPHORE_) != 0;
    waitq_init(&e->read_wait);
    waitq_init(&e->write_wait);
    f = file_anon(&event_ops, e, LO_RDWR | (flags & LO_NONBLOCK), 0600, "anon_inode:[eventfd]");
    if (!f) {
        mem_free(e);
        return -ENOMEM;
    }
    return fd_install(f, (flags & LO_CLOEXEC) != 0);
}

int64_t sys_eventfd(const uint64_t a[6]) { return event_create((uint32_t)a[0], 0); }
int64_t sys_eventfd2(const uint64_t a[6]) { return event_create((uint32_t)a[0], (uint32_t)a[1]); }

/* ---- timerfd ---- */

#define CLOCK_REALTIME_          0
#define CLOCK_MONOTONIC_         1
#define CLOCK_BOOTTIME_          7
#define CLOCK_REALTIME_ALARM_    8
#define CLOCK_BOOTTIME_ALARM_    9
#define TFD_TIMER_ABSTIME_       1u
#define TFD_TIMER_CANCEL_ON_SET_ 2u

struct clockfile {
    struct timer timer;
    struct waitq wait;
    bool wall;
    bool armed;
    uint64_t next_ns, interval_ns; /* monotonic; interval 0: once */
    uint64_t fired;                /* expirations not yet read, up to the last look */
};

/* Counts what has expired by now and arms the next one. */
static void clock_update(struct clockfile *c)
{
    uint64_t now = clock_mono_ns();

    if (!c->armed || now < c->next_ns) { return; }
    if (c->interval_ns == 0) {
        c->fired++;
        c->armed = false;
        return;
    }
    uint64_t n = (now - c->next_ns) / c->interval_ns + 1;
    c->fired += n;
    c->next_ns += n * c->interval_ns;
    timer_arm(&c->timer, c->next_ns);
}

static void clock_fire(struct timer *t)
{
    struct clockfile *c = CONTAINER_OF(t, struct clockfile, timer);

    clock_update(c);
    wake(&c->wait, LPOLLIN);
}

static int64_t clock_read(struct file *f, struct uio *u, uint64_t *pos)
{
    struct clockfile *c = f->priv;

    (void)pos;
    if (u->left < 8) { return -EINVAL; }
    for (clock_update(c); c->fired == 0; clock_update(c)) {
        if (f->flags & LO_NONBLOCK) { return -EAGAIN; }
        int err = wait_on(&c->wait, NO_DEADLINE, true);
        if (err) { return err; }
    }
    uint64_t v = c->fired;
    c->fired = 0;
    return uio_put(u, &v, 8) == 8 ? 8 : -EFAULT;
}

static uint32_t clock_poll(struct file *f, struct poller *p)
{
    struct clockfile *c = f->priv;

    poll_add(p, &c->wait);
    clock_update(c);
    return c->fired > 0 ? LPOLLIN : 0;
}

static void clock_release(struct file *f)
{
    struct clockfile *c = f->priv;

    timer_cancel(&c->timer);
    mem_free(c);
}

static const struct file_ops clock_ops = {
    .read = clock_read, .poll = clock_poll, .release = clock_release};

int64_t sys_timerfd_create(const uint64_t a[6])
{
    int clock = (int)a[0];
    struct clockfile *c;
    struct file *f;

    if ((uint32_t)a[1] & ~(LO_CLOEXEC | LO_NONBLOCK)) { return -EINVAL; }
    if (clock != CLOCK_REALTIME_ && clock != CLOCK_MONOTONIC_ &&
        (clock < CLOCK_BOOTTIME_ || clock > CLOCK_BOOTTIME_ALARM_)) {
        return -EINVAL;
    }
    c = mem_alloc(sizeof(*c));
    if (!c) { return -ENOMEM; }
    c->wall = clock == CLOCK_REALTIME_ || clock == CLOCK_REALTIME_ALARM_;
    timer_init(&c->timer, clock_fire);
    waitq_init(&c->wait);
    f = file_anon(&clock_ops, c, LO_RDWR | ((uint32_t)a[1] & LO_NONBLOCK), 0600,
                  "anon_inode:[timerfd]");
    if (!f) {
        mem_free(c);
        return -ENOMEM;
    }
    return fd_install(f, (a[1] & LO_CLOEXEC) != 0);
}

struct itimer_abi {
    int64_t interval_s, interval_ns, value_s, value_ns;
};

static struct clockfile *clock_of(int fd, int64_t *err)
{
    struct file *f = fd_file(fd);

    *err = !f ? -EBADF : f->ops != &clock_ops ? -EINVAL : 0;
    return *err ? NULL : f->priv;
}

static int64_t clock_out(struct clockfile *c, uint64_t va)
{
    uint64_t now = clock_mono_ns(), left;

    clock_update(c);
    left = !c->armed ? 0 : c->next_ns > now ? c->next_ns - now : 1;
    struct itimer_abi t = {
        .interval_s = (int64_t)(c->interval_ns / NS),
        .interval_ns = (int64_t)(c->interval_ns % NS),
        .value_s = (int64_t)(left / NS),
        .value_ns = (int64_t)(left % NS),
    };
    return copy_to_user(va, &t, sizeof(t));
}

int64_t sys_timerfd_gettime(const uint64_t a[6])
{
    int64_t err;
    struct clockfile *c = clock_of((int)a[0], &err);
    return c ? clock_out(c, a[1]) : err;
}

/* Seconds and nanoseconds as one number, clamped far below overflow (500 years). */
static bool ns_of(int64_t s, int64_t ns, uint64_t *out)
{
    if (s < 0 || ns < 0 || (uint64_t)ns >= NS) { return false; }
    *out = min_u64((uint64_t)s, 16000000000 / 2) * NS + (uint64_t)ns;
    return true;
}

int64_t sys_timerfd_settime(const uint64_t a[6])
{
    struct itimer_abi t;
    uint64_t value, interval;
    int64_t err;
    struct clockfile *c;

    if ((uint32_t)a[1] & ~(TFD_TIMER_ABSTIME_ | TFD_TIMER_CANCEL_ON_SET_)) { return -EINVAL; }
    if (copy_from_user(&t, a[2], sizeof(t)) != 0) { return -EFAULT; }
    if (!ns_of(t.value_s, t.value_ns, &value) || !ns_of(t.interval_s, t.interval_ns, &interval)) {
        return -EINVAL;
    }
    c = clock_of((int)a[0], &err);
    if (!c) { return err; }
    if (a[3] != 0 && clock_out(c, a[3]) != 0) { return -EFAULT; }
    timer_cancel(&c->timer);
    c->fired = 0;
    c->interval_ns = interval;
    c->armed = value != 0;
    if (!c->armed) { return 0; }
    uint64_t now = clock_mono_ns();
    if (!(a[1] & TFD_TIMER_ABSTIME_)) {
        c->next_ns = now + value;
    } else if (c->wall) {
        uint64_t wall = clock_wall_ns();
        c->next_ns = value > wall ? now + (value - wall) : now;
    } else {
        c->next_ns = value;
    }
    timer_arm(&c->timer, c->next_ns);
    return 0;
}

/* ---- signalfd ---- */

#define SIGINFO_SIZE 128
#define UNBLOCKABLE  (1ull << (LSIG_KILL - 1) | 1ull << (LSIG_STOP - 1))

struct signals {
    uint64_t mask;
};

/* struct signalfd_siginfo */
static void signal_layout(const struct ksiginfo *i, uint8_t out[SIGINFO_SIZE])
{
    struct {
        uint32_t signo;
        int32_t error, code;
        uint32_t pid, uid;
        int32_t fd;
        uint32_t tid, band, overrun, trapno;
        int32_t status, value_int;
        uint64_t value_ptr, utime, stime, addr;
    } s = {
        .signo = (uint32_t)i->signo,
        .error = i->error,
        .code = i->code,
        .pid = (uint32_t)i->pid,
        .uid = i->uid,
        .tid = (uint32_t)i->timerid,
        .overrun = (uint32_t)i->overrun,
        .status = i->status,
        .value_int = (int32_t)i->value,
        .value_ptr = i->value,
        .utime = i->utime,
        .stime = i->stime,
        .addr = i->addr,
    };

    ABI_AT(__typeof__(s), value_ptr, 48);
    memset(out, 0, SIGINFO_SIZE);
    memcpy(out, &s, sizeof(s));
}

static int64_t signals_read(struct file *f, struct uio *u, uint64_t *pos)
{
    const struct signals *s = f->priv;
    int64_t done = 0;

    (void)pos;
    if (u->left < SIGINFO_SIZE) { return -EINVAL; }
    while (u->left >= SIGINFO_SIZE) {
        struct ksiginfo info;
        uint8_t raw[SIGINFO_SIZE];

        if (!signal_dequeue(current(), s->mask, &info)) {
            if (done > 0) { break; }
            if (f->flags & LO_NONBLOCK) { return -EAGAIN; }
            int err = wait_on(&current_proc()->signal_wait, NO_DEADLINE, true);
            if (err) { return err; }
            continue;
        }
        signal_layout(&info, raw);
        if (uio_put(u, raw, SIGINFO_SIZE) != SIGINFO_SIZE) { return done > 0 ? done : -EFAULT; }
        done += SIGINFO_SIZE;
    }
    return done;
}

static uint32_t signals_poll(struct file *f, struct poller *p)
{
    const struct signals *s = f->priv;

    poll_add(p, &current_proc()->signal_wait);
    return signal_pending_set(current(), s->mask) ? LPOLLIN : 0;
}

static const struct file_ops signals_ops = {
    .read = signals_read, .poll = signals_poll, .release = priv_release};

static int64_t signals_create(int fd, uint64_t mask_va, uint64_t size, uint32_t flags)
{
    uint64_t mask;
    struct signals *s;
    struct file *f;

    if (flags & ~(LO_CLOEXEC | LO_NONBLOCK) || size != 8) { return -EINVAL; }
    if (get_user_u64(mask_va, &mask) != 0) { return -EFAULT; }
    mask &= ~UNBLOCKABLE;
    if (fd != -1) {
        f = fd_file(fd);
        if (!f) { return -EBADF; }
        if (f->ops != &signals_ops) { return -EINVAL; }
        s = f->priv;
        s->mask = mask;
        wake(&current_proc()->signal_wait, LPOLLIN);
        return fd;
    }
    s = mem_alloc(sizeof(*s));
    if (!s) { return -ENOMEM; }
    s->mask = mask;
    f = file_anon(&signals_ops, s, LO_RDWR | (flags & LO_NONBLOCK), 0600, "anon_inode:[signalfd]");
    if (!f) {
        mem_free(s);
        return -ENOMEM;
    }
    return fd_install(f, (flags & LO_CLOEXEC) != 0);
}

int64_t sys_signalfd(const uint64_t a[6]) { return signals_create((int)a[0], a[1], a[2], 0); }
int64_t sys_signalfd4(const uint64_t a[6])
{
    return signals_create((int)a[0], a[1], a[2], (uint32_t)a[3]);
}
