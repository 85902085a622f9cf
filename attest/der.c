/* SPDX-License-Identifier: Apache-2.0 */
/* See der.h. */
#include "attest/der.h"

static size_t der_length(struct cur *c)
{
    uint8_t first = cur_u8(c);
    if (first < 0x80) { return first; }
    size_t n = first & 0x7fu;
    if (n == 0 || n > 4) { /* indefinite, or longer than anything here */
        c->bad = true;
        return 0;
    }
    uint64_t len = cur_be(c, n);
    if (len < 0x80 || len < (uint64_t)1 << (8 * (n - 1))) { c->bad = true; } /* not the shortest */
    return (size_t)len;
}

struct view der_take(struct cur *c, uint8_t tag)
{
    if (cur_u8(c) != tag) { c->bad = true; }
    size_t len = der_length(c);
    return cur_sub(c, len);
}

struct cur der_enter(struct cur *c, uint8_t tag)
{
    struct view v = der_take(c, tag);
    struct cur in = cur_of(v.p, v.len);
    in.bad = c->bad;
    return in;
}

uint64_t der_number(struct cur *c, uint8_t tag, uint64_t max)
{
    struct view v = der_take(c, tag);
    uint64_t n = 0;
    bool negative = v.len > 0 && v.p[0] >= 0x80;
    bool padded = v.len > 1 && v.p[0] == 0 && v.p[1] < 0x80;
    if (v.len == 0 || v.len > 9 || negative || padded || (v.len == 9 && v.p[0] != 0)) {
        c->bad = true;
        return 0;
    }
    for (size_t i = 0; i < v.len; i++) { n = n << 8 | v.p[i]; }
    if (n > max) {
        c->bad = true;
        return 0;
    }
    return n;
}

static bool strict_all(struct cur c, unsigned depth)
{
    while (!c.bad && c.left > 0) {
        uint8_t tag = *c.p;
        struct view v = der_take(&c, tag);
        if (c.bad || (tag & 0x1f) == 0x1f) { return false; }
        if ((tag & 0x20) && (depth == 0 || !strict_all(cur_of(v.p, v.len), depth - 1))) {
            return false;
        }
    }
    return !c.bad;
}

bool der_is_strict(const void *der, size_t len)
{
    struct cur c = cur_of(der, len), one = c;
    if (len == 0) { return false; }
    (void)der_take(&one, *one.p);
    return cur_end(&one) && strict_all(c, DER_DEPTH_MAX);
}
