/* SPDX-License-Identifier: Apache-2.0 */
/* A mapping larger than its file sees the file grow; what is written behind the end stays out of the file. */
#include "tests/guest/promise.h"

PROMISE("mappings follow the size of the file")
{
    scratch();
    int fd = MUST(open("f", O_RDWR | O_CREAT, 0600));
    char *m = MUST(mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)), byte = 1;
    MUST(ftruncate(fd, 10));
    m[9] = 'a';
    m[20] = 'b';
    struct stat st;
    MUST(fstat(fd, &st));
    WANT_EQ(st.st_size, 10);
    MUST(ftruncate(fd, 64 * PAGE));
    m[63 * PAGE] = 'z';
    WANT_EQ(pread(fd, &byte, 1, 63 * PAGE), 1);
    WANT_EQ(byte, 'z');
    WANT_EQ(pread(fd, &byte, 1, 40 * PAGE), 1);
    WANT_EQ(byte, 0);
    MUST(ftruncate(fd, PAGE));
    MUST(ftruncate(fd, 64 * PAGE));
    WANT_EQ(m[63 * PAGE], 0); /* cut away, not kept */
    WANT_EQ(m[9], 'a');
}
