/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence of kind sim, the software TEE: what it looks like and why nobody can take it for SNP's.
 *
 * The report has SNP's layout (snp_report.h) with
 *
 *   VERSION, SIGNATURE_ALGO   values of their own, outside every SNP version
 *   POLICY                    bit 17, which must be one, and nothing else
 *   KEY_INFO                  SIGNING_KEY = none
 *   MEASUREMENT, HOST_DATA, REPORT_DATA   as on SNP
 *   AUTHOR_KEY_DIGEST         SHA-384 of the signing key's SubjectPublicKeyInfo: which machine says
 *                             so
 *   CHIP_ID                   SIM_CHIP_ID, zeros behind it
 *   everything else           zero
 *
 * R and S are an ECDSA P-384 signature over SHA-384(SIM_SIGNED_PREFIX || report[0, 0x2a0)), little
 * endian as on SNP. The prefix is inside what is signed, so even under one and the same key the
 * signature is no SNP signature.
 *
 * On the wire [KBS protocol 0.4.0]:
 *
 *   tee                  SIM_TEE_NAME
 *   primary_evidence     {"report":"<base64 of the report's 1184 bytes>"}
 *   additional_evidence  before seal: canonical JSON {"launch_flags":N,"registers":["<96 hex
 *                        digits>", ... four]}; the measured agent wrote it, and report data binds
 *                        it. "" when there is nothing to say, and to a broker that did not answer the
 *                        offer of it: /auth carries it both ways as a member of extra-params,
 *                        EVIDENCE_REGISTERS_PARAM true. CoCo's broker takes nothing but evidence of
 *                        further devices there.
 */
#ifndef CASEMATE_ATTEST_ABI_EVIDENCE_H
#define CASEMATE_ATTEST_ABI_EVIDENCE_H

#define EVIDENCE_REGISTERS_PARAM "casemate-registers"
#define SIM_TEE_NAME                                                                               \
    "casemate-sim" /* no CoCo verifier knows it; a broker takes it only by an insecure_ setting */
#define SIM_REPORT_VERSION 0x4d495343u /* "CSIM" */
#define SIM_SIGNATURE_ALGO 0x80000001u /* ECDSA P-384 with SHA-384, over prefix and report */
#define SIM_CHIP_ID        "CASEMATE-SIM-NO-TEE"
#define SIM_SIGNED_PREFIX  "casemate-sim-report-v1\n" /* without its zero byte */

/*
 * The register form of report data: bytes 0..47 are SHA-384 over "casemate-report-v1" || launch
 * flags (u32) || phase (u8: 0 before seal, 1 after) || four registers || 64 bytes of the caller,
 * bytes 48..63 this text. A raw report never ends in it.
 */
#define REPORT_FORM_PREFIX   "casemate-report-v1" /* without its zero byte */
#define REPORT_FORM_MARK     "casemate-report1"   /* 16 bytes */
#define REPORT_REGISTERS     4
#define REPORT_REGISTER_SIZE 48

#endif
