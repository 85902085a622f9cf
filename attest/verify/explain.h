/* SPDX-License-Identifier: Apache-2.0 */
/* Every reason code a verifier has, in words. Its table is known here, or its codes are not. */
#ifndef CASEMATE_ATTEST_VERIFY_EXPLAIN_H
#define CASEMATE_ATTEST_VERIFY_EXPLAIN_H

#include "attest/verify/verdict.h"

/* NULL when no verifier has it. */
const struct verdict_code *explain_find(const char *name);

/* All of them, in the order of the checks; NULL behind the last. */
const struct verdict_code *explain_at(size_t i);

#endif
