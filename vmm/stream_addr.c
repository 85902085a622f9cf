/* SPDX-License-Identifier: Apache-2.0 */
/* See stream_addr.h. */
#include "vmm/stream_addr.h"

#include <string.h>

socklen_t stream_addr_out(const struct stream_addr *a, union sockaddr_any *out)
{
    memset(out, 0, sizeof *out);
    if (a->family == STREAM_AF_INET) {
        out->in.sin_family = AF_INET;
        out->in.sin_port = htons(a->port);
        memcpy(&out->in.sin_addr, a->ip, 4);
        return sizeof out->in;
    }
    out->in6.sin6_family = AF_INET6;
    out->in6.sin6_port = htons(a->port);
    out->in6.sin6_scope_id = a->scope;
    memcpy(&out->in6.sin6_addr, a->ip, 16);
    return sizeof out->in6;
}

struct stream_addr stream_addr_in(const union sockaddr_any *a)
{
    struct stream_addr r = {0};
    if (a->any.sa_family == AF_INET) {
        r.family = STREAM_AF_INET;
        r.port = ntohs(a->in.sin_port);
        memcpy(r.ip, &a->in.sin_addr, 4);
    } else if (a->any.sa_family == AF_INET6) {
        r.family = STREAM_AF_INET6;
        r.port = ntohs(a->in6.sin6_port);
        r.scope = a->in6.sin6_scope_id;
        memcpy(r.ip, &a->in6.sin6_addr, 16);
    }
    return r;
}

struct stream_addr stream_addr_read(struct cur *c)
{
    struct stream_addr a = {.family = cur_u16le(c), .port = cur_u16le(c), .scope = cur_u32le(c)};
    struct view ip = cur_sub(c, sizeof a.ip);
    if (ip.p != NULL) { memcpy(a.ip, ip.p, sizeof a.ip); }
    return a;
}

static bool zeros(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != 0) { return false; }
    }
    return true;
}

bool stream_addr_ok(const struct stream_addr *a)
{
    if (a->family == STREAM_AF_INET) { return a->scope == 0 && zeros(a->ip + 4, 12); }
    return a->family == STREAM_AF_INET6;
}

bool stream_addr_is_any(const struct stream_addr *a) { return zeros(a->ip, sizeof a->ip); }

bool stream_addr_is_local(const struct stream_addr *a)
{
    if (a->family == STREAM_AF_INET) { return a->ip[0] == 127 || a->ip[0] == 0; }
    if (zeros(a->ip, 10) && a->ip[10] == 0xff && a->ip[11] == 0xff) {
        return a->ip[12] == 127 || a->ip[12] == 0;
    }
    return zeros(a->ip, 15) && a->ip[15] <= 1; /* ::, ::1 */
}

struct stream_addr stream_addr_of(int fd, bool peer)
{
    union sockaddr_any a;
    socklen_t len = sizeof a;
    memset(&a, 0, sizeof a);
    int r = peer ? getpeername(fd, &a.any, &len) : getsockname(fd, &a.any, &len);
    return r == 0 ? stream_addr_in(&a) : (struct stream_addr){0};
}
