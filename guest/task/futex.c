/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Futexes. A waiter stands in a hash bucket under its key; comparing the word and queueing happen under the big lock,
 * and so does every wake, so the comparison is atomic with respect to it without a bucket lock.
 *
 * Keys: private = (address space, address); shared = the frame behind the address and the offset in it, which is the
 * same for every mapping of the object. A waiter on a shared word holds its frame, so the number stays its own.
 */
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"
#include "guest/task/proc.h"

#define FUTEX_WAIT           0
#define FUTEX_WAKE           1
#define FUTEX_REQUEUE        3
#define FUTEX_CMP_REQUEUE    4
#define FUTEX_WAKE_OP        5
#define FUTEX_WAIT_BITSET    9
#define FUTEX_WAKE_BITSET    10
#define FUTEX_PRIVATE        128u
#define FUTEX_CLOCK_REALTIME 256u
#define FUTEX_CMD_MASK       (~(FUTEX_PRIVATE | FUTEX_CLOCK_REALTIME))
#define BITSET_ANY           UINT32_MAX

#define FUTEX_WAITERS    0x80000000u
#define FUTEX_OWNER_DIED 0x40000000u
#define FUTEX_TID_MASK   0x3fffffffu

#define BUCKETS 256u /* index: the top byte of the hash */

struct key {
    uint64_t space; /* 0: shared, at is guest-physical */
    uint64_t at;
};
struct futex_waiter {
    struct list link;
    struct thread *thread;
    struct key key;
    uint32_t bitset;
    bool woken;
};

static struct list buckets[BUCKETS];

static struct list *bucket(struct key k)
{
    uint64_t h = (k.at >> 2) * 0x9e3779b97f4a7c15ull ^ k.space * 0xff51afd7ed558ccdull;
    struct list *b = &buckets[h >> 56];
    if (b->next == NULL) { list_init(b); }
    return b;
}

static bool same(struct key a, struct key b) { return a.space == b.space && a.at == b.at; }

static bool in_shared_mapping(struct space *s, uint64_t va)
{
    struct region_info region;
    return space_region(s, va, &region) && region.lo <= va && region.shared;
}

/* -EINVAL: not aligned; -EFAULT: nothing there. */
static int make_key(uint64_t va, bool is_private, struct key *out)
{
    struct space *s = current_proc()->space;
    if (va % 4 != 0) { return -EINVAL; }
    if (!user_range_ok(va, 4)) { return -EFAULT; }
    if (is_private || !in_shared_mapping(s, va)) {
        *out = (struct key){(uint64_t)s, va};
        return 0;
    }
    char *p = space_page(s, va, true);
    if (p == NULL) { p = space_page(s, va, false); }
    if (p == NULL) { return -EFAULT; }
    *out = (struct key){0, (uint64_t)p - LOS_DIRECT};
    return 0;
}

static void key_hold(struct key k)
{
    if (k.space == 0) { frame_get((gpa_t){align_down(k.at, PAGE_SIZE)}); }
}
static void key_drop(struct key k)
{
    if (k.space == 0) { frame_put((gpa_t){align_down(k.at, PAGE_SIZE)}); }
}

static int wake_key(struct key k, uint32_t count, uint32_t bitset)
{
    int woken = 0;
    if (count == 0) { return 0; }
    LIST_EACH_SAFE (it, bucket(k)) {
        struct futex_waiter *w = LIST_ENTRY(it, struct futex_waiter, link);
        if (!same(w->key, k) || (w->bitset & bitset) == 0) { continue; }
        list_del(&w->link);
        w->woken = true;
        thread_wake(w->thread);
        if ((uint32_t)++woken >= count) { break; }
    }
    return woken;
}

void futex_wake_user(uint64_t va, unsigned count)
{
    struct key k;
    if (make_key(va, true, &k) == 0) { (void)wake_key(k, count, BITSET_ANY); }
    if (make_key(va, false, &k) == 0 && k.space == 0) { (void)wake_key(k, count, BITSET_ANY); }
}

/* ---- waiting ------------------------------------------------------------------------------------------------------------- */

static int64_t wait(uint64_t va, uint32_t expect, uint32_t bitset, uint64_t deadline,
                    bool is_private)
{
    struct futex_waiter w = {.thread = current(), .bitset = bitset};
    uint32_t word;
    int e = make_key(va, is_private, &w.key);

    if (e != 0) { return e; }
    if (get_user_u32(va, &word) != 0) { return -EFAULT; }
    if (word != expect) { return -EAGAIN; }
    key_hold(w.key);
    list_add_tail(bucket(w.key), &w.link);
    while (e == 0 && !w.woken) { e = thread_sleep(deadline, true); }
    list_del(&w.link);
    key_drop(w.key);
    return w.woken ? 0 : e;
}

