/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users, groups, capabilities. Kept per process: the library OS and the application share a protection domain, so these
 * are what programs expect to see, not a boundary (README). Every thread of a process changes together; libraries that
 * send each thread the same call find it done.
 */
#include "guest/fs/fs.h"
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"
#include "guest/task/proc.h"

#define CAP_SETGID  6
#define CAP_SETUID  7
#define CAP_SETPCAP 8
#define CAP_LAST    40
#define ID_KEEP     UINT32_MAX

static struct cred *cred(void) { return &current_proc()->cred; }
static bool capable(int cap) { return (cred()->cap_effective >> cap & 1) != 0; }

/* After the user ids changed, as setuid family rules of capabilities(7) say. */
static void fix_caps(struct cred *c, const struct cred *old)
{
    bool had_root = old->ruid == 0 || old->euid == 0 || old->suid == 0;
    bool has_root = c->ruid == 0 || c->euid == 0 || c->suid == 0;
    if (had_root && !has_root && !c->keep_caps) {
        c->cap_permitted = c->cap_effective = 0;
        c->cap_ambient = 0;
    }
    if (old->euid == 0 && c->euid != 0) { c->cap_effective = 0; }
    if (old->euid != 0 && c->euid == 0) { c->cap_effective = c->cap_permitted; }
}

/* [capabilities(7), transformation during execve; there are no capabilities of files] */
bool cred_exec(const struct file *f, struct cred *out)
{
    struct cred *c = out;

    *c = *cred();
    if (!current_proc()->no_new_privs) { file_exec_ids(f, &c->euid, &c->egid); }
    bool gains = c->euid != c->ruid || c->egid != c->rgid;
    c->suid = c->fsuid = c->euid;
    c->sgid = c->fsgid = c->egid;
    c->keep_caps = false;
    if (gains) { c->cap_ambient = 0; }
    c->cap_permitted = c->cap_ambient;
    if (c->ruid == 0 || c->euid == 0) { c->cap_permitted |= c->cap_inheritable | c->cap_bounding; }
    c->cap_effective = c->euid == 0 ? c->cap_permitted : c->cap_ambient;
    return gains;
}

int64_t sys_getuid(const uint64_t a[6]) { return (void)a, cred()->ruid; }
int64_t sys_geteuid(const uint64_t a[6]) { return (void)a, cred()->euid; }
int64_t sys_getgid(const uint64_t a[6]) { return (void)a, cred()->rgid; }
int64_t sys_getegid(const uint64_t a[6]) { return (void)a, cred()->egid; }

int64_t sys_setuid(const uint64_t a[6])
{
    uint32_t id = (uint32_t)a[0];
    struct cred *c = cred(), old = *c;

    if (id == ID_KEEP) { return -EINVAL; }
    if (capable(CAP_SETUID)) {
        c->ruid = c->suid = id;
    } else if (id != c->ruid && id != c->suid) {
        return -EPERM;
    }
    c->euid = c->fsuid = id;
    fix_caps(c, &old);
    return 0;
}

int64_t sys_setgid(const uint64_t a[6])
{
    uint32_t id = (uint32_t)a[0];
    struct cred *c = cred();

    if (id == ID_KEEP) { return -EINVAL; }
    if (capable(CAP_SETGID)) {
        c->rgid = c->sgid = id;
    } else if (id != c->rgid && id != c->sgid) {
        return -EPERM;
    }
    c->egid = c->fsgid = id;
    return 0;
}

int64_t sys_setreuid(const uint64_t a[6])
{
    uint32_t r = (uint32_t)a[0], e = (uint32_t)a[1];
    struct cred *c = cred(), old = *c;

    if (!capable(CAP_SETUID)) {
        if (r != ID_KEEP && r != c->ruid && r != c->euid) { return -EPERM; }
        if (e != ID_KEEP && e != c->ruid && e != c->euid && e != c->suid) { return -EPERM; }
    }
    if (r != ID_KEEP) { c->ruid = r; }
    if (e != ID_KEEP) { c->euid = e; }
    if (r != ID_KEEP || (e != ID_KEEP && e != old.ruid)) { c->suid = c->euid; }
    c->fsuid = c->euid;
    fix_caps(c, &old);
    return 0;
}

