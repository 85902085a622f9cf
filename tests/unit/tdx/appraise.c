/* SPDX-License-Identifier: Apache-2.0 */
/* How up to date a machine is, by Intel's rules: T27, T32 to T36, and statuses joined. */
#include "tests/unit/tdx/bench.h"

static struct bench b;

static void setup(void) { bench_init(&b); }
static void teardown(void) { bench_fini(&b); }
TestSuite(tdx_appraise, .init = setup, .fini = teardown);

#define UP_TO_DATE "\"tcbStatus\":\"UpToDate\""

static void edit_tcb(const char *from, const char *to)
{
    bench_replace(b.tcb_info, sizeof b.tcb_info, from, to);
}

static void edit_qe(const char *from, const char *to)
{
    bench_replace(b.qe_identity, sizeof b.qe_identity, from, to);
}

/* Whatever the verdict, this is the joined status. */
static void status_is(enum tdx_status want)
{
    bench_make(&b);
    bench_judge(&b);
    cr_assert_eq(b.f.appraisal.status, want, "%s, wanted %s", tdx_status_name(b.f.appraisal.status),
                 tdx_status_name(want));
    cr_assert_eq(b.v.result == VERDICT_ACCEPTED, want == TDX_UP_TO_DATE);
    cr_assert(want == TDX_UP_TO_DATE || bench_says(&b, "tdx-status"));
}

/* ---- the quoting enclave */

Test(tdx_appraise, refuses_another_enclave_than_the_quoting_enclave)
{
    static const struct {
        size_t at;
        const char *code;
    } pokes[] = {{16, "tdx-qe-misc-select"},
                 {128, "tdx-qe-signer"},
                 {159, "tdx-qe-signer"},
                 {256, "tdx-qe-product"},
                 {48 + 1, "tdx-qe-attributes"}};
    for (size_t i = 0; i < sizeof pokes / sizeof pokes[0]; i++) {
        b.qe[pokes[i].at] ^= 1;
        bench_refuses(&b, pokes[i].code);
        b.qe[pokes[i].at] ^= 1;
    }
}

Test(tdx_appraise, refuses_a_quoting_enclave_that_can_be_debugged)
{
    b.qe[48] |= 0x02; /* DEBUG: the mask FB.. keeps this bit */
    bench_refuses(&b, "tdx-qe-attributes");
    b.qe[48] = 0x11; /* the bit that the mask leaves free is bit 2 */
    bench_accepts(&b);
}

Test(tdx_appraise, levels_of_the_quoting_enclave_are_taken_in_descending_order)
{
    b.qe[258] = 3;
    status_is(TDX_OUT_OF_DATE);
    b.qe[258] = 9;
    status_is(TDX_UP_TO_DATE);
    b.qe[258] = 1;
    bench_refuses(&b, "tdx-qe-level");
    cr_assert_eq(b.f.appraisal.status, TDX_UNSUPPORTED);
}

/* ---- the module */

Test(tdx_appraise, refuses_a_module_nobody_identifies)
{
    bench_body(&b)[B_SVN + 1] = 3;
    bench_refuses(&b, "tdx-module-identity");
    edit_tcb("TDX_01", "TDX_03");
    bench_accepts(&b);
    edit_tcb("TDX_03", "TDX_1F");
    bench_body(&b)[B_SVN + 1] = 0x1f;
    bench_accepts(&b);
}

Test(tdx_appraise, refuses_a_module_of_another_signer_or_with_attributes)
{
    bench_body(&b)[B_SEAM_SIGNER + 47] = 1;
    bench_refuses(&b, "tdx-module-signer");
    bench_body(&b)[B_SEAM_SIGNER + 47] = 0;
    bench_body(&b)[B_SEAM_ATTR] = 1;
    bench_refuses(&b, "tdx-module-attributes");
    /* even if the TCB info did not care */
    char *masks = strstr(b.tcb_info, "tdxModuleIdentities");
    bench_replace(masks, sizeof b.tcb_info - (size_t)(masks - b.tcb_info), "FFFFFFFFFFFFFFFF",
                  "0000000000000000");
    bench_refuses(&b, "tdx-module-attributes");
}

Test(tdx_appraise, an_old_module_makes_the_platform_out_of_date_and_a_lower_one_unsupported)
{
    bench_body(&b)[B_SVN] = 4;
    status_is(TDX_OUT_OF_DATE);
    cr_assert(bench_says(&b, "tdx-advisory"));
    bench_body(&b)[B_SVN] = 1;
    bench_refuses(&b, "tdx-module-level");
    cr_assert_eq(b.f.appraisal.status, TDX_UNSUPPORTED);
}

