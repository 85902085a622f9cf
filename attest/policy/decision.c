/* SPDX-License-Identifier: Apache-2.0 */
/* See decision.h. */
#include "attest/policy/decision.h"

#include <stdarg.h>
#include <stdio.h>

void decision_reason(struct decision *d, const char *fmt, ...)
{
    if (d->reason_count == DECISION_REASONS_MAX) { return; }
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(d->reasons[d->reason_count++], DECISION_REASON_SIZE, fmt, ap);
    va_end(ap);
}
