/* SPDX-License-Identifier: Apache-2.0 */
/* See collateral.h. Reads bytes of strangers. */
#include "attest/verify/tdx/collateral.h"

#include "attest/hex.h"
#include "attest/json.h"
#include "attest/rfc3339.h"
#include "attest/verify/tdx/codes.h"
#include "guest/base/hosted.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const enum tdx_role pck_ca_chain[] = {TDX_ROLE_PCK_CA, TDX_ROLE_ROOT};
static const enum tdx_role tcb_signer_chain[] = {TDX_ROLE_TCB_SIGNER, TDX_ROLE_ROOT};

/* A member of the set; NULL, with a reason of this code, when it is not there. */
static const char *text_of(const json_t *set, const char *name, enum tdx_code code,
                           struct verdict *v)
{
    const char *text = json_string_value(json_object_get(set, name));
    if (!text || !*text) {
        verdict_refuse(v, &tdx_codes[code], "missing", name, "the collateral has no text \"%s\"",
                       name);
        return NULL;
    }
    return text;
}

/* The signer of a document or list, and the root above it. */
static bool signer_read(const json_t *set, const char *name, const enum tdx_role chain[2],
                        const uint8_t root[TDX_ROOT_SIZE], struct tdx_cert *out_signer,
                        struct tdx_cert *out_root, struct verdict *v)
{
    struct tdx_cert c[2];
    const char *pem = text_of(set, name, TDX_CODE_COLLATERAL, v);
    if (!pem || !tdx_chain_read(pem, strlen(pem), chain, 2, root, c, v)) { return false; }
    *out_signer = c[0];
    if (out_root->cert) {
        tdx_cert_fini(&c[1]);
    } else {
        *out_root = c[1];
    }
    return true;
}

static bool crl_read(const json_t *set, const char *name, const struct tdx_cert *issuer,
                     const char *what, struct tdx_crl *out, struct verdict *v)
{
    const char *hex = text_of(set, name, TDX_CODE_CRL_MISSING, v);
    if (!hex) { return false; }
    size_t len = strlen(hex) / 2;
    auto_free uint8_t *der = malloc(len + 1);
    if (!tdx_step(v, der && hex_decode(hex, strlen(hex), der, len), TDX_CODE_CRL, "a text",
                  "lower-case hexadecimal digits")) {
        return false;
    }
    return tdx_crl_read(der, len, issuer, what, out, v);
}

/* A text and its signature, over exactly these bytes. */
static bool signed_text(const json_t *set, const char *name, const char *signature_name,
                        const struct tdx_cert *signer, const char **out, struct verdict *v)
{
    auto_key key = NULL;
    uint8_t sig[64], digest[CRYPTO_SHA256_SIZE];
    const char *text = text_of(set, name, TDX_CODE_COLLATERAL, v);
    const char *hex = text_of(set, signature_name, TDX_CODE_COLLATERAL, v);
    if (!text || !hex) { return false; }
    crypto_sha256(text, strlen(text), digest);
    bool good = hex_decode(hex, strlen(hex), sig, sizeof sig) &&
                crypto_cert_key(signer->cert, &key) == 0 &&
                crypto_ecdsa_verify(key, digest, sizeof digest, sig, sizeof sig) == 0;
    *out = text;
    return tdx_step(v, good, TDX_CODE_COLLATERAL_SIGNATURE, name,
                    "signed by Intel SGX TCB Signing");
}

static bool set_read(const json_t *set, const uint8_t root[TDX_ROOT_SIZE], struct tdx_collateral *c,
                     struct verdict *v)
{
    const char *tcb, *qe;
    return signer_read(set, "tcb_info_issuer_chain", tcb_signer_chain, root, &c->tcb_signer,
                       &c->root, v) &&
           signer_read(set, "qe_identity_issuer_chain", tcb_signer_chain, root, &c->qe_signer,
                       &c->root, v) &&
           signer_read(set, "pck_crl_issuer_chain", pck_ca_chain, root, &c->pck_ca, &c->root, v) &&
           crl_read(set, "root_ca_crl", &c->root, "revocation list of the root", &c->root_crl, v) &&
           crl_read(set, "pck_crl", &c->pck_ca, "revocation list of the PCK CA", &c->pck_crl, v) &&
           signed_text(set, "tcb_info", "tcb_info_signature", &c->tcb_signer, &tcb, v) &&
           signed_text(set, "qe_identity", "qe_identity_signature", &c->qe_signer, &qe, v) &&
           tdx_tcb_info_parse(tcb, strlen(tcb), &c->tcb, v) &&
           tdx_qe_identity_parse(qe, strlen(qe), &c->qe, v);
}

