/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clocks and timers. Armed timers stand in one list, earliest first; a new one is placed from the end, where most
 * deadlines belong. A timer whose time has come fires under the big lock on whichever vCPU notices.
 */
#include "guest/task/sched.h"

static struct list armed = LIST_INIT(armed);

uint64_t clock_mono_ns(void) { return arch_mono_ns(); }
uint64_t clock_wall_ns(void) { return arch_mono_ns() + arch_wall_offset_ns(); }

static struct timer *timer_at(struct list *l) { return LIST_ENTRY(l, struct timer, link); }

void timer_init(struct timer *t, void (*fire)(struct timer *t))
{
    *t = (struct timer){.fire = fire};
    list_init(&t->link);
}

void timer_cancel(struct timer *t)
{
    t->deadline_ns = 0;
    list_del(&t->link);
}

void timer_arm(struct timer *t, uint64_t deadline_ns)
{
    timer_cancel(t);
    t->deadline_ns = deadline_ns != 0 ? deadline_ns : 1;
    struct list *after = armed.prev;
    while (after != &armed && timer_at(after)->deadline_ns > t->deadline_ns) {
        after = after->prev;
    }
    list_add_head(after, &t->link);
}

uint64_t timers_next(void)
{
    return list_empty(&armed) ? NO_DEADLINE : timer_at(armed.next)->deadline_ns;
}

void timers_run(void)
{
    if (list_empty(&armed)) { return; }
    uint64_t now = arch_mono_ns();
    while (!list_empty(&armed) && timer_at(armed.next)->deadline_ns <= now) {
        struct timer *t = timer_at(armed.next);
        timer_cancel(t);
        t->fire(t);
    }
}
