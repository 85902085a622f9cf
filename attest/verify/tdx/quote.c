/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See quote.h. Reads bytes of strangers: one cursor over all of them, one over the signature data,
 * one over the certification data; each must come out empty.
 */
#include "attest/verify/tdx/quote.h"

#include "attest/verify/tdx/codes.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define KEY_TYPE_P256   2
#define TEE_TYPE_TDX    0x81
#define BODY_SIZE_10    584
#define BODY_SIZE_15    648
#define CERT_TYPE_QE    6 /* QE report, its signature, and certification data of their signer */
#define CERT_TYPE_CHAIN 5 /* PCK chain in PEM */
#define QE_REPORT_SIZE  384
#define SIGNATURE_SIZE  64
#define PUBLIC_KEY_SIZE 64

static const uint8_t intel_qe_vendor[16] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                            0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};

static bool number_step(struct verdict *v, bool holds, enum tdx_code code, uint64_t found,
                        const char *wanted)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, found);
    return tdx_step(v, holds, code, text, wanted);
}

static bool header_read(struct cur *c, struct tdx_quote *q, struct verdict *v)
{
    q->version = cur_u16le(c);
    uint16_t key_type = cur_u16le(c);
    uint32_t tee_type = cur_u32le(c);
    uint32_t reserved = cur_u32le(c);
    struct view vendor = cur_sub(c, sizeof intel_qe_vendor);
    cur_skip(c, 20); /* user data: signed, and authenticated as nothing */
    return number_step(v, !c->bad, TDX_CODE_SIZE, c->left, "a whole header") &&
           number_step(v, q->version == 4 || q->version == 5, TDX_CODE_VERSION, q->version,
                       "4 or 5") &&
           number_step(v, key_type == KEY_TYPE_P256, TDX_CODE_KEY_TYPE, key_type, "2") &&
           number_step(v, tee_type == TEE_TYPE_TDX, TDX_CODE_TEE_TYPE, tee_type, "129") &&
           number_step(v, reserved == 0, TDX_CODE_RESERVED, reserved, "0") &&
           (memcmp(vendor.p, intel_qe_vendor, vendor.len) == 0 ||
            verdict_check_bytes(v, false, &tdx_codes[TDX_CODE_VENDOR], vendor.p, intel_qe_vendor,
                                sizeof intel_qe_vendor));
}

/* Which body follows; in version 5 the quote says it. */
static bool body_kind_read(struct cur *c, struct tdx_quote *q, struct verdict *v)
{
    q->body = TDX_BODY_10;
    if (q->version == 4) { return true; }
    uint16_t type = cur_u16le(c);
    uint32_t size = cur_u32le(c);
    bool known = type == TDX_BODY_10 || type == TDX_BODY_15;
    if (!number_step(v, !c->bad && known, TDX_CODE_BODY, type, "type 2 or 3")) { return false; }
    q->body = type;
    return type == TDX_BODY_10
               ? number_step(v, size == BODY_SIZE_10, TDX_CODE_BODY, size, "584 bytes for type 2")
               : number_step(v, size == BODY_SIZE_15, TDX_CODE_BODY, size, "648 bytes for type 3");
}

static void take(struct cur *c, uint8_t *out, size_t len)
{
    const uint8_t *p = cur_take(c, len);
    if (p) { memcpy(out, p, len); }
}

static void body_read(struct cur *c, struct tdx_quote *q)
{
    take(c, q->tee_tcb_svn, TDX_SVN);
    take(c, q->mr_seam, TDX_MR);
    take(c, q->mr_signer_seam, TDX_MR);
    q->seam_attributes = cur_u64le(c);
    q->attributes = cur_u64le(c);
    q->xfam = cur_u64le(c);
    take(c, q->mr_td, TDX_MR);
    take(c, q->mr_config_id, TDX_MR);
    take(c, q->mr_owner, TDX_MR);
    take(c, q->mr_owner_config, TDX_MR);
    for (size_t i = 0; i < TDX_RTMRS; i++) { take(c, q->rtmr[i], TDX_MR); }
    take(c, q->report_data, TDX_REPORT);
    if (q->body == TDX_BODY_15) {
        take(c, q->tee_tcb_svn2, TDX_SVN);
        take(c, q->mr_service_td, TDX_MR);
    }
}

