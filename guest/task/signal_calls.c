/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls of signals: decode, check, and hand to signal.c. */
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"
#include "guest/task/proc.h"

#define SIGSET_SIZE    8u
#define SIG_BLOCK      0
#define SIG_UNBLOCK    1
#define SIG_SETMASK    2
#define SA_UNSUPPORTED 0x400ull

struct lsigaction {
    uint64_t handler, flags, restorer, mask;
};

int64_t sys_rt_sigaction(const uint64_t a[6])
{
    int32_t signo = (int32_t)a[0];
    struct proc *p = current_proc();
    struct lsigaction new;

    if (a[3] != SIGSET_SIZE || signo < 1 || signo > 64) { return -EINVAL; }
    if (a[1] != 0 && (SIG_BIT(signo) & SIG_UNBLOCKABLE) != 0) { return -EINVAL; }
    struct sigaction_k *sa = &p->action[signo - 1];
    struct lsigaction old = {sa->handler, sa->flags, sa->restorer, sa->mask};
    if (a[1] != 0) {
        if (copy_from_user(&new, a[1], sizeof new) != 0) { return -EFAULT; }
        *sa = (struct sigaction_k){
            .handler = new.handler,
            .flags = (uint32_t) new.flags & ~SA_UNSUPPORTED, /* the upper half may be garbage */
            .restorer = new.restorer,
            .mask = new.mask & ~SIG_UNBLOCKABLE,
        };
        if (signal_ignored(p, signo)) { signal_forget(p, signo); }
    }
    return a[2] != 0 ? copy_to_user(a[2], &old, sizeof old) : 0;
}

int64_t sys_rt_sigprocmask(const uint64_t a[6])
{
    struct thread *t = current();
    uint64_t old = t->mask, set;

    if (a[3] != SIGSET_SIZE) { return -EINVAL; }
    if (a[1] != 0) {
        if (get_user_u64(a[1], &set) != 0) { return -EFAULT; }
        switch ((int32_t)a[0]) {
        case SIG_BLOCK: signal_set_mask(t, old | set); break;
        case SIG_UNBLOCK: signal_set_mask(t, old & ~set); break;
        case SIG_SETMASK: signal_set_mask(t, set); break;
        default: return -EINVAL;
        }
    }
    return a[2] != 0 ? put_user_u64(a[2], old) : 0;
}

int64_t sys_rt_sigpending(const uint64_t a[6])
{
    struct thread *t = current();
    uint64_t set = signal_pending_set(t, t->mask);
    if (a[1] > SIGSET_SIZE) { return -EINVAL; }
    return copy_to_user(a[0], &set, a[1]);
}

int64_t sys_rt_sigsuspend(const uint64_t a[6])
{
    uint64_t set;
    if (a[1] != SIGSET_SIZE) { return -EINVAL; }
    if (get_user_u64(a[0], &set) != 0) { return -EFAULT; }
    signal_mask_temporary(set);
    while (thread_sleep(NO_DEADLINE, true) == 0) {}
    return -ERESTARTNOHAND;
}

int64_t sys_pause(const uint64_t a[6])
{
    (void)a;
    while (thread_sleep(NO_DEADLINE, true) == 0) {}
    return -ERESTARTNOHAND;
}

int64_t sys_rt_sigtimedwait(const uint64_t a[6])
{
    struct thread *t = current();
    struct ksiginfo info;
    struct ltimespec timeout;
    uint64_t set, ns, deadline = NO_DEADLINE;

    if (a[3] != SIGSET_SIZE) { return -EINVAL; }
    if (get_user_u64(a[0], &set) != 0) { return -EFAULT; }
    set &= ~SIG_UNBLOCKABLE;
    if (a[2] != 0) {
        if (copy_from_user(&timeout, a[2], sizeof timeout) != 0) { return -EFAULT; }
        if (!timespec_ns(timeout, &ns)) { return -EINVAL; }
        deadline = deadline_after(ns);
    }
    int r = 0;
    bool got;
    while (!(got = signal_dequeue(t, set, &info)) && r == 0) {
        t->sigwait = set;
        r = thread_sleep(deadline, true);
        t->sigwait = 0;
    }
    if (!got) { return r == -ETIMEDOUT ? -EAGAIN : -EINTR; }
    if (a[1] != 0) {
        uint8_t raw[128];
        siginfo_pack(raw, &info);
        if (copy_to_user(a[1], raw, sizeof raw) != 0) { return -EFAULT; }
    }
    return info.signo;
}

/* ---- sending ---------------------------------------------------------------------------------------------------------- */

