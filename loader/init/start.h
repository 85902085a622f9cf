/* SPDX-License-Identifier: Apache-2.0 */
/* From an unpacked root to the running application. */
#ifndef CASEMATE_INIT_START_H
#define CASEMATE_INIT_START_H

#include "loader/image/spec.h"
#include "loader/image/tree.h"
#include "loader/init/secrets.h"

/* Exit statuses, as docker has them. */
#define START_FAILED     125 /* refused or failed before the application */
#define START_CANNOT_RUN 126 /* the program is there and cannot be run */
#define START_NOT_FOUND  127

/*
 * Resolve user, directory and program inside the root, put the secrets in place and hand over, with
 * the policy's control rules; policy NULL = none.
 * Returns only when that failed: a status above and the reason in e.
 */
MUST_CHECK int start(struct tree *t, int root_fd, const struct launch_spec *spec,
                     struct secrets *secrets, const struct policy *policy, struct err *e);

#endif
