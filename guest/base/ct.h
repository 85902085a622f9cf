/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets: compare in constant time, wipe for certain. Both carry a compiler barrier; tests/unit/base checks them at
 * every optimisation level we ship.
 */
#ifndef CASEMATE_BASE_CT_H
#define CASEMATE_BASE_CT_H

#include "guest/base/cc.h"

/* True when the len bytes are equal. Time depends on len alone. */
MUST_CHECK static inline bool ct_eq(const void *a, const void *b, size_t len)
{
    const volatile uint8_t *x = a, *y = b;
    uint8_t d = 0;
    for (size_t i = 0; i < len; i++) { d |= (uint8_t)(x[i] ^ y[i]); }
    compiler_barrier();
    return d == 0;
}

static inline void wipe(void *p, size_t len)
{
    volatile uint8_t *b = p;
    for (size_t i = 0; i < len; i++) { b[i] = 0; }
    compiler_barrier();
}

#endif
