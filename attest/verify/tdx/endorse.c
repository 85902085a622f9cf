/* SPDX-License-Identifier: Apache-2.0 */
/* See endorse.h. */
#include "attest/verify/tdx/endorse.h"

#include "attest/hex.h"
#include "attest/verify/tdx/codes.h"
#include "guest/base/hosted.h"

#include <string.h>

static const enum tdx_role pck_chain[] = {TDX_ROLE_PCK, TDX_ROLE_PCK_CA, TDX_ROLE_ROOT};

static void endorsement_cleanup(struct tdx_endorsement **n) { tdx_endorsement_free(*n); }
#define auto_endorsement __attribute__((cleanup(endorsement_cleanup))) struct tdx_endorsement *

void tdx_endorsement_free(struct tdx_endorsement *n)
{
    if (!n) { return; }
    tdx_cert_fini(&n->pck);
    tdx_cert_fini(&n->pck_ca);
    tdx_cert_fini(&n->root);
    crypto_key_free(n->attestation_key);
    free(n);
}

static bool chain_read(const struct tdx_quote *q, const uint8_t root[TDX_ROOT_SIZE],
                       struct tdx_endorsement *n, struct verdict *v)
{
    struct tdx_cert c[ARRAY_COUNT(pck_chain)];
    struct view ext;
    if (!tdx_chain_read(q->pck_chain.p, q->pck_chain.len, pck_chain, ARRAY_COUNT(c), root, c, v)) {
        return false;
    }
    n->pck = c[0];
    n->pck_ca = c[1];
    n->root = c[2];
    n->processor_ca = strstr(n->pck_ca.subject, "Processor CA") != NULL;
    bool found = crypto_cert_ext(n->pck.cert, TDX_PCK_OID, &ext) == 0 &&
                 tdx_pck_parse(ext.p, ext.len, &n->platform);
    return tdx_step(v, found, TDX_CODE_PCK_EXTENSION, "missing or malformed", TDX_PCK_OID);
}

/* The platform's key signed the enclave's report. */
static bool qe_report_check(const struct tdx_quote *q, const struct tdx_endorsement *n,
                            struct verdict *v)
{
    auto_key key = NULL;
    uint8_t digest[CRYPTO_SHA256_SIZE];
    crypto_sha256(q->qe_report.p, q->qe_report.len, digest);
    bool good = crypto_cert_key(n->pck.cert, &key) == 0 && crypto_key_type(key) == CRYPTO_P256 &&
                crypto_ecdsa_verify(key, digest, sizeof digest, q->qe_signature.p,
                                    q->qe_signature.len) == 0;
    return verdict_check(v, good, &tdx_codes[TDX_CODE_QE_SIGNATURE],
                         good ? "verifies" : "does not verify", "verifies with the PCK key");
}

/* The report binds the attestation key: SHA-256(key || authentication data), then zeros. */
static bool binding_check(const struct tdx_quote *q, struct verdict *v)
{
    uint8_t wanted[sizeof q->qe.report_data] = {0};
    struct crypto_sha sha;
    if (crypto_sha_init(&sha, CRYPTO_SHA256) < 0) { return false; }
    crypto_sha_update(&sha, q->attestation_key.p, q->attestation_key.len);
    crypto_sha_update(&sha, q->qe_auth_data.p, q->qe_auth_data.len);
    crypto_sha_final(&sha, wanted);
    return verdict_check_bytes(v, memcmp(q->qe.report_data, wanted, sizeof wanted) == 0,
                               &tdx_codes[TDX_CODE_KEY_BINDING], q->qe.report_data, wanted,
                               sizeof wanted);
}

static bool key_read(const struct tdx_quote *q, struct tdx_endorsement *n, struct verdict *v)
{
    size_t half = q->attestation_key.len / 2;
    struct crypto_parts parts = {.x = {q->attestation_key.p, half},
                                 .y = {q->attestation_key.p + half, half}};
    bool good = crypto_key_from_parts(CRYPTO_P256, &parts, &n->attestation_key) == 0;
    return tdx_step(v, good, TDX_CODE_ATTESTATION_KEY, "no point", "a point of P-256");
}

bool tdx_endorse(const struct tdx_quote *q, const uint8_t root[TDX_ROOT_SIZE],
                 struct tdx_endorsement **out, struct verdict *v)
{
    auto_endorsement n = calloc(1, sizeof *n);
    if (!n) {
        verdict_refuse(v, &tdx_codes[TDX_CODE_PEM], "no memory", "some", "out of memory");
        return false;
    }
    if (!chain_read(q, root, n, v) || !qe_report_check(q, n, v) || !binding_check(q, v) ||
        !key_read(q, n, v)) {
        return false;
    }
    *out = steal_ptr(&n);
    return true;
}

/* ---- memory */

struct slot {
    uint8_t name[CRYPTO_SHA256_SIZE]; /* of the bytes that were found good */
    struct tdx_endorsement *good;     /* NULL = free */
    uint64_t asked;                   /* when, in questions */
};

struct tdx_endorsements {
    uint8_t root[TDX_ROOT_SIZE];
    uint64_t questions;
    struct slot slots[TDX_ENDORSEMENTS_MAX];
};

struct tdx_endorsements *tdx_endorsements_new(const uint8_t root[TDX_ROOT_SIZE])
{
    struct tdx_endorsements *m = calloc(1, sizeof *m);
    if (m) { memcpy(m->root, root, sizeof m->root); }
    return m;
}

void tdx_endorsements_free(struct tdx_endorsements *m)
{
    if (!m) { return; }
    for (size_t i = 0; i < ARRAY_COUNT(m->slots); i++) { tdx_endorsement_free(m->slots[i].good); }
    free(m);
}

const struct tdx_endorsement *tdx_endorsements_get(struct tdx_endorsements *m,
                                                   const struct tdx_quote *q, struct verdict *v)
{
    uint8_t name[CRYPTO_SHA256_SIZE];
    struct tdx_endorsement *good;
    struct slot *oldest = &m->slots[0];
    crypto_sha256(q->endorsement.p, q->endorsement.len, name);
    m->questions++;
    for (size_t i = 0; i < ARRAY_COUNT(m->slots); i++) {
        struct slot *s = &m->slots[i];
        if (s->good && memcmp(s->name, name, sizeof name) == 0) {
            s->asked = m->questions;
            return s->good;
        }
        if (s->asked < oldest->asked) { oldest = s; }
    }
    if (!tdx_endorse(q, m->root, &good, v)) { return NULL; }
    tdx_endorsement_free(oldest->good);
    *oldest = (struct slot){.good = good, .asked = m->questions};
    memcpy(oldest->name, name, sizeof name);
    return good;
}
