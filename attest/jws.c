/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed text [RFC 7515], compact serialisation, and the little that JWT adds [RFC 7519]. Reads
 * bytes of strangers. One table says which key type an algorithm is for: confusion of algorithms
 * has no place to start. See jose.h, J2.
 */
#include "attest/jose.h"

#include "guest/base/hosted.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define SIG_MAX CRYPTO_RSA_MAX

static const struct {
    enum jws_alg alg;
    const char *name;
    enum crypto_key_type key;
    enum crypto_hash hash; /* 0: the algorithm takes the message itself */
    enum crypto_rsa_padding padding;
} algs[] = {
    {JWS_ES256, "ES256", CRYPTO_P256, CRYPTO_SHA256, 0},
    {JWS_ES384, "ES384", CRYPTO_P384, CRYPTO_SHA384, 0},
    {JWS_ES512, "ES512", CRYPTO_P521, CRYPTO_SHA512, 0},
    {JWS_EDDSA, "EdDSA", CRYPTO_ED25519, 0, 0},
    {JWS_RS256, "RS256", CRYPTO_RSA, CRYPTO_SHA256, CRYPTO_RSA_PKCS1},
    {JWS_RS384, "RS384", CRYPTO_RSA, CRYPTO_SHA384, CRYPTO_RSA_PKCS1},
    {JWS_RS512, "RS512", CRYPTO_RSA, CRYPTO_SHA512, CRYPTO_RSA_PKCS1},
    {JWS_PS256, "PS256", CRYPTO_RSA, CRYPTO_SHA256, CRYPTO_RSA_PSS},
    {JWS_PS384, "PS384", CRYPTO_RSA, CRYPTO_SHA384, CRYPTO_RSA_PSS},
    {JWS_PS512, "PS512", CRYPTO_RSA, CRYPTO_SHA512, CRYPTO_RSA_PSS},
};

enum jws_alg jws_alg_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(algs); i++) {
        if (strcmp(algs[i].name, name) == 0) { return algs[i].alg; }
    }
    return 0;
}

const char *jws_alg_name(enum jws_alg a)
{
    for (size_t i = 0; i < ARRAY_COUNT(algs); i++) {
        if (algs[i].alg == a) { return algs[i].name; }
    }
    return "unknown";
}

void jws_fini(struct jws *s)
{
    json_decref(s->header);
    free(s->payload_raw);
    free(s->sig);
    *s = (struct jws){0};
}

enum jws_alg jws_alg_for(enum crypto_key_type t)
{
    for (size_t i = 0; i < ARRAY_COUNT(algs) && t != CRYPTO_RSA; i++) {
        if (algs[i].key == t) { return algs[i].alg; }
    }
    return 0;
}

/* ---- in */

static int decode_part(const char *name, const char *text, size_t len, size_t max, uint8_t **out,
                       size_t *out_len, struct err *e)
{
    size_t cap = b64_decoded_max(len);
    if (cap > max + 3) {
        return err_set(e, E2BIG, "JWS: %s of %zu characters is too long", name, len);
    }
    auto_free uint8_t *p = malloc(cap + 1);
    if (!p) { return err_set(e, ENOMEM, "JWS: out of memory"); }
    if (b64u_decode(text, len, p, cap, out_len) < 0) {
        return err_set(e, EBADMSG, "JWS: %s is not base64url", name);
    }
    p[*out_len] = '\0';
    *out = steal_ptr(&p);
    return 0;
}

/*
 * `"b64":true` says what holds without it [RFC 7797 §3]; CoCo's tool writes it into every sealed
 * secret.
 */
static bool says_nothing(const char *name, const json_t *value)
{
    return !value || (strcmp(name, "b64") == 0 && json_is_true(value));
}

static int parse_header(const uint8_t *text, size_t len, struct jws *s, struct err *e)
{
    static const char *const refused[] = {"crit", "b64", "zip"};
    const char *alg;
    int r = json_load_strict("JWS header", text, len, JWS_TEXT_MAX, &s->header, e);
    if (r < 0) { return r; }
    r = json_get_text("JWS header", s->header, "alg", &alg, e);
    if (r < 0) { return r; }
    for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
        if (!says_nothing(refused[i], json_object_get(s->header, refused[i]))) {
            return err_set(e, ENOTSUP, "JWS header: member \"%s\" is refused", refused[i]);
        }
    }
    s->alg = jws_alg_of(alg);
    if (!s->alg) { return err_set(e, ENOTSUP, "JWS header: algorithm \"%.20s\" is refused", alg); }
    return 0;
}

