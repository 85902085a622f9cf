/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoll. An item is one (open file, descriptor number) that an epoll watches; it sits on the file's wait queues for as long
 * as it exists, and every wake-up that may matter puts it on the ready list. epoll_wait() asks the files on that list again and
 * reports what is true.
 *
 * 1. Losing an arrival hangs edge-triggered programs for ever, an extra one is harmless: when in doubt an item is made
 *    ready.
 * 2. An item dies by EPOLL_CTL_DEL, with the last reference of its file (epoll_forget), or with the epoll itself.
 * 3. Epolls that watch epolls form no circle and no chain longer than DEPTH_MAX, so wake-ups that run through them end.
 */
#include "guest/fs/vfs.h"
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"

#define EPOLL_CTL_ADD  1
#define EPOLL_CTL_DEL  2
#define EPOLL_CTL_MOD  3
#define EPOLLEXCLUSIVE (1u << 28)
#define EPOLLWAKEUP    (1u << 29)
#define EPOLLONESHOT   (1u << 30)
#define EPOLLET        (1u << 31)
#define EPOLL_MODE     (EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLONESHOT | EPOLLET)
#define EXCLUSIVE_OK                                                                               \
    (LPOLLIN | LPOLLOUT | LPOLLERR | LPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)
#define DEPTH_MAX   5
#define EVENTS_MAX  4096 /* reported by one call */
#define EVENT_SIZE  12
#define BUCKETS     64u
#define BUCKETS_MAX 4096u

struct epoll {
    struct file *file;   /* the open file this is; borrowed, lives longer */
    struct list ready;   /* of struct epitem.ready, longest waiting first */
    struct list *bucket; /* of struct epitem.hash */
    uint32_t buckets, count;
    struct waitq wait;      /* threads in epoll_wait, exclusive */
    struct waitq poll_wait; /* those who poll the epoll itself */
};

struct epwait { /* one wait queue of the file */
    struct waiter waiter;
    struct epitem *item;
    struct epwait *next;
};

struct epitem {
    struct list hash, ready, of_file; /* of_file: in file->epolls */
    struct epoll *ep;
    struct file *file; /* not referenced: rule 2 */
    int fd;
    uint32_t events;
    uint64_t data;
    struct epwait *waits;
};

struct add_poller { /* hands the item's waiters to the file's queues */
    struct poller poller;
    struct epitem *item;
    bool no_memory;
};

static void make_ready(struct epitem *it)
{
    if (list_empty(&it->ready)) { list_add_tail(&it->ep->ready, &it->ready); }
    wake_one(&it->ep->wait, LPOLLIN);
    wake(&it->ep->poll_wait, LPOLLIN);
}

static void on_wake(struct waiter *w, uint32_t events)
{
    struct epitem *it = CONTAINER_OF(w, struct epwait, waiter)->item;

    if (!(it->events & ~EPOLL_MODE)) { return; } /* disarmed */
    if (events & it->events) { make_ready(it); }
}

static void item_add_queue(struct poller *poller, struct waitq *q)
{
    struct add_poller *p = CONTAINER_OF(poller, struct add_poller, poller);
    struct epwait *w = mem_alloc(sizeof(*w));

    if (!w) {
        p->no_memory = true;
        return;
    }
    waiter_init(&w->waiter);
    w->waiter.notify = on_wake;
    w->waiter.exclusive = (p->item->events & EPOLLEXCLUSIVE) != 0;
    w->item = p->item;
    w->next = p->item->waits;
    p->item->waits = w;
    waitq_add(q, &w->waiter);
}

/* ---- items ---- */

static uint32_t item_hash(const struct file *f, int fd)
{
    return (uint32_t)((uintptr_t)f >> 6) * 2654435761u ^ (uint32_t)fd * 40503u;
}

static struct epitem *item_find(struct epoll *ep, const struct file *f, int fd)
{
    LIST_EACH (l, &ep->bucket[item_hash(f, fd) & (ep->buckets - 1)]) {
        struct epitem *it = LIST_ENTRY(l, struct epitem, hash);
        if (it->file == f && it->fd == fd) { return it; }
    }
    return NULL;
}

