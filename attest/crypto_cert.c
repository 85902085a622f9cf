/* SPDX-License-Identifier: Apache-2.0 */
/*
 * X.509: read, take the key, follow a chain to given roots at a given time. No system trust store
 * is ever consulted. What a certificate says about itself is in crypto_x509.c.
 */
#include "attest/crypto_internal.h"

#include "guest/base/hosted.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>

#define CERT_MAX   65536 /* DER bytes of one certificate */
#define BUNDLE_MAX (1 << 20)
#define CHAIN_MAX  16 /* certificates in the whole chain */

void crypto_cert_free(struct crypto_cert *c)
{
    if (!c) { return; }
    X509_free(c->x509);
    free(c);
}

static int adopt(X509 *take_x509, struct crypto_cert **out)
{
    struct crypto_cert *c = calloc(1, sizeof *c);
    if (!c) {
        X509_free(take_x509);
        return -ENOMEM;
    }
    c->x509 = take_x509;
    *out = c;
    return 0;
}

int crypto_cert_from_der(const void *der, size_t len, struct crypto_cert **out)
{
    const unsigned char *at = der, *end = at + len;
    if (len == 0 || len > CERT_MAX) { return -EINVAL; }
    X509 *x = d2i_X509(NULL, &at, (long)len);
    if (!x || at != end) {
        X509_free(x);
        return crypto_fail(-EINVAL);
    }
    return adopt(x, out);
}

int crypto_certs_from_pem(const void *pem, size_t len, struct crypto_cert **out, size_t cap,
                          size_t *out_count)
{
    if (len == 0 || len > BUNDLE_MAX) { return -EINVAL; }
    auto_bio b = BIO_new_mem_buf(pem, (int)len);
    if (!b) { return crypto_fail(-ENOMEM); }
    size_t count = 0;
    int r = 0;
    for (;;) {
        X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);
        if (!x) {
            /* Running out of blocks is the end; a block that does not parse is an error. */
            bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
            r = !end || count == 0 ? -EINVAL : 0;
            break;
        }
        if (count == cap) {
            X509_free(x);
            r = -EINVAL;
            break;
        }
        r = adopt(x, &out[count]);
        if (r < 0) { break; }
        count++;
    }
    ERR_clear_error();
    if (r < 0) {
        while (count > 0) { crypto_cert_free(out[--count]); }
        return r;
    }
    *out_count = count;
    return 0;
}

int crypto_cert_to_der(const struct crypto_cert *c, uint8_t **out, size_t *out_len)
{
    int len = i2d_X509(c->x509, NULL);
    if (len <= 0) { return crypto_fail(-EINVAL); }
    uint8_t *der = malloc((size_t)len), *at = der;
    if (!der) { return -ENOMEM; }
    if (i2d_X509(c->x509, &at) != len) {
        free(der);
        return crypto_fail(-EIO);
    }
    *out = der;
    *out_len = (size_t)len;
    return 0;
}

int crypto_cert_key(const struct crypto_cert *c, struct crypto_key **out)
{
    EVP_PKEY *p = X509_get_pubkey(c->x509);
    if (!p) { return crypto_fail(-EINVAL); }
    return crypto_key_adopt(p, out);
}

/* The list alone: its certificates are borrowed. */
static void free_x509s(STACK_OF(X509) * *s) { sk_X509_free(*s); }
static void free_store(X509_STORE **s) { X509_STORE_free(*s); }
static void free_store_ctx(X509_STORE_CTX **c) { X509_STORE_CTX_free(*c); }

int crypto_cert_verify(const struct crypto_cert *leaf, struct crypto_cert *const *inter,
                       size_t inter_count, struct crypto_cert *const *roots, size_t root_count,
                       int64_t now)
{
    __attribute__((cleanup(free_x509s))) STACK_OF(X509) *untrusted = sk_X509_new_null();
    __attribute__((cleanup(free_store))) X509_STORE *store = X509_STORE_new();
    __attribute__((cleanup(free_store_ctx))) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    if (!untrusted || !store || !ctx) { return crypto_fail(-ENOMEM); }
    if (inter_count > CHAIN_MAX) { return -EINVAL; }
    for (size_t i = 0; i < inter_count; i++) {
        if (sk_X509_push(untrusted, inter[i]->x509) <= 0) { return crypto_fail(-ENOMEM); }
    }
    for (size_t i = 0; i < root_count; i++) {
        if (X509_STORE_add_cert(store, roots[i]->x509) != 1) { return crypto_fail(-ENOMEM); }
    }
    if (X509_STORE_CTX_init(ctx, store, leaf->x509, untrusted) != 1) {
        return crypto_fail(-ENOMEM);
    }
    X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_PARTIAL_CHAIN);
    X509_STORE_CTX_set_time(ctx, 0, (time_t)now);
    X509_VERIFY_PARAM_set_depth(X509_STORE_CTX_get0_param(ctx), CHAIN_MAX);
    bool ok = X509_verify_cert(ctx) == 1 && X509_STORE_CTX_get_error(ctx) == X509_V_OK;
    ERR_clear_error();
    return ok ? 0 : -EKEYREJECTED;
}
