/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poll, ppoll, select, pselect6: one engine over a list of {file, wanted events}. A first round asks each file and queues
 * on its wait queues; after that a wake-up means asking again.
 */
#include "guest/fs/vfs.h"
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"

#define NS             1000000000ull
#define NS_PER_MS      1000000ull
#define SELECT_FDS_MAX 65536u /* more descriptors in one select() than that are not looked at */
#define NFDS_MAX       8000u  /* entries of one poll(): the largest pool object holds them */

/* The wait queues that one sleeping thread is on. Blocks are chained, the first needs no memory. */
#define BLOCK 16
struct block {
    struct block *next;
    unsigned count;
    struct waiter waiter[BLOCK];
};
struct poll_table {
    struct poller poller; /* first */
    bool no_memory;
    struct block *last;
    struct block first;
};

static void table_add(struct poller *poller, struct waitq *q)
{
    struct poll_table *t = CONTAINER_OF(poller, struct poll_table, poller);

    if (t->last->count == BLOCK) {
        struct block *b = mem_alloc(sizeof(*b));
        if (!b) {
            t->no_memory = true;
            return;
        }
        t->last->next = b;
        t->last = b;
    }
    struct waiter *w = &t->last->waiter[t->last->count++];
    waiter_init(w);
    waitq_add(q, w);
}

static void table_init(struct poll_table *t)
{
    t->poller.add = table_add;
    t->no_memory = false;
    t->first.next = NULL;
    t->first.count = 0;
    t->last = &t->first;
}

static void table_end(struct poll_table *t)
{
    for (struct block *b = &t->first; b;) {
        struct block *next = b->next;
        for (unsigned k = 0; k < b->count; k++) { waiter_del(&b->waiter[k]); }
        if (b != &t->first) { mem_free(b); }
        b = next;
    }
}

struct want {
    int fd;
    uint16_t events, revents; /* struct pollfd */
};
ABI_SIZE(struct want, 8);

/* Asks each once; how many have something. */
static int64_t ask_all(struct want *w, unsigned count, struct poller *poller)
{
    int64_t ready = 0;

    for (unsigned k = 0; k < count; k++) {
        w[k].revents = 0;
        if (w[k].fd < 0) { continue; }
        struct file *f = fd_file(w[k].fd);
        uint32_t events = LPOLLNVAL;
        if (f && !(f->flags & LO_PATH)) {
            events = file_poll(f, ready ? NULL : poller) & (w[k].events | LPOLLERR | LPOLLHUP);
        }
        w[k].revents = (uint16_t)events;
        if (events) { ready++; }
    }
    return ready;
}

/* Files stay open while we sleep on their queues. Held files are in a list beside the wants. */
static void hold(const struct want *w, unsigned count, struct file **held)
{
    for (unsigned k = 0; k < count; k++) {
        held[k] = w[k].fd < 0 ? NULL : fd_file(w[k].fd);
        if (held[k]) { file_get(held[k]); }
    }
}

static void release(unsigned count, struct file **held)
{
    for (unsigned k = 0; k < count; k++) { file_put(held[k]); }
}

/* Until something is ready (its count), the deadline (0) or a signal (-EINTR). */
static int64_t wait_for(struct want *w, unsigned count, uint64_t deadline)
{
    struct poll_table t;
    struct file **held;
    int64_t ready;

    if (deadline == 0) { return ask_all(w, count, NULL); }
    held = mem_alloc(count * sizeof(*held) + 1);
    if (!held) { return -ENOMEM; }
    hold(w, count, held);
    table_init(&t);
    ready = ask_all(w, count, &t.poller);
    while (ready == 0 && !t.no_memory) {
        int err = thread_sleep(deadline, true);
        ready = ask_all(w, count, NULL);
        if (ready == 0 && err == -ERESTARTSYS) { ready = -EINTR; }
        if (ready == 0 && err == -ETIMEDOUT) { break; }
    }
    table_end(&t);
    release(count, held);
    mem_free(held);
    return ready == 0 && t.no_memory ? -ENOMEM : ready;
}

