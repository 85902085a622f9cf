/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See luks.h: a binary header of 4 KiB, big endian, and behind it JSON up to the header's size. All
 * of it is the host's. Numbers of JSON above 32 bits are decimal texts.
 *
 *        0  6  "LUKS" ba be        8  8  size of the header, JSON included
 *        6  2  version 2          72  32 name of the checksum's hash
 *                                448  64 checksum over the header, this field zero
 */
#include "loader/init/luks.h"

#include "attest/base64.h"
#include "attest/json.h"
#include "guest/base/cur.h"
#include "guest/base/ovf.h"

#include <errno.h>
#include <string.h>

#define AT_CHECKSUM_HASH 72
#define AT_CHECKSUM      448
#define CHECKSUM_SIZE    64
#define SECTOR           512u
#define CIPHER           "aes-xts-plain64"

static const char what[] = "LUKS header";

int luks_header_size(const uint8_t binary[LUKS_BINARY_SIZE], size_t *out, struct err *e)
{
    static const uint8_t magic[6] = {'L', 'U', 'K', 'S', 0xba, 0xbe};
    struct cur c = cur_of(binary, LUKS_BINARY_SIZE);
    const uint8_t *found = cur_take(&c, sizeof magic);
    uint16_t version = cur_u16be(&c);
    uint64_t size = cur_be(&c, 8);
    if (!found || memcmp(found, magic, sizeof magic) != 0) {
        return err_set(e, EBADMSG, "%s: not a LUKS volume", what);
    }
    if (version != 2) { return err_set(e, ENOTSUP, "%s: version %u, wanted 2", what, version); }
    if (size <= LUKS_BINARY_SIZE || size > LUKS_HEADER_MAX || size % LUKS_BINARY_SIZE != 0) {
        return err_set(e, EFBIG, "%s: %llu bytes, at most %u are read", what,
                       (unsigned long long)size, LUKS_HEADER_MAX);
    }
    *out = (size_t)size;
    return 0;
}

static int check_sum(const uint8_t *p, size_t len, struct err *e)
{
    static const uint8_t zero[CHECKSUM_SIZE];
    uint8_t found[CRYPTO_SHA256_SIZE];
    struct crypto_sha c;
    if (memcmp(p + AT_CHECKSUM_HASH, "sha256", 7) != 0) {
        return err_set(e, ENOTSUP, "%s: checksum is not sha256", what);
    }
    (void)!crypto_sha_init(&c, CRYPTO_SHA256);
    crypto_sha_update(&c, p, AT_CHECKSUM);
    crypto_sha_update(&c, zero, sizeof zero);
    crypto_sha_update(&c, p + AT_CHECKSUM + CHECKSUM_SIZE, len - AT_CHECKSUM - CHECKSUM_SIZE);
    crypto_sha_final(&c, found);
    return memcmp(found, p + AT_CHECKSUM, sizeof found) == 0
               ? 0
               : err_set(e, EBADMSG, "%s: its checksum is wrong", what);
}

/* ---- members */

/* A decimal text, the form of large numbers. */
static int get_u64(const json_t *obj, const char *name, uint64_t *out, struct err *e)
{
    const char *text;
    uint64_t v = 0;
    int r = json_get_text(what, obj, name, &text, e);
    if (r < 0) { return r; }
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 19 || text[digits] != '\0') {
        return err_set(e, EBADMSG, "%s: \"%s\" is no number", what, name);
    }
    for (size_t i = 0; i < digits; i++) { v = v * 10 + (uint64_t)(text[i] - '0'); }
    *out = v;
    return 0;
}

static int get_u32(const json_t *obj, const char *name, uint32_t max, uint32_t *out, struct err *e)
{
    const json_t *v = json_object_get(obj, name);
    json_int_t n = json_integer_value(v);
    if (!json_is_integer(v) || n < 1 || n > (json_int_t)max) {
        return err_set(e, EBADMSG, "%s: \"%s\" is no number from 1 to %u", what, name, max);
    }
    *out = (uint32_t)n;
    return 0;
}

/* A member that must be exactly this text. */
static int want_text(const json_t *obj, const char *name, const char *wanted, struct err *e)
{
    const char *text;
    int r = json_get_text(what, obj, name, &text, e);
    if (r < 0 || strcmp(text, wanted) == 0) { return r; }
    return err_set(e, ENOTSUP, "%s: %s \"%.40s\", wanted \"%s\"", what, name, text, wanted);
}

static int get_hash(const json_t *obj, enum crypto_hash *out, struct err *e)
{
    const char *text;
    int r = json_get_text(what, obj, "hash", &text, e);
    if (r < 0) { return r; }
    *out = strcmp(text, "sha256") == 0   ? CRYPTO_SHA256
           : strcmp(text, "sha512") == 0 ? CRYPTO_SHA512
                                         : 0;
    return *out ? 0
                : err_set(e, ENOTSUP, "%s: hash \"%.20s\", wanted sha256 or sha512", what, text);
}

