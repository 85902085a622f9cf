/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims about decompression and the tar reader beyond the recorded layers: ceilings, odd headers,
 * small pieces.
 */
#include "attest/crypto.h"
#include "loader/image/untar.h"
#include "tests/unit/image/vectors.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

struct counter {
    struct layer_sink sink;
    size_t bytes;
};

static int count(struct layer_sink *self, const uint8_t *p, size_t len, struct err *e)
{
    (void)p, (void)e;
    CONTAINER_OF(self, struct counter, sink)->bytes += len;
    return 0;
}

static size_t gzip(const uint8_t *in, size_t len, uint8_t *out, size_t room)
{
    z_stream z = {0};
    cr_assert_eq(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)in;
    z.avail_in = (uInt)len;
    z.next_out = out;
    z.avail_out = (uInt)room;
    cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    (void)deflateEnd(&z);
    return room - z.avail_out;
}

Test(layer, a_bomb_stops_at_the_budget)
{
    static uint8_t zeros[4u << 20], packed[64u << 10], packed_z[64u << 10];
    size_t len = gzip(zeros, sizeof zeros, packed, sizeof packed);
    size_t len_z = ZSTD_compress(packed_z, sizeof packed_z, zeros, sizeof zeros, 3);
    struct digest d;
    for (int zstd = 0; zstd < 2; zstd++) {
        struct counter c = {.sink.write = count};
        struct err e = {0};
        uint64_t budget = 1u << 20;
        cr_assert_eq(layer_decode(zstd ? LAYER_ZSTD : LAYER_GZIP, zstd ? packed_z : packed,
                                  zstd ? len_z : len, &budget, &c.sink, &d, &e),
                     -EFBIG);
        cr_assert_leq(c.bytes, 1u << 20, "bytes came out beyond the budget");
    }
}

Test(layer, every_cut_is_an_error)
{
    static const uint8_t text[] = "some text that packs a little, a little, a little";
    uint8_t packed[256], packed_z[256];
    size_t len = gzip(text, sizeof text, packed, sizeof packed);
    size_t len_z = ZSTD_compress(packed_z, sizeof packed_z, text, sizeof text, 3);
    struct digest d;
    for (int zstd = 0; zstd < 2; zstd++) {
        for (size_t cut = 0; cut < (zstd ? len_z : len); cut++) {
            struct counter c = {.sink.write = count};
            struct err e = {0};
            uint64_t budget = 1u << 20;
            cr_assert_eq(layer_decode(zstd ? LAYER_ZSTD : LAYER_GZIP, zstd ? packed_z : packed, cut,
                                      &budget, &c.sink, &d, &e),
                         -EBADMSG, "cut at %zu", cut);
        }
    }
}

/* Each way of unpacking gzip must come to the same bytes, and a trailer that lies must help nobody. */
Test(layer, a_gzip_trailer_is_a_hint_and_a_check)
{
    static uint8_t zeros[3u << 20], packed[64u << 10];
    size_t len = gzip(zeros, sizeof zeros, packed, sizeof packed);
    static const uint32_t says[] = {3u << 20, 0, 1, (3u << 20) - 1, (3u << 20) + 1, 0xffffffff};
    for (size_t i = 0; i < sizeof says / sizeof says[0]; i++) {
        struct counter c = {.sink.write = count};
        struct err e = {0};
        struct digest d;
        uint64_t budget = 4u << 20;
        for (unsigned k = 0; k < 4; k++) { packed[len - 4 + k] = (uint8_t)(says[i] >> (8 * k)); }
        int r = layer_decode(LAYER_GZIP, packed, len, &budget, &c.sink, &d, &e);
        cr_assert_eq(r, i == 0 ? 0 : -EBADMSG, "trailer says %u: %s", says[i], e.text);
        if (i == 0) { cr_assert_eq(c.bytes, 3u << 20); }
    }
}

