/* SPDX-License-Identifier: Apache-2.0 */
/* Resource limits, priorities, scheduling parameters: kept and answered; the scheduler itself knows no priorities. */
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"
#include "guest/task/proc.h"

#define RLIMIT_NOFILE 7
#define NOFILE_MAX    1048576u

struct lrlimit {
    uint64_t cur, max;
};

static struct proc *limits_of(int32_t pid)
{
    if (pid == 0) { return current_proc(); }
    struct thread *t = thread_find(pid);
    return t != NULL ? t->proc : NULL;
}

static int64_t set_limit(struct proc *p, uint32_t resource, const struct lrlimit *l)
{
    if (l->cur > l->max) { return -EINVAL; }
    if (resource == RLIMIT_NOFILE && l->max > NOFILE_MAX) { return -EPERM; }
    if (l->max > p->rlim[resource].max && current_proc()->cred.euid != 0) { return -EPERM; }
    p->rlim[resource].cur = l->cur;
    p->rlim[resource].max = l->max;
    return 0;
}

int64_t sys_prlimit64(const uint64_t a[6])
{
    struct proc *p = limits_of((int32_t)a[0]);
    uint32_t resource = (uint32_t)a[1];
    struct lrlimit new;

    if (resource >= RLIM_COUNT) { return -EINVAL; }
    if (p == NULL) { return -ESRCH; }
    if (p != current_proc() && signal_allowed(p, 0) != 0) { return -EPERM; }
    if (a[2] != 0 && copy_from_user(&new, a[2], sizeof new) != 0) { return -EFAULT; }
    struct lrlimit old = {p->rlim[resource].cur, p->rlim[resource].max};
    if (a[2] != 0) {
        int64_t e = set_limit(p, resource, &new);
        if (e != 0) { return e; }
    }
    return a[3] != 0 ? copy_to_user(a[3], &old, sizeof old) : 0;
}

int64_t sys_getrlimit(const uint64_t a[6])
{
    const uint64_t b[6] = {0, a[0], 0, a[1]};
    return a[1] == 0 ? -EFAULT : sys_prlimit64(b);
}

int64_t sys_setrlimit(const uint64_t a[6])
{
    const uint64_t b[6] = {0, a[0], a[1], 0};
    return a[1] == 0 ? -EFAULT : sys_prlimit64(b);
}

/* ---- nice ------------------------------------------------------------------------------------------------------------ */

#define PRIO_PROCESS 0
#define PRIO_PGRP    1
#define PRIO_USER    2

static bool selected(const struct proc *p, int which, int32_t who)
{
    const struct proc *self = current_proc();
    if (!proc_visible(p)) { return false; }
    switch (which) {
    case PRIO_PROCESS: return p->pid == (who != 0 ? who : self->pid);
    case PRIO_PGRP: return p->pgid == (who != 0 ? who : self->pgid);
    default: return p->cred.ruid == (who != 0 ? (uint32_t)who : self->cred.ruid);
    }
}

int64_t sys_getpriority(const uint64_t a[6])
{
    int64_t best = -ESRCH;
    if ((int32_t)a[0] < PRIO_PROCESS || (int32_t)a[0] > PRIO_USER) { return -EINVAL; }
    PROC_EACH(p)
    {
        if (selected(p, (int)a[0], (int32_t)a[1]) && 20 - p->nice > best) { best = 20 - p->nice; }
    }
    return best;
}

int64_t sys_setpriority(const uint64_t a[6])
{
    int32_t nice = (int32_t)a[2];
    int64_t r = -ESRCH;

    if ((int32_t)a[0] < PRIO_PROCESS || (int32_t)a[0] > PRIO_USER) { return -EINVAL; }
    if (nice < -20) { nice = -20; }
    if (nice > 19) { nice = 19; }
    PROC_EACH(p)
    {
        if (!selected(p, (int)a[0], (int32_t)a[1])) { continue; }
        if (nice < p->nice && current_proc()->cred.euid != 0) {
            r = -EACCES;
        } else {
            p->nice = nice;
            if (r == -ESRCH) { r = 0; }
        }
    }
    return r;
}

/* ---- scheduling parameters: everybody is SCHED_OTHER ------------------------------------------------------------------- */

