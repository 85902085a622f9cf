/* SPDX-License-Identifier: Apache-2.0 */
/* See measure.h. */
#include "attest/measure.h"

#include <string.h>

int measure_sim(void *arg, const struct plan *p, uint8_t out_digest[MEASURE_SNP_SIZE])
{
    struct measure_snp m;
    (void)arg;
    measure_snp_init(&m);
    for (size_t i = 0; i < p->count; i++) {
        const struct plan_page *pg = &p->page[i];
        int r = measure_snp_page(&m, pg->kind == PLAN_VMSA ? MEASURE_VMSA : MEASURE_NORMAL, pg->gpa,
                                 pg->bytes);
        if (r < 0) { return r; }
    }
    memcpy(out_digest, m.digest, sizeof m.digest);
    return 0;
}
