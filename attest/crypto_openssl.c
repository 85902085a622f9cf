/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What keys do: authenticated encryption, key wrap, RSA-OAEP, ECDH and its KDF, signatures. By EVP.
 * See crypto.h, part 2. Each OpenSSL result is compared with exactly 1.
 */
#include "attest/crypto_internal.h"

#include "guest/base/ct.h"

#include <errno.h>
#include <limits.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <string.h>

/* ---- AES-GCM */

static const EVP_CIPHER *gcm_cipher(size_t key_len)
{
    switch (key_len) {
    case 16: return EVP_aes_128_gcm();
    case 24: return EVP_aes_192_gcm();
    case 32: return EVP_aes_256_gcm();
    default: return NULL;
    }
}

int crypto_gcm_seal(const uint8_t *key, size_t key_len, const uint8_t iv[CRYPTO_GCM_IV_SIZE],
                    const void *aad, size_t aad_len, const void *in, size_t len, void *out,
                    uint8_t out_tag[CRYPTO_GCM_TAG_SIZE])
{
    const EVP_CIPHER *cipher = gcm_cipher(key_len);
    if (!cipher || aad_len > INT_MAX || len > INT_MAX) { return -EINVAL; }
    auto_cipher_ctx c = EVP_CIPHER_CTX_new();
    if (!c) { return crypto_fail(-ENOMEM); }
    int n = 0;
    uint8_t none[CRYPTO_AES_BLOCK_SIZE];
    if (EVP_EncryptInit_ex2(c, cipher, key, iv, NULL) != 1 ||
        (aad_len > 0 && EVP_EncryptUpdate(c, NULL, &n, aad, (int)aad_len) != 1) ||
        (len > 0 && EVP_EncryptUpdate(c, out, &n, in, (int)len) != 1) ||
        EVP_EncryptFinal_ex(c, none, &n) != 1 ||
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, CRYPTO_GCM_TAG_SIZE, out_tag) != 1) {
        return crypto_fail(-EIO);
    }
    return 0;
}

int crypto_gcm_open(const uint8_t *key, size_t key_len, const uint8_t iv[CRYPTO_GCM_IV_SIZE],
                    const void *aad, size_t aad_len, const void *in, size_t len,
                    const uint8_t tag[CRYPTO_GCM_TAG_SIZE], void *out)
{
    const EVP_CIPHER *cipher = gcm_cipher(key_len);
    if (!cipher || aad_len > INT_MAX || len > INT_MAX) { return -EINVAL; }
    auto_cipher_ctx c = EVP_CIPHER_CTX_new();
    if (!c) { return crypto_fail(-ENOMEM); }
    int n = 0;
    uint8_t want[CRYPTO_GCM_TAG_SIZE], none[CRYPTO_AES_BLOCK_SIZE];
    memcpy(want, tag, sizeof want);
    if (EVP_DecryptInit_ex2(c, cipher, key, iv, NULL) != 1 ||
        (aad_len > 0 && EVP_DecryptUpdate(c, NULL, &n, aad, (int)aad_len) != 1) ||
        (len > 0 && EVP_DecryptUpdate(c, out, &n, in, (int)len) != 1) ||
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, CRYPTO_GCM_TAG_SIZE, want) != 1) {
        return crypto_fail(-EIO);
    }
    if (EVP_DecryptFinal_ex(c, none, &n) != 1) {
        wipe(out, len);
        return crypto_fail(-EBADMSG);
    }
    return 0;
}

/* ---- AES key wrap */

#define KW_MAX 512

static const EVP_CIPHER *kw_cipher(size_t kek_len)
{
    switch (kek_len) {
    case 16: return EVP_aes_128_wrap();
    case 24: return EVP_aes_192_wrap();
    case 32: return EVP_aes_256_wrap();
    default: return NULL;
    }
}

