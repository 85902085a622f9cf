/* SPDX-License-Identifier: Apache-2.0 */
/* Runtime registers and their history: T43, T44. */
#include "attest/verify/tdx/codes.h"
#include "attest/verify/tdx/eventlog.h"

#include "tests/unit/attest/vectors.h"

Test(tdx_eventlog, registers_extend_as_the_vectors_say)
{
    json_t *all = vector_json("tdx/rtmr.json"), *c, *d;
    size_t i, k;
    cr_assert_eq(json_array_size(json_object_get(all, "vectors")), 7);
    json_array_foreach (json_object_get(all, "vectors"), i, c) {
        uint8_t rtmr[48] = {0}, data[48];
        char hex[97];
        json_array_foreach (json_object_get(c, "data"), k, d) {
            cr_assert_eq(unhex(json_string_value(d), data, 48), 48);
            tdx_rtmr_extend(rtmr, data);
        }
        hex_of(rtmr, 48, hex);
        cr_assert_str_eq(hex, member(c, "rtmr"));
    }
    json_decref(all);
}

Test(tdx_eventlog, a_real_log_is_the_history_of_its_quote_and_of_no_other)
{
    size_t log_len, quote_len, other_len;
    char *log = vector_bytes("tdx/eventlog/cos113-ccel-data.bin", &log_len);
    char *quote = vector_bytes("tdx/quotes/v4-cos113-ccel.dat", &quote_len);
    char *other = vector_bytes("tdx/quotes/v4-debug-td.dat", &other_len);
    struct verdict v = {0};
    struct tdx_quote q, o;
    struct tdx_replay r;
    cr_assert_eq(tdx_event_log_replay(log, log_len, &r, &(struct err){0}), 0);
    cr_assert_eq(r.events, 43); /* 44 with the header */
    cr_assert(tdx_quote_parse(quote, quote_len, &q, &v));
    tdx_event_log_check(log, log_len, &q, &v);
    cr_assert_eq(v.reason_count, 0);
    cr_assert(tdx_quote_parse(other, other_len, &o, &v));
    tdx_event_log_check(log, log_len, &o, &v);
    cr_assert_eq(v.reason_count, 3); /* register 3 is empty in both */
    cr_assert_str_eq(v.reasons[0].code, "tdx-event-log-replay");
    free(log);
    free(quote);
    free(other);
}

/* A small log of our own: header with SHA-384, then one event in each register. */
static size_t make_log(uint8_t *out)
{
    static const uint8_t head[] = {0,   0,   0,   0,   3,   0,   0,   0,   0,    0,   0,   0,   0,
                                   0,   0,   0,   0,   0,   0,   0,   0,   0,    0,   0,   0,   0,
                                   0,   0,   33,  0,   0,   0,   'S', 'p', 'e',  'c', ' ', 'I', 'D',
                                   ' ', 'E', 'v', 'e', 'n', 't', '0', '3', 0,    0,   0,   0,   0,
                                   0,   2,   0,   2,   1,   0,   0,   0,   0x0c, 0,   48,  0,   0};
    size_t n = sizeof head;
    memcpy(out, head, n);
    for (uint8_t i = 1; i <= 4; i++) {
        uint8_t record[4 + 4 + 4 + 2 + 48 + 4 + 3] = {i, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0x0c, 0};
        memset(record + 14, 0x10 + i, 48);
        record[62] = 3;
        memcpy(out + n, record, sizeof record);
        n += sizeof record;
    }
    return n;
}
#define RECORD 65u /* where the first record begins */

static int replay(const uint8_t *log, size_t len, struct tdx_replay *r)
{
    return tdx_event_log_replay(log, len, r, &(struct err){0});
}

Test(tdx_eventlog, each_record_extends_the_register_it_names)
{
    uint8_t log[512], want[48], data[48];
    struct tdx_replay r;
    size_t n = make_log(log);
    cr_assert_eq(replay(log, n, &r), 0);
    cr_assert_eq(r.events, 4);
    for (uint8_t i = 0; i < 4; i++) {
        memset(want, 0, 48);
        memset(data, 0x11 + i, 48);
        tdx_rtmr_extend(want, data);
        cr_assert_eq(memcmp(want, r.rtmr[i], 48), 0);
    }
    memset(log + n, 0xff, 16); /* padding ends it */
    cr_assert_eq(replay(log, n + 16, &r), 0);
    cr_assert_eq(r.events, 4);
}

Test(tdx_eventlog, what_is_no_action_is_not_extended)
{
    static const uint8_t zeros[48] = {0};
    uint8_t log[512];
    struct tdx_replay r;
    size_t n = make_log(log);
    log[RECORD + 4] = 3;
    cr_assert_eq(replay(log, n, &r), 0);
    cr_assert_eq(memcmp(r.rtmr[0], zeros, 48), 0);
    cr_assert_neq(memcmp(r.rtmr[1], zeros, 48), 0);
}

Test(tdx_eventlog, refuses_records_out_of_shape)
{
    static const struct {
        size_t at;
        uint8_t value;
    } pokes[] = {
        {RECORD, 0},
        {RECORD, 5},
        {RECORD + 3, 1},
        {RECORD + 8, 0},
        {RECORD + 8, 5},
        {RECORD + 8, 2},
        {RECORD + 12, 0x0e},
        {RECORD + 12, 0x0b},
        {RECORD + 62, 200},
        {RECORD + 65, 0xff},
        {4, 4},
        {28, 32},
        {28, 200},
        {32, 's'},
        {56, 0},
        {56, 2},
        {60, 0x0b},
        {62, 32},
        {64, 1},
    };
    for (size_t i = 0; i < sizeof pokes / sizeof pokes[0]; i++) {
        uint8_t log[512];
        struct tdx_replay r;
        size_t n = make_log(log);
        log[pokes[i].at] = pokes[i].value;
        cr_assert_lt(replay(log, n, &r), 0, "poke %zu", i);
    }
}

Test(tdx_eventlog, refuses_a_log_cut_inside_a_record)
{
    uint8_t log[512];
    struct tdx_replay r;
    size_t n = make_log(log), record = (n - RECORD) / 4;
    for (size_t len = 0; len < n; len++) {
        bool whole = len >= RECORD && (len - RECORD) % record == 0;
        cr_assert_eq(replay(log, len, &r) == 0, whole, "%zu", len);
    }
}
