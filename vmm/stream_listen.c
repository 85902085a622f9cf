/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets that the outside speaks to first: listening TCP and UDP (guest/abi/stream_socket.h).
 *
 * A connection is accepted here, told to the guest, and waits in a small table until the guest
 * opens it by its token. When the table is full the kernel's own backlog holds the rest. A peer
 * that comes by loopback is a process of this host and not of the network: it is turned away.
 */
#include "vmm/streams_priv.h"

#include "guest/base/hosted.h"
#include "guest/base/ovf.h"
#include "vmm/stream_addr.h"

#include <errno.h>
#include <string.h>

#define WAITING_MAX 128u
#define PER_TURN    32u
#define BACKLOG_MAX 4096u      /* [stream_socket.h] */
#define RETRY_NS    100000000u /* after accept() found no descriptor or memory: others may let go */

/* A bound socket as the name asks for it, listening with SOCK_STREAM. fd or -errno. */
static int bound_socket(const uint8_t *name, size_t len, int type)
{
    const bool tcp = type == SOCK_STREAM;
    struct cur c = cur_of(name, len);
    union sockaddr_any a;
    int on = 1;

    struct stream_listen want = {
        .local = stream_addr_read(&c), .backlog = cur_u32le(&c), .flags = cur_u32le(&c)};
    if (!cur_end(&c) || !stream_addr_ok(&want.local) ||
        (want.flags & ~(STREAM_LISTEN_REUSEADDR | STREAM_LISTEN_V6ONLY)) != 0 ||
        want.backlog < (tcp ? 1 : 0) || want.backlog > (tcp ? BACKLOG_MAX : 0)) {
        return -EINVAL;
    }
    if (stream_addr_is_local(&want.local) && !stream_addr_is_any(&want.local)) {
        return -EADDRNOTAVAIL;
    }
    socklen_t alen = stream_addr_out(&want.local, &a);
    auto_fd fd = socket(a.any.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) { return -errno; }
    if ((want.flags & STREAM_LISTEN_REUSEADDR) != 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    }
    if (a.any.sa_family == AF_INET6) {
        int only = (want.flags & STREAM_LISTEN_V6ONLY) != 0;
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
    }
    if (bind(fd, &a.any, alen) < 0) { return -errno; }
    if (tcp && listen(fd, (int)want.backlog) < 0) { return -errno; }
    return steal_fd(&fd);
}

/* The stream's socket: counted, bound, watched. 0 or -errno. */
static int open_socket(struct stream *st, const struct stream_msg *open, const uint8_t *name,
                       size_t name_len, int type)
{
    if (open->open.arg != 0) { return -EINVAL; }
    int r = streams_socket_get(st->device);
    if (r < 0) { return r; }
    r = bound_socket(name, name_len, type);
    if (r >= 0) {
        st->opened.addr.local = stream_addr_of(r, false);
        st->socket = true;
        r = stream_watch(st, r);
    }
    if (r < 0) { streams_socket_put(st->device); }
    return r;
}

/* ---- listening TCP --------------------------------------------------------------------------- */

struct listen {
    uint32_t next_token;
    struct {
        uint32_t token;
        int fd; /* -1 = free */
    } waiting[WAITING_MAX];
};

static int listen_open(struct stream *st, const struct stream_msg *open, const uint8_t *name,
                       size_t name_len)
{
    auto_free struct listen *l = calloc(1, sizeof *l);
    if (l == NULL) { return -ENOMEM; }
    int r = open_socket(st, open, name, name_len, SOCK_STREAM);
    if (r < 0) { return r; }
    for (size_t i = 0; i < WAITING_MAX; i++) { l->waiting[i].fd = -1; }
    st->priv = steal_ptr(&l);
    return 0;
}

/* A free place, or -1. */
static int place(const struct listen *l)
{
    for (int i = 0; i < (int)WAITING_MAX; i++) {
        if (l->waiting[i].fd < 0) { return i; }
    }
    return -1;
}

static void put_record(struct stream *st, const void *head, size_t head_len, const void *body,
                       size_t body_len)
{
    struct iovec v[2];
    size_t done = 0;
    uint8_t *parts[2] = {(uint8_t *)(uintptr_t)head, (uint8_t *)(uintptr_t)body};
    size_t lens[2] = {head_len, body_len};

    (void)stream_to_vec(st, head_len + body_len, v);
    for (size_t p = 0; p < 2; p++) {
        for (size_t at = 0; at < lens[p];) {
            bool second = done >= v[0].iov_len;
            size_t off = second ? done - v[0].iov_len : done;
            size_t n = min_u64(lens[p] - at, v[second].iov_len - off);
            memcpy((uint8_t *)v[second].iov_base + off, parts[p] + at, n);
            at += n;
            done += n;
        }
    }
    stream_gave(st, head_len + body_len);
}

