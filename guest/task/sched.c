/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler: one run queue, first come first served, for all vCPUs.
 *
 * A wake never preempts: the waker runs until it blocks or its slice ends, and a switch of address spaces (the dear
 * part on deprivileged hosts) happens only when another process's thread is switched to. A tick exists only while
 * somebody waits in the run queue. Extended state is saved when a thread leaves its vCPU and loaded unless it finds the
 * registers as it left them.
 */
#include "guest/task/sched.h"

#include "guest/mm/mm.h"
#include "guest/ward.h"

#define SLICE_NS     10000000ull
#define SPIN_NS      10000ull
#define SPINS_MAX    1000u
#define SPIN_GAP_NS  5000ull
#define SPIN_REST_NS 10000000ull
#define STACK_CANARY 0x6b636174736f6c43ull

struct cpu cpus[CPU_MAX];
unsigned cpu_count;
void (*device_poll)(void);
bool (*device_spin)(void);

static struct list run_queue = LIST_INIT(run_queue);
static struct thread idle_threads[CPU_MAX];

struct thread *current(void) { return (struct thread *)cpu_vpage()->los[WORD_THREAD]; }
struct cpu *this_cpu(void) { return (struct cpu *)cpu_vpage()->los[WORD_CPU]; }

/* ---- threads' stacks ------------------------------------------------------------------------------------------------ */

static uint64_t stack_top(const struct thread *t) { return (uint64_t)t->stack + STACK_SIZE - 8; }

/* As if it had called thread_switch_stacks() from just before fn(). */
static void stack_prepare(struct thread *t, void (*fn)(void))
{
    uint64_t *sp = (uint64_t *)t->regs;
    *--sp = 0; /* fn() returns to nobody; keeps the call alignment */
    *--sp = (uint64_t)fn;
    for (int i = 0; i < 6; i++) { *--sp = 0; }
    t->sp = (uint64_t)sp;
}

void *thread_xstate_area(struct thread *t)
{
    return (void *)(((uint64_t)t->xstate + 63) & ~(uint64_t)63);
}

struct thread *thread_alloc(void)
{
    struct thread *t = mem_alloc(sizeof *t);
    if (t == NULL) { return NULL; }
    t->stack = mem_alloc(STACK_SIZE);
    t->xstate = mem_alloc(arch_xstate_size() + 64);
    if (t->stack == NULL || t->xstate == NULL) {
        thread_free(t);
        return NULL;
    }
    *(uint64_t *)t->stack = STACK_CANARY;
    t->regs = (struct regs *)(stack_top(t) - sizeof *t->regs);
    arch_xstate_init(thread_xstate_area(t));
    list_init(&t->link);
    list_init(&t->run);
    list_init(&t->by_tid);
    list_init(&t->pending.queue);
    timer_init(&t->sleep_timer, NULL);
    t->state_cpu = STATE_IN_MEMORY;
    t->state = THREAD_SLEEPING;
    t->start_ns = clock_mono_ns();
    return t;
}

void thread_free(struct thread *t)
{
    if (t == NULL) { return; }
    mem_free(t->xstate);
    mem_free(t->stack);
    mem_free(t);
}

/* ---- switching ------------------------------------------------------------------------------------------------------ */

/* A vCPU that spins sees the run queue by itself; one that is parked is called. */
static void wake_idle_cpu(void)
{
    struct cpu *parked = NULL;
    for (unsigned i = 0; i < cpu_count; i++) {
        if (i == cpu_id()) { continue; }
        if (cpus[i].spinning) { return; }
        if (cpus[i].parked) { parked = &cpus[i]; }
    }
    if (parked != NULL) {
        parked->parked = false;
        arch_kick(parked->id);
    }
}

static void make_runnable(struct thread *t)
{
    t->state = THREAD_RUNNABLE;
    list_add_tail(&run_queue, &t->run);
    wake_idle_cpu();
}

void thread_start_at(struct thread *t, void (*fn)(void))
{
    stack_prepare(t, fn);
    t->full_exit = true;
    make_runnable(t);
}

static void thread_first(void)
{
    sched_switched();
    thread_leave();
}

void thread_start(struct thread *t) { thread_start_at(t, thread_first); }

static void state_leave(struct cpu *c, struct thread *t)
{
    if (t->state == THREAD_DEAD) {
        c->state_owner = NULL;
        return;
    }
    t->fs_base = arch_fs_get();
    arch_xstate_save(thread_xstate_area(t));
    c->state_owner = t;
    t->state_cpu = c->id;
}

