/* SPDX-License-Identifier: Apache-2.0 */
#include "app.h"

TestSuite(timers, .init = app_boot, .timeout = 20);

static int seen_count, last_signo;
static void note(int signo)
{
    last_signo = signo;
    seen_count++;
}

static uint64_t fired_at[8];
static unsigned fired;
static void record(struct timer *t)
{
    (void)t;
    fired_at[fired++] = clock_mono_ns();
}

static void sleep_ns(uint64_t ns)
{
    sys2(NR_nanosleep, app_timespec((int64_t)(ns / 1000000000), (int64_t)(ns % 1000000000)), 0);
}

Test(timers, fire_in_order_of_deadline_whatever_the_order_of_arming)
{
    static struct timer t[3];
    const uint64_t after[3] = {300, 100, 200};
    uint64_t now = clock_mono_ns();
    for (int i = 0; i < 3; i++) {
        timer_init(&t[i], record);
        timer_arm(&t[i], now + after[i]);
    }
    sleep_ns(1000);
    cr_assert_eq(fired, 3);
    cr_assert_eq(fired_at[0], now + 100);
    cr_assert_eq(fired_at[1], now + 200);
    cr_assert_eq(fired_at[2], now + 300);
}

Test(timers, cancelled_and_rearmed_timers_fire_once_at_the_last_deadline)
{
    static struct timer a, b;
    uint64_t now = clock_mono_ns();
    timer_init(&a, record);
    timer_init(&b, record);
    timer_arm(&a, now + 100);
    timer_arm(&b, now + 100);
    timer_cancel(&a);
    timer_arm(&b, now + 500);
    sleep_ns(1000);
    cr_assert_eq(fired, 1);
    cr_assert_eq(fired_at[0], now + 500);
}

Test(timers, nanosleep_lasts_exactly_and_refuses_nonsense)
{
    uint64_t now = clock_mono_ns();
    cr_assert_eq(sys2(NR_nanosleep, app_timespec(1, 5), 0), 0);
    cr_assert_eq(clock_mono_ns() - now, 1000000005);
    cr_assert_eq(sys2(NR_nanosleep, app_timespec(0, 1000000000), 0), -EINVAL);
    cr_assert_eq(sys2(NR_nanosleep, app_timespec(-1, 0), 0), -EINVAL);
    cr_assert_eq(sys2(NR_nanosleep, 8, 0), -EFAULT);
}

Test(timers, absolute_sleep_into_the_past_returns_at_once)
{
    uint64_t now = clock_mono_ns();
    cr_assert_eq(sys4(NR_clock_nanosleep, 1, 1, app_timespec(0, 1), 0), 0);
    cr_assert_eq(clock_mono_ns(), now);
    cr_assert_eq(sys4(NR_clock_nanosleep, 3, 0, app_timespec(0, 1), 0), -EINVAL);
    cr_assert_eq(sys4(NR_clock_nanosleep, 99, 0, app_timespec(0, 1), 0), -EINVAL);
}

Test(timers, alarm_sends_sigalrm_and_answers_the_seconds_left_rounded_up)
{
    app_handle(LSIG_ALRM, note, 0, 0);
    cr_assert_eq(sys1(NR_alarm, 10), 0);
    sleep_ns(2500000000);
    cr_assert_eq(sys1(NR_alarm, 3), 8);
    cr_assert_eq(sys2(NR_nanosleep, app_timespec(100, 0), 0), -EINTR);
    cr_assert_eq(seen_count, 1);
    cr_assert_eq(last_signo, LSIG_ALRM);
    cr_assert_eq(sys1(NR_alarm, 0), 0);
}

Test(timers, interval_timer_repeats_without_drift)
{
    const int64_t every[4] = {0, 100000, 0, 100000}; /* 100 ms, 100 ms */
    app_handle(LSIG_ALRM, note, LSA_RESTART, 0);
    uint64_t start = clock_mono_ns();
    cr_assert_eq(sys3(NR_setitimer, 0, app_put(every, sizeof every), 0), 0);
    for (int i = 1; i <= 5; i++) {
        cr_assert_eq(sys2(NR_nanosleep, app_timespec(10, 0), 0), -EINTR);
        cr_assert_eq(clock_mono_ns() - start, (uint64_t)i * 100000000);
    }
    cr_assert_eq(seen_count, 5);
}

Test(timers, interval_longer_than_time_fires_once)
{
    const int64_t once[4] = {INT64_MAX, 0, 0, 100}; /* for ever, then 100 us */
    app_handle(LSIG_ALRM, note, 0, 0);
    cr_assert_eq(sys3(NR_setitimer, 0, app_put(once, sizeof once), 0), 0);
    for (int i = 0; i < 3; i++) { sleep_ns(1000000000); }
    cr_assert_eq(seen_count, 1);
}

static int64_t make_timer(int signo, uint64_t *out_id_va)
{
    uint64_t event[8] = {0xabc, (uint64_t)signo, 0}; /* SIGEV_SIGNAL */
    *out_id_va = standin_user_alloc(8);
    return sys3(NR_timer_create, 1, app_put(event, sizeof event), *out_id_va);
}

Test(timers, posix_timer_carries_value_and_counts_overruns_while_pending)
{
    uint64_t id_va, set = app_put(&(uint64_t){1ull << 9}, 8), info = standin_user_alloc(128);
    app_mask(0, 1ull << 9);
    app_handle(10, note, 0, 0);
    cr_assert_eq(make_timer(10, &id_va), 0);
    uint32_t id = app_u32(id_va);
    const int64_t every[4] = {0, 100, 0, 100};
    cr_assert_eq(sys4(NR_timer_settime, id, 0, app_put(every, sizeof every), 0), 0);
    sleep_ns(350); /* fires at 100, 200, 300: one signal, two overruns */
    cr_assert_eq(sys4(NR_rt_sigtimedwait, set, info, 0, 8), 10);
    cr_assert_eq(app_u32(info + 8), (uint32_t)LSI_TIMER);
    cr_assert_eq(app_u32(info + 16), id);
    cr_assert_eq(app_u64(info + 24), 0xabc);
    cr_assert_eq(app_u32(info + 20), 2);
    cr_assert_eq(sys1(NR_timer_getoverrun, id), 2);
    uint64_t now = standin_user_alloc(32);
    cr_assert_eq(sys2(NR_timer_gettime, id, now), 0);
    cr_assert_eq(app_u64(now + 8), 100);
    cr_assert_eq(app_u64(now + 24), 50);
    cr_assert_eq(sys2(NR_timer_gettime, 77, now), -EINVAL);
}

Test(timers, refuses_unknown_clocks_events_and_signals)
{
    uint64_t id = standin_user_alloc(8);
    cr_assert_eq(sys3(NR_timer_create, 99, 0, id), -EINVAL);
    cr_assert_eq(sys3(NR_timer_create, 1, app_put((uint64_t[8]){0, 65, 0}, 64), id), -EINVAL);
    cr_assert_eq(sys3(NR_timer_create, 1, app_put((uint64_t[8]){0, 10 | 9ull << 32, 0}, 64), id),
                 -EINVAL);
    cr_assert_eq(sys3(NR_timer_create, 1, app_put((uint64_t[8]){0, 10 | 4ull << 32, 777}, 64), id),
                 -EINVAL);
    cr_assert_eq(sys3(NR_timer_create, 1, 0, 8), -EFAULT);
}
