/* SPDX-License-Identifier: Apache-2.0 */
/* An orphan gets a new parent, the nearest subreaper, which can wait for it. */
#include <sys/prctl.h>

#include "tests/guest/promise.h"

PROMISE("orphans are adopted")
{
    MUST(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
    int to_orphan[2], from_orphan[2];
    MUST(pipe(to_orphan));
    MUST(pipe(from_orphan));
    pid_t middle = MUST(fork());
    if (middle == 0) {
        pid_t orphan = MUST(fork());
        if (orphan == 0) {
            char byte;
            MUST(close(to_orphan[1]));
            WANT_EQ(read(to_orphan[0], &byte, 1), 1); /* until the middle one is gone */
            pid_t parent = getppid();
            WANT_EQ(write(from_orphan[1], &parent, sizeof(parent)), sizeof(parent));
            _exit(33);
        }
        _exit(0);
    }
    int status;
    WANT_EQ(MUST(waitpid(middle, &status, 0)), middle);
    WANT_EQ(write(to_orphan[1], "x", 1), 1);
    pid_t parent;
    WANT_EQ(read(from_orphan[0], &parent, sizeof(parent)), sizeof(parent));
    WANT_EQ(parent, getpid());
    WANT(MUST(wait(&status)) != middle);
    WANT_EQ(WEXITSTATUS(status), 33);
}