Test(layer, a_large_gzip_layer_unpacks_in_constant_memory_to_the_same)
{
    size_t size = (64u << 20) + 1;
    uint8_t *zeros = calloc(1, size), *packed = malloc(1u << 20);
    cr_assert(zeros && packed);
    size_t len = gzip(zeros, size, packed, 1u << 20);
    struct counter c = {.sink.write = count};
    struct err e = {0};
    struct digest d, wanted;
    uint64_t budget = 65u << 20;
    cr_assert_eq(layer_decode(LAYER_GZIP, packed, len, &budget, &c.sink, &d, &e), 0, "%s", e.text);
    cr_assert_eq(c.bytes, size);
    crypto_sha256(zeros, size, wanted.sha256);
    cr_assert(digest_equal(&d, &wanted));
    free(zeros);
    free(packed);
}

/* ---- tar, by hand */

struct archive {
    uint8_t b[65536];
    size_t len;
};

static void add(struct archive *a, const char *name, char type, const char *link, const void *data,
                size_t len)
{
    uint8_t *h = a->b + a->len;
    unsigned sum = 0;
    cr_assert_leq(a->len + 1024 + len, sizeof a->b);
    (void)snprintf((char *)h, 100, "%s", name);
    (void)snprintf((char *)h + 100, 8, "%07o", 0644);
    (void)snprintf((char *)h + 108, 8, "%07o", 0);
    (void)snprintf((char *)h + 116, 8, "%07o", 0);
    (void)snprintf((char *)h + 124, 12, "%011zo", len);
    (void)snprintf((char *)h + 136, 12, "%011o", 1);
    memset(h + 148, ' ', 8);
    h[156] = (uint8_t)type;
    (void)snprintf((char *)h + 157, 100, "%s", link);
    memcpy(h + 257,
           "ustar\0"
           "00",
           8);
    for (size_t i = 0; i < 512; i++) { sum += h[i]; }
    (void)snprintf((char *)h + 148, 8, "%06o", sum);
    a->len += 512;
    if (len > 0) { memcpy(a->b + a->len, data, len); }
    a->len += (len + 511) / 512 * 512;
}

/* Feeds the archive in pieces of step bytes. */
static int apply(const struct archive *a, size_t step, int root, struct err *e)
{
    struct tree *t;
    struct untar_stats stats = {0};
    auto_untar u = NULL;
    int r = 0;
    cr_assert_eq(tree_new(root, &t, e), 0);
    cr_assert_eq(untar_new(t, &stats, &u, e), 0);
    for (size_t off = 0; r == 0 && off < a->len; off += step) {
        size_t n = a->len - off < step ? a->len - off : step;
        r = untar_sink(u)->write(untar_sink(u), a->b + off, n, e);
    }
    if (r == 0) { r = untar_finish(u, e); }
    tree_free(t);
    return r;
}

static void expect(const struct archive *a, int want, const char *says)
{
    char dir[64];
    struct err e = {0};
    int root = temp_dir(dir);
    int r = apply(a, 512, root, &e);
    (void)close(root);
    temp_dir_remove(dir);
    cr_assert_eq(r, want, "%d: %s", r, e.text);
    if (says) { cr_assert(strstr(e.text, says), "says '%s'", e.text); }
}

Test(untar, the_size_of_pieces_does_not_matter)
{
    static const size_t steps[] = {1, 7, 511, 512, 513, 65536};
    static struct archive a;
    static uint8_t data[1300];
    if (geteuid() != 0) { cr_skip_test("needs root"); }
    memset(data, 'x', sizeof data);
    add(&a, "pax", 'x', "", "20 path=longer/name\n", 20);
    add(&a, "short", '0', "", data, sizeof data);
    add(&a, "d/", '5', "", NULL, 0);
    for (size_t i = 0; i < ARRAY_COUNT(steps); i++) {
        char dir[64];
        struct stat st;
        struct err e = {0};
        int root = temp_dir(dir);
        cr_assert_eq(apply(&a, steps[i], root, &e), 0, "step %zu: %s", steps[i], e.text);
        cr_assert_eq(fstatat(root, "longer/name", &st, 0), 0);
        cr_assert_eq(st.st_size, (off_t)sizeof data);
        cr_assert_eq(fstatat(root, "d", &st, 0), 0);
        cr_assert_eq(st.st_mtime, 1, "a directory keeps its time");
        (void)close(root);
        temp_dir_remove(dir);
    }
}

