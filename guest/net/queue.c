/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What waits to be received: a list of segments. A stream fills the last segment before it begins
 * another; a record is one or more segments, the last of which is marked. Descriptors and the
 * source stand in the first segment of a message.
 */
#include "guest/net/socket.h"

#define SEG_MIN 1024u  /* so that a stream of single bytes does not cost a header each */
#define SEG_MAX 16384u /* content of one segment */

struct seg {
    struct list link;
    uint32_t cap, len, off; /* bytes: room, filled, already received */
    bool end;               /* a record ends here */
    bool first;             /* a message begins here: what follows counts */
    bool has_cred;
    struct ucred cred;
    struct sock_addr from;
    struct file **rights;
    uint32_t rights_count;
    uint8_t data[];
};

static struct seg *seg_at(struct list *l) { return LIST_ENTRY(l, struct seg, link); }

void queue_init(struct queue *q)
{
    *q = (struct queue){0};
    list_init(&q->segs);
}

bool queue_empty(const struct queue *q) { return list_empty(&q->segs); }

static struct seg *seg_new(uint32_t cap)
{
    struct seg *g = mem_alloc(sizeof *g + cap);
    if (g != NULL) {
        g->cap = cap;
        list_init(&g->link);
    }
    return g;
}

static void seg_free(struct queue *q, struct seg *g)
{
    struct msg m = {.rights = g->rights, .rights_count = g->rights_count};
    msg_drop_rights(&m);
    list_del(&g->link);
    q->bytes -= g->len - g->off;
    q->used -= g->cap + sizeof *g;
    mem_free(g);
}

void queue_clear(struct queue *q)
{
    while (!queue_empty(q)) { seg_free(q, seg_at(q->segs.next)); }
}

static void seg_add(struct queue *q, struct seg *g)
{
    list_add_tail(&q->segs, &g->link);
    q->bytes += g->len;
    q->used += g->cap + sizeof *g;
}

static void head_set(struct seg *g, struct msg *m, const struct sock_addr *from)
{
    g->first = true;
    g->has_cred = m->has_cred;
    g->cred = m->cred;
    if (from != NULL) { g->from = *from; }
    g->rights = m->rights;
    g->rights_count = m->rights_count;
    m->rights = NULL;
    m->rights_count = 0;
}

/* Fills g from u. Bytes. */
static size_t fill(struct seg *g, struct uio *u, size_t max)
{
    size_t n = min_u64(min_u64(g->cap - g->len, u->left), max);
    size_t done = uio_get(u, g->data + g->len, n);
    g->len += (uint32_t)done;
    return done;
}

int64_t queue_put_stream(struct queue *q, struct uio *u, struct msg *m, size_t limit)
{
    int64_t total = 0;
    struct seg *last = queue_empty(q) ? NULL : seg_at(q->segs.prev);

    if (last != NULL && last->len < last->cap && m->rights == NULL && !m->has_cred &&
        !last->has_cred && last->rights == NULL) {
        size_t n = fill(last, u, SIZE_MAX);
        q->bytes += n;
        total += (int64_t)n;
        if (n == 0 && u->left > 0) { return -EFAULT; }
    }
    while (u->left > 0) {
        if (q->used >= limit) { return total > 0 ? total : -EAGAIN; }
        struct seg *g = seg_new((uint32_t)min_u64(max_u64(u->left, SEG_MIN), SEG_MAX));
        if (g == NULL) { return total > 0 ? total : -ENOMEM; }
        if (fill(g, u, SIZE_MAX) == 0) {
            mem_free(g);
            return total > 0 ? total : -EFAULT;
        }
        if (total == 0) { head_set(g, m, NULL); }
        total += (int64_t)g->len;
        seg_add(q, g);
    }
    return total;
}

