/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How up to date the machine behind a quote is, by Intel's rules: quoting enclave, TDX module and
 * platform each find their level in the collateral, and the worst of them is the status.
 *
 * Source: [PCS] TCB levels; [TDX-QUOTE] TCB status of a TD, relaunch.
 */
#ifndef CASEMATE_ATTEST_VERIFY_TDX_APPRAISE_H
#define CASEMATE_ATTEST_VERIFY_TDX_APPRAISE_H

#include "attest/verify/tdx/collateral.h"
#include "attest/verify/tdx/endorse.h"

struct tdx_appraisal {
    enum tdx_status status;                 /* of all together */
    struct tdx_rating sgx, tdx, module, qe; /* unsupported where no level was found; module of
                                                   major 0: as tdx */
    int64_t date;                           /* of the oldest level that was found */
};

/*
 * q's signatures and c's have been checked. Every complaint goes to v; whether the status will do
 * is the policy's business, except that "unsupported" never does.
 */
void tdx_appraise(const struct tdx_quote *q, const struct tdx_pck *platform,
                  const struct tdx_collateral *c, struct tdx_appraisal *out, struct verdict *v);

/* The status of two parts together. Order does not matter. */
enum tdx_status tdx_status_join(enum tdx_status a, enum tdx_status b);

#endif
