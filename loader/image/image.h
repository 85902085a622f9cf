/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Container images: from a reference to the files of a root directory. Used by host programs
 * (cc-run, cc-image) and, in the guest, by init; nothing here knows a virtual machine.
 *
 * Every byte is a stranger's. The rules, in the order they are applied:
 *   1. A blob is copied to private memory once and its SHA-256 compared with the digest that named
 *      it, before any byte is used (blob_load). In the guest the host serves the bytes and could
 *      serve others the second time, so nobody reads a blob twice.
 *   2. JSON is strict: no duplicate members, ceilings on size, depth and count (members.h).
 *   3. An encrypted layer is opened only after its HMAC over the whole ciphertext matched
 *      (ocicrypt_decrypt).
 *   4. Decompression and unpacking stream; the tar is hashed on the way and compared with the diff
 *      id of the config at the end. The caller drops the directory when unpacking fails: until then
 *      nothing in it may be used.
 *   5. No entry of an archive touches a path outside the root directory (tree.h).
 *
 * Sources: [OCI image-spec 1.1], [ocicrypt], RFC 1952 (gzip), RFC 8878 (zstd), POSIX pax.
 */
#ifndef CASEMATE_LOADER_IMAGE_H
#define CASEMATE_LOADER_IMAGE_H

#include "guest/base/cc.h"
#include "guest/base/err.h"
#include "guest/base/hosted.h"

struct json_t; /* jansson */

/* ---- ceilings */

#define IMAGE_JSON_MAX     (4u << 20)   /* manifest, index, config: what registries accept */
#define IMAGE_LAYERS_MAX   127          /* the customary maximum of overlay-based runtimes */
#define IMAGE_BLOB_MAX     (1ull << 36) /* one blob: 64 GiB */
#define IMAGE_UNPACKED_MAX (1ull << 36) /* all layers of an image, decompressed */
#define IMAGE_STRINGS_MAX  4096         /* entries of Env, Cmd, Entrypoint, Volumes */
#define IMAGE_PACKETS_MAX  16           /* key provider annotations of one layer */

/* ---- digests (digest.c) */

#define DIGEST_TEXT_SIZE 72 /* "sha256:", 64 hex digits, NUL */
struct digest {
    uint8_t sha256[32];
};
/* "sha256:" and 64 lower-case hex digits; other algorithms are refused by name. */
MUST_CHECK int digest_parse(const char *text, struct digest *out, struct err *e);
void digest_text(const struct digest *d, char out[DIGEST_TEXT_SIZE]);
void digest_of(const void *p, size_t len, struct digest *out);
bool digest_equal(const struct digest *a, const struct digest *b);

/* ---- references (ref.c) */

enum ref_kind {
    REF_OCI = 1,     /* oci:DIR[:TAG] */
    REF_OCI_ARCHIVE, /* oci-archive:FILE[:TAG] */
    REF_DIR,         /* dir:ROOTFS */
    REF_DOCKER,      /* docker://HOST/NAME[:TAG|@DIGEST], or the same without docker:// */
};

struct image_ref {
    enum ref_kind kind;
    char *path;   /* directory or file; NULL for REF_DOCKER */
    char *host;   /* REF_DOCKER: HOST[:PORT]; a full host name, nothing is guessed */
    char *name;   /* REF_DOCKER: NAME */
    char *tag;    /* NULL = none given */
    char *digest; /* REF_DOCKER: NULL = none given */
};
MUST_CHECK int image_ref_parse(const char *text, struct image_ref *out, struct err *e);
void image_ref_fini(struct image_ref *r); /* zeroed is fine */

/* ---- blobs (blob.c) */

/* Bytes that somebody serves, not yet checked: size bytes of fd, from base, by pread(). */
struct blob {
    int fd; /* owned; blob_close() */
    uint64_t base, size;
};
void blob_close(struct blob *b); /* {.fd = -1} is fine */

/* Where blobs come from: a layout on the host (layout.h), the blob streams in the guest (init). */
struct blob_source {
    MUST_CHECK int (*open)(struct blob_source *self, const struct digest *d, struct blob *out,
                           struct err *e);
};

