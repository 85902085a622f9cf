/* SPDX-License-Identifier: Apache-2.0 */
/* Large argument lists arrive whole; too large ones are refused before anything is lost. */
#include "tests/guest/promise.h"

#define ARGS 2000
#define LONG 131071 /* MAX_ARG_STRLEN without its NUL */

static char self[512], longest[LONG + 2];

static void run(void)
{
    static char *args[ARGS + 3];
    args[0] = self;
    for (int i = 1; i <= ARGS; i++) { args[i] = "0123456789012345678901234567890123456789"; }
    args[ARGS + 1] = longest;
    execve(self, args, (char *[]){NULL});
    _exit(100);
}

PROMISE("argument lists have Linux's limits")
{
    if (argc > 1) {
        WANT_EQ(argc, ARGS + 2);
        WANT_EQ(strlen(argv[ARGS + 1]), LONG);
        WANT_EQ(strlen(argv[ARGS]), 40);
        _exit(7);
    }
    ssize_t n = MUST(readlink("/proc/self/exe", self, sizeof(self) - 1));
    self[n] = 0;
    memset(longest, 'x', LONG);
    WANT_EQ(WEXITSTATUS(in_child(run)), 7);
    longest[LONG] = 'x';
    WANT_ERR(execve(self, (char *[]){self, longest, NULL}, (char *[]){NULL}), E2BIG);
    static char *many[100];
    longest[LONG] = 0;
    for (size_t i = 0; i + 1 < COUNT(many); i++) { many[i] = longest; }
    WANT_ERR(execve(self, many, (char *[]){NULL}), E2BIG);
}
