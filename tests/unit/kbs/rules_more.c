/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about machines, claims, time, counts and agreement. tests/unit/kbs/rules.c has the rest. */
#include "attest/kbs/rules/approval.h"
#include "attest/kbs/rules/rules.h"

#include "attest/jose.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define D32  "1111111111111111111111111111111111111111111111111111111111111111"
#define D48  D32 "11111111111111111111111111111111"
#define CHIP D32 "2222222222222222222222222222222222222222222222222222222222222222"
#define IMG  "3333333333333333333333333333333333333333333333333333333333333333"

#define WEDNESDAY 1767771000 /* 2026-01-07T07:30:00Z */

/* A rule about these kinds of TEE, and what else. */
#define HEAD(tee)                                                                                  \
    "{\"name\":\"r\",\"resources\":[\"a/b/c\"],\"tee\":[\"" tee "\"],\"initdata\":[\"" D32         \
    "\"],\"measurement\":[\"" D48 "\"]"
#define POLICY(tee, more) "{\"version\":1,\"rules\":[" HEAD(tee) more "}]}"

/* ---- what rules look up ---------------------------------------------------------------------- */

struct world {
    const char *approvals[8];
    size_t approval_count;
    struct {
        char name[RULE_COUNTER_SIZE];
        uint64_t used;
    } counters[8];
    size_t counter_count;
    int fails; /* a negative errno from every look-up */
};

static uint64_t *counter_of(struct world *w, const char *name)
{
    for (size_t i = 0; i < w->counter_count; i++) {
        if (strcmp(w->counters[i].name, name) == 0) { return &w->counters[i].used; }
    }
    cr_assert_lt(w->counter_count, ARRAY_COUNT(w->counters));
    (void)snprintf(w->counters[w->counter_count].name, RULE_COUNTER_SIZE, "%s", name);
    return &w->counters[w->counter_count++].used;
}

static int world_approvals(void *ctx, int (*each)(void *each_ctx, const char *text, size_t len),
                           void *each_ctx, struct err *e)
{
    struct world *w = ctx;
    if (w->fails) { return err_set(e, -w->fails, "the database is away"); }
    for (size_t i = 0; i < w->approval_count; i++) {
        int rc = each(each_ctx, w->approvals[i], strlen(w->approvals[i]));
        if (rc != 0) { return rc; }
    }
    return 0;
}

static int world_counted(void *ctx, const char *counter, uint64_t *out, struct err *e)
{
    struct world *w = ctx;
    if (w->fails) { return err_set(e, -w->fails, "the database is away"); }
    *out = *counter_of(w, counter);
    return 0;
}

static int world_take(void *ctx, const char *counter, uint64_t max, bool *out_taken, struct err *e)
{
    struct world *w = ctx;
    if (w->fails) { return err_set(e, -w->fails, "the database is away"); }
    uint64_t *used = counter_of(w, counter);
    *out_taken = *used < max;
    *used += *out_taken;
    return 0;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static struct claims claims_of(const char *tee)
{
    struct claims c = {.initdata_len = 48, .phase = CLAIMS_PHASE_INIT, .has_registers = true};
    memcpy(c.tee, tee, strlen(tee) + 1);
    memset(c.measurement, 0x11, sizeof c.measurement);
    memset(c.initdata, 0x11, 48);
    memset(c.registers[1], 0x33, 32);
    return c;
}

static struct decision judge_at(const char *policy, const char *tee, const char *evidence,
                                int64_t now, struct world *w)
{
    struct rules *r = NULL;
    struct err e = {0};
    struct decision d;
    auto_json ev = evidence ? json_loads(evidence, 0, NULL) : NULL;
    struct claims c = claims_of(tee);
    struct rule_sources s = {.ctx = w,
                             .approvals = w ? world_approvals : NULL,
                             .counted = w ? world_counted : NULL,
                             .take = w ? world_take : NULL};
    struct rule_question q = {.claims = &c, .evidence = ev, .resource = "a/b/c", .now = now};
    cr_assert(ev || !evidence, "%s", evidence);
    cr_assert_eq(rules_parse(policy, strlen(policy), &r, &e), 0, "%s", e.text);
    rules_judge(r, &s, &q, &d);
    rules_free(r);
    return d;
}

struct ask {
    const char *policy, *tee, *evidence;
    int64_t now;
    const char *refused; /* NULL = allowed; else in the first reason */
};
static void expect(const struct ask *asks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct ask *a = &asks[i];
        struct decision d = judge_at(a->policy, a->tee, a->evidence, a->now, NULL);
        cr_expect_eq(d.allowed, a->refused == NULL, "%zu: %s", i, d.reasons[0]);
        cr_expect(!a->refused || strstr(d.reasons[0], a->refused), "%zu: %s", i, d.reasons[0]);
    }
}
#define EXPECT(...)                                                                                \
    do {                                                                                           \
        static const struct ask asks[] = {__VA_ARGS__};                                            \
        expect(asks, ARRAY_COUNT(asks));                                                           \
    } while (0)

