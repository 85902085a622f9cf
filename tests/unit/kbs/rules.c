/* SPDX-License-Identifier: Apache-2.0 */
/* The rule engine: what loads, what does not and why, and what each check says. */
#include "attest/kbs/rules/names.h"
#include "attest/kbs/rules/rules.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define D32 "1111111111111111111111111111111111111111111111111111111111111111"
#define D48 D32 "11111111111111111111111111111111"
#define E48                                                                                        \
    "2222222222222222222222222222222222222222222222222222222222222222"                             \
    "22222222222222222222222222222222"

#define RULE(more)                                                                                 \
    "{\"version\":1,\"rules\":[{\"name\":\"web\",\"resources\":[\"default/key/img\",\"team/*/"     \
    "one\"],\"tee\":[\"sim\"],"                                                                    \
    "\"initdata\":[\"" D48 "\"]" more "}]}"

static struct rules *load(const char *text)
{
    struct rules *r = NULL;
    struct err e = {0};
    cr_assert_eq(rules_parse(text, strlen(text), &r, &e), 0, "%s", e.text);
    return r;
}

static struct reference_answer one_reference(void *ctx, const char *tee,
                                             const uint8_t m[CLAIMS_MEASUREMENT])
{
    (void)ctx;
    struct reference_answer a = {.known = strcmp(tee, "sim") == 0 && m[0] == 0x22,
                                 .count = strcmp(tee, "sim") == 0};
    if (a.count) { memcpy(a.first, E48, sizeof E48); }
    return a;
}
static const struct rule_sources sources = {.references = {.ask = one_reference}};

/* What RULE("") allows. */
static struct claims good_claims(void)
{
    struct claims c = {
        .tee = "sim", .initdata_len = 48, .phase = CLAIMS_PHASE_INIT, .has_registers = true};
    memset(c.measurement, 0x22, sizeof c.measurement);
    memset(c.initdata, 0x11, 48);
    memset(c.registers[1], 0x33, 48);
    return c;
}

static struct decision judge(const char *policy, const struct claims *c, const char *resource)
{
    struct rules *r = policy ? load(policy) : NULL;
    struct decision v;
    rules_judge(r, &sources, &(struct rule_question){.claims = c, .resource = resource}, &v);
    rules_free(r);
    return v;
}

Test(rules, allows_what_holds_in_every_member)
{
    struct claims c = good_claims();
    struct decision v = judge(RULE(""), &c, "default/key/img");
    cr_assert(v.allowed);
    cr_assert_str_eq(v.rule, "web");
    cr_assert(judge(RULE(""), &c, "team/anything/one").allowed);
    cr_assert(
        judge(RULE(",\"measurement\":[\"" D48 "\",\"" E48 "\"]"), &c, "default/key/img").allowed);
}

Test(rules, refuses_without_a_policy_or_a_rule)
{
    struct claims c = good_claims();
    struct decision v = judge(NULL, &c, "default/key/img");
    cr_assert_not(v.allowed);
    cr_assert_str_eq(v.reasons[0], "resource: there is no policy yet, so nothing is released");
    v = judge("{\"version\":1,\"rules\":[]}", &c, "default/key/img");
    cr_assert_not(v.allowed);
    v = judge(RULE(""), &c, "default/key/img2");
    cr_assert_str_eq(v.reasons[0], "resource: no rule names default/key/img2");
    cr_assert_not(judge(RULE(""), &c, "team/a/two").allowed);
}

Test(rules, says_found_and_wanted_for_each_check_that_failed)
{
    struct claims c = good_claims();
    memset(c.measurement, 0x44, sizeof c.measurement);
    memset(c.initdata, 0x55, 48);
    struct decision v = judge(RULE(""), &c, "default/key/img");
    cr_assert_not(v.allowed);
    cr_assert_eq(v.reason_count, 2);
    cr_assert_str_eq(v.reasons[0],
                     "rule web: measurement: found "
                     "4444444444444444444444444444444444444444444444444444444444444444"
                     "44444444444444444444444444444444, wanted " E48
                     " (reference values for sim: 1)");
    cr_assert_str_eq(
        v.reasons[1],
        "rule web: initdata: found 5555555555555555555555555555555555555555555555555555555555555555"
        "55555555555555555555555555555555, wanted " D48);
}

Test(rules, refuses_another_kind_of_tee)
{
    struct claims c = good_claims();
    memcpy(c.tee, "snp", 4);
    struct decision v = judge(RULE(""), &c, "default/key/img");
    cr_assert_not(v.allowed);
    cr_assert_str_eq(v.reasons[0], "rule web: tee: found snp, wanted sim");
    cr_assert(strstr(v.reasons[1], "no reference value for snp is registered"));
}

