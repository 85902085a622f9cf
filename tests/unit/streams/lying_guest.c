/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host makes of a guest that breaks the rules: the device ends with a reason, and nothing
 * else happens.
 */
#include "tests/unit/streams/ends.h"

#include <criterion/parameterized.h>

TestSuite(lying_guest, .timeout = 20);
TestSuite(honest_guest, .timeout = 20);

static const char item[] = "0123456789";
static uint64_t put_count;

static void host(void)
{
    ends.config.item[STREAM_ITEM_LAUNCH_SPEC] = (struct streams_item){item, sizeof item - 1};
    ends.config.stdio[0] = ends.config.stdio[1] = ends.config.stdio[2] = -1;
    ends_host(false);
    put_count = 0;
}

static void put(const struct stream_msg *m)
{
    memcpy(ends.window + STREAMS_CTL_TO_HOST + put_count % STREAM_CTL_COUNT * sizeof *m, m,
           sizeof *m);
    ends_head()->guest.ctl_tail = ++put_count;
}

static struct stream_msg open_item(uint32_t number)
{
    struct stream_msg m = {.op = STREAM_OP_OPEN, .kind = STREAM_KIND_ITEM, .stream = number};
    m.open.in_page = STREAMS_DATA / 4096;
    m.open.in_size = 4096;
    ends_slot(number)->guest = (struct stream_side){.fin = STREAM_FIN_NONE};
    return m;
}

static struct stream_msg answer(uint32_t index)
{
    struct stream_msg m;
    memcpy(&m, ends.window + STREAMS_CTL_TO_GUEST + index * sizeof m, sizeof m);
    return m;
}

static void serve_and_expect(const char *reason)
{
    streams_service(ends.host);
    streams_service(ends.host);
    cr_assert_str_eq(ends.broken, reason);
    uint64_t tail = ends_head()->host.ctl_tail;
    struct stream_msg m = open_item(9);
    put(&m);
    streams_service(ends.host);
    cr_assert_eq(ends_head()->host.ctl_tail, tail, "a broken device answers nothing");
    streams_finish(ends.host, 0);
    streams_free(ends.host);
}

Test(honest_guest, is_answered)
{
    host();
    struct stream_msg m = open_item(3);
    put(&m);
    streams_service(ends.host);
    cr_assert_eq(ends_head()->host.ctl_tail, 1);
    cr_assert_eq(answer(0).op, STREAM_OP_OPENED);
    cr_assert_eq(answer(0).stream, 3);
    cr_assert_eq(answer(0).result, 0);
    cr_assert_eq(answer(0).size, 10);
    streams_service(ends.host);
    cr_assert_eq(ends_slot(3)->host.tail, 10);
    cr_assert_eq(ends_slot(3)->host.fin, 10);
    cr_assert_eq(memcmp(ends.window + STREAMS_DATA, item, 10), 0);
    streams_free(ends.host);
    cr_assert_str_eq(ends.broken, "");
}

/* ---- control messages ------------------------------------------------------------------------ */

struct bad_message {
    char reason[48]; /* not a pointer: parameters cross a process */
    struct stream_msg m;
};
static struct bad_message bad_messages[] = {
    {"malformed control message", {.op = 0}},
    {"malformed control message", {.op = STREAM_OP_OPENED}},
    {"malformed control message", {.op = 65535}},
    {"malformed control message", {.op = STREAM_OP_CLOSE, .stream = STREAMS_MAX}},
    {"malformed control message", {.op = STREAM_OP_CLOSE, .reserved = 1}},
    {"malformed control message", {.op = STREAM_OP_CLOSE, .result = 1}},
    {"malformed control message", {.op = STREAM_OP_CLOSE, .kind = 1}},
    {"malformed control message", {.op = STREAM_OP_CLOSE, .bytes = {[47] = 1}}},
    {"malformed control message", {.op = STREAM_OP_EXIT, .bytes = {[8] = 1}}},
    {"close of a stream that is not open", {.op = STREAM_OP_CLOSE, .stream = 5}},
    {"option of a stream that is not open", {.op = STREAM_OP_OPTION, .stream = 5}},
    {"exit status", {.op = STREAM_OP_EXIT, .exit = {.status = 256}}},
    {"exit status", {.op = STREAM_OP_EXIT, .exit = {.kind = 2}}},
    {"phase", {.op = STREAM_OP_PHASE, .phase = STREAM_PHASE_COUNT}},
    {"rings of a stream",
     {.op = STREAM_OP_OPEN, .kind = 1, .open = {.in_page = 1024, .in_size = 4095}}},
    {"rings of a stream",
     {.op = STREAM_OP_OPEN, .kind = 1, .open = {.in_page = 1024, .in_size = 12288}}},
    {"rings of a stream",
     {.op = STREAM_OP_OPEN, .kind = 1, .open = {.in_page = 1024, .in_size = 2097152}}},
    {"rings of a stream",
     {.op = STREAM_OP_OPEN, .kind = 1, .open = {.in_page = 1024, .in_size = 2048}}},
    {"rings of a stream",
     {.op = STREAM_OP_OPEN, .kind = 1, .open = {.in_page = 1023, .in_size = 4096}}},
    {"rings of a stream",
     {.op = STREAM_OP_OPEN, .kind = 1, .open = {.in_page = 4096, .in_size = 4096}}},
    {"rings of a stream",
     {.op = STREAM_OP_OPEN, .kind = 1, .open = {.in_page = 4095, .in_size = 8192}}},
    {"rings of a stream",
     {.op = STREAM_OP_OPEN, .kind = 1, .open = {.in_page = UINT32_MAX, .in_size = 262144}}},
    {"rings of a stream", {.op = STREAM_OP_OPEN, .kind = 1, .open = {.in_page = 7}}},
    {"rings of a stream",
     {.op = STREAM_OP_OPEN,
      .kind = 4,
      .open = {.out_page = 1024, .out_size = 4096, .name_len = 1025}}},
    {"rings of a stream", {.op = STREAM_OP_OPEN, .kind = 4, .open = {.name_len = 9}}},
    {"name of a stream",
     {.op = STREAM_OP_OPEN,
      .kind = 4,
      .open = {.out_page = 1024, .out_size = 4096, .name_len = 9}}},
};

