/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making threads and processes. Two shapes exist: a thread (VM, FS, FILES, SIGHAND and THREAD together) and a process
 * of its own, which may borrow its parent's memory (VM, with VFORK until it execs or exits). Mixtures are refused.
 */
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"
#include "guest/task/proc.h"

#define CLONE_VM             0x00000100ull
#define CLONE_FS             0x00000200ull
#define CLONE_FILES          0x00000400ull
#define CLONE_SIGHAND        0x00000800ull
#define CLONE_PIDFD          0x00001000ull
#define CLONE_PTRACE         0x00002000ull
#define CLONE_VFORK          0x00004000ull
#define CLONE_PARENT         0x00008000ull
#define CLONE_THREAD         0x00010000ull
#define CLONE_NEWNS          0x00020000ull
#define CLONE_SYSVSEM        0x00040000ull
#define CLONE_SETTLS         0x00080000ull
#define CLONE_PARENT_SETTID  0x00100000ull
#define CLONE_CHILD_CLEARTID 0x00200000ull
#define CLONE_DETACHED       0x00400000ull
#define CLONE_UNTRACED       0x00800000ull
#define CLONE_CHILD_SETTID   0x01000000ull
#define CLONE_NEWCGROUP      0x02000000ull
#define CLONE_NEWUTS         0x04000000ull
#define CLONE_NEWIPC         0x08000000ull
#define CLONE_NEWUSER        0x10000000ull
#define CLONE_NEWPID         0x20000000ull
#define CLONE_NEWNET         0x40000000ull
#define CLONE_IO             0x80000000ull
#define CLONE_CLEAR_SIGHAND  0x100000000ull
#define CLONE_INTO_CGROUP    0x200000000ull
#define CLONE_NEWTIME        0x00000080ull /* clone3 only: there the low byte is no signal */

#define THREAD_FLAGS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)
#define NAMESPACES                                                                                 \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |  \
     CLONE_NEWNET)
/* accepted; the last line has no effect here */
#define KNOWN                                                                                      \
    (THREAD_FLAGS | CLONE_VFORK | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID |      \
     CLONE_CHILD_SETTID | CLONE_CLEAR_SIGHAND | CLONE_PTRACE | CLONE_SYSVSEM | CLONE_DETACHED |    \
     CLONE_UNTRACED | CLONE_IO)

struct clone {
    uint64_t flags;
    uint64_t stack_top; /* 0: the parent's */
    uint64_t parent_tid, child_tid, tls;
    int exit_signal;
};

static int check(const struct clone *c)
{
    if ((c->flags & NAMESPACES) != 0) { return -EPERM; }
    if ((c->flags & ~KNOWN) != 0) { return -EINVAL; }
    uint64_t shared = c->flags & THREAD_FLAGS;
    if ((c->flags & CLONE_THREAD) != 0) {
        if (shared != THREAD_FLAGS || (c->flags & (CLONE_CLEAR_SIGHAND | CLONE_VFORK)) != 0) {
            return -EINVAL;
        }
    } else if ((shared & ~CLONE_VM) != 0) {
        return -EINVAL;
    }
    if ((c->flags & CLONE_SETTLS) != 0 && !user_range_ok(c->tls, 0)) { return -EPERM; }
    return c->exit_signal >= 0 && c->exit_signal <= 64 ? 0 : -EINVAL;
}

/* A process like the parent, without threads yet. */
static struct proc *copy_process(struct proc *parent, const struct clone *c, int *out_err)
{
    *out_err = -EAGAIN;
    struct proc *p = proc_new(parent, parent->internal);
    if (p == NULL) { return NULL; }
    p->exit_signal = c->exit_signal;
    if ((c->flags & CLONE_CLEAR_SIGHAND) != 0) {
        for (int i = 0; i < 64; i++) {
            if (p->action[i].handler != LSIG_IGN) { p->action[i] = (struct sigaction_k){0}; }
        }
    }
    *out_err = -ENOMEM;
    if ((c->flags & CLONE_VM) != 0) {
        p->space = parent->space;
        space_get(p->space);
        memset(p->stubs, 0,
               sizeof p->stubs); /* two owners of one page would not agree what is used */
    } else {
        p->space = space_fork(parent->space);
    }
    p->files = fdtable_copy(parent->files);
    p->fs = fsctx_copy(parent->fs);
    if (p->space == NULL || p->files == NULL || p->fs == NULL) {
        proc_free(p);
        return NULL;
    }
    return p;
}

