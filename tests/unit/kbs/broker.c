/* SPDX-License-Identifier: Apache-2.0 */
/* The broker: a genuine guest gets its key; a guest with one thing wrong gets none, and a reason. */
#include "tests/unit/kbs/bench.h"

static struct bench b;
static struct guest g;

static void begin(void)
{
    bench_init(&b);
    guest_init(&g);
    owner_registers(&b, "");
}
static void end(void)
{
    crypto_key_free(g.key);
    bench_fini(&b);
}
TestSuite(broker, .init = begin, .fini = end);

static void assert_refused(const struct answer *a, const char *type, const char *why)
{
    cr_assert_eq(a->status, 401, "%d, wanted 401 %s %s", a->status, type, why);
    cr_assert_str_eq(a->type, type, "%s: %s", a->type, a->detail);
    cr_assert(strstr(a->detail, why), "wanted \"%s\" in: %s", why, a->detail);
}

/* ---- the way it should go ------------------------------------------------------------------ */

Test(broker, releases_to_a_genuine_guest_by_cookie_and_by_token)
{
    guest_handshake(&b, &g);
    auto_answer by_cookie = guest_get(&b, &g, RESOURCE);
    assert_opens(&g, &by_cookie);
    cr_assert(strstr(b.audit, "\"event\":\"release\",\"decision\":\"allow\",\"status\":200,"
                              "\"subject\":\"default/key/img\""),
              "%s", b.audit);
    cr_assert(strstr(b.audit, "\"rule\":\"web\""), "%s", b.audit);
    auto_answer by_token = guest_get_bearer(&b, g.token, RESOURCE, NOW);
    assert_opens(&g, &by_token);
}

Test(broker, releases_with_registers_bound_before_seal)
{
    owner_registers(&b, ",\"registers\":{\"1\":["
                        "\"111111111111111111111111111111111111111111111111111111111111111111"
                        "111111111111111111111111111111\"]}");
    g.sends_registers = true;
    guest_handshake(&b, &g);
    auto_answer a = guest_get(&b, &g, RESOURCE);
    assert_opens(&g, &a);
}

Test(broker, register_form_tells_init_from_application)
{
    g.sends_registers = g.register_form = true;
    guest_handshake(&b, &g);
    auto_answer init = guest_get(&b, &g, RESOURCE);
    assert_opens(&g, &init);
    g.sealed = true;
    guest_handshake(&b, &g);
    auto_answer app = guest_get(&b, &g, RESOURCE);
    assert_refused(&app, "PolicyDeny", "for: found application, wanted init");
    owner_registers(&b, ",\"for\":\"application\"");
    auto_answer now = guest_get(&b, &g, RESOURCE);
    assert_opens(&g, &now);
}

/* ---- policies in Rego -------------------------------------------------------------------------- */

#define SIM "input.submods.cpu0[\"ear.veraison.annotated-evidence\"]"

static void rego(const char *body)
{
    char text[2048];
    (void)snprintf(text, sizeof text, "package policy\ndefault allow := false\n%s\n", body);
    auto_answer a = policy_upload(&b, text);
    cr_assert_eq(a.status, 200, "%s", a.detail);
}

static void attestation_policy(const char *id, const char *text, int status, const char *why)
{
    char b64[4096], body[5000];
    b64u_encode(text, strlen(text), b64);
    (void)snprintf(body, sizeof body, "{\"type\":\"rego\",\"policy_id\":\"%s\",\"policy\":\"%s\"}",
                   id, b64);
    auto_answer a = ask(&b, "POST", "/kbs/v0/attestation-policy", b.admin_token, body);
    cr_assert_eq(a.status, status, "%s", a.detail);
    cr_assert(strstr(a.detail, why), "%s", a.detail);
}

Test(broker, a_rego_policy_that_looks_at_initdata_releases)
{
    rego("allow if {\n data[\"resource-path\"] == [\"default\", \"key\", \"img\"]\n"
         " input.submods.cpu0[\"ear.status\"] == \"affirming\"\n"
         " " SIM ".init_data_claims[\"casemate.toml\"] == \"run = 1\"\n}");
    guest_handshake(&b, &g);
    auto_answer a = guest_get(&b, &g, RESOURCE);
    assert_opens(&g, &a);
    cr_assert(strstr(b.audit, "\"rule\":\"policy:3\""), "%s", b.audit);
    auto_answer by_token = guest_get_bearer(&b, g.token, RESOURCE, NOW);
    assert_opens(&g, &by_token);
    g.initdata =
        "version = \"0.1.0\"\nalgorithm = \"sha384\"\n[data]\n\"casemate.toml\" = \"run = 2\"\n";
    guest_handshake(&b, &g);
    auto_answer other = guest_get(&b, &g, RESOURCE);
    assert_refused(&other, "PolicyDeny", "refused by the resource policy");
}