static int64_t wait_again(struct thread *t);

static int64_t wait_restartable(uint64_t va, uint32_t expect, uint32_t bitset, uint64_t deadline,
                                bool is_private)
{
    struct thread *t = current();
    int64_t r = wait(va, expect, bitset, deadline, is_private);
    if (r != -ERESTARTSYS || deadline == NO_DEADLINE) { return r; }
    t->restart_fn = wait_again;
    t->restart[0] = va;
    t->restart[1] = expect;
    t->restart[2] = bitset;
    t->restart[3] = deadline;
    t->restart[4] = is_private;
    return -ERESTART_RESTARTBLOCK;
}

static int64_t wait_again(struct thread *t)
{
    return wait_restartable(t->restart[0], (uint32_t)t->restart[1], (uint32_t)t->restart[2],
                            t->restart[3], t->restart[4] != 0);
}

/* WAIT's timeout is relative, WAIT_BITSET's is a point of the clock it names. */
static int get_deadline(uint64_t va, bool absolute, bool wall, uint64_t *out)
{
    struct ltimespec ts;
    uint64_t ns;

    *out = NO_DEADLINE;
    if (va == 0) { return 0; }
    if (copy_from_user(&ts, va, sizeof ts) != 0) { return -EFAULT; }
    if (!timespec_ns(ts, &ns)) { return -EINVAL; }
    *out = absolute ? clock_deadline(wall, ns) : deadline_after(ns);
    return 0;
}

/* ---- requeue and wake-op ------------------------------------------------------------------------------------------------ */

static int64_t requeue(struct key from, struct key to, uint32_t wake_count, uint32_t move_count)
{
    int done = wake_key(from, wake_count, BITSET_ANY);
    uint32_t moved = 0;

    LIST_EACH_SAFE (it, bucket(from)) {
        struct futex_waiter *w = LIST_ENTRY(it, struct futex_waiter, link);
        if (moved >= move_count) { break; }
        if (!same(w->key, from)) { continue; }
        moved++;
        if (same(from, to)) { continue; }
        list_del(&w->link);
        key_hold(to);
        key_drop(w->key);
        w->key = to;
        list_add_tail(bucket(to), &w->link);
    }
    return done + (int64_t)moved;
}

#define OP_SET       0u
#define OP_ADD       1u
#define OP_OR        2u
#define OP_ANDN      3u
#define OP_XOR       4u
#define OP_ARG_SHIFT 8u
#define CMP_EQ       0u
#define CMP_NE       1u
#define CMP_LT       2u
#define CMP_LE       3u
#define CMP_GT       4u
#define CMP_GE       5u

static int32_t sign12(uint32_t v) { return (int32_t)(v << 20) >> 20; }

static bool op_result(uint32_t op, uint32_t old, uint32_t arg, uint32_t *out)
{
    switch (op) {
    case OP_SET: *out = arg; return true;
    case OP_ADD: *out = old + arg; return true;
    case OP_OR: *out = old | arg; return true;
    case OP_ANDN: *out = old & ~arg; return true;
    case OP_XOR: *out = old ^ arg; return true;
    default: return false;
    }
}

static int compare(uint32_t cmp, int32_t old, int32_t arg, bool *out)
{
    switch (cmp) {
    case CMP_EQ: *out = old == arg; return 0;
    case CMP_NE: *out = old != arg; return 0;
    case CMP_LT: *out = old < arg; return 0;
    case CMP_LE: *out = old <= arg; return 0;
    case CMP_GT: *out = old > arg; return 0;
    case CMP_GE: *out = old >= arg; return 0;
    default: return -ENOSYS;
    }
}

/* Changes the second word, wakes on the first, and on the second if its old value compares. */
static int64_t wake_op(struct key k1, struct key k2, uint64_t va2, uint32_t count1, uint32_t count2,
                       uint32_t code)
{
    uint32_t op = code >> 28, cmp = code >> 24 & 15, arg = (uint32_t)sign12(code >> 12 & 0xfff);
    uint32_t old, new, seen;
    bool also;

    if ((op & OP_ARG_SHIFT) != 0) { arg = 1u << (arg & 31); }
    if (get_user_u32(va2, &old) != 0) { return -EFAULT; }
    for (;;) {
        if (!op_result(op & 7, old, arg, &new)) { return -ENOSYS; }
        if (cmpxchg_user_u32(va2, old, new, &seen) != 0) { return -EFAULT; }
        if (seen == old) { break; }
        old = seen;
    }
    int e = compare(cmp, (int32_t)old, sign12(code & 0xfff), &also);
    if (e != 0) { return e; }
    int done = wake_key(k1, count1, BITSET_ANY);
    return also ? done + wake_key(k2, count2, BITSET_ANY) : done;
}