Test(rules_more, chips_and_platforms_are_lists_of_who_may)
{
#define ON_CHIP     POLICY("snp\",\"tdx", ",\"chips\":[\"" D32 "\",\"" CHIP "\"]")
#define ON_PLATFORM POLICY("snp\",\"tdx", ",\"platforms\":[\"Genoa\",\"00806f050000\"]")
    EXPECT(
        {POLICY("snp", ",\"chips\":[\"" CHIP "\"]"), "snp", "{\"snp\":{\"chip_id\":\"" CHIP "\"}}",
         0, NULL},
        {POLICY("snp", ",\"chips\":[\"" CHIP "\"]"), "snp",
         "{\"snp\":{\"chip_id\":\"" D32 D32 "\"}}", 0, "chips: found " D32 D32 ", wanted " CHIP},
        {POLICY("tdx", ",\"chips\":[\"11111111111111111111111111111111\"]"), "tdx",
         "{\"tdx\":{\"ppid\":\"11111111111111111111111111111111\"}}", 0, NULL},
        {POLICY("snp", ",\"chips\":[\"" CHIP "\"]"), "snp", "{\"snp\":{}}", 0,
         "does not name its processor"},
        {POLICY("snp", ",\"chips\":[\"" CHIP "\"]"), "snp", "{\"snp\":{\"chip_id\":7}}", 0,
         "does not name its processor"},
        {POLICY("snp", ",\"chips\":[\"" CHIP "\"]"), "snp", "{\"tdx\":{\"ppid\":\"" CHIP "\"}}", 0,
         "does not name its processor"},
        {POLICY("snp", ",\"chips\":[\"" CHIP "\"]"), "snp", NULL, 0, "does not name its processor"},
        {ON_PLATFORM, "snp", "{\"snp\":{\"product\":\"Genoa\"}}", 0, NULL},
        {ON_PLATFORM, "tdx", "{\"tdx\":{\"fmspc\":\"00806f050000\"}}", 0, NULL},
        {ON_PLATFORM, "snp", "{\"snp\":{\"product\":\"Milan\"}}", 0,
         "platforms: found Milan, wanted Genoa or another it lists"},
        {ON_PLATFORM, "snp", "{\"snp\":{}}", 0, "platforms: found nothing"}, );
}

Test(rules_more, firmware_has_a_floor)
{
#define FLOOR                                                                                      \
    POLICY("snp\",\"tdx\",\"sim",                                                                  \
           ",\"firmware\":{\"snp\":{\"bootloader\":4,\"microcode\":213},\"tdx\":"                  \
           "\"07010300000000000000000000000000\"}")
    EXPECT(
        {FLOOR, "snp", "{\"snp\":{\"reported_tcb_bootloader\":4,\"reported_tcb_microcode\":213}}",
         0, NULL},
        {FLOOR, "snp", "{\"snp\":{\"reported_tcb_bootloader\":9,\"reported_tcb_microcode\":255}}",
         0, NULL},
        {FLOOR, "snp", "{\"snp\":{\"reported_tcb_bootloader\":3,\"reported_tcb_microcode\":213}}",
         0, "firmware: reported_tcb_bootloader: found 3, wanted at least 4"},
        {FLOOR, "snp", "{\"snp\":{\"reported_tcb_bootloader\":4,\"reported_tcb_microcode\":212}}",
         0, "firmware: reported_tcb_microcode: found 212, wanted at least 213"},
        {FLOOR, "snp", "{\"snp\":{\"reported_tcb_bootloader\":4}}", 0,
         "found none, wanted at least 213"},
        {FLOOR, "snp",
         "{\"snp\":{\"reported_tcb_bootloader\":\"4\",\"reported_tcb_microcode\":213}}", 0,
         "found none, wanted at least 4"},
        {FLOOR, "tdx",
         "{\"tdx\":{\"quote\":{\"body\":{\"tcb_svn\":\"07010300000000000000000000000000\"}}}}", 0,
         NULL},
        {FLOOR, "tdx",
         "{\"tdx\":{\"quote\":{\"body\":{\"tcb_svn\":\"08000300000000000000000000000000\"}}}}", 0,
         "firmware: tcb_svn: found 0800"},
        {FLOOR, "tdx", "{\"tdx\":{}}", 0, "firmware: tcb_svn: found none"},
        {FLOOR, "sim", "{\"sim\":{}}", 0, "firmware: found sim, wanted a kind for which"}, );
}

