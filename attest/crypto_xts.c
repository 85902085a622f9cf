/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-XTS, decrypting. As in crypto_ctr.c: eight blocks in flight with the processor's AES
 * instructions, OpenSSL's portable block function without them.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "attest/crypto.h"
#include "attest/crypto_aesni.h"
#include "guest/base/ct.h"

#include <openssl/aes.h>
#include <string.h>

#define LANES 8
#define BLOCK CRYPTO_AES_BLOCK_SIZE

_Static_assert(sizeof(AES_KEY) <= sizeof(((struct crypto_xts *)0)->data), "room for a schedule");

/* The next tweak: times x in GF(2^128), little endian [IEEE 1619 §5.2]. */
static void next_tweak(uint64_t t[2])
{
    uint64_t carry = t[1] >> 63;
    t[1] = t[1] << 1 | t[0] >> 63;
    t[0] = t[0] << 1 ^ (carry * 0x87);
}

/* ---- with AES instructions */

AESNI static void aesni_init(struct crypto_xts *x, const uint8_t *key)
{
    __m128i rk[AES256_ROUNDS + 1], *dk = (__m128i *)(void *)x->data;
    aesni_schedule256(rk, key);
    dk[0] = rk[AES256_ROUNDS];
    for (int i = 1; i < AES256_ROUNDS; i++) { dk[i] = _mm_aesimc_si128(rk[AES256_ROUNDS - i]); }
    dk[AES256_ROUNDS] = rk[0];
    wipe(rk, sizeof rk);
    aesni_schedule256((__m128i *)(void *)x->tweak, key + 32);
}

AESNI static void aesni_first(const struct crypto_xts *x, uint64_t t[2])
{
    const __m128i *rk = (const __m128i *)(const void *)x->tweak;
    __m128i b = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(const void *)t), rk[0]);
    for (int r = 1; r < AES256_ROUNDS; r++) { b = _mm_aesenc_si128(b, rk[r]); }
    _mm_storeu_si128((__m128i *)(void *)t, _mm_aesenclast_si128(b, rk[AES256_ROUNDS]));
}

/* n <= LANES blocks. */
AESNI static void aesni_blocks(const struct crypto_xts *x, uint64_t t[2], uint8_t *p, int n)
{
    const __m128i *dk = (const __m128i *)(const void *)x->data;
    __m128i b[LANES], tweak[LANES];
    for (int i = 0; i < n; i++) {
        tweak[i] = _mm_loadu_si128((const __m128i *)(const void *)t);
        next_tweak(t);
        b[i] = _mm_loadu_si128((const __m128i *)(const void *)(p + BLOCK * i));
        b[i] = _mm_xor_si128(_mm_xor_si128(b[i], tweak[i]), dk[0]);
    }
    for (int r = 1; r < AES256_ROUNDS; r++) {
        for (int i = 0; i < n; i++) { b[i] = _mm_aesdec_si128(b[i], dk[r]); }
    }
    for (int i = 0; i < n; i++) {
        b[i] = _mm_xor_si128(_mm_aesdeclast_si128(b[i], dk[AES256_ROUNDS]), tweak[i]);
        _mm_storeu_si128((__m128i *)(void *)(p + BLOCK * i), b[i]);
    }
}

/* ---- without */

static void portable_block(const struct crypto_xts *x, uint64_t t[2], uint8_t *p)
{
    uint8_t tweak[BLOCK];
    memcpy(tweak, t, BLOCK);
    next_tweak(t);
    for (int i = 0; i < BLOCK; i++) { p[i] ^= tweak[i]; }
    AES_decrypt(p, p, (const AES_KEY *)(const void *)x->data);
    for (int i = 0; i < BLOCK; i++) { p[i] ^= tweak[i]; }
}

/* ---- both */

void crypto_xts_init(struct crypto_xts *x, const uint8_t key[CRYPTO_XTS_KEY_SIZE])
{
    if (have_aesni()) {
        aesni_init(x, key);
    } else {
        (void)AES_set_decrypt_key(key, 256, (AES_KEY *)(void *)x->data);
        (void)AES_set_encrypt_key(key + 32, 256, (AES_KEY *)(void *)x->tweak);
    }
}

void crypto_xts_decrypt(const struct crypto_xts *x, uint64_t sector, void *buf, size_t len)
{
    bool aesni = have_aesni();
    uint64_t t[2] = {sector, 0};
    uint8_t *p = buf;

    if (aesni) {
        aesni_first(x, t);
    } else {
        AES_encrypt((const uint8_t *)t, (uint8_t *)t, (const AES_KEY *)(const void *)x->tweak);
    }
    for (size_t left = len / BLOCK; left > 0;) {
        size_t n = aesni && left >= LANES ? LANES : 1;
        if (aesni) {
            aesni_blocks(x, t, p, (int)n);
        } else {
            portable_block(x, t, p);
        }
        p += n * BLOCK;
        left -= n;
    }
}
