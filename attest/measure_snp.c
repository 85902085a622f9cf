/* SPDX-License-Identifier: Apache-2.0 */
/* See measure_snp.h. */
#include "attest/measure_snp.h"

#include "attest/crypto.h"

#include <errno.h>
#include <string.h>

/* PAGE_INFO, little endian */
#define INFO_SIZE      112
#define INFO_CONTENTS  48
#define INFO_LENGTH    96 /* u16 */
#define INFO_PAGE_TYPE 98 /* u8; the byte behind it (IMI) and four of VMPL permissions stay zero */
#define INFO_GPA       104

void measure_snp_init(struct measure_snp *m) { memset(m->digest, 0, sizeof m->digest); }

int measure_snp_page(struct measure_snp *m, enum measure_page_type type, uint64_t gpa,
                     const uint8_t *page)
{
    uint8_t info[INFO_SIZE] = {0};
    bool has_content = type == MEASURE_NORMAL || type == MEASURE_VMSA;
    if (type < MEASURE_NORMAL || type > MEASURE_CPUID || has_content != (page != NULL) ||
        gpa % MEASURE_PAGE != 0) {
        return -EINVAL;
    }
    memcpy(info, m->digest, sizeof m->digest);
    if (page) { crypto_sha384(page, MEASURE_PAGE, info + INFO_CONTENTS); }
    info[INFO_LENGTH] = INFO_SIZE;
    info[INFO_PAGE_TYPE] = (uint8_t)type;
    if (type == MEASURE_VMSA) { gpa = MEASURE_VMSA_GPA; }
    for (size_t i = 0; i < 8; i++) { info[INFO_GPA + i] = (uint8_t)(gpa >> (8 * i)); }
    crypto_sha384(info, sizeof info, m->digest);
    return 0;
}