/* Private zeroed memory for len > 0 bytes, from large pages where there are any. */
MUST_CHECK int buffer_map(size_t len, struct map *out, struct err *e);

#define BLOB_SIZE_ANY UINT64_MAX

/*
 * Copy the blob to private memory and check it.
 *
 * size  what its descriptor promised, compared; BLOB_SIZE_ANY when only the digest is known
 * max   ceiling, refused before a byte is read
 *
 * out   owned anonymous memory, writable, exactly the blob; an empty blob is refused
 */
MUST_CHECK int blob_load(struct blob_source *src, const struct digest *d, uint64_t size,
                         uint64_t max, struct map *out, struct err *e);

/* ---- index, manifest, config (index.c, manifest.c) */

enum layer_coding {
    LAYER_TAR = 1,
    LAYER_GZIP,
    LAYER_ZSTD,
};

struct image_layer {
    struct digest digest;
    uint64_t size;
    enum layer_coding coding;
    bool encrypted;
    struct digest diff_id;
    /*
     * Annotations of an encrypted layer; views into the manifest, base64 and comma-separated as
     * found; NULL = absent.
     */
    const char *pubopts;
    const char *jwe;
    const char *provider[IMAGE_PACKETS_MAX];
    size_t provider_count;
};

/*
 * What a config says about the process. Lists end with NULL and are never NULL; absent texts are
 * "".
 */
struct image_config {
    const char **entrypoint, **cmd, **env, **volumes;
    const char *workdir, *user, *stop_signal;
    const char *os, *architecture;
};

struct image {
    struct digest manifest, config_digest;
    uint64_t manifest_size, config_size;
    struct image_layer *layers;
    size_t layer_count;
    struct image_config config;
    struct json_t *manifest_json, *config_json; /* keep the views alive */
};

/* Read manifest and config. Media types, platform linux/amd64, number of diff ids: all checked. */
MUST_CHECK int image_load(struct blob_source *src, const struct digest *manifest, struct image *out,
                          struct err *e);
void image_fini(struct image *img); /* zeroed is fine */

/*
 * The two parsers behind it, pure functions of bytes. The manifest fills out only on success; the
 * config adds to an image whose manifest was parsed, leaves the platform to the caller, and needs
 * image_fini() even after a failure.
 */
MUST_CHECK int image_manifest_parse(const void *p, size_t len, struct image *out, struct err *e);
MUST_CHECK int image_config_parse(const void *p, size_t len, struct image *out, struct err *e);

/*
 * From index.json of a layout to one manifest: the entry with the tag (or the only one), through
 * nested indexes, for linux/amd64. An index without platforms must leave one choice.
 */
MUST_CHECK int image_index_select(struct blob_source *src, const void *index, size_t len,
                                  const char *tag, struct digest *out, struct err *e);

/* ---- layers (layer.c, ocicrypt.h, untar.h) */

/* Takes what a layer decodes to, in order, in pieces. */
struct layer_sink {
    MUST_CHECK int (*write)(struct layer_sink *self, const uint8_t *p, size_t len, struct err *e);
};

/*
 * Decompress a whole layer. Several gzip members or zstd frames are one stream; anything behind
 * them is refused.
 *
 * budget  bytes that may still come out; counted down, so that one budget serves all layers of an
 *         image
 * out     SHA-256 of what came out (the diff id); NULL = not wanted
 */
MUST_CHECK int layer_decode(enum layer_coding coding, const uint8_t *p, size_t len,
                            uint64_t *budget, struct layer_sink *sink, struct digest *out,
                            struct err *e);

struct ocicrypt_keys; /* ocicrypt.h */
struct untar_stats;   /* untar.h */

/*
 * The whole way of one image: each layer loaded, checked, decrypted, decompressed, unpacked below
 * root_fd, an empty directory. On failure the directory's content is worthless.
 *
 * keys    for encrypted layers; NULL = none
 * budget  see layer_decode
 * stats   summed up; NULL = not wanted
 */
MUST_CHECK int image_unpack(struct blob_source *src, const struct image *img,
                            const struct ocicrypt_keys *keys, int root_fd, uint64_t *budget,
                            struct untar_stats *stats, struct err *e);

#endif
