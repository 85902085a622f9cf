/* SPDX-License-Identifier: Apache-2.0 */
/* Certificate revocation lists [RFC 5280 §5]: whole ones alone, of one issuer, for all it issued. */
#include "attest/crypto_internal.h"

#include <errno.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#define CRL_MAX                                                                                    \
    (4u << 20) /* DER bytes; the longest in use, of Intel's platform CA, has some 100 KiB */

struct crypto_crl {
    X509_CRL *crl;
};

void crypto_crl_free(struct crypto_crl *c)
{
    if (!c) { return; }
    X509_CRL_free(c->crl);
    free(c);
}

/*
 * Critical extensions narrow or widen what a list is about; none of those we would have to
 * understand occurs at AMD or Intel.
 */
static bool has_critical(X509_CRL *crl)
{
    for (int i = 0; i < X509_CRL_get_ext_count(crl); i++) {
        if (X509_EXTENSION_get_critical(X509_CRL_get_ext(crl, i))) { return true; }
    }
    STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(crl);
    for (int i = 0; i < sk_X509_REVOKED_num(list); i++) {
        const X509_REVOKED *entry = sk_X509_REVOKED_value(list, i);
        for (int k = 0; k < X509_REVOKED_get_ext_count(entry); k++) {
            if (X509_EXTENSION_get_critical(X509_REVOKED_get_ext(entry, k))) { return true; }
        }
    }
    return false;
}

int crypto_crl_from_der(const void *der, size_t len, struct crypto_crl **out)
{
    const unsigned char *at = der, *end = at + len;
    if (len == 0 || len > CRL_MAX) { return -EINVAL; }
    X509_CRL *crl = d2i_X509_CRL(NULL, &at, (long)len);
    if (!crl || at != end || has_critical(crl)) {
        X509_CRL_free(crl);
        return crypto_fail(-EINVAL);
    }
    struct crypto_crl *c = calloc(1, sizeof *c);
    if (!c) {
        X509_CRL_free(crl);
        return -ENOMEM;
    }
    c->crl = crl;
    *out = c;
    return 0;
}

/*
 * The outer one, by which the signature is checked. What the signer wrote inside, OpenSSL 3.0 gives
 * nobody; it is the signer's own word.
 */
static enum crypto_cert_alg alg_of(const X509_CRL *crl)
{
    const X509_ALGOR *outer;
    X509_CRL_get0_signature(crl, NULL, &outer);
    return crypto_x509_alg(outer, outer);
}

int crypto_crl_facts(const struct crypto_crl *c, struct crypto_crl_facts *out)
{
    struct crypto_crl_facts f = {.alg = alg_of(c->crl)};
    int r = crypto_x509_time(X509_CRL_get0_lastUpdate(c->crl), &f.this_update);
    if (r == 0) { r = crypto_x509_time(X509_CRL_get0_nextUpdate(c->crl), &f.next_update); }
    if (r < 0) { return r; }
    int n = sk_X509_REVOKED_num(X509_CRL_get_REVOKED(c->crl));
    f.count = n > 0 ? (size_t)n : 0;
    *out = f;
    return 0;
}

int crypto_crl_issuer(const struct crypto_crl *c, char out[CRYPTO_NAME_MAX])
{
    return crypto_x509_name(X509_CRL_get_issuer(c->crl), out);
}

int crypto_crl_signed_by(const struct crypto_crl *c, const struct crypto_key *issuer,
                         enum crypto_cert_alg alg)
{
    if (alg == CRYPTO_CERT_OTHER || alg_of(c->crl) != alg ||
        issuer->type != (alg == CRYPTO_CERT_PSS_SHA384 ? CRYPTO_RSA : CRYPTO_P256)) {
        return -EINVAL;
    }
    bool ok = X509_CRL_verify(c->crl, issuer->pkey) == 1;
    return crypto_fail(ok ? 0 : -EKEYREJECTED);
}

bool crypto_crl_lists_serial(const struct crypto_crl *c, const uint8_t *serial, size_t len)
{
    STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(c->crl);
    BIGNUM *wanted = BN_bin2bn(serial, (int)len, NULL);
    bool listed = !wanted;
    for (int i = 0; !listed && i < sk_X509_REVOKED_num(list); i++) {
        const X509_REVOKED *entry = sk_X509_REVOKED_value(list, i);
        BIGNUM *n = ASN1_INTEGER_to_BN(X509_REVOKED_get0_serialNumber(entry), NULL);
        listed = !n || BN_cmp(n, wanted) == 0;
        BN_free(n);
    }
    BN_free(wanted);
    ERR_clear_error();
    return listed;
}

bool crypto_crl_lists(const struct crypto_crl *c, const struct crypto_cert *cert)
{
    struct crypto_cert_facts f;
    return crypto_cert_facts(cert, &f) < 0 || crypto_crl_lists_serial(c, f.serial, f.serial_len);
}