Test(rules_more, a_platform_can_be_too_old)
{
#define AGED  POLICY("tdx", ",\"tcb\":{\"status\":[\"UpToDate\"],\"max_age_days\":400}")
#define SINCE POLICY("tdx", ",\"tcb\":{\"not_before\":\"2025-08-13T00:00:00Z\"}")
    EXPECT(
        {AGED, "tdx",
         "{\"tdx\":{\"tcb_status\":\"UpToDate\",\"tcb_date\":\"2025-08-13T00:00:00Z\"}}", WEDNESDAY,
         NULL},
        {AGED, "tdx",
         "{\"tdx\":{\"tcb_status\":\"OutOfDate\",\"tcb_date\":\"2025-08-13T00:00:00Z\"}}",
         WEDNESDAY, "tcb: status: found OutOfDate, wanted UpToDate"},
        {AGED, "tdx",
         "{\"tdx\":{\"tcb_status\":\"UpToDate\",\"tcb_date\":\"2024-11-01T00:00:00Z\"}}", WEDNESDAY,
         "tcb: found tcb_date 2024-11-01T00:00:00Z, wanted 2024-12-03T07:30:00Z or later"},
        {AGED, "tdx", "{\"tdx\":{\"tcb_status\":\"UpToDate\"}}", WEDNESDAY, "found tcb_date none"},
        {AGED, "tdx", "{\"tdx\":{\"tcb_status\":\"UpToDate\",\"tcb_date\":\"soon\"}}", WEDNESDAY,
         "found tcb_date soon"},
        {SINCE, "tdx", "{\"tdx\":{\"tcb_date\":\"2025-08-13T00:00:00Z\"}}", WEDNESDAY, NULL},
        {SINCE, "tdx", "{\"tdx\":{\"tcb_date\":\"2025-08-12T23:59:59Z\"}}", WEDNESDAY,
         "wanted 2025-08-13T00:00:00Z or later"}, );
}

Test(rules_more, claims_are_found_by_pointer)
{
#define CLAIM(check) POLICY("snp", ",\"claims\":[{" check "}]")
#define EVIDENCE                                                                                   \
    "{\"snp\":{\"policy_smt_allowed\":false,\"svn\":3},\"init_data_claims\":{\"aa.toml\":{"        \
    "\"owner\":\"red\",\"l\":[\"x\",\"y\"]},\"a/b~c\":1.5}}"
    EXPECT(
        {CLAIM("\"at\":\"/snp/policy_smt_allowed\",\"is\":[false]"), "snp", EVIDENCE, 0, NULL},
        {CLAIM("\"at\":\"/snp/policy_smt_allowed\",\"is\":[true]"), "snp", EVIDENCE, 0,
         "claims: /snp/policy_smt_allowed: found false, wanted one of [true]"},
        {CLAIM("\"at\":\"/init_data_claims/aa.toml/owner\",\"is\":[\"blue\",\"red\"]"), "snp",
         EVIDENCE, 0, NULL},
        {CLAIM("\"at\":\"/init_data_claims/aa.toml/l/1\",\"is\":[\"y\"]"), "snp", EVIDENCE, 0,
         NULL},
        {CLAIM("\"at\":\"/init_data_claims/aa.toml/l/01\",\"is\":[\"y\"]"), "snp", EVIDENCE, 0,
         "found nothing"},
        {CLAIM("\"at\":\"/init_data_claims/aa.toml/l/2\",\"is\":[\"y\"]"), "snp", EVIDENCE, 0,
         "found nothing"},
        {CLAIM("\"at\":\"/init_data_claims/aa.toml/l\",\"has\":[\"z\",\"x\"]"), "snp", EVIDENCE, 0,
         NULL},
        {CLAIM("\"at\":\"/init_data_claims/aa.toml/l\",\"has\":[\"z\"]"), "snp", EVIDENCE, 0,
         "found [\"x\",\"y\"], wanted an array with one of [\"z\"]"},
        {CLAIM("\"at\":\"/init_data_claims/a~1b~0c\",\"min\":1,\"max\":2"), "snp", EVIDENCE, 0,
         NULL},
        {CLAIM("\"at\":\"/snp/svn\",\"min\":3,\"max\":3"), "snp", EVIDENCE, 0, NULL},
        {CLAIM("\"at\":\"/snp/svn\",\"min\":4"), "snp", EVIDENCE, 0, "found 3, wanted at least 4"},
        {CLAIM("\"at\":\"/snp/svn\",\"max\":2"), "snp", EVIDENCE, 0, "found 3, wanted at most 2"},
        {CLAIM("\"at\":\"/snp/svn\",\"is\":[\"3\"]"), "snp", EVIDENCE, 0, "found 3, wanted one of"},
        {CLAIM("\"at\":\"/snp/nothing\",\"max\":2"), "snp", EVIDENCE, 0, "found nothing"},
        {CLAIM("\"at\":\"/snp/svn\",\"min\":0"), "snp", NULL, 0, "found nothing"}, );
}

