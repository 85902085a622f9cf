/* SPDX-License-Identifier: Apache-2.0 */
/* libs: jose crypto_full crypto_small base */
/* ldlibs: -ljansson -lcrypto */
/*
 * A token from a stranger: taken apart, checked against a key it was not made with, which must
 * refuse it.
 */
#include "attest/jose.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char key_text[] =
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"wA9TvPz1z6xIgj9O10HDN4GJkiiO-FscB3zixaIf-9E\","
    "\"y\":\"OfYm_yu45bqVA0cKl8xQGcs0k2C37FhrDIDqfpSnRHY\"}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct jwk key;
    struct err e = {0};
    struct jws s = {0};
    json_t *claims = NULL;
    if (!key.key && jwk_parse(key_text, sizeof key_text - 1, &key, &e) < 0) { abort(); }
    int r = jws_parse((const char *)data, size, &s, &e);
    if ((r < 0) != (e.text[0] != '\0') || (r == 0) != (s.header != NULL)) { abort(); }
    if (r == 0 && (s.signed_text.len >= size || s.payload_raw[s.payload_len] != 0)) { abort(); }
    jws_fini(&s);
    e = (struct err){0};
    if (jwt_verify((const char *)data, size, key.key, ~0u, &claims, &e) == 0) { abort(); }
    json_decref(claims);
    return 0;
}
