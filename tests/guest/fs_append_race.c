/* SPDX-License-Identifier: Apache-2.0 */
/* O_APPEND: many writers lose nothing and mix nothing. */
#include "tests/guest/promise.h"

enum { WRITERS = 4, LINES = 200, SIZE = 64 };

PROMISE("appends are atomic")
{
    char line[SIZE];
    int count[WRITERS] = {0};
    scratch();
    int fd = MUST(open("log", O_RDWR | O_CREAT | O_APPEND, 0600));
    for (int w = 0; w < WRITERS; w++) {
        if (MUST(fork()) == 0) {
            int own = MUST(open("log", O_WRONLY | O_APPEND));
            memset(line, 'a' + w, SIZE);
            for (int i = 0; i < LINES; i++) { WANT_EQ(write(own, line, SIZE), SIZE); }
            _exit(0);
        }
    }
    while (wait(NULL) > 0) { }
    MUST(lseek(fd, 0, SEEK_SET));
    for (int i = 0; i < WRITERS * LINES; i++) {
        WANT_EQ(read(fd, line, SIZE), SIZE);
        for (int k = 1; k < SIZE; k++) { WANT_EQ(line[k], line[0]); }
        count[line[0] - 'a']++;
    }
    WANT_EQ(read(fd, line, SIZE), 0);
    for (int w = 0; w < WRITERS; w++) { WANT_EQ(count[w], LINES); }
}
