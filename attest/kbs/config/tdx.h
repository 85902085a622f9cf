/* SPDX-License-Identifier: Apache-2.0 */
/* The table [tdx] of a configuration; config.h is its manual. */
#ifndef CASEMATE_ATTEST_KBS_CONFIG_TDX_H
#define CASEMATE_ATTEST_KBS_CONFIG_TDX_H

#include "attest/kbs/config/reader.h"

/* An absent table leaves *out as it is: keeper is NULL. */
MUST_CHECK int config_tdx_read(struct reader *r, struct config_tdx *out, struct err *e);
void config_tdx_fini(struct config_tdx *c); /* a zeroed one is fine */

/* The policy file's text: complete, and without what is not its to say. For tests. */
MUST_CHECK int config_tdx_policy(const void *text, size_t len, struct tdx_policy *out,
                                 struct err *e);

#endif
