/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as lower-case hexadecimal digits, for people and for JSON. */
#ifndef CASEMATE_ATTEST_HEX_H
#define CASEMATE_ATTEST_HEX_H

#include "guest/base/cc.h"

#define HEX_LEN(n) (2 * (n) + 1)

/* out: HEX_LEN(len) characters, NUL-terminated. */
static inline void hex_encode(const uint8_t *p, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * len] = '\0';
}

static inline bool hex_nibble(char c, uint8_t *out)
{
    if (c >= '0' && c <= '9') {
        *out = (uint8_t)(c - '0');
        return true;
    }
    if (c >= 'a' && c <= 'f') {
        *out = (uint8_t)(c - 'a' + 10);
        return true;
    }
    return false;
}

/* Exactly len bytes from exactly 2 * len lower-case digits; out may be half written on failure. */
MUST_CHECK static inline bool hex_decode(const char *text, size_t text_len, uint8_t *out,
                                         size_t len)
{
    if (text_len != 2 * len) { return false; }
    for (size_t i = 0; i < len; i++) {
        uint8_t hi, lo;
        if (!hex_nibble(text[2 * i], &hi) || !hex_nibble(text[2 * i + 1], &lo)) { return false; }
        out[i] = (uint8_t)(hi << 4 | lo);
    }
    return true;
}

#endif
