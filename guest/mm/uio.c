/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One transfer in pieces, between the library OS and application memory or its own. mm.h states
 * the rules.
 */
#include "guest/mm/mm.h"

void uio_user(struct uio *u, uint64_t va, uint64_t len)
{
    *u = (struct uio){.count = 1, .one = {.base = va, .len = min_u64(len, UIO_MAX)}};
    u->vec = &u->one;
    u->left = u->one.len;
}

void uio_kernel(struct uio *u, void *p, uint64_t len)
{
    *u = (struct uio){
        .count = 1, .kernel = true, .one = {.base = (uint64_t)(uintptr_t)p, .len = len}};
    u->vec = &u->one;
    u->left = len;
}

int uio_vec(struct uio *u, uint64_t iov_va, uint64_t count, struct uvec **take_vec)
{
    *take_vec = NULL;
    *u = (struct uio){.vec = &u->one};
    if (count > IOV_MAX) { return -EINVAL; }
    if (count == 0) { return 0; }

    struct uvec *vec = mem_alloc(count * sizeof *vec);
    if (vec == NULL) { return -ENOMEM; }
    int r = copy_from_user(vec, iov_va, count * sizeof *vec);
    uint64_t total = 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (vec[i].len > INT64_MAX) {
            r = -EINVAL;
        } else if (!user_range_ok(vec[i].base, vec[i].len)) {
            r = vec[i].len == 0 ? 0 : -EFAULT;
        }
        vec[i].len = min_u64(vec[i].len, UIO_MAX - total);
        total += vec[i].len;
    }
    if (r < 0) {
        mem_free(vec);
        return r;
    }
    *u = (struct uio){.vec = vec, .count = count, .left = total};
    *take_vec = vec;
    return 0;
}

enum direction { PUT, GET, ZERO };

static size_t move_user(uint64_t va, void *own, size_t len, enum direction d)
{
    if (d == PUT) { return copy_to_user_part(va, own, len); }
    if (d == GET) { return copy_from_user_part(own, va, len); }
    return clear_user_part(va, len);
}

static size_t move_kernel(uint64_t va, void *own, size_t len, enum direction d)
{
    void *p = (void *)(uintptr_t)va;
    if (d == PUT) {
        memcpy(p, own, len);
    } else if (d == GET) {
        memcpy(own, p, len);
    } else {
        memset(p, 0, len);
    }
    return len;
}

static size_t uio_move(struct uio *u, char *own, size_t len, enum direction d)
{
    size_t done = 0;
    while (done < len && u->left > 0) {
        const struct uvec *v = &u->vec[u->at];
        if (u->off == v->len) {
            u->at++;
            u->off = 0;
            continue;
        }
        size_t n = min_u64(len - done, v->len - u->off);
        char *at = own != NULL ? own + done : NULL;
        size_t moved = u->kernel ? move_kernel(v->base + u->off, at, n, d)
                                 : move_user(v->base + u->off, at, n, d);
        done += moved;
        u->off += moved;
        u->left -= moved;
        if (moved < n) { break; }
    }
    return done;
}

size_t uio_put(struct uio *u, const void *src, size_t len)
{
    return uio_move(u, (char *)(uintptr_t)src, len, PUT);
}

size_t uio_get(struct uio *u, void *dst, size_t len) { return uio_move(u, dst, len, GET); }

size_t uio_zero(struct uio *u, size_t len) { return uio_move(u, NULL, len, ZERO); }