int64_t sys_setregid(const uint64_t a[6])
{
    uint32_t r = (uint32_t)a[0], e = (uint32_t)a[1];
    struct cred *c = cred(), old = *c;

    if (!capable(CAP_SETGID)) {
        if (r != ID_KEEP && r != c->rgid && r != c->egid) { return -EPERM; }
        if (e != ID_KEEP && e != c->rgid && e != c->egid && e != c->sgid) { return -EPERM; }
    }
    if (r != ID_KEEP) { c->rgid = r; }
    if (e != ID_KEEP) { c->egid = e; }
    if (r != ID_KEEP || (e != ID_KEEP && e != old.rgid)) { c->sgid = c->egid; }
    c->fsgid = c->egid;
    return 0;
}

static bool one_of(uint32_t id, uint32_t r, uint32_t e, uint32_t s)
{
    return id == ID_KEEP || id == r || id == e || id == s;
}

int64_t sys_setresuid(const uint64_t a[6])
{
    uint32_t r = (uint32_t)a[0], e = (uint32_t)a[1], s = (uint32_t)a[2];
    struct cred *c = cred(), old = *c;

    if (!capable(CAP_SETUID) &&
        !(one_of(r, c->ruid, c->euid, c->suid) && one_of(e, c->ruid, c->euid, c->suid) &&
          one_of(s, c->ruid, c->euid, c->suid))) {
        return -EPERM;
    }
    if (r != ID_KEEP) { c->ruid = r; }
    if (e != ID_KEEP) { c->euid = e; }
    if (s != ID_KEEP) { c->suid = s; }
    c->fsuid = c->euid;
    fix_caps(c, &old);
    return 0;
}

int64_t sys_setresgid(const uint64_t a[6])
{
    uint32_t r = (uint32_t)a[0], e = (uint32_t)a[1], s = (uint32_t)a[2];
    struct cred *c = cred();

    if (!capable(CAP_SETGID) &&
        !(one_of(r, c->rgid, c->egid, c->sgid) && one_of(e, c->rgid, c->egid, c->sgid) &&
          one_of(s, c->rgid, c->egid, c->sgid))) {
        return -EPERM;
    }
    if (r != ID_KEEP) { c->rgid = r; }
    if (e != ID_KEEP) { c->egid = e; }
    if (s != ID_KEEP) { c->sgid = s; }
    c->fsgid = c->egid;
    return 0;
}

static int64_t put3(const uint64_t a[6], uint32_t r, uint32_t e, uint32_t s)
{
    return put_user_u32(a[0], r) != 0 || put_user_u32(a[1], e) != 0 || put_user_u32(a[2], s) != 0
               ? -EFAULT
               : 0;
}
int64_t sys_getresuid(const uint64_t a[6])
{
    return put3(a, cred()->ruid, cred()->euid, cred()->suid);
}
int64_t sys_getresgid(const uint64_t a[6])
{
    return put3(a, cred()->rgid, cred()->egid, cred()->sgid);
}

/* Both answer the old id, whatever happened. */
int64_t sys_setfsuid(const uint64_t a[6])
{
    struct cred *c = cred();
    uint32_t old = c->fsuid, id = (uint32_t)a[0];
    if (id != ID_KEEP &&
        (capable(CAP_SETUID) || id == c->fsuid || one_of(id, c->ruid, c->euid, c->suid))) {
        c->fsuid = id;
    }
    return old;
}

int64_t sys_setfsgid(const uint64_t a[6])
{
    struct cred *c = cred();
    uint32_t old = c->fsgid, id = (uint32_t)a[0];
    if (id != ID_KEEP &&
        (capable(CAP_SETGID) || id == c->fsgid || one_of(id, c->rgid, c->egid, c->sgid))) {
        c->fsgid = id;
    }
    return old;
}

int64_t sys_getgroups(const uint64_t a[6])
{
    const struct cred *c = cred();
    int32_t size = (int32_t)a[0];

    if (size < 0) { return -EINVAL; }
    if (size == 0) { return c->groups_count; }
    if ((uint32_t)size < c->groups_count) { return -EINVAL; }
    if (copy_to_user(a[1], c->groups, c->groups_count * sizeof c->groups[0]) != 0) {
        return -EFAULT;
    }
    return c->groups_count;
}

int64_t sys_setgroups(const uint64_t a[6])
{
    uint32_t groups[NGROUPS_MAX];

    if (!capable(CAP_SETGID)) { return -EPERM; }
    if (a[0] > NGROUPS_MAX) { return -EINVAL; }
    if (copy_from_user(groups, a[1], a[0] * sizeof groups[0]) != 0) { return -EFAULT; }
    memcpy(cred()->groups, groups, a[0] * sizeof groups[0]);
    cred()->groups_count = (uint32_t)a[0];
    return 0;
}

/* ---- capabilities --------------------------------------------------------------------------------------------------- */

