/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device seen from the host: control rings, ready rings, bells, byte rings, the life of a
 * stream. Rules: guest/abi/streams.h. Nothing here waits or knows threads: device_work() does what
 * can be done now.
 *
 * The guest can write the window at any moment. Each of its words is loaded once, checked, and used
 * from the copy. Our own words have private twins, which is what we go by. Bytes of a ring go from
 * the window straight into write(), or from read() into the window: the kernel takes them once, and
 * they mean nothing to us.
 *
 * One look takes what the rings held when it began, and each stream moves at most a ring's length
 * per turn, so no guest holds the lock for long. Work that is left waits in `due` for the next
 * turn.
 */
#include "vmm/device.h"

#include "guest/base/hosted.h"
#include "guest/base/ovf.h"
#include "guest/base/shm.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define LINGER_NS 60000000000u /* a closed connection whose peer does not take the rest */

void streams_break(struct streams *s, const char *why)
{
    if (s->broken) { return; }
    s->broken = true;
    s->config.broken(s->config.arg, why);
}

static struct stream_slot *slot(const struct stream *st)
{
    return (struct stream_slot *)(void *)(st->device->window + STREAMS_SLOTS) + st->number;
}

void stream_again(struct stream *st)
{
    if (list_empty(&st->due)) { list_add_tail(&st->device->due, &st->due); }
}

struct stream *streams_stream(const struct streams *s, uint32_t number)
{
    return s->stream[number];
}

/* ---- bells and rings to the guest ------------------------------------------------------------ */

static void ring_bell(struct streams *s)
{
    shm_fence();
    uint32_t bell = shm_load_u32(&s->head->guest.bell);
    if ((bell & STREAM_BELL_ARMED) != 0 && bell / STREAM_BELL_STEP != s->bell_served) {
        s->bell_served = bell / STREAM_BELL_STEP;
        s->config.irq(s->config.arg);
    }
}

void device_arm(struct streams *s)
{
    s->bell = (s->bell + STREAM_BELL_STEP) | STREAM_BELL_ARMED;
    shm_store_u32(&s->head->host.bell, s->bell);
    shm_fence();
}

void device_disarm(struct streams *s)
{
    s->bell &= ~STREAM_BELL_ARMED;
    shm_store_u32(&s->head->host.bell, s->bell);
}

static uint64_t room(struct streams *s, const uint64_t *shared_head, uint64_t *seen_head,
                     uint64_t tail, uint64_t count)
{
    uint64_t head = shm_load_u64(shared_head);
    if (head - *seen_head > tail - *seen_head) {
        streams_break(s, "head of a ring to the guest");
        return 0;
    }
    *seen_head = head;
    return count - (tail - head);
}

static bool ctl_put(struct streams *s, const struct stream_msg *m)
{
    if (s->broken ||
        room(s, &s->head->guest.ctl_head, &s->guest_ctl_head, s->ctl_tail, STREAM_CTL_COUNT) == 0) {
        return false;
    }
    shm_write(s->window + STREAMS_CTL_TO_GUEST + s->ctl_tail % STREAM_CTL_COUNT * sizeof *m, m,
              sizeof *m);
    s->ctl_tail++;
    shm_store_u64(&s->head->host.ctl_tail, s->ctl_tail);
    ring_bell(s);
    return true;
}

static void stream_free(struct stream *st)
{
    list_del(&st->due);
    list_del(&st->unsent);
    st->device->stream[st->number] = NULL;
    free(st);
}

/*
 * What the stream still has to say on the control ring, in order. False: no room. Frees it once
 * CLOSED is said.
 */
static bool send_unsent(struct stream *st)
{
    if (st->opened_unsent) {
        if (!ctl_put(st->device, &st->opened)) { return false; }
        st->opened_unsent = false;
    }
    if (st->closed_unsent) {
        struct stream_msg m = {.op = STREAM_OP_CLOSED, .stream = st->number};
        if (!ctl_put(st->device, &m)) { return false; }
        stream_free(st);
    }
    return true;
}

static void send_or_queue(struct stream *st)
{
    struct streams *s = st->device;
    if (list_empty(&st->unsent) && (!list_empty(&s->unsent) || !send_unsent(st))) {
        list_add_tail(&s->unsent, &st->unsent);
    }
}

