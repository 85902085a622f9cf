/* SPDX-License-Identifier: Apache-2.0 */
/* See explain.h. */
#include "attest/verify/explain.h"

#include "attest/verify/binding.h"
#include "attest/verify/sample.h"
#include "attest/verify/sim.h"
#include "attest/verify/snp/codes.h"
#include "attest/verify/tdx/codes.h"

#include <string.h>

static const struct {
    const struct verdict_code *codes;
    size_t count;
} tables[] = {
    {binding_codes, BINDING_CODE_COUNT}, {sim_codes, SIM_CODE_COUNT}, {snp_codes, SNP_CODE_COUNT},
    {sample_codes, SAMPLE_CODE_COUNT},   {tdx_codes, TDX_CODE_COUNT},
};

const struct verdict_code *explain_at(size_t i)
{
    for (size_t t = 0; t < ARRAY_COUNT(tables); t++) {
        if (i < tables[t].count) { return &tables[t].codes[i]; }
        i -= tables[t].count;
    }
    return NULL;
}

const struct verdict_code *explain_find(const char *name)
{
    const struct verdict_code *c;
    for (size_t i = 0; (c = explain_at(i)) != NULL; i++) {
        if (strcmp(c->name, name) == 0) { return c; }
    }
    return NULL;
}
