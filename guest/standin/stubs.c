/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weak stand-ins for parts of the library OS that have not landed: one process, one thread that never sleeps. Each goes
 * when the real one comes.
 */
#include "guest/fs/fs.h"
#include "guest/mm/mm.h"
#include "guest/task/task.h"
#include "guest/ward.h"

#define WEAK __attribute__((weak))

static struct proc first_proc = {.pid = 1, .pgid = 1, .sid = 1};
static struct thread first_thread = {.proc = &first_proc, .tid = 1};

void standin_first_thread(void);
void standin_first_thread(void)
{
    for (size_t i = 0; i < RLIM_COUNT; i++) { first_proc.rlim[i].cur = first_proc.rlim[i].max = UINT64_MAX; }
    first_proc.space = space_new();
    if (first_proc.space == NULL) { panic("stand-in: no memory for the first address space"); }
    cpu_vpage()->los[0] = (uint64_t)&first_thread;
}

WEAK void waitq_init(struct waitq *q) { list_init(&q->waiters); }
WEAK void waiter_init(struct waiter *w)
{
    list_init(&w->link);
    w->thread = current();
    w->notify = NULL;
    w->exclusive = false;
}
WEAK void waitq_add(struct waitq *q, struct waiter *w) { list_add_tail(&q->waiters, &w->link); }
WEAK void waiter_del(struct waiter *w) { list_del(&w->link); }
WEAK void wake(struct waitq *q, uint32_t events)
{
    LIST_EACH_SAFE(it, &q->waiters)
    {
        struct waiter *w = LIST_ENTRY(it, struct waiter, link);
        if (w->notify != NULL) { w->notify(w, events); }
    }
}
WEAK void wake_one(struct waitq *q, uint32_t events) { wake(q, events); }
WEAK int thread_sleep(uint64_t deadline_ns, bool interruptible)
{
    (void)interruptible;
    if (deadline_ns != NO_DEADLINE) { return -ETIMEDOUT; }
    panic("stand-in: the only thread would sleep for ever");
}
WEAK int wait_on(struct waitq *q, uint64_t deadline_ns, bool interruptible)
{
    (void)q;
    return thread_sleep(deadline_ns, interruptible);
}
WEAK void thread_yield(void) {}
WEAK bool signal_pending(void) { return false; }
WEAK void signal_proc(struct proc *p, const struct ksiginfo *info) { (void)p, (void)info; }
WEAK void signal_thread(struct thread *t, const struct ksiginfo *info) { (void)t, (void)info; }
WEAK uint64_t clock_mono_ns(void) { return 0; }
WEAK uint64_t clock_wall_ns(void) { return 0; }

WEAK struct file *fd_file(int fd)
{
    (void)fd;
    return NULL;
}
WEAK void file_get(struct file *f) { f->refs++; }
WEAK void file_put(struct file *f)
{
    if (f != NULL) { f->refs--; }
}
WEAK void exec_kill_others(void) {}
WEAK void exec_reset(const char *comm) { (void)comm; }
NORETURN void thread_first(void);
WEAK NORETURN void thread_first(void) { panic("stand-in: no entry code"); }
WEAK void signal_mask_temporary(uint64_t mask) { (void)mask; }
struct inode;
int dev_open(struct inode *i, struct file *f);
WEAK int dev_open(struct inode *i, struct file *f)
{
    (void)i, (void)f;
    return -ENXIO;
}
