/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library OS uses general registers only, so vector registers hold the application's values. SHA instructions need
 * sixteen of them: saved and restored around each piece. They are encoded without VEX and leave upper halves alone.
 */
#include "guest/hash.h"

#include "guest/los.h"

void hash_bulk(struct sha256_ctx *c, const void *p, size_t len)
{
    uint8_t area[512 + 16];
    void *saved = (void *)(((uintptr_t)area + 15) & ~(uintptr_t)15);
    static int here = -1;

    if (here < 0) { here = sha256_ni_here(); }
    size_t whole = here == 1 && c->total % 64 == 0 ? len & ~(size_t)63 : 0;
    if (whole > 0) {
        __asm__ volatile("fxsave64 (%0)" : : "r"(saved) : "memory");
        sha256_ni_blocks(c->h, p, whole / 64);
        __asm__ volatile("fxrstor64 (%0)" : : "r"(saved) : "memory");
        c->total += whole;
    }
    sha256_update(c, (const uint8_t *)p + whole, len - whole);
}