/* What a guest sent is quoted, cut in the middle of a character: a reason all the same. */
Test(broker, no_initdata_keeps_a_reason_out_of_the_audit_log)
{
    char text[400], *p = stpcpy(text, "version = \"0.1.0\"\nalgorithm = \"sha384\"\n[data]\n"
                                      "\"casemate.toml\" = \"");
    for (int i = 0; i < 100; i++) { p = stpcpy(p, "\xc3\xa4"); }
    (void)stpcpy(p, "\"\n");
    rego("allow if " SIM ".init_data_claims[\"casemate.toml\"] == \"run = 1\"");
    g.initdata = text;
    guest_handshake(&b, &g);
    auto_answer a = guest_get(&b, &g, RESOURCE);
    assert_refused(&a, "PolicyDeny", "refused by the resource policy");
    cr_assert(strstr(b.audit, "\"reasons\":[\"policy line 3: stopped at line 3: found \\\"???"),
              "%s", b.audit);
}

/* CoCo's own policies are of this kind: whoever starts the same images gets the key of somebody else's workload. */
Test(broker, refuses_by_a_rego_policy_that_would_release_to_any_initdata)
{
    rego("allow if input.submods.cpu0[\"ear.status\"] == \"affirming\"");
    guest_handshake(&b, &g);
    auto_answer a = guest_get(&b, &g, RESOURCE);
    assert_refused(&a, "PolicyDeny", "refused by the resource policy");
    cr_assert(strstr(b.audit, "does not depend on initdata"), "%s", b.audit);
    b.setup.insecure_policy_without_initdata = true;
    broker_free(b.broker);
    bench_start(&b);
    guest_handshake(&b, &g);
    auto_answer now = guest_get(&b, &g, RESOURCE);
    assert_opens(&g, &now);
}

/* [coco 17.1]: CoCo's broker shows the guest lines of the policy. */
Test(broker, a_rego_policy_that_fails_tells_its_owner_and_not_the_guest)
{
    rego("allow if {\n \"topsecret\" != \"\"\n 1 / 0 == 1\n}");
    guest_handshake(&b, &g);
    auto_answer a = guest_get(&b, &g, RESOURCE);
    assert_refused(&a, "PolicyEngineError", "audit log");
    cr_assert_null(strstr(a.detail, "line"), "%s", a.detail);
    cr_assert(strstr(b.audit, "evaluation failed: line 5"), "%s", b.audit);
}

/* A status that an attestation policy derives from initdata depends on initdata: it is appraised again to find out. */
Test(broker, an_attestation_policy_that_looks_at_initdata_is_enough)
{
    attestation_policy("default_cpu",
                       "package policy\n"
                       "trust_claims := {\"executables\": 3} if {\n"
                       " input.init_data_claims[\"casemate.toml\"] == \"run = 1\"\n}"
                       " else := {\"executables\": 97}\n",
                       200, "");
    rego("allow if input.submods.cpu0[\"ear.status\"] == \"affirming\"");
    guest_handshake(&b, &g);
    auto_answer a = guest_get(&b, &g, RESOURCE);
    assert_opens(&g, &a);
}

Test(broker, an_attestation_policy_that_fails_ends_the_handshake)
{
    attestation_policy("default_cpu", "package policy\ntrust_claims := {\"executables\": 258}\n",
                       200, "");
    guest_auth(&b, &g);
    auto_answer a = guest_attest(&b, &g);
    assert_refused(&a, "AttestationError", "the broker's audit log says why");
    cr_assert(strstr(b.audit, "executables: found 258, wanted -128 to 127"), "%s", b.audit);
    attestation_policy("default", "package policy\n", 401, "no device is appraised by another");
    auto_answer gone =
        ask(&b, "DELETE", "/casemate/v0/attestation-policy/default_cpu", b.admin_token, "");
    cr_assert_eq(gone.status, 200, "%s", gone.detail);
    guest_handshake(&b, &g);
}

/* ---- a guest that is not what the owner registered ----------------------------------------- */

Test(broker, refuses_another_measurement_and_says_both)
{
    g.measurement[0] = 0xac;
    guest_handshake(&b, &g);
    auto_answer a = guest_get(&b, &g, RESOURCE);
    assert_refused(
        &a, "PolicyDeny",
        "rule web: measurement: found acababababababababababababababababababababababab"
        "abababababababababababababababababababababababab, wanted "
        "abababababababababababababababababababab"
        "abababababababababababababababababababababababababababab (reference values for sim: 1)");
    cr_assert(strstr(b.audit, "\"decision\":\"refuse\""), "%s", b.audit);
    auto_answer token = guest_get_bearer(&b, g.token, RESOURCE, NOW);
    assert_refused(&token, "PolicyDeny", "measurement");
}

