/* SPDX-License-Identifier: Apache-2.0 */
/* See initdata_claims.h. The texts are the workload owner's, or whoever claims to be. */
#include "attest/kbs/initdata_claims.h"

#include "attest/toml.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

/* A token is read again with a ceiling on depth; what would not pass it stays a text. */
#define DEPTH_MAX 16

static bool is_shallow(const json_t *j, unsigned left)
{
    const char *name;
    json_t *v;
    size_t i;
    if (left == 0) { return false; }
    json_object_foreach ((json_t *)(uintptr_t)j, name, v) {
        if (!is_shallow(v, left - 1)) { return false; }
    }
    json_array_foreach (j, i, v) {
        if (!is_shallow(v, left - 1)) { return false; }
    }
    return true;
}

/* The object behind `policy_data :=` in an agent policy; NULL when there is none that is JSON. */
static json_t *policy_data(const char *rego)
{
    static const char marker[] = "policy_data := {";
    const char *at = strstr(rego, marker);
    if (!at) { return NULL; }
    at += sizeof marker - 2; /* the brace is the object's */
    json_t *j = json_loads(at, JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, NULL);
    if (j && is_shallow(j, DEPTH_MAX)) { return j; }
    json_decref(j);
    return NULL;
}

static int member_set(json_t *out, const char *name, json_t *take_value, struct err *e)
{
    return json_object_set_new(out, name, take_value) == 0
               ? 0
               : err_set(e, ENOMEM, "initdata claims: out of memory");
}

static int member_write(json_t *out, const char *name, json_t *value, struct err *e)
{
    const char *text = json_string_value(value);
    json_t *parsed = NULL;
    struct err ignored = {0};
    if (strcmp(name, INITDATA_AA) == 0 || strcmp(name, INITDATA_CDH) == 0) {
        if (toml_load(name, text, json_string_length(value), INITDATA_MAX, &parsed, &ignored) ==
            0) {
            return member_set(out, name, parsed, e);
        }
    } else if (strcmp(name, INITDATA_REGO) == 0 && (parsed = policy_data(text))) {
        return member_set(out, "agent_policy_claims", parsed, e);
    }
    return member_set(out, name, json_incref(value), e);
}

int initdata_claims(const struct initdata *d, json_t **out, struct err *e)
{
    auto_json all = json_object();
    const char *name;
    json_t *value;
    if (!all) { return err_set(e, ENOMEM, "initdata claims: out of memory"); }
    json_object_foreach (d->data, name, value) {
        int rc = member_write(all, name, value, e);
        if (rc < 0) { return rc; }
    }
    *out = json_dumpb(all, NULL, 0, JSON_COMPACT) <= INITDATA_CLAIMS_MAX ? json_incref(all) : NULL;
    return 0;
}
