/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store's sets for TDX, opened and kept in memory for a verifier that judges many quotes. A file
 * that was replaced is opened anew; one that has become unreadable, broken or older does not push
 * out what is held. Nothing here looks at the clock: what has expired is refused by the verifier.
 */
#ifndef CASEMATE_ATTEST_COLLATERAL_KEEPER_H
#define CASEMATE_ATTEST_COLLATERAL_KEEPER_H

#include "attest/collateral/store.h"
#include "attest/verify/tdx/tdx.h"

/* For one thread. */
struct collateral_keeper;

/* dir is copied. NULL without memory. */
struct collateral_keeper *collateral_keeper_new(const char *dir,
                                                const uint8_t tdx_root[TDX_ROOT_SIZE]);
void collateral_keeper_free(struct collateral_keeper *k); /* NULL is fine */
static inline void collateral_keeper_cleanup(struct collateral_keeper **k)
{
    collateral_keeper_free(*k);
}
#define auto_collateral_keeper                                                                     \
    __attribute__((cleanup(collateral_keeper_cleanup))) struct collateral_keeper *

/* As tdx_demand.collateral_for: ctx is the keeper. Good until the next call. */
const struct tdx_collateral *collateral_keeper_find(void *ctx, const struct tdx_endorsement *n);

#endif
