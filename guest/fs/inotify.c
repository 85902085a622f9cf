/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inotify: a queue of records per instance, fed by notify_*() where names and objects change. A watch holds its inode.
 * While nobody watches anything, each of those calls is one test.
 */
#include "guest/fs/vfs.h"
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"

#define IN_Q_OVERFLOW  0x4000u
#define IN_IGNORED     0x8000u
#define IN_ONLYDIR     0x1000000u
#define IN_DONT_FOLLOW 0x2000000u
#define IN_MASK_CREATE 0x10000000u
#define IN_MASK_ADD    0x20000000u
#define IN_ONESHOT     0x80000000u
#define IN_ALL         0xfffu
#define FIONREAD_      0x541bu
#define QUEUE_MAX      16384u /* records; /proc/sys/fs/inotify/max_queued_events */
#define WATCHES_MAX    65536u

struct record {
    struct list link;
    int32_t wd;
    uint32_t mask, cookie,
        name_size; /* struct inotify_event; name_size: with NULs, a multiple of 16 */
    char name[];
};
#define RECORD_HEAD 16

struct notifier {
    struct list queue, watches; /* of struct record.link, struct watch.of_notifier */
    uint32_t queued, watch_count;
    int32_t next_wd;
    uint64_t bytes;
    struct waitq wait;
};

struct watch {
    struct list of_inode, of_notifier;
    struct inode *inode; /* referenced */
    struct notifier *notifier;
    int32_t wd;
    uint32_t mask;
};

static uint32_t watches_total;

static void watch_free(struct watch *w)
{
    list_del(&w->of_inode);
    list_del(&w->of_notifier);
    w->notifier->watch_count--;
    watches_total--;
    inode_put(w->inode);
    mem_free(w);
}

static bool same_as_last(const struct notifier *n, const struct record *r)
{
    if (list_empty(&n->queue)) { return false; }
    const struct record *last = LIST_ENTRY(n->queue.prev, struct record, link);
    return last->wd == r->wd && last->mask == r->mask && last->cookie == r->cookie &&
           last->name_size == r->name_size && memcmp(last->name, r->name, r->name_size) == 0;
}

/* Out of memory counts as a full queue; when even that record has no room, the overflow is silent. */
static void emit(struct notifier *n, int32_t wd, uint32_t mask, uint32_t cookie, const char *name,
                 size_t len)
{
    uint32_t name_size = len ? (uint32_t)(len + 1 + 15) & ~15u : 0;
    struct record *r;

    if (n->queued >= QUEUE_MAX) {
        if (n->queued > QUEUE_MAX) { return; }
        wd = -1;
        mask = IN_Q_OVERFLOW;
        name_size = 0;
        cookie = 0;
    }
    r = mem_alloc(sizeof(*r) + name_size);
    if (!r) { return; }
    r->wd = wd;
    r->mask = mask;
    r->cookie = cookie;
    r->name_size = name_size;
    if (name_size) { memcpy(r->name, name, len); }
    if (same_as_last(n, r)) {
        mem_free(r);
        return;
    }
    list_add_tail(&n->queue, &r->link);
    n->queued++;
    n->bytes += RECORD_HEAD + name_size;
    wake(&n->wait, LPOLLIN);
}

static void tell(struct inode *i, uint32_t mask, uint32_t cookie, const char *name, size_t len)
{
    LIST_EACH_SAFE (l, &i->watches) {
        struct watch *w = LIST_ENTRY(l, struct watch, of_inode);
        if (!(w->mask & mask & IN_ALL)) { continue; }
        emit(w->notifier, w->wd, mask & (IN_ALL | IN_ISDIR), cookie, name, len);
        if (w->mask & IN_ONESHOT) {
            emit(w->notifier, w->wd, IN_IGNORED, 0, NULL, 0);
            watch_free(w);
        }
    }
}

void notify_name(struct inode *dir, const char *name, size_t len, uint32_t mask, uint32_t cookie)
{
    if (likely(watches_total == 0)) { return; }
    tell(dir, mask, cookie, name, len);
}

void notify_inode(struct inode *i, struct dentry *d, uint32_t mask)
{
    if (likely(watches_total == 0)) { return; }
    if (s_isdir(i) && !(mask & IN_MOVE_SELF)) {
        mask |= IN_ISDIR;
    } /* events about itself come without, as in Linux */
    tell(i, mask, 0, NULL, 0);
    if (d && d->parent != d && d->linked) { tell(d->parent->inode, mask, 0, d->name, d->len); }
}

void notify_last_name(struct inode *i)
{
    if (likely(watches_total == 0)) { return; }
    inode_get(i);
    tell(i, IN_DELETE_SELF, 0, NULL, 0);
    LIST_EACH_SAFE (l, &i->watches) {
        struct watch *w = LIST_ENTRY(l, struct watch, of_inode);
        emit(w->notifier, w->wd, IN_IGNORED, 0, NULL, 0);
        watch_free(w);
    }
    inode_put(i);
}

/* ---- the instance as a file ---- */

