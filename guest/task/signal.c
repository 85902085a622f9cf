/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals: generation, pending queues, default actions, stop and continue. Frames are signal_frame.c.
 *
 * Invariants. (1) A signal that would be ignored and is not blocked never enters a queue. (2) Standard signals (below
 * 32) stand in a queue at most once, real-time ones in order of arrival. (3) Whoever could take a new signal and sleeps
 * willingly is made runnable; whoever runs on another vCPU is kicked; delivery itself happens only on a thread's own
 * way out (entry.c). (4) SIGKILL never queues: it marks every thread, and they end on their way out. (5) A stopped
 * process is one whose threads do not get past their way out.
 */
#include "guest/mm/mm.h"
#include "guest/task/proc.h"

#define STOP_SIGNALS                                                                               \
    (SIG_BIT(LSIG_STOP) | SIG_BIT(LSIG_TSTP) | SIG_BIT(LSIG_TTIN) | SIG_BIT(LSIG_TTOU))
#define IGNORE_SIGNALS                                                                             \
    (SIG_BIT(LSIG_CHLD) | SIG_BIT(LSIG_CONT) | SIG_BIT(LSIG_URG) | SIG_BIT(LSIG_WINCH))
#define SYNC_SIGNALS                                                                               \
    (SIG_BIT(LSIG_SEGV) | SIG_BIT(LSIG_BUS) | SIG_BIT(LSIG_ILL) | SIG_BIT(LSIG_TRAP) |             \
     SIG_BIT(LSIG_FPE) | SIG_BIT(LSIG_SYS))
#define STANDARD_MAX 31
#define QUEUE_CEILING                                                                              \
    4096u /* real-time signals waiting in one queue; more is EAGAIN for the sender */

struct sigqueued {
    struct list link;
    struct ksiginfo info;
};

/* ---- queues ----------------------------------------------------------------------------------------------------------- */

void sigqueue_init(struct sigqueue_head *q)
{
    q->set = 0;
    q->count = 0;
    list_init(&q->queue);
}

static void drop(struct sigqueue_head *q, struct sigqueued *s)
{
    list_del(&s->link);
    mem_free(s);
    q->count--;
}

void sigqueue_flush(struct sigqueue_head *q, uint64_t mask)
{
    if ((q->set & mask) == 0) { return; }
    q->set &= ~mask;
    LIST_EACH_SAFE (it, &q->queue) {
        struct sigqueued *s = LIST_ENTRY(it, struct sigqueued, link);
        if ((SIG_BIT(s->info.signo) & mask) != 0) { drop(q, s); }
    }
}

static int enqueue(struct sigqueue_head *q, const struct ksiginfo *info)
{
    uint64_t bit = SIG_BIT(info->signo);
    bool standard = info->signo <= STANDARD_MAX;

    if (standard && (q->set & bit) != 0) { return 0; }
    struct sigqueued *s = q->count < QUEUE_CEILING ? mem_alloc(sizeof *s) : NULL;
    if (s == NULL && !standard) { return -EAGAIN; }
    if (s !=
        NULL) { /* without memory a standard signal arrives all the same, knowing nothing more */
        s->info = *info;
        list_add_tail(&q->queue, &s->link);
        q->count++;
    }
    q->set |= bit;
    return 0;
}

static void take(struct sigqueue_head *q, int signo, struct ksiginfo *out)
{
    struct sigqueued *found = NULL;
    bool more = false;

    LIST_EACH (it, &q->queue) {
        struct sigqueued *s = LIST_ENTRY(it, struct sigqueued, link);
        if (s->info.signo != signo) { continue; }
        if (found != NULL) {
            more = true;
            break;
        }
        found = s;
    }
    if (!more) { q->set &= ~SIG_BIT(signo); }
    if (found != NULL) {
        *out = found->info;
        drop(q, found);
    } else {
        /* there was no memory to say more; a fault must end what it cannot pass */
        bool fault = (SIG_BIT(signo) & SYNC_SIGNALS) != 0;
        *out = (struct ksiginfo){.signo = signo, .code = LSI_KERNEL, .forced = fault};
    }
}

bool signal_timer_again(struct sigqueue_head *q, int signo, int32_t timerid, uint64_t more)
{
    LIST_EACH (it, &q->queue) {
        struct ksiginfo *info = &LIST_ENTRY(it, struct sigqueued, link)->info;
        if (info->signo == signo && info->code == LSI_TIMER && !info->is_raw &&
            info->timerid == timerid) {
            info->overrun = (int32_t)min_u64((uint64_t)info->overrun + more, INT32_MAX);
            return true;
        }
    }
    return false;
}

