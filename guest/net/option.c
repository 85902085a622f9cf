/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Socket options. Some act here, some are passed on to the monitor's socket, many are hints about a
 * network stack that is not here: those are stored and read back. What is in no table is
 * ENOPROTOOPT; what would change meaning if ignored is refused.
 */
#include "guest/net/socket.h"

#define SOL_SOCKET_ 1
#define SOL_IP_     0
#define SOL_TCP_    6
#define SOL_UDP_    17
#define SOL_IPV6_   41

enum {
    SO_REUSEADDR_ = 2,
    SO_TYPE_ = 3,
    SO_ERROR_ = 4,
    SO_BROADCAST_ = 6,
    SO_SNDBUF_ = 7,
    SO_RCVBUF_ = 8,
    SO_KEEPALIVE_ = 9,
    SO_LINGER_ = 13,
    SO_REUSEPORT_ = 15,
    SO_PASSCRED_ = 16,
    SO_PEERCRED_ = 17,
    SO_RCVTIMEO_ = 20,
    SO_SNDTIMEO_ = 21,
    SO_ATTACH_FILTER_ = 26,
    SO_ACCEPTCONN_ = 30,
    SO_SNDBUFFORCE_ = 32,
    SO_RCVBUFFORCE_ = 33,
    SO_PROTOCOL_ = 38,
    SO_DOMAIN_ = 39,
    SO_ATTACH_BPF_ = 50,
    TCP_NODELAY_ = 1,
    IPV6_V6ONLY_ = 26,
};

/* Stored and read back; `pass` names the monitor's option, if it has one. */
static const struct {
    int level, name, initial;
    uint32_t pass;
} plain[] = {
    {SOL_SOCKET_, 5, 0, 0},  /* DONTROUTE */
    {SOL_SOCKET_, 10, 0, 0}, /* OOBINLINE */
    {SOL_SOCKET_, 12, 0, 0}, /* PRIORITY */
    {SOL_SOCKET_, 18, 1, 0}, /* RCVLOWAT */
    {SOL_SOCKET_, 29, 0, 0}, /* TIMESTAMP */
    {SOL_SOCKET_, 34, 0, 0}, /* PASSSEC */
    {SOL_SOCKET_, 46, 0, 0}, /* BUSY_POLL */
    {SOL_SOCKET_, 56, 0, 0}, /* INCOMING_NAPI_ID */
    {SOL_SOCKET_, 60, 0, 0}, /* ZEROCOPY */
    {SOL_TCP_, 2, 536, 0},   /* MAXSEG */
    {SOL_TCP_, 3, 0, 0},     /* CORK */
    {SOL_TCP_, 4, 7200, STREAM_OPTION_KEEPIDLE},
    {SOL_TCP_, 5, 75, STREAM_OPTION_KEEPINTVL},
    {SOL_TCP_, 6, 9, STREAM_OPTION_KEEPCNT},
    {SOL_TCP_, 7, 6, 0},    /* SYNCNT */
    {SOL_TCP_, 8, 60, 0},   /* LINGER2 */
    {SOL_TCP_, 9, 0, 0},    /* DEFER_ACCEPT */
    {SOL_TCP_, 12, 1, 0},   /* QUICKACK */
    {SOL_TCP_, 18, 0, 0},   /* USER_TIMEOUT */
    {SOL_TCP_, 23, 0, 0},   /* FASTOPEN */
    {SOL_TCP_, 25, -1, 0},  /* NOTSENT_LOWAT */
    {SOL_TCP_, 30, 0, 0},   /* FASTOPEN_CONNECT */
    {SOL_UDP_, 1, 0, 0},    /* CORK */
    {SOL_IP_, 1, 0, 0},     /* TOS */
    {SOL_IP_, 2, 64, 0},    /* TTL */
    {SOL_IP_, 8, 0, 0},     /* PKTINFO */
    {SOL_IP_, 10, 1, 0},    /* MTU_DISCOVER */
    {SOL_IP_, 11, 0, 0},    /* RECVERR */
    {SOL_IP_, 12, 0, 0},    /* RECVTTL */
    {SOL_IP_, 13, 0, 0},    /* RECVTOS */
    {SOL_IP_, 15, 0, 0},    /* FREEBIND */
    {SOL_IP_, 24, 0, 0},    /* BIND_ADDRESS_NO_PORT */
    {SOL_IPV6_, 16, 64, 0}, /* UNICAST_HOPS */
    {SOL_IPV6_, 23, 1, 0},  /* MTU_DISCOVER */
    {SOL_IPV6_, 25, 0, 0},  /* RECVERR */
    {SOL_IPV6_, 49, 0, 0},  /* RECVPKTINFO */
    {SOL_IPV6_, 51, 0, 0},  /* RECVHOPLIMIT */
    {SOL_IPV6_, 66, 0, 0},  /* RECVTCLASS */
    {SOL_IPV6_, 67, 0, 0},  /* TCLASS */
};

