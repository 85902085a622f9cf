/* SPDX-License-Identifier: Apache-2.0 */
#include "app.h"

#define WAIT        0
#define WAKE        1
#define REQUEUE     3
#define CMP_REQUEUE 4
#define WAKE_OP     5
#define WAIT_BITSET 9
#define WAKE_BITSET 10
#define PRIVATE     128

TestSuite(futex, .init = app_boot, .timeout = 20);

static uint64_t word, word2;
static int64_t results[8];
static unsigned done;

struct waiter_arg {
    unsigned slot;
    uint64_t va, op, value, timeout, bitset;
};

static void waiter_main(void *p)
{
    const struct waiter_arg *w = p;
    results[w->slot] = sys6(NR_futex, w->va, w->op, w->value, w->timeout, 0, w->bitset);
    done++;
    sys1(NR_exit, 0);
}

static void start_waiter(struct waiter_arg *w)
{
    cr_assert_gt(app_clone(APP_THREAD, waiter_main, w), 0);
    app_yield(); /* it runs until it sleeps or ends */
}

static void two_words(void)
{
    word = standin_user_alloc(4096);
    word2 = word + 64;
}

Test(futex, wait_refuses_a_word_that_differs)
{
    two_words();
    cr_assert_eq(put_user_u32(word, 5), 0);
    cr_assert_eq(sys4(NR_futex, word, WAIT | PRIVATE, 4, 0), -EAGAIN);
}

Test(futex, refuses_what_is_not_there_or_not_aligned)
{
    two_words();
    cr_assert_eq(sys4(NR_futex, word + 2, WAIT, 0, 0), -EINVAL);
    cr_assert_eq(sys4(NR_futex, 0x10, WAIT | PRIVATE, 0, 0), -EFAULT);
    cr_assert_eq(sys4(NR_futex, LOS_DIRECT, WAIT, 0, 0), -EFAULT);
    cr_assert_eq(sys4(NR_futex, word, 77, 0, 0), -ENOSYS);
}

Test(futex, wakes_as_many_as_asked_in_order_of_arrival)
{
    two_words();
    static struct waiter_arg w[3];
    for (unsigned i = 0; i < 3; i++) {
        w[i] = (struct waiter_arg){.slot = i, .va = word, .op = WAIT | PRIVATE};
        results[i] = 99;
        start_waiter(&w[i]);
    }
    cr_assert_eq(done, 0);
    cr_assert_eq(sys3(NR_futex, word, WAKE | PRIVATE, 2), 2);
    app_yield();
    cr_assert_eq(done, 2);
    cr_assert_eq(results[0], 0);
    cr_assert_eq(results[1], 0);
    cr_assert_eq(results[2], 99);
    cr_assert_eq(sys3(NR_futex, word, WAKE | PRIVATE, 9), 1);
    cr_assert_eq(sys3(NR_futex, word, WAKE | PRIVATE, 9), 0);
}

Test(futex, timeout_is_exact_and_relative_for_wait)
{
    two_words();
    uint64_t before = clock_mono_ns();
    cr_assert_eq(sys4(NR_futex, word, WAIT | PRIVATE, 0, app_timespec(2, 500000000)), -ETIMEDOUT);
    cr_assert_eq(clock_mono_ns() - before, 2500000000);
}

Test(futex, timeout_is_absolute_for_wait_bitset)
{
    two_words();
    cr_assert_eq(sys6(NR_futex, word, WAIT_BITSET | PRIVATE, 0, app_timespec(7, 0), 0, 1),
                 -ETIMEDOUT);
    cr_assert_eq(clock_mono_ns(), 7000000000);
    cr_assert_eq(sys6(NR_futex, word, WAIT_BITSET | PRIVATE, 0, app_timespec(3, 0), 0, 1),
                 -ETIMEDOUT);
    cr_assert_eq(sys6(NR_futex, word, WAIT_BITSET | PRIVATE, 0, 0, 0, 0), -EINVAL);
}

Test(futex, bitset_chooses_who_wakes)
{
    two_words();
    static struct waiter_arg a, b;
    a = (struct waiter_arg){.slot = 0, .va = word, .op = WAIT_BITSET | PRIVATE, .bitset = 1};
    b = (struct waiter_arg){.slot = 1, .va = word, .op = WAIT_BITSET | PRIVATE, .bitset = 2};
    results[0] = results[1] = 99;
    start_waiter(&a);
    start_waiter(&b);
    cr_assert_eq(sys6(NR_futex, word, WAKE_BITSET | PRIVATE, 9, 0, 0, 2), 1);
    app_yield();
    cr_assert_eq(results[0], 99);
    cr_assert_eq(results[1], 0);
}

Test(futex, requeue_moves_waiters_without_waking_them)
{
    two_words();
    static struct waiter_arg w[3];
    for (unsigned i = 0; i < 3; i++) {
        w[i] = (struct waiter_arg){.slot = i, .va = word, .op = WAIT | PRIVATE};
        start_waiter(&w[i]);
    }
    cr_assert_eq(sys6(NR_futex, word, CMP_REQUEUE | PRIVATE, 1, 9, word2, 1), -EAGAIN);
    cr_assert_eq(sys6(NR_futex, word, CMP_REQUEUE | PRIVATE, 1, 9, word2, 0), 3);
    app_yield();
    cr_assert_eq(done, 1);
    cr_assert_eq(sys3(NR_futex, word, WAKE | PRIVATE, 9), 0);
    cr_assert_eq(sys3(NR_futex, word2, WAKE | PRIVATE, 9), 2);
    app_yield();
    cr_assert_eq(done, 3);
}

