/* SPDX-License-Identifier: Apache-2.0 */
/* /dev/null, zero, full, urandom, and the standard streams by name. */
#include "tests/guest/promise.h"

PROMISE("devices behave")
{
    char b[4096];
    struct stat st;
    int n = MUST(open("/dev/null", O_RDWR)), z = MUST(open("/dev/zero", O_RDWR)),
        f = MUST(open("/dev/full", O_RDWR));
    int r = MUST(open("/dev/urandom", O_RDONLY));
    WANT_EQ(read(n, b, 10), 0);
    WANT_EQ(write(n, b, sizeof(b)), sizeof(b));
    WANT_EQ(lseek(n, 100, SEEK_SET), 0);
    memset(b, 1, sizeof(b));
    WANT_EQ(read(z, b, sizeof(b)), sizeof(b));
    for (size_t i = 0; i < sizeof(b); i++) { WANT_EQ(b[i], 0); }
    WANT_EQ(write(z, b, 5), 5);
    WANT_EQ(read(f, b, 5), 5);
    WANT_ERR(write(f, b, 1), ENOSPC);
    WANT_EQ(read(r, b, sizeof(b)), sizeof(b));
    int set = 0;
    for (size_t i = 0; i < sizeof(b); i++) { set += __builtin_popcount((uint8_t)b[i]); }
    WANT(set > 15000 && set < 17768); /* 16384 expected; 15 standard deviations */
    char *m = MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, z, 0));
    WANT_EQ(m[0], 0);
    m[0] = 1;
    MUST(fstat(n, &st));
    WANT(S_ISCHR(st.st_mode));
    WANT_EQ(st.st_rdev, 0x103);
    int fds[2];
    MUST(pipe(fds));
    MUST(dup2(fds[1], 1));
    int out = MUST(open("/dev/stdout", O_WRONLY));
    WANT_EQ(write(out, "o", 1), 1);
    WANT_EQ(read(fds[0], b, 5), 1);
    WANT_EQ(b[0], 'o');
    char name[64] = "";
    MUST(readlink("/dev/fd", name, sizeof(name) - 1));
    WANT_EQ(strcmp(name, "/proc/self/fd"), 0);
}
