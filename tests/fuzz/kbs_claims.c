/* SPDX-License-Identifier: Apache-2.0 */
/* libs: kbs_pure rego initdata jose crypto_full crypto_small base */
/* ldlibs: -ljansson -lcrypto */
/* Claims out of a token's payload: what is read is written again and read the same. */
#include <stdlib.h>
#include <string.h>

#include "attest/kbs/claims.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_json doc = NULL;
    struct err e = {0};
    if (json_load_strict("token", data, size, 1 << 20, &doc, &e) < 0) { return 0; }
    auto_claims a = {0};
    auto_claims b = {0};
    if (claims_from_json(doc, &a, &e) < 0) {
        if (e.text[0] == '\0') { abort(); }
        return 0;
    }
    if (a.tee[0] == '\0') {
        return 0;
    } /* a token with a key and no TEE: there is nothing to write */
    auto_json evidence = NULL;
    if (claims_to_evidence(&a, "nonce", "", NULL, &evidence, &e) < 0) { abort(); }
    auto_json again =
        json_pack("{s:{s:{s:O}}}", "submods", "cpu0", "ear.veraison.annotated-evidence", evidence);
    if (claims_from_json(again, &b, &e) < 0) { abort(); }
    if (strcmp(a.tee, b.tee) != 0 || a.initdata_len != b.initdata_len || a.phase != b.phase ||
        memcmp(a.measurement, b.measurement, sizeof a.measurement) != 0 ||
        memcmp(a.registers, b.registers, sizeof a.registers) != 0) {
        abort();
    }
    return 0;
}
