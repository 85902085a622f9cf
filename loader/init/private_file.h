/* SPDX-License-Identifier: Apache-2.0 */
/* Files for one user of the container: secrets, and what comes out of volumes. */
#ifndef CASEMATE_INIT_PRIVATE_FILE_H
#define CASEMATE_INIT_PRIVATE_FILE_H

#include "loader/image/tree.h"
#include "loader/image/user.h"

/*
 * A new file of mode 0400 that is u's, for writing. What the image has at path is replaced, but for
 * a directory.
 */
MUST_CHECK int private_file_create(struct tree *t, const char *path, const struct user *u,
                                   int *out_fd, struct err *e);
MUST_CHECK int private_file_write(int fd, const void *p, size_t len, struct err *e);

#endif