Test(untar, refuses_what_it_would_get_wrong)
{
    static struct archive sparse, global, unknown, link_data, behind, checksum, loop, deep_pax;
    static uint8_t huge[600];
    char dir[64];
    struct err e = {0};

    add(&sparse, "pax", 'x', "", "22 GNU.sparse.major=1\n", 22);
    expect(&sparse, -ENOTSUP, "sparse");
    add(&global, "pax", 'g', "", "10 path=a\n", 10);
    expect(&global, -ENOTSUP, "global");
    add(&unknown, "x", 'S', "", NULL, 0);
    expect(&unknown, -ENOTSUP, "type 0x53");
    add(&link_data, "x", '2', "y", "data", 4);
    expect(&link_data, -EBADMSG, "has none");
    behind.len = 1024;
    add(&behind, "x", '0', "", NULL, 0);
    expect(&behind, -EBADMSG, "behind the end");
    add(&checksum, "x", '0', "", NULL, 0);
    checksum.b[0] = 'y';
    expect(&checksum, -EBADMSG, "checksum");
    add(&loop, "a", '2', "b", NULL, 0);
    add(&loop, "b", '2', "a", NULL, 0);
    add(&loop, "a/x", '0', "", NULL, 0);
    expect(&loop, -ELOOP, "links");
    add(&deep_pax, "pax", 'x', "", huge, sizeof huge);
    expect(&deep_pax, -EBADMSG, "pax");

    int root = temp_dir(dir);
    cr_assert_eq(apply(&behind, 1, root, &e), -EBADMSG);
    (void)close(root);
    temp_dir_remove(dir);
}

Test(untar, an_absolute_link_inside_starts_at_the_root)
{
    static struct archive a;
    char dir[64];
    struct stat st;
    struct err e = {0};
    if (geteuid() != 0) { cr_skip_test("needs root"); }
    add(&a, "d/x", '2', "/", NULL, 0);
    add(&a, "d/x/here", '0', "", NULL, 0);
    add(&a, "d/up", '2', "../../..", NULL, 0);
    add(&a, "d/up/there", '0', "", NULL, 0);
    int root = temp_dir(dir);
    cr_assert_eq(apply(&a, 512, root, &e), 0, "%s", e.text);
    cr_assert_eq(fstatat(root, "here", &st, AT_SYMLINK_NOFOLLOW), 0);
    cr_assert_eq(fstatat(root, "there", &st, AT_SYMLINK_NOFOLLOW), 0);
    (void)close(root);
    temp_dir_remove(dir);
}

Test(untar, a_whiteout_behind_new_files_takes_only_the_old_ones)
{
    static struct archive lower, upper;
    char dir[64];
    struct stat st;
    struct tree *t;
    struct untar_stats stats = {0};
    struct err e = {0};
    if (geteuid() != 0) { cr_skip_test("needs root"); }
    add(&lower, "gone", '0', "", NULL, 0);
    add(&lower, "d/sub/old", '0', "", NULL, 0);
    add(&lower, "d/old", '0', "", NULL, 0);
    add(&upper, "d/new", '0', "", NULL, 0);
    add(&upper, ".wh.d", '0', "", NULL, 0);
    add(&upper, ".wh.gone", '0', "", NULL, 0);
    int root = temp_dir(dir);
    cr_assert_eq(tree_new(root, &t, &e), 0);
    for (const struct archive *a = &lower; a; a = a == &lower ? &upper : NULL) {
        auto_untar u = NULL;
        cr_assert_eq(untar_new(t, &stats, &u, &e), 0);
        cr_assert_eq(untar_sink(u)->write(untar_sink(u), a->b, a->len, &e), 0, "%s", e.text);
        cr_assert_eq(untar_finish(u, &e), 0, "%s", e.text);
    }
    tree_free(t);
    cr_assert_eq(fstatat(root, "d/new", &st, 0), 0);
    cr_assert_neq(fstatat(root, "d/old", &st, 0), 0);
    cr_assert_neq(fstatat(root, "d/sub/old", &st, 0), 0);
    cr_assert_neq(fstatat(root, "gone", &st, 0), 0);
    (void)close(root);
    temp_dir_remove(dir);
}

/* ---- blobs from a host that lies */

struct liar {
    struct blob_source source;
    const void *bytes;
    size_t len;
};

