/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections carried out in our network namespace (guest/abi/stream_socket.h).
 *
 * By address (the container): loopback and unspecified addresses are refused, they would reach the
 * host's own services. By name (the agent): the host's own view decides, loopback included. The
 * helper of names.h looks names up; its socket's buffer bounds what may wait there, also for
 * streams that are closed by now, and an answer that nobody waits for is dropped.
 */
#include "vmm/streams_priv.h"

#include "guest/base/hosted.h"
#include "guest/base/ovf.h"
#include "vmm/names.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define NAME_WAIT_NS 30000000000u /* looking up a name, when the guest named no limit */

/* ---- outgoing TCP ---------------------------------------------------------------------------- */

struct connect {
    uint32_t asked; /* the helper, under this id; 0 = not, or answered */
    unsigned next;  /* address to try */
    struct names_answer answer;
    int last_error; /* of the address tried before; positive */
    bool shut;      /* the guest's fin has been passed on */
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
    while (c->next < c->answer.count) {
        unsigned i = c->next++;
        int r = attempt(st, &c->answer.addr[i].to.any, c->answer.addr[i].len);
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

/* Asks the helper. 0 or -errno. */
static int ask(struct stream *st, struct connect *c, uint16_t port, struct view host)
{
    const struct names *n = streams_config(st->device)->names;
    struct names_request q = {
        .id = streams_next_id(st->device), .port = port, .host_len = (uint16_t)host.len};

    if (n == NULL) { return -ENETUNREACH; }
    memcpy(q.host, host.p, host.len);
    if (send(n->fd, &q, sizeof q, MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof q) { return -EAGAIN; }
    c->asked = q.id;
    return 0;
}

bool stream_connect_answers(struct streams *s)
{
    struct names_answer a;
    ssize_t n;

    while ((n = recv(streams_config(s)->names->fd, &a, sizeof a, MSG_DONTWAIT)) == sizeof a) {
        for (uint32_t i = 0; i < STREAMS_MAX; i++) {
            struct stream *st = streams_stream(s, i);
            if (st == NULL || st->kind != &stream_connect || !st->live) { continue; }
            struct connect *c = st->priv;
            if (c->asked == 0 || c->asked != a.id) { continue; }
            c->asked = 0;
            c->answer = a;
            c->answer.count = (uint32_t)min_u64(a.count, NAMES_ADDR_MAX);
            if (st->result == -EINPROGRESS && !st->closing) { try_next(st, c); }
            break;
        }
    }
    return n < 0 && (errno == EAGAIN || errno == EINTR);
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
        int r = ask(st, c, peer->port, host);
        if (r < 0) { return r; }
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
        if (c->asked == 0) { check_attempt(st, c); }
        if (st->result == -EINPROGRESS && st->deadline_ns != 0 &&
            streams_now_ns() >= st->deadline_ns) {
            stream_opened(st, c->asked != 0 ? -EHOSTUNREACH : -ETIMEDOUT);
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
    streams_socket_put(st->device);
    free(st->priv);
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
