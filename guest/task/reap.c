/* SPDX-License-Identifier: Apache-2.0 */
/* wait4 and waitid: one search through the children, repeated after each wake-up until it finds something to report. */
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"
#include "guest/task/proc.h"

#define W_NOHANG    1u
#define W_STOPPED   2u
#define W_EXITED    4u
#define W_CONTINUED 8u
#define W_NOWAIT    0x01000000u
#define W_NOTHREAD  0x20000000u
#define W_ALL       0x40000000u
#define W_CLONE     0x80000000u

#define P_ALL  0
#define P_PID  1
#define P_PGID 2

struct wait_for {
    int kind; /* P_* */
    int32_t id;
    uint32_t options;
};
struct report {
    int32_t pid; /* 0: nothing yet (W_NOHANG) */
    uint32_t uid;
    int status; /* wait status word */
    struct proc_times times;
};

static bool selects(const struct wait_for *w, const struct proc *p)
{
    if (w->kind == P_PID && p->pid != w->id) { return false; }
    if (w->kind == P_PGID && p->pgid != w->id) { return false; }
    if ((w->options & W_ALL) != 0) { return true; }
    return (p->exit_signal != LSIG_CHLD) == ((w->options & W_CLONE) != 0);
}

/* Has p something to say that w wants? Takes the report unless it is only looked at. */
static bool take_report(const struct wait_for *w, struct proc *p, struct report *out)
{
    bool keep = (w->options & W_NOWAIT) != 0;

    *out = (struct report){.pid = p->pid, .uid = p->cred.ruid, .times = proc_times(p)};
    if (p->state == PROC_ZOMBIE) {
        if ((w->options & W_EXITED) == 0) { return false; }
        out->status = p->exit_status;
        out->times.user_ns += p->child_user_ns;
        out->times.system_ns += p->child_system_ns;
        if (!keep) { proc_reap(p); }
        return true;
    }
    if ((w->options & W_STOPPED) != 0 && p->stop_report) {
        out->status = p->stop_signal << 8 | 0x7f;
        p->stop_report = keep;
        return true;
    }
    if ((w->options & W_CONTINUED) != 0 && p->cont_report) {
        out->status = 0xffff;
        p->cont_report = keep;
        return true;
    }
    return false;
}

static int wait_for_child(const struct wait_for *w, struct report *out)
{
    struct proc *self = current_proc();
    for (;;) {
        bool any = false;
        LIST_EACH_SAFE (it, &self->children) {
            struct proc *p = LIST_ENTRY(it, struct proc, sibling);
            if (!selects(w, p)) { continue; }
            any = true;
            if (take_report(w, p, out)) { return 0; }
        }
        *out = (struct report){0};
        if (!any) { return -ECHILD; }
        if ((w->options & W_NOHANG) != 0) { return 0; }
        int r = wait_on(&self->child_wait, NO_DEADLINE, true);
        if (r != 0) { return r; }
    }
}

struct lrusage {
    struct ltimeval utime, stime;
    int64_t maxrss, ixrss, idrss, isrss, minflt, majflt, nswap, inblock, oublock, msgsnd, msgrcv,
        nsignals, nvcsw, nivcsw;
};
ABI_SIZE(struct lrusage, 144);

static int put_rusage(uint64_t va, const struct report *r)
{
    if (va == 0) { return 0; }
    struct lrusage u = {.utime = timeval_of(r->times.user_ns),
                        .stime = timeval_of(r->times.system_ns)};
    return copy_to_user(va, &u, sizeof u);
}

int64_t sys_wait4(const uint64_t a[6])
{
    int32_t pid = (int32_t)a[0];
    uint32_t options = (uint32_t)a[2];
    struct wait_for w = {.options = options | W_EXITED};
    struct report r;

    if ((options & ~(W_NOHANG | W_STOPPED | W_CONTINUED | W_NOTHREAD | W_ALL | W_CLONE)) != 0) {
        return -EINVAL;
    }
    if (pid == INT32_MIN) { return -ESRCH; }
    if (pid < -1) {
        w.kind = P_PGID;
        w.id = -pid;
    } else if (pid == 0) {
        w.kind = P_PGID;
        w.id = current_proc()->pgid;
    } else if (pid > 0) {
        w.kind = P_PID;
        w.id = pid;
    }
    int e = wait_for_child(&w, &r);
    if (e != 0) { return e; }
    if (r.pid == 0) { return 0; }
    if (a[1] != 0 && put_user_u32(a[1], (uint32_t)r.status) != 0) { return -EFAULT; }
    if (put_rusage(a[3], &r) != 0) { return -EFAULT; }
    return r.pid;
}

