/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CoCo's evidence without a TEE, its further devices, and the token that comes of it. It proves nothing, but what it says
 * must have been said in this handshake, and everything in it must hold or nothing does.
 */
#include "attest/kbs/evidence/sample.h"
#include "tests/unit/attest/vectors.h"
#include "tests/unit/kbs/bench.h"

static struct bench b;
static struct verifier verifiers[3];
static struct crypto_key *key;
static char nonce[64], cookie[160];

static void begin(void)
{
    bench_init(&b);
    broker_free(b.broker);
    verifiers[0] = evidence_sample_verifier();
    verifiers[1] = evidence_sampledevice_verifier();
    b.setup.verifiers = verifiers;
    verifiers[2] = evidence_sim_verifier(&b.sim);
    b.setup.verifier_count = 3;
    b.setup.insecure_without_initdata = true;
    bench_start(&b);
    cr_assert_eq(crypto_key_generate(CRYPTO_P256, 0, &key), 0);
}
static void end(void)
{
    crypto_key_free(key);
    bench_fini(&b);
}
TestSuite(sample, .init = begin, .fini = end);

static void auth(const char *tee)
{
    char body[128];
    (void)snprintf(body, sizeof body,
                   "{\"version\":\"0.4.0\",\"tee\":\"%s\",\"extra-params\":\"\"}", tee);
    auto_answer a = ask(&b, "POST", "/kbs/v0/auth", "", body);
    cr_assert_eq(a.status, 200, "%s", a.detail);
    json_t *doc = json_loads(a.body, 0, NULL);
    (void)snprintf(nonce, sizeof nonce, "%s", member(doc, "nonce"));
    (void)snprintf(cookie, sizeof cookie, "Cookie: %.*s\r\n", (int)strcspn(a.cookie, ";"),
                   a.cookie);
    json_decref(doc);
}

/* {"svn", "report_data"} of this handshake. additional NULL = of a further device. */
static json_t *evidence(const char *svn, const char *additional)
{
    json_t *jwk = NULL, *tee_key = NULL;
    uint8_t data[64];
    char text[128];
    struct err e = {0};
    cr_assert_eq(jwk_to_json(key, "ECDH-ES+A256KW", false, &jwk), 0);
    cr_assert_eq(transcript_tee_key(jwk, &tee_key, &e), 0);
    int rc = additional
                 ? transcript_report_data(nonce, tee_key, additional, CRYPTO_SHA384, data, &e)
                 : transcript_device_data(nonce, tee_key, CRYPTO_SHA384, data, &e);
    cr_assert_eq(rc, 0, "%s", e.text);
    b64_encode(data, 48, text);
    json_decref(jwk);
    json_decref(tee_key);
    return json_pack("{s:s, s:s}", "svn", svn, "report_data", text);
}

static struct answer attest(json_t *take_primary, const char *additional, const char *initdata)
{
    json_t *jwk = NULL;
    cr_assert_eq(jwk_to_json(key, "ECDH-ES+A256KW", false, &jwk), 0);
    json_t *init =
        initdata ? json_pack("{s:s, s:s}", "format", "toml", "body", initdata) : json_null();
    json_t *doc = json_pack("{s:o, s:{s:s, s:o}, s:{s:o, s:s}}", "init-data", init, "runtime-data",
                            "nonce", nonce, "tee-pubkey", jwk, "tee-evidence", "primary_evidence",
                            take_primary, "additional_evidence", additional);
    char *body = json_dumps(doc, JSON_COMPACT);
    struct answer a = ask(&b, "POST", "/kbs/v0/attest", cookie, body);
    free(body);
    json_decref(doc);
    return a;
}

/* The submodules of the token in an answer; a new reference. */
static json_t *submods(const struct answer *a)
{
    cr_assert_eq(a->status, 200, "%d %s", a->status, a->detail);
    json_t *doc = json_loads(a->body, 0, NULL), *payload = NULL;
    struct err e = {0};
    const char *token = member(doc, "token");
    cr_assert_eq(jwt_verify(token, strlen(token), b.token_key, JWS_ALLOW(JWS_ES256), &payload, &e),
                 0, "%s", e.text);
    json_t *out = json_incref(json_object_get(payload, "submods"));
    json_decref(payload);
    json_decref(doc);
    return out;
}

