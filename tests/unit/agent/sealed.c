/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealed secrets: those of the vectors with their verdicts, and what each check is for. Who could
 * get this wrong: whoever reads a payload before its signature. Who would profit: a host that
 * swaps one secret for another.
 */
#include "attest/agent/sealed.h"

#include "attest/hex.h"
#include "attest/jose.h"
#include "guest/base/hosted.h"
#include "tests/unit/attest/vectors.h"

#include <errno.h>

/* ---- the broker and the key service of the vectors */

static json_t *doc; /* cases.json */
static const char *key_text;

static int give(const char *text, uint8_t **out, size_t *out_len)
{
    *out_len = strlen(text);
    *out = (uint8_t *)strdup(text);
    return 0;
}

static int get(void *ctx, const char *uri, uint8_t **out, size_t *out_len, struct err *e)
{
    (void)ctx;
    if (strcmp(uri, "kbs:///default/sealed-secret/signing-key") == 0) {
        return give(key_text, out, out_len);
    }
    if (strcmp(uri, "kbs:///default/sealed-secret/test") == 0) {
        return give(json_string_value(json_object_get(doc, "secret_behind_vault_name_utf8")), out,
                    out_len);
    }
    return err_set(e, ENOENT, "no resource %s", uri);
}

/* encrypted_key is AES-256-GCM of the key under one that the service holds. */
static int unwrap(void *ctx, const char *key_id, const uint8_t *wrapped, size_t len,
                  const json_t *settings, const json_t *annotations, uint8_t out_key[32],
                  struct err *e)
{
    const json_t *env = json_object_get(doc, "envelope");
    uint8_t kek[32], iv[12];
    (void)ctx, (void)settings;
    cr_assert_str_eq(key_id, "vector-kms-key");
    cr_assert(json_object_get(annotations, "iv"));
    cr_assert(hex_decode(json_string_value(json_object_get(env, "kms_kek_hex")), 64, kek, 32));
    cr_assert(hex_decode(json_string_value(json_object_get(env, "kms_iv_hex")), 24, iv, 12));
    if (len != 48 ||
        crypto_gcm_open(kek, 32, iv, NULL, 0, wrapped, 32, wrapped + 32, out_key) < 0) {
        return err_set(e, EBADMSG, "the key service does not know this key");
    }
    return 0;
}

static struct sealed_kms kms = {.provider = "aliyun", .unwrap = unwrap};
static struct agent_credential credential = {.name = "vector-seal",
                                             .uri = "kbs:///default/sealed-secret/signing-key"};

static struct sealed_source source(void)
{
    return (struct sealed_source){
        .get = get, .credentials = &credential, .credential_count = 1, .kms = &kms, .kms_count = 1};
}

static void begin(void)
{
    doc = vector_json("coco/sealed-secret/cases.json");
    key_text = vector_bytes("coco/sealed-secret/signing_public.jwk.json", NULL);
}
TestSuite(sealed, .init = begin);

static int open_text(const struct sealed_source *from, const char *text, char **out, struct err *e)
{
    uint8_t *value;
    size_t len;
    int r = sealed_open(from, text, strlen(text), &value, &len, e);
    if (r < 0) { return r; }
    cr_assert_eq(value[len], 0);
    *out = (char *)value;
    return 0;
}

Test(sealed, vectors_have_their_verdicts)
{
    const json_t *cases = json_object_get(doc, "cases"), *c;
    size_t i, accepted = 0;
    json_array_foreach (cases, i, c) {
        const char *name = json_string_value(json_object_get(c, "name"));
        const char *text = json_string_value(json_object_get(c, "sealed"));
        const char *verdict = json_string_value(json_object_get(c, "verdict"));
        struct sealed_source from = source();
        struct err e = {0};
        char *secret = NULL;
        from.insecure_unsigned = json_is_true(json_object_get(c, "skip_verification"));
        int r = open_text(&from, text, &secret, &e);
        cr_expect_eq(r == 0, strcmp(verdict, "accept") == 0, "%s: %s", name, e.text);
        cr_expect_eq(sealed_is(text, strlen(text)), strcmp(verdict, "not-sealed") != 0, "%s", name);
        if (r == 0) {
            const char *wanted =
                strncmp(name, "envelope", 8) == 0 ? "unsealed visible" : "the real secret visible";
            cr_expect_str_eq(secret, wanted, "%s", name);
            accepted++;
        }
        free(secret);
    }
    cr_assert_eq(accepted, 5);
}

/* Made with CoCo's own tool of August 2026, whose JWS headers say "b64":true, and its public key. */
Test(sealed, what_cocos_own_tool_makes_is_opened)
{
    struct sealed_source from = source();
    struct err e = {0};
    char *secret = NULL;
    key_text = "{\"alg\":\"ES256\",\"crv\":\"P-256\",\"kid\":\"sealed-signing\",\"kty\":\"EC\","
               "\"use\":\"sig\","
               "\"x\":\"Tp4q4OyzX_CM3BP-ZYFTNJJ_jdLGlJb6490ZFg6F0fI\","
               "\"y\":\"zu5kTZ9zhXJpUoR51urPGuxXS6aih9MIEXg-6E51gRQ\"}";
    int r = open_text(
        &from,
        "sealed.eyJiNjQiOnRydWUsImFsZyI6IkVTMjU2Iiwia2lkIjoia2JzOi8vL2RlZmF1bHQvc2VhbGVkLXNlY3Jl"
        "dC9zaWduaW5nLWtleSJ9.eyJ2ZXJzaW9uIjoiMC4xLjAiLCJ0eXBlIjoidmF1bHQiLCJuYW1lIjoia2JzOi8vL2"
        "RlZmF1bHQvc2VhbGVkLXNlY3JldC90ZXN0IiwicHJvdmlkZXIiOiJrYnMiLCJwcm92aWRlcl9zZXR0aW5ncyI6e"
        "30sImFubm90YXRpb25zIjp7fX0.8FiKzYvAuB84GnlXZHn4gla4AkhP1IrKYs-UXLQWvYPUo2tf5SvE_7aL5fOi"
        "_xpaeNbfn4OQktCb6vnCXFgZuA",
        &secret, &e);
    cr_assert_eq(r, 0, "%s", e.text);
    cr_assert_str_eq(secret, "the real secret visible");
    free(secret);
}

