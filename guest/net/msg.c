/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structures of sendmsg and recvmsg: addresses and control messages, from and to application
 * memory. [cmsg(3)]
 */
#include "guest/net/socket.h"

#define SOL_SOCKET_      1
#define SCM_RIGHTS_      1
#define SCM_CREDENTIALS_ 2
#define CONTROL_MAX      8192u

struct lcmsghdr {
    uint64_t len; /* with this header */
    int32_t level, type;
};
ABI_SIZE(struct lcmsghdr, 16);

static size_t cmsg_align(size_t n) { return (n + 7) & ~(size_t)7; }

/* ---- addresses ------------------------------------------------------------------------------- */

static uint16_t be16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }

static int unix_from(struct sock_addr *out, const uint8_t *b, size_t len)
{
    size_t n = len - 2;
    if (n > UNIX_PATH_MAX) { return -EINVAL; }
    memcpy(out->path, b + 2, n);
    /* A path ends at its NUL; an abstract name is all its bytes. */
    if (n > 0 && out->path[0] != 0) { n = strnlen((const char *)out->path, n); }
    out->path_len = (uint8_t)n;
    return 0;
}

static int inet_from(struct sock_addr *out, const uint8_t *b, size_t len)
{
    bool six = out->family == LAF_INET6;
    if (len < (six ? 24u : 16u)) { return -EINVAL; }
    out->inet.family = six ? STREAM_AF_INET6 : STREAM_AF_INET;
    out->inet.port = be16(b + 2);
    memcpy(out->inet.ip, b + (six ? 8 : 4), six ? 16 : 4);
    if (six && len >= 28) { memcpy(&out->inet.scope, b + 24, 4); }
    return 0;
}

int addr_from_user(struct sock_addr *out, uint64_t va, uint64_t len)
{
    uint8_t b[ADDR_BYTES_MAX];
    if (len > sizeof b || len < 2) { return -EINVAL; }
    int r = copy_from_user(b, va, len);
    if (r < 0) { return r; }
    *out = (struct sock_addr){.family = (uint16_t)(b[0] | b[1] << 8)};
    switch (out->family) {
    case LAF_UNIX: return unix_from(out, b, len);
    case LAF_INET:
    case LAF_INET6: return inet_from(out, b, len);
    case LAF_UNSPEC: return 0;
    default: return -EAFNOSUPPORT;
    }
}

/* Bytes of the address. */
static size_t addr_bytes(const struct sock_addr *a, uint8_t b[static ADDR_BYTES_MAX])
{
    memset(b, 0, ADDR_BYTES_MAX);
    b[0] = (uint8_t)a->family;
    if (a->family == LAF_UNIX) {
        memcpy(b + 2, a->path, a->path_len);
        /* A path is shown with its NUL. */
        return 2 + a->path_len + (a->path_len > 0 && a->path[0] != 0 ? 1u : 0u);
    }
    if (a->family != LAF_INET && a->family != LAF_INET6) { return 2; }
    b[2] = (uint8_t)(a->inet.port >> 8);
    b[3] = (uint8_t)a->inet.port;
    if (a->family == LAF_INET) {
        memcpy(b + 4, a->inet.ip, 4);
        return 16;
    }
    memcpy(b + 8, a->inet.ip, 16);
    memcpy(b + 24, &a->inet.scope, 4);
    return 28;
}

int addr_to_user(const struct sock_addr *a, uint64_t va, uint64_t len_va)
{
    uint8_t b[ADDR_BYTES_MAX];
    uint32_t have = 0;
    int r = get_user_u32(len_va, &have);
    if (r < 0) { return r; }
    if ((int32_t)have < 0) { return -EINVAL; }
    size_t len = addr_bytes(a, b);
    r = copy_to_user(va, b, min_u64(len, have));
    return r < 0 ? r : put_user_u32(len_va, (uint32_t)len);
}

/* ---- control messages, in -------------------------------------------------------------------- */

void msg_drop_rights(struct msg *m)
{
    for (uint32_t i = 0; i < m->rights_count; i++) { file_put(m->rights[i]); }
    mem_free(m->rights);
    m->rights = NULL;
    m->rights_count = 0;
}

static int rights_from(struct msg *m, const uint8_t *p, size_t len)
{
    size_t count = len / sizeof(int32_t);
    if (count == 0) { return 0; }
    if (m->rights != NULL || count > RIGHTS_MAX) { return -EINVAL; }
    m->rights = mem_alloc(count * sizeof *m->rights);
    if (m->rights == NULL) { return -ENOMEM; }
    for (size_t i = 0; i < count; i++) {
        int32_t fd;
        memcpy(&fd, p + i * sizeof fd, sizeof fd);
        struct file *f = fd_file(fd);
        if (f == NULL) { return -EBADF; }
        file_get(f);
        m->rights[m->rights_count++] = f;
    }
    return 0;
}

