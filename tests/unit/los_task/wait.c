/* SPDX-License-Identifier: Apache-2.0 */
#include "app.h"

#define NOHANG    1
#define UNTRACED  2
#define EXITED    4
#define CONTINUED 8
#define NOWAIT    0x01000000
#define P_ALL     0
#define P_PID     1

TestSuite(wait, .init = app_boot, .timeout = 20);

static void ends_with(void *code) { sys1(NR_exit_group, code); }
static void waits_for_signals(void *p)
{
    (void)p;
    for (;;) { sys0(NR_pause); }
}
static int64_t child(void (*fn)(void *), uint64_t arg)
{
    return app_clone(LSIG_CHLD, fn, (void *)arg);
}

static int64_t wait_for(int64_t pid, uint32_t *out_status, int options)
{
    uint64_t status = standin_user_alloc(8);
    int64_t r = sys4(NR_wait4, pid, status, options, 0);
    *out_status = app_u32(status);
    return r;
}

Test(wait, status_word_has_the_exit_code_in_the_second_byte)
{
    uint32_t status;
    int64_t pid = child(ends_with, 0x1fe);
    cr_assert_gt(pid, 1);
    cr_assert_eq(wait_for(-1, &status, 0), pid);
    cr_assert_eq(status, 0xfe00);
    cr_assert_eq(wait_for(-1, &status, 0), -ECHILD);
}

Test(wait, status_word_has_the_signal_in_the_low_bits)
{
    uint32_t status;
    int64_t pid = child(waits_for_signals, 0);
    app_yield();
    cr_assert_eq(sys2(NR_kill, pid, LSIG_TERM), 0);
    cr_assert_eq(wait_for(pid, &status, 0), pid);
    cr_assert_eq(status, 15);
    pid = child(waits_for_signals, 0);
    cr_assert_eq(sys2(NR_kill, pid, LSIG_KILL), 0);
    cr_assert_eq(wait_for(pid, &status, 0), pid);
    cr_assert_eq(status, 9);
}

Test(wait, nohang_tells_nothing_yet_from_no_child)
{
    uint32_t status;
    cr_assert_eq(wait_for(-1, &status, NOHANG), -ECHILD);
    int64_t pid = child(waits_for_signals, 0);
    cr_assert_eq(wait_for(-1, &status, NOHANG), 0);
    cr_assert_eq(wait_for(pid + 1, &status, NOHANG), -ECHILD);
    sys2(NR_kill, pid, LSIG_KILL);
    cr_assert_eq(wait_for(-1, &status, 0), pid);
}

Test(wait, unknown_options_are_refused)
{
    uint32_t status;
    cr_assert_eq(wait_for(-1, &status, 0x100), -EINVAL);
    cr_assert_eq(sys6(NR_waitid, P_ALL, 0, 0, 0, 0, 0), -EINVAL);
    cr_assert_eq(sys6(NR_waitid, 9, 0, 0, EXITED, 0, 0), -EINVAL);
}

Test(wait, stop_and_continue_are_reported_once_each)
{
    uint32_t status;
    int64_t pid = child(waits_for_signals, 0);
    app_yield();
    sys2(NR_kill, pid, LSIG_STOP);
    app_yield();
    cr_assert_eq(wait_for(pid, &status, UNTRACED), pid);
    cr_assert_eq(status, 0x137f);
    cr_assert_eq(wait_for(pid, &status, UNTRACED | NOHANG), 0);
    sys2(NR_kill, pid, LSIG_CONT);
    cr_assert_eq(wait_for(pid, &status, CONTINUED), pid);
    cr_assert_eq(status, 0xffff);
    cr_assert_eq(wait_for(pid, &status, CONTINUED | NOHANG), 0);
    sys2(NR_kill, pid, LSIG_STOP);
    app_yield();
    sys2(NR_kill, pid, LSIG_KILL); /* ends a stopped process too */
    cr_assert_eq(wait_for(pid, &status, 0), pid);
    cr_assert_eq(status, 9);
}

