/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection inside the guest. Two sockets point to each other; sending puts into the other's
 * receive queue. Unix streams, unix seqpackets and loopback TCP differ only in their names.
 */
#include "guest/net/socket.h"

void local_pair(struct socket *a, struct socket *b)
{
    socket_get(a);
    socket_get(b);
    a->peer = b;
    b->peer = a;
    a->state = b->state = SOCK_CONNECTED;
    a->peer_cred = b->cred;
    b->peer_cred = a->cred;
}

int local_connect(struct socket *s, struct socket *listener)
{
    if (listener->backlog_count > listener->backlog_max) { return -EAGAIN; }
    struct socket *other = socket_new(listener->family, listener->type, listener->protocol);
    if (other == NULL) { return -ENOMEM; }
    other->cred = listener->cred;
    other->local = listener->local;
    other->remote = s->local;
    other->rcvbuf = listener->rcvbuf;
    other->sndbuf = listener->sndbuf;
    other->passcred = listener->passcred;
    other->keepalive = listener->keepalive;
    other->nodelay = listener->nodelay;
    s->cred = ucred_current();
    local_pair(s, other);
    list_add_tail(&listener->backlog, &other->link); /* with the reference of socket_new() */
    listener->backlog_count++;
    wake(&listener->wait, LPOLLIN);
    return 0;
}

int local_accept(struct socket *s, struct socket **out)
{
    if (s->state != SOCK_LISTENING) { return -EINVAL; }
    if (list_empty(&s->backlog)) { return -EAGAIN; }
    struct socket *c = LIST_ENTRY(s->backlog.next, struct socket, link);
    list_del(&c->link);
    s->backlog_count--;
    wake(&s->room, LPOLLOUT);
    *out = c;
    return 0;
}

int64_t local_send(struct socket *s, struct msg *m, struct uio *u, struct waitq **at)
{
    int e = socket_take_error(s);
    if (e < 0) { return e; }
    if ((s->shut & LSHUT_WR) != 0 || s->peer_gone) { return -EPIPE; }
    if (s->peer == NULL) { return s->family == LAF_UNIX ? -ENOTCONN : -EPIPE; }
    struct socket *p = s->peer;
    if (p->passcred || s->passcred) {
        m->has_cred = true;
        if (m->cred.pid == 0) { m->cred = ucred_current(); }
    }
    bool was_empty = queue_empty(&p->rx);
    int64_t n;
    if (s->type == LSOCK_STREAM) {
        n = u->left == 0 ? 0 : queue_put_stream(&p->rx, u, m, s->sndbuf);
    } else if (u->left > s->sndbuf) {
        return -EMSGSIZE;
    } else {
        n = queue_put_record(&p->rx, u, m, NULL, s->sndbuf);
    }
    if (n == -EAGAIN) { *at = &s->wait; }
    if (n >= 0 && (was_empty || s->type != LSOCK_STREAM || !list_empty(&p->wait.waiters))) {
        wake(&p->wait, LPOLLIN);
    }
    return n;
}

static bool roomy(const struct socket *s)
{
    return s->peer != NULL && s->peer->rx.used <= s->sndbuf / 2;
}

int64_t local_recv(struct socket *s, struct msg *m, struct uio *u)
{
    if (s->state == SOCK_FRESH || s->state == SOCK_LISTENING) {
        return s->type == LSOCK_STREAM && s->family == LAF_UNIX ? -EINVAL : -ENOTCONN;
    }
    int64_t n =
        socket_is_record(s) ? queue_get_record(&s->rx, u, m) : queue_get_stream(&s->rx, u, m);
    if (n != -EAGAIN) {
        if (s->peer != NULL && roomy(s->peer)) { wake(&s->peer->wait, LPOLLOUT); }
        return n;
    }
    int e = socket_take_error(s);
    if (e < 0) { return e; }
    return s->peer_done || (s->shut & LSHUT_RD) != 0 ? 0 : -EAGAIN;
}

uint32_t local_poll(struct socket *s, struct poller *p)
{
    uint32_t events = 0;

    poll_add(p, &s->wait);
    if (s->state == SOCK_LISTENING) { return list_empty(&s->backlog) ? 0 : LPOLLIN | LPOLLRDNORM; }
    bool rd_over = s->peer_done || (s->shut & LSHUT_RD) != 0;
    bool wr_over = s->peer_gone || (s->shut & LSHUT_WR) != 0;
    if (s->error != 0) { events |= LPOLLERR; }
    if (!queue_empty(&s->rx) || rd_over || s->error != 0) { events |= LPOLLIN | LPOLLRDNORM; }
    if (rd_over) { events |= LPOLLRDHUP; }
    if (s->state == SOCK_FRESH || s->state == SOCK_DEAD || (rd_over && wr_over)) {
        events |= LPOLLHUP;
    }
    if (wr_over || s->state == SOCK_FRESH || roomy(s)) { events |= LPOLLOUT | LPOLLWRNORM; }
    return events;
}

int local_shutdown(struct socket *s, uint32_t how)
{
    if (s->state != SOCK_CONNECTED) { return -ENOTCONN; }
    s->shut |= how;
    struct socket *p = s->peer;
    if (p != NULL) {
        if ((how & LSHUT_WR) != 0) { p->peer_done = true; }
        if ((how & LSHUT_RD) != 0 && s->family == LAF_UNIX) { p->peer_gone = true; }
        wake(&p->wait, ~0u);
    }
    wake(&s->wait, ~0u);
    return 0;
}

static void leave_peer(struct socket *s)
{
    struct socket *p = s->peer;
    if (p == NULL) { return; }
    s->peer = NULL;
    p->peer_done = p->peer_gone = true;
    /* Bytes that nobody will ever read: the other side learns that they were lost. */
    bool reset = !queue_empty(&s->rx) || s->linger_s == 0;
    if (reset && p->error == 0) { p->error = ECONNRESET; }
    if (p->peer == s) {
        p->peer = NULL;
        socket_put(s);
    }
    wake(&p->wait, ~0u);
    socket_put(p);
}

void local_close(struct socket *s)
{
    while (!list_empty(&s->backlog)) {
        struct socket *c = LIST_ENTRY(s->backlog.next, struct socket, link);
        list_del(&c->link);
        c->ops->close(c);
        socket_put(c);
    }
    s->backlog_count = 0;
    leave_peer(s);
    queue_clear(&s->rx);
    s->state = SOCK_DEAD;
    wake(&s->wait, ~0u);
    wake(&s->room, ~0u);
}
