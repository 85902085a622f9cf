/* SPDX-License-Identifier: Apache-2.0 */
/* libs: evidence initdata jose plan crypto_full crypto_small base */
/* ldlibs: -ljansson -lcrypto */
/*
 * A certificate from a stranger. Whole: everything verifiers ask of one. And the bytes as the value
 * of an extension, which a mutated certificate would rarely get to.
 */
#include "attest/der.h"
#include "attest/verify/snp/vek.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(struct cur c, int depth)
{
    while (depth > 0 && !c.bad && c.left > 0) {
        struct cur number = c, inside = c;
        uint64_t n = der_number(&number, DER_INTEGER, 255);
        if (n > 255 || (number.bad && n != 0)) { abort(); }
        walk(der_enter(&inside, DER_SEQUENCE), depth - 1);
        struct cur rest = c;
        struct view v = der_take(&c, c.p[0]);
        if (v.len > rest.left || (!c.bad && v.len + c.left + 2 > rest.left)) { abort(); }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct crypto_cert *c;
    walk(cur_of(data, size), 4);
    if (crypto_cert_from_der(data, size, &c) < 0) { return 0; }
    struct crypto_cert_facts f;
    char name[CRYPTO_NAME_MAX];
    uint8_t sha[CRYPTO_SHA256_SIZE];
    (void)!crypto_cert_facts(c, &f);
    (void)!crypto_cert_subject(c, name);
    (void)!crypto_cert_issuer(c, name);
    (void)!crypto_cert_key_sha256(c, sha);
    for (unsigned p = SNP_MILAN; p < SNP_PRODUCT_COUNT; p++) {
        struct snp_vek k;
        struct verdict v = {0};
        if (snp_vek_read(c, (enum snp_product)p, p == SNP_GENOA, &k, &v) != (v.reason_count == 0)) {
            abort();
        }
    }
    crypto_cert_free(c);
    return 0;
}
