/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random bytes for getrandom(), /dev/urandom, AT_RANDOM and addresses: ChaCha20 in fast-key-
 * erasure form, keyed by the ward. What was handed out cannot be computed from later state.
 */
#ifndef CASEMATE_GUEST_RANDOM_H
#define CASEMATE_GUEST_RANDOM_H

#include "guest/los.h"

void random_bytes(void *out, size_t size);

/* One block of the generator, counter in words 12 and 13, nonce 0. Apart for its test. */
void chacha20_block(const uint32_t key[8], uint64_t counter, uint32_t out[16]);

#endif
