/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads and processes, sleeping and waking, time, signals: the interface the rest of the library OS builds on.
 *
 * A Linux thread is one struct thread with a library-OS stack of its own; blocking is a stack switch in ring 3. CLONE_VM,
 * FS, FILES, SIGHAND and THREAD always come together, so everything but registers, mask and stack lives in the process.
 */
#ifndef CASEMATE_GUEST_TASK_TASK_H
#define CASEMATE_GUEST_TASK_TASK_H

#include "guest/abi/linux_signal.h"
#include "guest/los.h"

struct space;
struct fdtable;
struct fsctx;
struct file;
struct tty;

/* General registers of an application, as saved on its library-OS stack. Order is read by guest/x86/entry.S. */
struct regs {
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    uint64_t orig_rax; /* system call number, or ~0 when it was an exception or interrupt */
    uint64_t rip, cs, rflags, rsp, ss;
};

/* ---- waiting (wait.c) -------------------------------------------------------------------------------------------------- */

#define NO_DEADLINE UINT64_MAX

struct waitq {
    struct list waiters;
};
struct waiter {
    struct list link;
    struct thread *thread;
    void (*notify)(struct waiter *w, uint32_t events); /* NULL: wake `thread`. Called with the waiter still queued. */
    bool exclusive;                                    /* wake_one() stops after it */
};
void waitq_init(struct waitq *q);
void waiter_init(struct waiter *w);                  /* for the current thread */
void waitq_add(struct waitq *q, struct waiter *w);
void waiter_del(struct waiter *w);                   /* harmless when not queued */
void wake(struct waitq *q, uint32_t events);         /* every waiter; events = POLL* that became true, ~0 = any */
void wake_one(struct waitq *q, uint32_t events);     /* all non-exclusive ones, one exclusive */
/*
 * Sleep until woken, until deadline (monotonic ns) or until a signal is pending (interruptible).
 * 0 woken (re-test the condition), -ETIMEDOUT, -ERESTARTSYS. The caller has queued itself already; sleeps.
 */
int thread_sleep(uint64_t deadline_ns, bool interruptible);
/* The common case: queue on one wait queue, sleep, leave it. */
int wait_on(struct waitq *q, uint64_t deadline_ns, bool interruptible);
void thread_wake(struct thread *t);
void thread_yield(void);

/* ---- time (time.c) ------------------------------------------------------------------------------------------------------ */

uint64_t clock_mono_ns(void); /* since boot; never backwards */
uint64_t clock_wall_ns(void); /* since 1970; never backwards */

struct timer {
    struct list link;
    uint64_t deadline_ns; /* 0 = not armed */
    void (*fire)(struct timer *t); /* under the big lock; must not sleep */
};
void timer_init(struct timer *t, void (*fire)(struct timer *t));
void timer_arm(struct timer *t, uint64_t deadline_ns); /* re-arms */
void timer_cancel(struct timer *t);

/* ---- signals (signal.c) -------------------------------------------------------------------------------------------------- */

struct ksiginfo { /* the part of siginfo that is used; laid out for the application by signal_frame.c */
    int signo, code, error;
    int32_t pid;
    uint32_t uid;
    int32_t status;     /* SIGCHLD */
    uint64_t addr;      /* faults */
    uint64_t value;     /* sigqueue, timers */
    int32_t timerid, overrun;
    uint64_t utime, stime;
    uint8_t raw[128];   /* rt_sigqueueinfo: as given */
    bool is_raw;
    bool forced;        /* a fault, or out of memory: ends even the first process */
};
struct proc;
struct thread;
void signal_proc(struct proc *p, const struct ksiginfo *info);
void signal_thread(struct thread *t, const struct ksiginfo *info);
int signal_pgrp(int32_t pgid, const struct ksiginfo *info); /* -ESRCH when it has no member */
void signal_simple(struct proc *p, int signo);              /* SI_KERNEL */
bool signal_pending(void);                                  /* for the current thread: unblocked and not ignored */
bool signal_blocked_or_ignored(struct thread *t, int signo); /* tty: SIGTTIN, SIGTTOU rules */
uint64_t signal_pending_set(struct thread *t, uint64_t mask); /* signalfd */
bool signal_dequeue(struct thread *t, uint64_t mask, struct ksiginfo *out);
/* Temporary mask of ppoll, pselect, epoll_pwait, sigsuspend; restored on the way out to the application. */
void signal_mask_temporary(uint64_t mask);