static void state_enter(struct cpu *c, struct thread *t)
{
    if (c->state_owner != t || t->state_cpu != c->id) {
        arch_xstate_load(thread_xstate_area(t));
        arch_fs_set(t->fs_base);
    }
    c->state_owner = t;
    t->state_cpu = c->id;
}

static void space_enter(struct cpu *c, struct space *s)
{
    if (s == NULL) { return; } /* a process that is ending: whatever is loaded does */
    struct space *old = c->space;
    if (old == s) {
        space_load(s);
        return;
    }
    space_get(s);
    c->space = s;
    space_load(s);
    if (old != NULL) { space_put(old); }
}

void sched_space_changed(void) { space_enter(this_cpu(), current_proc()->space); }

void sched_switched(void)
{
    struct cpu *c = this_cpu();
    struct thread *dead = c->dead;
    if (dead != NULL) {
        c->dead = NULL;
        if (dead->proc_unowned) { proc_free(dead->proc); }
        thread_free(dead);
    }
}

static void switch_to(struct thread *next)
{
    struct cpu *c = this_cpu();
    struct thread *prev = c->current;
    uint64_t now = arch_mono_ns();

    if (prev->proc != NULL) {
        if (*(uint64_t *)prev->stack != STACK_CANARY) { panic("library-OS stack overflow"); }
        prev->run_ns += now - c->switched_ns;
        state_leave(c, prev);
    }
    c->switched_ns = now;
    c->slice_end_ns = now + SLICE_NS;
    c->current = next;
    cpu_vpage()->los[WORD_THREAD] = (uint64_t)next;
    next->cpu = c->id;
    if (next->proc != NULL) {
        arch_set_entry_stack(stack_top(next));
        space_enter(c, next->proc->space);
        state_enter(c, next);
    }
    thread_switch_stacks(&prev->sp, next->sp);
    sched_switched();
}

static struct thread *take_runnable(void)
{
    if (list_empty(&run_queue)) { return NULL; }
    struct thread *t = LIST_ENTRY(run_queue.next, struct thread, run);
    list_del(&t->run);
    return t;
}

void schedule(void)
{
    struct thread *next = take_runnable();
    if (next == NULL) { next = this_cpu()->idle; }
    if (next != current()) { switch_to(next); }
}

void thread_yield(void)
{
    if (list_empty(&run_queue)) { return; }
    list_add_tail(&run_queue, &current()->run);
    schedule();
}

void thread_finish(void)
{
    struct cpu *c = this_cpu();
    c->current->state = THREAD_DEAD;
    c->dead = c->current;
    schedule();
    panic("a dead thread runs");
}

uint64_t thread_run_ns(const struct thread *t)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        if (cpus[i].current == t) { return t->run_ns + (arch_mono_ns() - cpus[i].switched_ns); }
    }
    return t->run_ns;
}

/* ---- sleeping and waking -------------------------------------------------------------------------------------------- */

void thread_wake(struct thread *t)
{
    t->woken = true;
    if (t->state == THREAD_SLEEPING && t->proc != NULL) { make_runnable(t); }
}

void sched_wake_for_signal(struct thread *t)
{
    if (t->state == THREAD_SLEEPING) {
        if (t->sleep_how == SLEEP_INTERRUPTIBLE || (t->killed && t->sleep_how == SLEEP_KILLABLE)) {
            make_runnable(t);
        }
        return;
    }
    if (t->state == THREAD_RUNNABLE && list_empty(&t->run) && t->cpu != cpu_id()) {
        arch_kick(t->cpu);
    }
}

static void sleep_timeout(struct timer *timer)
{
    struct thread *t = CONTAINER_OF(timer, struct thread, sleep_timer);
    if (t->state == THREAD_SLEEPING) { make_runnable(t); }
}

static bool interrupted(const struct thread *t, unsigned how)
{
    return (how == SLEEP_INTERRUPTIBLE && signal_pending()) || (how != SLEEP_DEAF && t->killed);
}

int sleep_until(uint64_t deadline_ns, unsigned how)
{
    struct thread *t = current();

    if (!t->woken) {
        if (interrupted(t, how)) { return -ERESTARTSYS; }
        if (deadline_ns != NO_DEADLINE) {
            if (deadline_ns <= arch_mono_ns()) { return -ETIMEDOUT; }
            t->sleep_timer.fire = sleep_timeout;
            timer_arm(&t->sleep_timer, deadline_ns);
        }
        t->state = THREAD_SLEEPING;
        t->sleep_how = how;
        schedule();
        timer_cancel(&t->sleep_timer);
    }
    if (t->woken) {
        t->woken = false;
        return 0;
    }
    if (interrupted(t, how)) { return -ERESTARTSYS; }
    return deadline_ns != NO_DEADLINE && deadline_ns <= arch_mono_ns() ? -ETIMEDOUT : 0;
}

