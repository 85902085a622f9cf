/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DER, as far as the values of certificate extensions need it: one reading per text. Definite
 * lengths in their shortest form, one-byte tags; everything else sets the cursor's `bad`. [X.690]
 */
#ifndef CASEMATE_ATTEST_DER_H
#define CASEMATE_ATTEST_DER_H

#include "guest/base/cur.h"

#define DER_BOOLEAN      0x01
#define DER_INTEGER      0x02
#define DER_OCTET_STRING 0x04
#define DER_OID          0x06
#define DER_ENUMERATED   0x0a
#define DER_IA5_STRING   0x16
#define DER_SEQUENCE     0x30

/* The contents of the next element, which must have this tag. */
struct view der_take(struct cur *c, uint8_t tag);

/* The contents of the next element as a cursor of their own; a bad one when it is not there. */
struct cur der_enter(struct cur *c, uint8_t tag);

/*
 * The next element as a number: INTEGER or ENUMERATED, not negative, minimal, at most max. 0 and
 * `bad` otherwise.
 */
uint64_t der_number(struct cur *c, uint8_t tag, uint64_t max);

/*
 * Is this one element, and every element inside it, in DER's lengths and tags? libcrypto also takes
 * some BER. Elements nest at most DER_DEPTH_MAX deep; a certificate nests 9.
 */
#define DER_DEPTH_MAX 24
bool der_is_strict(const void *der, size_t len);

#endif
