/* SPDX-License-Identifier: Apache-2.0 */
/* What is demanded of the TD itself: T37 to T51, with and without a policy. */
#include "tests/unit/tdx/bench.h"

#include <errno.h>

static struct bench b;

static void setup(void) { bench_init(&b); }
static void teardown(void) { bench_fini(&b); }
TestSuite(tdx_policy, .init = setup, .fini = teardown);

#define X48(x)                                                                                     \
    x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x

static bool unbound(const char *name)
{
    for (size_t i = 0; i < b.v.unbound_count; i++) {
        if (strcmp(b.v.unbound[i], name) == 0) { return true; }
    }
    return false;
}

Test(tdx_policy, what_nobody_demands_is_listed)
{
    static const char *const names[] = {"report_data",  "mr_td",    "rtmr_0",
                                        "rtmr_1",       "rtmr_2",   "rtmr_3",
                                        "mr_config_id", "mr_owner", "mr_owner_config"};
    bench_accepts(&b);
    cr_assert_eq(b.v.unbound_count, 9);
    for (size_t i = 0; i < 9; i++) { cr_assert(unbound(names[i]), "%s", names[i]); }
    b.policy = "{\"mr_td\":\"" X48("4d") "\"}";
    bench_accepts(&b);
    cr_assert_eq(b.v.unbound_count, 8);
    cr_assert_not(unbound("mr_td"));
}

Test(tdx_policy, refuses_debugging_and_profiling_without_being_asked)
{
    for (int bit = 0; bit < 8; bit++) {
        bench_body(&b)[B_ATTR] = (uint8_t)(1 << bit);
        bench_refuses(&b, "tdx-debug");
    }
    bench_body(&b)[B_ATTR] = 1;
    bench_refuses(&b, "tdx-debug");
    cr_assert_str_eq(b.v.reasons[0].text, "the host can look into this TD: bit 0 (DEBUG) is set");
}

Test(tdx_policy, a_mask_does_not_make_debugging_free)
{
    bench_body(&b)[B_ATTR] = 1;
    b.policy = "{\"attributes_mask\":\"0x10000000\",\"attributes_value\":\"0x10000000\"}";
    bench_refuses(&b, "tdx-debug");
    b.policy =
        "{\"attributes_mask\":\"0x1\",\"attributes_value\":\"0x1\"}"; /* it has to be wanted */
    bench_accepts(&b);
    bench_body(&b)[B_ATTR] = 0;
    bench_refuses(&b, "tdx-debug");
}

Test(tdx_policy, refuses_a_td_without_sept_ve_disable)
{
    bench_body(&b)[B_ATTR + 3] = 0;
    bench_refuses(&b, "tdx-sept-ve-disable");
    b.policy = "{\"attributes_mask\":\"0x1\"}";
    bench_refuses(&b, "tdx-sept-ve-disable");
}

Test(tdx_policy, refuses_migration_and_service_tds)
{
    bench_body(&b)[B_ATTR + 3] = 0x30;
    bench_refuses(&b, "tdx-migratable");
    bench_head(&b, 5);
    bench_body(&b)[B_SERVICE_TD + 47] = 1;
    bench_refuses(&b, "tdx-service-td");
}

Test(tdx_policy, refuses_attributes_that_are_not_demanded_or_not_known)
{
    static const struct {
        size_t byte;
        uint8_t bit;
        const char *code;
    } bits[] = {{2, 0x01, "tdx-attributes"},         {3, 0x08, "tdx-attributes"},
                {3, 0x40, "tdx-attributes"},         {3, 0x80, "tdx-attributes"},
                {7, 0x40, "tdx-attributes"},         {7, 0x80, "tdx-attributes"},
                {1, 0x01, "tdx-attributes-unknown"}, {4, 0x01, "tdx-attributes-unknown"},
                {7, 0x20, "tdx-attributes-unknown"}};
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        bench_body(&b)[B_ATTR + bits[i].byte] |= bits[i].bit;
        bench_refuses(&b, bits[i].code);
        bench_body(&b)[B_ATTR + bits[i].byte] &= (uint8_t)~bits[i].bit;
    }
    bench_body(&b)[B_ATTR + 3] = 0x50; /* PKS */
    b.policy = "{\"attributes_mask\":\"0x40000000\",\"attributes_value\":\"0x40000000\"}";
    bench_accepts(&b);
}

