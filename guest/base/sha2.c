/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 and SHA-384, integer code only, one block function each. Lengths above 2^61 bytes cannot occur here, so the
 * upper half of SHA-384's 128-bit length is always zero (part of the zero padding). [FIPS 180-4 §4, §5, §6]
 */
#include "guest/base/sha2.h"

const uint32_t sha256_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
static const uint32_t h256[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};
static const uint64_t k384[80] = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc,
    0x3956c25bf348b538, 0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118,
    0xd807aa98a3030242, 0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
    0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235, 0xc19bf174cf692694,
    0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
    0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4,
    0xc6e00bf33da88fc2, 0xd5a79147930aa725, 0x06ca6351e003826f, 0x142929670a0e6e70,
    0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
    0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30,
    0xd192e819d6ef5218, 0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
    0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8,
    0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3,
    0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b,
    0xca273eceea26619c, 0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178,
    0x06f067aa72176fba, 0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
    0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc, 0x431d67c49c100d4c,
    0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
};
static const uint64_t h384[8] = {
    0xcbbb9d5dc1059ed8, 0x629a292a367cd507, 0x9159015a3070dd17, 0x152fecd8f70e5939,
    0x67332667ffc00b31, 0x8eb44a8768581511, 0xdb0c2e0d64f98fa7, 0x47b5481dbefa4fa4,
};

static uint32_t ror32(uint32_t v, unsigned n) { return v >> n | v << (32 - n); }

static void sha256_block(uint32_t h[8], const uint8_t *p)
{
    uint32_t w[16];
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], hh = h[7];

    for (unsigned i = 0; i < 64; i++) {
        if (i < 16) {
            w[i] = 0;
            for (unsigned k = 0; k < 4; k++) { w[i] = w[i] << 8 | *p++; }
        } else {
            uint32_t x = w[(i + 1) & 15], y = w[(i + 14) & 15];
            uint32_t s0 = ror32(x, 7) ^ ror32(x, 18) ^ x >> 3;
            uint32_t s1 = ror32(y, 17) ^ ror32(y, 19) ^ y >> 10;
            w[i & 15] += s0 + w[(i + 9) & 15] + s1;
        }
        uint32_t t1 = hh + (ror32(e, 6) ^ ror32(e, 11) ^ ror32(e, 25)) + ((e & f) ^ (~e & g)) +
                      sha256_k[i] + w[i & 15];
        uint32_t t2 = (ror32(a, 2) ^ ror32(a, 13) ^ ror32(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        hh = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e, h[5] += f, h[6] += g, h[7] += hh;
}

void sha256_init(struct sha256_ctx *c)
{
    c->total = 0;
    for (unsigned i = 0; i < 8; i++) { c->h[i] = h256[i]; }
}

void sha256_update(struct sha256_ctx *c, const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t have = c->total % 64;

    c->total += len;
    while (len > 0) {
        if (have == 0 && len >= 64) {
            sha256_block(c->h, p);
            p += 64, len -= 64;
            continue;
        }
        c->block[have++] = *p++, len--;
        if (have == 64) {
            sha256_block(c->h, c->block);
            have = 0;
        }
    }
}

void sha256_final(struct sha256_ctx *c, uint8_t out[SHA256_SIZE])
{
    uint64_t bits = c->total * 8;
    uint8_t byte = 0x80;

    sha256_update(c, &byte, 1);
    byte = 0;
    while (c->total % 64 != 56) { sha256_update(c, &byte, 1); }
    for (unsigned i = 0; i < 8; i++) {
        byte = (uint8_t)(bits >> (56 - 8 * i));
        sha256_update(c, &byte, 1);
    }
    for (unsigned i = 0; i < SHA256_SIZE; i++) {
        out[i] = (uint8_t)(c->h[i / 4] >> (24 - 8 * (i % 4)));
    }
}

static uint64_t ror64(uint64_t v, unsigned n) { return v >> n | v << (64 - n); }

static uint64_t load_be64(const uint8_t *p)
{
    uint64_t v;
    __builtin_memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}

/* Word i of the message schedule; the last 16 are kept. */
static uint64_t schedule(uint64_t w[16], const uint8_t *p, unsigned i)
{
    if (i < 16) { return w[i] = load_be64(p + i * 8); }
    uint64_t x = w[(i + 1) & 15], y = w[(i + 14) & 15];
    uint64_t s0 = ror64(x, 1) ^ ror64(x, 8) ^ x >> 7;
    uint64_t s1 = ror64(y, 19) ^ ror64(y, 61) ^ y >> 6;
    return w[i & 15] += s0 + w[(i + 9) & 15] + s1;
}

/* What one round adds; the names of the eight words rotate, not the words. */
#define ROUND(a, b, c, d, e, f, g, h, i)                                                           \
    do {                                                                                           \
        h += (ror64(e, 14) ^ ror64(e, 18) ^ ror64(e, 41)) + (g ^ (e & (f ^ g))) + k384[i] +        \
             schedule(w, p, i);                                                                    \
        d += h;                                                                                    \
        h += (ror64(a, 28) ^ ror64(a, 34) ^ ror64(a, 39)) + ((a & b) | (c & (a | b)));             \
    } while (0)

/* Interpreted ring 0 pays for each instruction of this: it hashes what evidence is over. */
static void sha384_block(uint64_t s[8], const uint8_t *p)
{
    uint64_t w[16];
    uint64_t a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];

    for (unsigned i = 0; i < 80; i += 8) {
        ROUND(a, b, c, d, e, f, g, h, i);
        ROUND(h, a, b, c, d, e, f, g, i + 1);
        ROUND(g, h, a, b, c, d, e, f, i + 2);
        ROUND(f, g, h, a, b, c, d, e, i + 3);
        ROUND(e, f, g, h, a, b, c, d, i + 4);
        ROUND(d, e, f, g, h, a, b, c, i + 5);
        ROUND(c, d, e, f, g, h, a, b, i + 6);
        ROUND(b, c, d, e, f, g, h, a, i + 7);
    }
    s[0] += a, s[1] += b, s[2] += c, s[3] += d, s[4] += e, s[5] += f, s[6] += g, s[7] += h;
}

void sha384_init(struct sha384_ctx *c)
{
    c->total = 0;
    for (unsigned i = 0; i < 8; i++) { c->h[i] = h384[i]; }
}

void sha384_update(struct sha384_ctx *c, const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t have = c->total % 128;

    c->total += len;
    while (len > 0) {
        if (have == 0 && len >= 128) {
            sha384_block(c->h, p);
            p += 128, len -= 128;
            continue;
        }
        c->block[have++] = *p++, len--;
        if (have == 128) {
            sha384_block(c->h, c->block);
            have = 0;
        }
    }
}

void sha384_final(struct sha384_ctx *c, uint8_t out[SHA384_SIZE])
{
    uint64_t bits = c->total * 8;
    size_t have = c->total % 128;

    c->block[have++] = 0x80;
    if (have > 112) {
        while (have < 128) { c->block[have++] = 0; }
        sha384_block(c->h, c->block);
        have = 0;
    }
    while (have < 120) { c->block[have++] = 0; }
    for (unsigned i = 0; i < 8; i++) { c->block[120 + i] = (uint8_t)(bits >> (56 - 8 * i)); }
    sha384_block(c->h, c->block);
    for (unsigned i = 0; i < SHA384_SIZE; i++) {
        out[i] = (uint8_t)(c->h[i / 8] >> (56 - 8 * (i % 8)));
    }
}