Test(rules_more, time_windows_are_half_open_and_utc)
{
#define FROM_UNTIL                                                                                 \
    POLICY("sim",                                                                                  \
           ",\"when\":{\"from\":\"2026-01-07T07:30:00Z\",\"until\":\"2026-01-07T07:30:01Z\"}")
#define OFFICE                                                                                     \
    POLICY("sim", ",\"when\":{\"days\":[\"mon\",\"wed\"],\"hours\":[\"07:30\",\"18:00\"]}")
    EXPECT({FROM_UNTIL, "sim", NULL, WEDNESDAY, NULL},
           {FROM_UNTIL, "sim", NULL, WEDNESDAY - 1,
            "found 2026-01-07T07:29:59Z, wanted not before 2026"},
           {FROM_UNTIL, "sim", NULL, WEDNESDAY + 1, "wanted before 2026-01-07T07:30:01Z"},
           {OFFICE, "sim", NULL, WEDNESDAY, NULL},
           {OFFICE, "sim", NULL, WEDNESDAY - 1, "wanted a time within the rule's hours"},
           {OFFICE, "sim", NULL, WEDNESDAY + 37799, NULL}, /* 17:59:59 */
           {OFFICE, "sim", NULL, WEDNESDAY + 37800, "wanted a time within"},
           {OFFICE, "sim", NULL, WEDNESDAY + 86400, "wanted one of the rule's days"},
           {OFFICE, "sim", NULL, WEDNESDAY + 5 * 86400, NULL}, /* Monday */
           {POLICY("sim", ",\"when\":{\"days\":[\"thu\"]}"), "sim", NULL, 0, NULL}, );
}

/* ---- counting -------------------------------------------------------------------------------- */

Test(rules_more, a_rule_releases_so_often_and_no_more)
{
    static const char policy[] = POLICY("sim", ",\"releases\":2");
    struct world w = {0};
    cr_expect(judge_at(policy, "sim", NULL, 0, &w).allowed);
    cr_expect(judge_at(policy, "sim", NULL, 0, &w).allowed);
    struct decision d = judge_at(policy, "sim", NULL, 0, &w);
    cr_expect(!d.allowed && strstr(d.reasons[0], "rule/r: found 2 releases"), "%s", d.reasons[0]);
    cr_expect_str_eq(w.counters[0].name, "rule/r");
    cr_expect_eq(w.counters[0].used, 2);
}

Test(rules_more, a_refusal_is_not_counted)
{
    static const char policy[] =
        POLICY("sim", ",\"releases\":1,\"when\":{\"from\":\"2026-01-01T00:00:00Z\"}");
    struct world w = {0};
    cr_expect_not(judge_at(policy, "sim", NULL, 0, &w).allowed);
    cr_expect_not(judge_at(policy, "tdx", NULL, WEDNESDAY, &w).allowed);
    cr_expect(judge_at(policy, "sim", NULL, WEDNESDAY, &w).allowed);
}

Test(rules_more, without_a_counter_a_counted_rule_does_not_hold)
{
    struct world w = {.fails = -ENOTCONN};
    struct decision d = judge_at(POLICY("sim", ",\"releases\":1"), "sim", NULL, 0, &w);
    cr_expect(!d.allowed && strstr(d.reasons[0], "the database is away"), "%s", d.reasons[0]);
    cr_expect_not(judge_at(POLICY("sim", ",\"releases\":1"), "sim", NULL, 0, NULL).allowed);
}

/* ---- agreement ------------------------------------------------------------------------------- */

struct people {
    struct crypto_key *key[4]; /* alice, bob, carol, and mallory, whom the policy does not know */
    char policy[4096];
};
static const char *const names[] = {"alice", "bob", "carol", "mallory"};

/* A policy with three approvers and what else. */
static struct people people_make(const char *more)
{
    static const enum crypto_key_type types[] = {CRYPTO_ED25519, CRYPTO_P256, CRYPTO_P384,
                                                 CRYPTO_ED25519};
    struct people p = {0};
    size_t n = (size_t)snprintf(p.policy, sizeof p.policy, "{\"version\":1,\"approvers\":{");
    for (size_t i = 0; i < 4; i++) {
        auto_json jwk = NULL;
        cr_assert_eq(crypto_key_generate(types[i], 0, &p.key[i]), 0);
        if (i == 3) { break; }
        cr_assert_eq(jwk_to_json(p.key[i], NULL, false, &jwk), 0);
        char *text = json_dumps(jwk, JSON_COMPACT);
        n += (size_t)snprintf(p.policy + n, sizeof p.policy - n, "%s\"%s\":%s", i ? "," : "",
                              names[i], text);
        free(text);
    }
    (void)snprintf(p.policy + n, sizeof p.policy - n, "},\"rules\":[" HEAD("sim") "%s}]}", more);
    return p;
}
static void people_fini(struct people *p)
{
    for (size_t i = 0; i < 4; i++) { crypto_key_free(p->key[i]); }
}

