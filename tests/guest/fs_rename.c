/* SPDX-License-Identifier: Apache-2.0 */
/* rename: replaces in one step, keeps open files alive, and refuses what Linux refuses. */
#include "tests/guest/promise.h"

#define NOREPLACE 1
#define EXCHANGE  2

static long rename2(const char *from, const char *to, unsigned flags)
{
    return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

PROMISE("rename follows the rules")
{
    struct stat st, st2;
    scratch();
    put_file("a", "A");
    put_file("b", "B");
    int b = MUST(open("b", O_RDONLY));
    MUST(stat("a", &st));
    MUST(rename("a", "b"));
    MUST(stat("b", &st2));
    WANT_EQ(st.st_ino, st2.st_ino);
    WANT_ERR(stat("a", &st), ENOENT);
    want_file("b", "A");
    char byte;
    WANT_EQ(read(b, &byte, 1), 1);
    WANT_EQ(byte, 'B'); /* the replaced file lives as long as it is open */
    MUST(fstat(b, &st));
    WANT_EQ(st.st_nlink, 0);
    MUST(link("b", "c"));
    MUST(rename("b", "c")); /* two names of one file: nothing happens */
    want_file("b", "A");
    MUST(mkdir("d", 0755));
    MUST(mkdir("e", 0755));
    MUST(mkdir("e/x", 0755));
    WANT_ERR(rename("b", "d"), EISDIR);
    WANT_ERR(rename("d", "b"), ENOTDIR);
    WANT_ERR(rename("d", "e"), ENOTEMPTY);
    WANT_ERR(rename("e", "e/x/y"), EINVAL);
    WANT_ERR(rename("no", "x"), ENOENT);
    WANT_ERR(rename("b", "no/x"), ENOENT);
    MUST(rename("e", "d")); /* over an empty directory */
    MUST(stat("d/x", &st));
    MUST(rename("d/x", "moved"));
    MUST(stat("d", &st));
    MUST(chdir("moved"));
    char cwd[512], parent[512];
    WANT(getcwd(cwd, sizeof(cwd)));
    WANT_EQ(strcmp(strrchr(cwd, '/'), "/moved"), 0);
    MUST(chdir(".."));
    WANT(getcwd(parent, sizeof(parent)));
    WANT_EQ(strlen(parent),
            (size_t)(strrchr(cwd, '/') - cwd)); /* ".." of what moved is its new parent */
    put_file("p", "P");
    put_file("q", "Q");
    WANT_ERR(rename2("p", "q", NOREPLACE), EEXIST);
    MUST(rename2("p", "r", NOREPLACE));
    MUST(rename2("r", "q", EXCHANGE));
    want_file("r", "Q");
    want_file("q", "P");
    WANT_ERR(rename2("r", "q", NOREPLACE | EXCHANGE), EINVAL);
}