Test(rules, takes_the_32_bytes_of_host_data_for_a_longer_digest_but_not_the_reverse)
{
    struct claims c = good_claims();
    static const char policy[] =
        "{\"version\":1,\"rules\":[{\"name\":\"a\",\"resources\":[\"a/b/c\"],\"tee\":[\"sim\"],"
        "\"initdata\":[\"" D32 "\"]}]}";
    cr_assert(judge(policy, &c, "a/b/c").allowed);
    c = good_claims();
    c.initdata_len = 32;
    cr_assert_not(judge(RULE(""), &c, "default/key/img").allowed);
}

Test(rules, registers_must_be_there_and_equal)
{
    struct claims c = good_claims();
    static const char policy[] =
        RULE(",\"registers\":{\"1\":["
             "\"333333333333333333333333333333333333333333333333333333333333333333333333"
             "333333333333333333333333\"]}");
    cr_assert(judge(policy, &c, "default/key/img").allowed);
    c.registers[1][47] = 0;
    cr_assert_not(judge(policy, &c, "default/key/img").allowed);
    c = good_claims();
    c.has_registers = false;
    struct decision v = judge(policy, &c, "default/key/img");
    cr_assert_str_eq(v.reasons[0],
                     "rule web: register 1: found none: this evidence does not carry registers");
}

Test(rules, image_is_the_manifest_digest_in_register_1)
{
    struct claims c = good_claims();
    static const char policy[] = RULE(",\"image\":[\"sha256:" D32 "\"]");
    struct decision v = judge(policy, &c, "default/key/img");
    cr_assert_not(v.allowed);
    cr_assert_str_eq(
        v.reasons[0],
        "rule web: image: found 33333333333333333333333333333333333333333333333333333333"
        "3333333333333333333333333333333333333333, wanted " D32 "00000000000000000000000000000000");
    memset(c.registers[1], 0, 48);
    memset(c.registers[1], 0x11, 32);
    cr_assert(judge(policy, &c, "default/key/img").allowed);
    c.registers[1][47] = 1;
    cr_assert_not(judge(policy, &c, "default/key/img").allowed, "all 48 bytes count");
    c.has_registers = false;
    cr_assert_not(judge(policy, &c, "default/key/img").allowed);
}

Test(rules, init_and_application_are_apart)
{
    struct claims c = good_claims();
    c.phase = CLAIMS_PHASE_APPLICATION;
    struct decision v = judge(RULE(""), &c, "default/key/img");
    cr_assert_str_eq(v.reasons[0], "rule web: for: found application, wanted init");
    cr_assert(judge(RULE(",\"for\":\"application\""), &c, "default/key/img").allowed);
    c = good_claims();
    cr_assert_not(judge(RULE(",\"for\":\"application\""), &c, "default/key/img").allowed);
    c.registers[3][0] = 1;
    cr_assert_not(judge(RULE(""), &c, "default/key/img").allowed);
}

Test(rules, a_later_rule_may_allow)
{
    struct claims c = good_claims();
    static const char policy[] =
        "{\"version\":1,\"rules\":["
        "{\"name\":\"a\",\"resources\":[\"a/b/c\"],\"tee\":[\"snp\"],\"initdata\":[\"" D32 "\"]},"
        "{\"name\":\"b\",\"resources\":[\"*/*/*\"],\"tee\":[\"snp\",\"sim\"],\"initdata\":[\"" E48
        "\",\"" D48 "\"]}]}";
    struct decision v = judge(policy, &c, "a/b/c");
    cr_assert(v.allowed);
    cr_assert_str_eq(v.rule, "b");
    cr_assert_eq(v.reason_count, 0);
}

struct bad {
    const char *text, *why;
};

