/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections carried out in our network namespace (guest/abi/stream_socket.h).
 *
 * By address (the container): loopback and unspecified addresses are refused, they would reach the
 * host's own services. By name (the agent): the host's own view decides, loopback included. A name
 * is looked up by a thread of its own, since getaddrinfo() waits; job and stream share a small
 * block, and whoever lets go last frees it. A stream that is closed leaves its job behind, so the
 * jobs have a ceiling of their own.
 */
#include "vmm/streams_priv.h"

#include "guest/base/hosted.h"
#include "vmm/stream_addr.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define NAME_WAIT_NS 30000000000u /* looking up a name, when the guest named no limit */
#define LOOKUPS_MAX  16u          /* threads of this process that do so at once */

/* ---- looking up a name ----------------------------------------------------------------------- */

struct lookup {
    pthread_mutex_t lock;
    unsigned refs;
    bool done;
    int kick_fd; /* a duplicate: the device may be gone when the answer comes */
    char host[STREAM_HOST_NAME_MAX + 1];
    char port[8];
    struct addrinfo *list;
};
static atomic_uint lookups; /* threads there are */

static void lookup_put(struct lookup *l)
{
    (void)pthread_mutex_lock(&l->lock);
    bool last = --l->refs == 0;
    (void)pthread_mutex_unlock(&l->lock);
    if (!last) { return; }
    if (l->list != NULL) { freeaddrinfo(l->list); }
    (void)close(l->kick_fd);
    (void)pthread_mutex_destroy(&l->lock);
    free(l);
}

static void *lookup_thread(void *arg)
{
    struct lookup *l = arg;
    struct addrinfo *list = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV};

    if (getaddrinfo(l->host, l->port, &hints, &list) != 0) { list = NULL; }
    (void)pthread_mutex_lock(&l->lock);
    l->list = list;
    l->done = true;
    (void)pthread_mutex_unlock(&l->lock);
    (void)eventfd_write(l->kick_fd, 1);
    lookup_put(l);
    (void)atomic_fetch_sub(&lookups, 1);
    return NULL;
}

static struct lookup *lookup_start(const uint8_t *host, size_t len, uint16_t port, int kick_fd)
{
    struct lookup *l = calloc(1, sizeof *l);
    if (l == NULL) { return NULL; }
    l->kick_fd = fcntl(kick_fd, F_DUPFD_CLOEXEC, 3);
    if (l->kick_fd < 0) {
        free(l);
        return NULL;
    }
    (void)pthread_mutex_init(&l->lock, NULL);
    memcpy(l->host, host, len);
    (void)snprintf(l->port, sizeof l->port, "%u", port);
    l->refs = 2;
    pthread_t t;
    if (pthread_create(&t, NULL, lookup_thread, l) != 0) {
        l->refs = 1;
        lookup_put(l);
        return NULL;
    }
    (void)pthread_detach(t);
    return l;
}

/* NULL: as many as may be are under way, or something ran out. */
static struct lookup *lookup_new(const uint8_t *host, size_t len, uint16_t port, int kick_fd)
{
    struct lookup *l = NULL;
    if (atomic_fetch_add(&lookups, 1) < LOOKUPS_MAX) { l = lookup_start(host, len, port, kick_fd); }
    if (l == NULL) { (void)atomic_fetch_sub(&lookups, 1); }
    return l;
}

/* ---- outgoing TCP ---------------------------------------------------------------------------- */

struct connect {
    struct lookup *lookup;       /* NULL once answered, or without a name */
    struct addrinfo *list;       /* owned */
    const struct addrinfo *next; /* to try */
    int last_error;              /* of the address tried before; positive */
    bool shut;                   /* the guest's fin has been passed on */
};

/* Starts one attempt. 0 in progress or done, else -errno. */
static int attempt(struct stream *st, const struct sockaddr *to, socklen_t len)
{
    auto_fd fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) { return -errno; }
    if (connect(fd, to, len) < 0 && errno != EINPROGRESS) { return -errno; }
    st->socket = true;
    int r = stream_watch(st, steal_fd(&fd));
    st->can_write = false; /* until epoll says that the attempt has ended */
    return r;
}