int signal_allowed(const struct proc *p, int signo)
{
    const struct cred *c = &current_proc()->cred;
    if (c->euid == 0 || c->euid == p->cred.suid || c->euid == p->cred.ruid ||
        c->ruid == p->cred.suid || c->ruid == p->cred.ruid) {
        return 0;
    }
    return signo == LSIG_CONT && current_proc()->sid == p->sid ? 0 : -EPERM;
}

static int send(struct proc *p, struct thread *t, const struct ksiginfo *info)
{
    int e = signal_allowed(p, info->signo);
    if (e != 0 || info->signo == 0) { return e; }
    return signal_send(p, t, info);
}

static struct ksiginfo from_self(int signo, int code)
{
    const struct proc *p = current_proc();
    return (struct ksiginfo){.signo = signo, .code = code, .pid = p->pid, .uid = p->cred.ruid};
}

/* To everybody selected: success when at least one took it. */
static int send_many(int32_t pgid, bool all, const struct ksiginfo *info)
{
    struct proc *self = current_proc();
    int r = -ESRCH;
    bool sent = false;

    PROC_EACH(p)
    {
        if (!proc_visible(p)) { continue; }
        if (all ? (p == self || p->pid == 1) : p->pgid != pgid) { continue; }
        int e = send(p, NULL, info);
        sent = sent || e == 0;
        if (r == -ESRCH || e != -EPERM) { r = e; }
    }
    return sent ? 0 : r;
}

int64_t sys_kill(const uint64_t a[6])
{
    int32_t pid = (int32_t)a[0], signo = (int32_t)a[1];

    if (signo < 0 || signo > 64) { return -EINVAL; }
    struct ksiginfo info = from_self(signo, LSI_USER);
    if (pid > 0) {
        struct proc *p = proc_find(pid);
        return p != NULL ? send(p, NULL, &info) : -ESRCH;
    }
    if (pid == INT32_MIN) { return -ESRCH; }
    if (pid == -1) { return send_many(0, true, &info); }
    return send_many(pid == 0 ? current_proc()->pgid : -pid, false, &info);
}

static int64_t send_to_thread(int32_t tgid, int32_t tid, int32_t signo, const struct ksiginfo *info)
{
    if (tid <= 0 || signo < 0 || signo > 64) { return -EINVAL; }
    struct thread *t = thread_find(tid);
    if (t == NULL || (tgid > 0 && t->proc->pid != tgid)) { return -ESRCH; }
    return send(t->proc, t, info);
}

int64_t sys_tkill(const uint64_t a[6])
{
    struct ksiginfo info = from_self((int32_t)a[1], LSI_TKILL);
    return send_to_thread(0, (int32_t)a[0], (int32_t)a[1], &info);
}

int64_t sys_tgkill(const uint64_t a[6])
{
    struct ksiginfo info = from_self((int32_t)a[2], LSI_TKILL);
    if ((int32_t)a[0] <= 0) { return -EINVAL; }
    return send_to_thread((int32_t)a[0], (int32_t)a[1], (int32_t)a[2], &info);
}

/* The caller's siginfo as it is; only the kernel may claim to be the kernel, and only towards others. */
static int get_raw(uint64_t va, int32_t signo, bool self, struct ksiginfo *out)
{
    int32_t code;
    *out = (struct ksiginfo){.signo = signo, .is_raw = true};
    if (copy_from_user(out->raw, va, sizeof out->raw) != 0) { return -EFAULT; }
    memcpy(&code, out->raw + 8, sizeof code);
    if ((code >= 0 || code == LSI_TKILL) && !self) { return -EPERM; }
    memcpy(out->raw, &signo, sizeof signo);
    out->code = code;
    memcpy(&out->pid, out->raw + 16, sizeof out->pid);
    memcpy(&out->uid, out->raw + 20, sizeof out->uid);
    memcpy(&out->value, out->raw + 24, sizeof out->value);
    return 0;
}

int64_t sys_rt_sigqueueinfo(const uint64_t a[6])
{
    struct ksiginfo info;
    int32_t pid = (int32_t)a[0], signo = (int32_t)a[1];

    int e = get_raw(a[2], signo, pid == current_proc()->pid, &info);
    if (e != 0) { return e; }
    if (signo < 0 || signo > 64) { return -EINVAL; }
    struct proc *p = pid > 0 ? proc_find(pid) : NULL;
    return p != NULL ? send(p, NULL, &info) : -ESRCH;
}

int64_t sys_rt_tgsigqueueinfo(const uint64_t a[6])
{
    struct ksiginfo info;
    int32_t tgid = (int32_t)a[0], signo = (int32_t)a[2];

    if (tgid <= 0) { return -EINVAL; }
    int e = get_raw(a[3], signo, tgid == current_proc()->pid, &info);
    return e != 0 ? e : send_to_thread(tgid, (int32_t)a[1], signo, &info);
}
