/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_INET and AF_INET6. Loopback is the guest's own: both ends live here and move bytes like unix
 * sockets. Everything else is carried out by the monitor over a stream. An answer from outside that
 * claims a loopback address is refused, and only errors that connect() may give are believed.
 *
 * An IPv4 address mapped into IPv6 is the IPv4 address; `plain` addresses have it undone. A
 * destination of all zeros is loopback, as on Linux.
 */
#include "guest/net/socket.h"

#include "guest/net/net.h"
#include "guest/streams.h"

#define EPHEMERAL_LO 32768u
#define EPHEMERAL_HI 61000u
#define PORT_LISTS   64u
#define LOCAL_BACKLOG                                                                              \
    4096u /* a connection attempt that is dropped and tried again is not modelled on loopback */

static struct list tcp_ports[PORT_LISTS], udp_ports[PORT_LISTS];

static struct list *ports(const struct socket *s, uint16_t port)
{
    static bool ready;
    if (!ready) {
        for (size_t i = 0; i < PORT_LISTS; i++) {
            list_init(&tcp_ports[i]);
            list_init(&udp_ports[i]);
        }
        ready = true;
    }
    return &(s->type == LSOCK_STREAM ? tcp_ports : udp_ports)[port % PORT_LISTS];
}

/* ---- addresses ------------------------------------------------------------------------------- */

static bool zeros(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != 0) { return false; }
    }
    return true;
}

static bool is_mapped(const struct stream_addr *a)
{
    return a->family == STREAM_AF_INET6 && zeros(a->ip, 10) && a->ip[10] == 0xff &&
           a->ip[11] == 0xff;
}

static struct stream_addr plain(struct stream_addr a)
{
    if (!is_mapped(&a)) { return a; }
    struct stream_addr v4 = {.family = STREAM_AF_INET, .port = a.port};
    memcpy(v4.ip, a.ip + 12, 4);
    return v4;
}

static bool is_any(const struct stream_addr *a)
{
    return zeros(a->ip, a->family == STREAM_AF_INET ? 4 : 16);
}

static bool is_loopback(const struct stream_addr *a)
{
    if (a->family == STREAM_AF_INET) { return a->ip[0] == 127; }
    return zeros(a->ip, 15) && a->ip[15] == 1;
}

static struct stream_addr loopback_of(struct stream_addr a)
{
    if (!is_any(&a)) { return a; }
    if (a.family == STREAM_AF_INET) {
        a.ip[0] = 127;
        a.ip[3] = 1;
    } else {
        a.ip[15] = 1;
    }
    return a;
}

