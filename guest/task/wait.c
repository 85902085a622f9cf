/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wait queues. Everything happens under the big lock, so there is no lost wake-up: a condition that was false when the
 * waiter queued itself can only become true in code that then calls wake(). A wake may be spurious; waiters re-test.
 */
#include "guest/task/sched.h"

void waitq_init(struct waitq *q) { list_init(&q->waiters); }

void waiter_init(struct waiter *w)
{
    *w = (struct waiter){.thread = current()};
    list_init(&w->link);
}

void waitq_add(struct waitq *q, struct waiter *w) { list_add_tail(&q->waiters, &w->link); }

void waiter_del(struct waiter *w) { list_del(&w->link); }

static void notify(struct waiter *w, uint32_t events)
{
    if (w->notify != NULL) {
        w->notify(w, events);
    } else {
        thread_wake(w->thread);
    }
}

void wake(struct waitq *q, uint32_t events)
{
    LIST_EACH_SAFE (it, &q->waiters) { notify(LIST_ENTRY(it, struct waiter, link), events); }
}

void wake_one(struct waitq *q, uint32_t events)
{
    LIST_EACH_SAFE (it, &q->waiters) {
        struct waiter *w = LIST_ENTRY(it, struct waiter, link);
        bool last = w->exclusive;
        /* An exclusive waiter that is already on its way has not taken anything yet: the next one gets this wake. */
        if (last && w->notify == NULL && w->thread->woken) { continue; }
        notify(w, events);
        if (last) { return; }
    }
}

int thread_sleep(uint64_t deadline_ns, bool interruptible)
{
    return sleep_until(deadline_ns, interruptible ? SLEEP_INTERRUPTIBLE : SLEEP_DEAF);
}

int wait_on(struct waitq *q, uint64_t deadline_ns, bool interruptible)
{
    struct waiter w;
    waiter_init(&w);
    waitq_add(q, &w);
    int r = thread_sleep(deadline_ns, interruptible);
    waiter_del(&w);
    return r;
}
