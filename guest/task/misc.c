/* SPDX-License-Identifier: Apache-2.0 */
/* Calls about the machine and the process that need no module of their own: uname, sysinfo, prctl, arch_prctl, … */
#include "guest/mm/mm.h"
#include "guest/random.h"
#include "guest/sys/sys.h"
#include "guest/task/proc.h"

#define UTS_FIELD 65

/* Programs want a kernel they know; what exactly is here is said by `version`. */
int64_t sys_uname(const uint64_t a[6])
{
    char uts[6][UTS_FIELD] = {"Linux",  "",      "6.1.0-casemate", "#1 SMP Casemate library OS",
                              "x86_64", "(none)"};
    (void)fmt(uts[1], UTS_FIELD, "%s", host_name());
    return copy_to_user(a[0], uts, sizeof uts);
}

struct lsysinfo {
    int64_t uptime;
    uint64_t loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap;
    uint16_t procs, pad;
    uint32_t pad2;
    uint64_t totalhigh, freehigh;
    uint32_t mem_unit, pad3;
};
ABI_SIZE(struct lsysinfo, 112);

int64_t sys_sysinfo(const uint64_t a[6])
{
    struct lsysinfo s = {
        .uptime = (int64_t)((clock_mono_ns() + NS_PER_S - 1) / NS_PER_S), /* Linux rounds up */
        .totalram = mem_total_pages() * PAGE_SIZE,
        .freeram = mem_free_pages() * PAGE_SIZE,
        .mem_unit = 1,
    };
    PROC_EACH(p) { s.procs = (uint16_t)(s.procs + proc_visible(p)); }
    return copy_to_user(a[0], &s, sizeof s);
}

int64_t sys_getrandom(const uint64_t a[6])
{
    uint8_t buf[256];
    uint64_t len = min_u64(a[1], INT32_MAX);

    if ((a[2] & ~7ull) != 0 || (a[2] & 6) == 6) { return -EINVAL; }
    for (uint64_t done = 0; done < len;) {
        size_t n = min_u64(len - done, sizeof buf);
        random_bytes(buf, n);
        if (copy_to_user(a[0] + done, buf, n) != 0) { return done != 0 ? (int64_t)done : -EFAULT; }
        done += n;
    }
    return (int64_t)len;
}

#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004

int64_t sys_arch_prctl(const uint64_t a[6])
{
    switch ((int32_t)a[0]) {
    case ARCH_SET_FS:
        if (!user_range_ok(a[1], 0)) { return -EPERM; }
        arch_fs_set(a[1]);
        return 0;
    case ARCH_GET_FS: return put_user_u64(a[1], arch_fs_get());
    case ARCH_GET_GS: return put_user_u64(a[1], 0);
    case ARCH_SET_GS: return -EPERM; /* GS belongs to the library OS */
    default: return -EINVAL;
    }
}

int64_t sys_personality(const uint64_t a[6])
{
    struct proc *p = current_proc();
    uint64_t old = p->personality;
    if ((uint32_t)a[0] != 0xffffffffu) { p->personality = (uint32_t)a[0]; }
    return (int64_t)old;
}

/* ---- prctl ------------------------------------------------------------------------------------------------------------ */

#define PR_SET_PDEATHSIG       1
#define PR_GET_PDEATHSIG       2
#define PR_GET_DUMPABLE        3
#define PR_SET_DUMPABLE        4
#define PR_GET_KEEPCAPS        7
#define PR_SET_KEEPCAPS        8
#define PR_SET_NAME            15
#define PR_GET_NAME            16
#define PR_CAPBSET_READ        23
#define PR_CAPBSET_DROP        24
#define PR_GET_SECUREBITS      27
#define PR_SET_TIMERSLACK      29
#define PR_GET_TIMERSLACK      30
#define PR_SET_CHILD_SUBREAPER 36
#define PR_GET_CHILD_SUBREAPER 37
#define PR_SET_NO_NEW_PRIVS    38
#define PR_GET_NO_NEW_PRIVS    39
#define PR_GET_TID_ADDRESS     40
#define PR_SET_THP_DISABLE     41
#define PR_GET_THP_DISABLE     42
#define PR_CAP_AMBIENT         47

static int64_t set_name(uint64_t va)
{
    struct thread *t = current();
    char name[COMM_SIZE];
    int64_t n = user_string(name, va, sizeof name);
    if (n == -EFAULT) { return n; }
    if (n < 0) { n = COMM_SIZE - 1; } /* cut, as Linux does */
    memset(t->comm, 0, sizeof t->comm);
    memcpy(t->comm, name, (size_t)n);
    if (t->tid == t->proc->pid) { memcpy(t->proc->comm, t->comm, sizeof t->comm); }
    return 0;
}

int64_t sys_prctl(const uint64_t a[6])
{
    struct proc *p = current_proc();
    uint64_t v = a[1];

    switch ((int32_t)a[0]) {
    case PR_SET_PDEATHSIG:
        if (v > 64) { return -EINVAL; }
        p->pdeathsig = (int32_t)v;
        return 0;
    case PR_GET_PDEATHSIG: return put_user_u32(v, (uint32_t)p->pdeathsig);
    case PR_GET_DUMPABLE: return p->dumpable;
    case PR_SET_DUMPABLE:
        if (v > 1) { return -EINVAL; }
        p->dumpable = v != 0;
        return 0;
    case PR_GET_KEEPCAPS: return p->cred.keep_caps;
    case PR_SET_KEEPCAPS:
        if (v > 1) { return -EINVAL; }
        p->cred.keep_caps = v != 0;
        return 0;
    case PR_SET_NAME: return set_name(v);
    case PR_GET_NAME: return copy_to_user(v, current()->comm, COMM_SIZE);
    case PR_CAPBSET_READ: return prctl_cap_bounding(v, false);
    case PR_CAPBSET_DROP: return prctl_cap_bounding(v, true);
    case PR_GET_SECUREBITS: return 0;
    case PR_SET_TIMERSLACK: p->timer_slack_ns = v != 0 ? (uint32_t)v : 50000; return 0;
    case PR_GET_TIMERSLACK: return p->timer_slack_ns;
    case PR_SET_CHILD_SUBREAPER: p->subreaper = v != 0; return 0;
    case PR_GET_CHILD_SUBREAPER: return put_user_u32(v, p->subreaper);
    case PR_SET_NO_NEW_PRIVS:
        if (v != 1 || a[2] != 0 || a[3] != 0 || a[4] != 0) { return -EINVAL; }
        p->no_new_privs = true;
        return 0;
    case PR_GET_NO_NEW_PRIVS: return p->no_new_privs;
    case PR_GET_TID_ADDRESS: return put_user_u64(v, current()->clear_child_tid);
    case PR_SET_THP_DISABLE: return 0;
    case PR_GET_THP_DISABLE: return 0;
    case PR_CAP_AMBIENT: return prctl_cap_ambient(v, a[2]);
    default: return -EINVAL;
    }
}
