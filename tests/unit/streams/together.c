/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about the two ends when both keep the rules. */
#include "tests/unit/streams/ends.h"
#include "vmm/names.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

TestSuite(together, .timeout = 20);

static const char spec[] = "{\"args\":[\"true\"]}";

static int open_pipe(int fd[2]) { return pipe2(fd, O_CLOEXEC); }

Test(together, item_arrives_whole)
{
    static char big[300000];
    for (size_t i = 0; i < sizeof big; i++) { big[i] = (char)(i * 7 / 3); }
    ends.config.item[STREAM_ITEM_LAUNCH_SPEC] = (struct streams_item){spec, sizeof spec - 1};
    ends.config.item[STREAM_ITEM_AGENT] = (struct streams_item){big, sizeof big};
    ends_start(true);

    char buf[64] = "";
    struct uio u;
    uio_kernel(&u, buf, sizeof buf);
    cr_assert_eq(streams_item(STREAM_ITEM_LAUNCH_SPEC, &u), 17);
    cr_assert_str_eq(buf, spec);

    static char copy[sizeof big];
    uio_kernel(&u, copy, sizeof copy);
    cr_assert_eq(streams_item(STREAM_ITEM_AGENT, &u), 300000);
    cr_assert_eq(memcmp(big, copy, sizeof big), 0);

    uio_kernel(&u, buf, 4);
    cr_assert_eq(streams_item(STREAM_ITEM_LAUNCH_SPEC, &u), 17,
                 "the whole size, though only four bytes fit");
    cr_assert_eq(streams_item(STREAM_ITEM_INITDATA, &u), -ENOENT);
    streams_free(ends.host);
    cr_assert_str_eq(ends.broken, "");
}

Test(together, output_reaches_the_pipe_and_its_end_closes_it)
{
    int out[2];
    cr_assert_eq(open_pipe(out), 0);
    ends.config.stdio[0] = ends.config.stdio[2] = -1;
    ends.config.stdio[1] = out[1];
    ends_start(true);
    (void)close(out[1]); /* the device has its own */

    struct stream *s =
        must_open(&(struct stream_open){.kind = STREAM_KIND_STDIO, .arg = 1, .out_size = 4096});
    cr_assert_eq(stream_wait_open(s, NO_DEADLINE, false), 0);
    static char text[100000], got[sizeof text + 1];
    memset(text, 'x', sizeof text);
    memcpy(text, "first", 5);
    memcpy(text + sizeof text - 4, "last", 4);

    struct uio u;
    uio_kernel(&u, text, sizeof text);
    size_t have = 0;
    while (u.left > 0) { /* the ring is far smaller than the text */
        int64_t n = stream_write_now(s, &u);
        if (n == -EAGAIN) {
            ssize_t r = read(out[0], got + have, sizeof got - have);
            cr_assert_gt(r, 0);
            have += (size_t)r;
            if (wait_on(NULL, 0, false) < 0) { cr_assert_fail("the host never made room"); }
            continue;
        }
        cr_assert_gt(n, 0);
    }
    stream_close(s);
    ssize_t r;
    while ((r = read(out[0], got + have, sizeof got - have)) > 0) { have += (size_t)r; }
    cr_assert_eq(r, 0, "closing the stream closes the pipe");
    cr_assert_eq(have, 100000);
    cr_assert_eq(memcmp(got, text, sizeof text), 0);
    streams_free(ends.host);
}

Test(together, what_is_written_before_the_answer_is_not_forgotten)
{
    int out[2];
    cr_assert_eq(open_pipe(out), 0);
    ends.config.stdio[0] = ends.config.stdio[2] = -1;
    ends.config.stdio[1] = out[1];
    ends_start(false);
    struct stream *s =
        must_open(&(struct stream_open){.kind = STREAM_KIND_STDIO, .arg = 1, .out_size = 4096});
    streams_service(ends.host); /* opens, finds nothing, and asks to be told */
    streams_service(ends.host);
    cr_assert_eq(stream_write_all(s, "early", 5), 0);
    ends.bells = 0;
    streams_poll(); /* the answer is read only now */
    cr_assert_eq(ends.bells, 1);
    streams_service(ends.host);
    char buf[8];
    cr_assert_eq(read(out[0], buf, sizeof buf), 5);
    streams_free(ends.host);
}

