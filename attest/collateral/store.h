/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What vendors sign about their platforms, kept in a directory: one file per item, named after what
 * it is about, so that a start needs no vendor's service. Nothing here is trusted: whoever reads an
 * item verifies it again, with his own clock. What the store adds:
 *
 *   1. A name is made of checked characters and says which kind of item it is.
 *   2. What cannot be used is not stored: an item must be signed by its vendor all the way up, and
 *      be about what its name says. So AMD's chain comes before what it signs.
 *   3. An item never gives way to an older one, so an attacker on the wire cannot bring back a time
 *      when he was not revoked yet. Expired items stay: whether they will do is asked by the
 *      reader.
 *   4. Files appear whole or not at all.
 *
 *   tdx-<fmspc>-platform.json, tdx-<fmspc>-processor.json    verify/tdx/collateral.h
 *   snp-vcek-<product>-<chip>-<tcb>.der                      a certificate
 *   snp-chain-<product>-vcek.pem, snp-chain-<product>-vlek.pem
 *   snp-crl-<product>.der                                    a revocation list
 */
#ifndef CASEMATE_ATTEST_COLLATERAL_STORE_H
#define CASEMATE_ATTEST_COLLATERAL_STORE_H

#include "attest/verify/snp/chain.h"
#include "attest/verify/tdx/collateral.h"
#include "attest/verify/tdx/endorse.h"
#include "guest/base/err.h"

#define COLLATERAL_NAME_MAX 224
#define COLLATERAL_ITEM_MAX TDX_COLLATERAL_MAX
#define COLLATERAL_CHIP_MAX 64 /* bytes of a chip's identifier: 64, or 8 on Turin */

enum collateral_kind {
    COLLATERAL_NONE = 0,
    COLLATERAL_TDX,
    COLLATERAL_VCEK,
    COLLATERAL_AMD_CHAIN,
    COLLATERAL_AMD_CRL,
};

/* What an item is about. Members that a kind has no use for are zero. */
struct collateral_id {
    enum collateral_kind kind;
    uint8_t fmspc[TDX_FMSPC]; /* TDX */
    bool processor_ca;
    enum snp_product product; /* AMD */
    bool vlek;
    uint8_t chip[COLLATERAL_CHIP_MAX];
    size_t chip_len;
    uint8_t tcb[8]; /* as in the report */
};

void collateral_name(const struct collateral_id *id, char out[COLLATERAL_NAME_MAX]);
/* The reverse; false when no item has this name. */
MUST_CHECK bool collateral_parse_name(const char *name, struct collateral_id *out);

/*
 * What a report of this product needs, in the order in which it can be stored: chain, revocation
 * list, certificate; the last only for a VCEK, since nobody but a cloud provider gets a VLEK.
 * Returns how many.
 */
#define COLLATERAL_OF_REPORT_MAX 3
size_t collateral_of_report(const struct snp_report *r, enum snp_product product,
                            struct collateral_id out[COLLATERAL_OF_REPORT_MAX]);
/* The set for a quote's platform. */
struct collateral_id collateral_of_platform(const struct tdx_endorsement *n);

struct collateral_store {
    const char *dir;
    const uint8_t *tdx_root;           /* TDX_ROOT_SIZE bytes */
    const struct snp_roots *snp_roots; /* not looked at by readers, nor is the other */
};

/* Heap bytes with a zero byte behind them. -ENOENT when there is no such item. */
MUST_CHECK int collateral_read(const struct collateral_store *s, const struct collateral_id *id,
                               char **out, size_t *out_len, struct err *e);

/*
 * -EBADMSG when the bytes are not such an item, -ENOENT when the chain that must have signed them
 * is not there, -ESTALE when they are older than what is there; the text says what. The directory
 * is made when it is not there.
 */
MUST_CHECK int collateral_write(const struct collateral_store *s, const struct collateral_id *id,
                                const void *bytes, size_t len, struct err *e);

/* Every item, in no order; what has another name is passed over. Ends when visit returns < 0. */
MUST_CHECK int collateral_each(const struct collateral_store *s,
                               int (*visit)(void *ctx, const struct collateral_id *id,
                                            struct err *e),
                               void *ctx, struct err *e);

#endif
