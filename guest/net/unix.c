/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_UNIX. A name is an inode of the file system that remembers its socket, or an abstract name in
 * a list of ours. Descriptors that travel in messages are references to open files. Two sockets
 * that each carry the other keep themselves alive: there is no collector, the memory of such a pair
 * is lost until the guest ends.
 */
#include "guest/net/socket.h"

static struct list abstract_names = LIST_INIT(abstract_names);

static struct socket *find_abstract(const struct sock_addr *a)
{
    LIST_EACH (it, &abstract_names) {
        struct socket *s = LIST_ENTRY(it, struct socket, bound);
        if (s->local.path_len == a->path_len && memcmp(s->local.path, a->path, a->path_len) == 0) {
            return s;
        }
    }
    return NULL;
}

/* A path as a string; sun_path need not end in NUL. */
static void path_string(const struct sock_addr *a, char out[static UNIX_PATH_MAX + 1])
{
    memcpy(out, a->path, a->path_len);
    out[a->path_len] = '\0';
}

/* The socket with that name, referenced. */
static int find(const struct sock_addr *a, struct socket **out)
{
    struct socket *s;

    if (a->family != LAF_UNIX || a->path_len == 0) { return -EINVAL; }
    if (a->path[0] == '\0') {
        s = find_abstract(a);
    } else {
        char path[UNIX_PATH_MAX + 1];
        struct inode *i = NULL;
        path_string(a, path);
        int r = fs_find_socket(path, &i);
        if (r < 0) { return r; }
        s = *inode_socket(i);
        inode_put(i);
    }
    if (s == NULL) { return -ECONNREFUSED; }
    socket_get(s);
    *out = s;
    return 0;
}

/* The first free name of five hexadecimal digits. */
static void autobind(struct socket *s)
{
    static uint32_t next;
    struct sock_addr a = {.family = LAF_UNIX, .path_len = 6};
    do {
        char digits[6];
        (void)fmt(digits, sizeof digits, "%05x", next++ & 0xfffff);
        memcpy(a.path + 1, digits, 5);
    } while (find_abstract(&a) != NULL);
    s->local = a;
    list_add_tail(&abstract_names, &s->bound);
}

static int unix_bind(struct socket *s, const struct sock_addr *a)
{
    if (a->family != LAF_UNIX || s->local.family != LAF_UNSPEC) { return -EINVAL; }
    if (a->path_len == 0) {
        autobind(s);
        return 0;
    }
    if (a->path[0] == '\0') {
        if (find_abstract(a) != NULL) { return -EADDRINUSE; }
        s->local = *a;
        list_add_tail(&abstract_names, &s->bound);
        return 0;
    }
    char path[UNIX_PATH_MAX + 1];
    path_string(a, path);
    int r = fs_bind_socket(path, &s->inode);
    if (r < 0) { return r; }
    *inode_socket(s->inode) = s;
    s->local = *a;
    return 0;
}

static void unix_unbind(struct socket *s)
{
    list_del(&s->bound);
    if (s->inode != NULL) {
        *inode_socket(s->inode) = NULL;
        inode_put(s->inode);
        s->inode = NULL;
    }
}

static int unix_listen(struct socket *s, uint32_t backlog)
{
    if (s->local.family == LAF_UNSPEC || (s->state != SOCK_FRESH && s->state != SOCK_LISTENING)) {
        return -EINVAL;
    }
    s->state = SOCK_LISTENING;
    s->backlog_max = backlog;
    s->cred = ucred_current();
    return 0;
}

static int stream_connect_unix(struct socket *s, const struct sock_addr *a, struct waitq **at)
{
    struct socket *l = NULL;

    if (s->state != SOCK_FRESH) { return s->state == SOCK_CONNECTED ? -EISCONN : -EINVAL; }
    int r = find(a, &l);
    if (r < 0) { return r; }
    if (l->type != s->type) {
        r = -EPROTOTYPE;
    } else if (l->state != SOCK_LISTENING || (l->shut & LSHUT_RD) != 0) {
        r = -ECONNREFUSED;
    } else {
        r = local_connect(s, l);
        if (r == 0) { s->remote = l->local; }
        if (r == -EAGAIN) { *at = &l->room; }
    }
    socket_put(l);
    return r;
}

static void unix_close(struct socket *s)
{
    unix_unbind(s);
    local_close(s);
}

static uint64_t stream_readable_unix(struct socket *s) { return s->rx.bytes; }

