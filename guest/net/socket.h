/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket, private to net/.
 *
 *   socket.c   system calls: decode, check, wait; the open file of a socket
 *   msg.c      messages: sendmsg and recvmsg structures, addresses, passed descriptors
 *   option.c   getsockopt and setsockopt
 *   queue.c    what waits to be received
 *   local.c    a connection inside the guest: unix sockets and loopback move bytes the same way
 *   unix.c     AF_UNIX: names, connect, datagrams
 *   inet.c     AF_INET and AF_INET6: ports, loopback, and connections that the monitor carries out
 *
 * Families never wait: they answer -EAGAIN and socket.c waits on the queue they name, so that
 * timeouts, O_NONBLOCK and signals are handled once.
 *
 * References: the open file holds one, a connected peer one, a listener one for each connection in
 * its backlog, and whoever sleeps in a call one.
 */
#ifndef CASEMATE_GUEST_NET_SOCKET_H
#define CASEMATE_GUEST_NET_SOCKET_H

#include "guest/abi/stream_socket.h"
#include "guest/fs/fs.h"
#include "guest/mm/mm.h"
#include "guest/task/task.h"

#define LAF_UNSPEC      0
#define LAF_UNIX        1
#define LAF_INET        2
#define LAF_INET6       10
#define LSOCK_STREAM    1
#define LSOCK_DGRAM     2
#define LSOCK_SEQPACKET 5
#define LSOCK_NONBLOCK  04000u
#define LSOCK_CLOEXEC   02000000u

#define LMSG_OOB          0x1u
#define LMSG_PEEK         0x2u
#define LMSG_CTRUNC       0x8u
#define LMSG_TRUNC        0x20u
#define LMSG_DONTWAIT     0x40u
#define LMSG_EOR          0x80u
#define LMSG_WAITALL      0x100u
#define LMSG_ERRQUEUE     0x2000u
#define LMSG_NOSIGNAL     0x4000u
#define LMSG_WAITFORONE   0x10000u
#define LMSG_CMSG_CLOEXEC 0x40000000u

#define LSHUT_RD 1u /* bits of struct socket.shut */
#define LSHUT_WR 2u

#define UNIX_PATH_MAX 108
#define BUF_DEFAULT   212992u /* bytes, as Linux */
#define BUF_MIN       4608u
#define BUF_MAX       4194304u
#define STORED_MAX    12u
#define RIGHTS_MAX    253u /* descriptors in one message, as Linux */

struct sock_addr {
    uint16_t family; /* LAF_*; LAF_UNSPEC = none */
    struct stream_addr inet;
    uint8_t path[UNIX_PATH_MAX]; /* abstract names begin with NUL */
    uint8_t path_len;            /* 0 = unnamed */
};

struct ucred {
    int32_t pid;
    uint32_t uid, gid;
};

/* What travels beside the bytes of one message. */
struct msg {
    struct sock_addr addr; /* send: destination; receive: source */
    bool has_addr;
    struct file **rights; /* referenced; owned by whoever holds the msg */
    uint32_t rights_count;
    struct ucred cred;
    bool has_cred;
    uint32_t flags;    /* LMSG_* of the call; on receive also of the result */
    uint64_t full_len; /* receive of a record: its length before it was cut */
};

struct seg; /* queue.c */
struct queue {
    struct list segs;
    size_t bytes; /* content */
    size_t used;  /* memory, what limits count */
};

struct socket {
    const struct family *ops;
    uint32_t refs;
    uint16_t family, type;
    int protocol;
    enum { SOCK_FRESH, SOCK_LISTENING, SOCK_CONNECTING, SOCK_CONNECTED, SOCK_DEAD } state;
    uint32_t shut;     /* LSHUT_*: what this side closed */
    int error;         /* positive; SO_ERROR, once */
    struct waitq wait; /* readable, writable, accepted, connected */
    struct waitq room; /* datagram senders of others: room in rx */

    struct queue rx;
    uint32_t rcvbuf, sndbuf;
    bool peer_done;      /* no more bytes will come: EOF after rx */
    bool peer_gone;      /* writing is pointless */
    struct socket *peer; /* referenced */

    struct list backlog; /* of struct socket.link: connected, not yet accepted */
    uint32_t backlog_count, backlog_max;
    struct list link; /* in a listener's backlog */

    struct list bound; /* in the family's table of names */
    struct sock_addr local, remote;
    struct inode *inode;   /* unix: the name in the file system; referenced */
    struct stream *stream; /* inet: carried out by the monitor */
    struct ucred cred, peer_cred;

    bool bound_by_name; /* the program chose the port */
    bool reuseaddr, reuseport, broadcast, passcred, v6only, keepalive, nodelay;
    int32_t linger_s;                        /* -1 = off */
    uint64_t rcv_timeout_ns, snd_timeout_ns; /* 0 = none */
    struct {
        int32_t level, name, value;
    } stored[STORED_MAX]; /* options that are only read back */
    uint32_t stored_count;
};

