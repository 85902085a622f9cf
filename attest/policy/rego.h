/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies in Rego, the language of CoCo's users: the part of it that their policies use, by an
 * interpreter small enough to audit. What is not supported does not load, and the error says on
 * which line what was found. README.md beside this file lists both sides with examples.
 *
 * Supported
 *   package, import rego.v1, import future.keywords...; the newer grammar always (`if` before a
 *     body), and = for := in rules and defaults
 *   name := value, name := value if {..}, name if .., name if {..} else := value if {..}, several
 *     clauses of one name, default name := constant, name contains value if {..}, functions
 *   some x, y · some x in xs · some k, v in xs · every · not · in · := and = with [a, b] and
 *     {"k": v} as patterns · == != < <= > >= · + - * / % · & | - of sets
 *   input, data.name, the package's own rules (also as data.PACKAGE.rule), x.name, x["name"], x[y],
 *     x[_], x[i] with a new i
 *   arrays, objects, sets, set(), comprehensions, raw strings, null
 *   count sum min max · array.concat · object.get object.keys object.subset object.union
 *     object.union_n · startswith endswith contains lower upper trim_prefix trim_suffix split concat
 *     sprintf (%v %s %d) · regex.match (attest/policy/regex.h) · base64.encode base64.decode
 *     json.unmarshal · time.now_ns time.parse_rfc3339_ns · walk · is_string and its like ·
 *     query_reference_value
 *
 * Otherwise than the language at large, always on the side of refusing
 *   - The wrong type for an operator, a function, `some` or `every`, division by zero, an overflow:
 *     evaluation ends with an error, it does not become "undefined", which `not` would make true.
 *   - A body is read in its order: a name has a value only below the line that gives it.
 *   - Integers have 64 bits; lower and upper know ASCII; patterns are those of regex.h.
 *
 * Bounds: 256 KiB of text, 1024 rules, 1000 names in one, 48 levels; an evaluation has
 * REGO_STEPS_MAX steps, each value compared or made counting by its size, a pattern by the work of
 * compiling it, json.unmarshal by its bytes, and REGO_MEMORY_MAX bytes. The same policy, request
 * and time give the same answer.
 */
#ifndef CASEMATE_ATTEST_POLICY_REGO_H
#define CASEMATE_ATTEST_POLICY_REGO_H

#include "attest/json.h"
#include "attest/policy/decision.h"

#define REGO_TEXT_MAX        (256u * 1024)
#define REGO_LOAD_MEMORY_MAX (64u << 20)
#define REGO_STEPS_MAX       1000000u
#define REGO_MEMORY_MAX      (32u << 20)

struct rego_policy;

/*
 * -EINVAL with "line N: ..." when the text is not a policy or uses what is not supported; -E2BIG.
 * The text is not needed afterwards. One policy may be evaluated by several threads.
 */
MUST_CHECK int rego_load(const void *text, size_t len, struct rego_policy **out, struct err *e);
void rego_free(struct rego_policy *p); /* NULL is fine */
static inline void rego_cleanup(struct rego_policy **p) { rego_free(*p); }
#define auto_rego __attribute__((cleanup(rego_cleanup))) struct rego_policy *

/* What a policy is asked about; all borrowed. */
struct rego_request {
    const json_t *input; /* a token's claims, or one device's */
    const json_t *data;  /* NULL = none; for resource policies plugin, resource-path, query */
    int64_t now_ns;      /* time.now_ns() */
    /*
     * query_reference_value(name): a new reference, or NULL for "null". NULL: there are none.
     */
    json_t *(*reference)(void *ctx, const char *name);
    void *ctx;
};

/*
 * The value of data.policy.RULE: *out is a new reference, or NULL when it is undefined (no such
 * rule, another package, no clause that holds). Sets become arrays. Policies give trust_claims,
 * extensions and allow.
 *
 * -EINVAL: evaluation failed (wrong type, conflicting values, out of steps or memory), with "line
 * N: ...". The text may quote values of the request and the policy: for the log, not for the guest.
 */
MUST_CHECK int rego_eval(const struct rego_policy *p, const char *rule,
                         const struct rego_request *rq, json_t **out, struct err *e);

/*
 * Is the rule `allow` the boolean true? Then it is asked again with other initdata, and when it
 * still says so, it is refused: such a policy would release to any workload of any owner. Two
 * requests are made for that (rego_other_initdata), and both must be refused.
 *
 * insecure_without_initdata  do not ask again; for CoCo's own policies, which look at no initdata
 * reappraise  called on each changed input, which it may change further: where the claims hold an
 *             appraisal that depends on initdata, it must be made anew. NULL: it does not depend
 * out  reasons are, per clause of `allow`, the line where it stopped and what was found and wanted
 */
struct rego_allow {
    bool insecure_without_initdata;
    int (*reappraise)(void *ctx, json_t *input, struct err *e);
    void *ctx;
};
void rego_decide(const struct rego_policy *p, const struct rego_request *rq,
                 const struct rego_allow *how, struct decision *out);

/*
 * The claims as they would be with other initdata. Everything that initdata decides is replaced: in
 * each submodule's annotated evidence (or in the claims of a single device) init_data,
 * init_data_claims, SNP's host_data, TDX's mr_config_id and rtmr_0, initdata and register 0 under
 * `casemate` and in the additional evidence, and the identifiers CoCo derives from them.
 * variant 0: other texts and numbers of the same shape; 1: zeros, and nothing in them. NULL without
 * memory.
 */
#define REGO_VARIANTS 2
json_t *rego_other_initdata(const json_t *claims, unsigned variant);

#endif
