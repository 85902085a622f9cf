/* SPDX-License-Identifier: Apache-2.0 */
/* Administrators: who may, what is refused at upload, and that what was uploaded outlives the broker. */
#include "tests/unit/attest/vectors.h"
#include "tests/unit/kbs/bench.h"

#include <sqlite3.h>

static struct bench b;

static void begin(void) { bench_init(&b); }
static void end(void) { bench_fini(&b); }
TestSuite(admin, .init = begin, .fini = end);

#define POLICY "/kbs/v0/resource-policy"
#define VALUE  "/kbs/v0/reference-value"

static void assert_says(const struct answer *a, int status, const char *type, const char *why)
{
    cr_assert_eq(a->status, status, "%d %s: %s", a->status, a->type, a->detail);
    cr_assert_str_eq(a->type, type, "%s: %s", a->type, a->detail);
    cr_assert(strstr(a->detail, why), "wanted \"%s\" in: %s", why, a->detail);
}

/* A header line with a token over these claims. */
static const char *token_line(const struct crypto_key *key, const char *claims)
{
    static char line[2048];
    struct err e = {0};
    char *token;
    json_t *j = json_loads(claims, 0, NULL);
    cr_assert_not_null(j, "%s", claims);
    cr_assert_eq(jwt_sign(key, NULL, j, &token, &e), 0, "%s", e.text);
    (void)snprintf(line, sizeof line, "Authorization: Bearer %s\r\n", token);
    free(token);
    json_decref(j);
    return line;
}

Test(admin, judges_tokens)
{
    static const struct {
        const char *claims, *why; /* NULL = good */
    } cases[] = {
        {"{\"iss\":\"cc-kbs\",\"role\":\"admin\",\"exp\":1800000100}", NULL},
        {"{\"iss\":\"cc-kbs\",\"role\":\"admin\",\"exp\":1799999941}",
         NULL}, /* inside the leeway */
        {"{\"iss\":\"cc-kbs\",\"role\":\"admin\",\"exp\":1799999900}", "exp"},
        {"{\"iss\":\"cc-kbs\",\"role\":\"admin\"}", "exp"},
        {"{\"iss\":\"cc-kbs\",\"role\":\"admin\",\"exp\":\"1800000100\"}", "exp"},
        {"{\"iss\":\"cc-kbs\",\"role\":\"admin\",\"exp\":1800000100,\"nbf\":1800000090}",
         "not valid before"},
        {"{\"iss\":\"other\",\"role\":\"admin\",\"exp\":1800000100}",
         "iss: found other, wanted cc-kbs"},
        {"{\"role\":\"admin\",\"exp\":1800000100}", "iss: found none, wanted cc-kbs"},
        {"{\"iss\":\"cc-kbs\",\"role\":\"viewer\",\"exp\":1800000100}",
         "role: found viewer, wanted admin"},
        {"{\"iss\":\"cc-kbs\",\"role\":[\"admin\"],\"exp\":1800000100}",
         "role: found none, wanted admin"},
        {"{\"iss\":\"cc-kbs\",\"exp\":1800000100}", "role: found none, wanted admin"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        auto_answer a = ask(&b, "GET", POLICY, token_line(b.admin_key, cases[i].claims), "");
        if (cases[i].why) {
            assert_says(&a, 401, "AdminAuthAccess", cases[i].why);
        } else {
            cr_assert_eq(a.status, 200, "%s: %s", cases[i].claims, a.detail);
        }
    }
}

Test(admin, a_role_may_do_what_it_is_for_and_nothing_else)
{
    static const char claims[] = "{\"iss\":\"cc-kbs\",\"role\":\"ci\",\"exp\":1800000100}";
    json_t *may = json_pack("[s,s]", "set-reference", "get-reference");
    struct admin_role role = {.name = "ci", .operations = may};
    broker_free(b.broker);
    b.setup.roles = &role;
    b.setup.role_count = 1;
    bench_start(&b);
    auto_answer put =
        ask(&b, "POST", VALUE, token_line(b.admin_key, claims),
            "{\"version\":\"0.1.0\",\"type\":\"sample\",\"payload\":\"eyJhIjoxfQ==\"}");
    cr_assert_eq(put.status, 200, "%s", put.detail);
    auto_answer get = ask(&b, "GET", VALUE "/a", token_line(b.admin_key, claims), "");
    cr_assert_str_eq(get.body, "1");
    auto_answer policy = ask(&b, "GET", POLICY, token_line(b.admin_key, claims), "");
    assert_says(&policy, 401, "AdminAuthAccess", "role: found ci, which may not list-policies");
    auto_answer secret = ask(&b, "POST", RESOURCE, token_line(b.admin_key, claims), "x");
    assert_says(&secret, 401, "AdminAuthInitialization", "ci, which may not set-resource");
    json_decref(may);
}

Test(admin, refuses_other_keys_and_forms)
{
    static const char good[] = "{\"iss\":\"cc-kbs\",\"role\":\"admin\",\"exp\":1800000100}";
    struct crypto_key *other;
    cr_assert_eq(crypto_key_generate(CRYPTO_ED25519, 0, &other), 0);
    auto_answer wrong = ask(&b, "GET", POLICY, token_line(other, good), "");
    assert_says(&wrong, 401, "AdminAuthAccess", "signature: by none of the 1 keys");
    crypto_key_free(other);
    /* a guest's token is signed with our own key, which administers nothing */
    auto_answer guest = ask(&b, "GET", POLICY, token_line(b.token_key, good), "");
    assert_says(&guest, 401, "AdminAuthAccess", "signature");
    static const char *const lines[] = {"",
                                        "Authorization: Basic YTpi\r\n",
                                        "Authorization: Bearer\r\n",
                                        "Authorization: Bearer x\r\n",
                                        "Authorization: Bearer a.b.c\r\n",
                                        "Authorization: Bearer eyJhbGciOiJub25lIn0.e30.\r\n",
                                        "Authorization: bearer eyJhbGciOiJub25lIn0.e30.\r\n"};
    for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
        auto_answer a = ask(&b, "POST", "/kbs/v0/resource/a/b/c", lines[i], "x");
        cr_assert_eq(a.status, 401, "%s", lines[i]);
        cr_assert_str_eq(a.type, "AdminAuthInitialization");
    }
    struct store_value v = {0};
    struct err e = {0};
    cr_assert_lt(store_get(b.store, STORE_RESOURCE, "a/b/c", &v, &e), 0, "somebody got in");
}

