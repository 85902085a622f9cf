/* SPDX-License-Identifier: Apache-2.0 */
/* Each side of a fork sees memory as it was, whoever writes first, over generations. */
#include "tests/guest/promise.h"

#define PAGES 600 /* more than one table of 512 */

static void fill(char *m, char value)
{
    for (size_t i = 0; i < PAGES; i++) { m[i * PAGE] = value; }
}

static void want_all(const char *m, char value)
{
    for (size_t i = 0; i < PAGES; i++) { WANT_EQ(m[i * PAGE], value); }
}

PROMISE("memory is copied on write")
{
    static int data = 1;
    int stack = 2;
    char *m = anon(PAGES), *untouched = anon(PAGES);
    fill(m, 'a');
    int down[2], up[2];
    char go = 0;
    MUST(pipe(down));
    MUST(pipe(up));
    pid_t pid = MUST(fork());
    if (pid == 0) {
        WANT_EQ(read(down[0], &go, 1), 1); /* the parent has written by now */
        want_all(m, 'a');
        WANT_EQ(data, 1);
        WANT_EQ(stack, 2);
        want_all(untouched, 0);
        fill(m, 'c');
        pid_t grandchild = MUST(fork());
        if (grandchild == 0) {
            want_all(m, 'c');
            fill(m, 'g');
            want_all(m, 'g');
            _exit(0);
        }
        int status;
        MUST(waitpid(grandchild, &status, 0));
        WANT_EQ(status, 0);
        want_all(m, 'c');
        data = stack = 77;
        _exit(0);
    }
    fill(m, 'p');
    fill(untouched, 'u');
    data = 10;
    stack = 20;
    WANT_EQ(write(down[1], &go, 1), 1);
    int status;
    MUST(waitpid(pid, &status, 0));
    WANT_EQ(status, 0);
    want_all(m, 'p');
    want_all(untouched, 'u');
    WANT_EQ(data, 10);
    WANT_EQ(stack, 20);
}
