/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 of bulk data: by SHA instructions where the processor has them, with the application's registers saved. */
#ifndef CASEMATE_GUEST_HASH_H
#define CASEMATE_GUEST_HASH_H

#include "guest/base/sha2.h"

/* As sha256_update(). guest/x86/hash.c; the stand-in uses portable code. */
void hash_bulk(struct sha256_ctx *c, const void *p, size_t len);

#endif
