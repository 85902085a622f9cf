/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest asks for a resource. In this order, so that a refusal tells nobody whether the resource exists: who asks
 * (session, else token), may it (rules), is it there, encrypt. [coco §2.6]
 *
 * Rules are asked at every release, with today's policy and reference values; a token only says who asks.
 */
#include "attest/kbs/handlers.h"

#include "attest/jose.h"
#include "attest/kbs/appraisal.h"
#include "attest/kbs/references.h"
#include "attest/kbs/rules/names.h"
#include "attest/kbs/target.h"
#include "attest/kbs/token.h"

#include <errno.h>
#include <string.h>

/* The payload of the token of a session that has one. */
static int session_payload(struct exchange *x, const struct session *s, json_t **out, struct err *e)
{
    const struct recent_guest *g = recent_get(x->b->recent, s->id);
    if (!g) { return token_take_own(s->token, x->now, out, e); }
    int rc = token_age_check(g->payload, x->now, e);
    if (rc < 0) { return rc; }
    x->guest_key = g->key.key;
    x->guest_alg = jwe_alg_of(g->key.alg);
    *out = json_incref(g->payload);
    return 0;
}

/* The payload of the asker's token; NULL when an answer has been given. out_own: did we sign it? */
static json_t *who_asks(struct exchange *x, bool *out_own)
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
        rc = session_payload(x, &s, &payload, &e);
        *out_own = true;
    } else if (token.p) {
        rc = token_take(x->b, token, x->now, &payload, out_own, &e);
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

/* To the key in the claims, or to the same as it was read before. */
static int encrypt_to_guest(const struct exchange *x, const struct store_value *value, char **out,
                            struct err *e)
{
    auto_jwk jwk = {0};
    struct jwe_recipient to = {.alg = x->guest_alg, .key = x->guest_key};
    if (!to.key) {
        int rc = jwk_from_json(x->claims.tee_key, &jwk, e);
        if (rc < 0) { return rc; }
        to = (struct jwe_recipient){.alg = jwe_alg_of(jwk.alg), .key = jwk.key};
    }
    if (!(JWE_ALLOW_KBS & JWE_ALLOW(to.alg))) {
        return err_set(e, EINVAL, "tee-pubkey: alg %.31s", jwe_alg_name(to.alg));
    }
    return jwe_encrypt(&to, 1, value->p, value->len, out, e);
}

/*
 * CoCo's broker answers 401 where its documentation says 403 and 404. Its clients take 401 for "attest again" and try three
 * times; whoever has none that relies on it may have the documented ones. [coco §2.6, §2.7]
 */
static int status_of(const struct exchange *x, int documented)
{
    return x->b->setup.documented_statuses ? documented : 401;
}

static void release(struct exchange *x)
{
    auto_store_value value = {0};
    struct err e = {0};
    char *jwe = NULL;
    int rc = store_get(x->b->setup.store, STORE_RESOURCE, x->subject, &value, &e);
    if (rc < 0) {
        bool absent = rc == -ENOENT;
        reply_error(x, absent ? status_of(x, 404) : 500, "PluginInternalError", "resource: %s",
                    absent ? "allowed, but there is none of that name" : e.text);
        return;
    }
    if (encrypt_to_guest(x, &value, &jwe, &e) < 0) {
        reply_error(x, 401, "JweError", "%s", e.text);
        return;
    }
    reply_text(x, "application/json", jwe);
}

/* ---- may it? --------------------------------------------------------------------------------- */

/* `data` of a resource policy. NULL without memory. [coco §4.3] */
static json_t *request_json(const struct exchange *x)
{
    return json_pack("{s:s, s:o, s:o}", "plugin", "resource", "resource-path", target_path(x->rest),
                     "query", target_query(x->rq->target));
}

/* A guest's Rego policy fails or refuses: why is for the owner's eyes, since reasons quote the policy. */
static void refuse_by_rego(struct exchange *x)
{
    bool failed = x->decision.failed;
    reply_error(x, status_of(x, 403), failed ? "PolicyEngineError" : "PolicyDeny",
                failed ? "the resource policy cannot be evaluated; the broker's audit log says why"
                       : "refused by the resource policy; the broker's audit log says why");
}

static void refuse_by_rules(struct exchange *x)
{
    char all[DECISION_REASON_SIZE * 3];
    reasons_join(&x->decision, all, sizeof all);
    reply_error(x, status_of(x, 403), "PolicyDeny", "%s", all);
}

/* For the second question of rego_decide(): our own appraisal may depend on initdata, too. */
struct again {
    struct broker *b;
    int64_t now;
};

static int reappraise(void *ctx, json_t *payload, struct err *e)
{
    const struct again *a = ctx;
    return appraise_again(a->b, a->now, payload, e);
}

static bool allowed_by_rego(struct exchange *x, const json_t *token, bool own)
{
    struct reference_source rv = reference_source_in(x->b->setup.store);
    struct again again = {.b = x->b, .now = x->now};
    auto_json data = request_json(x);
    struct rego_request rq = {.input = token,
                              .data = data,
                              .now_ns = x->now * 1000000000,
                              .reference = rv.get,
                              .ctx = rv.ctx};
    struct rego_allow how = {.insecure_without_initdata =
                                 x->b->setup.insecure_policy_without_initdata,
                             .reappraise = own ? reappraise : NULL,
                             .ctx = &again};
    if (!data) {
        reply_error(x, 500, "PolicyEngineError", "out of memory");
        return false;
    }
    rego_decide(x->b->release.rego, &rq, &how, &x->decision);
    if (!x->decision.allowed) { refuse_by_rego(x); }
    return x->decision.allowed;
}

static bool allowed_by_rules(struct exchange *x, const json_t *token)
{
    struct rule_sources sources = rule_sources_of(x);
    const json_t *cpu = json_object_get(json_object_get(token, "submods"), "cpu0");
    struct rule_question q = {.claims = &x->claims,
                              .evidence = json_object_get(cpu, CLAIMS_EVIDENCE),
                              .resource = x->subject,
                              .now = x->now};
    rules_judge(x->b->release.rules, &sources, &q, &x->decision);
    if (!x->decision.allowed) { refuse_by_rules(x); }
    return x->decision.allowed;
}

static bool path_check(struct exchange *x)
{
    if (resource_path_ok(x->rest)) { return true; }
    reply_error(x, 401, "PluginInternalError",
                "path: wanted repository/type/tag of letters, digits, _, - and .");
    return false;
}

void handle_resource_get(struct exchange *x)
{
    bool own = false;
    struct err e = {0};
    x->event = "release";
    auto_json token = who_asks(x, &own);
    if (!token) { return; }
    (void)snprintf(x->subject, sizeof x->subject, "%.*s", (int)x->rest.len,
                   x->rest.p ? (const char *)x->rest.p : "");
    if (policy_refresh(x->b->setup.store, POLICY_RELEASE, &x->b->release, &e) < 0) {
        reply_error(x, 500, "PolicyEngineError", "%s", e.text);
        return;
    }
    if (x->b->release.rego) { /* a policy may speak of any path; a rule names whole ones */
        if (allowed_by_rego(x, token, own) && path_check(x)) { release(x); }
    } else if (path_check(x) && allowed_by_rules(x, token)) {
        release(x);
    }
}
