/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device seen from the guest: control rings, ready rings, bells, and the life of a stream.
 * Rules: guest/abi/streams.h.
 *
 * The window is the host's to write at any moment. Every word of the host's is loaded once into a
 * variable here, the variable is checked, and only it is used. Every word of ours has a private
 * twin in `dev` or `struct stream`, which is what we go by; the word in the window is only ever
 * stored.
 *
 * One look takes what the rings held when it began: a host that keeps filling them cannot keep us
 * here.
 */
#include "guest/streams_priv.h"

#include "guest/abi/stream_control.h"
#include "guest/base/shm.h"
#include "guest/mm/mm.h"
#include "guest/ward.h"

#define BLOCK     128 /* streams per block of the number table */
#define ERRNO_MAX 4095

static struct {
    uint8_t *window;
    struct streams_header *head;
    bool broken;
    uint64_t ctl_tail, ctl_head, ready_tail, ready_head; /* ours */
    uint64_t host_ctl_head, host_ready_head;             /* the host's, last value that passed */
    uint32_t bell;                                       /* our word */
    uint32_t bell_served;                       /* count of the host's bell that we have answered */
    struct stream **block[STREAMS_MAX / BLOCK]; /* by number */
    uint32_t open;                              /* streams with a number */
    uint32_t used;                              /* numbers below it have been used before */
    struct list unsent; /* streams with a control message that found no room */
    struct list closed; /* CLOSED has come; freed when the ready ring has been read */
    struct list idle;   /* free numbers that have been used: struct stream, kept */
    struct stream *log;
} dev;

struct streams_events streams_events;

bool streams_broken(void) { return dev.broken; }
unsigned streams_open_count(void) { return dev.open; }

struct stream_slot *stream_slot(const struct stream *s)
{
    return (struct stream_slot *)(void *)(dev.window + STREAMS_SLOTS) + s->number;
}

static struct stream *by_number(uint32_t number)
{
    struct stream **block = dev.block[number / BLOCK];
    return block != NULL ? block[number % BLOCK] : NULL;
}

void streams_mistrust(const char *why)
{
    if (dev.broken) { return; }
    dev.broken = true;
    log_warn("streams: the host broke the device's rules: %s", why);
    for (uint32_t n = 0; n < dev.used; n++) {
        struct stream *s = by_number(n);
        if (s != NULL && s->state != STREAM_CLOSING) { stream_news(s); }
    }
}

/* ---- bells ----------------------------------------------------------------------------------- */

static void arm_bell(void)
{
    dev.bell = (dev.bell + STREAM_BELL_STEP) | STREAM_BELL_ARMED;
    shm_store_u32(&dev.head->guest.bell, dev.bell);
    shm_fence();
}

static void disarm_bell(void)
{
    dev.bell &= ~STREAM_BELL_ARMED;
    shm_store_u32(&dev.head->guest.bell, dev.bell);
}

/*
 * The host often answers before the doorbell returns. No interrupt has to say so: this vCPU looks
 * before it runs an application or sleeps, and that arms the bell again.
 */
static void ring_bell(void)
{
    shm_fence();
    uint32_t bell = shm_load_u32(&dev.head->host.bell);
    if ((bell & STREAM_BELL_ARMED) == 0 || bell / STREAM_BELL_STEP == dev.bell_served) { return; }
    dev.bell_served = bell / STREAM_BELL_STEP;
    disarm_bell();
    __atomic_fetch_or(&cpu_vpage()->pending, PENDING_DEVICE, __ATOMIC_SEQ_CST);
    ward_doorbell(0);
}

/* ---- rings to the host ----------------------------------------------------------------------- */

/*
 * Entries free in a ring of ours whose consumer is the host; its head moves only forward, never
 * past our tail.
 */
static uint64_t room(const uint64_t *shared_head, uint64_t *seen_head, uint64_t tail,
                     uint64_t count)
{
    uint64_t head = shm_load_u64(shared_head);
    if (head - *seen_head > tail - *seen_head) {
        streams_mistrust("head of a ring to the host");
        return 0;
    }
    *seen_head = head;
    return count - (tail - head);
}

static bool ctl_put(const struct stream_msg *m)
{
    if (dev.broken || dev.head == NULL || /* none: the stand-in */
        room(&dev.head->host.ctl_head, &dev.host_ctl_head, dev.ctl_tail, STREAM_CTL_COUNT) == 0) {
        return false;
    }
    uint64_t at = dev.ctl_tail % STREAM_CTL_COUNT * sizeof *m;
    shm_write(dev.window + STREAMS_CTL_TO_HOST + at, m, sizeof *m);
    dev.ctl_tail++;
    shm_store_u64(&dev.head->guest.ctl_tail, dev.ctl_tail);
    ring_bell();
    return true;
}

