/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JOSE against answers made elsewhere: KBS resource answers checked with jwcrypto and libjose,
 * ocicrypt packets written by skopeo, tokens good and bad. Who could get this wrong: whoever lets a
 * message choose its own algorithm.
 */
#include "attest/jose.h"

#include "tests/unit/attest/vectors.h"

#include <errno.h>

/* A private key comes in by its text. */
static int own_key(const json_t *j, struct jwk *out, struct err *e)
{
    char *text = json_dumps(j, 0);
    int r = jwk_parse(text, strlen(text), out, e);
    free(text);
    return r;
}

/* ---- JWE */

Test(jwe, agrees_with_other_implementations)
{
    json_t *all = vector_json("coco/jwe/resource-responses.json");
    size_t opened = 0, refused = 0, i;
    json_t *c;
    json_array_foreach (json_object_get(all, "cases"), i, c) {
        struct err e = {0};
        struct jwk k = {0};
        const char *name = member(c, "name");
        cr_assert_eq(own_key(json_object_get(c, "tee_private_jwk"), &k, &e), 0, "%s: %s", name,
                     e.text);
        char *text = json_dumps(json_object_get(c, "response_body"), 0);
        uint8_t *plain = NULL;
        size_t len = 0;
        int r = jwe_decrypt(text, strlen(text), JWE_ALLOW_KBS, k.key, NULL, &plain, &len, &e);
        /* RSA1_5 and the framing before 0.2 are refused on purpose. */
        bool ours = strstr(name, "RSA1_5") == NULL && strstr(name, "legacy") == NULL;
        if (strcmp(member(c, "expect"), "ok") == 0 && ours) {
            char *hex = malloc(2 * len + 1);
            cr_assert_eq(r, 0, "%s: %s", name, e.text);
            hex_of(plain, len, hex);
            cr_assert_str_eq(hex, member(c, "plaintext_hex"), "%s", name);
            free(hex);
            opened++;
        } else {
            cr_assert_lt(r, 0, "%s was accepted", name);
            cr_assert_null(plain);
            cr_assert_neq(e.text[0], '\0');
            refused++;
        }
        free(plain);
        free(text);
        jwk_fini(&k);
    }
    cr_assert_eq(opened, 9);
    cr_assert_eq(refused, 14);
    json_decref(all);
}

Test(jwe, opens_what_skopeo_wrote_for_each_kind_of_key)
{
    static const struct {
        const char *image, *key;
    } cases[] = {
        {"enc-rsa-2gz", "rsa2048_priv.pem"},         {"enc-ec256-2gz", "ec_p256_priv.pem"},
        {"enc-ec521-2gz", "ec_p521_priv.pem"},       {"enc-multi-recipient", "rsa2048_priv.pem"},
        {"enc-multi-recipient", "ec_p256_priv.pem"},
    };
    json_t *images = vector_json("coco/images/expected.json");
    size_t opened = 0;
    for (size_t t = 0; t < sizeof cases / sizeof cases[0]; t++) {
        char path[256];
        size_t pem_len, i, l;
        json_t *image, *layer;
        struct crypto_key *key;
        snprintf(path, sizeof path, "coco/images/keys/%s", cases[t].key);
        char *pem = vector_bytes(path, &pem_len);
        cr_assert_eq(crypto_key_from_pem(pem, pem_len, &key), 0);
        json_array_foreach (images, i, image) {
            if (strcmp(member(image, "image"), cases[t].image) != 0) { continue; }
            const json_t *manifest = json_array_get(json_object_get(image, "manifests"), 0);
            snprintf(path, sizeof path, "coco/images/%s/blobs/sha256/%s", cases[t].image,
                     member(manifest, "manifest_digest") + strlen("sha256:"));
            json_t *m = vector_json(path);
            json_array_foreach (json_object_get(m, "layers"), l, layer) {
                struct err e = {0};
                const char *packet = member(json_object_get(layer, "annotations"),
                                            "org.opencontainers.image.enc.keys.jwe");
                uint8_t jwe[8192], *plain;
                size_t jwe_len, len;
                cr_assert_eq(b64_decode(packet, strlen(packet), jwe, sizeof jwe, &jwe_len), 0);
                cr_assert_eq(jwe_decrypt((char *)jwe, jwe_len, JWE_ALLOW_OCICRYPT, key, NULL,
                                         &plain, &len, &e),
                             0, "%s with %s: %s", cases[t].image, cases[t].key, e.text);
                const char *want = member(json_array_get(json_object_get(manifest, "layers"), l),
                                          "private_options_json");
                cr_assert_str_eq((char *)plain, want);
                free(plain);
                opened++;
            }
            json_decref(m);
        }
        crypto_key_free(key);
        free(pem);
    }
    cr_assert_eq(opened, 10);
    json_decref(images);
}

