/* SPDX-License-Identifier: Apache-2.0 */
/* Streams as open files: standard input, output and error, the terminal made of them, and blobs. */
#ifndef CASEMATE_GUEST_STREAM_FILES_H
#define CASEMATE_GUEST_STREAM_FILES_H

#include "guest/los.h"

struct fdtable;
struct file;

/*
 * Puts the host's standard input, output and error at 0, 1 and 2. Does not wait for the host. 0 or
 * -ENOMEM, -ENOBUFS, -EIO.
 */
MUST_CHECK int stdio_install(struct fdtable *t);

/*
 * The terminal that the host's input and output are: 0, 1 and 2 of t become files of it, and it
 * stands behind /dev/console. Call once, after stdio_install() and before somebody reads. 0 or
 * -ENOMEM.
 */
MUST_CHECK int stdio_make_terminal(struct fdtable *t);

/*
 * A file of the blob's bytes: read, pread, lseek, fstat's size. NULL with the host's -errno in
 * *out_err. Sleeps.
 */
struct file *blob_file(const char *digest, int *out_err);

#endif
