/* SPDX-License-Identifier: Apache-2.0 */
/* The table [snp] of a configuration; config.h is its manual. */
#ifndef CASEMATE_ATTEST_KBS_CONFIG_SNP_H
#define CASEMATE_ATTEST_KBS_CONFIG_SNP_H

#include "attest/kbs/config/reader.h"

/* An absent table leaves *out as it is: keeper is NULL. */
MUST_CHECK int config_snp_read(struct reader *r, struct config_snp *out, struct err *e);
void config_snp_fini(struct config_snp *c); /* a zeroed one is fine */

#endif
