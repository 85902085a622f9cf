/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CoCo's `sample` and `sampledevice`: evidence that proves nothing. Anybody can write it; all that is checked is its form
 * and that it was written for this handshake. It exists because CoCo's clients send it where there is no TEE, so whoever
 * enables it does so under a name that says insecure. [coco §6.2]
 *
 *      {"svn": "1", "report_data": "<standard base64 of the bare digest, 48 bytes>"}
 */
#ifndef CASEMATE_ATTEST_VERIFY_SAMPLE_H
#define CASEMATE_ATTEST_VERIFY_SAMPLE_H

#include "attest/crypto.h"
#include "attest/verify/verdict.h"

#include <jansson.h>

#define SAMPLE_SVN_MAX 64

enum sample_code { SAMPLE_EVIDENCE, SAMPLE_REPORT_DATA, SAMPLE_CODE_COUNT };
extern const struct verdict_code sample_codes[SAMPLE_CODE_COUNT];

struct sample_facts {
    char svn[SAMPLE_SVN_MAX]; /* whatever the guest wrote */
};

/*
 * Judge sample evidence. *out holds only when *v is accepted; signature, measurement and initdata are always unbound.
 *
 * report_data  what the evidence must say
 * v            zeroed by the caller
 */
void verify_sample(const json_t *evidence, const uint8_t report_data[CRYPTO_SHA384_SIZE],
                   struct sample_facts *out, struct verdict *v);

#endif
