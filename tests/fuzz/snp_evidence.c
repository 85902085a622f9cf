/* SPDX-License-Identifier: Apache-2.0 */
/* libs: evidence initdata jose plan crypto_full crypto_small base */
/* ldlibs: -ljansson -lcrypto */
/* Evidence as a guest sends it: refused with a text, or a report and views that lie where they should. */
#include "attest/json.h"
#include "attest/verify/snp/evidence.h"
#include "attest/verify/snp/report.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    struct snp_evidence ev;
    struct snp_report r;
    struct verdict v = {0};
    auto_json doc = NULL;
    if (json_load_strict("evidence", data, size, 1 << 20, &doc, &e) < 0) { return 0; }
    if (snp_evidence_parse(doc, &ev, &e) < 0) {
        if (e.text[0] == '\0') { abort(); }
        return 0;
    }
    if (snp_report_parse(ev.report, sizeof ev.report, &r, &v) != (v.reason_count == 0)) { abort(); }
    const struct view all[] = {ev.vek, ev.ask, ev.ark};
    uint8_t sum = 0;
    for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
        for (size_t k = 0; k < all[i].len; k++) { sum ^= all[i].p[k]; } /* readable to the end */
    }
    if (sum == 0 && all[0].len > SNP_EVIDENCE_CERT_SIZE) { abort(); }
    snp_evidence_fini(&ev);
    return 0;
}