struct round {
    enum crypto_key_type key;
    enum jwe_alg alg;
};

static struct crypto_key *fresh(enum crypto_key_type t)
{
    struct crypto_key *k;
    cr_assert_eq(crypto_key_generate(t, 2048, &k), 0);
    return k;
}

/* The flattened form's parts with dots between them [RFC 7516 §7.1]. */
static char *compact_of(const char *flattened)
{
    char *out = NULL;
    json_t *j = json_loads(flattened, 0, NULL);
    const char *key = json_string_value(json_object_get(j, "encrypted_key"));
    cr_assert(asprintf(&out, "%s.%s.%s.%s.%s", json_string_value(json_object_get(j, "protected")),
                       key ? key : "", json_string_value(json_object_get(j, "iv")),
                       json_string_value(json_object_get(j, "ciphertext")),
                       json_string_value(json_object_get(j, "tag"))) > 0);
    json_decref(j);
    return out;
}

Test(jwe, every_algorithm_round_trips_and_none_opens_with_another_key)
{
    static const struct round rounds[] = {
        {CRYPTO_RSA, JWE_RSA_OAEP},        {CRYPTO_RSA, JWE_RSA_OAEP_256},
        {CRYPTO_P256, JWE_ECDH_ES},        {CRYPTO_P256, JWE_ECDH_ES_A128KW},
        {CRYPTO_P384, JWE_ECDH_ES_A192KW}, {CRYPTO_P521, JWE_ECDH_ES_A256KW},
    };
    for (size_t i = 0; i < sizeof rounds / sizeof rounds[0]; i++) {
        struct err e = {0};
        struct crypto_key *k = fresh(rounds[i].key), *other = fresh(rounds[i].key);
        struct jwe_recipient to = {.alg = rounds[i].alg, .key = k};
        char *text, *compact;
        uint8_t *plain = NULL;
        size_t len;
        cr_assert_eq(jwe_encrypt(&to, 1, "attack at dawn", 14, &text, &e), 0, "%s", e.text);
        cr_assert_eq(jwe_decrypt(text, strlen(text), JWE_ALLOW_OCICRYPT, k, NULL, &plain, &len, &e),
                     0, "%s", e.text);
        cr_assert_eq(len, 14);
        cr_assert_str_eq((char *)plain, "attack at dawn");
        free(plain);
        compact = compact_of(text);
        cr_assert_eq(
            jwe_decrypt(compact, strlen(compact), JWE_ALLOW_OCICRYPT, k, NULL, &plain, &len, &e), 0,
            "%s", e.text);
        cr_assert_str_eq((char *)plain, "attack at dawn");
        free(plain);
        plain = NULL;
        cr_assert_lt(
            jwe_decrypt(text, strlen(text), JWE_ALLOW_OCICRYPT, other, NULL, &plain, &len, &e), 0);
        cr_assert_null(plain);
        free(text);
        free(compact);
        crypto_key_free(k);
        crypto_key_free(other);
    }
}