static int kw(const uint8_t *kek, size_t kek_len, const uint8_t *in, size_t len, uint8_t *out,
              int encrypt)
{
    const EVP_CIPHER *cipher = kw_cipher(kek_len);
    auto_cipher_ctx c = EVP_CIPHER_CTX_new();
    if (!cipher) { return -EINVAL; }
    if (!c) { return crypto_fail(-ENOMEM); }
    EVP_CIPHER_CTX_set_flags(c, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    int n = 0;
    size_t want = encrypt ? len + 8 : len - 8;
    if (EVP_CipherInit_ex2(c, cipher, kek, NULL, encrypt, NULL) != 1) { return crypto_fail(-EIO); }
    if (EVP_CipherUpdate(c, out, &n, in, (int)len) != 1 || n < 0 || (size_t)n != want) {
        wipe(out, want);
        return crypto_fail(encrypt ? -EIO : -EBADMSG);
    }
    return 0;
}

int crypto_kw_wrap(const uint8_t *kek, size_t kek_len, const uint8_t *in, size_t len, uint8_t *out)
{
    if (len < 16 || len > KW_MAX || len % 8 != 0) { return -EINVAL; }
    return kw(kek, kek_len, in, len, out, 1);
}

int crypto_kw_unwrap(const uint8_t *kek, size_t kek_len, const uint8_t *in, size_t len,
                     uint8_t *out)
{
    if (len < 24 || len > KW_MAX + 8 || len % 8 != 0) { return -EINVAL; }
    return kw(kek, kek_len, in, len, out, 0);
}

/* ---- RSA-OAEP */

static int oaep(const struct crypto_key *k, enum crypto_hash h, bool encrypt, const void *in,
                size_t len, uint8_t *out, size_t *out_len)
{
    if (k->type != CRYPTO_RSA || (h != CRYPTO_SHA1 && h != CRYPTO_SHA256) ||
        (!encrypt && !k->is_private)) {
        return -EINVAL;
    }
    auto_pkey_ctx c = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey, NULL);
    if (!c) { return crypto_fail(-ENOMEM); }
    if ((encrypt ? EVP_PKEY_encrypt_init(c) : EVP_PKEY_decrypt_init(c)) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_OAEP_PADDING) != 1 ||
        EVP_PKEY_CTX_set_rsa_oaep_md(c, crypto_md(h)) != 1 ||
        EVP_PKEY_CTX_set_rsa_mgf1_md(c, crypto_md(h)) != 1) {
        return crypto_fail(-EIO);
    }
    /* The library may use the whole modulus as scratch space, whatever the message is. */
    uint8_t scratch[CRYPTO_RSA_MAX];
    size_t n = sizeof scratch;
    int ok = encrypt ? EVP_PKEY_encrypt(c, scratch, &n, in, len)
                     : EVP_PKEY_decrypt(c, scratch, &n, in, len);
    int r = 0;
    if (ok != 1) {
        r = encrypt ? -EINVAL : -EBADMSG;
    } else if (n > *out_len) {
        r = -ENOSPC;
    } else {
        memcpy(out, scratch, n);
        *out_len = n;
    }
    wipe(scratch, sizeof scratch);
    return r < 0 ? crypto_fail(r) : 0;
}

int crypto_oaep_encrypt(const struct crypto_key *k, enum crypto_hash h, const void *in, size_t len,
                        uint8_t *out, size_t *out_len)
{
    return oaep(k, h, true, in, len, out, out_len);
}

int crypto_oaep_decrypt(const struct crypto_key *k, enum crypto_hash h, const void *in, size_t len,
                        uint8_t *out, size_t *out_len)
{
    return oaep(k, h, false, in, len, out, out_len);
}

/* ---- ECDH and its KDF */

static bool is_ec(const struct crypto_key *k)
{
    return k->type == CRYPTO_P256 || k->type == CRYPTO_P384 || k->type == CRYPTO_P521;
}

