/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An OCI image layout on the host's disk, as a directory or as a tar file of one (never in the
 * guest). Only finds bytes; whoever uses them checks their digest.
 */
#ifndef CASEMATE_LOADER_LAYOUT_H
#define CASEMATE_LOADER_LAYOUT_H

#include "loader/image/image.h"

struct layout;
MUST_CHECK int layout_open_dir(const char *path, struct layout **out, struct err *e);
MUST_CHECK int layout_open_archive(const char *path, struct layout **out, struct err *e);
void layout_free(struct layout *l); /* NULL is fine */
static inline void layout_cleanup(struct layout **l) { layout_free(*l); }
#define auto_layout __attribute__((cleanup(layout_cleanup))) struct layout *

/* Lives as long as l. */
struct blob_source *layout_blobs(struct layout *l);

/*
 * index.json, private copy; the version in oci-layout has been checked when the layout was opened.
 */
MUST_CHECK int layout_index(struct layout *l, struct map *out, struct err *e);

/* From index.json to the manifest digest; see image_index_select. */
MUST_CHECK int layout_select(struct layout *l, const char *tag, struct digest *out, struct err *e);

#endif
