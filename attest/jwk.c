/* SPDX-License-Identifier: Apache-2.0 */
/* Keys as JSON [RFC 7517, 7518 §6, 8037 §2]. Reads bytes of strangers. See jose.h. */
#include "attest/jose.h"

#include "guest/base/ct.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

static const struct {
    enum crypto_key_type type;
    const char *kty, *crv;
} kinds[] = {
    {CRYPTO_RSA, "RSA", NULL},    {CRYPTO_P256, "EC", "P-256"},       {CRYPTO_P384, "EC", "P-384"},
    {CRYPTO_P521, "EC", "P-521"}, {CRYPTO_ED25519, "OKP", "Ed25519"},
};

void jwk_fini(struct jwk *k)
{
    crypto_key_free(k->key);
    k->key = NULL;
}

/* ---- in */

/* Room for every member of an RSA key: n, e, d and five of half the size. */
struct numbers {
    uint8_t bytes[6 * CRYPTO_RSA_MAX];
    size_t used;
};

static int take_number(const json_t *j, const char *name, bool required, struct numbers *n,
                       struct view *out, struct err *e)
{
    const char *text;
    size_t len;
    if (!json_object_get(j, name) && !required) { return 0; }
    int r = json_get_text("JWK", j, name, &text, e);
    if (r < 0) { return r; }
    uint8_t *at = n->bytes + n->used;
    r = b64u_decode(text, strlen(text), at, sizeof n->bytes - n->used, &len);
    if (r == -ENOSPC) { return err_set(e, E2BIG, "JWK: member \"%s\" is too long", name); }
    if (r < 0 || len == 0) {
        return err_set(e, EBADMSG, "JWK: member \"%s\" is not base64url", name);
    }
    n->used += len;
    *out = (struct view){.p = at, .len = len};
    return 0;
}

static int take_parts(const json_t *j, enum crypto_key_type t, struct numbers *n,
                      struct crypto_parts *p, struct err *e)
{
    const struct {
        const char *name;
        bool required;
        struct view *to;
    } rsa[] = {{"n", true, &p->n},    {"e", true, &p->e},   {"d", false, &p->d},
               {"p", false, &p->p},   {"q", false, &p->q},  {"dp", false, &p->dp},
               {"dq", false, &p->dq}, {"qi", false, &p->qi}},
      ec[] = {{"x", true, &p->x}, {"y", true, &p->y}, {"d", false, &p->d}},
      okp[] = {{"x", true, &p->x}, {"d", false, &p->d}}, *members = ec;
    size_t count = ARRAY_COUNT(ec);
    if (t == CRYPTO_RSA) {
        members = rsa;
        count = ARRAY_COUNT(rsa);
    } else if (t == CRYPTO_ED25519) {
        members = okp;
        count = ARRAY_COUNT(okp);
    }
    for (size_t i = 0; i < count; i++) {
        int r = take_number(j, members[i].name, members[i].required, n, members[i].to, e);
        if (r < 0) { return r; }
    }
    return 0;
}

static int take_name(const json_t *j, const char *name, char *out, size_t cap, struct err *e)
{
    const char *text;
    out[0] = '\0';
    if (!json_object_get(j, name)) { return 0; }
    int r = json_get_text("JWK", j, name, &text, e);
    if (r < 0) { return r; }
    size_t len = strlen(text);
    if (len >= cap) {
        return err_set(e, E2BIG, "JWK: member \"%s\" is longer than %zu bytes", name, cap - 1);
    }
    memcpy(out, text, len + 1);
    return 0;
}

static int kind_of(const json_t *j, enum crypto_key_type *out, struct err *e)
{
    const char *kty, *crv = NULL;
    int r = json_get_text("JWK", j, "kty", &kty, e);
    if (r < 0) { return r; }
    if (strcmp(kty, "RSA") != 0) {
        r = json_get_text("JWK", j, "crv", &crv, e);
        if (r < 0) { return r; }
    }
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        if (strcmp(kty, kinds[i].kty) == 0 && (!crv || strcmp(crv, kinds[i].crv) == 0)) {
            *out = kinds[i].type;
            return 0;
        }
    }
    return err_set(e, ENOTSUP, "JWK: kty \"%.20s\" crv \"%.20s\" is not supported", kty,
                   crv ? crv : "");
}

static int read_key(const json_t *j, bool may_be_private, struct jwk *out, struct err *e)
{
    enum crypto_key_type type = 0;
    struct crypto_parts parts = {0};
    struct numbers numbers = {.used = 0};
    struct jwk k = {0};

    if (!json_is_object(j)) { return err_set(e, EBADMSG, "JWK: not an object"); }
    if (!may_be_private && json_object_get(j, "d")) {
        return err_set(e, EINVAL, "JWK: a private key, wanted its public half alone");
    }
    int r = kind_of(j, &type, e);
    if (r == 0) { r = take_name(j, "alg", k.alg, sizeof k.alg, e); }
    if (r == 0) { r = take_name(j, "kid", k.kid, sizeof k.kid, e); }
    if (r == 0) { r = take_parts(j, type, &numbers, &parts, e); }
    if (r == 0) {
        r = crypto_key_from_parts(type, &parts, &k.key);
        if (r < 0) { r = err_set(e, -r, "JWK: the numbers are not a usable key of this kind"); }
    }
    wipe(&numbers, sizeof numbers);
    if (r < 0) { return r; }
    *out = k;
    return 0;
}