/* Does the level belong to this kind of socket? */
static bool level_fits(const struct socket *s, int level)
{
    switch (level) {
    case SOL_SOCKET_: return true;
    case SOL_TCP_: return s->family != LAF_UNIX && s->type == LSOCK_STREAM;
    case SOL_UDP_: return s->family != LAF_UNIX && s->type == LSOCK_DGRAM;
    case SOL_IP_: return s->family != LAF_UNIX;
    case SOL_IPV6_: return s->family == LAF_INET6;
    default: return false;
    }
}

static int find_plain(int level, int name)
{
    for (size_t i = 0; i < ARRAY_COUNT(plain); i++) {
        if (plain[i].level == level && plain[i].name == name) { return (int)i; }
    }
    return -1;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int64_t give(const void *value, size_t size, uint64_t va, uint64_t len_va)
{
    uint32_t len = 0;
    int r = get_user_u32(len_va, &len);
    if (r < 0) { return r; }
    if ((int32_t)len < 0) { return -EINVAL; }
    len = (uint32_t)min_u64(len, size);
    r = copy_to_user(va, value, len);
    return r < 0 ? r : put_user_u32(len_va, len);
}

static int64_t give_int(int32_t v, uint64_t va, uint64_t len_va)
{
    return give(&v, sizeof v, va, len_va);
}

static int64_t give_time(uint64_t ns, uint64_t va, uint64_t len_va)
{
    int64_t tv[2] = {(int64_t)(ns / 1000000000u), (int64_t)(ns % 1000000000u / 1000u)};
    return give(tv, sizeof tv, va, len_va);
}

static int64_t get_socket(struct socket *s, int name, uint64_t va, uint64_t len_va)
{
    int32_t linger[2] = {s->linger_s >= 0, s->linger_s >= 0 ? s->linger_s : 0};

    switch (name) {
    case SO_REUSEADDR_: return give_int(s->reuseaddr, va, len_va);
    case SO_REUSEPORT_: return give_int(s->reuseport, va, len_va);
    case SO_TYPE_: return give_int(s->type, va, len_va);
    case SO_ERROR_: return give_int(-socket_take_error(s), va, len_va);
    case SO_BROADCAST_: return give_int(s->broadcast, va, len_va);
    case SO_SNDBUF_: return give_int((int32_t)s->sndbuf, va, len_va);
    case SO_RCVBUF_: return give_int((int32_t)s->rcvbuf, va, len_va);
    case SO_KEEPALIVE_: return give_int(s->keepalive, va, len_va);
    case SO_LINGER_: return give(linger, sizeof linger, va, len_va);
    case SO_PASSCRED_: return give_int(s->passcred, va, len_va);
    case SO_PEERCRED_: return give(&s->peer_cred, sizeof s->peer_cred, va, len_va);
    case SO_RCVTIMEO_: return give_time(s->rcv_timeout_ns, va, len_va);
    case SO_SNDTIMEO_: return give_time(s->snd_timeout_ns, va, len_va);
    case SO_ACCEPTCONN_: return give_int(s->state == SOCK_LISTENING, va, len_va);
    case SO_PROTOCOL_: return give_int(s->protocol, va, len_va);
    case SO_DOMAIN_: return give_int(s->family, va, len_va);
    default: return -ENOPROTOOPT;
    }
}

int64_t option_get(struct socket *s, int level, int name, uint64_t va, uint64_t len_va)
{
    int i = find_plain(level, name);

    if (!level_fits(s, level)) { return -EOPNOTSUPP; }
    if (level == SOL_TCP_ && name == TCP_NODELAY_) { return give_int(s->nodelay, va, len_va); }
    if (level == SOL_IPV6_ && name == IPV6_V6ONLY_) { return give_int(s->v6only, va, len_va); }
    if (i < 0) { return level == SOL_SOCKET_ ? get_socket(s, name, va, len_va) : -ENOPROTOOPT; }
    for (uint32_t k = 0; k < s->stored_count; k++) {
        if (s->stored[k].level == level && s->stored[k].name == name) {
            return give_int(s->stored[k].value, va, len_va);
        }
    }
    return give_int(plain[i].initial, va, len_va);
}

/* ---- setting --------------------------------------------------------------------------------- */

static int store(struct socket *s, int level, int name, int32_t value)
{
    uint32_t k = 0;
    while (k < s->stored_count && (s->stored[k].level != level || s->stored[k].name != name)) {
        k++;
    }
    if (k == STORED_MAX) { return -ENOBUFS; }
    if (k == s->stored_count) { s->stored_count++; }
    s->stored[k].level = level;
    s->stored[k].name = name;
    s->stored[k].value = value;
    return 0;
}

static int set_time(uint64_t *out_ns, uint64_t va, uint32_t len)
{
    int64_t tv[2];
    if (len < sizeof tv) { return -EINVAL; }
    int r = copy_from_user(tv, va, sizeof tv);
    if (r < 0) { return r; }
    if (tv[1] < 0 || tv[1] >= 1000000) { return -EDOM; }
    uint64_t s = tv[0] < 0 ? 0 : min_u64((uint64_t)tv[0], 1u << 30);
    *out_ns = s * 1000000000u + (uint64_t)tv[1] * 1000u;
    return 0;
}

static int set_linger(struct socket *s, uint64_t va, uint32_t len)
{
    int32_t linger[2];
    if (len < sizeof linger) { return -EINVAL; }
    int r = copy_from_user(linger, va, sizeof linger);
    if (r == 0) {
        s->linger_s = linger[0] != 0 ? (int32_t)max_u64(0, (uint64_t)(uint32_t)linger[1]) : -1;
    }
    return r;
}

/* Linux doubles what is asked for, and shows the double. */
static uint32_t buffer(int32_t v)
{
    uint64_t want = v < 0 ? BUF_MAX : (uint64_t)v * 2;
    return (uint32_t)min_u64(max_u64(want, BUF_MIN), BUF_MAX);
}

static int set_socket(struct socket *s, int name, int32_t v)
{
    switch (name) {
    case SO_REUSEADDR_: s->reuseaddr = v != 0; return 0;
    case SO_REUSEPORT_: s->reuseport = v != 0; return 0;
    case SO_BROADCAST_: s->broadcast = v != 0; return 0;
    case SO_SNDBUF_:
    case SO_SNDBUFFORCE_: s->sndbuf = buffer(v); return 0;
    case SO_RCVBUF_:
    case SO_RCVBUFFORCE_: s->rcvbuf = buffer(v); return 0;
    case SO_KEEPALIVE_:
        s->keepalive = v != 0;
        if (s->ops->option != NULL) { s->ops->option(s, STREAM_OPTION_KEEPALIVE, s->keepalive); }
        return 0;
    case SO_PASSCRED_: s->passcred = v != 0; return 0;
    case SO_ATTACH_FILTER_:
    case SO_ATTACH_BPF_:
        return -EPERM; /* to accept it and not filter would change what programs see */
    default: return -ENOPROTOOPT;
    }
}

static int set_plain(struct socket *s, int i, int32_t v)
{
    int r = store(s, plain[i].level, plain[i].name, v);
    if (r == 0 && plain[i].pass != 0) {
        int32_t max = plain[i].pass == STREAM_OPTION_KEEPCNT ? 127 : 32767;
        if (v < 1 || v > max) { return -EINVAL; }
        if (s->ops->option != NULL) { s->ops->option(s, plain[i].pass, v); }
    }
    return r;
}

int64_t option_set(struct socket *s, int level, int name, uint64_t va, uint32_t len)
{
    int32_t v = 0;
    int i = find_plain(level, name);

    if (!level_fits(s, level)) { return -ENOPROTOOPT; }
    if (level == SOL_SOCKET_ && name == SO_LINGER_) { return set_linger(s, va, len); }
    if (level == SOL_SOCKET_ && name == SO_RCVTIMEO_) {
        return set_time(&s->rcv_timeout_ns, va, len);
    }
    if (level == SOL_SOCKET_ && name == SO_SNDTIMEO_) {
        return set_time(&s->snd_timeout_ns, va, len);
    }
    /* IP options may be given as one byte. */
    if (len < sizeof v && !(level == SOL_IP_ && len > 0)) { return -EINVAL; }
    int r = copy_from_user(&v, va, min_u64(len, sizeof v));
    if (r < 0) { return r; }
    if (level == SOL_TCP_ && name == TCP_NODELAY_) {
        s->nodelay = v != 0;
        if (s->ops->option != NULL) { s->ops->option(s, STREAM_OPTION_NODELAY, s->nodelay); }
        return 0;
    }
    if (level == SOL_IPV6_ && name == IPV6_V6ONLY_) {
        if (s->local.inet.port != 0) { return -EINVAL; }
        s->v6only = v != 0;
        return 0;
    }
    if (i >= 0) { return set_plain(s, i, v); }
    return level == SOL_SOCKET_ ? set_socket(s, name, v) : -ENOPROTOOPT;
}