/* The child continues where the parent is, with 0 as its result. */
static void copy_thread(struct thread *t, const struct thread *parent, const struct clone *c)
{
    *t->regs = *parent->regs;
    t->regs->rax = 0;
    t->regs->orig_rax = ~0ull;
    if (c->stack_top != 0) { t->regs->rsp = c->stack_top; }
    t->fs_base = (c->flags & CLONE_SETTLS) != 0 ? c->tls : arch_fs_get();
    arch_xstate_save(thread_xstate_area(t));
    t->mask = parent->mask_saved ? parent->saved_mask : parent->mask;
    memcpy(t->comm, parent->comm, sizeof t->comm);
    if ((c->flags & (CLONE_VM | CLONE_VFORK)) != CLONE_VM) {
        t->altstack_sp = parent->altstack_sp;
        t->altstack_size = parent->altstack_size;
        t->altstack_flags = parent->altstack_flags;
    } else {
        t->altstack_flags = LSS_DISABLE;
    }
    if ((c->flags & CLONE_CHILD_CLEARTID) != 0) { t->clear_child_tid = c->child_tid; }
}

static void wait_for_vfork(struct thread *parent, struct proc *child)
{
    parent->vfork_wait = true;
    child->vfork_parent = parent;
    while (parent->vfork_wait) {
        (void)sleep_until(NO_DEADLINE, SLEEP_KILLABLE);
        if (parent->killed) { return; } /* thread_exit() makes the child forget */
    }
}

static int64_t clone(const struct clone *c)
{
    struct thread *parent = current();
    struct proc *p = parent->proc;
    int e = check(c);
    if (e != 0) { return e; }

    if ((c->flags & CLONE_THREAD) == 0) {
        p = copy_process(parent->proc, c, &e);
        if (p == NULL) { return e; }
    }
    struct thread *t = thread_new(p);
    if (t == NULL) {
        if (p != parent->proc) { proc_free(p); }
        return -EAGAIN;
    }
    copy_thread(t, parent, c);
    int32_t tid = t->tid;
    uint32_t word = (uint32_t)tid;
    /* As Linux: a bad address here is the caller's own problem, the child exists already. */
    if ((c->flags & CLONE_PARENT_SETTID) != 0) {
        (void)copy_to_user_part(c->parent_tid, &word, sizeof word);
    }
    if ((c->flags & CLONE_CHILD_SETTID) != 0) {
        (void)space_write(p->space, c->child_tid, &word, sizeof word);
    }
    thread_start(t);
    if ((c->flags & CLONE_VFORK) != 0) { wait_for_vfork(parent, p); }
    return tid;
}

int64_t sys_clone(const uint64_t a[6])
{
    struct clone c = {
        .flags = a[0] & 0xffffff00u,
        .exit_signal = (int)(a[0] & 0xff),
        .stack_top = a[1],
        .parent_tid = a[2],
        .child_tid = a[3],
        .tls = a[4],
    };
    return clone(&c);
}

int64_t sys_fork(const uint64_t a[6])
{
    (void)a;
    return clone(&(struct clone){.exit_signal = LSIG_CHLD});
}

int64_t sys_vfork(const uint64_t a[6])
{
    (void)a;
    return clone(&(struct clone){.flags = CLONE_VM | CLONE_VFORK, .exit_signal = LSIG_CHLD});
}

#define CLONE_ARGS_MIN 64u
#define CLONE_ARGS_MAX 4096u

struct lclone_args {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    uint64_t set_tid, set_tid_size; /* size 80 */
    uint64_t cgroup;                /* size 88 */
};
ABI_SIZE(struct lclone_args, 88);

/* Trailing bytes that this version does not know must be zero. */
static int get_clone_args(struct lclone_args *out, uint64_t va, uint64_t size)
{
    if (size < CLONE_ARGS_MIN) { return -EINVAL; }
    if (size > CLONE_ARGS_MAX) { return -E2BIG; }
    *out = (struct lclone_args){0};
    if (copy_from_user(out, va, min_u64(size, sizeof *out)) != 0) { return -EFAULT; }
    for (uint64_t off = sizeof *out; off < size; off++) {
        uint8_t byte;
        if (copy_from_user(&byte, va + off, 1) != 0) { return -EFAULT; }
        if (byte != 0) { return -E2BIG; }
    }
    return 0;
}

int64_t sys_clone3(const uint64_t a[6])
{
    struct lclone_args args;
    int e = get_clone_args(&args, a[0], a[1]);
    if (e != 0) { return e; }
    if ((args.flags & (CLONE_NEWTIME | NAMESPACES)) != 0) { return -EPERM; }
    if ((args.flags & 0xff) != 0 || (args.flags & CLONE_DETACHED) != 0 || args.exit_signal > 64 ||
        args.set_tid_size != 0 || args.set_tid != 0) {
        return -EINVAL;
    }
    if ((args.stack == 0) != (args.stack_size == 0)) { return -EINVAL; }
    if (args.stack != 0 && !user_range_ok(args.stack, args.stack_size)) { return -EINVAL; }
    struct clone c = {
        .flags = args.flags,
        .exit_signal = (int)args.exit_signal,
        .stack_top = args.stack + args.stack_size,
        .parent_tid = args.parent_tid,
        .child_tid = args.child_tid,
        .tls = args.tls,
    };
    return clone(&c);
}

int64_t sys_set_tid_address(const uint64_t a[6])
{
    current()->clear_child_tid = a[0];
    return current()->tid;
}
