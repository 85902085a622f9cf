/* SPDX-License-Identifier: Apache-2.0 */
/* See reference.h. What is registered is an administrator's JSON; anything in it that is no text matches nothing. */
#include "attest/kbs/rules/reference.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *tee, *reference;
} kinds[] = {
    {"sim", "sim_launch_measurement"}, {"snp", "snp_launch_measurement"}, {"tdx", "mr_td"}};

const char *reference_name_of(const char *tee)
{
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        if (strcmp(kinds[i].tee, tee) == 0) { return kinds[i].reference; }
    }
    return NULL;
}

bool reference_name_is_ours(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        if (strcmp(kinds[i].reference, name) == 0) { return true; }
    }
    return false;
}

struct reference_answer reference_answer_of(const json_t *value,
                                            const uint8_t measurement[CLAIMS_MEASUREMENT])
{
    struct reference_answer a = {0};
    char want[HEX_LEN(CLAIMS_MEASUREMENT)];
    bool list = json_is_array(value);
    size_t n = list ? json_array_size(value) : 1;
    hex_encode(measurement, CLAIMS_MEASUREMENT, want);
    for (size_t i = 0; i < n; i++) {
        const char *one = json_string_value(list ? json_array_get(value, i) : value);
        if (!one) { continue; }
        a.count++;
        if (!a.first[0]) { (void)snprintf(a.first, sizeof a.first, "%s", one); }
        if (strcmp(one, want) == 0) { a.known = true; }
    }
    return a;
}