void tdx_collateral_open(const void *json, size_t len, const uint8_t root[TDX_ROOT_SIZE],
                         struct tdx_collateral **out, struct verdict *v)
{
    struct err e = {0};
    auto_json set = NULL;
    auto_tdx_collateral c = calloc(1, sizeof *c);
    *out = NULL;
    if (json_load_strict("collateral", json, len, TDX_COLLATERAL_MAX, &set, &e) < 0 || !c) {
        verdict_refuse(v, &tdx_codes[TDX_CODE_COLLATERAL], "a text that cannot be used",
                       "a JSON object", "%s", c ? e.text : "out of memory");
        return;
    }
    if (set_read(set, root, c, v)) { *out = steal_ptr(&c); }
}

void tdx_collateral_free(struct tdx_collateral *c)
{
    if (!c) { return; }
    tdx_cert_fini(&c->root);
    tdx_cert_fini(&c->tcb_signer);
    tdx_cert_fini(&c->qe_signer);
    tdx_cert_fini(&c->pck_ca);
    tdx_crl_fini(&c->root_crl);
    tdx_crl_fini(&c->pck_crl);
    tdx_tcb_info_fini(&c->tcb);
    tdx_qe_identity_fini(&c->qe);
    free(c);
}

static void dates_check(const char *what, const struct tdx_dates *d, int64_t now, struct verdict *v)
{
    tdx_check_window(&tdx_codes[TDX_CODE_COLLATERAL_TIME], what, d->issued, d->next_update, now, v);
}

void tdx_collateral_at(const struct tdx_collateral *c, int64_t now, struct verdict *v)
{
    char tcb[16], qe[16], found[RFC3339_SIZE], expires[RFC3339_SIZE], until[RFC3339_SIZE + 16];
    size_t complaints = v->reason_count;
    tdx_check_cert(&c->root, NULL, now, v);
    tdx_check_crl(&c->root_crl, now, v);
    tdx_check_crl(&c->pck_crl, now, v);
    tdx_check_cert(&c->tcb_signer, &c->root_crl, now, v);
    tdx_check_cert(&c->qe_signer, &c->root_crl, now, v);
    tdx_check_cert(&c->pck_ca, &c->root_crl, now, v);
    dates_check("TCB info", &c->tcb.dates, now, v);
    dates_check("QE identity", &c->qe.dates, now, v);
    (void)snprintf(tcb, sizeof tcb, "%" PRIu32, c->tcb.evaluation);
    (void)snprintf(qe, sizeof qe, "%" PRIu32, c->qe.evaluation);
    (void)tdx_step(v, c->tcb.evaluation == c->qe.evaluation, TDX_CODE_COLLATERAL_ROUNDS, tcb, qe);
    if (v->reason_count != complaints) { return; }
    rfc3339_format(now, found);
    rfc3339_format(tdx_collateral_expires(c), expires);
    (void)snprintf(until, sizeof until, "good until %s", expires);
    verdict_check(v, true, &tdx_codes[TDX_CODE_COLLATERAL_TIME], found, until);
}

int64_t tdx_collateral_expires(const struct tdx_collateral *c)
{
    const int64_t ends[] = {
        c->root.facts.not_after,   c->tcb_signer.facts.not_after, c->qe_signer.facts.not_after,
        c->pck_ca.facts.not_after, c->root_crl.facts.next_update, c->pck_crl.facts.next_update,
        c->tcb.dates.next_update,  c->qe.dates.next_update,
    };
    int64_t first = ends[0];
    for (size_t i = 1; i < ARRAY_COUNT(ends); i++) {
        if (ends[i] < first) { first = ends[i]; }
    }
    return first;
}