Test(broker, refuses_other_initdata)
{
    g.initdata =
        "version = \"0.1.0\"\nalgorithm = \"sha384\"\n[data]\n\"casemate.toml\" = \"run = 2\"\n";
    guest_handshake(&b, &g);
    auto_answer a = guest_get(&b, &g, RESOURCE);
    assert_refused(&a, "PolicyDeny", "rule web: initdata: found ");
}

Test(broker, judges_every_release_by_the_policy_of_the_moment)
{
    guest_handshake(&b, &g);
    auto_answer before = guest_get(&b, &g, RESOURCE);
    assert_opens(&g, &before);
    admin_ok(&b, "DELETE", "/casemate/v0/policy", "");
    auto_answer after = guest_get(&b, &g, RESOURCE);
    assert_refused(&after, "PolicyDeny", "there is no policy yet");
    auto_answer token = guest_get_bearer(&b, g.token, RESOURCE, NOW);
    assert_refused(&token, "PolicyDeny", "there is no policy yet");
}

Test(broker, gives_the_documented_statuses_where_they_are_wanted)
{
    b.setup.documented_statuses = true;
    broker_free(b.broker);
    bench_start(&b);
    auto_answer nobody = ask(&b, "GET", RESOURCE, "", "");
    cr_assert_eq(nobody.status, 401); /* CoCo's client waits for it to attest */
    guest_handshake(&b, &g);
    auto_answer other = guest_get(&b, &g, "/kbs/v0/resource/default/key/other");
    cr_assert_eq(other.status, 403, "%s", other.detail);
    cr_assert_str_eq(other.type, "PolicyDeny");
    admin_ok(&b, "DELETE", RESOURCE, "");
    auto_answer absent = guest_get(&b, &g, RESOURCE);
    cr_assert_eq(absent.status, 404, "%s", absent.detail);
    cr_assert_str_eq(absent.type, "PluginInternalError");
}

Test(broker, refusal_does_not_tell_whether_the_resource_exists)
{
    admin_ok(&b, "POST", "/kbs/v0/resource/default/key/there", "x");
    guest_handshake(&b, &g);
    auto_answer there = guest_get(&b, &g, "/kbs/v0/resource/default/key/there");
    auto_answer absent = guest_get(&b, &g, "/kbs/v0/resource/default/key/notme");
    assert_refused(&there, "PolicyDeny", "no rule names default/key/there");
    assert_refused(&absent, "PolicyDeny", "no rule names default/key/notme");
    admin_ok(&b, "DELETE", RESOURCE, "");
    auto_answer gone = guest_get(&b, &g, RESOURCE);
    assert_refused(&gone, "PluginInternalError", "allowed, but there is none");
}

/* ---- evidence that does not hold ----------------------------------------------------------- */

static void attest_refused(const char *why)
{
    guest_auth(&b, &g);
    auto_answer a = guest_attest(&b, &g);
    assert_refused(&a, "AttestationError", why);
    cr_assert(strstr(b.audit, "\"event\":\"attest\",\"decision\":\"refuse\""), "%s", b.audit);
    auto_answer get = guest_get(&b, &g, RESOURCE);
    cr_assert_eq(get.status, 401);
}

Test(broker, refuses_evidence_without_initdata)
{
    g.initdata = NULL;
    attest_refused("init-data: found none");
}

Test(broker, refuses_report_data_that_binds_something_else)
{
    g.flip_report_data = true;
    attest_refused("report data");
}

Test(broker, refuses_a_key_that_the_report_does_not_bind)
{
    g.other_key_in_body = true;
    attest_refused("report data");
}

Test(broker, refuses_initdata_that_the_report_does_not_bind)
{
    g.flip_host_data = true;
    attest_refused("the guest was started with other initdata");
}

Test(broker, refuses_a_changed_signature)
{
    g.flip_signature = true;
    attest_refused("sim-signature");
}

Test(broker, refuses_a_machine_nobody_enabled)
{
    char path[96];
    struct err e = {0};
    (void)snprintf(path, sizeof path, "%s.other", b.sim_path);
    cr_assert_eq(sim_signer_open(path, &g.other_signer, &e), 0, "%s", e.text);
    attest_refused("sim-key");
    sim_signer_free(g.other_signer);
    (void)unlink(path);
}

Test(broker, refuses_register_0_that_is_not_the_initdata)
{
    g.sends_registers = true;
    g.registers.value[0][5] ^= 1;
    attest_refused("register 0 is not the digest of the initdata");
}

Test(broker, takes_the_launch_flags_it_knows)
{
    g.sends_registers = true;
    g.registers.launch_flags = 1; /* guarded page tables */
    guest_handshake(&b, &g);
}

Test(broker, refuses_launch_flags_it_does_not_know)
{
    g.sends_registers = true;
    g.registers.launch_flags = 2;
    attest_refused("launch-flags");
}

