/* SPDX-License-Identifier: Apache-2.0 */
/* libs: image jose crypto_full crypto_small base */
/* ldlibs: -ljansson -lz -lzstd -ldeflate -lcrypto */
/* The launch spec: what is taken is written again as the same bytes. */
#include "loader/image/spec.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct launch_spec s;
    struct err e = {0};
    char *again;
    size_t len;

    if (spec_parse(data, size, &s, &e) < 0) { return 0; }
    if (spec_write(&s, &again, &len, &e) < 0 || len != size || memcmp(again, data, size) != 0) {
        abort();
    }
    free(again);
    spec_fini(&s);
    return 0;
}
