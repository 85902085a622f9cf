/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See shares.h. The field is GF(2)[x] / (x^8 + x^4 + x^3 + x + 1), AES's [FIPS 197 §4]. Splitting
 * evaluates by Horner's rule; joining interpolates at 0: secret = sum of y_i * prod over j != i of
 * x_j / (x_j - x_i), where minus is exclusive or.
 */
#include "attest/shares.h"

#include "attest/crypto.h"
#include "guest/base/ct.h"

#include <errno.h>
#include <string.h>

#define SALT_SIZE 32
#define SET_SIZE  16

#define AT_K      8
#define AT_X      9
#define AT_LEN    12
#define AT_SET    16
#define AT_DIGEST 32
#define AT_BODY   64 /* salt, then secret */
_Static_assert(AT_BODY + SALT_SIZE == SHARE_HEAD_SIZE, "the layout in shares.h");
_Static_assert(AT_DIGEST + CRYPTO_SHA256_SIZE == AT_BODY, "the layout in shares.h");

static const uint8_t magic[8] = {'C', 'A', 'S', 'H', 'A', 'R', 'E', '1'};

/* ---- the field ------------------------------------------------------------------------------- */

/* Eight steps, always: a mask of all ones or none stands where a branch would be. */
static uint8_t gf_mul(uint8_t a, uint8_t b)
{
    unsigned x = a, y = b, product = 0;
    for (int i = 0; i < 8; i++) {
        product ^= x & (0u - (y & 1u));
        x = (x << 1) ^ (0x11bu & (0u - (x >> 7)));
        y >>= 1;
    }
    return (uint8_t)product;
}

/* a^254 = 1/a; 0 for 0. */
static uint8_t gf_inverse(uint8_t a)
{
    uint8_t r = 1;
    for (int i = 0; i < 7; i++) {
        a = gf_mul(a, a);
        r = gf_mul(r, a);
    }
    return r;
}

/* ---- splitting ------------------------------------------------------------------------------- */

static int digest_make(unsigned k, const uint8_t set[SET_SIZE], const uint8_t salt[SALT_SIZE],
                       const uint8_t *secret, size_t len, uint8_t out[CRYPTO_SHA256_SIZE])
{
    static const char label[] = "casemate-shares-v1"; /* with its zero byte */
    struct crypto_sha h;
    uint8_t threshold = (uint8_t)k;
    int rc = crypto_sha_init(&h, CRYPTO_SHA256);
    if (rc < 0) { return rc; }
    crypto_sha_update(&h, label, sizeof label);
    crypto_sha_update(&h, &threshold, 1);
    crypto_sha_update(&h, set, SET_SIZE);
    crypto_sha_update(&h, salt, SALT_SIZE);
    crypto_sha_update(&h, secret, len);
    crypto_sha_final(&h, out);
    return 0;
}

static void head_write(uint8_t *share, unsigned k, unsigned x, size_t len)
{
    memcpy(share, magic, sizeof magic);
    share[AT_K] = (uint8_t)k;
    share[AT_X] = (uint8_t)x;
    for (unsigned i = 0; i < 4; i++) { share[AT_LEN + i] = (uint8_t)(len >> (8 * i)); }
}

/* One byte of the body in every share. coefficients: k - 1 of them, of x^1 upwards. */
static void byte_split(uint8_t value, const uint8_t *coefficients, unsigned k, unsigned n,
                       uint8_t *out, size_t stride)
{
    for (unsigned x = 1; x <= n; x++) {
        uint8_t y = 0;
        for (unsigned c = k - 1; c > 0; c--) {
            y = gf_mul((uint8_t)(y ^ coefficients[c - 1]), (uint8_t)x);
        }
        out[(size_t)(x - 1) * stride] = y ^ value;
    }
}

static int body_split(const uint8_t *body, size_t len, unsigned k, unsigned n,
                      int (*random)(void *out, size_t len), uint8_t *out, size_t stride)
{
    uint8_t coefficients[SHARES_MAX];
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < len; i++) {
        rc = random(coefficients, k - 1);
        if (rc == 0) { byte_split(body[i], coefficients, k, n, out + i, stride); }
    }
    wipe(coefficients, sizeof coefficients);
    return rc;
}

int shares_split(const void *secret, size_t len, unsigned k, unsigned n,
                 int (*random)(void *out, size_t len), uint8_t *out, struct err *e)
{
    if (k < 2 || n < k || n > SHARES_MAX) {
        return err_set(e, EINVAL, "shares: found %u of %u, wanted 2 <= k <= n <= %u", k, n,
                       SHARES_MAX);
    }
    if (len == 0 || len > SHARE_SECRET_MAX) {
        return err_set(e, EINVAL, "shares: a secret of %zu bytes, wanted 1 to %u", len,
                       SHARE_SECRET_MAX);
    }
    uint8_t salt[SALT_SIZE], set[SET_SIZE], digest[CRYPTO_SHA256_SIZE];
    size_t stride = SHARE_SIZE(len);
    int rc = random(salt, sizeof salt);
    if (rc == 0) { rc = random(set, sizeof set); }
    if (rc == 0) { rc = digest_make(k, set, salt, secret, len, digest); }
    if (rc == 0) {
        for (unsigned i = 0; i < n; i++) {
            uint8_t *share = out + i * stride;
            memset(share, 0, SHARE_HEAD_SIZE);
            head_write(share, k, i + 1, len);
            memcpy(share + AT_SET, set, sizeof set);
            memcpy(share + AT_DIGEST, digest, sizeof digest);
        }
        rc = body_split(salt, sizeof salt, k, n, random, out + AT_BODY, stride);
    }
    if (rc == 0) { rc = body_split(secret, len, k, n, random, out + SHARE_HEAD_SIZE, stride); }
    wipe(salt, sizeof salt);
    if (rc < 0) {
        wipe(out, n * stride);
        return err_set(e, -rc, "shares: no random bytes, or no digest");
    }
    return 0;
}

