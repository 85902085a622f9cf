/* SPDX-License-Identifier: Apache-2.0 */
/* A self-signed certificate for TLS, by OpenSSL directly: nothing here takes part in attestation. [RFC 5280] */
#include "attest/kbs/desk/setup.h"

#include "guest/base/ct.h"
#include "guest/base/hosted.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#define TEN_YEARS  ((int64_t)3650 * 24 * 3600)
#define CLOCK_SKEW 3600 /* a client whose clock is an hour behind takes the certificate */

static void pkey_cleanup(EVP_PKEY **k) { EVP_PKEY_free(*k); }
static void x509_cleanup(X509 **c) { X509_free(*c); }
static void bio_cleanup(BIO **b) { BIO_free_all(*b); }
#define auto_pkey __attribute__((cleanup(pkey_cleanup))) EVP_PKEY *
#define auto_x509 __attribute__((cleanup(x509_cleanup))) X509 *
#define auto_bio  __attribute__((cleanup(bio_cleanup))) BIO *

static bool extension_add(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *x = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = x && X509_add_ext(cert, x, -1) == 1;
    X509_EXTENSION_free(x);
    return ok;
}

/* Names go into a text with its own syntax: only letters, digits, dots, dashes and colons do. */
static bool name_ok(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n < 254 &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-:") == n;
}

static int alt_names(const char *const *names, size_t count, char *out, size_t size, struct err *e)
{
    size_t len = (size_t)snprintf(out, size, "DNS:localhost,IP:127.0.0.1,IP:::1");
    for (size_t i = 0; i < count; i++) {
        uint8_t addr[16];
        if (!name_ok(names[i])) {
            return err_set(e, EINVAL, "certificate: %.60s is no host name or address", names[i]);
        }
        bool ip =
            inet_pton(AF_INET, names[i], addr) == 1 || inet_pton(AF_INET6, names[i], addr) == 1;
        int n = snprintf(out + len, size - len, ",%s:%s", ip ? "IP" : "DNS", names[i]);
        if (n < 0 || (size_t)n >= size - len) {
            return err_set(e, EINVAL, "certificate: too many names");
        }
        len += (size_t)n;
    }
    return 0;
}

static bool fields_set(X509 *cert, EVP_PKEY *key, const char *alt, int64_t now)
{
    uint8_t serial[16];
    if (crypto_random(serial, sizeof serial) < 0) { return false; }
    serial[0] &= 0x7f;
    BIGNUM *bn = BN_bin2bn(serial, sizeof serial, NULL);
    X509_NAME *name = X509_get_subject_name(cert);
    bool ok = bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert)) &&
              X509_set_version(cert, 2) == 1 &&
              ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)(now - CLOCK_SKEW)) &&
              ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)(now + TEN_YEARS)) &&
              X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"cc-kbs",
                                         -1, -1, 0) == 1 &&
              X509_set_issuer_name(cert, name) == 1 && X509_set_pubkey(cert, key) == 1 &&
              extension_add(cert, NID_basic_constraints, "critical,CA:FALSE") &&
              extension_add(cert, NID_key_usage, "critical,digitalSignature") &&
              extension_add(cert, NID_ext_key_usage, "serverAuth") &&
              extension_add(cert, NID_subject_alt_name, alt);
    BN_free(bn);
    return ok && X509_sign(cert, key, EVP_sha256()) > 0;
}

/* The text in a memory BIO, as malloc. */
static char *bio_text(BIO *b)
{
    char *p = NULL;
    long n = BIO_get_mem_data(b, &p);
    char *out = n > 0 ? strndup(p, (size_t)n) : NULL;
    if (n > 0) { wipe(p, (size_t)n); }
    return out;
}

int setup_self_signed(const char *const *names, size_t name_count, int64_t now, char **out_key,
                      char **out_cert, struct err *e)
{
    char alt[SETUP_NAMES_MAX * 260 + 64];
    int rc = alt_names(names, name_count, alt, sizeof alt, e);
    if (rc < 0) { return rc; }
    auto_pkey key = EVP_EC_gen("P-256");
    auto_x509 cert = X509_new();
    auto_bio key_pem = BIO_new(BIO_s_mem());
    auto_bio cert_pem = BIO_new(BIO_s_mem());
    bool ok = key && cert && key_pem && cert_pem && fields_set(cert, key, alt, now) &&
              PEM_write_bio_PrivateKey(key_pem, key, NULL, NULL, 0, NULL, NULL) == 1 &&
              PEM_write_bio_X509(cert_pem, cert) == 1;
    ERR_clear_error();
    auto_free char *k = ok ? bio_text(key_pem) : NULL;
    auto_free char *c = ok ? bio_text(cert_pem) : NULL;
    if (!k || !c) { return err_set(e, EIO, "certificate: OpenSSL cannot make it"); }
    *out_key = steal_ptr(&k);
    *out_cert = steal_ptr(&c);
    return 0;
}
