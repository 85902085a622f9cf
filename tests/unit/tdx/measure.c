/* SPDX-License-Identifier: Apache-2.0 */
/* MRTD against digests computed elsewhere, and the metadata of firmware that is not ours. */
#include "attest/measure_tdx.h"
#include "attest/tdvf.h"

#include "tests/unit/attest/vectors.h"

/* ---- known answers */

static uint8_t *fill(const json_t *region, size_t size)
{
    const char *how = member(region, "fill");
    uint64_t seed = (uint64_t)json_integer_value(json_object_get(region, "seed"));
    uint8_t *p = calloc(1, size + 32);
    for (size_t i = 0; i < size; i++) {
        if (strcmp(how, "ff") == 0) { p[i] = 0xff; }
        if (strcmp(how, "idx") == 0) { p[i] = (uint8_t)i; }
        if (strcmp(how, "idx_page") == 0) { p[i] = (uint8_t)(i ^ (i >> 12 & 0xff)); }
        if (strcmp(how, "ascii") == 0) { p[i] = (uint8_t) "TDX MRTD vector"[i % 15]; }
        if (strcmp(how, "sha256ctr") == 0 && i % 32 == 0) {
            uint8_t in[16];
            for (size_t k = 0; k < 8; k++) {
                in[k] = (uint8_t)(seed >> (8 * k));
                in[8 + k] = (uint8_t)((uint64_t)(i / 32) >> (8 * k));
            }
            crypto_sha256(in, sizeof in, p + i);
            i += 31;
        }
    }
    return p;
}

static void add_region(struct measure_tdx *m, const json_t *region, bool two_pass)
{
    uint64_t gpa = strtoull(member(region, "gpa"), NULL, 0);
    size_t size = (size_t)json_integer_value(json_object_get(region, "pages")) * 4096;
    bool measured = json_is_true(json_object_get(region, "measure"));
    uint8_t *bytes = fill(region, size);
    for (size_t at = 0; at < size; at += 4096) {
        measure_tdx_page(m, gpa + at, measured && !two_pass ? bytes + at : NULL);
    }
    for (size_t at = 0; measured && two_pass && at < size; at += 256) {
        measure_tdx_extend(m, gpa + at, bytes + at);
    }
    free(bytes);
}

Test(tdx_measure, digests_are_those_computed_elsewhere)
{
    json_t *all = vector_json("tdx/mrtd.json"), *v, *region;
    size_t i, k, seen = 0;
    json_array_foreach (json_object_get(all, "vectors"), i, v) {
        struct measure_tdx m;
        uint8_t digest[48];
        char hex[97];
        measure_tdx_init(&m);
        json_array_foreach (json_object_get(v, "regions"), k, region) {
            add_region(&m, region, strcmp(member(v, "order"), "two-pass") == 0);
        }
        measure_tdx_final(&m, digest);
        hex_of(digest, 48, hex);
        cr_assert_str_eq(hex, member(v, "mrtd"), "%s", member(v, "name"));
        seen++;
    }
    cr_assert_eq(seen, 19);
    json_decref(all);
}

/* ---- metadata */

static uint8_t image[0x4000];

static void put(size_t at, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++) { image[at + i] = (uint8_t)(v >> (8 * i)); }
}

static void section(size_t i, uint32_t off, uint32_t raw, uint64_t gpa, uint64_t size,
                    uint32_t type, uint32_t attributes)
{
    size_t at = 0x3000 + 16 + 32 * i;
    put(at, off, 4), put(at + 4, raw, 4), put(at + 8, gpa, 8), put(at + 16, size, 8);
    put(at + 24, type, 4), put(at + 28, attributes, 4);
}

/* Two pages of code, measured, one and a half given; a page of variables; memory for later. */
static void firmware(void)
{
    memset(image, 0, sizeof image);
    for (size_t i = 0; i < 0x1800; i++) { image[i] = (uint8_t)(i * 7); }
    memset(image + 0x2000, 0x5a, 0x1000);
    memcpy(image + 0x3000, "TDVF", 4);
    put(0x3004, 16 + 32 * 3, 4), put(0x3008, 1, 4), put(0x300c, 3, 4);
    section(0, 0, 0x1800, 0xffffe000, 0x2000, 0, 1);
    section(1, 0x2000, 0x1000, 0xffff0000, 0x1000, 1, 0);
    section(2, 0, 0, 0x100000, 0x10000, 4, 2);
    put(sizeof image - 32, 0x3000, 4); /* td-shim's way */
}

static int parse(struct tdvf *t)
{
    struct err e = {0};
    int r = tdvf_parse(image, sizeof image, t, &e);
    cr_assert(r == 0 || e.text[0]);
    return r;
}

static const char *measured(bool two_pass)
{
    static char hex[97];
    uint8_t digest[48];
    struct tdvf t;
    cr_assert_eq(parse(&t), 0);
    tdvf_measure(&t, two_pass, digest);
    hex_of(digest, 48, hex);
    return hex;
}

