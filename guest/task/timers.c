/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers that send signals: alarm, setitimer and POSIX timers. A CPU-time timer is armed for the earliest moment its
 * clock could get there; if the clock has not, it is armed again for what is left.
 */
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"
#include "guest/task/proc.h"

#define TIMERS_MAX     1024 /* POSIX timers of one process */
#define ITIMER_REAL    0
#define ITIMER_VIRTUAL 1
#define ITIMER_PROF    2
#define OVERRUN_MAX    0x7fffffff
#define TIMER_ABSTIME  1u

#define LSIGEV_SIGNAL    0
#define LSIGEV_NONE      1
#define LSIGEV_THREAD    2
#define LSIGEV_THREAD_ID 4

struct ptimer {
    struct list link;
    struct timer timer;
    struct proc *proc;
    int32_t id; /* -1 - which: an interval timer */
    int32_t clock;
    int signo;      /* 0: none */
    int32_t tid;    /* 0: to the process */
    uint64_t value; /* sigev_value */
    uint64_t interval_ns;
    uint64_t due_ns; /* monotonic */
    uint64_t cpu_at; /* CPU clocks: fire when the clock reads this */
    int32_t overrun; /* of the last signal that was taken */
};
struct timer_set {
    struct ptimer itimer[3];
    struct list posix;
    int32_t next_id;
    unsigned count;
};

static struct thread *thread_of_proc(struct proc *p, int32_t tid)
{
    struct thread *found = NULL;
    THREAD_EACH(t, p) { found = t->tid == tid ? t : found; }
    return found;
}

static bool counts_cpu(const struct ptimer *t)
{
    return t->clock < 0 || t->clock == 2 || t->clock == 3;
}

/* Timers fire on any thread's time, so "this process" and "this thread" of the clock ids mean the owner's. */
static bool cpu_time(const struct ptimer *t, uint64_t *out)
{
    if (t->clock < 0) { return clock_read(t->clock, out); }
    struct proc_times times = proc_times(t->proc);
    *out = times.user_ns + times.system_ns;
    return true;
}

/* One signal of a timer is pending at a time; later expiries only count on it. */
static void send_expiry(struct ptimer *t, uint64_t missed)
{
    if (t->signo == 0) { return; }
    if (t->id < 0) {
        signal_simple(t->proc, t->signo);
        return;
    }
    struct thread *to = t->tid != 0 ? thread_of_proc(t->proc, t->tid) : NULL;
    if (t->tid != 0 && to == NULL) { return; }
    struct sigqueue_head *q = to != NULL ? &to->pending : &t->proc->pending;
    if (signal_timer_again(q, t->signo, t->id, 1 + missed)) { return; }
    struct ksiginfo info = {.signo = t->signo,
                            .code = LSI_TIMER,
                            .timerid = t->id,
                            .overrun = (int32_t)min_u64(missed, OVERRUN_MAX),
                            .value = t->value};
    if (to != NULL) {
        signal_thread(to, &info);
    } else {
        signal_proc(t->proc, &info);
    }
}

/* Never is a long time: what lies behind it stays there instead of coming round to the past. */
static uint64_t later(uint64_t at, uint64_t ns)
{
    return ns < NO_DEADLINE - 1 - at ? at + ns : NO_DEADLINE - 1;
}

static void fire(struct timer *timer)
{
    struct ptimer *t = CONTAINER_OF(timer, struct ptimer, timer);
    uint64_t now, missed = 0;

    if (counts_cpu(t) && cpu_time(t, &now) && now < t->cpu_at) {
        timer_arm(timer, deadline_after(t->cpu_at - now));
        return;
    }
    if (t->interval_ns != 0) {
        if (counts_cpu(t)) {
            t->cpu_at = later(t->cpu_at, t->interval_ns);
            timer_arm(timer, deadline_after(t->interval_ns));
        } else {
            uint64_t mono = clock_mono_ns();
            if (mono > t->due_ns) {
                missed = (mono - t->due_ns) / t->interval_ns;
            } /* late by whole periods */
            t->due_ns = later(t->due_ns, (missed + 1) * t->interval_ns);
            timer_arm(timer, t->due_ns);
        }
    }
    send_expiry(t, missed);
}

static struct timer_set *set_of(struct proc *p, bool create)
{
    struct timer_set *s = p->timers;
    if (s != NULL || !create) { return s; }
    s = mem_alloc(sizeof *s);
    if (s == NULL) { return NULL; }
    static const struct {
        int32_t clock;
        int signo;
    } kinds[3] = {{1, LSIG_ALRM}, {2, LSIG_VTALRM}, {2, LSIG_PROF}};
    list_init(&s->posix);
    for (int i = 0; i < 3; i++) {
        s->itimer[i] = (struct ptimer){
            .proc = p, .id = -1 - i, .clock = kinds[i].clock, .signo = kinds[i].signo};
        timer_init(&s->itimer[i].timer, fire);
    }
    p->timers = s;
    return s;
}

