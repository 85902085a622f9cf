/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quotes of real machines with Intel's real collateral: every field against values that somebody
 * else read out, whole evaluations at fixed times, and every bit that is signed flipped.
 */
#include "attest/verify/tdx/codes.h"
#include "attest/verify/tdx/tdx.h"

#include "attest/rfc3339.h"
#include "tests/unit/attest/vectors.h"

struct judged {
    struct verdict v;
    struct tdx_facts f;
};

/* Judges with Intel's root; collateral NULL = none. */
static struct judged judge(const void *quote, size_t len, const char *collateral, const char *at,
                           const struct tdx_policy *policy)
{
    struct judged j = {0};
    struct tdx_policy usual;
    struct tdx_collateral *c = NULL;
    struct tdx_endorsements *m = tdx_endorsements_new(tdx_intel_root);
    int64_t now = 0;
    cr_assert(m && rfc3339_parse(at, strlen(at), &now));
    tdx_policy_default(&usual);
    if (collateral) {
        char path[128];
        size_t text_len;
        snprintf(path, sizeof path, "tdx/collateral/%s", collateral);
        char *text = vector_bytes(path, &text_len);
        tdx_collateral_open(text, text_len, tdx_intel_root, &c, &j.v);
        cr_assert(c, "%s: %s", collateral, j.v.reasons[0].text);
        free(text);
    }
    struct tdx_demand d = {.endorsements = m,
                           .collateral_for = tdx_collateral_given,
                           .ctx = c,
                           .policy = policy ? policy : &usual,
                           .now = now};
    verify_tdx(quote, len, &d, &j.f, &j.v);
    tdx_collateral_free(c);
    tdx_endorsements_free(m);
    j.f.appraisal.tdx.advisories = j.f.appraisal.module.advisories = NULL; /* went with them */
    return j;
}

static char *quote_bytes(const char *file, size_t *len)
{
    char path[128];
    snprintf(path, sizeof path, "tdx/quotes/%s", file);
    return vector_bytes(path, len);
}

static const char *first_code(const struct verdict *v)
{
    return v->reason_count ? v->reasons[0].code : "";
}

static bool has_code(const struct verdict *v, const char *code)
{
    for (size_t i = 0; i < v->reason_count; i++) {
        if (strcmp(v->reasons[i].code, code) == 0) { return true; }
    }
    return false;
}

static void same_hex(const json_t *want, const char *name, const uint8_t *p, size_t n)
{
    char hex[2 * 64 + 1];
    hex_of(p, n, hex);
    cr_assert_str_eq(hex, member(want, name), "%s", name);
}

static long number(const json_t *want, const char *name)
{
    return (long)json_integer_value(json_object_get(want, name));
}

Test(tdx_genuine, every_field_of_every_quote_is_what_others_read)
{
    json_t *all = vector_json("tdx/quotes.json"), *want;
    const char *file;
    size_t seen = 0;
    json_object_foreach (json_object_get(all, "fields"), file, want) {
        struct verdict v = {0};
        struct tdx_quote q;
        size_t len, signed_len = (size_t)number(want, "auth_data_len");
        char *bytes = quote_bytes(file, &len), hex[24];
        if (!json_is_true(json_object_get(want, "trailing_all_zero"))) {
            cr_assert_not(tdx_quote_parse(bytes, len, &q, &v));
            cr_assert_str_eq(first_code(&v), "tdx-trailing");
            len -= (size_t)number(want, "trailing_bytes");
            v = (struct verdict){0};
        }
        cr_assert(tdx_quote_parse(bytes, len, &q, &v), "%s: %s", file, first_code(&v));
        cr_assert_eq(q.version, number(want, "version"));
        cr_assert_eq((long)q.body, number(want, "body_type"));
        cr_assert_eq(q.signature.len + q.endorsement.len, signed_len);
        cr_assert_eq(q.qe_auth_data.len, (size_t)number(want, "qe_auth_len"));
        cr_assert_eq(q.pck_chain.len, (size_t)number(want, "pck_pem_len"));
        same_hex(want, "tee_tcb_svn", q.tee_tcb_svn, 16);
        same_hex(want, "mr_seam", q.mr_seam, 48);
        same_hex(want, "mr_td", q.mr_td, 48);
        same_hex(want, "mr_config_id", q.mr_config_id, 48);
        same_hex(want, "mr_owner", q.mr_owner, 48);
        same_hex(want, "mr_owner_config", q.mr_owner_config, 48);
        same_hex(want, "report_data", q.report_data, 64);
        for (size_t i = 0; i < 4; i++) {
            char rtmr[97];
            hex_of(q.rtmr[i], 48, rtmr);
            cr_assert_str_eq(rtmr,
                             json_string_value(json_array_get(json_object_get(want, "rtmr"), i)));
        }
        snprintf(hex, sizeof hex, "0x%016lx", (unsigned long)q.attributes);
        cr_assert_str_eq(hex, member(want, "td_attributes"));
        snprintf(hex, sizeof hex, "0x%016lx", (unsigned long)q.xfam);
        cr_assert_str_eq(hex, member(want, "xfam"));
        cr_assert_eq(q.qe.isv_svn, number(want, "qe_isv_svn"));
        if (q.body == TDX_BODY_15) {
            same_hex(want, "tee_tcb_svn2", q.tee_tcb_svn2, 16);
            same_hex(want, "mr_service_td", q.mr_service_td, 48);
        }

        struct tdx_endorsement *n = NULL;
        cr_assert(tdx_endorse(&q, tdx_intel_root, &n, &v), "%s: %s", file, first_code(&v));
        same_hex(want, "fmspc", n->platform.fmspc, 6);
        same_hex(want, "pce_id", n->platform.pce_id, 2);
        cr_assert_eq(n->platform.pce_svn, number(want, "pce_svn"));
        cr_assert_eq(n->platform.sgx_type, number(want, "sgx_type"));
        for (size_t i = 0; i < 16; i++) {
            cr_assert_eq(
                n->platform.components[i],
                json_integer_value(json_array_get(json_object_get(want, "cpu_svn_components"), i)));
        }
        tdx_endorsement_free(n);
        free(bytes);
        seen++;
    }
    cr_assert_eq(seen, 7);
    json_decref(all);
}

