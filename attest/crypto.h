/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only door to OpenSSL's cryptography (TLS has its own, attest/agent/tls.h). Every function
 * returns 0 or a negative errno and nothing else: three-valued results stop here, and a signature
 * is good only when the library said exactly 1. Intermediate secrets are wiped before return; what
 * the caller receives is the caller's to wipe.
 *
 *   -EINVAL        an argument or a key that has the wrong kind, size or encoding
 *   -EBADMSG       ciphertext that does not authenticate
 *   -EKEYREJECTED  a signature or certificate chain that does not verify
 *   -ENOMEM, -EIO  the library failed
 *
 * Two parts, so that a small static program can take the first without the second (archives
 * crypto_small and crypto_full): part 1 uses no provider, no allocation and no global state; part 2
 * is EVP.
 */
#ifndef CASEMATE_ATTEST_CRYPTO_H
#define CASEMATE_ATTEST_CRYPTO_H

#include "guest/base/cc.h"
#include "guest/base/cur.h"

/* ---- part 1: hashes, HMAC, counter mode, randomness (crypto_small) --------------------------- */

enum crypto_hash {
    CRYPTO_SHA256 = 1,
    CRYPTO_SHA384,
    CRYPTO_SHA512,
    CRYPTO_SHA1, /* as an OAEP parameter only: crypto_sha_init() refuses it */
};

#define CRYPTO_SHA256_SIZE 32
#define CRYPTO_SHA384_SIZE 48
#define CRYPTO_SHA512_SIZE 64
#define CRYPTO_HASH_MAX    64

/* Bytes of a digest; 0 for a value that names no hash. */
size_t crypto_hash_size(enum crypto_hash h);

/* Caller-owned, may be copied (a copy continues from there) and dropped. */
struct crypto_sha {
    uint64_t opaque[28];
    enum crypto_hash hash;
};
MUST_CHECK int crypto_sha_init(struct crypto_sha *c, enum crypto_hash h);
void crypto_sha_update(struct crypto_sha *c, const void *p, size_t len);
/* Writes crypto_hash_size() bytes and wipes the context. */
void crypto_sha_final(struct crypto_sha *c, uint8_t *out);

void crypto_sha256(const void *p, size_t len, uint8_t out[CRYPTO_SHA256_SIZE]);
void crypto_sha384(const void *p, size_t len, uint8_t out[CRYPTO_SHA384_SIZE]);
/* Writes crypto_hash_size() bytes; -EINVAL when h names no hash. */
MUST_CHECK int crypto_digest(enum crypto_hash h, const void *p, size_t len, uint8_t *out);

/* HMAC-SHA-256 [RFC 2104]. Holds key material until final, which wipes it. */
struct crypto_hmac {
    struct crypto_sha inner, outer;
};
void crypto_hmac_init(struct crypto_hmac *c, const void *key, size_t key_len);
void crypto_hmac_update(struct crypto_hmac *c, const void *p, size_t len);
void crypto_hmac_final(struct crypto_hmac *c, uint8_t out[CRYPTO_SHA256_SIZE]);

/*
 * AES-256 in counter mode, 128-bit big-endian counter that wraps [SP 800-38A §6.5]. Encrypting and
 * decrypting are the same operation. To start at block n of a stream, add n to the counter
 * (crypto_ctr_at). wipe() the struct when done.
 */
#define CRYPTO_AES256_KEY_SIZE 32
#define CRYPTO_AES_BLOCK_SIZE  16
struct crypto_ctr {
    ALIGNED(16) uint8_t schedule[256];
    uint8_t counter[CRYPTO_AES_BLOCK_SIZE];
    uint8_t stream[CRYPTO_AES_BLOCK_SIZE];
    unsigned used; /* bytes of stream already spent, 0 = none left over */
};
void crypto_ctr_init(struct crypto_ctr *c, const uint8_t key[CRYPTO_AES256_KEY_SIZE],
                     const uint8_t counter[CRYPTO_AES_BLOCK_SIZE]);
