/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cursor over bytes that nobody has checked. Reading past the end sets `bad`, sticks, and yields zeros; a record reads
 * as straight lines and is checked once, before any value steers a loop, a size or a branch. Never cast a buffer to a
 * struct.
 */
#ifndef CASEMATE_BASE_CUR_H
#define CASEMATE_BASE_CUR_H

#include "guest/base/cc.h"

struct cur {
    const uint8_t *p; /* borrowed */
    size_t left;      /* bytes */
    bool bad;
};

/* A view into the input, not a copy. Lives as long as the input. */
struct view {
    const uint8_t *p;
    size_t len;
};

static inline struct cur cur_of(const void *p, size_t len)
{
    return (struct cur){.p = p, .left = len, .bad = false};
}

/* n bytes, or NULL with `bad` set. */
static inline const uint8_t *cur_take(struct cur *c, size_t n)
{
    if (c->bad || n > c->left) {
        c->bad = true;
        return NULL;
    }
    const uint8_t *p = c->p;
    c->p += n;
    c->left -= n;
    return p;
}

static inline struct view cur_sub(struct cur *c, size_t n)
{
    const uint8_t *p = cur_take(c, n);
    return (struct view){.p = p, .len = p ? n : 0};
}

static inline void cur_skip(struct cur *c, size_t n) { (void)cur_take(c, n); }

/* Little endian, n <= 8. */
static inline uint64_t cur_le(struct cur *c, size_t n)
{
    const uint8_t *p = cur_take(c, n);
    uint64_t v = 0;
    for (size_t i = 0; p && i < n; i++) { v |= (uint64_t)p[i] << (8 * i); }
    return v;
}

/* Big endian, n <= 8. */
static inline uint64_t cur_be(struct cur *c, size_t n)
{
    const uint8_t *p = cur_take(c, n);
    uint64_t v = 0;
    for (size_t i = 0; p && i < n; i++) { v = v << 8 | p[i]; }
    return v;
}

static inline uint8_t cur_u8(struct cur *c) { return (uint8_t)cur_le(c, 1); }
static inline uint16_t cur_u16le(struct cur *c) { return (uint16_t)cur_le(c, 2); }
static inline uint32_t cur_u32le(struct cur *c) { return (uint32_t)cur_le(c, 4); }
static inline uint64_t cur_u64le(struct cur *c) { return cur_le(c, 8); }
static inline uint16_t cur_u16be(struct cur *c) { return (uint16_t)cur_be(c, 2); }
static inline uint32_t cur_u32be(struct cur *c) { return (uint32_t)cur_be(c, 4); }
static inline uint64_t cur_u64be(struct cur *c) { return cur_be(c, 8); }

/* Everything read, nothing left over: trailing bytes are an error. */
MUST_CHECK static inline bool cur_end(const struct cur *c) { return !c->bad && c->left == 0; }

#endif
