/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens: the ones we sign for guests (EAR claims) and the ones administrators sign for themselves.
 *
 * Whose guest tokens are believed is in trust.h. An administrator's must be signed
 * with EdDSA or ES256 by one of the configured keys, carry the configured issuer and a role, and expire.
 */
#include "attest/kbs/token.h"

#include "attest/base64.h"
#include "attest/jose.h"
#include "attest/kbs/handlers.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

#define LEEWAY_SECONDS                                                                             \
    60 /* clocks of administrators and of several brokers; CoCo's value [coco §5.4] */

/* ---- guests ---------------------------------------------------------------------------------- */

/* The signing key's public half. */
static int signer_jwk(const struct broker_setup *setup, json_t **out, struct err *e)
{
    const struct crypto_key *k = setup->token_key;
    int rc = jwk_to_json(k, jws_alg_name(jws_alg_for(crypto_key_type(k))), false, out);
    return rc < 0 ? err_set(e, -rc, "token: the signing key has no public form") : 0;
}

static int chain_write(const struct broker_setup *setup, json_t *jwk, struct err *e)
{
    auto_json list = json_array();
    for (size_t i = 0; i < setup->token_chain_count; i++) {
        auto_free uint8_t *der = NULL;
        size_t len;
        int rc = crypto_cert_to_der(setup->token_chain[i], &der, &len);
        auto_free char *text = rc == 0 ? malloc(b64_len(len) + 1) : NULL;
        if (!text) { return err_set(e, ENOMEM, "token: its certificates cannot be written"); }
        b64_encode(der, len, text);
        if (json_array_append_new(list, json_string(text)) != 0) {
            return err_set(e, ENOMEM, "token: out of memory");
        }
    }
    if (setup->token_chain_count == 0) { return 0; }
    return json_object_set(jwk, "x5c", list) == 0 ? 0 : err_set(e, ENOMEM, "token: out of memory");
}

int token_header_make(const struct broker_setup *setup, json_t **out, struct err *e)
{
    auto_json jwk = NULL;
    char kid[JWK_THUMBPRINT_SIZE];
    int rc = signer_jwk(setup, &jwk, e);
    if (rc == 0) { rc = chain_write(setup, jwk, e); }
    if (rc == 0 && jwk_thumbprint(setup->token_key, kid) < 0) {
        rc = err_set(e, EIO, "token: the signing key has no thumbprint");
    }
    if (rc < 0) { return rc; }
    *out = json_pack("{s:s, s:O}", "kid", kid, "jwk", jwk);
    return *out ? 0 : err_set(e, ENOMEM, "token: out of memory");
}

int token_issue(struct broker *b, json_t *submods, int64_t now, char **out, json_t **out_payload,
                struct err *e)
{
    int64_t life = b->setup.token_seconds ? b->setup.token_seconds : b->setup.session_seconds;
    auto_json payload =
        json_pack("{s:s, s:I, s:{s:s, s:s}, s:O, s:I, s:s}", "eat_profile",
                  "tag:github.com,2024:confidential-containers/Trustee", "iat", (json_int_t)now,
                  "ear.verifier-id", "developer", "casemate", "build", "cc-kbs " CASEMATE_VERSION,
                  "submods", submods, "exp", (json_int_t)(now + life), "iss",
                  b->setup.token_issuer ? b->setup.token_issuer : "cc-kbs");
    if (!payload) { return err_set(e, ENOMEM, "token: out of memory"); }
    int rc = jwt_sign(b->setup.token_key, b->token_header, payload, out, e);
    if (rc < 0) { return rc; }
    *out_payload = json_incref(payload);
    return 0;
}

int token_age_check(const json_t *payload, int64_t now, struct err *e)
{
    return jwt_check_times(payload, now, LEEWAY_SECONDS, e);
}

int token_take(struct broker *b, struct view token, int64_t now, json_t **out_payload,
               bool *out_own, struct err *e)
{
    return token_trust_verify(&b->setup.token_trust, (const char *)token.p, token.len, now,
                              out_payload, out_own, e);
}

