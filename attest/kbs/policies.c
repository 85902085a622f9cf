/* SPDX-License-Identifier: Apache-2.0 */
/* See policies.h. */
#include "attest/kbs/policies.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define APPRAISAL "attestation-policy/"

void policy_fini(struct policy *p)
{
    rules_free(p->rules);
    rego_free(p->rego);
    *p = (struct policy){0};
}

static bool is_json(const uint8_t *text, size_t len)
{
    size_t i = 0;
    while (i < len && isspace(text[i])) { i++; }
    return i < len && text[i] == '{';
}

int policy_parse(const void *text, size_t len, bool rules_too, struct policy *out, struct err *e)
{
    struct policy p = {0};
    int rc = rules_too && is_json(text, len) ? rules_parse(text, len, &p.rules, e)
                                             : rego_load(text, len, &p.rego, e);
    if (rc < 0) { return rc; }
    *out = p;
    return 0;
}

int policy_refresh(struct store *st, const char *name, struct policy *p, struct err *e)
{
    auto_store_value text = {0};
    struct store_stamp now = {0};
    struct policy fresh = {0};
    struct err got = {0};
    int rc = store_stamp(st, STORE_POLICY, name, &now, &got);
    bool held = p->rules || p->rego;
    if (rc == 0 && held && memcmp(now.v, p->stamp.v, sizeof now.v) == 0) { return 0; }
    if (rc == 0) { rc = store_get(st, STORE_POLICY, name, &text, &got); }
    if (rc < 0 && rc != -ENOENT) { return err_set(e, -rc, "%s", got.text); }
    if (rc == 0) {
        rc = policy_parse(text.p, text.len, strcmp(name, POLICY_RELEASE) == 0, &fresh, e);
        if (rc < 0) { return rc; }
    }
    policy_fini(p);
    *p = fresh;
    p->stamp = now; /* not newer than what was read: at worst it is read once more */
    return 0;
}

void policy_appraisal_name(enum claims_class c, char out[POLICY_NAME_SIZE])
{
    (void)snprintf(out, POLICY_NAME_SIZE, APPRAISAL "default_%s", claims_class_name(c));
}

bool policy_appraisal_class(const char *id, enum claims_class *out)
{
    for (enum claims_class c = CLAIMS_CPU; c < CLAIMS_CLASSES; c++) {
        char name[POLICY_NAME_SIZE];
        policy_appraisal_name(c, name);
        if (strcmp(name + sizeof APPRAISAL - 1, id) != 0) { continue; }
        *out = c;
        return true;
    }
    return false;
}
