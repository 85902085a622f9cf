/* SPDX-License-Identifier: Apache-2.0 */
/* See attestation.h. */
#include "attest/kbs/attestation.h"

#include "attest/initdata.h"
#include "attest/kbs/initdata_claims.h"
#include "attest/transcript.h"
#include "guest/base/ct.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The server's ceiling on bodies is the real one; this is the parser's. */
#define ATTEST_BODY_MAX (16u * 1024 * 1024)

/* ---- reading --------------------------------------------------------------------------------- */

void attestation_fini(struct attestation *a)
{
    json_decref(a->key);
    jwk_fini(&a->jwk);
    json_decref(a->doc);
}

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

int attestation_read(struct view body, struct attestation *a, struct err *e)
{
    json_t *runtime, *evidence;
    int rc = json_load_strict("attestation", body.p, body.len, ATTEST_BODY_MAX, &a->doc, e);
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

/* ---- judging --------------------------------------------------------------------------------- */

void attested_fini(struct attested *a)
{
    for (size_t i = 0; i < a->device_count; i++) { claims_fini(&a->device[i]); }
    json_decref(a->initdata_claims);
    json_decref(a->submods);
    *a = (struct attested){0};
}

void attested_name(const struct attested *a, size_t index, char out[static ATTESTED_NAME_SIZE])
{
    unsigned n = 0;
    for (size_t i = 0; i < index; i++) { n += a->device[i].class == a->device[index].class; }
    (void)snprintf(out, ATTESTED_NAME_SIZE, "%s%u", claims_class_name(a->device[index].class), n);
}

int attested_evidence(const struct attested *a, size_t index, json_t **out, struct err *e)
{
    bool is_tee = index == 0;
    return claims_to_evidence(&a->device[index], a->nonce, is_tee ? a->additional : NULL,
                              is_tee ? a->initdata_claims : NULL, out, e);
}

const struct verifier *verifier_find(const struct verifier *all, size_t count, const char *tee)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(all[i].name, tee) == 0) { return &all[i]; }
    }
    return NULL;
}

/* What was the matter, in one text; every reason becomes one of the decision's. */
static int refused_by(struct decision *d, const char *tee, const struct verdict *v, struct err *e)
{
    for (size_t i = 0; i < v->reason_count && i < DECISION_REASONS_MAX; i++) {
        const struct verdict_reason *r = &v->reasons[i];
        (void)snprintf(d->reasons[i], DECISION_REASON_SIZE, "%s (%s): %s: found %s, wanted %s",
                       r->check, r->code, r->text, r->found, r->wanted);
        d->reason_count = i + 1;
    }
    return err_set(e, EACCES, "the evidence of %s is refused", tee);
}

static int nonce_check(const struct attestation *a, const char *wanted, struct err *e)
{
    size_t n = strlen(wanted);
    if (strlen(a->nonce) != n || !ct_eq(a->nonce, wanted, n)) {
        return err_set(e, EACCES, "nonce: found %.60s, wanted the one of this session", a->nonce);
    }
    return 0;
}

/* Initdata must parse even where no evidence binds it: a token shows what is inside. */
static int initdata_check(const struct attestation_judge *j, const struct attestation *a,
                          struct attested *out, struct err *e)
{
    auto_initdata d = {0};
    if (!a->initdata || a->initdata_len == 0) {
        if (j->insecure_without_initdata) { return 0; }
        return err_set(e, EACCES,
                       "init-data: found none; a guest without initdata gets no secrets");
    }
    int rc = initdata_parse(a->initdata, a->initdata_len, &d, e);
    return rc < 0 ? rc : initdata_claims(&d, &out->initdata_claims, e);
}

static int device_verify(const struct attestation_judge *j, const struct verifier *v,
                         const struct evidence *ev, struct attested *out, struct err *e)
{
    struct verdict verdict = {0};
    struct claims *c = &out->device[out->device_count];
    v->verify(v->ctx, ev, c, &verdict);
    out->device_count++; /* whatever is in it is freed */
    if (verdict.result != VERDICT_ACCEPTED) {
        return refused_by(j->out_decision, v->name, &verdict, e);
    }
    if (j->out_coming) { *j->out_coming = false; } /* it did without */
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

static int devices_verify(const struct attestation_judge *j, const struct evidence *primary,
                          json_t *devices, struct attested *out, struct err *e)
{
    const char *name;
    json_t *one;
    json_object_foreach (devices, name, one) {
        const struct verifier *v = verifier_find(j->verifiers, j->verifier_count, name);
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
        int rc = device_verify(j, v, &ev, out, e);
        if (rc < 0) { return rc; }
    }
    return 0;
}

int attestation_judge(const struct attestation *a, const struct attestation_judge *j,
                      struct attested *out, struct err *e)
{
    auto_json devices = NULL;
    const struct verifier *v = verifier_find(j->verifiers, j->verifier_count, j->tee);
    if (!v) { return err_set(e, EACCES, "tee: the verifier for %s is gone", j->tee); }
    int rc = nonce_check(a, j->nonce, e);
    if (rc == 0) { rc = initdata_check(j, a, out, e); }
    if (rc == 0) { rc = devices_read(a->additional, &devices, e); }
    if (rc < 0) { return rc; }
    struct evidence ev = {
        .primary = a->primary,
        .additional = a->additional,
        .nonce = j->nonce,
        .tee_key = a->key,
        .initdata = {.p = (const uint8_t *)a->initdata, .len = a->initdata_len},
        .now = j->now,
        .out_coming = j->out_coming,
    };
    rc = device_verify(j, v, &ev, out, e);
    if (rc == 0 && devices) { rc = devices_verify(j, &ev, devices, out, e); }
    out->nonce = a->nonce;
    out->additional = a->additional;
    return rc;
}
