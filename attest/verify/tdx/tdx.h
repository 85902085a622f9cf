/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verifier of TDX quotes, in layers that can each be used alone:
 *
 *   quote.h        bytes to fields
 *   endorse.h      PCK chain, report of the quoting enclave, attestation key
 *   collateral.h   Intel's signed word: what is revoked, what is up to date
 *   appraise.h     levels of platform, module and enclave, joined
 *   policy.h       what somebody demands of the TD
 *
 * and here all of them in order. Up to the quote's signature the first failure ends it: what is not
 * signed is not worth a word. From there on every complaint is collected.
 */
#ifndef CASEMATE_ATTEST_VERIFY_TDX_TDX_H
#define CASEMATE_ATTEST_VERIFY_TDX_TDX_H

#include "attest/verify/tdx/appraise.h"
#include "attest/verify/tdx/collateral.h"
#include "attest/verify/tdx/endorse.h"
#include "attest/verify/tdx/policy.h"
#include "attest/verify/tdx/quote.h"

struct tdx_demand {
    struct tdx_endorsements *endorsements; /* brings the root; never NULL */
    const struct tdx_policy *policy;       /* never NULL */
    int64_t now;                           /* seconds since 1970; never from the guest */
    /*
     * What Intel says about this platform, opened under the same root and good until the verdict is
     * there; NULL is a refusal.
     */
    const struct tdx_collateral *(*collateral_for)(void *ctx, const struct tdx_endorsement *n);
    void *ctx;
    uint32_t min_evaluation; /* the highest round of collateral seen for this kind of processor */
};

/* What a quote says; good only when the verdict is "accepted". */
struct tdx_facts {
    struct tdx_quote quote; /* its views point into the input */
    struct tdx_pck platform;
    struct tdx_appraisal appraisal;
    uint32_t evaluation;
    int64_t expires; /* when the collateral does; 0 = there was none */
};

/* A collateral_for for callers who have it already: ctx is a struct tdx_collateral, or NULL. */
const struct tdx_collateral *tdx_collateral_given(void *ctx, const struct tdx_endorsement *n);

/*
 * Judge a quote. *out_facts is filled as far as the layers came.
 * v  zeroed by the caller, or with complaints of his own; closed here
 */
void verify_tdx(const void *quote, size_t len, const struct tdx_demand *d,
                struct tdx_facts *out_facts, struct verdict *v);

/* CoCo's primary evidence. */
struct tdx_evidence {
    uint8_t *quote, *log; /* heap; log NULL = none */
    size_t quote_len, log_len;
};
void tdx_evidence_fini(struct tdx_evidence *ev);
#define auto_tdx_evidence __attribute__((cleanup(tdx_evidence_fini))) struct tdx_evidence

/* {"quote":"<base64>","cc_eventlog":"<base64>" or null}; "cc_eventlog" may be left out. */
MUST_CHECK int tdx_evidence_parse(const json_t *primary, struct tdx_evidence *out, struct err *e);

#endif
