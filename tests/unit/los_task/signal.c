/* SPDX-License-Identifier: Apache-2.0 */
#include "app.h"

#define BLOCK   0
#define UNBLOCK 1
#define SETMASK 2
#define SET(n)  (1ull << ((n)-1))

TestSuite(signal, .init = app_boot, .timeout = 20);

static int seen[64], seen_count;
static void note(int signo) { seen[seen_count++] = signo; }

static int64_t kill_self(int signo) { return sys2(NR_kill, sys0(NR_getpid), signo); }

static void send_value(int signo, uint64_t value)
{
    struct ksiginfo info = {.signo = signo, .code = LSI_QUEUE, .pid = 1, .value = value};
    big_lock();
    signal_proc(current_proc(), &info);
    big_unlock();
}

Test(signal, handler_runs_on_the_way_out_of_the_call_that_raised_it)
{
    cr_assert_eq(app_handle(10, note, 0, 0), 0);
    cr_assert_eq(kill_self(10), 0);
    cr_assert_eq(seen_count, 1);
    cr_assert_eq(seen[0], 10);
}

Test(signal, standard_signals_coalesce_and_realtime_ones_queue)
{
    app_handle(10, note, 0, 0);
    app_handle(40, note, 0, 0);
    app_mask(BLOCK, SET(10) | SET(40));
    for (int i = 0; i < 3; i++) {
        send_value(10, 0);
        send_value(40, 0);
    }
    cr_assert_eq(seen_count, 0);
    app_mask(UNBLOCK, SET(10) | SET(40));
    cr_assert_eq(seen_count, 4);
    int tens = 0;
    for (int i = 0; i < 4; i++) { tens += seen[i] == 10; }
    cr_assert_eq(tens, 1);
}

Test(signal, realtime_signals_keep_order_and_value_and_low_numbers_come_first)
{
    app_mask(BLOCK, SET(40) | SET(41));
    app_handle(40, note, 0, 0);
    app_handle(41, note, 0, 0);
    send_value(41, 7);
    send_value(40, 1);
    send_value(40, 2);
    uint64_t set = app_put(&(uint64_t){SET(40) | SET(41)}, 8), info = standin_user_alloc(128);
    const int want_signo[3] = {40, 40, 41};
    const uint64_t want_value[3] = {1, 2, 7};
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(sys4(NR_rt_sigtimedwait, set, info, 0, 8), want_signo[i]);
        cr_assert_eq(app_u64(info + 24), want_value[i]);
        cr_assert_eq(app_u32(info + 8), (uint32_t)LSI_QUEUE);
    }
    uint64_t zero = app_timespec(0, 0);
    cr_assert_eq(sys4(NR_rt_sigtimedwait, set, info, zero, 8), -EAGAIN);
}

Test(signal, queue_has_a_ceiling_and_says_so)
{
    app_mask(BLOCK, SET(40));
    app_handle(40, note, 0, 0);
    int e = 0;
    unsigned taken = 0;
    big_lock();
    while (e == 0 && taken < 10000) {
        e = signal_send(current_proc(), NULL, &(struct ksiginfo){.signo = 40, .code = LSI_QUEUE});
        taken += e == 0;
    }
    big_unlock();
    cr_assert_eq(e, -EAGAIN);
    cr_assert_eq(taken, 4096);
}

Test(signal, ignored_signals_never_queue)
{
    const uint64_t ignore[4] = {1, 0, 0, 0};
    sys4(NR_rt_sigaction, 10, app_put(ignore, sizeof ignore), 0, 8);
    kill_self(10);
    kill_self(LSIG_WINCH); /* default: ignored */
    cr_assert_eq(current_proc()->pending.set, 0);
}

