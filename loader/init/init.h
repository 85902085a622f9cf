/* SPDX-License-Identifier: Apache-2.0 */
/* Init as a function, for its main and for tests that stand in for the library OS (env.h). */
#ifndef CASEMATE_INIT_INIT_H
#define CASEMATE_INIT_INIT_H

#include "guest/base/err.h"

/*
 * Everything from the launch spec to the application, in the order that init.c gives.
 *
 * root_path  where the root directory is made: on a tmpfs, nothing there yet
 *
 * Returns only when the application does not run: an exit status (start.h) and the reason in e.
 */
MUST_CHECK int init_run(const char *root_path, struct err *e);

#endif
