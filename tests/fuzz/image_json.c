/* SPDX-License-Identifier: Apache-2.0 */
/* libs: image jose crypto_full crypto_small base */
/* ldlibs: -ljansson -lz -lzstd -ldeflate -lcrypto */
/*
 * Manifest, config and index from the same bytes; the source of nested blobs has none. The first
 * byte is a layer count.
 */
#include "loader/image/image.h"

#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int nothing(struct blob_source *self, const struct digest *d, struct blob *out,
                   struct err *e)
{
    (void)self, (void)d, (void)out;
    return err_set(e, ENOENT, "no blobs");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct blob_source none = {.open = nothing};
    struct image img;
    struct digest d;
    struct err e1 = {0}, e2 = {0}, e3 = {0};

    if (image_manifest_parse(data, size, &img, &e1) == 0) {
        if (img.layer_count == 0) { abort(); }
        image_fini(&img);
    }
    img = (struct image){.layer_count = size > 0 ? data[0] & 3u : 0};
    img.layers = calloc(4, sizeof *img.layers);
    (void)!image_config_parse(data, size, &img, &e2);
    image_fini(&img);
    (void)!image_index_select(&none, data, size, size & 1 ? "v1" : NULL, &d, &e3);
    return 0;
}
