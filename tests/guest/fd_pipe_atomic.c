/* SPDX-License-Identifier: Apache-2.0 */
/* Writes of up to PIPE_BUF bytes are never mixed, however many writers there are. */
#include "tests/guest/promise.h"

enum { WRITERS = 4, RECORDS = 100, SIZE = 4096 };

PROMISE("pipe writes are atomic")
{
    int fds[2];
    char record[SIZE];
    MUST(pipe(fds));
    for (int w = 0; w < WRITERS; w++) {
        if (MUST(fork()) == 0) {
            memset(record, 'a' + w, SIZE);
            for (int i = 0; i < RECORDS; i++) { WANT_EQ(write(fds[1], record, SIZE), SIZE); }
            _exit(0);
        }
    }
    MUST(close(fds[1]));
    int count[WRITERS] = {0};
    for (;;) {
        size_t got = 0;
        ssize_t n = 1;
        while (got < SIZE && (n = MUST(read(fds[0], record + got, SIZE - got))) > 0) {
            got += (size_t)n;
        }
        if (got == 0) { break; }
        WANT_EQ(got, SIZE);
        for (size_t i = 1; i < SIZE; i++) { WANT_EQ(record[i], record[0]); }
        count[record[0] - 'a']++;
    }
    for (int w = 0; w < WRITERS; w++) { WANT_EQ(count[w], RECORDS); }
}
