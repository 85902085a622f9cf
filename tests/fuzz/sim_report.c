/* SPDX-License-Identifier: Apache-2.0 */
/* libs: evidence initdata jose plan crypto_full crypto_small base */
/* ldlibs: -ljansson -lcrypto */
/*
 * Evidence from a stranger, no key enabled: whatever it is, the verdict is refused, with a reason.
 */
#include "attest/transcript.h"
#include "attest/verify/sim.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const uint8_t *report, size_t len)
{
    struct sim_demand d = {0};
    struct sim_facts f;
    struct verdict v = {0};
    verify_sim(report, len, &d, &f, &v);
    if (v.result != VERDICT_REFUSED || v.reason_count == 0) { abort(); }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    struct transcript_registers g;
    bool present;
    uint8_t report[SNP_REPORT_SIZE];
    judge(data, size);
    json_t *j = json_loadb((const char *)data, size, 0, NULL);
    if (json_is_object(j) && sim_evidence_parse(j, report, &e) == 0) {
        judge(report, sizeof report);
    }
    json_decref(j);
    char *text = calloc(1, size + 1);
    if (!text) { abort(); }
    memcpy(text, data, size);
    e = (struct err){0};
    if (transcript_registers_parse(text, &g, &present, &e) < 0 && e.text[0] == '\0') { abort(); }
    free(text);
    return 0;
}
