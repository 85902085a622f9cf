/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 and SHA-384 in portable integer C, for places without a library: stub, ward, library OS. Hosted code uses
 * OpenSSL through attest/crypto.h. No allocation: the caller owns the context, may copy it and simply drop it.
 * Source: [FIPS 180-4].
 */
#ifndef CASEMATE_BASE_SHA2_H
#define CASEMATE_BASE_SHA2_H

#include "guest/base/cc.h"

#define SHA256_SIZE 32
#define SHA384_SIZE 48

struct sha256_ctx {
    uint32_t h[8];
    uint64_t total; /* bytes so far */
    uint8_t block[64];
};
void sha256_init(struct sha256_ctx *c);
void sha256_update(struct sha256_ctx *c, const void *p, size_t len);
void sha256_final(struct sha256_ctx *c, uint8_t out[SHA256_SIZE]);

/* Round constants, shared by both block functions. */
extern const uint32_t sha256_k[64];

/* The same blocks by SHA instructions (sha256_ni.c); only where sha256_ni_here(). Clobbers vector registers. */
bool sha256_ni_here(void);
void sha256_ni_blocks(uint32_t h[8], const uint8_t *p, size_t blocks);

struct sha384_ctx {
    uint64_t h[8];
    uint64_t total; /* bytes so far, below 2^61 */
    uint8_t block[128];
};
void sha384_init(struct sha384_ctx *c);
void sha384_update(struct sha384_ctx *c, const void *p, size_t len);
void sha384_final(struct sha384_ctx *c, uint8_t out[SHA384_SIZE]);

#endif
