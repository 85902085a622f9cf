/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates of Intel's small hierarchy: one root, pinned by its key; PCK CAs and the TCB signer
 * under it; PCK certificates under the CAs. Every link is checked by name, role and signature, and
 * each refuses by its own code. Signatures are checked once, time and revocation at every use.
 */
#ifndef CASEMATE_ATTEST_VERIFY_TDX_CHAIN_H
#define CASEMATE_ATTEST_VERIFY_TDX_CHAIN_H

#include "attest/crypto.h"
#include "attest/verify/verdict.h"

#define TDX_ROOT_SIZE CRYPTO_SHA256_SIZE

/* SHA-256 of the public key (SubjectPublicKeyInfo) of the Intel SGX Root CA. */
extern const uint8_t tdx_intel_root[TDX_ROOT_SIZE];

struct tdx_cert {
    struct crypto_cert *cert;
    struct crypto_cert_facts facts;
    char subject[CRYPTO_NAME_MAX];
    uint8_t key_sha256[CRYPTO_SHA256_SIZE];
    const char *what; /* in texts: "PCK certificate" */
};

struct tdx_crl {
    struct crypto_crl *crl;
    struct crypto_crl_facts facts;
    const char *what;
};

void tdx_cert_fini(struct tdx_cert *c); /* zeroed ones are fine */
void tdx_crl_fini(struct tdx_crl *c);

enum tdx_role { TDX_ROLE_ROOT, TDX_ROLE_PCK_CA, TDX_ROLE_TCB_SIGNER, TDX_ROLE_PCK };
#define TDX_CHAIN_MAX 3

/*
 * A chain in PEM, made of exactly these roles: the last is TDX_ROLE_ROOT, each certificate is
 * issued by the one behind it.
 *
 * root  SHA-256 of the only root key that is believed
 * out   as many as roles, given back only when the whole chain is good
 */
MUST_CHECK bool tdx_chain_read(const void *pem, size_t len, const enum tdx_role *roles,
                               size_t count, const uint8_t root[TDX_ROOT_SIZE],
                               struct tdx_cert *out, struct verdict *v);

/* A revocation list in DER, issued by this authority, which is good already. */
MUST_CHECK bool tdx_crl_read(const void *der, size_t len, const struct tdx_cert *issuer,
                             const char *what, struct tdx_crl *out, struct verdict *v);

/* Do both certificates bring the same authority: one name, one key? */
bool tdx_same_authority(const struct tdx_cert *a, const struct tdx_cert *b);

/*
 * Is from <= now <= to? what: stands in front of "expired". Silent when it holds, as the next two.
 */
void tdx_check_window(const struct verdict_code *code, const char *what, int64_t from, int64_t to,
                      int64_t now, struct verdict *v);
void tdx_check_cert(const struct tdx_cert *c, const struct tdx_crl *issuers_list, int64_t now,
                    struct verdict *v);
void tdx_check_crl(const struct tdx_crl *c, int64_t now, struct verdict *v);

#endif
