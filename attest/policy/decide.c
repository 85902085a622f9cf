/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decision of a resource policy, and the proof that it depends on initdata: the same question
 * with everything changed that initdata decides must be answered with no. [rego.h]
 */
#include "attest/policy/rego.h"
#include "attest/policy/trace.h"

#include <errno.h>
#include <string.h>

/* ---- other initdata -------------------------------------------------------------------------- */

/* Another text of the same shape: each letter and digit becomes its neighbour in a circle. */
static json_t *other_text(const json_t *j)
{
    json_t *copy = json_copy((json_t *)j);
    size_t n = json_string_length(j);
    char *text = copy ? malloc(n + 1) : NULL;
    if (!text) {
        json_decref(copy);
        return NULL;
    }
    memcpy(text, json_string_value(j), n + 1);
    for (char *c = text; *c; c++) {
        if (*c >= 'a' && *c <= 'f') {
            *c = *c == 'f' ? 'a' : (char)(*c + 1); /* hex stays hex */
        } else if (*c >= 'g' && *c <= 'z') {
            *c = *c == 'z' ? 'g' : (char)(*c + 1);
        } else if (*c >= 'A' && *c <= 'Z') {
            *c = *c == 'Z' ? 'A' : (char)(*c + 1);
        } else if (*c >= '0' && *c <= '9') {
            *c = *c == '9' ? '0' : (char)(*c + 1);
        }
    }
    int rc = json_string_setn(copy, text, n);
    free(text);
    if (rc == 0) { return copy; }
    json_decref(copy);
    return NULL;
}

static json_t *other_value(const json_t *j);

/* Names stay, so that what looks for them finds them. */
static json_t *other_members(const json_t *j)
{
    auto_json out = json_is_object(j) ? json_object() : json_array();
    const char *name;
    json_t *v;
    size_t i;
    int rc = out ? 0 : -ENOMEM;
    json_object_foreach ((json_t *)j, name, v) {
        if (rc == 0) { rc = json_object_set_new(out, name, other_value(v)); }
    }
    json_array_foreach (j, i, v) {
        if (rc == 0) { rc = json_array_append_new(out, other_value(v)); }
    }
    return rc == 0 ? json_incref(out) : NULL;
}

static json_t *other_value(const json_t *j)
{
    switch (json_typeof(j)) {
    case JSON_STRING: return other_text(j);
    case JSON_INTEGER: return json_integer(json_integer_value(j) ^ 1);
    case JSON_REAL: return json_real(json_real_value(j) / 2 + 1);
    case JSON_TRUE: return json_false();
    case JSON_FALSE: return json_true();
    case JSON_NULL: return json_true();
    default: return other_members(j);
    }
}

/* Replaces o[name] if it is there. Variant 1: digests become zeros, everything else is gone. */
static int replace(json_t *o, const char *name, unsigned variant, bool digest)
{
    json_t *old = json_object_get(o, name);
    if (!old) { return 0; }
    if (variant == 0) { return json_object_set_new(o, name, other_value(old)); }
    if (!digest || !json_is_string(old)) { return json_object_del(o, name); }
    char zeros[129];
    size_t n = json_string_length(old) < sizeof zeros ? json_string_length(old) : sizeof zeros - 1;
    memset(zeros, '0', n);
    return json_object_set_new(o, name, json_stringn(zeros, n));
}

/* Register 0 in a list of them. */
static int replace_register(json_t *registers)
{
    if (json_array_size(registers) == 0) { return 0; }
    return json_array_set_new(registers, 0, other_value(json_array_get(registers, 0)));
}

/* What a TEE's own claims say of initdata, CoCo's and ours. */
static int replace_tee(json_t *tee, unsigned variant)
{
    static const char *const names[] = {"host_data", "mr_config_id", "rtmr_0", "init_data",
                                        "initdata"};
    json_t *ours = json_object_get(tee, "casemate");
    json_t *body = json_object_get(json_object_get(tee, "quote"), "body");
    json_t *places[] = {tee, body, ours};
    int rc = replace_register(json_object_get(ours, "registers"));
    for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
        for (size_t k = 0; rc == 0 && k < ARRAY_COUNT(names); k++) {
            rc = replace(places[i], names[k], variant, true);
        }
    }
    return rc;
}

