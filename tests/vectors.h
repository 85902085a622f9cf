/* SPDX-License-Identifier: Apache-2.0 */
/* Where known answers are: $CASEMATE_VECTORS (default ../shared/vectors), else tests/vectors. */
#ifndef CASEMATE_TESTS_VECTORS_H
#define CASEMATE_TESTS_VECTORS_H

#include <criterion/criterion.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The path of a file or folder among them; skips the running test aloud when it is in neither place. */
static inline void vector_find(const char *name, char out[PATH_MAX])
{
    const char *root = getenv("CASEMATE_VECTORS");

    (void)snprintf(out, PATH_MAX, "%s/%s", root ? root : "../shared/vectors", name);
    if (access(out, R_OK) == 0) { return; }
    (void)snprintf(out, PATH_MAX, "tests/vectors/%s", name);
    if (access(out, R_OK) != 0) { cr_skip_test("no vectors %s: set CASEMATE_VECTORS", name); }
}

#endif