static int get_bytes(const json_t *obj, const char *name, uint8_t out[64], size_t *out_len,
                     struct err *e)
{
    const char *text;
    int r = json_get_text(what, obj, name, &text, e);
    if (r < 0) { return r; }
    return b64_decode(text, strlen(text), out, 64, out_len) < 0 || *out_len == 0
               ? err_set(e, EBADMSG, "%s: \"%s\" is not base64 of 1 to 64 bytes", what, name)
               : 0;
}

/* Hash, iterations and salt, of a key slot or a digest. */
static int get_kdf(const json_t *obj, struct luks_kdf *out, struct err *e)
{
    int r = want_text(obj, "type", "pbkdf2", e);
    if (r == 0) { r = get_hash(obj, &out->hash, e); }
    if (r == 0) { r = get_u32(obj, "iterations", LUKS_ITERATIONS_MAX, &out->iterations, e); }
    return r == 0 ? get_bytes(obj, "salt", out->salt, &out->salt_len, e) : r;
}

/* Is text among the strings of the array? */
static bool lists(const json_t *obj, const char *name, const char *text)
{
    const json_t *list = json_object_get(obj, name);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *one = json_string_value(json_array_get(list, i));
        if (one && strcmp(one, text) == 0) { return true; }
    }
    return false;
}

/* ---- key slots */

static int get_area(const json_t *slot, uint64_t header_size, uint64_t source_size,
                    struct luks_slot *out, struct err *e)
{
    json_t *area;
    uint32_t key_size = 0;
    int r = json_get_object(what, slot, "area", &area, e);
    if (r == 0) { r = want_text(area, "type", "raw", e); }
    if (r == 0) { r = want_text(area, "encryption", CIPHER, e); }
    if (r == 0) { r = get_u32(area, "key_size", 512, &key_size, e); }
    if (r == 0) { r = get_u64(area, "offset", &out->area_off, e); }
    if (r == 0) { r = get_u64(area, "size", &out->area_size, e); }
    if (r < 0) { return r; }
    uint64_t needed = ((uint64_t)out->stripes * CRYPTO_XTS_KEY_SIZE + SECTOR - 1) / SECTOR * SECTOR;
    if (key_size != CRYPTO_XTS_KEY_SIZE || out->area_off < header_size || out->area_size < needed ||
        !range_fits(source_size, out->area_off, out->area_size)) {
        return err_set(e, EBADMSG, "%s: area of %llu bytes at %llu, key of %u bytes", what,
                       (unsigned long long)out->area_size, (unsigned long long)out->area_off,
                       key_size);
    }
    return 0;
}

static int get_slot(const json_t *slot, uint64_t header_size, uint64_t source_size,
                    struct luks_slot *out, struct err *e)
{
    json_t *kdf, *af;
    uint32_t key_size = 0;
    int r = want_text(slot, "type", "luks2", e);
    if (r == 0) { r = get_u32(slot, "key_size", 512, &key_size, e); }
    if (r == 0 && key_size != CRYPTO_XTS_KEY_SIZE) {
        r = err_set(e, ENOTSUP, "%s: a key of %u bytes, wanted %d", what, key_size,
                    CRYPTO_XTS_KEY_SIZE);
    }
    if (r == 0) { r = json_get_object(what, slot, "kdf", &kdf, e); }
    if (r == 0) { r = get_kdf(kdf, &out->kdf, e); }
    if (r == 0) { r = json_get_object(what, slot, "af", &af, e); }
    if (r == 0) { r = want_text(af, "type", "luks1", e); }
    if (r == 0) { r = get_hash(af, &out->af_hash, e); }
    if (r == 0) { r = get_u32(af, "stripes", LUKS_STRIPES_MAX, &out->stripes, e); }
    return r == 0 ? get_area(slot, header_size, source_size, out, e) : r;
}

/* Slots that the digest covers and that can be read; if there is none, why the last could not. */
static int get_slots(const json_t *root, const json_t *digest, uint64_t header_size,
                     uint64_t source_size, struct luks_header *h, struct err *e)
{
    json_t *slots, *slot;
    const char *name;
    struct err why = {0};
    int r = json_get_object(what, root, "keyslots", &slots, e);
    if (r < 0) { return r; }
    json_object_foreach (slots, name, slot) {
        struct err bad = {0};
        if (!lists(digest, "keyslots", name)) { continue; }
        if (h->slot_count == LUKS_SLOTS_MAX) { break; }
        if (get_slot(slot, header_size, source_size, &h->slots[h->slot_count], &bad) == 0) {
            h->slot_count++;
        } else {
            why = bad;
        }
    }
    if (h->slot_count > 0) { return 0; }
    return why.code ? err_set(e, why.code, "no key slot can be read: %s", why.text)
                    : err_set(e, ENOKEY, "%s: no key slot for its data", what);
}

