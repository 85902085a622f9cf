/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays applications over the stand-in. Each is a C function on a host stack of its own. Its system calls go through the
 * real entry and exit path, so switches, signals and restarts happen where they do in the guest; what a processor would
 * do next (run the handler, execute the call again) is played by app_call(). Time is virtual.
 */
#ifndef CASEMATE_TESTS_LOS_TASK_APP_H
#define CASEMATE_TESTS_LOS_TASK_APP_H

#include <criterion/criterion.h>

#include "guest/mm/mm.h"
#include "guest/standin/standin.h"
#include "guest/sys/sys.h"
#include "guest/task/proc.h"

enum {
    NR_rt_sigaction = 13,
    NR_rt_sigprocmask = 14,
    NR_rt_sigreturn = 15,
    NR_sched_yield = 24,
    NR_pause = 34,
    NR_nanosleep = 35,
    NR_getitimer = 36,
    NR_alarm = 37,
    NR_setitimer = 38,
    NR_getpid = 39,
    NR_clone = 56,
    NR_exit = 60,
    NR_wait4 = 61,
    NR_kill = 62,
    NR_setpgid = 109,
    NR_getppid = 110,
    NR_setsid = 112,
    NR_rt_sigpending = 127,
    NR_rt_sigtimedwait = 128,
    NR_rt_sigsuspend = 130,
    NR_sigaltstack = 131,
    NR_prctl = 157,
    NR_gettid = 186,
    NR_futex = 202,
    NR_timer_create = 222,
    NR_timer_settime = 223,
    NR_timer_gettime = 224,
    NR_timer_getoverrun = 225,
    NR_clock_nanosleep = 230,
    NR_exit_group = 231,
    NR_tgkill = 234,
    NR_waitid = 247,
    NR_set_robust_list = 273,
};

#define APP_RIP    0x400000ull /* the instruction after every system call */
#define APP_STACK  262144
#define APP_THREAD 0x50f00ull /* VM FS FILES SIGHAND THREAD SYSVSEM */
#define APP_SLOTS  48u

/* Application stacks, where frames are built, by number of the thread. */
static uint64_t app_sp[4096];

static inline void app_boot(void)
{
    standin_boot();
    big_unlock(); /* applications run without it */
}

static inline uint64_t *app_stack_pointer(void)
{
    uint64_t *sp = &app_sp[current()->tid % 4096];
    if (*sp == 0) { *sp = standin_user_alloc(65536) + 65536; }
    return sp;
}

static inline int64_t app_call(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    struct regs *r = current()->regs;
    uint64_t *sp = app_stack_pointer();

    *r = (struct regs){.rax = nr, .orig_rax = nr, .rdi = a0, .rsi = a1, .rdx = a2, .r10 = a3, .r8 = a4, .r9 = a5,
                       .rip = APP_RIP, .rsp = *sp, .rflags = 0x202};
    for (;;) {
        (void)syscall_from_app(r);
        while (r->rip != APP_RIP && r->rip != APP_RIP - 2) { /* a handler */
            void (*handler)(int) = (void (*)(int))r->rip;
            uint64_t frame = r->rsp, before = *sp;
            *sp = frame;
            handler((int)r->rdi);
            *sp = before;
            r->rsp = frame + 8; /* its `ret` took the restorer's address */
            r->orig_rax = r->rax = NR_rt_sigreturn;
            (void)syscall_from_app(r);
        }
        if (r->rip == APP_RIP) { return (int64_t)r->rax; }
        r->rip = APP_RIP;
        r->orig_rax = r->rax;
    }
}
#define sys0(nr)                   app_call(nr, 0, 0, 0, 0, 0, 0)
#define sys1(nr, a)                app_call(nr, (uint64_t)(a), 0, 0, 0, 0, 0)
#define sys2(nr, a, b)             app_call(nr, (uint64_t)(a), (uint64_t)(b), 0, 0, 0, 0)
#define sys3(nr, a, b, c)          app_call(nr, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), 0, 0, 0)
#define sys4(nr, a, b, c, d)       app_call(nr, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), 0, 0)
#define sys6(nr, a, b, c, d, e, f)                                                                           \
    app_call(nr, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), (uint64_t)(e), (uint64_t)(f))

/* A thread (APP_THREAD) or a process (its exit signal) that runs fn(arg), which ends by exit. Its number. */
static inline int64_t app_clone(uint64_t flags, void (*fn)(void *), void *arg)
{
    static char stacks[APP_SLOTS][APP_STACK] ALIGNED(16);
    static unsigned used;
    struct regs *r = current()->regs;

    cr_assert_lt(used, APP_SLOTS);
    *r = (struct regs){.rax = NR_clone, .orig_rax = NR_clone, .rdi = flags, .rip = (uint64_t)fn, .rbx = (uint64_t)arg};
    r->rsi = (uint64_t)stacks[used++] + APP_STACK;
    (void)syscall_from_app(r);
    return (int64_t)r->rax;
}

static inline uint64_t app_put(const void *bytes, size_t len)
{
    uint64_t va = standin_user_alloc(len);
    cr_assert_eq(copy_to_user(va, bytes, len), 0);
    return va;
}
static inline uint32_t app_u32(uint64_t va)
{
    uint32_t v;
    cr_assert_eq(get_user_u32(va, &v), 0);
    return v;
}
static inline uint64_t app_u64(uint64_t va)
{
    uint64_t v;
    cr_assert_eq(get_user_u64(va, &v), 0);
    return v;
}
static inline uint64_t app_timespec(int64_t sec, int64_t nsec)
{
    return app_put(&(struct ltimespec){sec, nsec}, sizeof(struct ltimespec));
}

#define APP_RESTORER 0x500000ull
static inline int64_t app_handle(int signo, void (*handler)(int), uint64_t flags, uint64_t mask)
{
    const uint64_t sa[4] = {(uint64_t)handler, flags | 0x04000000, APP_RESTORER, mask};
    return sys4(NR_rt_sigaction, signo, app_put(sa, sizeof sa), 0, 8);
}
static inline int64_t app_mask(int how, uint64_t set)
{
    return sys4(NR_rt_sigprocmask, how, app_put(&set, sizeof set), 0, 8);
}
static inline void app_yield(void) { sys0(NR_sched_yield); }

#endif