Test(rules, refuses_to_load)
{
    static const struct bad cases[] = {
        {"{\"version\":1,\"rules\":[{\"name\":\"a\",\"resources\":[\"a/b/c\"],\"tee\":[\"sim\"]}]}",
         "does not depend on initdata"},
        {"{\"version\":1,\"rules\":[{\"name\":\"a\",\"resources\":[\"a/b/"
         "c\"],\"tee\":[\"sim\"],\"initdata\":[]}]}",
         "initdata is not a list"},
        {RULE(",\"initdata\":[\"" D48 "\"]"), "duplicate"},
        {RULE(",\"surprise\":1"), "unknown member surprise"},
        {RULE(",\"measurement\":[]"), "measurement is not a list"},
        {RULE(",\"measurement\":[\"" D32 "\"]"), "48 bytes"},
        {RULE(",\"measurement\":[\"AAAA\"]"), "48 bytes"},
        {RULE(",\"registers\":{\"4\":[\"" D48 "\"]}"), "wanted 0, 1, 2 or 3"},
        {RULE(",\"registers\":{\"1\":\"" D48 "\"}"), "1 is not a list"},
        {RULE(",\"registers\":{\"1\":\"\"}"), "1 is not a list"},
        {RULE(",\"registers\":{}"), "registers is not an object with something in it"},
        {RULE(",\"registers\":[]"), "registers is not an object with something in it"},
        {RULE(",\"image\":[\"" D32 "\"]"), "wanted sha256: and 64 digits"},
        {RULE(",\"image\":[\"sha256:" D48 "\"]"), "wanted sha256: and 64 digits"},
        {RULE(",\"image\":[]"), "image is not a list"},
        {RULE(",\"for\":\"everybody\""), "neither init nor application"},
        {RULE(",\"for\":1"), "neither init nor application"},
        {"{\"version\":2,\"rules\":[]}", "version is not 1"},
        {"{\"version\":1}", "rules is not a list"},
        {"{\"version\":1,\"rules\":[],\"default\":\"allow\"}", "unknown member default"},
        {"[]", "not an object"},
        {"package policy\ndefault allow := true\n", "policy"},
        {"{\"version\":1,\"rules\":[{\"name\":\"a\",\"resources\":[\"a/"
         "b\"],\"tee\":[\"sim\"],\"initdata\":[\"" D32 "\"]}]}",
         "resources"},
        {"{\"version\":1,\"rules\":[{\"name\":\"a\",\"resources\":[\"a/../"
         "c\"],\"tee\":[\"sim\"],\"initdata\":[\"" D32 "\"]}]}",
         "resources"},
        {"{\"version\":1,\"rules\":[{\"name\":\"a\",\"resources\":[\"a/b*/"
         "c\"],\"tee\":[\"sim\"],\"initdata\":[\"" D32 "\"]}]}",
         "resources"},
        {"{\"version\":1,\"rules\":[{\"name\":\"a\",\"resources\":[\"a/b/"
         "c\"],\"tee\":[\"sample\"],\"initdata\":[\"" D32 "\"]}]}",
         "found sample, wanted sim, snp or tdx"},
        {"{\"version\":1,\"rules\":[{\"name\":\"\",\"resources\":[\"a/b/"
         "c\"],\"tee\":[\"sim\"],\"initdata\":[\"" D32 "\"]}]}",
         "without a name"},
        {"{\"version\":1,\"rules\":[{\"name\":\"a\",\"resources\":[\"a/b/"
         "c\"],\"tee\":[\"sim\"],\"initdata\":[\"" D32 "\"]},"
         "{\"name\":\"a\",\"resources\":[\"a/b/c\"],\"tee\":[\"sim\"],\"initdata\":[\"" D32
         "\"]}]}",
         "two rules are named a"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        const struct bad *c = &cases[i];
        struct rules *r = NULL;
        struct err e = {0};
        cr_expect_lt(rules_parse(c->text, strlen(c->text), &r, &e), 0, "%s", c->text);
        cr_expect_null(r);
        cr_expect(strstr(e.text, c->why), "%s: %s", c->text, e.text);
    }
}

struct path {
    const char *text;
    bool ok;
};

Test(rules, resource_paths)
{
    static const struct path cases[] = {
        {"default/key/1", true},
        {"my_repo/type-a/tag.v1", true},
        {"0/1/2", true},
        {"-a/b/c", true},
        {"_/_/_", true},
        {"a./b./c.", true},
        {"a..b/c/d", true},
        {"a/b", false},
        {"a/b/c/d", false},
        {"a//c", false},
        {"/a/b/c", false},
        {"a/b/c/", false},
        {".a/b/c", false},
        {"a/../c", false},
        {"a/b/.", false},
        {"a/b/..", false},
        {"", false},
        {"a/b/c%2Fd", false},
        {"a b/c/d", false},
        {"a/b/c\xc3\xa9", false},
        {"*/b/c", false},
        {"a/b/c\n", false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        const struct path *c = &cases[i];
        struct view v = {.p = (const uint8_t *)c->text, .len = strlen(c->text)};
        cr_expect_eq(resource_path_ok(v), c->ok, "%s", c->text);
    }
}
