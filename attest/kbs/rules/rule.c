/* SPDX-License-Identifier: Apache-2.0 */
/* See rule.h. Who owns what in a policy, and whose key is whose. */
#include "attest/kbs/rules/rule.h"

#include <stdlib.h>
#include <string.h>

static void texts_free(struct texts *t)
{
    for (size_t i = 0; i < t->count; i++) { free(t->v[i]); }
    free(t->v);
}

static void claim_checks_free(struct claim_checks *c)
{
    for (size_t i = 0; i < c->count; i++) {
        free(c->v[i].at);
        json_decref(c->v[i].is);
        json_decref(c->v[i].has);
        json_decref(c->v[i].min);
        json_decref(c->v[i].max);
    }
    free(c->v);
}

void rule_fini(struct rule *u)
{
    struct texts *texts[] = {&u->resources, &u->tees,    &u->platforms,
                             &u->approvers, &u->signers, &u->tcb.status};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) { texts_free(texts[i]); }
    free(u->initdata.v);
    free(u->measurement.v);
    free(u->image.v);
    free(u->chips.v);
    free(u->firmware.tdx.v);
    for (size_t k = 0; k < CLAIMS_REGISTERS; k++) { free(u->registers[k].v); }
    claim_checks_free(&u->claims);
}

const struct approver *approver_find(const struct rules *rules, const char *name)
{
    for (size_t i = 0; i < rules->approver_count; i++) {
        if (strcmp(rules->approvers[i].name, name) == 0) { return &rules->approvers[i]; }
    }
    return NULL;
}