/* Tokens and verdicts made by others. Two cases are about CoCo's regular-expression ACL, which is not here. */
Test(admin, agrees_with_cocos_cases)
{
    json_t *doc = vector_json("coco/admin/admin-cases.json");
    size_t len, i, judged = 0;
    char *pem = vector_bytes("coco/admin/admin_ed25519_public.pem", &len);
    struct crypto_key *key;
    cr_assert_eq(crypto_key_from_pem(pem, len, &key), 0);
    free(pem);
    broker_free(b.broker);
    b.admin_keys[0] = key;
    b.setup.admin_issuer = "TrusteeInDocker";
    bench_start(&b);
    json_t *c;
    json_array_foreach (json_object_get(doc, "cases"), i, c) {
        const char *auth = member(c, "authorization"), *request = member(c, "request");
        if (strcmp(member(c, "style"), "role") != 0 || strstr(request, "?") ||
            strstr(request, "unknown-plugin") || strstr(member(c, "name"), "other audience")) {
            continue;
        }
        char method[8], path[256], line[4096];
        cr_assert_eq(sscanf(request, "%7s %255s", method, path), 2);
        (void)snprintf(line, sizeof line, "%s%s%s", auth[0] ? "Authorization: " : "", auth,
                       auth[0] ? "\r\n" : "");
        auto_answer a = ask_at(&b, json_integer_value(json_object_get(c, "verify_at_unix")), method,
                               path, line, "x", 1);
        bool refused = strncmp(a.type, "AdminAuth", 9) == 0;
        cr_expect_eq(refused, strcmp(member(c, "verdict"), "reject") == 0, "%s: %d %s",
                     member(c, "name"), a.status, a.detail);
        judged++;
    }
    cr_assert_geq(judged, 9);
    json_decref(doc);
    crypto_key_free(key);
}

Test(admin, refuses_resource_names_that_leave_their_place)
{
    static const char *const paths[] = {"a/b",     "a/b/c/d", "a/../c",    "../b/c", "a/b/..",
                                        "a/b/",    "a//c",    "/a/b/c",    ".a/b/c", "a/b/c%2f",
                                        "a/b/%00", "a/b/c;x", "a/b/c\\..", "a/b/*"};
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/kbs/v0/resource/%s", paths[i]);
        auto_answer post = ask(&b, "POST", path, b.admin_token, "x");
        assert_says(&post, 401, "PluginInternalError", "path");
        auto_answer del = ask(&b, "DELETE", path, b.admin_token, "");
        assert_says(&del, 401, "PluginInternalError", "path");
    }
    auto_answer list = ask(&b, "GET", "/casemate/v0/resources", b.admin_token, "");
    cr_assert_str_eq(list.body, "[]");
}

Test(admin, long_segments_end_at_255)
{
    char path[600], tag[300];
    memset(tag, 'c', sizeof tag);
    (void)snprintf(path, sizeof path, "/kbs/v0/resource/a/b/%.255s", tag);
    admin_ok(&b, "POST", path, "x");
    (void)snprintf(path, sizeof path, "/kbs/v0/resource/a/b/%.256s", tag);
    auto_answer a = ask(&b, "POST", path, b.admin_token, "x");
    assert_says(&a, 401, "PluginInternalError", "path");
}

