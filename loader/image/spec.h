/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The launch spec (guest/abi/launch_spec.h) as a struct: written by the host, parsed by init,
 * checked by both.
 */
#ifndef CASEMATE_LOADER_SPEC_H
#define CASEMATE_LOADER_SPEC_H

#include "guest/abi/launch_spec.h"
#include "loader/image/image.h"

struct spec_mount {
    const char *target;
    const char *kind; /* "tmpfs" or "host" */
    bool readonly;
};

struct launch_spec {
    const char *const *args, *const *env; /* end with NULL */
    const char *cwd, *hostname, *user;
    struct digest manifest;
    const struct spec_mount *mounts;
    size_t mount_count;
    bool readonly, tty;
    bool interactive;    /* "stdin" */
    struct json_t *json; /* keeps parsed views alive; NULL in a spec that is only written */
};

/* -EBADMSG unless p is the canonical text of a valid spec. */
MUST_CHECK int spec_parse(const void *p, size_t len, struct launch_spec *out, struct err *e);
/* For what spec_parse() made. */
void spec_fini(struct launch_spec *s);

/* The canonical text, heap, NUL behind it; refuses what spec_parse() would refuse. */
MUST_CHECK int spec_write(const struct launch_spec *s, char **out, size_t *out_len, struct err *e);

/*
 * Values of runtime registers 1 and 2: the manifest's SHA-256 with zeros behind it; SHA-384 of the
 * spec's text.
 */
#define SPEC_REGISTER_SIZE 48
void spec_register_image(const struct digest *manifest, uint8_t out[SPEC_REGISTER_SIZE]);
void spec_register_spec(const void *text, size_t len, uint8_t out[SPEC_REGISTER_SIZE]);

/* A place in a root: absolute, not the root itself, every component a name; below 4096 bytes. */
bool spec_path_ok(const char *s);
/* Is b the same as a, or below it? */
bool spec_path_covers(const char *a, const char *b);

/* A text of the form NAME=value: the length of NAME, 0 when it is not one. */
size_t spec_env_name(const char *text);

#endif