Test(together, input_ends_after_its_last_byte)
{
    int in[2];
    cr_assert_eq(open_pipe(in), 0);
    ends.config.stdio[0] = in[0];
    ends.config.stdio[1] = ends.config.stdio[2] = -1;
    ends_start(true);
    cr_assert_eq(write(in[1], "typed\n", 6), 6);
    (void)close(in[1]);

    struct stream *s =
        must_open(&(struct stream_open){.kind = STREAM_KIND_STDIO, .arg = 0, .in_size = 4096});
    char buf[32];
    cr_assert_eq(stream_wait_open(s, NO_DEADLINE, false), 0);
    cr_assert_eq(stream_read_all(s, buf, 6), 0);
    cr_assert_eq(memcmp(buf, "typed\n", 6), 0);
    cr_assert_eq(stream_read_all(s, buf, 1), -ENODATA);
    cr_assert_eq(stream_poll(s, NULL), LPOLLIN | LPOLLRDNORM | LPOLLRDHUP | LPOLLHUP);
    streams_free(ends.host);
}

Test(together, a_missing_descriptor_is_an_error_of_the_open)
{
    ends.config.stdio[0] = ends.config.stdio[1] = ends.config.stdio[2] = -1;
    ends_start(true);
    struct stream *s =
        must_open(&(struct stream_open){.kind = STREAM_KIND_STDIO, .arg = 2, .out_size = 4096});
    cr_assert_eq(stream_wait_open(s, NO_DEADLINE, false), -EBADF);
    stream_close(s);
    streams_free(ends.host);
    cr_assert_str_eq(ends.broken, "");
}

Test(together, finish_writes_what_the_ring_still_holds)
{
    int out[2];
    cr_assert_eq(open_pipe(out), 0);
    ends.config.stdio[0] = ends.config.stdio[2] = -1;
    ends.config.stdio[1] = out[1];
    ends_start(false);
    struct stream *s =
        must_open(&(struct stream_open){.kind = STREAM_KIND_STDIO, .arg = 1, .out_size = 4096});
    streams_service(ends.host);
    streams_poll();
    cr_assert_eq(stream_state(s), 0);
    cr_assert_eq(stream_write_all(s, "bye\n", 4), 0);
    streams_say_exit(STREAM_EXIT_PROGRAM, 42);
    streams_finish(ends.host, 1000); /* no doorbell was served */
    char buf[8];
    cr_assert_eq(read(out[0], buf, sizeof buf), 4);
    cr_assert_eq(memcmp(buf, "bye\n", 4), 0);
    struct streams_exit x = streams_exit(ends.host);
    cr_assert(x.known);
    cr_assert_eq(x.kind, STREAM_EXIT_PROGRAM);
    cr_assert_eq(x.status, 42);
    streams_free(ends.host);
}

Test(together, blob_is_read_at_any_offset)
{
    char path[] = "/tmp/streams-blob-XXXXXX";
    int fd = mkstemp(path);
    (void)unlink(path);
    for (int i = 0; i < 100000; i++) { cr_assert_eq(dprintf(fd, "%07d\n", i), 8); }
    struct streams_blob blobs[] = {{.digest = "sha256:aa", .fd = fd, .off = 0, .size = 8},
                                   {.digest = "sha256:bb", .fd = fd, .off = 80, .size = 799920}};
    ends.config.blobs = blobs;
    ends.config.blob_count = 2;
    ends_start(true);

    struct stream_open o = {.kind = STREAM_KIND_BLOB,
                            .in_size = 8192,
                            .out_size = 4096,
                            .name = "sha256:bb",
                            .name_len = 9};
    struct stream *s = must_open(&o);
    cr_assert_eq(stream_wait_open(s, NO_DEADLINE, false), 0);
    cr_assert_eq(stream_answer(s)->size, 799920);

    struct stream_blob_read ahead[2] = {{.off = 799904, .len = 16}, {.off = 0, .len = 100000}};
    static char buf[100000];
    cr_assert_eq(stream_write_all(s, ahead, sizeof ahead), 0);
    cr_assert_eq(stream_read_all(s, buf, 16), 0);
    cr_assert_eq(memcmp(buf, "0099998\n0099999\n", 16), 0);
    cr_assert_eq(stream_read_all(s, buf, 100000), 0);
    cr_assert_eq(memcmp(buf, "0000010\n", 8), 0);
    cr_assert_eq(memcmp(buf + 99992, "0012509\n", 8), 0);

    struct stream_blob_read beyond = {.off = 799913, .len = 8};
    cr_assert_eq(stream_write_all(s, &beyond, sizeof beyond), 0);
    cr_assert_eq(stream_read_all(s, buf, 1), -EINVAL);
    stream_close(s);

    o.name = "sha256:cc";
    s = must_open(&o);
    cr_assert_eq(stream_wait_open(s, NO_DEADLINE, false), -ENOENT);
    streams_free(ends.host);
    cr_assert_str_eq(ends.broken, "");
}

