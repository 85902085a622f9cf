/* SPDX-License-Identifier: Apache-2.0 */
/* libs: image jose crypto_full crypto_small base */
/* ldlibs: -ljansson -lz -lzstd -ldeflate -lcrypto */
/*
 * The unpacker, on a real directory: the input is two layers (the first byte says where the first
 * ends). Whatever they hold, the directory above the root still has exactly what was put there, and
 * the root can be emptied again. Checksums of headers are made right first, or hardly any mutation
 * would get past them.
 */
#include "loader/image/tar.h"
#include "loader/image/untar.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX 32768

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char above[64];
static int above_fd = -1;

static void leave(void)
{
    (void)unlinkat(above_fd, "root", AT_REMOVEDIR);
    (void)unlinkat(above_fd, "guard", 0);
    (void)rmdir(above);
}

static void begin(void)
{
    (void)snprintf(above, sizeof above, "%s/casemate-fuzz-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(above)) { abort(); }
    above_fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int guard = openat(above_fd, "guard", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (guard < 0 || write(guard, "whole", 5) != 5) { abort(); }
    (void)close(guard);
    (void)atexit(leave);
}

/* Only "guard", as it was, and "root". */
static void check_above(void)
{
    struct dirent *de;
    struct stat st;
    size_t count = 0;
    DIR *d = fdopendir(openat(above_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    while ((de = readdir(d))) { count++; }
    (void)closedir(d);
    if (count != 4 || fstatat(above_fd, "guard", &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_size != 5 ||
        st.st_nlink != 1 || (st.st_mode & 07777) != 0600) {
        abort();
    }
}

static void fix_checksums(uint8_t *p, size_t len)
{
    for (; len >= TAR_BLOCK; p += TAR_BLOCK, len -= TAR_BLOCK) {
        unsigned sum = 0;
        if (memcmp(p + 257, "ustar", 5) != 0) { continue; }
        memset(p + 148, ' ', 8);
        for (size_t i = 0; i < TAR_BLOCK; i++) { sum += p[i]; }
        (void)snprintf((char *)p + 148, 8, "%06o", sum);
    }
}

static void layer(struct tree *t, struct untar_stats *stats, const uint8_t *p, size_t len)
{
    struct untar *u;
    struct err e = {0};
    if (untar_new(t, stats, &u, &e) < 0) { abort(); }
    if (len == 0 || untar_sink(u)->write(untar_sink(u), p, len, &e) == 0) {
        (void)!untar_finish(u, &e);
    }
    untar_free(u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct untar_stats stats = {0};
    struct place whole = {.name = "root"};
    struct tree *t;
    struct err e = {0}, e2 = {0};

    if (above_fd < 0) { begin(); }
    if (size < 1 || size > INPUT_MAX) { return 0; }
    uint8_t *copy = malloc(size - 1);
    if (!copy) { return 0; }
    memcpy(copy, data + 1, size - 1);
    fix_checksums(copy, size - 1);
    if (mkdirat(above_fd, "root", 0755) < 0) { abort(); }
    int root = openat(above_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (tree_new(root, &t, &e) < 0) { abort(); }
    size_t first = (size_t)data[0] * 512 < size - 1 ? (size_t)data[0] * 512 : size - 1;
    layer(t, &stats, copy, first);
    layer(t, &stats, copy + first, size - 1 - first);
    check_above();
    whole.dir_fd = above_fd;
    if (tree_remove(t, &whole, &e2) < 0) { abort(); }
    tree_free(t);
    (void)close(root);
    free(copy);
    return 0;
}