/* It never left this program, so its signature needs no second look; its age does. */
int token_take_own(const char *token, int64_t now, json_t **out_payload, struct err *e)
{
    auto_jws jws = {0};
    auto_json payload = NULL;
    int rc = jws_parse(token, strlen(token), &jws, e);
    if (rc == 0) {
        rc = json_load_strict("token", jws.payload_raw, jws.payload_len, JWS_TEXT_MAX, &payload, e);
    }
    if (rc == 0) { rc = token_age_check(payload, now, e); }
    if (rc < 0) { return rc; }
    *out_payload = json_incref(payload);
    return 0;
}

void handle_jwks(struct exchange *x)
{
    auto_json jwk = NULL;
    char kid[JWK_THUMBPRINT_SIZE];
    struct err e = {0};
    if (signer_jwk(&x->b->setup, &jwk, &e) < 0 || jwk_thumbprint(x->b->setup.token_key, kid) < 0) {
        x->out->status = 500;
        return;
    }
    (void)json_object_set_new(jwk, "kid", json_string(kid));
    (void)json_object_set_new(jwk, "use", json_string("sig"));
    reply_json(x, json_pack("{s:[O]}", "keys", jwk));
}

/* ---- administrators -------------------------------------------------------------------------- */

static int role_check(const struct broker *b, const char *role, const char *operation,
                      struct err *e)
{
    if (!role) { return err_set(e, EACCES, "role: found none, wanted admin"); }
    if (strcmp(role, "admin") == 0) { return 0; }
    for (size_t i = 0; i < b->setup.role_count; i++) {
        const struct admin_role *r = &b->setup.roles[i];
        if (strcmp(r->name, role) != 0) { continue; }
        for (size_t k = 0; k < json_array_size(r->operations); k++) {
            const char *may = json_string_value(json_array_get(r->operations, k));
            if (may && strcmp(may, operation) == 0) { return 0; }
        }
        return err_set(e, EACCES, "role: found %.60s, which may not %s", role, operation);
    }
    return err_set(e, EACCES, "role: found %.60s, wanted admin or a configured one", role);
}

static int admin_claims_check(const struct broker *b, const json_t *claims, const char *operation,
                              int64_t now, struct err *e)
{
    const char *role = json_string_value(json_object_get(claims, "role"));
    const char *iss = json_string_value(json_object_get(claims, "iss"));
    int rc = jwt_check_times(claims, now, LEEWAY_SECONDS, e);
    if (rc < 0) { return rc; }
    if (!iss || strcmp(iss, b->setup.admin_issuer) != 0) {
        return err_set(e, EACCES, "iss: found %.60s, wanted %.60s", iss ? iss : "none",
                       b->setup.admin_issuer);
    }
    return role_check(b, role, operation, e);
}

int admin_check(struct broker *b, const struct http_request *rq, const char *operation, int64_t now,
                struct err *e)
{
    struct view token = bearer_of(rq);
    if (!token.p) { return err_set(e, EACCES, "Authorization: found no Bearer token"); }
    auto_jws jws = {0};
    int rc = jws_parse((const char *)token.p, token.len, &jws, e);
    if (rc < 0) { return rc; }
    bool good = false;
    for (size_t i = 0; i < b->setup.admin_key_count && !good; i++) {
        struct err ignored = {0};
        good = jws_verify(&jws, b->setup.admin_keys[i], JWS_ALLOW(JWS_EDDSA) | JWS_ALLOW(JWS_ES256),
                          &ignored) == 0;
    }
    if (!good) {
        return err_set(e, EKEYREJECTED, "signature: by none of the %zu keys that administer",
                       b->setup.admin_key_count);
    }
    auto_json claims = NULL;
    rc =
        json_load_strict("admin token", jws.payload_raw, jws.payload_len, JWS_TEXT_MAX, &claims, e);
    return rc < 0 ? rc : admin_claims_check(b, claims, operation, now, e);
}
