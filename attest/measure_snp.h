/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The launch digest of SEV-SNP, which sim uses too: a chain of SHA-384 over one PAGE_INFO record
 * per 4 KiB page, in the order in which the pages were added. A pure function of that list.
 * Source: [SNP-ABI §8.17.2] PAGE_INFO; snp digests are public, time may vary.
 */
#ifndef CASEMATE_ATTEST_MEASURE_SNP_H
#define CASEMATE_ATTEST_MEASURE_SNP_H

#include "guest/base/cc.h"

#define MEASURE_SNP_SIZE 48
#define MEASURE_PAGE     4096

enum measure_page_type {
    MEASURE_NORMAL = 1, /* content and address */
    MEASURE_VMSA, /* content; its address is MEASURE_VMSA_GPA whatever the caller says elsewhere */
    MEASURE_ZERO, /* address alone, as the rest */
    MEASURE_UNMEASURED,
    MEASURE_SECRETS,
    MEASURE_CPUID,
};
#define MEASURE_VMSA_GPA 0xfffffffff000ull /* chosen by KVM */

struct measure_snp {
    uint8_t digest[MEASURE_SNP_SIZE];
};
void measure_snp_init(struct measure_snp *m);
/*
 * page  4096 bytes for MEASURE_NORMAL and MEASURE_VMSA, NULL otherwise
 * -EINVAL for another type, a page where none belongs or the other way round, and an address that
 * is not page aligned
 */
MUST_CHECK int measure_snp_page(struct measure_snp *m, enum measure_page_type type, uint64_t gpa,
                                const uint8_t *page);

#endif
