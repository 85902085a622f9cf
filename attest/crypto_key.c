/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys: made, read, written, taken apart. A key that gets past crypto_key_adopt() is of a kind and
 * size that crypto.h names, so nothing behind it checks again.
 *
 * A broker makes or reads three P-256 keys per release, and building a group by name costs the library
 * more than the arithmetic on it: keys on a curve are made from a template that has the group, and
 * each keeps its public point, since the library converts it anew whenever it is asked.
 */
#include "attest/crypto_internal.h"

#include "guest/base/ct.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <string.h>

#define PEM_MAX      65536 /* text of one key or of a certificate bundle's first certificate */
#define RSA_MIN_BITS 2048
#define RSA_MAX_BITS (8 * CRYPTO_RSA_MAX)

void crypto_key_free(struct crypto_key *k)
{
    if (!k) { return; }
    EVP_PKEY_free(k->pkey);
    free(k);
}

enum crypto_key_type crypto_key_type(const struct crypto_key *k) { return k->type; }
bool crypto_key_is_private(const struct crypto_key *k) { return k->is_private; }
size_t crypto_key_size(const struct crypto_key *k) { return k->size; }

bool crypto_key_same_public(const struct crypto_key *a, const struct crypto_key *b)
{
    bool same = EVP_PKEY_eq(a->pkey, b->pkey) == 1;
    ERR_clear_error();
    return same;
}

/* ---- which kinds exist */

static bool has_private_part(const EVP_PKEY *p, enum crypto_key_type t)
{
    if (t == CRYPTO_ED25519) {
        size_t len = 0;
        return EVP_PKEY_get_raw_private_key(p, NULL, &len) == 1 && len > 0;
    }
    auto_bn d = NULL;
    const char *name = t == CRYPTO_RSA ? OSSL_PKEY_PARAM_RSA_D : OSSL_PKEY_PARAM_PRIV_KEY;
    return EVP_PKEY_get_bn_param(p, name, &d) == 1 && d != NULL;
}

static const struct {
    enum crypto_key_type type;
    const char *group;
    size_t size;
    /* SubjectPublicKeyInfo up to the point [RFC 5480 §2] */
    uint8_t spki_len, spki[26];
} curves[] = {
    {CRYPTO_P256, "prime256v1", 32, 26, {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                         0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                         0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00}},
    {CRYPTO_P384, "secp384r1", 48, 23, {0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86,
                                        0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
                                        0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00}},
    {CRYPTO_P521, "secp521r1", 66, 25, {0x30, 0x81, 0x9b, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86,
                                        0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81,
                                        0x04, 0x00, 0x23, 0x03, 0x81, 0x86, 0x00}},
};

/* The curve's index, or ARRAY_COUNT(curves). */
static size_t curve_of(enum crypto_key_type t)
{
    size_t i = 0;
    while (i < ARRAY_COUNT(curves) && curves[i].type != t) { i++; }
    return i;
}

/* With exponent 1 a message is its own ciphertext, and every text signs itself. */
static bool rsa_exponent_ok(const EVP_PKEY *p)
{
    auto_bn e = NULL;
    return EVP_PKEY_get_bn_param(p, OSSL_PKEY_PARAM_RSA_E, &e) == 1 && BN_is_odd(e) &&
           !BN_is_one(e);
}

static int classify(const EVP_PKEY *p, struct crypto_key *k)
{
    if (EVP_PKEY_is_a(p, "RSA") == 1) {
        int bits = EVP_PKEY_get_bits(p);
        if (bits < RSA_MIN_BITS || bits > RSA_MAX_BITS || !rsa_exponent_ok(p)) { return -EINVAL; }
        k->type = CRYPTO_RSA;
        k->size = ((size_t)bits + 7) / 8;
        return 0;
    }
    if (EVP_PKEY_is_a(p, "ED25519") == 1) {
        k->type = CRYPTO_ED25519;
        k->size = 32;
        return 0;
    }
    if (EVP_PKEY_is_a(p, "EC") == 1) {
        char group[32];
        if (EVP_PKEY_get_group_name(p, group, sizeof group, NULL) != 1) { return -EINVAL; }
        for (size_t i = 0; i < ARRAY_COUNT(curves); i++) {
            if (strcmp(group, curves[i].group) == 0) {
                k->type = curves[i].type;
                k->size = curves[i].size;
                return 0;
            }
        }
    }
    return -EINVAL;
}