static void qe_report_read(struct view bytes, struct tdx_qe_report *qe)
{
    struct cur c = cur_of(bytes.p, bytes.len);
    cur_skip(&c, 16); /* CPUSVN: the certificate's component levels are compared instead */
    take(&c, qe->misc_select, sizeof qe->misc_select);
    cur_skip(&c, 28);
    take(&c, qe->attributes, sizeof qe->attributes);
    take(&c, qe->mr_enclave, sizeof qe->mr_enclave);
    cur_skip(&c, 32);
    take(&c, qe->mr_signer, sizeof qe->mr_signer);
    cur_skip(&c, 96);
    qe->isv_prod_id = cur_u16le(&c);
    qe->isv_svn = cur_u16le(&c);
    cur_skip(&c, 60);
    take(&c, qe->report_data, sizeof qe->report_data);
}

/* A length that must be all that is left of c, and what it is the length of. */
MUST_CHECK static bool rest_take(struct cur *c, struct cur *out, struct verdict *v)
{
    uint32_t len = cur_u32le(c);
    char wanted[24];
    (void)snprintf(wanted, sizeof wanted, "%zu", c->left);
    if (!number_step(v, !c->bad && len == c->left, TDX_CODE_LENGTHS, len, wanted)) { return false; }
    *out = cur_of(c->p, len);
    return true;
}

static bool type_check(struct cur *c, uint16_t wanted, const char *wanted_text, struct verdict *v)
{
    uint16_t type = cur_u16le(c);
    return number_step(v, !c->bad && type == wanted, TDX_CODE_CERT_TYPE, type, wanted_text);
}

static bool signature_data_read(struct cur c, struct tdx_quote *q, struct verdict *v)
{
    struct cur data, chain;
    q->signature = cur_sub(&c, SIGNATURE_SIZE);
    q->endorsement = (struct view){.p = c.p, .len = c.left};
    q->attestation_key = cur_sub(&c, PUBLIC_KEY_SIZE);
    if (!type_check(&c, CERT_TYPE_QE, "6", v) || !rest_take(&c, &data, v)) { return false; }

    q->qe_report = cur_sub(&data, QE_REPORT_SIZE);
    q->qe_signature = cur_sub(&data, SIGNATURE_SIZE);
    q->qe_auth_data = cur_sub(&data, cur_u16le(&data));
    if (!number_step(v, !data.bad, TDX_CODE_LENGTHS, data.left,
                     "a QE report and its authentication data") ||
        !type_check(&data, CERT_TYPE_CHAIN, "5", v) || !rest_take(&data, &chain, v)) {
        return false;
    }
    q->pck_chain = (struct view){.p = chain.p, .len = chain.left};
    qe_report_read(q->qe_report, &q->qe);
    return true;
}

static bool padding_check(struct cur c, struct verdict *v)
{
    size_t i = 0;
    while (i < c.left && c.p[i] == 0) { i++; }
    return number_step(v, i == c.left, TDX_CODE_TRAILING, i < c.left ? c.p[i] : 0, "0");
}

bool tdx_quote_parse(const void *bytes, size_t len, struct tdx_quote *out, struct verdict *v)
{
    struct tdx_quote q = {0};
    struct cur c = cur_of(bytes, len);
    if (!number_step(v, len >= TDX_QUOTE_MIN && len <= TDX_INPUT_MAX, TDX_CODE_SIZE, len,
                     "1020 to 32768 bytes") ||
        !header_read(&c, &q, v) || !body_kind_read(&c, &q, v)) {
        return false;
    }
    body_read(&c, &q);
    q.signed_bytes = (struct view){.p = bytes, .len = len - c.left};

    uint32_t sig_len = cur_u32le(&c);
    const uint8_t *sig = cur_take(&c, sig_len);
    bool fits = sig && len - c.left <= TDX_QUOTE_MAX;
    if (!number_step(v, fits, TDX_CODE_LENGTHS, sig_len, "what the input holds; 16384 in all") ||
        !signature_data_read(cur_of(sig, sig_len), &q, v) || !padding_check(c, v)) {
        return false;
    }
    *out = q;
    return verdict_check(v, true, &tdx_codes[TDX_CODE_BODY],
                         q.body == TDX_BODY_15 ? "TD report of TDX 1.5" : "TD report of TDX 1.0",
                         "a whole quote of a TD");
}