/* ---- sessions and nonces ------------------------------------------------------------------- */

Test(broker, refuses_the_nonce_of_another_session)
{
    struct guest other;
    guest_init(&other);
    guest_auth(&b, &other);
    g.claim_nonce = other.nonce;
    attest_refused("nonce: found ");
    crypto_key_free(other.key);
}

Test(broker, refuses_evidence_in_another_guests_session)
{
    struct guest other;
    guest_init(&other);
    guest_auth(&b, &other);
    guest_auth(&b, &g);
    memcpy(g.cookie, other.cookie, sizeof g.cookie);
    auto_answer a = guest_attest(&b, &g);
    assert_refused(&a, "AttestationError", "nonce: found ");
    crypto_key_free(other.key);
}

Test(broker, a_nonce_is_tried_once)
{
    guest_auth(&b, &g);
    g.flip_signature = true;
    auto_answer bad = guest_attest(&b, &g);
    assert_refused(&bad, "AttestationError", "sim-signature");
    g.flip_signature = false;
    auto_answer replay = guest_attest(&b, &g);
    assert_refused(&replay, "AttestationError", "session: found none");
}

Test(broker, evidence_recorded_earlier_is_worth_nothing)
{
    guest_auth(&b, &g);
    char *recorded = guest_evidence(&b, &g);
    auto_answer first = ask(&b, "POST", "/kbs/v0/attest", g.cookie, recorded);
    cr_assert_eq(first.status, 200);
    guest_auth(&b, &g);
    auto_answer again = ask(&b, "POST", "/kbs/v0/attest", g.cookie, recorded);
    assert_refused(&again, "AttestationError", "nonce: found ");
    free(recorded);
}

Test(broker, attested_session_keeps_its_token)
{
    guest_handshake(&b, &g);
    char token[sizeof g.token];
    memcpy(token, g.token, sizeof token);
    g.flip_signature = true;
    auto_answer a = guest_attest(&b, &g);
    cr_assert_eq(a.status, 200);
    cr_assert_str_eq(g.token, token);
    auto_answer bad = ask(&b, "POST", "/kbs/v0/attest", g.cookie, "{");
    assert_refused(&bad, "AttestationError", "attestation");
}

Test(broker, sessions_and_tokens_expire)
{
    guest_handshake(&b, &g);
    auto_answer last = ask_at(&b, NOW + 299, "GET", RESOURCE, g.cookie, "", 0);
    assert_opens(&g, &last);
    auto_answer late = ask_at(&b, NOW + 300, "GET", RESOURCE, g.cookie, "", 0);
    assert_refused(&late, "TokenNotFound", "neither");
    auto_answer leeway = guest_get_bearer(&b, g.token, RESOURCE, NOW + 359);
    assert_opens(&g, &leeway);
    auto_answer token = guest_get_bearer(&b, g.token, RESOURCE, NOW + 361);
    assert_refused(&token, "TokenVerifierError", "exp");
}

Test(broker, a_flood_of_auth_cannot_push_out_an_attested_guest)
{
    guest_handshake(&b, &g);
    struct guest flood;
    guest_init(&flood);
    for (int i = 0; i < 20; i++) { guest_auth(&b, &flood); }
    auto_answer a = guest_get(&b, &g, RESOURCE);
    assert_opens(&g, &a);
    crypto_key_free(flood.key);
}

Test(broker, a_handshake_under_way_is_not_pushed_out_by_the_next_when_all_others_have_attested)
{
    struct guest next;
    guest_init(&next);
    for (int i = 0; i < 4; i++) { guest_handshake(&b, &next); }
    guest_auth(&b, &g);
    guest_auth(&b, &next);
    auto_answer a = guest_attest(&b, &g);
    cr_assert_eq(a.status, 200, "%s", a.detail);
    crypto_key_free(next.key);
}

/* More guests than there is room for in a session's life are served all the same. */
Test(broker, an_attested_guest_makes_room_when_as_many_others_have_attested)
{
    struct guest other[4];
    guest_handshake(&b, &g);
    for (size_t i = 0; i < ARRAY_COUNT(other); i++) {
        auto_answer still = guest_get(&b, &g, RESOURCE);
        assert_opens(&g, &still);
        guest_init(&other[i]);
        guest_handshake(&b, &other[i]);
    }
    auto_answer gone = guest_get(&b, &g, RESOURCE);
    assert_refused(&gone, "TokenNotFound", "neither");
    auto_answer by_token = guest_get_bearer(&b, g.token, RESOURCE, NOW);
    assert_opens(&g, &by_token);
    for (size_t i = 0; i < ARRAY_COUNT(other); i++) {
        auto_answer a = guest_get(&b, &other[i], RESOURCE);
        assert_opens(&other[i], &a);
        crypto_key_free(other[i].key);
    }
}

/* ---- tokens -------------------------------------------------------------------------------- */