static struct approval good_approval(size_t who)
{
    struct approval a = {.resource = "a/b/c",
                         .initdata_len = 48,
                         .any_measurement = true,
                         .expires = WEDNESDAY + 60,
                         .count = 1};
    memcpy(a.approver, names[who], strlen(names[who]) + 1);
    memset(a.initdata, 0x11, 48);
    memset(a.image, 0x33, 32);
    return a;
}

static void approve(struct world *w, const struct approval *a, const struct crypto_key *key)
{
    struct err e = {0};
    char *text = NULL;
    cr_assert_eq(approval_sign(a, key, &text, &e), 0, "%s", e.text);
    w->approvals[w->approval_count++] = text;
}
static void world_fini(struct world *w)
{
    for (size_t i = 0; i < w->approval_count; i++) { free((char *)(uintptr_t)w->approvals[i]); }
}

#define TWO_OF_THREE ",\"approvals\":{\"of\":[\"alice\",\"bob\",\"carol\"],\"need\":2}"

Test(rules_more, two_of_three_must_agree_and_the_missing_are_named)
{
    struct people p = people_make(TWO_OF_THREE);
    struct world w = {0};
    struct decision d = judge_at(p.policy, "sim", NULL, WEDNESDAY, &w);
    cr_expect_str_eq(d.reasons[0],
                     "rule r: approvals: found 0, wanted 2; missing: alice, bob, carol");
    struct approval a = good_approval(1);
    approve(&w, &a, p.key[1]);
    d = judge_at(p.policy, "sim", NULL, WEDNESDAY, &w);
    cr_expect_str_eq(d.reasons[0], "rule r: approvals: found 1, wanted 2; missing: alice, carol");
    a = good_approval(2);
    approve(&w, &a, p.key[2]);
    d = judge_at(p.policy, "sim", NULL, WEDNESDAY, &w);
    cr_expect(d.allowed, "%s", d.reasons[0]);
    d = judge_at(p.policy, "sim", NULL, WEDNESDAY, &w);
    cr_expect_str_eq(d.reasons[0],
                     "rule r: approvals: found 0, wanted 2; missing: alice, bob (count is "
                     "used up), carol (count is used up)");
    world_fini(&w);
    people_fini(&p);
}

Test(rules_more, an_approver_counts_once_whatever_he_signs)
{
    struct people p = people_make(TWO_OF_THREE);
    struct world w = {0};
    struct approval a = good_approval(0);
    approve(&w, &a, p.key[0]);
    approve(&w, &a, p.key[0]);
    struct decision d = judge_at(p.policy, "sim", NULL, WEDNESDAY, &w);
    cr_expect_str_eq(d.reasons[0], "rule r: approvals: found 1, wanted 2; missing: bob, carol");
    cr_expect_eq(w.counter_count, 1, "nothing was taken");
    cr_expect_eq(w.counters[0].used, 0);
    world_fini(&w);
    people_fini(&p);
}

Test(rules_more, a_second_approval_serves_when_the_first_is_used_up)
{
    struct people p = people_make(",\"approvals\":{\"of\":[\"alice\"],\"need\":1}");
    struct world w = {0};
    struct approval a = good_approval(0);
    a.count = 2;
    approve(&w, &a, p.key[0]);
    approve(&w, &a, p.key[0]);
    for (int i = 0; i < 4; i++) {
        cr_expect(judge_at(p.policy, "sim", NULL, WEDNESDAY, &w).allowed, "%d", i);
    }
    cr_expect_not(judge_at(p.policy, "sim", NULL, WEDNESDAY, &w).allowed);
    world_fini(&w);
    people_fini(&p);
}

/* Each of these is bob's only approval, beside a good one of alice's. */
Test(rules_more, what_an_approval_does_not_say_it_does_not_approve)
{
    struct approval a[9];
    static const char *const why[] = {
        "missing: bob, carol", /* another resource is no approval at all */
        "bob (expires)",       "bob (initdata)",  "bob (initdata)",  "bob (measurement)",
        "bob (image)",         "bob (signature)", "bob (signature)", NULL};
    for (size_t i = 0; i < ARRAY_COUNT(a); i++) { a[i] = good_approval(1); }
    memcpy(a[0].resource, "a/b/d", 6);
    a[1].expires = WEDNESDAY;
    a[2].initdata[47] = 0;
    memset(a[3].initdata, 0x11, 64); /* longer than the guest's */
    a[3].initdata_len = 64;
    a[4].any_measurement = false;
    a[5].image[31] = 0;
    memcpy(a[8].resource, "a/*/*", 6);
    for (size_t i = 0; i < ARRAY_COUNT(a); i++) {
        struct people p = people_make(TWO_OF_THREE);
        struct world w = {0};
        struct approval alice = good_approval(0);
        approve(&w, &alice, p.key[0]);
        approve(&w, &a[i], p.key[i == 6 ? 3 : i == 7 ? 0 : 1]); /* mallory, alice, in bob's name */
        struct decision d = judge_at(p.policy, "sim", NULL, WEDNESDAY, &w);
        cr_expect_eq(d.allowed, why[i] == NULL, "%zu: %s", i, d.reasons[0]);
        cr_expect(!why[i] || strstr(d.reasons[0], why[i]), "%zu: %s", i, d.reasons[0]);
        cr_expect_eq(w.counters[0].used, why[i] ? 0 : 1, "%zu: nothing is taken on a refusal", i);
        world_fini(&w);
        people_fini(&p);
    }
}

