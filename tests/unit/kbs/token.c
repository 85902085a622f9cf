/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attestation tokens: whose are believed, what is read from them, and what an attestation policy may say. Who could get
 * this wrong: whoever lets a token choose its own key, or a policy's number wrap around.
 */
#include "attest/kbs/appraise.h"
#include "attest/kbs/claims.h"
#include "attest/kbs/trust.h"
#include "tests/unit/attest/vectors.h"

#include <errno.h>

/* ---- whose tokens are believed --------------------------------------------------------------- */

/* The anchors that a case's `config` switches on. */
struct anchors {
    struct token_trust trust;
    struct crypto_cert *roots[4];
    struct jwk_set keys;
};

static void anchors_make(const json_t *config, struct anchors *a)
{
    const char *certs = json_string_value(json_object_get(config, "trusted_certs"));
    const char *jwks = json_string_value(json_object_get(config, "trusted_jwk_sets"));
    struct err e = {0};
    char name[128];
    size_t len;
    *a = (struct anchors){0};
    a->trust.roots = a->roots;
    a->trust.insecure_header_jwk = json_is_true(json_object_get(config, "insecure_header_jwk"));
    if (certs) {
        (void)snprintf(name, sizeof name, "coco/token/%.60s", certs);
        char *pem = vector_bytes(name, &len);
        cr_assert_eq(crypto_certs_from_pem(pem, len, a->roots, 4, &a->trust.root_count), 0);
        free(pem);
    }
    if (jwks) {
        (void)snprintf(name, sizeof name, "coco/token/%.60s", jwks);
        char *text = vector_bytes(name, &len);
        cr_assert_eq(jwk_set_parse(text, len, &a->keys, &e), 0, "%s", e.text);
        a->trust.keys = &a->keys;
        free(text);
    }
}

static void anchors_fini(struct anchors *a)
{
    for (size_t i = 0; i < a->trust.root_count; i++) { crypto_cert_free(a->roots[i]); }
    jwk_set_fini(&a->keys);
}

Test(trust, tokens_are_accepted_and_refused_as_the_vectors_say)
{
    json_t *all = vector_json("coco/token/verify-cases.json"), *c;
    size_t i;
    json_array_foreach (json_object_get(all, "cases"), i, c) {
        struct anchors a;
        struct err e = {0};
        json_t *payload = NULL;
        bool own = false;
        const char *token = member(c, "token");
        anchors_make(json_object_get(c, "config"), &a);
        int rc = token_trust_verify(&a.trust, token, strlen(token),
                                    json_integer_value(json_object_get(c, "verify_at_unix")),
                                    &payload, &own, &e);
        bool accept = strcmp(member(c, "verdict"), "accept") == 0;
        cr_expect_eq(rc == 0, accept, "%s: %d %s", member(c, "name"), rc, e.text);
        cr_expect(rc == 0 || e.text[0], "%s: refused without a reason", member(c, "name"));
        json_decref(payload);
        anchors_fini(&a);
    }
    cr_assert_geq(i, 20);
    json_decref(all);
}

/* A token of this key's, with that header member beside it. */
static char *token_with(const struct crypto_key *signer, const char *name, json_t *take_value)
{
    struct err e = {0};
    char *token = NULL;
    json_t *header = json_pack("{s:o}", name, take_value);
    json_t *claims = json_pack("{s:i}", "exp", 2000000000);
    cr_assert_eq(jwt_sign(signer, header, claims, &token, &e), 0, "%s", e.text);
    json_decref(header);
    json_decref(claims);
    return token;
}

static int verdict_of(const struct token_trust *t, const char *token, struct err *e)
{
    json_t *payload = NULL;
    bool own = false;
    *e = (struct err){0};
    int rc = token_trust_verify(t, token, strlen(token), 1900000000, &payload, &own, e);
    json_decref(payload);
    return rc;
}

static json_t *public_jwk(const struct crypto_key *k, const char *alg)
{
    json_t *j = NULL;
    cr_assert_eq(jwk_to_json(k, alg, false, &j), 0);
    return j;
}

