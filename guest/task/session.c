/* SPDX-License-Identifier: Apache-2.0 */
/* Who a process is to others: pid, parent, group, session. */
#include "guest/sys/sys.h"
#include "guest/task/proc.h"

int64_t sys_getpid(const uint64_t a[6]) { return (void)a, current_proc()->pid; }
int64_t sys_gettid(const uint64_t a[6]) { return (void)a, current()->tid; }
int64_t sys_getpgrp(const uint64_t a[6]) { return (void)a, current_proc()->pgid; }

int64_t sys_getppid(const uint64_t a[6])
{
    (void)a;
    const struct proc *parent = current_proc()->parent;
    return parent != NULL && proc_visible(parent) ? parent->pid : 0;
}

static struct proc *by_pid(int32_t pid) { return pid == 0 ? current_proc() : proc_find(pid); }

int64_t sys_getpgid(const uint64_t a[6])
{
    struct proc *p = by_pid((int32_t)a[0]);
    return p != NULL ? p->pgid : -ESRCH;
}

int64_t sys_getsid(const uint64_t a[6])
{
    struct proc *p = by_pid((int32_t)a[0]);
    return p != NULL ? p->sid : -ESRCH;
}

static bool group_in_session(int32_t pgid, int32_t sid)
{
    bool found = false;
    PROC_EACH(p) { found = found || (p->pgid == pgid && p->sid == sid); }
    return found;
}

int64_t sys_setpgid(const uint64_t a[6])
{
    struct proc *self = current_proc();
    struct proc *p = by_pid((int32_t)a[0]);
    int32_t pgid = (int32_t)a[1];

    if (pgid < 0) { return -EINVAL; }
    if (p == NULL || (p != self && p->parent != self)) { return -ESRCH; }
    if (pgid == 0) { pgid = p->pid; }
    if (p != self && p->sid != self->sid) { return -EPERM; }
    if (p != self && p->execed) { return -EACCES; }
    if (p->sid == p->pid) { return -EPERM; }
    if (pgid != p->pid && !group_in_session(pgid, self->sid)) { return -EPERM; }
    p->pgid = pgid;
    return 0;
}

int64_t sys_setsid(const uint64_t a[6])
{
    (void)a;
    struct proc *self = current_proc();
    bool leads = false;

    PROC_EACH(p) { leads = leads || p->pgid == self->pid; }
    if (leads) { return -EPERM; }
    self->sid = self->pgid = self->pid;
    self->tty = NULL;
    return self->sid;
}
