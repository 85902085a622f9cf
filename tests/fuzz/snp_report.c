/* SPDX-License-Identifier: Apache-2.0 */
/* libs: evidence initdata jose plan crypto_full crypto_small base */
/* ldlibs: -ljansson -lcrypto */
/*
 * A report from a stranger: parsed or refused with a reason. What is parsed goes through every
 * comparison with an endorsement of nobody, and is never accepted.
 */
#include "attest/verify/snp/snp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct snp_report r;
    struct verdict v = {0};
    struct verdict_table table = {0};
    struct snp_policy p;
    if (!snp_report_parse(data, size, &r, &v)) {
        if (v.reason_count == 0) { abort(); }
        return 0;
    }
    if (v.reason_count != 0) { abort(); }
    snp_policy_init(&p);
    v.table = &table;
    for (unsigned product = SNP_MILAN; product < SNP_PRODUCT_COUNT; product++) {
        struct snp_endorsement e = {.root.product = (enum snp_product)product,
                                    .vek.vlek = product == SNP_GENOA};
        json_t *claims = json_object();
        snp_chain_check_report(&e, &r, &v);
        snp_policy_check(&p, &r, &e, &v);
        verify_snp(&r, &e, NULL, &p, 1, &v);
        if (v.result != VERDICT_REFUSED) { abort(); }
        snp_claims(&r, &e, claims);
        json_decref(claims);
    }
    return 0;
}