/* ---- vCPUs ---------------------------------------------------------------------------------------------------------- */

void sched_cpu_init(unsigned id)
{
    struct cpu *c = &cpus[id];
    struct thread *idle = &idle_threads[id];

    *c = (struct cpu){.id = id, .current = idle, .idle = idle, .online = true};
    idle->cpu = id;
    list_init(&idle->run);
    list_init(&idle->pending.queue);
    cpu_vpage()->los[WORD_THREAD] = (uint64_t)idle;
    cpu_vpage()->los[WORD_CPU] = (uint64_t)c;
    if (id >= cpu_count) { cpu_count = id + 1; }
}

void sched_adopt(struct thread *t)
{
    struct cpu *c = this_cpu();
    t->state = THREAD_RUNNABLE;
    t->cpu = c->id;
    c->current = t;
    cpu_vpage()->los[WORD_THREAD] = (uint64_t)t;
    c->switched_ns = arch_mono_ns();
    c->slice_end_ns = c->switched_ns + SLICE_NS;
    arch_set_entry_stack(stack_top(t));
    space_enter(c, t->proc->space);
}

static void take_pending(struct cpu *c)
{
    uint32_t bits = arch_take_pending();
    if ((bits & PENDING_TIMER) != 0) { c->timer_ns = 0; }
    if ((bits & PENDING_DEVICE) != 0 && device_poll != NULL) { device_poll(); }
}

/* The vCPU's timer fires at the earliest deadline, or at the end of the slice when somebody waits for the vCPU. A
 * later setting is left alone: it costs a ward call now, firing early costs one upcall, and mostly neither happens. */
static void timer_program(struct cpu *c)
{
    uint64_t want = timers_next();
    if (!list_empty(&run_queue)) {
        uint64_t now = arch_mono_ns();
        if (c->slice_end_ns <= now) {
            c->slice_end_ns = now + SLICE_NS;
        } /* alone until now: a wake does not preempt */
        want = min_u64(want, c->slice_end_ns);
    }
    if (want == NO_DEADLINE || (c->timer_ns != 0 && c->timer_ns <= want)) { return; }
    c->timer_ns = want;
    arch_timer(want);
}

void sched_cpu_check(void)
{
    if (arch_pending()) {
        take_pending(this_cpu());
        timers_run();
        if (!list_empty(&run_queue) && arch_mono_ns() >= this_cpu()->slice_end_ns) {
            thread_yield();
        }
    }
    timer_program(this_cpu());
}

/*
 * Before a vCPU parks it looks around for a moment: being called back costs several times as much. Other vCPUs' wakes and
 * bits are seen without the lock; with one vCPU nobody wants the lock, so the device is looked at too. A gap in the clock
 * says that the host has better use for the core: then no spinning for a while.
 */
static bool idle_spin(struct cpu *c)
{
    uint64_t now = arch_mono_ns(), end = min_u64(now + SPIN_NS, timers_next());
    bool alone = cpu_count == 1, found = false;

    if (now < c->no_spin_before_ns) { return false; }
    c->spinning = true;
    if (!alone) { big_unlock(); }
    for (unsigned n = 0; n < SPINS_MAX && !found && now < end;
         n++) { /* a clock may stand still: tests */
        uint64_t next = arch_mono_ns();
        if (next - now > SPIN_GAP_NS) {
            c->no_spin_before_ns = next + SPIN_REST_NS;
            break;
        }
        now = next;
        found = arch_pending() ||
                __atomic_load_n(&run_queue.next, __ATOMIC_RELAXED) != &run_queue ||
                (alone && device_spin != NULL && device_spin());
        cpu_relax();
    }
    if (!alone) { big_lock(); }
    c->spinning = false;
    return found || !list_empty(&run_queue);
}

static void device_look(void)
{
    if (device_poll != NULL) { device_poll(); }
}

static void idle_park(struct cpu *c)
{
    device_look(); /* asks for an interrupt, and takes what came before it did */
    if (!list_empty(&run_queue)) { return; }
    uint64_t deadline = timers_next();
    c->parked = true;
    if (deadline != NO_DEADLINE) { c->timer_ns = deadline; }
    big_unlock();
    arch_park(deadline);
    big_lock();
    c->parked = false;
}

void sched_idle(bool (*stop)(void))
{
    for (;;) {
        struct cpu *c = this_cpu();
        take_pending(c);
        device_look();
        timers_run();
        if (stop != NULL && stop()) { return; }
        struct thread *next = take_runnable();
        if (next != NULL) {
            switch_to(next);
        } else if (!idle_spin(c)) {
            idle_park(c);
        }
    }
}