Test(broker, refuses_tokens_that_are_not_ours)
{
    guest_handshake(&b, &g);
    struct crypto_key *other;
    char *forged;
    struct err e = {0};
    json_t *claims;
    cr_assert_eq(
        jwt_verify(g.token, strlen(g.token), b.token_key, JWS_ALLOW(JWS_ES256), &claims, &e), 0,
        "%s", e.text);
    cr_assert_eq(crypto_key_generate(CRYPTO_P256, 0, &other), 0);
    cr_assert_eq(jwt_sign(other, NULL, claims, &forged, &e), 0);
    auto_answer a = guest_get_bearer(&b, forged, RESOURCE, NOW);
    assert_refused(&a, "TokenVerifierError", "");
    free(forged);
    crypto_key_free(other);
    json_decref(claims);

    g.token[strlen(g.token) - 3] ^= 1;
    auto_answer flipped = guest_get_bearer(&b, g.token, RESOURCE, NOW);
    assert_refused(&flipped, "TokenVerifierError", "");
    auto_answer none = guest_get_bearer(&b, "eyJhbGciOiJub25lIn0.e30.", RESOURCE, NOW);
    assert_refused(&none, "TokenVerifierError", "");
    auto_answer lower = ask(&b, "GET", RESOURCE, "Authorization: bearer abc\r\n", "");
    assert_refused(&lower, "TokenNotFound", "");
    auto_answer admin = ask(&b, "GET", RESOURCE, b.admin_token, "");
    assert_refused(&admin, "TokenVerifierError", "");
}

/* Two brokers with a guest that shows the one's token to the other. */
struct other {
    struct store *store;
    struct crypto_key *key;
    struct broker *broker;
};

static struct answer ask_other(struct other *o, const struct token_trust *trust, const char *token)
{
    static const uint8_t storage_key[STORE_KEY_SIZE] = {9};
    struct err e = {0};
    cr_assert_eq(store_open(":memory:", storage_key, &o->store, &e), 0);
    cr_assert_eq(crypto_key_generate(CRYPTO_P521, 0, &o->key), 0);
    struct bench second = b;
    second.setup.store = o->store;
    second.setup.token_key = o->key;
    second.setup.token_trust = *trust;
    bench_start(&second);
    o->broker = second.broker;
    owner_registers(&second, "");
    struct answer a = guest_get_bearer(&second, token, RESOURCE, NOW);
    broker_free(o->broker);
    store_close(o->store);
    crypto_key_free(o->key);
    return a;
}

Test(broker, a_token_is_believed_elsewhere_by_the_key_that_is_published)
{
    struct other o;
    struct jwk_set set;
    struct err e = {0};
    crypto_key_free(b.token_key);
    broker_free(b.broker);
    cr_assert_eq(crypto_key_generate(CRYPTO_P384, 0, &b.token_key), 0);
    b.setup.token_key = b.token_key;
    bench_start(&b);
    guest_handshake(&b, &g);
    auto_answer jwks = ask(&b, "GET", "/.well-known/jwks.json", "", "");
    cr_assert_eq(jwk_set_parse(jwks.body, strlen(jwks.body), &set, &e), 0, "%s", e.text);
    cr_assert_eq(set.count, 1);
    cr_assert_str_eq(set.v[0].alg, "ES384");
    struct token_trust trusts = {.keys = &set}, nobody = {0};
    auto_answer yes = ask_other(&o, &trusts, g.token);
    assert_opens(&g, &yes);
    auto_answer no = ask_other(&o, &nobody, g.token);
    assert_refused(&no, "TokenVerifierError", "nothing vouches for it");
    jwk_set_fini(&set);
}

Test(broker, token_says_affirming_only_for_a_registered_measurement)
{
    static const char *const status[] = {"affirming", "contraindicated"};
    for (int i = 0; i < 2; i++) {
        g.measurement[0] = (uint8_t)(0xab + i);
        guest_handshake(&b, &g);
        struct err e = {0};
        json_t *claims;
        cr_assert_eq(
            jwt_verify(g.token, strlen(g.token), b.token_key, JWS_ALLOW(JWS_ES256), &claims, &e),
            0);
        json_t *cpu0 = json_object_get(json_object_get(claims, "submods"), "cpu0");
        cr_assert_str_eq(json_string_value(json_object_get(cpu0, "ear.status")), status[i]);
        json_decref(claims);
    }
}

/* ---- bodies from strangers ----------------------------------------------------------------- */

