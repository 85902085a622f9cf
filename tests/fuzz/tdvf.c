/* SPDX-License-Identifier: Apache-2.0 */
/* libs: evidence initdata jose plan crypto_full crypto_small base */
/* ldlibs: -ljansson -lcrypto */
/* Firmware of a stranger: sections inside the image and apart from each other, or an error. */
#include "attest/tdvf.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tdvf t;
    struct err e = {0};
    uint8_t digest[MEASURE_TDX_SIZE];
    uint64_t total = 0;
    if (tdvf_parse(data, size, &t, &e) < 0) {
        if (e.text[0] == '\0') { abort(); }
        return 0;
    }
    for (size_t i = 0; i < t.count; i++) {
        const struct tdvf_section *s = &t.v[i];
        if (s->raw.len > s->size || s->raw.p < data || s->raw.p + s->raw.len > data + size) {
            abort();
        }
        total += s->size;
    }
    if (total <= 1u << 20) { tdvf_measure(&t, size & 1, digest); }
    return 0;
}
