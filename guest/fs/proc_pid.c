/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID: one process, and under task/ one thread. Formats are Linux's, field by field. [proc(5)] */
#include "guest/fs/computed.h"
#include "guest/fs/tty.h"
#include "guest/mm/mm.h"
#include "guest/task/sched.h"

#define NS_PER_TICK    10000000ull
#define MAP_PROT_READ  1
#define MAP_PROT_WRITE 2
#define MAP_PROT_EXEC  4

/* May the caller look into p? As ptrace access by file-system ids, without the capability sets' fine print. */
static bool may_inspect(const struct proc *p)
{
    const struct cred *c = &current_proc()->cred, *o = &p->cred;

    return p == current_proc() || capable(CAP_SYS_ADMIN) ||
           (c->fsuid == o->euid && c->fsuid == o->ruid && c->fsuid == o->suid && p->dumpable);
}

/* The thread that a node under task/ is about; for /proc/PID itself the first one. NULL: none is left (zombie). */
static struct thread *thread_of(const struct cnode *n, struct proc *p)
{
    if (n->arg >= 0) {
        struct thread *t = thread_find(n->arg);
        return t && t->proc == p ? t : NULL;
    }
    return list_empty(&p->threads) ? NULL : LIST_ENTRY(p->threads.next, struct thread, link);
}

static char state_letter(const struct proc *p, const struct thread *t)
{
    if (p->state == PROC_ZOMBIE) { return 'Z'; }
    if (p->state == PROC_STOPPED) { return 'T'; }
    return t && t->state == THREAD_RUNNABLE ? 'R' : 'S';
}

static const char *state_word(char letter)
{
    switch (letter) {
    case 'R': return "R (running)";
    case 'T': return "T (stopped)";
    case 'Z': return "Z (zombie)";
    default: return "S (sleeping)";
    }
}

static void stat_of(const struct proc *p, struct space_stat *s)
{
    memset(s, 0, sizeof(*s));
    if (p->space) { space_stat(p->space, s); }
}

static int32_t parent_pid(const struct proc *p)
{
    return p->parent && p->parent->internal == p->internal ? p->parent->pid : 0;
}

static const char *name_of(const struct cnode *n, struct proc *p)
{
    const struct thread *t = n->arg >= 0 ? thread_of(n, p) : NULL;
    return t && t->comm[0] ? t->comm : p->comm;
}

static void signal_sets(const struct proc *p, uint64_t *ignored, uint64_t *caught)
{
    *ignored = *caught = 0;
    for (int k = 0; k < 64; k++) {
        if (p->action[k].handler == 1) { *ignored |= 1ull << k; }
        if (p->action[k].handler > 1) { *caught |= 1ull << k; }
    }
}

/* At least width digits. */
static void add_octal(struct text *t, uint32_t v, unsigned width)
{
    char digits[12];
    unsigned at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + v % 8);
        v /= 8;
    } while (v > 0 || sizeof(digits) - at < width);
    text_bytes(t, digits + at, sizeof(digits) - at);
}

/* ---- files of one line ---- */

