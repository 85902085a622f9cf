/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an image reference and a user's wishes to what the monitor hands to the guest: open blobs
 * and the launch spec. Manifest and config have been read and checked; layers are only found and
 * opened: the guest checks, decrypts and unpacks them, the host never does.
 */
#ifndef CASEMATE_LOADER_RESOLVE_H
#define CASEMATE_LOADER_RESOLVE_H

#include "loader/image/spec.h"

/* NULL and zero mean: as the image says. */
struct resolve_opts {
    const char *const
        *entrypoint; /* ends with NULL, may be empty; replaces the image's and drops its Cmd */
    const char *const *args; /* ends with NULL; replaces the image's Cmd */
    const char *const *env;  /* ends with NULL; "NAME=value", over the image's */
    const char *workdir, *user, *hostname;
    const struct spec_mount
        *mounts; /* the image's Volumes become tmpfs where none of these covers them */
    size_t mount_count;
    bool readonly, tty;
    bool interactive; /* the host may write to standard input */
};

struct resolved_blob {
    struct digest digest;
    int fd; /* owned; size bytes from base */
    uint64_t base, size;
};

struct resolved {
    struct resolved_blob *blobs; /* manifest, config, then the layers; each digest once */
    size_t blob_count;
    char *spec; /* canonical JSON, NUL behind it */
    size_t spec_len;
    struct digest manifest;
};

MUST_CHECK int resolve(const char *ref, const struct resolve_opts *opts, struct resolved *out,
                       struct err *e);
void resolved_fini(struct resolved *r); /* zeroed is fine */

#endif