static void timer_free(struct timer_set *s, struct ptimer *t)
{
    timer_cancel(&t->timer);
    list_del(&t->link);
    s->count--;
    mem_free(t);
}

/* What is left, and the interval. */
static void read_timer(const struct ptimer *t, uint64_t *out_left, uint64_t *out_interval)
{
    uint64_t now, due = counts_cpu(t) ? t->cpu_at : t->due_ns;

    *out_interval = t->interval_ns;
    *out_left = 0;
    if (t->timer.deadline_ns == 0) { return; }
    if (!counts_cpu(t)) {
        now = clock_mono_ns();
    } else if (!cpu_time(t, &now)) {
        return;
    }
    *out_left = due > now ? due - now : 1;
}

/* ns 0 disarms; absolute: on the timer's own clock. */
static void set_timer(struct ptimer *t, uint64_t ns, uint64_t interval, bool absolute)
{
    uint64_t now = 0;

    timer_cancel(&t->timer);
    t->overrun = 0;
    t->interval_ns = interval;
    if (ns == 0) { return; }
    if (counts_cpu(t)) {
        if (!cpu_time(t, &now)) { return; }
        t->cpu_at = absolute ? ns : later(now, ns);
        timer_arm(&t->timer, deadline_after(t->cpu_at > now ? t->cpu_at - now : 0));
    } else {
        t->due_ns = absolute ? clock_deadline(clock_is_wall(t->clock), ns) : deadline_after(ns);
        timer_arm(&t->timer, t->due_ns);
    }
}

/* ---- interval timers ------------------------------------------------------------------------------------------------------ */

struct litimerval {
    struct ltimeval interval, value;
};

static int64_t put_itimer(uint64_t va, uint64_t left, uint64_t interval)
{
    struct litimerval v = {timeval_of(interval), timeval_of(left)};
    if (left != 0 && v.value.sec == 0 && v.value.usec == 0) {
        v.value.usec = 1;
    } /* armed never reads as 0 */
    return copy_to_user(va, &v, sizeof v);
}

int64_t sys_getitimer(const uint64_t a[6])
{
    uint64_t left = 0, interval = 0;
    struct timer_set *s = set_of(current_proc(), false);
    if (a[0] > ITIMER_PROF) { return -EINVAL; }
    if (s != NULL) { read_timer(&s->itimer[a[0]], &left, &interval); }
    return put_itimer(a[1], left, interval);
}

int64_t sys_setitimer(const uint64_t a[6])
{
    struct litimerval v = {0};
    uint64_t value, interval, old_left, old_interval;

    if (a[0] > ITIMER_PROF) { return -EINVAL; }
    if (a[1] != 0 && copy_from_user(&v, a[1], sizeof v) != 0) { return -EFAULT; }
    if (!timeval_ns(v.value, &value) || !timeval_ns(v.interval, &interval)) { return -EINVAL; }
    struct timer_set *s = set_of(current_proc(), true);
    if (s == NULL) { return -ENOMEM; }
    read_timer(&s->itimer[a[0]], &old_left, &old_interval);
    set_timer(&s->itimer[a[0]], value, interval, false);
    return a[2] != 0 ? put_itimer(a[2], old_left, old_interval) : 0;
}

int64_t sys_alarm(const uint64_t a[6])
{
    uint64_t left, interval;
    struct timer_set *s = set_of(current_proc(), true);
    if (s == NULL) { return 0; }
    read_timer(&s->itimer[ITIMER_REAL], &left, &interval);
    set_timer(&s->itimer[ITIMER_REAL], (uint32_t)a[0] * NS_PER_S, 0, false);
    return (int64_t)((left + NS_PER_S - 1) / NS_PER_S);
}

/* ---- POSIX timers ------------------------------------------------------------------------------------------------------------ */

struct lsigevent {
    uint64_t value;
    int32_t signo, notify;
    int32_t tid;
    uint8_t pad[44];
};
ABI_SIZE(struct lsigevent, 64);
struct litimerspec {
    struct ltimespec interval, value;
};

static struct ptimer *find_in(struct proc *p, int32_t id)
{
    struct timer_set *s = set_of(p, false);
    if (s == NULL) { return NULL; }
    LIST_EACH (it, &s->posix) {
        struct ptimer *t = LIST_ENTRY(it, struct ptimer, link);
        if (t->id == id) { return t; }
    }
    return NULL;
}

