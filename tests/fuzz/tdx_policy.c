/* SPDX-License-Identifier: Apache-2.0 */
/* libs: evidence initdata jose plan crypto_full crypto_small base */
/* ldlibs: -ljansson -lcrypto */
/* A policy, perhaps mistyped: no text of it lets a debug TD pass that did not ask for one. */
#include "attest/verify/tdx/codes.h"
#include "attest/verify/tdx/policy.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct tdx_pck platform;
    struct tdx_appraisal a = {.status = TDX_REVOKED};
    struct tdx_quote q = {.version = 4, .attributes = TDX_ATTR_SEPT_VE_DISABLE | 1, .xfam = 3};
    struct tdx_policy p;
    struct verdict v = {0};
    struct err e = {0};
    bool debug = false, status = false;
    if (tdx_policy_parse(data, size, &p, &e) < 0) {
        if (e.text[0] == '\0') { abort(); }
        return 0;
    }
    q.mr_td[0] = 1;
    tdx_policy_apply(&p, &q, &platform, &a, &v);
    for (size_t i = 0; i < v.reason_count && i < VERDICT_REASONS_MAX; i++) {
        debug = debug || strcmp(v.reasons[i].code, tdx_codes[TDX_CODE_DEBUG].name) == 0;
        status = status || strcmp(v.reasons[i].code, tdx_codes[TDX_CODE_STATUS].name) == 0;
    }
    if (!status || (!debug && !(p.attributes_value & 1))) { abort(); }
    return 0;
}
