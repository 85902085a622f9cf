/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device seen from the host: control rings, ready rings, bells, the life of a stream, and the
 * I/O thread. Rules: guest/abi/streams.h.
 *
 * The guest can write the window at any moment. Each of its words is loaded once, checked, and used
 * from the copy. Our own words have private twins, which is what we go by. Bytes of a ring go from
 * the window straight into write(), or from read() into the window: the kernel takes them once, and
 * they mean nothing to us.
 *
 * One look takes what the rings held when it began, and each stream moves at most a ring's length
 * per turn, so no guest holds the lock for long. Work that is left waits in `due` for the next
 * turn.
 *
 * Sleeping. The I/O thread waits in epoll for the doorbell and for descriptors (edge-triggered:
 * can_read and can_write say what has not answered EAGAIN). Before that it spins for at most 10 us,
 * if cores are spare or the last wait was shorter than a wake-up; a spinner that was itself held up
 * for more than 5 us stops spinning for 10 ms.
 */
#include "vmm/streams_priv.h"

#include "guest/abi/stream_stdio.h"
#include "guest/base/hosted.h"
#include "guest/base/ovf.h"
#include "guest/base/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SPIN_NS    10000u
#define HELD_UP_NS 5000u
#define NO_SPIN_NS 10000000u
#define WAKE_NS    50000u       /* a gap shorter than this would have cost more to sleep through */
#define LINGER_NS  60000000000u /* a closed connection whose peer does not take the rest */
#define KEY_BELL   UINT64_MAX
#define KEY_KICK   (UINT64_MAX - 1)

struct streams {
    struct streams_config config;
    uint8_t *window;
    struct streams_header *head;
    pthread_mutex_t lock;
    pthread_t thread;
    bool running; /* the thread exists */
    bool stop;    /* the thread shall end */
    int epoll_fd, bell_fd, kick_fd;
    int stdio[STREAM_STDIO_COUNT];
    bool stdio_used[STREAM_STDIO_COUNT];
    uint32_t sockets;

    bool broken;
    uint64_t ctl_tail, ctl_head, ready_tail, ready_head;
    uint64_t guest_ctl_head, guest_ready_head;
    uint32_t bell, bell_served;
    struct list due, unsent;
    uint64_t next_deadline_ns;
    uint64_t signals; /* bit n-1: signal n waits for room in the control ring */
    uint32_t used;    /* numbers below it have been used */
    uint16_t rows, cols;
    bool size_unsent;
    struct streams_exit exit;
    struct stream *stream[STREAMS_MAX];
};

const struct streams_config *streams_config(const struct streams *s) { return &s->config; }
int streams_doorbell_fd(const struct streams *s) { return s->bell_fd; }
int streams_kick_fd(const struct streams *s) { return s->kick_fd; }

uint64_t streams_now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void streams_deadline(struct streams *s, uint64_t deadline_ns)
{
    if (s->next_deadline_ns == 0 || deadline_ns < s->next_deadline_ns) {
        s->next_deadline_ns = deadline_ns;
    }
}

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

static void set_due(struct stream *st)
{
    if (list_empty(&st->due)) { list_add_tail(&st->device->due, &st->due); }
}

void stream_again(struct stream *st) { set_due(st); }

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

static void arm_bell(struct streams *s)
{
    s->bell = (s->bell + STREAM_BELL_STEP) | STREAM_BELL_ARMED;
    shm_store_u32(&s->head->host.bell, s->bell);
    shm_fence();
}

static void disarm_bell(struct streams *s)
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

static void flush_unsent(struct streams *s)
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
    if (more) { set_due(st); }
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
    set_due(st);
}

int stream_watch(struct stream *st, int take_fd)
{
    st->fd = take_fd;
    st->can_read = st->can_write = true;
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                             .data = {.u64 = st->number}};
    if (epoll_ctl(st->device->epoll_fd, EPOLL_CTL_ADD, take_fd, &ev) < 0 && errno != EPERM) {
        return -errno;
    }
    return 0;
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
        set_due(st);
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
            set_due(s->stream[number]);
        }
    }
    shm_store_u64(&s->ready_head, head);
    if (count > 0) { shm_store_u64(&s->head->host.ready_head, head); }
}

