/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process and thread numbers. The container counts from 1; init's world lives above PID_INTERNAL, so neither can name
 * the other's by accident, and proc_visible() keeps it so on purpose. A number is taken while a process, a thread, a
 * process group or a session has it.
 */
#include "guest/task/proc.h"

#define BUCKETS 256u
#define PID_TOP 0x400000 /* exclusive, as Linux's pid_max on 64 bit */

struct list proc_all = LIST_INIT(proc_all);
static struct list procs[BUCKETS], threads[BUCKETS];
static int32_t next_pid = 1, next_internal = PID_INTERNAL;

static struct list *bucket(struct list *table, int32_t nr)
{
    struct list *b = &table[(uint32_t)nr % BUCKETS];
    if (b->next == NULL) { list_init(b); }
    return b;
}

static struct proc *find_any(int32_t pid)
{
    LIST_EACH (it, bucket(procs, pid)) {
        struct proc *p = LIST_ENTRY(it, struct proc, by_pid);
        if (p->pid == pid) { return p; }
    }
    return NULL;
}

static struct thread *find_any_thread(int32_t tid)
{
    LIST_EACH (it, bucket(threads, tid)) {
        struct thread *t = LIST_ENTRY(it, struct thread, by_tid);
        if (t->tid == tid) { return t; }
    }
    return NULL;
}

bool proc_visible(const struct proc *q)
{
    struct thread *t = current();
    return t->proc == NULL || t->proc->internal == q->internal;
}

struct proc *proc_find(int32_t pid)
{
    struct proc *p = find_any(pid);
    return p != NULL && proc_visible(p) ? p : NULL;
}

struct thread *thread_find(int32_t tid)
{
    struct thread *t = find_any_thread(tid);
    return t != NULL && proc_visible(t->proc) ? t : NULL;
}

static bool taken(int32_t nr)
{
    if (find_any(nr) != NULL || find_any_thread(nr) != NULL) { return true; }
    PROC_EACH(p)
    {
        if (p->pgid == nr || p->sid == nr) { return true; }
    }
    return false;
}

int32_t pid_alloc(bool internal)
{
    int32_t *next = internal ? &next_internal : &next_pid;
    int32_t first = internal ? PID_INTERNAL : 1;
    for (int32_t tries = 0; tries < PID_TOP; tries++) {
        int32_t nr = *next;
        *next = nr + 1 < first + PID_TOP ? nr + 1 : first + 1;
        if (!taken(nr)) { return nr; }
    }
    return 0;
}

void pid_forget_container(void) { next_pid = 1; }

void pid_add_proc(struct proc *p)
{
    list_add_tail(bucket(procs, p->pid), &p->by_pid);
    list_add_tail(&proc_all, &p->all);
}

void pid_add_thread(struct thread *t) { list_add_tail(bucket(threads, t->tid), &t->by_tid); }

void pid_del_proc(struct proc *p)
{
    list_del(&p->by_pid);
    list_del(&p->all);
}

void pid_del_thread(struct thread *t) { list_del(&t->by_tid); }
