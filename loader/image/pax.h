/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What extension headers say about the next tar entry: pax records ('x') and GNU long names ('L',
 * 'K').
 *
 * Taken: path, linkpath, size, uid, gid, mtime, SCHILY.xattr.user.*. Refused: GNU.sparse.* (the
 * content would be wrong), NUL in names, a record that does not parse. Ignored: names of users,
 * other times, comments, and the other extended attributes, which are counted (capabilities and
 * labels mean nothing in a guest with one container).
 */
#ifndef CASEMATE_LOADER_PAX_H
#define CASEMATE_LOADER_PAX_H

#include "guest/base/cc.h"
#include "guest/base/err.h"

#define PAX_SIZE_MAX   (1u << 20) /* one header's records: a long path, a few large attributes */
#define PAX_XATTRS_MAX 64

struct pax_xattr {
    char *name; /* "user.…" */
    uint8_t *value;
    size_t len;
};

struct pax {
    char *path, *link; /* NULL = not said */
    bool has_size, has_uid, has_gid, has_mtime;
    uint64_t size;
    uint32_t uid, gid;
    int64_t mtime; /* whole seconds */
    struct pax_xattr xattr[PAX_XATTRS_MAX];
    size_t xattr_count, xattrs_ignored;
};

/*
 * Adds to what p already holds; a later record wins, as POSIX says. p is usable and freeable after
 * a failure.
 */
MUST_CHECK int pax_parse(const uint8_t *data, size_t len, struct pax *p, struct err *e);

/* A global header may only say what we ignore anyway. */
MUST_CHECK int pax_check_global(const uint8_t *data, size_t len, struct err *e);

/* A GNU long name: text up to its NUL. *slot is replaced. */
MUST_CHECK int pax_gnu_name(const uint8_t *data, size_t len, char **slot, struct err *e);

void pax_reset(struct pax *p); /* zeroed is fine */

#endif