int64_t queue_put_record(struct queue *q, struct uio *u, struct msg *m,
                         const struct sock_addr *from, size_t limit)
{
    struct queue record;
    uint64_t len = u->left;
    int err = 0;

    if (!queue_empty(q) && q->used + len > limit) { return -EAGAIN; }
    queue_init(&record);
    do {
        uint32_t n = (uint32_t)min_u64(u->left, SEG_MAX);
        struct seg *g = seg_new(n);
        if (g == NULL) {
            err = -ENOMEM;
        } else if (fill(g, u, n) < n) {
            mem_free(g);
            err = -EFAULT;
        } else {
            seg_add(&record, g);
        }
    } while (err == 0 && u->left > 0);
    if (err < 0) {
        queue_clear(&record);
        return err;
    }
    head_set(seg_at(record.segs.next), m, from);
    seg_at(record.segs.prev)->end = true;
    while (!queue_empty(&record)) {
        struct seg *g = seg_at(record.segs.next);
        list_del(&g->link);
        seg_add(q, g);
    }
    return (int64_t)len;
}

/*
 * The message's companions, from its first segment. A peek leaves the descriptors' own references.
 */
static void head_get(struct seg *g, struct msg *m, bool peek)
{
    m->has_cred = g->has_cred;
    m->cred = g->cred;
    m->addr = g->from;
    m->has_addr = g->from.family != LAF_UNSPEC;
    if (g->rights_count == 0) { return; }
    if (!peek) {
        m->rights = g->rights;
        m->rights_count = g->rights_count;
        g->rights = NULL;
        g->rights_count = 0;
        return;
    }
    m->rights = mem_alloc(g->rights_count * sizeof *m->rights);
    if (m->rights == NULL) { return; }
    m->rights_count = g->rights_count;
    for (uint32_t i = 0; i < g->rights_count; i++) {
        m->rights[i] = g->rights[i];
        file_get(m->rights[i]);
    }
}

int64_t queue_get_stream(struct queue *q, struct uio *u, struct msg *m)
{
    bool peek = (m->flags & LMSG_PEEK) != 0;
    int64_t total = 0;

    if (queue_empty(q)) { return -EAGAIN; }
    bool any = false;
    LIST_EACH_SAFE (it, &q->segs) {
        struct seg *g = seg_at(it);
        if (u->left == 0) { break; }
        if (any && g->first &&
            (g->rights_count > 0 ||
             (g->has_cred && memcmp(&g->cred, &m->cred, sizeof g->cred) != 0))) {
            break;
        }
        if (!any) { head_get(g, m, peek); }
        any = true;
        size_t n = min_u64(g->len - g->off, u->left);
        size_t done = uio_put(u, g->data + g->off, n);
        total += (int64_t)done;
        if (!peek) {
            g->off += (uint32_t)done;
            q->bytes -= done;
            if (g->off == g->len) { seg_free(q, g); }
        }
        if (done < n) { return total > 0 ? total : -EFAULT; }
    }
    return total;
}

int64_t queue_get_record(struct queue *q, struct uio *u, struct msg *m)
{
    bool peek = (m->flags & LMSG_PEEK) != 0, fault = false, end = false;
    int64_t total = 0;

    if (queue_empty(q)) { return -EAGAIN; }
    head_get(seg_at(q->segs.next), m, peek);
    m->full_len = 0;
    LIST_EACH_SAFE (it, &q->segs) {
        struct seg *g = seg_at(it);
        size_t n = min_u64(g->len, u->left);
        size_t done = fault ? 0 : uio_put(u, g->data, n);
        fault = fault || done < n;
        total += (int64_t)done;
        m->full_len += g->len;
        end = g->end;
        if (!peek) { seg_free(q, g); }
        if (end) { break; }
    }
    return fault ? -EFAULT : total;
}

uint64_t queue_next_len(const struct queue *q)
{
    uint64_t len = 0;
    LIST_EACH (it, &q->segs) {
        const struct seg *g = LIST_ENTRY(it, struct seg, link);
        len += g->len - g->off;
        if (g->end) { break; }
    }
    return len;
}