Test(rules_more, whoever_the_policy_does_not_know_approves_nothing)
{
    struct people p = people_make(TWO_OF_THREE);
    struct world w = {0};
    struct approval a = good_approval(3), b = good_approval(0);
    approve(&w, &a, p.key[3]);
    approve(&w, &b, p.key[0]);
    w.approvals[w.approval_count++] = strdup("no approval");
    struct decision d = judge_at(p.policy, "sim", NULL, WEDNESDAY, &w);
    cr_expect_str_eq(d.reasons[0], "rule r: approvals: found 1, wanted 2; missing: bob, carol");
    w.fails = -ENOTCONN;
    d = judge_at(p.policy, "sim", NULL, WEDNESDAY, &w);
    cr_expect(strstr(d.reasons[0], "the database is away"), "%s", d.reasons[0]);
    world_fini(&w);
    people_fini(&p);
}

Test(rules_more, an_approval_lets_nobody_in_by_itself)
{
    struct people p =
        people_make(",\"approvals\":{\"of\":[\"alice\"],\"need\":1},\"for\":\"application\"");
    struct world w = {0};
    struct approval a = good_approval(0);
    approve(&w, &a, p.key[0]);
    struct decision d = judge_at(p.policy, "sim", NULL, WEDNESDAY, &w);
    cr_expect(!d.allowed && strstr(d.reasons[0], "for: found init"), "%s", d.reasons[0]);
    cr_expect_eq(w.counter_count, 0);
    world_fini(&w);
    people_fini(&p);
}

Test(rules_more, a_signer_has_named_the_image)
{
    struct people p = people_make(",\"signer\":[\"alice\"]");
    struct world w = {0};
    struct approval a = good_approval(0);
    a.any_image = true;
    approve(&w, &a, p.key[0]);
    struct decision d = judge_at(p.policy, "sim", NULL, WEDNESDAY, &w);
    cr_expect_str_eq(d.reasons[0],
                     "rule r: signer: found 0, wanted 1; missing: alice (image is not named)");
    a.any_image = false;
    approve(&w, &a, p.key[0]);
    cr_expect(judge_at(p.policy, "sim", NULL, WEDNESDAY, &w).allowed);
    world_fini(&w);
    people_fini(&p);
}

Test(rules_more, one_approval_serves_both_and_is_counted_once)
{
    struct people p = people_make(
        ",\"signer\":[\"alice\"],\"approvals\":{\"of\":[\"alice\"],\"need\":1},\"releases\":5");
    struct world w = {0};
    struct approval a = good_approval(0);
    approve(&w, &a, p.key[0]);
    struct decision d = judge_at(p.policy, "sim", NULL, WEDNESDAY, &w);
    cr_expect(d.allowed, "%s", d.reasons[0]);
    cr_expect_not(judge_at(p.policy, "sim", NULL, WEDNESDAY, &w).allowed);
    cr_expect_eq(*counter_of(&w, "rule/r"), 1);
    world_fini(&w);
    people_fini(&p);
}

/* ---- loading --------------------------------------------------------------------------------- */

