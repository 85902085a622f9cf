/* SPDX-License-Identifier: Apache-2.0 */
/* The whole way from a manifest to a root directory. See image.h for the order of checks. */
#include "loader/image/image.h"

#include "loader/image/ocicrypt.h"
#include "loader/image/untar.h"

#include <errno.h>

static int unpack_layer(struct blob_source *src, const struct image_layer *l,
                        const struct ocicrypt_keys *keys, struct tree *t, uint64_t *budget,
                        struct untar_stats *stats, struct err *e)
{
    auto_map blob = {0};
    auto_untar u = NULL;
    /* A plain tar is its own diff id, and blob_load() has hashed it. */
    struct digest found = l->digest;
    bool plain = l->coding == LAYER_TAR && !l->encrypted;

    if (blob_load(src, &l->digest, l->size, IMAGE_BLOB_MAX, &blob, e) < 0) { return -e->code; }
    if (l->encrypted && ocicrypt_decrypt(l, keys, blob.p, blob.len, e) < 0) { return -e->code; }
    if (untar_new(t, stats, &u, e) < 0) { return -e->code; }
    if (layer_decode(l->coding, blob.p, blob.len, budget, untar_sink(u), plain ? NULL : &found, e) <
        0) {
        return -e->code;
    }
    if (!digest_equal(&found, &l->diff_id)) {
        char text[DIGEST_TEXT_SIZE];
        digest_text(&found, text);
        return err_set(e, EBADMSG, "unpacks to %s, which is not the diff id in the config", text);
    }
    return untar_finish(u, e);
}

int image_unpack(struct blob_source *src, const struct image *img, const struct ocicrypt_keys *keys,
                 int root_fd, uint64_t *budget, struct untar_stats *stats, struct err *e)
{
    struct untar_stats unwanted = {0};
    struct tree *t;
    int r = 0;

    if (tree_new(root_fd, &t, e) < 0) { return -e->code; }
    for (size_t i = 0; r == 0 && i < img->layer_count; i++) {
        r = unpack_layer(src, &img->layers[i], keys, t, budget, stats ? stats : &unwanted, e);
        if (r < 0) { r = err_wrap(e, "layer %zu", i); }
    }
    tree_free(t);
    return r;
}