int crypto_ecdh(const struct crypto_key *mine, const struct crypto_key *peer,
                uint8_t out_z[CRYPTO_COORD_MAX], size_t *out_z_len)
{
    if (!is_ec(mine) || mine->type != peer->type || !mine->is_private) { return -EINVAL; }
    auto_pkey_ctx c = EVP_PKEY_CTX_new_from_pkey(NULL, mine->pkey, NULL);
    if (!c) { return crypto_fail(-ENOMEM); }
    size_t n = CRYPTO_COORD_MAX;
    /*
     * No validation beside the one every key went through: its point is on the curve. The curves of
     * crypto.h have cofactor 1, so that is membership in the group [SP 800-56A §5.6.2.3.4]; the
     * library's own check multiplies by the order once more, which costs as much as the agreement.
     */
    if (EVP_PKEY_derive_init(c) != 1 || EVP_PKEY_derive_set_peer_ex(c, peer->pkey, 0) != 1 ||
        EVP_PKEY_derive(c, out_z, &n) != 1) {
        return crypto_fail(-EINVAL);
    }
    if (n != mine->size) {
        wipe(out_z, CRYPTO_COORD_MAX);
        return -EIO;
    }
    *out_z_len = n;
    return 0;
}

static void sha_be32(struct crypto_sha *c, uint32_t v)
{
    uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    crypto_sha_update(c, b, sizeof b);
}

int crypto_concat_kdf(const uint8_t *z, size_t z_len, const char *alg, uint8_t *out, size_t out_len)
{
    struct crypto_sha c;
    uint8_t round[CRYPTO_SHA256_SIZE];
    size_t alg_len = strlen(alg);
    if (out_len == 0 || out_len > sizeof round || alg_len > 64) { return -EINVAL; }
    int r = crypto_sha_init(&c, CRYPTO_SHA256);
    if (r < 0) { return r; }
    sha_be32(&c, 1); /* the only round */
    crypto_sha_update(&c, z, z_len);
    sha_be32(&c, (uint32_t)alg_len);
    crypto_sha_update(&c, alg, alg_len);
    sha_be32(&c, 0); /* PartyUInfo */
    sha_be32(&c, 0); /* PartyVInfo */
    sha_be32(&c, (uint32_t)(8 * out_len));
    crypto_sha_final(&c, round);
    memcpy(out, round, out_len);
    wipe(round, sizeof round);
    return 0;
}

/* ---- ECDSA: OpenSSL speaks DER, everybody else raw */

#define ECDSA_DER_MAX 144 /* SEQUENCE of two INTEGERs of up to 67 bytes */

int crypto_ecdsa_sign(const struct crypto_key *k, const uint8_t *digest, size_t digest_len,
                      uint8_t out_sig[2 * CRYPTO_COORD_MAX], size_t *out_sig_len)
{
    if (!is_ec(k) || !k->is_private || digest_len > CRYPTO_HASH_MAX) { return -EINVAL; }
    auto_pkey_ctx c = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey, NULL);
    if (!c) { return crypto_fail(-ENOMEM); }
    uint8_t der[ECDSA_DER_MAX];
    size_t n = sizeof der;
    if (EVP_PKEY_sign_init(c) != 1 || EVP_PKEY_sign(c, der, &n, digest, digest_len) != 1) {
        return crypto_fail(-EIO);
    }
    const unsigned char *at = der;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)n);
    if (!sig) { return crypto_fail(-EIO); }
    int w = (int)k->size;
    bool ok = BN_bn2binpad(ECDSA_SIG_get0_r(sig), out_sig, w) == w &&
              BN_bn2binpad(ECDSA_SIG_get0_s(sig), out_sig + w, w) == w;
    ECDSA_SIG_free(sig);
    if (!ok) { return crypto_fail(-EIO); }
    *out_sig_len = 2 * k->size;
    return 0;
}

