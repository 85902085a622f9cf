/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes from birth to burial.
 *
 *   live ──(last thread leaves)──► zombie ──(parent waits, or does not want to know)──► freed
 *
 * A process ends when its last thread runs thread_exit(): it gives back descriptors, directories and memory, hands its
 * children on, and only then becomes a zombie, so a parent that has waited finds everything closed. Orphans go to the
 * nearest subreaper, else to the first process of their world. When that one ends, the guest ends with its status.
 */
#include "guest/task/proc.h"

#include "guest/fs/fs.h"
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"

#define RLIM_INFINITY     UINT64_MAX
#define RLIMIT_STACK      3
#define RLIMIT_CORE       4
#define RLIMIT_NPROC      6
#define RLIMIT_NOFILE     7
#define RLIMIT_MEMLOCK    8
#define RLIMIT_SIGPENDING 11
#define RLIMIT_MSGQUEUE   12
#define RLIMIT_NICE       13
#define RLIMIT_RTPRIO     14

/* What container runtimes give: CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW
 * SYS_CHROOT MKNOD AUDIT_WRITE SETFCAP. */
#define CAPS_CONTAINER 0xa80425fbull

static struct proc *first_of_world[2]; /* [internal] */

static void proc_defaults(struct proc *p)
{
    for (unsigned i = 0; i < RLIM_COUNT; i++) { p->rlim[i].cur = p->rlim[i].max = RLIM_INFINITY; }
    p->rlim[RLIMIT_STACK].cur = 8ull << 20;
    p->rlim[RLIMIT_CORE].cur = 0;
    p->rlim[RLIMIT_NPROC].cur = p->rlim[RLIMIT_NPROC].max = 32768;
    p->rlim[RLIMIT_NOFILE].cur = p->rlim[RLIMIT_NOFILE].max = 1048576;
    p->rlim[RLIMIT_MEMLOCK].cur = p->rlim[RLIMIT_MEMLOCK].max = 8ull << 20;
    p->rlim[RLIMIT_SIGPENDING].cur = p->rlim[RLIMIT_SIGPENDING].max = 32768;
    p->rlim[RLIMIT_MSGQUEUE].cur = p->rlim[RLIMIT_MSGQUEUE].max = 819200;
    p->rlim[RLIMIT_NICE].cur = p->rlim[RLIMIT_NICE].max = 0;
    p->rlim[RLIMIT_RTPRIO].cur = p->rlim[RLIMIT_RTPRIO].max = 0;
    p->cred = (struct cred){.cap_effective = CAPS_CONTAINER,
                            .cap_permitted = CAPS_CONTAINER,
                            .cap_bounding = CAPS_CONTAINER};
    p->dumpable = true;
    p->timer_slack_ns = 50000;
}

static void proc_inherit(struct proc *p, const struct proc *from)
{
    p->pgid = from->pgid;
    p->sid = from->sid;
    p->tty = from->tty;
    p->cred = from->cred;
    memcpy(p->comm, from->comm, sizeof p->comm);
    memcpy(p->rlim, from->rlim, sizeof p->rlim);
    memcpy(p->action, from->action, sizeof p->action);
    p->personality = from->personality;
    p->nice = from->nice;
    p->timer_slack_ns = from->timer_slack_ns;
    p->no_new_privs = from->no_new_privs;
    p->dumpable = from->dumpable;
    p->resident = from->resident;
    memcpy(p->stubs, from->stubs, sizeof p->stubs);
    p->exe = from->exe;
    if (p->exe != NULL) { file_get(p->exe); }
}

struct proc *proc_new(struct proc *parent, bool internal)
{
    struct proc *p = mem_alloc(sizeof *p);
    if (p == NULL) { return NULL; }
    list_init(&p->all);
    list_init(&p->by_pid);
    list_init(&p->children);
    list_init(&p->sibling);
    list_init(&p->threads);
    waitq_init(&p->child_wait);
    waitq_init(&p->exit_wait);
    waitq_init(&p->signal_wait);
    sigqueue_init(&p->pending);
    p->pid = pid_alloc(internal);
    if (p->pid == 0) { /* all numbers are taken */
        mem_free(p);
        return NULL;
    }
    p->internal = internal;
    p->exit_signal = LSIG_CHLD;
    p->start_ns = clock_mono_ns();
    p->parent = parent;
    if (parent != NULL) {
        proc_inherit(p, parent);
        list_add_tail(&parent->children, &p->sibling);
    } else {
        proc_defaults(p);
        p->pgid = p->sid = p->pid;
        first_of_world[internal] = p;
    }
    pid_add_proc(p);
    return p;
}

