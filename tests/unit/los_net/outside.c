/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets to the outside, with a host that is played here and lies: what it says about addresses,
 * errors and lengths costs the socket, never the guest, and nothing from outside passes for
 * loopback.
 */
#include "tests/unit/los_fs/play.h"

#include "guest/abi/stream_socket.h"
#include "guest/abi/streams.h"
#include "guest/base/ovf.h"
#include "guest/streams.h"
#include "guest/task/sched.h"

#include <criterion/parameterized.h>
#include <sys/mman.h>

static uint8_t *window;
static uint64_t told;

static struct streams_header *head(void) { return (struct streams_header *)(void *)window; }
static struct stream_slot *slot(uint32_t n)
{
    return (struct stream_slot *)(void *)(window + STREAMS_SLOTS) + n;
}

static void boot(void)
{
    standin_boot();
    window = mmap(NULL, STREAMS_WINDOW_MIN, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    *head() = (struct streams_header){
        .magic = STREAMS_MAGIC, .version = STREAMS_VERSION, .window_size = STREAMS_WINDOW_MIN};
    cr_assert_eq(streams_init(window, STREAMS_WINDOW_MIN), 0);
}
TestSuite(outside, .init = boot, .timeout = 20);

/* The guest's control message number n. */
static struct stream_msg asked(uint32_t n)
{
    struct stream_msg m;
    cr_assert_lt(n, head()->guest.ctl_tail, "the guest has said %u messages",
                 (unsigned)head()->guest.ctl_tail);
    memcpy(&m, window + STREAMS_CTL_TO_HOST + n * sizeof m, sizeof m);
    return m;
}

static void tell(struct stream_msg m)
{
    if (m.op == STREAM_OP_OPENED) {
        slot(m.stream)->host = (struct stream_side){.fin = STREAM_FIN_NONE};
    }
    memcpy(window + STREAMS_CTL_TO_GUEST + told % STREAM_CTL_COUNT * sizeof m, &m, sizeof m);
    head()->host.ctl_tail = ++told;
    streams_poll();
}

/* Puts bytes into a stream's ring to the guest. */
static void give(const struct stream_msg *open, const void *bytes, size_t len)
{
    struct stream_side *host = &slot(open->stream)->host;
    memcpy(window + (size_t)open->open.in_page * STREAM_RING_MIN + host->tail % open->open.in_size,
           bytes, len);
    host->tail += len;
    uint32_t *ring = (uint32_t *)(void *)(window + STREAMS_READY_TO_GUEST);
    ring[head()->host.ready_tail % STREAMS_MAX] = open->stream;
    head()->host.ready_tail++;
    streams_poll();
}

static const uint8_t remote[16] = {2,   0, 0, 80,
                                   192, 0, 2, 1}; /* struct sockaddr_in: 192.0.2.1:80 */

static uint64_t user_bytes(const void *p, size_t len)
{
    uint64_t va = standin_user_alloc(len);
    cr_assert_eq(copy_to_user(va, p, len), 0);
    return va;
}

static int socket_error(int fd)
{
    uint64_t va = standin_user_alloc(8), len = standin_user_alloc(8);
    int32_t e = -1, size = 4;
    cr_assert_eq(copy_to_user(len, &size, 4), 0);
    cr_assert_eq(CALL(getsockopt, (uint64_t)fd, 1, 4, va, len), 0);
    cr_assert_eq(copy_from_user(&e, va, 4), 0);
    return e;
}

static int dial(void)
{
    int fd = (int)CALL(socket, 2, 1 | 04000, 0);
    cr_assert_eq(CALL(connect, (uint64_t)fd, user_bytes(remote, 16), 16), -EINPROGRESS);
    cr_assert_eq(CALL(connect, (uint64_t)fd, user_bytes(remote, 16), 16), -EALREADY);
    return fd;
}

struct answer {
    struct stream_msg m;
    int error; /* SO_ERROR */
};
#define NET(a, b, c, d)                                                                            \
    {                                                                                              \
        .family = STREAM_AF_INET, .port = 80, .ip = { a, b, c, d }                                 \
    }
static struct answer answers[] = {
    {{.addr = {.local = NET(10, 0, 0, 2), .peer = NET(192, 0, 2, 1)}}, 0},
    {{.addr = {.local = NET(127, 0, 0, 1), .peer = NET(192, 0, 2, 1)}}, ECONNREFUSED},
    {{.addr = {.local = NET(10, 0, 0, 2), .peer = NET(127, 9, 9, 9)}}, ECONNREFUSED},
    {{.addr = {.local = {.family = STREAM_AF_INET6, .ip = {[15] = 1}}, .peer = NET(192, 0, 2, 1)}},
     ECONNREFUSED},
    {{.addr = {.local = {.family = STREAM_AF_INET6,
                         .ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}},
               .peer = NET(192, 0, 2, 1)}},
     ECONNREFUSED},
    {{.result = -ECONNREFUSED}, ECONNREFUSED},
    {{.result = -ETIMEDOUT}, ETIMEDOUT},
    {{.result = -EAGAIN}, EIO}, /* connect() never says that */
    {{.result = -EFAULT}, EIO},
    {{.result = -4095}, EIO},
};