void device_flush(struct streams *s)
{
    while (!s->broken && !list_empty(&s->unsent)) {
        struct stream *st = LIST_ENTRY(s->unsent.next, struct stream, unsent);
        list_del(&st->unsent);
        if (!send_unsent(st)) {
            list_add_head(&s->unsent, &st->unsent);
            return;
        }
    }
    if (s->size_unsent) {
        struct stream_msg m = {.op = STREAM_OP_RESIZE,
                               .resize = {.rows = s->rows, .cols = s->cols}};
        s->size_unsent = !ctl_put(s, &m);
    }
    while (s->signals != 0) {
        uint32_t signo = (uint32_t)__builtin_ctzll(s->signals) + 1;
        struct stream_msg m = {.op = STREAM_OP_SIGNAL, .number = signo};
        if (!ctl_put(s, &m)) { return; }
        s->signals &= s->signals - 1;
    }
}

static void tell(struct stream *st, uint32_t what)
{
    struct streams *s = st->device;
    if (s->broken || st->result != 0) { return; }
    shm_fence();
    uint32_t want = shm_load_u32(&slot(st)->guest.want);
    if ((want & what) == 0 || want / STREAM_WANT_STEP == st->want_served) { return; }
    st->want_served = want / STREAM_WANT_STEP;
    if (room(s, &s->head->guest.ready_head, &s->guest_ready_head, s->ready_tail, STREAMS_MAX) ==
        0) {
        streams_break(s, "the guest asked twice for the same news");
        return;
    }
    uint32_t *ring = (uint32_t *)(void *)(s->window + STREAMS_READY_TO_GUEST);
    shm_store_u32(&ring[s->ready_tail % STREAMS_MAX], st->number);
    s->ready_tail++;
    shm_store_u64(&s->head->host.ready_tail, s->ready_tail);
    ring_bell(s);
}

