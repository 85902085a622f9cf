/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verifier of SEV-SNP reports, in layers that can be used alone:
 *
 *   report.h   bytes to fields            chain.h   certificates to an endorsement key
 *   vek.h      AMD's extensions           policy.h  what is demanded, and comparing with it
 *   evidence.h the JSON a guest sends     trust.h   chains and endorsements that are kept
 *
 * The first failure of parsing, chain or signature ends the judgement: nothing behind it has a
 * meaning. Failures of what is demanded are collected.
 */
#ifndef CASEMATE_ATTEST_VERIFY_SNP_SNP_H
#define CASEMATE_ATTEST_VERIFY_SNP_SNP_H

#include "attest/verify/snp/policy.h"

/*
 * Judge a parsed report by the endorsement of the key that signed it: validity and revocation,
 * agreement of report and certificate, signature, and what is demanded. Closes v.
 *
 * r    from snp_report_parse(): the digest in it is of the same bytes
 * crl  NULL = there is none
 * now  seconds since 1970
 */
void verify_snp(const struct snp_report *r, const struct snp_endorsement *e,
                const struct snp_crl *crl, const struct snp_policy *p, int64_t now,
                struct verdict *v);

/*
 * What the report says, for people and programs: into an object. Holds only when the verdict is
 * accepted. Members that there is no memory for are left out.
 */
void snp_claims(const struct snp_report *r, const struct snp_endorsement *e, json_t *claims);

#endif
