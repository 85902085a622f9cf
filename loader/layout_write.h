/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing an OCI image layout directory. Blobs first, index.json last, each by rename: whoever
 * reads meanwhile sees the old image or the new one.
 */
#ifndef CASEMATE_LOADER_LAYOUT_WRITE_H
#define CASEMATE_LOADER_LAYOUT_WRITE_H

#include "loader/image/image.h"

struct layout_writer {
    int dir, blobs; /* DIR and DIR/blobs/sha256; -1 = not open */
};

/* Makes the directory and its files where they are missing. */
MUST_CHECK int layout_writer_open(const char *path, struct layout_writer *out, struct err *e);
void layout_writer_close(struct layout_writer *w);

/* The blob's digest is its name; one that is there already is left alone. */
MUST_CHECK int layout_put_blob(struct layout_writer *w, const void *p, size_t len,
                               struct digest *out, struct err *e);

/*
 * Enter the descriptor (borrowed) under the tag, in place of what had it; others stay.
 * tag  NULL = without a tag
 */
MUST_CHECK int layout_put_index(struct layout_writer *w, const struct json_t *descriptor,
                                const char *tag, struct err *e);

#endif