static void ask(struct stream *st, uint32_t flags)
{
    if (st->want_pending) {
        if ((st->want & flags) == flags) { return; }
        st->want |= flags;
    } else {
        st->want = (st->want / STREAM_WANT_STEP + 1) * STREAM_WANT_STEP | flags;
        st->want_pending = true;
    }
    shm_store_u32(&slot(st)->host.want, st->want);
    shm_fence();
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static void look(struct stream *st)
{
    struct streams *s = st->device;
    if (s->broken) { return; }
    const struct stream_side *guest = &slot(st)->guest;
    uint64_t fin = shm_load_u64(&guest->fin);
    uint64_t tail = shm_load_u64(&guest->tail);
    uint64_t head = shm_load_u64(&guest->head);

    if (tail - st->from_head > st->from_size || tail < st->from_tail ||
        (st->from_fin && tail != st->from_tail)) {
        streams_break(s, "tail of a stream");
    } else if (fin != STREAM_FIN_NONE && fin != tail) {
        streams_break(s, "end of a stream");
    } else if (head - st->to_head > st->to_tail - st->to_head) {
        streams_break(s, "head of a stream");
    } else {
        st->from_tail = tail;
        st->from_fin = st->from_fin || fin != STREAM_FIN_NONE;
        st->to_head = head;
    }
}

static size_t ring_vec(uint8_t *ring, uint32_t size, uint64_t pos, size_t n, struct iovec v[2])
{
    size_t at = pos & (size - 1);
    size_t first = min_u64(n, size - at);
    v[0] = (struct iovec){.iov_base = ring + at, .iov_len = first};
    v[1] = (struct iovec){.iov_base = ring, .iov_len = n - first};
    return n;
}

size_t stream_from_vec(const struct stream *st, struct iovec v[2])
{
    return st->from_size == 0
               ? 0
               : ring_vec(st->from, st->from_size, st->from_head, stream_from_avail(st), v);
}

void stream_took(struct stream *st, size_t n)
{
    st->from_head += n;
    shm_store_u64(&slot(st)->host.head, st->from_head);
    if (stream_from_avail(st) <= st->from_size / 2) { tell(st, STREAM_WANT_SPACE); }
}

void stream_take(struct stream *st, void *dst, size_t n)
{
    struct iovec v[2];
    (void)ring_vec(st->from, st->from_size, st->from_head, n, v);
    shm_read(dst, v[0].iov_base, v[0].iov_len);
    shm_read((uint8_t *)dst + v[0].iov_len, v[1].iov_base, v[1].iov_len);
    stream_took(st, n);
}

size_t stream_to_vec(const struct stream *st, size_t max, struct iovec v[2])
{
    size_t n = min_u64(stream_to_room(st), max);
    return st->to_size == 0 ? 0 : ring_vec(st->to, st->to_size, st->to_tail, n, v);
}

void stream_gave(struct stream *st, size_t n)
{
    st->to_tail += n;
    shm_store_u64(&slot(st)->host.tail, st->to_tail);
    tell(st, STREAM_WANT_DATA);
}

void stream_end(struct stream *st)
{
    if (st->to_fin) { return; }
    st->to_fin = true;
    shm_store_u64(&slot(st)->host.fin, st->to_tail);
    tell(st, STREAM_WANT_DATA | STREAM_WANT_SPACE);
}

void stream_fail(struct stream *st, int error)
{
    if (st->error != 0) { return; }
    st->error = (uint32_t)error;
    st->can_read = st->can_write = false;
    shm_store_u32(&slot(st)->host.error, st->error);
    tell(st, STREAM_WANT_DATA | STREAM_WANT_SPACE);
}

bool stream_pump_out(struct stream *st)
{
    struct iovec v[2];
    size_t len = stream_from_vec(st, v);
    if (len == 0 || !st->can_write) { return false; }
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
    ssize_t n =
        st->socket ? sendmsg(st->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) : writev(st->fd, v, 2);
    if (n < 0) {
        if (errno == EAGAIN) {
            st->can_write = false;
        } else if (errno != EINTR) {
            stream_fail(st, errno);
        }
        return errno == EINTR;
    }
    stream_took(st, (size_t)n);
    return stream_from_avail(st) > 0;
}

bool stream_pump_in(struct stream *st)
{
    struct iovec v[2];
    size_t len = stream_to_vec(st, SIZE_MAX, v);
    if (len == 0 || !st->can_read || st->to_fin || st->closing) { return false; }
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
    ssize_t n = st->socket ? recvmsg(st->fd, &m, MSG_DONTWAIT) : readv(st->fd, v, 2);
    if (n < 0) {
        if (errno == EAGAIN) {
            st->can_read = false;
        } else if (errno != EINTR) {
            stream_fail(st, errno);
        }
        return errno == EINTR;
    }
    if (n == 0) {
        stream_end(st);
        return false;
    }
    stream_gave(st, (size_t)n);
    return true;
}

/* ---- life of a stream ------------------------------------------------------------------------ */

static bool nothing(struct stream *st)
{
    (void)st;
    return false;
}
/* A kind that this host does not have. */
static const struct stream_kind stream_unknown = {.name = "unknown", .work = nothing};

static const struct stream_kind *const kinds[] = {
    [STREAM_KIND_ITEM] = &stream_item,       [STREAM_KIND_LOG] = &stream_log,
    [STREAM_KIND_STDIO] = &stream_stdio,     [STREAM_KIND_BLOB] = &stream_blob,
    [STREAM_KIND_CONNECT] = &stream_connect, [STREAM_KIND_LISTEN] = &stream_listen,
    [STREAM_KIND_ACCEPT] = &stream_accept,   [STREAM_KIND_UDP] = &stream_udp,
};

static void shut(struct stream *st)
{
    if (st->live && st->kind->close != NULL) { st->kind->close(st); }
    st->live = false;
    if (st->fd >= 0) { (void)close(st->fd); }
    st->fd = -1;
}

/*
 * Closed by the guest, but with bytes that it wrote before: they are carried out, to a peer of the
 * network within a bound.
 */
static bool lingers(struct stream *st)
{
    if (!st->kind->carries_out || st->result != 0 || st->error != 0 || stream_from_avail(st) == 0) {
        return false;
    }
    if (st->kind->patient) { return true; }
    if (st->deadline_ns == 0) {
        st->deadline_ns = streams_now_ns() + LINGER_NS;
        streams_deadline(st->device, st->deadline_ns);
    }
    return streams_now_ns() < st->deadline_ns;
}

/* One turn of one stream. May free it. */
static void turn(struct stream *st)
{
    list_del(&st->due);
    if (st->closed_unsent) { return; }
    look(st);
    if (st->device->broken) { return; }
    st->hungry = st->cramped = false;
    bool more = st->live && st->kind->work(st);
    if (st->closing && !lingers(st)) {
        if (st->result == -EINPROGRESS) { stream_opened(st, -ECANCELED); }
        shut(st);
        st->closed_unsent = true;
        send_or_queue(st);
        return;
    }
    if (st->result == 0 && !more) {
        bool data =
            st->from_size != 0 && !st->from_fin && (st->hungry || stream_from_avail(st) == 0);
        bool space = st->to_size != 0 && (st->cramped || stream_to_room(st) == 0);
        uint32_t want = (data ? STREAM_WANT_DATA : 0) | (space ? STREAM_WANT_SPACE : 0);
        if (want != 0) {
            uint64_t tail = st->from_tail, head = st->to_head;
            bool fin = st->from_fin;
            ask(st, want);
            look(st);
            more = tail != st->from_tail || head != st->to_head || fin != st->from_fin;
        }
    }
    if (more) { stream_again(st); }
}

void stream_opened(struct stream *st, int result)
{
    st->result = result;
    st->opened.op = STREAM_OP_OPENED;
    st->opened.stream = st->number;
    st->opened.result = result;
    if (result != 0) { memset(st->opened.bytes, 0, sizeof st->opened.bytes); }
    st->opened_unsent = true;
    send_or_queue(st);
    stream_again(st);
}

static bool ring_ok(const struct streams *s, uint32_t page, uint32_t size, bool needed)
{
    uint64_t off = (uint64_t)page * STREAM_RING_MIN;
    if (!needed) { return page == 0 && size == 0; }
    return size >= STREAM_RING_MIN && size <= STREAM_RING_MAX && (size & (size - 1)) == 0 &&
           off >= STREAMS_DATA && range_fits(s->config.window_size, off, size);
}

static void on_open(struct streams *s, const struct stream_msg *m)
{
    const struct stream_kind *kind = m->kind < ARRAY_COUNT(kinds) ? kinds[m->kind] : NULL;
    if (kind == NULL) { kind = &stream_unknown; }
    if (s->stream[m->stream] != NULL) {
        streams_break(s, "open of a stream that is open");
        return;
    }
    if (m->open.name_len > STREAM_NAME_MAX || m->open.name_len > m->open.out_size ||
        !ring_ok(s, m->open.out_page, m->open.out_size, m->open.out_size != 0) ||
        !ring_ok(s, m->open.in_page, m->open.in_size, m->open.in_size != 0)) {
        streams_break(s, "rings of a stream");
        return;
    }
    struct stream *st = calloc(1, sizeof *st);
    if (st == NULL) {
        streams_break(s, "the monitor is out of memory");
        return;
    }
    *st = (struct stream){
        .device = s,
        .kind = kind,
        .number = m->stream,
        .result = -EINPROGRESS,
        .from = s->window + (uint64_t)m->open.out_page * STREAM_RING_MIN,
        .from_size = m->open.out_size,
        .to = s->window + (uint64_t)m->open.in_page * STREAM_RING_MIN,
        .to_size = m->open.in_size,
        .fd = -1,
    };
    list_init(&st->due);
    list_init(&st->unsent);
    s->stream[m->stream] = st;
    if (m->stream >= s->used) { s->used = m->stream + 1; }

    struct stream_side *host = &slot(st)->host;
    shm_store_u64(&host->tail, 0);
    shm_store_u64(&host->head, 0);
    shm_store_u64(&host->fin, STREAM_FIN_NONE);
    shm_store_u32(&host->want, 0);
    shm_store_u32(&host->error, 0);

    uint8_t name[STREAM_NAME_MAX]; /* private copy */
    look(st);
    if (!s->broken && stream_from_avail(st) < m->open.name_len) {
        streams_break(s, "name of a stream");
    }
    if (s->broken) { return; }
    if (m->open.name_len > 0) { stream_take(st, name, m->open.name_len); }

    int r = -EOPNOTSUPP;
    if (kind->open != NULL && (!kind->to_guest || st->to_size != 0) &&
        (!kind->to_host || st->from_size != 0)) {
        r = kind->open(st, m, name, m->open.name_len);
        st->live = r == 0 || r == -EINPROGRESS;
    }
    if (r != -EINPROGRESS) { stream_opened(st, r); }
}

static void take_exit(struct streams *s, const struct stream_msg *m)
{
    if (m->exit.kind > STREAM_EXIT_REFUSED || m->exit.status > 255) {
        streams_break(s, "exit status");
    } else if (!s->exit.known) {
        s->exit =
            (struct streams_exit){.known = true, .kind = m->exit.kind, .status = m->exit.status};
    }
}

/* m: private copy, the guest can no longer change it. */
static void on_message(struct streams *s, const struct stream_msg *m)
{
    static const uint8_t used[] = {
        [STREAM_OP_OPEN] = sizeof m->open,     [STREAM_OP_CLOSE] = 0,
        [STREAM_OP_OPTION] = sizeof m->option, [STREAM_OP_EXIT] = sizeof m->exit,
        [STREAM_OP_PHASE] = sizeof m->phase,
    };
    bool bad = m->op == 0 || m->op >= ARRAY_COUNT(used) ||
               (m->op != STREAM_OP_OPEN && m->kind != 0) || m->result != 0 || m->reserved != 0 ||
               m->stream >= STREAMS_MAX;
    for (size_t i = bad ? sizeof m->bytes : used[m->op]; i < sizeof m->bytes; i++) {
        bad = bad || m->bytes[i] != 0;
    }
    if (bad) {
        streams_break(s, "malformed control message");
        return;
    }
    struct stream *st = s->stream[m->stream];
    switch (m->op) {
    case STREAM_OP_OPEN: on_open(s, m); break;
    case STREAM_OP_CLOSE:
        if (st == NULL || st->closing) {
            streams_break(s, "close of a stream that is not open");
            return;
        }
        st->closing = true;
        stream_again(st);
        break;
    case STREAM_OP_OPTION:
        if (st == NULL || st->closing) {
            streams_break(s, "option of a stream that is not open");
        } else if (st->result == 0 && st->kind->option != NULL) {
            st->kind->option(st, m->option.id, m->option.value);
        }
        break;
    case STREAM_OP_EXIT: take_exit(s, m); break;
    case STREAM_OP_PHASE:
        if (m->phase == 0 || m->phase >= STREAM_PHASE_COUNT) {
            streams_break(s, "phase");
        } else if (s->config.phase != NULL) {
            s->config.phase(s->config.arg, m->phase);
        }
        break;
    }
}

/* ---- turns ----------------------------------------------------------------------------------- */

static void take_ctl(struct streams *s)
{
    const uint64_t first = s->ctl_head;
    uint64_t head = first;
    uint64_t count = shm_load_u64(&s->head->guest.ctl_tail) - head;
    if (count > STREAM_CTL_COUNT) {
        streams_break(s, "tail of the control ring");
        return;
    }
    for (uint64_t i = 0; i < count && !s->broken; i++) {
        struct stream_msg m;
        shm_read(&m, s->window + STREAMS_CTL_TO_HOST + head++ % STREAM_CTL_COUNT * sizeof m,
                 sizeof m);
        on_message(s, &m);
    }
    shm_store_u64(&s->ctl_head, head);
    if (count == 0) { return; }
    shm_store_u64(&s->head->host.ctl_head, head);
    shm_fence();
    /* Full until now? The guest may have filled it, and begun to wait for room, after we had looked. */
    if (shm_load_u64(&s->head->guest.ctl_tail) - first >= STREAM_CTL_COUNT) { ring_bell(s); }
}

static void take_ready(struct streams *s)
{
    const uint32_t *ring = (const uint32_t *)(const void *)(s->window + STREAMS_READY_TO_HOST);
    uint64_t head = s->ready_head;
    uint64_t count = shm_load_u64(&s->head->guest.ready_tail) - head;
    if (count > STREAMS_MAX) {
        streams_break(s, "tail of the ready ring");
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        uint32_t number = shm_load_u32(&ring[head++ % STREAMS_MAX]);
        if (number >= STREAMS_MAX) {
            streams_break(s, "number in the ready ring");
            return;
        }
        if (s->stream[number] != NULL) {
            s->stream[number]->want_pending = false;
            stream_again(s->stream[number]);
        }
    }
    shm_store_u64(&s->ready_head, head);
    if (count > 0) { shm_store_u64(&s->head->host.ready_head, head); }
}

void device_work(struct streams *s)
{
    if (s->broken) { return; }
    take_ctl(s);
    take_ready(s);
    /* Those that are due now; what they leave due waits for the next turn. */
    struct list now = LIST_INIT(now);
    while (!list_empty(&s->due)) {
        struct list *it = s->due.next;
        list_del(it);
        list_add_tail(&now, it);
    }
    while (!list_empty(&now)) {
        if (s->broken) {
            list_del(now.next);
        } else {
            turn(LIST_ENTRY(now.next, struct stream, due));
        }
    }
    device_flush(s);
}

bool device_spoke(struct streams *s)
{
    return shm_load_u64(&s->head->guest.ctl_tail) != shm_load_u64(&s->ctl_head) ||
           shm_load_u64(&s->head->guest.ready_tail) != shm_load_u64(&s->ready_head);
}

void device_drop(struct streams *s)
{
    for (uint32_t i = 0; i < s->used; i++) {
        struct stream *st = s->stream[i];
        if (st == NULL) { continue; }
        shut(st);
        stream_free(st);
    }
}