Test(futex, wake_op_changes_the_second_word_and_wakes_on_both)
{
    two_words();
    static struct waiter_arg a, b;
    a = (struct waiter_arg){.slot = 0, .va = word, .op = WAIT | PRIVATE};
    b = (struct waiter_arg){.slot = 1, .va = word2, .op = WAIT | PRIVATE, .value = 3};
    cr_assert_eq(put_user_u32(word2, 3), 0);
    start_waiter(&a);
    start_waiter(&b);
    /* word2 += 4; wake there if the old value was > 2 */
    uint64_t code = 1u << 28 | 4u << 24 | 4u << 12 | 2u;
    cr_assert_eq(sys6(NR_futex, word, WAKE_OP | PRIVATE, 1, 1, word2, code), 2);
    cr_assert_eq(app_u32(word2), 7);
    app_yield();
    cr_assert_eq(done, 2);
}

Test(futex, private_and_shared_calls_meet_on_private_memory)
{
    two_words();
    static struct waiter_arg w;
    w = (struct waiter_arg){.slot = 0, .va = word, .op = WAIT};
    start_waiter(&w);
    cr_assert_eq(sys3(NR_futex, word, WAKE, 1), 1);
}

static bool owner_may_die;

static void owner_main(void *p)
{
    (void)p;
    uint64_t head = word + 512, node = word + 1024;
    /* head: next, offset, pending; one entry whose word is 16 behind it */
    cr_assert_eq(put_user_u64(head, node), 0);
    cr_assert_eq(put_user_u64(head + 8, 16), 0);
    cr_assert_eq(put_user_u64(head + 16, 0), 0);
    cr_assert_eq(put_user_u64(node, head), 0);
    cr_assert_eq(put_user_u32(node + 16, (uint32_t)sys0(NR_gettid) | 0x80000000u), 0);
    cr_assert_eq(sys2(NR_set_robust_list, head, 24), 0);
    while (!owner_may_die) { app_yield(); }
    sys1(NR_exit, 0);
}

Test(futex, dead_owner_of_a_robust_lock_is_seen_and_one_waiter_wakes)
{
    two_words();
    uint64_t lock = word + 1024 + 16;
    cr_assert_gt(app_clone(APP_THREAD, owner_main, NULL), 0);
    app_yield();
    static struct waiter_arg w;
    w = (struct waiter_arg){.slot = 0, .va = lock, .op = WAIT | PRIVATE, .value = app_u32(lock)};
    start_waiter(&w);
    owner_may_die = true;
    app_yield();
    app_yield();
    cr_assert_eq(app_u32(lock), 0xc0000000u);
    cr_assert_eq(done, 1);
    cr_assert_eq(results[0], 0);
}

static void looping_main(void *p)
{
    (void)p;
    uint64_t head = word + 512, node = word + 1024;
    cr_assert_eq(put_user_u64(head, node), 0);
    cr_assert_eq(put_user_u64(head + 8, 16), 0);
    cr_assert_eq(put_user_u64(head + 16, 0), 0);
    cr_assert_eq(put_user_u64(node, node), 0); /* never comes back to the head */
    sys2(NR_set_robust_list, head, 24);
    sys1(NR_exit, 0);
}

Test(futex, robust_list_that_never_ends_is_given_up)
{
    two_words();
    cr_assert_gt(app_clone(APP_THREAD, looping_main, NULL), 0);
    app_yield();
    cr_assert_eq(current_proc()->thread_count, 1);
}

static void unlocking_main(void *p)
{
    (void)p;
    uint64_t head = word + 512;
    cr_assert_eq(put_user_u64(head, head), 0);
    cr_assert_eq(put_user_u64(head + 8, 16), 0);
    cr_assert_eq(put_user_u64(head + 16, word + 1024), 0);
    sys2(NR_set_robust_list, head, 24);
    while (!owner_may_die) { app_yield(); }
    sys1(NR_exit, 0);
}

Test(futex, owner_that_died_between_unlock_and_wake_wakes_the_next)
{
    two_words();
    uint64_t lock = word + 1024 + 16;
    cr_assert_eq(put_user_u32(lock, 0), 0);
    cr_assert_gt(app_clone(APP_THREAD, unlocking_main, NULL), 0);
    static struct waiter_arg w;
    w = (struct waiter_arg){.slot = 0, .va = lock, .op = WAIT | PRIVATE, .value = 0};
    start_waiter(&w);
    owner_may_die = true;
    app_yield();
    app_yield();
    cr_assert_eq(app_u32(lock), 0);
    cr_assert_eq(done, 1);
}

static void joined_main(void *p)
{
    (void)p;
    current()->clear_child_tid = word; /* as CLONE_CHILD_CLEARTID leaves it */
    app_yield();
    sys1(NR_exit, 0);
}

Test(futex, ending_thread_clears_its_tid_and_wakes_the_joiner)
{
    two_words();
    cr_assert_eq(put_user_u32(word, 7), 0);
    cr_assert_gt(app_clone(APP_THREAD, joined_main, NULL), 0);
    app_yield();
    cr_assert_eq(sys4(NR_futex, word, WAIT, 7, 0), 0);
    cr_assert_eq(app_u32(word), 0);
}