int jws_parse(const char *text, size_t len, struct jws *out, struct err *e)
{
    if (len > JWS_TEXT_MAX) {
        return err_set(e, E2BIG, "JWS: %zu characters, at most %u are read", len, JWS_TEXT_MAX);
    }
    const char *dot1 = memchr(text, '.', len);
    const char *dot2 = dot1 ? memchr(dot1 + 1, '.', len - (size_t)(dot1 + 1 - text)) : NULL;
    if (!dot2) { return err_set(e, EBADMSG, "JWS: not three parts with dots between them"); }

    auto_jws s = {.signed_text = {.p = (const uint8_t *)text, .len = (size_t)(dot2 - text)}};
    auto_free uint8_t *header = NULL;
    size_t header_len;
    int r =
        decode_part("header", text, (size_t)(dot1 - text), JWS_TEXT_MAX, &header, &header_len, e);
    if (r == 0) { r = parse_header(header, header_len, &s, e); }
    if (r == 0) {
        r = decode_part("payload", dot1 + 1, (size_t)(dot2 - dot1 - 1), JWS_TEXT_MAX,
                        &s.payload_raw, &s.payload_len, e);
    }
    if (r == 0) {
        r = decode_part("signature", dot2 + 1, len - (size_t)(dot2 + 1 - text), SIG_MAX, &s.sig,
                        &s.sig_len, e);
    }
    if (r < 0) { return r; }
    *out = s;
    s = (struct jws){0};
    return 0;
}

int jws_verify(const struct jws *s, const struct crypto_key *key, unsigned allowed, struct err *e)
{
    const char *name = jws_alg_name(s->alg);
    size_t i = 0;
    while (i < ARRAY_COUNT(algs) && algs[i].alg != s->alg) { i++; }
    if (i == ARRAY_COUNT(algs) || !(allowed & JWS_ALLOW(s->alg))) {
        return err_set(e, EKEYREJECTED, "JWS: algorithm %s is not allowed here", name);
    }
    if (algs[i].key != crypto_key_type(key)) {
        return err_set(e, EKEYREJECTED, "JWS: algorithm %s does not fit the key", name);
    }

    int r;
    if (s->alg == JWS_EDDSA) {
        r = crypto_ed25519_verify(key, s->signed_text.p, s->signed_text.len, s->sig, s->sig_len);
    } else {
        uint8_t digest[CRYPTO_HASH_MAX];
        r = crypto_digest(algs[i].hash, s->signed_text.p, s->signed_text.len, digest);
        if (r == 0 && algs[i].key == CRYPTO_RSA) {
            r = crypto_rsa_verify(key, algs[i].padding, algs[i].hash, digest, s->sig, s->sig_len);
        } else if (r == 0) {
            r = crypto_ecdsa_verify(key, digest, crypto_hash_size(algs[i].hash), s->sig,
                                    s->sig_len);
        }
    }
    if (r == -EKEYREJECTED) {
        return err_set(e, EKEYREJECTED, "JWS: the %s signature is wrong", name);
    }
    if (r < 0) { return err_set(e, -r, "JWS: the %s signature cannot be checked", name); }
    return 0;
}

/* ---- out */

static int sign_text(const struct crypto_key *key, size_t i, const char *text, size_t len,
                     uint8_t *sig, size_t *sig_len)
{
    uint8_t digest[CRYPTO_HASH_MAX];
    if (algs[i].alg == JWS_EDDSA) {
        *sig_len = CRYPTO_ED25519_SIG_SIZE;
        return crypto_ed25519_sign(key, text, len, sig);
    }
    int r = crypto_digest(algs[i].hash, text, len, digest);
    return r < 0 ? r : crypto_ecdsa_sign(key, digest, crypto_hash_size(algs[i].hash), sig, sig_len);
}

