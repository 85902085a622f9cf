/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls of sockets: decode, check, then ask the family, and wait where it says "not
 * now". O_NONBLOCK, MSG_DONTWAIT, timeouts, signals and SIGPIPE are handled here and nowhere else.
 */
#include "guest/net/socket.h"

#include "guest/net/net.h"
#include "guest/sys/sys.h"

#define VLEN_MAX     1024u
#define IPPROTO_TCP_ 6
#define IPPROTO_UDP_ 17
#define FIONREAD_    0x541bu
#define SIOCATMARK_  0x8905u

/* ---- life ------------------------------------------------------------------------------------ */

struct ucred ucred_current(void)
{
    const struct proc *p = current_proc();
    if (p == NULL) { return (struct ucred){0}; } /* the idle thread, on news from the device */
    return (struct ucred){.pid = p->pid, .uid = p->cred.euid, .gid = p->cred.egid};
}

static const struct family *family_of(uint16_t family, uint16_t type)
{
    if (family == LAF_UNIX) { return type == LSOCK_DGRAM ? &unix_dgram : &unix_stream; }
    return type == LSOCK_DGRAM ? &inet_dgram : &inet_stream;
}

struct socket *socket_new(uint16_t family, uint16_t type, int protocol)
{
    struct socket *s = mem_alloc(sizeof *s);
    if (s == NULL) { return NULL; }
    s->ops = family_of(family, type);
    s->refs = 1;
    s->family = family;
    s->type = type;
    s->protocol = protocol;
    s->rcvbuf = s->sndbuf = BUF_DEFAULT;
    s->linger_s = -1;
    s->cred = ucred_current();
    s->local.inet.family = s->remote.inet.family =
        family == LAF_INET6 ? STREAM_AF_INET6 : STREAM_AF_INET;
    waitq_init(&s->wait);
    waitq_init(&s->room);
    queue_init(&s->rx);
    list_init(&s->backlog);
    list_init(&s->link);
    list_init(&s->bound);
    return s;
}

void socket_get(struct socket *s) { s->refs++; }

/* Those who wait at a socket that goes look again, and find it gone. */
static void dismiss(struct waitq *q)
{
    wake(q, ~0u);
    while (!list_empty(&q->waiters)) { list_del(q->waiters.next); }
}

void socket_put(struct socket *s)
{
    if (s == NULL || --s->refs > 0) { return; }
    dismiss(&s->wait);
    dismiss(&s->room);
    queue_clear(&s->rx);
    mem_free(s);
}

int socket_take_error(struct socket *s)
{
    int e = s->error;
    s->error = 0;
    return -e;
}

/* ---- sending and receiving, with waiting ----------------------------------------------------- */

static uint64_t deadline(uint64_t timeout_ns)
{
    return timeout_ns == 0 ? NO_DEADLINE : clock_mono_ns() + timeout_ns;
}

/* 0: look again. A call with a timeout of its own is not restarted. */
static int wait_at(struct waitq *q, uint64_t until)
{
    int r = wait_on(q, until, true);
    if (r == -ETIMEDOUT) { return -EAGAIN; }
    return r == -ERESTARTSYS && until != NO_DEADLINE ? -EINTR : r;
}

static int64_t send_all(struct socket *s, struct msg *m, struct uio *u, bool nonblock)
{
    uint64_t until = deadline(s->snd_timeout_ns);
    int64_t total = 0, n;

    for (;;) {
        struct waitq *at = &s->wait;
        n = s->ops->send(s, m, u, &at);
        if (n > 0) { total += n; }
        if (n >= 0 && (u->left == 0 || n == 0 || socket_is_record(s))) { return total; }
        if (n > 0) { continue; }
        if (n != -EAGAIN || nonblock) { break; }
        int r = wait_at(at, until);
        if (r < 0) { return total > 0 ? total : r; }
    }
    if (total > 0) { return total; }
    if (n == -EPIPE && (m->flags & LMSG_NOSIGNAL) == 0) {
        signal_thread(
            current(),
            &(struct ksiginfo){.signo = LSIG_PIPE, .code = LSI_USER, .pid = current_proc()->pid});
    }
    return n;
}

