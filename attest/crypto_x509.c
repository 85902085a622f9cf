/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a certificate says about itself, for verifiers that follow a chain step by step [RFC 5280].
 * OpenSSL parses; here every answer that has more than one reading becomes a refusal.
 */
#include "attest/crypto_internal.h"

#include <errno.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

/* ---- what certificates and revocation lists have in common */

/*
 * The algorithms, as the bytes of their AlgorithmIdentifier: exactly one way to write each
 * parameter, so that nothing is left to interpretation. AMD writes the trailer field that is the
 * default anyway in some certificates and leaves it out in others [RFC 4055 §3.1].
 */
#define OID_SHA384                                                                                 \
    0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00
#define OID_MGF1   0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08
#define OID_PSS    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a
#define PSS_SHA384 0xa0, 0x0f, OID_SHA384, 0xa1, 0x1c, 0x30, 0x1a, OID_MGF1, OID_SHA384
#define SALT_48    0xa2, 0x03, 0x02, 0x01, 0x30
#define TRAILER_1  0xa3, 0x03, 0x02, 0x01, 0x01

static const uint8_t pss[] = {0x30, 0x41, OID_PSS, 0x30, 0x34, PSS_SHA384, SALT_48};
static const uint8_t pss_trailer[] = {0x30, 0x46,       OID_PSS, 0x30,
                                      0x39, PSS_SHA384, SALT_48, TRAILER_1};
static const uint8_t ecdsa_sha256[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
                                       0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};

enum crypto_cert_alg crypto_x509_alg(const X509_ALGOR *outer, const X509_ALGOR *inner)
{
    static const struct {
        enum crypto_cert_alg alg;
        const uint8_t *der;
        size_t len;
    } known[] = {{CRYPTO_CERT_PSS_SHA384, pss, sizeof pss},
                 {CRYPTO_CERT_PSS_SHA384, pss_trailer, sizeof pss_trailer},
                 {CRYPTO_CERT_ECDSA_SHA256, ecdsa_sha256, sizeof ecdsa_sha256}};
    enum crypto_cert_alg alg = CRYPTO_CERT_OTHER;
    unsigned char *der = NULL;
    if (X509_ALGOR_cmp(outer, inner) != 0) { return CRYPTO_CERT_OTHER; }
    int len = i2d_X509_ALGOR(outer, &der);
    for (size_t i = 0; len > 0 && i < ARRAY_COUNT(known); i++) {
        if ((size_t)len == known[i].len && memcmp(der, known[i].der, (size_t)len) == 0) {
            alg = known[i].alg;
        }
    }
    OPENSSL_free(der);
    ERR_clear_error();
    return alg;
}

int crypto_x509_time(const ASN1_TIME *t, int64_t *out)
{
    struct tm tm;
    if (!t || ASN1_TIME_to_tm(t, &tm) != 1) { return crypto_fail(-EINVAL); }
    *out = (int64_t)timegm(&tm);
    return 0;
}

static bool name_char(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr(" -._:()/@", c) != NULL);
}

/* One "CN=value" behind what is there already. */
static int name_entry(const X509_NAME_ENTRY *entry, char out[CRYPTO_NAME_MAX], size_t *at)
{
    unsigned char *value = NULL;
    char type[24] = "";
    int r = 0;
    const ASN1_OBJECT *o = X509_NAME_ENTRY_get_object(entry);
    const char *name = OBJ_nid2sn(OBJ_obj2nid(o));
    if (!name || strcmp(name, "UNDEF") == 0) {
        if (OBJ_obj2txt(type, sizeof type, o, 1) >= (int)sizeof type) { return -EINVAL; }
        name = type;
    }
    int len = ASN1_STRING_to_UTF8(&value, X509_NAME_ENTRY_get_data(entry));
    if (len <= 0) { r = -EINVAL; }
    for (int i = 0; r == 0 && i < len; i++) {
        if (!name_char(value[i])) { r = -EINVAL; }
    }
    if (r == 0) {
        int n = snprintf(out + *at, CRYPTO_NAME_MAX - *at, "%s%s=%.*s", *at ? ", " : "", name, len,
                         (const char *)value);
        r = n < 0 || (size_t)n >= CRYPTO_NAME_MAX - *at ? -ENOSPC : 0;
        *at += (size_t)n;
    }
    OPENSSL_free(value);
    return r;
}

int crypto_x509_name(const X509_NAME *n, char out[CRYPTO_NAME_MAX])
{
    size_t at = 0;
    int r = 0, count = X509_NAME_entry_count(n), set = -1;
    out[0] = '\0';
    for (int i = 0; r == 0 && i < count; i++) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(n, i);
        if (X509_NAME_ENTRY_set(entry) == set) { return -EINVAL; }
        set = X509_NAME_ENTRY_set(entry);
        r = name_entry(entry, out, &at);
    }
    return crypto_fail(r);
}

/* ---- certificates */

static int serial_of(const X509 *x, struct crypto_cert_facts *f)
{
    const ASN1_INTEGER *s = X509_get0_serialNumber(x);
    BIGNUM *n = ASN1_INTEGER_to_BN(s, NULL);
    int r = n && !BN_is_negative(n) && BN_num_bytes(n) <= CRYPTO_SERIAL_MAX ? 0 : -EINVAL;
    if (r == 0) { f->serial_len = (size_t)BN_bn2bin(n, f->serial); }
    BN_free(n);
    return r;
}

