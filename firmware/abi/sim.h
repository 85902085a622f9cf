/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The software TEE of the monitor: the ward asks for a report by writing the guest-physical address of this request to
 * PORT_SIM. The request lies in the ward's own memory. The monitor fills in the report and signs it with the machine's
 * sim key; nothing about it protects from the host, and the report cannot be mistaken for an SNP report (attest/abi/evidence.h).
 */
#ifndef CASEMATE_FIRMWARE_ABI_SIM_H
#define CASEMATE_FIRMWARE_ABI_SIM_H

#include "guest/base/cc.h"

#define SIM_REQUEST_MAGIC 0x52454d49u /* "IMER" */
#define SIM_REPORT_SIZE   1184

struct sim_request {
    uint32_t magic;
    int32_t result;          /* 0 or -errno, written by the monitor */
    uint8_t report_data[64];
    uint8_t report[SIM_REPORT_SIZE];
};
ABI_SIZE(struct sim_request, 1256);

#endif
