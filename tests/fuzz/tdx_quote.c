/* SPDX-License-Identifier: Apache-2.0 */
/* libs: evidence initdata jose plan crypto_full crypto_small base */
/* ldlibs: -ljansson -lcrypto */
/*
 * A quote from a stranger, under Intel's root and without collateral: whatever it is, the verdict
 * is refused, with a reason; and what parses is all there. Then once more under whatever root it
 * brings.
 */
#include "attest/verify/tdx/pem.h"
#include "attest/verify/tdx/tdx.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void endorse_anyway(const struct tdx_quote *q)
{
    uint8_t root[TDX_ROOT_SIZE];
    struct crypto_cert *chain[3];
    struct tdx_endorsement *n = NULL;
    struct verdict v = {0};
    struct err e = {0};
    if (tdx_pem_certs(q->pck_chain.p, q->pck_chain.len, 3, chain, &e) < 0) { return; }
    if (crypto_cert_key_sha256(chain[2], root) < 0) { abort(); }
    for (size_t i = 0; i < 3; i++) { crypto_cert_free(chain[i]); }
    if (tdx_endorse(q, root, &n, &v) != (v.reason_count == 0)) { abort(); }
    tdx_endorsement_free(n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tdx_endorsements *memory;
    static struct tdx_policy policy;
    struct tdx_facts f = {0};
    struct verdict v = {0};
    if (!memory) {
        memory = tdx_endorsements_new(tdx_intel_root);
        tdx_policy_default(&policy);
    }
    struct tdx_demand d = {
        .endorsements = memory, .policy = &policy, .collateral_for = tdx_collateral_given};
    verify_tdx(data, size, &d, &f, &v);
    if (v.result != VERDICT_REFUSED || v.reason_count == 0) { abort(); }
    const struct tdx_quote *q = &f.quote;
    if (q->version != 0) {
        size_t end = q->signed_bytes.len + 4 + q->signature.len + q->endorsement.len;
        if (end > size || q->pck_chain.p + q->pck_chain.len != data + end) { abort(); }
        for (size_t i = end; i < size; i++) {
            if (data[i] != 0) { abort(); }
        }
        endorse_anyway(q);
    }
    return 0;
}