Test(jwe, header_is_the_exact_text_a_reserialising_client_rebuilds)
{
    struct err e = {0};
    struct crypto_key *k = fresh(CRYPTO_P256);
    struct jwe_recipient to = {.alg = JWE_ECDH_ES_A256KW, .key = k};
    char *text, header[512];
    size_t len;
    cr_assert_eq(jwe_encrypt(&to, 1, "x", 1, &text, &e), 0);
    json_t *j = json_loads(text, 0, NULL);
    const char *p = member(j, "protected");
    cr_assert_eq(b64u_decode(p, strlen(p), (uint8_t *)header, sizeof header - 1, &len), 0);
    header[len] = '\0';
    const char *want =
        "{\"alg\":\"ECDH-ES+A256KW\",\"enc\":\"A256GCM\",\"epk\":{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"";
    cr_assert_eq(strncmp(header, want, strlen(want)), 0, "%s", header);
    json_decref(j);
    free(text);
    crypto_key_free(k);
}

Test(jwe, general_form_opens_for_each_recipient_and_for_nobody_else)
{
    struct err e = {0};
    struct crypto_key *a = fresh(CRYPTO_RSA), *b = fresh(CRYPTO_P384), *c = fresh(CRYPTO_P384);
    struct jwe_recipient to[] = {{.alg = JWE_RSA_OAEP, .key = a},
                                 {.alg = JWE_ECDH_ES_A256KW, .key = b}};
    char *text;
    uint8_t *plain = NULL;
    size_t len;
    cr_assert_eq(jwe_encrypt(to, 2, "both", 4, &text, &e), 0, "%s", e.text);
    cr_assert_eq(jwe_decrypt(text, strlen(text), JWE_ALLOW_OCICRYPT, a, NULL, &plain, &len, &e), 0,
                 "%s", e.text);
    free(plain);
    cr_assert_eq(jwe_decrypt(text, strlen(text), JWE_ALLOW_OCICRYPT, b, NULL, &plain, &len, &e), 0,
                 "%s", e.text);
    free(plain);
    plain = NULL;
    cr_assert_eq(jwe_decrypt(text, strlen(text), JWE_ALLOW_OCICRYPT, c, NULL, &plain, &len, &e),
                 -EBADMSG);
    cr_assert_null(plain);
    free(text);
    crypto_key_free(a);
    crypto_key_free(b);
    crypto_key_free(c);
}

Test(jwe, algorithm_the_caller_did_not_allow_is_refused_although_the_key_fits)
{
    struct err e = {0};
    struct crypto_key *k = fresh(CRYPTO_RSA);
    struct jwe_recipient to = {.alg = JWE_RSA_OAEP, .key = k};
    char *text;
    uint8_t *plain = NULL;
    size_t len;
    cr_assert_eq(jwe_encrypt(&to, 1, "x", 1, &text, &e), 0);
    cr_assert_eq(jwe_decrypt(text, strlen(text), JWE_ALLOW_KBS, k, NULL, &plain, &len, &e),
                 -ENOTSUP);
    cr_assert_null(plain);
    free(text);
    crypto_key_free(k);
}

/* ---- JWS, JWT */

static json_t *jwk_of_set(const char *kid)
{
    json_t *set = vector_json("coco/token/trusted_jwks.json"), *k, *found = NULL;
    size_t i;
    json_array_foreach (json_object_get(set, "keys"), i, k) {
        if (strcmp(member(k, "kid"), kid) == 0) { found = json_incref(k); }
    }
    json_decref(set);
    return found;
}

/* The key a token's header points to, by the rules each case's config switches on. */
static struct crypto_key *find_key(const struct jws *s, const json_t *config, int64_t now)
{
    struct err e = {0};
    struct jwk k = {0};
    json_t *in_header = json_object_get(s->header, "jwk");
    if (!in_header) {
        json_t *j = json_object_get(config, "trusted_jwk_sets")
                        ? jwk_of_set(member(s->header, "kid"))
                        : NULL;
        int r = j ? jwk_from_json(j, &k, &e) : -ENOENT;
        json_decref(j);
        return r == 0 ? k.key : NULL;
    }
    if (jwk_from_json(in_header, &k, &e) < 0) { return NULL; }
    if (json_is_true(json_object_get(config, "insecure_header_jwk"))) { return k.key; }

