/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the driver makes of a host that breaks the rules: every stream answers EIO, the reason is
 * logged, and nothing of the window is believed any more. There is no host here: the test writes
 * its words.
 */
#include "tests/unit/streams/ends.h"

#include <criterion/parameterized.h>

TestSuite(lying_host, .timeout = 20);
TestSuite(honest_host, .timeout = 20);

static struct stream *stream;
static uint32_t number;
static uint64_t put_count;

/* A driver with one open stream that has both rings. */
static void guest(void)
{
    ends.config.stdio[0] = ends.config.stdio[1] = ends.config.stdio[2] = -1;
    ends_host(false); /* writes the header and is not asked again */
    cr_assert_eq(streams_init(ends.window, WINDOW_SIZE), 0);
    stream = must_open(
        &(struct stream_open){.kind = STREAM_KIND_BLOB, .in_size = 4096, .out_size = 4096});
    number = 1; /* 0 is the driver's log */
    put_count = 0;
}

static void put(struct stream_msg m)
{
    memcpy(ends.window + STREAMS_CTL_TO_GUEST + put_count % STREAM_CTL_COUNT * sizeof m, &m,
           sizeof m);
    ends_head()->host.ctl_tail = ++put_count;
}

static void open_it(void)
{
    ends_slot(number)->host = (struct stream_side){.fin = STREAM_FIN_NONE};
    put((struct stream_msg){.op = STREAM_OP_OPENED, .stream = number});
    streams_poll();
    cr_assert_eq(stream_state(stream), 0);
}

static void expect(const char *reason)
{
    char line[256], b[4];
    struct uio u;
    struct stream_open o = {.kind = STREAM_KIND_BLOB, .in_size = 4096};
    int err = 0;

    (void)snprintf(line, sizeof line, "streams: the host broke the device's rules: %s", reason);
    cr_assert(strstr(ends.guest_log, line) != NULL, "logged: %s", ends.guest_log);
    cr_assert_eq(stream_state(stream), -EIO);
    uio_kernel(&u, b, sizeof b);
    cr_assert_eq(stream_read_now(stream, &u), -EIO);
    cr_assert_eq(stream_write_now(stream, &u), -EIO);
    cr_assert_null(stream_new(&o, &err));
    cr_assert_eq(err, -EIO);
    uint64_t tail = ends_head()->guest.ctl_tail;
    stream_close(stream);
    cr_assert_eq(ends_head()->guest.ctl_tail, tail, "a broken device is told nothing");
    streams_free(ends.host);
}

Test(lying_host, header_is_checked)
{
    guest();
    struct streams_header *h = ends_head();
    h->version = 2;
    cr_assert_eq(streams_init(ends.window, WINDOW_SIZE), -EBADMSG);
    h->version = STREAMS_VERSION;
    h->window_size += 4096;
    cr_assert_eq(streams_init(ends.window, WINDOW_SIZE), -EBADMSG);
    h->window_size -= 4096;
    h->magic ^= 1;
    cr_assert_eq(streams_init(ends.window, WINDOW_SIZE), -EBADMSG);
}

/* ---- control messages ------------------------------------------------------------------------ */

struct bad_message {
    char reason[48]; /* not a pointer: parameters cross a process */
    struct stream_msg m;
};
static struct bad_message bad_messages[] = {
    {"unknown control message", {.op = 0}},
    {"unknown control message", {.op = STREAM_OP_OPEN}},
    {"malformed control message", {.op = STREAM_OP_CLOSED, .stream = STREAMS_MAX}},
    {"malformed control message", {.op = STREAM_OP_CLOSED, .stream = 1, .bytes = {[0] = 1}}},
    {"malformed control message", {.op = STREAM_OP_OPENED, .stream = 1, .reserved = 1}},
    {"malformed control message", {.op = STREAM_OP_OPENED, .stream = 1, .kind = 1}},
    {"malformed control message", {.op = STREAM_OP_SIGNAL, .number = 1, .result = -1}},
    {"answer to no question", {.op = STREAM_OP_OPENED, .stream = 7}},
    {"answer to no question", {.op = STREAM_OP_OPENED, .stream = STREAMS_MAX - 1}},
    {"answer with an impossible result", {.op = STREAM_OP_OPENED, .stream = 1, .result = 1}},
    {"answer with an impossible result", {.op = STREAM_OP_OPENED, .stream = 1, .result = -4096}},
    {"answer with an impossible result",
     {.op = STREAM_OP_OPENED, .stream = 1, .result = -EINPROGRESS}},
    {"end of a stream that was not closed", {.op = STREAM_OP_CLOSED, .stream = 1}},
    {"end of a stream that was not closed", {.op = STREAM_OP_CLOSED, .stream = 99}},
    {"signal number", {.op = STREAM_OP_SIGNAL, .number = 0}},
    {"signal number", {.op = STREAM_OP_SIGNAL, .number = 65}},
    {"terminal size", {.op = STREAM_OP_RESIZE, .resize = {.rows = 65536, .cols = 1}}},
};

