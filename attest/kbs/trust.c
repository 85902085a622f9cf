/* SPDX-License-Identifier: Apache-2.0 */
/* See trust.h. Everything in a token is a stranger's until the last line. */
#include "attest/kbs/trust.h"

#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

#define LEEWAY_SECONDS 60 /* clocks of several services; CoCo's value [coco §5.4] */

/* Asymmetric signatures alone: `none` and HMAC do not exist in jose.h. */
#define ALLOWED                                                                                    \
    (JWS_ALLOW_EC | JWS_ALLOW(JWS_EDDSA) | JWS_ALLOW(JWS_RS256) | JWS_ALLOW(JWS_RS384) |           \
     JWS_ALLOW(JWS_RS512) | JWS_ALLOW(JWS_PS256) | JWS_ALLOW(JWS_PS384) | JWS_ALLOW(JWS_PS512))

struct chain {
    size_t count;
    struct crypto_cert *v[TRUST_CHAIN_MAX]; /* leaf first */
};

static void chain_fini(struct chain *c)
{
    for (size_t i = 0; i < c->count; i++) { crypto_cert_free(c->v[i]); }
}
#define auto_chain __attribute__((cleanup(chain_fini))) struct chain

/* Standard base64; line breaks inside are CoCo's habit. */
static int cert_read(const char *text, struct crypto_cert **out, struct err *e)
{
    size_t n = 0, len = strlen(text);
    if (len > JWS_TEXT_MAX) { return err_set(e, E2BIG, "token: x5c: %zu characters", len); }
    auto_free char *plain = malloc(len + 1);
    auto_free uint8_t *der = malloc(b64_decoded_max(len) + 1);
    if (!plain || !der) { return err_set(e, ENOMEM, "token: out of memory"); }
    for (const char *p = text; *p; p++) {
        if (*p != '\n' && *p != '\r') { plain[n++] = *p; }
    }
    int rc = b64_decode(plain, n, der, b64_decoded_max(n), &len);
    if (rc == 0) { rc = crypto_cert_from_der(der, len, out); }
    return rc < 0 ? err_set(e, EBADMSG, "token: x5c holds something that is no certificate") : 0;
}

/* False in *out_present when the key brings no chain. */
static int chain_read(const json_t *jwk, struct chain *out, bool *out_present, struct err *e)
{
    const json_t *list = json_object_get(jwk, "x5c"), *one;
    size_t i;
    *out_present = list != NULL;
    if (!list) { return 0; }
    if (!json_is_array(list) || json_array_size(list) == 0 ||
        json_array_size(list) > TRUST_CHAIN_MAX) {
        return err_set(e, EBADMSG, "token: x5c is not an array of 1 to %d", TRUST_CHAIN_MAX);
    }
    json_array_foreach (list, i, one) {
        const char *text = json_string_value(one);
        if (!text) { return err_set(e, EBADMSG, "token: x5c holds something that is no text"); }
        int rc = cert_read(text, &out->v[i], e);
        if (rc < 0) { return rc; }
        out->count = i + 1;
    }
    return 0;
}

/* Do these certificates say that the key is the service's? */
static int chain_vouches(const struct token_trust *t, const struct chain *c,
                         const struct crypto_key *key, int64_t now, struct err *e)
{
    auto_key leaf = NULL;
    if (t->root_count == 0) {
        return err_set(e, EKEYREJECTED, "token: its certificates chain to nobody trusted here");
    }
    if (crypto_cert_key(c->v[0], &leaf) < 0 || !crypto_key_same_public(leaf, key)) {
        return err_set(e, EKEYREJECTED, "token: x5c is about another key than the one in jwk");
    }
    if (crypto_cert_verify(c->v[0], c->v + 1, c->count - 1, t->roots, t->root_count, now) < 0) {
        return err_set(e, EKEYREJECTED, "token: its certificates chain to nobody trusted here");
    }
    return 0;
}