static uint64_t deadline_in(uint64_t ns)
{
    uint64_t at;
    return add_ok(clock_mono_ns(), ns, &at) ? at : NO_DEADLINE - 1;
}

/* ---- poll ---- */

static int64_t poll_until(uint64_t va, uint32_t count, uint64_t deadline)
{
    struct want *w;
    int64_t n;

    if (count > current_proc()->rlim[7].cur || count > NFDS_MAX) { return -EINVAL; }
    w = mem_alloc(count * sizeof(*w) + 1);
    if (!w) { return -ENOMEM; }
    n = copy_from_user(w, va, count * sizeof(*w));
    if (!n) { n = wait_for(w, count, deadline); }
    for (uint32_t k = 0; n >= 0 && k < count; k++) { /* only revents belong to us */
        if (copy_to_user(va + k * sizeof(*w) + 6, &w[k].revents, 2) != 0) { n = -EFAULT; }
    }
    mem_free(w);
    return n;
}

static int64_t poll_restart(struct thread *t)
{
    int64_t n = poll_until(t->restart[0], (uint32_t)t->restart[1], t->restart[2]);
    return n == -EINTR ? -ERESTART_RESTARTBLOCK : n;
}

int64_t sys_poll(const uint64_t a[6])
{
    int32_t ms = (int32_t)a[2];
    uint64_t deadline = ms < 0 ? NO_DEADLINE : ms == 0 ? 0 : deadline_in((uint64_t)ms * NS_PER_MS);
    int64_t n = poll_until(a[0], (uint32_t)a[1], deadline);

    if (n != -EINTR) { return n; }
    struct thread *t = current();
    t->restart[0] = a[0];
    t->restart[1] = (uint32_t)a[1];
    t->restart[2] = deadline;
    t->restart_fn = poll_restart;
    return -ERESTART_RESTARTBLOCK;
}

/* A relative timeout in memory (0: none), its fraction in 1 / (NS / unit) seconds. */
static int timeout_load(uint64_t va, uint64_t unit, uint64_t *deadline)
{
    int64_t t[2];

    *deadline = NO_DEADLINE;
    if (va == 0) { return 0; }
    int err = copy_from_user(t, va, sizeof(t));
    if (err) { return err; }
    if (t[0] < 0 || t[1] < 0 || (unit == 1 && (uint64_t)t[1] >= NS)) { return -EINVAL; }
    uint64_t s = min_u64((uint64_t)t[0], 1ull << 32),
             part = min_u64((uint64_t)t[1], 1ull << 40) * unit;
    *deadline = s == 0 && part == 0 ? 0 : deadline_in(s * NS + part);
    return 0;
}

/* What is left goes back; a place that cannot be written is left alone, as in Linux. */
static void timeout_store(uint64_t va, uint64_t unit, uint64_t deadline)
{
    uint64_t now = clock_mono_ns(), left = deadline > now ? deadline - now : 0;
    int64_t t[2] = {(int64_t)(left / NS), (int64_t)(left % NS / unit)};

    if (va == 0 || deadline == NO_DEADLINE) { return; }
    if (copy_to_user(va, t, sizeof(t)) != 0) { return; }
}

static int mask_load(uint64_t va, uint64_t size)
{
    uint64_t mask;

    if (va == 0) { return 0; }
    if (size != 8) { return -EINVAL; }
    int err = get_user_u64(va, &mask);
    if (!err) { signal_mask_temporary(mask); }
    return err;
}

int64_t sys_ppoll(const uint64_t a[6])
{
    uint64_t deadline;
    int64_t n = timeout_load(a[2], 1, &deadline);

    if (!n) { n = mask_load(a[3], a[4]); }
    if (n) { return n; }
    n = poll_until(a[0], (uint32_t)a[1], deadline);
    timeout_store(a[2], 1, deadline);
    return n == -EINTR ? -ERESTARTNOHAND : n;
}

/* ---- select ---- */

