/* SPDX-License-Identifier: Apache-2.0 */
/* Reference values as the store has them, for those who look them up: our rules, and attestation policies. */
#ifndef CASEMATE_ATTEST_KBS_REFERENCES_H
#define CASEMATE_ATTEST_KBS_REFERENCES_H

#include "attest/kbs/appraise.h"
#include "attest/kbs/rules/reference.h"
#include "attest/kbs/store/store.h"

/* st is borrowed and outlives the answer. */
struct references references_in(struct store *st);
struct reference_source reference_source_in(struct store *st);

#endif