Test(signal, becoming_ignored_empties_the_queue)
{
    app_handle(10, note, 0, 0);
    app_mask(BLOCK, SET(10));
    send_value(10, 0);
    const uint64_t ignore[4] = {1, 0, 0, 0};
    sys4(NR_rt_sigaction, 10, app_put(ignore, sizeof ignore), 0, 8);
    app_mask(UNBLOCK, SET(10));
    cr_assert_eq(seen_count, 0);
    cr_assert_eq(current_proc()->pending.set, 0);
}

Test(signal, kill_and_stop_cannot_be_blocked_or_handled)
{
    app_mask(SETMASK, ~0ull);
    cr_assert_eq(current()->mask, ~0ull & ~SET(LSIG_KILL) & ~SET(LSIG_STOP));
    cr_assert_eq(app_handle(LSIG_KILL, note, 0, 0), -EINVAL);
    cr_assert_eq(app_handle(LSIG_STOP, note, 0, 0), -EINVAL);
    cr_assert_eq(app_handle(0, note, 0, 0), -EINVAL);
    cr_assert_eq(app_handle(65, note, 0, 0), -EINVAL);
}

static uint64_t mask_in_handler;
static void note_mask(int signo)
{
    seen[seen_count++] = signo;
    mask_in_handler = current()->mask;
}

Test(signal, handler_blocks_itself_and_its_mask_and_sigreturn_restores)
{
    app_handle(10, note_mask, 0, SET(12));
    app_mask(SETMASK, SET(1));
    kill_self(10);
    cr_assert_eq(mask_in_handler, SET(1) | SET(10) | SET(12));
    cr_assert_eq(current()->mask, SET(1));
}

Test(signal, nodefer_and_resethand_are_obeyed)
{
    app_handle(10, note_mask, LSA_NODEFER | LSA_RESETHAND, 0);
    kill_self(10);
    cr_assert_eq(mask_in_handler, 0);
    cr_assert_eq(current_proc()->action[9].handler, 0);
}

Test(signal, sigsuspend_swaps_the_mask_and_answers_eintr_after_the_handler)
{
    app_handle(10, note_mask, LSA_RESTART, 0);
    app_mask(BLOCK, SET(10));
    send_value(10, 0);
    uint64_t none = app_put(&(uint64_t){SET(12)}, 8);
    cr_assert_eq(sys2(NR_rt_sigsuspend, none, 8), -EINTR);
    cr_assert_eq(mask_in_handler, SET(12) | SET(10));
    cr_assert_eq(current()->mask, SET(10)); /* the frame held the mask from before */
}

Test(signal, first_process_is_not_ended_by_what_it_does_not_handle)
{
    cr_assert_eq(kill_self(LSIG_TERM), 0);
    cr_assert_eq(kill_self(LSIG_KILL), 0);
    cr_assert_eq(kill_self(LSIG_STOP), 0);
    cr_assert_eq(current_proc()->state, PROC_LIVE);
    cr_assert_not(current_proc()->exiting);
}

/* A fault that is not delivered comes again, for ever. */
Test(signal, fault_without_memory_ends_the_first_process, .exit_code = 128 + LSIG_ILL)
{
    while (mem_alloc(32) != NULL) {}
    upcall_from_app(current()->regs, 6 /* #UD */, 0, 0);
}

Test(signal, no_memory_ends_the_first_process, .exit_code = 128 + LSIG_KILL)
{
    uint64_t args[6] = {0, 32 * PAGE_SIZE, 3, 0x22 /* PRIVATE, ANONYMOUS */, UINT64_MAX, 0};
    int64_t va = sys_mmap(args);
    while (gpa_ok(frame_alloc(false))) {}
    upcall_from_app(current()->regs, 14 /* #PF */, 6, (uint64_t)va);
}

/* ---- frames ------------------------------------------------------------------------------------------------------------- */

static uint64_t frame_at;
static struct regs in_handler;
static void look_at_frame(int signo)
{
    (void)signo;
    in_handler = *current()->regs;
    frame_at = in_handler.rsp;
    seen_count++;
}