Test(wait, waitid_can_look_without_taking)
{
    uint64_t info = standin_user_alloc(128);
    uint32_t status;
    int64_t pid = child(ends_with, 3);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(sys6(NR_waitid, P_PID, pid, info, EXITED | NOWAIT, 0, 0), 0);
        cr_assert_eq(app_u32(info), LSIG_CHLD);
        cr_assert_eq(app_u32(info + 8), LCLD_EXITED);
        cr_assert_eq(app_u32(info + 16), pid);
        cr_assert_eq(app_u32(info + 24), 3);
    }
    cr_assert_eq(wait_for(pid, &status, 0), pid);
}

static int chld_seen;
static void note_child(int signo) { chld_seen += signo == LSIG_CHLD; }

Test(wait, parent_hears_of_its_child_by_sigchld)
{
    uint32_t status;
    app_handle(LSIG_CHLD, note_child, LSA_RESTART, 0);
    int64_t pid = child(ends_with, 0);
    cr_assert_eq(wait_for(pid, &status, 0), pid);
    cr_assert_eq(chld_seen, 1);
}

Test(wait, ignored_sigchld_leaves_no_zombie)
{
    const uint64_t ignore[4] = {1, 0, 0, 0};
    uint32_t status;
    sys4(NR_rt_sigaction, LSIG_CHLD, app_put(ignore, sizeof ignore), 0, 8);
    int64_t pid = child(ends_with, 0);
    cr_assert_eq(wait_for(pid, &status, 0), -ECHILD);
    big_lock();
    cr_assert_null(proc_find((int32_t)pid));
    big_unlock();
}

static int64_t grandchild_pid, seen_parent;
static void orphan(void *p)
{
    (void)p;
    app_yield();
    app_yield();
    seen_parent = sys0(NR_getppid);
    sys1(NR_exit_group, 5);
}
static void short_parent(void *p)
{
    (void)p;
    grandchild_pid = child(orphan, 0);
    sys1(NR_exit_group, 0);
}

Test(wait, orphans_go_to_the_first_process)
{
    uint32_t status;
    int64_t pid = child(short_parent, 0);
    cr_assert_eq(wait_for(pid, &status, 0), pid);
    cr_assert_eq(wait_for(-1, &status, 0), grandchild_pid);
    cr_assert_eq(status, 0x500);
    cr_assert_eq(seen_parent, 1);
}

static void subreaper(void *p)
{
    uint32_t status;
    (void)p;
    sys2(NR_prctl, 36, 1);
    int64_t pid = child(short_parent, 0);
    cr_assert_eq(wait_for(pid, &status, 0), pid);
    cr_assert_eq(wait_for(-1, &status, 0), grandchild_pid);
    sys1(NR_exit_group, 7);
}

Test(wait, orphans_go_to_the_nearest_subreaper)
{
    uint32_t status;
    int64_t pid = child(subreaper, 0);
    cr_assert_eq(wait_for(pid, &status, 0), pid);
    cr_assert_eq(status, 0x700);
    cr_assert_eq(seen_parent, pid);
}

static void sleeps_long(void *p)
{
    (void)p;
    sys2(NR_nanosleep, app_timespec(1000, 0), 0);
    sys1(NR_exit, 1);
}
static void many_threads(void *p)
{
    (void)p;
    for (int i = 0; i < 3; i++) { cr_assert_gt(app_clone(APP_THREAD, sleeps_long, NULL), 0); }
    app_yield();
    sys1(NR_exit_group, 9);
}

Test(wait, exit_group_ends_threads_that_sleep)
{
    uint32_t status;
    uint64_t before = clock_mono_ns();
    int64_t pid = child(many_threads, 0);
    cr_assert_eq(wait_for(pid, &status, 0), pid);
    cr_assert_eq(status, 0x900);
    cr_assert_eq(clock_mono_ns(), before);
}

