/* SPDX-License-Identifier: Apache-2.0 */
/* libs: image jose crypto_full crypto_small base */
/* ldlibs: -ljansson -lz -lzstd -ldeflate -lcrypto */
/*
 * Decompression: whatever comes in, no more comes out than the budget, and it is counted exactly.
 */
#include "loader/image/image.h"

#include <stdlib.h>

#define BUDGET (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct counter {
    struct layer_sink sink;
    uint64_t bytes;
};

static int count(struct layer_sink *self, const uint8_t *p, size_t len, struct err *e)
{
    (void)p, (void)e;
    CONTAINER_OF(self, struct counter, sink)->bytes += len;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (enum layer_coding coding = LAYER_TAR; coding <= LAYER_ZSTD; coding++) {
        struct counter c = {.sink.write = count};
        struct digest d;
        struct err e = {0};
        uint64_t budget = BUDGET;
        (void)!layer_decode(coding, data, size, &budget, &c.sink, &d, &e);
        if (c.bytes + budget != BUDGET) { abort(); }
    }
    return 0;
}
