/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims about encrypted layers: known answers, the order of checks, key packets, the key
 * provider's strictness.
 */
#include "loader/image/ocicrypt.h"

#include "attest/base64.h"
#include "loader/keyprovider.h"
#include "tests/unit/image/vectors.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

static size_t from_hex(const json_t *j, const char *key, uint8_t *out, size_t cap)
{
    const char *hex = json_string_value(json_object_get(j, key));
    size_t n = strlen(hex) / 2;
    cr_assert_leq(n, cap);
    for (size_t i = 0; i < n; i++) {
        unsigned v;
        cr_assert_eq(sscanf(hex + 2 * i, "%2x", &v), 1);
        out[i] = (uint8_t)v;
    }
    return n;
}

/* Public options with this HMAC, as the annotation has them. */
static const char *pubopts(const uint8_t hmac[32])
{
    static char text[512];
    char b64[64], json[256];
    b64_encode(hmac, 32, b64);
    (void)snprintf(
        json, sizeof json,
        "{\"cipher\":\"AES_256_CTR_HMAC_SHA256\",\"hmac\":\"%s\",\"cipheroptions\":null}", b64);
    b64_encode(json, strlen(json), text);
    return text;
}

Test(ocicrypt, opens_the_known_answers)
{
    json_error_t je;
    json_t *root = json_load_file(vector_path("coco/layer-crypto/ctr-hmac.json"), 0, &je), *c;
    size_t i;
    cr_assert_not_null(root, "%s", je.text);
    cr_assert_gt(json_array_size(json_object_get(root, "cases")), 3);
    json_array_foreach (json_object_get(root, "cases"), i, c) {
        static uint8_t cipher[65536], plain[65536];
        uint8_t hmac[32];
        struct layer_secret s;
        struct image_layer l = {.encrypted = true};
        struct err e = {0}, e2 = {0};
        const char *name = json_string_value(json_object_get(c, "name"));

        (void)from_hex(c, "key_hex", s.key, sizeof s.key);
        (void)from_hex(c, "iv_hex", s.nonce, sizeof s.nonce);
        (void)from_hex(c, "hmac_sha256_hex", hmac, sizeof hmac);
        size_t len = from_hex(c, "ciphertext_hex", cipher, sizeof cipher);
        cr_assert_eq(from_hex(c, "plaintext_hex", plain, sizeof plain), len);
        l.pubopts = pubopts(hmac);
        cr_assert_eq(ocicrypt_open(&l, &s, cipher, len, &e), 0, "%s: %s", name, e.text);
        cr_assert_arr_eq(cipher, plain, len, "%s", name);

        hmac[31] ^= 1;
        l.pubopts = pubopts(hmac);
        (void)from_hex(c, "ciphertext_hex", cipher, sizeof cipher);
        cr_assert_eq(ocicrypt_open(&l, &s, cipher, len, &e2), -EBADMSG,
                     "%s: a wrong HMAC was taken", name);
        uint8_t again[65536];
        (void)from_hex(c, "ciphertext_hex", again, sizeof again);
        cr_assert_arr_eq(cipher, again, len, "%s: decrypted before the HMAC was checked", name);
    }
    json_decref(root);
}

#define KEY32   "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define NONCE16 "AAAAAAAAAAAAAAAAAAAAAA=="

static const char *const bad_private[] = {
    "",
    "{}",
    "{\"symkey\":\"" KEY32 "\"}",
    "{\"symkey\":\"" KEY32 "\",\"cipheroptions\":null}",
    "{\"symkey\":\"" KEY32 "\",\"cipheroptions\":{}}",
    "{\"symkey\":\"" KEY32 "\",\"cipheroptions\":{\"nonce\":\"AAAA\"}}",
    "{\"symkey\":\"" NONCE16 "\",\"cipheroptions\":{\"nonce\":\"" NONCE16 "\"}}",
    "{\"symkey\":\"!\",\"cipheroptions\":{\"nonce\":\"" NONCE16 "\"}}",
    "{\"symkey\":\"" KEY32 "\",\"symkey\":\"" KEY32 "\",\"cipheroptions\":{\"nonce\":\"" NONCE16
    "\"}}",
};

Test(ocicrypt, private_options_are_complete_or_refused)
{
    static const char good[] =
        "{\"symkey\":\"" KEY32 "\",\"more\":1,\"cipheroptions\":{\"nonce\":\"" NONCE16 "\"}}";
    struct layer_secret s;
    struct err ok = {0};
    cr_assert_eq(ocicrypt_parse_private_opts((const uint8_t *)good, strlen(good), &s, &ok), 0, "%s",
                 ok.text);
    for (size_t i = 0; i < ARRAY_COUNT(bad_private); i++) {
        struct err e = {0};
        const uint8_t *p = (const uint8_t *)bad_private[i];
        cr_assert_lt(ocicrypt_parse_private_opts(p, strlen(bad_private[i]), &s, &e), 0, "taken: %s",
                     bad_private[i]);
    }
}