/* in and out are the same buffer or do not overlap. */
void crypto_ctr_xor(struct crypto_ctr *c, const void *in, void *out, size_t len);
/* out = counter + blocks, mod 2^128. */
void crypto_ctr_at(const uint8_t counter[CRYPTO_AES_BLOCK_SIZE], uint64_t blocks,
                   uint8_t out[CRYPTO_AES_BLOCK_SIZE]);

/*
 * AES-256-GCM, opening only, no associated data; for wrapped keys of a few hundred bytes (part 2
 * has the whole of it).
 * -EBADMSG when the tag is wrong; nothing is written then. in and out may be the same buffer.
 */
#define CRYPTO_GCM_IV_SIZE  12
#define CRYPTO_GCM_TAG_SIZE 16
#define CRYPTO_GCM256_MAX   65536
MUST_CHECK int crypto_gcm256_open(const uint8_t key[CRYPTO_AES256_KEY_SIZE],
                                  const uint8_t iv[CRYPTO_GCM_IV_SIZE], const void *in, size_t len,
                                  const uint8_t tag[CRYPTO_GCM_TAG_SIZE], void *out);

/*
 * AES-256 in XTS mode [IEEE 1619], decrypting only: disk sectors of whole blocks. The tweak of a
 * sector is its number, little endian ("plain64"). It authenticates nothing. wipe() the struct when
 * done.
 */
#define CRYPTO_XTS_KEY_SIZE 64
struct crypto_xts {
    ALIGNED(16) uint8_t data[256], tweak[256]; /* key schedules */
};
void crypto_xts_init(struct crypto_xts *x, const uint8_t key[CRYPTO_XTS_KEY_SIZE]);
/* len is a multiple of 16. In place. */
void crypto_xts_decrypt(const struct crypto_xts *x, uint64_t sector, void *buf, size_t len);

/*
 * PBKDF2 with HMAC of SHA-256 or SHA-512 [RFC 8018 §5.2]; -EINVAL for another hash or no
 * iterations. Takes as long as it is told to: the ceiling is the caller's.
 */
MUST_CHECK int crypto_pbkdf2(enum crypto_hash h, const void *password, size_t password_len,
                             const void *salt, size_t salt_len, uint32_t iterations, uint8_t *out,
                             size_t out_len);

/* From the kernel's generator. Fails only where there is none. */
MUST_CHECK int crypto_random(void *out, size_t len);

/* ---- part 2: everything else (crypto_full) --------------------------------------------------- */

/*
 * AES-GCM with a 96-bit IV and a 128-bit tag. key_len 16, 24 or 32. in and out may be the same
 * buffer.
 */
MUST_CHECK int crypto_gcm_seal(const uint8_t *key, size_t key_len,
                               const uint8_t iv[CRYPTO_GCM_IV_SIZE], const void *aad,
                               size_t aad_len, const void *in, size_t len, void *out,
                               uint8_t out_tag[CRYPTO_GCM_TAG_SIZE]);
/* -EBADMSG when the tag is wrong; out is wiped then. */
MUST_CHECK int crypto_gcm_open(const uint8_t *key, size_t key_len,
                               const uint8_t iv[CRYPTO_GCM_IV_SIZE], const void *aad,
                               size_t aad_len, const void *in, size_t len,
                               const uint8_t tag[CRYPTO_GCM_TAG_SIZE], void *out);

/*
 * AES key wrap, default IV [RFC 3394]. len is a multiple of 8, 16..512; out has len + 8 bytes
 * (wrap) or len - 8.
 */
MUST_CHECK int crypto_kw_wrap(const uint8_t *kek, size_t kek_len, const uint8_t *in, size_t len,
                              uint8_t *out);
MUST_CHECK int crypto_kw_unwrap(const uint8_t *kek, size_t kek_len, const uint8_t *in, size_t len,
                                uint8_t *out);

/*
 * The one-step KDF of JOSE [RFC 7518 §4.6.2]: SHA-256, empty party information, out_len <= 32
 * bytes.
 * alg  the text that names the algorithm the key is for
 */
