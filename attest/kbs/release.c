/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest asks for a resource. In this order, so that a refusal tells nobody whether the resource exists: who asks
 * (session, else token), may it (rules), is it there, encrypt. [coco §2.6]
 *
 * Rules are asked at every release, with today's policy and reference values; a token only says who asks.
 */
#include "attest/kbs/broker_internal.h"

#include "attest/jose.h"

#include <errno.h>
#include <string.h>

/* The payload of the asker's token; NULL when an answer has been given. */
static json_t *who_asks(struct exchange *x)
{
    struct view cookie = http_cookie_get(x->rq, COOKIE_NAME);
    struct view token = bearer_of(x->rq);
    auto_session s = {0};
    json_t *payload = NULL;
    struct err e = {0};
    int rc = cookie.p ? session_find(x->b->sessions, cookie, x->now, &s, &e) : -ENOENT;
    if (rc < 0 && rc != -ENOENT) {
        reply_error(x, 500, "TokenNotFound", "%s", e.text);
        return NULL;
    }
    e = (struct err){0};
    if (rc == 0) {
        (void)snprintf(x->session, sizeof x->session, "%.8s", s.id);
        if (!s.token) {
            reply_error(x, 401, "TokenNotFound", "session: not attested yet");
            return NULL;
        }
        rc = token_take_own(s.token, x->now, &payload, &e);
    } else if (token.p) {
        rc = token_take(x->b, token, x->now, &payload, &e);
    } else {
        x->event = NULL; /* how CoCo's client begins; it says nothing about anybody [coco §17.5] */
        reply_error(x, 401, "TokenNotFound",
                    "found neither an attested session nor a Bearer token");
        return NULL;
    }
    if (rc == 0) { rc = claims_from_json(payload, &x->claims, &e); }
    if (rc < 0) {
        json_decref(payload);
        reply_error(x, 401, "TokenVerifierError", "%s", e.text);
        return NULL;
    }
    x->has_claims = true;
    return payload;
}

static int encrypt_to(const json_t *tee_key, const struct store_value *value, char **out,
                      struct err *e)
{
    auto_jwk jwk = {0};
    int rc = jwk_from_json(tee_key, &jwk, e);
    if (rc < 0) { return rc; }
    struct jwe_recipient to = {.alg = jwe_alg_of(jwk.alg), .key = jwk.key};
    if (!(JWE_ALLOW_KBS & JWE_ALLOW(to.alg))) {
        return err_set(e, EINVAL, "tee-pubkey: alg %.31s", jwk.alg);
    }
    return jwe_encrypt(&to, 1, value->p, value->len, out, e);
}

static void release(struct exchange *x)
{
    auto_store_value value = {0};
    struct err e = {0};
    char *jwe = NULL;
    int rc = store_get(x->b->setup.store, STORE_RESOURCE, x->subject, &value, &e);
    if (rc < 0) {
        bool absent = rc == -ENOENT;
        reply_error(x, absent ? 401 : 500, "PluginInternalError", "resource: %s",
                    absent ? "allowed, but there is none of that name" : e.text);
        return;
    }
    if (encrypt_to(x->claims.tee_key, &value, &jwe, &e) < 0) {
        reply_error(x, 401, "JweError", "%s", e.text);
        return;
    }
    reply_text(x, "application/json", jwe);
}

void handle_resource_get(struct exchange *x)
{
    x->event = "release";
    auto_json token = who_asks(x);
    if (!token) { return; }
    if (!resource_path_ok(x->rest)) {
        reply_error(x, 401, "PluginInternalError",
                    "path: wanted repository/type/tag of letters, digits, _, - and .");
        return;
    }
    (void)snprintf(x->subject, sizeof x->subject, "%.*s", (int)x->rest.len,
                   (const char *)x->rest.p);
    struct err e = {0};
    if (broker_load_policy(x->b, &e) < 0) {
        reply_error(x, 500, "PolicyEngineError", "%s", e.text);
        return;
    }
    struct references refs = broker_references(x->b);
    rules_judge(x->b->rules, &refs, &x->claims, x->subject, &x->decision);
    if (!x->decision.allowed) {
        char all[DECISION_REASON_SIZE * 3];
        reasons_join(&x->decision, all, sizeof all);
        reply_error(x, 401, "PolicyDeny", "%s", all);
        return;
    }
    release(x);
}