int jwk_from_json(const json_t *j, struct jwk *out, struct err *e)
{
    return read_key(j, false, out, e);
}

int jwk_parse(const char *text, size_t len, struct jwk *out, struct err *e)
{
    auto_json j = NULL;
    int r = json_load_strict("JWK", text, len, JWK_TEXT_MAX, &j, e);
    return r < 0 ? r : read_key(j, true, out, e);
}

/* ---- out */

static int put_part(json_t *j, const struct crypto_key *k, const char *name, enum crypto_part part)
{
    uint8_t raw[CRYPTO_RSA_MAX];
    char text[(CRYPTO_RSA_MAX + 2) / 3 * 4 + 1];
    size_t len;
    int r = crypto_key_part(k, part, raw, sizeof raw, &len);
    if (r == 0) {
        b64u_encode(raw, len, text);
        r = json_object_set_new(j, name, json_string(text)) == 0 ? 0 : -ENOMEM;
    }
    wipe(raw, sizeof raw);
    wipe(text, sizeof text);
    return r;
}

int jwk_to_json(const struct crypto_key *k, const char *alg, bool with_private, json_t **out)
{
    static const struct {
        const char *name;
        enum crypto_part part;
    } rsa_private[] = {{"d", CRYPTO_PART_D},   {"p", CRYPTO_PART_P},   {"q", CRYPTO_PART_Q},
                       {"dp", CRYPTO_PART_DP}, {"dq", CRYPTO_PART_DQ}, {"qi", CRYPTO_PART_QI}};
    enum crypto_key_type t = crypto_key_type(k);
    auto_json j = json_object();
    if (!j) { return -ENOMEM; }

    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        if (kinds[i].type != t) { continue; }
        if (json_object_set_new(j, "kty", json_string(kinds[i].kty)) != 0 ||
            (kinds[i].crv && json_object_set_new(j, "crv", json_string(kinds[i].crv)) != 0)) {
            return -ENOMEM;
        }
    }
    if (alg && json_object_set_new(j, "alg", json_string(alg)) != 0) { return -ENOMEM; }

    int r;
    if (t == CRYPTO_RSA) {
        r = put_part(j, k, "n", CRYPTO_PART_N);
        if (r == 0) { r = put_part(j, k, "e", CRYPTO_PART_E); }
        for (size_t i = 0; r == 0 && with_private && i < ARRAY_COUNT(rsa_private); i++) {
            r = put_part(j, k, rsa_private[i].name, rsa_private[i].part);
        }
    } else {
        r = put_part(j, k, "x", CRYPTO_PART_X);
        if (r == 0 && t != CRYPTO_ED25519) { r = put_part(j, k, "y", CRYPTO_PART_Y); }
        if (r == 0 && with_private) { r = put_part(j, k, "d", CRYPTO_PART_D); }
    }
    if (r < 0) { return r; }
    *out = steal_ptr(&j);
    return 0;
}

/* ---- sets and thumbprints */

void jwk_set_fini(struct jwk_set *s)
{
    for (size_t i = 0; i < s->count; i++) { jwk_fini(&s->v[i]); }
    s->count = 0;
}

int jwk_set_parse(const char *text, size_t len, struct jwk_set *out, struct err *e)
{
    auto_json doc = NULL;
    struct jwk_set set = {0};
    int r = json_load_strict("JWK set", text, len, JWK_SET_TEXT_MAX, &doc, e);
    if (r < 0) { return r; }
    const json_t *keys = json_object_get(doc, "keys"), *one;
    size_t i;
    if (!json_is_array(keys) || json_array_size(keys) > JWK_SET_MAX) {
        return err_set(e, EBADMSG, "JWK set: keys is not an array of at most %d", JWK_SET_MAX);
    }
    json_array_foreach (keys, i, one) {
        const char *use = json_string_value(json_object_get(one, "use"));
        struct err ignored = {0};
        if (use && strcmp(use, "sig") != 0) { continue; }
        r = jwk_from_json(one, &set.v[set.count], &ignored);
        if (r == 0) { set.count++; }
    }
    if (set.count == 0) { return err_set(e, ENOENT, "JWK set: no key in it that we can use"); }
    *out = set;
    return 0;
}

int jwk_thumbprint(const struct crypto_key *k, char out[JWK_THUMBPRINT_SIZE])
{
    auto_json j = NULL;
    auto_free char *text = NULL;
    size_t len;
    uint8_t digest[CRYPTO_SHA256_SIZE];
    int r = jwk_to_json(k, NULL, false, &j);
    if (r == 0) { r = json_canonical(j, &text, &len); }
    if (r == 0) { r = crypto_digest(CRYPTO_SHA256, text, len, digest); }
    if (r == 0) { b64u_encode(digest, sizeof digest, out); }
    return r;
}
