/* SPDX-License-Identifier: Apache-2.0 */
/* libs: agent evidence initdata jose plan crypto_full crypto_small base */
/* ldlibs: -lssl -ljansson -lcrypto */
/*
 * A sealed secret, taken without its signature so that the payload is reached, and with it: then
 * nothing may open, for the key is not the fuzzer's.
 */
#include "attest/agent/sealed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int get(void *ctx, const char *uri, uint8_t **out, size_t *out_len, struct err *e)
{
    static const char key[] =
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"fvj7CYRuOawmEMkbdMdHNBD07LvVvqTRKJNYY1JUfyw\","
        "\"y\":\"Giz0tjBZ6DdtdL6iJgZoXg05pn_cN6wQWWG4NIzGXdU\"}";
    (void)ctx, (void)uri;
    *out = (uint8_t *)strdup(key);
    *out_len = sizeof key - 1;
    return *out ? 0 : err_set(e, ENOMEM, "out of memory");
}

static int unwrap(void *ctx, const char *key_id, const uint8_t *wrapped, size_t len,
                  const json_t *settings, const json_t *annotations, uint8_t out_key[32],
                  struct err *e)
{
    (void)ctx, (void)key_id, (void)wrapped, (void)settings, (void)annotations;
    memset(out_key, 1, 32);
    return len == 0 ? err_set(e, EINVAL, "no key") : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sealed_kms kms = {.provider = "aliyun", .unwrap = unwrap};
    struct sealed_source from = {.get = get, .kms = &kms, .kms_count = 1};
    for (int unsigned_ = 0; unsigned_ < 2; unsigned_++) {
        struct err e = {0};
        uint8_t *out = NULL;
        size_t len = 0;
        from.insecure_unsigned = unsigned_;
        int r = sealed_open(&from, (const char *)data, size, &out, &len, &e);
        if ((r < 0) != (e.text[0] != '\0') || (r == 0) != (out != NULL)) { abort(); }
        if (r == 0 && out[len] != '\0') { abort(); }
        free(out);
    }
    return 0;
}