/* Always uncompressed, however the key was read. */
static int take_point(const EVP_PKEY *p, struct crypto_key *k)
{
    size_t len = 0;
    if (curve_of(k->type) == ARRAY_COUNT(curves)) { return 0; }
    if (EVP_PKEY_get_octet_string_param(p, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, k->point,
                                        sizeof k->point, &len) != 1 ||
        len != 1 + 2 * k->size || k->point[0] != 4) {
        return -EINVAL;
    }
    return 0;
}

int crypto_key_adopt(EVP_PKEY *take_pkey, struct crypto_key **out)
{
    auto_pkey p = take_pkey;
    struct crypto_key *k = calloc(1, sizeof *k);
    if (!k) { return -ENOMEM; }
    int r = classify(p, k);
    if (r == 0) { r = take_point(p, k); }
    if (r < 0) {
        free(k);
        return crypto_fail(r);
    }
    k->is_private = has_private_part(p, k->type);
    ERR_clear_error();
    k->pkey = steal_ptr(&p);
    *out = k;
    return 0;
}

/* ---- made */

/* One key without numbers per curve, made once and never freed. NULL = the library could not. */
static EVP_PKEY *templates[ARRAY_COUNT(curves)];

static void templates_make(void)
{
    for (size_t i = 0; i < ARRAY_COUNT(curves); i++) {
        auto_pkey_ctx c = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
        if (!c || EVP_PKEY_paramgen_init(c) != 1 ||
            EVP_PKEY_CTX_set_group_name(c, curves[i].group) != 1 ||
            EVP_PKEY_paramgen(c, &templates[i]) != 1) {
            templates[i] = NULL;
        }
    }
    ERR_clear_error();
}

static EVP_PKEY *template_of(size_t curve)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, templates_make);
    return templates[curve];
}

static EVP_PKEY *ec_generate(size_t curve)
{
    EVP_PKEY *p = NULL, *t = template_of(curve);
    auto_pkey_ctx c = t ? EVP_PKEY_CTX_new_from_pkey(NULL, t, NULL) : NULL;
    if (!c || EVP_PKEY_keygen_init(c) != 1 || EVP_PKEY_generate(c, &p) != 1) { return NULL; }
    return p;
}

int crypto_key_generate(enum crypto_key_type t, unsigned rsa_bits, struct crypto_key **out)
{
    EVP_PKEY *p = NULL;
    size_t curve = curve_of(t);
    if (t == CRYPTO_RSA) {
        if (rsa_bits < RSA_MIN_BITS || rsa_bits > RSA_MAX_BITS) { return -EINVAL; }
        p = EVP_RSA_gen(rsa_bits);
    } else if (t == CRYPTO_ED25519) {
        p = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    } else if (curve < ARRAY_COUNT(curves)) {
        p = ec_generate(curve);
    }
    if (!p) { return crypto_fail(-EIO); }
    return crypto_key_adopt(p, out);
}

/* ---- read */

/* Never ask a terminal. */
static int no_password(char *buf, int size, int rwflag, void *arg)
{
    (void)buf, (void)size, (void)rwflag, (void)arg;
    return -1;
}

static EVP_PKEY *cert_pubkey(X509 *take_cert)
{
    EVP_PKEY *p = take_cert ? X509_get_pubkey(take_cert) : NULL;
    X509_free(take_cert);
    return p;
}

int crypto_key_from_pem(const void *pem, size_t len, struct crypto_key **out)
{
    if (len == 0 || len > PEM_MAX) { return -EINVAL; }
    auto_bio b = BIO_new_mem_buf(pem, (int)len);
    if (!b) { return crypto_fail(-ENOMEM); }

    /*
     * Each reader skips blocks of the wrong name, so the order private, public, certificate finds
     * the strongest.
     */
    EVP_PKEY *p = PEM_read_bio_PrivateKey(b, NULL, no_password, NULL);
    if (!p && BIO_reset(b) == 1) { p = PEM_read_bio_PUBKEY(b, NULL, no_password, NULL); }
    if (!p && BIO_reset(b) == 1) { p = cert_pubkey(PEM_read_bio_X509(b, NULL, no_password, NULL)); }
    if (!p) { return crypto_fail(-EINVAL); }
    return crypto_key_adopt(p, out);
}