static const json_t *evidence_of(const json_t *submods, const char *name)
{
    return json_object_get(json_object_get(submods, name), "ear.veraison.annotated-evidence");
}

static void refused(const struct answer *a, const char *why)
{
    cr_assert_eq(a->status, 401, "%d", a->status);
    cr_assert_str_eq(a->type, "AttestationError");
    cr_assert(strstr(a->detail, why), "wanted \"%s\" in: %s", why, a->detail);
}

Test(sample, says_in_its_token_what_cocos_says)
{
    auth("sample");
    auto_answer a = attest(evidence("1", ""), "", NULL);
    json_t *s = submods(&a);
    const json_t *ev = evidence_of(s, "cpu0");
    json_t *wanted = json_loads("{\"svn\":\"1\",\"launch_digest\":\"abcde\",\"debug\":false,"
                                "\"platform_version\":{\"major\":1,\"minor\":4}}",
                                0, NULL);
    cr_assert(json_equal(json_object_get(ev, "sample"), wanted));
    cr_assert_eq(strlen(member(ev, "report_data")), 64);
    cr_assert_null(json_object_get(ev, "init_data"));
    cr_assert_null(json_object_get(ev, "init_data_claims"));
    cr_assert_str_eq(member(json_object_get(ev, "runtime_data_claims"), "nonce"), nonce);
    cr_assert_str_eq(member(json_object_get(s, "cpu0"), "ear.status"), "contraindicated");
    json_decref(wanted);
    json_decref(s);
}

Test(sample, initdata_become_claims)
{
    auth("sample");
    auto_answer a = attest(evidence("1", ""), "",
                           "version = \"0.1.0\"\nalgorithm = \"sha384\"\n[data]\n"
                           "\"aa.toml\" = \"url = 'x'\"\n\"cdh.toml\" = \"[[[\"\n"
                           "\"policy.rego\" = 'policy_data := {\"containers\":[]} # and so on'\n"
                           "other = \"text\"\n");
    json_t *s = submods(&a);
    json_t *wanted = json_loads("{\"aa.toml\":{\"url\":\"x\"},\"cdh.toml\":\"[[[\","
                                "\"agent_policy_claims\":{\"containers\":[]},\"other\":\"text\"}",
                                0, NULL);
    cr_assert_not_null(wanted);
    cr_assert(json_equal(json_object_get(evidence_of(s, "cpu0"), "init_data_claims"), wanted));
    cr_assert_eq(strlen(member(evidence_of(s, "cpu0"), "init_data")), 64); /* 48 bytes, base64 */
    json_decref(wanted);
    json_decref(s);
}

/* Or the token that is made of them could not be read again. */
Test(sample, initdata_that_nest_too_deep_stay_text)
{
    auth("sample");
    auto_answer a = attest(evidence("1", ""), "",
                           "version = \"0.1.0\"\nalgorithm = \"sha384\"\n[data]\n\"policy.rego\" = "
                           "'policy_data := {\"a\":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}'\n");
    json_t *s = submods(&a);
    const json_t *claims = json_object_get(evidence_of(s, "cpu0"), "init_data_claims");
    cr_assert_null(json_object_get(claims, "agent_policy_claims"));
    cr_assert_neq(member(claims, "policy.rego")[0], '\0');
    json_decref(s);
}

/* A token travels in a request's head: claims that would outgrow it are left out, and a policy finds nothing. */
Test(sample, initdata_that_outgrow_a_token_are_left_out)
{
    char *text = malloc(70000);
    size_t n = (size_t)snprintf(text, 200,
                                "version = \"0.1.0\"\nalgorithm = \"sha256\"\n[data]\n"
                                "other = \"");
    memset(text + n, 'a', 66000);
    (void)strcpy(text + n + 66000, "\"\n");
    auth("sample");
    auto_answer a = attest(evidence("1", ""), "", text);
    json_t *s = submods(&a);
    cr_assert_null(json_object_get(evidence_of(s, "cpu0"), "init_data_claims"));
    cr_assert_eq(strlen(member(evidence_of(s, "cpu0"), "init_data")), 44);
    json_decref(s);
    free(text);
}