Test(tdx_appraise, a_revoked_module_is_revoked_whatever_the_policy)
{
    edit_tcb("\"tcbStatus\":\"UpToDate\"",
             "\"tcbStatus\":\"Revoked\""); /* the module's comes first */
    b.policy = "{\"statuses\":[\"UpToDate\",\"OutOfDate\",\"SWHardeningNeeded\"]}";
    bench_refuses(&b, "tdx-status");
    cr_assert_eq(b.f.appraisal.status, TDX_REVOKED);
}

Test(tdx_appraise, the_first_module_generation_is_judged_by_all_components)
{
    bench_body(&b)[B_SVN + 1] = 0;
    status_is(TDX_UP_TO_DATE);
    bench_body(&b)[B_SVN] = 4; /* below the newest level's first TDX component */
    status_is(TDX_OUT_OF_DATE);
    bench_body(&b)[B_SVN] = 2;
    bench_refuses(&b, "tdx-tcb-level");
}

Test(tdx_appraise, later_module_generations_are_not_judged_by_the_first_two_components)
{
    edit_tcb("\"tdxtcbcomponents\":[{\"svn\":5},{\"svn\":0}",
             "\"tdxtcbcomponents\":[{\"svn\":200},{\"svn\":200}");
    bench_accepts(&b);
    bench_body(&b)[B_SVN + 2] = 2; /* but by the third */
    status_is(TDX_OUT_OF_DATE);
    bench_body(&b)[B_SVN + 2] = 1;
    bench_refuses(&b, "tdx-tcb-level");
}

/* ---- the platform */

Test(tdx_appraise, every_component_and_the_pce_count)
{
    for (int i = 0; i < 3; i++) {
        b.components[i]--;
        bench_make(&b);
        bench_judge(&b);
        cr_assert_eq(b.v.result, VERDICT_REFUSED, "component %d", i);
        b.components[i]++;
    }
    b.pce_svn = 12;
    status_is(TDX_OUT_OF_DATE);
    b.pce_svn = 10;
    bench_refuses(&b, "tdx-tcb-level");
    b.pce_svn = 13;
    b.components[0] = 1;
    bench_refuses(&b, "tdx-tcb-level");
    cr_assert_str_eq(b.v.reasons[0].found, "SGX component 1 is 1");
    cr_assert_str_eq(b.v.reasons[0].wanted, "at least 2");
    b.components[0] = 255;
    bench_accepts(&b);
}

Test(tdx_appraise, the_order_in_which_levels_come_decides_nothing)
{
    char newest[2048], older[2048], all[4100];
    bench_level(newest, sizeof newest, (int[]){4, 4, 2}, 13, (int[]){5, 0, 3}, UP_TO_DATE);
    bench_level(older, sizeof older, (int[]){2, 2, 2}, 11, (int[]){3, 0, 2},
                "\"tcbStatus\":\"OutOfDate\"");
    snprintf(all, sizeof all, "%s,%s", older, newest);
    bench_tcb(&b, all, BENCH_MODULE_2 "," BENCH_MODULE_5);
    status_is(TDX_UP_TO_DATE);
}

Test(tdx_appraise, without_levels_nothing_is_supported)
{
    bench_tcb(&b, "", BENCH_MODULE_5);
    bench_refuses(&b, "tdx-tcb-level");
    bench_default_levels(&b);
    edit_qe("\"tcbLevels\":[", "\"tcbLevels\":[],\"x\":[");
    bench_refuses(&b, "tdx-qe-level");
}