ParameterizedTestParameters(lying_host, message)
{
    return cr_make_param_array(struct bad_message, bad_messages, ARRAY_COUNT(bad_messages));
}

ParameterizedTest(struct bad_message *bad, lying_host, message)
{
    guest();
    put(bad->m);
    streams_poll();
    expect(bad->reason);
}

Test(lying_host, answers_twice)
{
    guest();
    open_it();
    put((struct stream_msg){.op = STREAM_OP_OPENED, .stream = number});
    streams_poll();
    expect("answer to no question");
}

Test(lying_host, acknowledges_a_close_twice)
{
    guest();
    open_it();
    struct stream *second =
        must_open(&(struct stream_open){.kind = STREAM_KIND_BLOB, .in_size = 4096});
    stream_close(second);
    put((struct stream_msg){.op = STREAM_OP_OPENED, .stream = 2, .result = -ENOENT});
    put((struct stream_msg){.op = STREAM_OP_CLOSED, .stream = 2});
    streams_poll();
    cr_assert_eq(stream_state(stream), 0);
    put((struct stream_msg){.op = STREAM_OP_CLOSED, .stream = 2});
    streams_poll();
    expect("end of a stream that was not closed");
}

Test(lying_host, acknowledges_a_close_before_the_answer)
{
    guest();
    struct stream *second =
        must_open(&(struct stream_open){.kind = STREAM_KIND_BLOB, .in_size = 4096});
    stream_close(second);
    put((struct stream_msg){.op = STREAM_OP_CLOSED, .stream = 2});
    streams_poll();
    expect("end of a stream that was not closed");
}

Test(lying_host, never_acknowledges)
{
    guest();
    open_it();
    /* Numbers and rings that wait are not used again; the window runs out, and that is all. */
    int err = 0;
    unsigned opened = 0;
    struct stream *s;
    struct stream_open o = {.kind = STREAM_KIND_BLOB, .in_size = 262144};
    while ((s = stream_new(&o, &err)) != NULL) {
        opened++;
        ends_head()->host.ctl_head = ends_head()->guest.ctl_tail;
        stream_close(s);
    }
    cr_assert_eq(err, -ENOBUFS);
    cr_assert_eq(opened, 47); /* 12 MiB of rings, less the few small ones */
    cr_assert_eq(stream_state(stream), 0, "what is open goes on");
    streams_free(ends.host);
}

Test(honest_host, may_be_slow_to_take_messages)
{
    guest();
    struct stream *s[400];
    int err = 0;
    struct stream_open o = {.kind = STREAM_KIND_BLOB, .in_size = 4096};
    for (size_t i = 0; i < ARRAY_COUNT(s); i++) {
        s[i] = stream_new(&o, &err);
        cr_assert_not_null(s[i]);
    }
    cr_assert_eq(ends_head()->guest.ctl_tail, STREAM_CTL_COUNT, "the ring is full, the rest waits");
    ends_head()->host.ctl_head = STREAM_CTL_COUNT;
    streams_poll();
    cr_assert_eq(ends_head()->guest.ctl_tail, 402);
    streams_free(ends.host);
}

/* ---- positions ------------------------------------------------------------------------------- */

Test(lying_host, control_tail_jumps)
{
    guest();
    ends_head()->host.ctl_tail = STREAM_CTL_COUNT + 1;
    streams_poll();
    expect("tail of the control ring");
}

Test(lying_host, control_head_overtakes)
{
    guest();
    ends_head()->host.ctl_head = 100;
    streams_say_phase(1);
    expect("head of a ring to the host");
}

Test(lying_host, ready_tail_jumps)
{
    guest();
    ends_head()->host.ready_tail = UINT64_MAX;
    streams_poll();
    expect("tail of the ready ring");
}

Test(lying_host, ready_number_out_of_range)
{
    guest();
    ((uint32_t *)(void *)(ends.window + STREAMS_READY_TO_GUEST))[0] = UINT32_MAX;
    ends_head()->host.ready_tail = 1;
    streams_poll();
    expect("number in the ready ring");
}

Test(honest_host, may_hint_at_streams_without_news)
{
    guest();
    open_it();
    uint32_t *ring = (uint32_t *)(void *)(ends.window + STREAMS_READY_TO_GUEST);
    ring[0] = number;
    ring[1] = number + 100;
    ends_head()->host.ready_tail = 2;
    streams_poll();
    cr_assert_eq(stream_state(stream), 0);
    cr_assert_eq(ends_head()->guest.ready_head, 2);
    streams_free(ends.host);
}