static int64_t recv_some(struct socket *s, struct msg *m, struct uio *u, bool nonblock)
{
    uint64_t until = deadline(s->rcv_timeout_ns);
    bool all =
        (m->flags & LMSG_WAITALL) != 0 && (m->flags & LMSG_PEEK) == 0 && !socket_is_record(s);
    int64_t total = 0;

    for (;;) {
        int64_t n = s->ops->recv(s, m, u);
        if (n > 0) { total += n; }
        if (n > 0 && all && u->left > 0 && m->rights_count == 0) { continue; }
        if (n >= 0) { return total; }
        if (n != -EAGAIN || nonblock) { return total > 0 ? total : n; }
        int r = wait_at(&s->wait, until);
        if (r < 0) { return total > 0 ? total : r; }
    }
}

/* ---- the open file --------------------------------------------------------------------------- */

static int64_t file_recv(struct file *f, struct uio *u, uint64_t *pos)
{
    struct socket *s = f->priv;
    struct msg m = {0};
    (void)pos;
    if (u->left == 0 && s->type == LSOCK_STREAM) { return 0; }
    int64_t n = recv_some(s, &m, u, (f->flags & LO_NONBLOCK) != 0);
    msg_drop_rights(&m);
    return n;
}

static int64_t file_send(struct file *f, struct uio *u, uint64_t *pos)
{
    struct msg m = {0};
    (void)pos;
    return send_all(f->priv, &m, u, (f->flags & LO_NONBLOCK) != 0);
}

static uint32_t socket_poll(struct file *f, struct poller *p)
{
    struct socket *s = f->priv;
    return s->ops->poll(s, p);
}

static int64_t socket_ioctl(struct file *f, uint32_t cmd, uint64_t arg)
{
    struct socket *s = f->priv;
    if (cmd == FIONREAD_) {
        return put_user_u32(arg, (uint32_t)min_u64(s->ops->readable(s), INT32_MAX));
    }
    if (cmd == SIOCATMARK_) { return put_user_u32(arg, 0); }
    return iface_ioctl(cmd, arg);
}

static void socket_release(struct file *f)
{
    struct socket *s = f->priv;
    s->ops->close(s);
    socket_put(s);
}

static const struct file_ops socket_ops = {.read = file_recv,
                                           .write = file_send,
                                           .poll = socket_poll,
                                           .ioctl = socket_ioctl,
                                           .release = socket_release};

struct file *socket_file(struct socket *take_s, uint32_t flags)
{
    struct file *f = file_anon(&socket_ops, take_s, flags, LS_IFSOCK | 0777u, "socket");
    if (f == NULL) {
        take_s->ops->close(take_s);
        socket_put(take_s);
    }
    return f;
}

struct socket *file_socket(struct file *f) { return f->ops == &socket_ops ? f->priv : NULL; }

static int install(struct socket *take_s, uint32_t flags)
{
    struct file *f =
        socket_file(take_s, LO_RDWR | ((flags & LSOCK_NONBLOCK) != 0 ? LO_NONBLOCK : 0));
    return f != NULL ? fd_install(f, (flags & LSOCK_CLOEXEC) != 0) : -ENOMEM;
}

/* The socket behind a descriptor: 0 with a reference of the file, -EBADF, -ENOTSOCK. */
static int hold(uint64_t fd, struct file **out_f, struct socket **out_s)
{
    struct file *f = fd_file((int)fd);
    if (f == NULL || (f->flags & LO_PATH) != 0) { return -EBADF; }
    struct socket *s = file_socket(f);
    if (s == NULL) { return -ENOTSOCK; }
    file_get(f);
    *out_f = f;
    *out_s = s;
    return 0;
}

/* ---- making and naming ----------------------------------------------------------------------- */