Test(trust, our_own_key_needs_nobody_to_vouch_and_another_does)
{
    struct crypto_key *own, *other;
    struct err e = {0};
    cr_assert_eq(crypto_key_generate(CRYPTO_P384, 0, &own), 0);
    cr_assert_eq(crypto_key_generate(CRYPTO_P384, 0, &other), 0);
    struct token_trust t = {.own = own};
    char *ours = token_with(own, "jwk", public_jwk(own, "ES384"));
    char *theirs = token_with(other, "jwk", public_jwk(other, "ES384"));
    char *forged = token_with(other, "jwk", public_jwk(own, "ES384"));
    cr_expect_eq(verdict_of(&t, ours, &e), 0, "%s", e.text);
    cr_expect_eq(verdict_of(&t, theirs, &e), -EKEYREJECTED);
    cr_expect(strstr(e.text, "nothing vouches for it"), "%s", e.text);
    cr_expect_eq(verdict_of(&t, forged, &e), -EKEYREJECTED);
    free(ours), free(theirs), free(forged);
    crypto_key_free(own), crypto_key_free(other);
}

Test(trust, refuses_an_algorithm_that_is_not_the_keys)
{
    struct crypto_key *own;
    struct err e = {0};
    cr_assert_eq(crypto_key_generate(CRYPTO_P256, 0, &own), 0);
    struct token_trust t = {.own = own};
    static const char *const wrong[] = {"ES384", "HS256", "none", ""};
    for (size_t i = 0; i < 4; i++) {
        char *token = token_with(own, "jwk", public_jwk(own, wrong[i]));
        cr_expect_eq(verdict_of(&t, token, &e), -EKEYREJECTED, "%s", wrong[i]);
        free(token);
    }
    char *silent = token_with(own, "jwk", public_jwk(own, NULL));
    cr_expect_eq(verdict_of(&t, silent, &e), -EKEYREJECTED);
    cr_expect(strstr(e.text, "its key nothing"), "%s", e.text);
    free(silent);
    crypto_key_free(own);
}

Test(trust, a_name_is_looked_up_in_the_trusted_sets_alone)
{
    struct crypto_key *signer;
    struct err e = {0};
    cr_assert_eq(crypto_key_generate(CRYPTO_P256, 0, &signer), 0);
    json_t *jwk = public_jwk(signer, "ES256");
    json_object_set_new(jwk, "kid", json_string("one"));
    json_t *doc = json_pack("{s:[o]}", "keys", jwk);
    char *text = json_dumps(doc, 0);
    struct jwk_set set;
    cr_assert_eq(jwk_set_parse(text, strlen(text), &set, &e), 0, "%s", e.text);
    struct token_trust with = {.keys = &set}, without = {.own = signer};
    char *token = token_with(signer, "kid", json_string("one"));
    cr_expect_eq(verdict_of(&with, token, &e), 0, "%s", e.text);
    cr_expect_eq(verdict_of(&without, token, &e), -EKEYREJECTED);
    free(token);
    free(text);
    json_decref(doc);
    jwk_set_fini(&set);
    crypto_key_free(signer);
}

Test(trust, a_set_skips_what_it_cannot_use_and_is_not_empty)
{
    struct err e = {0};
    struct jwk_set set;
    static const char none[] = "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"},{\"kty\":\"AKP\"}]}";
    cr_assert_eq(jwk_set_parse(none, strlen(none), &set, &e), -ENOENT);
    e = (struct err){0};
    cr_assert_eq(jwk_set_parse("{\"keys\":{}}", 11, &set, &e), -EBADMSG);
}

