/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything of Intel's that is not in a quote: TCB info, identity of the quoting enclave, and the
 * revocation lists of root and PCK CA, each with the chain of its signer. Opening it checks every
 * signature, once; what depends on the clock is checked each time it is used, so one open set
 * serves many quotes.
 *
 * The form is one JSON object of texts (further members are ignored): pck_crl_issuer_chain,
 * tcb_info_issuer_chain, qe_identity_issuer_chain in PEM, signer first, root last; root_ca_crl,
 * pck_crl in DER as hexadecimal digits; tcb_info, qe_identity as the exact text that was signed;
 * tcb_info_signature, qe_identity_signature as r || s in hexadecimal digits.
 */
#ifndef CASEMATE_ATTEST_VERIFY_TDX_COLLATERAL_H
#define CASEMATE_ATTEST_VERIFY_TDX_COLLATERAL_H

#include "attest/verify/tdx/chain.h"
#include "attest/verify/tdx/tcb.h"

#define TDX_COLLATERAL_MAX (1u << 20)

struct tdx_collateral {
    struct tdx_cert root;
    struct tdx_cert tcb_signer, qe_signer; /* of the two documents */
    struct tdx_cert pck_ca;                /* issuer of the PCK CRL */
    struct tdx_crl root_crl, pck_crl;
    struct tdx_tcb_info tcb;
    struct tdx_qe_identity qe;
};

/*
 * root  SHA-256 of the key that everything must chain to
 * out   NULL, with reasons in v, when something is missing, broken or not signed
 */
void tdx_collateral_open(const void *json, size_t len, const uint8_t root[TDX_ROOT_SIZE],
                         struct tdx_collateral **out, struct verdict *v);
void tdx_collateral_free(struct tdx_collateral *c); /* NULL is fine */
static inline void tdx_collateral_cleanup(struct tdx_collateral **c) { tdx_collateral_free(*c); }
#define auto_tdx_collateral __attribute__((cleanup(tdx_collateral_cleanup))) struct tdx_collateral *

/* Is all of it in time, and none of its signers revoked? Every complaint goes to v. */
void tdx_collateral_at(const struct tdx_collateral *c, int64_t now, struct verdict *v);

/* The first moment at which some part of it is no longer good. */
int64_t tdx_collateral_expires(const struct tdx_collateral *c);

#endif
