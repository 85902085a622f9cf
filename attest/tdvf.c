/* SPDX-License-Identifier: Apache-2.0 */
/* See tdvf.h. Reads bytes of strangers. */
#include "attest/tdvf.h"

#include "guest/base/ovf.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define SECTION_SIZE 32
#define HEADER_SIZE  16
#define GUID_SIZE    16
#define TABLE_END    32 /* the table of OVMF ends so far before the end of the image */
#define TABLE_MAX    4096
#define ATTR_EXTEND  1u
#define ATTR_AUG     2u
#define TYPES        9

/*
 * 96b582de-1fb2-45f7-baea-a366c55a082d: the table; e47a6535-984a-4798-865e-4685a7bf8ec2: ours in
 * it.
 */
static const uint8_t table_guid[GUID_SIZE] = {0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
                                              0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d};
static const uint8_t metadata_guid[GUID_SIZE] = {0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47,
                                                 0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2};

static struct cur cur_at(struct view image, size_t off, size_t len)
{
    if (!range_fits(image.len, off, len)) { return (struct cur){.bad = true}; }
    return cur_of(image.p + off, len);
}

/* Is this the GUID at off? */
static bool guid_at(struct view image, size_t off, const uint8_t guid[GUID_SIZE])
{
    return range_fits(image.len, off, GUID_SIZE) && memcmp(image.p + off, guid, GUID_SIZE) == 0;
}

/*
 * Where the descriptor begins, by OVMF's table: entries run backwards from its footer, each {data,
 * u16 length of all of it, GUID}; ours holds the distance from the end of the image. len = not
 * there.
 */
static size_t by_table(struct view image)
{
    if (image.len < TABLE_END + GUID_SIZE + 2) { return image.len; }
    size_t footer = image.len - TABLE_END - GUID_SIZE;
    struct cur c = cur_at(image, footer - 2, 2);
    size_t table = cur_u16le(&c);
    if (!guid_at(image, footer, table_guid) || table > TABLE_MAX || table > image.len - TABLE_END) {
        return image.len;
    }
    size_t begin = image.len - TABLE_END - table, at = footer - 2; /* behind the next entry */
    while (at >= begin + GUID_SIZE + 2) {
        struct cur head = cur_at(image, at - GUID_SIZE - 2, 2);
        size_t size = cur_u16le(&head);
        if (head.bad || size < GUID_SIZE + 2 || size > at - begin) { break; }
        if (guid_at(image, at - GUID_SIZE, metadata_guid) && size == GUID_SIZE + 2 + 4) {
            struct cur data = cur_at(image, at - size, 4);
            size_t distance = cur_u32le(&data);
            return distance <= image.len ? image.len - distance : image.len;
        }
        at -= size;
    }
    return image.len;
}

/* Likewise by td-shim's pointer: an offset from the start, 32 bytes before the end. */
static size_t by_pointer(struct view image)
{
    if (image.len < TABLE_END) { return image.len; }
    struct cur c = cur_at(image, image.len - TABLE_END, 4);
    return cur_u32le(&c);
}

static bool is_descriptor(struct view image, size_t off)
{
    return range_fits(image.len, off, HEADER_SIZE) && memcmp(image.p + off, "TDVF", 4) == 0;
}

static int section_read(struct cur *c, struct view image, size_t index, struct tdvf_section *out,
                        struct err *e)
{
    uint32_t off = cur_u32le(c), raw = cur_u32le(c);
    struct tdvf_section s = {.gpa = cur_u64le(c), .size = cur_u64le(c), .type = cur_u32le(c)};
    uint32_t attributes = cur_u32le(c);
    uint64_t end;
    s.measured = attributes & ATTR_EXTEND;
    s.later = attributes & ATTR_AUG;
    bool aligned = ((s.gpa | s.size) & (MEASURE_TDX_PAGE - 1)) == 0;
    if (c->bad || s.type >= TYPES || (attributes & ~(ATTR_EXTEND | ATTR_AUG)) || !aligned ||
        s.size > TDVF_MEMORY_MAX || !add_ok(s.gpa, s.size, &end) || raw > s.size ||
        !range_fits(image.len, off, raw) || (s.later && (s.measured || raw > 0))) {
        return err_set(e, EBADMSG,
                       "firmware: section %zu (type %" PRIu32 ", 0x%" PRIx64 " bytes at 0x%" PRIx64
                       ") cannot be right",
                       index, s.type, s.size, s.gpa);
    }
    s.raw = (struct view){.p = image.p + off, .len = raw};
    *out = s;
    return 0;
}