Test(tdx_appraise, refuses_documents_with_anything_out_of_shape)
{
    static const struct {
        const char *from, *to, *code;
    } edits[] = {
        {"\"sgxtcbcomponents\":[{\"svn\":4},", "\"sgxtcbcomponents\":[", "tdx-components"},
        {"\"tdxtcbcomponents\":[", "\"tdxtcbcomponents\":[{\"svn\":0},", "tdx-components"},
        {"{\"svn\":4}", "{\"svn\":256}", "tdx-tcb-info"},
        {"{\"svn\":4}", "{\"svn\":-1}", "tdx-tcb-info"},
        {"{\"svn\":4}", "{\"svn\":4.0}", "tdx-tcb-info"},
        {"{\"svn\":4}", "{\"svn\":\"4\"}", "tdx-tcb-info"},
        {"{\"svn\":4}", "{}", "tdx-tcb-info"},
        {"{\"svn\":4}", "4", "tdx-tcb-info"},
        {"\"pcesvn\":13", "\"pcesvn\":65536", "tdx-tcb-info"},
        {"\"tcbType\":0", "\"tcbType\":1", "tdx-tcb-info"},
        {"\"tcbType\":0,", "", "tdx-tcb-info"},
        {"UpToDate", "UpToDatf", "tdx-status-unknown"},
        {"UpToDate", "unsupported", "tdx-status-unknown"},
        {"\"fmspc\":\"00A06D080000\"", "\"fmspc\":\"00A06D0800\"", "tdx-tcb-info"},
        {"\"fmspc\":\"00A06D080000\"", "\"fmspc\":\"00A06D08000g\"", "tdx-tcb-info"},
        {"\"id\":\"TDX\"", "\"id\":\"TDX\",\"id\":\"TDX\"", "tdx-tcb-info"},
        {"TDX_01", "TDX_00", "tdx-tcb-info"},
        {"TDX_01", "TDX_1", "tdx-tcb-info"},
        {"TDX_01", "SGX_01", "tdx-tcb-info"},
        {"\"2026-05-20T00:00:00Z\"", "\"2026-05-20\"", "tdx-tcb-info"},
        {"\"2026-05-20T00:00:00Z\"", "\"2026-02-30T00:00:00Z\"", "tdx-tcb-info"},
        {"INTEL-SA-00002", "intel sa 2", "tdx-tcb-info"},
        {"\"advisoryIDs\":[\"INTEL-SA-00002\"]", "\"advisoryIDs\":1", "tdx-tcb-info"},
        {"\"tcbLevels\":[", "\"tcbLevels\":{},\"x\":[", "tdx-tcb-info"},
        {"{\"id\":\"TDX\"", "[{\"id\":\"TDX\"", "tdx-tcb-info"},
        {"\"id\":\"TDX\"", "\"extra\":[1,{}],\"id\":\"TDX\"", NULL}, /* allowed */
    };
    char good[sizeof b.tcb_info];
    memcpy(good, b.tcb_info, sizeof good);
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        edit_tcb(edits[i].from, edits[i].to);
        if (edits[i].code) {
            bench_refuses(&b, edits[i].code);
        } else {
            bench_accepts(&b);
        }
        memcpy(b.tcb_info, good, sizeof good);
    }
}

Test(tdx_appraise, refuses_the_same_module_twice)
{
    edit_tcb("\"tdxModuleIdentities\":[",
             "\"tdxModuleIdentities\":[{\"id\":\"TDX_01\"," BENCH_MODULE_REST
             ",\"tcbLevels\":[" BENCH_MODULE_5 "]},");
    bench_refuses(&b, "tdx-tcb-info");
}

Test(tdx_appraise, refuses_an_identity_with_anything_out_of_shape)
{
    static const char *const edits[][2] = {
        {"\"miscselect\":\"00000000\"", "\"miscselect\":\"0000000\""},
        {"\"isvprodid\":2", "\"isvprodid\":65536"},
        {"\"isvprodid\":2,", ""},
        {"\"mrsigner\":\"DC", "\"mrsigner\":\"ZZ"},
        {"{\"isvsvn\":4}", "{\"isvsvn\":null}"},
        {"\"tcbDate\":\"2026-01-01T00:00:00Z\",", ""},
    };
    char good[sizeof b.qe_identity];
    memcpy(good, b.qe_identity, sizeof good);
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        edit_qe(edits[i][0], edits[i][1]);
        bench_refuses(&b, "tdx-qe-identity");
        memcpy(b.qe_identity, good, sizeof good);
    }
}

/* ---- together */

