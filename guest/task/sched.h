/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to task/, x86/ and standin/: vCPUs, the run queue, and the way out to the application.
 *
 * A thread is in exactly one place: running on a vCPU, in the run queue, or asleep (in no list of the scheduler). All
 * of it changes under the big lock only. A vCPU with nothing to do runs its idle thread, which has no process.
 */
#ifndef CASEMATE_GUEST_TASK_SCHED_H
#define CASEMATE_GUEST_TASK_SCHED_H

#include "firmware/abi/layout.h"
#include "guest/task/arch.h"
#include "guest/task/task.h"

#define THREAD_RUNNABLE 0u /* running or in the run queue */
#define THREAD_SLEEPING 1u
#define THREAD_DEAD     2u

#define SLEEP_DEAF        0u /* only thread_wake() and the deadline end it */
#define SLEEP_KILLABLE    1u
#define SLEEP_INTERRUPTIBLE 2u

#define STACK_SIZE 32768u

/* Words of vpage.los; the last two are read and written by assembly. */
#define WORD_THREAD  0
#define WORD_CPU     1
#define WORD_PATCHED 2 /* where rewritten call sites enter */
#define WORD_TRAPPED 3 /* the last entry came by `syscall` */

struct cpu {
    unsigned id;
    struct thread *current;
    struct thread *idle;
    struct thread *dead;       /* left for the next thread to free: nobody frees the stack it stands on */
    struct thread *state_owner; /* whose extended state the registers hold */
    struct space *space;       /* loaded here; one reference */
    uint64_t timer_ns;         /* what the vCPU's timer is set to; 0 = off */
    uint64_t slice_end_ns;
    uint64_t switched_ns;
    uint64_t no_spin_before_ns;
    bool parked, spinning;
    bool online;
};
extern struct cpu cpus[CPU_MAX];
extern unsigned cpu_count; /* online */
struct cpu *this_cpu(void);

/* The calling context becomes vCPU `id`'s idle thread; stack_top is for entries while it runs (none are legal). */
void sched_cpu_init(unsigned id);
/* The calling context becomes t, as if it had been switched to. */
void sched_adopt(struct thread *t);
/* Runs threads until stop() says so (NULL: never). The idle thread calls it, with the big lock held. */
void sched_idle(bool (*stop)(void));
/* Called for PENDING_DEVICE and before parking; set by main.c. */
extern void (*device_poll)(void);
extern bool (*device_spin)(void); /* the same for a vCPU that spins; true: there was something */

void schedule(void);                 /* to the next runnable thread, or idle */
int sleep_until(uint64_t deadline_ns, unsigned how);
void sched_wake_for_signal(struct thread *t); /* asleep and willing, or running elsewhere: makes it look */
void sched_space_changed(void);      /* current's process has another space (exec) */
void sched_cpu_check(void);          /* on the way out: pending bits, timers, slice */
uint64_t thread_run_ns(const struct thread *t); /* including the current slice */
uint64_t timers_next(void);          /* deadline of the earliest timer, NO_DEADLINE */
void timers_run(void);
NORETURN void thread_finish(void);   /* the current thread is unlinked everywhere: never runs again */
void thread_free(struct thread *t);  /* never started */
void *thread_xstate_area(struct thread *t);

/* ---- the big lock (lock.c) ------------------------------------------------------------------------------------------ */
void big_lock(void);
void big_unlock(void);

/* ---- signals and exit, as the exit path sees them ---------------------------------------------------------------------- */
/* Builds frames, acts, restarts; false when nothing was left to do. May not return (termination). */
bool signal_deliver(struct regs *r);
/* A synchronous fault: cannot be blocked or ignored. */
void signal_fault(int signo, int code, uint64_t addr, uint64_t trapno, uint64_t error);
void thread_exit_if_killed(void);
void sched_switched(void);           /* first act on a stack that was switched to */
void proc_free(struct proc *p);
/* Runnable at fn(), which calls sched_switched() first and thread_leave() last. */
void thread_start_at(struct thread *t, void (*fn)(void));
NORETURN void thread_leave(void);    /* the current thread's regs become the application; entry.c */
struct thread *thread_alloc(void); /* stack, extended state, empty queues; no process. NULL: no memory */

#endif
