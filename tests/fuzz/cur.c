/* SPDX-License-Identifier: Apache-2.0 */
/* libs: base */
/*
 * The cursor: the first half of the input says what to read from the second half. Whatever the order and the sizes, a
 * view lies inside the input, what is left only shrinks, and failure sticks.
 */
#include <stdlib.h>

#include "guest/base/cur.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t ops = size / 2;
    const uint8_t *end = data + size;
    struct cur c = cur_of(data + ops, size - ops);
    for (size_t i = 0; i < ops; i++) {
        struct cur before = c;
        struct view v = cur_sub(&c, data[i] >> 3);
        if (v.p && (v.p < data + ops || v.len > (size_t)(end - v.p))) { abort(); }
        (void)cur_le(&c, data[i] & 7);
        if (c.left > before.left || (before.bad && (!c.bad || c.left != before.left))) { abort(); }
        if (cur_end(&c) && c.p != end) { abort(); }
    }
    return 0;
}