static void answer(struct stream *st)
{
    int one = 1;

    st->opened.addr.local = stream_addr_of(st->fd, false);
    st->opened.addr.peer = stream_addr_of(st->fd, true);
    /* Small writes are the guest's to gather; it turns this off when told to. */
    (void)setsockopt(st->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    st->deadline_ns = 0;
    stream_opened(st, 0);
}

/* The next address of the list, until one attempt starts; else the last error. */
static void try_next(struct stream *st, struct connect *c)
{
    while (c->next != NULL) {
        const struct addrinfo *ai = c->next;
        c->next = ai->ai_next;
        int r = attempt(st, ai->ai_addr, ai->ai_addrlen);
        if (r == 0) { return; }
        c->last_error = -r;
    }
    stream_opened(st, c->last_error != 0 ? -c->last_error : -EHOSTUNREACH);
}

/* Has the attempt under way ended? */
static void check_attempt(struct stream *st, struct connect *c)
{
    union sockaddr_any peer;
    int error = 0;
    socklen_t len = sizeof error, peer_len = sizeof peer;

    if (!st->can_write) { return; }
    if (getsockopt(st->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) { error = errno; }
    if (error == 0 && getpeername(st->fd, &peer.any, &peer_len) == 0) {
        answer(st);
        return;
    }
    if (error == 0) {
        st->can_write = false; /* an event of the attempt before this one */
        return;
    }
    (void)close(st->fd);
    st->fd = -1;
    c->last_error = error;
    try_next(st, c);
}

static void check_lookup(struct stream *st, struct connect *c)
{
    (void)pthread_mutex_lock(&c->lookup->lock);
    bool done = c->lookup->done;
    if (done) {
        c->list = c->lookup->list;
        c->lookup->list = NULL;
    }
    (void)pthread_mutex_unlock(&c->lookup->lock);
    if (!done) { return; }
    lookup_put(c->lookup);
    c->lookup = NULL;
    c->next = c->list;
    try_next(st, c);
}

static bool host_ok(struct view host)
{
    for (size_t i = 0; i < host.len; i++) {
        if (host.p[i] <= ' ' || host.p[i] > '~') { return false; }
    }
    return host.len <= STREAM_HOST_NAME_MAX;
}

static int connect_start(struct stream *st, struct connect *c, const struct stream_addr *peer,
                         struct view host, uint32_t timeout_ms)
{
    union sockaddr_any to;

    if (host.len > 0) {
        c->lookup = lookup_new(host.p, host.len, peer->port, streams_kick_fd(st->device));
        if (c->lookup == NULL) { return -EAGAIN; }
        st->deadline_ns = streams_now_ns() + NAME_WAIT_NS;
    } else {
        socklen_t len = stream_addr_out(peer, &to);
        int r = attempt(st, &to.any, len);
        if (r < 0) { return r; }
    }
    if (timeout_ms != 0) { st->deadline_ns = streams_now_ns() + (uint64_t)timeout_ms * 1000000u; }
    if (st->deadline_ns != 0) { streams_deadline(st->device, st->deadline_ns); }
    return 0;
}

static int connect_open(struct stream *st, const struct stream_msg *open, const uint8_t *name,
                        size_t name_len)
{
    static const struct stream_addr none;
    struct cur cur = cur_of(name, name_len);
    struct stream_addr peer = stream_addr_read(&cur);
    uint32_t timeout_ms = cur_u32le(&cur);
    uint32_t host_len = cur_u32le(&cur);
    struct view host = cur_sub(&cur, host_len);

    if (!cur_end(&cur) || open->open.arg != 0 || peer.port == 0) { return -EINVAL; }
    if (host_len > 0 && (!host_ok(host) || peer.family != 0 || peer.scope != 0 ||
                         memcmp(peer.ip, none.ip, 16) != 0)) {
        return -EINVAL;
    }
    if (host_len == 0 && (!stream_addr_ok(&peer) || stream_addr_is_local(&peer))) {
        return -ENETUNREACH;
    }
    auto_free struct connect *c = calloc(1, sizeof *c);
    if (c == NULL) { return -ENOMEM; }
    int r = streams_socket_get(st->device);
    if (r < 0) { return r; }
    r = connect_start(st, c, &peer, host, timeout_ms);
    if (r < 0) {
        streams_socket_put(st->device);
        return r;
    }
    st->priv = steal_ptr(&c);
    return -EINPROGRESS;
}

static bool connect_work(struct stream *st)
{
    struct connect *c = st->priv;

    if (st->result == -EINPROGRESS) {
        if (c->lookup != NULL) {
            check_lookup(st, c);
        } else {
            check_attempt(st, c);
        }
        if (st->result == -EINPROGRESS && st->deadline_ns != 0 &&
            streams_now_ns() >= st->deadline_ns) {
            stream_opened(st, c->lookup != NULL ? -EHOSTUNREACH : -ETIMEDOUT);
        }
        return false;
    }
    if (st->result != 0 || st->error != 0) { return false; }
    bool more = stream_pump_out(st);
    more = stream_pump_in(st) || more;
    if (st->from_fin && stream_from_avail(st) == 0 && !c->shut && st->error == 0) {
        c->shut = true;
        (void)shutdown(st->fd, SHUT_WR);
    }
    return more;
}

static void connect_option(struct stream *st, uint32_t id, int32_t value)
{
    static const struct {
        int level, name, min, max;
    } options[STREAM_OPTION_COUNT] = {
        [STREAM_OPTION_NODELAY] = {IPPROTO_TCP, TCP_NODELAY, 0, 1},
        [STREAM_OPTION_KEEPALIVE] = {SOL_SOCKET, SO_KEEPALIVE, 0, 1},
        [STREAM_OPTION_KEEPIDLE] = {IPPROTO_TCP, TCP_KEEPIDLE, 1, 32767},
        [STREAM_OPTION_KEEPINTVL] = {IPPROTO_TCP, TCP_KEEPINTVL, 1, 32767},
        [STREAM_OPTION_KEEPCNT] = {IPPROTO_TCP, TCP_KEEPCNT, 1, 127},
    };
    if (id == 0 || id >= STREAM_OPTION_COUNT || value < options[id].min ||
        value > options[id].max) {
        streams_break(st->device, "socket option");
        return;
    }
    (void)setsockopt(st->fd, options[id].level, options[id].name, &value, sizeof value);
}

static void connect_close(struct stream *st)
{
    struct connect *c = st->priv;
    if (c->lookup != NULL) { lookup_put(c->lookup); }
    if (c->list != NULL) { freeaddrinfo(c->list); }
    streams_socket_put(st->device);
    free(c);
}

const struct stream_kind stream_connect = {.name = "connect",
                                           .to_guest = true,
                                           .to_host = true,
                                           .carries_out = true,
                                           .open = connect_open,
                                           .work = connect_work,
                                           .option = connect_option,
                                           .close = connect_close};

/* ---- a connection that a listening stream has told of ---------------------------------------- */

static int accept_open(struct stream *st, const struct stream_msg *open, const uint8_t *name,
                       size_t name_len)
{
    struct cur cur = cur_of(name, name_len);
    uint32_t token = cur_u32le(&cur);
    int one = 1;

    if (!cur_end(&cur) || open->open.arg >= STREAMS_MAX) { return -EINVAL; }
    auto_free struct connect *c = calloc(1, sizeof *c);
    if (c == NULL) { return -ENOMEM; }
    int r = streams_socket_get(st->device);
    if (r < 0) { return r; }
    int fd = stream_listen_take(streams_stream(st->device, open->open.arg), token);
    if (fd >= 0) {
        st->socket = true;
        st->opened.addr.local = stream_addr_of(fd, false);
        st->opened.addr.peer = stream_addr_of(fd, true);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        r = stream_watch(st, fd);
    } else {
        r = fd;
    }
    if (r < 0) {
        streams_socket_put(st->device);
        return r;
    }
    st->priv = steal_ptr(&c);
    return 0;
}

const struct stream_kind stream_accept = {.name = "accept",
                                          .to_guest = true,
                                          .to_host = true,
                                          .carries_out = true,
                                          .open = accept_open,
                                          .work = connect_work,
                                          .option = connect_option,
                                          .close = connect_close};
