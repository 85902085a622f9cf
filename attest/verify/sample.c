/* SPDX-License-Identifier: Apache-2.0 */
/* See sample.h. Reads bytes of a stranger who has no reason to lie better. */
#include "attest/verify/sample.h"

#include "attest/base64.h"
#include "attest/json.h"
#include "guest/base/ct.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const struct verdict_code sample_codes[SAMPLE_CODE_COUNT] = {
    [SAMPLE_EVIDENCE] = {"sample-evidence", "parse", "", "evidence",
                         "the evidence is not {\"svn\",\"report_data\"}, both texts, the latter "
                         "base64 of 48 bytes",
                         "give the evidence as CoCo's sample attester writes it"},
    [SAMPLE_REPORT_DATA] = {"sample-report-data", "freshness", "", "report_data",
                            "report data does not bind this nonce and key",
                            "the evidence is old or another guest's: attest again"},
};

static int parse(const json_t *evidence, uint8_t report_data[CRYPTO_SHA384_SIZE],
                 struct sample_facts *out, struct err *e)
{
    const char *svn, *text;
    uint8_t bytes[CRYPTO_SHA384_SIZE + 3];
    size_t len = 0;
    int rc = json_get_text("evidence", evidence, "svn", &svn, e);
    if (rc == 0) { rc = json_get_text("evidence", evidence, "report_data", &text, e); }
    if (rc < 0) { return rc; }
    if (strlen(svn) >= sizeof out->svn) {
        return err_set(e, E2BIG, "evidence: svn of %zu characters", strlen(svn));
    }
    size_t n = strlen(text);
    if (b64_decoded_max(n) > sizeof bytes || b64_decode(text, n, bytes, sizeof bytes, &len) < 0) {
        return err_set(e, EBADMSG, "evidence: report_data is not standard base64 of 48 bytes");
    }
    if (len != CRYPTO_SHA384_SIZE) {
        return err_set(e, EBADMSG, "evidence: report_data has %zu bytes, wanted %d", len,
                       CRYPTO_SHA384_SIZE);
    }
    memcpy(report_data, bytes, CRYPTO_SHA384_SIZE);
    (void)snprintf(out->svn, sizeof out->svn, "%s", svn);
    return 0;
}

void verify_sample(const json_t *evidence, const uint8_t report_data[CRYPTO_SHA384_SIZE],
                   struct sample_facts *out, struct verdict *v)
{
    uint8_t found[CRYPTO_SHA384_SIZE];
    struct sample_facts facts;
    struct err e = {0};
    verdict_unbound(v, "signature", "");
    verdict_unbound(v, "measurement", "");
    verdict_unbound(v, "initdata", "");
    if (parse(evidence, found, &facts, &e) < 0) {
        verdict_refuse(v, &sample_codes[SAMPLE_EVIDENCE], "something else",
                       "evidence of kind sample", "%s", e.text);
        return;
    }
    verdict_check_bytes(v, ct_eq(found, report_data, sizeof found),
                        &sample_codes[SAMPLE_REPORT_DATA], found, report_data, sizeof found);
    *out = facts;
    verdict_close(v);
}