#define SCHED_OTHER 0
#define SCHED_FIFO  1
#define SCHED_RR    2
#define SCHED_BATCH 3
#define SCHED_IDLE  5

static bool thread_exists(uint64_t tid)
{
    return (int32_t)tid == 0 || thread_find((int32_t)tid) != NULL;
}

int64_t sys_sched_getscheduler(const uint64_t a[6])
{
    if ((int32_t)a[0] < 0) { return -EINVAL; }
    return thread_exists(a[0]) ? SCHED_OTHER : -ESRCH;
}

int64_t sys_sched_getparam(const uint64_t a[6])
{
    if ((int32_t)a[0] < 0 || a[1] == 0) { return -EINVAL; }
    return thread_exists(a[0]) ? put_user_u32(a[1], 0) : -ESRCH;
}

static int64_t set_policy(uint64_t tid, int policy, uint64_t param)
{
    uint32_t priority;
    if (param == 0 || (int32_t)tid < 0) { return -EINVAL; }
    if (!thread_exists(tid)) { return -ESRCH; }
    if (get_user_u32(param, &priority) != 0) { return -EFAULT; }
    switch (policy) {
    case SCHED_OTHER:
    case SCHED_BATCH:
    case SCHED_IDLE: return priority == 0 ? 0 : -EINVAL;
    case SCHED_FIFO:
    case SCHED_RR: return priority >= 1 && priority <= 99 ? -EPERM : -EINVAL;
    default: return -EINVAL;
    }
}

int64_t sys_sched_setparam(const uint64_t a[6]) { return set_policy(a[0], SCHED_OTHER, a[1]); }

int64_t sys_sched_setscheduler(const uint64_t a[6])
{
    return set_policy(a[0], (int)(a[1] & ~0x40000000ull) /* SCHED_RESET_ON_FORK */, a[2]);
}

static int64_t priority_limit(uint64_t policy, int64_t realtime)
{
    switch ((int32_t)policy) {
    case SCHED_OTHER:
    case SCHED_BATCH:
    case SCHED_IDLE: return 0;
    case SCHED_FIFO:
    case SCHED_RR: return realtime;
    default: return -EINVAL;
    }
}
int64_t sys_sched_get_priority_max(const uint64_t a[6]) { return priority_limit(a[0], 99); }
int64_t sys_sched_get_priority_min(const uint64_t a[6]) { return priority_limit(a[0], 1); }

int64_t sys_sched_rr_get_interval(const uint64_t a[6])
{
    struct ltimespec t = {0, 10000000};
    if ((int32_t)a[0] < 0) { return -EINVAL; }
    return thread_exists(a[0]) ? copy_to_user(a[1], &t, sizeof t) : -ESRCH;
}

/* Any mask that leaves a vCPU is accepted; threads go wherever a vCPU is free. */
int64_t sys_sched_setaffinity(const uint64_t a[6])
{
    uint8_t mask[CPU_MAX / 8] = {0};
    if (!thread_exists(a[0])) { return -ESRCH; }
    if (copy_from_user(mask, a[2], min_u64(a[1], sizeof mask)) != 0) { return -EFAULT; }
    uint32_t bits = mask[0] | (uint32_t)mask[1] << 8;
    return (bits & ((1u << cpu_count) - 1)) != 0 ? 0 : -EINVAL;
}

int64_t sys_sched_getaffinity(const uint64_t a[6])
{
    uint64_t mask = (1ull << cpu_count) - 1;
    if (a[1] < sizeof mask || a[1] % sizeof mask != 0) { return -EINVAL; }
    if (!thread_exists(a[0])) { return -ESRCH; }
    return copy_to_user(a[2], &mask, sizeof mask) != 0 ? -EFAULT : (int64_t)sizeof mask;
}

int64_t sys_sched_yield(const uint64_t a[6])
{
    (void)a;
    thread_yield();
    return 0;
}

int64_t sys_getcpu(const uint64_t a[6])
{
    if (a[0] != 0 && put_user_u32(a[0], this_cpu()->id) != 0) { return -EFAULT; }
    return a[1] != 0 ? put_user_u32(a[1], 0) : 0;
}

int64_t sys_ioprio_get(const uint64_t a[6]) { return (void)a, 0; }
int64_t sys_ioprio_set(const uint64_t a[6]) { return (void)a, 0; }
