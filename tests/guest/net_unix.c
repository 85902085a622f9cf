/* SPDX-License-Identifier: Apache-2.0 */
/* Unix sockets by name: in a directory, and abstract ones. */
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/guest/promise.h"

static struct sockaddr_un named(const char *name)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strcpy(a.sun_path, name);
    return a;
}

PROMISE("unix sockets by name")
{
    struct stat st;
    char b[16];
    scratch();
    struct sockaddr_un a = named("sock"), peer, missing = named("missing");
    int l = MUST(socket(AF_UNIX, SOCK_STREAM, 0)),
        c = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    WANT_ERR(connect(c, (void *)&missing, sizeof(missing)), ENOENT);
    MUST(bind(l, (void *)&a, sizeof(a)));
    MUST(stat("sock", &st));
    WANT(S_ISSOCK(st.st_mode));
    WANT_ERR(connect(c, (void *)&a, sizeof(a)), ECONNREFUSED); /* nobody listens yet */
    MUST(listen(l, 5));
    MUST(connect(c, (void *)&a, sizeof(a)));
    WANT_EQ(write(c, "early", 5), 5); /* before it is accepted */
    socklen_t len = sizeof(peer);
    int s = MUST(accept(l, (void *)&peer, &len));
    WANT_EQ(len, sizeof(sa_family_t)); /* the client has no name */
    WANT_EQ(read(s, b, sizeof(b)), 5);
    len = sizeof(peer);
    MUST(getpeername(c, (void *)&peer, &len));
    WANT_EQ(strcmp(peer.sun_path, "sock"), 0);
    int again = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    WANT_ERR(bind(again, (void *)&a, sizeof(a)), EADDRINUSE);
    WANT_ERR(open("sock", O_RDWR), ENXIO);
    MUST(fcntl(l, F_SETFL, O_NONBLOCK));
    WANT_ERR(accept(l, NULL, NULL), EAGAIN);
    MUST(close(l));
    int late = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    WANT_ERR(connect(late, (void *)&a, sizeof(a)), ECONNREFUSED);
    MUST(unlink("sock"));

    struct sockaddr_un hidden = {.sun_family = AF_UNIX, .sun_path = "\0promise"};
    socklen_t size = sizeof(sa_family_t) + 8;
    int d = MUST(socket(AF_UNIX, SOCK_DGRAM, 0)), e = MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
    MUST(bind(d, (void *)&hidden, size));
    WANT_ERR(bind(e, (void *)&hidden, size), EADDRINUSE);
    WANT_EQ(sendto(e, "dg", 2, 0, (void *)&hidden, size), 2);
    WANT_EQ(read(d, b, sizeof(b)), 2);
    MUST(close(d));
    WANT_ERR(sendto(e, "dg", 2, 0, (void *)&hidden, size), ECONNREFUSED);
}
