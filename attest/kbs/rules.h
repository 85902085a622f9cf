/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's own policy: who gets which resource, as a list of rules in JSON. A request is allowed by the first rule
 * that names the resource and holds in every member; otherwise it is refused, and the decision says for each rule that
 * named the resource which check failed, what was found and what was wanted.
 *
 *      {"version": 1, "rules": [{
 *          "name": "web",                          required, unique; appears in decisions and in the audit log
 *          "resources": ["default/key/img"],       required; a segment may be *, nothing else is a pattern
 *          "tee": ["sim"],                         required; kinds of evidence
 *          "initdata": ["9f1c..."],                required; digests of the initdata text, or their first 32 bytes
 *          "measurement": ["ab12..."],             launch digests; absent = the reference values of that kind of TEE
 *          "image": ["sha256:77aa..."],            manifest digests, as register 1 tells them; absent = not looked at
 *          "registers": {"2": ["c0de..."]},        runtime registers 0 to 3; absent = not looked at
 *          "for": "init"                           "init" (absent = that): before seal, with an empty register 3;
 *                                                  "application": after seal
 *      }]}
 *
 * Invariants, checked when a policy is loaded:
 *  1. Every rule names at least one initdata digest: a release that does not depend on initdata would go to any workload
 *     of any owner, so such a policy does not load.
 *  2. Unknown members, empty lists, duplicate names, upper-case or odd-length digests are errors.
 *  3. An empty list of rules is legal and refuses everything, as does the absence of a policy.
 */
#ifndef CASEMATE_ATTEST_KBS_RULES_H
#define CASEMATE_ATTEST_KBS_RULES_H

#include "attest/kbs/claims.h"
#include "attest/policy/decision.h"
#include "guest/base/cur.h"
#include "guest/base/err.h"

#define RULES_TEXT_MAX (1024u * 1024)
#define RULES_MAX      1024u /* an owner's images, generously; each request looks at all of them */
#define RULES_LIST_MAX 256u  /* entries in one list */

struct rules;

MUST_CHECK int rules_parse(const void *text, size_t len, struct rules **out, struct err *e);
void rules_free(struct rules *r);

/*
 * Reference values, by kind of TEE: is this launch digest one of them? count: how many there are; first: one of them in
 * hex, for the reason, or empty.
 */
struct reference_answer {
    bool known;
    size_t count;
    char first[HEX_LEN(CLAIMS_MEASUREMENT)];
};
struct references {
    void *ctx;
    struct reference_answer (*ask)(void *ctx, const char *tee,
                                   const uint8_t measurement[CLAIMS_MEASUREMENT]);
};

/*
 * The kinds of TEE that rules know, and the name under which each one's reference values are kept: CoCo's names where it
 * has one. NULL for other kinds.
 */
const char *reference_name_of(const char *tee);
/* Is that one of these names? */
bool reference_name_is_ours(const char *name);

/* rules NULL = there is no policy. resource: "repository/type/tag", syntax already checked. */
void rules_judge(const struct rules *rules, const struct references *refs, const struct claims *c,
                 const char *resource, struct decision *out);

/* "a/b/c": exactly three segments of [A-Za-z0-9_-][A-Za-z0-9_.-]*, at most 255 characters each. [coco §4.1] */
bool resource_path_ok(struct view path);

#endif
