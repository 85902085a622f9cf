/* SPDX-License-Identifier: Apache-2.0 */
/* AES-256 by the processor's instructions: what crypto_ctr.c and crypto_xts.c share. */
#ifndef CASEMATE_ATTEST_CRYPTO_AESNI_H
#define CASEMATE_ATTEST_CRYPTO_AESNI_H

#include "guest/base/cc.h"

#include <immintrin.h>

#define AES256_ROUNDS 14
#define AESNI         __attribute__((target("aes,ssse3,sse4.1")))

static inline bool have_aesni(void)
{
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("sse4.1");
}

/* k: the round key 32 bytes back; g: its assist word already broadcast. [FIPS 197 §5.2, Nk = 8] */
AESNI static inline __m128i aesni_expand(__m128i k, __m128i g)
{
    k = _mm_xor_si128(k, _mm_slli_si128(k, 4));
    k = _mm_xor_si128(k, _mm_slli_si128(k, 8));
    return _mm_xor_si128(k, g);
}

#define AESNI_EVEN(rk, i, rcon)                                                                    \
    (rk)[i] = aesni_expand((rk)[(i)-2],                                                            \
                           _mm_shuffle_epi32(_mm_aeskeygenassist_si128((rk)[(i)-1], rcon), 0xff))
#define AESNI_ODD(rk, i)                                                                           \
    (rk)[i] = aesni_expand((rk)[(i)-2],                                                            \
                           _mm_shuffle_epi32(_mm_aeskeygenassist_si128((rk)[(i)-1], 0), 0xaa))

/* rk: AES256_ROUNDS + 1 round keys for encrypting. */
AESNI static inline void aesni_schedule256(__m128i *rk, const uint8_t key[32])
{
    rk[0] = _mm_loadu_si128((const __m128i *)(const void *)key);
    rk[1] = _mm_loadu_si128((const __m128i *)(const void *)(key + 16));
    AESNI_EVEN(rk, 2, 0x01);
    AESNI_ODD(rk, 3);
    AESNI_EVEN(rk, 4, 0x02);
    AESNI_ODD(rk, 5);
    AESNI_EVEN(rk, 6, 0x04);
    AESNI_ODD(rk, 7);
    AESNI_EVEN(rk, 8, 0x08);
    AESNI_ODD(rk, 9);
    AESNI_EVEN(rk, 10, 0x10);
    AESNI_ODD(rk, 11);
    AESNI_EVEN(rk, 12, 0x20);
    AESNI_ODD(rk, 13);
    AESNI_EVEN(rk, 14, 0x40);
}

#endif