static const struct jwk *key_by_value(const struct token_trust *t, const struct crypto_key *key)
{
    for (size_t i = 0; t->keys && i < t->keys->count; i++) {
        if (crypto_key_same_public(t->keys->v[i].key, key)) { return &t->keys->v[i]; }
    }
    return NULL;
}

/* The key in the header, if something vouches for it. */
static int header_key(const struct token_trust *t, const json_t *jwk, int64_t now, struct jwk *out,
                      struct err *e)
{
    auto_jwk k = {0};
    auto_chain chain = {0};
    bool present = false;
    int rc = jwk_from_json(jwk, &k, e);
    if (rc < 0) { return err_wrap(e, "token"); }
    const struct jwk *trusted = key_by_value(t, k.key);
    if (trusted || (t->own && crypto_key_same_public(k.key, t->own))) {
        if (trusted) { memcpy(k.alg, trusted->alg, sizeof k.alg); }
        *out = k;
        k = (struct jwk){0};
        return 0;
    }
    if (!t->insecure_header_jwk) {
        rc = chain_read(jwk, &chain, &present, e);
        if (rc < 0) { return rc; }
        if (!present) {
            return err_set(e, EKEYREJECTED,
                           "token: signed with a key of its own, and nothing vouches for it");
        }
        rc = chain_vouches(t, &chain, k.key, now, e);
        if (rc < 0) { return rc; }
    }
    *out = k;
    k = (struct jwk){0};
    return 0;
}

static const struct jwk *key_by_kid(const struct token_trust *t, const char *kid)
{
    for (size_t i = 0; t->keys && i < t->keys->count; i++) {
        if (strcmp(t->keys->v[i].kid, kid) == 0) { return &t->keys->v[i]; }
    }
    return NULL;
}

static int signature_check(const struct jws *s, const struct jwk *k, struct err *e)
{
    enum jws_alg alg = jws_alg_of(k->alg);
    if (!alg || alg != s->alg) {
        return err_set(e, EKEYREJECTED, "token: header says %s, its key %s", jws_alg_name(s->alg),
                       k->alg[0] ? k->alg : "nothing");
    }
    return jws_verify(s, k->key, JWS_ALLOW(alg) & ALLOWED, e);
}

static int signer_check(const struct token_trust *t, const struct jws *s, int64_t now,
                        bool *out_own, struct err *e)
{
    auto_jwk held = {0};
    const json_t *jwk = json_object_get(s->header, "jwk");
    const char *kid = json_string_value(json_object_get(s->header, "kid"));
    if (jwk) {
        int rc = header_key(t, jwk, now, &held, e);
        if (rc < 0) { return rc; }
        *out_own = t->own && crypto_key_same_public(held.key, t->own);
        return signature_check(s, &held, e);
    }
    if (!kid) { return err_set(e, EKEYREJECTED, "token: names no key, neither by jwk nor by kid"); }
    const struct jwk *k = key_by_kid(t, kid);
    if (!k) { return err_set(e, EKEYREJECTED, "token: no trusted key is named %.60s", kid); }
    return signature_check(s, k, e);
}

int token_trust_verify(const struct token_trust *t, const char *text, size_t len, int64_t now,
                       json_t **out_payload, bool *out_own, struct err *e)
{
    auto_jws s = {0};
    auto_json payload = NULL;
    bool own = false;
    int rc = jws_parse(text, len, &s, e);
    if (rc == 0) { rc = signer_check(t, &s, now, &own, e); }
    if (rc == 0) {
        rc = json_load_strict("token", s.payload_raw, s.payload_len, JWS_TEXT_MAX, &payload, e);
    }
    if (rc == 0 && !json_is_object(payload)) {
        rc = err_set(e, EBADMSG, "token: claims are not an object");
    }
    if (rc == 0) { rc = jwt_check_times(payload, now, LEEWAY_SECONDS, e); }
    if (rc < 0) { return rc; }
    *out_payload = json_incref(payload);
    *out_own = own;
    return 0;
}
