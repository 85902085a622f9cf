/* SPDX-License-Identifier: Apache-2.0 */
/* "#!": one optional argument, then the script's path, then the arguments; nests, but not for ever. */
#include "tests/guest/promise.h"

static char self[512];

static void script(const char *name, const char *interpreter)
{
    char line[1024];
    snprintf(line, sizeof(line), "#!%s\nignored\n", interpreter);
    put_file(name, line);
    MUST(chmod(name, 0755));
}

static void run_inner(void)
{
    char *args[] = {"dropped", "three", NULL};
    execve("./inner", args, args + 2);
    _exit(100);
}

static void run_outer(void)
{
    char *args[] = {"dropped", "four", NULL};
    execve("./outer", args, args + 2);
    _exit(100);
}

PROMISE("scripts start their interpreter")
{
    if (argc > 1 && strcmp(argv[1], "one two") == 0) {
        if (argc == 4) { /* inner */
            _exit(strcmp(argv[2], "./inner") == 0 && strcmp(argv[3], "three") == 0 ? 11 : 1);
        }
        _exit(argc == 5 && strcmp(argv[3], "./outer") == 0 && strcmp(argv[4], "four") == 0 ? 22
                                                                                           : 2);
    }
    ssize_t n = MUST(readlink("/proc/self/exe", self, sizeof(self) - 1));
    self[n] = 0;
    scratch();
    char line[600];
    snprintf(line, sizeof(line), " %s   one two  ",
             self); /* blanks around are trimmed, inside kept */
    script("inner", line);
    WANT_EQ(WEXITSTATUS(in_child(run_inner)), 11);
    script("outer", "./inner");
    WANT_EQ(WEXITSTATUS(in_child(run_outer)), 22);
    script("loop", "./loop");
    char *none[] = {NULL};
    WANT_ERR(execve("./loop", none, none), ELOOP);
    script("lost", "/no/such/interpreter");
    WANT_ERR(execve("./lost", none, none), ENOENT);
}