MUST_CHECK int crypto_concat_kdf(const uint8_t *z, size_t z_len, const char *alg, uint8_t *out,
                                 size_t out_len);

/* ---- keys */

enum crypto_key_type {
    CRYPTO_RSA = 1, /* 2048..8192 bits, odd exponent above 1; others are refused at every door */
    CRYPTO_P256,
    CRYPTO_P384,
    CRYPTO_P521,
    CRYPTO_ED25519,
};
#define CRYPTO_COORD_MAX 66   /* bytes of a P-521 coordinate */
#define CRYPTO_RSA_MAX   1024 /* bytes of the largest modulus */

struct crypto_key;                          /* public, or private with its public half */
void crypto_key_free(struct crypto_key *k); /* NULL is fine */
static inline void crypto_key_cleanup(struct crypto_key **k) { crypto_key_free(*k); }
#define auto_key __attribute__((cleanup(crypto_key_cleanup))) struct crypto_key *

/* rsa_bits is used for CRYPTO_RSA alone. */
MUST_CHECK int crypto_key_generate(enum crypto_key_type t, unsigned rsa_bits,
                                   struct crypto_key **out);

/*
 * One key from text or bytes: PKCS#8, PKCS#1, SEC1 (private), SubjectPublicKeyInfo, PKCS#1
 * (public), or the key of an X.509 certificate. Encrypted keys are refused and nobody is asked for
 * a password.
 */
MUST_CHECK int crypto_key_from_pem(const void *pem, size_t len, struct crypto_key **out);
MUST_CHECK int crypto_key_from_der(const void *der, size_t len, struct crypto_key **out);

/*
 * Heap text, freed by the caller with free() after wiping if it is private. PKCS#8 or
 * SubjectPublicKeyInfo.
 */
MUST_CHECK int crypto_key_to_pem(const struct crypto_key *k, bool with_private, char **out,
                                 size_t *out_len);
/* SubjectPublicKeyInfo, DER; EC points uncompressed, however the key was read. */
MUST_CHECK int crypto_key_to_spki(const struct crypto_key *k, uint8_t **out, size_t *out_len);

enum crypto_key_type crypto_key_type(const struct crypto_key *k);
bool crypto_key_is_private(const struct crypto_key *k);
/* Bytes of the modulus, or of one coordinate (32, 48, 66; 32 for Ed25519). */
size_t crypto_key_size(const struct crypto_key *k);
/* Do both have the same public half? */
bool crypto_key_same_public(const struct crypto_key *a, const struct crypto_key *b);

/*
 * A key taken apart and put together: big-endian numbers, empty view = absent.
 * EC       x, y (exactly crypto_key_size bytes each), d for a private key, checked against x and y
 * Ed25519  x = public, d = private seed, 32 bytes each
 * RSA      n, e; d for a private key; p, q, dp, dq, qi all or none
 */
struct crypto_parts {
    struct view x, y, d;
    struct view n, e, p, q, dp, dq, qi;
};
MUST_CHECK int crypto_key_from_parts(enum crypto_key_type t, const struct crypto_parts *parts,
                                     struct crypto_key **out);

enum crypto_part {
    CRYPTO_PART_X = 1,
    CRYPTO_PART_Y,
    CRYPTO_PART_D,
    CRYPTO_PART_N,
    CRYPTO_PART_E,
    CRYPTO_PART_P,
    CRYPTO_PART_Q,
    CRYPTO_PART_DP,
    CRYPTO_PART_DQ,
    CRYPTO_PART_QI,
};
/*
 * -ENOENT when this key has no such part, -ENOSPC when it does not fit in cap bytes. EC parts are
 * padded to the width.
 */
MUST_CHECK int crypto_key_part(const struct crypto_key *k, enum crypto_part part, uint8_t *out,
                               size_t cap, size_t *out_len);

/* ---- what keys do */

/*
 * RSA-OAEP, empty label, h for both digest and MGF1 (CRYPTO_SHA1 or CRYPTO_SHA256). *out_len: in
 * capacity, out bytes.
 */