static int cred_from(struct msg *m, const uint8_t *p, size_t len)
{
    const struct cred *own = &current_proc()->cred;
    if (len != sizeof m->cred) { return -EINVAL; }
    memcpy(&m->cred, p, sizeof m->cred);
    bool root = own->euid == 0;
    if (!root && (m->cred.pid != current_proc()->pid || m->cred.uid != own->ruid ||
                  m->cred.gid != own->rgid)) {
        return -EPERM;
    }
    m->has_cred = true;
    return 0;
}

static int control_walk(struct msg *m, const uint8_t *b, size_t len)
{
    for (size_t at = 0; len - at >= sizeof(struct lcmsghdr);) {
        struct lcmsghdr h;
        memcpy(&h, b + at, sizeof h);
        if (h.len < sizeof h || h.len > len - at) { return -EINVAL; }
        const uint8_t *data = b + at + sizeof h;
        int r = 0;
        if (h.level == SOL_SOCKET_ && h.type == SCM_RIGHTS_) {
            r = rights_from(m, data, h.len - sizeof h);
        } else if (h.level == SOL_SOCKET_ && h.type == SCM_CREDENTIALS_) {
            r = cred_from(m, data, h.len - sizeof h);
        } else if (h.level == SOL_SOCKET_) {
            r = -EINVAL;
        }
        if (r < 0) { return r; }
        size_t step = cmsg_align(h.len);
        if (step > len - at) { break; }
        at += step;
    }
    return 0;
}

int control_from_user(struct msg *m, const struct lmsghdr *h)
{
    if (h->control_len == 0) { return 0; }
    if (h->control_len > CONTROL_MAX) { return -ENOBUFS; }
    uint8_t *b = mem_alloc(h->control_len);
    if (b == NULL) { return -ENOMEM; }
    int r = copy_from_user(b, h->control, h->control_len);
    if (r == 0) { r = control_walk(m, b, h->control_len); }
    mem_free(b);
    if (r < 0) { msg_drop_rights(m); }
    return r;
}

/* ---- control messages, out ------------------------------------------------------------------- */

struct out {
    uint64_t va, left, used;
    bool cut;
};

static int put_cmsg(struct out *o, int32_t type, const void *data, size_t len)
{
    struct lcmsghdr h = {.len = sizeof h + len, .level = SOL_SOCKET_, .type = type};
    if (o->left < h.len) {
        o->cut = true;
        return 0;
    }
    int r = copy_to_user(o->va + o->used, &h, sizeof h);
    if (r == 0) { r = copy_to_user(o->va + o->used + sizeof h, data, len); }
    uint64_t step = min_u64(cmsg_align(h.len), o->left);
    o->used += step;
    o->left -= step;
    return r;
}

/* As many descriptors as there is room for; the others are closed. */
static int put_rights(struct out *o, struct msg *m, bool cloexec)
{
    int32_t fds[RIGHTS_MAX];
    uint64_t room =
        o->left > sizeof(struct lcmsghdr) ? (o->left - sizeof(struct lcmsghdr)) / sizeof fds[0] : 0;
    uint32_t count = 0;

    if (room < m->rights_count) { o->cut = true; }
    while (count < m->rights_count && count < room) {
        file_get(m->rights[count]);
        int fd = fd_install(m->rights[count], cloexec);
        if (fd < 0) {
            o->cut = true;
            break;
        }
        fds[count++] = fd;
    }
    return count > 0 ? put_cmsg(o, SCM_RIGHTS_, fds, count * sizeof fds[0]) : 0;
}

int control_to_user(struct msg *m, struct lmsghdr *h, bool cloexec, bool passcred)
{
    struct out o = {.va = h->control, .left = h->control_len};
    int r = 0;

    if (passcred) {
        if (!m->has_cred) { m->cred = (struct ucred){.uid = 65534, .gid = 65534}; }
        r = put_cmsg(&o, SCM_CREDENTIALS_, &m->cred, sizeof m->cred);
    }
    if (r == 0 && m->rights_count > 0) { r = put_rights(&o, m, cloexec); }
    msg_drop_rights(m);
    h->control_len = o.used;
    if (o.cut) { m->flags |= LMSG_CTRUNC; }
    return r;
}
