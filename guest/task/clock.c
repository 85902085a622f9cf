/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that read clocks and sleep. Deadlines are monotonic; the distance to wall time is fixed at start. */
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"
#include "guest/task/proc.h"

#define CLOCK_REALTIME         0
#define CLOCK_MONOTONIC        1
#define CLOCK_PROCESS_CPUTIME  2
#define CLOCK_THREAD_CPUTIME   3
#define CLOCK_MONOTONIC_RAW    4
#define CLOCK_REALTIME_COARSE  5
#define CLOCK_MONOTONIC_COARSE 6
#define CLOCK_BOOTTIME         7
#define CLOCK_REALTIME_ALARM   8
#define CLOCK_BOOTTIME_ALARM   9
#define CLOCK_TAI              11
#define TIMER_ABSTIME          1u

bool timespec_ns(struct ltimespec t, uint64_t *out)
{
    if (t.sec < 0 || t.nsec < 0 || t.nsec >= (int64_t)NS_PER_S) { return false; }
    if ((uint64_t)t.sec >= NO_DEADLINE / NS_PER_S - 1) {
        *out = NO_DEADLINE - 1;
    } else {
        *out = (uint64_t)t.sec * NS_PER_S + (uint64_t)t.nsec;
    }
    return true;
}

bool timeval_ns(struct ltimeval t, uint64_t *out)
{
    if (t.usec < 0 || t.usec >= 1000000) { return false; }
    return timespec_ns((struct ltimespec){t.sec, t.usec * 1000}, out);
}

uint64_t deadline_after(uint64_t ns)
{
    uint64_t at;
    return add_ok(clock_mono_ns(), ns, &at) && at < NO_DEADLINE ? at : NO_DEADLINE - 1;
}

/* Negative ids name the CPU clock of a process or thread: ~id << 3 | 4 when a thread | what. */
#define CPU_OF_SELF   (-6)
#define CPU_OF_THREAD (-2)

static bool cpu_clock(int32_t id, uint64_t *out)
{
    int32_t nr = ~(id >> 3);
    if ((id & 3) == 3) { return false; }
    if ((id & 4) != 0) {
        struct thread *t = nr == 0 ? current() : thread_find(nr);
        if (t == NULL || t->proc != current_proc()) { return false; }
        *out = thread_run_ns(t);
        return true;
    }
    struct proc *p = nr == 0 ? current_proc() : proc_find(nr);
    if (p == NULL) { return false; }
    struct proc_times times = proc_times(p);
    *out = times.user_ns + times.system_ns;
    return true;
}

bool clock_read(int32_t id, uint64_t *out)
{
    switch (id) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_TAI: *out = clock_wall_ns(); return true;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM: *out = clock_mono_ns(); return true;
    case CLOCK_PROCESS_CPUTIME: return cpu_clock(CPU_OF_SELF, out);
    case CLOCK_THREAD_CPUTIME: return cpu_clock(CPU_OF_THREAD, out);
    default: return id < 0 && cpu_clock(id, out);
    }
}

bool clock_is_wall(int32_t id)
{
    return id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE || id == CLOCK_REALTIME_ALARM ||
           id == CLOCK_TAI;
}

uint64_t clock_deadline(bool wall, uint64_t at_ns)
{
    uint64_t offset = wall ? arch_wall_offset_ns() : 0;
    return at_ns > offset ? at_ns - offset : 0;
}

int64_t sys_clock_gettime(const uint64_t a[6])
{
    uint64_t ns;
    if (!clock_read((int32_t)a[0], &ns)) { return -EINVAL; }
    struct ltimespec t = timespec_of(ns);
    return copy_to_user(a[1], &t, sizeof t);
}

int64_t sys_clock_getres(const uint64_t a[6])
{
    uint64_t ns;
    if (!clock_read((int32_t)a[0], &ns)) { return -EINVAL; }
    bool coarse = (int32_t)a[0] == CLOCK_REALTIME_COARSE || (int32_t)a[0] == CLOCK_MONOTONIC_COARSE;
    struct ltimespec t = {0, coarse ? 4000000 : 1};
    return a[1] != 0 ? copy_to_user(a[1], &t, sizeof t) : 0;
}

int64_t sys_gettimeofday(const uint64_t a[6])
{
    struct ltimeval t = timeval_of(clock_wall_ns());
    const uint32_t zone[2] = {0, 0};
    if (a[0] != 0 && copy_to_user(a[0], &t, sizeof t) != 0) { return -EFAULT; }
    return a[1] != 0 ? copy_to_user(a[1], zone, sizeof zone) : 0;
}

int64_t sys_time(const uint64_t a[6])
{
    uint64_t s = clock_wall_ns() / NS_PER_S;
    if (a[0] != 0 && put_user_u64(a[0], s) != 0) { return -EFAULT; }
    return (int64_t)s;
}

/* ---- sleeping ----------------------------------------------------------------------------------------------------------- */

static int sleep_to(uint64_t deadline)
{
    int r = 0;
    while (r == 0) { r = thread_sleep(deadline, true); }
    return r == -ETIMEDOUT ? 0 : r;
}

static int64_t relative_sleep(uint64_t deadline, uint64_t rem_va);

static int64_t sleep_again(struct thread *t)
{
    return relative_sleep(t->restart[0], t->restart[1]);
}

static int64_t relative_sleep(uint64_t deadline, uint64_t rem_va)
{
    struct thread *t = current();
    if (sleep_to(deadline) == 0) { return 0; }
    if (rem_va != 0) {
        uint64_t now = clock_mono_ns();
        struct ltimespec rem = timespec_of(deadline > now ? deadline - now : 0);
        if (copy_to_user(rem_va, &rem, sizeof rem) != 0) { return -EFAULT; }
    }
    t->restart_fn = sleep_again;
    t->restart[0] = deadline;
    t->restart[1] = rem_va;
    return -ERESTART_RESTARTBLOCK;
}

static int get_timespec(uint64_t va, uint64_t *out)
{
    struct ltimespec t;
    if (copy_from_user(&t, va, sizeof t) != 0) { return -EFAULT; }
    return timespec_ns(t, out) ? 0 : -EINVAL;
}

int64_t sys_nanosleep(const uint64_t a[6])
{
    uint64_t ns;
    int e = get_timespec(a[0], &ns);
    return e != 0 ? e : relative_sleep(deadline_after(ns), a[1]);
}

int64_t sys_clock_nanosleep(const uint64_t a[6])
{
    int32_t id = (int32_t)a[0];
    uint64_t ns, now;

    if (id == CLOCK_THREAD_CPUTIME || !clock_read(id, &now)) { return -EINVAL; }
    if (id < 0 || id == CLOCK_PROCESS_CPUTIME) { return -EOPNOTSUPP; }
    int e = get_timespec(a[2], &ns);
    if (e != 0) { return e; }
    if ((a[1] & TIMER_ABSTIME) == 0) { return relative_sleep(deadline_after(ns), a[3]); }
    return sleep_to(clock_deadline(clock_is_wall(id), ns)) == 0 ? 0 : -ERESTARTNOHAND;
}

int64_t sys_restart_syscall(const uint64_t a[6])
{
    (void)a;
    struct thread *t = current();
    int64_t (*again)(struct thread *) = t->restart_fn;
    t->restart_fn = NULL;
    return again != NULL ? again(t) : -EINTR;
}
