/* SPDX-License-Identifier: Apache-2.0 */
/* Offsets, positions and vectors: read, write, pread, pwrite, readv, writev, lseek, truncate, append, holes. */
#include <sys/uio.h>

#include "tests/guest/promise.h"

PROMISE("file input and output")
{
    char b[16] = "";
    struct stat st;
    scratch();
    int fd = MUST(open("f", O_RDWR | O_CREAT, 0600));
    WANT_EQ(write(fd, "0123456789", 10), 10);
    WANT_EQ(read(fd, b, 4), 0);
    WANT_EQ(pread(fd, b, 4, 8), 2);
    WANT_EQ(memcmp(b, "89", 2), 0);
    WANT_EQ(pread(fd, b, 4, 100), 0);
    WANT_ERR(pread(fd, b, 4, -1), EINVAL);
    WANT_EQ(pwrite(fd, "ab", 2, 3), 2);
    WANT_EQ(lseek(fd, 0, SEEK_CUR), 10);
    WANT_EQ(lseek(fd, -3, SEEK_END), 7);
    WANT_ERR(lseek(fd, -1, SEEK_SET), EINVAL);
    WANT_ERR(lseek(fd, 0, 99), EINVAL);
    WANT_EQ(lseek(fd, 2, SEEK_SET), 2);
    struct iovec out[3] = {{"XY", 2}, {NULL, 0}, {"Z", 1}};
    WANT_EQ(writev(fd, out, 3), 3);
    char p[3], q[8];
    struct iovec in[2] = {{p, 3}, {q, 8}};
    MUST(lseek(fd, 1, SEEK_SET));
    WANT_EQ(readv(fd, in, 2), 9);
    WANT_EQ(memcmp(p, "1XY", 3), 0);
    WANT_EQ(memcmp(q, "Z56789", 6), 0);
    WANT_ERR(syscall(SYS_readv, fd, in, 1025), EINVAL);
    WANT_EQ(preadv(fd, in, 1, 2), 3);

    MUST(lseek(fd, 100000, SEEK_SET));
    WANT_EQ(write(fd, "end", 3), 3);
    WANT_EQ(pread(fd, b, 16, 50000), 16);
    for (size_t i = 0; i < 16; i++) { WANT_EQ(b[i], 0); }
    MUST(fstat(fd, &st));
    WANT_EQ(st.st_size, 100003);
    WANT(st.st_blocks > 0);
    WANT_EQ(lseek(fd, 0, SEEK_DATA), 0);
    WANT_ERR(lseek(fd, 200000, SEEK_DATA), ENXIO);
    MUST(ftruncate(fd, 5));
    MUST(ftruncate(fd, 8));
    WANT_EQ(pread(fd, b, 16, 0), 8);
    WANT_EQ(memcmp(b, "01XYZ\0\0", 8), 0);
    MUST(truncate("f", 2));
    WANT_ERR(truncate("f", -1), EINVAL);
    WANT_ERR(truncate(".", 1), EISDIR);

    int a = MUST(open("f", O_WRONLY | O_APPEND));
    int a2 = MUST(open("f", O_WRONLY | O_APPEND));
    WANT_EQ(write(a, "A", 1), 1);
    WANT_EQ(write(a2, "B", 1), 1);
    WANT_EQ(write(a, "C", 1), 1);
    MUST(lseek(a, 0, SEEK_SET));
    WANT_EQ(write(a, "D", 1), 1);
    want_file("f", "01ABCD");
    MUST(fsync(a));
    MUST(fdatasync(a));
    WANT_EQ(read(fd, b, 0), 0);
    WANT_EQ(write(fd, b, 0), 0);
}
