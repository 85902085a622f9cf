/* SPDX-License-Identifier: Apache-2.0 */
/* libs: x86code */
/* Dead bytes are looked for in an application's text: whatever it holds, nothing outside is read or named. */
#include "guest/x86/hole.h"
#include "guest/x86/insn.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4) { return 0; }
    size_t s = data[0], n = size - 2;
    uint64_t va = 0x400000 + data[1];
    uint8_t *code = malloc(n); /* of its own, so that one byte too many is seen */
    if (code == NULL) { abort(); }
    memcpy(code, data + 2, n);
    if (s + 2 <= n) {
        size_t hole = patch_find_hole(code, n, s, va);
        if (hole != 0 && (hole + HOLE_SIZE > n || hole + 128 < s + 2 || hole > s + 2 + 127)) {
            abort();
        }
        if (hole != 0 && hole < s + 2 && hole + HOLE_SIZE > s) { abort(); }
    }
    for (size_t at = 0; at < n; at++) {
        size_t len = insn_length(code + at, n - at);
        if (len > n - at || len > 15) { abort(); }
    }
    free(code);
    return 0;
}
