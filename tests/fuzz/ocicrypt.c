/* SPDX-License-Identifier: Apache-2.0 */
/* libs: image jose crypto_full crypto_small base */
/* ldlibs: -ljansson -lz -lzstd -ldeflate -lcrypto */
/*
 * Everything an encrypted layer's annotations can say: public and private options, packets, lists
 * of packets.
 */
#include "loader/image/ocicrypt.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct kek kek = {.uri = "kbs:///default/image-kek/vector-1", .key = {1}};
    struct ocicrypt_keys keys = {.kek = &kek, .kek_count = 1};
    struct layer_secret s;
    uint8_t opts[PRIVATE_OPTS_MAX], blob[64] = {0};
    char uri[KEK_URI_MAX], uris[4][KEK_URI_MAX];
    size_t len, count = 4;
    struct err e[6] = {0};
    char *text = strndup((const char *)data, size);

    if (!text) { return 0; }
    struct image_layer l = {
        .encrypted = true, .pubopts = text, .jwe = text, .provider = {text}, .provider_count = 1};
    struct image img = {.layers = &l, .layer_count = 1};
    (void)!ocicrypt_parse_private_opts(data, size, &s, &e[0]);
    (void)!packet_open(data, size, &kek, 1, opts, &len, &e[1]);
    (void)!kek_uri_normalise(text, uri, &e[2]);
    (void)!ocicrypt_unwrap(&l, &keys, &s, &e[3]);
    (void)!ocicrypt_key_uris(&img, uris, &count, &e[4]);
    s = (struct layer_secret){0};
    if (ocicrypt_open(&l, &s, blob, sizeof blob, &e[5]) < 0) {
        for (size_t i = 0; i < sizeof blob; i++) {
            if (blob[i] != 0) { abort(); } /* decrypted without its HMAC */
        }
    }
    free(text);
    return 0;
}
