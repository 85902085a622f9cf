/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store's items in one file, for places without a way to the vendors: exported where there is
 * one, signed by the operator, imported elsewhere. The items are signed by their vendors anyway;
 * the operator's signature says which of them he chose, so nobody on the way can leave some out or
 * bring in older ones.
 *
 *   casemate-collateral-v1 <base64 of the signature>
 *   {"created":"2026-06-01T00:00:00Z","items":{"<name>":"<base64>",…}}
 *
 * Signed is everything behind the first line as it stands, with "casemate-collateral-v1\n" in
 * front; by Ed25519, or ECDSA P-256 with SHA-256 (r || s).
 */
#ifndef CASEMATE_ATTEST_COLLATERAL_BUNDLE_H
#define CASEMATE_ATTEST_COLLATERAL_BUNDLE_H

#include "attest/collateral/store.h"

#define BUNDLE_MAX       (8u << 20)
#define BUNDLE_ITEMS_MAX 4096

/* key: private, Ed25519 or P-256. Heap text, freed by the caller. */
MUST_CHECK int bundle_export(const struct collateral_store *s, const struct crypto_key *key,
                             int64_t now, char **out, size_t *out_len, struct err *e);

struct bundle_result {
    size_t written, older; /* older: there was something newer, which stayed */
};

/*
 * Refused as a whole when no key signed it, or when any part is not as above. Then item by item:
 * one that the store refuses as unusable ends it, and those before it stay.
 */
MUST_CHECK int bundle_import(const struct collateral_store *s, const struct crypto_key *const *keys,
                             size_t key_count, const char *text, size_t len,
                             struct bundle_result *out, struct err *e);

#endif