int crypto_key_from_der(const void *der, size_t len, struct crypto_key **out)
{
    const unsigned char *start = der, *at;
    if (len == 0 || len > PEM_MAX) { return -EINVAL; }

    at = start;
    EVP_PKEY *p = d2i_AutoPrivateKey(NULL, &at, (long)len);
    if (!p) {
        at = start;
        p = d2i_PUBKEY(NULL, &at, (long)len);
    }
    if (!p) {
        at = start;
        p = d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, (long)len);
    }
    if (!p) {
        at = start;
        p = cert_pubkey(d2i_X509(NULL, &at, (long)len));
    }
    if (!p) { return crypto_fail(-EINVAL); }
    if (at != start + len) { /* trailing bytes */
        EVP_PKEY_free(p);
        return crypto_fail(-EINVAL);
    }
    return crypto_key_adopt(p, out);
}

/* ---- written */

int crypto_key_to_pem(const struct crypto_key *k, bool with_private, char **out, size_t *out_len)
{
    if (with_private && !k->is_private) { return -EINVAL; }
    auto_bio b = BIO_new(with_private ? BIO_s_secmem() : BIO_s_mem());
    if (!b) { return crypto_fail(-ENOMEM); }
    int ok = with_private ? PEM_write_bio_PrivateKey(b, k->pkey, NULL, NULL, 0, NULL, NULL)
                          : PEM_write_bio_PUBKEY(b, k->pkey);
    char *text = NULL;
    long len = BIO_get_mem_data(b, &text);
    if (ok != 1 || len <= 0) { return crypto_fail(-EIO); }
    char *copy = malloc((size_t)len + 1);
    if (!copy) { return -ENOMEM; }
    memcpy(copy, text, (size_t)len);
    copy[len] = '\0';
    wipe(text, (size_t)len);
    *out = copy;
    *out_len = (size_t)len;
    return 0;
}

static int ec_to_spki(size_t curve, const struct crypto_key *k, uint8_t **out, size_t *out_len)
{
    size_t head = curves[curve].spki_len, len = head + 1 + 2 * k->size;
    uint8_t *der = malloc(len);
    if (!der) { return -ENOMEM; }
    memcpy(der, curves[curve].spki, head);
    memcpy(der + head, k->point, len - head);
    *out = der;
    *out_len = len;
    return 0;
}

int crypto_key_to_spki(const struct crypto_key *k, uint8_t **out, size_t *out_len)
{
    size_t curve = curve_of(k->type);
    if (curve < ARRAY_COUNT(curves)) { return ec_to_spki(curve, k, out, out_len); }
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(k->pkey, &der);
    if (len <= 0) { return crypto_fail(-EIO); }
    uint8_t *copy = malloc((size_t)len);
    if (copy) { memcpy(copy, der, (size_t)len); }
    OPENSSL_free(der);
    if (!copy) { return -ENOMEM; }
    *out = copy;
    *out_len = (size_t)len;
    return 0;
}

/* ---- put together */

static bool push_bn(OSSL_PARAM_BLD *bld, const char *name, struct view v, bool secret, BIGNUM **out)
{
    if (v.len == 0 || v.len > CRYPTO_RSA_MAX) { return false; }
    *out = BN_bin2bn(v.p, (int)v.len, NULL);
    if (!*out) { return false; }
    if (secret) { BN_set_flags(*out, BN_FLG_CONSTTIME); }
    return OSSL_PARAM_BLD_push_BN(bld, name, *out) == 1;
}

static int build(const char *algorithm, bool is_private, OSSL_PARAM_BLD *bld, EVP_PKEY **out)
{
    auto_params params = OSSL_PARAM_BLD_to_param(bld);
    auto_pkey_ctx ctx = EVP_PKEY_CTX_new_from_name(NULL, algorithm, NULL);
    if (!params || !ctx) { return crypto_fail(-ENOMEM); }
    EVP_PKEY *p = NULL;
    int selection = is_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY;
    if (EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, &p, selection, params) != 1) {
        return crypto_fail(-EINVAL);
    }
    *out = p;
    return 0;
}

