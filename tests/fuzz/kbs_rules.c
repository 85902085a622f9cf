/* SPDX-License-Identifier: Apache-2.0 */
/* libs: kbs_pure rego initdata jose crypto_full crypto_small base */
/* ldlibs: -ljansson -lcrypto */
/* Policies: what loads can be judged, and never allows a guest whose initdata no rule can name. */
#include <stdlib.h>

#include "attest/kbs/rules/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct reference_answer all_known(void *ctx, const char *tee,
                                         const uint8_t measurement[CLAIMS_MEASUREMENT])
{
    (void)ctx, (void)tee, (void)measurement;
    return (struct reference_answer){.known = true, .count = 1};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct rule_sources sources = {.references = {.ask = all_known}};
    struct claims c = {.tee = "sim", .phase = CLAIMS_PHASE_INIT}; /* initdata_len 0 */
    const struct rule_question q = {.claims = &c, .resource = "default/key/img"};
    struct rules *rules = NULL;
    struct decision d;
    struct err e = {0};
    if (rules_parse(data, size, &rules, &e) < 0) {
        if (rules || e.text[0] == '\0') { abort(); }
        return 0;
    }
    rules_judge(rules, &sources, &q, &d);
    if (d.allowed || d.reason_count == 0) { abort(); }
    rules_free(rules);
    return 0;
}