Test(tdx_policy, refuses_xfam_without_sse_or_with_what_no_td_has)
{
    bench_body(&b)[B_XFAM] = 0xe5;
    bench_refuses(&b, "tdx-xfam");
    bench_body(&b)[B_XFAM] = 0xe6;
    bench_refuses(&b, "tdx-xfam");
    bench_body(&b)[B_XFAM] = 0xe7 | 0x08;
    bench_refuses(&b, "tdx-xfam-unknown");
    bench_body(&b)[B_XFAM] = 0xe7;
    bench_body(&b)[B_XFAM + 5] = 1;
    bench_refuses(&b, "tdx-xfam-unknown");
}

Test(tdx_policy, xfam_is_held_to_mask_and_value)
{
    b.policy = "{\"xfam_mask\":\"0xffffffffffffffff\",\"xfam_value\":\"0xe7\"}";
    bench_accepts(&b);
    b.policy = "{\"xfam_mask\":\"0xe0\",\"xfam_value\":\"0x0\"}";
    bench_refuses(&b, "tdx-xfam");
    b.policy = "{\"xfam_mask\":231,\"xfam_value\":231}";
    bench_accepts(&b);
}

Test(tdx_policy, report_data_is_compared_to_the_last_byte)
{
    b.policy = "{\"report_data\":\"" X48("da") "dadadadadadadadadadadadadadadada\"}";
    bench_accepts(&b);
    bench_body(&b)[B_REPORT_DATA + 63] = 0;
    bench_refuses(&b, "tdx-report-data");
    bench_body(&b)[B_REPORT_DATA + 63] = 0xda;
    bench_body(&b)[B_REPORT_DATA] = 0;
    bench_refuses(&b, "tdx-report-data");
}

Test(tdx_policy, refuses_another_measurement_and_never_takes_zeros)
{
    b.policy = "{\"mr_td\":[\"" X48("00") "\",\"" X48("4d") "\"]}";
    bench_accepts(&b);
    b.policy = "{\"mr_td\":[\"" X48("00") "\",\"" X48("4e") "\"]}";
    bench_refuses(&b, "tdx-mr-td");
    memset(bench_body(&b) + B_MR_TD, 0, 48);
    bench_refuses(&b, "tdx-mr-td"); /* though it is on the list */
    b.policy = NULL;
    bench_refuses(&b, "tdx-mr-td");
}

Test(tdx_policy, refuses_other_values_of_each_field_by_its_own_code)
{
    static const struct {
        const char *member, *code;
        size_t at;
    } fields[] = {
        {"rtmr_0", "tdx-rtmr-0", B_RTMR},
        {"rtmr_1", "tdx-rtmr-1", B_RTMR + 48},
        {"rtmr_2", "tdx-rtmr-2", B_RTMR + 96},
        {"rtmr_3", "tdx-rtmr-3", B_RTMR + 144},
        {"mr_config_id", "tdx-mr-config-id", B_CONFIG_ID},
        {"mr_owner", "tdx-mr-owner", B_OWNER},
        {"mr_owner_config", "tdx-mr-owner-config", B_OWNER_CONFIG},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        char text[256];
        snprintf(text, sizeof text, "{\"%s\":\"%s\"}", fields[i].member, X48("a5"));
        b.policy = text;
        memset(bench_body(&b) + fields[i].at, 0xa5, 48);
        bench_accepts(&b);
        bench_body(&b)[fields[i].at + 47] ^= 1;
        bench_refuses(&b, fields[i].code);
        memset(bench_body(&b) + fields[i].at, 0, 48);
        bench_refuses(&b, fields[i].code);
    }
}

Test(tdx_policy, floors_hold_component_by_component)
{
    b.policy = "{\"min_tee_tcb_svn\":\"05010300000000000000000000000000\"}";
    bench_accepts(&b);
    b.policy = "{\"min_tee_tcb_svn\":\"05010400000000000000000000000000\"}";
    bench_refuses(&b, "tdx-min-svn");
    b.policy = "{\"min_tee_tcb_svn\":\"00010000000000000000000000000000\"}"; /* TDX 1.5 */
    bench_body(&b)[B_SVN + 1] = 0;
    bench_refuses(&b, "tdx-min-svn");
}

