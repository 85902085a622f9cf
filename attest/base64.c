/* SPDX-License-Identifier: Apache-2.0 */
/* See base64.h. Reads bytes of strangers. */
#include "attest/base64.h"

#include <errno.h>

static const char std_alphabet[64] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_alphabet[64] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(const char *alphabet, bool pad, const uint8_t *p, size_t len, char *out)
{
    while (len > 0) {
        size_t n = len < 3 ? len : 3;
        uint32_t v = (uint32_t)p[0] << 16;
        if (n > 1) { v |= (uint32_t)p[1] << 8; }
        if (n > 2) { v |= p[2]; }
        *out++ = alphabet[v >> 18];
        *out++ = alphabet[v >> 12 & 63];
        if (n > 1) { *out++ = alphabet[v >> 6 & 63]; }
        if (n > 2) { *out++ = alphabet[v & 63]; }
        for (size_t i = n; pad && i < 3; i++) { *out++ = '='; }
        p += n;
        len -= n;
    }
    *out = '\0';
}

void b64u_encode(const void *p, size_t len, char *out) { encode(url_alphabet, false, p, len, out); }
void b64_encode(const void *p, size_t len, char *out) { encode(std_alphabet, true, p, len, out); }

/* 0..63, or 64 for a character outside the alphabet. */
static uint32_t digit(char c, char c62, char c63)
{
    if (c >= 'A' && c <= 'Z') { return (uint32_t)(c - 'A'); }
    if (c >= 'a' && c <= 'z') { return (uint32_t)(c - 'a') + 26; }
    if (c >= '0' && c <= '9') { return (uint32_t)(c - '0') + 52; }
    if (c == c62) { return 62; }
    if (c == c63) { return 63; }
    return 64;
}

/* len characters without padding. */
static int decode(char c62, char c63, const char *text, size_t len, uint8_t *out, size_t cap,
                  size_t *out_len)
{
    static const uint8_t tail_bytes[4] = {0, 0, 1, 2};
    size_t tail = len % 4, want = len / 4 * 3 + tail_bytes[tail];
    if (tail == 1) { return -EINVAL; }
    if (want > cap) { return -ENOSPC; }

    uint32_t acc = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < len; i++) {
        uint32_t d = digit(text[i], c62, c63);
        if (d == 64) { return -EINVAL; }
        acc = acc << 6 | d;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *out++ = (uint8_t)(acc >> bits);
            acc &= (1u << bits) - 1;
        }
    }
    if (acc != 0) { return -EINVAL; } /* bits behind the last byte */
    *out_len = want;
    return 0;
}

int b64u_decode(const char *text, size_t len, uint8_t *out, size_t cap, size_t *out_len)
{
    return decode('-', '_', text, len, out, cap, out_len);
}

int b64_decode(const char *text, size_t len, uint8_t *out, size_t cap, size_t *out_len)
{
    if (len % 4 != 0) { return -EINVAL; }
    for (int i = 0; i < 2 && len > 0 && text[len - 1] == '='; i++) { len--; }
    return decode('+', '/', text, len, out, cap, out_len);
}
