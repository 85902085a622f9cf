/* SPDX-License-Identifier: Apache-2.0 */
/* libs: jose crypto_full crypto_small base */
/* ldlibs: -ljansson -lcrypto */
/* Base64 is strict when encoding what was decoded gives the same text again. */
#include "attest/base64.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = malloc(b64_decoded_max(size));
    char *text = malloc(b64_len(size) + 8);
    size_t len;
    if (!bytes || !text) { abort(); }
    if (b64u_decode((const char *)data, size, bytes, b64_decoded_max(size), &len) == 0) {
        b64u_encode(bytes, len, text);
        if (strlen(text) != size || memcmp(text, data, size) != 0) { abort(); }
    }
    if (b64_decode((const char *)data, size, bytes, b64_decoded_max(size), &len) == 0) {
        b64_encode(bytes, len, text);
        if (strlen(text) != size || memcmp(text, data, size) != 0) { abort(); }
    }
    free(bytes);
    free(text);
    return 0;
}