static void work(struct streams *s)
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
    flush_unsent(s);
}

static bool guest_spoke(struct streams *s)
{
    return shm_load_u64(&s->head->guest.ctl_tail) != shm_load_u64(&s->ctl_head) ||
           shm_load_u64(&s->head->guest.ready_tail) != shm_load_u64(&s->ready_head);
}

void streams_service(struct streams *s)
{
    (void)pthread_mutex_lock(&s->lock);
    work(s);
    /* The guest has served the count it rang for; the I/O thread may be asleep with that one. */
    arm_bell(s);
    if (guest_spoke(s)) { work(s); }
    bool more = !list_empty(&s->due);
    (void)pthread_mutex_unlock(&s->lock);
    if (more) { (void)eventfd_write(s->kick_fd, 1); }
}

/* Connections whose time is over are due; remembers the next one's time. */
static void expire(struct streams *s)
{
    if (s->next_deadline_ns == 0 || streams_now_ns() < s->next_deadline_ns) { return; }
    s->next_deadline_ns = 0;
    for (uint32_t i = 0; i < s->used; i++) {
        struct stream *st = s->stream[i];
        if (st == NULL || st->deadline_ns == 0) { continue; }
        if (streams_now_ns() >= st->deadline_ns) {
            set_due(st);
        } else if (s->next_deadline_ns == 0 || st->deadline_ns < s->next_deadline_ns) {
            s->next_deadline_ns = st->deadline_ns;
        }
    }
}

/* Without the lock: only looks. True: the guest spoke. */
static bool spin(struct streams *s, uint64_t *no_spin_until)
{
    uint64_t start = streams_now_ns(), last = start;
    if (start < *no_spin_until) { return false; }
    while (last - start < SPIN_NS) {
        if (guest_spoke(s)) { return true; }
        cpu_relax();
        uint64_t now = streams_now_ns();
        if (now - last > HELD_UP_NS) {
            *no_spin_until = now + NO_SPIN_NS;
            return false;
        }
        last = now;
    }
    return false;
}