Test(rules_more, refuses_to_load_what_is_half_said)
{
    static const struct {
        const char *more, *why;
    } cases[] = {
        {",\"chips\":[]", "chips is not a list"},
        {",\"chips\":[\"" D48 "\"]", "64 or 16 bytes"},
        {",\"platforms\":[\"\"]", "platforms: found ,"},
        {",\"firmware\":{}", "firmware is not an object with something in it"},
        {",\"firmware\":{\"sim\":{}}", "firmware: unknown member sim"},
        {",\"firmware\":{\"snp\":{}}", "snp is not an object with something in it"},
        {",\"firmware\":{\"snp\":{\"ucode\":1}}", "snp: unknown member ucode"},
        {",\"firmware\":{\"snp\":{\"tee\":256}}", "tee: wanted a whole number from 0 to 255"},
        {",\"firmware\":{\"snp\":{\"tee\":\"1\"}}", "tee: wanted a whole number"},
        {",\"firmware\":{\"tdx\":\"0701\"}", "firmware: tdx: found 0701, wanted 16 bytes"},
        {",\"firmware\":{\"tdx\":7}", "something that is no text, wanted 16 bytes"},
        {",\"tcb\":{\"age\":1}", "tcb: unknown member age"},
        {",\"tcb\":{\"max_age_days\":0}", "max_age_days: wanted a whole number from 1"},
        {",\"tcb\":{\"not_before\":\"2025\"}", "not_before: found 2025, wanted a time"},
        {",\"tcb\":{\"status\":[]}", "status is not a list"},
        {",\"claims\":[{\"at\":\"snp\",\"is\":[1]}]", "wanted a JSON pointer"},
        {",\"claims\":[{\"at\":\"/a~2\",\"is\":[1]}]", "wanted a JSON pointer"},
        {",\"claims\":[{\"at\":\"/a\"}]", "wanted is, has, min or max"},
        {",\"claims\":[{\"at\":\"/a\",\"is\":[null]}]", "wanted texts, numbers and booleans"},
        {",\"claims\":[{\"at\":\"/a\",\"min\":\"1\"}]", "min: wanted a number"},
        {",\"claims\":[{\"at\":\"/a\",\"is\":[1],\"not\":2}]", "unknown member not"},
        {",\"claims\":[7]", "wanted a JSON pointer"},
        {",\"when\":{}", "when is not an object"},
        {",\"when\":{\"days\":[\"Mon\"]}", "days: found Mon"},
        {",\"when\":{\"hours\":[\"18:00\",\"08:00\"]}", "hours: wanted two times"},
        {",\"when\":{\"hours\":[\"08:00\"]}", "hours: wanted two times"},
        {",\"when\":{\"hours\":[\"8:00\",\"18:00\"]}", "hours: wanted two times"},
        {",\"when\":{\"hours\":[\"08:60\",\"18:00\"]}", "hours: wanted two times"},
        {",\"when\":{\"hours\":[\"08:00\",\"24:01\"]}", "hours: wanted two times"},
        {",\"when\":{\"from\":\"2026-01-01T00:00:00Z\",\"until\":\"2026-01-01T00:00:00Z\"}",
         "not later than"},
        {",\"releases\":0", "releases: wanted a whole number from 1"},
        {",\"releases\":1.5", "releases: wanted a whole number from 1"},
        {",\"signer\":[\"alice\"]", "alice is not among the approvers"},
        {",\"approvals\":{\"of\":[\"alice\"],\"need\":1}", "alice is not among the approvers"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char text[2048];
        struct rules *r = NULL;
        struct err e = {0};
        (void)snprintf(text, sizeof text, POLICY("sim", "%s"), cases[i].more);
        cr_expect_lt(rules_parse(text, strlen(text), &r, &e), 0, "%s", cases[i].more);
        cr_expect(strstr(e.text, cases[i].why), "%s: %s", cases[i].more, e.text);
    }
}

Test(rules_more, refuses_approvers_that_would_count_wrongly)
{
    static const struct {
        const char *more, *why;
    } cases[] = {
        {",\"approvals\":{\"of\":[\"alice\",\"alice\"],\"need\":2}", "approver alice twice"},
        {",\"approvals\":{\"of\":[\"alice\"],\"need\":2}",
         "need: wanted a whole number from 1 to 1"},
        {",\"approvals\":{\"of\":[\"alice\"],\"need\":0}",
         "need: wanted a whole number from 1 to 1"},
        {",\"approvals\":{\"of\":[\"alice\"]}", "need is missing"},
        {",\"approvals\":{\"need\":1}", "of is missing"},
        {",\"approvals\":{\"of\":[\"../x\"],\"need\":1}", "wanted an approver's name"},
    };
    struct people p = people_make("@");
    char *at = strchr(p.policy, '@');
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char text[6000];
        struct rules *r = NULL;
        struct err e = {0};
        (void)snprintf(text, sizeof text, "%.*s%s}]}", (int)(at - p.policy), p.policy,
                       cases[i].more);
        cr_expect_lt(rules_parse(text, strlen(text), &r, &e), 0, "%s", cases[i].more);
        cr_expect(strstr(e.text, cases[i].why), "%s: %s", cases[i].more, e.text);
    }
    people_fini(&p);
}

