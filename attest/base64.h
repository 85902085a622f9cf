/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base64, both alphabets, strict: one text per value and one value per text. Refused are characters
 * of the other alphabet, white space, wrong padding and non-zero bits behind the last byte.
 *
 *   b64u  URL alphabet, no padding  [RFC 4648 §5], what JOSE uses
 *   b64   standard alphabet, padded [RFC 4648 §4], nonces, certificates, ocicrypt
 *
 * Decoding is not constant time: keys that travel in JSON are wiped, not hidden from a cache
 * observer.
 */
#ifndef CASEMATE_ATTEST_BASE64_H
#define CASEMATE_ATTEST_BASE64_H

#include "guest/base/cc.h"

/* Characters for len bytes, without the terminating NUL. */
static inline size_t b64u_len(size_t len) { return len / 3 * 4 + (len % 3 == 0 ? 0 : len % 3 + 1); }
static inline size_t b64_len(size_t len) { return (len + 2) / 3 * 4; }
/* More bytes than any text of len characters decodes to. */
static inline size_t b64_decoded_max(size_t len) { return len / 4 * 3 + 3; }

/* out has b64u_len(len) + 1 or b64_len(len) + 1 characters; NUL-terminated. */
void b64u_encode(const void *p, size_t len, char *out);
void b64_encode(const void *p, size_t len, char *out);

/* -EINVAL when the text is not strict, -ENOSPC when it decodes to more than cap bytes. */
MUST_CHECK int b64u_decode(const char *text, size_t len, uint8_t *out, size_t cap, size_t *out_len);
MUST_CHECK int b64_decode(const char *text, size_t len, uint8_t *out, size_t cap, size_t *out_len);

#endif
