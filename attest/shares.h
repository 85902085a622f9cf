/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A secret in n shares of which any k make it whole again and k - 1 say nothing [Shamir 1979]: each
 * byte is the constant term of a random polynomial of degree k - 1 over GF(256), a share is the
 * value of all of them at its own x. Shares lie at separate brokers, whose rules each owner writes
 * alone, and are joined in the guest: no broker's operator, nor k - 1 of them together, can take
 * the secret by changing rules.
 *
 * One share is the value of one resource. Bytes, in this order:
 *
 *       0  8   "CASHARE1"
 *       8  1   k, 2..SHARES_MAX
 *       9  1   x, 1..SHARES_MAX; different in every share
 *      10  2   zero
 *      12  4   bytes of the secret, little endian, 1..SHARE_SECRET_MAX
 *      16  16  set: random, the same in all shares of one split
 *      32  32  SHA-256("casemate-shares-v1" 00 | k | set | salt | secret), the same in all shares
 *      64  32  share of the salt: random bytes that are split with the secret, so that nobody can
 *              try guesses of a weak secret against the digest
 *      96  ..  share of the secret
 *
 * Shares are joined only when k, set, length and digest agree in all of them, and what comes out is
 * given only when its digest is that one. So while one of the k shares is honest, the result is
 * what was split or an error: a dishonest broker can refuse, never replace.
 *
 * Constant time: arithmetic on secret bytes has neither branches nor tables. k, x and the length
 * are not secret.
 *
 * In initdata: a resource named shares:///REPOSITORY/TYPE/TAG is a share set. The same path is
 * asked of each broker that [data]."brokers.toml" names, one share of each, until k have come; the
 * agent (attest/agent/) reads that table:
 *
 *      [brokers.NAME]                   at least two; NAME appears in errors
 *      url = "https://..."              as in aa.toml
 *      cert = "-----BEGIN ..."          as in aa.toml
 */
#ifndef CASEMATE_ATTEST_SHARES_H
#define CASEMATE_ATTEST_SHARES_H

#include "guest/base/cur.h"
#include "guest/base/err.h"

#define SHARES_MAX       16u    /* brokers one guest can be expected to ask */
#define SHARE_SECRET_MAX 65536u /* keys, and files of keys */
#define SHARE_HEAD_SIZE  96u

/* Bytes of one share of a secret of len bytes. */
#define SHARE_SIZE(len) (SHARE_HEAD_SIZE + (len))

/*
 * random  fills its buffer or returns a negative errno: crypto_random
 * out     n shares of SHARE_SIZE(len) bytes one after the other, x = 1..n; the caller wipes them
 *
 * -EINVAL: k < 2, n < k, n > SHARES_MAX, or no or too many bytes. What random returned. out is
 * wiped on failure.
 */
MUST_CHECK int shares_split(const void *secret, size_t len, unsigned k, unsigned n,
                            int (*random)(void *out, size_t len), uint8_t *out, struct err *e);

/* What the head of a share says. */
struct share_head {
    unsigned k, x;
    size_t secret_len;
};
/*
 * -EBADMSG when these are not the bytes of one share. share_read() says what is wrong with a share
 * by itself.
 */
MUST_CHECK int share_read(struct view share, struct share_head *out, struct err *e);

/*
 * count  at least k, in any order; the first k are used and all must belong together
 * out    secret_len bytes, wiped on failure
 *
 * -EBADMSG: a share that is none; -EINVAL: too few, or not of one set; -EKEYREJECTED: they join to
 * another secret. Errors count shares from 1 in the order given.
 */
MUST_CHECK int shares_join(const struct view *shares, size_t count, uint8_t *out, size_t out_len,
                           struct err *e);

#endif
