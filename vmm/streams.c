/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who works for the device, and when: the I/O thread, descriptors and their readiness, what the
 * monitor calls. What the work is: device.c.
 *
 * Sleeping. The I/O thread waits in epoll for the doorbell and for descriptors (edge-triggered:
 * can_read and can_write say what has not answered EAGAIN). Before that it spins for at most 10 us,
 * if cores are spare or the last wait was shorter than a wake-up; a spinner that was itself held up
 * for more than 5 us stops spinning for 10 ms.
 */
#include "vmm/device.h"

#include "guest/base/hosted.h"
#include "guest/base/ovf.h"
#include "guest/base/shm.h"
#include "vmm/names.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define SPIN_NS    10000u
#define HELD_UP_NS 5000u
#define NO_SPIN_NS 10000000u
#define WAKE_NS    50000u /* a gap shorter than this would have cost more to sleep through */
#define KEY_BELL   UINT64_MAX
#define KEY_KICK   (UINT64_MAX - 1)
#define KEY_NAMES  (UINT64_MAX - 2)

const struct streams_config *streams_config(const struct streams *s) { return &s->config; }
int streams_doorbell_fd(const struct streams *s) { return s->bell_fd; }

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

/* ---- turns ----------------------------------------------------------------------------------- */

void streams_service(struct streams *s)
{
    (void)pthread_mutex_lock(&s->lock);
    device_work(s);
    /* The guest has served the count it rang for; the I/O thread may be asleep with that one. */
    device_arm(s);
    if (device_spoke(s)) { device_work(s); }
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
            stream_again(st);
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
        if (device_spoke(s)) { return true; }
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
        return;
    }
    if (ev->data.u64 == KEY_NAMES) {
        if (!stream_connect_answers(s)) {
            (void)epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, s->config.names->fd, NULL);
        }
        return;
    }
    struct stream *st = s->stream[ev->data.u64];
    if (st == NULL || st->error != 0) { return; }
    st->can_read = st->can_read || (ev->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    st->can_write = st->can_write || (ev->events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
    stream_again(st);
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
        device_work(s);
        if (list_empty(&s->due) && !s->broken &&
            (s->config.spare_cores > 1 || slept_ns < WAKE_NS)) {
            device_disarm(s);
            (void)pthread_mutex_unlock(&s->lock);
            (void)spin(s, &no_spin_until);
            (void)pthread_mutex_lock(&s->lock);
        }
        device_arm(s);
        device_work(s);
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

uint32_t streams_next_id(struct streams *s)
{
    s->last_id += s->last_id == UINT32_MAX ? 2 : 1;
    return s->last_id;
}

int streams_stdio_take(struct streams *s, uint32_t number, bool *out_careful)
{
    *out_careful = s->stdio_careful[number];
    return steal_fd(&s->stdio[number]);
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
        int r = stream_stdio_own(s->config.stdio[i], i == 0, &s->stdio_careful[i]);
        if (r < 0) { return err_set(e, -r, "streams: descriptor %zu: %s", i, strerror(-r)); }
        s->stdio[i] = r;
    }
    if (watch_event(s, s->bell_fd, KEY_BELL, e) < 0 ||
        watch_event(s, s->kick_fd, KEY_KICK, e) < 0 ||
        (s->config.names != NULL && watch_event(s, s->config.names->fd, KEY_NAMES, e) < 0)) {
        return -e->code;
    }
    return 0;
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
    device_arm(s);
    *out = s;
    return 0;
}

int streams_start(struct streams *s, struct err *e)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS};
    sigset_t all, before;
    /* Signals are the program's business, not this thread's, but for those of its own mistakes. */
    (void)sigfillset(&all);
    for (size_t i = 0; i < ARRAY_COUNT(own); i++) { (void)sigdelset(&all, own[i]); }
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
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
        if (s->stream[i] != NULL) { stream_again(s->stream[i]); }
    }
    device_work(s);
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
            if (left[i]->can_write) { stream_again(left[i]); }
        }
        device_work(s);
    }
}

void streams_signal(struct streams *s, int signo)
{
    (void)pthread_mutex_lock(&s->lock);
    if (signo >= 1 && signo <= 64) { s->signals |= 1ull << (signo - 1); }
    device_flush(s);
    (void)pthread_mutex_unlock(&s->lock);
}

void streams_resize(struct streams *s, uint16_t rows, uint16_t cols)
{
    (void)pthread_mutex_lock(&s->lock);
    s->rows = rows;
    s->cols = cols;
    s->size_unsent = rows != 0 && cols != 0;
    device_flush(s);
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
    device_drop(s);
    int fds[] = {s->epoll_fd, s->bell_fd, s->kick_fd, s->stdio[0], s->stdio[1], s->stdio[2]};
    for (size_t i = 0; i < ARRAY_COUNT(fds); i++) {
        if (fds[i] >= 0) { (void)close(fds[i]); }
    }
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}