Test(together, log_lines_cannot_command_a_terminal)
{
    ends_start(true);
    cr_assert(streams_log("unpacked 3 layers", 17));
    cr_assert(streams_log("\033[2Jgone\r", 9));
    cr_assert_eq(wait_on(NULL, 0, false), 0); /* OPENED */
    streams_finish(ends.host, 0);
    streams_free(ends.host);
    cr_assert_str_eq(ends.log, "unpacked 3 layers\n?[2Jgone?\n");
}

static int seen_signal;
static uint16_t seen_rows, seen_cols;
static void take_signal(int signo) { seen_signal = signo; }
static void take_resize(uint16_t rows, uint16_t cols)
{
    seen_rows = rows;
    seen_cols = cols;
}

Test(together, host_events_arrive)
{
    ends.config.rows = 24;
    ends.config.cols = 80;
    streams_events = (struct streams_events){.signal = take_signal, .resize = take_resize};
    ends_start(true);
    while (seen_rows == 0) { cr_assert_eq(wait_on(NULL, 0, false), 0); }
    cr_assert_eq(seen_rows, 24);
    cr_assert_eq(seen_cols, 80);
    streams_signal(ends.host, 15);
    while (seen_signal == 0) { cr_assert_eq(wait_on(NULL, 0, false), 0); }
    cr_assert_eq(seen_signal, 15);
    streams_say_phase(STREAM_PHASE_STARTED);
    streams_finish(ends.host, 0);
    cr_assert_eq(ends.phase, STREAM_PHASE_STARTED);
    streams_free(ends.host);
}

Test(together, numbers_and_rings_come_back)
{
    ends.config.item[STREAM_ITEM_LAUNCH_SPEC] = (struct streams_item){spec, sizeof spec - 1};
    ends_start(true);
    for (int i = 0; i < 20000;
         i++) { /* more than there are numbers; more memory than the window has */
        char buf[32];
        struct uio u;
        uio_kernel(&u, buf, sizeof buf);
        cr_assert_eq(streams_item(STREAM_ITEM_LAUNCH_SPEC, &u), 17, "round %d", i);
    }
    streams_free(ends.host);
    cr_assert_str_eq(ends.broken, "");
}

/* ---- sockets --------------------------------------------------------------------------------- */

static struct names helper;
static void with_names(void)
{
    struct err e = {0};
    cr_assert_eq(names_start(&helper, &e), 0, "%s", e.text);
    ends.config.names = &helper;
}