static int check_kind(uint64_t family, uint16_t type, uint64_t protocol)
{
    switch (family) {
    case LAF_UNIX:
        if (protocol > 1) { return -EPROTONOSUPPORT; }
        return type == LSOCK_STREAM || type == LSOCK_DGRAM || type == LSOCK_SEQPACKET
                   ? 0
                   : -ESOCKTNOSUPPORT;
    case LAF_INET:
    case LAF_INET6:
        if (type == LSOCK_STREAM) {
            return protocol == 0 || protocol == IPPROTO_TCP_ ? 0 : -EPROTONOSUPPORT;
        }
        if (type == LSOCK_DGRAM) {
            return protocol == 0 || protocol == IPPROTO_UDP_ ? 0 : -EPROTONOSUPPORT;
        }
        return type == 3 ? -EPERM : -ESOCKTNOSUPPORT; /* raw */
    default: return -EAFNOSUPPORT;
    }
}

static int make(uint64_t family, uint64_t type, uint64_t protocol, struct socket **out)
{
    uint16_t kind = (uint16_t)(type & 0xf);
    if ((type & ~(uint64_t)(0xf | LSOCK_NONBLOCK | LSOCK_CLOEXEC)) != 0) { return -EINVAL; }
    int r = check_kind((uint32_t)family, kind, (uint32_t)protocol);
    if (r < 0) { return r; }
    int shown = (uint32_t)family == LAF_UNIX ? 0
                : kind == LSOCK_STREAM       ? IPPROTO_TCP_
                                             : IPPROTO_UDP_;
    *out = socket_new((uint16_t)family, kind, shown);
    return *out != NULL ? 0 : -ENOMEM;
}

int64_t sys_socket(const uint64_t a[6])
{
    struct socket *s = NULL;
    int r = make(a[0], (uint32_t)a[1], a[2], &s);
    return r < 0 ? r : install(s, (uint32_t)a[1]);
}

int64_t sys_socketpair(const uint64_t a[6])
{
    struct socket *s[2] = {NULL, NULL};
    uint32_t flags = (uint32_t)a[1];
    int fd[2];

    if ((uint32_t)a[0] == LAF_INET || (uint32_t)a[0] == LAF_INET6) { return -EOPNOTSUPP; }
    int r = make(a[0], flags, a[2], &s[0]);
    if (r == 0) { r = make(a[0], flags, a[2], &s[1]); }
    if (r < 0) {
        socket_put(s[0]);
        return r;
    }
    local_pair(s[0], s[1]);
    fd[0] = install(s[0], flags);
    fd[1] = install(s[1], flags);
    if (fd[0] >= 0 && fd[1] >= 0) {
        int32_t both[2] = {fd[0], fd[1]};
        r = copy_to_user(a[3], both, sizeof both);
        if (r == 0) { return 0; }
    } else {
        r = fd[0] < 0 ? fd[0] : fd[1];
    }
    for (int i = 0; i < 2; i++) {
        if (fd[i] >= 0) { (void)fd_close(fd[i]); }
    }
    return r;
}

int64_t sys_bind(const uint64_t a[6])
{
    struct file *f;
    struct socket *s;
    struct sock_addr addr;
    int r = hold(a[0], &f, &s);
    if (r < 0) { return r; }
    r = addr_from_user(&addr, a[1], (uint32_t)a[2]);
    if (r == 0) { r = s->ops->bind(s, &addr); }
    file_put(f);
    return r;
}

int64_t sys_listen(const uint64_t a[6])
{
    struct file *f;
    struct socket *s;
    int r = hold(a[0], &f, &s);
    if (r < 0) { return r; }
    int32_t backlog = (int32_t)a[1];
    r = s->ops->listen(s, backlog < 0 || backlog > 4096 ? 4096 : (uint32_t)backlog);
    file_put(f);
    return r;
}

/* Waits for the end of a connection attempt. */
static int finish_connect(struct socket *s)
{
    uint64_t until = deadline(s->snd_timeout_ns);
    while (s->state == SOCK_CONNECTING) {
        int r = wait_at(&s->wait, until);
        if (r < 0) { return r == -EAGAIN ? -EINPROGRESS : r; }
    }
    return socket_take_error(s);
}

