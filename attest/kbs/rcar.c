/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handshake: request, challenge, attestation, response. [coco §2]
 *
 * Invariants
 *  1. A nonce is ours, random, bound to one session, and tried once: evidence that is refused ends its session.
 *  2. Evidence without initdata is refused before anything is verified, unless the configuration says insecure.
 *  3. An attested session answers with the token it has, whatever else is in the body; the verifier does not run again.
 */
#include "attest/kbs/handlers.h"

#include "attest/abi/evidence.h"
#include "attest/jose.h"
#include "attest/kbs/appraisal.h"
#include "attest/kbs/token.h"
#include "guest/base/ct.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

#define PROTOCOL      "0.4.0"
#define AUTH_BODY_MAX (16u * 1024)

static void refuse(struct exchange *x, const char *text)
{
    reply_error(x, 401, "AttestationError", "%s", text);
}

/* ---- /auth ----------------------------------------------------------------------------------- */

/* Three numbers with dots, perhaps "+build": is it a version at all? */
static bool version_parses(const char *v)
{
    for (int part = 0; part < 3; part++) {
        size_t digits = strspn(v, "0123456789");
        if (digits == 0 || digits > 9) { return false; }
        v += digits;
        if (part < 2 && *v++ != '.') { return false; }
    }
    return *v == '\0' || *v == '+' || *v == '-';
}

static bool version_ok(const char *v)
{
    size_t n = sizeof PROTOCOL - 1;
    return strncmp(v, PROTOCOL, n) == 0 && (v[n] == '\0' || v[n] == '+');
}

static void refuse_tee(struct exchange *x, const char *tee)
{
    char enabled[128] = "none";
    size_t len = 0;
    for (size_t i = 0; i < x->b->setup.verifier_count && len < sizeof enabled; i++) {
        int n = snprintf(enabled + len, sizeof enabled - len, "%s%s", i ? ", " : "",
                         x->b->setup.verifiers[i].name);
        len += n > 0 ? (size_t)n : 0;
    }
    reply_error(x, 401, "AttestationError",
                "tee: found %.60s, wanted one this broker has a verifier for: %s", tee, enabled);
}

static int auth_read(struct exchange *x, json_t **out_doc, const char **out_version,
                     const char **out_tee, struct err *e)
{
    int rc = json_load_strict("request", x->rq->body.p, x->rq->body.len, AUTH_BODY_MAX, out_doc, e);
    if (rc == 0) { rc = json_get_text("request", *out_doc, "version", out_version, e); }
    if (rc == 0) { rc = json_get_text("request", *out_doc, "tee", out_tee, e); }
    if (rc == 0 && !json_object_get(*out_doc, "extra-params")) {
        rc = err_set(e, EBADMSG, "request: extra-params is missing");
    }
    return rc;
}

static void set_cookie(struct exchange *x, const struct session *s)
{
    char date[30];
    http_date(s->expires, date);
    (void)snprintf(x->out->cookie, sizeof x->out->cookie,
                   COOKIE_NAME "=%s; Expires=%s; Path=/kbs/v0; HttpOnly", s->id, date);
}

void handle_auth(struct exchange *x)
{
    auto_json doc = NULL;
    const char *version, *tee;
    struct err e = {0};
    x->event = "auth";
    if (auth_read(x, &doc, &version, &tee, &e) < 0) {
        refuse(x, e.text);
        return;
    }
    if (!version_parses(version)) {
        reply_error(x, 401, "AttestationError",
                    "failed to parse KBS version: found %.40s, wanted " PROTOCOL, version);
        return;
    }
    if (!version_ok(version)) { /* the words that CoCo's client looks for [coco §2.1] */
        reply_error(x, 401, "AttestationError",
                    "KBS Client Protocol Version Mismatch: expect =" PROTOCOL
                    " while the request is %.40s",
                    version);
        return;
    }
    if (!verifier_find(x->b->setup.verifiers, x->b->setup.verifier_count, tee)) {
        refuse_tee(x, tee);
        return;
    }
    auto_session s = {0};
    int rc = session_open(x->b->sessions, tee, x->now, &s, &e);
    if (rc < 0) {
        reply_error(x, rc == -EAGAIN ? 503 : 500, "AttestationError", "%s", e.text);
        return;
    }
    x->event = NULL; /* a challenge decides nothing */
    set_cookie(x, &s);
    /* A guest of ours asks whether it may tell its registers; CoCo's clients see what they know. */
    const json_t *offer = json_object_get(doc, "extra-params");
    json_t *extra = json_is_true(json_object_get(offer, EVIDENCE_REGISTERS_PARAM))
                        ? json_pack("{s:b}", EVIDENCE_REGISTERS_PARAM, true)
                        : json_string("");
    reply_json(x, json_pack("{s:s, s:o}", "nonce", s.nonce, "extra-params", extra));
}

/* ---- /attest --------------------------------------------------------------------------------- */

/* With the verifier's reasons, where it is the one who refused. */
static void refuse_evidence(struct exchange *x, const struct err *e)
{
    if (x->decision.reason_count == 0) {
        refuse(x, e->text);
        return;
    }
    char all[DECISION_REASON_SIZE * 3];
    reasons_join(&x->decision, all, sizeof all);
    reply_error(x, 401, "AttestationError", "%s: %s", e->text, all);
}

