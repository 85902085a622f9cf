/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Intel certifies about a platform: the SGX extension of its PCK certificate. The sixteen
 * component levels are what TCB levels are compared with, never the raw CPUSVN.
 *
 * Members come in the order of the specification, none twice, none unknown; the last two are there
 * when the platform CA issued the certificate.
 *
 * Source: [PCK-PROFILE] Intel SGX PCK Certificate and CRL Profile Specification, §1.3.5.
 */
#ifndef CASEMATE_ATTEST_VERIFY_TDX_PCK_H
#define CASEMATE_ATTEST_VERIFY_TDX_PCK_H

#include "guest/base/cc.h"

#define TDX_PCK_OID    "1.2.840.113741.1.13.1"
#define TDX_COMPONENTS 16
#define TDX_FMSPC      6
#define TDX_PCE_ID     2
#define TDX_PPID       16

struct tdx_pck {
    uint8_t ppid[TDX_PPID];
    uint8_t components[TDX_COMPONENTS];
    uint16_t pce_svn;
    uint8_t cpu_svn[16];
    uint8_t pce_id[TDX_PCE_ID];
    uint8_t fmspc[TDX_FMSPC];
    uint8_t sgx_type; /* 0 standard, 1 scalable, 2 scalable with integrity */
    bool has_instance;
    uint8_t instance[16]; /* of the platform, given when it was registered */
};

/* der: the extension's value. False when it is not exactly that; *out is untouched then. */
MUST_CHECK bool tdx_pck_parse(const void *der, size_t len, struct tdx_pck *out);

#endif