static struct ptimer *find(int32_t id) { return find_in(current_proc(), id); }

void timer_delivered(struct proc *p, int32_t id, int32_t overrun)
{
    struct ptimer *t = find_in(p, id);
    if (t != NULL) { t->overrun = overrun; }
}

static int check_event(const struct lsigevent *ev)
{
    if (ev->notify == LSIGEV_NONE) { return 0; }
    if (ev->notify != LSIGEV_SIGNAL && ev->notify != LSIGEV_THREAD &&
        ev->notify != (LSIGEV_SIGNAL | LSIGEV_THREAD_ID)) {
        return -EINVAL;
    }
    if (ev->signo < 1 || ev->signo > 64) { return -EINVAL; }
    if (ev->notify == LSIGEV_THREAD_ID && thread_of_proc(current_proc(), ev->tid) == NULL) {
        return -EINVAL;
    }
    return 0;
}

int64_t sys_timer_create(const uint64_t a[6])
{
    struct proc *p = current_proc();
    struct lsigevent ev = {.signo = LSIG_ALRM, .notify = LSIGEV_SIGNAL};
    int32_t clock = (int32_t)a[0];
    uint64_t now;

    if (!clock_read(clock, &now)) { return -EINVAL; }
    if (a[1] != 0 && copy_from_user(&ev, a[1], sizeof ev) != 0) { return -EFAULT; }
    int e = check_event(&ev);
    if (e != 0) { return e; }
    struct timer_set *s = set_of(p, true);
    struct ptimer *t = s != NULL && s->count < TIMERS_MAX ? mem_alloc(sizeof *t) : NULL;
    if (t == NULL) { return -EAGAIN; }
    *t = (struct ptimer){
        .proc = p,
        .id = s->next_id++,
        .clock = clock,
        .signo = ev.notify == LSIGEV_NONE ? 0 : ev.signo,
        .tid = ev.notify == LSIGEV_THREAD_ID ? ev.tid : 0,
        .value = a[1] != 0 ? ev.value : (uint64_t)(s->next_id - 1),
    };
    timer_init(&t->timer, fire);
    list_add_tail(&s->posix, &t->link);
    s->count++;
    if (put_user_u32(a[2], (uint32_t)t->id) != 0) {
        timer_free(s, t);
        return -EFAULT;
    }
    return 0;
}

static int64_t put_timerspec(uint64_t va, const struct ptimer *t)
{
    uint64_t left, interval;
    read_timer(t, &left, &interval);
    struct litimerspec v = {timespec_of(interval), timespec_of(left)};
    return copy_to_user(va, &v, sizeof v);
}

int64_t sys_timer_gettime(const uint64_t a[6])
{
    struct ptimer *t = find((int32_t)a[0]);
    return t != NULL ? put_timerspec(a[1], t) : -EINVAL;
}

int64_t sys_timer_settime(const uint64_t a[6])
{
    struct litimerspec v;
    uint64_t value, interval;
    struct ptimer *t = find((int32_t)a[0]);

    if (t == NULL || a[2] == 0) { return -EINVAL; }
    if (copy_from_user(&v, a[2], sizeof v) != 0) { return -EFAULT; }
    if (!timespec_ns(v.value, &value) || !timespec_ns(v.interval, &interval)) { return -EINVAL; }
    if (a[3] != 0 && put_timerspec(a[3], t) != 0) { return -EFAULT; }
    set_timer(t, value, interval, (a[1] & TIMER_ABSTIME) != 0);
    return 0;
}

int64_t sys_timer_getoverrun(const uint64_t a[6])
{
    struct ptimer *t = find((int32_t)a[0]);
    return t != NULL ? t->overrun : -EINVAL;
}

int64_t sys_timer_delete(const uint64_t a[6])
{
    struct ptimer *t = find((int32_t)a[0]);
    if (t == NULL) { return -EINVAL; }
    timer_free(current_proc()->timers, t);
    return 0;
}

void timers_exec(struct proc *p)
{
    struct timer_set *s = p->timers;
    if (s == NULL) { return; }
    LIST_EACH_SAFE (it, &s->posix) { timer_free(s, LIST_ENTRY(it, struct ptimer, link)); }
}

void timers_exit(struct proc *p)
{
    struct timer_set *s = p->timers;
    if (s == NULL) { return; }
    timers_exec(p);
    for (int i = 0; i < 3; i++) { timer_cancel(&s->itimer[i].timer); }
    p->timers = NULL;
    mem_free(s);
}