ParameterizedTestParameters(lying_guest, message)
{
    return cr_make_param_array(struct bad_message, bad_messages, ARRAY_COUNT(bad_messages));
}

ParameterizedTest(struct bad_message *bad, lying_guest, message)
{
    host();
    ends_slot(bad->m.stream % STREAMS_MAX)->guest = (struct stream_side){.fin = STREAM_FIN_NONE};
    put(&bad->m);
    serve_and_expect(bad->reason);
}

Test(lying_guest, opens_a_number_twice)
{
    host();
    struct stream_msg m = open_item(3);
    put(&m);
    put(&m);
    serve_and_expect("open of a stream that is open");
}

Test(lying_guest, closes_twice)
{
    host();
    struct stream_msg m = open_item(3), close_it = {.op = STREAM_OP_CLOSE, .stream = 3};
    put(&m);
    put(&close_it);
    put(&close_it);
    serve_and_expect("close of a stream that is not open");
}

Test(honest_guest, may_reuse_a_number_after_the_acknowledgement)
{
    host();
    struct stream_msg m = open_item(3), close_it = {.op = STREAM_OP_CLOSE, .stream = 3};
    for (int i = 0; i < 3; i++) {
        m = open_item(3);
        put(&m);
        streams_service(ends.host);
        put(&close_it);
        streams_service(ends.host);
        cr_assert_eq(ends_head()->host.ctl_tail, 2 * (uint64_t)i + 2);
        cr_assert_eq(answer(2 * i + 1).op, STREAM_OP_CLOSED);
        ends_head()->guest.ctl_head = 2 * i + 2;
    }
    streams_free(ends.host);
    cr_assert_str_eq(ends.broken, "");
}

Test(honest_guest, gets_unknown_kinds_refused_one_by_one)
{
    host();
    struct stream_msg m = open_item(1);
    m.kind = 77;
    put(&m);
    m = open_item(2);
    m.kind = 0;
    put(&m);
    m = open_item(4);
    put(&m);
    streams_service(ends.host);
    cr_assert_eq(answer(0).result, -EOPNOTSUPP);
    cr_assert_eq(answer(1).result, -EOPNOTSUPP);
    cr_assert_eq(answer(2).result, 0);
    streams_free(ends.host);
    cr_assert_str_eq(ends.broken, "");
}

/* ---- positions ------------------------------------------------------------------------------- */

Test(lying_guest, control_tail_jumps)
{
    host();
    ends_head()->guest.ctl_tail = STREAM_CTL_COUNT + 1;
    serve_and_expect("tail of the control ring");
}

Test(lying_guest, control_tail_runs_backwards)
{
    host();
    struct stream_msg m = open_item(3);
    put(&m);
    streams_service(ends.host);
    ends_head()->guest.ctl_tail = 0;
    streams_service(ends.host);
    cr_assert_str_eq(ends.broken, "tail of the control ring");
    streams_free(ends.host);
}

Test(lying_guest, control_head_overtakes)
{
    host();
    ends_head()->guest.ctl_head = 1;
    struct stream_msg m = open_item(3);
    put(&m);
    serve_and_expect("head of a ring to the guest");
}

Test(lying_guest, ready_tail_jumps)
{
    host();
    ends_head()->guest.ready_tail = STREAMS_MAX + 1;
    serve_and_expect("tail of the ready ring");
}

