/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MRTD, the launch measurement of a TD: one SHA-384 over records of pages added and of 256-byte
 * chunks extended, in the order of the calls. Addresses count, content counts where it is extended,
 * nothing else does. Public data: time may vary.
 *
 * Source: [TDX-MOD] TDH.MEM.PAGE.ADD, TDH.MR.EXTEND.
 */
#ifndef CASEMATE_ATTEST_MEASURE_TDX_H
#define CASEMATE_ATTEST_MEASURE_TDX_H

#include "attest/crypto.h"

#define MEASURE_TDX_SIZE  48
#define MEASURE_TDX_PAGE  4096
#define MEASURE_TDX_CHUNK 256

struct measure_tdx {
    struct crypto_sha sha;
};
void measure_tdx_init(struct measure_tdx *m);
void measure_tdx_extend(struct measure_tdx *m, uint64_t gpa,
                        const uint8_t chunk[MEASURE_TDX_CHUNK]);
/* A page as Linux adds it: then its chunks, or for page NULL none of them. */
void measure_tdx_page(struct measure_tdx *m, uint64_t gpa, const uint8_t *page);
void measure_tdx_final(struct measure_tdx *m, uint8_t out[MEASURE_TDX_SIZE]);

#endif