/* d must be the private half of the public point or modulus beside it. */
static int check_pair(EVP_PKEY *p)
{
    auto_pkey_ctx ctx = EVP_PKEY_CTX_new_from_pkey(NULL, p, NULL);
    if (!ctx) { return crypto_fail(-ENOMEM); }
    return EVP_PKEY_pairwise_check(ctx) == 1 ? 0 : crypto_fail(-EINVAL);
}

/* Setting the point checks that it is on the curve. */
static int ec_public(size_t curve, const uint8_t *point, size_t len, EVP_PKEY **out)
{
    EVP_PKEY *t = template_of(curve);
    auto_pkey p = t ? EVP_PKEY_dup(t) : NULL;
    if (!p) { return crypto_fail(-ENOMEM); }
    if (EVP_PKEY_set1_encoded_public_key(p, point, len) != 1) { return crypto_fail(-EINVAL); }
    *out = steal_ptr(&p);
    return 0;
}

static int ec_pair(size_t curve, const uint8_t *point, size_t len, struct view d, EVP_PKEY **out)
{
    auto_bn bn = NULL;
    auto_bld bld = OSSL_PARAM_BLD_new();
    auto_pkey p = NULL;
    if (!bld) { return crypto_fail(-ENOMEM); }
    if (OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, curves[curve].group, 0) !=
            1 ||
        OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, len) != 1 ||
        !push_bn(bld, OSSL_PKEY_PARAM_PRIV_KEY, d, true, &bn)) {
        return crypto_fail(-EINVAL);
    }
    int r = build("EC", true, bld, &p); /* checks that the point is on the curve */
    if (r == 0) { r = check_pair(p); }
    if (r < 0) { return r; }
    *out = steal_ptr(&p);
    return 0;
}

static int ec_from_parts(size_t curve, const struct crypto_parts *parts, EVP_PKEY **out)
{
    size_t n = curves[curve].size, len = 1 + 2 * n;
    uint8_t point[CRYPTO_POINT_MAX] = {4};
    if (parts->x.len != n || parts->y.len != n || (parts->d.len != 0 && parts->d.len != n)) {
        return -EINVAL;
    }
    memcpy(point + 1, parts->x.p, n);
    memcpy(point + 1 + n, parts->y.p, n);
    return parts->d.len == 0 ? ec_public(curve, point, len, out)
                             : ec_pair(curve, point, len, parts->d, out);
}

static int rsa_from_parts(const struct crypto_parts *parts, EVP_PKEY **out)
{
    const struct {
        const char *name;
        struct view v;
        bool secret;
    } all[] = {
        {OSSL_PKEY_PARAM_RSA_N, parts->n, false},
        {OSSL_PKEY_PARAM_RSA_E, parts->e, false},
        {OSSL_PKEY_PARAM_RSA_D, parts->d, true},
        {OSSL_PKEY_PARAM_RSA_FACTOR1, parts->p, true},
        {OSSL_PKEY_PARAM_RSA_FACTOR2, parts->q, true},
        {OSSL_PKEY_PARAM_RSA_EXPONENT1, parts->dp, true},
        {OSSL_PKEY_PARAM_RSA_EXPONENT2, parts->dq, true},
        {OSSL_PKEY_PARAM_RSA_COEFFICIENT1, parts->qi, true},
    };
    bool is_private = parts->d.len != 0, crt = parts->p.len != 0;
    for (size_t i = 4; i < ARRAY_COUNT(all); i++) {
        if ((all[i].v.len != 0) != crt) { return -EINVAL; }
    }
    if (crt && !is_private) { return -EINVAL; }
    /* Public exponents are small; a huge one is a way to burn our time. */
    if (parts->e.len > 8) { return -EINVAL; }

    BIGNUM *bn[ARRAY_COUNT(all)] = {NULL};
    auto_bld bld = OSSL_PARAM_BLD_new();
    auto_pkey p = NULL;
    int r = bld ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < ARRAY_COUNT(all); i++) {
        if (i >= 2 && all[i].v.len == 0) { continue; }
        if (!push_bn(bld, all[i].name, all[i].v, all[i].secret, &bn[i])) { r = -EINVAL; }
    }
    if (r == 0) { r = build("RSA", is_private, bld, &p); }
    if (r == 0 && is_private) { r = check_pair(p); }
    for (size_t i = 0; i < ARRAY_COUNT(bn); i++) { BN_clear_free(bn[i]); }
    if (r < 0) { return crypto_fail(r); }
    *out = steal_ptr(&p);
    return 0;
}