/* Why a policy failed may quote it, and is the owner's to know: it goes into the audit line alone. [coco §17.1] */
static void refuse_appraisal(struct exchange *x, const struct err *e)
{
    (void)snprintf(x->decision.reasons[0], DECISION_REASON_SIZE, "%s", e->text);
    x->decision.reason_count = 1;
    reply_error(x, e->code == ENOMEM ? 500 : 401, "AttestationError",
                "the attestation policy fails over this evidence; the broker's audit log says why");
}

/* A token is base64url and dots: nothing in it needs the JSON writer, which looks at each of its kilobytes. */
static void reply_token(struct exchange *x, const struct session *s)
{
    char *body = NULL;
    set_cookie(x, s);
    if (asprintf(&body, "{\"token\":\"%s\"}", s->token) < 0) { body = NULL; }
    reply_text(x, "application/json", body);
}

/*
 * A session that has been settled answers with the token it has. That is no new verdict, but whoever asks may be the first
 * to hear the old one: it is recorded under a name of its own, with what the token says.
 */
static void reply_again(struct exchange *x, const struct session *s)
{
    auto_json payload = NULL;
    struct err ignored = {0};
    x->event = "attest-again";
    x->decision.allowed = true;
    x->has_claims = token_take_own(s->token, x->now, &payload, &ignored) == 0 &&
                    claims_from_json(payload, &x->claims, &ignored) == 0;
    reply_token(x, s);
}

/* False when an answer has been given. */
static bool session_get(struct exchange *x, struct view id, struct session *out)
{
    struct err e = {0};
    int rc = session_find(x->b->sessions, id, x->now, out, &e);
    if (rc == -ENOENT) {
        refuse(x, "session: found none for this cookie; it is unknown, expired, or its evidence "
                  "was refused");
    } else if (rc < 0) {
        reply_error(x, 500, "AttestationError", "%s", e.text);
    } else {
        (void)snprintf(x->session, sizeof x->session, "%.8s", out->id);
    }
    return rc == 0;
}

/* Another request of this session may have been faster: then its token is the answer. */
static void settle(struct exchange *x, const struct session *s, const char *token, json_t *payload,
                   struct jwk *take_key)
{
    struct err e = {0};
    int rc = session_settle(x->b->sessions, s->id, token, x->now, &e);
    if (rc == -ENOENT) {
        auto_session other = {0};
        struct view id = {.p = (const uint8_t *)s->id, .len = SESSION_ID_LEN};
        if (!session_get(x, id, &other)) { return; }
        if (other.token) {
            reply_again(x, &other);
            return;
        }
    }
    if (rc < 0) {
        reply_error(x, 500, "AttestationError", "%s", e.text);
        return;
    }
    x->decision.allowed = true;
    recent_put(x->b->recent, s->id, json_incref(payload), take_key);
    struct session settled = *s;
    settled.token = (char *)(uintptr_t)token; /* borrowed */
    reply_token(x, &settled);
}

void handle_attest(struct exchange *x)
{
    struct err e = {0};
    x->event = "attest";
    struct view id = http_cookie_get(x->rq, COOKIE_NAME);
    if (!id.p) {
        refuse(x, "cookie: found no " COOKIE_NAME ", wanted the one that /auth set");
        return;
    }
    auto_attestation a = {0};
    if (attestation_read(x->rq->body, &a, &e) < 0) {
        refuse(x, e.text);
        return;
    }
    auto_session s = {0};
    if (!session_get(x, id, &s)) { return; }
    if (s.token) {
        reply_again(x, &s);
        return;
    }
    auto_attested proved = {0};
    struct err ignored = {0};
    const struct attestation_judge judge = {
        .verifiers = x->b->setup.verifiers,
        .verifier_count = x->b->setup.verifier_count,
        .insecure_without_initdata = x->b->setup.insecure_without_initdata,
        .tee = s.tee,
        .nonce = s.nonce,
        .now = x->now,
        .out_coming = &x->coming,
        .out_decision = &x->decision,
    };
    if (attestation_judge(&a, &judge, &proved, &e) < 0) {
        if (x->coming && x->rq->may_wait) { /* not decided yet: the nonce is still to be tried */
            x->event = NULL;
            x->out->later = true;
            return;
        }
        refuse_evidence(x, &e);
        (void)session_refuse(x->b->sessions, s.id, &ignored); /* invariant 1 */
        return;
    }
    int rc = appraise_devices(x->b, x->now, &proved, &e);
    if (store_outages(x->b->setup.store) != x->outages) {
        return; /* appraised without what could not be read: the guest hears 503 and may come again */
    }
    if (rc < 0) {
        refuse_appraisal(x, &e);
        (void)session_refuse(x->b->sessions, s.id, &ignored);
        return;
    }
    char *token = NULL;
    auto_json payload = NULL;
    if (token_issue(x->b, proved.submods, x->now, &token, &payload, &e) < 0) {
        reply_error(x, 500, "AttestationError", "%s", e.text);
        return;
    }
    x->has_claims = proved.device[0].class == CLAIMS_CPU; /* for the audit line */
    x->claims = proved.device[0];
    proved.device[0] = (struct claims){0};
    settle(x, &s, token, payload, &a.jwk);
    wipe(token, strlen(token));
    free(token);
}
