/* SPDX-License-Identifier: Apache-2.0 */
/* See measure_tdx.h. */
#include "attest/measure_tdx.h"

#include <stdlib.h>
#include <string.h>

#define RECORD_SIZE 128
#define RECORD_GPA  16

static void record(struct measure_tdx *m, const char *name, uint64_t gpa)
{
    uint8_t r[RECORD_SIZE] = {0};
    memcpy(r, name, strlen(name));
    for (size_t i = 0; i < sizeof gpa; i++) { r[RECORD_GPA + i] = (uint8_t)(gpa >> (8 * i)); }
    crypto_sha_update(&m->sha, r, sizeof r);
}

void measure_tdx_init(struct measure_tdx *m)
{
    if (crypto_sha_init(&m->sha, CRYPTO_SHA384) < 0) { abort(); } /* it knows SHA-384 */
}

void measure_tdx_extend(struct measure_tdx *m, uint64_t gpa, const uint8_t chunk[MEASURE_TDX_CHUNK])
{
    record(m, "MR.EXTEND", gpa);
    crypto_sha_update(&m->sha, chunk, MEASURE_TDX_CHUNK);
}

void measure_tdx_page(struct measure_tdx *m, uint64_t gpa, const uint8_t *page)
{
    record(m, "MEM.PAGE.ADD", gpa);
    for (size_t at = 0; page && at < MEASURE_TDX_PAGE; at += MEASURE_TDX_CHUNK) {
        measure_tdx_extend(m, gpa + at, page + at);
    }
}

void measure_tdx_final(struct measure_tdx *m, uint8_t out[MEASURE_TDX_SIZE])
{
    crypto_sha_final(&m->sha, out);
}
