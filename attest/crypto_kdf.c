/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PBKDF2. The key's two blocks are hashed once; every iteration continues copies of those states,
 * so it costs two compressions and no more.
 */
#include "attest/crypto.h"

#include "guest/base/ct.h"

#include <errno.h>
#include <string.h>

#define BLOCK_MAX 128 /* SHA-512 */

struct prf {
    struct crypto_sha inner, outer; /* with the key's block in them */
    enum crypto_hash hash;
    size_t size; /* of a digest */
};

static int prf_init(struct prf *f, enum crypto_hash h, const void *key, size_t key_len)
{
    uint8_t block[BLOCK_MAX] = {0};
    size_t block_len = h == CRYPTO_SHA512 ? 128 : 64;
    if (h != CRYPTO_SHA256 && h != CRYPTO_SHA512) { return -EINVAL; }
    *f = (struct prf){.hash = h, .size = crypto_hash_size(h)};
    if (key_len > block_len) {
        (void)!crypto_digest(h, key, key_len, block);
    } else if (key_len > 0) {
        memcpy(block, key, key_len);
    }
    for (size_t i = 0; i < block_len; i++) { block[i] ^= 0x36; }
    (void)!crypto_sha_init(&f->inner, h);
    crypto_sha_update(&f->inner, block, block_len);
    for (size_t i = 0; i < block_len; i++) { block[i] ^= 0x36 ^ 0x5c; }
    (void)!crypto_sha_init(&f->outer, h);
    crypto_sha_update(&f->outer, block, block_len);
    wipe(block, sizeof block);
    return 0;
}

/* HMAC over a and then b. out may be a. */
static void prf(const struct prf *f, const void *a, size_t a_len, const void *b, size_t b_len,
                uint8_t *out)
{
    uint8_t digest[CRYPTO_HASH_MAX];
    struct crypto_sha c = f->inner;
    crypto_sha_update(&c, a, a_len);
    crypto_sha_update(&c, b, b_len);
    crypto_sha_final(&c, digest);
    c = f->outer;
    crypto_sha_update(&c, digest, f->size);
    crypto_sha_final(&c, out);
}

int crypto_pbkdf2(enum crypto_hash h, const void *password, size_t password_len, const void *salt,
                  size_t salt_len, uint32_t iterations, uint8_t *out, size_t out_len)
{
    uint8_t u[CRYPTO_HASH_MAX], sum[CRYPTO_HASH_MAX];
    struct prf f;
    int r = iterations > 0 ? prf_init(&f, h, password, password_len) : -EINVAL;
    if (r < 0) { return r; }
    for (uint32_t number = 1; out_len > 0; number++) {
        uint8_t n[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                        (uint8_t)number};
        size_t take = out_len < f.size ? out_len : f.size;
        prf(&f, salt, salt_len, n, sizeof n, u);
        memcpy(sum, u, f.size);
        for (uint32_t i = 1; i < iterations; i++) {
            prf(&f, u, f.size, NULL, 0, u);
            for (size_t k = 0; k < f.size; k++) { sum[k] ^= u[k]; }
        }
        memcpy(out, sum, take);
        out += take;
        out_len -= take;
    }
    wipe(&f, sizeof f);
    wipe(u, sizeof u);
    wipe(sum, sizeof sum);
    return 0;
}
