/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store's items for SNP, kept in memory for a verifier that judges many reports: chains,
 * revocation lists, and every endorsement that was followed once. A list that was replaced is read
 * anew; one that is unreadable, not the root's or older does not push out what is held. Nothing here
 * looks at the clock: what has expired is refused by the verifier.
 */
#ifndef CASEMATE_ATTEST_COLLATERAL_SNP_KEEPER_H
#define CASEMATE_ATTEST_COLLATERAL_SNP_KEEPER_H

#include "attest/collateral/store.h"
#include "attest/verify/snp/trust.h"

/* For one thread. */
struct snp_keeper;

/*
 * dir    copied; NULL = no directory: evidence must bring all its certificates
 * roots  borrowed, outlive it
 * NULL without memory.
 */
struct snp_keeper *snp_keeper_new(const char *dir, const struct snp_roots *roots);
void snp_keeper_free(struct snp_keeper *k); /* NULL is fine */

/*
 * The endorsement of the key that signed a report. NULL with a reason in v. Good until the next
 * call. What comes with the evidence needs no trust: it counts by its chain.
 *
 * vek       DER; empty = look for the chip's VCEK in the directory
 * ask, ark  DER, looked at only where the directory has no chain; may be empty
 */
const struct snp_endorsement *snp_keeper_endorse(struct snp_keeper *k, const struct snp_report *r,
                                                 struct view vek, struct view ask, struct view ark,
                                                 struct verdict *v);

/* The list of the endorsement's root; NULL when there is none. Good until the next call. */
const struct snp_crl *snp_keeper_crl(struct snp_keeper *k, const struct snp_endorsement *e);

#endif
