/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit log: one line per decision, appended by a single write, so that lines of several writers never mix. Text is
 * the caller's.
 */
#ifndef CASEMATE_ATTEST_KBS_AUDIT_H
#define CASEMATE_ATTEST_KBS_AUDIT_H

#include "guest/base/err.h"

struct audit {
    int fd;
};

/* path NULL: standard error. */
MUST_CHECK int audit_open(const char *path, struct audit *out, struct err *e);
void audit_close(struct audit *a);

/* ctx: a struct audit. A line that cannot be written is said on standard error, and the broker goes on. */
void audit_line(void *ctx, const char *line);

#endif