Test(tdx_appraise, statuses_join_as_intels_table_says)
{
    enum {
        U = TDX_UP_TO_DATE,
        H = TDX_SW_HARDENING_NEEDED,
        C = TDX_CONFIGURATION_NEEDED,
        CH = TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED,
        O = TDX_OUT_OF_DATE,
        OC = TDX_OUT_OF_DATE_CONFIGURATION_NEEDED,
        R = TDX_REVOKED,
        N = TDX_UNSUPPORTED,
        RA = TDX_RELAUNCH_ADVISED,
        RC = TDX_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
    };
    static const int joined[][3] = {
        {U, U, U},   {H, U, H},  {C, U, C},   {CH, U, CH}, {O, U, O}, {OC, U, OC},
        {U, O, O},   {H, O, O},  {C, O, OC},  {CH, O, OC}, {O, O, O}, {OC, O, OC},
        {U, R, R},   {O, R, R},  {R, N, R},   {N, U, N},   {N, O, N}, {H, C, CH},
        {RA, U, RA}, {RA, O, O}, {RC, O, OC}, {RC, U, RC},
    };
    for (size_t i = 0; i < sizeof joined / sizeof joined[0]; i++) {
        const int *j = joined[i];
        cr_assert_eq((int)tdx_status_join((enum tdx_status)j[0], (enum tdx_status)j[1]), j[2],
                     "row %zu", i);
        cr_assert_eq((int)tdx_status_join((enum tdx_status)j[1], (enum tdx_status)j[0]), j[2],
                     "row %zu, turned around", i);
    }
}

Test(tdx_appraise, a_status_that_is_named_is_taken_with_the_advisories_that_are_named)
{
    bench_body(&b)[B_SVN] = 4;
    b.policy = "{\"statuses\":[\"UpToDate\",\"OutOfDate\"]}";
    bench_refuses(&b, "tdx-advisory");
    b.policy = "{\"statuses\":[\"OutOfDate\"],\"advisory_ids\":[\"INTEL-SA-00002\"]}";
    bench_accepts(&b);
    b.policy = "{\"statuses\":[\"OutOfDate\"],\"advisory_ids\":[\"INTEL-SA-0000\"]}";
    bench_refuses(&b, "tdx-advisory");
    b.policy = "{\"statuses\":[\"SWHardeningNeeded\"],\"advisory_ids\":[\"INTEL-SA-00002\"]}";
    bench_refuses(&b, "tdx-status");
}

Test(tdx_appraise, the_date_is_that_of_the_oldest_level)
{
    bench_accepts(&b);
    cr_assert_eq(b.f.appraisal.date, 1767225600); /* 2026-01-01 */
    b.qe[258] = 3;
    bench_make(&b);
    bench_judge(&b);
    cr_assert_eq(b.f.appraisal.date, 1735689600); /* 2025-01-01 */
}

/* ---- a TD that was started before its machine was updated */

static void launched_with_an_old_module(void)
{
    bench_head(&b, 5);
    uint8_t *body = bench_body(&b);
    body[B_SVN] = 4;                                              /* at launch: out of date */
    body[B_SVN2] = 5, body[B_SVN2 + 1] = 1, body[B_SVN2 + 2] = 3; /* loaded now: the newest */
}

Test(tdx_appraise, a_relaunch_is_advised_when_the_module_loaded_now_is_new)
{
    launched_with_an_old_module();
    status_is(TDX_RELAUNCH_ADVISED);
    b.policy = "{\"statuses\":[\"TDRelaunchAdvised\"],\"advisory_ids\":[\"INTEL-SA-00002\"]}";
    bench_accepts(&b);
}

Test(tdx_appraise, no_relaunch_helps_where_anything_else_is_old)
{
    launched_with_an_old_module();
    bench_body(&b)[B_SVN2] = 4; /* the module loaded now is old, too */
    status_is(TDX_OUT_OF_DATE);
    launched_with_an_old_module();
    bench_body(&b)[B_SVN2 + 2] = 2;
    status_is(TDX_OUT_OF_DATE);
    launched_with_an_old_module();
    bench_body(&b)[B_SVN2 + 1] = 7; /* a generation nobody knows */
    status_is(TDX_OUT_OF_DATE);
    launched_with_an_old_module();
    b.qe[258] = 3;
    status_is(TDX_OUT_OF_DATE);
    b.qe[258] = 4;
    b.components[0] = 3; /* firmware */
    status_is(TDX_OUT_OF_DATE);
    b.components[0] = 4;
    bench_head(&b, 4); /* TDX 1.0 has no second SVN */
    bench_body(&b)[B_SVN] = 4;
    status_is(TDX_OUT_OF_DATE);
}

Test(tdx_appraise, a_relaunch_does_not_configure_the_machine)
{
    char level[2048];
    bench_level(level, sizeof level, (int[]){4, 4, 2}, 13, (int[]){5, 0, 3},
                "\"tcbStatus\":\"ConfigurationNeeded\"");
    bench_tcb(&b, level, BENCH_MODULE_5 "," BENCH_MODULE_2);
    launched_with_an_old_module();
    status_is(TDX_RELAUNCH_ADVISED_CONFIGURATION_NEEDED);
}
