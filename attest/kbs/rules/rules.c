/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judge: for each rule that names the resource all that can be seen in evidence is checked, all
 * reasons at once; where that holds, whether those agree who must; and last what is counted, since
 * a count cannot be given back.
 */
#include "attest/kbs/rules/internal.h"

#include "guest/base/hosted.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define SEGMENT_MAX 255

/* ---- ownership ------------------------------------------------------------------------------- */

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

static void rule_free(struct rule *u)
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

void rules_free(struct rules *r)
{
    if (!r) { return; }
    for (size_t i = 0; i < r->count; i++) { rule_free(&r->v[i]); }
    for (size_t i = 0; i < r->approver_count; i++) { crypto_key_free(r->approvers[i].key); }
    free(r->approvers);
    free(r->v);
    free(r);
}

/* ---- resource paths -------------------------------------------------------------------------- */

static bool segment_ok(const char *p, size_t len)
{
    if (len == 0 || len > SEGMENT_MAX || p[0] == '.') { return false; }
    for (size_t i = 0; i < len; i++) {
        char c = p[i];
        bool ok = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '.';
        if (!ok) { return false; }
    }
    return true;
}

/* Calls ok() for each of exactly three segments. */
static bool three_segments(const char *p, size_t len, bool (*ok)(const char *p, size_t len))
{
    size_t segments = 0;
    for (;;) {
        const char *slash = len ? memchr(p, '/', len) : NULL;
        size_t n = slash ? (size_t)(slash - p) : len;
        if (!ok(p, n)) { return false; }
        segments++;
        if (!slash) { return segments == 3; }
        p += n + 1;
        len -= n + 1;
    }
}

bool resource_path_ok(struct view path)
{
    return three_segments((const char *)path.p, path.len, segment_ok);
}

static bool pattern_segment_ok(const char *p, size_t len)
{
    return (len == 1 && p[0] == '*') || segment_ok(p, len);
}

bool resource_pattern_ok(const char *pattern)
{
    return three_segments(pattern, strlen(pattern), pattern_segment_ok);
}

bool resource_pattern_matches(const char *pattern, const char *path)
{
    for (;;) {
        size_t pn = strcspn(pattern, "/"), n = strcspn(path, "/");
        bool any = pn == 1 && pattern[0] == '*';
        if (!any && (pn != n || memcmp(pattern, path, n) != 0)) { return false; }
        if (path[n] == '\0' || pattern[pn] == '\0') { return path[n] == pattern[pn]; }
        pattern += pn + 1;
        path += n + 1;
    }
}

/* ---- kinds ----------------------------------------------------------------------------------- */

static const struct {
    const char *tee, *reference;
} kinds[] = {
    {"sim", "sim_launch_measurement"}, {"snp", "snp_launch_measurement"}, {"tdx", "mr_td"}};

const char *reference_name_of(const char *tee)
{
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        if (strcmp(kinds[i].tee, tee) == 0) { return kinds[i].reference; }
    }
    return NULL;
}

bool reference_name_is_ours(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        if (strcmp(kinds[i].reference, name) == 0) { return true; }
    }
    return false;
}

struct reference_answer reference_answer_of(const json_t *value,
                                            const uint8_t measurement[CLAIMS_MEASUREMENT])
{
    struct reference_answer a = {0};
    char want[HEX_LEN(CLAIMS_MEASUREMENT)];
    bool list = json_is_array(value);
    size_t n = list ? json_array_size(value) : 1;
    hex_encode(measurement, CLAIMS_MEASUREMENT, want);
    for (size_t i = 0; i < n; i++) {
        const char *one = json_string_value(list ? json_array_get(value, i) : value);
        if (!one) { continue; }
        a.count++;
        if (!a.first[0]) { (void)snprintf(a.first, sizeof a.first, "%s", one); }
        if (strcmp(one, want) == 0) { a.known = true; }
    }
    return a;
}

/* ---- judging --------------------------------------------------------------------------------- */

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
    for (size_t i = 0; rules && i < rules->approver_count; i++) {
        if (strcmp(rules->approvers[i].name, name) == 0) { return rules->approvers[i].key; }
    }
    return NULL;
}

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