static void on_event(struct streams *s, const struct epoll_event *ev)
{
    uint64_t count;
    if (ev->data.u64 == KEY_BELL) {
        (void)eventfd_read(s->bell_fd, &count);
        return;
    }
    if (ev->data.u64 == KEY_KICK) {
        (void)eventfd_read(s->kick_fd, &count);
        for (uint32_t i = 0; i < s->used; i++) {
            if (s->stream[i] != NULL && s->stream[i]->result == -EINPROGRESS) {
                set_due(s->stream[i]);
            }
        }
        return;
    }
    struct stream *st = s->stream[ev->data.u64];
    if (st == NULL || st->error != 0) { return; }
    st->can_read = st->can_read || (ev->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    st->can_write = st->can_write || (ev->events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
    set_due(st);
}

static int wait_ms(const struct streams *s)
{
    if (!list_empty(&s->due)) { return 0; }
    if (s->next_deadline_ns == 0) { return -1; }
    uint64_t now = streams_now_ns();
    return now >= s->next_deadline_ns
               ? 0
               : (int)min_u64((s->next_deadline_ns - now) / 1000000 + 1, 60000);
}

static void *io_thread(void *arg)
{
    struct streams *s = arg;
    struct epoll_event ev[64];
    uint64_t no_spin_until = 0, slept_ns = UINT64_MAX;

    (void)pthread_mutex_lock(&s->lock);
    while (!s->stop) {
        work(s);
        if (list_empty(&s->due) && !s->broken &&
            (s->config.spare_cores > 1 || slept_ns < WAKE_NS)) {
            disarm_bell(s);
            (void)pthread_mutex_unlock(&s->lock);
            (void)spin(s, &no_spin_until);
            (void)pthread_mutex_lock(&s->lock);
        }
        arm_bell(s);
        work(s);
        expire(s);
        int timeout = wait_ms(s);
        (void)pthread_mutex_unlock(&s->lock);
        uint64_t start = streams_now_ns();
        int n = epoll_wait(s->epoll_fd, ev, (int)ARRAY_COUNT(ev), timeout);
        slept_ns = streams_now_ns() - start;
        (void)pthread_mutex_lock(&s->lock);
        for (int i = 0; i < n; i++) { on_event(s, &ev[i]); }
    }
    (void)pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void stop_thread(struct streams *s)
{
    if (!s->running) { return; }
    (void)pthread_mutex_lock(&s->lock);
    s->stop = true;
    (void)pthread_mutex_unlock(&s->lock);
    (void)eventfd_write(s->kick_fd, 1);
    (void)pthread_join(s->thread, NULL);
    s->running = false;
}

/* ---- what the monitor calls ------------------------------------------------------------------ */

int streams_socket_get(struct streams *s)
{
    if (s->config.sockets_max == 0) { return -ENETUNREACH; }
    if (s->sockets >= s->config.sockets_max) { return -ENFILE; }
    s->sockets++;
    return 0;
}
void streams_socket_put(struct streams *s) { s->sockets--; }

bool streams_stdio_get(struct streams *s, uint32_t number)
{
    bool was = s->stdio_used[number];
    s->stdio_used[number] = true;
    return !was;
}
void streams_stdio_put(struct streams *s, uint32_t number) { s->stdio_used[number] = false; }
int streams_stdio_fd(const struct streams *s, uint32_t number) { return s->stdio[number]; }
void streams_stdio_end(struct streams *s, uint32_t number)
{
    if (s->stdio[number] >= 0) { (void)close(steal_fd(&s->stdio[number])); }
}

static int watch_event(struct streams *s, int fd, uint64_t key, struct err *e)
{
    struct epoll_event ev = {.events = EPOLLIN, .data = {.u64 = key}};
    if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
        return err_set(e, errno, "epoll: %s", strerror(errno));
    }
    return 0;
}

static int open_descriptors(struct streams *s, struct err *e)
{
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->epoll_fd < 0 || s->bell_fd < 0 || s->kick_fd < 0) {
        return err_set(e, errno, "streams: descriptors: %s", strerror(errno));
    }
    for (size_t i = 0; i < STREAM_STDIO_COUNT; i++) {
        if (s->config.stdio[i] < 0) { continue; }
        s->stdio[i] = fcntl(s->config.stdio[i], F_DUPFD_CLOEXEC, 3);
        if (s->stdio[i] < 0) {
            return err_set(e, errno, "streams: descriptor %zu: %s", i, strerror(errno));
        }
    }
    int r = watch_event(s, s->bell_fd, KEY_BELL, e);
    return r < 0 ? r : watch_event(s, s->kick_fd, KEY_KICK, e);
}

int streams_new(struct streams **out, const struct streams_config *c, struct err *e)
{
    if (c->window_size < STREAMS_WINDOW_MIN || c->window_size % STREAM_RING_MIN != 0) {
        return err_set(e, EINVAL, "streams: a window of %zu bytes: want whole pages, at least %u",
                       c->window_size, STREAMS_WINDOW_MIN);
    }
    struct streams *s = calloc(1, sizeof *s);
    if (s == NULL) { return err_set(e, ENOMEM, "streams: out of memory"); }
    s->config = *c;
    s->window = c->window;
    s->head = c->window;
    s->epoll_fd = s->bell_fd = s->kick_fd = -1;
    for (size_t i = 0; i < STREAM_STDIO_COUNT; i++) { s->stdio[i] = -1; }
    (void)pthread_mutex_init(&s->lock, NULL);
    list_init(&s->due);
    list_init(&s->unsent);
    int r = open_descriptors(s, e);
    if (r < 0) {
        streams_free(s);
        return r;
    }
    s->head->magic = STREAMS_MAGIC;
    s->head->version = STREAMS_VERSION;
    s->head->window_size = c->window_size;
    s->rows = c->rows;
    s->cols = c->cols;
    s->size_unsent = c->rows != 0 && c->cols != 0;
    arm_bell(s);
    *out = s;
    return 0;
}

int streams_start(struct streams *s, struct err *e)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all,
                          &before); /* signals are the program's business, not this thread's */
    int r = pthread_create(&s->thread, NULL, io_thread, s);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0) { return err_set(e, r, "streams: thread: %s", strerror(r)); }
    s->running = true;
    return 0;
}

