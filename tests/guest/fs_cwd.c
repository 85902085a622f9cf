/* SPDX-License-Identifier: Apache-2.0 */
/* The current directory: where it is, whose it is, and what happens when it is gone. */
#include "tests/guest/promise.h"

static void elsewhere(void)
{
    MUST(chdir("/"));
    char b[8];
    WANT(getcwd(b, sizeof(b)));
    WANT_EQ(strcmp(b, "/"), 0);
}

PROMISE("the current directory")
{
    char here[512], b[600], tiny[2];
    scratch();
    WANT(getcwd(here, sizeof(here)));
    WANT_EQ(syscall(SYS_getcwd, b, sizeof(b)), (long)strlen(here) + 1);
    WANT_ERR(syscall(SYS_getcwd, tiny, sizeof(tiny)), ERANGE);
    WANT_EQ(in_child(elsewhere), 0);
    WANT(getcwd(b, sizeof(b)));
    WANT_EQ(strcmp(b, here), 0); /* a child's is its own */
    MUST(mkdir("a", 0755));
    MUST(mkdir("a/b", 0755));
    MUST(symlink("a/b", "short"));
    MUST(chdir("short"));
    WANT(getcwd(b, sizeof(b)));
    WANT_EQ(strcmp(b + strlen(here), "/a/b"), 0);
    MUST(chdir(".."));
    MUST(chdir("b"));
    MUST(rmdir("../b"));
    WANT_ERR(syscall(SYS_getcwd, b, sizeof(b)), ENOENT);
    WANT_ERR(open("x", O_CREAT | O_WRONLY, 0600), ENOENT);
    MUST(chdir(".."));
    WANT_ERR(chdir("no"), ENOENT);
    put_file("file", "");
    WANT_ERR(chdir("file"), ENOTDIR);
    WANT_EQ(MUST(readlink("/proc/self/cwd", b, sizeof(b))), (long)strlen(here) + 2);
}
