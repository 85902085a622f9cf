/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plain directory as an image (dir:ROOTFS), on the host: its tree becomes one uncompressed layer
 * in memory, with a config and a manifest made for it. The same tree gives the same digests:
 * entries are sorted, times are kept, nothing else of the machine enters.
 */
#ifndef CASEMATE_LOADER_DIRIMAGE_H
#define CASEMATE_LOADER_DIRIMAGE_H

#include "loader/image/image.h"

struct dirimage;
MUST_CHECK int dirimage_new(const char *path, struct dirimage **out, struct digest *out_manifest,
                            struct err *e);
void dirimage_free(struct dirimage *d); /* NULL is fine */
static inline void dirimage_cleanup(struct dirimage **d) { dirimage_free(*d); }
#define auto_dirimage __attribute__((cleanup(dirimage_cleanup))) struct dirimage *

/* Lives as long as d. */
struct blob_source *dirimage_blobs(struct dirimage *d);

#endif