/* What the stream still has to say on the control ring, in order. False: no room. */
static bool send_unsent(struct stream *s)
{
    if (s->open_unsent) {
        if (!ctl_put(&s->msg)) { return false; }
        s->open_unsent = false;
    }
    if (s->close_unsent) {
        struct stream_msg m = {.op = STREAM_OP_CLOSE, .stream = s->number};
        if (!ctl_put(&m)) { return false; }
        s->close_unsent = false;
    }
    return true;
}

static void send_or_queue(struct stream *s)
{
    if (list_empty(&s->link) && (!list_empty(&dev.unsent) || !send_unsent(s))) {
        list_add_tail(&dev.unsent, &s->link);
    }
}

static void flush_unsent(void)
{
    while (!dev.broken && !list_empty(&dev.unsent)) {
        struct stream *s = LIST_ENTRY(dev.unsent.next, struct stream, link);
        if (!send_unsent(s)) { return; }
        list_del(&s->link);
    }
}

void stream_tell(struct stream *s, uint32_t what)
{
    if (dev.broken || s->state != STREAM_OPENED) { return; }
    shm_fence();
    uint32_t want = shm_load_u32(&stream_slot(s)->host.want);
    if ((want & what) == 0 || want / STREAM_WANT_STEP == s->want_served) { return; }
    s->want_served = want / STREAM_WANT_STEP;
    if (room(&dev.head->host.ready_head, &dev.host_ready_head, dev.ready_tail, STREAMS_MAX) == 0) {
        streams_mistrust("the host asked twice for the same news");
        return;
    }
    uint32_t *ring = (uint32_t *)(void *)(dev.window + STREAMS_READY_TO_HOST);
    shm_store_u32(&ring[dev.ready_tail % STREAMS_MAX], s->number);
    dev.ready_tail++;
    shm_store_u64(&dev.head->guest.ready_tail, dev.ready_tail);
    ring_bell();
}

void stream_want(struct stream *s, uint32_t flags)
{
    if (dev.broken || s->state != STREAM_OPENED) { return; }
    if (s->want_pending) {
        if ((s->want & flags) == flags) { return; }
        s->want |= flags;
    } else {
        s->want = (s->want / STREAM_WANT_STEP + 1) * STREAM_WANT_STEP | flags;
        s->want_pending = true;
    }
    shm_store_u32(&stream_slot(s)->guest.want, s->want);
    shm_fence();
}

/* ---- what the host says ---------------------------------------------------------------------- */

void stream_look(struct stream *s)
{
    if (dev.broken || s->state != STREAM_OPENED) { return; }
    const struct stream_side *host = &stream_slot(s)->host;
    uint32_t error = shm_load_u32(&host->error);
    uint64_t fin = shm_load_u64(&host->fin);
    uint64_t tail = shm_load_u64(&host->tail);
    uint64_t head = shm_load_u64(&host->head);
    uint64_t in_size = s->in != NULL ? s->in->size : 0;

    if (tail - s->in_head > in_size || tail < s->in_tail || (s->in_fin && tail != s->in_tail)) {
        streams_mistrust("tail of a stream");
    } else if (fin != STREAM_FIN_NONE && fin != tail) {
        streams_mistrust("end of a stream");
    } else if (head - s->out_head > s->out_tail - s->out_head) {
        streams_mistrust("head of a stream");
    } else if (error > ERRNO_MAX) {
        streams_mistrust("error of a stream");
    } else {
        s->in_tail = tail;
        s->out_head = head;
        s->in_fin = s->in_fin || fin != STREAM_FIN_NONE;
        if (error != 0) { s->error = error; }
    }
}

void stream_news(struct stream *s)
{
    stream_look(s);
    if (s->news != NULL) { s->news(s->news_arg); }
    if (!list_empty(&s->wait.waiters)) {
        wake(&s->wait, ~0u);
        /* Whoever stays (epoll) hears of the next change too. */
        if (!list_empty(&s->wait.waiters)) { stream_want(s, STREAM_WANT_DATA | STREAM_WANT_SPACE); }
    }
}

static bool zero(const uint8_t *p, size_t len)
{
    uint8_t any = 0;
    for (size_t i = 0; i < len; i++) { any |= p[i]; }
    return any == 0;
}