/* ---- the data */

static int get_segment(const json_t *root, uint64_t header_size, uint64_t source_size,
                       struct luks_header *h, struct err *e)
{
    json_t *segments, *s;
    const char *size;
    int r = json_get_object(what, root, "segments", &segments, e);
    if (r == 0 && json_object_size(segments) != 1) {
        r = err_set(e, ENOTSUP, "%s: %zu segments, wanted one that is not being encrypted again",
                    what, json_object_size(segments));
    }
    if (r == 0) { r = json_get_object(what, segments, "0", &s, e); }
    if (r == 0) { r = want_text(s, "type", "crypt", e); }
    if (r == 0) { r = want_text(s, "encryption", CIPHER, e); }
    if (r == 0 && (json_object_get(s, "integrity") || json_object_get(s, "flags"))) {
        r = err_set(e, ENOTSUP, "%s: a segment with integrity or flags", what);
    }
    if (r == 0) { r = get_u64(s, "offset", &h->data_off, e); }
    if (r == 0) { r = get_u64(s, "iv_tweak", &h->iv_tweak, e); }
    if (r == 0) { r = get_u32(s, "sector_size", 4096, &h->sector_size, e); }
    if (r == 0) { r = json_get_text(what, s, "size", &size, e); }
    if (r < 0) { return r; }
    if (h->sector_size < SECTOR || (h->sector_size & (h->sector_size - 1)) != 0 ||
        h->data_off < header_size || h->data_off > source_size) {
        return err_set(e, EBADMSG, "%s: sectors of %u bytes, data at %llu of %llu", what,
                       h->sector_size, (unsigned long long)h->data_off,
                       (unsigned long long)source_size);
    }
    h->data_size = (source_size - h->data_off) / h->sector_size * h->sector_size;
    if (strcmp(size, "dynamic") == 0) { return 0; }
    uint64_t fixed = 0;
    r = get_u64(s, "size", &fixed, e);
    if (r < 0) { return r; }
    if (fixed > h->data_size || fixed % h->sector_size != 0) {
        return err_set(e, EBADMSG, "%s: %llu bytes of data, %llu are there", what,
                       (unsigned long long)fixed, (unsigned long long)h->data_size);
    }
    h->data_size = fixed;
    return 0;
}

/* The digest of the data's key; *out is borrowed. */
static int get_digest(const json_t *root, struct luks_header *h, const json_t **out, struct err *e)
{
    json_t *digests, *d;
    const char *name;
    int r = json_get_object(what, root, "digests", &digests, e);
    if (r < 0) { return r; }
    json_object_foreach (digests, name, d) {
        if (!lists(d, "segments", "0")) { continue; }
        r = get_kdf(d, &h->digest, e);
        if (r == 0) { r = get_bytes(d, "digest", h->digest_value, &h->digest_len, e); }
        if (r == 0 && h->digest_len < 16) {
            r = err_set(e, EBADMSG, "%s: a digest of %zu bytes", what, h->digest_len);
        }
        *out = d;
        return r;
    }
    return err_set(e, EBADMSG, "%s: no digest for its data", what);
}

static int check_requirements(const json_t *root, struct err *e)
{
    json_t *config;
    int r = json_get_object(what, root, "config", &config, e);
    const json_t *list = json_object_get(json_object_get(config, "requirements"), "mandatory");
    if (r < 0 || !list || (json_is_array(list) && json_array_size(list) == 0)) { return r; }
    const char *first = json_string_value(json_array_get(list, 0));
    return err_set(e, ENOTSUP, "%s: it requires \"%.40s\"", what, first ? first : "?");
}

int luks_header_parse(const uint8_t *p, size_t len, uint64_t source_size, struct luks_header *out,
                      struct err *e)
{
    struct luks_header h = {0};
    const json_t *digest = NULL;
    auto_json root = NULL;
    size_t size;
    if (len < LUKS_BINARY_SIZE) { return err_set(e, EBADMSG, "%s: %zu bytes", what, len); }
    int r = luks_header_size(p, &size, e);
    if (r == 0 && (size != len || source_size < len)) {
        r = err_set(e, EBADMSG, "%s: cut short", what);
    }
    if (r == 0) { r = check_sum(p, len, e); }
    if (r < 0) { return r; }
    const char *text = (const char *)p + LUKS_BINARY_SIZE;
    size_t text_len = strnlen(text, len - LUKS_BINARY_SIZE);
    r = json_load_strict(what, text, text_len, LUKS_HEADER_MAX, &root, e);
    if (r == 0) { r = check_requirements(root, e); }
    if (r == 0) { r = get_segment(root, size, source_size, &h, e); }
    if (r == 0) { r = get_digest(root, &h, &digest, e); }
    if (r == 0) { r = get_slots(root, digest, size, source_size, &h, e); }
    if (r == 0) { *out = h; }
    return r;
}
