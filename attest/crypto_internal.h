/* SPDX-License-Identifier: Apache-2.0 */
/* What the files behind crypto.h share. Nobody else includes this. */
#ifndef CASEMATE_ATTEST_CRYPTO_INTERNAL_H
#define CASEMATE_ATTEST_CRYPTO_INTERNAL_H

#include "attest/crypto.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#define CRYPTO_POINT_MAX (1 + 2 * CRYPTO_COORD_MAX) /* 04 || x || y [SEC1 §2.3.3] */

struct crypto_key {
    EVP_PKEY *pkey;
    enum crypto_key_type type;
    bool is_private;
    size_t size;                     /* see crypto_key_size() */
    uint8_t point[CRYPTO_POINT_MAX]; /* EC: the public point, 1 + 2 * size bytes */
};

/* Takes pkey over, also on failure. Refuses kinds and sizes that crypto.h does not name. */
MUST_CHECK int crypto_key_adopt(EVP_PKEY *take_pkey, struct crypto_key **out);

struct crypto_cert {
    X509 *x509;
};

/* What certificates and revocation lists are read by alike. */
enum crypto_cert_alg crypto_x509_alg(const X509_ALGOR *outer, const X509_ALGOR *inner);
MUST_CHECK int crypto_x509_name(const X509_NAME *n, char out[CRYPTO_NAME_MAX]);
MUST_CHECK int crypto_x509_time(const ASN1_TIME *t, int64_t *out);

/* One cleanup attribute per OpenSSL type, as hosted.h has one per libc type. */
#define CRYPTO_AUTO(name, type, fini)                                                              \
    static inline void name##_cleanup(type **p) { fini(*p); }
CRYPTO_AUTO(crypto_pkey, EVP_PKEY, EVP_PKEY_free)
CRYPTO_AUTO(crypto_pkey_ctx, EVP_PKEY_CTX, EVP_PKEY_CTX_free)
CRYPTO_AUTO(crypto_cipher_ctx, EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)
CRYPTO_AUTO(crypto_md_ctx, EVP_MD_CTX, EVP_MD_CTX_free)
CRYPTO_AUTO(crypto_bn, BIGNUM, BN_clear_free)
CRYPTO_AUTO(crypto_bio, BIO, BIO_free_all)
CRYPTO_AUTO(crypto_bld, OSSL_PARAM_BLD, OSSL_PARAM_BLD_free)
CRYPTO_AUTO(crypto_params, OSSL_PARAM, OSSL_PARAM_free)
#define auto_pkey       __attribute__((cleanup(crypto_pkey_cleanup))) EVP_PKEY *
#define auto_pkey_ctx   __attribute__((cleanup(crypto_pkey_ctx_cleanup))) EVP_PKEY_CTX *
#define auto_cipher_ctx __attribute__((cleanup(crypto_cipher_ctx_cleanup))) EVP_CIPHER_CTX *
#define auto_md_ctx     __attribute__((cleanup(crypto_md_ctx_cleanup))) EVP_MD_CTX *
#define auto_bn         __attribute__((cleanup(crypto_bn_cleanup))) BIGNUM *
#define auto_bio        __attribute__((cleanup(crypto_bio_cleanup))) BIO *
#define auto_bld        __attribute__((cleanup(crypto_bld_cleanup))) OSSL_PARAM_BLD *
#define auto_params     __attribute__((cleanup(crypto_params_cleanup))) OSSL_PARAM *

/*
 * Failing leaves nothing in OpenSSL's error queue: a stale entry would be blamed on the next TLS
 * call.
 */
static inline int crypto_fail(int r)
{
    ERR_clear_error();
    return r;
}

static inline const EVP_MD *crypto_md(enum crypto_hash h)
{
    switch (h) {
    case CRYPTO_SHA256: return EVP_sha256();
    case CRYPTO_SHA384: return EVP_sha384();
    case CRYPTO_SHA512: return EVP_sha512();
    case CRYPTO_SHA1: return EVP_sha1();
    }
    return NULL;
}

#endif