/* Our guests' additional evidence is a text with the registers in it. */
static int replace_additional(json_t *runtime)
{
    static const char name[] = "additional-evidence";
    const json_t *text = json_object_get(runtime, name);
    auto_json doc = json_loads(json_is_string(text) ? json_string_value(text) : "", 0, NULL);
    json_t *registers = json_object_get(doc, "registers");
    if (json_array_size(registers) == 0) { return 0; }
    int rc = replace_register(registers);
    char *changed = rc == 0 ? json_dumps(doc, JSON_COMPACT) : NULL;
    rc = changed ? json_object_set_new(runtime, name, json_string(changed)) : -ENOMEM;
    free(changed);
    return rc;
}

/* The claims of one device: its TEE's object, and beside it what was bound to it. */
static int replace_device(json_t *claims, unsigned variant)
{
    const char *name;
    json_t *v;
    int rc = 0;
    json_object_foreach (claims, name, v) {
        if (rc == 0 && json_is_object(v) && strcmp(name, "init_data_claims") != 0 &&
            strcmp(name, "runtime_data_claims") != 0) {
            rc = replace_tee(v, variant);
        }
    }
    if (rc == 0) { rc = replace(claims, "init_data", variant, true); }
    if (rc == 0) { rc = replace_additional(json_object_get(claims, "runtime_data_claims")); }
    return rc ? rc : replace(claims, "init_data_claims", variant, false);
}

json_t *rego_other_initdata(const json_t *claims, unsigned variant)
{
    auto_json copy = json_deep_copy(claims);
    json_t *submods = json_object_get(copy, "submods"), *s;
    const char *name;
    int rc = copy ? 0 : -ENOMEM;
    json_object_foreach (submods, name, s) {
        if (rc == 0) {
            rc = replace_device(json_object_get(s, "ear.veraison.annotated-evidence"), variant);
        }
        if (rc == 0) { rc = replace(s, "ear.trustee.identifiers", variant, false); }
    }
    if (rc == 0 && !submods) { rc = replace_device(copy, variant); }
    return rc == 0 ? json_incref(copy) : NULL;
}

/* ---- deciding -------------------------------------------------------------------------------- */

/* 1 yes, 0 no, negative when evaluation failed; every no has its reasons in d. */
static int allows(const struct rego_policy *p, const struct rego_request *rq, struct decision *d,
                  unsigned *out_line)
{
    struct trace trace = {.reasons = d};
    auto_json found = NULL;
    struct err e = {0};
    int rc = rego_eval_traced(p, "allow", rq, &trace, &found, &e);
    if (rc < 0) {
        d->failed = true;
        decision_reason(d, "policy: evaluation failed: %s", e.text);
        return rc;
    }
    *out_line = trace.held_line;
    if (json_is_true(found)) { return 1; }
    if (!found && d->reason_count == 0) {
        decision_reason(d, "policy: package policy has no rule allow");
    } else if (found && !json_is_boolean(found)) {
        decision_reason(d, "policy: allow is not the boolean true but something else");
    } else if (d->reason_count == 0) {
        decision_reason(d, "policy: allow is false by its default");
    }
    return 0;
}

/*
 * Is the answer to this variant still yes? Out of memory counts as yes: then nothing is released.
 */
static bool still_allows(const struct rego_policy *p, const struct rego_request *rq,
                         const struct rego_allow *how, unsigned variant, struct err *e)
{
    auto_json input = rego_other_initdata(rq->input, variant);
    if (!input || (how->reappraise && how->reappraise(how->ctx, input, e) < 0)) { return true; }
    struct rego_request other = *rq;
    struct decision unused = {0};
    unsigned line;
    other.input = input;
    return allows(p, &other, &unused, &line) == 1;
}

void rego_decide(const struct rego_policy *p, const struct rego_request *rq,
                 const struct rego_allow *how, struct decision *out)
{
    struct decision d = {0};
    struct err e = {0};
    unsigned line = 0;
    *out = d;
    if (allows(p, rq, &d, &line) != 1) {
        *out = d;
        return;
    }
    for (unsigned i = 0; !how->insecure_without_initdata && i < REGO_VARIANTS; i++) {
        if (!still_allows(p, rq, how, i, &e)) { continue; }
        decision_reason(
            out,
            "policy line %u: allowed, but also with other initdata (%s): a release that "
            "does not depend on initdata would go to any workload of any owner%s%s",
            line, i == 0 ? "changed" : "none", e.text[0] ? ": " : "", e.text);
        return;
    }
    out->allowed = true;
    (void)snprintf(out->rule, sizeof out->rule, "policy:%u", line);
}
