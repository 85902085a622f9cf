/* SPDX-License-Identifier: Apache-2.0 */
/* The *at calls resolve from a directory descriptor, and from any object with an empty path where that is allowed. */
#include "tests/guest/promise.h"

PROMISE("paths start at descriptors")
{
    struct stat st, st2;
    char b[16] = "";
    scratch();
    MUST(mkdir("d", 0755));
    int d = MUST(open("d", O_RDONLY | O_DIRECTORY)), p = MUST(open("d", O_PATH | O_DIRECTORY));
    int f = MUST(openat(d, "f", O_RDWR | O_CREAT, 0600));
    MUST(fstatat(p, "f", &st, 0));
    MUST(fstatat(f, "", &st2, AT_EMPTY_PATH));
    WANT_EQ(st.st_ino, st2.st_ino);
    WANT_ERR(fstatat(f, "", &st, 0), ENOENT);
    WANT_ERR(fstatat(f, "x", &st, 0), ENOTDIR);
    WANT_ERR(fstatat(99, "x", &st, 0), EBADF);
    MUST(fstatat(99, "/", &st, 0)); /* an absolute path needs no descriptor */
    MUST(mkdirat(d, "sub", 0700));
    MUST(symlinkat("f", p, "link"));
    WANT_EQ(MUST(readlinkat(d, "link", b, sizeof(b))), 1);
    MUST(renameat(d, "link", AT_FDCWD, "moved"));
    MUST(linkat(d, "f", AT_FDCWD, "hard", 0));
    MUST(unlinkat(d, "f", 0));
    MUST(unlinkat(p, "sub", AT_REMOVEDIR));
    MUST(faccessat(AT_FDCWD, "hard", R_OK | W_OK, 0));
    MUST(mknodat(d, "fifo", S_IFIFO | 0600, 0));
    MUST(fchdir(d));
    MUST(stat("fifo", &st));
    MUST(fchdir(p));
    MUST(rename("../d", "../renamed")); /* descriptors follow the directory */
    MUST(mkdirat(d, "after", 0700));
    MUST(stat("../renamed/after", &st));
    WANT_ERR(fchdir(f), ENOTDIR);
}