struct bad_side {
    char reason[48]; /* not a pointer: parameters cross a process */
    struct stream_side side;
};
static struct bad_side bad_sides[] = {
    {"tail of a stream", {.tail = 4097, .fin = STREAM_FIN_NONE}},
    {"tail of a stream", {.tail = UINT64_MAX, .fin = STREAM_FIN_NONE}},
    {"head of a stream", {.head = 4, .fin = STREAM_FIN_NONE}}, /* three bytes have been written */
    {"head of a stream", {.head = UINT64_MAX, .fin = STREAM_FIN_NONE}},
    {"end of a stream", {.tail = 5, .fin = 6}},
    {"end of a stream", {.tail = 5, .fin = 4}},
    {"error of a stream", {.fin = STREAM_FIN_NONE, .error = 4096}},
};

ParameterizedTestParameters(lying_host, slot)
{
    return cr_make_param_array(struct bad_side, bad_sides, ARRAY_COUNT(bad_sides));
}

ParameterizedTest(struct bad_side *bad, lying_host, slot)
{
    guest();
    open_it();
    cr_assert_eq(stream_write_all(stream, "abc", 3), 0);
    ends_slot(number)->host = bad->side;
    cr_assert_eq(stream_readable(stream), 0);
    expect(bad->reason);
}

Test(lying_host, takes_bytes_back)
{
    guest();
    open_it();
    ends_slot(number)->host.tail = 10;
    cr_assert_eq(stream_readable(stream), 10);
    ends_slot(number)->host.tail = 9;
    (void)stream_readable(stream);
    expect("tail of a stream");
}

Test(lying_host, goes_on_after_its_end)
{
    guest();
    open_it();
    ends_slot(number)->host.tail = ends_slot(number)->host.fin = 10;
    cr_assert_eq(stream_readable(stream), 10);
    ends_slot(number)->host.tail = ends_slot(number)->host.fin = 11;
    (void)stream_readable(stream);
    expect("tail of a stream");
}

Test(lying_host, touches_a_stream_that_is_not_open_yet)
{
    guest();
    ends_slot(number)->host = (struct stream_side){.tail = 77, .fin = 3, .error = UINT32_MAX};
    cr_assert_eq(stream_readable(stream), 0, "its half of the slot is not read before OPENED");
    open_it();
    streams_free(ends.host);
}

/* ---- what the application sees --------------------------------------------------------------- */

Test(honest_host, a_fault_of_the_reader_loses_nothing)
{
    guest();
    open_it();
    memcpy(ends.window + STREAMS_DATA + 4096, "hello", 5); /* page 0 of the data is the log's */
    ends_slot(number)->host.tail = 5;
    struct uio u;
    uio_user(&u, FAULT_LO, 5);
    cr_assert_eq(stream_read_now(stream, &u), -EFAULT);
    char b[6] = "";
    uio_kernel(&u, b, 5);
    cr_assert_eq(stream_read_now(stream, &u), 5);
    cr_assert_str_eq(b, "hello");
    streams_free(ends.host);
}

Test(honest_host, error_comes_after_the_data)
{
    guest();
    open_it();
    ends_slot(number)->host.tail = 3;
    ends_slot(number)->host.error = ECONNRESET;
    char b[4];
    struct uio u;
    uio_kernel(&u, b, sizeof b);
    cr_assert_eq(stream_read_now(stream, &u), 3);
    cr_assert_eq(stream_read_now(stream, &u), -ECONNRESET);
    cr_assert_eq(stream_write_now(stream, &u), -ECONNRESET);
    cr_assert_eq(stream_poll(stream, NULL) & (LPOLLERR | LPOLLHUP | LPOLLIN | LPOLLOUT),
                 LPOLLERR | LPOLLHUP | LPOLLIN | LPOLLOUT);
    streams_free(ends.host);
}

Test(honest_host, news_are_asked_for_once)
{
    guest();
    open_it();
    char b[4];
    struct uio u;
    uio_kernel(&u, b, sizeof b);
    cr_assert_eq(stream_read_now(stream, &u), -EAGAIN);
    uint32_t want = ends_slot(number)->guest.want;
    cr_assert_eq(want, STREAM_WANT_STEP | STREAM_WANT_DATA);
    cr_assert_eq(stream_read_now(stream, &u), -EAGAIN);
    cr_assert_eq(ends_slot(number)->guest.want, want,
                 "a new count only after the old one was served");
    ((uint32_t *)(void *)(ends.window + STREAMS_READY_TO_GUEST))[0] = number;
    ends_head()->host.ready_tail = 1;
    streams_poll();
    cr_assert_eq(stream_read_now(stream, &u), -EAGAIN);
    cr_assert_eq(ends_slot(number)->guest.want, 2 * STREAM_WANT_STEP | STREAM_WANT_DATA);
    streams_free(ends.host);
}
