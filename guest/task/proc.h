/* SPDX-License-Identifier: Apache-2.0 */
/* Private to task/: processes, pids, signals between the files of the folder. */
#ifndef CASEMATE_GUEST_TASK_PROC_H
#define CASEMATE_GUEST_TASK_PROC_H

#include "guest/task/sched.h"

/* ---- pid.c ----------------------------------------------------------------------------------------------------------- */

/* A free pid of the container, or of init's world; 0 when all are taken. Reserved by pid_add_*. */
int32_t pid_alloc(bool internal);
void pid_forget_container(void); /* nobody of the container lives: the next process is pid 1 again */
void pid_add_proc(struct proc *p);
void pid_add_thread(struct thread *t);
void pid_del_proc(struct proc *p);
void pid_del_thread(struct thread *t);
/* Is q something p may see and name? */
bool proc_visible(const struct proc *q);
#define PROC_EACH(p)                                                                                         \
    LIST_EACH_SAFE(p##_it, &proc_all)                                                                        \
        for (struct proc *p = LIST_ENTRY(p##_it, struct proc, all); p != NULL; p = NULL)
#define THREAD_EACH(t, p)                                                                                    \
    LIST_EACH_SAFE(t##_it, &(p)->threads)                                                                    \
        for (struct thread *t = LIST_ENTRY(t##_it, struct thread, link); t != NULL; t = NULL)

/* ---- proc.c ---------------------------------------------------------------------------------------------------------- */

void proc_free(struct proc *p);        /* no thread, in no list but its parent's */
void proc_reap(struct proc *p);        /* a zombie its parent has waited for */
NORETURN void thread_exit(void);       /* the current thread; the last one ends the process */
void vfork_release(struct proc *p);
void proc_notify_parent(struct proc *p, int signo, int code, int status);
void proc_kill_threads(struct proc *p, struct thread *except);
/* The guest's last act: `status` is a wait status word. */
NORETURN void guest_end(int status);
void proc_world_ends(bool internal); /* all of it but who stays is killed; its end is not the guest's */
struct proc_times {
    uint64_t user_ns, system_ns;
};
struct proc_times proc_times(struct proc *p);

/* ---- cred.c ---------------------------------------------------------------------------------------------------------- */

int64_t prctl_cap_ambient(uint64_t op, uint64_t cap);
int64_t prctl_cap_bounding(uint64_t cap, bool drop);

/* ---- signal.c ---------------------------------------------------------------------------------------------------------- */

#define SIG_BIT(n) (1ull << ((n)-1))
#define SIG_UNBLOCKABLE (SIG_BIT(LSIG_KILL) | SIG_BIT(LSIG_STOP))
#define LSIG_DFL 0u
#define LSIG_IGN 1u

void sigqueue_init(struct sigqueue_head *q);
void sigqueue_flush(struct sigqueue_head *q, uint64_t mask);
void signal_set_mask(struct thread *t, uint64_t mask);
void signal_force(struct thread *t, int signo, int code, uint64_t addr); /* cannot be blocked or ignored */
bool signal_ignored(const struct proc *p, int signo);
/* May the current process send to p? 0 or -EPERM. */
int signal_allowed(const struct proc *p, int signo);
void siginfo_pack(uint8_t out[128], const struct ksiginfo *info);
int signal_frame_push(struct regs *r, const struct ksiginfo *info, const struct sigaction_k *sa);

int signal_send(struct proc *p, struct thread *t, const struct ksiginfo *info); /* t NULL: the process; -EAGAIN: queue full */
/* A timer's signal still stands in the queue: it counts `more` expiries; its total. False: it does not. */
bool signal_timer_again(struct sigqueue_head *q, int signo, int32_t timerid, uint64_t more);
void signal_forget(struct proc *p, int signo); /* it is ignored now */

/* ---- clock.c -------------------------------------------------------------------------------------------------------------- */

bool clock_read(int32_t id, uint64_t *out); /* false: no such clock */
bool clock_is_wall(int32_t id);
uint64_t clock_deadline(bool wall, uint64_t at_ns); /* monotonic deadline of a point on that clock */

/* ---- futex.c ------------------------------------------------------------------------------------------------------------ */

void futex_wake_user(uint64_t va, unsigned count);
void robust_list_exit(struct thread *t);

/* ---- timers.c ------------------------------------------------------------------------------------------------------------ */

void timers_exec(struct proc *p); /* POSIX timers go, interval timers stay */
void timers_exit(struct proc *p);
/* A signal of p's timer has been taken: its overruns are those that timer_getoverrun() tells until the next. */
void timer_delivered(struct proc *p, int32_t id, int32_t overrun);

/* ---- Linux structs ---------------------------------------------------------------------------------------------------------- */

struct ltimespec {
    int64_t sec, nsec;
};
struct ltimeval {
    int64_t sec, usec;
};
#define NS_PER_S 1000000000ull
static inline struct ltimespec timespec_of(uint64_t ns)
{
    return (struct ltimespec){(int64_t)(ns / NS_PER_S), (int64_t)(ns % NS_PER_S)};
}
static inline struct ltimeval timeval_of(uint64_t ns)
{
    return (struct ltimeval){(int64_t)(ns / NS_PER_S), (int64_t)(ns % NS_PER_S / 1000)};
}
/* False: negative or nsec out of range (EINVAL). Far futures saturate below NO_DEADLINE. */
MUST_CHECK bool timespec_ns(struct ltimespec t, uint64_t *out);
MUST_CHECK bool timeval_ns(struct ltimeval t, uint64_t *out);
/* now + ns without wrapping */
uint64_t deadline_after(uint64_t ns);

#endif
