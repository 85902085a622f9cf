/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose attestation tokens are believed: our own, and those of other attestation services that the configuration names by
 * certificate or by key. [coco §5.4]
 *
 *  1. A key in the header that is our own, or one of the trusted sets: the token stands or falls with it.
 *  2. Any other key in the header is worth what vouches for it: an x5c chain to one of the roots whose leaf has that very key.
 *     Without one it is believed only under insecure_header_jwk.
 *  3. A header with kid alone is looked up in the trusted JWK sets.
 *  4. The algorithm is the JWK's `alg`, which must be stated; the header must name the same.
 */
#ifndef CASEMATE_ATTEST_KBS_TRUST_H
#define CASEMATE_ATTEST_KBS_TRUST_H

#include "attest/jose.h"

#define TRUST_CHAIN_MAX 8

/* Everything is borrowed. The zero value believes nobody. */
struct token_trust {
    const struct crypto_key *own; /* NULL = none */
    struct crypto_cert *const *roots;
    size_t root_count;
    const struct jwk_set *keys; /* NULL = none */
    bool
        insecure_header_jwk; /* whoever can write a token is believed; for tests of CoCo's clients */
};

/*
 * The payload of a token that somebody trusted signed and that has not expired (`exp` is required, `nbf` is honoured).
 * -EKEYREJECTED, -EKEYEXPIRED or -EBADMSG with the reason in e.
 *
 * out_own  did our own key sign it?
 */
MUST_CHECK int token_trust_verify(const struct token_trust *t, const char *text, size_t len,
                                  int64_t now, json_t **out_payload, bool *out_own, struct err *e);

#endif
