/* SPDX-License-Identifier: Apache-2.0 */
/* libs: initdata jose crypto_full crypto_small base */
/* ldlibs: -ljansson -lcrypto */
/*
 * Shares as brokers might send them: length (2 bytes, little endian) and bytes, again and again.
 * What joins was split: no input can find a digest by itself, so success is only the seeds'.
 */
#include <stdlib.h>

#include "attest/shares.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t out[SHARE_SECRET_MAX];
    struct cur c = cur_of(data, size);
    struct view v[SHARES_MAX];
    struct share_head h = {0};
    struct err e = {0};
    size_t n = 0;
    while (n < SHARES_MAX && c.left) {
        v[n] = cur_sub(&c, cur_u16le(&c));
        if (c.bad) { break; }
        n++;
    }
    if (n && share_read(v[0], &h, &e) == 0 && (h.k < 2 || h.x == 0 || h.secret_len == 0)) {
        abort();
    }
    e = (struct err){0};
    if (shares_join(v, n, out, h.secret_len, &e) < 0 ? e.text[0] == '\0' : n < h.k) { abort(); }
    return 0;
}
