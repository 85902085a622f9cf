/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The owner's policies, as the broker holds them: one that releases, and one per class of device that appraises. Each is a
 * text in the store and what was made out of it; before each use it is brought up to what the store has, since another
 * broker may have replaced it.
 *
 * A releasing policy is our rules in JSON (rules.h) or Rego (attest/policy/rego.h), told apart by the first character. An
 * appraising one is Rego; without one the broker's own appraisal holds (appraise.h). [coco §4.3, §4.4]
 */
#ifndef CASEMATE_ATTEST_KBS_POLICIES_H
#define CASEMATE_ATTEST_KBS_POLICIES_H

#include "attest/kbs/claims.h"
#include "attest/kbs/rules/rules.h"
#include "attest/kbs/store/store.h"
#include "attest/policy/rego.h"

#define POLICY_RELEASE "resource-policy" /* CoCo's name for it */

/* The zero value is "there is none". At most one of the two is there. */
struct policy {
    struct rules *rules;
    struct rego_policy *rego;
    struct store_stamp stamp; /* of the text this was made from */
};
void policy_fini(struct policy *p);
#define auto_policy __attribute__((cleanup(policy_fini))) struct policy

/* What it is, and that it loads. rules_too: JSON is a policy here. */
MUST_CHECK int policy_parse(const void *text, size_t len, bool rules_too, struct policy *out,
                            struct err *e);

/* After this *p is what the store has under that name; on failure it is as it was and must not be used. */
MUST_CHECK int policy_refresh(struct store *st, const char *name, struct policy *p, struct err *e);

/* "default_cpu": the policy that appraises devices of a class, and its name in the store. */
#define POLICY_NAME_SIZE 64
void policy_appraisal_name(enum claims_class c, char out[POLICY_NAME_SIZE]);
/* The class whose devices this id's policy appraises: false for an id that nothing ever asks for. */
bool policy_appraisal_class(const char *id, enum claims_class *out);

#endif