static bool same_ip(const struct stream_addr *a, const struct stream_addr *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

/* Does a socket bound to `own` answer for the plain address `to`? */
static bool covers(const struct socket *s, const struct stream_addr *to)
{
    struct stream_addr own = plain(s->local.inet);
    if (own.port != to->port) { return false; }
    if (same_ip(&own, to)) { return true; }
    if (!is_any(&own)) { return false; }
    return own.family == to->family ||
           (own.family == STREAM_AF_INET6 && !is_mapped(&s->local.inet) && !s->v6only);
}

static struct sock_addr address(const struct socket *s, struct stream_addr a)
{
    struct sock_addr r = {.family = s->family, .inet = a};
    if (s->family == LAF_INET6 && a.family == STREAM_AF_INET) { /* shown mapped */
        r.inet = (struct stream_addr){
            .family = STREAM_AF_INET6, .port = a.port, .ip = {[10] = 0xff, [11] = 0xff}};
        memcpy(r.inet.ip + 12, a.ip, 4);
    }
    return r;
}

/* ---- ports ----------------------------------------------------------------------------------- */

static bool conflicts(const struct socket *s, const struct socket *t, const struct stream_addr *a)
{
    struct stream_addr b = plain(t->local.inet);
    if (b.port != a->port) { return false; }
    bool families_meet = a->family == b.family ||
                         (!s->v6only && a->family == STREAM_AF_INET6 && is_any(a)) ||
                         (!t->v6only && b.family == STREAM_AF_INET6 && is_any(&b));
    if (!families_meet || (!is_any(a) && !is_any(&b) && !same_ip(a, &b))) { return false; }
    if (s->reuseport && t->reuseport) { return false; }
    if (s->reuseaddr && t->reuseaddr && (s->type == LSOCK_DGRAM || t->state != SOCK_LISTENING)) {
        return false;
    }
    return true;
}

static bool port_free(const struct socket *s, const struct stream_addr *a)
{
    LIST_EACH (it, ports(s, a->port)) {
        if (conflicts(s, LIST_ENTRY(it, struct socket, bound), a)) { return false; }
    }
    return true;
}

static bool port_unused(const struct socket *s, uint16_t port)
{
    LIST_EACH (it, ports(s, port)) {
        if (LIST_ENTRY(it, struct socket, bound)->local.inet.port == port) { return false; }
    }
    return true;
}

static uint16_t ephemeral(const struct socket *s)
{
    static uint32_t next = EPHEMERAL_LO;
    for (uint32_t tries = EPHEMERAL_LO; tries < EPHEMERAL_HI; tries++) {
        uint16_t port = (uint16_t)next;
        next = next + 1 < EPHEMERAL_HI ? next + 1 : EPHEMERAL_LO;
        if (port_unused(s, port)) { return port; }
    }
    return 0;
}

int inet_bind(struct socket *s, const struct sock_addr *a)
{
    if (a->family != s->family) { return s->family == LAF_INET ? -EAFNOSUPPORT : -EINVAL; }
    if (s->local.inet.port != 0 || s->state != SOCK_FRESH) { return -EINVAL; }
    struct stream_addr p = plain(a->inet);
    if (p.port == 0) {
        p.port = ephemeral(s);
        if (p.port == 0) { return -EADDRINUSE; }
    } else if (!port_free(s, &p)) {
        return -EADDRINUSE;
    }
    s->local = *a;
    s->local.inet.port = p.port;
    list_add_tail(ports(s, p.port), &s->bound);
    return 0;
}

static int bind_any(struct socket *s)
{
    if (s->local.inet.port != 0) { return 0; }
    struct sock_addr any = {.family = s->family,
                            .inet.family =
                                s->family == LAF_INET ? STREAM_AF_INET : STREAM_AF_INET6};
    return inet_bind(s, &any);
}

static struct socket *find(const struct socket *like, const struct stream_addr *to, bool listening)
{
    struct socket *best = NULL;
    LIST_EACH (it, ports(like, to->port)) {
        struct socket *s = LIST_ENTRY(it, struct socket, bound);
        if (!covers(s, to) || (listening && s->state != SOCK_LISTENING)) { continue; }
        if (best == NULL || !is_any(&s->local.inet)) { best = s; }
    }
    return best;
}

/* ---- TCP through the monitor ----------------------------------------------------------------- */

/*
 * Errors that connect() or a connection may report; from a host that says anything else only EIO is
 * believed.
 */
static int believed(int error)
{
    switch (error) {
    case ECONNREFUSED:
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EADDRNOTAVAIL:
    case EADDRINUSE:
    case EACCES:
    case EPERM:
    case ECONNRESET:
    case EPIPE:
    case ENFILE:
    case ENOBUFS: return error;
    default: return EIO;
    }
}

static void stream_over(struct socket *s, int error)
{
    s->error = believed(error);
    stream_close(s->stream);
    s->stream = NULL;
    s->state = SOCK_FRESH;
}

static void connect_news(struct socket *s)
{
    int r = stream_state(s->stream);
    if (r == -EINPROGRESS) { return; }
    if (r < 0) {
        stream_over(s, -r);
        return;
    }
    struct stream_addr local = plain(stream_answer(s->stream)->addr.local);
    struct stream_addr peer = plain(stream_answer(s->stream)->addr.peer);
    bool by_name = s->remote.family == LAF_UNSPEC;
    if (!by_name && (is_loopback(&local) || is_loopback(&peer))) {
        stream_over(s, ECONNREFUSED);
        return;
    }
    s->state = SOCK_CONNECTED;
    s->local.family = s->family;
    s->local.inet = address(s, local).inet;
    if (by_name) { s->remote = address(s, peer); }
    if (s->nodelay) { stream_option(s->stream, STREAM_OPTION_NODELAY, 1); }
    if (s->keepalive) { stream_option(s->stream, STREAM_OPTION_KEEPALIVE, 1); }
}

static void on_news(void *arg)
{
    struct socket *s = arg;

    if (s->state == SOCK_CONNECTING) { connect_news(s); }
    if (s->stream != NULL && s->state == SOCK_CONNECTED) {
        int r = stream_state(s->stream),
            error = r < 0 && r != -EINPROGRESS ? ECONNRESET : stream_error(s->stream);
        if (error != 0 && !s->peer_gone) {
            s->peer_gone = true;
            s->error = believed(error);
        }
        if (!list_empty(&s->wait.waiters)) { stream_ask(s->stream); }
    }
    wake(&s->wait, ~0u);
}

static int connect_outside(struct socket *s, const struct stream_connect *c, const char *host)
{
    uint8_t name[sizeof *c + STREAM_HOST_NAME_MAX];
    int err = 0;

    memcpy(name, c, sizeof *c);
    memcpy(name + sizeof *c, host, c->host_len);
    uint32_t ring = inet_ring_size();
    struct stream_open o = {.kind = STREAM_KIND_CONNECT,
                            .in_size = ring,
                            .out_size = ring,
                            .name = name,
                            .name_len = (uint32_t)sizeof *c + c->host_len};
    s->stream = stream_new(&o, &err);
    if (s->stream == NULL) { return err; }
    s->state = SOCK_CONNECTING;
    stream_on_news(s->stream, on_news, s);
    return -EINPROGRESS;
}

uint32_t inet_ring_size(void)
{
    unsigned open = streams_open_count();
    return open < 64 ? 65536 : open < 512 ? 16384 : STREAM_RING_MIN;
}

/* ---- listening to the outside ---------------------------------------------------------------- */

/* One connection that the host tells of. */
static void take_incoming(struct socket *l, const struct stream_incoming *in)
{
    struct stream_addr local = plain(in->local), peer = plain(in->peer);
    uint32_t ring = inet_ring_size();
    struct stream_open o = {.kind = STREAM_KIND_ACCEPT,
                            .arg = stream_number(l->stream),
                            .in_size = ring,
                            .out_size = ring,
                            .name = &in->token,
                            .name_len = sizeof in->token};
    int err = 0;
    struct stream *st = stream_new(&o, &err); /* also to refuse it: only the guest closes */
    bool refused = in->reserved != 0 || in->peer.family > STREAM_AF_INET6 || is_loopback(&local) ||
                   is_loopback(&peer) || is_any(&peer);
    struct socket *s = st != NULL && !refused ? socket_new(l->family, l->type, l->protocol) : NULL;
    if (s == NULL) {
        stream_close(st);
        return;
    }
    s->stream = st;
    s->state = SOCK_CONNECTED;
    s->local = address(s, local);
    s->remote = address(s, peer);
    s->nodelay = l->nodelay;
    s->keepalive = l->keepalive;
    stream_on_news(st, on_news, s);
    list_add_tail(&l->backlog, &s->link);
    l->backlog_count++;
}

static void listen_news(void *arg)
{
    struct socket *l = arg;
    struct stream_incoming in;
    struct uio u;

    while (l->state == SOCK_LISTENING && l->stream != NULL && l->backlog_count <= l->backlog_max &&
           stream_readable(l->stream) >= sizeof in) {
        uio_kernel(&u, &in, sizeof in);
        if (stream_read_now(l->stream, &u) != (int64_t)sizeof in) { break; }
        take_incoming(l, &in);
    }
    if (l->stream != NULL) { stream_ask(l->stream); }
    wake(&l->wait, LPOLLIN);
}

/*
 * The same port at the host. Waits for its answer: whether a port is free is what listen() is asked
 * for. A guest without a network listens to itself.
 */
static int listen_outside(struct socket *s)
{
    struct stream_listen name = {.local = plain(s->local.inet),
                                 .backlog = (uint32_t)max_u64(1, min_u64(s->backlog_max, 4096)),
                                 .flags = STREAM_LISTEN_REUSEADDR |
                                          (s->v6only ? STREAM_LISTEN_V6ONLY : 0)};
    struct stream_open o = {.kind = STREAM_KIND_LISTEN,
                            .in_size = STREAM_RING_MIN,
                            .out_size = STREAM_RING_MIN,
                            .name = &name,
                            .name_len = sizeof name};
    int err = 0;

    if (is_loopback(&name.local) || s->stream != NULL) { return 0; }
    struct stream *st = stream_new(&o, &err);
    if (st == NULL) { return err == -EIO ? 0 : err; }
    err = stream_wait_open(st, NO_DEADLINE, false);
    if (err < 0) {
        stream_close(st);
        return err == -ENETUNREACH || err == -EIO ? 0 : -believed(-err);
    }
    s->stream = st;
    stream_on_news(st, listen_news, s);
    stream_ask(st);
    return 0;
}

/* ---- TCP ------------------------------------------------------------------------------------- */

static int tcp_connect(struct socket *s, const struct sock_addr *a, struct waitq **at)
{
    if (s->state == SOCK_CONNECTING) { return -EALREADY; }
    if (s->state != SOCK_FRESH) { return -EISCONN; }
    if (a->family == LAF_UNSPEC) { return 0; }
    if (a->family != s->family) { return -EAFNOSUPPORT; }
    struct stream_addr to = loopback_of(plain(a->inet));
    if (to.port == 0) { return -ECONNREFUSED; }
    s->remote = *a;
    if (!is_loopback(&to)) {
        struct stream_connect c = {.peer = to};
        return connect_outside(s, &c, "");
    }
    struct socket *l = find(s, &to, true);
    if (l == NULL) { return -ECONNREFUSED; }
    int r = bind_any(s);
    if (r < 0) { return r; }
    if (is_any(&s->local.inet)) {
        uint16_t port = s->local.inet.port;
        s->local = address(s, loopback_of((struct stream_addr){.family = to.family, .port = port}));
    }
    r = local_connect(s, l);
    if (r == -EAGAIN) { *at = &l->room; }
    if (r == 0) { s->peer->local = address(s->peer, to); }
    return r;
}

static int tcp_listen(struct socket *s, uint32_t backlog)
{
    if (s->state != SOCK_FRESH && s->state != SOCK_LISTENING) { return -EINVAL; }
    int r = bind_any(s);
    if (r < 0) { return r; }
    struct stream_addr own = plain(s->local.inet);
    if (s->state == SOCK_FRESH) {
        LIST_EACH (it, ports(s, own.port)) {
            struct socket *t = LIST_ENTRY(it, struct socket, bound);
            if (t != s && t->state == SOCK_LISTENING && conflicts(s, t, &own)) {
                return -EADDRINUSE;
            }
        }
    }
    s->backlog_max = (uint32_t)max_u64(backlog, LOCAL_BACKLOG);
    r = listen_outside(s);
    if (r == 0) { s->state = SOCK_LISTENING; }
    return r;
}

static int64_t tcp_send(struct socket *s, struct msg *m, struct uio *u, struct waitq **at)
{
    if (s->stream == NULL || s->state == SOCK_LISTENING) { return local_send(s, m, u, at); }
    if (s->state == SOCK_CONNECTING) {
        *at = &s->wait;
        return -EAGAIN;
    }
    int e = socket_take_error(s);
    if (e < 0) { return e; }
    if ((s->shut & LSHUT_WR) != 0 || s->peer_gone) { return -EPIPE; }
    int64_t n = stream_write_now(s->stream, u);
    if (n == -EAGAIN) { *at = &s->wait; }
    return n;
}

static int64_t tcp_recv(struct socket *s, struct msg *m, struct uio *u)
{
    if (s->stream == NULL || s->state == SOCK_LISTENING) { return local_recv(s, m, u); }
    if (s->state == SOCK_CONNECTING) { return -EAGAIN; }
    if ((s->shut & LSHUT_RD) != 0) { return 0; }
    int64_t n =
        (m->flags & LMSG_PEEK) != 0 ? stream_peek_now(s->stream, u) : stream_read_now(s->stream, u);
    if (n >= 0 || n == -EFAULT || (n == -EAGAIN && !s->peer_gone)) { return n; }
    return socket_take_error(s);
}

static uint32_t tcp_poll(struct socket *s, struct poller *p)
{
    if (s->stream == NULL || s->state == SOCK_LISTENING) { return local_poll(s, p); }
    poll_add(p, &s->wait);
    if (s->state == SOCK_CONNECTING) { return 0; }
    uint32_t events = stream_poll(s->stream, NULL);
    if (p != NULL) { stream_ask(s->stream); }
    if (s->error == 0) { events &= ~LPOLLERR; }
    if ((s->shut & LSHUT_RD) != 0) { events |= LPOLLIN | LPOLLRDNORM | LPOLLRDHUP; }
    return events;
}

static int tcp_shutdown(struct socket *s, uint32_t how)
{
    if (s->state == SOCK_LISTENING && (how & LSHUT_RD) != 0) { /* Linux: stops listening */
        stream_close(s->stream);
        s->stream = NULL;
        local_close(s);
        s->state = SOCK_FRESH;
        return 0;
    }
    if (s->stream == NULL) { return local_shutdown(s, how); }
    if (s->state != SOCK_CONNECTED) { return -ENOTCONN; }
    s->shut |= how;
    if ((how & LSHUT_WR) != 0) { stream_fin(s->stream); }
    wake(&s->wait, ~0u);
    return 0;
}

static uint64_t tcp_readable(struct socket *s)
{
    return s->stream != NULL && s->state == SOCK_CONNECTED ? stream_readable(s->stream)
                                                           : s->rx.bytes;
}

/* A place in the backlog is free again: the host may have told of more. */
static int tcp_accept(struct socket *s, struct socket **out)
{
    int r = local_accept(s, out);
    if (r == 0 && s->stream != NULL && stream_readable(s->stream) > 0) { listen_news(s); }
    return r;
}

static void tcp_option(struct socket *s, uint32_t id, int32_t value)
{
    if (s->stream != NULL && s->state == SOCK_CONNECTED) { stream_option(s->stream, id, value); }
}

static void inet_close(struct socket *s)
{
    list_del(&s->bound);
    stream_close(s->stream);
    s->stream = NULL;
    local_close(s);
}

const struct family inet_stream = {.bind = inet_bind,
                                   .listen = tcp_listen,
                                   .connect = tcp_connect,
                                   .accept = tcp_accept,
                                   .send = tcp_send,
                                   .recv = tcp_recv,
                                   .poll = tcp_poll,
                                   .shutdown = tcp_shutdown,
                                   .readable = tcp_readable,
                                   .option = tcp_option,
                                   .close = inet_close};

struct file *net_connect_by_name(const char *host, uint16_t port, uint32_t timeout_ms, int *out_err)
{
    struct stream_connect c = {.peer.port = port,
                               .timeout_ms = timeout_ms,
                               .host_len = (uint32_t)strnlen(host, STREAM_HOST_NAME_MAX)};
    struct socket *s = socket_new(LAF_INET6, LSOCK_STREAM, 0);

    *out_err = -ENOMEM;
    if (s == NULL) { return NULL; }
    *out_err = connect_outside(s, &c, host);
    while (s->state == SOCK_CONNECTING) {
        int r = wait_on(&s->wait, NO_DEADLINE, true);
        if (r < 0) {
            *out_err = r == -ERESTARTSYS ? -EINTR : r;
            break;
        }
    }
    if (s->state == SOCK_CONNECTED) {
        *out_err = -ENOMEM;
        return socket_file(s, LO_RDWR);
    }
    int e = socket_take_error(s);
    if (e < 0) { *out_err = e; }
    s->ops->close(s);
    socket_put(s);
    return NULL;
}

/* ---- UDP ------------------------------------------------------------------------------------- */

#define UDP_RING      131072u
#define UDP_RING_MANY 16384u /* when there are many streams; larger datagrams then do not leave */

/* Is a datagram from `from` one that a connected socket wants? */
static bool wanted(const struct socket *s, const struct stream_addr *from)
{
    if (s->state != SOCK_CONNECTED) { return true; }
    struct stream_addr only = loopback_of(plain(s->remote.inet));
    return same_ip(&only, from) && only.port == from->port;
}

/*
 * One record of the host's into the receive queue. False: none, or the stream is of no use any
 * more.
 */
static bool udp_take(struct socket *s)
{
    struct stream_datagram d;
    struct uio u;

    if (stream_readable(s->stream) < sizeof d) { return false; }
    uio_kernel(&u, &d, sizeof d);
    if (stream_read_now(s->stream, &u) != (int64_t)sizeof d) { return false; }
    /* d: private copy, the host can no longer change it. */
    bool whole = d.reserved == 0 && d.len <= STREAM_DATAGRAM_MAX &&
                 d.len <= stream_readable(s->stream) &&
                 (d.addr.family == STREAM_AF_INET || d.addr.family == STREAM_AF_INET6);
    uint8_t *bytes = whole ? mem_alloc(d.len + 1) : NULL; /* a datagram may be empty */
    if (bytes == NULL) {
        stream_close(
            s->stream); /* a lie, or no memory: the next datagram to the outside opens another */
        s->stream = NULL;
        return false;
    }
    uio_kernel(&u, bytes, d.len);
    struct stream_addr from = plain(d.addr);
    bool read = d.len == 0 || stream_read_now(s->stream, &u) == (int64_t)d.len;
    if (read && !is_loopback(&from) && wanted(s, &from)) {
        struct sock_addr shown = address(s, from);
        struct msg m = {0};
        uio_kernel(&u, bytes, d.len);
        (void)queue_put_record(&s->rx, &u, &m, &shown, s->rcvbuf); /* full: lost, as UDP may */
    }
    mem_free(bytes);
    return read;
}

static void udp_news(void *arg)
{
    struct socket *s = arg;
    int r = stream_state(s->stream);

    if (r < 0 && r != -EINPROGRESS) {
        s->error = believed(-r);
        stream_close(s->stream);
        s->stream = NULL;
    }
    while (s->stream != NULL && udp_take(s)) {}
    if (s->stream != NULL) { stream_ask(s->stream); }
    wake(&s->wait, ~0u);
}

/*
 * A socket at the host, on the port this one was bound to. Does not wait for it: what is sent
 * before is carried out.
 */
static int udp_outside(struct socket *s)
{
    struct stream_listen name = {.local = plain(s->local.inet), .flags = STREAM_LISTEN_REUSEADDR};
    uint32_t ring = streams_open_count() < 16 ? UDP_RING : UDP_RING_MANY;
    struct stream_open o = {.kind = STREAM_KIND_UDP,
                            .in_size = ring,
                            .out_size = ring,
                            .name = &name,
                            .name_len = sizeof name};
    int err = 0;

    if (s->stream != NULL) { return 0; }
    if (!s->bound_by_name) { name.local.port = 0; }
    if (is_loopback(&name.local)) { return -EINVAL; }
    s->stream = stream_new(&o, &err);
    if (s->stream == NULL) { return err == -EIO ? -ENETUNREACH : err; }
    stream_on_news(s->stream, udp_news, s);
    return 0;
}

static int64_t udp_send_outside(struct socket *s, struct uio *u, const struct stream_addr *to)
{
    struct stream_datagram d = {.addr = *to, .len = (uint32_t)u->left};
    int r = udp_outside(s);

    if (r < 0) { return r; }
    if (stream_writable(s->stream) < sizeof d + d.len) {
        return (int64_t)u->left;
    } /* lost, as UDP may */
    uint8_t *bytes = mem_alloc(d.len + 1);
    if (bytes == NULL) { return -ENOMEM; }
    int64_t n = (int64_t)uio_get(u, bytes, d.len);
    if (n < (int64_t)d.len) {
        n = -EFAULT;
    } else { /* in one piece: the host must never see half a record */
        struct uvec both[2] = {{(uint64_t)(uintptr_t)&d, sizeof d},
                               {(uint64_t)(uintptr_t)bytes, d.len}};
        struct uio v = {.vec = both, .count = 2, .left = sizeof d + d.len, .kernel = true};
        (void)stream_write_now(s->stream, &v);
    }
    mem_free(bytes);
    return n;
}

static int udp_bind(struct socket *s, const struct sock_addr *a)
{
    int r = inet_bind(s, a);
    if (r < 0 || a->inet.port == 0) { return r; }
    s->bound_by_name = true; /* a server: the outside may speak first */
    struct stream_addr own = plain(s->local.inet);
    if (!is_loopback(&own)) { (void)udp_outside(s); }
    return 0;
}

static int udp_connect(struct socket *s, const struct sock_addr *a, struct waitq **at)
{
    (void)at;
    if (a->family == LAF_UNSPEC) {
        s->remote = *a;
        s->state = SOCK_FRESH;
        return 0;
    }
    if (a->family != s->family) { return -EAFNOSUPPORT; }
    struct stream_addr to = loopback_of(plain(a->inet));
    int r = bind_any(s);
    if (r == 0 && !is_loopback(&to)) { r = udp_outside(s); }
    if (r < 0) { return r; }
    if (is_any(&s->local.inet) && is_loopback(&to)) {
        s->local = address(
            s, loopback_of((struct stream_addr){.family = to.family, .port = s->local.inet.port}));
    }
    s->remote = *a;
    s->state = SOCK_CONNECTED;
    return 0;
}

/* From where a datagram to the plain address `to` seems to come. */
static struct stream_addr source(const struct socket *s, const struct stream_addr *to)
{
    struct stream_addr from = plain(s->local.inet);
    if (is_any(&from)) {
        from = (struct stream_addr){.family = to->family, .port = from.port};
        from = loopback_of(from);
    }
    return from;
}

static int64_t udp_send(struct socket *s, struct msg *m, struct uio *u, struct waitq **at)
{
    const struct sock_addr *dest = m->has_addr ? &m->addr : &s->remote;

    (void)at;
    int e = socket_take_error(s);
    if (e < 0) { return e; }
    if (dest->family == LAF_UNSPEC) { return -EDESTADDRREQ; }
    if (dest->family != s->family) { return -EAFNOSUPPORT; }
    if (u->left > STREAM_DATAGRAM_MAX) { return -EMSGSIZE; }
    struct stream_addr to = loopback_of(plain(dest->inet));
    if (to.port == 0) { return -EINVAL; }
    int r = bind_any(s);
    if (r < 0) { return r; }
    if (!is_loopback(&to)) { return udp_send_outside(s, u, &to); }
    struct socket *t = find(s, &to, false);
    if (t == NULL) { /* nobody there: a connected socket hears of it, as from ICMP */
        if (s->state == SOCK_CONNECTED) { s->error = ECONNREFUSED; }
        return (int64_t)u->left;
    }
    struct stream_addr from = source(s, &to);
    if (!wanted(t, &from)) { return (int64_t)u->left; }
    struct sock_addr shown = address(t, from);
    uint64_t len = u->left;
    int64_t n = queue_put_record(&t->rx, u, m, &shown, t->rcvbuf);
    if (n == -EAGAIN) { return (int64_t)len; } /* dropped, as UDP may */
    if (n >= 0) { wake(&t->wait, LPOLLIN); }
    return n;
}

static int64_t udp_recv(struct socket *s, struct msg *m, struct uio *u)
{
    int64_t n = queue_get_record(&s->rx, u, m);
    if (n != -EAGAIN) { return n; }
    int e = socket_take_error(s);
    if (e < 0) { return e; }
    return (s->shut & LSHUT_RD) != 0 ? 0 : -EAGAIN;
}

static uint32_t udp_poll(struct socket *s, struct poller *p)
{
    poll_add(p, &s->wait);
    uint32_t events = LPOLLOUT | LPOLLWRNORM;
    if (!queue_empty(&s->rx) || (s->shut & LSHUT_RD) != 0 || s->error != 0) {
        events |= LPOLLIN | LPOLLRDNORM;
    }
    return s->error != 0 ? events | LPOLLERR : events;
}

static int udp_shutdown(struct socket *s, uint32_t how)
{
    if (s->state != SOCK_CONNECTED) { return -ENOTCONN; }
    s->shut |= how;
    wake(&s->wait, ~0u);
    return 0;
}

static int udp_listen(struct socket *s, uint32_t backlog)
{
    return (void)s, (void)backlog, -EOPNOTSUPP;
}
static int udp_accept(struct socket *s, struct socket **out)
{
    return (void)s, (void)out, -EOPNOTSUPP;
}
static uint64_t udp_readable(struct socket *s) { return queue_next_len(&s->rx); }

const struct family inet_dgram = {.bind = udp_bind,
                                  .listen = udp_listen,
                                  .connect = udp_connect,
                                  .accept = udp_accept,
                                  .send = udp_send,
                                  .recv = udp_recv,
                                  .poll = udp_poll,
                                  .shutdown = udp_shutdown,
                                  .readable = udp_readable,
                                  .close = inet_close};
