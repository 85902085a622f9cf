/* SPDX-License-Identifier: Apache-2.0 */
/* Named pipes: opening waits for the other side, unless told not to. */
#include "tests/guest/promise.h"

PROMISE("fifos rendezvous")
{
    char b[8];
    scratch();
    MUST(mkfifo("p", 0600));
    WANT_ERR(mkfifo("p", 0600), EEXIST);
    WANT_ERR(open("p", O_WRONLY | O_NONBLOCK), ENXIO);
    int r = MUST(open("p", O_RDONLY | O_NONBLOCK));
    WANT_EQ(read(r, b, 1), 0); /* no writer: end of file */
    int w = MUST(open("p", O_WRONLY | O_NONBLOCK));
    WANT_ERR(read(r, b, 1), EAGAIN);
    WANT_EQ(write(w, "abc", 3), 3);
    MUST(close(w));
    WANT_EQ(read(r, b, 8), 3);
    WANT_EQ(read(r, b, 8), 0);
    MUST(close(r));
    pid_t pid = MUST(fork());
    if (pid == 0) {
        int fd = MUST(open("p", O_WRONLY)); /* waits for the reader */
        WANT_EQ(write(fd, "hello", 5), 5);
        _exit(0);
    }
    int fd = MUST(open("p", O_RDONLY));
    WANT_EQ(read(fd, b, 8), 5);
    WANT_EQ(read(fd, b, 8), 0);
    int status;
    MUST(waitpid(pid, &status, 0));
    WANT_EQ(status, 0);
    int both = MUST(open("p", O_RDWR)); /* never waits */
    WANT_EQ(write(both, "z", 1), 1);
    WANT_EQ(read(both, b, 1), 1);
}