Test(sample, refuses_what_was_not_said_in_this_handshake)
{
    auth("sample");
    json_t *earlier = evidence("1", "");
    auth("sample");
    auto_answer old = attest(earlier, "", NULL);
    refused(&old, "freshness (sample-report-data)");
    auth("sample");
    auto_answer number = attest(json_pack("{s:i, s:s}", "svn", 1, "report_data", ""), "", NULL);
    refused(&number, "parse (sample-evidence)");
    auth("sample");
    auto_answer additional =
        attest(evidence("1", ""), "{}", NULL); /* hashed, and not what was hashed */
    refused(&additional, "freshness (sample-report-data)");
}

Test(sample, each_further_device_is_a_submodule)
{
    auth("sample");
    json_t *devices =
        json_pack("{s:o, s:o}", "sampledevice", evidence("2", NULL), "sample", evidence("9", NULL));
    char *text = json_dumps(devices, JSON_COMPACT);
    auto_answer a = attest(evidence("1", text), text, NULL);
    json_t *s = submods(&a);
    cr_assert_eq(json_object_size(s), 3);
    cr_assert_str_eq(member(json_object_get(evidence_of(s, "gpu0"), "sampledevice"), "svn"), "2");
    cr_assert_str_eq(member(json_object_get(evidence_of(s, "cpu1"), "sample"), "svn"), "9");
    cr_assert_str_eq(member(json_object_get(s, "gpu0"), "ear.status"), "contraindicated");
    json_decref(s);
    json_decref(devices);
    free(text);
}

Test(sample, one_device_that_does_not_hold_is_a_refusal)
{
    auth("sample");
    json_t *stale = evidence("2", NULL);
    auth("sample");
    json_t *devices = json_pack("{s:o}", "sampledevice", stale);
    char *text = json_dumps(devices, JSON_COMPACT);
    auto_answer bad = attest(evidence("1", text), text, NULL);
    refused(&bad, "the evidence of sampledevice is refused");
    json_decref(devices);
    free(text);
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"{\"nvidia\":{}}", "no verifier for a device nvidia"},
        /* a TEE is judged over the whole handshake, of which a further device binds less */
        {"{\"casemate-sim\":{}}", "no verifier for a device casemate-sim"},
        {"[]", "wanted an object of devices"},
        {"x", "additional_evidence"},
        {"{\"sampledevice\":{},\"sampledevice\":{}}", "duplicate"},
        {"{\"sampledevice\":7}", "sample-evidence"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        auth("sample");
        auto_answer a = attest(evidence("1", cases[i].text), cases[i].text, NULL);
        refused(&a, cases[i].why);
    }
}

/* Without a CPU in the token there is no key to encrypt to. */
Test(sample, a_device_alone_gets_a_token_and_no_secret)
{
    auth("sampledevice");
    auto_answer a = attest(evidence("1", ""), "", NULL);
    json_t *s = submods(&a);
    cr_assert_eq(json_object_size(s), 1);
    cr_assert_not_null(json_object_get(s, "gpu0"));
    auto_answer get = ask(&b, "GET", RESOURCE, cookie, "");
    cr_assert_eq(get.status, 401);
    cr_assert_str_eq(get.type, "TokenVerifierError");
    json_decref(s);
}

Test(sample, no_rule_of_ours_ever_releases_to_it)
{
    admin_ok(&b, "POST", RESOURCE, SECRET);
    auto_answer policy = policy_upload(
        &b,
        "{\"version\":1,\"rules\":[{\"name\":\"all\",\"resources\":[\"*/*/*\"],\"tee\":[\"sim\","
        "\"snp\",\"tdx\"],\"initdata\":[\"0000000000000000000000000000000000000000000000000000"
        "000000000000\"],\"measurement\":[\"000000000000000000000000000000000000000000000000000"
        "000000000000000000000000000000000000000000000\"]}]}");
    cr_assert_eq(policy.status, 200, "%s", policy.detail);
    auth("sample");
    auto_answer a = attest(evidence("1", ""), "", NULL);
    cr_assert_eq(a.status, 200, "%s", a.detail);
    auto_answer get = ask(&b, "GET", RESOURCE, cookie, "");
    cr_assert_str_eq(get.type, "PolicyDeny", "%s", get.detail);
}

Test(sample, is_refused_without_initdata_unless_that_is_allowed)
{
    b.setup.insecure_without_initdata = false;
    broker_free(b.broker);
    bench_start(&b);
    auth("sample");
    auto_answer a = attest(evidence("1", ""), "", NULL);
    refused(&a, "init-data: found none");
}
