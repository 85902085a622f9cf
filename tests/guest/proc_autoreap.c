/* SPDX-License-Identifier: Apache-2.0 */
/* A parent that ignores SIGCHLD, or says SA_NOCLDWAIT, has no zombies: wait blocks until all are gone, then ECHILD. */
#include "tests/guest/promise.h"

PROMISE("children of one who does not care vanish")
{
    for (int turn = 0; turn < 2; turn++) {
        struct sigaction sa = {.sa_handler = turn ? SIG_DFL : SIG_IGN,
                               .sa_flags = turn ? SA_NOCLDWAIT : 0};
        MUST(sigaction(SIGCHLD, &sa, NULL));
        for (int i = 0; i < 3; i++) {
            if (MUST(fork()) == 0) { _exit(1); }
        }
        WANT_ERR(wait(NULL), ECHILD);
    }
}
