/* SPDX-License-Identifier: Apache-2.0 */
/* Unix socket pairs: streams, datagrams, records; half close; descriptors and credentials travel. */
#include <poll.h>
#include <sys/socket.h>

#include "tests/guest/promise.h"

static void send_fd(int over, int fd)
{
    char byte = 'f';
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } c = {0};
    struct iovec iov = {&byte, 1};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c)};
    c.head = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&c.head), &fd, sizeof(fd));
    WANT_EQ(sendmsg(over, &m, 0), 1);
}

static int receive_fd(int over)
{
    char byte;
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } c = {0};
    struct iovec iov = {&byte, 1};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c)};
    WANT_EQ(recvmsg(over, &m, MSG_CMSG_CLOEXEC), 1);
    WANT_EQ(m.msg_controllen, CMSG_SPACE(sizeof(int)));
    WANT_EQ(c.head.cmsg_type, SCM_RIGHTS);
    int fd;
    memcpy(&fd, CMSG_DATA(&c.head), sizeof(fd));
    return fd;
}

PROMISE("socket pairs")
{
    char b[16] = "";
    int s[2], d[2], q[2], fds[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s));
    WANT_EQ(write(s[0], "abc", 3), 3);
    WANT_EQ(write(s[0], "def", 3), 3);
    WANT_EQ(recv(s[1], b, 2, MSG_PEEK), 2);
    WANT_EQ(read(s[1], b, 16), 6); /* a stream has no borders */
    WANT_ERR(recv(s[1], b, 1, MSG_DONTWAIT), EAGAIN);
    struct ucred {
        pid_t pid;
        uid_t uid;
        gid_t gid;
    } peer;
    socklen_t len = sizeof(peer);
    MUST(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &peer, &len));
    WANT_EQ(peer.pid, getpid());
    WANT_EQ(peer.uid, getuid());
    int type = 0;
    len = sizeof(type);
    MUST(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &type, &len));
    WANT_EQ(type, SOCK_STREAM);

    MUST(pipe(fds));
    send_fd(s[0], fds[0]);
    MUST(close(fds[0]));
    int got = receive_fd(s[1]);
    WANT_EQ(fcntl(got, F_GETFD), FD_CLOEXEC);
    WANT_EQ(write(fds[1], "p", 1), 1);
    WANT_EQ(read(got, b, 1), 1);

    MUST(shutdown(s[0], SHUT_WR));
    WANT_EQ(read(s[1], b, 1), 0);
    WANT_EQ(write(s[1], "back", 4), 4);
    WANT_EQ(read(s[0], b, 16), 4);
    WANT_ERR(send(s[0], "x", 1, MSG_NOSIGNAL), EPIPE);
    MUST(close(s[1]));
    WANT_EQ(read(s[0], b, 1), 0);
    struct pollfd p = {.fd = s[0], .events = POLLIN};
    WANT_EQ(MUST(poll(&p, 1, 0)), 1);
    WANT_EQ(p.revents & (POLLIN | POLLHUP), POLLIN | POLLHUP);

    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, d));
    WANT_EQ(send(d[0], "one", 3, 0), 3);
    WANT_EQ(send(d[0], "", 0, 0), 0);
    WANT_EQ(send(d[0], "three", 5, 0), 5);
    WANT_EQ(recv(d[1], b, 16, 0), 3);
    WANT_EQ(recv(d[1], b, 16, 0), 0);
    WANT_EQ(recv(d[1], b, 2, MSG_TRUNC), 5); /* the rest is gone */
    WANT_ERR(recv(d[1], b, 2, MSG_DONTWAIT), EAGAIN);

    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, q));
    WANT_EQ(send(q[0], "ab", 2, 0), 2);
    WANT_EQ(send(q[0], "cd", 2, 0), 2);
    WANT_EQ(read(q[1], b, 16), 2);
    MUST(close(q[0]));
    WANT_EQ(read(q[1], b, 16), 2);
    WANT_EQ(read(q[1], b, 16), 0);
    WANT_ERR(socketpair(AF_INET, SOCK_STREAM, 0, s), EOPNOTSUPP);
    WANT_ERR(socket(AF_UNIX, 99, 0), EINVAL);
    WANT_ERR(read(MUST(socket(AF_UNIX, SOCK_STREAM, 0)), b, 1), EINVAL);
}