ParameterizedTestParameters(outside, an_answer_is_believed_only_if_it_can_be_true)
{
    return cr_make_param_array(struct answer, answers, ARRAY_COUNT(answers));
}

ParameterizedTest(struct answer *a, outside, an_answer_is_believed_only_if_it_can_be_true)
{
    int fd = dial();
    struct stream_msg open = asked(1); /* 0 opens the log */
    cr_assert_eq(open.kind, STREAM_KIND_CONNECT);
    a->m.op = STREAM_OP_OPENED;
    a->m.stream = open.stream;
    tell(a->m);
    cr_assert_eq(socket_error(fd), a->error);
    cr_assert_eq(socket_error(fd), 0, "told once");
    cr_assert_eq(
        CALL(getpeername, (uint64_t)fd, standin_user_alloc(16), user_bytes("\x10\0\0\0", 4)),
        a->error == 0 ? 0 : -ENOTCONN);
}

Test(outside, a_datagram_longer_than_what_is_there_costs_the_socket_only)
{
    static const uint8_t any[16] = {2, 0, 0, 53};
    int fd = (int)CALL(socket, 2, 2 | 04000, 0);
    uint64_t buf = standin_user_alloc(64);
    cr_assert_eq(CALL(bind, (uint64_t)fd, user_bytes(any, 16), 16), 0);
    struct stream_msg open = asked(1);
    cr_assert_eq(open.kind, STREAM_KIND_UDP);
    tell((struct stream_msg){.op = STREAM_OP_OPENED, .stream = open.stream});

    struct {
        struct stream_datagram d;
        char bytes[4];
    } good = {{.addr = NET(192, 0, 2, 1), .len = 4}, "abc"},
      local = {{.addr = NET(127, 0, 0, 1), .len = 4}, "bad"};
    give(&open, &local, sizeof local);
    cr_assert_eq(CALL(recvfrom, (uint64_t)fd, buf, 64, 0, 0, 0), -EAGAIN, "not from loopback");
    give(&open, &good, sizeof good);
    cr_assert_eq(CALL(recvfrom, (uint64_t)fd, buf, 64, 0, 0, 0), 4);
    good.d.len = 5;
    give(&open, &good, sizeof good);
    cr_assert_eq(CALL(recvfrom, (uint64_t)fd, buf, 64, 0, 0, 0), -EAGAIN);
    cr_assert_eq(asked(2).op, STREAM_OP_CLOSE, "the stream that lied is closed");
    cr_assert_eq(CALL(socket, 2, 2, 0), fd + 1, "and life goes on");
}

static void host_listens(void)
{
    struct stream_msg yes = {
        .op = STREAM_OP_OPENED, .stream = 1, .addr = {.local = NET(0, 0, 0, 0)}};
    device_poll = NULL;
    tell(yes);
}

Test(outside, a_peer_that_claims_loopback_is_not_accepted)
{
    static const uint8_t any[16] = {2, 0, 0x1f, 0x90}; /* 0.0.0.0:8080 */
    int fd = (int)CALL(socket, 2, 1 | 04000, 0);
    uint64_t peer = standin_user_alloc(16), len = user_bytes("\x10\0\0\0", 4);
    uint8_t bytes[16];
    cr_assert_eq(CALL(bind, (uint64_t)fd, user_bytes(any, 16), 16), 0);
    device_poll = host_listens; /* listen() sleeps until the host has answered */
    cr_assert_eq(CALL(listen, (uint64_t)fd, 8), 0);
    struct stream_msg open = asked(1);
    cr_assert_eq(open.kind, STREAM_KIND_LISTEN);

    struct stream_incoming in = {.token = 7, .local = NET(10, 0, 0, 2), .peer = NET(127, 0, 0, 1)};
    give(&open, &in, sizeof in);
    cr_assert_eq(CALL(accept, (uint64_t)fd, 0, 0), -EAGAIN);
    cr_assert_eq(asked(2).kind, STREAM_KIND_ACCEPT);
    cr_assert_eq(asked(3).op, STREAM_OP_CLOSE, "opened only to be closed");

    in = (struct stream_incoming){.token = 8, .local = NET(10, 0, 0, 2), .peer = NET(192, 0, 2, 9)};
    give(&open, &in, sizeof in);
    int c = (int)CALL(accept, (uint64_t)fd, peer, len);
    cr_assert_geq(c, 0);
    cr_assert_eq(copy_from_user(bytes, peer, 16), 0);
    cr_assert_eq(memcmp(bytes + 4, "\xc0\0\2\x9", 4), 0, "192.0.2.9");
    /* The host has lost it meanwhile. */
    tell((struct stream_msg){.op = STREAM_OP_OPENED, .stream = asked(4).stream, .result = -ENOENT});
    cr_assert_eq(CALL(read, (uint64_t)c, peer, 1), -ECONNRESET);
    cr_assert_eq(CALL(read, (uint64_t)c, peer, 1), 0);
}