static int lowest(uint64_t set) { return __builtin_ctzll(set) + 1; }

/* Faults of the thread itself first, then by number, the thread's own queue before the process's. */
bool signal_dequeue(struct thread *t, uint64_t mask, struct ksiginfo *out)
{
    uint64_t own = t->pending.set & mask, shared = t->proc->pending.set & mask;

    if ((own & SYNC_SIGNALS) != 0) {
        take(&t->pending, lowest(own & SYNC_SIGNALS), out);
    } else if (own != 0 && (shared == 0 || lowest(own) <= lowest(shared))) {
        take(&t->pending, lowest(own), out);
    } else if (shared != 0) {
        take(&t->proc->pending, lowest(shared), out);
    } else {
        return false;
    }
    if (out->code == LSI_TIMER && !out->is_raw) {
        timer_delivered(t->proc, out->timerid, out->overrun);
    }
    return true;
}

uint64_t signal_pending_set(struct thread *t, uint64_t mask)
{
    return (t->pending.set | t->proc->pending.set) & mask;
}

bool signal_pending(void)
{
    struct thread *t = current();
    return t->killed || signal_pending_set(t, ~t->mask | t->sigwait) != 0;
}

/* ---- stop and continue -------------------------------------------------------------------------------------------------- */

static void tell_parent(struct proc *p, int code, int status)
{
    struct proc *parent = p->parent;
    if (parent == NULL) { return; }
    if ((parent->action[LSIG_CHLD - 1].flags & LSA_NOCLDSTOP) == 0) {
        proc_notify_parent(p, LSIG_CHLD, code, status);
    }
    wake(&parent->child_wait, ~0u);
}

static void proc_stop(struct proc *p, int signo)
{
    p->state = PROC_STOPPED;
    p->stop_signal = signo;
    p->stop_report = true;
    p->cont_report = false;
    THREAD_EACH(t, p)
    {
        if (t->state == THREAD_RUNNABLE && t != current()) { sched_wake_for_signal(t); }
    }
    tell_parent(p, LCLD_STOPPED, signo);
}

static void proc_resume(struct proc *p)
{
    p->state = PROC_LIVE;
    p->stop_report = false;
    THREAD_EACH(t, p)
    {
        if (t->stopped) { thread_wake(t); }
    }
}

static void stay_stopped(struct thread *t)
{
    t->stopped = true;
    while (t->proc->state == PROC_STOPPED && !t->killed) {
        (void)sleep_until(NO_DEADLINE, SLEEP_KILLABLE);
    }
    t->stopped = false;
}

/* Nobody outside the group, but inside the session, watches over it: stop signals of the terminal do nothing. */
static bool group_orphaned(int32_t pgid, int32_t sid)
{
    bool watched = false;
    PROC_EACH(p)
    {
        const struct proc *parent = p->parent;
        if (p->pgid == pgid && p->state != PROC_ZOMBIE && parent != NULL && parent->pgid != pgid &&
            parent->sid == sid) {
            watched = true;
        }
    }
    return !watched;
}

/* ---- generation ----------------------------------------------------------------------------------------------------------- */

/* The first process of the container ignores what it has no handler for: signals do not end it from inside. */
static bool shielded(const struct proc *p) { return p->pid == 1; }

bool signal_ignored(const struct proc *p, int signo)
{
    uint64_t handler = p->action[signo - 1].handler;
    if (handler == LSIG_IGN) { return true; }
    return handler == LSIG_DFL && ((SIG_BIT(signo) & IGNORE_SIGNALS) != 0 || shielded(p));
}

bool signal_blocked_or_ignored(struct thread *t, int signo)
{
    return (t->mask & SIG_BIT(signo)) != 0 || t->proc->action[signo - 1].handler == LSIG_IGN;
}

static void flush_everywhere(struct proc *p, uint64_t mask)
{
    sigqueue_flush(&p->pending, mask);
    THREAD_EACH(t, p) { sigqueue_flush(&t->pending, mask); }
}

void signal_forget(struct proc *p, int signo) { flush_everywhere(p, SIG_BIT(signo)); }

