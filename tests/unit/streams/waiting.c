/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims about whoever waits: for room in a ring, for a reader who takes his time, for descriptors,
 * for names. Clock and name helper are played here.
 */
#include "tests/unit/streams/ends.h"
#include "vmm/names.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

TestSuite(waiting, .timeout = 20);

static time_t later_s; /* how far the clock has been put forward */
int clock_gettime(clockid_t id, struct timespec *t)
{
    int r = (int)syscall(SYS_clock_gettime, id, t);
    t->tv_sec += later_s;
    return r;
}

/* ---- room in a control ring that was filled while its reader was at it ------------------------ */

static void guest_fills_its_ring(void)
{
    struct stream_msg m = {.op = STREAM_OP_PHASE, .phase = STREAM_PHASE_INIT};
    ends.in_phase = NULL;
    for (unsigned i = 1; i < STREAM_CTL_COUNT; i++) {
        memcpy(ends.window + STREAMS_CTL_TO_HOST + i * sizeof m, &m, sizeof m);
    }
    ends_head()->guest.ctl_tail = STREAM_CTL_COUNT;
}

Test(waiting, a_guest_that_waits_for_room_hears_of_it)
{
    struct stream_msg m = {.op = STREAM_OP_PHASE, .phase = STREAM_PHASE_INIT};
    ends_host(false);
    memcpy(ends.window + STREAMS_CTL_TO_HOST, &m, sizeof m);
    ends_head()->guest.ctl_tail = 1;
    ends_head()->guest.bell = STREAM_BELL_STEP | STREAM_BELL_ARMED;
    ends.in_phase = guest_fills_its_ring;
    streams_service(ends.host);
    cr_assert_eq(ends_head()->host.ctl_head, STREAM_CTL_COUNT);
    cr_assert_eq(ends.irqs, 1);
    streams_free(ends.host);
    cr_assert_str_eq(ends.broken, "");
}

static void host_puts(unsigned i, uint16_t op)
{
    struct stream_msg m = {.op = op};
    if (op == STREAM_OP_SIGNAL) { m.number = 15; }
    if (op == STREAM_OP_RESIZE) { m.resize.rows = m.resize.cols = 9; }
    memcpy(ends.window + STREAMS_CTL_TO_GUEST + i * sizeof m, &m, sizeof m);
    ends_head()->host.ctl_tail = i + 1;
}
static void host_fills_its_ring(int signo)
{
    (void)signo;
    for (unsigned i = 1; i < STREAM_CTL_COUNT; i++) { host_puts(i, STREAM_OP_RESIZE); }
}

Test(waiting, a_host_that_waits_for_room_hears_of_it)
{
    ends_start(false);
    streams_events = (struct streams_events){.signal = host_fills_its_ring};
    host_puts(0, STREAM_OP_SIGNAL);
    ends_head()->host.bell += STREAM_BELL_STEP;
    ends.bells = 0;
    streams_poll();
    cr_assert_eq(ends_head()->guest.ctl_head, STREAM_CTL_COUNT);
    cr_assert_eq(ends.bells, 1);
    streams_free(ends.host);
}

/* ---- readers who take their time --------------------------------------------------------------- */

/* A pipe without room; drain() makes some. */
static void full_pipe(int fd[2])
{
    static const char page[4096];
    cr_assert_eq(pipe2(fd, O_CLOEXEC | O_NONBLOCK), 0);
    while (write(fd[1], page, sizeof page) > 0) {}
}
static void drain(int fd)
{
    char page[4096];
    for (int i = 0; i < 16; i++) { cr_assert_eq(read(fd, page, sizeof page), 4096); }
}

static struct stream *output(uint32_t number)
{
    struct stream *s = must_open(
        &(struct stream_open){.kind = STREAM_KIND_STDIO, .arg = number, .out_size = 4096});
    streams_service(ends.host);
    streams_poll();
    cr_assert_eq(stream_state(s), 0);
    cr_assert_eq(stream_write_all(s, "late\n", 5), 0);
    streams_service(ends.host);
    return s;
}

Test(waiting, output_is_kept_for_a_reader_who_pauses_for_minutes)
{
    int out[2];
    char buf[8];
    full_pipe(out);
    ends.config.stdio[0] = ends.config.stdio[2] = -1;
    ends.config.stdio[1] = out[1];
    ends_start(false);
    stream_close(output(1));
    streams_service(ends.host);
    later_s = 300;
    streams_finish(ends.host, 0);
    drain(out[0]);
    streams_finish(ends.host, 1000);
    cr_assert_eq(read(out[0], buf, sizeof buf), 5);
    cr_assert_eq(memcmp(buf, "late\n", 5), 0);
    streams_free(ends.host);
}