static bool listen_work(struct stream *st)
{
    struct listen *l = st->priv;

    st->deadline_ns = 0;
    for (unsigned i = 0; i < PER_TURN && st->can_read && !st->closing; i++) {
        struct stream_incoming in = {0};
        int at = place(l);
        st->cramped = stream_to_room(st) < sizeof in;
        if (at < 0 || st->cramped) { return false; }
        auto_fd fd = accept4(st->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            if (errno == EAGAIN) { st->can_read = false; }
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
                st->deadline_ns = streams_now_ns() + RETRY_NS;
                streams_deadline(st->device, st->deadline_ns);
                return false;
            }
            continue; /* an error of one connection, which is gone */
        }
        in.local = stream_addr_of(fd, false);
        in.peer = stream_addr_of(fd, true);
        if (in.peer.family == STREAM_AF_NONE || stream_addr_is_local(&in.peer)) { continue; }
        in.token = ++l->next_token;
        l->waiting[at].token = in.token;
        l->waiting[at].fd = steal_fd(&fd);
        put_record(st, &in, sizeof in, NULL, 0);
    }
    return st->can_read;
}

int stream_listen_take(struct stream *st, uint32_t token)
{
    if (st == NULL || st->kind != &stream_listen || !st->live || st->closing) { return -ENOENT; }
    struct listen *l = st->priv;
    for (size_t i = 0; i < WAITING_MAX; i++) {
        if (l->waiting[i].fd >= 0 && l->waiting[i].token == token) {
            stream_again(st); /* there is a place again */
            return steal_fd(&l->waiting[i].fd);
        }
    }
    return -ENOENT;
}

static void listen_close(struct stream *st)
{
    struct listen *l = st->priv;
    for (size_t i = 0; i < WAITING_MAX; i++) {
        if (l->waiting[i].fd >= 0) { (void)close(l->waiting[i].fd); }
    }
    streams_socket_put(st->device);
    free(l);
}

const struct stream_kind stream_listen = {.name = "listen",
                                          .to_guest = true,
                                          .open = listen_open,
                                          .work = listen_work,
                                          .close = listen_close};

/* ---- UDP ------------------------------------------------------------------------------------- */

static int udp_open(struct stream *st, const struct stream_msg *open, const uint8_t *name,
                    size_t name_len)
{
    auto_free uint8_t *bytes = malloc(STREAM_DATAGRAM_MAX);
    if (bytes == NULL) { return -ENOMEM; }
    int r = open_socket(st, open, name, name_len, SOCK_DGRAM);
    if (r < 0) { return r; }
    st->priv = steal_ptr(&bytes);
    return 0;
}

/* One datagram of the guest's. False: none, or a record that breaks the rules. */
static bool udp_send_one(struct stream *st)
{
    uint8_t head[sizeof(struct stream_datagram)]; /* private copy */
    union sockaddr_any to;

    st->hungry = stream_from_avail(st) < sizeof head;
    if (st->hungry) { return false; }
    stream_take(st, head, sizeof head);
    struct cur c = cur_of(head, sizeof head);
    struct stream_addr addr = stream_addr_read(&c);
    uint32_t len = cur_u32le(&c), reserved = cur_u32le(&c);
    if (reserved != 0 || len > STREAM_DATAGRAM_MAX || len > stream_from_avail(st) ||
        !stream_addr_ok(&addr)) {
        stream_fail(st, EINVAL);
        return false;
    }
    stream_take(st, st->priv, len);
    if (stream_addr_is_local(&addr)) {
        return true;
    } /* not the guest's to reach: lost, as UDP may */
    socklen_t alen = stream_addr_out(&addr, &to);
    (void)sendto(st->fd, st->priv, len, MSG_NOSIGNAL | MSG_DONTWAIT, &to.any, alen);
    return true;
}

static bool udp_recv_one(struct stream *st)
{
    union sockaddr_any from;
    socklen_t alen = sizeof from;

    memset(&from, 0, sizeof from);
    ssize_t n = recvfrom(st->fd, st->priv, STREAM_DATAGRAM_MAX, MSG_DONTWAIT, &from.any, &alen);
    if (n < 0) {
        if (errno == EAGAIN) { st->can_read = false; }
        return errno != EAGAIN; /* an error of an earlier datagram: told once, then gone */
    }
    struct stream_datagram d = {.addr = stream_addr_in(&from), .len = (uint32_t)n};
    bool fits = stream_to_room(st) >= sizeof d + (size_t)n;
    if (fits && d.addr.family != STREAM_AF_NONE && !stream_addr_is_local(&d.addr)) {
        put_record(st, &d, sizeof d, st->priv, (size_t)n);
    }
    return true;
}

static bool udp_work(struct stream *st)
{
    unsigned moved = 0;
    while (moved < PER_TURN && st->error == 0 && udp_send_one(st)) { moved++; }
    for (unsigned i = 0; i < PER_TURN && st->error == 0 && st->can_read && !st->closing; i++) {
        (void)udp_recv_one(st);
    }
    return st->error == 0 && (stream_from_avail(st) >= sizeof(struct stream_datagram) ||
                              (st->can_read && !st->closing));
}

static void udp_close(struct stream *st)
{
    streams_socket_put(st->device);
    free(st->priv);
}

const struct stream_kind stream_udp = {.name = "udp",
                                       .to_guest = true,
                                       .to_host = true,
                                       .carries_out = true,
                                       .open = udp_open,
                                       .work = udp_work,
                                       .close = udp_close};