static void kill_process(struct proc *p)
{
    if (!p->exiting) {
        p->exiting = true;
        p->exit_status = LSIG_KILL;
    }
    if (p->state == PROC_STOPPED) { proc_resume(p); }
    proc_kill_threads(p, NULL);
}

static bool wants(const struct thread *t, int signo)
{
    return !t->killed && ((~t->mask | t->sigwait) & SIG_BIT(signo)) != 0;
}

/* The main thread if it takes it, else the first that does. */
static struct thread *taker(struct proc *p, int signo)
{
    struct thread *found = NULL;
    THREAD_EACH(t, p)
    {
        if (wants(t, signo) && (found == NULL || t->tid == p->pid)) { found = t; }
    }
    return found;
}

/* t NULL: to the process. */
static int generate(struct proc *p, struct thread *t, const struct ksiginfo *info)
{
    int signo = info->signo;
    uint64_t bit = SIG_BIT(signo);

    if (p->state == PROC_ZOMBIE || p->exiting || signo < 1 || signo > 64) { return 0; }
    if (signo == LSIG_KILL) {
        if (!shielded(p) || info->forced) { kill_process(p); }
        return 0;
    }
    if (signo == LSIG_STOP && shielded(p)) { return 0; }
    if ((bit & STOP_SIGNALS) != 0) { flush_everywhere(p, SIG_BIT(LSIG_CONT)); }
    if (signo == LSIG_CONT) {
        flush_everywhere(p, STOP_SIGNALS);
        if (p->state == PROC_STOPPED) {
            proc_resume(p);
            p->cont_report = true;
            tell_parent(p, LCLD_CONTINUED, LSIG_CONT);
        }
    }
    struct thread *first = t != NULL ? t : LIST_ENTRY(p->threads.next, struct thread, link);
    bool blocked = ((first->mask | first->sigwait) & bit) != 0;
    if (!blocked && signal_ignored(p, signo)) { return 0; }
    int e = enqueue(t != NULL ? &t->pending : &p->pending, info);
    if (e != 0) { return e; }
    struct thread *target = t != NULL && wants(t, signo) ? t : t != NULL ? NULL : taker(p, signo);
    if (target != NULL) { sched_wake_for_signal(target); }
    wake(&p->signal_wait, ~0u);
    return 0;
}

void signal_proc(struct proc *p, const struct ksiginfo *info) { (void)generate(p, NULL, info); }
void signal_thread(struct thread *t, const struct ksiginfo *info)
{
    (void)generate(t->proc, t, info);
}
int signal_send(struct proc *p, struct thread *t, const struct ksiginfo *info)
{
    return generate(p, t, info);
}

void signal_simple(struct proc *p, int signo)
{
    signal_proc(p, &(struct ksiginfo){.signo = signo, .code = LSI_KERNEL});
}

int signal_pgrp(int32_t pgid, const struct ksiginfo *info)
{
    int r = -ESRCH;
    PROC_EACH(p)
    {
        if (p->pgid == pgid && p->state != PROC_ZOMBIE) {
            signal_proc(p, info);
            r = 0;
        }
    }
    return r;
}

/* A fault: when blocked or ignored, the default action comes back, so that it cannot repeat for ever. */
void signal_force(struct thread *t, int signo, int code, uint64_t addr)
{
    struct sigaction_k *sa = &t->proc->action[signo - 1];
    if ((t->mask & SIG_BIT(signo)) != 0 || sa->handler == LSIG_IGN) {
        sa->handler = LSIG_DFL;
        t->mask &= ~SIG_BIT(signo);
    }
    const struct ksiginfo info = {.signo = signo, .code = code, .addr = addr, .forced = true};
    sigqueue_flush(&t->pending, SIG_BIT(signo));
    (void)enqueue(&t->pending, &info);
}

void signal_fault(int signo, int code, uint64_t addr, uint64_t trapno, uint64_t error)
{
    struct thread *t = current();
    t->trapno = trapno;
    t->trap_error = error;
    if (trapno == 14) { t->trap_cr2 = addr; }
    signal_force(t, signo, code, addr);
}

/* ---- masks ------------------------------------------------------------------------------------------------------------------ */

void signal_set_mask(struct thread *t, uint64_t mask)
{
    uint64_t newly = mask & ~t->mask & t->proc->pending.set;
    t->mask = mask & ~SIG_UNBLOCKABLE;
    if (newly == 0) { return; }
    THREAD_EACH(other, t->proc) /* what this one no longer takes, another may */
    {
        if (other != t && (newly & ~other->mask) != 0) { sched_wake_for_signal(other); }
    }
}

