/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the certificate of a VCEK or VLEK says in AMD's extensions: product, TCB, and which chip or
 * whose cloud. Whether to believe it is the chain's business.
 */
#ifndef CASEMATE_ATTEST_VERIFY_SNP_VEK_H
#define CASEMATE_ATTEST_VERIFY_SNP_VEK_H

#include "attest/crypto.h"
#include "attest/verify/snp/report.h"

#define SNP_CSP_ID_MAX 128

struct snp_vek {
    enum snp_product product; /* the one its layout was read by */
    bool vlek;
    char product_name[32]; /* as written: "Milan-B0", "Genoa" */
    struct snp_tcb tcb;
    uint8_t hwid[SNP_CHIP_ID_SIZE]; /* VCEK: which chip; Turin has 8 bytes, the rest is zero */
    char csp_id[SNP_CSP_ID_MAX];    /* VLEK: whose */
};

/*
 * product, vlek   what the certificate's issuer is for; decides which extensions there must be
 * Every extension exactly once, its exact type, nothing behind it. False with a reason in v.
 */
bool snp_vek_read(const struct crypto_cert *c, enum snp_product product, bool vlek,
                  struct snp_vek *out, struct verdict *v);

#endif
