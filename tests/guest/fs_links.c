/* SPDX-License-Identifier: Apache-2.0 */
/* Hard links are equal names of one file, counted; symbolic links are text, followed where they should be. */
#include "tests/guest/promise.h"

PROMISE("links follow the rules")
{
    struct stat st;
    char target[64] = "";
    scratch();
    put_file("a", "1");
    MUST(link("a", "b"));
    MUST(stat("a", &st));
    WANT_EQ(st.st_nlink, 2);
    put_file("b", "22");
    want_file("a", "22");
    MUST(unlink("a"));
    want_file("b", "22");
    WANT_ERR(link("b", "b"), EEXIST);
    MUST(mkdir("d", 0755));
    WANT_ERR(link("d", "e"), EPERM);

    MUST(symlink("b", "s"));
    want_file("s", "22");
    MUST(lstat("s", &st));
    WANT_EQ(st.st_mode & S_IFMT, S_IFLNK);
    WANT_EQ(st.st_size, 1);
    WANT_EQ(MUST(readlink("s", target, sizeof(target))), 1);
    WANT_ERR(readlink("b", target, sizeof(target)), EINVAL);
    WANT_ERR(open("s", O_RDONLY | O_NOFOLLOW), ELOOP);
    WANT_ERR(open("s", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
    int link_itself = MUST(open("s", O_PATH | O_NOFOLLOW));
    WANT_EQ(MUST(readlinkat(link_itself, "", target, sizeof(target))), 1);
    MUST(link("s", "s2")); /* a link to the link */
    MUST(lstat("s2", &st));
    WANT(S_ISLNK(st.st_mode));
    MUST(linkat(AT_FDCWD, "s", AT_FDCWD, "b2", AT_SYMLINK_FOLLOW));
    MUST(lstat("b2", &st));
    WANT(S_ISREG(st.st_mode));
    MUST(symlink("nowhere", "dangling"));
    WANT_ERR(open("dangling", O_RDONLY), ENOENT);
    put_file("dangling", "made"); /* creates what it points to */
    want_file("nowhere", "made");
    MUST(symlink("loop2", "loop1"));
    MUST(symlink("loop1", "loop2"));
    WANT_ERR(open("loop1", O_RDONLY), ELOOP);
    MUST(symlink("../d", "d/up"));
    put_file("d/up/up/up/file", "deep");
    want_file("d/file", "deep");
    MUST(symlink("d", "to_d"));
    MUST(stat("to_d/", &st));
    WANT(S_ISDIR(st.st_mode));
    WANT_ERR(rmdir("to_d"), ENOTDIR);
    MUST(unlink("to_d"));
    WANT_ERR(symlink("", "x"), ENOENT);
    WANT_ERR(symlink("x", "s"), EEXIST);
}