Test(tdx_policy, refuses_versions_that_are_not_named)
{
    b.policy = "{\"quote_versions\":[5]}";
    bench_refuses(&b, "tdx-quote-version");
    bench_head(&b, 5);
    bench_accepts(&b);
    b.policy = "{\"quote_versions\":[4]}";
    bench_refuses(&b, "tdx-quote-version");
}

Test(tdx_policy, refuses_platforms_that_are_not_named)
{
    b.policy = "{\"ppids\":[\"99999999999999999999999999999999\"]}";
    bench_accepts(&b);
    b.policy = "{\"ppids\":[\"99999999999999999999999999999998\"]}";
    bench_refuses(&b, "tdx-platform");
}

Test(tdx_policy, many_complaints_are_all_told)
{
    bench_body(&b)[B_ATTR] = 1;
    bench_body(&b)[B_ATTR + 3] = 0x20;
    bench_body(&b)[B_XFAM] = 1;
    b.components[0] = 0;
    b.policy = "{\"mr_td\":\"" X48("00") "\"}";
    bench_make(&b);
    bench_judge(&b);
    cr_assert(bench_says(&b, "tdx-debug") && bench_says(&b, "tdx-sept-ve-disable") &&
              bench_says(&b, "tdx-migratable") && bench_says(&b, "tdx-xfam") &&
              bench_says(&b, "tdx-tcb-level") && bench_says(&b, "tdx-mr-td"));
}

Test(tdx_policy, texts_that_are_no_policy_are_errors)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{\"x\":1}",
        "{\"mrtd\":\"00\"}",
        "{\"mr_td\":\"00\"}",
        "{\"mr_td\":[]}",
        "{\"mr_td\":{}}",
        "{\"mr_td\":null}",
        "{\"mr_td\":\"" X48("4D") "\"}",
        "{\"report_data\":[\"00\"]}",
        "{\"report_data\":\"" X48("00") "\"}",
        "{\"quote_versions\":[]}",
        "{\"quote_versions\":[3]}",
        "{\"quote_versions\":4}",
        "{\"quote_versions\":[\"4\"]}",
        "{\"statuses\":[]}",
        "{\"statuses\":[\"Revoked\"]}",
        "{\"statuses\":[\"unsupported\"]}",
        "{\"statuses\":[\"uptodate\"]}",
        "{\"statuses\":[1]}",
        "{\"statuses\":\"UpToDate\"}",
        "{\"advisory_ids\":[1]}",
        "{\"advisory_ids\":[\"0123456789012345678901234567890123\"]}",
        "{\"attributes_mask\":-1}",
        "{\"attributes_mask\":\"16\"}",
        "{\"attributes_mask\":\"0x\"}",
        "{\"attributes_mask\":\"0x10000000000000000\"}",
        "{\"attributes_mask\":\"0xg\"}",
        "{\"attributes_mask\":\"0x 1\"}",
        "{\"attributes_mask\":1.5}",
        "{\"attributes_value\":\"0x1\"}",
        "{\"xfam_value\":1}",
        "{\"attributes_mask\":\"0x100\",\"attributes_value\":\"0x100\"}",
        "{\"min_tee_tcb_svn\":\"05\"}",
        "{\"ppids\":[\"99\"]}",
        "{\"mr_td\":\"" X48("00") "\",\"mr_td\":\"" X48("00") "\"}",
    };
    struct tdx_policy p;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err e = {0};
        cr_assert_lt(tdx_policy_parse(bad[i], strlen(bad[i]), &p, &e), 0, "%s", bad[i]);
        cr_assert(e.text[0] != '\0');
    }
}

Test(tdx_policy, a_member_that_is_required_must_be_there)
{
    static const char *const required[] = {"statuses", "mr_owner", NULL};
    struct tdx_policy p;
    struct err e = {0};
    json_t *doc = json_pack("{s:[s]}", "statuses", "UpToDate");
    cr_assert_eq(tdx_policy_read(doc, required, &p, &e), -EINVAL);
    cr_assert_str_eq(e.text, "policy: member \"mr_owner\" is missing");
    json_object_set_new(doc, "mr_owner", json_string(X48("00")));
    cr_assert_eq(tdx_policy_read(doc, required, &p, &(struct err){0}), 0);
    json_decref(doc);
}