struct thread *thread_new(struct proc *p)
{
    int32_t tid = p->thread_count == 0 ? p->pid : pid_alloc(p->internal);
    struct thread *t = tid != 0 ? thread_alloc() : NULL;
    if (t == NULL) { return NULL; }
    t->proc = p;
    t->tid = tid;
    memcpy(t->comm, p->comm, sizeof t->comm);
    list_add_tail(&p->threads, &t->link);
    p->thread_count++;
    pid_add_thread(t);
    return t;
}

static void release_resources(struct proc *p)
{
    struct fdtable *files = p->files;
    struct fsctx *fs = p->fs;
    struct file *exe = p->exe;
    struct space *space = p->space;

    timers_exit(p);
    if (files != NULL) {
        file_locks_exit(p);
        p->files = NULL;
        fdtable_put(files);
    }
    p->fs = NULL;
    p->exe = NULL;
    if (fs != NULL) { fsctx_put(fs); }
    if (exe != NULL) { file_put(exe); }
    vfork_release(p);
    p->space = NULL;
    if (space != NULL) { space_put(space); }
}

void proc_free(struct proc *p)
{
    release_resources(p);
    sigqueue_flush(&p->pending, ~0ull);
    list_del(&p->sibling);
    pid_del_proc(p);
    /* An epoll may watch a signalfd for us and outlive us in a child that inherited both. */
    LIST_EACH_SAFE (l, &p->signal_wait.waiters) { list_del(l); }
    mem_free(p);
}

struct proc_times proc_times(struct proc *p)
{
    struct proc_times r = {p->user_ns, p->system_ns};
    THREAD_EACH(t, p) { r.user_ns += thread_run_ns(t); }
    return r;
}

void proc_reap(struct proc *p)
{
    struct proc *parent = p->parent;
    struct proc_times own = proc_times(p);
    if (parent != NULL) {
        parent->child_user_ns += own.user_ns + p->child_user_ns;
        parent->child_system_ns += own.system_ns + p->child_system_ns;
    }
    proc_free(p);
}

void vfork_release(struct proc *p)
{
    struct thread *t = p->vfork_parent;
    if (t == NULL) { return; }
    p->vfork_parent = NULL;
    t->vfork_wait = false;
    thread_wake(t);
}

/* ---- ending --------------------------------------------------------------------------------------------------------- */

void proc_kill_threads(struct proc *p, struct thread *except)
{
    THREAD_EACH(t, p)
    {
        if (t == except || t->killed) { continue; }
        t->killed = true;
        sched_wake_for_signal(t);
    }
}

/* SIGCHLD with what happened to p. code is CLD_*, status an exit code or a signal. */
void proc_notify_parent(struct proc *p, int signo, int code, int status)
{
    struct proc_times own = proc_times(p);
    struct ksiginfo info = {
        .signo = signo,
        .code = code,
        .pid = p->pid,
        .uid = p->cred.ruid,
        .status = status,
        .utime = own.user_ns / 10000000, /* clock ticks */
        .stime = own.system_ns / 10000000,
    };
    signal_proc(p->parent, &info);
}

static bool children_unwanted(const struct proc *parent)
{
    const struct sigaction_k *a = &parent->action[LSIG_CHLD - 1];
    return a->handler == LSIG_IGN || (a->flags & LSA_NOCLDWAIT) != 0;
}

/* True when nobody will wait for the zombie p. */
static bool announce_exit(struct proc *p)
{
    struct proc *parent = p->parent;
    if (parent == NULL) { return true; }
    if (p->exit_signal != 0) {
        int status = p->exit_status;
        bool killed = (status & 0x7f) != 0;
        proc_notify_parent(p, p->exit_signal, killed ? LCLD_KILLED : LCLD_EXITED,
                           killed ? status & 0x7f : status >> 8);
    }
    wake(&parent->child_wait, ~0u);
    return p->exit_signal == LSIG_CHLD && children_unwanted(parent);
}

static struct proc *new_parent(struct proc *p)
{
    for (struct proc *q = p->parent; q != NULL; q = q->parent) {
        if (q->subreaper && !q->exiting) { return q; }
    }
    struct proc *first = first_of_world[p->internal];
    return first != p ? first : NULL;
}

static void hand_on_children(struct proc *p)
{
    struct proc *heir = new_parent(p);
    LIST_EACH_SAFE (it, &p->children) {
        struct proc *child = LIST_ENTRY(it, struct proc, sibling);
        list_del(&child->sibling);
        child->parent = heir;
        if (heir != NULL) { list_add_tail(&heir->children, &child->sibling); }
        if (child->pdeathsig != 0) { signal_simple(child, child->pdeathsig); }
        if (child->state == PROC_ZOMBIE) {
            child->exit_signal = LSIG_CHLD;
            if (announce_exit(child)) { proc_reap(child); }
        }
    }
}

static void forget_vfork_child(struct thread *t)
{
    if (!t->vfork_wait) { return; }
    PROC_EACH(q)
    {
        if (q->vfork_parent == t) { q->vfork_parent = NULL; }
    }
}

