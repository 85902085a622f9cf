/* SPDX-License-Identifier: Apache-2.0 */
/* Shared anonymous memory is one memory for parent, child and grandchild, also after exec of nobody and parent's exit. */
#include "tests/guest/promise.h"

struct shared {
    volatile int from_child, from_grandchild, counter;
    char rest[3 * 4096];
};

PROMISE("shared memory is shared over fork")
{
    struct shared *s =
        MUST(mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    char *private_too = anon(1);
    s->rest[8000] = 'r';
    pid_t pid = MUST(fork());
    if (pid == 0) {
        WANT_EQ(s->rest[8000], 'r');
        if (MUST(fork()) == 0) {
            s->from_grandchild = 3;
            private_too[0] = 1;
            s->rest[12000] = 'g'; /* a page nobody had touched before the fork */
            _exit(0);
        }
        s->from_child = 2;
        WANT(wait(NULL) > 0);
        WANT_EQ(private_too[0], 0);
        _exit(0);
    }
    int status;
    MUST(waitpid(pid, &status, 0));
    WANT_EQ(status, 0);
    WANT_EQ(s->from_child, 2);
    WANT_EQ(s->from_grandchild, 3);
    WANT_EQ(s->rest[12000], 'g');
    for (int i = 0; i < 4; i++) {
        if (MUST(fork()) == 0) {
            for (int k = 0; k < 1000; k++) { __atomic_fetch_add(&s->counter, 1, __ATOMIC_SEQ_CST); }
            _exit(0);
        }
    }
    while (wait(NULL) > 0) {}
    WANT_EQ(s->counter, 4000);
}
