/* SPDX-License-Identifier: Apache-2.0 */
/* libs: kbs_pure rego initdata jose crypto_full crypto_small base */
/* ldlibs: -lm -ljansson -lcrypto */
/*
 * What a policy answered, {"trust_claims", "extensions"}, and initdata (after a first byte '#'): what is taken has only
 * names and values that a token may show, and a status.
 */
#include <stdlib.h>
#include <string.h>

#include "attest/kbs/ear.h"
#include "attest/kbs/initdata_claims.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void initdata(const uint8_t *data, size_t size)
{
    auto_initdata d = {0};
    auto_json claims = NULL;
    struct err e = {0};
    if (initdata_parse(data, size, &d, &e) < 0) { return; }
    if (initdata_claims(&d, &claims, &e) < 0) { abort(); }
    if (claims && json_dumpb(claims, NULL, 0, JSON_COMPACT) > INITDATA_CLAIMS_MAX) { abort(); }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_json doc = NULL;
    auto_json evidence = json_object();
    auto_appraisal a = {0};
    struct err e = {0};
    if (size && data[0] == '#') {
        initdata(data, size);
        return 0;
    }
    if (json_load_strict("policy", data, size, 1 << 20, &doc, &e) < 0) { return 0; }
    if (appraisal_read(json_object_get(doc, "trust_claims"), json_object_get(doc, "extensions"), &a,
                       &e) < 0) {
        if (e.text[0] == '\0') { abort(); }
        return 0;
    }
    const char *name;
    json_t *value;
    json_object_foreach (a.vector, name, value) {
        json_int_t v = json_integer_value(value);
        if (!json_is_integer(value) || v < -128 || v > 127) { abort(); }
    }
    auto_json submodule = ear_submodule(&a, evidence);
    const char *status = json_string_value(json_object_get(submodule, "ear.status"));
    if (!status || strcmp(status, ear_tier_name(appraisal_status(&a))) != 0) { abort(); }
    return 0;
}