/* ---- processes and threads ----------------------------------------------------------------------------------------------- */

#define COMM_SIZE 16
#define NGROUPS_MAX 64 /* stated ceiling; Linux has 65536 */
#define RLIM_COUNT 16

struct cred {
    uint32_t ruid, euid, suid, fsuid, rgid, egid, sgid, fsgid;
    uint32_t groups_count;
    uint32_t groups[NGROUPS_MAX];
    uint64_t cap_effective, cap_permitted, cap_inheritable, cap_bounding, cap_ambient;
    bool keep_caps;
};

/* What the current process's will be when it executes f. True: the program gains something, AT_SECURE. */
bool cred_exec(const struct file *f, struct cred *out);

enum proc_state { PROC_LIVE, PROC_STOPPED, PROC_ZOMBIE };

struct sigqueue_head {
    uint64_t set;      /* bit n-1 = signal n pending */
    uint32_t count;    /* entries */
    struct list queue; /* of struct sigqueued, signal.c */
};
struct sigaction_k {
    uint64_t handler, flags, restorer, mask;
};

struct proc {
    struct list all;              /* proc_all */
    struct list children, sibling;
    struct proc *parent;
    struct list threads;          /* struct thread.link */
    unsigned thread_count;
    struct list by_pid;           /* pid.c */
    int32_t pid, pgid, sid;       /* init's world has pids from PID_INTERNAL on */
    bool internal;                /* init's world: invisible, may make private calls */
    bool resident;                /* of init's world, and stays when the container starts */
    enum proc_state state;
    int exit_status;              /* wait status word once exiting */
    int exit_signal;              /* to the parent; SIGCHLD, or what clone said; 0 = none */
    int stop_signal;              /* what stopped it */
    bool stop_report, cont_report; /* not yet waited for */
    bool exiting;                 /* exit_group has begun */
    bool execed;                  /* setpgid rule */
    struct waitq child_wait;      /* the parent sleeps here */
    struct waitq exit_wait;       /* poll on a pidfd, when there are some */
    struct thread *vfork_parent;  /* waits until exec or exit */
    struct thread *exec_thread;   /* waits until it is the only one */

    struct space *space;
    struct fdtable *files;        /* fs/ owns */
    struct fsctx *fs;             /* root, cwd, umask: fs/ owns */
    struct file *exe;             /* referenced */
    struct tty *tty;              /* controlling terminal, borrowed; fs/tty.c clears it */
    char comm[COMM_SIZE];
    struct cred cred;
    struct {
        uint64_t cur, max;
    } rlim[RLIM_COUNT];

    struct sigaction_k action[64];
    struct sigqueue_head pending;
    struct waitq signal_wait;     /* woken when a signal is queued to the process or one of its threads: signalfd */
    uint64_t start_ns, user_ns, system_ns, child_user_ns, child_system_ns;
    uint64_t child_minflt;
    void *timers;                 /* task/timers.c: itimers and POSIX timers */
    uint64_t personality;
    int32_t pdeathsig;
    struct stub_page {
        uint64_t va;              /* 0: not made yet */
        uint32_t used;
    } stubs[4];                   /* x86/patch.c: where rewritten call sites lead */
    int32_t nice;
    uint32_t timer_slack_ns;
    bool subreaper, no_new_privs, dumpable;
};
#define PID_INTERNAL 0x10000000 /* above every pid of the container, below FUTEX_TID_MASK */