static void item_free(struct epitem *it)
{
    for (struct epwait *w = it->waits; w;) {
        struct epwait *next = w->next;
        waiter_del(&w->waiter);
        mem_free(w);
        w = next;
    }
    list_del(&it->hash);
    list_del(&it->ready);
    list_del(&it->of_file);
    it->ep->count--;
    mem_free(it);
}

void epoll_forget(struct file *f)
{
    LIST_EACH_SAFE (l, &f->epolls) { item_free(LIST_ENTRY(l, struct epitem, of_file)); }
}

static struct list *buckets_new(uint32_t count)
{
    struct list *b = mem_alloc(count * sizeof(*b));

    for (uint32_t k = 0; b && k < count; k++) { list_init(&b[k]); }
    return b;
}

/* Longer tables are only faster: no memory is no error. */
static void buckets_grow(struct epoll *ep)
{
    uint32_t count = ep->buckets * 4;
    struct list *to = ep->count > ep->buckets && count <= BUCKETS_MAX ? buckets_new(count) : NULL;

    if (!to) { return; }
    for (uint32_t k = 0; k < ep->buckets; k++) {
        LIST_EACH_SAFE (l, &ep->bucket[k]) {
            struct epitem *it = LIST_ENTRY(l, struct epitem, hash);
            list_del(l);
            list_add_tail(&to[item_hash(it->file, it->fd) & (count - 1)], l);
        }
    }
    mem_free(ep->bucket);
    ep->bucket = to;
    ep->buckets = count;
}

/* ---- the epoll as a file ---- */

static uint32_t item_poll(struct epitem *it)
{
    return file_poll(it->file, NULL) & it->events & ~EPOLL_MODE;
}

static uint32_t epoll_poll(struct file *f, struct poller *p)
{
    struct epoll *ep = f->priv;

    poll_add(p, &ep->poll_wait);
    LIST_EACH_SAFE (l, &ep->ready) {
        struct epitem *it = LIST_ENTRY(l, struct epitem, ready);
        if ((it->events & ~EPOLL_MODE) && item_poll(it)) { return LPOLLIN | LPOLLRDNORM; }
        list_del(&it->ready);
    }
    return 0;
}

static void epoll_release(struct file *f)
{
    struct epoll *ep = f->priv;

    for (uint32_t k = 0; k < ep->buckets; k++) {
        LIST_EACH_SAFE (l, &ep->bucket[k]) { item_free(LIST_ENTRY(l, struct epitem, hash)); }
    }
    mem_free(ep->bucket);
    mem_free(ep);
}

static const struct file_ops epoll_ops = {.poll = epoll_poll, .release = epoll_release};

static int64_t create(uint32_t flags)
{
    struct epoll *ep = mem_alloc(sizeof(*ep));
    struct file *f = NULL;

    if (!ep) { return -ENOMEM; }
    list_init(&ep->ready);
    waitq_init(&ep->wait);
    waitq_init(&ep->poll_wait);
    ep->buckets = BUCKETS;
    ep->bucket = buckets_new(BUCKETS);
    if (ep->bucket) { f = file_anon(&epoll_ops, ep, LO_RDWR, 0600, "anon_inode:[eventpoll]"); }
    if (!f) {
        mem_free(ep->bucket);
        mem_free(ep);
        return -ENOMEM;
    }
    ep->file = f;
    return fd_install(f, (flags & LO_CLOEXEC) != 0);
}

int64_t sys_epoll_create(const uint64_t a[6]) { return (int32_t)a[0] <= 0 ? -EINVAL : create(0); }
int64_t sys_epoll_create1(const uint64_t a[6])
{
    return (uint32_t)a[0] & ~LO_CLOEXEC ? -EINVAL : create((uint32_t)a[0]);
}

/* ---- epoll_ctl ---- */

