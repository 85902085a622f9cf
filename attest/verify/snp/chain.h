/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Second layer of the SNP verifier: whose key signs reports. Endorsement key, intermediate, root:
 * exactly three certificates, the root known by its key.
 *
 * An endorsement is what has been found out without a clock, so it can be kept as long as the
 * process lives (snp_cache); validity and revocation are asked again each time.
 */
#ifndef CASEMATE_ATTEST_VERIFY_SNP_CHAIN_H
#define CASEMATE_ATTEST_VERIFY_SNP_CHAIN_H

#include "attest/verify/snp/vek.h"

/* A trusted root: SHA-256 of its SubjectPublicKeyInfo, and the product it is for. */
struct snp_root {
    enum snp_product product;
    uint8_t key_sha256[CRYPTO_SHA256_SIZE];
};
struct snp_roots {
    const struct snp_root *v;
    size_t count;
};
/* AMD's three: ARK-Milan, ARK-Genoa, ARK-Turin. */
extern const struct snp_roots snp_amd_roots;

/*
 * A root of somebody else's, for tests and laboratories: cc-attest --root. The product is taken
 * from its name. False with a reason in v.
 */
bool snp_root_from_cert(const struct crypto_cert *c, struct snp_root *out, struct verdict *v);

enum { SNP_CERT_VEK, SNP_CERT_INTERMEDIATE, SNP_CERT_ROOT, SNP_CERTS };

struct snp_endorsement {
    struct snp_vek vek;
    struct crypto_key *key;      /* P-384: signs reports; NULL: of no key */
    struct crypto_key *root_key; /* signs the revocation list */
    struct crypto_cert_facts facts[SNP_CERTS];
    struct snp_root root; /* the trusted one that the chain ends in */
};
void snp_endorsement_free(struct snp_endorsement *e); /* NULL is fine */

/*
 * Which of two certificates is the root: by its key, in whatever order they come. Views into certs.
 * False with a reason in v: too few, too many, or none is trusted.
 */
bool snp_chain_sort(struct crypto_cert *const *certs, size_t count, const struct snp_roots *roots,
                    const struct crypto_cert **out_intermediate,
                    const struct crypto_cert **out_root, struct verdict *v);

/* NULL with the first reason in v. The certificates are borrowed for the call. */
struct snp_endorsement *snp_chain_verify(const struct crypto_cert *vek,
                                         const struct crypto_cert *intermediate,
                                         const struct crypto_cert *root,
                                         const struct snp_roots *roots, struct verdict *v);

/*
 * The upper two alone, for whoever keeps chains and revocation lists: an endorsement of no key,
 * good for snp_crl_open(), its root and vek.vlek. No report is signed by it. NULL with a reason.
 */
struct snp_endorsement *snp_chain_verify_issuer(const struct crypto_cert *intermediate,
                                                const struct crypto_cert *root,
                                                const struct snp_roots *roots, struct verdict *v);

/* Is every certificate of the chain valid at this time? */
void snp_chain_check_time(const struct snp_endorsement *e, int64_t now, struct verdict *v);

/*
 * A root's revocation list whose signature has been checked: once, when it is opened, and not with
 * each report.
 */
struct snp_crl {
    struct crypto_crl *crl;
    struct crypto_crl_facts facts;
    struct snp_root root; /* whose it is */
};
/* NULL with a reason in v: no list, or not of the root that the endorsement ends in. */
struct snp_crl *snp_crl_open(const struct snp_endorsement *e, const void *der, size_t len,
                             struct verdict *v);
void snp_crl_free(struct snp_crl *c); /* NULL is fine */

/*
 * Is the chain revoked? A list that is there must be good, whether one is demanded or not.
 * crl  NULL = there is none
 */
void snp_chain_check_crl(const struct snp_endorsement *e, const struct snp_crl *crl, bool required,
                         int64_t now, struct verdict *v);

/* Do report and certificate speak of one kind of key, one product, one TCB, one chip? */
void snp_chain_check_report(const struct snp_endorsement *e, const struct snp_report *r,
                            struct verdict *v);

/* Did this key sign these bytes? */
void snp_chain_check_signature(const struct snp_endorsement *e, const struct snp_report *r,
                               struct verdict *v);

#endif