const struct family unix_stream = {.bind = unix_bind,
                                   .listen = unix_listen,
                                   .connect = stream_connect_unix,
                                   .accept = local_accept,
                                   .send = local_send,
                                   .recv = local_recv,
                                   .poll = local_poll,
                                   .shutdown = local_shutdown,
                                   .readable = stream_readable_unix,
                                   .close = unix_close};

/* ---- datagrams ------------------------------------------------------------------------------- */

static int dgram_connect(struct socket *s, const struct sock_addr *a, struct waitq **at)
{
    struct socket *p = NULL;

    (void)at;
    if (a->family != LAF_UNSPEC) {
        int r = find(a, &p);
        if (r < 0) { return r; }
        if (p->type != LSOCK_DGRAM) {
            socket_put(p);
            return -EPROTOTYPE;
        }
    }
    socket_put(s->peer);
    s->peer = p; /* with find()'s reference; the other side does not point back */
    s->remote = p != NULL ? p->local : (struct sock_addr){0};
    s->state = p != NULL ? SOCK_CONNECTED : SOCK_FRESH;
    return 0;
}

static int64_t dgram_send(struct socket *s, struct msg *m, struct uio *u, struct waitq **at)
{
    struct socket *to = s->peer;

    if ((s->shut & LSHUT_WR) != 0) { return -EPIPE; }
    if (m->has_addr) {
        int r = find(&m->addr, &to);
        if (r < 0) { return r; }
    } else if (to != NULL) {
        socket_get(to);
    } else {
        return -ENOTCONN;
    }
    int64_t n;
    if (to->type != LSOCK_DGRAM) {
        n = -EPROTOTYPE;
    } else if (to->state == SOCK_DEAD) {
        n = -ECONNREFUSED;
    } else if ((to->shut & LSHUT_RD) != 0) {
        n = -EPIPE;
    } else if (u->left > s->sndbuf) {
        n = -EMSGSIZE;
    } else {
        if (to->passcred || s->passcred) {
            m->has_cred = true;
            if (m->cred.pid == 0) { m->cred = ucred_current(); }
        }
        n = queue_put_record(&to->rx, u, m, &s->local, to->rcvbuf);
        if (n == -EAGAIN) { *at = &to->room; }
        if (n >= 0) { wake(&to->wait, LPOLLIN); }
    }
    socket_put(to);
    return n;
}

static int64_t dgram_recv(struct socket *s, struct msg *m, struct uio *u)
{
    int64_t n = queue_get_record(&s->rx, u, m);
    if (n != -EAGAIN) {
        if (s->rx.used <= s->rcvbuf / 2) { wake(&s->room, LPOLLOUT); }
        return n;
    }
    return s->peer_done || (s->shut & LSHUT_RD) != 0 ? 0 : -EAGAIN;
}

static uint32_t dgram_poll(struct socket *s, struct poller *p)
{
    uint32_t events = 0;

    poll_add(p, &s->wait);
    if (s->peer != NULL) { poll_add(p, &s->peer->room); }
    if (!queue_empty(&s->rx) || (s->shut & LSHUT_RD) != 0) { events |= LPOLLIN | LPOLLRDNORM; }
    if (s->peer == NULL || s->peer->rx.used <= s->peer->rcvbuf / 2) {
        events |= LPOLLOUT | LPOLLWRNORM;
    }
    return events;
}

static int dgram_shutdown(struct socket *s, uint32_t how)
{
    if (s->peer == NULL) { return -ENOTCONN; }
    s->shut |= how;
    wake(&s->wait, ~0u);
    return 0;
}

static int no_listen(struct socket *s, uint32_t backlog)
{
    return (void)s, (void)backlog, -EOPNOTSUPP;
}
static int no_accept(struct socket *s, struct socket **out)
{
    return (void)s, (void)out, -EOPNOTSUPP;
}
static uint64_t dgram_readable(struct socket *s) { return queue_next_len(&s->rx); }

static void dgram_close(struct socket *s)
{
    unix_unbind(s);
    socket_put(s->peer);
    s->peer = NULL;
    queue_clear(&s->rx);
    s->state = SOCK_DEAD;
    wake(&s->room, ~0u);
}

const struct family unix_dgram = {.bind = unix_bind,
                                  .listen = no_listen,
                                  .connect = dgram_connect,
                                  .accept = no_accept,
                                  .send = dgram_send,
                                  .recv = dgram_recv,
                                  .poll = dgram_poll,
                                  .shutdown = dgram_shutdown,
                                  .readable = dgram_readable,
                                  .close = dgram_close};