static void on_opened(struct stream *s, const struct stream_msg *m)
{
    if (s == NULL || s->open_unsent || s->result != -EINPROGRESS) {
        streams_mistrust("answer to no question");
        return;
    }
    if (m->result > 0 || m->result < -ERRNO_MAX || m->result == -EINPROGRESS) {
        streams_mistrust("answer with an impossible result");
        return;
    }
    s->result = m->result;
    if (s->state != STREAM_OPENING) { return; } /* closed before the answer came */
    s->msg = *m;
    s->state = STREAM_OPENED;
    stream_tell(s, STREAM_WANT_DATA |
                       STREAM_WANT_SPACE); /* what was written, or ended, before the answer came */
    stream_news(s);
}

static void on_closed(struct stream *s)
{
    if (s == NULL || s->state != STREAM_CLOSING || s->close_unsent || s->result == -EINPROGRESS) {
        streams_mistrust("end of a stream that was not closed");
        return;
    }
    list_del(&s->link);
    list_add_tail(&dev.closed, &s->link);
}

/* m: private copy, the host can no longer change it. */
static void on_message(const struct stream_msg *m)
{
    size_t used = 0; /* bytes of m->bytes that the op names */

    if (m->op == STREAM_OP_OPENED) {
        used = sizeof m->bytes;
    } else if (m->op == STREAM_OP_RESIZE) {
        used = sizeof m->resize;
    } else if (m->op == STREAM_OP_SIGNAL) {
        used = sizeof m->number;
    } else if (m->op != STREAM_OP_CLOSED) {
        streams_mistrust("unknown control message");
        return;
    }
    if (m->kind != 0 || m->reserved != 0 || m->stream >= STREAMS_MAX ||
        (m->op != STREAM_OP_OPENED && m->result != 0) ||
        !zero(m->bytes + used, sizeof m->bytes - used)) {
        streams_mistrust("malformed control message");
        return;
    }
    switch (m->op) {
    case STREAM_OP_OPENED: on_opened(by_number(m->stream), m); break;
    case STREAM_OP_CLOSED: on_closed(by_number(m->stream)); break;
    case STREAM_OP_SIGNAL:
        if (m->number < 1 || m->number > 64) {
            streams_mistrust("signal number");
        } else if (streams_events.signal != NULL) {
            streams_events.signal((int)m->number);
        }
        break;
    case STREAM_OP_RESIZE:
        if (m->resize.rows > UINT16_MAX || m->resize.cols > UINT16_MAX) {
            streams_mistrust("terminal size");
        } else if (streams_events.resize != NULL) {
            streams_events.resize((uint16_t)m->resize.rows, (uint16_t)m->resize.cols);
        }
        break;
    }
}

static uint64_t take_ctl(void)
{
    const uint64_t first = dev.ctl_head;
    uint64_t count = shm_load_u64(&dev.head->host.ctl_tail) - first;
    if (count > STREAM_CTL_COUNT) {
        streams_mistrust("tail of the control ring");
        return 0;
    }
    for (uint64_t i = 0; i < count && !dev.broken; i++) {
        struct stream_msg m;
        shm_read(&m, dev.window + STREAMS_CTL_TO_GUEST + dev.ctl_head % STREAM_CTL_COUNT * sizeof m,
                 sizeof m);
        dev.ctl_head++;
        on_message(&m);
    }
    if (count == 0) { return 0; }
    shm_store_u64(&dev.head->guest.ctl_head, dev.ctl_head);
    shm_fence();
    /* Full until now? The host may have filled it, and begun to wait for room, after we had looked. */
    if (shm_load_u64(&dev.head->host.ctl_tail) - first >= STREAM_CTL_COUNT) { ring_bell(); }
    return count;
}

static uint64_t take_ready(void)
{
    const uint32_t *ring = (const uint32_t *)(const void *)(dev.window + STREAMS_READY_TO_GUEST);
    uint64_t count = shm_load_u64(&dev.head->host.ready_tail) - dev.ready_head;
    if (count > STREAMS_MAX) {
        streams_mistrust("tail of the ready ring");
        return 0;
    }
    for (uint64_t i = 0; i < count && !dev.broken; i++) {
        uint32_t number = shm_load_u32(&ring[dev.ready_head % STREAMS_MAX]);
        dev.ready_head++;
        if (number >= STREAMS_MAX) {
            streams_mistrust("number in the ready ring");
            return count;
        }
        struct stream *s = by_number(number);
        if (s == NULL) { continue; }
        s->want_pending = false;
        if (s->state == STREAM_OPENED) { stream_news(s); }
    }
    if (count > 0) { shm_store_u64(&dev.head->guest.ready_head, dev.ready_head); }
    return count;
}

