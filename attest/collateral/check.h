/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may be stored under a name: an item that its vendor signed, and that is about what the name
 * says. The same question for bytes of a service, of a bundle and of an operator, so that whoever
 * sits between can neither store nor block anything. Asks no clock.
 */
#ifndef CASEMATE_ATTEST_COLLATERAL_CHECK_H
#define CASEMATE_ATTEST_COLLATERAL_CHECK_H

#include "attest/collateral/store.h"

/* What makes an item older or newer: all of one must be at least as new as all of the other. */
#define COLLATERAL_AGES 5
struct collateral_ages {
    int64_t v[COLLATERAL_AGES];
    int64_t expires; /* the first moment at which it is no longer good; 0 = nobody waits for it */
};

/*
 * -EBADMSG with the reason when the bytes are not that item. A certificate of a chip and a
 * revocation list of AMD's are held against the chain that the store has, -ENOENT without one.
 */
MUST_CHECK int collateral_check(const struct collateral_store *s, const struct collateral_id *id,
                                const void *bytes, size_t len, struct collateral_ages *out,
                                struct err *e);

#endif
