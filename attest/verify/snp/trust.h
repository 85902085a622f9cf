/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a verifier keeps that judges many reports: the products' chains, revocation lists, and every
 * endorsement it has followed once. The same key endorses thousands of reports, so its chain costs
 * one hash instead of three RSA signatures. Belongs to one thread.
 */
#ifndef CASEMATE_ATTEST_VERIFY_SNP_TRUST_H
#define CASEMATE_ATTEST_VERIFY_SNP_TRUST_H

#include "attest/verify/snp/chain.h"
#include "guest/base/cur.h"
#include "guest/base/err.h"

#define SNP_TRUST_CHAINS_MAX 16 /* three products, two kinds; the first of an issuer is its chain */
#define SNP_TRUST_KEPT       256 /* endorsements; beyond it the one unused for longest goes */

struct snp_trust;

/* roots are borrowed and outlive it. */
MUST_CHECK int snp_trust_new(const struct snp_roots *roots, struct snp_trust **out);
void snp_trust_free(struct snp_trust *t); /* NULL is fine */

/* An intermediate and its root, PEM, as the key service's cert_chain has them. */
MUST_CHECK int snp_trust_add_chain(struct snp_trust *t, const void *pem, size_t len, struct err *e);
/*
 * A revocation list, DER, of the root that this endorsement ends in. What is held stays where the
 * new one is none of the root's (-EINVAL) or older (-ESTALE).
 */
MUST_CHECK int snp_trust_add_crl(struct snp_trust *t, const struct snp_endorsement *e,
                                 const void *der, size_t len, struct err *why);

/*
 * The endorsement that this certificate is. NULL with a reason in v. Good until the next call.
 *
 * vek       DER
 * ask, ark  DER, that came with it: looked at only when no chain was added for its issuer; they may
 *           be empty
 */
const struct snp_endorsement *snp_trust_endorse(struct snp_trust *t, struct view vek,
                                                struct view ask, struct view ark,
                                                struct verdict *v);

/* The list of the endorsement's root; NULL when there is none. */
const struct snp_crl *snp_trust_crl(const struct snp_trust *t, const struct snp_endorsement *e);

#endif