    struct crypto_cert *chain[4] = {NULL}, *root = NULL;
    struct crypto_key *leaf = NULL, *good = NULL;
    const json_t *x5c = json_object_get(in_header, "x5c");
    size_t count = json_array_size(x5c), roots, len;
    char *pem = vector_bytes("coco/token/root_ca.pem", &len);
    bool trusted =
        *member(config, "trusted_certs") && crypto_certs_from_pem(pem, len, &root, 1, &roots) == 0;
    free(pem);
    for (size_t i = 0; i < count && i < 4; i++) {
        uint8_t der[4096];
        const char *text = json_string_value(json_array_get(x5c, i));
        cr_assert_eq(b64_decode(text, strlen(text), der, sizeof der, &len), 0);
        cr_assert_eq(crypto_cert_from_der(der, len, &chain[i]), 0);
    }
    if (trusted && count > 0 &&
        crypto_cert_verify(chain[0], chain + 1, count - 1, &root, 1, now) == 0 &&
        crypto_cert_key(chain[0], &leaf) == 0 && crypto_key_same_public(leaf, k.key)) {
        good = leaf;
        leaf = NULL;
    }
    for (size_t i = 0; i < 4; i++) { crypto_cert_free(chain[i]); }
    crypto_cert_free(root);
    crypto_key_free(leaf);
    jwk_fini(&k);
    return good;
}

Test(jwt, tokens_are_accepted_and_refused_as_the_vectors_say)
{
    json_t *all = vector_json("coco/token/verify-cases.json"), *c;
    size_t i, accepted = 0, refused = 0;
    json_array_foreach (json_object_get(all, "cases"), i, c) {
        const char *token = member(c, "token");
        int64_t now = json_integer_value(json_object_get(c, "verify_at_unix"));
        struct err e = {0};
        struct jws s = {0};
        json_t *claims = NULL;
        int r = jws_parse(token, strlen(token), &s, &e);
        if (r == 0) {
            struct crypto_key *k = find_key(&s, json_object_get(c, "config"), now);
            r = k ? jwt_verify(token, strlen(token), k, JWS_ALLOW_EC, &claims, &e) : -ENOENT;
            if (r == 0) { r = jwt_check_times(claims, now, 60, &e); }
            crypto_key_free(k);
        }
        if (strcmp(member(c, "verdict"), "accept") == 0) {
            cr_assert_eq(r, 0, "%s: %s", member(c, "name"), e.text);
            accepted++;
        } else {
            cr_assert_lt(r, 0, "%s was accepted", member(c, "name"));
            refused++;
        }
        json_decref(claims);
        jws_fini(&s);
    }
    cr_assert_eq(accepted, 6);
    cr_assert_eq(refused, 14);
    json_decref(all);
}

Test(jwt, ends_with_its_last_second_and_begins_with_its_first)
{
    static const struct {
        const char *claims;
        int64_t now, leeway;
        int want;
    } t[] = {
        {"{\"exp\":1000}", 999, 0, 0},
        {"{\"exp\":1000}", 1000, 0, -EKEYEXPIRED},
        {"{\"exp\":1000}", 1059, 60, 0},
        {"{\"exp\":1000}", 1060, 60, -EKEYEXPIRED},
        {"{\"exp\":1000.9}", 999, 0, 0},
        {"{\"exp\":\"1000\"}", 1, 0, -EBADMSG},
        {"{\"exp\":1000,\"nbf\":10}", 10, 0, 0},
        {"{\"exp\":1000,\"nbf\":10}", 9, 0, -EKEYREJECTED},
        {"{\"exp\":1000,\"nbf\":null}", 20, 0, -EBADMSG},
        {"{\"nbf\":10}", 20, 0, -EKEYEXPIRED},
    };
    for (size_t i = 0; i < ARRAY_COUNT(t); i++) {
        struct err e = {0};
        json_t *claims = json_loads(t[i].claims, 0, NULL);
        cr_expect_eq(jwt_check_times(claims, t[i].now, t[i].leeway, &e), t[i].want, "%s at %ld",
                     t[i].claims, (long)t[i].now);
        json_decref(claims);
    }
}

