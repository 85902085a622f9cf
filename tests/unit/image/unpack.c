/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims about unpacking: the tree two other tools agree on, and hostile layers. Needs root, for
 * owners and nodes.
 */
#include "loader/image/layout.h"
#include "loader/image/untar.h"
#include "tests/unit/image/vectors.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

/* ---- one layer by itself */

static int unpack(enum layer_coding coding, const struct map *m, int root,
                  struct untar_stats *stats, struct err *e)
{
    struct tree *t;
    struct digest diff_id;
    uint64_t budget = 1u << 20;
    auto_untar u = NULL;

    cr_assert_eq(tree_new(root, &t, e), 0);
    cr_assert_eq(untar_new(t, stats, &u, e), 0);
    int r = layer_decode(coding, m->p, m->len, &budget, untar_sink(u), &diff_id, e);
    if (r == 0) { r = untar_finish(u, e); }
    tree_free(t);
    return r;
}

static const struct {
    const char *file;
    enum layer_coding coding;
    bool accepted;
    const char *path, *text; /* what must be there (path), or what the error must say (text) */
} hostile[] = {
    {"01-dotdot.tar", LAYER_TAR, true, "evil", NULL},
    {"02-absolute.tar", LAYER_TAR, true, "evil-abs", NULL},
    {"03-symlink-escape.tar", LAYER_TAR, true, "evil", NULL},
    {"04-symlink-dotdot-escape.tar", LAYER_TAR, true, NULL, NULL},
    {"05-hardlink-outside.tar", LAYER_TAR, false, NULL, "hard link"},
    {"06-hardlink-via-symlink.tar", LAYER_TAR, false, NULL, "hard link"},
    {"07-bare-whiteout.tar", LAYER_TAR, false, NULL, "whiteout"},
    {"08-whiteout-dotdot.tar", LAYER_TAR, false, NULL, "whiteout"},
    {"09-whiteout-through-symlink.tar", LAYER_TAR, true, "s", NULL},
    {"10-device-node.tar", LAYER_TAR, true, NULL, NULL},
    {"11-same-path-twice.tar", LAYER_TAR, false, NULL, "twice"},
    {"12-opaque-through-symlink.tar", LAYER_TAR, true, NULL, NULL},
    {"13-file-as-parent.tar", LAYER_TAR, false, NULL, "not a directory"},
    {"14-dot-entry.tar", LAYER_TAR, true, "", NULL},
    {"15-truncated.tar", LAYER_TAR, false, NULL, "too early"},
    {"16-gzip-trailing-garbage.tar.gz", LAYER_GZIP, false, NULL, "gzip"},
    {"17-gzip-two-members.tar.gz", LAYER_GZIP, true, NULL, NULL},
    {"18-zstd-two-frames.tar.zst", LAYER_ZSTD, true, NULL, NULL},
};

Test(unpack, hostile_layers_give_what_the_table_says)
{
    for (size_t i = 0; i < ARRAY_COUNT(hostile); i++) {
        char name[128], path[64];
        struct untar_stats stats = {0};
        struct err e = {0};
        struct stat st;

        (void)snprintf(name, sizeof name, "oci/hostile-layers/%s", hostile[i].file);
        auto_map m = read_file(vector_path(name));
        int root = temp_dir(path);
        int r = unpack(hostile[i].coding, &m, root, &stats, &e);
        cr_assert_eq(r == 0, hostile[i].accepted, "%s: %d %s", hostile[i].file, r, e.text);
        if (hostile[i].text) {
            cr_assert(strstr(e.text, hostile[i].text), "%s: says '%s'", hostile[i].file, e.text);
        }
        if (hostile[i].path && *hostile[i].path) {
            cr_assert_eq(fstatat(root, hostile[i].path, &st, AT_SYMLINK_NOFOLLOW), 0, "%s",
                         hostile[i].file);
        }
        (void)close(root);
        temp_dir_remove(path);
        cr_assert(access("/evil", F_OK) != 0 && access("/evil-abs", F_OK) != 0, "%s got out",
                  hostile[i].file);
        cr_assert_eq(access("/etc/passwd", F_OK), 0, "%s removed a file outside", hostile[i].file);
    }
}

/* ---- whole images against a tree written down by others */

static char **lines;
static size_t line_count;