struct family {
    int (*bind)(struct socket *s, const struct sock_addr *a);
    int (*listen)(struct socket *s, uint32_t backlog);
    /*
     * 0, or -EINPROGRESS: `wait` tells when state changes. -EAGAIN: waits for room in the
     * listener's backlog (`at`).
     */
    int (*connect)(struct socket *s, const struct sock_addr *a, struct waitq **at);
    /* A connected socket with the backlog's reference, or -EAGAIN. */
    int (*accept)(struct socket *s, struct socket **out);
    /*
     * Bytes, or -EAGAIN with the queue to wait on. Takes m's descriptors when it returns a count.
     */
    int64_t (*send)(struct socket *s, struct msg *m, struct uio *u, struct waitq **at);
    int64_t (*recv)(struct socket *s, struct msg *m, struct uio *u);
    uint32_t (*poll)(struct socket *s, struct poller *p);
    int (*shutdown)(struct socket *s, uint32_t how);
    uint64_t (*readable)(struct socket *s);                       /* FIONREAD */
    void (*option)(struct socket *s, uint32_t id, int32_t value); /* STREAM_OPTION_*; may be NULL */
    void (*close)(struct socket *s);                              /* the open file is gone */
};
extern const struct family unix_stream, unix_dgram, inet_stream, inet_dgram;

/* ---- socket.c -------------------------------------------------------------------------------- */

struct socket *socket_new(uint16_t family, uint16_t type,
                          int protocol); /* one reference; NULL: no memory */
void socket_get(struct socket *s);
void socket_put(struct socket *s);
struct file *socket_file(struct socket *take_s, uint32_t flags); /* NULL: no memory, s is gone */
struct socket *file_socket(struct file *f);                      /* NULL: not a socket */
int socket_take_error(struct socket *s);                         /* 0 or -errno; clears it */
static inline bool socket_is_record(const struct socket *s) { return s->type != LSOCK_STREAM; }
struct ucred ucred_current(void);

/* ---- msg.c ----------------------------------------------------------------------------------- */

#define ADDR_BYTES_MAX 128
MUST_CHECK int addr_from_user(struct sock_addr *out, uint64_t va, uint64_t len);
/* Writes at most *len_va bytes and sets *len_va to the whole length, as getsockname() does. */
MUST_CHECK int addr_to_user(const struct sock_addr *a, uint64_t va, uint64_t len_va);
void msg_drop_rights(struct msg *m);
struct lmsghdr {
    uint64_t name;
    uint32_t name_len, pad;
    uint64_t iov, iov_count, control, control_len;
    uint32_t flags, pad2;
};
ABI_SIZE(struct lmsghdr, 56);
MUST_CHECK int control_from_user(struct msg *m, const struct lmsghdr *h);
/* Installs descriptors, writes what fits; sets control_len and LMSG_CTRUNC. */
MUST_CHECK int control_to_user(struct msg *m, struct lmsghdr *h, bool cloexec, bool passcred);

/* ---- queue.c --------------------------------------------------------------------------------- */

void queue_init(struct queue *q);
void queue_clear(struct queue *q);
/*
 * Bytes as a stream: at most `limit` bytes of memory in use. Bytes moved, -EAGAIN, -EFAULT,
 * -ENOMEM. Rights go with the first.
 */
int64_t queue_put_stream(struct queue *q, struct uio *u, struct msg *m, size_t limit);
/* One record, whole or not at all; from is the source. */
int64_t queue_put_record(struct queue *q, struct uio *u, struct msg *m,
                         const struct sock_addr *from, size_t limit);
/* Bytes; -EAGAIN when there is nothing. A stream read stops where descriptors change. */
int64_t queue_get_stream(struct queue *q, struct uio *u, struct msg *m);
int64_t queue_get_record(struct queue *q, struct uio *u, struct msg *m);
bool queue_empty(const struct queue *q);
uint64_t queue_next_len(const struct queue *q); /* of the first record */

/* ---- local.c --------------------------------------------------------------------------------- */

void local_pair(struct socket *a, struct socket *b); /* both fresh: connected to each other */
/* A new connection in the listener's backlog, connected to s. -EAGAIN: full. */
int local_connect(struct socket *s, struct socket *listener);
int local_accept(struct socket *s, struct socket **out);
int64_t local_send(struct socket *s, struct msg *m, struct uio *u, struct waitq **at);
int64_t local_recv(struct socket *s, struct msg *m, struct uio *u);
uint32_t local_poll(struct socket *s, struct poller *p);
int local_shutdown(struct socket *s, uint32_t how);
void local_close(struct socket *s); /* tells the peer, empties the backlog */

/* ---- inet.c ---------------------------------------------------------------------------------- */

int inet_bind(struct socket *s, const struct sock_addr *a);
uint32_t inet_ring_size(void); /* the more connections, the smaller their rings */

/* ---- option.c -------------------------------------------------------------------------------- */

int64_t option_get(struct socket *s, int level, int name, uint64_t va, uint64_t len_va);
int64_t option_set(struct socket *s, int level, int name, uint64_t va, uint32_t len);

/* ---- iface.c --------------------------------------------------------------------------------- */

int iface_ioctl(uint32_t cmd, uint64_t va); /* -ENOTTY: not about interfaces */

#endif
