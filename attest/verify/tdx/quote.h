/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TDX quote, from bytes to fields. Nothing is believed here, and nothing else in this folder
 * looks at the bytes again: what is hashed, checked and shown are the views and copies below.
 *
 * Read: versions 4 and 5, TD report bodies of TDX 1.0 and 1.5, ECDSA P-256, certification data of
 * type 6 with a PCK chain (type 5) inside. Everything else is refused with its own code. Lengths
 * nest exactly; behind the computed end only zeros are allowed, and they are not part of the quote.
 *
 * Source: [TDX-QUOTE] Intel TDX DCAP Quoting Library API, appendix 3 (quote format).
 */
#ifndef CASEMATE_ATTEST_VERIFY_TDX_QUOTE_H
#define CASEMATE_ATTEST_VERIFY_TDX_QUOTE_H

#include "attest/verify/verdict.h"
#include "guest/base/cur.h"

#define TDX_QUOTE_MIN 1020
#define TDX_QUOTE_MAX 16384 /* real ones have some 5 KiB */
#define TDX_INPUT_MAX 32768 /* with the padding of a GetQuote buffer */

#define TDX_SVN    16
#define TDX_MR     48
#define TDX_RTMRS  4
#define TDX_REPORT 64 /* report data */

/* ATTRIBUTES of a TD. */
#define TDX_ATTR_DEBUG_GROUP     0xffull /* debugging and profiling: the host sees inside */
#define TDX_ATTR_SEPT_VE_DISABLE (1ull << 28)
#define TDX_ATTR_MIGRATABLE      (1ull << 29)
/* DEBUG, the three profiling bits, ICSSD, LASS, the two above, PKS, KL, TPA, PERFMON */
#define TDX_ATTR_KNOWN 0xc0000000f8010071ull

/* XFAM: what the module lets a TD have; x87 and SSE cannot be left out. */
#define TDX_XFAM_KNOWN    0x6dbe7ull
#define TDX_XFAM_REQUIRED 0x3ull

enum tdx_body { TDX_BODY_10 = 2, TDX_BODY_15 = 3 };

struct tdx_qe_report {
    uint8_t misc_select[4];
    uint8_t attributes[16];
    uint8_t mr_enclave[32];
    uint8_t mr_signer[32];
    uint16_t isv_prod_id;
    uint16_t isv_svn;
    uint8_t report_data[64];
};

struct tdx_quote {
    uint16_t version;
    enum tdx_body body;

    /* TD report */
    uint8_t tee_tcb_svn[TDX_SVN]; /* [0] module minor, [1] module major, [2] SEAM loader */
    uint8_t mr_seam[TDX_MR], mr_signer_seam[TDX_MR];
    uint64_t seam_attributes;
    uint64_t attributes, xfam;
    uint8_t mr_td[TDX_MR], mr_config_id[TDX_MR], mr_owner[TDX_MR], mr_owner_config[TDX_MR];
    uint8_t rtmr[TDX_RTMRS][TDX_MR];
    uint8_t report_data[TDX_REPORT];
    uint8_t tee_tcb_svn2[TDX_SVN]; /* TDX 1.5: of the module loaded now, not at launch; else 0 */
    uint8_t mr_service_td[TDX_MR]; /* TDX 1.5; else 0 */

    /* Views into the input, which must outlive them. */
    struct view signed_bytes;    /* header and body: what the attestation key signed */
    struct view signature;       /* r || s */
    struct view attestation_key; /* x || y */
    struct view endorsement; /* attestation key to the end: the same in every quote of a platform */
    struct view qe_report, qe_signature, qe_auth_data;
    struct view pck_chain; /* PEM */
    struct tdx_qe_report qe;
};

/* False, with one reason in v, when the bytes are not such a quote; *out is untouched then. */
MUST_CHECK bool tdx_quote_parse(const void *bytes, size_t len, struct tdx_quote *out,
                                struct verdict *v);

#endif
