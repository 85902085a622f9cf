/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What somebody demands of a TD. One JSON object; unknown members are errors. H: lower-case
 * hexadecimal digits, bytes in memory order. N: "0x…", or a number. A list has 1 to 32 items.
 *
 *   quote_versions     [4, 5]                 absent: both
 *   statuses           ["UpToDate", …]        Intel's names; absent: UpToDate alone. Revoked and
 *                                             unsupported cannot be named
 *   advisory_ids       ["INTEL-SA-01036", …]  advisories that may apply; absent: none may
 *   mr_td              H or [H, …]            one of these; all zeros never holds
 *   rtmr_0 … rtmr_3    H or [H, …]            likewise, as the registers are in the quote
 *   mr_config_id, mr_owner, mr_owner_config   likewise
 *   report_data        H                      all 64 bytes
 *   attributes_mask, attributes_value  N      bits in the mask are as in the value; all others as
 *                                             below
 *   xfam_mask, xfam_value              N      bits in the mask are as in the value
 *   min_tee_tcb_svn    H                      16 bytes, each a floor of its own
 *   ppids              [H, …]                 platforms, by their PPID
 *
 * Independent of any policy: ATTRIBUTES are SEPT_VE_DISABLE alone, bit for bit, except where the
 * mask says otherwise (so debugging has to be demanded to be taken); unknown bits cannot be
 * demanded; no service TD, where the body says (TDX 1.5; MIGRATABLE rules it out in both); XFAM has
 * x87 and SSE and nothing that no TD can have.
 *
 * What a policy does not name is unbound, and the verdict lists it.
 */
#ifndef CASEMATE_ATTEST_VERIFY_TDX_POLICY_H
#define CASEMATE_ATTEST_VERIFY_TDX_POLICY_H

#include "attest/verify/tdx/appraise.h"
#include "guest/base/err.h"

#define TDX_POLICY_MAX (256u << 10)
#define TDX_VALUES_MAX 32

/* Any of these; count 0 = nothing is demanded. */
struct tdx_values {
    size_t count;
    uint8_t v[TDX_VALUES_MAX][TDX_MR];
};

struct tdx_policy {
    unsigned quote_versions; /* bit n: version n is taken */
    unsigned statuses;       /* bit n: enum tdx_status n is taken */
    size_t advisory_count;
    char advisories[TDX_VALUES_MAX][33];
    struct tdx_values mr_td, rtmr[TDX_RTMRS], mr_config_id, mr_owner, mr_owner_config, ppids;
    bool has_report_data;
    uint8_t report_data[TDX_REPORT];
    uint64_t attributes_mask, attributes_value;
    uint64_t xfam_mask, xfam_value;
    uint8_t min_tee_tcb_svn[TDX_SVN];
};

/* What holds without a policy. */
void tdx_policy_default(struct tdx_policy *out);

MUST_CHECK int tdx_policy_parse(const void *text, size_t len, struct tdx_policy *out,
                                struct err *e);
/* The same from a tree. given: NULL, or an array of the names of members that must be there. */
MUST_CHECK int tdx_policy_read(const json_t *doc, const char *const *required,
                               struct tdx_policy *out, struct err *e);

/* What the bits of ATTRIBUTES are called; NULL = reserved. */
extern const char *const tdx_attribute_names[64];

/* One value more that may be; false when there is no room. */
MUST_CHECK bool tdx_values_add(struct tdx_values *list, const uint8_t *value, size_t len);

/* Every complaint goes to v, and what is not demanded is listed there as unbound. */
void tdx_policy_apply(const struct tdx_policy *p, const struct tdx_quote *q,
                      const struct tdx_pck *platform, const struct tdx_appraisal *a,
                      struct verdict *v);

#endif
