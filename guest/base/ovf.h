/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Integers from outside. Every helper is true on success and leaves *out alone on failure; the result must be used.
 * Prefer range_fits(): it has nothing to overflow.
 */
#ifndef CASEMATE_BASE_OVF_H
#define CASEMATE_BASE_OVF_H

#include "guest/base/cc.h"

/* Is [off, off + len) inside [0, size)? Empty ranges at the very end fit. */
MUST_CHECK static inline bool range_fits(uint64_t size, uint64_t off, uint64_t len)
{
    return off <= size && len <= size - off;
}

MUST_CHECK static inline bool add_ok(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t r;
    if (__builtin_add_overflow(a, b, &r)) { return false; }
    *out = r;
    return true;
}

MUST_CHECK static inline bool mul_ok(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t r;
    if (__builtin_mul_overflow(a, b, &r)) { return false; }
    *out = r;
    return true;
}

/* align is a power of two */
MUST_CHECK static inline bool align_up_ok(uint64_t v, uint64_t align, uint64_t *out)
{
    uint64_t r;
    if (__builtin_add_overflow(v, align - 1, &r)) { return false; }
    *out = r & ~(align - 1);
    return true;
}

MUST_CHECK static inline bool narrow_u32_ok(uint64_t v, uint32_t *out)
{
    if (v > UINT32_MAX) { return false; }
    *out = (uint32_t)v;
    return true;
}

static inline uint64_t align_down(uint64_t v, uint64_t align) { return v & ~(align - 1); }

static inline uint64_t min_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }
static inline uint64_t max_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* The same for signed numbers: true and the result, or false and out untouched. */
MUST_CHECK static inline bool add_i64_ok(int64_t a, int64_t b, int64_t *out)
{
    int64_t r;
    if (__builtin_add_overflow(a, b, &r)) { return false; }
    *out = r;
    return true;
}

MUST_CHECK static inline bool sub_i64_ok(int64_t a, int64_t b, int64_t *out)
{
    int64_t r;
    if (__builtin_sub_overflow(a, b, &r)) { return false; }
    *out = r;
    return true;
}

MUST_CHECK static inline bool mul_i64_ok(int64_t a, int64_t b, int64_t *out)
{
    int64_t r;
    if (__builtin_mul_overflow(a, b, &r)) { return false; }
    *out = r;
    return true;
}

#endif