Test(jwt, administrators_tokens_verify_with_ed25519)
{
    size_t len;
    struct crypto_key *k;
    char *pem = vector_bytes("coco/admin/admin_ed25519_public.pem", &len);
    cr_assert_eq(crypto_key_from_pem(pem, len, &k), 0);
    json_t *all = vector_json("coco/admin/admin-cases.json"), *c;
    size_t i, good = 0;
    json_array_foreach (json_object_get(all, "cases"), i, c) {
        struct err e = {0};
        json_t *claims = NULL;
        const char *header = member(c, "authorization");
        if (*header == '\0' || strcmp(member(c, "style"), "legacy") != 0) { continue; }
        const char *token = header + strlen("Bearer ");
        int r = jwt_verify(token, strlen(token), k, JWS_ALLOW(JWS_EDDSA), &claims, &e);
        if (r == 0) {
            r = jwt_check_times(claims, json_integer_value(json_object_get(c, "verify_at_unix")),
                                60, &e);
        }
        cr_assert_eq(r == 0, strcmp(member(c, "verdict"), "accept") == 0, "%s: %s",
                     member(c, "name"), e.text);
        good += r == 0;
        json_decref(claims);
    }
    cr_assert_eq(good, 1);
    json_decref(all);
    crypto_key_free(k);
    free(pem);
}

Test(jws, signature_counts_only_for_its_key_its_text_and_an_allowed_algorithm)
{
    static const enum crypto_key_type types[] = {CRYPTO_P256, CRYPTO_P384, CRYPTO_P521,
                                                 CRYPTO_ED25519};
    static const enum jws_alg algs[] = {JWS_ES256, JWS_ES384, JWS_ES512, JWS_EDDSA};
    for (size_t i = 0; i < 4; i++) {
        struct err e = {0};
        struct jws s = {0};
        struct crypto_key *k = fresh(types[i]), *other = fresh(types[i]);
        char *text;
        cr_assert_eq(jws_sign(k, NULL, "payload", 7, &text, &e), 0, "%s", e.text);
        cr_assert_eq(jws_parse(text, strlen(text), &s, &e), 0, "%s", e.text);
        cr_assert_eq(s.alg, algs[i]);
        cr_assert_eq(s.payload_len, 7);
        cr_assert_eq(jws_verify(&s, k, JWS_ALLOW(algs[i]), &e), 0, "%s", e.text);
        cr_assert_eq(jws_verify(&s, other, JWS_ALLOW(algs[i]), &e), -EKEYREJECTED);
        cr_assert_eq(jws_verify(&s, k, ~JWS_ALLOW(algs[i]), &(struct err){0}), -EKEYREJECTED);
        s.sig[3] ^= 1;
        cr_assert_eq(jws_verify(&s, k, JWS_ALLOW(algs[i]), &(struct err){0}), -EKEYREJECTED);
        jws_fini(&s);
        free(text);
        crypto_key_free(k);
        crypto_key_free(other);
    }
}

Test(jws, algorithm_of_another_key_type_is_refused)
{
    struct err e = {0};
    struct jws s = {0};
    struct crypto_key *p256 = fresh(CRYPTO_P256), *rsa = fresh(CRYPTO_RSA);
    char *text;
    cr_assert_eq(jws_sign(p256, NULL, "x", 1, &text, &e), 0);
    cr_assert_eq(jws_parse(text, strlen(text), &s, &e), 0);
    cr_assert_eq(jws_verify(&s, rsa, ~0u, &e), -EKEYREJECTED);
    cr_assert(strstr(e.text, "does not fit the key"), "%s", e.text);
    jws_fini(&s);
    free(text);
    crypto_key_free(p256);
    crypto_key_free(rsa);
}

static int parse_header(const char *json)
{
    char head[512], token[1024];
    struct err e = {0};
    struct jws s = {0};
    b64u_encode(json, strlen(json), head);
    snprintf(token, sizeof token, "%s.e30.AAAA", head);
    int r = jws_parse(token, strlen(token), &s, &e);
    jws_fini(&s);
    return r;
}

