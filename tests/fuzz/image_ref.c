/* SPDX-License-Identifier: Apache-2.0 */
/* libs: image jose crypto_full crypto_small base */
/* ldlibs: -ljansson -lz -lzstd -ldeflate -lcrypto */
/* References and digests: any text is taken apart or refused, and what was taken is complete. */
#include "loader/image/image.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image_ref r;
    struct digest d;
    struct err e = {0}, e2 = {0};
    char *text = strndup((const char *)data, size);

    if (!text) { return 0; }
    if (image_ref_parse(text, &r, &e) == 0) {
        if (r.kind == REF_DOCKER ? !r.host || !r.name || r.path : !r.path || r.host) { abort(); }
        image_ref_fini(&r);
    }
    if (digest_parse(text, &d, &e2) == 0) {
        char again[DIGEST_TEXT_SIZE];
        digest_text(&d, again);
        if (strcmp(again, text) != 0) { abort(); }
    }
    free(text);
    return 0;
}
