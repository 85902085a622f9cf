/* SPDX-License-Identifier: Apache-2.0 */
/* libs: loader image jose crypto_full crypto_small base */
/* ldlibs: -ljansson -lz -lzstd -ldeflate -lcrypto */
/*
 * Requests to the key provider. A keypath that the fuzzer invents is opened for reading and has to
 * be 32 bytes: harmless.
 */
#include "loader/keyprovider.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct keys *k = calloc(1, sizeof *k);
    struct err e = {0};
    char *answer;

    if (!k) { return 0; }
    (void)snprintf(k->kek[0].uri, sizeof k->kek[0].uri, "kbs:///default/image-kek/vector-1");
    k->kek_count = 1;
    if (keyprovider_answer(k, data, size, size & 1, &answer, &e) == 0) { free(answer); }
    keys_fini(k);
    free(k);
    return 0;
}