void signal_mask_temporary(uint64_t mask)
{
    struct thread *t = current();
    if (!t->mask_saved) {
        t->saved_mask = t->mask;
        t->mask_saved = true;
    }
    signal_set_mask(t, mask);
}

/* ---- delivery --------------------------------------------------------------------------------------------------------------- */

/* rip goes back over the two bytes of the call. */
static void repeat_call(struct regs *r, uint64_t nr)
{
    r->rax = nr;
    r->rip -= 2;
}

#define NR_RESTART_SYSCALL 219

static bool wants_restart(const struct regs *r)
{
    return r->orig_rax != ~0ull && (int64_t)r->rax <= -ERESTARTSYS &&
           (int64_t)r->rax >= -ERESTART_RESTARTBLOCK;
}

/* What becomes of an interrupted call; `sa` NULL: no handler runs. */
static void settle_restart(struct regs *r, const struct sigaction_k *sa)
{
    if (!wants_restart(r)) { return; }
    switch ((int64_t)r->rax) {
    case -ERESTARTSYS:
        if (sa == NULL || (sa->flags & LSA_RESTART) != 0) {
            repeat_call(r, r->orig_rax);
        } else {
            r->rax = (uint64_t)-EINTR;
        }
        break;
    case -ERESTARTNOHAND:
        if (sa == NULL) {
            repeat_call(r, r->orig_rax);
        } else {
            r->rax = (uint64_t)-EINTR;
        }
        break;
    case -ERESTART_RESTARTBLOCK:
        if (sa == NULL) {
            repeat_call(r, NR_RESTART_SYSCALL);
        } else {
            r->rax = (uint64_t)-EINTR;
        }
        break;
    default: return;
    }
    r->orig_rax = ~0ull;
    current()->full_exit = true; /* rip moved: rcx no longer is it */
}

/* True when the thread stopped and should look again. */
static bool default_action(struct proc *p, const struct ksiginfo *info)
{
    uint64_t bit = SIG_BIT(info->signo);

    if ((bit & IGNORE_SIGNALS) != 0) { return false; }
    if (shielded(p) && !info->forced) { return false; }
    if ((bit & STOP_SIGNALS) != 0) {
        if (info->signo != LSIG_STOP && group_orphaned(p->pgid, p->sid)) { return false; }
        proc_stop(p, info->signo);
        return true;
    }
    proc_exit(info->signo);
}

static void run_handler(struct regs *r, const struct ksiginfo *info)
{
    struct thread *t = current();
    struct sigaction_k sa = t->proc->action[info->signo - 1];

    settle_restart(r, &sa);
    if ((sa.flags & LSA_RESETHAND) != 0) { t->proc->action[info->signo - 1].handler = LSIG_DFL; }
    if (signal_frame_push(r, info, &sa) != 0) {
        if (info->signo == LSIG_SEGV) { t->proc->action[LSIG_SEGV - 1].handler = LSIG_DFL; }
        signal_force(t, LSIG_SEGV, LSI_KERNEL, 0);
        return;
    }
    t->mask_saved = false;
    uint64_t block = sa.mask;
    if ((sa.flags & LSA_NODEFER) == 0) { block |= SIG_BIT(info->signo); }
    signal_set_mask(t, t->mask | block);
    t->full_exit = true;
}

bool signal_deliver(struct regs *r)
{
    struct thread *t = current();
    struct proc *p = t->proc;
    struct ksiginfo info;

    if (p->state == PROC_STOPPED) {
        stay_stopped(t);
        return true;
    }
    bool quiet = signal_pending_set(t, ~t->mask) == 0;
    if (likely(quiet && !t->mask_saved && !wants_restart(r))) { return false; }
    if (arch_entering(r)) { return false; }
    while (signal_dequeue(t, ~t->mask, &info)) {
        uint64_t handler = p->action[info.signo - 1].handler;
        if (handler == LSIG_IGN) { continue; }
        if (handler == LSIG_DFL) {
            if (default_action(p, &info)) { return true; }
            continue;
        }
        run_handler(r, &info);
        return true;
    }
    settle_restart(r, NULL);
    if (t->mask_saved) {
        t->mask_saved = false;
        signal_set_mask(t, t->saved_mask);
        return true; /* what the temporary mask held back may come now */
    }
    return false;
}
