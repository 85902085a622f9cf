/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One layer's tar, pushed in pieces, becomes changes to a tree: OCI layer semantics [OCI image-spec
 * "Image Layer Filesystem Changeset"].
 *
 *  - An existing directory keeps its content when a directory entry comes; anything else is
 *    replaced.
 *  - ".wh.NAME" removes what lower layers put at NAME; ".wh..wh..opq" what they put into the
 *    directory, wherever in the archive it stands; other ".wh..wh.*" are leftovers of aufs and
 *    skipped; ".wh." and ".wh.." and ".wh..." are refused.
 *  - The same path twice in one layer is refused, except a directory. So is a file used as a
 *    directory, and a hard link whose target the image does not have.
 *  - Names are relative to the root whatever they say (tree.h). Missing parents are made.
 *  - Owner, mode with setuid, time of modification, user.* attributes are kept. Where the file
 *    system has no such attributes, or this process may not make device nodes, they are left out
 *    and counted.
 *
 * Ceilings: entries 1 048 576 (an entry costs us about 100 bytes), path 4095 bytes, one extension
 * header 1 MiB; bytes are limited by layer_decode's budget.
 */
#ifndef CASEMATE_LOADER_UNTAR_H
#define CASEMATE_LOADER_UNTAR_H

#include "loader/image/image.h"
#include "loader/image/tree.h"

#define UNTAR_ENTRIES_MAX (1u << 20) /* of all layers together, counted in stats */

struct untar_stats {
    uint64_t entries;
    uint64_t devices_skipped, xattrs_skipped;
};

struct untar;
/* Both are borrowed; stats is added to. Begins a new layer of the tree. */
MUST_CHECK int untar_new(struct tree *t, struct untar_stats *stats, struct untar **out,
                         struct err *e);
void untar_free(struct untar *u); /* NULL is fine */
static inline void untar_cleanup(struct untar **u) { untar_free(*u); }
#define auto_untar __attribute__((cleanup(untar_cleanup))) struct untar *

struct layer_sink *untar_sink(struct untar *u);
/* The archive must end here: inside an entry is an error. Sets the directories' times. */
MUST_CHECK int untar_finish(struct untar *u, struct err *e);

#endif