Test(lying_guest, ready_number_out_of_range)
{
    host();
    uint32_t *ring = (uint32_t *)(void *)(ends.window + STREAMS_READY_TO_HOST);
    ring[0] = STREAMS_MAX;
    ends_head()->guest.ready_tail = 1;
    serve_and_expect("number in the ready ring");
}

Test(honest_guest, may_hint_at_streams_that_are_not_open)
{
    host();
    uint32_t *ring = (uint32_t *)(void *)(ends.window + STREAMS_READY_TO_HOST);
    ring[0] = 12345;
    ends_head()->guest.ready_tail = 1;
    streams_service(ends.host);
    cr_assert_str_eq(ends.broken, "");
    cr_assert_eq(ends_head()->host.ready_head, 1);
    streams_free(ends.host);
}

struct bad_side {
    char reason[48]; /* not a pointer: parameters cross a process */
    struct stream_side side;
};
static struct bad_side bad_sides[] = {
    {"tail of a stream",
     {.tail = 1, .fin = STREAM_FIN_NONE}}, /* it gave no ring in that direction */
    {"tail of a stream", {.tail = UINT64_MAX, .fin = STREAM_FIN_NONE}},
    {"head of a stream", {.head = 11, .fin = STREAM_FIN_NONE}}, /* ten bytes have been given */
    {"head of a stream", {.head = UINT64_MAX, .fin = STREAM_FIN_NONE}},
    {"end of a stream", {.fin = 1}},
};

ParameterizedTestParameters(lying_guest, slot)
{
    return cr_make_param_array(struct bad_side, bad_sides, ARRAY_COUNT(bad_sides));
}

ParameterizedTest(struct bad_side *bad, lying_guest, slot)
{
    host();
    struct stream_msg m = open_item(3);
    put(&m);
    streams_service(ends.host);
    streams_service(ends.host);
    ends_slot(3)->guest = bad->side;
    uint32_t *ring = (uint32_t *)(void *)(ends.window + STREAMS_READY_TO_HOST);
    ring[0] = 3;
    ends_head()->guest.ready_tail = 1;
    serve_and_expect(bad->reason);
}

Test(lying_guest, writes_on_after_its_end)
{
    int out[2];
    host();
    streams_free(ends.host);
    cr_assert_eq(pipe(out), 0);
    ends.config.stdio[1] = out[1];
    ends_host(false);
    struct stream_msg m = {.op = STREAM_OP_OPEN, .kind = STREAM_KIND_STDIO, .stream = 1};
    m.open.arg = 1;
    m.open.out_page = STREAMS_DATA / 4096;
    m.open.out_size = 4096;
    ends_slot(1)->guest = (struct stream_side){.tail = 4, .fin = 4};
    put(&m);
    streams_service(ends.host);
    streams_service(ends.host);
    cr_assert_str_eq(ends.broken, "");
    ends_slot(1)->guest = (struct stream_side){.tail = 5, .fin = 5};
    uint32_t *ring = (uint32_t *)(void *)(ends.window + STREAMS_READY_TO_HOST);
    ring[0] = 1;
    ends_head()->guest.ready_tail = 1;
    serve_and_expect("tail of a stream");
}

Test(lying_guest, never_takes_its_answers)
{
    host();
    /*
     * More opens than the control ring has answers: the host keeps what it could not say and goes
     * on.
     */
    for (uint32_t i = 0; i < 3 * STREAM_CTL_COUNT; i++) {
        struct stream_msg m = open_item(i);
        put(&m);
        if (i % 100 == 99) { streams_service(ends.host); }
    }
    streams_service(ends.host);
    streams_service(ends.host);
    cr_assert_eq(ends_head()->host.ctl_tail, STREAM_CTL_COUNT);
    cr_assert_eq(ends_head()->host.ctl_head, 3 * STREAM_CTL_COUNT);
    ends_head()->guest.ctl_head = 10;
    streams_service(ends.host);
    cr_assert_eq(ends_head()->host.ctl_tail, STREAM_CTL_COUNT + 10);
    streams_free(ends.host);
    cr_assert_str_eq(ends.broken, "");
}

Test(lying_guest, asks_for_news_without_taking_them)
{
    host();
    struct stream_msg m = open_item(3);
    put(&m);
    streams_service(ends.host);
    /* Each change of `want` is served once; the ring of hints cannot be overrun. */
    ends_head()->host.ready_tail = 0;
    for (uint64_t i = 1; i <= 4; i++) {
        ends_slot(3)->guest.want = (uint32_t)i * STREAM_WANT_STEP | STREAM_WANT_DATA;
        streams_service(ends.host);
    }
    cr_assert_leq(ends_head()->host.ready_tail, 2);
    streams_free(ends.host);
}