#define IN_SET  (LPOLLIN | LPOLLRDNORM | LPOLLRDBAND | LPOLLHUP | LPOLLERR)
#define OUT_SET (LPOLLOUT | LPOLLWRNORM | LPOLLERR)
#define PRI_SET LPOLLPRI
static const uint16_t set_events[3] = {IN_SET, OUT_SET, PRI_SET};
/* What poll() is asked for; LPOLLERR and LPOLLHUP come unasked. */
static const uint16_t set_wants[3] = {LPOLLIN, LPOLLOUT, LPOLLPRI};

static bool bit_get(const uint64_t *set, unsigned fd)
{
    return set && (set[fd / 64] >> fd % 64 & 1);
}

/* The three sets as a list of wants, in ascending order of descriptors. Count or -EBADF. */
static int64_t wants_from(uint64_t *const set[3], unsigned nfds, struct want *w, unsigned max)
{
    unsigned count = 0;

    for (unsigned fd = 0; fd < nfds; fd++) {
        uint16_t events = 0;
        for (int s = 0; s < 3; s++) { events |= bit_get(set[s], fd) ? set_wants[s] : 0; }
        if (!events) { continue; }
        if (!fd_file((int)fd)) { return -EBADF; }
        if (count == max) { return -ENOMEM; }
        w[count++] = (struct want){.fd = (int)fd, .events = events};
    }
    return count;
}

/* The answer, in place. How many bits are set. */
static int64_t sets_from(const struct want *w, unsigned count, uint64_t *const set[3])
{
    int64_t ready = 0;

    for (unsigned k = 0; k < count; k++) {
        unsigned fd = (unsigned)w[k].fd;
        for (int s = 0; s < 3; s++) {
            if (!bit_get(set[s], fd)) { continue; }
            if (w[k].revents & set_events[s]) {
                ready++;
            } else {
                set[s][fd / 64] &= ~(1ull << fd % 64);
            }
        }
    }
    return ready;
}

static int64_t select_until(uint32_t nfds, const uint64_t va[3], uint64_t deadline)
{
    uint64_t *set[3] = {NULL, NULL, NULL};
    size_t words, bytes;
    struct want *w;
    int64_t n = 0;

    if ((int32_t)nfds < 0) { return -EINVAL; }
    if (nfds > SELECT_FDS_MAX) { nfds = SELECT_FDS_MAX; }
    words = (nfds + 63) / 64;
    bytes = words * 8;
    uint64_t *room = mem_alloc(3 * bytes + 1);
    unsigned max = nfds < NFDS_MAX ? nfds : NFDS_MAX;
    w = mem_alloc(max * sizeof(*w) + 1);
    if (!room || !w) { n = -ENOMEM; }
    for (int s = 0; s < 3 && !n; s++) {
        if (va[s] == 0) { continue; }
        set[s] = room + (size_t)s * words;
        n = copy_from_user(set[s], va[s], bytes);
    }
    if (!n) { n = wants_from(set, nfds, w, max); }
    if (n >= 0) {
        unsigned count = (unsigned)n;
        n = wait_for(w, count, deadline);
        if (n >= 0) { n = sets_from(w, count, set); }
    }
    for (int s = 0; s < 3 && n >= 0; s++) {
        if (set[s] && copy_to_user(va[s], set[s], bytes) != 0) { n = -EFAULT; }
    }
    mem_free(w);
    mem_free(room);
    return n;
}

int64_t sys_select(const uint64_t a[6])
{
    uint64_t deadline;
    int64_t n = timeout_load(a[4], 1000, &deadline);

    if (n) { return n; }
    n = select_until((uint32_t)a[0], &a[1], deadline);
    timeout_store(a[4], 1000, deadline);
    return n == -EINTR ? -ERESTARTNOHAND : n;
}

int64_t sys_pselect6(const uint64_t a[6])
{
    uint64_t deadline, mask[2] = {0, 0}; /* the sixth argument points to {mask pointer, size} */
    int64_t n = timeout_load(a[4], 1, &deadline);

    if (!n && a[5]) { n = copy_from_user(mask, a[5], sizeof(mask)); }
    if (!n) { n = mask_load(mask[0], mask[1]); }
    if (n) { return n; }
    n = select_until((uint32_t)a[0], &a[1], deadline);
    timeout_store(a[4], 1, deadline);
    return n == -EINTR ? -ERESTARTNOHAND : n;
}