/* ---- checks one by one: our own payloads under the vectors' key */

static char *seal(const char *payload)
{
    auto_jwk k = {0};
    struct err e = {0};
    char *text, *sealed;
    size_t len;
    char *jwk = vector_bytes("coco/sealed-secret/signing_private.jwk.json", &len);
    cr_assert_eq(jwk_parse(jwk, len, &k, &e), 0, "%s", e.text);
    json_t *head = json_pack("{s:s}", "kid", "kbs:///default/sealed-secret/signing-key");
    cr_assert_eq(jws_sign(k.key, head, payload, strlen(payload), &text, &e), 0, "%s", e.text);
    cr_assert(asprintf(&sealed, "sealed.%s", text) > 0);
    free(text);
    json_decref(head);
    free(jwk);
    return sealed;
}

#define TAIL ",\"provider_settings\":{},\"annotations\":{}}"
#define ENVELOPE                                                                                   \
    "{\"version\":\"0.1.0\",\"type\":\"envelope\",\"key_id\":\"vector-kms-key\","                  \
    "\"encrypted_key\":\"Zp/71+q6uXV7oeXZXSYqQ6+yPdY03Xzh/qUf1Bc18YhbR6rdOH2+Qwh2iFmjM/jg\","

static const struct {
    const char *payload, *says;
} refused[] = {
    {"{\"version\":\"0.1.0\",\"type\":\"vault\",\"name\":\"kbs:///a/b/c\",\"provider\":\"aws\"" TAIL,
     "vault of provider \"aws\""},
    {"{\"version\":\"0.1.0\",\"type\":\"vault\",\"name\":\"kbs:///a/b/c\",\"provider\":\"kbs\","
     "\"x\":1" TAIL,
     "\"x\""},
    {"{\"version\":\"0.1.0\",\"type\":\"vault\",\"provider\":\"kbs\"" TAIL, "\"name\" is missing"},
    {"{\"version\":\"0.1.0\",\"type\":\"vault\",\"name\":\"kbs:///a/b/c\",\"provider\":\"kbs\"" TAIL,
     "no resource kbs:///a/b/c"},
    {"{\"version\":\"0.1.0\",\"type\":\"vault\",\"name\":\"kbs:///a/b/c\",\"provider\":\"kbs\","
     "\"provider_settings\":[],\"annotations\":{}}",
     "provider_settings"},
    {ENVELOPE "\"encrypted_data\":\"AAAA\",\"wrap_type\":\"A256GCM\",\"iv\":\"jHnXsVtqbFiPCCoO\","
              "\"provider\":\"ehsm\"" TAIL,
     "no such key service"},
    {ENVELOPE "\"encrypted_data\":\"AAAA\",\"wrap_type\":\"A256GCM\",\"iv\":\"jHnXsVtqbFiPCCoO\","
              "\"provider\":\"aliyun\",\"provider_settings\":{},\"annotations\":{\"iv\":\"\"}}",
     "3 bytes of data"},
    {ENVELOPE "\"encrypted_data\":\"AAAAAAAAAAAAAAAAAAAAAAAA\",\"wrap_type\":\"A256GCM\","
              "\"iv\":\"jHnXsVtqbFiPCCoO\",\"provider\":\"aliyun\",\"provider_settings\":{},"
              "\"annotations\":{\"iv\":\"\"}}",
     "does not authenticate"},
    {ENVELOPE "\"encrypted_data\":\"AAAA\",\"wrap_type\":\"A128GCM\",\"iv\":\"jHnXsVtqbFiPCCoO\","
              "\"provider\":\"aliyun\",\"provider_settings\":{},\"annotations\":{\"iv\":\"\"}}",
     "wrap_type \"A128GCM\""},
    {ENVELOPE "\"encrypted_data\":\"A-AA\",\"wrap_type\":\"A256GCM\",\"iv\":\"jHnXsVtqbFiPCCoO\","
              "\"provider\":\"aliyun\",\"provider_settings\":{},\"annotations\":{\"iv\":\"\"}}",
     "is not base64"},
    {"[]", "sealed secret"},
};

Test(sealed, what_is_not_exactly_a_payload_is_refused_with_the_reason)
{
    struct sealed_source from = source();
    for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
        struct err e = {0};
        char *out, *text = seal(refused[i].payload);
        cr_expect_lt(open_text(&from, text, &out, &e), 0, "case %zu", i);
        cr_expect(strstr(e.text, refused[i].says), "case %zu: wanted \"%s\", found \"%s\"", i,
                  refused[i].says, e.text);
        free(text);
    }
}

Test(sealed, a_key_that_is_not_p256_verifies_nothing)
{
    struct sealed_source from = source();
    struct err e = {0};
    char *out, *text = seal("{}");
    key_text = "{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
               "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}";
    cr_assert_eq(open_text(&from, text, &out, &e), -EKEYREJECTED, "%s", e.text);
    free(text);
}
