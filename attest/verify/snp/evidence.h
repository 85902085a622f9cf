/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SNP evidence as a guest sends it to a key broker: not the report's bytes but its fields, and the
 * certificates the host gave. [KBS protocol 0.4.0, tee "snp"]
 *
 *   {"attestation_report":{"version":3,"guest_svn":0,"policy":196608,...},
 *    "cert_chain":[{"cert_type":"VCEK","data":[48,130,...]},...] or null}
 */
#ifndef CASEMATE_ATTEST_VERIFY_SNP_EVIDENCE_H
#define CASEMATE_ATTEST_VERIFY_SNP_EVIDENCE_H

#include "attest/abi/snp_report.h"
#include "guest/base/cur.h"
#include "guest/base/err.h"

#include <jansson.h>

#define SNP_EVIDENCE_CERTS_MAX 8    /* the host's table holds five kinds */
#define SNP_EVIDENCE_CERT_SIZE 4096 /* bytes of one; the largest there is has some 1700 */

struct snp_evidence {
    uint8_t report[SNP_REPORT_SIZE]; /* built from the fields; reserved bytes are zero */
    struct view vek;                 /* VCEK or VLEK; empty = not sent */
    struct view ask, ark;            /* intermediate and root; empty = not sent */
    uint8_t *storage;                /* what the views point into */
};
void snp_evidence_fini(struct snp_evidence *ev); /* a zeroed one is fine */
#define auto_snp_evidence __attribute__((cleanup(snp_evidence_fini))) struct snp_evidence

/*
 * -EBADMSG for anything but these members in their types and sizes. What a report of the version
 * does not have is null or left out.
 */
MUST_CHECK int snp_evidence_parse(const json_t *primary, struct snp_evidence *out, struct err *e);

#endif