static int open_lie(struct blob_source *self, const struct digest *d, struct blob *out,
                    struct err *e)
{
    const struct liar *l = CONTAINER_OF(self, struct liar, source);
    int fd = memfd_create("blob", MFD_CLOEXEC);
    (void)d, (void)e;
    cr_assert_eq(write(fd, l->bytes, l->len), (ssize_t)l->len);
    *out = (struct blob){.fd = fd, .size = l->len};
    return 0;
}

Test(blob, is_what_its_digest_names_or_refused)
{
    struct liar honest = {{open_lie}, "abc", 3}, other = {{open_lie}, "abd", 3},
                shorter = {{open_lie}, "ab", 2}, empty = {{open_lie}, "", 0};
    struct digest d;
    auto_map m = {0};
    struct err ok = {0}, e1 = {0}, e2 = {0}, e3 = {0}, e4 = {0};

    digest_of("abc", 3, &d);
    cr_assert_eq(blob_load(&honest.source, &d, 3, 3, &m, &ok), 0, "%s", ok.text);
    cr_assert(m.len == 3 && memcmp(m.p, "abc", 3) == 0);
    auto_map none = {0};
    cr_assert_eq(blob_load(&other.source, &d, 3, 3, &none, &e1), -EBADMSG);
    cr_assert_eq(blob_load(&shorter.source, &d, 3, 3, &none, &e2), -EBADMSG);
    cr_assert_eq(blob_load(&honest.source, &d, BLOB_SIZE_ANY, 2, &none, &e3), -EFBIG);
    cr_assert_eq(blob_load(&empty.source, &d, BLOB_SIZE_ANY, 3, &none, &e4), -EBADMSG);
    cr_assert_null(none.p);
}

Test(unpack, a_layer_that_is_not_its_diff_id_is_refused)
{
    static struct archive a;
    char dir[64];
    struct image_layer l = {.coding = LAYER_TAR};
    struct image img = {.layers = &l, .layer_count = 1};
    struct err ok = {0}, e = {0};
    uint64_t budget = 1u << 20;

    if (geteuid() != 0) { cr_skip_test("needs root"); }
    add(&a, "f", '0', "", "x", 1);
    struct liar blobs = {{open_lie}, a.b, a.len};
    digest_of(a.b, a.len, &l.digest);
    l.diff_id = l.digest;
    l.size = a.len;
    int root = temp_dir(dir);
    cr_assert_eq(image_unpack(&blobs.source, &img, NULL, root, &budget, NULL, &ok), 0, "%s",
                 ok.text);
    l.diff_id.sha256[0] ^= 1;
    cr_assert_eq(image_unpack(&blobs.source, &img, NULL, root, &budget, NULL, &e), -EBADMSG);
    cr_assert(strstr(e.text, "diff id"), "%s", e.text);
    (void)close(root);
    temp_dir_remove(dir);
}

Test(tree, opens_links_as_if_chrooted)
{
    char dir[64], buf[8] = {0};
    struct tree *t;
    struct err e = {0}, e2 = {0};
    int root = temp_dir(dir), fd;
    cr_assert_eq(mkdirat(root, "etc", 0755), 0);
    cr_assert_eq(symlinkat("/etc/real", root, "etc/passwd"), 0);
    cr_assert_eq(symlinkat("../../../../etc/real", root, "up"), 0);
    cr_assert_eq(symlinkat("/etc/hostname", root, "out"), 0);
    fd = openat(root, "etc/real", O_WRONLY | O_CREAT, 0644);
    cr_assert_eq(write(fd, "inside", 6), 6);
    (void)close(fd);
    cr_assert_eq(tree_new(root, &t, &e), 0);
    cr_assert_eq(tree_open(t, "/etc/passwd", &fd, &e), 0, "%s", e.text);
    cr_assert_eq(read(fd, buf, sizeof buf), 6);
    (void)close(fd);
    cr_assert_eq(tree_open(t, "up", &fd, &e), 0, "%s", e.text);
    (void)close(fd);
    cr_assert_eq(tree_open(t, "out", &fd, &e2), -ENOENT, "a link led outside");
    tree_free(t);
    (void)close(root);
    temp_dir_remove(dir);
}