Test(signal, frame_is_linux_byte_for_byte)
{
    app_handle(10, look_at_frame, 0, 0);
    app_mask(SETMASK, SET(20));
    uint64_t sp = *app_stack_pointer();
    kill_self(10);
    cr_assert_eq(seen_count, 1);
    cr_assert_eq((frame_at + 8) % 16, 0);
    cr_assert_eq(in_handler.rdi, 10);
    cr_assert_eq(in_handler.rsi, frame_at + 312);
    cr_assert_eq(in_handler.rdx, frame_at + 8);
    cr_assert_eq(in_handler.rax, 0);
    cr_assert_eq(app_u64(frame_at), APP_RESTORER);
    cr_assert_eq(app_u64(frame_at + 8), 7);         /* uc_flags */
    cr_assert_eq(app_u64(frame_at + 16), 0);        /* uc_link */
    cr_assert_eq(app_u64(frame_at + 304), SET(20)); /* uc_sigmask */
    cr_assert_eq(app_u32(frame_at + 312), 10);      /* si_signo */
    cr_assert_eq(app_u32(frame_at + 312 + 8), 0);   /* SI_USER */
    cr_assert_eq(app_u32(frame_at + 312 + 16), 1);  /* si_pid */
    uint64_t mc = frame_at + 48;
    cr_assert_eq(app_u64(mc + 104), 0);       /* rax: kill() succeeded */
    cr_assert_eq(app_u64(mc + 120), sp);      /* rsp */
    cr_assert_eq(app_u64(mc + 128), APP_RIP); /* rip: after the call */
    cr_assert_eq(app_u64(mc + 144) & 0xffff, 0x33);
    cr_assert_eq(app_u64(mc + 144) >> 48, 0x2b);
    uint64_t fp = app_u64(mc + 184);
    cr_assert_eq(fp % 64, 0);
    cr_assert_leq(fp + 576 + 4, sp - 128); /* below the red zone */
    cr_assert_eq(app_u32(fp + 464), 0x46505853);
    cr_assert_eq(app_u32(fp + 468), 580);
    cr_assert_eq(app_u32(fp + 480), 576);
    cr_assert_eq(app_u32(fp + 576), 0x46505845);
}

static void edit_frame(int signo)
{
    (void)signo;
    uint64_t mc = current()->regs->rsp + 48;
    cr_assert_eq(put_user_u64(mc + 88, 0x1234), 0);                 /* rbx */
    cr_assert_eq(put_user_u64(mc + 136, 0xffffffffffffffffull), 0); /* eflags: everything */
    cr_assert_eq(put_user_u64(mc + 144, 0x0010000000000010ull), 0); /* ring-0 selectors */
}

Test(signal, edited_frame_is_obeyed_but_selectors_and_system_flags_are_ours)
{
    app_handle(10, edit_frame, 0, 0);
    kill_self(10);
    cr_assert_eq(current()->regs->rbx, 0x1234);
    cr_assert_eq(current()->regs->cs, 0x33);
    cr_assert_eq(current()->regs->ss, 0x2b);
    cr_assert_eq(current()->regs->rflags,
                 0x50fd7); /* IOPL, NT, VM, VIF, VIP, ID stay out; IF stays in */
}

Test(signal, alternate_stack_is_used_on_request_and_reported)
{
    uint64_t alt = standin_user_alloc(16384);
    const uint64_t stack[3] = {alt, 0, 16384};
    cr_assert_eq(sys2(NR_sigaltstack, app_put(stack, sizeof stack), 0), 0);
    app_handle(10, look_at_frame, LSA_ONSTACK, 0);
    kill_self(10);
    cr_assert_geq(frame_at, alt);
    cr_assert_lt(frame_at, alt + 16384);
    cr_assert_eq(app_u64(frame_at + 24), alt);
    cr_assert_eq(app_u32(frame_at + 32), 0); /* not on it when the signal came */
    const uint64_t tiny[3] = {alt, 0, 1024};
    cr_assert_eq(sys2(NR_sigaltstack, app_put(tiny, sizeof tiny), 0), -ENOMEM);
}

