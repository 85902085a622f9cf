/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the owner's attestation policies make of a guest: a submodule of the token per device. A policy sees what the token
 * will show and nothing else, so the same can be asked again of claims that somebody changed. [coco §4.4]
 */
#include "attest/kbs/appraisal.h"

#include "attest/kbs/appraise.h"
#include "attest/kbs/references.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int by_policy(struct broker *b, const struct rego_policy *p, const json_t *evidence,
                     int64_t now, struct appraisal *out, struct err *e)
{
    struct reference_source rv = reference_source_in(b->setup.store);
    struct rego_request rq = {
        .input = evidence, .now_ns = now * 1000000000, .reference = rv.get, .ctx = rv.ctx};
    auto_json claims = NULL;
    auto_json extensions = NULL;
    int rc = rego_eval(p, "trust_claims", &rq, &claims, e);
    if (rc == 0) { rc = rego_eval(p, "extensions", &rq, &extensions, e); }
    return rc < 0 ? rc : appraisal_read(claims, extensions, out, e);
}

static int device_appraise(struct broker *b, enum claims_class class, const json_t *evidence,
                           int64_t now, json_t **out, struct err *e)
{
    struct policy *p = &b->appraising[class];
    struct reference_source rv = reference_source_in(b->setup.store);
    auto_appraisal a = {0};
    char name[POLICY_NAME_SIZE];
    policy_appraisal_name(class, name);
    int rc = policy_refresh(b->setup.store, name, p, e);
    if (rc < 0) { return rc; }
    rc = p->rego ? by_policy(b, p->rego, evidence, now, &a, e)
                 : appraise_default(class, evidence, &rv, &a, e);
    if (rc < 0) { return err_wrap(e, "%s", name); }
    *out = ear_submodule(&a, evidence);
    return *out ? 0 : err_set(e, ENOMEM, "appraisal: out of memory");
}

int appraise_devices(struct broker *b, int64_t now, struct attested *a, struct err *e)
{
    auto_json all = json_object();
    for (size_t i = 0; i < a->device_count; i++) {
        auto_json evidence = NULL;
        json_t *submodule = NULL;
        char name[ATTESTED_NAME_SIZE];
        int rc = attested_evidence(a, i, &evidence, e);
        if (rc == 0) { rc = device_appraise(b, a->device[i].class, evidence, now, &submodule, e); }
        if (rc < 0) { return rc; }
        attested_name(a, i, name);
        if (json_object_set_new(all, name, submodule) != 0) {
            return err_set(e, ENOMEM, "appraisal: out of memory");
        }
    }
    a->submods = json_incref(all);
    return 0;
}

static enum claims_class class_of(const char *submodule)
{
    for (enum claims_class c = CLAIMS_CPU; c < CLAIMS_CLASSES; c++) {
        const char *name = claims_class_name(c);
        if (strncmp(submodule, name, strlen(name)) == 0) { return c; }
    }
    return CLAIMS_CPU;
}

int appraise_again(struct broker *b, int64_t now, json_t *payload, struct err *e)
{
    json_t *submods = json_object_get(payload, "submods"), *old;
    auto_json all = json_object();
    const char *name;
    json_object_foreach (submods, name, old) {
        json_t *fresh = NULL;
        int rc = device_appraise(b, class_of(name), json_object_get(old, CLAIMS_EVIDENCE), now,
                                 &fresh, e);
        if (rc < 0) { return rc; }
        if (json_object_set_new(all, name, fresh) != 0) {
            return err_set(e, ENOMEM, "appraisal: out of memory");
        }
    }
    return json_object_set(payload, "submods", all) == 0
               ? 0
               : err_set(e, ENOMEM, "appraisal: out of memory");
}
