/* SPDX-License-Identifier: Apache-2.0 */
/* Times as people write them in policies. */
#ifndef CASEMATE_ATTEST_POLICY_TIME_H
#define CASEMATE_ATTEST_POLICY_TIME_H

#include "guest/base/cc.h"

/*
 * Nanoseconds since 1970 of "2026-03-01T09:00:00Z" [RFC 3339]: upper-case T and Z, or an offset like
 * +02:00, and at most nine digits behind the second's dot. False for everything else: dates that do
 * not exist, leap seconds, and what nanoseconds in 64 bits cannot tell (before 1677, after 2262).
 */
MUST_CHECK bool time_parse_ns(const char *text, size_t len, int64_t *out);

#endif