/* No byte of memory is in two sections, and all of them together are not too much. */
static int overlap_check(const struct tdvf *t, struct err *e)
{
    uint64_t total = 0;
    for (size_t i = 0; i < t->count; i++) {
        total += t->v[i].later ? 0 : t->v[i].size; /* at most 64 GiB, by section_read() */
        for (size_t k = 0; k < i; k++) {
            const struct tdvf_section *a = &t->v[i], *b = &t->v[k];
            if (a->gpa < b->gpa + b->size && b->gpa < a->gpa + a->size) {
                return err_set(e, EBADMSG, "firmware: sections %zu and %zu overlap", k, i);
            }
        }
    }
    if (total > TDVF_MEMORY_MAX) {
        return err_set(e, EFBIG, "firmware: sections add 0x%" PRIx64 " bytes, at most 0x%llx",
                       total, TDVF_MEMORY_MAX);
    }
    return 0;
}

int tdvf_parse(const void *bytes, size_t len, struct tdvf *out, struct err *e)
{
    struct view image = {.p = bytes, .len = len};
    struct tdvf t = {0};
    if (len > TDVF_IMAGE_MAX) {
        return err_set(e, EFBIG, "firmware: %zu bytes, at most %u", len, TDVF_IMAGE_MAX);
    }
    size_t at = by_table(image);
    if (!is_descriptor(image, at)) { at = by_pointer(image); }
    if (!is_descriptor(image, at)) {
        return err_set(e, EBADMSG, "firmware: no TDX metadata in it");
    }
    struct cur head = cur_at(image, at + 4, HEADER_SIZE - 4);
    uint32_t length = cur_u32le(&head), version = cur_u32le(&head), count = cur_u32le(&head);
    if (version != 1 || count == 0 || count > TDVF_SECTIONS_MAX ||
        length != HEADER_SIZE + SECTION_SIZE * count) {
        return err_set(e, EBADMSG,
                       "firmware: metadata of version %" PRIu32 ", %" PRIu32 " bytes for %" PRIu32
                       " sections; wanted version 1, 1 to %d sections",
                       version, length, count, TDVF_SECTIONS_MAX);
    }
    struct cur c = cur_at(image, at + HEADER_SIZE, length - HEADER_SIZE);
    for (size_t i = 0; i < count; i++) {
        int r = section_read(&c, image, i, &t.v[i], e);
        if (r < 0) { return r; }
        t.count = i + 1;
    }
    int r = overlap_check(&t, e);
    if (r == 0) { *out = t; }
    return r;
}

/* ---- the digest ------------------------------------------------------------------------------ */

/* One page of a section, zeros behind its bytes. */
static void page_of(const struct tdvf_section *s, uint64_t at, uint8_t page[MEASURE_TDX_PAGE])
{
    uint64_t n = at < s->raw.len ? min_u64(s->raw.len - at, MEASURE_TDX_PAGE) : 0;
    memset(page, 0, MEASURE_TDX_PAGE);
    if (n > 0) { memcpy(page, s->raw.p + at, n); }
}

static void section_measure(struct measure_tdx *m, const struct tdvf_section *s, bool two_pass)
{
    uint8_t page[MEASURE_TDX_PAGE];
    for (uint64_t at = 0; at < s->size; at += MEASURE_TDX_PAGE) {
        page_of(s, at, page);
        measure_tdx_page(m, s->gpa + at, s->measured && !two_pass ? page : NULL);
    }
    for (uint64_t at = 0; two_pass && s->measured && at < s->size; at += MEASURE_TDX_PAGE) {
        page_of(s, at, page);
        for (size_t k = 0; k < MEASURE_TDX_PAGE; k += MEASURE_TDX_CHUNK) {
            measure_tdx_extend(m, s->gpa + at + k, page + k);
        }
    }
}

void tdvf_measure(const struct tdvf *t, bool two_pass, uint8_t out[MEASURE_TDX_SIZE])
{
    struct measure_tdx m;
    measure_tdx_init(&m);
    for (size_t i = 0; i < t->count; i++) {
        if (!t->v[i].later) { section_measure(&m, &t->v[i], two_pass); }
    }
    measure_tdx_final(&m, out);
}