static int connect_socket(struct socket *s, const struct sock_addr *addr, bool nonblock)
{
    int r = socket_take_error(s); /* of an attempt that nobody asked about */
    while (r == 0) {
        struct waitq *at = &s->wait;
        r = s->ops->connect(s, addr, &at);
        if (r == -EAGAIN && !nonblock) {
            r = wait_at(at, deadline(s->snd_timeout_ns));
            if (r == 0) { continue; }
        }
        break;
    }
    return (r == -EINPROGRESS || r == -EALREADY) && !nonblock ? finish_connect(s) : r;
}

int64_t sys_connect(const uint64_t a[6])
{
    struct file *f;
    struct socket *s;
    struct sock_addr addr;
    int r = hold(a[0], &f, &s);
    if (r < 0) { return r; }
    r = addr_from_user(&addr, a[1], (uint32_t)a[2]);
    if (r == 0) { r = connect_socket(s, &addr, (f->flags & LO_NONBLOCK) != 0); }
    file_put(f);
    return r;
}

static int64_t accept_on(struct file *f, struct socket *s, uint64_t va, uint64_t len_va,
                         uint32_t flags)
{
    struct socket *c = NULL;
    uint64_t until = deadline(s->rcv_timeout_ns);
    int r;

    while ((r = s->ops->accept(s, &c)) == -EAGAIN && (f->flags & LO_NONBLOCK) == 0) {
        r = wait_at(&s->wait, until);
        if (r < 0) { break; }
    }
    if (r < 0) { return r; }
    struct sock_addr remote = c->remote;
    if (remote.family == LAF_UNSPEC) { remote.family = c->family; }
    int fd = install(c, flags);
    if (fd < 0 || va == 0) { return fd; }
    r = addr_to_user(&remote, va, len_va);
    if (r < 0) { (void)fd_close(fd); }
    return r < 0 ? r : fd;
}

int64_t sys_accept4(const uint64_t a[6])
{
    struct file *f;
    struct socket *s;
    uint32_t flags = (uint32_t)a[3];
    if ((flags & ~(LSOCK_NONBLOCK | LSOCK_CLOEXEC)) != 0) { return -EINVAL; }
    int r = hold(a[0], &f, &s);
    if (r < 0) { return r; }
    int64_t fd = accept_on(f, s, a[1], a[2], flags);
    file_put(f);
    return fd;
}

int64_t sys_accept(const uint64_t a[6])
{
    const uint64_t b[6] = {a[0], a[1], a[2], 0, 0, 0};
    return sys_accept4(b);
}

static int64_t name_to_user(const uint64_t a[6], bool peer)
{
    struct file *f;
    struct socket *s;
    int r = hold(a[0], &f, &s);
    if (r < 0) { return r; }
    struct sock_addr addr = peer ? s->remote : s->local;
    addr.family = s->family;
    r = peer && s->state != SOCK_CONNECTED ? -ENOTCONN : addr_to_user(&addr, a[1], a[2]);
    file_put(f);
    return r;
}

int64_t sys_getsockname(const uint64_t a[6]) { return name_to_user(a, false); }
int64_t sys_getpeername(const uint64_t a[6]) { return name_to_user(a, true); }

int64_t sys_shutdown(const uint64_t a[6])
{
    struct file *f;
    struct socket *s;
    int r = hold(a[0], &f, &s);
    if (r < 0) { return r; }
    r = (uint32_t)a[1] > 2 ? -EINVAL : s->ops->shutdown(s, (uint32_t)a[1] + 1);
    file_put(f);
    return r;
}

int64_t sys_setsockopt(const uint64_t a[6])
{
    struct file *f;
    struct socket *s;
    int64_t r = hold(a[0], &f, &s);
    if (r < 0) { return r; }
    r = (int32_t)a[4] < 0 ? -EINVAL : option_set(s, (int)a[1], (int)a[2], a[3], (uint32_t)a[4]);
    file_put(f);
    return r;
}

int64_t sys_getsockopt(const uint64_t a[6])
{
    struct file *f;
    struct socket *s;
    int64_t r = hold(a[0], &f, &s);
    if (r < 0) { return r; }
    r = option_get(s, (int)a[1], (int)a[2], a[3], a[4]);
    file_put(f);
    return r;
}

/* ---- messages -------------------------------------------------------------------------------- */

