/* SPDX-License-Identifier: Apache-2.0 */
/* Evidence of TDX, in the form CoCo's guests send it and ours do: {"quote", "cc_eventlog"}. */
#ifndef CASEMATE_ATTEST_KBS_EVIDENCE_TDX_H
#define CASEMATE_ATTEST_KBS_EVIDENCE_TDX_H

#include "attest/collateral/keeper.h"
#include "attest/collateral/supply.h"
#include "attest/kbs/evidence/verifier.h"

struct evidence_tdx {
    struct tdx_endorsements *endorsements; /* brings the root */
    struct collateral_keeper *keeper;      /* under the same root */
    const struct tdx_policy *policy;       /* without report data and MRCONFIGID */
    struct supply *supply; /* of what the keeper does not have; NULL = there is none */
    /*
     * Our guests put their initdata into runtime register 0 as their very first act, and MRCONFIGID
     * is that digest or, for a guest from a pool, zero: both are looked at. The firmware of CoCo's
     * guests has other uses for the register, and MRCONFIGID, which the host chooses, stands alone;
     * the measured guest must then compare it with the initdata it was given. Ours leaves that to
     * this check: with this on, no reference value may be one of ours.
     */
    bool mr_config_id_alone;
};

/* s is borrowed and outlives the verifier. */
struct verifier evidence_tdx_verifier(struct evidence_tdx *s);

/*
 * What the seal extends into runtime register 2: SHA-384 of four zero bytes, the separator event of
 * [TCG-PFP].
 */
extern const uint8_t evidence_tdx_seal[TDX_MR];

#endif
