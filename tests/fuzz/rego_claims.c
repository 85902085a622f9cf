/* SPDX-License-Identifier: Apache-2.0 */
/* libs: rego jose crypto_full crypto_small base */
/* ldlibs: -ljansson -lcrypto */
/*
 * Claims of strangers before two policies: the one that names initdata allows exactly those, the
 * one that does not allows nobody, whatever the claims are.
 */
#include <stdlib.h>
#include <string.h>

#include "attest/policy/rego.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define EVIDENCE "ear.veraison.annotated-evidence"

static struct rego_policy *load(const char *text)
{
    struct rego_policy *p = NULL;
    struct err e = {0};
    if (rego_load(text, strlen(text), &p, &e) < 0) { abort(); }
    return p;
}

static bool allows(const struct rego_policy *p, const json_t *claims)
{
    struct decision d;
    rego_decide(p, &(struct rego_request){.input = claims}, &(struct rego_allow){0}, &d);
    if (d.allowed ? d.reason_count != 0 : d.reason_count == 0) { abort(); }
    return d.allowed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rego_policy *named, *any;
    json_t *claims = NULL;
    struct err e = {0};
    if (!named) {
        named = load("package policy\nallow if input.submods.cpu0[\"" EVIDENCE
                     "\"].init_data == \"9f1c\"");
        any = load("package policy\nallow if count(input.submods) > 0");
    }
    if (json_load_strict("claims", data, size, 65536, &claims, &e) < 0) { return 0; }
    const json_t *cpu = json_object_get(json_object_get(claims, "submods"), "cpu0");
    const char *digest =
        json_string_value(json_object_get(json_object_get(cpu, EVIDENCE), "init_data"));
    bool want = digest && strcmp(digest, "9f1c") == 0;
    if (json_is_object(claims) && allows(named, claims) != want) { abort(); }
    if (json_is_object(claims) && allows(any, claims)) { abort(); }
    json_decref(claims);
    return 0;
}