static int64_t notifier_read(struct file *f, struct uio *u, uint64_t *pos)
{
    struct notifier *n = f->priv;
    int64_t done = 0;

    (void)pos;
    while (list_empty(&n->queue)) {
        if (f->flags & LO_NONBLOCK) { return -EAGAIN; }
        int err = wait_on(&n->wait, NO_DEADLINE, true);
        if (err) { return err; }
    }
    while (!list_empty(&n->queue)) {
        struct record *r = LIST_ENTRY(n->queue.next, struct record, link);
        uint32_t head[4] = {(uint32_t)r->wd, r->mask, r->cookie, r->name_size};
        if (u->left < RECORD_HEAD + r->name_size) { return done > 0 ? done : -EINVAL; }
        if (uio_put(u, head, sizeof(head)) != sizeof(head) ||
            uio_put(u, r->name, r->name_size) != r->name_size) {
            return done > 0 ? done : -EFAULT;
        }
        done += RECORD_HEAD + r->name_size;
        n->bytes -= RECORD_HEAD + r->name_size;
        n->queued--;
        list_del(&r->link);
        mem_free(r);
    }
    return done;
}

static uint32_t notifier_poll(struct file *f, struct poller *p)
{
    struct notifier *n = f->priv;

    poll_add(p, &n->wait);
    return list_empty(&n->queue) ? 0 : LPOLLIN | LPOLLRDNORM;
}

static int64_t notifier_ioctl(struct file *f, uint32_t cmd, uint64_t arg)
{
    const struct notifier *n = f->priv;
    return cmd == FIONREAD_ ? put_user_u32(arg, (uint32_t)n->bytes) : -ENOTTY;
}

static void notifier_release(struct file *f)
{
    struct notifier *n = f->priv;

    LIST_EACH_SAFE (l, &n->watches) { watch_free(LIST_ENTRY(l, struct watch, of_notifier)); }
    LIST_EACH_SAFE (q, &n->queue) {
        list_del(q);
        mem_free(LIST_ENTRY(q, struct record, link));
    }
    mem_free(n);
}

static const struct file_ops notifier_ops = {.read = notifier_read,
                                             .poll = notifier_poll,
                                             .ioctl = notifier_ioctl,
                                             .release = notifier_release};

static int64_t create(uint32_t flags)
{
    struct notifier *n;
    struct file *f;

    if (flags & ~(LO_CLOEXEC | LO_NONBLOCK)) { return -EINVAL; }
    n = mem_alloc(sizeof(*n));
    if (!n) { return -ENOMEM; }
    list_init(&n->queue);
    list_init(&n->watches);
    waitq_init(&n->wait);
    n->next_wd = 1;
    f = file_anon(&notifier_ops, n, LO_RDONLY | (flags & LO_NONBLOCK), 0600, "anon_inode:inotify");
    if (!f) {
        mem_free(n);
        return -ENOMEM;
    }
    return fd_install(f, (flags & LO_CLOEXEC) != 0);
}

int64_t sys_inotify_init(const uint64_t a[6])
{
    (void)a;
    return create(0);
}
int64_t sys_inotify_init1(const uint64_t a[6]) { return create((uint32_t)a[0]); }

static struct notifier *notifier_of(int fd, int64_t *err)
{
    struct file *f = fd_file(fd);

    *err = !f ? -EBADF : f->ops != &notifier_ops ? -EINVAL : 0;
    return *err ? NULL : f->priv;
}

static int64_t watch_add(struct notifier *n, struct inode *i, uint32_t mask)
{
    LIST_EACH (l, &n->watches) {
        struct watch *w = LIST_ENTRY(l, struct watch, of_notifier);
        if (w->inode != i) { continue; }
        if (mask & IN_MASK_CREATE) { return -EEXIST; }
        w->mask = mask & IN_MASK_ADD ? w->mask | mask : mask;
        return w->wd;
    }
    if (n->watch_count >= WATCHES_MAX || n->next_wd == INT32_MAX) { return -ENOSPC; }
    struct watch *w = mem_alloc(sizeof(*w));
    if (!w) { return -ENOMEM; }
    w->inode = i;
    inode_get(i);
    w->notifier = n;
    w->mask = mask;
    w->wd = n->next_wd++;
    list_add_tail(&i->watches, &w->of_inode);
    list_add_tail(&n->watches, &w->of_notifier);
    n->watch_count++;
    watches_total++;
    return w->wd;
}

int64_t sys_inotify_add_watch(const uint64_t a[6])
{
    uint32_t mask = (uint32_t)a[2];
    struct path p;
    int64_t err;
    struct notifier *n = notifier_of((int)a[0], &err);

    if (!n) { return err; }
    if (!(mask & IN_ALL) || ((mask & IN_MASK_ADD) && (mask & IN_MASK_CREATE))) { return -EINVAL; }
    err = walk_to(AT_FDCWD_, a[1], mask & IN_DONT_FOLLOW ? 0 : WALK_FOLLOW, &p);
    if (err) { return err; }
    if ((mask & IN_ONLYDIR) && !s_isdir(p.dentry->inode)) {
        err = -ENOTDIR;
    } else {
        err = inode_may(p.dentry->inode, MAY_READ);
        if (!err) { err = watch_add(n, p.dentry->inode, mask); }
    }
    path_put(p);
    return err;
}

int64_t sys_inotify_rm_watch(const uint64_t a[6])
{
    int64_t err;
    struct notifier *n = notifier_of((int)a[0], &err);

    if (!n) { return err; }
    LIST_EACH (l, &n->watches) {
        struct watch *w = LIST_ENTRY(l, struct watch, of_notifier);
        if (w->wd != (int32_t)a[1]) { continue; }
        emit(n, w->wd, IN_IGNORED, 0, NULL, 0);
        watch_free(w);
        return 0;
    }
    return -EINVAL;
}