Test(broker, refuses_auth_bodies)
{
    static const struct {
        const char *body, *why;
    } cases[] = {
        {"", "request"},
        {"{", "request"},
        {"[]", "request"},
        {"{\"version\":\"0.4.0\",\"tee\":\"casemate-sim\"}", "extra-params is missing"},
        {"{\"version\":\"0.4.0\",\"version\":\"0.4.0\",\"tee\":\"casemate-sim\",\"extra-params\":"
         "\"\"}",
         "duplicate"},
        {"{\"version\":4,\"tee\":\"casemate-sim\",\"extra-params\":\"\"}", "version"},
        {"{\"version\":\"0.3.0\",\"tee\":\"casemate-sim\",\"extra-params\":\"\"}",
         "KBS Client Protocol Version Mismatch: expect =0.4.0 while the request is 0.3.0"},
        {"{\"version\":\"0.4.1\",\"tee\":\"casemate-sim\",\"extra-params\":\"\"}",
         "Version Mismatch"},
        {"{\"version\":\"v0.4.0\",\"tee\":\"casemate-sim\",\"extra-params\":\"\"}",
         "failed to parse KBS version"},
        {"{\"version\":\"0.4\",\"tee\":\"casemate-sim\",\"extra-params\":\"\"}",
         "failed to parse KBS version"},
        {"{\"version\":\"0.4.0\",\"tee\":\"sample\",\"extra-params\":\"\"}",
         "tee: found sample, wanted"},
        {"{\"version\":\"0.4.0\",\"tee\":\"\\u00e9\\n\",\"extra-params\":\"\"}",
         "tee: found ???, wanted"},
        {"{\"version\":\"0.4.0\",\"tee\":\"casemate-sim\\u0000x\",\"extra-params\":\"\"}",
         "request"},
        {"{\"version\":\"0.4.0\",\"tee\":\"casemate-sim\",\"extra-params\":\"\"} x", "request"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        auto_answer a = ask(&b, "POST", "/kbs/v0/auth", "", cases[i].body);
        assert_refused(&a, "AttestationError", cases[i].why);
    }
    auto_answer build =
        ask(&b, "POST", "/kbs/v0/auth", "",
            "{\"version\":\"0.4.0+x\",\"tee\":\"casemate-sim\",\"extra-params\":null}");
    cr_assert_eq(build.status, 200);
}

/* Every prefix of a good body, and every byte of it changed, is refused and crashes nothing. */
Test(broker, refuses_every_truncation_of_an_attestation)
{
    guest_auth(&b, &g);
    char *body = guest_evidence(&b, &g);
    size_t len = strlen(body);
    for (size_t i = 0; i < len; i += 7) {
        char *cut = strndup(body, i); /* no byte behind it */
        auto_answer a = ask_at(&b, NOW, "POST", "/kbs/v0/attest", g.cookie, cut, i);
        assert_refused(&a, "AttestationError", "");
        free(cut);
    }
    auto_answer whole = ask(&b, "POST", "/kbs/v0/attest", g.cookie, body);
    cr_assert_eq(whole.status, 200, "%s", whole.detail);
    free(body);
}

Test(broker, refuses_attestations_of_wrong_shape)
{
#define KEY                                                                                        \
    "\"tee-pubkey\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ECDH-ES+A256KW\",\"x\":"           \
    "\"7WMCKdqSOcXJ5WxTJk2yBxZ4dKE0pVwAMnbSQh9S3EU\",\"y\":\"AAAA\"}"
    static const char *const cases[] = {
        "null",
        "{}",
        "{\"runtime-data\":{\"nonce\":1}}",
        "{\"runtime_data\":{\"nonce\":\"\"},\"tee_evidence\":{}}",
        "{\"runtime-data\":{\"nonce\":\"a\"," KEY "},\"tee-evidence\":\"text\"}",
        "{\"runtime-data\":{\"nonce\":\"a\"," KEY
        "},\"tee-evidence\":{\"primary_evidence\":\"text\",\"additional_evidence\":\"\"}}",
        "{\"runtime-data\":{\"nonce\":\"a\"," KEY
        "},\"tee-evidence\":{\"primary_evidence\":{},\"additional_evidence\":{}}}",
        "{\"runtime-data\":{\"nonce\":\"a\"," KEY
        "},\"tee-evidence\":{\"primary_evidence\":{},\"additional_evidence\":\"\"}}",
        "{\"runtime-data\":{\"nonce\":\"a\",\"tee-pubkey\":{\"kty\":\"oct\",\"k\":\"AAAA\"}},\"tee-"
        "evidence\":"
        "{\"primary_evidence\":{},\"additional_evidence\":\"\"}}",
    };
    guest_auth(&b, &g);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        auto_answer a = ask(&b, "POST", "/kbs/v0/attest", g.cookie, cases[i]);
        assert_refused(&a, "AttestationError", "");
    }
    char deep[4001];
    memset(deep, '[', 4000);
    deep[4000] = '\0';
    auto_answer a = ask(&b, "POST", "/kbs/v0/attest", g.cookie, deep);
    assert_refused(&a, "AttestationError", "");
    auto_answer no_cookie = ask(&b, "POST", "/kbs/v0/attest", "", "{}");
    assert_refused(&no_cookie, "AttestationError", "cookie: found no kbs-session-id");
}

