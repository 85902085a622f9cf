/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fast key erasure: each request's first block becomes the next key, the rest is output. The key
 * is mixed anew from the ward's generator every RESEED_BYTES. [RFC 8439 §2.3]
 */
#include "guest/random.h"

#include "guest/ward.h"

#define RESEED_BYTES (1u << 20)
#define BLOCK        64
#define KEY          32

static struct {
    uint32_t key[KEY / 4];
    uint64_t left; /* bytes until the next reseed */
} g;

static uint32_t rotl(uint32_t x, unsigned n) { return x << n | x >> (32 - n); }

static void quarter(uint32_t *x, unsigned a, unsigned b, unsigned c, unsigned d)
{
    x[a] += x[b];
    x[d] = rotl(x[d] ^ x[a], 16);
    x[c] += x[d];
    x[b] = rotl(x[b] ^ x[c], 12);
    x[a] += x[b];
    x[d] = rotl(x[d] ^ x[a], 8);
    x[c] += x[d];
    x[b] = rotl(x[b] ^ x[c], 7);
}

void chacha20_block(const uint32_t key[8], uint64_t counter, uint32_t out[16])
{
    const uint32_t start[16] = {
        0x61707865,
        0x3320646e,
        0x79622d32,
        0x6b206574,
        key[0],
        key[1],
        key[2],
        key[3],
        key[4],
        key[5],
        key[6],
        key[7],
        (uint32_t)counter,
        (uint32_t)(counter >> 32),
        0,
        0,
    };
    memcpy(out, start, sizeof start);
    for (unsigned round = 0; round < 10; round++) {
        for (unsigned i = 0; i < 4; i++) { quarter(out, i, 4 + i, 8 + i, 12 + i); }
        for (unsigned i = 0; i < 4; i++) {
            quarter(out, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
        }
    }
    for (unsigned i = 0; i < 16; i++) { out[i] += start[i]; }
}

static void reseed(void)
{
    uint32_t *fresh = (uint32_t *)(void *)cpu_vpage()->io;
    if (ward_call(WARD_RANDOM, 0, 0, 0, 0, 0) < 0) { panic("random: the ward has none"); }
    for (unsigned i = 0; i < KEY / 4; i++) {
        g.key[i] ^= fresh[i];
        fresh[i] = 0;
    }
    g.left = RESEED_BYTES;
}

void random_bytes(void *out, size_t size)
{
    uint32_t block[BLOCK / 4];
    uint8_t *to = out;

    if (g.left < size) { reseed(); }
    g.left -= min_u64(size, g.left);
    uint64_t counter = 0;
    chacha20_block(g.key, counter++, block);
    uint32_t next[KEY / 4];
    memcpy(next, block, KEY);
    /* the second half of the first block is output already */
    size_t n = min_u64(size, BLOCK - KEY);
    memcpy(to, (uint8_t *)block + KEY, n);
    for (size_t done = n; done < size; done += n) {
        chacha20_block(g.key, counter++, block);
        n = min_u64(size - done, BLOCK);
        memcpy(to + done, block, n);
    }
    memcpy(g.key, next, KEY);
    memset(block, 0, sizeof block);
    memset(next, 0, sizeof next);
    __asm__ volatile("" : : "r"(block), "r"(next) : "memory");
}
