/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a policy of either language answers. The zero value is a refusal without a reason; judges
 * always give one.
 */
#ifndef CASEMATE_ATTEST_POLICY_DECISION_H
#define CASEMATE_ATTEST_POLICY_DECISION_H

#include "guest/base/cc.h"

#define DECISION_REASONS_MAX 8
#define DECISION_REASON_SIZE 640
struct decision {
    bool allowed;
    bool failed;   /* a policy could not be evaluated: refused, and its owner should look at it */
    char rule[64]; /* the rule that allowed; of a Rego policy "policy:LINE" */
    size_t reason_count;
    /* "rule web: measurement: found .., wanted .." */
    char reasons[DECISION_REASONS_MAX][DECISION_REASON_SIZE];
};

/* Further ones than fit are dropped: the first are the ones to read. */
void decision_reason(struct decision *d, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