Test(packet, what_the_host_seals_the_guest_opens_and_only_with_that_key)
{
    struct kek kek = {.uri = "kbs:///default/key/1", .key = {1, 2, 3}}, wrong = kek;
    uint8_t out[PRIVATE_OPTS_MAX];
    size_t len;
    char *packet;
    struct err e = {0}, e2 = {0}, e3 = {0};

    cr_assert_eq(keys_seal_packet(&kek, "hello", 5, &packet, &e), 0, "%s", e.text);
    cr_assert_eq(packet_open((uint8_t *)packet, strlen(packet), &kek, 1, out, &len, &e), 0, "%s",
                 e.text);
    cr_assert(len == 5 && memcmp(out, "hello", 5) == 0);
    wrong.key[31] = 1;
    cr_assert_eq(packet_open((uint8_t *)packet, strlen(packet), &wrong, 1, out, &len, &e2),
                 -EBADMSG);
    cr_assert_eq(packet_open((uint8_t *)packet, strlen(packet), &kek, 0, out, &len, &e3), -ENOKEY);
    free(packet);
}

Test(packet, key_names_have_three_plain_parts)
{
    static const char *const bad[] = {"",
                                      "kbs://",
                                      "kbs:///a/b",
                                      "kbs:///a/b/c/d",
                                      "kbs:///a/../c",
                                      "kbs:///a/./c",
                                      "kbs:///a//c",
                                      "kbs:///a/b/c?x",
                                      "http://h/a/b/c",
                                      "kbs:///a/b/c/",
                                      "kbs:///a/b/%2e"};
    char uri[KEK_URI_MAX];
    struct err ok = {0};
    cr_assert_eq(kek_uri_normalise("kbs://any.host:1/a/b.c/D_-9", uri, &ok), 0, "%s", ok.text);
    cr_assert_str_eq(uri, "kbs:///a/b.c/D_-9");
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct err e = {0};
        cr_assert_eq(kek_uri_normalise(bad[i], uri, &e), -EINVAL, "taken: %s", bad[i]);
    }
}

Test(unwrap, a_first_packet_that_fails_does_not_stop_the_search)
{
    static const char opts[] =
        "{\"symkey\":\"" KEY32 "\",\"cipheroptions\":{\"nonce\":\"" NONCE16 "\"}}";
    struct kek kek = {.uri = "kbs:///default/key/1", .key = {1}};
    struct ocicrypt_keys keys = {.kek = &kek, .kek_count = 1};
    struct layer_secret s;
    struct err e = {0};
    char *packet, list[2048], b64[1024];

    cr_assert_eq(keys_seal_packet(&kek, opts, strlen(opts), &packet, &e), 0);
    b64_encode(packet, strlen(packet), b64);
    (void)snprintf(list, sizeof list, "!,e30=,,%s", b64);
    struct image_layer l = {
        .encrypted = true, .jwe = "e30=", .provider = {"e30=", list}, .provider_count = 2};
    cr_assert_eq(ocicrypt_unwrap(&l, &keys, &s, &e), 0, "%s", e.text);
    free(packet);
}

Test(keyprovider, the_first_parameter_wins_and_the_command_line_goes_before_the_request)
{
    static const char request[] =
        "{\"op\":\"keywrap\",\"keywrapparams\":{\"ec\":{\"Parameters\":{\"attestation-agent\":["
        "\"a2V5aWQ9a2JzOi8vL2EvYi8xOjprZXlwYXRoPS9ub3doZXJl\",\"a2V5aWQ9a2JzOi8vL2EvYi8y\"]}},\"optsdata\":[1,2,255]}}";
    struct keys *k = calloc(1, sizeof *k);
    struct err e = {0};
    char *answer;

    cr_assert_not_null(k);
    (void)snprintf(k->kek[0].uri, sizeof k->kek[0].uri, "kbs:///a/b/1");
    k->kek_count = 1;
    cr_assert_eq(keyprovider_answer(k, request, strlen(request), false, &answer, &e), 0, "%s",
                 e.text);
    json_t *j = json_loads(answer, 0, NULL);
    const char *b64 =
        json_string_value(json_object_get(json_object_get(j, "keywrapresults"), "annotation"));
    uint8_t packet[1024], out[PRIVATE_OPTS_MAX];
    size_t len, out_len;
    cr_assert_eq(b64_decode(b64, strlen(b64), packet, sizeof packet, &len), 0);
    cr_assert_eq(packet_open(packet, len, k->kek, 1, out, &out_len, &e), 0, "%s", e.text);
    cr_assert(out_len == 3 && out[0] == 1 && out[1] == 2 && out[2] == 255);
    json_decref(j);
    free(answer);
    keys_fini(k);
    free(k);
}
