/* SPDX-License-Identifier: Apache-2.0 */
/* See sim_report.h. */
#include "attest/sim_report.h"

#include <string.h>

static void put_u32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) { p[i] = (uint8_t)(v >> (8 * i)); }
}

void sim_report_fill(const struct sim_facts *f, uint8_t report[SNP_REPORT_SIZE])
{
    memset(report, 0, SNP_REPORT_SIZE);
    put_u32(report + SNP_REPORT_VERSION, SIM_REPORT_VERSION);
    put_u32(report + SNP_REPORT_POLICY, (uint32_t)SNP_POLICY_RESERVED_1);
    put_u32(report + SNP_REPORT_SIGNATURE_ALGO, SIM_SIGNATURE_ALGO);
    put_u32(report + SNP_REPORT_KEY_INFO, SNP_KEY_INFO_NO_KEY);
    memcpy(report + SNP_REPORT_REPORT_DATA, f->report_data, sizeof f->report_data);
    memcpy(report + SNP_REPORT_MEASUREMENT, f->measurement, sizeof f->measurement);
    memcpy(report + SNP_REPORT_HOST_DATA, f->host_data, sizeof f->host_data);
    memcpy(report + SNP_REPORT_AUTHOR_KEY_DIGEST, f->key_sha384, sizeof f->key_sha384);
    memcpy(report + SNP_REPORT_CHIP_ID, SIM_CHIP_ID, sizeof SIM_CHIP_ID - 1);
}

void sim_report_digest(const uint8_t report[SNP_REPORT_SIZE], uint8_t out[CRYPTO_SHA384_SIZE])
{
    struct crypto_sha c;
    (void)!crypto_sha_init(&c, CRYPTO_SHA384);
    crypto_sha_update(&c, SIM_SIGNED_PREFIX, sizeof SIM_SIGNED_PREFIX - 1);
    crypto_sha_update(&c, report, SNP_REPORT_SIGNED);
    crypto_sha_final(&c, out);
}