Test(rules_more, one_key_is_one_approver)
{
    static const char key[] =
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}";
    static const char *const bad[][2] = {
        {"\"a\":%s,\"b\":%s", "a and b have one key"},
        {"\"a/b\":%s", "wanted an approver's name"},
        {"\"a\":{\"kty\":\"RSA\"}", "approver a: "},
        {"", "approvers is not an object of 1 to"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        char keys[512], text[1024];
        struct rules *r = NULL;
        struct err e = {0};
        (void)snprintf(keys, sizeof keys, bad[i][0], key, key);
        (void)snprintf(text, sizeof text, "{\"version\":1,\"approvers\":{%s},\"rules\":[]}", keys);
        cr_expect_lt(rules_parse(text, strlen(text), &r, &e), 0, "%s", text);
        cr_expect(strstr(e.text, bad[i][1]), "%s", e.text);
    }
}

Test(rules_more, an_approval_is_read_strictly)
{
    static const struct {
        const char *payload, *why;
    } cases[] = {
        {"{}", "version: found nothing"},
        {"[]", "no object"},
#define PAYLOAD(version, id, resource, initdata, measurement, image, expires, count)               \
    "{\"version\":" version ",\"id\":\"" id "\",\"resource\":\"" resource                          \
    "\",\"initdata\":\"" initdata "\",\"measurement\":\"" measurement "\",\"image\":\"" image      \
    "\",\"expires\":\"" expires "\",\"count\":" count "}"
#define ID  "0123456789abcdef0123456789abcdef"
#define END "2026-12-31T00:00:00Z"
        {PAYLOAD("1", ID, "a/b/c", D32, "any", "any", END, "1"), NULL},
        {PAYLOAD("1", ID, "*/*/*", D48, D48, "sha256:" IMG, END, "1000000"), NULL},
        {PAYLOAD("2", ID, "a/b/c", D32, "any", "any", END, "1"), "version is not 1"},
        {PAYLOAD("1", "../../../../etc/passwd0000000000", "a/b/c", D32, "any", "any", END, "1"),
         "id: found"},
        {PAYLOAD("1", "", "a/b/c", D32, "any", "any", END, "1"), "id: found"},
        {PAYLOAD("1", ID, "a/b", D32, "any", "any", END, "1"), "resource: found a/b"},
        {PAYLOAD("1", ID, "a/b/c", "any", "any", "any", END, "1"), "initdata: found any"},
        {PAYLOAD("1", ID, "a/b/c", "", "any", "any", END, "1"), "initdata: found"},
        {PAYLOAD("1", ID, "a/b/c", D32, "*", "any", END, "1"), "measurement: found *"},
        {PAYLOAD("1", ID, "a/b/c", D32, "any", IMG, END, "1"), "image: found"},
        {PAYLOAD("1", ID, "a/b/c", D32, "any", "any", "never", "1"), "expires: found never"},
        {PAYLOAD("1", ID, "a/b/c", D32, "any", "any", END, "0"), "count: wanted"},
        {PAYLOAD("1", ID, "a/b/c", D32, "any", "any", END, "1000001"), "count: wanted"},
        {PAYLOAD("1", ID, "a/b/c", D32, "any", "any", END, "\"1\""), "count: wanted"},
        {PAYLOAD("1", ID, "a/b/c", D32, "any", "any", END, "1,\"note\":\"x\""),
         "a member that an approval"},
        {PAYLOAD("1", ID, "a/b/c", D32, "any", "any", END, "1,\"count\":9"), "duplicate"},
    };
    auto_key key = NULL;
    cr_assert_eq(crypto_key_generate(CRYPTO_ED25519, 0, &key), 0);
    auto_json header = json_pack("{s:s, s:s}", "typ", "casemate-approval", "kid", "alice");
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct approval a;
        struct err e = {0}, s = {0};
        char *text = NULL;
        cr_assert_eq(jws_sign(key, header, cases[i].payload, strlen(cases[i].payload), &text, &s),
                     0);
        int rc = approval_parse(text, strlen(text), &a, &e);
        cr_expect_eq(rc == 0, cases[i].why == NULL, "%s: %s", cases[i].payload, e.text);
        cr_expect(!cases[i].why || strstr(e.text, cases[i].why), "%s: %s", cases[i].payload,
                  e.text);
        free(text);
    }
}

Test(rules_more, a_token_is_not_an_approval)
{
    static const char payload[] = PAYLOAD("1", ID, "a/b/c", D32, "any", "any", END, "1");
    static const char *const types[] = {"JWT", "casemate-approvals", "", NULL};
    auto_key key = NULL;
    cr_assert_eq(crypto_key_generate(CRYPTO_ED25519, 0, &key), 0);
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        auto_json header = json_pack("{s:s*, s:s}", "typ", types[i], "kid", "alice");
        struct approval a;
        struct err e = {0}, s = {0};
        char *text = NULL;
        cr_assert_eq(jws_sign(key, header, payload, strlen(payload), &text, &s), 0);
        cr_expect_lt(approval_parse(text, strlen(text), &a, &e), 0, "%s",
                     types[i] ? types[i] : "no typ");
        free(text);
    }
}