Test(waiting, whoever_reads_standard_error_first_is_served)
{
    int out[2], err[2];
    char buf[8];
    full_pipe(out);
    full_pipe(err);
    ends.config.stdio[0] = -1;
    ends.config.stdio[1] = out[1];
    ends.config.stdio[2] = err[1];
    ends_start(false);
    (void)output(1);
    (void)output(2);
    drain(err[0]);
    streams_finish(ends.host, 50); /* nobody reads standard output */
    cr_assert_eq(read(err[0], buf, sizeof buf), 5);
    streams_free(ends.host);
}

/* ---- descriptors and names ---------------------------------------------------------------------- */

Test(waiting, connections_are_accepted_once_there_are_descriptors_again)
{
    struct stream_listen any = {.local = {.family = STREAM_AF_INET}, .backlog = 4};
    struct rlimit was, none;
    ends.config.sockets_max = 4;
    ends_start(true);
    struct stream *s = must_open(&(struct stream_open){.kind = STREAM_KIND_LISTEN,
                                                       .in_size = 4096,
                                                       .out_size = 4096,
                                                       .name = &any,
                                                       .name_len = sizeof any});
    cr_assert_eq(stream_wait_open(s, NO_DEADLINE, false), 0);
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr = {htonl(INADDR_LOOPBACK)},
                            .sin_port = htons(stream_answer(s)->addr.local.port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = was.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    (void)syscall(SYS_poll, NULL, 0, 300); /* poll() itself is bound by the limit */
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
    cr_assert_eq(poll(&p, 1, 5000), 1, "a loopback peer is accepted and sent away");
    streams_free(ends.host);
}

static struct stream *dial_name(void)
{
    uint8_t name[sizeof(struct stream_connect) + 4];
    struct stream_connect c = {.peer = {.port = 443}, .host_len = 4};
    memcpy(name, &c, sizeof c);
    memcpy(name + sizeof c, "host", 4);
    return must_open(&(struct stream_open){.kind = STREAM_KIND_CONNECT,
                                           .in_size = 4096,
                                           .out_size = 4096,
                                           .name = name,
                                           .name_len = sizeof name});
}

Test(waiting, names_that_nobody_waits_for_do_not_pile_up)
{
    int pair[2], state = 0;
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    struct names helper = {.fd = pair[0]}; /* never reads */
    ends.config.names = &helper;
    ends.config.sockets_max = 4;
    ends_start(false);
    for (int i = 0; i < 10000 && state != -EAGAIN; i++) { /* each is closed at once */
        struct stream *s = dial_name();
        streams_service(ends.host);
        streams_poll();
        state = stream_state(s);
        stream_close(s);
        streams_service(ends.host);
        streams_service(ends.host);
        streams_poll();
    }
    cr_assert_eq(state, -EAGAIN);
    streams_free(ends.host);
    cr_assert_str_eq(ends.broken, "");
}

Test(waiting, an_answer_about_names_goes_to_whoever_asked)
{
    int pair[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    struct names helper = {.fd = pair[0]};
    struct names_request q;
    ends.config.names = &helper;
    ends.config.sockets_max = 4;
    ends_start(true);
    struct stream *s = dial_name();
    cr_assert_eq(recv(pair[1], &q, sizeof q, 0), (ssize_t)sizeof q);
    cr_assert_eq(q.port, 443);
    cr_assert_eq(q.host_len, 4);
    cr_assert_eq(memcmp(q.host, "host", 4), 0);
    struct names_answer stray = {.id = q.id + 1}, wild = {.id = q.id, .count = UINT32_MAX};
    wild.addr[0].len = 1; /* no address that connect() takes; nor are the seven zeros behind it */
    cr_assert_eq(send(pair[1], &stray, sizeof stray, 0), (ssize_t)sizeof stray);
    cr_assert_eq(send(pair[1], &wild, sizeof wild, 0), (ssize_t)sizeof wild);
    int r = stream_wait_open(s, NO_DEADLINE, false);
    cr_assert(r == -EINVAL || r == -EAFNOSUPPORT, "%d", r);
    (void)close(pair[1]); /* the helper dies: nobody spins over it, and the device goes on */
    s = dial_name();
    cr_assert_eq(stream_wait_open(s, NO_DEADLINE, false), -EAGAIN);
    streams_free(ends.host);
    cr_assert_str_eq(ends.broken, "");
}
