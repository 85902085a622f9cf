/* SPDX-License-Identifier: Apache-2.0 */
/* The sim report between its two ends, signer and verifier. Layout: abi/evidence.h. */
#ifndef CASEMATE_ATTEST_SIM_REPORT_H
#define CASEMATE_ATTEST_SIM_REPORT_H

#include "attest/abi/evidence.h"
#include "attest/abi/snp_report.h"
#include "attest/crypto.h"

/* All that varies from one sim report to the next. */
struct sim_facts {
    uint8_t report_data[SNP_REPORT_DATA_SIZE];
    uint8_t measurement[SNP_MEASUREMENT_SIZE];
    uint8_t host_data[SNP_HOST_DATA_SIZE];
    uint8_t key_sha384[CRYPTO_SHA384_SIZE]; /* of the signing key's SubjectPublicKeyInfo */
};

/* Every byte but the signature, which is zero. */
void sim_report_fill(const struct sim_facts *f, uint8_t report[SNP_REPORT_SIZE]);
/* What is signed: SHA-384(prefix || report[0, 0x2a0)). */
void sim_report_digest(const uint8_t report[SNP_REPORT_SIZE], uint8_t out[CRYPTO_SHA384_SIZE]);

#endif
