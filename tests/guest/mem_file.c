/* SPDX-License-Identifier: Apache-2.0 */
/* File mappings: shared ones are the file, for read, write and other processes; private ones are copies on write. */
#include "tests/guest/promise.h"

PROMISE("file mappings are coherent")
{
    char buffer[8] = "";
    scratch();
    put_file("f", "abcdefgh");
    int fd = MUST(open("f", O_RDWR));
    char *s = MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    char *p = MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    WANT_EQ(memcmp(s, "abcdefgh", 9), 0); /* zeros behind the end */
    s[0] = 'A';
    WANT_EQ(pread(fd, buffer, 1, 0), 1);
    WANT_EQ(buffer[0], 'A');
    WANT_EQ(pwrite(fd, "B", 1, 1), 1);
    WANT_EQ(s[1], 'B');
    p[2] = 'P';
    WANT_EQ(s[2], 'c');
    s[3] = 'D'; /* the private page is a copy by now */
    WANT_EQ(p[3], 'd');
    pid_t pid = MUST(fork());
    if (pid == 0) {
        s[4] = 'E';
        p[4] = 'X';
        _exit(0);
    }
    MUST(waitpid(pid, NULL, 0));
    WANT_EQ(s[4], 'E');
    WANT_EQ(p[4], 'e');
    MUST(close(fd));
    MUST(unlink("f"));
    s[5] = 'F'; /* lives on without a name */
    MUST(msync(s, PAGE, MS_SYNC));
    WANT_EQ(s[5], 'F');

    put_file("g", "g");
    int ro = MUST(open("g", O_RDONLY)), wo = MUST(open("g", O_WRONLY)),
        dir = MUST(open(".", O_RDONLY)), fds[2];
    MUST(pipe(fds));
    WANT_ERR((long)mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ro, 0), EACCES);
    MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, ro, 0));
    WANT_ERR((long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, wo, 0), EACCES);
    WANT_ERR((long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, dir, 0), ENODEV);
    WANT_ERR((long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fds[0], 0), ENODEV);
    WANT_ERR((long)syscall(SYS_mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE, ro, 1), EINVAL);
    char *r = MUST(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 0));
    WANT_ERR(mprotect(r, PAGE, PROT_READ | PROT_WRITE), EACCES);
}
