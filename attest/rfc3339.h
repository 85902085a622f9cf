/* SPDX-License-Identifier: Apache-2.0 */
/* Points in time as texts: "2026-02-20T00:00:00Z" and nothing else [RFC 3339, profile of UTC]. */
#ifndef CASEMATE_ATTEST_RFC3339_H
#define CASEMATE_ATTEST_RFC3339_H

#include "guest/base/cc.h"

#define RFC3339_SIZE 21 /* with the terminating NUL */

/* Seconds since 1970; false when the text is not a date that exists, to the second, in UTC. */
MUST_CHECK bool rfc3339_parse(const char *text, size_t len, int64_t *out);

/* Years 0 to 9999; other times are written as the nearest of these. */
void rfc3339_format(int64_t t, char out[RFC3339_SIZE]);

#endif
