/* SPDX-License-Identifier: Apache-2.0 */
/* Known answers made elsewhere: where they are, and what tests of images do with them. */
#ifndef CASEMATE_TESTS_IMAGE_VECTORS_H
#define CASEMATE_TESTS_IMAGE_VECTORS_H

#include "loader/image/image.h"
#include "tests/vectors.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A path among the vectors, good for the next three calls; skips the test aloud when it is not there. */
static inline const char *vector_path(const char *name)
{
    static char path[4][PATH_MAX];
    static unsigned turn;
    char *p = path[turn++ % 4];

    vector_find(name, p);
    return p;
}

static inline struct map read_file(const char *path)
{
    struct map m = {0};
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    cr_assert(fd >= 0 && fstat(fd, &st) == 0, "%s", path);
    m.len = (size_t)st.st_size;
    m.p = mmap(NULL, m.len ? m.len : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert(m.p != MAP_FAILED);
    cr_assert_eq(read(fd, m.p, m.len), (ssize_t)m.len);
    (void)close(fd);
    return m;
}

/* A fresh empty directory, and its removal. */
static inline int temp_dir(char path[64])
{
    (void)snprintf(path, 64, "/tmp/casemate-unit-XXXXXX");
    cr_assert(mkdtemp(path) != NULL);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert(fd >= 0);
    return fd;
}

static inline void temp_dir_remove(const char *path)
{
    char cmd[128];
    (void)snprintf(cmd, sizeof cmd, "rm -rf '%s'", path);
    cr_assert_eq(system(cmd), 0);
}

#endif