Test(jws, headers_that_change_the_rules_are_refused)
{
    cr_assert_eq(parse_header("{\"alg\":\"ES256\"}"), 0);
    cr_assert_eq(parse_header("{\"alg\":\"ES256\",\"b64\":true}"), 0); /* the default, spelt out */
    cr_assert_eq(parse_header("{\"alg\":\"none\"}"), -ENOTSUP);
    cr_assert_eq(parse_header("{\"alg\":\"HS256\"}"), -ENOTSUP);
    cr_assert_eq(parse_header("{\"alg\":\"es256\"}"), -ENOTSUP);
    cr_assert_eq(parse_header("{\"alg\":\"ES256\",\"crit\":[\"exp\"]}"), -ENOTSUP);
    cr_assert_eq(parse_header("{\"alg\":\"ES256\",\"b64\":false}"), -ENOTSUP);
    cr_assert_eq(parse_header("{\"alg\":\"ES256\",\"b64\":1}"), -ENOTSUP);
    cr_assert_eq(parse_header("{\"alg\":\"ES256\",\"b64\":true,\"crit\":[\"b64\"]}"), -ENOTSUP);
    cr_assert_eq(parse_header("{\"alg\":\"ES256\",\"zip\":true}"), -ENOTSUP);
    cr_assert_eq(parse_header("{\"alg\":\"ES256\",\"alg\":\"EdDSA\"}"), -EBADMSG);
    cr_assert_eq(parse_header("{\"alg\":7}"), -EBADMSG);
    cr_assert_eq(parse_header("[\"alg\"]"), -EBADMSG);
}

/* ---- JWK */

Test(jwk, private_keys_survive_the_way_out_and_in)
{
    static const enum crypto_key_type types[] = {CRYPTO_RSA, CRYPTO_P256, CRYPTO_P384, CRYPTO_P521,
                                                 CRYPTO_ED25519};
    for (size_t i = 0; i < 5; i++) {
        struct err e = {0};
        struct crypto_key *k = fresh(types[i]);
        struct jwk back = {0};
        json_t *j;
        cr_assert_eq(jwk_to_json(k, "X", true, &j), 0);
        cr_assert_eq(own_key(j, &back, &e), 0, "%s", e.text);
        cr_assert(crypto_key_same_public(k, back.key));
        cr_assert(crypto_key_is_private(back.key));
        cr_assert_str_eq(back.alg, "X");
        jwk_fini(&back);
        json_decref(j);
        cr_assert_eq(jwk_to_json(k, NULL, false, &j), 0);
        cr_assert_null(json_object_get(j, "d"));
        cr_assert_eq(jwk_from_json(j, &back, &e), 0, "%s", e.text);
        cr_assert(crypto_key_same_public(k, back.key));
        cr_assert_not(crypto_key_is_private(back.key));
        jwk_fini(&back);
        json_decref(j);
        crypto_key_free(k);
    }
}

/* An RSA key of 8192 bits took six seconds to be found whole: whoever sends keys can make them. */
Test(jwk, a_strangers_private_key_is_refused_unseen)
{
    static const char *const texts[] = {
        "{\"kty\":\"RSA\",\"n\":\"AQ\",\"e\":\"AQAB\",\"d\":\"AQ\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"d\":null}",
    };
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        struct err e = {0};
        struct jwk k = {0};
        json_t *j = json_loads(texts[i], 0, NULL);
        cr_expect_eq(jwk_from_json(j, &k, &e), -EINVAL);
        cr_expect_str_eq(e.text, "JWK: a private key, wanted its public half alone");
        json_decref(j);
    }
}

static int parse_jwk(const char *text)
{
    struct err e = {0};
    struct jwk k = {0};
    int r = jwk_parse(text, strlen(text), &k, &e);
    cr_assert_eq(r < 0, e.text[0] != '\0');
    jwk_fini(&k);
    return r;
}

