/* SPDX-License-Identifier: Apache-2.0 */
/* The table [storage] of a configuration; config.h has its members. */
#ifndef CASEMATE_ATTEST_KBS_CONFIG_STORAGE_H
#define CASEMATE_ATTEST_KBS_CONFIG_STORAGE_H

#include "attest/kbs/config/reader.h"

MUST_CHECK int config_storage_read(struct reader *r, struct config *c, struct err *e);

#endif
