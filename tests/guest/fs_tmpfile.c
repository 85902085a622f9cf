/* SPDX-License-Identifier: Apache-2.0 */
/* O_TMPFILE: a file without a name that can be given one; memfd: a file without a place, with seals. */
#include "tests/guest/promise.h"

PROMISE("nameless files")
{
    char path[64], b[8] = "";
    struct stat st;
    scratch();
    int fd = open(".", O_TMPFILE | O_RDWR, 0600);
    if (fd >= 0 || errno != EOPNOTSUPP) { /* a file system may lack it, and says so */
        WANT(fd >= 0);
        WANT_EQ(write(fd, "tmp", 3), 3);
        MUST(fstat(fd, &st));
        WANT_EQ(st.st_nlink, 0);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        MUST(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
        want_file("named", "tmp");
    }
    int m = (int)MUST(syscall(SYS_memfd_create, "promise", 3 /* CLOEXEC, ALLOW_SEALING */));
    WANT_EQ(fcntl(m, F_GETFD), FD_CLOEXEC);
    MUST(ftruncate(m, PAGE));
    char *map = MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0));
    map[0] = 'm';
    WANT_EQ(pread(m, b, 1, 0), 1);
    WANT_EQ(b[0], 'm');
    enum { ADD_SEALS = 1033, GET_SEALS = 1034, SHRINK = 2, GROW = 4, WRITE = 8 };
    WANT_ERR(fcntl(m, ADD_SEALS, WRITE), EBUSY); /* a writable mapping is there */
    MUST(fcntl(m, ADD_SEALS, SHRINK | GROW));
    WANT_ERR(ftruncate(m, 0), EPERM);
    WANT_ERR(ftruncate(m, 2 * PAGE), EPERM);
    MUST(munmap(map, PAGE));
    MUST(fcntl(m, ADD_SEALS, WRITE));
    WANT_ERR(pwrite(m, "x", 1, 0), EPERM);
    WANT_ERR((long)mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0), EPERM);
    WANT_EQ(MUST(fcntl(m, GET_SEALS)), SHRINK | GROW | WRITE);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", m);
    char name[64] = "";
    MUST(readlink(path, name, sizeof(name) - 1));
    WANT_EQ(strcmp(name, "/memfd:promise (deleted)"), 0);
}