Test(jwk, keys_that_are_not_keys_are_refused)
{
#define X "\"x\":\"wA9TvPz1z6xIgj9O10HDN4GJkiiO-FscB3zixaIf-9E\""
#define Y "\"y\":\"OfYm_yu45bqVA0cKl8xQGcs0k2C37FhrDIDqfpSnRHY\""
    cr_assert_eq(parse_jwk("{\"kty\":\"EC\",\"crv\":\"P-256\"," X "," Y "}"), 0);
    cr_assert_eq(parse_jwk("{\"kty\":\"EC\",\"crv\":\"P-384\"," X "," Y "}"), -EINVAL,
                 "wrong width");
    cr_assert_eq(parse_jwk("{\"kty\":\"EC\",\"crv\":\"P-256\"," X "}"), -EBADMSG, "no y");
    cr_assert_eq(parse_jwk("{\"kty\":\"EC\",\"crv\":\"secp256k1\"," X "," Y "}"), -ENOTSUP);
    cr_assert_eq(parse_jwk("{\"kty\":\"EC\",\"crv\":\"P-256\"," X
                           ",\"y\":\"OfYm_yu45bqVA0cKl8xQGcs0k2C37FhrDIDqfpSnRHZ\"}"),
                 -EBADMSG, "bits behind the last byte");
    cr_assert_eq(parse_jwk("{\"kty\":\"EC\",\"crv\":\"P-256\"," X
                           ",\"y\":\"AfYm_yu45bqVA0cKl8xQGcs0k2C37FhrDIDqfpSnRHY\"}"),
                 -EINVAL, "not on the curve");
    cr_assert_eq(parse_jwk("{\"kty\":\"EC\",\"crv\":\"P-256\"," X "," Y
                           ",\"d\":\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\"}"),
                 -EINVAL, "d of another key");
    cr_assert_eq(parse_jwk("{\"kty\":\"RSA\",\"n\":\""
                           "wA9TvPz1z6xIgj9O10HDN4GJkiiO-FscB3zixaIf-9E"
                           "\",\"e\":\"AQAB\"}"),
                 -EINVAL, "256-bit modulus");
    cr_assert_eq(parse_jwk("{\"kty\":\"oct\",\"k\":\"AAAA\",\"crv\":\"\"}"), -ENOTSUP);
    cr_assert_eq(parse_jwk("{\"kty\":\"EC\",\"kty\":\"EC\",\"crv\":\"P-256\"," X "," Y "}"),
                 -EBADMSG, "duplicate");
#undef X
#undef Y
}

/* Exponent 1 leaves a secret as it is, and makes every text a signature of itself. */
Test(jwk, rsa_exponents_that_do_nothing_are_refused)
{
    static const struct {
        const char *e;
        int want;
    } t[] = {{"AQAB", 0}, {"Aw", 0}, {"AQ", -EINVAL}, {"AAAB", -EINVAL}, {"AQAA", -EINVAL}};
    uint8_t n[256];
    char text[344], jwk[512]; /* 342 characters and a zero byte */
    memset(n, 0xff, sizeof n);
    b64u_encode(n, sizeof n, text);
    for (size_t i = 0; i < ARRAY_COUNT(t); i++) {
        (void)snprintf(jwk, sizeof jwk, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}", text,
                       t[i].e);
        cr_expect_eq(parse_jwk(jwk), t[i].want, "%s", t[i].e);
    }
}

/* ---- base64, canonical JSON */

