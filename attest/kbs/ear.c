/* SPDX-License-Identifier: Apache-2.0 */
/* See ear.h. Reads what a policy of the owner's said, which is checked like a stranger's. */
#include "attest/kbs/ear.h"

#include "attest/kbs/claims.h"
#include "guest/base/cc.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define EXTENSIONS_MAX 32u

static const char *const names[] = {"instance-identity", "configuration", "executables",
                                    "file-system",       "hardware",      "runtime-opaque",
                                    "storage-opaque",    "sourced-data"};

enum ear_tier ear_tier_of(int value)
{
    if (value >= -1 && value <= 1) { return EAR_NONE; }
    if (value >= -32 && value <= 31) { return EAR_AFFIRMING; }
    if (value >= -96 && value <= 95) { return EAR_WARNING; }
    return EAR_CONTRAINDICATED;
}

const char *ear_tier_name(enum ear_tier t)
{
    static const char *const tiers[] = {"none", "affirming", "warning", "contraindicated"};
    return tiers[t];
}

void appraisal_fini(struct appraisal *a)
{
    json_decref(a->vector);
    json_decref(a->extensions);
    *a = (struct appraisal){0};
}

static bool name_known(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (strcmp(names[i], name) == 0) { return true; }
    }
    return false;
}

static int vector_read(const json_t *claims, json_t **out, struct err *e)
{
    const char *name;
    json_t *value;
    if (!json_is_object(claims) || json_object_size(claims) == 0) {
        return err_set(e, EINVAL, "trust_claims: wanted an object with at least one claim");
    }
    json_object_foreach ((json_t *)(uintptr_t)claims, name, value) {
        if (!name_known(name)) {
            return err_set(e, EINVAL, "trust_claims: no claim is named %.60s", name);
        }
        if (!json_is_integer(value)) {
            return err_set(e, EINVAL, "trust_claims: %s is not an integer", name);
        }
        json_int_t v = json_integer_value(value);
        if (v < -128 || v > 127) {
            return err_set(e, ERANGE, "trust_claims: %s: found %" PRId64 ", wanted -128 to 127",
                           name, (int64_t)v);
        }
    }
    *out = json_copy((json_t *)(uintptr_t)claims);
    return *out ? 0 : err_set(e, ENOMEM, "trust_claims: out of memory");
}

/* An extension must not take the place of what the token says itself. */
static bool extension_name_ok(const char *name)
{
    static const char *const ours[] = {"ear.status", "ear.trustworthiness-vector",
                                       "ear.appraisal-policy-id", CLAIMS_EVIDENCE};
    for (size_t i = 0; i < ARRAY_COUNT(ours); i++) {
        if (strcmp(ours[i], name) == 0) { return false; }
    }
    return name[0] != '\0';
}

static int extensions_read(const json_t *list, json_t **out, struct err *e)
{
    auto_json all = json_object();
    if (!all) { return err_set(e, ENOMEM, "extensions: out of memory"); }
    if (!json_is_array(list) || json_array_size(list) > EXTENSIONS_MAX) {
        return err_set(e, EINVAL, "extensions: wanted an array of at most %u", EXTENSIONS_MAX);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(one, "name"));
        json_t *value = json_object_get(one, "value");
        if (!name || !extension_name_ok(name) || !value ||
            !json_is_integer(json_object_get(one, "key"))) {
            return err_set(e, EINVAL, "extensions: number %zu is not {name, key, value}", i);
        }
        if (json_object_set(all, name, value) != 0) {
            return err_set(e, ENOMEM, "extensions: out of memory");
        }
    }
    *out = json_incref(all);
    return 0;
}

int appraisal_read(const json_t *trust_claims, const json_t *extensions, struct appraisal *out,
                   struct err *e)
{
    auto_appraisal a = {0};
    int rc = 0;
    if (trust_claims) {
        rc = vector_read(trust_claims, &a.vector, e);
    } else {
        a.vector = json_object();
        for (size_t i = 0; i < ARRAY_COUNT(names) && rc == 0; i++) {
            rc = json_object_set_new(a.vector, names[i], json_integer(0));
        }
        if (rc < 0) { return err_set(e, ENOMEM, "trust_claims: out of memory"); }
    }
    if (rc == 0 && extensions) { rc = extensions_read(extensions, &a.extensions, e); }
    if (rc < 0) { return rc; }
    *out = a;
    a = (struct appraisal){0};
    return 0;
}

enum ear_tier appraisal_status(const struct appraisal *a)
{
    enum ear_tier worst = EAR_NONE;
    const char *name;
    json_t *value;
    json_object_foreach (a->vector, name, value) {
        enum ear_tier t = ear_tier_of((int)json_integer_value(value));
        if (t > worst) { worst = t; }
    }
    return worst;
}

json_t *ear_submodule(const struct appraisal *a, const json_t *evidence)
{
    json_t *out =
        json_pack("{s:s, s:O, s:s, s:O}", "ear.status", ear_tier_name(appraisal_status(a)),
                  "ear.trustworthiness-vector", a->vector, "ear.appraisal-policy-id", "default",
                  CLAIMS_EVIDENCE, evidence);
    if (out && a->extensions && json_object_update_missing(out, a->extensions) != 0) {
        json_decref(out);
        return NULL;
    }
    return out;
}