/* As another vCPU's exit_group finds it: in its own code, on the way to a call. */
static void clones_when_killed(void *p)
{
    current()->killed = true;
    (void)app_clone(APP_THREAD, sleeps_long, p);
    cr_assert(false, "a killed thread returned from a call");
}

Test(wait, killed_thread_makes_no_more_threads)
{
    cr_assert_gt(app_clone(APP_THREAD, clones_when_killed, NULL), 0);
    app_yield();
    cr_assert_eq(current_proc()->thread_count, 1);
}

static bool exec_went_on;
static void execs(void *p)
{
    cr_assert_gt(app_clone(APP_THREAD, sleeps_long, p), 0);
    app_yield();
    big_lock();
    exec_went_on = exec_kill_others(); /* the other one is on its way when SIGKILL comes */
    big_unlock();
    sys0(NR_gettid);
}

Test(wait, exec_that_is_killed_while_it_waits_is_forgotten)
{
    uint32_t status;
    int64_t pid = child(execs, 0);
    app_yield(); /* its second thread */
    app_yield();
    cr_assert_neq(proc_find((int32_t)pid)->exec_thread, NULL, "it waits");
    cr_assert_eq(sys2(NR_kill, pid, LSIG_KILL), 0);
    while (proc_find((int32_t)pid)->state != PROC_ZOMBIE) { app_yield(); }
    cr_assert_not(exec_went_on);
    cr_assert_eq(proc_find((int32_t)pid)->exec_thread, NULL);
    cr_assert_eq(wait_for(pid, &status, 0), pid);
    cr_assert_eq(status, LSIG_KILL);
}

Test(wait, groups_select_children_and_setpgid_keeps_to_the_session)
{
    uint32_t status;
    int64_t a = child(waits_for_signals, 0), b = child(ends_with, 0);
    cr_assert_eq(sys2(NR_setpgid, a, a), 0);
    cr_assert_eq(sys2(NR_setpgid, b, 12345), -EPERM);
    cr_assert_eq(sys2(NR_setpgid, 99999, 0), -ESRCH);
    cr_assert_eq(wait_for(-a, &status, NOHANG), 0);
    cr_assert_eq(wait_for(0, &status, 0), b);
    cr_assert_eq(sys2(NR_kill, -a, LSIG_KILL), 0);
    cr_assert_eq(wait_for(-a, &status, 0), a);
}

#define VM    0x100
#define VFORK 0x4000
static bool child_ran;
static void borrowed(void *p)
{
    cr_assert_eq(put_user_u32((uint64_t)p, 77), 0); /* the parent's own memory */
    child_ran = true;
    sys1(NR_exit_group, 0);
}

Test(wait, vfork_parent_sleeps_until_the_child_ends_and_shares_its_memory)
{
    uint32_t status;
    uint64_t word = standin_user_alloc(8);
    int64_t pid = app_clone(VM | VFORK | LSIG_CHLD, borrowed, (void *)word);
    cr_assert(child_ran);
    cr_assert_eq(app_u32(word), 77);
    cr_assert_eq(wait_for(pid, &status, 0), pid);
}

Test(wait, mixtures_of_sharing_and_namespaces_are_refused)
{
    cr_assert_eq(app_clone(0x400 | LSIG_CHLD, ends_with, NULL), -EINVAL);     /* FILES alone */
    cr_assert_eq(app_clone(0x10000 | LSIG_CHLD, ends_with, NULL), -EINVAL);   /* THREAD alone */
    cr_assert_eq(app_clone(0x20000000 | LSIG_CHLD, ends_with, NULL), -EPERM); /* NEWPID */
    cr_assert_eq(app_clone(0x1000 | LSIG_CHLD, ends_with, NULL), -EINVAL);    /* PIDFD */
    cr_assert_eq(app_clone(APP_THREAD | VFORK, ends_with, NULL), -EINVAL);
}