static void stream_free(struct stream *s)
{
    dev.block[s->number / BLOCK][s->number % BLOCK] = NULL;
    ring_free(s->in);
    ring_free(s->out);
    list_del(&s->link);
    uint32_t number = s->number;
    *s = (struct stream){.number = number};
    waitq_init(&s->wait); /* stream_news() may be on its way back to it */
    list_add_head(&dev.idle, &s->link);
    dev.open--;
}

static uint64_t take(void)
{
    if (dev.broken) { return 0; }
    uint64_t count = take_ctl();
    count += take_ready();
    while (!list_empty(&dev.closed)) {
        stream_free(LIST_ENTRY(dev.closed.next, struct stream, link));
    }
    flush_unsent();
    return count;
}

void streams_poll(void)
{
    (void)take();
    arm_bell();
    (void)take();
}

bool streams_spin(void)
{
    disarm_bell();
    return take() > 0;
}

/* ---- life of a stream ------------------------------------------------------------------------ */

/* A stream with a free number, known to by_number(). */
static struct stream *number_alloc(int *out_err)
{
    if (!list_empty(&dev.idle)) {
        struct stream *s = LIST_ENTRY(dev.idle.next, struct stream, link);
        list_del(&s->link);
        return s;
    }
    if (dev.used == STREAMS_MAX) {
        *out_err = -ENOBUFS;
        return NULL;
    }
    struct stream ***block = &dev.block[dev.used / BLOCK];
    if (*block == NULL) { *block = mem_alloc(BLOCK * sizeof **block); }
    struct stream *s = *block != NULL ? mem_alloc(sizeof *s) : NULL;
    if (s == NULL) {
        *out_err = -ENOMEM;
        return NULL;
    }
    s->number = dev.used++;
    list_init(&s->link);
    return s;
}

static void slot_reset(struct stream *s)
{
    struct stream_side *guest = &stream_slot(s)->guest;
    shm_store_u64(&guest->tail, s->out_tail);
    shm_store_u64(&guest->head, 0);
    shm_store_u64(&guest->fin, STREAM_FIN_NONE);
    shm_store_u32(&guest->want, 0);
    shm_store_u32(&guest->error, 0);
}

static bool size_ok(uint32_t size)
{
    return size == 0 ||
           (size >= STREAM_RING_MIN && size <= STREAM_RING_MAX && (size & (size - 1)) == 0);
}

struct stream *stream_new(const struct stream_open *o, int *out_err)
{
    if (dev.window == NULL || dev.broken) {
        *out_err = -EIO;
        return NULL;
    }
    if (!size_ok(o->in_size) || !size_ok(o->out_size) || o->name_len > o->out_size ||
        o->name_len > STREAM_NAME_MAX) {
        panic("stream_new: sizes");
    }
    struct stream *s = number_alloc(out_err);
    if (s == NULL) { return NULL; }
    if (o->in_size != 0) {
        s->in = ring_alloc(o->in_size, out_err);
        if (s->in == NULL) { goto no_in; }
        s->in_bytes = dev.window + (uint64_t)s->in->page * STREAM_RING_MIN;
    }
    if (o->out_size != 0) {
        s->out = ring_alloc(o->out_size, out_err);
        if (s->out == NULL) { goto no_out; }
        s->out_bytes = dev.window + (uint64_t)s->out->page * STREAM_RING_MIN;
        shm_write(s->out_bytes, o->name, o->name_len);
    }
    s->out_tail = o->name_len;
    s->result = -EINPROGRESS;
    s->state = STREAM_OPENING;
    s->open_unsent = true;
    waitq_init(&s->wait);
    slot_reset(s);
    s->msg = (struct stream_msg){
        .op = STREAM_OP_OPEN,
        .kind = o->kind,
        .stream = s->number,
        .open = {.out_page = s->out != NULL ? s->out->page : 0,
                 .out_size = o->out_size,
                 .in_page = s->in != NULL ? s->in->page : 0,
                 .in_size = o->in_size,
                 .name_len = o->name_len,
                 .arg = o->arg},
    };
    dev.block[s->number / BLOCK][s->number % BLOCK] = s;
    dev.open++;
    send_or_queue(s);
    return s;

no_out:
    ring_free(s->in);
    s->in = NULL;
no_in:
    list_add_head(&dev.idle, &s->link);
    return NULL;
}