int crypto_ecdsa_verify(const struct crypto_key *k, const uint8_t *digest, size_t digest_len,
                        const uint8_t *sig, size_t sig_len)
{
    if (!is_ec(k) || digest_len > CRYPTO_HASH_MAX) { return -EINVAL; }
    if (sig_len != 2 * k->size) { return -EKEYREJECTED; }
    BIGNUM *r = BN_bin2bn(sig, (int)k->size, NULL);
    BIGNUM *s = BN_bin2bn(sig + k->size, (int)k->size, NULL);
    ECDSA_SIG *e = ECDSA_SIG_new();
    if (!r || !s || !e || ECDSA_SIG_set0(e, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(e);
        return crypto_fail(-ENOMEM);
    }
    uint8_t der[ECDSA_DER_MAX], *at = der; /* cannot overflow: both numbers fit in 66 bytes */
    int n = i2d_ECDSA_SIG(e, &at);
    ECDSA_SIG_free(e);
    if (n <= 0) { return crypto_fail(-EIO); }
    auto_pkey_ctx c = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey, NULL);
    if (!c || EVP_PKEY_verify_init(c) != 1) { return crypto_fail(-ENOMEM); }
    return EVP_PKEY_verify(c, der, (size_t)n, digest, digest_len) == 1 ? 0
                                                                       : crypto_fail(-EKEYREJECTED);
}

/* ---- Ed25519 */

int crypto_ed25519_sign(const struct crypto_key *k, const void *msg, size_t len,
                        uint8_t out_sig[CRYPTO_ED25519_SIG_SIZE])
{
    if (k->type != CRYPTO_ED25519 || !k->is_private) { return -EINVAL; }
    auto_md_ctx c = EVP_MD_CTX_new();
    size_t n = CRYPTO_ED25519_SIG_SIZE;
    if (!c) { return crypto_fail(-ENOMEM); }
    if (EVP_DigestSignInit(c, NULL, NULL, NULL, k->pkey) != 1 ||
        EVP_DigestSign(c, out_sig, &n, msg, len) != 1 || n != CRYPTO_ED25519_SIG_SIZE) {
        return crypto_fail(-EIO);
    }
    return 0;
}

int crypto_ed25519_verify(const struct crypto_key *k, const void *msg, size_t len,
                          const uint8_t *sig, size_t sig_len)
{
    if (k->type != CRYPTO_ED25519) { return -EINVAL; }
    if (sig_len != CRYPTO_ED25519_SIG_SIZE) { return -EKEYREJECTED; }
    auto_md_ctx c = EVP_MD_CTX_new();
    if (!c || EVP_DigestVerifyInit(c, NULL, NULL, NULL, k->pkey) != 1) {
        return crypto_fail(-ENOMEM);
    }
    return EVP_DigestVerify(c, sig, sig_len, msg, len) == 1 ? 0 : crypto_fail(-EKEYREJECTED);
}

/* ---- RSA signatures */

int crypto_rsa_verify(const struct crypto_key *k, enum crypto_rsa_padding padding,
                      enum crypto_hash h, const uint8_t *digest, const uint8_t *sig, size_t sig_len)
{
    size_t digest_len = crypto_hash_size(h);
    if (k->type != CRYPTO_RSA || digest_len == 0 || h == CRYPTO_SHA1) { return -EINVAL; }
    if (sig_len != k->size) { return -EKEYREJECTED; }
    auto_pkey_ctx c = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey, NULL);
    if (!c || EVP_PKEY_verify_init(c) != 1) { return crypto_fail(-ENOMEM); }
    int pad = padding == CRYPTO_RSA_PSS ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING;
    if (EVP_PKEY_CTX_set_rsa_padding(c, pad) != 1 ||
        EVP_PKEY_CTX_set_signature_md(c, crypto_md(h)) != 1) {
        return crypto_fail(-EIO);
    }
    if (padding == CRYPTO_RSA_PSS &&
        (EVP_PKEY_CTX_set_rsa_mgf1_md(c, crypto_md(h)) != 1 ||
         EVP_PKEY_CTX_set_rsa_pss_saltlen(c, RSA_PSS_SALTLEN_DIGEST) != 1)) {
        return crypto_fail(-EIO);
    }
    return EVP_PKEY_verify(c, sig, sig_len, digest, digest_len) == 1 ? 0
                                                                     : crypto_fail(-EKEYREJECTED);
}
