/* SPDX-License-Identifier: Apache-2.0 */
/* libs: crypto_full crypto_small base */
/* ldlibs: -lcrypto */
/* A revocation list from a stranger, and everything that is asked of one. */
#include "attest/crypto.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct crypto_crl *c;
    struct crypto_crl_facts f;
    char name[CRYPTO_NAME_MAX];
    static const uint8_t serial[] = {1, 0, 1};
    if (crypto_crl_from_der(data, size, &c) < 0) { return 0; }
    (void)!crypto_crl_issuer(c, name);
    bool listed = crypto_crl_lists_serial(c, serial, sizeof serial);
    if (crypto_crl_facts(c, &f) == 0 && listed && f.count == 0) { abort(); }
    crypto_crl_free(c);
    return 0;
}
