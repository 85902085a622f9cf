/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intel's word on what is up to date: TCB info of a processor family, and the identity of the
 * quoting enclave. From JSON text to numbers; who signed the text is collateral.h's question.
 *
 * Levels are put in descending order here, so that the order in which the service sent them decides
 * nothing. Members nobody knows are allowed; missing ones, numbers out of range, lists of another
 * length and statuses without a name are not.
 *
 * Source: [PCS] Intel SGX and TDX provisioning certification service, API version 4.
 */
#ifndef CASEMATE_ATTEST_VERIFY_TDX_TCB_H
#define CASEMATE_ATTEST_VERIFY_TDX_TCB_H

#include "attest/verify/tdx/pck.h"
#include "attest/verify/tdx/quote.h"
#include "attest/verify/verdict.h"

#define TDX_TCB_TEXT_MAX   (256u << 10)
#define TDX_LEVELS_MAX     64 /* of a platform; 21 is the most seen */
#define TDX_SVN_LEVELS_MAX 32 /* of a module or enclave */
#define TDX_MODULES_MAX    16
#define TDX_ADVISORIES_MAX 64

enum tdx_status {
    TDX_UNSUPPORTED = 0, /* below every level */
    TDX_UP_TO_DATE,
    TDX_SW_HARDENING_NEEDED,
    TDX_CONFIGURATION_NEEDED,
    TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED,
    TDX_OUT_OF_DATE,
    TDX_OUT_OF_DATE_CONFIGURATION_NEEDED,
    TDX_REVOKED,
    TDX_RELAUNCH_ADVISED,
    TDX_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
    TDX_STATUSES,
};
/* Intel's spelling: "UpToDate". */
const char *tdx_status_name(enum tdx_status s);
/* TDX_STATUSES for a text that names none. */
enum tdx_status tdx_status_of(const char *name);

/* A status, since when it holds, and the advisories that come with it. */
struct tdx_rating {
    enum tdx_status status;
    int64_t date;             /* tcbDate */
    const json_t *advisories; /* texts, of the document; NULL = none */
};

struct tdx_tcb_level {
    uint8_t sgx[TDX_COMPONENTS]; /* the platform's, by its certificate */
    uint16_t pce_svn;
    uint8_t tdx[TDX_SVN]; /* the module's, by the quote */
    struct tdx_rating rating;
};

struct tdx_svn_level {
    uint16_t isv_svn;
    struct tdx_rating rating;
};

struct tdx_svn_levels {
    size_t count;
    struct tdx_svn_level v[TDX_SVN_LEVELS_MAX]; /* descending */
};

/* The TDX module: what must hold of the SEAM fields of a quote. */
struct tdx_module {
    uint8_t major;
    uint8_t mr_signer[TDX_MR];
    uint64_t attributes, attributes_mask;
    struct tdx_svn_levels levels; /* empty for major 0: the platform's levels judge that one */
};

struct tdx_dates {
    int64_t issued, next_update;
};

struct tdx_tcb_info {
    json_t *doc; /* owned; keeps advisories alive */
    struct tdx_dates dates;
    uint8_t fmspc[TDX_FMSPC], pce_id[TDX_PCE_ID];
    uint32_t evaluation; /* tcbEvaluationDataNumber: counts Intel's rounds of updates */
    struct tdx_module module;
    size_t module_count, level_count;
    struct tdx_module modules[TDX_MODULES_MAX];
    struct tdx_tcb_level levels[TDX_LEVELS_MAX]; /* descending */
};

struct tdx_qe_identity {
    json_t *doc; /* owned */
    struct tdx_dates dates;
    uint32_t evaluation;
    uint8_t misc_select[4], misc_select_mask[4];
    uint8_t attributes[16], attributes_mask[16];
    uint8_t mr_signer[32];
    uint16_t isv_prod_id;
    struct tdx_svn_levels levels;
};

/*
 * The value of tcbInfo, or enclaveIdentity, as a text of its own. False, with one reason in v, when
 * it is not one; *out is untouched then.
 */
MUST_CHECK bool tdx_tcb_info_parse(const void *text, size_t len, struct tdx_tcb_info *out,
                                   struct verdict *v);
void tdx_tcb_info_fini(struct tdx_tcb_info *t); /* a zeroed one is fine */

MUST_CHECK bool tdx_qe_identity_parse(const void *text, size_t len, struct tdx_qe_identity *out,
                                      struct verdict *v);
void tdx_qe_identity_fini(struct tdx_qe_identity *q);

/* The identity for a module of this major version; NULL when there is none. */
const struct tdx_module *tdx_module_find(const struct tdx_tcb_info *t, uint8_t major);

#endif
