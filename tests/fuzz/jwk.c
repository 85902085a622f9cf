/* SPDX-License-Identifier: Apache-2.0 */
/* libs: jose crypto_full crypto_small base */
/* ldlibs: -ljansson -lcrypto */
/*
 * A key from a stranger: refused with a text, or a key that survives the way out and in, public
 * half at least.
 */
#include "attest/jose.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    struct jwk k = {0}, again = {0};
    json_t *j = NULL;
    if (jwk_parse((const char *)data, size, &k, &e) < 0) {
        if (e.text[0] == '\0' || k.key) { abort(); }
        return 0;
    }
    if (jwk_to_json(k.key, NULL, false, &j) < 0) { abort(); }
    if (jwk_from_json(j, &again, &e) < 0 || !crypto_key_same_public(k.key, again.key)) { abort(); }
    json_decref(j);
    jwk_fini(&k);
    jwk_fini(&again);
    return 0;
}
