/* SPDX-License-Identifier: Apache-2.0 */
/* libs: jose crypto_full crypto_small base */
/* ldlibs: -ljansson -lcrypto */
/*
 * A JWE from a stranger against a key that opens some of the corpus: an error with a text, or
 * plaintext; never both.
 */
#include "attest/jose.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char key_text[] =
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"wA9TvPz1z6xIgj9O10HDN4GJkiiO-FscB3zixaIf-9E\","
    "\"y\":\"OfYm_yu45bqVA0cKl8xQGcs0k2C37FhrDIDqfpSnRHY\","
    "\"d\":\"E2gkuJcCihZV6EmV6rp-2Rz3NDE1ld5RVGbXNoMYED0\"}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct jwk key;
    static const uint8_t dir_key[32];
    struct err e = {0};
    uint8_t *plain = NULL;
    size_t len = 0;
    if (!key.key && jwk_parse(key_text, sizeof key_text - 1, &key, &e) < 0) { abort(); }
    int r = jwe_decrypt((const char *)data, size, ~0u, key.key, dir_key, &plain, &len, &e);
    if ((r == 0) != (plain != NULL) || (r < 0) != (e.text[0] != '\0') ||
        (plain && plain[len] != 0)) {
        abort();
    }
    free(plain);
    return 0;
}
