/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a stream: reading, writing, readiness. They are copied once, between the ring and their
 * destination; content is the reader's business, positions have passed stream_look().
 */
#include "guest/streams_priv.h"

#include "guest/base/shm.h"
#include "guest/fs/fs.h"
#include "guest/mm/mm.h"

static uint64_t in_avail(const struct stream *s) { return s->in_tail - s->in_head; }
static uint64_t out_free(const struct stream *s)
{
    return s->out != NULL ? s->out->size - (s->out_tail - s->out_head) : 0;
}
/* Like Linux, "writable" means a good part is free, not one byte. */
static bool out_roomy(const struct stream *s)
{
    return s->out != NULL && out_free(s) >= s->out->size / 2;
}

size_t stream_readable(struct stream *s)
{
    stream_look(s);
    return in_avail(s);
}

size_t stream_writable(struct stream *s)
{
    stream_look(s);
    return s->out_fin ? 0 : out_free(s);
}

/*
 * Between u and the ring of `size` bytes, from position at on, up to `room` bytes. *moved grows by
 * what went over; false: application memory faulted.
 */
static bool ring_move(struct uio *u, uint8_t *ring, uint64_t size, uint64_t at, size_t room,
                      bool put, size_t *moved)
{
    while (u->left > 0 && room > 0) {
        uint64_t off = at & (size - 1);
        size_t n = min_u64(min_u64(room, size - off), u->left);
        size_t done = put ? uio_put(u, ring + off, n) : uio_get(u, ring + off, n);
        at += done;
        room -= done;
        *moved += done;
        if (done < n) { return false; }
    }
    return true;
}

static int64_t read_ready(struct stream *s, struct uio *u)
{
    size_t moved = 0;
    bool whole = ring_move(u, s->in_bytes, s->in->size, s->in_head, in_avail(s), true, &moved);
    if (moved == 0) { return whole ? 0 : -EFAULT; }
    s->in_head += moved;
    shm_store_u64(&stream_slot(s)->guest.head, s->in_head);
    if (in_avail(s) <= s->in->size / 2) { stream_tell(s, STREAM_WANT_SPACE); }
    return (int64_t)moved;
}

int64_t stream_peek_now(struct stream *s, struct uio *u)
{
    size_t shown = s->in_tail - s->in_head, moved = 0;

    if (shown == 0) {
        stream_look(s);
        shown = in_avail(s);
    }
    if (shown == 0) { return stream_read_now(s, u); } /* an end, an error, or nothing yet */
    bool whole = ring_move(u, s->in_bytes, s->in->size, s->in_head, shown, true, &moved);
    return moved > 0 || whole ? (int64_t)moved : -EFAULT;
}

int64_t stream_read_now(struct stream *s, struct uio *u)
{
    if (s->in == NULL) { return -EINVAL; }
    if (u->left == 0) { return 0; }
    for (int look = 0; look < 2; look++) {
        if (in_avail(s) == 0) { stream_look(s); }
        if (streams_broken()) { return -EIO; }
        if (in_avail(s) > 0) { return read_ready(s, u); }
        if (s->error != 0) { return -(int64_t)s->error; }
        if (s->in_fin) { return 0; }
        stream_want(s, STREAM_WANT_DATA);
    }
    return -EAGAIN;
}

static int64_t write_ready(struct stream *s, struct uio *u)
{
    size_t moved = 0;
    bool whole = ring_move(u, s->out_bytes, s->out->size, s->out_tail, out_free(s), false, &moved);
    if (moved == 0) { return whole ? 0 : -EFAULT; }
    s->out_tail += moved;
    shm_store_u64(&stream_slot(s)->guest.tail, s->out_tail);
    stream_tell(s, STREAM_WANT_DATA);
    return (int64_t)moved;
}

