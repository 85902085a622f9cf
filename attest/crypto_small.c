/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes, HMAC and randomness by calls that reach no provider: OpenSSL's SHA-2 block functions are
 * used directly, so a static program that needs nothing else stays a few hundred kilobytes. See
 * crypto.h, part 1.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "attest/crypto.h"

#include "guest/base/ct.h"

#include <errno.h>
#include <openssl/sha.h>
#include <string.h>
#include <sys/random.h>

_Static_assert(sizeof(SHA512_CTX) <= sizeof(((struct crypto_sha *)0)->opaque),
               "room for the larger context");
_Static_assert(sizeof(SHA256_CTX) <= sizeof(((struct crypto_sha *)0)->opaque),
               "room for the smaller context");

#define SHA256_BLOCK 64

size_t crypto_hash_size(enum crypto_hash h)
{
    switch (h) {
    case CRYPTO_SHA256: return CRYPTO_SHA256_SIZE;
    case CRYPTO_SHA384: return CRYPTO_SHA384_SIZE;
    case CRYPTO_SHA512: return CRYPTO_SHA512_SIZE;
    case CRYPTO_SHA1: return 20;
    }
    return 0;
}

int crypto_sha_init(struct crypto_sha *c, enum crypto_hash h)
{
    void *ctx = c->opaque;
    switch (h) {
    case CRYPTO_SHA256: (void)SHA256_Init(ctx); break;
    case CRYPTO_SHA384: (void)SHA384_Init(ctx); break;
    case CRYPTO_SHA512: (void)SHA512_Init(ctx); break;
    default: return -EINVAL;
    }
    c->hash = h;
    return 0;
}

void crypto_sha_update(struct crypto_sha *c, const void *p, size_t len)
{
    void *ctx = c->opaque;
    if (len == 0) { return; }
    if (c->hash == CRYPTO_SHA256) {
        (void)SHA256_Update(ctx, p, len);
    } else {
        (void)SHA512_Update(
            ctx, p, len); /* SHA-384 differs in its start value and in how much is written out */
    }
}

void crypto_sha_final(struct crypto_sha *c, uint8_t *out)
{
    void *ctx = c->opaque;
    if (c->hash == CRYPTO_SHA256) {
        (void)SHA256_Final(out, ctx);
    } else {
        (void)SHA512_Final(out, ctx);
    }
    wipe(c, sizeof *c);
}

int crypto_digest(enum crypto_hash h, const void *p, size_t len, uint8_t *out)
{
    struct crypto_sha c;
    int r = crypto_sha_init(&c, h);
    if (r < 0) { return r; }
    crypto_sha_update(&c, p, len);
    crypto_sha_final(&c, out);
    return 0;
}

void crypto_sha256(const void *p, size_t len, uint8_t out[CRYPTO_SHA256_SIZE])
{
    (void)!crypto_digest(CRYPTO_SHA256, p, len, out);
}

void crypto_sha384(const void *p, size_t len, uint8_t out[CRYPTO_SHA384_SIZE])
{
    (void)!crypto_digest(CRYPTO_SHA384, p, len, out);
}

void crypto_hmac_init(struct crypto_hmac *c, const void *key, size_t key_len)
{
    uint8_t block[SHA256_BLOCK] = {0};
    if (key_len > sizeof block) {
        crypto_sha256(key, key_len, block);
    } else if (key_len > 0) {
        memcpy(block, key, key_len);
    }
    for (size_t i = 0; i < sizeof block; i++) { block[i] ^= 0x36; }
    (void)!crypto_sha_init(&c->inner, CRYPTO_SHA256);
    crypto_sha_update(&c->inner, block, sizeof block);
    for (size_t i = 0; i < sizeof block; i++) { block[i] ^= 0x36 ^ 0x5c; }
    (void)!crypto_sha_init(&c->outer, CRYPTO_SHA256);
    crypto_sha_update(&c->outer, block, sizeof block);
    wipe(block, sizeof block);
}

void crypto_hmac_update(struct crypto_hmac *c, const void *p, size_t len)
{
    crypto_sha_update(&c->inner, p, len);
}

void crypto_hmac_final(struct crypto_hmac *c, uint8_t out[CRYPTO_SHA256_SIZE])
{
    uint8_t inner[CRYPTO_SHA256_SIZE];
    crypto_sha_final(&c->inner, inner);
    crypto_sha_update(&c->outer, inner, sizeof inner);
    crypto_sha_final(&c->outer, out);
    wipe(inner, sizeof inner);
}

int crypto_random(void *out, size_t len)
{
    uint8_t *p = out;
    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);
        if (n < 0 && errno == EINTR) { continue; }
        if (n <= 0) { return -EIO; }
        p += n;
        len -= (size_t)n;
    }
    return 0;
}
