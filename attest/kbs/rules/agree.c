/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do those agree who must? Of the approvals that are kept the ones count that were signed by an
 * approver the rule names, cover this request and have a release left; each approver counts once,
 * whatever he signed. The refusal names who is missing, and why an approval of his does not count.
 */
#include "attest/kbs/rules/rule.h"

#include "guest/base/hosted.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct search {
    const struct check *k;
    struct rests_on *on;
    bool by_image;          /* for `signer`: only approvals that name the image */
    const struct texts *of; /* whose */
    size_t need;
    bool agrees[RULES_LIST_MAX];
    char why[RULES_LIST_MAX][40]; /* why the latest approval of each does not count */
    size_t found;
};

static size_t approver_index(const struct texts *of, const char *name)
{
    size_t i = 0;
    while (i < of->count && strcmp(of->v[i], name) != 0) { i++; }
    return i;
}

/* Has it a release left? */
static bool is_left(const struct search *s, const struct approval *a)
{
    const struct rule_sources *src = s->k->sources;
    char name[APPROVAL_NAME_SIZE], counter[RULE_COUNTER_SIZE];
    struct err e = {0};
    uint64_t used = 0;
    approval_name(a, name);
    (void)snprintf(counter, sizeof counter, "approval/%s", name);
    return src->counted && src->counted(src->ctx, counter, &used, &e) == 0 && used < a->count;
}

/* One approval may serve `approvals` and `signer`; it is counted once. */
static void rest_on(struct rests_on *on, const struct approval *a)
{
    for (size_t i = 0; i < on->count; i++) {
        const struct approval *b = &on->v[i];
        if (strcmp(a->id, b->id) == 0 && strcmp(a->approver, b->approver) == 0) { return; }
    }
    on->v[on->count++] = *a;
}

static int consider(void *ctx, const char *text, size_t len)
{
    struct search *s = ctx;
    struct approval a;
    struct err e = {0};
    const char *why = NULL;
    if (approval_parse(text, len, &a, &e) < 0) { return 0; } /* nobody's */
    size_t i = approver_index(s->of, a.approver);
    if (i == s->of->count || s->agrees[i]) { return 0; }
    const struct rule_question *q = s->k->q;
    const struct approver *by = approver_find(s->k->rules, a.approver);
    if (!approval_covers(&a, q->claims, q->resource, q->now, &why)) {
        if (strcmp(why, "resource") == 0) { return 0; } /* about something else */
    } else if (s->by_image && a.any_image) {
        why = "image is not named";
    } else if (!by || approval_verify(text, len, by->key, &e) < 0) {
        why = "signature";
    } else if (!is_left(s, &a)) {
        why = "count is used up";
    }
    if (why) {
        (void)snprintf(s->why[i], sizeof s->why[i], "%s", why);
        return 0;
    }
    s->agrees[i] = true;
    rest_on(s->on, &a);
    return ++s->found == s->need; /* then no more are looked at */
}

/* "bob (expires), carol" */
static void missing(const struct search *s, char *out, size_t size)
{
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < s->of->count && n < size; i++) {
        if (s->agrees[i]) { continue; }
        int k = snprintf(out + n, size - n, "%s%s%s%s%s", n ? ", " : "", s->of->v[i],
                         s->why[i][0] ? " (" : "", s->why[i], s->why[i][0] ? ")" : "");
        n += k > 0 ? (size_t)k : 0;
    }
}

/* need of these approvers. */
static bool agree(const struct check *k, const char *check, const struct texts *of, size_t need,
                  bool by_image, struct rests_on *on)
{
    auto_free struct search *s = calloc(1, sizeof *s);
    const struct rule_sources *src = k->sources;
    struct err e = {0};
    if (of->count == 0) { return true; }
    if (!s) {
        decision_reason(k->v, "rule %s: %s: out of memory", k->r->name, check);
        return false;
    }
    *s = (struct search){.k = k, .on = on, .by_image = by_image, .of = of, .need = need};
    if (src->approvals && src->approvals(src->ctx, consider, s, &e) < 0) {
        decision_reason(k->v, "rule %s: %s: %s", k->r->name, check, e.text);
        return false;
    }
    if (s->found == need) { return true; }
    char who[300];
    missing(s, who, sizeof who);
    decision_reason(k->v, "rule %s: %s: found %zu, wanted %zu; missing: %s", k->r->name, check,
                    s->found, need, who);
    return false;
}

bool approvals_hold(const struct check *k, struct rests_on *out)
{
    bool ok = agree(k, "approvals", &k->r->approvers, k->r->need, false, out);
    return agree(k, "signer", &k->r->signers, 1, true, out) && ok;
}
