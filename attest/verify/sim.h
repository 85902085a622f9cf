/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verifier of sim evidence, in layers: parse, key, signature, freshness, measurement, initdata.
 * It proves that whoever holds a machine's sim key wrote the report, and nothing about a processor;
 * so the keys come from a setting whose name says insecure, and there is no default.
 */
#ifndef CASEMATE_ATTEST_VERIFY_SIM_H
#define CASEMATE_ATTEST_VERIFY_SIM_H

#include "attest/sim_report.h"
#include "attest/verify/verdict.h"
#include "guest/base/err.h"

#include <jansson.h>

enum sim_code {
    SIM_EVIDENCE,
    SIM_SIZE,
    SIM_VERSION,
    SIM_FIELD,
    SIM_KEY,
    SIM_SIGNATURE,
    SIM_REPORT_DATA,
    SIM_MEASUREMENT,
    SIM_HOST_DATA,
    SIM_CODE_COUNT,
};
extern const struct verdict_code sim_codes[SIM_CODE_COUNT];

/*
 * What is demanded. A member that is NULL or 0 demands nothing, and the verdict lists it as
 * unbound.
 */
struct sim_demand {
    const struct crypto_key *const *insecure_keys; /* any one may have signed; none is a refusal */
    size_t insecure_key_count;
    const uint8_t *report_data; /* 64 bytes */
    const uint8_t *host_data;   /* 32 bytes: initdata_field() */
    const uint8_t (*measurements)[SNP_MEASUREMENT_SIZE];
    size_t measurement_count;
};

/*
 * Judge a report. *out_facts is filled in as soon as the report parses, and holds only when *v is
 * accepted.
 * v  zeroed by the caller
 */
void verify_sim(const uint8_t *report, size_t len, const struct sim_demand *d,
                struct sim_facts *out_facts, struct verdict *v);

/* The report's bytes out of primary evidence {"report":"<base64>"}. */
MUST_CHECK int sim_evidence_parse(const json_t *primary, uint8_t out_report[SNP_REPORT_SIZE],
                                  struct err *e);
/* And back; a new reference, NULL without memory. */
json_t *sim_evidence_format(const uint8_t report[SNP_REPORT_SIZE]);

#endif