/* The longest chain of epolls below f, itself included; DEPTH_MAX + 1 when `avoid` is among them or it is too long. */
static int depth_below(const struct file *f, const struct epoll *avoid, int level)
{
    const struct epoll *ep = f->priv;
    int deepest = 0;

    if (ep == avoid || level > DEPTH_MAX) { return DEPTH_MAX + 1; }
    for (uint32_t k = 0; k < ep->buckets; k++) {
        LIST_EACH (l, &ep->bucket[k]) {
            const struct epitem *it = LIST_ENTRY(l, struct epitem, hash);
            if (it->file->ops != &epoll_ops) { continue; }
            int d = depth_below(it->file, avoid, level + 1);
            if (d > deepest) { deepest = d; }
            if (d > DEPTH_MAX) { return d; }
        }
    }
    return deepest + 1;
}

/* The longest chain of epolls that watch f, without f itself. */
static int depth_above(const struct file *f, int level)
{
    int highest = 0;

    if (level > DEPTH_MAX) { return 0; }
    LIST_EACH (l, &f->epolls) {
        int d = 1 + depth_above(LIST_ENTRY(l, struct epitem, of_file)->ep->file, level + 1);
        if (d > highest) { highest = d; }
    }
    return highest;
}

static int64_t ctl_add(struct epoll *ep, struct file *f, int fd, uint32_t events, uint64_t data)
{
    struct epitem *it = mem_alloc(sizeof(*it));
    struct add_poller p = {.poller = {item_add_queue}, .item = it};

    if (!it) { return -ENOMEM; }
    it->ep = ep;
    it->file = f;
    it->fd = fd;
    it->events = events | LPOLLERR | LPOLLHUP; /* these come unasked; 0 is "disarmed" */
    it->data = data;
    list_init(&it->ready);
    list_add_tail(&ep->bucket[item_hash(f, fd) & (ep->buckets - 1)], &it->hash);
    list_add_tail(&f->epolls, &it->of_file);
    ep->count++;
    uint32_t now = f->ops->poll(f, &p.poller);
    if (p.no_memory) {
        item_free(it);
        return -ENOMEM;
    }
    if (now & it->events & ~EPOLL_MODE) { make_ready(it); }
    buckets_grow(ep);
    return 0;
}

static int64_t ctl_mod(struct epitem *it, uint32_t events, uint64_t data)
{
    if ((it->events | events) & EPOLLEXCLUSIVE) { return -EINVAL; }
    it->events = events | LPOLLERR | LPOLLHUP;
    it->data = data;
    if (item_poll(it)) { make_ready(it); }
    return 0;
}

int64_t sys_epoll_ctl(const uint64_t a[6])
{
    struct file *epf = fd_file((int)a[0]), *f = fd_file((int)a[2]);
    int op = (int)a[1], fd = (int)a[2];
    uint8_t raw[EVENT_SIZE] = {0};
    uint32_t events;
    uint64_t data;

    if (!epf || !f) { return -EBADF; }
    if (op != EPOLL_CTL_DEL && copy_from_user(raw, a[3], sizeof(raw)) != 0) { return -EFAULT; }
    memcpy(&events, raw, 4);
    memcpy(&data, raw + 4, 8);
    if ((f->flags & LO_PATH) || !f->ops->poll) { return f->flags & LO_PATH ? -EBADF : -EPERM; }
    if (epf->ops != &epoll_ops || epf == f) { return -EINVAL; }
    struct epoll *ep = epf->priv;
    if (op == EPOLL_CTL_ADD && (events & EPOLLEXCLUSIVE) &&
        (events & ~EXCLUSIVE_OK || f->ops == &epoll_ops)) {
        return -EINVAL;
    }
    struct epitem *it = item_find(ep, f, fd);
    switch (op) {
    case EPOLL_CTL_ADD:
        if (it) { return -EEXIST; }
        if (f->ops == &epoll_ops && depth_above(epf, 0) + 1 + depth_below(f, ep, 1) > DEPTH_MAX) {
            return -ELOOP;
        }
        return ctl_add(ep, f, fd, events, data);
    case EPOLL_CTL_MOD: return it ? ctl_mod(it, events, data) : -ENOENT;
    case EPOLL_CTL_DEL:
        if (!it) { return -ENOENT; }
        item_free(it);
        return 0;
    default: return -EINVAL;
    }
}

/* ---- epoll_wait ---- */

