/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JOSE against an independent peer, Debian's `jose` (libjose): what we write it reads, what it writes we read, and neither
 * takes what was changed on the way. It has no RSA-OAEP and no EdDSA; those have vectors in jose.c. Who could get this
 * wrong: whoever tests a writer with the reader beside it.
 */
#include "attest/jose.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];

static void begin(void)
{
    (void)snprintf(dir, sizeof dir, "/tmp/casemate-jose-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    if (system("jose alg >/dev/null 2>&1") != 0) {
        cr_skip_test("there is no `jose` on this machine");
    }
}
static void end(void)
{
    char line[128];
    (void)snprintf(line, sizeof line, "rm -rf %s", dir);
    cr_assert_eq(system(line), 0);
}
TestSuite(peer, .init = begin, .fini = end, .timeout = 60);

/* Runs jose in the folder; 0 when it said yes. */
static int jose(const char *arguments)
{
    char line[1024];
    (void)snprintf(line, sizeof line, "cd %s && jose %s >/dev/null 2>&1", dir, arguments);
    int status = system(line);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void file_write(const char *name, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    cr_assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static char *file_read(const char *name)
{
    static char text[65536];
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f, "%s", path);
    size_t n = fread(text, 1, sizeof text - 1, f);
    (void)fclose(f);
    text[n] = '\0';
    return text;
}

static void jwk_write(const char *name, const struct crypto_key *k, const char *alg, bool private)
{
    json_t *j = NULL;
    cr_assert_eq(jwk_to_json(k, alg, private, &j), 0);
    char *text = json_dumps(j, JSON_COMPACT);
    file_write(name, text);
    free(text);
    json_decref(j);
}

static struct crypto_key *jwk_read(const char *name)
{
    struct jwk k;
    struct err e = {0};
    const char *text = file_read(name);
    cr_assert_eq(jwk_parse(text, strlen(text), &k, &e), 0, "%s", e.text);
    return k.key;
}

static const struct {
    enum crypto_key_type type;
    const char *alg;
} signers[] = {{CRYPTO_P256, "ES256"}, {CRYPTO_P384, "ES384"}, {CRYPTO_P521, "ES512"}};

Test(peer, verifies_our_tokens_and_no_changed_ones)
{
    for (size_t i = 0; i < 3; i++) {
        struct crypto_key *k;
        struct err e = {0};
        char *token;
        json_t *claims = json_pack("{s:s, s:i}", "sub", "guest", "exp", 2000000000);
        cr_assert_eq(crypto_key_generate(signers[i].type, 0, &k), 0);
        cr_assert_eq(jwt_sign(k, NULL, claims, &token, &e), 0, "%s", e.text);
        jwk_write("pub.jwk", k, signers[i].alg, false);
        file_write("token", token);
        cr_expect_eq(jose("jws ver -i token -k pub.jwk -O claims"), 0, "%s", signers[i].alg);
        json_t *read = json_loads(file_read("claims"), 0, NULL);
        cr_expect(json_equal(read, claims), "%s", signers[i].alg);
        char *dot = strchr(token, '.') + 5;
        *dot = *dot == 'A' ? 'B' : 'A';
        file_write("token", token);
        cr_expect_neq(jose("jws ver -i token -k pub.jwk"), 0, "%s", signers[i].alg);
        json_decref(read);
        json_decref(claims);
        free(token);
        crypto_key_free(k);
    }
}

Test(peer, its_signatures_verify_here)
{
    static const char *const algs[] = {"ES256", "ES384", "ES512", "RS256", "PS384"};
    static const enum jws_alg allowed[] = {JWS_ES256, JWS_ES384, JWS_ES512, JWS_RS256, JWS_PS384};
    for (size_t i = 0; i < 5; i++) {
        char line[256];
        struct err e = {0};
        json_t *claims = NULL;
        (void)snprintf(line, sizeof line, "jwk gen -i '{\"alg\":\"%s\"}' -o key.jwk", algs[i]);
        cr_assert_eq(jose(line), 0);
        file_write("claims", "{\"sub\":\"guest\"}");
        cr_assert_eq(jose("jws sig -I claims -k key.jwk -c -o token"), 0, "%s", algs[i]);
        struct crypto_key *k = jwk_read("key.jwk");
        const char *token = file_read("token");
        size_t n = strcspn(token, "\n");
        cr_expect_eq(jwt_verify(token, n, k, JWS_ALLOW(allowed[i]), &claims, &e), 0, "%s: %s",
                     algs[i], e.text);
        json_decref(claims);
        crypto_key_free(k);
    }
}

/* A resource as the broker encrypts it: flattened, ephemeral key in the protected header. */
Test(peer, opens_our_resource_answers)
{
    static const enum crypto_key_type kinds[] = {CRYPTO_P256, CRYPTO_P521};
    for (size_t i = 0; i < 2; i++) {
        struct crypto_key *k;
        struct err e = {0};
        char *jwe;
        cr_assert_eq(crypto_key_generate(kinds[i], 0, &k), 0);
        struct jwe_recipient to = {.alg = JWE_ECDH_ES_A256KW, .key = k};
        cr_assert_eq(jwe_encrypt(&to, 1, "the key of the image", 20, &jwe, &e), 0, "%s", e.text);
        jwk_write("key.jwk", k, "ECDH-ES+A256KW", true);
        file_write("jwe", jwe);
        cr_expect_eq(jose("jwe dec -i jwe -k key.jwk -O plain"), 0);
        cr_expect_str_eq(file_read("plain"), "the key of the image");
        free(jwe);
        crypto_key_free(k);
    }
}

/* It puts epk outside the protected header unless told otherwise: both places are the RFC's. */
Test(peer, what_it_encrypts_opens_here)
{
    static const char *const curves[] = {"P-256", "P-384", "P-521"};
    for (size_t i = 0; i < 3; i++) {
        char line[256];
        struct err e = {0};
        uint8_t *plain = NULL;
        size_t len;
        (void)snprintf(line, sizeof line, "jwk gen -i '{\"kty\":\"EC\",\"crv\":\"%s\"}' -o key.jwk",
                       curves[i]);
        cr_assert_eq(jose(line), 0);
        file_write("plain", "hello");
        cr_assert_eq(
            jose("jwe enc -i '{\"protected\":{\"alg\":\"ECDH-ES+A256KW\",\"enc\":\"A256GCM\"}}'"
                 " -I plain -k key.jwk -o jwe"),
            0);
        struct crypto_key *k = jwk_read("key.jwk");
        const char *jwe = file_read("jwe");
        cr_expect_eq(
            jwe_decrypt(jwe, strlen(jwe), JWE_ALLOW(JWE_ECDH_ES_A256KW), k, NULL, &plain, &len, &e),
            0, "%s: %s", curves[i], e.text);
        cr_expect(plain && len == 5 && memcmp(plain, "hello", 5) == 0);
        free(plain);
        crypto_key_free(k);
    }
}

/* Debian's libjose, asked for the thumbprint of our key. */
Test(peer, agrees_on_thumbprints)
{
    struct crypto_key *k;
    char ours[JWK_THUMBPRINT_SIZE];
    cr_assert_eq(crypto_key_generate(CRYPTO_P256, 0, &k), 0);
    jwk_write("pub.jwk", k, NULL, false);
    cr_assert_eq(jose("jwk thp -i pub.jwk -a S256 -o thp"), 0);
    cr_assert_eq(jwk_thumbprint(k, ours), 0);
    cr_assert_eq(strncmp(file_read("thp"), ours, strlen(ours)), 0, "%s %s", file_read("thp"), ours);
    crypto_key_free(k);
}