int jws_sign(const struct crypto_key *key, const json_t *header, const void *payload, size_t len,
             char **out, struct err *e)
{
    size_t i = 0;
    while (i < ARRAY_COUNT(algs) && algs[i].key != crypto_key_type(key)) { i++; }
    if (i == ARRAY_COUNT(algs) || algs[i].key == CRYPTO_RSA) {
        return err_set(e, EINVAL, "JWS: we do not sign with a key of this kind");
    }
    auto_json h = json_object();
    if (!h || json_object_set_new(h, "alg", json_string(algs[i].name)) != 0 ||
        (header && json_object_update_missing(h, (json_t *)(uintptr_t)header) != 0)) {
        return err_set(e, ENOMEM, "JWS: out of memory");
    }
    auto_free char *header_text = json_dumps(h, JSON_COMPACT);
    if (!header_text) { return err_set(e, ENOMEM, "JWS: out of memory"); }

    size_t header_len = strlen(header_text), head = b64u_len(header_len), body = b64u_len(len);
    if (head > JWS_TEXT_MAX || len > JWS_TEXT_MAX || head + body > JWS_TEXT_MAX) {
        return err_set(e, E2BIG, "JWS: %zu bytes of payload are too many", len);
    }
    auto_free char *text = malloc(head + 1 + body + 1 + b64u_len(SIG_MAX) + 1);
    uint8_t sig[2 * CRYPTO_COORD_MAX];
    size_t sig_len;
    if (!text) { return err_set(e, ENOMEM, "JWS: out of memory"); }
    b64u_encode(header_text, header_len, text);
    text[head] = '.';
    b64u_encode(payload, len, text + head + 1);
    int r = sign_text(key, i, text, head + 1 + body, sig, &sig_len);
    if (r < 0) { return err_set(e, -r, "JWS: signing failed"); }
    text[head + 1 + body] = '.';
    b64u_encode(sig, sig_len, text + head + 1 + body + 1);
    *out = steal_ptr(&text);
    return 0;
}

/* ---- JWT */

int jwt_sign(const struct crypto_key *key, const json_t *header, const json_t *claims, char **out,
             struct err *e)
{
    auto_json h = json_pack("{s:s}", "typ", "JWT");
    auto_free char *text = json_dumps(claims, JSON_COMPACT);
    if (!h || !text ||
        (header && json_object_update((json_t *)h, (json_t *)(uintptr_t)header) != 0)) {
        return err_set(e, ENOMEM, "JWT: out of memory");
    }
    return jws_sign(key, h, text, strlen(text), out, e);
}

int jwt_verify(const char *text, size_t len, const struct crypto_key *key, unsigned allowed,
               json_t **out, struct err *e)
{
    auto_jws s = {0};
    auto_json claims = NULL;
    int r = jws_parse(text, len, &s, e);
    if (r == 0) { r = jws_verify(&s, key, allowed, e); }
    if (r == 0) {
        r = json_load_strict("JWT claims", s.payload_raw, s.payload_len, JWS_TEXT_MAX, &claims, e);
    }
    if (r < 0) { return r; }
    if (!json_is_object(claims)) { return err_set(e, EBADMSG, "JWT claims: not an object"); }
    *out = steal_ptr(&claims);
    return 0;
}

/* A NumericDate [RFC 7519 §2]; fractions are cut. */
static int take_time(const json_t *claims, const char *name, int64_t *out, struct err *e)
{
    const json_t *j = json_object_get(claims, name);
    if (json_is_integer(j)) {
        *out = json_integer_value(j);
        return 0;
    }
    double v = json_is_real(j) ? json_real_value(j) : -1;
    if (!(v >= 0 && v < 1e15)) {
        return err_set(e, EBADMSG, "JWT: claim \"%s\" is not a time", name);
    }
    *out = (int64_t)v;
    return 0;
}

int jwt_check_times(const json_t *claims, int64_t now, int64_t leeway, struct err *e)
{
    int64_t exp, nbf;
    if (!json_object_get(claims, "exp")) {
        return err_set(e, EKEYEXPIRED, "JWT: claim \"exp\" is missing");
    }
    int r = take_time(claims, "exp", &exp, e);
    if (r < 0) { return r; }
    if (exp <= now - leeway) { /* not on it either [RFC 7519 §4.1.4] */
        return err_set(e, EKEYEXPIRED, "JWT: expired at %" PRId64 ", it is %" PRId64, exp, now);
    }
    if (json_object_get(claims, "nbf")) {
        r = take_time(claims, "nbf", &nbf, e);
        if (r < 0) { return r; }
        if (nbf > now + leeway) {
            return err_set(e, EKEYREJECTED, "JWT: not valid before %" PRId64 ", it is %" PRId64,
                           nbf, now);
        }
    }
    return 0;
}