/* Reports up to max events. Level-triggered items go to the end of the list, so that none starves another. */
static int64_t collect(struct epoll *ep, uint64_t va, int max)
{
    struct list again = LIST_INIT(again);
    int64_t n = 0;

    while (!list_empty(&ep->ready) && n < max) {
        struct epitem *it = LIST_ENTRY(ep->ready.next, struct epitem, ready);
        uint8_t raw[EVENT_SIZE];

        list_del(&it->ready);
        uint32_t events = it->events & ~EPOLL_MODE ? item_poll(it) : 0;
        if (!events) { continue; }
        memcpy(raw, &events, 4);
        memcpy(raw + 4, &it->data, 8);
        if (copy_to_user(va + (uint64_t)n * EVENT_SIZE, raw, sizeof(raw)) != 0) {
            list_add_head(&ep->ready, &it->ready);
            if (n == 0) { n = -EFAULT; }
            break;
        }
        n++;
        if (it->events & EPOLLONESHOT) {
            it->events &= EPOLL_MODE;
        } else if (!(it->events & EPOLLET)) {
            list_add_tail(&again, &it->ready);
        }
    }
    while (!list_empty(&again)) {
        struct list *l = again.next;
        list_del(l);
        list_add_tail(&ep->ready, l);
    }
    /* More is there, for the next thread that waits. */
    if (!list_empty(&ep->ready)) { wake_one(&ep->wait, LPOLLIN); }
    return n;
}

static int64_t wait_events(int epfd, uint64_t va, int max, uint64_t deadline)
{
    struct file *f = fd_file(epfd);
    int64_t n;

    if (max <= 0) { return -EINVAL; }
    if (!f) { return -EBADF; }
    if (f->ops != &epoll_ops) { return -EINVAL; }
    struct epoll *ep = f->priv;
    if (max > EVENTS_MAX) { max = EVENTS_MAX; }
    if (!user_range_ok(va, (uint64_t)max * EVENT_SIZE)) { return -EFAULT; }
    file_get(f);
    for (;;) {
        struct waiter w;
        n = collect(ep, va, max);
        if (n != 0 || deadline == 0) { break; }
        waiter_init(&w);
        w.exclusive = true;
        waitq_add(&ep->wait, &w);
        int err = thread_sleep(deadline, true);
        waiter_del(&w);
        if (err) {
            n = collect(ep, va, max);
            if (n == 0 && err == -ERESTARTSYS) { n = -EINTR; }
            break;
        }
    }
    file_put(f);
    return n;
}

static uint64_t deadline_ms(int32_t ms)
{
    return ms < 0 ? NO_DEADLINE : ms == 0 ? 0 : clock_mono_ns() + (uint64_t)ms * 1000000;
}

int64_t sys_epoll_wait(const uint64_t a[6])
{
    return wait_events((int)a[0], a[1], (int)a[2], deadline_ms((int32_t)a[3]));
}

static int64_t masked_wait(const uint64_t a[6], uint64_t deadline)
{
    if (a[4] != 0) {
        uint64_t mask;
        if (a[5] != 8) { return -EINVAL; }
        int err = get_user_u64(a[4], &mask);
        if (err) { return err; }
        signal_mask_temporary(mask);
    }
    return wait_events((int)a[0], a[1], (int)a[2], deadline);
}

int64_t sys_epoll_pwait(const uint64_t a[6]) { return masked_wait(a, deadline_ms((int32_t)a[3])); }

int64_t sys_epoll_pwait2(const uint64_t a[6])
{
    int64_t t[2];
    uint64_t deadline = NO_DEADLINE;

    if (a[3] != 0) {
        int err = copy_from_user(t, a[3], sizeof(t));
        if (err) { return err; }
        if (t[0] < 0 || t[1] < 0 || t[1] >= 1000000000) { return -EINVAL; }
        deadline = t[0] == 0 && t[1] == 0
                       ? 0
                       : clock_mono_ns() + min_u64((uint64_t)t[0], 1ull << 32) * 1000000000ull +
                             (uint64_t)t[1];
    }
    return masked_wait(a, deadline);
}