static void add_line(const char *text)
{
    lines = realloc(lines, (line_count + 1) * sizeof *lines);
    lines[line_count++] = strdup(text);
}

static void describe(int dir, const char *prefix);

static void describe_one(int dir, const char *name, const char *path)
{
    struct stat st;
    char line[2 * PATH_MAX], tail[PATH_MAX + 64] = "-";

    cr_assert_eq(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW), 0);
    char type = S_ISDIR(st.st_mode)    ? 'd'
                : S_ISLNK(st.st_mode)  ? 'l'
                : S_ISFIFO(st.st_mode) ? 'p'
                                       : 'f';
    if (type == 'l') {
        char target[PATH_MAX] = {0};
        cr_assert(readlinkat(dir, name, target, sizeof target - 1) > 0);
        (void)snprintf(tail, sizeof tail, "-> %s", target);
    } else if (type == 'f') {
        char full[PATH_MAX], value[64] = {0}, text[DIGEST_TEXT_SIZE];
        struct digest d;
        (void)snprintf(full, sizeof full, "/proc/self/fd/%d/%s", dir, name);
        auto_map m = read_file(full);
        digest_of(m.p, m.len, &d);
        digest_text(&d, text);
        bool has = getxattr(full, "user.cc", value, sizeof value - 1) > 0;
        (void)snprintf(tail, sizeof tail, "%.16s%s%s", text + 7, has ? " xattr:user.cc=" : "",
                       value);
    }
    (void)snprintf(line, sizeof line, "%c %04o %u:%u %s %s", type, st.st_mode & 07777, st.st_uid,
                   st.st_gid, path, tail);
    add_line(line);
    if (type == 'd') {
        int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        describe(fd, path);
        (void)close(fd);
    }
}

static void describe(int dir, const char *prefix)
{
    DIR *d = fdopendir(dup(dir));
    struct dirent *de;
    cr_assert_not_null(d);
    while ((de = readdir(d))) {
        char path[PATH_MAX];
        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0) { continue; }
        (void)snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "/" : "", de->d_name);
        describe_one(dir, de->d_name, path);
    }
    (void)closedir(d);
}

static int by_path(const void *a, const void *b)
{
    const char *x = strchr(strchr(strchr(*(char *const *)a, ' ') + 1, ' ') + 1, ' ');
    const char *y = strchr(strchr(strchr(*(char *const *)b, ' ') + 1, ' ') + 1, ' ');
    return strcmp(x, y);
}

static void expect_tree(const char *image)
{
    char path[64], want[1024];
    struct err e = {0};
    struct digest manifest;
    struct image img;
    struct untar_stats stats = {0};
    uint64_t budget = 1u << 20;
    auto_layout l = NULL;

    if (geteuid() != 0) { cr_skip_test("needs root"); }
    cr_assert_eq(layout_open_dir(vector_path(image), &l, &e), 0, "%s", e.text);
    cr_assert_eq(layout_select(l, "v1", &manifest, &e), 0, "%s", e.text);
    cr_assert_eq(image_load(layout_blobs(l), &manifest, &img, &e), 0, "%s", e.text);
    int root = temp_dir(path);
    cr_assert_eq(image_unpack(layout_blobs(l), &img, NULL, root, &budget, &stats, &e), 0, "%s",
                 e.text);
    image_fini(&img);

    describe(root, "");
    (void)close(root);
    qsort(lines, line_count, sizeof *lines, by_path);
    FILE *f = fopen(vector_path("oci/image-whiteout.expected-tree.txt"), "r");
    cr_assert_not_null(f);
    size_t i = 0;
    while (fgets(want, sizeof want, f)) {
        want[strcspn(want, "\n")] = '\0';
        cr_assert(i < line_count, "missing: %s", want);
        if (stats.xattrs_skipped > 0) {
            char *x = strstr(want, " xattr:");
            if (x) { *x = '\0'; }
        }
        cr_assert_str_eq(lines[i], want);
        i++;
    }
    cr_assert_eq(i, line_count, "not expected: %s", i < line_count ? lines[i] : "");
    (void)fclose(f);
    temp_dir_remove(path);
}

Test(unpack, gzip_image_gives_the_tree_that_others_get) { expect_tree("oci/image-whiteout-gzip"); }
Test(unpack, zstd_image_behind_a_nested_index_gives_it_too)
{
    expect_tree("oci/image-whiteout-zstd-nested");
}
