/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/hash.h"

void hash_bulk(struct sha256_ctx *c, const void *p, size_t len) { sha256_update(c, p, len); }
