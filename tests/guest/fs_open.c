/* SPDX-License-Identifier: Apache-2.0 */
/* open: which flags demand what, and which errors come first. */
#include "tests/guest/promise.h"

PROMISE("open follows the rules")
{
    scratch();
    umask(022);
    struct stat st;
    int fd = MUST(open("f", O_RDWR | O_CREAT | O_EXCL, 0666));
    MUST(fstat(fd, &st));
    WANT_EQ(st.st_mode, S_IFREG | 0644);
    WANT_EQ(write(fd, "hello", 5), 5);
    WANT_ERR(open("f", O_RDWR | O_CREAT | O_EXCL, 0666), EEXIST);
    WANT_ERR(open("g", O_RDONLY), ENOENT);
    WANT_ERR(open("", O_RDONLY), ENOENT);
    WANT_ERR(open("f/x", O_RDONLY), ENOTDIR);
    WANT_ERR(open("f/", O_RDONLY), ENOTDIR);
    WANT_ERR(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
    WANT_ERR(open(".", O_WRONLY), EISDIR);
    WANT_ERR(open(".", O_RDWR | O_CREAT, 0600), EISDIR);
    WANT_ERR(open("new/", O_RDWR | O_CREAT, 0600), EISDIR);
    WANT_ERR(open("no/f", O_RDWR | O_CREAT, 0600), ENOENT);
    char name[300];
    memset(name, 'n', sizeof(name));
    name[256] = 0;
    WANT_ERR(open(name, O_RDWR | O_CREAT, 0600), ENAMETOOLONG);
    name[255] = 0;
    MUST(open(name, O_RDWR | O_CREAT, 0600));
    char path[5000];
    for (size_t i = 0; i < sizeof(path); i += 2) { memcpy(path + i, "./", 2); }
    path[4999] = 0;
    WANT_ERR(open(path, O_RDONLY), ENAMETOOLONG);
    path[4090] = 0;
    MUST(open(path, O_RDONLY));
    char byte;
    int again = MUST(open("f", O_WRONLY | O_TRUNC));
    WANT_ERR(read(again, &byte, 1), EBADF);
    MUST(fstat(fd, &st));
    WANT_EQ(st.st_size, 0);
    WANT_EQ(write(again, "xy", 2), 2);
    WANT_EQ(lseek(fd, 0, SEEK_SET), 0);
    WANT_EQ(read(fd, &byte, 1), 1);
    WANT_EQ(byte, 'x');
    WANT_ERR(read(MUST(open(".", O_RDONLY)), &byte, 1), EISDIR);
    int path_only = MUST(open("f", O_PATH));
    WANT_ERR(read(path_only, &byte, 1), EBADF);
    MUST(fstat(path_only, &st));
    WANT_EQ(st.st_size, 2);
    WANT_ERR(access("f", X_OK), EACCES); /* root passes everything but this */
    MUST(open("../../../../../../../../etc/..", O_RDONLY)); /* ".." at the root stays */
}
