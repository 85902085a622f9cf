/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judge: for each rule that names the resource all that can be seen in evidence is checked, all
 * reasons at once; where that holds, whether those agree who must; and last what is counted, since
 * a count cannot be given back.
 */
#include "attest/kbs/rules/rules.h"

#include "attest/kbs/rules/names.h"
#include "attest/kbs/rules/rule.h"

#include "guest/base/hosted.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

void rules_free(struct rules *r)
{
    if (!r) { return; }
    for (size_t i = 0; i < r->count; i++) { rule_fini(&r->v[i]); }
    for (size_t i = 0; i < r->approver_count; i++) { crypto_key_free(r->approvers[i].key); }
    free(r->approvers);
    free(r->v);
    free(r);
}

int rules_parse(const void *text, size_t len, struct rules **out, struct err *e)
{
    auto_json doc = NULL;
    int rc = json_load_strict("policy", text, len, RULES_TEXT_MAX, &doc, e);
    if (rc < 0) { return rc; }
    struct rules *r = calloc(1, sizeof *r);
    if (!r) { return err_set(e, ENOMEM, "policy: out of memory"); }
    rc = rules_read(doc, r, e);
    if (rc < 0) {
        rules_free(r);
        return rc;
    }
    *out = r;
    return 0;
}

const struct crypto_key *rules_approver(const struct rules *rules, const char *name)
{
    const struct approver *a = rules ? approver_find(rules, name) : NULL;
    return a ? a->key : NULL;
}

/* ---- judging --------------------------------------------------------------------------------- */

static bool rule_names(const struct rule *r, const char *resource)
{
    for (size_t i = 0; i < r->resources.count; i++) {
        if (resource_pattern_matches(r->resources.v[i], resource)) { return true; }
    }
    return false;
}

static bool take(const struct check *k, const char *counter, uint64_t max)
{
    struct err e = {0};
    bool taken = false;
    const struct rule_sources *s = k->sources;
    int rc = s->take ? s->take(s->ctx, counter, max, &taken, &e)
                     : err_set(&e, ENOSYS, "nothing is counted here");
    if (rc < 0) {
        decision_reason(k->v, "rule %s: %s: %s", k->r->name, counter, e.text);
    } else if (!taken) {
        decision_reason(k->v, "rule %s: %s: found %" PRIu64 " releases, wanted fewer than that",
                        k->r->name, counter, max);
    }
    return rc == 0 && taken;
}

/*
 * A refusal in the middle has taken some for nothing: the counts err on the side of refusing.
 * on  NULL = no approvals: the struct has 290 KiB, too much to clear for every release
 */
static bool take_all(const struct check *k, const struct rests_on *on)
{
    char counter[RULE_COUNTER_SIZE], name[APPROVAL_NAME_SIZE];
    (void)snprintf(counter, sizeof counter, "rule/%s", k->r->name);
    if (k->r->releases && !take(k, counter, k->r->releases)) { return false; }
    for (size_t i = 0; on && i < on->count; i++) {
        approval_name(&on->v[i], name);
        (void)snprintf(counter, sizeof counter, "approval/%s", name);
        if (!take(k, counter, on->v[i].count)) { return false; }
    }
    return true;
}

static bool rule_allows(const struct check *k)
{
    if (!rule_holds(k)) { return false; }
    bool agreed = k->r->approvers.count || k->r->signers.count;
    if (!agreed) { return take_all(k, NULL); }
    auto_free struct rests_on *on = calloc(1, sizeof *on);
    if (!on) {
        decision_reason(k->v, "rule %s: out of memory", k->r->name);
        return false;
    }
    return approvals_hold(k, on) && take_all(k, on);
}

const char *rules_name(const struct rules *rules, size_t i)
{
    return i < rules->count ? rules->v[i].name : NULL;
}

/* Adds reasons to out, or sets it to yes. */
static bool judge_one(const struct rules *rules, size_t i, const struct rule_sources *sources,
                      const struct rule_question *q, struct decision *out)
{
    struct check k = {.rules = rules, .r = &rules->v[i], .sources = sources, .q = q, .v = out};
    if (!rule_names(k.r, q->resource)) { return false; }
    if (rule_allows(&k)) {
        *out = (struct decision){.allowed = true};
        memcpy(out->rule, k.r->name, sizeof out->rule);
    }
    return true;
}

bool rules_judge_one(const struct rules *rules, size_t i, const struct rule_sources *sources,
                     const struct rule_question *q, struct decision *out)
{
    *out = (struct decision){0};
    return judge_one(rules, i, sources, q, out);
}

void rules_judge(const struct rules *rules, const struct rule_sources *sources,
                 const struct rule_question *q, struct decision *out)
{
    *out = (struct decision){0};
    bool named = false;
    for (size_t i = 0; rules && !out->allowed && i < rules->count; i++) {
        named |= judge_one(rules, i, sources, q, out);
    }
    if (!rules) {
        decision_reason(out, "resource: there is no policy yet, so nothing is released");
    } else if (!named) {
        decision_reason(out, "resource: no rule names %.200s", q->resource);
    }
}
