/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attestation report of SEV-SNP, byte by byte; sim uses the same layout. Little endian. Never
 * cast: read with a cursor at these offsets, sign and verify the bytes as received.
 * Source: [SNP-ABI] ATTESTATION_REPORT.
 */
#ifndef CASEMATE_ATTEST_ABI_SNP_REPORT_H
#define CASEMATE_ATTEST_ABI_SNP_REPORT_H

#define SNP_REPORT_SIZE   0x4a0
#define SNP_REPORT_SIGNED 0x2a0 /* the signature covers [0, here) */

#define SNP_REPORT_VERSION            0x000 /* u32 */
#define SNP_REPORT_GUEST_SVN          0x004 /* u32 */
#define SNP_REPORT_POLICY             0x008 /* u64 */
#define SNP_REPORT_FAMILY_ID          0x010 /* 16 */
#define SNP_REPORT_IMAGE_ID           0x020 /* 16 */
#define SNP_REPORT_VMPL               0x030 /* u32 */
#define SNP_REPORT_SIGNATURE_ALGO     0x034 /* u32 */
#define SNP_REPORT_CURRENT_TCB        0x038 /* u64 */
#define SNP_REPORT_PLATFORM_INFO      0x040 /* u64 */
#define SNP_REPORT_KEY_INFO           0x048 /* u32 */
#define SNP_REPORT_REPORT_DATA        0x050 /* 64 */
#define SNP_REPORT_MEASUREMENT        0x090 /* 48 */
#define SNP_REPORT_HOST_DATA          0x0c0 /* 32 */
#define SNP_REPORT_ID_KEY_DIGEST      0x0e0 /* 48 */
#define SNP_REPORT_AUTHOR_KEY_DIGEST  0x110 /* 48 */
#define SNP_REPORT_REPORT_ID          0x140 /* 32 */
#define SNP_REPORT_REPORT_ID_MA       0x160 /* 32 */
#define SNP_REPORT_REPORTED_TCB       0x180 /* 8 */
#define SNP_REPORT_CPUID_FAMILY       0x188 /* u8, versions 3 and later, as the next two */
#define SNP_REPORT_CPUID_MODEL        0x189 /* u8 */
#define SNP_REPORT_CPUID_STEPPING     0x18a /* u8 */
#define SNP_REPORT_CHIP_ID            0x1a0 /* 64 */
#define SNP_REPORT_COMMITTED_TCB      0x1e0 /* 8 */
#define SNP_REPORT_CURRENT_FIRMWARE   0x1e8 /* build, minor, major */
#define SNP_REPORT_COMMITTED_FIRMWARE 0x1ec /* build, minor, major */
#define SNP_REPORT_LAUNCH_TCB         0x1f0 /* 8 */
#define SNP_REPORT_LAUNCH_MIT_VECTOR  0x1f8 /* u64, version 5, as the next */
#define SNP_REPORT_CURRENT_MIT_VECTOR 0x200 /* u64 */
#define SNP_REPORT_R                  0x2a0 /* 72, little endian */
#define SNP_REPORT_S                  0x2e8 /* 72, little endian */

#define SNP_REPORT_DATA_SIZE 64
#define SNP_MEASUREMENT_SIZE 48
#define SNP_HOST_DATA_SIZE   32
#define SNP_CHIP_ID_SIZE     64
#define SNP_SIG_PART_SIZE    72 /* R or S; a P-384 number fills the first 48 */

#define SNP_POLICY_RESERVED_1 0x20000ull /* bit 17 must be one */
#define SNP_KEY_INFO_NO_KEY   (7u << 2)  /* SIGNING_KEY: none of the processor's */

#endif
