/* SPDX-License-Identifier: Apache-2.0 */
/* See luks.h: from a password to the volume key, and from sectors to content. */
#include "loader/init/luks.h"

#include "guest/base/ct.h"
#include "guest/base/hosted.h"
#include "guest/base/ovf.h"

#include <errno.h>
#include <string.h>

#define SECTOR 512u

/* ---- AF-split: stripes of which each single one hides the key [TKS1 §2.4] */

/* Hash of (number of the chunk, chunk) for each chunk of a digest's size, the last one cut. */
static void diffuse(enum crypto_hash h, uint8_t block[CRYPTO_XTS_KEY_SIZE])
{
    size_t size = crypto_hash_size(h);
    for (size_t at = 0, i = 0; at < CRYPTO_XTS_KEY_SIZE; at += size, i++) {
        size_t take = CRYPTO_XTS_KEY_SIZE - at < size ? CRYPTO_XTS_KEY_SIZE - at : size;
        uint8_t number[4] = {0, 0, 0, (uint8_t)i}, digest[CRYPTO_HASH_MAX];
        struct crypto_sha c;
        (void)!crypto_sha_init(&c, h);
        crypto_sha_update(&c, number, sizeof number);
        crypto_sha_update(&c, block + at, take);
        crypto_sha_final(&c, digest);
        memcpy(block + at, digest, take);
        wipe(digest, sizeof digest);
    }
}

static void merge(enum crypto_hash h, const uint8_t *stripes, uint32_t count,
                  uint8_t out[CRYPTO_XTS_KEY_SIZE])
{
    memset(out, 0, CRYPTO_XTS_KEY_SIZE);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *s = stripes + (size_t)i * CRYPTO_XTS_KEY_SIZE;
        for (size_t k = 0; k < CRYPTO_XTS_KEY_SIZE; k++) { out[k] ^= s[k]; }
        if (i + 1 < count) { diffuse(h, out); }
    }
}

/* ---- the volume key */

static int derive(const struct luks_kdf *k, const void *password, size_t len, uint8_t *out,
                  size_t out_len)
{
    return crypto_pbkdf2(k->hash, password, len, k->salt, k->salt_len, k->iterations, out, out_len);
}

/* 0 and the key; -ENOKEY when this password is not the slot's; or what reading it said. */
static int try_slot(const struct luks_source *from, const struct luks_header *h,
                    const struct luks_slot *s, const void *password, size_t len,
                    uint8_t out_key[CRYPTO_XTS_KEY_SIZE], struct err *e)
{
    size_t size = ((size_t)s->stripes * CRYPTO_XTS_KEY_SIZE + SECTOR - 1) / SECTOR * SECTOR;
    uint8_t key[CRYPTO_XTS_KEY_SIZE], digest[64];
    struct crypto_xts xts;
    auto_free uint8_t *area = malloc(size);
    if (!area) { return err_set(e, ENOMEM, "out of memory"); }
    int r = from->read(from->ctx, s->area_off, area, size, e);
    if (r < 0) { return r; }
    if (derive(&s->kdf, password, len, key, sizeof key) < 0) { return -ENOKEY; }
    crypto_xts_init(&xts, key);
    for (size_t at = 0; at < size; at += SECTOR) {
        crypto_xts_decrypt(&xts, at / SECTOR, area + at, SECTOR);
    }
    merge(s->af_hash, area, s->stripes, out_key);
    r = derive(&h->digest, out_key, CRYPTO_XTS_KEY_SIZE, digest, h->digest_len);
    if (r < 0 || !ct_eq(digest, h->digest_value, h->digest_len)) { r = -ENOKEY; }
    wipe(key, sizeof key);
    wipe(&xts, sizeof xts);
    wipe(area, size);
    return r;
}

static int find_key(const struct luks_source *from, const struct luks_header *h,
                    const void *password, size_t len, uint8_t out_key[CRYPTO_XTS_KEY_SIZE],
                    struct err *e)
{
    for (size_t i = 0; i < h->slot_count; i++) {
        int r = try_slot(from, h, &h->slots[i], password, len, out_key, e);
        if (r != -ENOKEY) { return r; }
    }
    wipe(out_key, CRYPTO_XTS_KEY_SIZE);
    return err_set(e, ENOKEY, "the key opens none of %zu key slots", h->slot_count);
}

/* ---- open, read, close */

static int read_header(const struct luks_source *from, struct luks_header *out, struct err *e)
{
    auto_free uint8_t *p = malloc(LUKS_HEADER_MAX);
    size_t size;
    if (!p) { return err_set(e, ENOMEM, "out of memory"); }
    if (from->size < LUKS_BINARY_SIZE) {
        return err_set(e, EBADMSG, "%llu bytes are no LUKS volume", (unsigned long long)from->size);
    }
    int r = from->read(from->ctx, 0, p, LUKS_BINARY_SIZE, e);
    if (r == 0) { r = luks_header_size(p, &size, e); }
    if (r == 0 && size > from->size) { r = err_set(e, EBADMSG, "LUKS header: cut short"); }
    if (r == 0) {
        r = from->read(from->ctx, LUKS_BINARY_SIZE, p + LUKS_BINARY_SIZE, size - LUKS_BINARY_SIZE,
                       e);
    }
    return r == 0 ? luks_header_parse(p, size, from->size, out, e) : r;
}

int luks_open(const struct luks_source *from, const void *password, size_t len, struct luks *out,
              struct err *e)
{
    uint8_t key[CRYPTO_XTS_KEY_SIZE];
    auto_free struct luks_header *h = calloc(1, sizeof *h);
    if (!h) { return err_set(e, ENOMEM, "out of memory"); }
    if (len == 0 || len > LUKS_PASSWORD_MAX) {
        return err_set(e, EINVAL, "a key of %zu bytes, wanted 1 to %u", len, LUKS_PASSWORD_MAX);
    }
    int r = read_header(from, h, e);
    if (r == 0) { r = find_key(from, h, password, len, key, e); }
    if (r < 0) { return r; }
    *out = (struct luks){.from = from,
                         .data_off = h->data_off,
                         .iv_tweak = h->iv_tweak,
                         .size = h->data_size,
                         .sector_size = h->sector_size};
    crypto_xts_init(&out->xts, key);
    wipe(key, sizeof key);
    return 0;
}

void luks_close(struct luks *l) { wipe(l, sizeof *l); }

int luks_read(const struct luks *l, uint64_t off, void *buf, size_t len, struct err *e)
{
    uint8_t *p = buf;
    if (!range_fits(l->size, off, len) || off % l->sector_size != 0 || len % l->sector_size != 0) {
        return err_set(e, EINVAL, "%zu bytes at %llu are not whole sectors inside the volume", len,
                       (unsigned long long)off);
    }
    int r = l->from->read(l->from->ctx, l->data_off + off, buf, len, e);
    if (r < 0) { return r; }
    for (size_t at = 0; at < len; at += l->sector_size) {
        /* Sectors are counted in units of 512 bytes, whatever their size [dm-crypt, plain64]. */
        crypto_xts_decrypt(&l->xts, l->iv_tweak + (off + at) / SECTOR, p + at, l->sector_size);
    }
    return 0;
}
