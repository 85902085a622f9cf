/* SPDX-License-Identifier: Apache-2.0 */
/* An owner cuts a secret into shares, one per broker (attest/shares.h); each becomes a resource of the same name there. */
#ifndef CASEMATE_ATTEST_KBS_DESK_SPLIT_H
#define CASEMATE_ATTEST_KBS_DESK_SPLIT_H

#include "guest/base/err.h"

/*
 * Write one share of the file's bytes to each of count new files, for their owner alone. Any `need` of them join.
 * An existing file is never replaced; after a failure there is none of ours.
 */
MUST_CHECK int split_run(unsigned need, const char *secret, char *const *out_files, size_t count,
                         struct err *e);

#endif