/* ---- restart -------------------------------------------------------------------------------------------------------------- */

static int64_t victim_tid, victim_result;
static bool victim_done;

static void send_to_victim(int signo) { cr_assert_eq(sys3(NR_tgkill, 1, victim_tid, signo), 0); }

static void sleeper(void *p)
{
    uint64_t rem = (uint64_t)p;
    victim_result = sys2(NR_nanosleep, app_timespec(5, 0), rem);
    victim_done = true;
    sys1(NR_exit, 0);
}

Test(signal, handled_signal_ends_nanosleep_with_the_time_left)
{
    app_handle(10, note, LSA_RESTART, 0);
    uint64_t rem = standin_user_alloc(16);
    victim_tid = app_clone(APP_THREAD, sleeper, (void *)rem);
    app_yield();
    standin_advance_clock(2000000000);
    send_to_victim(10);
    app_yield();
    cr_assert(victim_done);
    cr_assert_eq(victim_result, -EINTR);
    cr_assert_eq(seen_count, 1);
    cr_assert_eq(app_u64(rem), 3);
    cr_assert_eq(app_u64(rem + 8), 0);
}

static void wait_on_word(void *p)
{
    victim_result = sys6(NR_futex, p, 0 | 128, 0, 0, 0, 0);
    victim_done = true;
    sys1(NR_exit, 0);
}

Test(signal, sa_restart_decides_whether_a_futex_wait_goes_on)
{
    uint64_t word = standin_user_alloc(64);
    app_handle(10, note, LSA_RESTART, 0);
    app_handle(12, note, 0, 0);
    victim_tid = app_clone(APP_THREAD, wait_on_word, (void *)word);
    app_yield();
    send_to_victim(10);
    app_yield();
    cr_assert_eq(seen_count, 1);
    cr_assert_not(victim_done);
    send_to_victim(12);
    app_yield();
    cr_assert(victim_done);
    cr_assert_eq(victim_result, -EINTR);
}

static void pausing(void *p)
{
    (void)p;
    victim_result = sys0(NR_pause);
    victim_done = true;
    sys1(NR_exit, 0);
}

Test(signal, pause_answers_eintr_even_with_sa_restart)
{
    app_handle(10, note, LSA_RESTART, 0);
    victim_tid = app_clone(APP_THREAD, pausing, NULL);
    app_yield();
    send_to_victim(10);
    app_yield();
    cr_assert(victim_done);
    cr_assert_eq(victim_result, -EINTR);
}

static void waits_for_ten(void *p)
{
    victim_result = sys4(NR_rt_sigtimedwait, app_put(&(uint64_t){SET(10)}, 8), p, 0, 8);
    victim_done = true;
    sys1(NR_exit, 0);
}

Test(signal, sigtimedwait_takes_a_blocked_signal_sent_to_the_process)
{
    app_handle(10, note, 0, 0);
    app_mask(BLOCK, SET(10));
    uint64_t info = standin_user_alloc(128);
    app_clone(APP_THREAD, waits_for_ten, (void *)info);
    app_yield();
    kill_self(10);
    app_yield();
    cr_assert(victim_done);
    cr_assert_eq(victim_result, 10);
    cr_assert_eq(seen_count, 0);
    cr_assert_eq(app_u32(info + 16), 1);
}

Test(signal, another_thread_takes_what_the_main_thread_blocks)
{
    app_handle(10, note, 0, 0);
    victim_tid = app_clone(APP_THREAD, pausing, NULL);
    app_yield();
    app_mask(BLOCK, SET(10));
    kill_self(10);
    cr_assert_eq(seen_count, 0);
    app_yield();
    cr_assert_eq(seen_count, 1);
    cr_assert(victim_done);
}