MUST_CHECK int crypto_oaep_encrypt(const struct crypto_key *k, enum crypto_hash h, const void *in,
                                   size_t len, uint8_t *out, size_t *out_len);
MUST_CHECK int crypto_oaep_decrypt(const struct crypto_key *k, enum crypto_hash h, const void *in,
                                   size_t len, uint8_t *out, size_t *out_len);

/*
 * The shared x coordinate, crypto_key_size() bytes with leading zeros kept. Both keys on one curve.
 */
MUST_CHECK int crypto_ecdh(const struct crypto_key *mine, const struct crypto_key *peer,
                           uint8_t out_z[CRYPTO_COORD_MAX], size_t *out_z_len);

/* ECDSA over a digest. Raw form: r || s, each crypto_key_size() bytes, big endian. */
MUST_CHECK int crypto_ecdsa_sign(const struct crypto_key *k, const uint8_t *digest,
                                 size_t digest_len, uint8_t out_sig[2 * CRYPTO_COORD_MAX],
                                 size_t *out_sig_len);
MUST_CHECK int crypto_ecdsa_verify(const struct crypto_key *k, const uint8_t *digest,
                                   size_t digest_len, const uint8_t *sig, size_t sig_len);

#define CRYPTO_ED25519_SIG_SIZE 64
MUST_CHECK int crypto_ed25519_sign(const struct crypto_key *k, const void *msg, size_t len,
                                   uint8_t out_sig[CRYPTO_ED25519_SIG_SIZE]);
MUST_CHECK int crypto_ed25519_verify(const struct crypto_key *k, const void *msg, size_t len,
                                     const uint8_t *sig, size_t sig_len);

enum crypto_rsa_padding {
    CRYPTO_RSA_PKCS1 = 1,
    CRYPTO_RSA_PSS, /* MGF1 with the same hash, salt as long as the digest */
};
MUST_CHECK int crypto_rsa_verify(const struct crypto_key *k, enum crypto_rsa_padding padding,
                                 enum crypto_hash h, const uint8_t *digest, const uint8_t *sig,
                                 size_t sig_len);

/* ---- certificates */

struct crypto_cert;
void crypto_cert_free(struct crypto_cert *c); /* NULL is fine */
static inline void crypto_cert_cleanup(struct crypto_cert **c) { crypto_cert_free(*c); }
#define auto_cert __attribute__((cleanup(crypto_cert_cleanup))) struct crypto_cert *

MUST_CHECK int crypto_cert_from_der(const void *der, size_t len, struct crypto_cert **out);
/* The certificates of a PEM text in order, at most cap. Text without one is -EINVAL. */
MUST_CHECK int crypto_certs_from_pem(const void *pem, size_t len, struct crypto_cert **out,
                                     size_t cap, size_t *out_count);
/* Heap bytes, freed by the caller. */
MUST_CHECK int crypto_cert_to_der(const struct crypto_cert *c, uint8_t **out, size_t *out_len);
MUST_CHECK int crypto_cert_key(const struct crypto_cert *c, struct crypto_key **out);

/*
 * What a certificate says about itself. Nothing of it is believed before somebody has checked the
 * signature; for verifiers that follow a chain step by step because each step refuses by a code of
 * its own.
 */
enum crypto_cert_alg {
    CRYPTO_CERT_OTHER = 0,    /* anything else, and one that the two places disagree about */
    CRYPTO_CERT_PSS_SHA384,   /* RSASSA-PSS, SHA-384 in both places, salt 48 [RFC 4055]: AMD's */
    CRYPTO_CERT_ECDSA_SHA256, /* [RFC 5758]: Intel's */
};
#define CRYPTO_SERIAL_MAX 20 /* [RFC 5280 §4.1.2.2] */
struct crypto_cert_facts {
    unsigned version; /* as people count: 3 */
    enum crypto_cert_alg alg;
    int64_t not_before, not_after; /* seconds since 1970, both inclusive */
    bool is_ca;
    int path_len;                       /* of a CA; -1 = no limit */
    bool may_sign_certs, may_sign_crls; /* key usage says so; without key usage both are false */
    bool unknown_critical;             /* a critical extension beside basic constraints and usage */
    uint8_t serial[CRYPTO_SERIAL_MAX]; /* big endian, no leading zeros; number 0 has no bytes */
    size_t serial_len;
};
/* -EINVAL when one of them is written in a way nobody should write it. */
MUST_CHECK int crypto_cert_facts(const struct crypto_cert *c, struct crypto_cert_facts *out);