/* ---- joining --------------------------------------------------------------------------------- */

int share_read(struct view share, struct share_head *out, struct err *e)
{
    struct cur c = cur_of(share.p, share.len);
    const uint8_t *m = cur_take(&c, sizeof magic);
    unsigned k = cur_u8(&c), x = cur_u8(&c), zero = cur_u16le(&c);
    size_t len = cur_u32le(&c);
    if (c.bad || memcmp(m, magic, sizeof magic) != 0) {
        return err_set(e, EBADMSG, "not a share: its %zu bytes do not begin with CASHARE1",
                       share.len);
    }
    if (k < 2 || k > SHARES_MAX || x < 1 || x > SHARES_MAX || zero != 0) {
        return err_set(e, EBADMSG, "a share with k %u, x %u, reserved %u, wanted 2..%u, 1..%u, 0",
                       k, x, zero, SHARES_MAX, SHARES_MAX);
    }
    if (len < 1 || len > SHARE_SECRET_MAX || share.len != SHARE_SIZE(len)) {
        return err_set(e, EBADMSG, "a share of %zu bytes for a secret of %zu, wanted %zu bytes",
                       share.len, len, SHARE_SIZE(len));
    }
    *out = (struct share_head){.k = k, .x = x, .secret_len = len};
    return 0;
}

/* Every share can be read and belongs to the first one's set; no x twice. */
static int set_check(const struct view *shares, size_t count, struct share_head *out_first,
                     struct err *e)
{
    struct share_head first = {0}, h = {0};
    bool seen[SHARES_MAX + 1] = {false};
    for (size_t i = 0; i < count; i++) {
        const uint8_t *a = shares[0].p, *b = shares[i].p;
        int rc = share_read(shares[i], &h, e);
        if (rc < 0) { return err_wrap(e, "share %zu of %zu", i + 1, count); }
        if (i == 0) { first = h; }
        if (h.k != first.k || h.secret_len != first.secret_len ||
            memcmp(a + AT_SET, b + AT_SET, AT_BODY - AT_SET) != 0) {
            return err_set(e, EINVAL,
                           "share %zu of %zu: it belongs to another secret than the first", i + 1,
                           count);
        }
        if (seen[h.x]) {
            return err_set(e, EINVAL, "share %zu of %zu: a second share with x %u", i + 1, count,
                           h.x);
        }
        seen[h.x] = true;
    }
    if (count < first.k) {
        return err_set(e, EINVAL, "found %zu shares, wanted %u", count, first.k);
    }
    *out_first = first;
    return 0;
}

/* weights[i]: what share i's bytes count at 0. The x are public, different, and not 0. */
static void weights_make(const struct view *shares, unsigned k, uint8_t weights[SHARES_MAX])
{
    for (unsigned i = 0; i < k; i++) {
        uint8_t above = 1, below = 1, xi = shares[i].p[AT_X];
        for (unsigned j = 0; j < k; j++) {
            uint8_t xj = shares[j].p[AT_X];
            if (j == i) { continue; }
            above = gf_mul(above, xj);
            below = gf_mul(below, (uint8_t)(xj ^ xi));
        }
        weights[i] = gf_mul(above, gf_inverse(below));
    }
}

static void bytes_join(const struct view *shares, unsigned k, const uint8_t weights[SHARES_MAX],
                       size_t at, uint8_t *out, size_t len)
{
    for (size_t b = 0; b < len; b++) {
        uint8_t sum = 0;
        for (unsigned i = 0; i < k; i++) {
            sum = (uint8_t)(sum ^ gf_mul(weights[i], shares[i].p[at + b]));
        }
        out[b] = sum;
    }
}

int shares_join(const struct view *shares, size_t count, uint8_t *out, size_t out_len,
                struct err *e)
{
    struct share_head h = {0};
    uint8_t weights[SHARES_MAX], salt[SALT_SIZE], digest[CRYPTO_SHA256_SIZE];
    if (count == 0 || count > SHARES_MAX) {
        return err_set(e, EINVAL, "found %zu shares, wanted 2 to %u", count, SHARES_MAX);
    }
    int rc = set_check(shares, count, &h, e);
    if (rc < 0) { return rc; }
    if (out_len != h.secret_len) {
        return err_set(e, EINVAL, "shares of %zu bytes, wanted %zu", h.secret_len, out_len);
    }
    weights_make(shares, h.k, weights);
    bytes_join(shares, h.k, weights, AT_BODY, salt, sizeof salt);
    bytes_join(shares, h.k, weights, SHARE_HEAD_SIZE, out, out_len);
    rc = digest_make(h.k, shares[0].p + AT_SET, salt, out, out_len, digest);
    bool whole = rc == 0 && ct_eq(digest, shares[0].p + AT_DIGEST, sizeof digest);
    wipe(salt, sizeof salt);
    if (!whole) {
        wipe(out, out_len);
        return err_set(e, EKEYREJECTED,
                       "%u shares join to another secret than the one that was split: one of them "
                       "was changed",
                       h.k);
    }
    return 0;
}