/* RFC 7638 §3.1 has an RSA key and its thumbprint; this one is RFC 8037 appendix A.3. */
Test(trust, thumbprint_is_the_rfcs)
{
    static const char text[] = "{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
                               "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}";
    struct jwk k;
    struct err e = {0};
    char out[JWK_THUMBPRINT_SIZE];
    cr_assert_eq(jwk_parse(text, strlen(text), &k, &e), 0, "%s", e.text);
    cr_assert_eq(jwk_thumbprint(k.key, out), 0);
    cr_assert_str_eq(out, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    jwk_fini(&k);
}

/* ---- what is read from them ------------------------------------------------------------------ */

Test(claims, the_guests_key_is_found_where_the_vectors_say)
{
    json_t *all = vector_json("coco/token/tee-key-location.json"), *c, *found;
    size_t i;
    json_array_foreach (all, i, c) {
        const json_t *expect = json_object_get(c, "expect");
        struct err e = {0};
        int rc = claims_tee_key(json_object_get(c, "claims"), &found, &e);
        if (json_is_null(expect)) {
            cr_expect_lt(rc, 0, "%s", member(c, "name"));
        } else {
            cr_expect(rc == 0 && json_equal(found, expect), "%s: %s", member(c, "name"), e.text);
        }
    }
    cr_assert_geq(i, 6);
    json_decref(all);
}

Test(claims, a_broken_key_in_an_earlier_place_is_not_passed_over)
{
    struct err e = {0};
    json_t *found, *doc = json_pack("{s:{s:{s:s}}, s:{s:s}}", "tdx", "attester_runtime_data",
                                    "tee-pubkey", "broken", "tee-pubkey", "kty", "EC");
    cr_assert_eq(claims_tee_key(doc, &found, &e), -EBADMSG);
    json_decref(doc);
}

Test(claims, another_services_token_about_an_snp_guest_is_understood)
{
    json_t *doc = vector_json("coco/token/claims-snp.json");
    json_t *evidence =
        json_object_get(json_object_get(json_object_get(json_object_get(doc, "submods"), "cpu0"),
                                        "ear.veraison.annotated-evidence"),
                        "snp");
    struct err e = {0};
    auto_claims c = {0};
    json_t *cpu0 = json_object_get(json_object_get(doc, "submods"), "cpu0");
    json_object_del(json_object_get(cpu0, "ear.veraison.annotated-evidence"), "init_data");
    cr_assert_eq(claims_from_json(doc, &c, &e), 0, "%s", e.text);
    cr_assert_str_eq(c.tee, "snp");
    uint8_t measurement[48];
    unhex(
        "7857a47542aca03c22c39461231a919d9904a5915937278535a41291791b96c06717638cd6b0a2e5b8a20a53ec98"
        "0f57",
        measurement, sizeof measurement);
    cr_assert_arr_eq(c.measurement, measurement, 48);
    cr_assert_eq(c.initdata_len, 0);
    cr_assert_not(c.has_registers);
    json_object_set_new(evidence, "measurement", json_string("78"));
    auto_claims bad = {0};
    cr_assert_eq(claims_from_json(doc, &bad, &e), -EBADMSG);
    json_decref(doc);
}

/* ---- what a policy may say ------------------------------------------------------------------- */

Test(ear, values_fall_into_the_tiers_of_the_vectors)
{
    json_t *doc = vector_json("coco/policy/tiers.json"), *c;
    size_t i;
    json_array_foreach (json_object_get(doc, "values"), i, c) {
        int v = (int)json_integer_value(json_object_get(c, "value"));
        cr_expect_str_eq(ear_tier_name(ear_tier_of(v)), member(c, "tier"), "%d", v);
    }
    cr_assert_geq(i, 10);
    json_array_foreach (json_object_get(doc, "vectors"), i, c) {
        struct err e = {0};
        auto_appraisal a = {0};
        cr_assert_eq(appraisal_read(json_object_get(c, "vector"), NULL, &a, &e), 0, "%s", e.text);
        cr_expect_str_eq(ear_tier_name(appraisal_status(&a)), member(c, "status"));
    }
    json_decref(doc);
}

static int appraisal_of(const char *claims, const char *extensions, struct err *e)
{
    auto_appraisal a = {0};
    *e = (struct err){0};
    json_t *c = json_loads(claims, JSON_DECODE_ANY, NULL),
           *x = extensions ? json_loads(extensions, JSON_DECODE_ANY, NULL) : NULL;
    cr_assert(c && (!extensions || x));
    int rc = appraisal_read(c, x, &a, e);
    json_decref(c);
    json_decref(x);
    return rc;
}

/* [coco §17.4 no. 15]: 258 became an affirming 2, 300 a warning 44, an unknown name ended the connection. */
Test(ear, refuses_values_that_would_wrap_and_names_that_do_not_exist)
{
    struct err e = {0};
    cr_expect_eq(appraisal_of("{\"executables\":3}", NULL, &e), 0);
    cr_expect_eq(appraisal_of("{\"executables\":127,\"hardware\":-128}", NULL, &e), 0);
    cr_expect_eq(appraisal_of("{\"executables\":258}", NULL, &e), -ERANGE);
    cr_expect_eq(appraisal_of("{\"executables\":300}", NULL, &e), -ERANGE);
    cr_expect_eq(appraisal_of("{\"executables\":-129}", NULL, &e), -ERANGE);
    cr_expect_eq(appraisal_of("{\"executables\":3.0}", NULL, &e), -EINVAL);
    cr_expect_eq(appraisal_of("{\"executables\":\"3\"}", NULL, &e), -EINVAL);
    cr_expect_eq(appraisal_of("{\"bogus\":3}", NULL, &e), -EINVAL);
    cr_expect_eq(appraisal_of("{}", NULL, &e), -EINVAL);
    cr_expect_eq(appraisal_of("[1]", NULL, &e), -EINVAL);
}

Test(ear, refuses_extensions_that_are_broken_or_take_a_members_place)
{
    struct err e = {0};
    static const char claims[] = "{\"executables\":3}";
    cr_expect_eq(appraisal_of(claims, "[{\"name\":\"x\",\"key\":-500,\"value\":{\"a\":1}}]", &e),
                 0);
    cr_expect_eq(appraisal_of(claims, "[{\"name\":\"x\"}]", &e), -EINVAL);
    cr_expect_eq(appraisal_of(claims, "{}", &e), -EINVAL);
    cr_expect_eq(
        appraisal_of(claims, "[{\"name\":\"ear.status\",\"key\":1,\"value\":\"affirming\"}]", &e),
        -EINVAL);
}

Test(ear, silence_of_a_policy_is_eight_zeros_and_no_status)
{
    struct err e = {0};
    auto_appraisal a = {0};
    cr_assert_eq(appraisal_read(NULL, NULL, &a, &e), 0);
    cr_assert_eq(json_object_size(a.vector), 8);
    cr_assert_str_eq(ear_tier_name(appraisal_status(&a)), "none");
}

/* ---- the policy that holds without one ------------------------------------------------------- */

static json_t *values; /* by name */
static json_t *value_of(void *ctx, const char *name)
{
    (void)ctx;
    return json_incref(json_object_get(values, name));
}

static void appraise(const char *evidence, const char *references, int executables, int hardware,
                     int configuration)
{
    struct reference_source rv = {.get = value_of};
    struct err e = {0};
    auto_appraisal a = {0};
    json_t *doc = json_loads(evidence, 0, NULL);
    values = json_loads(references, 0, NULL);
    cr_assert(doc && values);
    cr_assert_eq(appraise_default(CLAIMS_CPU, doc, &rv, &a, &e), 0, "%s", e.text);
    const char *names[] = {"executables", "hardware", "configuration"};
    int wanted[] = {executables, hardware, configuration};
    for (size_t i = 0; i < 3; i++) {
        cr_expect_eq(json_integer_value(json_object_get(a.vector, names[i])), wanted[i], "%s: %lld",
                     names[i], json_integer_value(json_object_get(a.vector, names[i])));
    }
    json_decref(doc);
    json_decref(values);
}

#define SAMPLE                                                                                     \
    "{\"sample\":{\"svn\":\"1\",\"launch_digest\":\"abcde\",\"debug\":false,"                      \
    "\"platform_version\":{\"major\":1,\"minor\":4}}}"

Test(appraise, sample_follows_its_reference_values)
{
    appraise(SAMPLE, "{}", 33, 97, 2);
    appraise(SAMPLE,
             "{\"launch_digest\":[\"abcde\"],\"svn\":[\"1\"],\"major_version\":1,"
             "\"minimum_minor_version\":1}",
             3, 2, 2);
    appraise(SAMPLE, "{\"svn\":[\"1\"],\"major_version\":1,\"minimum_minor_version\":5}", 33, 97,
             2);
    appraise(SAMPLE, "{\"svn\":[\"1\"],\"major_version\":1}", 33, 97, 2);
}

/* `x in "x"` is false in Rego, and a frequent mistake. */
Test(appraise, a_bare_value_where_a_list_is_wanted_matches_nothing)
{
    appraise(SAMPLE, "{\"launch_digest\":\"abcde\"}", 33, 97, 2);
}

static void identifiers(const char *tee, const char *wanted)
{
    char text[1024];
    struct reference_source rv = {.get = value_of};
    struct err e = {0};
    auto_appraisal a = {0};
    (void)snprintf(
        text, sizeof text,
        "{%s,\"init_data_claims\":{\"agent_policy_claims\":{\"containers\":[{\"OCI\":{"
        "\"Annotations\":{\"io.kubernetes.cri.image-name\":\"web:1\"},\"Process\":{\"User\":"
        "{\"UID\":65534}}}},{\"OCI\":{}},7]}}}",
        tee);
    json_t *doc = json_loads(text, 0, NULL), *w = json_loads(wanted, 0, NULL);
    cr_assert(doc && w, "%s", text);
    values = NULL;
    cr_assert_eq(appraise_default(CLAIMS_CPU, doc, &rv, &a, &e), 0, "%s", e.text);
    cr_expect(json_equal(json_object_get(a.extensions, "ear.trustee.identifiers"), w), "%s", tee);
    json_decref(doc);
    json_decref(w);
}

/* Our own guests are not held to an agent policy, so nothing is validated about them. */
Test(appraise, identifiers_are_those_that_an_agent_holds_a_guest_to)
{
    identifiers("\"snp\":{}",
                "{\"validated\":{\"container_images\":[\"web:1\"],\"container_uids\":[65534]}}");
    identifiers("\"snp\":{\"casemate\":{\"registers\":[]}}", "{\"validated\":{}}");
}

#define SNP                                                                                        \
    "{\"snp\":{\"measurement\":\"ab\",\"policy_debug_allowed\":false,\"policy_migrate_ma\":false," \
    "\"reported_tcb_bootloader\":4,\"reported_tcb_microcode\":219,\"reported_tcb_snp\":24,"        \
    "\"reported_tcb_tee\":0,\"platform_smt_enabled\":true,\"platform_tsme_enabled\":true,"         \
    "\"policy_abi_major\":0,\"policy_abi_minor\":0,\"policy_single_socket\":false,"                \
    "\"policy_smt_allowed\":true}}"

Test(appraise, snp_follows_its_reference_values)
{
    appraise(SNP, "{}", 33, 97, 3);
    appraise(SNP,
             "{\"snp_launch_measurement\":[\"ab\"],\"snp_bootloader\":[4],\"snp_microcode\":[219],"
             "\"snp_snp_svn\":[24],\"snp_tee_svn\":[0],\"snp_smt_enabled\":true,"
             "\"snp_tsme_enabled\":true,\"snp_guest_abi_major\":0,\"snp_guest_abi_minor\":0,"
             "\"snp_single_socket\":false,\"snp_smt_allowed\":true}",
             3, 2, 2);
    appraise(SNP, "{\"snp_smt_enabled\":[true]}", 33, 97, 3);
    appraise("{\"snp\":{\"measurement\":\"ab\"}}", "{\"snp_launch_measurement\":[\"ab\"]}", 3, 97,
             36);
}

Test(appraise, tdx_follows_its_reference_values)
{
    appraise("{\"tdx\":{\"quote\":{\"header\":{\"tee_type\":\"81000000\",\"vendor_id\":"
             "\"939a7233f79c4ca9940a0db3957f0607\"},\"body\":{\"mr_td\":\"aa\",\"rtmr_1\":\"11\","
             "\"rtmr_2\":\"22\",\"xfam\":\"e7\"}},\"td_attributes\":{\"debug\":false},"
             "\"tcb_status\":\"UpToDate\",\"collateral_expiration_status\":\"0\"}}",
             "{\"mr_td\":[\"aa\"],\"rtmr_1\":[\"11\"],\"rtmr_2\":[\"22\"],\"xfam\":[\"e7\"]}", 4, 2,
             2);
}