static bool dont_wait(const struct file *f, uint32_t flags)
{
    return (f->flags & LO_NONBLOCK) != 0 || (flags & LMSG_DONTWAIT) != 0;
}

int64_t sys_sendto(const uint64_t a[6])
{
    struct file *f;
    struct socket *s;
    struct msg m = {.flags = (uint32_t)a[3], .has_addr = a[4] != 0};
    struct uio u;
    int64_t r = hold(a[0], &f, &s);
    if (r < 0) { return r; }
    uint64_t len = min_u64(a[2], UIO_MAX);
    if ((m.flags & LMSG_OOB) != 0) {
        r = -EOPNOTSUPP;
    } else if (!user_range_ok(a[1], len)) {
        r = -EFAULT;
    } else if (m.has_addr) {
        r = addr_from_user(&m.addr, a[4], (uint32_t)a[5]);
    }
    if (r == 0) {
        uio_user(&u, a[1], len);
        r = send_all(s, &m, &u, dont_wait(f, m.flags));
    }
    file_put(f);
    return r;
}

int64_t sys_recvfrom(const uint64_t a[6])
{
    struct file *f;
    struct socket *s;
    struct msg m = {.flags = (uint32_t)a[3]};
    struct uio u;
    int64_t r = hold(a[0], &f, &s);
    if (r < 0) { return r; }
    uint64_t len = min_u64(a[2], UIO_MAX);
    if ((m.flags & LMSG_OOB) != 0) {
        r = -EINVAL;
    } else if ((m.flags & LMSG_ERRQUEUE) != 0) {
        r = -EAGAIN;
    } else if (!user_range_ok(a[1], len)) {
        r = -EFAULT;
    } else {
        uio_user(&u, a[1], len);
        r = recv_some(s, &m, &u, dont_wait(f, m.flags));
        msg_drop_rights(&m);
    }
    if (r >= 0 && socket_is_record(s) && (m.flags & LMSG_TRUNC) != 0) {
        r = (int64_t)max_u64((uint64_t)r, m.full_len);
    }
    if (r >= 0 && a[4] != 0) {
        int e = m.has_addr ? addr_to_user(&m.addr, a[4], a[5]) : put_user_u32(a[5], 0);
        if (e < 0) { r = e; }
    }
    file_put(f);
    return r;
}

/* A message header and its vector. *take_vec is the caller's to free. */
static int header_from_user(uint64_t va, struct lmsghdr *h, struct uio *u, struct uvec **take_vec)
{
    *take_vec = NULL;
    int r = copy_from_user(h, va, sizeof *h);
    if (r < 0) { return r; }
    if (h->iov_count > IOV_MAX) { return -EMSGSIZE; }
    return uio_vec(u, h->iov, h->iov_count, take_vec);
}

static int64_t send_message(struct file *f, struct socket *s, uint64_t va, uint32_t flags)
{
    struct lmsghdr h;
    struct uio u;
    struct uvec *vec;
    struct msg m = {.flags = flags};
    int64_t r = header_from_user(va, &h, &u, &vec);

    if (r == 0 && (flags & LMSG_OOB) != 0) { r = -EOPNOTSUPP; }
    if (r == 0 && h.name != 0 && h.name_len != 0) {
        r = addr_from_user(&m.addr, h.name, h.name_len);
        m.has_addr = true;
    }
    if (r == 0) { r = control_from_user(&m, &h); }
    if (r == 0 && m.rights_count > 0 && s->family != LAF_UNIX) { r = -EINVAL; }
    if (r == 0) { r = send_all(s, &m, &u, dont_wait(f, flags)); }
    msg_drop_rights(&m);
    mem_free(vec);
    return r;
}