#define CAP_VERSION_1 0x19980330u
#define CAP_VERSION_2 0x20071026u
#define CAP_VERSION_3 0x20080522u

struct lcap_header {
    uint32_t version;
    int32_t pid;
};
struct lcap_data {
    uint32_t effective, permitted, inheritable;
};

/* Words of data for the version, 0 when unknown (then the version we speak is written back). */
static int cap_header(uint64_t va, struct lcap_header *h, unsigned *out_words)
{
    if (copy_from_user(h, va, sizeof *h) != 0) { return -EFAULT; }
    if (h->version == CAP_VERSION_2 || h->version == CAP_VERSION_3) {
        *out_words = 2;
    } else if (h->version == CAP_VERSION_1) {
        *out_words = 1;
    } else {
        return put_user_u32(va, CAP_VERSION_3) != 0 ? -EFAULT : -EINVAL;
    }
    return h->pid < 0 ? -EINVAL : 0;
}

int64_t sys_capget(const uint64_t a[6])
{
    struct lcap_header h;
    unsigned words;
    int e = cap_header(a[0], &h, &words);

    if (e != 0) { return e == -EINVAL && a[1] == 0 ? 0 : e; }
    struct proc *p = current_proc();
    if (h.pid != 0) {
        struct thread *t = thread_find(h.pid);
        if (t == NULL) { return -ESRCH; }
        p = t->proc;
    }
    const struct cred *c = &p->cred;
    struct lcap_data d[2] = {
        {(uint32_t)c->cap_effective, (uint32_t)c->cap_permitted, (uint32_t)c->cap_inheritable},
        {(uint32_t)(c->cap_effective >> 32), (uint32_t)(c->cap_permitted >> 32),
         (uint32_t)(c->cap_inheritable >> 32)},
    };
    return copy_to_user(a[1], d, words * sizeof d[0]);
}

int64_t sys_capset(const uint64_t a[6])
{
    struct lcap_header h;
    struct lcap_data d[2] = {{0}};
    unsigned words;
    int e = cap_header(a[0], &h, &words);

    if (e != 0) { return e; }
    if (h.pid != 0 && thread_find(h.pid) != current()) { return -EPERM; }
    if (copy_from_user(d, a[1], words * sizeof d[0]) != 0) { return -EFAULT; }
    uint64_t effective = d[0].effective | (uint64_t)d[1].effective << 32;
    uint64_t permitted = d[0].permitted | (uint64_t)d[1].permitted << 32;
    uint64_t inheritable = d[0].inheritable | (uint64_t)d[1].inheritable << 32;
    struct cred *c = cred();
    if ((permitted & ~c->cap_permitted) != 0 || (effective & ~permitted) != 0) { return -EPERM; }
    if ((inheritable & ~(c->cap_inheritable | c->cap_bounding)) != 0) { return -EPERM; }
    c->cap_effective = effective;
    c->cap_permitted = permitted;
    c->cap_inheritable = inheritable;
    c->cap_ambient &= permitted & inheritable;
    return 0;
}

#define PR_CAP_AMBIENT_IS_SET    1
#define PR_CAP_AMBIENT_RAISE     2
#define PR_CAP_AMBIENT_LOWER     3
#define PR_CAP_AMBIENT_CLEAR_ALL 4

int64_t prctl_cap_ambient(uint64_t op, uint64_t cap)
{
    struct cred *c = cred();
    if (op == PR_CAP_AMBIENT_CLEAR_ALL) {
        c->cap_ambient = 0;
        return 0;
    }
    if (cap > CAP_LAST) { return -EINVAL; }
    uint64_t bit = 1ull << cap;
    switch (op) {
    case PR_CAP_AMBIENT_IS_SET: return (c->cap_ambient & bit) != 0;
    case PR_CAP_AMBIENT_RAISE:
        if ((c->cap_permitted & c->cap_inheritable & bit) == 0) { return -EPERM; }
        c->cap_ambient |= bit;
        return 0;
    case PR_CAP_AMBIENT_LOWER: c->cap_ambient &= ~bit; return 0;
    default: return -EINVAL;
    }
}

int64_t prctl_cap_bounding(uint64_t cap, bool drop)
{
    struct cred *c = cred();
    if (cap > CAP_LAST) { return -EINVAL; }
    if (!drop) { return (int64_t)(c->cap_bounding >> cap & 1); }
    if (!capable(CAP_SETPCAP)) { return -EPERM; }
    c->cap_bounding &= ~(1ull << cap);
    return 0;
}