struct thread {
    struct list link;             /* in proc->threads */
    struct list run;              /* run queue */
    struct list by_tid;           /* pid.c */
    struct proc *proc;
    int32_t tid;
    struct regs *regs;            /* application registers, at the top of the library-OS stack */
    uint64_t sp;                  /* saved library-OS stack pointer while not running (x86/switch.S) */
    void *stack;                  /* library-OS stack, lowest address */
    uint64_t fs_base;
    void *xstate;                 /* room for the extended state; aligned by thread_xstate_area() */
    uint32_t state_cpu;           /* vCPU whose registers may still hold it */
    uint64_t mask;                /* blocked signals */
    uint64_t saved_mask;          /* signal_mask_temporary */
    bool mask_saved;
    bool stopped;                 /* waits on its way out for SIGCONT */
    uint64_t sigwait;             /* rt_sigtimedwait takes these although they are blocked */
    uint64_t trapno, trap_error, trap_cr2; /* of its last fault, for frames */
    struct sigqueue_head pending;
    uint64_t altstack_sp, altstack_size;
    uint32_t altstack_flags;
    uint64_t clear_child_tid, robust_list;
    char comm[COMM_SIZE];
    uint32_t state, sleep_how;    /* sched.c */
    bool woken, killed;
    bool full_exit;               /* regs hold more than the result of a call */
    bool proc_unowned;            /* nobody will wait for proc: it goes with this thread */
    bool vfork_wait;              /* a vfork child still borrows this thread's memory */
    struct timer sleep_timer;
    uint64_t restart[6];          /* restart block */
    int64_t (*restart_fn)(struct thread *t);
    uint64_t start_ns, run_ns;
    uint32_t cpu;
};
#define STATE_IN_MEMORY UINT32_MAX

struct thread *current(void);
static inline struct proc *current_proc(void) { return current()->proc; }
extern struct list proc_all;
struct proc *proc_find(int32_t pid);   /* NULL: none */
struct thread *thread_find(int32_t tid);

/* fs/ hooks called by task/: fork, exec, exit of the descriptor table and of the fs context. */
struct fdtable *fdtable_copy(struct fdtable *t);   /* NULL: no memory */
void fdtable_put(struct fdtable *t);               /* closes everything */
void fdtable_exec(struct fdtable *t);              /* closes FD_CLOEXEC */
struct fsctx *fsctx_copy(struct fsctx *c);
void fsctx_put(struct fsctx *c);
void file_locks_exit(struct proc *p);              /* POSIX record locks */
void tty_session_exit(struct proc *p);             /* session leader died: hang up */

/* mm/exec.c: execve for the current thread, from user pointers or (start_container) from kernel vectors. */
struct exec_vec {
    char **argv, **envp; /* NULL-terminated, library-OS memory */
};
int exec_file(struct file *f, const char *path, const struct exec_vec *v); /* 0: regs are set, return to the application */
/* task/ hooks of exec: other threads gone, leader's tid taken; then after the point of no return: signals, timers, etc. */
MUST_CHECK bool exec_kill_others(void);            /* may sleep; false: killed itself meanwhile, nothing was changed */
void exec_reset(const char *comm);

/* A kernel-made process (first process, start_container): no parent memory. NULL: no memory. */
struct proc *proc_new(struct proc *parent, bool internal);
struct thread *thread_new(struct proc *p);
void thread_start(struct thread *t);               /* runnable at regs */
NORETURN void proc_exit(int status_word);          /* current process, all threads */
int container_start(int32_t rootfd, const char *path, const struct exec_vec *v, const char *cwd, const struct cred *cred,
                    uint32_t umask, uint32_t flags, const char *hostname); /* task/container.c; 0: the current thread is the container */
bool container_started(void);
const char *host_name(void);

#endif