static int64_t recv_message(struct file *f, struct socket *s, uint64_t va, uint32_t flags)
{
    struct lmsghdr h;
    struct uio u;
    struct uvec *vec;
    struct msg m = {.flags = flags};
    int64_t r = header_from_user(va, &h, &u, &vec);

    if (r == 0 && (flags & LMSG_OOB) != 0) { r = -EINVAL; }
    if (r == 0 && (flags & LMSG_ERRQUEUE) != 0) { r = -EAGAIN; }
    if (r == 0) { r = recv_some(s, &m, &u, dont_wait(f, flags)); }
    mem_free(vec);
    if (r < 0) {
        msg_drop_rights(&m);
        return r;
    }
    int64_t n = r;
    m.flags = flags & LMSG_CMSG_CLOEXEC;
    if (socket_is_record(s) && m.full_len > (uint64_t)n) { m.flags |= LMSG_TRUNC; }
    if (s->type == LSOCK_SEQPACKET && n > 0) { m.flags |= LMSG_EOR; }
    int e = control_to_user(&m, &h, (flags & LMSG_CMSG_CLOEXEC) != 0, s->passcred);
    /* name_len, control_len and flags are what the call gives back. */
    if (e == 0 && h.name != 0) {
        e = m.has_addr ? addr_to_user(&m.addr, h.name, va + 8) : put_user_u32(va + 8, 0);
    }
    if (e == 0) { e = put_user_u64(va + 40, h.control_len); }
    if (e == 0) { e = put_user_u32(va + 48, m.flags); }
    if (e < 0) { return e; }
    return socket_is_record(s) && (flags & LMSG_TRUNC) != 0
               ? (int64_t)max_u64((uint64_t)n, m.full_len)
               : n;
}

static int64_t one_message(const uint64_t a[6],
                           int64_t (*move)(struct file *, struct socket *, uint64_t, uint32_t))
{
    struct file *f;
    struct socket *s;
    int64_t r = hold(a[0], &f, &s);
    if (r < 0) { return r; }
    r = move(f, s, a[1], (uint32_t)a[2]);
    file_put(f);
    return r;
}

int64_t sys_sendmsg(const uint64_t a[6]) { return one_message(a, send_message); }
int64_t sys_recvmsg(const uint64_t a[6]) { return one_message(a, recv_message); }

struct lmmsghdr {
    struct lmsghdr hdr;
    uint32_t len, pad;
};
ABI_SIZE(struct lmmsghdr, 64);

static int64_t put_len(uint64_t va, int64_t n)
{
    return put_user_u32(va + sizeof(struct lmsghdr), (uint32_t)n);
}

int64_t sys_sendmmsg(const uint64_t a[6])
{
    struct file *f;
    struct socket *s;
    int64_t r = hold(a[0], &f, &s);
    if (r < 0) { return r; }
    uint32_t count = (uint32_t)min_u64((uint32_t)a[2], VLEN_MAX), done = 0;
    for (; r >= 0 && done < count; done++) {
        uint64_t va = a[1] + done * sizeof(struct lmmsghdr);
        r = send_message(f, s, va, (uint32_t)a[3]);
        if (r >= 0) { r = put_len(va, r); }
        if (r < 0) { break; }
    }
    file_put(f);
    return done > 0 ? done : r;
}

int64_t sys_recvmmsg(const uint64_t a[6])
{
    struct file *f;
    struct socket *s;
    uint64_t ts[2] = {0, 0}, until = NO_DEADLINE;
    if (a[4] != 0) {
        int e = copy_from_user(ts, a[4], sizeof ts);
        if (e < 0) { return e; }
        if ((int64_t)ts[0] < 0 || ts[1] >= 1000000000u) { return -EINVAL; }
        until = clock_mono_ns() + min_u64(ts[0], 1u << 30) * 1000000000u + ts[1];
    }
    int64_t r = hold(a[0], &f, &s);
    if (r < 0) { return r; }
    uint32_t flags = (uint32_t)a[3] & ~LMSG_WAITFORONE;
    uint32_t count = (uint32_t)min_u64((uint32_t)a[2], VLEN_MAX), done = 0;
    while (r >= 0 && done < count) {
        uint64_t va = a[1] + done * sizeof(struct lmmsghdr);
        r = recv_message(f, s, va, flags);
        if (r >= 0) { r = put_len(va, r); }
        if (r < 0) { break; }
        done++;
        if (((uint32_t)a[3] & LMSG_WAITFORONE) != 0) { flags |= LMSG_DONTWAIT; }
        if (clock_mono_ns() >= until) { break; }
    }
    file_put(f);
    return done > 0 ? done : r;
}
