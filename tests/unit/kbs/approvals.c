/* SPDX-License-Identifier: Apache-2.0 */
/* Approvals at a broker: uploaded, listed, withdrawn, forgotten when they have expired, and what they release. */
#include "attest/kbs/rules/approval.h"
#include "tests/unit/kbs/bench.h"

static struct bench b;
static struct crypto_key *alice, *mallory;

static void begin(void)
{
    bench_init(&b);
    cr_assert_eq(crypto_key_generate(CRYPTO_ED25519, 0, &alice), 0);
    cr_assert_eq(crypto_key_generate(CRYPTO_ED25519, 0, &mallory), 0);
}
static void end(void)
{
    crypto_key_free(alice);
    crypto_key_free(mallory);
    bench_fini(&b);
}
TestSuite(approvals, .init = begin, .fini = end);

#define APPROVALS "/casemate/v0/approvals"

/* The bench's initdata by their digest. */
static void initdata_of(struct approval *a)
{
    struct initdata d;
    struct err e = {0};
    cr_assert_eq(initdata_parse(INITDATA, strlen(INITDATA), &d, &e), 0, "%s", e.text);
    memcpy(a->initdata, d.digest, d.digest_len);
    a->initdata_len = d.digest_len;
    initdata_fini(&d);
}

/* A rule that needs alice for default/key/img. */
static void owner_wants_alice(const char *more)
{
    struct approval a;
    char text[2048], digest[HEX_LEN(64)], measurement[HEX_LEN(48)];
    uint8_t m[48];
    json_t *jwk;
    initdata_of(&a);
    hex_encode(a.initdata, a.initdata_len, digest);
    memset(m, 0xab, sizeof m);
    hex_encode(m, sizeof m, measurement);
    cr_assert_eq(jwk_to_json(alice, NULL, false, &jwk), 0);
    char *key = json_dumps(jwk, JSON_COMPACT);
    (void)snprintf(text, sizeof text,
                   "{\"version\":1,\"approvers\":{\"alice\":%s},\"rules\":[{\"name\":\"r\","
                   "\"resources\":[\"default/key/*\"],\"tee\":[\"sim\"],\"initdata\":[\"%s\"],"
                   "\"measurement\":[\"%s\"],\"approvals\":{\"of\":[\"alice\"],\"need\":1}%s}]}",
                   key, digest, measurement, more);
    auto_answer a1 = policy_upload(&b, text);
    cr_assert_eq(a1.status, 200, "%s", a1.detail);
    admin_ok(&b, "POST", RESOURCE, SECRET);
    free(key);
    json_decref(jwk);
}

static char *approval_text(const struct crypto_key *key, int64_t expires, uint64_t count)
{
    struct approval a = {.approver = "alice",
                         .resource = "default/key/img",
                         .any_measurement = true,
                         .any_image = true,
                         .expires = expires,
                         .count = count};
    struct err e = {0};
    char *text = NULL;
    initdata_of(&a);
    cr_assert_eq(approval_sign(&a, key, &text, &e), 0, "%s", e.text);
    return text;
}

static struct answer upload_at(int64_t now, const char *text)
{
    return ask_at(&b, now, "POST", APPROVALS, b.admin_token, text, strlen(text));
}

static void approve(const struct crypto_key *key, int64_t expires, uint64_t count, int status,
                    const char *why)
{
    char *text = approval_text(key, expires, count);
    auto_answer a = upload_at(NOW, text);
    cr_assert_eq(a.status, status, "%d %s", a.status, a.detail);
    cr_assert(strstr(a.detail, why), "%s", a.detail);
    free(text);
}

static void expect_get(struct guest *g, const char *path, const char *why)
{
    auto_answer a = guest_get(&b, g, path);
    if (!why) {
        assert_opens(g, &a);
        return;
    }
    cr_expect_eq(a.status, 401);
    cr_expect(strstr(a.detail, why), "%s", a.detail);
}

Test(approvals, one_releases_as_often_as_it_says)
{
    struct guest g;
    owner_wants_alice("");
    guest_init(&g);
    guest_handshake(&b, &g);
    expect_get(&g, RESOURCE, "rule r: approvals: found 0, wanted 1; missing: alice");
    approve(alice, NOW + 60, 2, 200, "");
    expect_get(&g, RESOURCE, NULL);
    expect_get(&g, RESOURCE, NULL);
    expect_get(&g, RESOURCE, "missing: alice (count is used up)");
    crypto_key_free(g.key);
}