int64_t stream_write_now(struct stream *s, struct uio *u)
{
    if (s->out == NULL) { return -EINVAL; }
    if (s->out_fin) { return -EPIPE; }
    for (int look = 0; look < 2; look++) {
        stream_look(s);
        if (streams_broken()) { return -EIO; }
        if (s->error != 0) { return -(int64_t)s->error; }
        if (u->left == 0) { return 0; }
        if (out_free(s) > 0) { return write_ready(s, u); }
        stream_want(s, STREAM_WANT_SPACE);
    }
    return -EAGAIN;
}

int stream_wait(struct stream *s, bool interruptible)
{
    return wait_on(&s->wait, NO_DEADLINE, interruptible);
}

int64_t stream_read(struct stream *s, struct uio *u, bool nonblock)
{
    for (;;) {
        int64_t n = stream_read_now(s, u);
        if (n != -EAGAIN || nonblock) { return n; }
        int r = stream_wait(s, true);
        if (r < 0) { return r; }
    }
}

int64_t stream_write(struct stream *s, struct uio *u, bool nonblock)
{
    int64_t total = 0;
    for (;;) {
        int64_t n = stream_write_now(s, u);
        if (n > 0) {
            total += n;
            if (u->left == 0) { return total; }
            continue;
        }
        if (n != -EAGAIN || nonblock) { return total > 0 ? total : n; }
        int r = stream_wait(s, true);
        if (r < 0) { return total > 0 ? total : r; }
    }
}

int stream_read_all(struct stream *s, void *dst, size_t len)
{
    struct uio u;
    uio_kernel(&u, dst, len);
    while (u.left > 0) {
        int64_t n = stream_read_now(s, &u);
        if (n == 0) { return -ENODATA; }
        if (n == -EAGAIN) { n = stream_wait(s, false); }
        if (n < 0) { return (int)n; }
    }
    return 0;
}

int stream_write_all(struct stream *s, const void *src, size_t len)
{
    struct uio u;
    uio_kernel(&u, (void *)(uintptr_t)src, len);
    while (u.left > 0) {
        int64_t n = stream_write_now(s, &u);
        if (n == -EAGAIN) { n = stream_wait(s, false); }
        if (n < 0) { return (int)n; }
    }
    return 0;
}

static uint32_t ready(const struct stream *s)
{
    uint32_t events = 0;

    if (streams_broken()) {
        return LPOLLIN | LPOLLOUT | LPOLLRDNORM | LPOLLWRNORM | LPOLLERR | LPOLLHUP;
    }
    if (s->in != NULL) {
        if (in_avail(s) > 0 || s->in_fin || s->error != 0) { events |= LPOLLIN | LPOLLRDNORM; }
        if (s->in_fin) { events |= LPOLLRDHUP; }
        if (s->in_fin && (s->out_fin || s->out == NULL)) { events |= LPOLLHUP; }
    }
    if (s->out != NULL && (out_roomy(s) || s->error != 0)) { events |= LPOLLOUT | LPOLLWRNORM; }
    if (s->error != 0) { events |= LPOLLERR | LPOLLHUP | (s->in != NULL ? LPOLLRDHUP : 0); }
    return events;
}

uint32_t stream_poll(struct stream *s, struct poller *p)
{
    poll_add(p, &s->wait);
    stream_look(s);
    uint32_t events = ready(s);
    uint32_t want = (s->in != NULL && (events & LPOLLIN) == 0 ? STREAM_WANT_DATA : 0) |
                    (s->out != NULL && (events & LPOLLOUT) == 0 ? STREAM_WANT_SPACE : 0);
    if (want != 0) {
        stream_want(s, want);
        stream_look(s);
        events = ready(s);
    }
    return events;
}

void stream_ask(struct stream *s) { stream_want(s, STREAM_WANT_DATA | STREAM_WANT_SPACE); }

int stream_error(struct stream *s)
{
    stream_look(s);
    return streams_broken() ? EIO : (int)s->error;
}

void stream_fin(struct stream *s)
{
    if (s->out_fin) { return; }
    s->out_fin = true;
    shm_store_u64(&stream_slot(s)->guest.fin, s->out_tail);
    stream_tell(s, STREAM_WANT_DATA | STREAM_WANT_SPACE);
}