static void show_stat(struct text *t, const struct cnode *n, struct proc *p)
{
    const struct thread *th = thread_of(n, p);
    uint64_t ignored, caught;
    struct space_stat s;

    stat_of(p, &s);
    signal_sets(p, &ignored, &caught);
    text_add(t, "%d (%s) %c %d %d %d ", n->arg >= 0 ? n->arg : p->pid, name_of(n, p),
             state_letter(p, th), parent_pid(p), p->pgid, p->sid);
    text_add(t, "%d %d %u ", p->tty ? (int)tty_rdev(p->tty) : 0,
             p->tty ? tty_foreground(p->tty) : -1, 0x400000u);
    text_add(t, "%lu %lu 0 0 ", (unsigned long)s.minor_faults, (unsigned long)p->child_minflt);
    text_add(t, "%lu %lu %lu %lu ", (unsigned long)(p->user_ns / NS_PER_TICK),
             (unsigned long)(p->system_ns / NS_PER_TICK),
             (unsigned long)(p->child_user_ns / NS_PER_TICK),
             (unsigned long)(p->child_system_ns / NS_PER_TICK));
    text_add(t, "20 0 %u 0 %lu ", p->thread_count, (unsigned long)(p->start_ns / NS_PER_TICK));
    text_add(t, "%lu %lu %lu ", (unsigned long)(s.size_pages * PAGE_SIZE),
             (unsigned long)s.rss_pages, (unsigned long)p->rlim[5].cur);
    text_add(t, "1 1 %lu 0 0 ",
             (unsigned long)(may_inspect(p) ? s.start_stack
                                            : 0)); /* startcode endcode startstack esp eip */
    text_add(t, "%lu %lu %lu %lu 0 0 0 ", (unsigned long)(p->pending.set & 0x7fffffff),
             (unsigned long)(th ? th->mask & 0x7fffffff : 0), (unsigned long)(ignored & 0x7fffffff),
             (unsigned long)(caught & 0x7fffffff));
    text_add(t, "17 %u 0 0 0 0 0 0 0 ",
             th ? th->cpu : 0); /* exit_signal processor rt_priority policy … end_data */
    text_add(t, "%lu ", (unsigned long)s.start_brk);
    text_add(t, "%lu %lu %lu %lu %d\n", (unsigned long)s.arg_lo, (unsigned long)s.arg_hi,
             (unsigned long)s.env_lo, (unsigned long)s.env_hi, may_inspect(p) ? p->exit_status : 0);
}

static void show_statm(struct text *t, const struct cnode *n, struct proc *p)
{
    struct space_stat s;

    (void)n;
    stat_of(p, &s);
    text_add(t, "%lu %lu %lu %lu 0 %lu 0\n", (unsigned long)s.size_pages,
             (unsigned long)s.rss_pages, (unsigned long)s.shared_pages, (unsigned long)s.text_pages,
             (unsigned long)(s.data_pages + s.stack_pages));
}

static void show_comm(struct text *t, const struct cnode *n, struct proc *p)
{
    text_add(t, "%s\n", name_of(n, p));
}

static int write_comm(const struct cnode *n, struct proc *p, char *bytes, size_t len)
{
    struct thread *t = thread_of(n, p);

    if (p != current_proc()) { return -EINVAL; }
    if (len > 0 && bytes[len - 1] == '\n') { bytes[--len] = 0; }
    (void)fmt(t && n->arg >= 0 ? t->comm : p->comm, COMM_SIZE, "%s", bytes);
    return 0;
}

static void show_range(struct text *t, struct proc *p, uint64_t lo, uint64_t hi)
{
    char buf[256];

    while (p->space && lo < hi) {
        size_t n = (size_t)min_u64(hi - lo, sizeof(buf)), got = space_read(p->space, lo, buf, n);
        text_bytes(t, buf, got);
        if (got < n) { return; }
        lo += n;
    }
}

static void show_cmdline(struct text *t, const struct cnode *n, struct proc *p)
{
    struct space_stat s;

    (void)n;
    stat_of(p, &s);
    show_range(t, p, s.arg_lo, s.arg_hi);
}

static void show_environ(struct text *t, const struct cnode *n, struct proc *p)
{
    struct space_stat s;

    (void)n;
    stat_of(p, &s);
    if (may_inspect(p)) { show_range(t, p, s.env_lo, s.env_hi); }
}

static void show_io(struct text *t, const struct cnode *n, struct proc *p)
{
    (void)n, (void)p;
    text_add(
        t,
        "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n");
}

