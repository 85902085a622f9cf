/* SPDX-License-Identifier: Apache-2.0 */
/* libs: rego jose crypto_full crypto_small base */
/* ldlibs: -ljansson -lcrypto */
/*
 * Policies in Rego: what does not load says why, what loads can be asked. Asked twice, it answers
 * the same. A decision is never yes for claims that hold nothing of initdata.
 */
#include <stdlib.h>
#include <string.h>

#include "attest/policy/rego.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *reference(void *ctx, const char *name)
{
    (void)ctx;
    return json_pack("[s, i]", name, 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char claims[] =
        "{\"snp\":{\"measurement\":\"ab\",\"svn\":[1,2,3]},\"submods\":{\"cpu0\":{\"ear.status\":"
        "\"affirming\"}},\"list\":[{\"a\":1},{\"a\":2}]}";
    struct rego_policy *p = NULL;
    struct err e = {0};
    if (rego_load(data, size, &p, &e) < 0) {
        if (p || e.text[0] == '\0') { abort(); }
        return 0;
    }
    json_t *input = json_loads(claims, 0, NULL), *first = NULL, *second = NULL;
    json_t *doc =
        json_pack("{s:s, s:[s,s,s]}", "plugin", "resource", "resource-path", "a", "b", "c");
    struct rego_request rq = {.input = input, .data = doc, .reference = reference};
    struct err e1 = {0}, e2 = {0};
    struct decision d;
    int rc1 = rego_eval(p, "x", &rq, &first, &e1), rc2 = rego_eval(p, "x", &rq, &second, &e2);
    if (rc1 != rc2 || strcmp(e1.text, e2.text) != 0 || !first != !second) { abort(); }
    if (first && !json_equal(first, second)) { abort(); }
    rego_decide(p, &rq, &(struct rego_allow){0}, &d);
    if (d.allowed || d.reason_count == 0) { abort(); }
    json_decref(first);
    json_decref(second);
    json_decref(input);
    json_decref(doc);
    rego_free(p);
    return 0;
}
