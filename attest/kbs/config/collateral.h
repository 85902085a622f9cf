/* SPDX-License-Identifier: Apache-2.0 */
/* The table [collateral] of a configuration; config.h is its manual. */
#ifndef CASEMATE_ATTEST_KBS_CONFIG_COLLATERAL_H
#define CASEMATE_ATTEST_KBS_CONFIG_COLLATERAL_H

#include "attest/kbs/config/reader.h"

/* After [snp] and [tdx], whose directories are filled. */
MUST_CHECK int config_collateral_read(struct reader *r, struct config *c, struct err *e);
void config_collateral_fini(struct config_collateral *c); /* a zeroed one is fine */

#endif