int64_t sys_waitid(const uint64_t a[6])
{
    struct wait_for w = {.kind = (int)a[0], .id = (int32_t)a[1], .options = (uint32_t)a[3]};
    struct report r;

    if ((w.options & ~(W_NOHANG | W_STOPPED | W_EXITED | W_CONTINUED | W_NOWAIT | W_NOTHREAD |
                       W_ALL | W_CLONE)) != 0 ||
        (w.options & (W_STOPPED | W_EXITED | W_CONTINUED)) == 0) {
        return -EINVAL;
    }
    if (w.kind < P_ALL || w.kind > P_PGID || (w.kind == P_PID && w.id <= 0) || w.id < 0) {
        return -EINVAL;
    }
    if (w.kind == P_PGID && w.id == 0) { w.id = current_proc()->pgid; }
    int e = wait_for_child(&w, &r);
    if (e != 0) { return e; }
    if (a[2] != 0) {
        struct ksiginfo info = {0};
        uint8_t raw[128];
        if (r.pid != 0) {
            info = (struct ksiginfo){.signo = LSIG_CHLD, .pid = r.pid, .uid = r.uid};
            if (r.status == 0xffff) {
                info.code = LCLD_CONTINUED;
                info.status = LSIG_CONT;
            } else if ((r.status & 0xff) == 0x7f) {
                info.code = LCLD_STOPPED;
                info.status = r.status >> 8;
            } else if ((r.status & 0x7f) != 0) {
                info.code = LCLD_KILLED;
                info.status = r.status & 0x7f;
            } else {
                info.code = LCLD_EXITED;
                info.status = r.status >> 8;
            }
        }
        siginfo_pack(raw, &info);
        if (copy_to_user(a[2], raw, sizeof raw) != 0) { return -EFAULT; }
    }
    return put_rusage(a[4], &r);
}

/* ---- accounting ------------------------------------------------------------------------------------------------------ */

#define RUSAGE_SELF     0
#define RUSAGE_CHILDREN (-1)
#define RUSAGE_THREAD   1

int64_t sys_getrusage(const uint64_t a[6])
{
    struct proc *p = current_proc();
    struct space_stat st;
    struct proc_times times = {0};

    space_stat(p->space, &st);
    struct lrusage u = {.maxrss = (int64_t)st.rss_pages * 4, .minflt = (int64_t)st.minor_faults};
    switch ((int32_t)a[0]) {
    case RUSAGE_SELF: times = proc_times(p); break;
    case RUSAGE_CHILDREN:
        times = (struct proc_times){p->child_user_ns, p->child_system_ns};
        u.minflt = (int64_t)p->child_minflt;
        break;
    case RUSAGE_THREAD: times.user_ns = thread_run_ns(current()); break;
    default: return -EINVAL;
    }
    u.utime = timeval_of(times.user_ns);
    u.stime = timeval_of(times.system_ns);
    return copy_to_user(a[1], &u, sizeof u);
}

#define NS_PER_TICK 10000000u /* 100 per second, as AT_CLKTCK says */

int64_t sys_times(const uint64_t a[6])
{
    struct proc *p = current_proc();
    struct proc_times own = proc_times(p);
    int64_t t[4] = {(int64_t)(own.user_ns / NS_PER_TICK), (int64_t)(own.system_ns / NS_PER_TICK),
                    (int64_t)(p->child_user_ns / NS_PER_TICK),
                    (int64_t)(p->child_system_ns / NS_PER_TICK)};
    if (a[0] != 0 && copy_to_user(a[0], t, sizeof t) != 0) { return -EFAULT; }
    return (int64_t)(clock_mono_ns() / NS_PER_TICK);
}
