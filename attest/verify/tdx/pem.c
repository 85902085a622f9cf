/* SPDX-License-Identifier: Apache-2.0 */
/* See pem.h. Reads bytes of strangers. */
#include "attest/verify/tdx/pem.h"

#include "attest/base64.h"
#include "attest/der.h"
#include "guest/base/cur.h"

#include <errno.h>
#include <string.h>

#define BLOCK_MAX 4096 /* characters of base64 in one certificate; real ones have 1700 */

static bool literal(struct cur *c, const char *text)
{
    size_t n = strlen(text);
    if (n > c->left || memcmp(c->p, text, n) != 0) { return false; }
    cur_skip(c, n);
    return true;
}

/* The base64 of one block, its line ends taken out. */
static int block_read(struct cur *c, char out[BLOCK_MAX], size_t *out_len)
{
    size_t n = 0;
    if (!literal(c, "-----BEGIN CERTIFICATE-----\n")) { return -EBADMSG; }
    while (c->left > 0 && *c->p != '-') {
        char ch = (char)cur_u8(c);
        if (ch == '\n') { continue; }
        if (n == BLOCK_MAX) { return -E2BIG; }
        out[n++] = ch;
    }
    if (!literal(c, "-----END CERTIFICATE-----")) { return -EBADMSG; }
    (void)literal(c, "\n");
    *out_len = n;
    return 0;
}

static int cert_read(struct cur *c, struct crypto_cert **out)
{
    char text[BLOCK_MAX];
    uint8_t der[BLOCK_MAX];
    size_t text_len, der_len;
    int r = block_read(c, text, &text_len);
    if (r == 0) { r = b64_decode(text, text_len, der, sizeof der, &der_len); }
    if (r < 0) { return r; }
    if (!der_is_strict(der, der_len)) { return -EILSEQ; }
    return crypto_cert_from_der(der, der_len, out) == 0 ? 0 : -EILSEQ;
}

int tdx_pem_certs(const void *text, size_t len, size_t count, struct crypto_cert **out,
                  struct err *e)
{
    struct cur c = cur_of(text, len);
    size_t n = 0;
    int r = 0;
    while (r == 0 && n < count) {
        r = cert_read(&c, &out[n]);
        if (r == 0) { n++; }
    }
    if (r == 0) {
        if (c.left == 1 && *c.p == '\0') { cur_skip(&c, 1); }
        if (cur_end(&c)) { return 0; }
        r = err_set(e, EBADMSG, "%zu bytes behind certificate %zu, the last one wanted", c.left, n);
    } else {
        r = err_set(e, -r, "certificate %zu of %zu is not there, or is not DER in PEM", n + 1,
                    count);
    }
    while (n > 0) { crypto_cert_free(out[--n]); }
    return r;
}