Test(tdx_genuine, evaluations_at_fixed_times_come_out_as_expected)
{
    static const struct {
        const char *name, *code; /* code NULL: accepted */
    } cases[] = {
        {"ok-v4", NULL},
        {"ok-v5", NULL},
        {"no-level", "tdx-tcb-level"},
        {"expired-collateral", "tdx-collateral-time"},
        {"future-collateral", "tdx-collateral-time"},
        {"fmspc-mismatch", "tdx-fmspc"},
        {"same-platform-older-key", "tdx-tcb-level"},
    };
    json_t *all = vector_json("tdx/quotes.json"), *c;
    size_t i;
    cr_assert_eq(json_array_size(json_object_get(all, "cases")), 7);
    json_array_foreach (json_object_get(all, "cases"), i, c) {
        size_t len;
        char *quote = quote_bytes(member(c, "quote"), &len);
        struct judged j = judge(quote, len, member(c, "collateral"), member(c, "time"), NULL);
        cr_assert_str_eq(member(c, "name"), cases[i].name);
        if (cases[i].code) {
            cr_assert_eq(j.v.result, VERDICT_REFUSED);
            cr_assert(has_code(&j.v, cases[i].code), "%s: %s", cases[i].name, first_code(&j.v));
        } else {
            cr_assert_eq(j.v.result, VERDICT_ACCEPTED, "%s: %s", cases[i].name, first_code(&j.v));
            cr_assert_eq(j.f.appraisal.status, TDX_UP_TO_DATE);
            cr_assert_eq(j.f.appraisal.module.status, TDX_UP_TO_DATE);
            cr_assert_eq(j.f.appraisal.qe.status, TDX_UP_TO_DATE);
            cr_assert_eq(j.v.unbound_count, 9, "found %zu", j.v.unbound_count);
        }
        free(quote);
    }
    json_decref(all);
}

Test(tdx_genuine, a_debug_td_and_one_without_sept_ve_disable_are_refused_by_name)
{
    size_t len;
    char *quote = quote_bytes("v4-debug-td.dat", &len);
    struct judged j = judge(quote, len, NULL, "2025-06-20T00:00:00Z", NULL);
    cr_assert(has_code(&j.v, "tdx-debug"));
    cr_assert(has_code(&j.v, "tdx-collateral")); /* none was given */
    free(quote);
    quote = quote_bytes("v4-spr-e4-trailing.dat", &len);
    j = judge(quote, len - 39, NULL, "2025-06-20T00:00:00Z", NULL);
    cr_assert(has_code(&j.v, "tdx-sept-ve-disable"));
    cr_assert(has_code(&j.v, "tdx-attributes")); /* PKS */
    free(quote);
}

/*
 * One bit of every byte up to the computed end, of every third in the long certificates; each flip
 * must be refused before any policy.
 */