/* A handshake whose guest names a new key, and is refused for it. */
static void key_is_refused(enum crypto_key_type type, const char *alg, bool private_too,
                           const char *words)
{
    struct crypto_key *k;
    json_t *jwk = NULL;
    cr_assert_eq(crypto_key_generate(type, 2048, &k), 0);
    cr_assert_eq(jwk_to_json(k, alg, private_too, &jwk), 0);
    json_t *doc =
        json_pack("{s:{s:s, s:o}, s:{s:{}, s:s}}", "runtime-data", "nonce", g.nonce, "tee-pubkey",
                  jwk, "tee-evidence", "primary_evidence", "additional_evidence", "");
    char *body = json_dumps(doc, JSON_COMPACT);
    auto_answer a = ask(&b, "POST", "/kbs/v0/attest", g.cookie, body);
    assert_refused(&a, "AttestationError", words);
    free(body);
    json_decref(doc);
    crypto_key_free(k);
}

/* CoCo's broker finds out when a resource is asked for. */
Test(broker, takes_no_key_that_opens_nothing)
{
    static const struct {
        enum crypto_key_type type;
        const char *alg;
    } cases[] = {{CRYPTO_P384, "ECDH-ES+A256KW"}, {CRYPTO_P256, "ECDH-ES"},
                 {CRYPTO_P256, "ecdh-es+a256kw"}, {CRYPTO_P256, "RSA-OAEP-256"},
                 {CRYPTO_RSA, "RSA-OAEP"},        {CRYPTO_RSA, "RSA1_5"},
                 {CRYPTO_RSA, "ECDH-ES+A256KW"}};
    guest_auth(&b, &g);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        key_is_refused(cases[i].type, cases[i].alg, false, "tee-pubkey: found alg");
    }
}

/* Nor a private one, which would keep the broker busy for seconds, session or not. */
Test(broker, takes_no_private_key)
{
    guest_auth(&b, &g);
    key_is_refused(CRYPTO_P256, "ECDH-ES+A256KW", true,
                   "JWK: a private key, wanted its public half alone");
}

/* ---- paths --------------------------------------------------------------------------------- */

Test(broker, routes_and_paths)
{
    static const struct {
        const char *method, *path;
        int status;
        const char *type;
    } cases[] = {
        {"GET", "/healthz", 200, ""},
        {"GET", "/kbs/v0", 404, ""},
        {"GET", "/kbs/v1/resource/a/b/c", 404, ""},
        {"GET", "//kbs/v0/resource/a/b/c", 404, ""},
        {"GET", "/", 404, ""},
        {"GET", "/kbs/v0/", 404, "PluginNotFound"},
        {"GET", "/kbs/v0/nothing/a/b/c", 404, "PluginNotFound"},
        {"GET", "/kbs/v0/auth", 404, "PluginNotFound"},
        {"PUT", "/kbs/v0/attest", 404, "PluginNotFound"},
        {"DELETE", "/kbs/v0/reference-value/x", 404, "PluginNotFound"},
        {"PUT", RESOURCE, 401, "PluginInternalError"},
        {"GET", "/kbs/v0/resource/a/b", 401, "PluginInternalError"},
        {"GET", "/kbs/v0/resource/a/b/c/d", 401, "PluginInternalError"},
        {"GET", "/kbs/v0/resource", 401, "PluginInternalError"},
        {"GET", "/kbs/v0/resource/default/key/../img", 401, "PluginInternalError"},
        {"GET", "/kbs/v0/resource/default/../../etc/passwd", 401, "PluginInternalError"},
        {"GET", "/kbs/v0/resource//default/key/img", 401, "PluginInternalError"},
        {"GET", "/kbs/v0/resource/default/key/img/", 401, "PluginInternalError"},
        {"GET", "/kbs/v0/resource/default/key/%69mg", 401, "PluginInternalError"},
        {"GET", "/kbs/v0/resource/default/key%2Fimg", 401, "PluginInternalError"},
        {"GET", "/kbs/v0/%72esource/default/key/img", 401, "PluginInternalError"},
        {"GET", "/kbs/v0/resource/default/key/img\\", 401, "PluginInternalError"},
        {"GET", "/kbs/v0/resource/Default/key/img", 401, "PolicyDeny"},
        {"GET", RESOURCE "?x=y", 200, ""},
    };
    guest_handshake(&b, &g);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        auto_answer a = ask(&b, cases[i].method, cases[i].path, g.cookie, "");
        cr_expect_eq(a.status, cases[i].status, "%s %s: %d %s", cases[i].method, cases[i].path,
                     a.status, a.detail);
        cr_expect_str_eq(a.type, cases[i].type, "%s %s: %s", cases[i].method, cases[i].path,
                         a.type);
    }
}

