/* SPDX-License-Identifier: Apache-2.0 */
/* A quarter of a gigabyte of anonymous memory: zeros at first, holds what is written, over a fork too. */
#include "tests/guest/promise.h"

#define SIZE (256ul << 20)

PROMISE("large memory works")
{
    char *m = MUST(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (size_t i = 0; i < SIZE; i += PAGE) {
        WANT_EQ(m[i + 11], 0);
        *(size_t *)(m + i) = i;
    }
    pid_t pid = MUST(fork());
    if (pid == 0) {
        for (size_t i = 0; i < SIZE; i += 64 * PAGE) { *(size_t *)(m + i) = 1; }
        for (size_t i = PAGE; i < SIZE; i += 64 * PAGE) { WANT_EQ(*(size_t *)(m + i), i); }
        _exit(0);
    }
    int status;
    MUST(waitpid(pid, &status, 0));
    WANT_EQ(status, 0);
    for (size_t i = 0; i < SIZE; i += PAGE) { WANT_EQ(*(size_t *)(m + i), i); }
}