int stream_state(const struct stream *s) { return dev.broken ? -EIO : s->result; }

uint32_t stream_number(const struct stream *s) { return s->number; }

const struct stream_msg *stream_answer(const struct stream *s) { return &s->msg; }

int stream_wait_open(struct stream *s, uint64_t deadline_ns, bool interruptible)
{
    while (stream_state(s) == -EINPROGRESS) {
        int r = wait_on(&s->wait, deadline_ns, interruptible);
        if (r < 0) { return r; }
    }
    return stream_state(s);
}

void stream_on_news(struct stream *s, void (*fn)(void *arg), void *arg)
{
    s->news = fn;
    s->news_arg = arg;
}

void stream_option(struct stream *s, uint32_t option, int32_t value)
{
    struct stream_msg m = {
        .op = STREAM_OP_OPTION, .stream = s->number, .option = {.id = option, .value = value}};
    /* Options are hints about speed; one that finds no room is lost. */
    if (s->state == STREAM_OPENED) { (void)ctl_put(&m); }
}

void stream_close(struct stream *s)
{
    if (s == NULL) { return; }
    s->news = NULL;
    if (dev.broken) {
        list_del(&s->link);
        stream_free(s); /* nothing of the window is used again */
        return;
    }
    stream_fin(s);
    s->state = STREAM_CLOSING;
    s->close_unsent = true;
    send_or_queue(s);
}

/* ---- the guest itself ------------------------------------------------------------------------ */

void streams_say_exit(unsigned kind, unsigned status)
{
    struct stream_msg m = {.op = STREAM_OP_EXIT, .exit = {.kind = kind, .status = status}};
    (void)ctl_put(&m); /* without it the host goes by the power-off code */
}

void streams_say_phase(unsigned phase)
{
    struct stream_msg m = {.op = STREAM_OP_PHASE, .phase = phase};
    (void)ctl_put(&m);
}

bool streams_log(const char *line, size_t len)
{
    char text[STREAM_LOG_LINE_MAX];
    struct uio u;

    if (dev.log == NULL || dev.broken) { return false; }
    size_t n = min_u64(len, sizeof text - 1);
    memcpy(text, line, n);
    text[n++] = '\n';
    if (stream_writable(dev.log) >= n) {
        uio_kernel(&u, text, n);
        (void)stream_write_now(dev.log, &u);
    }
    return true;
}

int64_t streams_item(uint32_t item, struct uio *u)
{
    int err;
    struct stream_open o = {.kind = STREAM_KIND_ITEM, .arg = item, .in_size = 65536};
    struct stream *s = stream_new(&o, &err);
    if (s == NULL) { return err; }
    int64_t r = stream_wait_open(s, NO_DEADLINE, false);
    if (r == 0) {
        uint64_t size = stream_answer(s)->size;
        uint64_t left = min_u64(size, u->left);
        if (size > INT64_MAX) { r = -EBADMSG; }
        while (r >= 0 && left > 0) {
            r = stream_read(s, u, false);
            if (r == 0) { r = -EBADMSG; } /* shorter than the host said */
            if (r > 0) { left = (uint64_t)r < left ? left - (uint64_t)r : 0; }
        }
        if (r >= 0) { r = (int64_t)size; }
    }
    stream_close(s);
    return r;
}

int streams_init(void *window, uint64_t window_size)
{
    struct streams_header *head = window;
    struct streams_header h;
    shm_read(&h, head, sizeof h); /* h: private copy */
    if (window_size < STREAMS_WINDOW_MIN || h.magic != STREAMS_MAGIC ||
        h.version != STREAMS_VERSION || h.reserved != 0 || h.window_size != window_size) {
        return -EBADMSG;
    }
    memset(&dev, 0, sizeof dev);
    dev.window = window;
    dev.head = head;
    list_init(&dev.unsent);
    list_init(&dev.closed);
    list_init(&dev.idle);
    rings_init(window_size);
    shm_store_u64(&head->guest.ctl_tail, 0);
    shm_store_u64(&head->guest.ctl_head, 0);
    shm_store_u64(&head->guest.ready_tail, 0);
    shm_store_u64(&head->guest.ready_head, 0);
    arm_bell();
    struct stream_open log = {.kind = STREAM_KIND_LOG, .out_size = STREAM_RING_MIN};
    int err = 0;
    dev.log = stream_new(&log, &err);
    return err;
}
