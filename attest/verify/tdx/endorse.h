/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the second half of a quote proves: that Intel certified the platform (PCK chain), that the
 * platform's key signed the report of a quoting enclave, and that this enclave vouches for the
 * attestation key. None of it depends on the clock or on what the TD says, and it is the same, byte
 * for byte, in every quote of a platform: so it is worked out once and kept.
 *
 * What is kept are facts about signatures alone. Validity, revocation, TCB and policy are asked at
 * every verification.
 */
#ifndef CASEMATE_ATTEST_VERIFY_TDX_ENDORSE_H
#define CASEMATE_ATTEST_VERIFY_TDX_ENDORSE_H

#include "attest/verify/tdx/chain.h"
#include "attest/verify/tdx/pck.h"
#include "attest/verify/tdx/quote.h"

struct tdx_endorsement {
    struct tdx_cert pck, pck_ca, root;
    bool processor_ca; /* which of Intel's two PCK CAs: processor, else platform */
    struct tdx_pck platform;
    struct crypto_key *attestation_key;
};

/* NULL, with one reason in v, when something does not hold. */
MUST_CHECK bool tdx_endorse(const struct tdx_quote *q, const uint8_t root[TDX_ROOT_SIZE],
                            struct tdx_endorsement **out, struct verdict *v);
void tdx_endorsement_free(struct tdx_endorsement *n); /* NULL is fine */

/*
 * A memory of good endorsements, for one root and one thread; when it is full the one that was
 * asked for longest ago gives way.
 */
#define TDX_ENDORSEMENTS_MAX 64
struct tdx_endorsements;
/* NULL without memory. */
struct tdx_endorsements *tdx_endorsements_new(const uint8_t root[TDX_ROOT_SIZE]);
void tdx_endorsements_free(struct tdx_endorsements *m); /* NULL is fine */
static inline void tdx_endorsements_cleanup(struct tdx_endorsements **m)
{
    tdx_endorsements_free(*m);
}
#define auto_tdx_endorsements                                                                      \
    __attribute__((cleanup(tdx_endorsements_cleanup))) struct tdx_endorsements *

/* As tdx_endorse(), out of memory if possible; owned by m and good until the next call. */
const struct tdx_endorsement *tdx_endorsements_get(struct tdx_endorsements *m,
                                                   const struct tdx_quote *q, struct verdict *v);

#endif