Test(broker, unauthenticated_get_is_401_json_so_that_cocos_client_attests)
{
    auto_answer a = ask(&b, "GET", RESOURCE, "", "");
    assert_refused(&a, "TokenNotFound", "found neither");
    guest_auth(&b, &g);
    auto_answer open = guest_get(&b, &g, RESOURCE);
    assert_refused(&open, "TokenNotFound", "not attested yet");
}

Test(broker, counts_what_it_told_guests)
{
    guest_handshake(&b, &g);
    auto_answer good = guest_get(&b, &g, RESOURCE);
    auto_answer absent = guest_get(&b, &g, "/kbs/v0/resource/default/key/other");
    struct guest liar = g;
    liar.flip_report_data = true;
    guest_auth(&b, &liar);
    auto_answer bad = guest_attest(&b, &liar);
    assert_refused(&bad, "AttestationError", "");
    struct broker_counts c = broker_counts(b.broker);
    cr_assert_eq(good.status, 200);
    cr_assert_eq(absent.status, 401);
    cr_assert_eq(c.attested, 1);
    cr_assert_eq(c.not_attested, 1);
    cr_assert_eq(c.released, 1);
    cr_assert_eq(c.not_released, 1);
}

Test(broker, what_cannot_be_recorded_is_not_told_where_that_is_asked_for)
{
    struct err e = {0};
    guest_handshake(&b, &g);
    b.audit_full = true;
    auto_answer still = guest_get(&b, &g, RESOURCE);
    assert_opens(&g, &still);
    struct broker_setup strict = b.setup;
    strict.audit_required = true;
    cr_assert_eq(broker_adopt(b.broker, &strict, &e), 0, "%s", e.text);
    auto_answer a = guest_get(&b, &g, RESOURCE);
    cr_assert_eq(a.status, 503);
    cr_assert_str_eq(a.detail, "the audit log cannot be written; try again");
    b.audit_full = false;
    auto_answer again = guest_get(&b, &g, RESOURCE);
    assert_opens(&g, &again);
}

/* A token whose line is missing in the log must not come out by asking twice. */
Test(broker, a_token_is_recorded_however_often_it_is_asked_for)
{
    struct err e = {0};
    struct broker_setup strict = b.setup;
    strict.audit_required = true;
    cr_assert_eq(broker_adopt(b.broker, &strict, &e), 0, "%s", e.text);
    guest_auth(&b, &g);
    b.audit_full = true;
    auto_answer first = guest_attest(&b, &g);
    cr_assert_eq(first.status, 503);
    auto_answer second = guest_attest(&b, &g);
    cr_assert_eq(second.status, 503, "the session is settled, and nobody has written who it was");
    b.audit_full = false;
    auto_answer third = guest_attest(&b, &g);
    cr_assert_eq(third.status, 200, "%s", third.detail);
    cr_assert(strstr(b.audit, "\"event\":\"attest-again\",\"decision\":\"allow\""), "%s", b.audit);
    cr_assert(strstr(b.audit, "\"measurement\":\"abab"), "%s", b.audit);
}

/* Reasons quote the guest and are cut where they are full: in the middle of a letter, if he chooses so. */
Test(broker, a_guest_cannot_keep_a_reason_out_of_the_audit_log)
{
    char initdata[1024] = "version = \"0.1.0\"\nalgorithm = \"sha384\"\n[data]\n"
                          "\"casemate.toml\" = \"";
    for (size_t i = 0; i < 100; i++) { strcat(initdata, "\xc3\xa9"); }
    strcat(initdata, "\"\n");
    owner_registers(&b,
                    ",\"claims\":[{\"at\":\"/init_data_claims/casemate.toml\",\"is\":[\"x\"]}]");
    g.initdata = initdata;
    guest_handshake(&b, &g);
    auto_answer a = guest_get(&b, &g, RESOURCE);
    assert_refused(&a, "PolicyDeny", "claims: /init_data_claims/casemate.toml: found \"??");
    cr_assert(strstr(b.audit, "claims: /init_data_claims/casemate.toml: found \\\"??"), "%s",
              b.audit);
}

Test(broker, a_session_ends_in_time_although_the_clock_was_put_back)
{
    struct guest early;
    guest_init(&early);
    auto_answer ahead = guest_auth_at(&b, &early, NOW + 1000);
    cr_assert_eq(ahead.status, 200);
    guest_handshake(&b, &g);
    auto_answer last = ask_at(&b, NOW + 299, "GET", RESOURCE, g.cookie, "", 0);
    assert_opens(&g, &last);
    auto_answer late = ask_at(&b, NOW + 300, "GET", RESOURCE, g.cookie, "", 0);
    assert_refused(&late, "TokenNotFound", "neither");
    crypto_key_free(early.key);
}
