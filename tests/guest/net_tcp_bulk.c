/* SPDX-License-Identifier: Apache-2.0 */
/* Eight megabytes through a loopback connection, in order, with a reader slower than the writer. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/guest/promise.h"

#define TOTAL (8u << 20)

PROMISE("bulk data over TCP")
{
    static uint32_t words[16384];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int l = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(bind(l, (void *)&a, sizeof(a)));
    MUST(listen(l, 1));
    MUST(getsockname(l, (void *)&a, &len));
    pid_t pid = MUST(fork());
    if (pid == 0) {
        int c = MUST(socket(AF_INET, SOCK_STREAM, 0));
        MUST(connect(c, (void *)&a, sizeof(a)));
        for (uint32_t at = 0; at < TOTAL / 4; at += COUNT(words)) {
            for (uint32_t i = 0; i < COUNT(words); i++) { words[i] = (at + i) * 2654435761u; }
            for (size_t done = 0; done < sizeof(words);) {
                done += (size_t)MUST(write(c, (char *)words + done, sizeof(words) - done));
            }
        }
        _exit(0);
    }
    int s = MUST(accept(l, NULL, NULL));
    uint32_t at = 0, word;
    size_t have = 0;
    for (ssize_t n; (n = MUST(read(s, (char *)words + have, 10007))) > 0;) {
        have += (size_t)n;
        size_t whole = have / 4;
        for (size_t i = 0; i < whole; i++) {
            memcpy(&word, words + i, 4);
            WANT_EQ(word, at * 2654435761u);
            at++;
        }
        memmove(words, (char *)words + whole * 4, have % 4);
        have %= 4;
    }
    WANT_EQ(at, TOTAL / 4);
    WANT_EQ(have, 0);
    int status;
    MUST(waitpid(pid, &status, 0));
    WANT_EQ(status, 0);
}