static int listener(uint16_t *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof a;
    cr_assert_eq(bind(fd, (struct sockaddr *)&a, len), 0);
    cr_assert_eq(listen(fd, 4), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static struct stream *dial(const char *host, const struct stream_addr *to)
{
    uint8_t name[sizeof(struct stream_connect) + 256];
    struct stream_connect c = {.peer = *to, .timeout_ms = 4000, .host_len = (uint32_t)strlen(host)};
    memcpy(name, &c, sizeof c);
    memcpy(name + sizeof c, host, strlen(host));
    return must_open(&(struct stream_open){.kind = STREAM_KIND_CONNECT,
                                           .in_size = 4096,
                                           .out_size = 4096,
                                           .name = name,
                                           .name_len = (uint32_t)(sizeof c + strlen(host))});
}

Test(together, the_agent_connects_by_name)
{
    uint16_t port;
    int l = listener(&port);
    ends.config.sockets_max = 4;
    with_names();
    ends_start(true);
    struct stream *s = dial("localhost", &(struct stream_addr){.port = port});
    cr_assert_eq(stream_wait_open(s, NO_DEADLINE, false), 0);
    cr_assert_eq(stream_answer(s)->addr.peer.port, port);
    cr_assert_neq(stream_answer(s)->addr.local.port, 0);
    int peer = accept(l, NULL, NULL);
    cr_assert_geq(peer, 0);

    char buf[8];
    cr_assert_eq(stream_write_all(s, "ping", 4), 0);
    cr_assert_eq(read(peer, buf, sizeof buf), 4);
    stream_fin(s); /* half-close: the other direction lives on */
    cr_assert_eq(read(peer, buf, sizeof buf), 0);
    cr_assert_eq(write(peer, "pong", 4), 4);
    cr_assert_eq(stream_read_all(s, buf, 4), 0);
    cr_assert_eq(memcmp(buf, "pong", 4), 0);
    (void)close(peer);
    cr_assert_eq(stream_read_all(s, buf, 1), -ENODATA);
    stream_close(s);
    streams_free(ends.host);
    names_stop(&helper);
}

Test(together, a_reset_is_an_error_after_the_data)
{
    uint16_t port;
    int l = listener(&port);
    ends.config.sockets_max = 4;
    with_names();
    ends_start(true);
    struct stream *s = dial("127.0.0.1", &(struct stream_addr){.port = port});
    cr_assert_eq(stream_wait_open(s, NO_DEADLINE, false), 0);
    int peer = accept(l, NULL, NULL);
    char buf[8];
    cr_assert_eq(write(peer, "last", 4), 4);
    cr_assert_eq(stream_read_all(s, buf, 4), 0);
    struct linger now = {.l_onoff = 1};
    cr_assert_eq(setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    (void)close(peer);
    cr_assert_eq(stream_read_all(s, buf, 1), -ECONNRESET);
    streams_free(ends.host);
    names_stop(&helper);
}

Test(together, a_refused_connection_says_so)
{
    uint16_t port;
    (void)close(listener(&port));
    ends.config.sockets_max = 4;
    with_names();
    ends_start(true);
    struct stream *s = dial("127.0.0.1", &(struct stream_addr){.port = port});
    cr_assert_eq(stream_wait_open(s, NO_DEADLINE, false), -ECONNREFUSED);
    s = dial("no-such-host.invalid", &(struct stream_addr){.port = 1});
    cr_assert_eq(stream_wait_open(s, NO_DEADLINE, false), -EHOSTUNREACH);
    streams_free(ends.host);
    names_stop(&helper);
}

Test(together, the_container_cannot_reach_the_hosts_loopback)
{
    static const struct stream_addr local[] = {
        {.family = STREAM_AF_INET, .port = 80, .ip = {127, 0, 0, 1}},
        {.family = STREAM_AF_INET, .port = 80, .ip = {127, 255, 255, 254}},
        {.family = STREAM_AF_INET, .port = 80},
        {.family = STREAM_AF_INET6, .port = 80, .ip = {[15] = 1}},
        {.family = STREAM_AF_INET6, .port = 80},
        {.family = STREAM_AF_INET6,
         .port = 80,
         .ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}},
    };
    ends.config.sockets_max = 4;
    ends_start(true);
    for (size_t i = 0; i < ARRAY_COUNT(local); i++) {
        struct stream *s = dial("", &local[i]);
        cr_assert_eq(stream_wait_open(s, NO_DEADLINE, false), -ENETUNREACH, "address %zu", i);
        stream_close(s);
    }
    streams_free(ends.host);
}

Test(together, no_network_means_no_connection)
{
    ends_start(true);
    struct stream *s = dial("localhost", &(struct stream_addr){.port = 9});
    cr_assert_eq(stream_wait_open(s, NO_DEADLINE, false), -ENETUNREACH);
    streams_free(ends.host);
}

/* ---- sockets that the outside speaks to first ------------------------------------------------ */

static struct stream *named(uint16_t kind, const struct stream_listen *name, uint32_t ring)
{
    struct stream *s = must_open(&(struct stream_open){
        .kind = kind, .in_size = ring, .out_size = ring, .name = name, .name_len = sizeof *name});
    return s;
}

Test(together, a_peer_that_comes_by_loopback_is_turned_away)
{
    ends.config.sockets_max = 4;
    ends_start(true);
    struct stream_listen any = {.local = {.family = STREAM_AF_INET}, .backlog = 4};
    struct stream *s = named(STREAM_KIND_LISTEN, &any, 4096);
    cr_assert_eq(stream_wait_open(s, NO_DEADLINE, false), 0);
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr = {htonl(INADDR_LOOPBACK)},
                            .sin_port = htons(stream_answer(s)->addr.local.port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char b;
    cr_assert_eq(connect(fd, (struct sockaddr *)&a, sizeof a), 0, "the kernel lets it in");
    cr_assert_leq(read(fd, &b, 1), 0, "and the monitor sends it away");
    cr_assert_eq(stream_readable(s), 0);
    streams_free(ends.host);
    cr_assert_str_eq(ends.broken, "");
}

Test(together, loopback_cannot_be_listened_on)
{
    ends.config.sockets_max = 4;
    ends_start(true);
    struct stream_listen local = {.local = {.family = STREAM_AF_INET, .ip = {127, 0, 0, 1}},
                                  .backlog = 4};
    cr_assert_eq(stream_wait_open(named(STREAM_KIND_LISTEN, &local, 4096), NO_DEADLINE, false),
                 -EADDRNOTAVAIL);
    local.backlog = 0;
    cr_assert_eq(stream_wait_open(named(STREAM_KIND_UDP, &local, 4096), NO_DEADLINE, false),
                 -EADDRNOTAVAIL);
    streams_free(ends.host);
}

Test(together, a_token_that_was_never_told_opens_nothing)
{
    ends.config.sockets_max = 4;
    ends_start(true);
    struct stream_listen any = {.local = {.family = STREAM_AF_INET6}, .backlog = 4};
    struct stream *l = named(STREAM_KIND_LISTEN, &any, 4096);
    cr_assert_eq(stream_wait_open(l, NO_DEADLINE, false), 0);
    uint32_t token = 1;
    struct stream_open o = {.kind = STREAM_KIND_ACCEPT,
                            .arg = stream_number(l),
                            .in_size = 4096,
                            .out_size = 4096,
                            .name = &token,
                            .name_len = 4};
    cr_assert_eq(stream_wait_open(must_open(&o), NO_DEADLINE, false), -ENOENT);
    o.arg = 77; /* not a stream at all */
    cr_assert_eq(stream_wait_open(must_open(&o), NO_DEADLINE, false), -ENOENT);
    o.arg = UINT32_MAX;
    cr_assert_eq(stream_wait_open(must_open(&o), NO_DEADLINE, false), -EINVAL);
    streams_free(ends.host);
    cr_assert_str_eq(ends.broken, "");
}

Test(together, half_a_datagram_ends_the_socket_and_nothing_else)
{
    ends.config.sockets_max = 4;
    ends_start(true);
    struct stream_listen any = {.local = {.family = STREAM_AF_INET}};
    struct stream *s = named(STREAM_KIND_UDP, &any, 4096);
    cr_assert_eq(stream_wait_open(s, NO_DEADLINE, false), 0);
    struct stream_datagram d = {.addr = {.family = STREAM_AF_INET, .port = 9, .ip = {192, 0, 2, 1}},
                                .len = 10};
    char b;
    cr_assert_eq(stream_write_all(s, &d, sizeof d), 0); /* and none of its ten bytes */
    cr_assert_eq(stream_read_all(s, &b, 1), -EINVAL);
    cr_assert_eq(stream_wait_open(named(STREAM_KIND_UDP, &any, 4096), NO_DEADLINE, false), 0);
    streams_free(ends.host);
    cr_assert_str_eq(ends.broken, "");
}
