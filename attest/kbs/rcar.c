/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handshake: request, challenge, attestation, response. [coco §2]
 *
 * Invariants
 *  1. A nonce is ours, random, bound to one session, and tried once: evidence that is refused ends its session.
 *  2. Evidence without initdata is refused before anything is verified, unless the configuration says insecure.
 *  3. An attested session answers with the token it has, whatever else is in the body; the verifier does not run again.
 *  4. Every device that is in the evidence is verified, or the whole is refused.
 */
#include "attest/kbs/handlers.h"

#include "attest/abi/evidence.h"
#include "attest/initdata.h"
#include "attest/jose.h"
#include "attest/kbs/appraisal.h"
#include "attest/kbs/initdata_claims.h"
#include "attest/kbs/token.h"
#include "attest/transcript.h"
#include "guest/base/ct.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

#define PROTOCOL      "0.4.0"
#define AUTH_BODY_MAX (16u * 1024)
/* The server's ceiling on bodies is the real one; this is the parser's. */
#define ATTEST_BODY_MAX (16u * 1024 * 1024)

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

static const struct verifier *verifier_find(const struct broker *b, const char *tee)
{
    for (size_t i = 0; i < b->setup.verifier_count; i++) {
        if (strcmp(b->setup.verifiers[i].name, tee) == 0) { return &b->setup.verifiers[i]; }
    }
    return NULL;
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
    if (!verifier_find(x->b, tee)) {
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

struct attestation {
    json_t *doc; /* owner of everything below but key */
    const char *nonce;
    const char *additional;
    json_t *primary;
    const char *initdata;        /* NULL = none */
    const char *initdata_format; /* NULL = none */
    size_t initdata_len;
    json_t *key;    /* the known members of tee-pubkey; owned */
    struct jwk jwk; /* the key itself */
};

static void attestation_fini(struct attestation *a)
{
    json_decref(a->key);
    jwk_fini(&a->jwk);
    json_decref(a->doc);
}
#define auto_attestation __attribute__((cleanup(attestation_fini))) struct attestation

/* The key must be one that we can encrypt to: refused here, not when the guest asks for a resource. */
static int tee_key_read(const json_t *runtime, struct attestation *a, struct err *e)
{
    json_t *raw;
    int rc = json_get_object("runtime-data", runtime, "tee-pubkey", &raw, e);
    if (rc == 0) { rc = jwk_from_json(raw, &a->jwk, e); }
    if (rc < 0) { return rc; }
    enum jwe_alg alg = jwe_alg_of(a->jwk.alg);
    enum crypto_key_type type = crypto_key_type(a->jwk.key);
    bool ec = alg == JWE_ECDH_ES_A256KW && (type == CRYPTO_P256 || type == CRYPTO_P521);
    bool rsa = alg == JWE_RSA_OAEP_256 && type == CRYPTO_RSA;
    if (!ec && !rsa) {
        return err_set(
            e, EINVAL,
            "tee-pubkey: found alg %.31s, wanted ECDH-ES+A256KW on P-256 or P-521, or RSA-OAEP-256",
            a->jwk.alg);
    }
    return transcript_tee_key(raw, &a->key, e);
}

static int initdata_read(struct attestation *a, struct err *e)
{
    json_t *init = json_object_get(a->doc, "init-data");
    if (!init || json_is_null(init)) { return 0; }
    if (!json_is_object(init)) { return err_set(e, EBADMSG, "init-data: is not an object"); }
    int rc = json_get_text("init-data", init, "format", &a->initdata_format, e);
    if (rc == 0) { rc = json_get_text("init-data", init, "body", &a->initdata, e); }
    if (rc < 0) { return rc; }
    a->initdata_len = json_string_length(json_object_get(init, "body"));
    if (strcmp(a->initdata_format, "toml") != 0) {
        return err_set(e, EINVAL, "init-data: found format %.20s, wanted toml", a->initdata_format);
    }
    if (a->initdata_len > INITDATA_MAX) {
        return err_set(e, EFBIG, "init-data: %zu bytes, at most %u", a->initdata_len, INITDATA_MAX);
    }
    return 0;
}

static int attestation_read(const struct http_request *rq, struct attestation *a, struct err *e)
{
    json_t *runtime, *evidence;
    int rc = json_load_strict("attestation", rq->body.p, rq->body.len, ATTEST_BODY_MAX, &a->doc, e);
    if (rc == 0) { rc = json_get_object("attestation", a->doc, "runtime-data", &runtime, e); }
    if (rc == 0) { rc = json_get_text("runtime-data", runtime, "nonce", &a->nonce, e); }
    if (rc == 0) { rc = json_get_object("attestation", a->doc, "tee-evidence", &evidence, e); }
    if (rc == 0) {
        rc = json_get_object("tee-evidence", evidence, "primary_evidence", &a->primary, e);
    }
    if (rc == 0) {
        rc = json_get_text("tee-evidence", evidence, "additional_evidence", &a->additional, e);
    }
    if (rc == 0) { rc = tee_key_read(runtime, a, e); }
    if (rc == 0) { rc = initdata_read(a, e); }
    return rc;
}

/* What was the matter, in one text; every reason becomes one of the decision's. */
static int refused_by(struct exchange *x, const char *tee, const struct verdict *v, struct err *e)
{
    for (size_t i = 0; i < v->reason_count && i < DECISION_REASONS_MAX; i++) {
        const struct verdict_reason *r = &v->reasons[i];
        (void)snprintf(x->decision.reasons[i], DECISION_REASON_SIZE,
                       "%s (%s): %s: found %s, wanted %s", r->check, r->code, r->text, r->found,
                       r->wanted);
        x->decision.reason_count = i + 1;
    }
    return err_set(e, EACCES, "the evidence of %s is refused", tee);
}

static int nonce_check(const struct session *s, const struct attestation *a, struct err *e)
{
    size_t n = strlen(s->nonce);
    if (strlen(a->nonce) != n || !ct_eq(a->nonce, s->nonce, n)) {
        return err_set(e, EACCES, "nonce: found %.60s, wanted the one of this session", a->nonce);
    }
    return 0;
}

/* Initdata must parse even where no evidence binds it: a token shows what is inside. */
static int initdata_check(const struct exchange *x, const struct attestation *a,
                          struct attested *out, struct err *e)
{
    auto_initdata d = {0};
    if (!a->initdata || a->initdata_len == 0) {
        if (x->b->setup.insecure_without_initdata) { return 0; }
        return err_set(e, EACCES,
                       "init-data: found none; a guest without initdata gets no secrets");
    }
    int rc = initdata_parse(a->initdata, a->initdata_len, &d, e);
    return rc < 0 ? rc : initdata_claims(&d, &out->initdata_claims, e);
}

static int device_verify(struct exchange *x, const struct verifier *v, const struct evidence *ev,
                         struct attested *out, struct err *e)
{
    struct verdict verdict = {0};
    struct claims *c = &out->device[out->device_count];
    v->verify(v->ctx, ev, c, &verdict);
    out->device_count++; /* whatever is in it is freed */
    if (verdict.result != VERDICT_ACCEPTED) { return refused_by(x, v->name, &verdict, e); }
    x->coming = false; /* it did without */
    (void)snprintf(c->tee, sizeof c->tee, "%s", v->kind);
    c->class = v->class;
    c->tee_key = json_incref((json_t *)(uintptr_t)ev->tee_key);
    return 0;
}

/*
 * The additional evidence is either a TEE's own affair (our guests' registers), or CoCo's: an object with evidence of
 * further devices under their names. NULL when there are no devices.
 */
static int devices_read(const char *additional, json_t **out, struct err *e)
{
    auto_json doc = NULL;
    *out = NULL;
    if (additional[0] == '\0') { return 0; }
    int rc = json_load_strict("additional_evidence", additional, strlen(additional),
                              ATTEST_BODY_MAX, &doc, e);
    if (rc < 0) { return rc; }
    if (!json_is_object(doc)) {
        return err_set(e, EBADMSG, "additional_evidence: wanted an object of devices");
    }
    if (!json_object_get(doc, "registers")) { *out = json_incref(doc); }
    return 0;
}

static int devices_verify(struct exchange *x, const struct evidence *primary, json_t *devices,
                          struct attested *out, struct err *e)
{
    const char *name;
    json_t *one;
    json_object_foreach (devices, name, one) {
        const struct verifier *v = verifier_find(x->b, name);
        if (!v || !v->further) {
            return err_set(e, EACCES, "additional_evidence: no verifier for a device %.60s", name);
        }
        if (out->device_count == CLAIMS_DEVICES_MAX) {
            return err_set(e, E2BIG, "additional_evidence: more than %d devices",
                           CLAIMS_DEVICES_MAX - 1);
        }
        struct evidence ev = *primary;
        ev.primary = one;
        ev.additional = NULL;
        ev.initdata = (struct view){0}; /* the TEE's */
        int rc = device_verify(x, v, &ev, out, e);
        if (rc < 0) { return rc; }
    }
    return 0;
}

static int evidence_verify(struct exchange *x, const struct session *s, const struct attestation *a,
                           struct attested *out, struct err *e)
{
    auto_json devices = NULL;
    const struct verifier *v = verifier_find(x->b, s->tee);
    if (!v) { return err_set(e, EACCES, "tee: the verifier for %s is gone", s->tee); }
    int rc = nonce_check(s, a, e);
    if (rc == 0) { rc = initdata_check(x, a, out, e); }
    if (rc == 0) { rc = devices_read(a->additional, &devices, e); }
    if (rc < 0) { return rc; }
    struct evidence ev = {
        .primary = a->primary,
        .additional = a->additional,
        .nonce = s->nonce,
        .tee_key = a->key,
        .initdata = {.p = (const uint8_t *)a->initdata, .len = a->initdata_len},
        .now = x->now,
        .out_coming = &x->coming,
    };
    rc = device_verify(x, v, &ev, out, e);
    if (rc == 0 && devices) { rc = devices_verify(x, &ev, devices, out, e); }
    out->nonce = s->nonce;
    out->additional = a->additional;
    return rc;
}

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
    if (attestation_read(x->rq, &a, &e) < 0) {
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
    if (evidence_verify(x, &s, &a, &proved, &e) < 0) {
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
