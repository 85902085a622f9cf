/* SPDX-License-Identifier: Apache-2.0 */
/* libs: evidence initdata jose plan crypto_full crypto_small base */
/* ldlibs: -ljansson -lcrypto */
/* A policy: read, or an error with a text; what is read only ever demands what it names or defaults. */
#include "attest/json.h"
#include "attest/verify/snp/policy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    struct snp_policy p, none;
    auto_json doc = NULL;
    if (json_load_strict("policy", data, size, 1 << 20, &doc, &e) < 0) { return 0; }
    if (snp_policy_parse(doc, &p, &e) < 0) {
        if (e.text[0] == '\0') { abort(); }
        return 0;
    }
    snp_policy_init(&none);
    if ((p.demands & ~(p.given | none.demands)) != 0 || (none.demands & ~p.demands) != 0) {
        abort();
    }
    snp_policy_fini(&p);
    return 0;
}
