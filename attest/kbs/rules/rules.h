/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's own policy: who gets which resource, as a list of rules in JSON. A request is
 * allowed by the first rule that names the resource and holds in every member; otherwise it is
 * refused, and the decision says for each rule that named the resource which check failed, what was
 * found and what was wanted.
 *
 *      {"version": 1,
 *       "approvers": {"alice": {JWK}, ...},         who may approve, by public key; absent = nobody
 *       "rules": [{
 *          "name": "web",                           required, unique; in decisions and the audit log
 *          "resources": ["default/key/img"],        required; a segment may be *, nothing else is a
 *                                                   pattern
 *          "tee": ["sim"],                          required; kinds of evidence: sim, snp, tdx
 *          "initdata": ["9f1c..."],                 required; digests of the initdata text, or their
 *                                                   first 32 bytes
 *
 *       which program; absent = not looked at, but for measurement
 *          "measurement": ["ab12..."],              launch digests; absent = the reference values of
 *                                                   that kind of TEE
 *          "image": ["sha256:77aa..."],             manifest digests, as register 1 tells them
 *          "signer": ["builder"],                   one of these approvers has signed an approval
 *                                                   that names this image's digest
 *          "registers": {"2": ["c0de..."]},         runtime registers 0 to 3
 *          "for": "init",                           "init" (absent = that): before seal, with an
 *                                                   empty register 3; "application": after seal
 *
 *       which machine; absent = not looked at
 *          "chips": ["e1c8..."],                    SNP: CHIP_ID; TDX: PPID
 *          "platforms": ["Genoa"],                  SNP: product; TDX: FMSPC
 *          "firmware": {"snp": {"bootloader": 4, "tee": 0, "snp": 23, "microcode": 213, "fmc": 1},
 *                       "tdx": "07010300..."},      the least of each: SNP's reported TCB, whichever
 *                                                   members are named; TDX's TEE_TCB_SVN, byte by
 *                                                   byte. A kind that is not named does not hold
 *          "tcb": {"status": ["UpToDate"],          what Intel says of the platform (TDX)
 *                  "not_before": "2025-08-13T00:00:00Z", "max_age_days": 400},   and since when
 *          "claims": [{"at": "/snp/policy_smt_allowed", "is": [false]}, ...],
 *                                                   what the token shows: a JSON pointer [RFC 6901]
 *                                                   into `ear.veraison.annotated-evidence`, and one
 *                                                   or more of is (it is one of these), has (an array
 *                                                   with one of these in it), min, max (numbers). So
 *                                                   "/init_data_claims/aa.toml/owner" is initdata's
 *
 *       when, how often, and who agrees
 *          "when": {"from": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z",
 *                   "days": ["mon", "tue"], "hours": ["08:00", "18:00"]},        UTC; [from, until)
 *          "releases": 3,                           so many and no more, whatever the number of
 *                                                   brokers; counted under the rule's name for ever
 *          "approvals": {"of": ["alice", "bob", "carol"], "need": 2}             approval.h
 *      }]}
 *
 * Invariants, checked when a policy is loaded:
 *  1. Every rule names at least one initdata digest: a release that does not depend on initdata would
 *     go to any workload of any owner, so such a policy does not load.
 *  2. Unknown members, empty lists, duplicate names, upper-case or odd-length digests are errors.
 *  3. An empty list of rules is legal and refuses everything, as does the absence of a policy.
 *  4. A claim that is absent or of another type satisfies no check.
 *  5. What is counted is counted last, when everything else holds; each release takes one from the
 *     rule and one from each approval it rests on.
 */
#ifndef CASEMATE_ATTEST_KBS_RULES_RULES_H
#define CASEMATE_ATTEST_KBS_RULES_RULES_H

#include "attest/kbs/rules/question.h"
#include "attest/policy/decision.h"
#include "guest/base/err.h"

#define RULES_TEXT_MAX (1024u * 1024)

struct rules;

MUST_CHECK int rules_parse(const void *text, size_t len, struct rules **out, struct err *e);
void rules_free(struct rules *r);

struct crypto_key;
/*
 * The key of an approver that the policy names; NULL = none. A view into rules, which may be NULL.
 */
const struct crypto_key *rules_approver(const struct rules *rules, const char *name);

/* rules NULL = there is no policy. */
void rules_judge(const struct rules *rules, const struct rule_sources *sources,
                 const struct rule_question *q, struct decision *out);

/*
 * Rule number i by itself, for whoever wants to know about all of them; false when it does not name
 * the resource. rules_name(): NULL behind the last one.
 */
const char *rules_name(const struct rules *rules, size_t i);
MUST_CHECK bool rules_judge_one(const struct rules *rules, size_t i,
                                const struct rule_sources *sources, const struct rule_question *q,
                                struct decision *out);

#endif
