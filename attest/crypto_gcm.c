/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-GCM, opening only, without a provider: for the few hundred bytes of a wrapped key in a
 * small static program. GHASH goes bit by bit through masks: no table, no branch on secrets, about
 * 1 us per block. [SP 800-38D §6.4, §7.2]
 */
#include "attest/crypto.h"

#include "guest/base/ct.h"

#include <errno.h>
#include <string.h>

struct block {
    uint64_t hi, lo; /* bit 0 of the field element is the highest of hi */
};

static struct block load(const uint8_t *p, size_t len)
{
    struct block b = {0};
    for (size_t i = 0; i < len && i < 8; i++) { b.hi |= (uint64_t)p[i] << (56 - 8 * i); }
    for (size_t i = 8; i < len; i++) { b.lo |= (uint64_t)p[i] << (120 - 8 * i); }
    return b;
}

/* x * h in GF(2^128), reduced by 1 + a + a^2 + a^7 + a^128. */
static struct block multiply(struct block x, struct block h)
{
    struct block z = {0};
    for (int i = 0; i < 128; i++) {
        uint64_t take = 0 - (x.hi >> 63), carry = 0 - (h.lo & 1);
        z.hi ^= h.hi & take;
        z.lo ^= h.lo & take;
        x.hi = x.hi << 1 | x.lo >> 63;
        x.lo <<= 1;
        h.lo = h.lo >> 1 | h.hi << 63;
        h.hi = h.hi >> 1 ^ (0xe1ull << 56 & carry);
    }
    return z;
}

static struct block absorb(struct block y, struct block b, struct block h)
{
    return multiply((struct block){y.hi ^ b.hi, y.lo ^ b.lo}, h);
}

int crypto_gcm256_open(const uint8_t key[CRYPTO_AES256_KEY_SIZE],
                       const uint8_t iv[CRYPTO_GCM_IV_SIZE], const void *in, size_t len,
                       const uint8_t tag[CRYPTO_GCM_TAG_SIZE], void *out)
{
    const uint8_t *p = in;
    uint8_t zero[CRYPTO_AES_BLOCK_SIZE] = {0}, start[CRYPTO_AES_BLOCK_SIZE] = {0};
    uint8_t hash_key[CRYPTO_AES_BLOCK_SIZE], mask[CRYPTO_AES_BLOCK_SIZE],
        found[CRYPTO_GCM_TAG_SIZE];
    struct crypto_ctr c;

    if (len > CRYPTO_GCM256_MAX) { return -EINVAL; }
    crypto_ctr_init(&c, key, zero);
    crypto_ctr_xor(&c, zero, hash_key, sizeof hash_key);
    /*
     * The counter starts behind the block that masks the tag; len is too short for its 32 bits to
     * wrap.
     */
    memcpy(start, iv, CRYPTO_GCM_IV_SIZE);
    start[CRYPTO_AES_BLOCK_SIZE - 1] = 1;
    crypto_ctr_init(&c, key, start);
    crypto_ctr_xor(&c, zero, mask, sizeof mask);

    struct block h = load(hash_key, sizeof hash_key), y = {0};
    for (size_t off = 0; off < len; off += CRYPTO_AES_BLOCK_SIZE) {
        size_t left = len - off;
        y = absorb(y, load(p + off, left < CRYPTO_AES_BLOCK_SIZE ? left : CRYPTO_AES_BLOCK_SIZE),
                   h);
    }
    y = absorb(y, (struct block){.lo = (uint64_t)len * 8}, h);
    for (size_t i = 0; i < 8; i++) {
        found[i] = (uint8_t)(y.hi >> (56 - 8 * i)) ^ mask[i];
        found[8 + i] = (uint8_t)(y.lo >> (56 - 8 * i)) ^ mask[8 + i];
    }
    bool good = ct_eq(found, tag, sizeof found);
    if (good) { crypto_ctr_xor(&c, in, out, len); }
    wipe(&c, sizeof c);
    wipe(&h, sizeof h);
    wipe(hash_key, sizeof hash_key);
    wipe(mask, sizeof mask);
    return good ? 0 : -EBADMSG;
}