static int constraints_of(const X509 *x, struct crypto_cert_facts *f)
{
    int state; /* -1: not there. Everything else without an answer is there and wrong, or twice. */
    BASIC_CONSTRAINTS *bc = X509_get_ext_d2i(x, NID_basic_constraints, &state, NULL);
    f->path_len = -1;
    if (!bc) { return state == -1 ? 0 : -EINVAL; }
    int r = 0;
    f->is_ca = bc->ca != 0;
    if (bc->pathlen) {
        long n = ASN1_INTEGER_get(bc->pathlen);
        if (n < 0 || n > 255 || !bc->ca) { r = -EINVAL; }
        f->path_len = (int)n;
    }
    BASIC_CONSTRAINTS_free(bc);
    return r;
}

static int usage_of(const X509 *x, struct crypto_cert_facts *f)
{
    int state;
    ASN1_BIT_STRING *u = X509_get_ext_d2i(x, NID_key_usage, &state, NULL);
    if (!u) { return state == -1 ? 0 : -EINVAL; }
    f->may_sign_certs = ASN1_BIT_STRING_get_bit(u, 5) == 1; /* keyCertSign [RFC 5280 §4.2.1.3] */
    f->may_sign_crls = ASN1_BIT_STRING_get_bit(u, 6) == 1;  /* cRLSign */
    ASN1_BIT_STRING_free(u);
    return 0;
}

static bool unknown_critical(const X509 *x)
{
    for (int i = 0; i < X509_get_ext_count(x); i++) {
        X509_EXTENSION *ext = X509_get_ext(x, i);
        int nid = OBJ_obj2nid(X509_EXTENSION_get_object(ext));
        if (X509_EXTENSION_get_critical(ext) && nid != NID_basic_constraints &&
            nid != NID_key_usage) {
            return true;
        }
    }
    return false;
}

int crypto_cert_facts(const struct crypto_cert *c, struct crypto_cert_facts *out)
{
    struct crypto_cert_facts f = {0};
    const X509_ALGOR *outer;
    long version = X509_get_version(c->x509); /* 2 means 3 */
    X509_get0_signature(NULL, &outer, c->x509);
    f.alg = crypto_x509_alg(outer, X509_get0_tbs_sigalg(c->x509));
    int r = version < 0 || version > 2 ? -EINVAL : 0;
    f.version = (unsigned)version + 1;
    if (r == 0) { r = crypto_x509_time(X509_get0_notBefore(c->x509), &f.not_before); }
    if (r == 0) { r = crypto_x509_time(X509_get0_notAfter(c->x509), &f.not_after); }
    if (r == 0) { r = serial_of(c->x509, &f); }
    if (r == 0) { r = constraints_of(c->x509, &f); }
    if (r == 0) { r = usage_of(c->x509, &f); }
    f.unknown_critical = unknown_critical(c->x509);
    if (r == 0) { *out = f; }
    return crypto_fail(r);
}

int crypto_cert_subject(const struct crypto_cert *c, char out[CRYPTO_NAME_MAX])
{
    return crypto_x509_name(X509_get_subject_name(c->x509), out);
}

int crypto_cert_issuer(const struct crypto_cert *c, char out[CRYPTO_NAME_MAX])
{
    return crypto_x509_name(X509_get_issuer_name(c->x509), out);
}

int crypto_cert_ext(const struct crypto_cert *c, const char *oid, struct view *out)
{
    ASN1_OBJECT *o = OBJ_txt2obj(oid, 1);
    if (!o) { return crypto_fail(-EINVAL); }
    int at = X509_get_ext_by_OBJ(c->x509, o, -1);
    bool twice = at >= 0 && X509_get_ext_by_OBJ(c->x509, o, at) >= 0;
    ASN1_OBJECT_free(o);
    if (at < 0) { return -ENOENT; }
    if (twice) { return -EEXIST; }
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(X509_get_ext(c->x509, at));
    *out =
        (struct view){.p = ASN1_STRING_get0_data(value), .len = (size_t)ASN1_STRING_length(value)};
    return 0;
}

int crypto_cert_signed_by(const struct crypto_cert *c, const struct crypto_key *issuer,
                          enum crypto_cert_alg alg)
{
    const X509_ALGOR *outer;
    X509_get0_signature(NULL, &outer, c->x509);
    if (alg == CRYPTO_CERT_OTHER || crypto_x509_alg(outer, X509_get0_tbs_sigalg(c->x509)) != alg ||
        issuer->type != (alg == CRYPTO_CERT_PSS_SHA384 ? CRYPTO_RSA : CRYPTO_P256)) {
        return -EINVAL;
    }
    bool ok = X509_verify(c->x509, issuer->pkey) == 1;
    return crypto_fail(ok ? 0 : -EKEYREJECTED);
}

int crypto_cert_key_sha256(const struct crypto_cert *c, uint8_t out[CRYPTO_SHA256_SIZE])
{
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(c->x509), &der);
    if (len <= 0) { return crypto_fail(-EIO); }
    crypto_sha256(der, (size_t)len, out);
    OPENSSL_free(der);
    return 0;
}