static void show_limits(struct text *t, const struct cnode *n, struct proc *p)
{
    static const struct {
        const char *name, *unit;
    } limits[RLIM_COUNT] = {
        {"Max cpu time", "seconds"},     {"Max file size", "bytes"},
        {"Max data size", "bytes"},      {"Max stack size", "bytes"},
        {"Max core file size", "bytes"}, {"Max resident set", "bytes"},
        {"Max processes", "processes"},  {"Max open files", "files"},
        {"Max locked memory", "bytes"},  {"Max address space", "bytes"},
        {"Max file locks", "locks"},     {"Max pending signals", "signals"},
        {"Max msgqueue size", "bytes"},  {"Max nice priority", ""},
        {"Max realtime priority", ""},   {"Max realtime timeout", "us"},
    };

    (void)n;
    text_add(t, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for (int k = 0; k < RLIM_COUNT; k++) {
        char value[2][24];
        for (int h = 0; h < 2; h++) {
            uint64_t v = h ? p->rlim[k].max : p->rlim[k].cur;
            (void)(v == UINT64_MAX ? fmt(value[h], 24, "unlimited")
                                   : fmt(value[h], 24, "%lu", (unsigned long)v));
        }
        text_add(t, "%-25s %-20s %-20s %-10s\n", limits[k].name, value[0], value[1],
                 limits[k].unit);
    }
}

static int write_nothing(const struct cnode *n, struct proc *p, char *bytes, size_t len)
{
    (void)n, (void)p, (void)bytes, (void)len;
    return 0;
}

/* ---- status ---- */

static void show_status(struct text *t, const struct cnode *n, struct proc *p)
{
    const struct thread *th = thread_of(n, p);
    const struct cred *c = &p->cred;
    uint64_t ignored, caught;
    struct space_stat s;

    stat_of(p, &s);
    signal_sets(p, &ignored, &caught);
    text_add(t, "Name:\t%s\nUmask:\t", name_of(n, p));
    add_octal(t, p->fs ? p->fs->umask : 0, 4);
    text_add(t, "\nState:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t0\n",
             state_word(state_letter(p, th)), p->pid, n->arg >= 0 ? n->arg : p->pid, parent_pid(p));
    text_add(t, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\nFDSize:\t256\nGroups:\t", c->ruid,
             c->euid, c->suid, c->fsuid, c->rgid, c->egid, c->sgid, c->fsgid);
    for (uint32_t k = 0; k < c->groups_count; k++) { text_add(t, "%u ", c->groups[k]); }
    text_add(t, "\nNStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", p->pid,
             n->arg >= 0 ? n->arg : p->pid, p->pgid, p->sid);
    if (p->space) {
        unsigned long k = PAGE_SIZE / 1024, size = (unsigned long)s.size_pages * k,
                      rss = (unsigned long)s.rss_pages * k;
        text_add(t, "VmPeak:\t%8lu kB\nVmSize:\t%8lu kB\nVmLck:\t%8u kB\nVmPin:\t%8u kB\n", size,
                 size, 0u, 0u);
        text_add(t, "VmHWM:\t%8lu kB\nVmRSS:\t%8lu kB\n", rss, rss);
        text_add(t, "RssAnon:\t%8lu kB\nRssFile:\t%8lu kB\nRssShmem:\t%8u kB\n",
                 (unsigned long)(s.rss_pages - min_u64(s.rss_pages, s.shared_pages)) * k,
                 (unsigned long)s.shared_pages * k, 0u);
        text_add(
            t,
            "VmData:\t%8lu kB\nVmStk:\t%8lu kB\nVmExe:\t%8lu kB\nVmLib:\t%8u kB\nVmPTE:\t%8u kB\nVmSwap:\t%8u kB\n",
            (unsigned long)s.data_pages * k, (unsigned long)s.stack_pages * k,
            (unsigned long)s.text_pages * k, 0u, 0u, 0u);
    }
    text_add(
        t,
        "Threads:\t%u\nSigQ:\t0/%lu\nSigPnd:\t%016lx\nShdPnd:\t%016lx\nSigBlk:\t%016lx\nSigIgn:\t%016lx\nSigCgt:\t%016lx\n",
        p->thread_count, (unsigned long)p->rlim[11].cur, (unsigned long)(th ? th->pending.set : 0),
        (unsigned long)p->pending.set, (unsigned long)(th ? th->mask : 0), (unsigned long)ignored,
        (unsigned long)caught);
    text_add(
        t, "CapInh:\t%016lx\nCapPrm:\t%016lx\nCapEff:\t%016lx\nCapBnd:\t%016lx\nCapAmb:\t%016lx\n",
        (unsigned long)c->cap_inheritable, (unsigned long)c->cap_permitted,
        (unsigned long)c->cap_effective, (unsigned long)c->cap_bounding,
        (unsigned long)c->cap_ambient);
    text_add(
        t,
        "NoNewPrivs:\t%u\nSeccomp:\t0\nCpus_allowed:\t%x\nCpus_allowed_list:\t0-%u\nMems_allowed:\t1\n"
        "Mems_allowed_list:\t0\nvoluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n",
        p->no_new_privs, (1u << cpu_total()) - 1, cpu_total() - 1);
}

/* ---- maps ---- */

static void map_line(struct text *t, const struct region_info *r)
{
    char prot[5] = {r->prot & MAP_PROT_READ ? 'r' : '-', r->prot & MAP_PROT_WRITE ? 'w' : '-',
                    r->prot & MAP_PROT_EXEC ? 'x' : '-', r->shared ? 's' : 'p', 0};
    char head[80];
    struct inode *i = r->file ? r->file->inode : NULL;
    size_t len = fmt(head, sizeof(head), "%08lx-%08lx %s %08lx 00:%02x %lu", (unsigned long)r->lo,
                     (unsigned long)r->hi, prot, (unsigned long)r->off, i ? i->super->minor : 0,
                     (unsigned long)(i ? i->ino : 0));
    const char *name = r->heap ? "[heap]" : r->stack ? "[stack]" : NULL;

    text_bytes(t, head, len);
    if (r->file || name) { /* names begin at column 73 */
        static const char blanks[73] =
            "                                                                         ";
        text_bytes(t, blanks, len < 73 ? 73 - len : 1);
    }
    char *buf = r->file ? name_get() : NULL;
    if (buf) {
        size_t n = file_path(r->file, buf, LPATH_MAX);
        text_bytes(t, buf, n);
        name_put(buf);
    } else if (name) {
        text_bytes(t, name, strlen(name));
    }
    text_add(t, "\n");
}

static void show_regions(struct text *t, struct proc *p, bool smaps)
{
    struct region_info r;

    if (!p->space || !may_inspect(p)) { return; }
    for (uint64_t va = 0; space_region(p->space, va, &r); va = r.hi) {
        map_line(t, &r);
        if (!smaps) { continue; }
        /* Which pages of a region are present is not counted by region: Rss is left at 0 rather than invented. */
        text_add(
            t,
            "Size:           %8lu kB\nKernelPageSize:        4 kB\nMMUPageSize:           4 kB\n"
            "Rss:                   0 kB\nPss:                   0 kB\nShared_Clean:          0 kB\n"
            "Shared_Dirty:          0 kB\nPrivate_Clean:         0 kB\nPrivate_Dirty:         0 kB\n"
            "Referenced:            0 kB\nAnonymous:             0 kB\nSwap:                  0 kB\nVmFlags: rd\n",
            (unsigned long)((r.hi - r.lo) / 1024));
    }
}

static void show_maps(struct text *t, const struct cnode *n, struct proc *p)
{
    (void)n;
    show_regions(t, p, false);
}

static void show_smaps(struct text *t, const struct cnode *n, struct proc *p)
{
    (void)n;
    show_regions(t, p, true);
}

static void show_rollup(struct text *t, const struct cnode *n, struct proc *p)
{
    struct space_stat s;

    (void)n;
    stat_of(p, &s);
    unsigned long all = (unsigned long)s.rss_pages * 4, shared = (unsigned long)s.shared_pages * 4;
    text_add(
        t,
        "00000000-7fffffffffff ---p 00000000 00:00 0                          [rollup]\n"
        "Rss:            %8lu kB\nPss:            %8lu kB\nShared_Clean:   %8lu kB\nShared_Dirty:          0 kB\n"
        "Private_Clean:         0 kB\nPrivate_Dirty:  %8lu kB\nReferenced:     %8lu kB\nAnonymous:      %8lu kB\n"
        "Swap:                  0 kB\n",
        all, all, shared, all > shared ? all - shared : 0, all, all > shared ? all - shared : 0);
}

/* ---- mounts ---- */

static const char *options(const struct mount *m, char buf[64])
{
    (void)fmt(buf, 64, "%s%s%s%s,relatime", m->flags & MOUNT_RDONLY ? "ro" : "rw",
              m->flags & MOUNT_NOSUID ? ",nosuid" : "", m->flags & MOUNT_NODEV ? ",nodev" : "",
              m->flags & MOUNT_NOEXEC ? ",noexec" : "");
    return buf;
}

/* Each mount of p's view that lies below its root, with its place as p names it. */
static void each_mount(struct text *t, struct proc *p,
                       void (*line)(struct text *t, const struct mount *m, const char *at))
{
    char *buf = p->fs ? name_get() : NULL;

    if (!buf) { return; }
    LIST_EACH (l, &p->fs->view->mounts) {
        const struct mount *m = LIST_ENTRY(l, struct mount, link);
        const char *at =
            path_text((struct path){(struct mount *)m, m->root}, p->fs->root, buf, LPATH_MAX);
        if (at && at[0] == '/') { line(t, m, at); }
    }
    name_put(buf);
}

static void mounts_line(struct text *t, const struct mount *m, const char *at)
{
    char o[64];
    text_add(t, "%s %s %s %s 0 0\n", m->super->source, at, m->super->type, options(m, o));
}

static void mountinfo_line(struct text *t, const struct mount *m, const char *at)
{
    char o[64];
    text_add(t, "%u %u 0:%u / %s %s - %s %s %s\n", m->id, m->parent ? m->parent->id : 1,
             m->super->minor, at, options(m, o), m->super->type, m->super->source,
             m->flags & MOUNT_RDONLY ? "ro" : "rw");
}

static void show_mounts_text(struct text *t, const struct cnode *n, struct proc *p)
{
    (void)n;
    each_mount(t, p, mounts_line);
}

static void show_mountinfo(struct text *t, const struct cnode *n, struct proc *p)
{
    (void)n;
    each_mount(t, p, mountinfo_line);
}

/* ---- magic links ---- */

static int file_target(const struct file *f, struct path *out)
{
    if (!f) { return -ENOENT; }
    *out = file_place(f);
    path_get(*out);
    return 0;
}

static int64_t path_link(struct path to, char *buf, size_t size)
{
    char *own = name_get();

    if (!own) { return -ENOMEM; }
    const char *text = path_text(to, current_proc()->fs->root, own, LPATH_MAX);
    int64_t n = -ENAMETOOLONG;
    if (text) {
        n = (int64_t)min_u64(strlen(text), size);
        memcpy(buf, text, (size_t)n);
    }
    name_put(own);
    return n;
}

enum which { EXE, CWD, ROOT };

static int place_of(struct proc *p, enum which w, struct path *out)
{
    if (!may_inspect(p)) { return -EACCES; }
    if (w == EXE) { return file_target(p->exe, out); }
    if (!p->fs) { return -ENOENT; }
    *out = w == CWD ? p->fs->cwd : p->fs->root;
    path_get(*out);
    return 0;
}

static int64_t place_text(struct proc *p, enum which w, char *buf, size_t size)
{
    struct path to;
    int64_t n = place_of(p, w, &to);

    if (n) { return n; }
    n = path_link(to, buf, size);
    path_put(to);
    return n;
}

#define PLACE(name, which)                                                                         \
    static int follow_##name(const struct cnode *n, struct proc *p, struct path *out)              \
    {                                                                                              \
        (void)n;                                                                                   \
        return place_of(p, which, out);                                                            \
    }                                                                                              \
    static int64_t text_##name(const struct cnode *n, struct proc *p, char *buf, size_t size)      \
    {                                                                                              \
        (void)n;                                                                                   \
        return place_text(p, which, buf, size);                                                    \
    }
PLACE(exe, EXE)
PLACE(cwd, CWD)
PLACE(root, ROOT)
#define C_MAGIC(n)                                                                                 \
    {                                                                                              \
        .name = #n, .mode = LS_IFLNK | 0777, .follow = follow_##n, .readlink = text_##n            \
    }

/* ---- fd, fdinfo ---- */

static struct file *fd_of(const struct cnode *n, struct proc *p)
{
    return p->files && may_inspect(p) ? fdtable_file(p->files, n->arg) : NULL;
}

static int follow_fd(const struct cnode *n, struct proc *p, struct path *out)
{
    return file_target(fd_of(n, p), out);
}

static int64_t text_fd(const struct cnode *n, struct proc *p, char *buf, size_t size)
{
    struct file *f = fd_of(n, p);
    return f ? path_link(file_place(f), buf, size) : -ENOENT;
}

static void show_fdinfo(struct text *t, const struct cnode *n, struct proc *p)
{
    struct file *f = fd_of(n, p);

    if (!f) { return; }
    text_add(t, "pos:\t%lu\nflags:\t", (unsigned long)(f->ops->seek ? f->pos : 0));
    add_octal(t, f->flags | (fdtable_cloexec(p->files, n->arg) ? LO_CLOEXEC : 0), 8);
    text_add(t, "\nmnt_id:\t%u\nino:\t%lu\n", f->mnt ? f->mnt->id : 0,
             (unsigned long)f->inode->ino);
}

static const struct centry fd_link = {
    .name = "", .mode = LS_IFLNK | 0700, .follow = follow_fd, .readlink = text_fd};
static const struct centry fdinfo_file = {.name = "", .mode = LS_IFREG | 0400, .show = show_fdinfo};

static int find_fd_as(const struct centry *e, struct proc *p, const char *name, size_t len,
                      struct cnode *child)
{
    int32_t fd = number_of(name, len);

    if (fd < 0 || !p->files || !fdtable_file(p->files, fd)) { return -ENOENT; }
    *child = (struct cnode){.e = e, .pid = p->pid, .arg = fd};
    return 0;
}

static int64_t next_fd_as(const struct centry *e, struct proc *p, int64_t from, struct cnode *child)
{
    int fd =
        p->files && may_inspect(p) && from <= INT32_MAX ? fdtable_next(p->files, (int)from) : -1;

    *child = (struct cnode){.e = e, .pid = p->pid, .arg = fd};
    return fd;
}

static int find_fd(const struct cnode *n, struct proc *p, const char *name, size_t len,
                   struct cnode *child)
{
    (void)n;
    return find_fd_as(&fd_link, p, name, len, child);
}
static int64_t next_fd(const struct cnode *n, struct proc *p, int64_t from, struct cnode *child)
{
    (void)n;
    return next_fd_as(&fd_link, p, from, child);
}
static int find_fdinfo(const struct cnode *n, struct proc *p, const char *name, size_t len,
                       struct cnode *child)
{
    (void)n;
    return find_fd_as(&fdinfo_file, p, name, len, child);
}
static int64_t next_fdinfo(const struct cnode *n, struct proc *p, int64_t from, struct cnode *child)
{
    (void)n;
    return next_fd_as(&fdinfo_file, p, from, child);
}

/* ---- task ---- */

static const struct centry thread_entry;

static int find_thread(const struct cnode *n, struct proc *p, const char *name, size_t len,
                       struct cnode *child)
{
    int32_t tid = number_of(name, len);
    const struct thread *t = tid > 0 ? thread_find(tid) : NULL;

    (void)n;
    if (!t || t->proc != p) { return -ENOENT; }
    *child = (struct cnode){.e = &thread_entry, .pid = p->pid, .arg = tid};
    return 0;
}

static int64_t next_thread(const struct cnode *n, struct proc *p, int64_t from, struct cnode *child)
{
    int64_t best = -1;

    (void)n;
    LIST_EACH (l, &p->threads) {
        int32_t tid = LIST_ENTRY(l, struct thread, link)->tid;
        if (tid >= from && (best < 0 || tid < best)) { best = tid; }
    }
    *child = (struct cnode){.e = &thread_entry, .pid = p->pid, .arg = (int32_t)best};
    return best;
}

/* ---- namespaces: one of each, so that programs which compare them agree ---- */

#define NS_LINK(n, number)                                                                         \
    {                                                                                              \
        .name = n, .mode = LS_IFLNK | 0777, .text = n ":[" number "]"                              \
    }
static const struct centry ns_table[] = {
    NS_LINK("cgroup", "4026531835"), NS_LINK("ipc", "4026531839"),
    NS_LINK("mnt", "4026531841"),    NS_LINK("net", "4026531840"),
    NS_LINK("pid", "4026531836"),    NS_LINK("user", "4026531837"),
    NS_LINK("uts", "4026531838"),    {0},
};

/* ---- the tables ---- */

#define OWNER_SHOW(n, f)                                                                           \
    {                                                                                              \
        .name = (n), .mode = LS_IFREG | 0400, .show = (f)                                          \
    }
#define ANY_WRITE(n, t)                                                                            \
    {                                                                                              \
        .name = (n), .mode = LS_IFREG | 0644, .text = (t), .write = write_nothing                  \
    }
#define BOTH                                                                                       \
    ANY_WRITE("oom_score_adj", "0\n"), ANY_WRITE("loginuid", "4294967295"),                        \
        C_TEXT("cgroup", "0::/\n"), C_SHOW("cmdline", show_cmdline),                               \
        {.name = "comm", .mode = LS_IFREG | 0644, .show = show_comm, .write = write_comm},         \
        C_MAGIC(cwd), OWNER_SHOW("environ", show_environ), C_MAGIC(exe),                           \
        {.name = "fd", .mode = LS_IFDIR | 0500, .find = find_fd, .next = next_fd},                 \
        {.name = "fdinfo", .mode = LS_IFDIR | 0555, .find = find_fdinfo, .next = next_fdinfo},     \
        OWNER_SHOW("io", show_io), C_SHOW("limits", show_limits), C_SHOW("maps", show_maps),       \
        C_SHOW("mountinfo", show_mountinfo), C_SHOW("mounts", show_mounts_text),                   \
        C_DIR("net", proc_net_table), C_DIR("ns", ns_table), C_TEXT("oom_score", "0\n"),           \
        C_MAGIC(root), C_TEXT("sessionid", "4294967295"), C_SHOW("smaps", show_smaps),             \
        C_SHOW("stat", show_stat), C_SHOW("statm", show_statm), C_SHOW("status", show_status),     \
        C_TEXT("wchan", "0")

static const struct centry thread_table[] = {BOTH, {0}};
static const struct centry thread_entry = {
    .name = "", .mode = LS_IFDIR | 0555, .children = thread_table};

static const struct centry pid_table[] = {
    BOTH,
    ANY_WRITE("coredump_filter", "00000033\n"),
    C_TEXT("gid_map", "         0          0 4294967295\n"),
    C_TEXT("personality", "00000000\n"),
    C_TEXT("setgroups", "allow\n"),
    C_SHOW("smaps_rollup", show_rollup),
    {.name = "task", .mode = LS_IFDIR | 0555, .find = find_thread, .next = next_thread},
    C_TEXT("timerslack_ns", "50000\n"),
    C_TEXT("uid_map", "         0          0 4294967295\n"),
    {0},
};
const struct centry proc_pid_entry = {.name = "", .mode = LS_IFDIR | 0555, .children = pid_table};
