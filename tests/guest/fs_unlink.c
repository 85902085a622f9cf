/* SPDX-License-Identifier: Apache-2.0 */
/* unlink takes the name, not the file: whoever has it open or mapped keeps it. */
#include "tests/guest/promise.h"

PROMISE("unlinked files live while they are used")
{
    scratch();
    put_file("f", "data");
    int fd = MUST(open("f", O_RDWR));
    MUST(unlink("f"));
    WANT_ERR(open("f", O_RDONLY), ENOENT);
    char buffer[8] = "";
    WANT_EQ(read(fd, buffer, 8), 4);
    WANT_EQ(pwrite(fd, "D", 1, 0), 1);
    put_file("f", "new"); /* the same name is another file now */
    WANT_EQ(pread(fd, buffer, 8, 0), 4);
    WANT_EQ(memcmp(buffer, "Data", 4), 0);
    struct stat st;
    MUST(fstat(fd, &st));
    WANT_EQ(st.st_nlink, 0);
    char name[64], target[512] = "";
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    WANT(MUST(readlink(name, target, sizeof(target) - 1)) > 10);
    WANT(strstr(target, "/f (deleted)"));
    MUST(mkdir("d", 0755));
    WANT_ERR(unlink("d"), EISDIR);
    WANT_ERR(rmdir("f"), ENOTDIR);
    put_file("d/x", "");
    WANT_ERR(rmdir("d"), ENOTEMPTY);
    WANT_ERR(unlinkat(AT_FDCWD, "d", 0), EISDIR);
    MUST(unlink("d/x"));
    MUST(unlinkat(AT_FDCWD, "d", AT_REMOVEDIR));
    WANT_ERR(rmdir("."), EINVAL);
    WANT_ERR(unlink("missing"), ENOENT);
    WANT_ERR(rmdir("/"), EBUSY);
}