static void flip_everything(const char *file, const char *collateral, const char *at)
{
    size_t len;
    char *quote = quote_bytes(file, &len);
    struct verdict whole = {0};
    struct tdx_quote q;
    cr_assert(tdx_quote_parse(quote, len, &q, &whole));
    size_t end = (size_t)(q.endorsement.p + q.endorsement.len - (const uint8_t *)quote);
    struct tdx_policy policy;
    struct verdict opened = {0};
    struct tdx_collateral *c = NULL;
    char path[128];
    size_t text_len;
    int64_t now = 0;
    snprintf(path, sizeof path, "tdx/collateral/%s", collateral);
    char *text = vector_bytes(path, &text_len);
    tdx_collateral_open(text, text_len, tdx_intel_root, &c, &opened);
    tdx_policy_default(&policy);
    cr_assert(c && rfc3339_parse(at, strlen(at), &now));
    struct tdx_endorsements *m = tdx_endorsements_new(tdx_intel_root);
    struct tdx_demand d = {.endorsements = m,
                           .collateral_for = tdx_collateral_given,
                           .ctx = c,
                           .policy = &policy,
                           .now = now};
    struct tdx_facts f;
    struct verdict v = {0};
    verify_tdx(quote, len, &d, &f, &v);
    cr_assert_eq(v.result, VERDICT_ACCEPTED);
    size_t pem = (size_t)(q.pck_chain.p - (const uint8_t *)quote);
    for (size_t i = 0; i < end; i += i < pem || end - i < 8 ? 1 : 3) {
        quote[i] ^= (char)(1 << (i & 7));
        v = (struct verdict){0};
        verify_tdx(quote, len, &d, &f, &v);
        cr_assert_eq(v.result, VERDICT_REFUSED, "byte %zu of %s", i, file);
        cr_assert(strcmp(v.reasons[0].check, "parse") == 0 ||
                      strcmp(v.reasons[0].check, "chain") == 0 ||
                      strcmp(v.reasons[0].check, "signature") == 0,
                  "byte %zu: only refused by %s", i, v.reasons[0].code);
        quote[i] ^= (char)(1 << (i & 7));
    }
    /* Behind it zeros and nothing else, and they change nothing. */
    for (size_t i = end; i < len; i++) {
        quote[i] = 1;
        v = (struct verdict){0};
        verify_tdx(quote, len, &d, &f, &v);
        cr_assert_str_eq(first_code(&v), "tdx-trailing");
        quote[i] = 0;
    }
    v = (struct verdict){0};
    verify_tdx(quote, end, &d, &f, &v);
    cr_assert_eq(v.result, VERDICT_ACCEPTED);
    tdx_endorsements_free(m);
    tdx_collateral_free(c);
    free(text);
    free(quote);
}

Test(tdx_genuine, no_bit_of_a_version_4_quote_can_be_flipped, .timeout = 120)
{
    flip_everything("v4-fmspcb0c06f.dat", "fmspcb0c06f-2025-06.json", "2025-06-20T00:00:00Z");
}

Test(tdx_genuine, no_bit_of_a_version_5_quote_can_be_flipped, .timeout = 120)
{
    flip_everything("v5-td15.dat", "fmspc90c06f-2026-02.json", "2026-02-20T00:00:00Z");
}

Test(tdx_genuine, levels_come_from_the_service_in_the_order_we_put_them_in)
{
    static const char *const sets[] = {"fmspcb0c06f-2025-06.json", "fmspc90c06f-2026-02.json"};
    for (size_t s = 0; s < 2; s++) {
        char path[128];
        struct verdict v = {0};
        struct tdx_tcb_info *t = calloc(1, sizeof *t);
        snprintf(path, sizeof path, "tdx/collateral/%s", sets[s]);
        json_t *set = vector_json(path);
        const char *text = member(set, "tcb_info");
        cr_assert(t && tdx_tcb_info_parse(text, strlen(text), t, &v), "%s", first_code(&v));
        const json_t *sent = json_object_get(t->doc, "tcbLevels");
        cr_assert_geq(t->level_count, 2);
        for (size_t i = 0; i < t->level_count; i++) {
            const json_t *level = json_array_get(sent, i), *tcb = json_object_get(level, "tcb");
            cr_assert_eq(t->levels[i].pce_svn, number(tcb, "pcesvn"));
            cr_assert_str_eq(tdx_status_name(t->levels[i].rating.status),
                             member(level, "tcbStatus"));
        }
        tdx_tcb_info_fini(t);
        free(t);
        json_decref(set);
    }
}