/* What a thread owes the application's memory. */
static void thread_farewell(struct proc *p, struct thread *t)
{
    forget_vfork_child(t);
    if (p->space == NULL) { return; }
    robust_list_exit(t);
    if (t->clear_child_tid != 0) {
        uint64_t va = t->clear_child_tid;
        t->clear_child_tid = 0;
        if (put_user_u32(va, 0) == 0) { futex_wake_user(va, 1); }
    }
}

void thread_exit(void)
{
    struct thread *t = current();
    struct proc *p = t->proc;

    thread_farewell(p, t);
    bool last = p->thread_count == 1;
    if (last) {
        p->exiting = true;
        if (p == first_of_world[p->internal]) { guest_end(p->exit_status); }
        if (p->sid == p->pid && p->tty != NULL) { tty_session_exit(p); }
        release_resources(p);
        hand_on_children(p);
    }
    p->user_ns += thread_run_ns(t);
    t->run_ns = 0;
    sigqueue_flush(&t->pending, ~0ull);
    list_del(&t->link);
    pid_del_thread(t);
    p->thread_count--;
    if (last) {
        p->state = PROC_ZOMBIE;
        wake(&p->exit_wait, ~0u);
        t->proc_unowned = announce_exit(p);
    } else if (p->thread_count == 1 && p->exec_thread != NULL) {
        thread_wake(p->exec_thread);
    }
    thread_finish();
}

void proc_exit(int status)
{
    struct proc *p = current_proc();
    if (!p->exiting) {
        p->exiting = true;
        p->exit_status = status;
        proc_kill_threads(p, current());
    }
    thread_exit();
}

void thread_exit_if_killed(void)
{
    if (current()->killed) { thread_exit(); }
}

void proc_world_ends(bool internal)
{
    first_of_world[internal] = NULL;
    PROC_EACH(p)
    {
        if (p->internal != internal || (p->parent != NULL && p->parent->resident)) { continue; }
        p->parent = NULL; /* nobody waits for it any more */
        list_del(&p->sibling);
    }
    PROC_EACH(p)
    {
        if (p->internal != internal || p->resident) { continue; }
        p->exiting = true;
        proc_kill_threads(p, NULL);
        if (p->thread_count == 0) {
            proc_free(p);
        } /* a zombie, or the one whose thread left for the container */
    }
}

int64_t sys_exit(const uint64_t a[6])
{
    struct proc *p = current_proc();
    if (p->thread_count == 1) { proc_exit((int)(a[0] & 0xff) << 8); }
    if (!p->exiting) {
        p->exit_status = (int)(a[0] & 0xff) << 8;
    } /* kept if this was the last to say so */
    thread_exit();
}

int64_t sys_exit_group(const uint64_t a[6]) { proc_exit((int)(a[0] & 0xff) << 8); }

/* ---- exec ----------------------------------------------------------------------------------------------------------- */

bool exec_kill_others(void)
{
    struct thread *t = current();
    struct proc *p = t->proc;

    if (t->killed) { return false; } /* another one's exec, which counts on this one to go */
    proc_kill_threads(p, t);
    p->exec_thread = t;
    while (p->thread_count > 1 && !t->killed) { (void)sleep_until(NO_DEADLINE, SLEEP_KILLABLE); }
    p->exec_thread = NULL;
    if (t->killed) { return false; }
    if (t->tid != p->pid) {
        pid_del_thread(t);
        t->tid = p->pid;
        pid_add_thread(t);
    }
    return true;
}

void exec_reset(const char *comm)
{
    struct thread *t = current();
    struct proc *p = t->proc;

    for (int i = 0; i < 64; i++) {
        bool keep = p->action[i].handler == LSIG_IGN;
        p->action[i] = (struct sigaction_k){.handler = keep ? LSIG_IGN : LSIG_DFL};
    }
    t->altstack_sp = t->altstack_size = 0;
    t->altstack_flags = LSS_DISABLE;
    t->robust_list = 0;
    t->clear_child_tid = 0;
    t->restart_fn = NULL;
    memset(p->stubs, 0, sizeof p->stubs);
    timers_exec(p);
    fdtable_exec(p->files);
    p->execed = true;
    p->exit_signal = LSIG_CHLD;
    size_t n = strnlen(comm, COMM_SIZE - 1);
    memcpy(p->comm, comm, n);
    p->comm[n] = 0;
    memcpy(t->comm, p->comm, sizeof t->comm);
    vfork_release(p);
    arch_fs_set(0);
    arch_xstate_init(thread_xstate_area(t));
    arch_xstate_load(thread_xstate_area(t));
    t->full_exit = true;
    t->regs->orig_rax = ~0ull; /* nothing left to restart */
}
