/* SPDX-License-Identifier: Apache-2.0 */
/* A blocked reader wakes on data and on EOF, a blocked writer on room; a write larger than the pipe arrives whole. */
#include "tests/guest/promise.h"

#define TOTAL (1 << 20)

PROMISE("pipes block and wake")
{
    static uint8_t data[TOTAL];
    int fds[2];
    MUST(pipe(fds));
    pid_t pid = MUST(fork());
    if (pid == 0) {
        MUST(close(fds[0]));
        for (size_t i = 0; i < TOTAL; i++) { data[i] = (uint8_t)(i * 31 >> 3); }
        WANT_EQ(write(fds[1], data, TOTAL), TOTAL);
        _exit(0);
    }
    MUST(close(fds[1]));
    size_t total = 0;
    for (ssize_t n; (n = MUST(read(fds[0], data, 10000))) > 0; total += (size_t)n) {
        for (ssize_t i = 0; i < n; i++) {
            WANT_EQ(data[i], (uint8_t)((total + (size_t)i) * 31 >> 3));
        }
    }
    WANT_EQ(total, TOTAL);
    int status;
    MUST(waitpid(pid, &status, 0));
    WANT_EQ(status, 0);
}
