/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths of an archive below one root directory. Walks component by component from the root's
 * descriptor and follows symbolic links itself, as if chrooted: absolute targets start at the root,
 * ".." stops there. The kernel never follows a link for us (O_NOFOLLOW, AT_SYMLINK_NOFOLLOW), so
 * nothing outside the root is reached, whatever the names say.
 *
 * Nobody else may change the tree meanwhile: the caller owns it until unpacking is done.
 *
 * A path's identity is (inode of its directory, last name). With it the tree remembers what the
 * current layer made, for whiteouts remove what lower layers made and nothing else, and no path may
 * come twice in one layer.
 */
#ifndef CASEMATE_LOADER_TREE_H
#define CASEMATE_LOADER_TREE_H

#include "guest/base/cc.h"
#include "guest/base/err.h"

#include <sys/stat.h>

#define TREE_PATH_MAX 4096 /* PATH_MAX, with the NUL */
#define TREE_LINK_MAX 40   /* symbolic links on one way: what Linux follows */

struct tree;
/* root_fd is borrowed and must outlive the tree. */
MUST_CHECK int tree_new(int root_fd, struct tree **out, struct err *e);
void tree_free(struct tree *t); /* NULL is fine */

/* Forget what the last layer made. */
void tree_next_layer(struct tree *t);

/* A resolved place: a directory and a name in it that is not "", "." or "..". */
struct place {
    int dir_fd; /* view, until the next tree_ call; name "" = the root itself */
    uint64_t dir_ino;
    const char *name; /* points into the tree, as long */
};

/*
 * Resolve all but the last component of path. The last one is never followed.
 * make  create missing directories (0755, root) and count those passed as made by this layer;
 *       otherwise -ENOENT
 */
MUST_CHECK int tree_resolve(struct tree *t, const char *path, bool make, struct place *out,
                            struct err *e);

/*
 * The file or directory at path, links followed as if chrooted; a descriptor for reading. -errno in
 * e as always.
 */
MUST_CHECK int tree_open(struct tree *t, const char *path, int *out_fd, struct err *e);

/* Make path a directory with all its parents where they are missing. */
MUST_CHECK int tree_make_dirs(struct tree *t, const char *path, struct err *e);

/* Record that this layer made the place; -EEXIST when it had already. */
MUST_CHECK int tree_claim(struct tree *t, const struct place *p, struct err *e);
bool tree_claimed(const struct tree *t, const struct place *p);

/* Remove whatever is at the place, with everything below it; nothing there is fine. */
MUST_CHECK int tree_remove(struct tree *t, const struct place *p, struct err *e);

/*
 * Remove what lower layers made at the place, and below it where this layer added to a directory of
 * theirs.
 */
MUST_CHECK int tree_white_out(struct tree *t, const struct place *p, struct err *e);

/* Remove what lower layers made below the directory at the place. */
MUST_CHECK int tree_make_opaque(struct tree *t, const struct place *p, struct err *e);

#endif
