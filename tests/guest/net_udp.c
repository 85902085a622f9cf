/* SPDX-License-Identifier: Apache-2.0 */
/* UDP over loopback: datagrams keep their borders and their senders' addresses. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "tests/guest/promise.h"

PROMISE("loopback UDP")
{
    char b[64];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, from,
                       mine = a;
    socklen_t len = sizeof(a);
    int s = MUST(socket(AF_INET, SOCK_DGRAM, 0)), c = MUST(socket(AF_INET, SOCK_DGRAM, 0));
    MUST(bind(s, (void *)&a, sizeof(a)));
    MUST(getsockname(s, (void *)&a, &len));
    MUST(bind(c, (void *)&mine, sizeof(mine)));
    len = sizeof(mine);
    MUST(getsockname(c, (void *)&mine, &len));
    WANT_EQ(sendto(c, "first", 5, 0, (void *)&a, sizeof(a)), 5);
    WANT_EQ(sendto(c, "", 0, 0, (void *)&a, sizeof(a)), 0);
    MUST(connect(c, (void *)&a, sizeof(a)));
    WANT_EQ(send(c, "second", 6, 0), 6);
    struct pollfd p = {.fd = s, .events = POLLIN};
    WANT_EQ(MUST(poll(&p, 1, 10000)), 1);
    len = sizeof(from);
    WANT_EQ(recvfrom(s, b, sizeof(b), 0, (void *)&from, &len), 5);
    WANT_EQ(from.sin_port, mine.sin_port);
    WANT_EQ(ntohl(from.sin_addr.s_addr), INADDR_LOOPBACK);
    WANT_EQ(recv(s, b, sizeof(b), 0), 0);
    WANT_EQ(recv(s, b, 2, MSG_TRUNC), 6);
    WANT_ERR(recv(s, b, 2, MSG_DONTWAIT), EAGAIN);
    WANT_EQ(sendto(s, "answer", 6, 0, (void *)&from, sizeof(from)), 6);
    WANT_EQ(recv(c, b, sizeof(b), 0), 6);
    WANT_ERR(send(s, "x", 1, 0), EDESTADDRREQ);
    static char big[70000];
    WANT_ERR(send(c, big, sizeof(big), 0), EMSGSIZE);
    struct timeval brief = {0, 20000};
    MUST(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &brief, sizeof(brief)));
    WANT_ERR(recv(s, b, 1, 0), EAGAIN);
}