Test(admin, policies_that_do_not_say_what_they_mean_do_not_load)
{
    static const struct {
        const char *text, *type, *why;
    } cases[] = {
        {"{\"version\":1,\"rules\":[{\"name\":\"a\",\"resources\":[\"a/b/"
         "c\"],\"tee\":[\"sim\"],\"measurement\":[\"00\"]}]}",
         "PolicyEngineError",
         "rule a: initdata is missing: a release that does not depend on initdata"},
        {"package policy\n\nallow { true }\n", "PolicyEngineError", "line 3"},
        {"", "PolicyEngineError", "line 1"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        auto_answer a = policy_upload(&b, cases[i].text);
        assert_says(&a, 401, cases[i].type, cases[i].why);
    }
    static const char *const bodies[] = {"",
                                         "{}",
                                         "{\"policy\":1}",
                                         "{\"policy\":\"e30=\"}",
                                         "{\"policy\":\"e+0\"}",
                                         "{\"policy\":\"e30\",\"policy\":\"e30\"}"};
    for (size_t i = 0; i < ARRAY_COUNT(bodies); i++) {
        auto_answer a = ask(&b, "POST", POLICY, b.admin_token, bodies[i]);
        assert_says(&a, 401, "ParsePolicyError", "policy");
    }
    auto_answer names = ask(&b, "GET", POLICY, b.admin_token, "");
    cr_assert_str_eq(names.body, "[]");
    auto_answer attestation = ask(&b, "POST", "/kbs/v0/attestation-policy", b.admin_token, "{}");
    assert_says(&attestation, 401, "AttestationError", "policy");
}

Test(admin, a_bad_upload_leaves_the_policy_as_it_was)
{
    auto_answer good = policy_upload(&b, "{\"version\":1,\"rules\":[]}");
    cr_assert_eq(good.status, 200);
    auto_answer bad = policy_upload(&b, "{\"version\":2,\"rules\":[]}");
    cr_assert_eq(bad.status, 401);
    auto_answer text = ask(&b, "GET", "/casemate/v0/policy", b.admin_token, "");
    cr_assert_str_eq(text.body, "{\"version\":1,\"rules\":[]}");
}

static struct answer reference(const char *version, const char *type, const char *payload)
{
    char b64[2048], body[4096];
    b64_encode(payload, strlen(payload), b64);
    (void)snprintf(body, sizeof body, "{\"version\":\"%s\",\"type\":\"%s\",\"payload\":\"%s\"}",
                   version, type, b64);
    return ask(&b, "POST", VALUE, b.admin_token, body);
}

Test(admin, reference_values_are_kept_as_they_are)
{
    auto_answer put =
        reference("0.1.0", "sample", "{\"a/b.c\":[\"x\",1,true],\"scalar\":\"x\",\"nul\":null}");
    cr_assert_eq(put.status, 200, "%s", put.detail);
    auto_answer one = ask(&b, "GET", VALUE "/a/b.c", b.admin_token, "");
    cr_assert_str_eq(one.body, "[\"x\",1,true]");
    auto_answer nul = ask(&b, "GET", VALUE "/nul", b.admin_token, "");
    cr_assert_str_eq(nul.body, "null");
    auto_answer list = ask(&b, "GET", "/casemate/v0/references", b.admin_token, "");
    cr_assert_str_eq(list.body, "[\"a/b.c\",\"nul\",\"scalar\"]");
    admin_ok(&b, "DELETE", "/casemate/v0/references/nul", "");
    auto_answer none = ask(&b, "GET", VALUE "/nul", b.admin_token, "");
    assert_says(&none, 401, "RvpsError", "no reference nul");
    auto_answer nopad =
        ask(&b, "POST", VALUE, b.admin_token,
            "{\"version\":\"0.1.0\",\"type\":\"sample\",\"payload\":\"eyJhIjoxfQ\"}");
    cr_assert_eq(nopad.status, 200, "%s", nopad.detail);
}

Test(admin, refuses_reference_values)
{
    static const struct {
        const char *version, *type, *payload, *why;
    } cases[] = {
        {"0.2.0", "sample", "{}", "version 0.2.0, wanted 0.1.0"},
        {"0.1.0", "swid", "{}", "type swid, wanted sample"},
        {"0.1.0", "sample", "[]", "payload is not an object"},
        {"0.1.0", "sample", "x", "reference value"},
        {"0.1.0", "sample", "{\"good\":1,\"bad:name\":1}", "bad:name"},
        {"0.1.0", "sample", "{\"good\":1,\"sim_launch_measurement\":[\"ab\"]}", "96 digits"},
        {"0.1.0", "sample", "{\"good\":1,\"sim_launch_measurement\":5}", "96 digits"},
        {"0.1.0", "sample", "{\"good\":1,\"good\":2}", "duplicate"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        auto_answer a = reference(cases[i].version, cases[i].type, cases[i].payload);
        assert_says(&a, 401, "RvpsError", cases[i].why);
    }
    static const char *const bodies[] = {
        "", "[]", "{\"version\":\"0.1.0\",\"type\":\"sample\",\"payload\":\"e-_0\"}",
        "{\"version\":\"0.1.0\",\"type\":\"sample\",\"payload\":{}}"};
    for (size_t i = 0; i < ARRAY_COUNT(bodies); i++) {
        auto_answer a = ask(&b, "POST", VALUE, b.admin_token, bodies[i]);
        assert_says(&a, 401, "RvpsError", "reference value");
    }
    auto_answer list = ask(&b, "GET", "/casemate/v0/references", b.admin_token, "");
    cr_assert_str_eq(list.body, "[]", "a refused message stores none of its values");
}

Test(admin, takes_cocos_reference_messages)
{
    json_t *doc = vector_json("coco/rvps/messages.json"), *c;
    size_t i;
    static const char *const lists[] = {"good", "bad"};
    for (size_t k = 0; k < 2; k++) {
        json_array_foreach (json_object_get(doc, lists[k]), i, c) {
            char *body = json_dumps(json_object_get(c, "body"), 0);
            auto_answer a = ask(&b, "POST", VALUE, b.admin_token, body);
            cr_expect_eq(a.status, k == 0 ? 200 : 401, "%s: %d %s", body, a.status, a.detail);
            free(body);
        }
    }
    json_decref(doc);
}

Test(admin, everything_outlives_the_broker)
{
    owner_registers(&b, "");
    broker_free(b.broker);
    bench_start(&b);
    struct guest g;
    guest_init(&g);
    guest_handshake(&b, &g);
    auto_answer a = guest_get(&b, &g, RESOURCE);
    assert_opens(&g, &a);
    crypto_key_free(g.key);
}

Test(admin, uploads_are_audited_without_their_content)
{
    admin_ok(&b, "POST", "/kbs/v0/resource/a/b/c", "TOP-SECRET-VALUE");
    cr_assert(strstr(b.audit, "\"event\":\"set-resource\",\"decision\":\"allow\",\"status\":200,"
                              "\"subject\":\"a/b/c\""),
              "%s", b.audit);
    cr_assert_null(strstr(b.audit, "TOP-SECRET"));
}

Test(admin, what_was_told_is_recorded_as_allowed)
{
    static const char *const paths[] = {POLICY,
                                        "/casemate/v0/resources",
                                        "/casemate/v0/references",
                                        "/casemate/v0/approvals",
                                        "/casemate/v0/policy",
                                        VALUE "/sim_launch_measurement"};
    owner_registers(&b, "");
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        auto_answer a = ask(&b, "GET", paths[i], b.admin_token, "");
        cr_expect_eq(a.status, 200, "%s: %d %s", paths[i], a.status, a.detail);
        cr_expect(strstr(b.audit, "\"decision\":\"allow\""), "%s: %s", paths[i], b.audit);
    }
}

/* In a file, where this test can write what no broker wrote. */
Test(admin, an_item_that_does_not_open_is_our_fault_and_not_absent)
{
    static const uint8_t storage_key[STORE_KEY_SIZE] = {7};
    static const char *const paths[] = {"/casemate/v0/policy", VALUE "/sim_launch_measurement"};
    char file[64];
    sqlite3 *db;
    struct err e = {0};
    (void)snprintf(file, sizeof file, "/tmp/kbs-admin-%d.sqlite", (int)getpid());
    struct bench second = b;
    cr_assert_eq(store_open(file, storage_key, &second.store, &e), 0, "%s", e.text);
    second.setup.store = second.store;
    bench_start(&second);
    owner_registers(&second, "");
    cr_assert_eq(sqlite3_open(file, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "UPDATE item SET value = x'01' || substr(value, 2, 40)", 0, 0, 0),
                 SQLITE_OK);
    (void)sqlite3_close(db);
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        auto_answer a = ask(&second, "GET", paths[i], second.admin_token, "");
        cr_expect_eq(a.status, 500, "%s: %d %s", paths[i], a.status, a.detail);
    }
    broker_free(second.broker);
    store_close(second.store);
    (void)unlink(file);
}

Test(admin, a_percent_sign_is_refused_everywhere)
{
    auto_answer ours = ask(&b, "GET", "/casemate/v0/%70olicy", b.admin_token, "");
    assert_says(&ours, 401, "PluginInternalError", "percent");
    auto_answer name = ask(&b, "DELETE", "/casemate/v0/references/a%2Fb", b.admin_token, "");
    assert_says(&name, 401, "PluginInternalError", "percent");
}
