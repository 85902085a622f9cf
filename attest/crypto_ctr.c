/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256 counter mode. With the processor's AES instructions eight blocks are in flight at once
 * (layers of an image are gigabytes); without them OpenSSL's portable block function does the work.
 * Both write the same round-key layout only to themselves: which one made the schedule is decided
 * once per process and never changes.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "attest/crypto.h"
#include "attest/crypto_aesni.h"

#include <openssl/aes.h>
#include <string.h>

#define ROUNDS AES256_ROUNDS
#define LANES  8

_Static_assert(sizeof(AES_KEY) <= sizeof(((struct crypto_ctr *)0)->schedule),
               "room for the portable schedule");
_Static_assert(16 * (ROUNDS + 1) <= sizeof(((struct crypto_ctr *)0)->schedule),
               "room for the round keys");

/* ---- with AES instructions */

static uint64_t load_be64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}

static void store_be64(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof v);
}

/* Whole groups of LANES blocks; returns the bytes done and leaves the counter behind them. */
AESNI static size_t aesni_xor(struct crypto_ctr *c, const uint8_t *in, uint8_t *out, size_t len)
{
    const __m128i *rk = (const __m128i *)(const void *)c->schedule;
    uint64_t hi = load_be64(c->counter), lo = load_be64(c->counter + 8);
    size_t done = 0;

    while (len - done >= LANES * CRYPTO_AES_BLOCK_SIZE) {
        __m128i b[LANES];
        for (int i = 0; i < LANES; i++) {
            b[i] =
                _mm_set_epi64x((long long)__builtin_bswap64(lo), (long long)__builtin_bswap64(hi));
            b[i] = _mm_xor_si128(b[i], rk[0]);
            lo++;
            if (lo == 0) { hi++; }
        }
        for (int r = 1; r < ROUNDS; r++) {
            for (int i = 0; i < LANES; i++) { b[i] = _mm_aesenc_si128(b[i], rk[r]); }
        }
        for (int i = 0; i < LANES; i++) {
            __m128i x =
                _mm_loadu_si128((const __m128i *)(const void *)(in + done + 16 * (size_t)i));
            x = _mm_xor_si128(x, _mm_aesenclast_si128(b[i], rk[ROUNDS]));
            _mm_storeu_si128((__m128i *)(void *)(out + done + 16 * (size_t)i), x);
        }
        done += LANES * CRYPTO_AES_BLOCK_SIZE;
    }
    store_be64(c->counter, hi);
    store_be64(c->counter + 8, lo);
    return done;
}

AESNI static void aesni_block(const struct crypto_ctr *c, uint8_t out[16])
{
    const __m128i *rk = (const __m128i *)(const void *)c->schedule;
    __m128i b = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(const void *)c->counter), rk[0]);
    for (int r = 1; r < ROUNDS; r++) { b = _mm_aesenc_si128(b, rk[r]); }
    _mm_storeu_si128((__m128i *)(void *)out, _mm_aesenclast_si128(b, rk[ROUNDS]));
}

/* ---- both */

void crypto_ctr_at(const uint8_t counter[CRYPTO_AES_BLOCK_SIZE], uint64_t blocks,
                   uint8_t out[CRYPTO_AES_BLOCK_SIZE])
{
    uint64_t hi = load_be64(counter), lo = load_be64(counter + 8);
    lo += blocks;
    if (lo < blocks) { hi++; }
    store_be64(out, hi);
    store_be64(out + 8, lo);
}

void crypto_ctr_init(struct crypto_ctr *c, const uint8_t key[CRYPTO_AES256_KEY_SIZE],
                     const uint8_t counter[CRYPTO_AES_BLOCK_SIZE])
{
    if (have_aesni()) {
        aesni_schedule256((__m128i *)(void *)c->schedule, key);
    } else {
        (void)AES_set_encrypt_key(key, 256, (AES_KEY *)(void *)c->schedule);
    }
    memcpy(c->counter, counter, sizeof c->counter);
    c->used = 0;
}

static void next_stream_block(struct crypto_ctr *c, bool aesni)
{
    if (aesni) {
        aesni_block(c, c->stream);
    } else {
        AES_encrypt(c->counter, c->stream, (const AES_KEY *)(const void *)c->schedule);
    }
    crypto_ctr_at(c->counter, 1, c->counter);
}

void crypto_ctr_xor(struct crypto_ctr *c, const void *in, void *out, size_t len)
{
    const uint8_t *src = in;
    uint8_t *dst = out;
    bool aesni = have_aesni();

    while (len > 0) {
        if (c->used == 0 && aesni && len >= LANES * CRYPTO_AES_BLOCK_SIZE) {
            size_t n = aesni_xor(c, src, dst, len);
            src += n;
            dst += n;
            len -= n;
            continue;
        }
        if (c->used == 0) { next_stream_block(c, aesni); }
        *dst++ = *src++ ^ c->stream[c->used];
        c->used = (c->used + 1) % CRYPTO_AES_BLOCK_SIZE;
        len--;
    }
}
