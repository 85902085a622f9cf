/* SPDX-License-Identifier: Apache-2.0 */
/* libs: kbs_pure rego initdata jose crypto_full crypto_small base */
/* ldlibs: -lm -ljansson -lcrypto */
/*
 * A token from a stranger, header, chain and payload, against a service that trusts one certificate and one key: no text
 * that the fuzzer writes is ever believed, and a token that is refused has a reason.
 */
#include <stdlib.h>
#include <string.h>

#include "attest/kbs/trust.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A root that signed nothing here. Made for this file. */
static const char root_pem[] = "-----BEGIN CERTIFICATE-----\n"
                               "MIIBRjCB7aADAgECAhQqohiGdl7XajwE+i07aaTZU/sKcjAKBggqhkjOPQQDAjAZ\n"
                               "MRcwFQYDVQQDDA5WZWN0b3IgUm9vdCBDQTAeFw0yNjAxMDEwMDAwMDBaFw00NjAx\n"
                               "MDEwMDAwMDBaMBkxFzAVBgNVBAMMDlZlY3RvciBSb290IENBMFkwEwYHKoZIzj0C\n"
                               "AQYIKoZIzj0DAQcDQgAEywoN0NbwFHz9yp5JGL9I7gqPgkFSBJvJW7jtGEoToCou\n"
                               "XnHVm+yB8I9Epd4jAUU2ArzIOSqw18hmx6DxZS+irqMTMBEwDwYDVR0TAQH/BAUw\n"
                               "AwEB/zAKBggqhkjOPQQDAgNIADBFAiEAiS4+HDoAXAXVtrh5BWBgAZJ85QQx0YsJ\n"
                               "5WIxEF/n/+kCIAY1xaQhpb+K8bO0RwBoXl/laVVbQ82Bskhyrdv+VdJD\n"
                               "-----END CERTIFICATE-----\n";

static void must(int rc)
{
    if (rc < 0) { abort(); }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct token_trust trust;
    static struct crypto_cert *roots[1];
    static struct crypto_key *own;
    if (!own) {
        size_t count;
        must(crypto_key_generate(CRYPTO_P256, 0, &own));
        must(crypto_certs_from_pem(root_pem, sizeof root_pem - 1, roots, 1, &count));
        trust = (struct token_trust){.own = own, .roots = roots, .root_count = count};
    }
    json_t *payload = NULL;
    bool is_own;
    struct err e = {0};
    if (token_trust_verify(&trust, (const char *)data, size, 4000000000, &payload, &is_own, &e) ==
            0 ||
        e.text[0] == '\0') {
        abort();
    }
    trust.insecure_header_jwk =
        true; /* whoever can sign is believed: the rest of the reader is reached */
    e = (struct err){0};
    if (token_trust_verify(&trust, (const char *)data, size, 1785000010, &payload, &is_own, &e) ==
        0) {
        json_decref(payload);
    }
    trust.insecure_header_jwk = false;
    return 0;
}