/* By a dozen lines of Python over hashlib. */
#define PER_PAGE                                                                                   \
    "54a7d5d553d98fd37314e3d395b5984b786238c2b42e27e6b7724ea55427c4fea99af2a0d036eca7fc0bad37c514434a"
#define TWO_PASS                                                                                   \
    "4a9c383c42d37c3d83fe28d78e147efd37d510736dfee6f4b86779ecd6e9675a345e6b0004da7950d5e931280e09fff3"

Test(tdx_measure, firmware_is_measured_as_its_metadata_say)
{
    firmware();
    cr_assert_str_eq(measured(false), PER_PAGE);
    cr_assert_str_eq(measured(true), TWO_PASS);
    image[0x2000] ^= 1;     /* variables are added, not measured */
    image[0x17ff + 1] ^= 1; /* and what is behind the code's own bytes is no part of it */
    cr_assert_str_eq(measured(false), PER_PAGE);
    image[0] ^= 1;
    cr_assert_str_neq(measured(false), PER_PAGE);
}

Test(tdx_measure, ovmfs_table_leads_to_the_same_metadata)
{
    static const uint8_t footer[16] = {0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
                                       0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d};
    static const uint8_t guid[16] = {0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47,
                                     0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2};
    size_t end = sizeof image - 32;
    firmware();
    put(end, 0, 4);
    memcpy(image + end - 16, footer, 16);
    put(end - 18, 18 + 20 + 22, 2);
    put(end - 18 - 18, 20, 2); /* an entry of somebody else: two bytes, length, GUID */
    put(end - 18 - 20 - 18, 22, 2);
    memcpy(image + end - 18 - 20 - 16, guid, 16);
    put(end - 18 - 20 - 22, sizeof image - 0x3000, 4);
    cr_assert_str_eq(measured(false), PER_PAGE);
    put(end - 18 - 18, 0, 2); /* an entry that would lead nowhere */
    struct tdvf t;
    cr_assert_lt(parse(&t), 0);
}

Test(tdx_measure, refuses_metadata_that_cannot_be_right)
{
    struct tdvf t;
    static const struct {
        size_t at;
        uint64_t value;
        size_t size;
    } pokes[] = {
        {0x3000, 0, 1},                 /* no descriptor */
        {sizeof image - 32, 0x4000, 4}, /* behind the end */
        {sizeof image - 32, 0xffffffff, 4},
        {0x3004, 16 + 32 * 2, 4}, /* length and count disagree */
        {0x3008, 2, 4},           /* version */
        {0x300c, 0, 4},
        {0x300c, 65, 4},
        {0x3010, 0x3000, 4}, /* data beyond the image */
        {0x3010, 0xffffffff, 4},
        {0x3014, 0x2001, 4},             /* more data than memory */
        {0x3018, 0xffffe001, 8},         /* not on a page */
        {0x3018, 0xfffffffffffff000, 8}, /* around the end of the address space */
        {0x3020, 0x2001, 8},
        {0x3020, 0x40001000, 8}, /* too much */
        {0x3028, 9, 4},          /* type */
        {0x302c, 4, 4},          /* attributes */
        {0x302c, 3, 4},
        {0x3038, 0xfffff000, 8}, /* in the middle of another section */
    };
    for (size_t i = 0; i < sizeof pokes / sizeof pokes[0]; i++) {
        firmware();
        cr_assert_eq(parse(&t), 0);
        put(pokes[i].at, pokes[i].value, pokes[i].size);
        cr_assert_lt(parse(&t), 0, "poke %zu", i);
    }
    for (size_t len = 0; len < 64; len++) {
        cr_assert_lt(tdvf_parse(image, len, &t, &(struct err){0}), 0);
    }
}

Test(tdx_measure, debians_firmware_has_the_digest_others_computed)
{
    json_t *all = vector_json("tdx/mrtd.json");
    const json_t *real = json_array_get(json_object_get(all, "real_firmware"), 0);
    FILE *f = fopen("/usr/share/ovmf/OVMF.fd", "rb");
    if (!f) { cr_skip_test("no /usr/share/ovmf/OVMF.fd: install %s", member(real, "package")); }
    uint8_t *bytes = malloc(4 << 20), digest[48];
    size_t len = fread(bytes, 1, 4 << 20, f);
    char hex[97];
    struct tdvf t;
    struct err e = {0};
    fclose(f);
    crypto_sha256(bytes, len, digest);
    hex_of(digest, 32, hex);
    if (strcmp(hex, member(real, "sha256")) != 0) { cr_skip_test("another version of OVMF"); }
    cr_assert_eq(tdvf_parse(bytes, len, &t, &e), 0, "%s", e.text);
    cr_assert_eq(t.count, 6);
    tdvf_measure(&t, false, digest);
    hex_of(digest, 48, hex);
    cr_assert_str_eq(hex, member(real, "mrtd_per_page"));
    tdvf_measure(&t, true, digest);
    hex_of(digest, 48, hex);
    cr_assert_str_eq(hex, member(real, "mrtd_two_pass"));
    free(bytes);
    json_decref(all);
}
