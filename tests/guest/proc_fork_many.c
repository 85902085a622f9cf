/* SPDX-License-Identifier: Apache-2.0 */
/* Hundreds of processes, alive at once and one after the other, with their pids distinct and all reaped. */
#include "tests/guest/promise.h"

#define ALIVE 100
#define TURNS 300

PROMISE("many processes come and go")
{
    int gate[2];
    char byte;
    MUST(pipe(gate));
    pid_t pids[ALIVE];
    for (int i = 0; i < ALIVE; i++) {
        pids[i] = MUST(fork());
        if (pids[i] == 0) {
            MUST(close(gate[1]));
            _exit(read(gate[0], &byte, 1) == 0 ? i : 255);
        }
        for (int k = 0; k < i; k++) { WANT(pids[k] != pids[i]); }
    }
    MUST(close(gate[1]));
    for (int i = ALIVE - 1; i >= 0; i--) {
        int status;
        WANT_EQ(MUST(waitpid(pids[i], &status, 0)), pids[i]);
        WANT_EQ(WEXITSTATUS(status), i);
    }
    for (int i = 0; i < TURNS; i++) {
        pid_t pid = MUST(fork());
        if (pid == 0) { _exit(i & 0x7f); }
        int status;
        WANT_EQ(MUST(wait(&status)), pid);
        WANT_EQ(status, (i & 0x7f) << 8);
    }
    WANT_ERR(wait(NULL), ECHILD);
}
