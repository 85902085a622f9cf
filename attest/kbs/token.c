/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens: the ones we sign for guests (EAR claims, ES256) and the ones administrators sign for themselves.
 *
 * A guest's token is believed only under our own key, never under a key in its header. An administrator's must be signed
 * with EdDSA or ES256 by one of the configured keys, carry the configured issuer and the role `admin`, and expire.
 */
#include "attest/kbs/broker_internal.h"

#include "attest/jose.h"

#include <errno.h>
#include <string.h>

#define LEEWAY_SECONDS                                                                             \
    60 /* clocks of administrators and of several brokers; CoCo's value [coco §5.4] */

struct view bearer_of(const struct http_request *rq)
{
    static const char scheme[] = "Bearer ";
    struct view v = http_header_get(rq, "authorization");
    size_t n = sizeof scheme - 1;
    if (v.len <= n || memcmp(v.p, scheme, n) != 0) { return (struct view){0}; }
    return (struct view){.p = v.p + n, .len = v.len - n};
}

/* ---- guests ---------------------------------------------------------------------------------- */

int token_issue(struct broker *b, const struct claims *c, const char *nonce, int64_t now,
                char **out, struct err *e)
{
    struct references refs = broker_references(b);
    bool known = refs.ask(refs.ctx, c->tee, c->measurement).known;
    auto_json cpu0 = NULL;
    auto_json jwk = NULL;
    int rc = claims_to_json(c, nonce, known ? "affirming" : "contraindicated", &cpu0, e);
    if (rc < 0) { return rc; }
    rc = jwk_to_json(b->setup.token_key, "ES256", false, &jwk);
    if (rc < 0) { return err_set(e, -rc, "token: the signing key has no public form"); }
    auto_json header = json_pack("{s:O}", "jwk", jwk);
    auto_json payload = json_pack(
        "{s:s, s:I, s:I, s:s, s:{s:s, s:s}, s:{s:O}}", "eat_profile",
        "tag:github.com,2024:confidential-containers/Trustee", "iat", (json_int_t)now, "exp",
        (json_int_t)(now + b->setup.session_seconds), "iss", "cc-kbs", "ear.verifier-id",
        "developer", "casemate", "build", "cc-kbs " CASEMATE_VERSION, "submods", "cpu0", cpu0);
    if (!header || !payload) { return err_set(e, ENOMEM, "token: out of memory"); }
    return jwt_sign(b->setup.token_key, header, payload, out, e);
}

int token_take(struct broker *b, struct view token, int64_t now, struct claims *out, struct err *e)
{
    auto_json payload = NULL;
    int rc = jwt_verify((const char *)token.p, token.len, b->setup.token_key, JWS_ALLOW(JWS_ES256),
                        &payload, e);
    if (rc == 0) { rc = jwt_check_times(payload, now, LEEWAY_SECONDS, e); }
    if (rc == 0) { rc = claims_from_json(payload, out, e); }
    return rc;
}

/* ---- administrators -------------------------------------------------------------------------- */

static int admin_claims_check(const struct broker *b, const json_t *claims, int64_t now,
                              struct err *e)
{
    const char *role = json_string_value(json_object_get(claims, "role"));
    const char *iss = json_string_value(json_object_get(claims, "iss"));
    int rc = jwt_check_times(claims, now, LEEWAY_SECONDS, e);
    if (rc < 0) { return rc; }
    if (!iss || strcmp(iss, b->setup.admin_issuer) != 0) {
        return err_set(e, EACCES, "iss: found %.60s, wanted %.60s", iss ? iss : "none",
                       b->setup.admin_issuer);
    }
    if (!role || strcmp(role, "admin") != 0) {
        return err_set(e, EACCES, "role: found %.60s, wanted admin", role ? role : "none");
    }
    return 0;
}

int admin_check(struct broker *b, const struct http_request *rq, int64_t now, struct err *e)
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
    return rc < 0 ? rc : admin_claims_check(b, claims, now, e);
}