Test(approvals, a_resource_that_is_not_there_uses_nothing_up)
{
    struct guest g;
    owner_wants_alice(",\"releases\":1");
    approve(alice, NOW + 60, 2, 200, "");
    guest_init(&g);
    guest_handshake(&b, &g);
    admin_ok(&b, "DELETE", RESOURCE, "");
    expect_get(&g, RESOURCE, "allowed, but there is none of that name");
    admin_ok(&b, "POST", RESOURCE, SECRET);
    expect_get(&g, RESOURCE, NULL);
    expect_get(&g, RESOURCE, "rule/r: found 1 releases");
    crypto_key_free(g.key);
}

Test(approvals, what_nobody_signed_is_not_kept)
{
    owner_wants_alice("");
    approve(mallory, NOW + 60, 1, 401, "");
    approve(alice, NOW, 1, 401, "it has expired");
    auto_answer rubbish = upload_at(NOW, "rubbish");
    cr_expect_eq(rubbish.status, 401);
    cr_expect_str_eq(rubbish.type, "ApprovalError");
    char *text = approval_text(alice, NOW + 60, 1);
    auto_answer nobody = ask(&b, "POST", APPROVALS, "", text);
    cr_expect_str_eq(nobody.type, "AdminAuthAccess");
    auto_answer list = ask(&b, "GET", APPROVALS, b.admin_token, "");
    cr_expect_str_eq(list.body, "[]");
    free(text);
}

Test(approvals, a_key_that_the_policy_gives_up_approves_nothing)
{
    struct guest g;
    owner_wants_alice("");
    approve(alice, NOW + 60, 9, 200, "");
    guest_init(&g);
    guest_handshake(&b, &g);
    expect_get(&g, RESOURCE, NULL);
    struct crypto_key *old = alice;
    alice = mallory; /* the policy has another key for her from now on */
    owner_wants_alice("");
    expect_get(&g, RESOURCE, "missing: alice (signature)");
    approve(old, NOW + 60, 1, 401, "");
    alice = old;
    crypto_key_free(g.key);
}

Test(approvals, listed_with_what_was_used_and_withdrawn_by_name)
{
    struct guest g;
    owner_wants_alice("");
    approve(alice, NOW + 60, 3, 200, "");
    guest_init(&g);
    guest_handshake(&b, &g);
    expect_get(&g, RESOURCE, NULL);
    auto_answer list = ask(&b, "GET", APPROVALS, b.admin_token, "");
    auto_json all = json_loads(list.body, 0, NULL);
    const json_t *one = json_array_get(all, 0);
    cr_assert_eq(json_array_size(all), 1);
    cr_expect_eq(json_integer_value(json_object_get(one, "count")), 3);
    cr_expect_eq(json_integer_value(json_object_get(one, "used")), 1);
    cr_expect(json_is_false(json_object_get(one, "expired")));
    char path[200];
    (void)snprintf(path, sizeof path, APPROVALS "/%s",
                   json_string_value(json_object_get(one, "name")));
    admin_ok(&b, "DELETE", path, "");
    expect_get(&g, RESOURCE, "missing: alice");
    auto_answer again = ask(&b, "DELETE", path, b.admin_token, "");
    cr_expect_eq(again.status, 401);
    crypto_key_free(g.key);
}

Test(approvals, what_has_expired_makes_room)
{
    owner_wants_alice("");
    for (int i = 0; i < 1024; i++) { approve(alice, NOW + (i < 10 ? 60 : 600), 1, 200, ""); }
    char *text = approval_text(alice, NOW + 900, 1);
    auto_answer full = upload_at(NOW, text);
    cr_expect(strstr(full.detail, "1024 are kept and none has expired"), "%s", full.detail);
    auto_answer later = upload_at(NOW + 60, text);
    cr_expect_eq(later.status, 200, "%s", later.detail);
    auto_answer list = ask(&b, "GET", APPROVALS, b.admin_token, "");
    auto_json all = json_loads(list.body, 0, NULL);
    cr_expect_eq(json_array_size(all), 1015);
    free(text);
}