static int ed25519_from_parts(const struct crypto_parts *parts, EVP_PKEY **out)
{
    if (parts->x.len != 32 || (parts->d.len != 0 && parts->d.len != 32)) { return -EINVAL; }
    if (parts->d.len == 0) {
        *out = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, parts->x.p, 32);
        return *out ? 0 : crypto_fail(-EINVAL);
    }
    uint8_t pub[32];
    size_t len = sizeof pub;
    auto_pkey p = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, parts->d.p, 32);
    if (!p || EVP_PKEY_get_raw_public_key(p, pub, &len) != 1 ||
        memcmp(pub, parts->x.p, sizeof pub) != 0) {
        return crypto_fail(-EINVAL);
    }
    *out = steal_ptr(&p);
    return 0;
}

int crypto_key_from_parts(enum crypto_key_type t, const struct crypto_parts *parts,
                          struct crypto_key **out)
{
    EVP_PKEY *p = NULL;
    int r = -EINVAL;
    if (t == CRYPTO_RSA) {
        r = rsa_from_parts(parts, &p);
    } else if (t == CRYPTO_ED25519) {
        r = ed25519_from_parts(parts, &p);
    } else if (curve_of(t) < ARRAY_COUNT(curves)) {
        r = ec_from_parts(curve_of(t), parts, &p);
    }
    return r < 0 ? r : crypto_key_adopt(p, out);
}

/* ---- taken apart */

static const char *part_name(enum crypto_key_type t, enum crypto_part part)
{
    if (t == CRYPTO_RSA) {
        switch (part) {
        case CRYPTO_PART_N: return OSSL_PKEY_PARAM_RSA_N;
        case CRYPTO_PART_E: return OSSL_PKEY_PARAM_RSA_E;
        case CRYPTO_PART_D: return OSSL_PKEY_PARAM_RSA_D;
        case CRYPTO_PART_P: return OSSL_PKEY_PARAM_RSA_FACTOR1;
        case CRYPTO_PART_Q: return OSSL_PKEY_PARAM_RSA_FACTOR2;
        case CRYPTO_PART_DP: return OSSL_PKEY_PARAM_RSA_EXPONENT1;
        case CRYPTO_PART_DQ: return OSSL_PKEY_PARAM_RSA_EXPONENT2;
        case CRYPTO_PART_QI: return OSSL_PKEY_PARAM_RSA_COEFFICIENT1;
        default: return NULL;
        }
    }
    return part == CRYPTO_PART_D ? OSSL_PKEY_PARAM_PRIV_KEY : NULL;
}

int crypto_key_part(const struct crypto_key *k, enum crypto_part part, uint8_t *out, size_t cap,
                    size_t *out_len)
{
    if (k->type == CRYPTO_ED25519) {
        size_t len = 32;
        int ok = 0;
        if (cap < len) { return -ENOSPC; }
        if (part == CRYPTO_PART_X) { ok = EVP_PKEY_get_raw_public_key(k->pkey, out, &len); }
        if (part == CRYPTO_PART_D && k->is_private) {
            ok = EVP_PKEY_get_raw_private_key(k->pkey, out, &len);
        }
        if (ok != 1) { return crypto_fail(-ENOENT); }
        *out_len = len;
        return 0;
    }

    if (k->type != CRYPTO_RSA && (part == CRYPTO_PART_X || part == CRYPTO_PART_Y)) {
        if (cap < k->size) { return -ENOSPC; }
        memcpy(out, k->point + 1 + (part == CRYPTO_PART_Y ? k->size : 0), k->size);
        *out_len = k->size;
        return 0;
    }

    const char *name = part_name(k->type, part);
    auto_bn bn = NULL;
    if (!name || EVP_PKEY_get_bn_param(k->pkey, name, &bn) != 1) { return crypto_fail(-ENOENT); }
    size_t len = k->type == CRYPTO_RSA ? (size_t)BN_num_bytes(bn) : k->size;
    if (len > cap) { return -ENOSPC; }
    if (BN_bn2binpad(bn, out, (int)len) != (int)len) { return crypto_fail(-EIO); }
    *out_len = len;
    return 0;
}