int64_t sys_futex(const uint64_t a[6])
{
    uint32_t op = (uint32_t)a[1], cmd = op & FUTEX_CMD_MASK, val = (uint32_t)a[2];
    bool is_private = (op & FUTEX_PRIVATE) != 0;
    uint64_t deadline;
    struct key k1, k2;
    uint32_t word;
    int e;

    switch (cmd) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET: {
        bool bitset = cmd == FUTEX_WAIT_BITSET;
        if (!bitset && (op & FUTEX_CLOCK_REALTIME) != 0) { return -ENOSYS; }
        e = get_deadline(a[3], bitset, (op & FUTEX_CLOCK_REALTIME) != 0, &deadline);
        if (e != 0) { return e; }
        if (bitset && (uint32_t)a[5] == 0) { return -EINVAL; }
        return wait_restartable(a[0], val, bitset ? (uint32_t)a[5] : BITSET_ANY, deadline,
                                is_private);
    }
    case FUTEX_WAKE:
    case FUTEX_WAKE_BITSET: {
        uint32_t bits = cmd == FUTEX_WAKE_BITSET ? (uint32_t)a[5] : BITSET_ANY;
        if (bits == 0) { return -EINVAL; }
        e = make_key(a[0], is_private, &k1);
        return e != 0 ? e : wake_key(k1, val != 0 ? val : 1, bits); /* Linux wakes one for 0 too */
    }
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE:
        if ((int32_t)val < 0 || (int32_t)a[3] < 0) { return -EINVAL; }
        e = make_key(a[0], is_private, &k1);
        if (e == 0) { e = make_key(a[4], is_private, &k2); }
        if (e != 0) { return e; }
        if (cmd == FUTEX_CMP_REQUEUE) {
            if (get_user_u32(a[0], &word) != 0) { return -EFAULT; }
            if (word != (uint32_t)a[5]) { return -EAGAIN; }
        }
        return requeue(k1, k2, val, (uint32_t)a[3]);
    case FUTEX_WAKE_OP:
        e = make_key(a[0], is_private, &k1);
        if (e == 0) { e = make_key(a[4], is_private, &k2); }
        return e != 0 ? e : wake_op(k1, k2, a[4], val, (uint32_t)a[3], (uint32_t)a[5]);
    default: return -ENOSYS;
    }
}

/* ---- robust lists: memory of the application, followed with suspicion --------------------------------------------------- */

#define ROBUST_MAX 2048

static void robust_death(uint64_t word_va, uint32_t tid, bool pending)
{
    uint32_t word, seen;
    if (word_va % 4 != 0 || get_user_u32(word_va, &word) != 0) { return; }
    if (pending && word == 0) { /* it died after letting go, before it woke the next */
        futex_wake_user(word_va, 1);
        return;
    }
    while ((word & FUTEX_TID_MASK) == tid) {
        uint32_t new = (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
        if (cmpxchg_user_u32(word_va, word, new, &seen) != 0) { return; }
        if (seen == word) {
            if ((word & FUTEX_WAITERS) != 0) { futex_wake_user(word_va, 1); }
            return;
        }
        word = seen;
    }
}

void robust_list_exit(struct thread *t)
{
    uint64_t head = t->robust_list, entry, offset, pending;

    if (head == 0) { return; }
    t->robust_list = 0;
    if (get_user_u64(head, &entry) != 0 || get_user_u64(head + 8, &offset) != 0 ||
        get_user_u64(head + 16, &pending) != 0) {
        return;
    }
    pending &= ~1ull; /* bit 0: a priority-inheritance mutex, which nobody here can have */
    for (int i = 0; i < ROBUST_MAX && (entry & ~1ull) != head; i++) {
        uint64_t next, at = entry & ~1ull;
        bool readable = get_user_u64(at, &next) == 0;
        if (at != pending) { robust_death(at + offset, (uint32_t)t->tid, false); }
        if (!readable) { break; }
        entry = next;
    }
    if (pending != 0) { robust_death(pending + offset, (uint32_t)t->tid, true); }
}

int64_t sys_set_robust_list(const uint64_t a[6])
{
    if (a[1] != 24) { return -EINVAL; }
    current()->robust_list = a[0];
    return 0;
}

int64_t sys_get_robust_list(const uint64_t a[6])
{
    struct thread *t = (int32_t)a[0] == 0 ? current() : thread_find((int32_t)a[0]);
    if (t == NULL) { return -ESRCH; }
    if (put_user_u64(a[2], 24) != 0) { return -EFAULT; }
    return put_user_u64(a[1], t->robust_list);
}