Test(base64, one_text_per_value)
{
    static const struct {
        const char *text;
        int want;
        size_t len;
    } url[] =
        {
            {"", 0, 0},
            {"AA", 0, 1},
            {"AAA", 0, 2},
            {"AAAA", 0, 3},
            {"-_-_", 0, 3},
            {"A", -EINVAL, 0},
            {"AB", -EINVAL, 0},
            {"AAB", -EINVAL, 0},
            {"AA==", -EINVAL, 0},
            {"+/+/", -EINVAL, 0},
            {"AA\n", -EINVAL, 0},
            {"AA A", -EINVAL, 0},
            {"AAAAA", -EINVAL, 0},
        },
      std[] = {
          {"", 0, 0},           {"AA==", 0, 1},       {"AAA=", 0, 2},
          {"AAAA", 0, 3},       {"+/+/", 0, 3},       {"AA", -EINVAL, 0},
          {"A===", -EINVAL, 0}, {"AA=A", -EINVAL, 0}, {"====", -EINVAL, 0},
          {"AB==", -EINVAL, 0}, {"-_-_", -EINVAL, 0}, {"AAAA====", -EINVAL, 0},
      };
    uint8_t out[16];
    size_t len;
    for (size_t i = 0; i < sizeof url / sizeof url[0]; i++) {
        len = 0;
        cr_assert_eq(b64u_decode(url[i].text, strlen(url[i].text), out, sizeof out, &len),
                     url[i].want, "\"%s\"", url[i].text);
        cr_assert_eq(len, url[i].len);
    }
    for (size_t i = 0; i < sizeof std / sizeof std[0]; i++) {
        len = 0;
        cr_assert_eq(b64_decode(std[i].text, strlen(std[i].text), out, sizeof out, &len),
                     std[i].want, "\"%s\"", std[i].text);
        cr_assert_eq(len, std[i].len);
    }
    cr_assert_eq(b64u_decode("AAAA", 4, out, 2, &len), -ENOSPC);
}

Test(base64, encodes_the_rfc_examples)
{
    static const struct {
        const char *plain, *std, *url;
    } t[] = {{"", "", ""},
             {"f", "Zg==", "Zg"},
             {"fo", "Zm8=", "Zm8"},
             {"foo", "Zm9v", "Zm9v"},
             {"foob", "Zm9vYg==", "Zm9vYg"},
             {"\xfb\xff", "+/8=", "-_8"}};
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        char out[16];
        b64_encode(t[i].plain, strlen(t[i].plain), out);
        cr_assert_str_eq(out, t[i].std);
        cr_assert_eq(strlen(out), b64_len(strlen(t[i].plain)));
        b64u_encode(t[i].plain, strlen(t[i].plain), out);
        cr_assert_str_eq(out, t[i].url);
        cr_assert_eq(strlen(out), b64u_len(strlen(t[i].plain)));
    }
}

Test(json, canonical_text_sorts_at_every_level_and_escapes_minimally)
{
    json_t *j = json_loads(
        "{\"b\": 1, \"a\" : \"t\\u001f\\n\\\"/\\u00e4\", \"c\":{\"z\":[true,null],\"d\":\"e\"}}", 0,
        NULL);
    char *text;
    size_t len;
    cr_assert_eq(json_canonical(j, &text, &len), 0);
    cr_assert_str_eq(
        text, "{\"a\":\"t\\u001f\\n\\\"/\xc3\xa4\",\"b\":1,\"c\":{\"d\":\"e\",\"z\":[true,null]}}");
    cr_assert_eq(len, strlen(text));
    free(text);
    json_decref(j);
}

Test(json, ceilings_hold)
{
    struct err e = {0};
    json_t *j = NULL;
    char deep[100];
    memset(deep, '[', 50);
    memset(deep + 50, ']', 50);
    cr_assert_eq(json_load_strict("t", deep, 100, 1000, &j, &e), -EBADMSG);
    cr_assert_str_eq(e.text, "t: JSON nested deeper than 32");
    e = (struct err){0};
    cr_assert_eq(json_load_strict("t", "[1]", 3, 2, &j, &e), -E2BIG);
    e = (struct err){0};
    cr_assert_eq(json_load_strict("t", "{\"a\":1,\"a\":2}", 13, 100, &j, &e), -EBADMSG);
    cr_assert_null(j);
}

Test(json, what_is_no_json_is_quoted_in_printable_characters)
{
    struct err e = {0};
    json_t *j = NULL;
    cr_assert_eq(json_load_strict("t", "{\"a\":\x1b[2J}", 10, 100, &j, &e), -EBADMSG);
    cr_assert_str_eq(e.text, "t: not JSON: invalid token near '?' (line 1, column 6)");
}
