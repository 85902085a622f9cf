/* SPDX-License-Identifier: Apache-2.0 */
/* libs: luks jose crypto_full crypto_small base */
/* ldlibs: -ljansson -lcrypto */
/*
 * A LUKS2 header: the fuzzer writes the JSON, the rest is put right around it. Whatever is taken
 * lies inside the volume.
 */
#include "loader/init/luks.h"

#include <stdlib.h>
#include <string.h>

#define SIZE   16384u
#define VOLUME (4u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct luks_header *h)
{
    if (h->slot_count == 0 || h->slot_count > LUKS_SLOTS_MAX) { abort(); }
    for (size_t i = 0; i < h->slot_count; i++) {
        const struct luks_slot *s = &h->slots[i];
        if (s->area_off < SIZE || s->area_off > VOLUME || s->area_size > VOLUME - s->area_off ||
            s->area_size < (uint64_t)s->stripes * 64 || s->kdf.iterations == 0) {
            abort();
        }
    }
    if (h->data_off < SIZE || h->data_off > VOLUME || h->data_size > VOLUME - h->data_off ||
        h->sector_size < 512 || h->data_size % h->sector_size != 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t p[SIZE];
    static struct luks_header h;
    struct err e = {0}, raw = {0};
    (void)!luks_header_parse(data, size, VOLUME, &h, &raw);
    memset(p, 0, sizeof p);
    memcpy(p, "LUKS\xba\xbe\0\2\0\0\0\0\0\0\x40\0", 16);
    memcpy(p + 72, "sha256", 6);
    memcpy(p + LUKS_BINARY_SIZE, data,
           size < SIZE - LUKS_BINARY_SIZE ? size : SIZE - LUKS_BINARY_SIZE);
    crypto_sha256(p, sizeof p, p + 448);
    int r = luks_header_parse(p, sizeof p, VOLUME, &h, &e);
    if ((r < 0) != (e.text[0] != '\0')) { abort(); }
    if (r == 0) { check(&h); }
    return 0;
}