/* The streams of standard output and error that still have bytes. */
static size_t unwritten(struct streams *s, struct stream *out[STREAM_STDIO_COUNT])
{
    size_t n = 0;
    for (uint32_t i = 0; i < s->used && !s->broken && n < STREAM_STDIO_COUNT; i++) {
        struct stream *st = s->stream[i];
        if (st != NULL && st->kind == &stream_stdio && st->result == 0 && st->error == 0 &&
            stream_from_avail(st) > 0) {
            out[n++] = st;
        }
    }
    return n;
}

void streams_finish(struct streams *s, unsigned timeout_ms)
{
    stop_thread(s);
    uint64_t end_ns = timeout_ms == STREAMS_NO_TIMEOUT
                          ? UINT64_MAX
                          : streams_now_ns() + (uint64_t)timeout_ms * 1000000u;
    struct stream *left[STREAM_STDIO_COUNT];
    size_t count;

    /* Streams that wait for the guest's next word are looked at too: it said its last. */
    for (uint32_t i = 0; i < s->used; i++) {
        if (s->stream[i] != NULL) { set_due(s->stream[i]); }
    }
    work(s);
    /* All at once: the reader of one may be waiting for the end of the other. */
    while ((count = unwritten(s, left)) > 0) {
        struct pollfd p[STREAM_STDIO_COUNT];
        bool ready = false;
        for (size_t i = 0; i < count; i++) {
            p[i] = (struct pollfd){.fd = left[i]->fd, .events = POLLOUT};
            ready = ready || left[i]->can_write;
        }
        uint64_t now = streams_now_ns();
        if (!ready && now >= end_ns) { return; }
        int wait = ready ? 0 : (int)min_u64((end_ns - now) / 1000000 + 1, 60000);
        (void)poll(p, (nfds_t)count, wait);
        for (size_t i = 0; i < count; i++) {
            left[i]->can_write = left[i]->can_write || p[i].revents != 0;
            if (left[i]->can_write) { set_due(left[i]); }
        }
        work(s);
    }
}

void streams_signal(struct streams *s, int signo)
{
    (void)pthread_mutex_lock(&s->lock);
    if (signo >= 1 && signo <= 64) { s->signals |= 1ull << (signo - 1); }
    flush_unsent(s);
    (void)pthread_mutex_unlock(&s->lock);
}

void streams_resize(struct streams *s, uint16_t rows, uint16_t cols)
{
    (void)pthread_mutex_lock(&s->lock);
    s->rows = rows;
    s->cols = cols;
    s->size_unsent = rows != 0 && cols != 0;
    flush_unsent(s);
    (void)pthread_mutex_unlock(&s->lock);
}

struct streams_exit streams_exit(struct streams *s)
{
    (void)pthread_mutex_lock(&s->lock);
    struct streams_exit x = s->exit;
    (void)pthread_mutex_unlock(&s->lock);
    return x;
}

void streams_free(struct streams *s)
{
    if (s == NULL) { return; }
    stop_thread(s);
    for (uint32_t i = 0; i < s->used; i++) {
        struct stream *st = s->stream[i];
        if (st == NULL) { continue; }
        shut(st);
        stream_free(st);
    }
    for (size_t i = 0; i < STREAM_STDIO_COUNT; i++) { streams_stdio_end(s, (uint32_t)i); }
    int fds[] = {s->epoll_fd, s->bell_fd, s->kick_fd};
    for (size_t i = 0; i < ARRAY_COUNT(fds); i++) {
        if (fds[i] >= 0) { (void)close(fds[i]); }
    }
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}