/*
 * A name as "OU=Engineering, C=US, CN=ARK-Milan", in the order of the certificate. -EINVAL for a
 * name this text could not tell from another one (signs beside letters, digits, space and -._:()/@,
 * two values in one place), -ENOSPC when it does not fit.
 */
#define CRYPTO_NAME_MAX 256
MUST_CHECK int crypto_cert_subject(const struct crypto_cert *c, char out[CRYPTO_NAME_MAX]);
MUST_CHECK int crypto_cert_issuer(const struct crypto_cert *c, char out[CRYPTO_NAME_MAX]);

/*
 * The value of an extension: what is inside its OCTET STRING, unparsed; der.h reads it. A view into
 * the certificate. -ENOENT when there is none, -EEXIST when it is there twice.
 * oid  in numbers: "1.3.6.1.4.1.3704.1.4"
 */
MUST_CHECK int crypto_cert_ext(const struct crypto_cert *c, const char *oid, struct view *out);

/*
 * Did this key sign the certificate, by this algorithm? -EINVAL when the certificate names another
 * algorithm or the key is of another kind, -EKEYREJECTED when the signature is wrong. Names,
 * validity, CA flags: the caller's.
 */
MUST_CHECK int crypto_cert_signed_by(const struct crypto_cert *c, const struct crypto_key *issuer,
                                     enum crypto_cert_alg alg);

/* SHA-256 of the SubjectPublicKeyInfo as the certificate has it: what roots are pinned by. */
MUST_CHECK int crypto_cert_key_sha256(const struct crypto_cert *c, uint8_t out[CRYPTO_SHA256_SIZE]);

/* ---- revocation lists */

struct crypto_crl;
void crypto_crl_free(struct crypto_crl *c); /* NULL is fine */
static inline void crypto_crl_cleanup(struct crypto_crl **c) { crypto_crl_free(*c); }
#define auto_crl __attribute__((cleanup(crypto_crl_cleanup))) struct crypto_crl *

/*
 * -EINVAL also for a list that does not speak for all certificates of its issuer: one with a
 * critical extension (delta, scope, certificates of others).
 */
MUST_CHECK int crypto_crl_from_der(const void *der, size_t len, struct crypto_crl **out);

struct crypto_crl_facts {
    enum crypto_cert_alg alg;
    int64_t this_update, next_update; /* seconds since 1970; a list without the second is refused */
    size_t count;                     /* certificates listed */
};
MUST_CHECK int crypto_crl_facts(const struct crypto_crl *c, struct crypto_crl_facts *out);
MUST_CHECK int crypto_crl_issuer(const struct crypto_crl *c, char out[CRYPTO_NAME_MAX]);
MUST_CHECK int crypto_crl_signed_by(const struct crypto_crl *c, const struct crypto_key *issuer,
                                    enum crypto_cert_alg alg);
/*
 * Is this serial number listed, for whatever reason? Who issued the certificate is not looked at. A
 * certificate whose number cannot be read counts as listed.
 * serial  as in crypto_cert_facts
 */
bool crypto_crl_lists_serial(const struct crypto_crl *c, const uint8_t *serial, size_t len);
bool crypto_crl_lists(const struct crypto_crl *c, const struct crypto_cert *cert);

/* ---- chains as TLS has them */

/*
 * Does leaf chain to one of the roots at the given time? Roots are trusted as they are, self-signed
 * or not.
 * now  seconds since 1970; the clock is the caller's
 */
MUST_CHECK int crypto_cert_verify(const struct crypto_cert *leaf, struct crypto_cert *const *inter,
                                  size_t inter_count, struct crypto_cert *const *roots,
                                  size_t root_count, int64_t now);

#endif
