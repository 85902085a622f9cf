/* SPDX-License-Identifier: Apache-2.0 */
/* Content digests as text. See image.h. */
#include "loader/image/image.h"

#include "attest/crypto.h"

#include <errno.h>
#include <string.h>

static int nibble(char c)
{
    if (c >= '0' && c <= '9') { return c - '0'; }
    if (c >= 'a' && c <= 'f') { return c - 'a' + 10; }
    return -1;
}

int digest_parse(const char *text, struct digest *out, struct err *e)
{
    static const char prefix[] = "sha256:";
    const size_t prefix_len = sizeof prefix - 1;
    struct digest d;

    if (strncmp(text, prefix, prefix_len) != 0) {
        return err_set(e, EINVAL, "digest '%.80s' does not begin with sha256:", text);
    }
    const char *hex = text + prefix_len;
    if (strlen(hex) != 2 * sizeof d.sha256) {
        return err_set(e, EINVAL, "digest '%.80s' has %zu hex digits, not 64", text, strlen(hex));
    }
    for (size_t i = 0; i < sizeof d.sha256; i++) {
        int hi = nibble(hex[2 * i]), lo = nibble(hex[2 * i + 1]);
        if (hi < 0 || lo < 0) {
            return err_set(e, EINVAL, "digest '%.80s' is not lower-case hexadecimal", text);
        }
        d.sha256[i] = (uint8_t)(hi << 4 | lo);
    }
    *out = d;
    return 0;
}

void digest_text(const struct digest *d, char out[DIGEST_TEXT_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    memcpy(out, "sha256:", 7);
    for (size_t i = 0; i < sizeof d->sha256; i++) {
        out[7 + 2 * i] = hex[d->sha256[i] >> 4];
        out[8 + 2 * i] = hex[d->sha256[i] & 15];
    }
    out[DIGEST_TEXT_SIZE - 1] = '\0';
}

void digest_of(const void *p, size_t len, struct digest *out)
{
    crypto_sha256(p, len, out->sha256);
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
    return memcmp(a->sha256, b->sha256, sizeof a->sha256) == 0;
}
