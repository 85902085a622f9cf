/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who signed what, when, and who took it back: T14 to T31. Everything is genuine under the test's
 * root but the one thing that a test is about.
 */
#include "tests/unit/tdx/bench.h"

static struct bench b;

static void setup(void) { bench_init(&b); }
static void teardown(void) { bench_fini(&b); }
TestSuite(tdx_chain, .init = setup, .fini = teardown);

/* ---- the chain */

Test(tdx_chain, refuses_a_hierarchy_under_another_root)
{
    bench_make(&b);
    b.root_key[0] ^= 1;
    bench_judge(&b);
    cr_assert(bench_says(&b, "tdx-root"));
    /* and the product's own root is Intel's alone */
    memcpy(b.root_key, tdx_intel_root, 32);
    bench_judge(&b);
    cr_assert_eq(b.v.result, VERDICT_REFUSED);
    cr_assert_str_eq(bench_first(&b), "tdx-root");
}

Test(tdx_chain, refuses_a_chain_in_another_order_or_with_one_twice)
{
    b.pem_order[0] = BENCH_CA, b.pem_order[1] = BENCH_PCK;
    bench_refuses(&b, "tdx-cert-name");
    b.pem_order[0] = BENCH_PCK, b.pem_order[1] = BENCH_ROOT;
    bench_refuses(&b, "tdx-cert-name");
    b.pem_order[1] = BENCH_CA, b.pem_order[2] = BENCH_CA;
    bench_refuses(&b, "tdx-root");
}

Test(tdx_chain, refuses_a_leaf_issued_by_the_root_itself)
{
    b.cert[BENCH_PCK].issuer = "Intel SGX Root CA";
    b.cert[BENCH_PCK].by = BENCH_ROOT;
    bench_refuses(&b, "tdx-cert-issuer");
}

Test(tdx_chain, refuses_the_tcb_signer_in_the_place_of_the_leaf)
{
    b.pem_order[0] = BENCH_SIGNER;
    bench_refuses(&b, "tdx-cert-name");
}

Test(tdx_chain, refuses_a_leaf_of_a_ca_of_another_name)
{
    b.cert[BENCH_CA].subject = "Intel SGX PCK Processor CA";
    bench_refuses(&b, "tdx-crl-issuer"); /* the list is the platform CA's */
    b.pck_crl.issuer = "Intel SGX PCK Processor CA";
    bench_refuses(&b, "tdx-cert-issuer");
    b.cert[BENCH_PCK].issuer = "Intel SGX PCK Processor CA";
    bench_accepts(&b);
    b.cert[BENCH_CA].subject = b.cert[BENCH_PCK].issuer = b.pck_crl.issuer = "Another PCK CA";
    bench_refuses(&b, "tdx-cert-name");
}

Test(tdx_chain, refuses_certificates_made_for_another_use)
{
    b.cert[BENCH_CA].ca = false;
    bench_refuses(&b, "tdx-cert-usage");
    b.cert[BENCH_CA].ca = true;
    b.cert[BENCH_CA].usage = 0x80;
    bench_refuses(&b, "tdx-cert-usage");
    b.cert[BENCH_CA].usage = 0x06;
    b.cert[BENCH_PCK].ca = true;
    bench_make(&b);
    bench_judge(&b);
    cr_assert_str_eq(bench_first(&b), "tdx-cert-usage");
    b.cert[BENCH_PCK].ca = false;
    b.cert[BENCH_PCK].odd_critical = true;
    bench_refuses(&b, "tdx-cert");
}

Test(tdx_chain, refuses_certificates_signed_by_strangers)
{
    for (int i = 0; i < BENCH_CERTS; i++) {
        b.cert[i].other_key = true;
        bench_refuses(&b, "tdx-cert-signature");
        b.cert[i].other_key = false;
    }
    bench_accepts(&b);
}

Test(tdx_chain, refuses_certificates_before_and_after_their_time)
{
    for (int i = 0; i < BENCH_CERTS; i++) {
        b.cert[i].to = "260531235959Z";
        bench_refuses(&b, "tdx-cert-time");
        b.cert[i].to = "260601000000Z"; /* the last second counts */
        bench_accepts(&b);
        b.cert[i].to = "350101000000Z";
        b.cert[i].from = "260601000001Z";
        bench_refuses(&b, "tdx-cert-time");
        b.cert[i].from = "260601000000Z";
        bench_accepts(&b);
    }
}

/* ---- revocation */

Test(tdx_chain, refuses_what_is_revoked)
{
    b.pck_crl.revoked = b.cert[BENCH_PCK].serial;
    bench_refuses(&b, "tdx-revoked");
    b.pck_crl.revoked = 0;
    b.root_crl.revoked = b.cert[BENCH_CA].serial;
    bench_refuses(&b, "tdx-revoked");
    b.root_crl.revoked = b.cert[BENCH_SIGNER].serial;
    bench_refuses(&b, "tdx-revoked");
    b.root_crl.revoked = 77; /* somebody else */
    bench_accepts(&b);
}

Test(tdx_chain, serial_numbers_of_one_list_mean_nothing_to_the_other)
{
    b.pck_crl.revoked = b.cert[BENCH_CA].serial;
    b.root_crl.revoked = b.cert[BENCH_PCK].serial;
    bench_accepts(&b);
}

Test(tdx_chain, refuses_lists_of_other_authorities)
{
    b.pck_crl.issuer = "Intel SGX PCK Processor CA";
    bench_refuses(&b, "tdx-crl-issuer");
    b.pck_crl.issuer = "Intel SGX Root CA";
    b.pck_crl.by = BENCH_ROOT;
    bench_refuses(&b, "tdx-crl-issuer");
    b.pck_crl.issuer = BENCH_PLATFORM;
    bench_refuses(&b, "tdx-crl-signature");
}

Test(tdx_chain, refuses_a_list_of_a_ca_of_the_same_name_but_another_key)
{
    /* The platform's chain under CA one; the collateral, made again, under CA two. */
    bench_make(&b);
    uint8_t quote[sizeof b.quote];
    memcpy(quote, b.quote, sizeof quote);
    size_t len = b.quote_len;
    crypto_key_free(b.key[BENCH_CA]);
    cr_assert_eq(crypto_key_generate(CRYPTO_P256, 0, &b.key[BENCH_CA]), 0);
    bench_make(&b);
    memcpy(b.quote, quote, sizeof quote);
    b.quote_len = len;
    bench_judge(&b);
    cr_assert_str_eq(bench_first(&b), "tdx-crl-issuer");
}

Test(tdx_chain, refuses_lists_out_of_time)
{
    struct bench_crl *const lists[] = {&b.root_crl, &b.pck_crl};
    for (size_t i = 0; i < 2; i++) {
        lists[i]->to = "260531235959Z";
        bench_refuses(&b, "tdx-crl-time");
        lists[i]->to = "260701000000Z";
        lists[i]->from = "260601000001Z";
        bench_refuses(&b, "tdx-crl-time");
        lists[i]->from = "260601000000Z";
        bench_accepts(&b);
    }
}

Test(tdx_chain, a_missing_list_is_not_an_empty_one)
{
    static const char *const lists[] = {"root_ca_crl", "pck_crl"};
    for (size_t i = 0; i < 2; i++) {
        bench_make(&b);
        json_object_del(b.set, lists[i]);
        bench_judge(&b);
        cr_assert_str_eq(bench_first(&b), "tdx-crl-missing");
        json_object_set_new(b.set, lists[i], json_string(""));
        bench_judge(&b);
        cr_assert_str_eq(bench_first(&b), "tdx-crl-missing");
        json_object_set_new(b.set, lists[i], json_string("3000"));
        bench_judge(&b);
        cr_assert_str_eq(bench_first(&b), "tdx-crl");
    }
}

/* ---- signatures of the quote */

Test(tdx_chain, refuses_a_changed_report_or_signature_of_the_quoting_enclave)
{
    static const size_t places[] = {0, 64, 128, 258, 383, 384, 447};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        bench_make(&b);
        b.quote[b.qe_at + places[i]] ^= 1;
        bench_judge(&b);
        cr_assert_str_eq(bench_first(&b), "tdx-qe-signature");
        cr_assert_eq(b.v.reason_count, 1);
    }
}

Test(tdx_chain, refuses_an_attestation_key_that_the_enclave_does_not_vouch_for)
{
    uint8_t x[32], y[32], sig[64];
    size_t len;
    bench_make(&b); /* an attacker replaces the key and signs the body again */
    cr_assert_eq(crypto_key_part(b.stranger, CRYPTO_PART_X, x, 32, &len), 0);
    cr_assert_eq(crypto_key_part(b.stranger, CRYPTO_PART_Y, y, 32, &len), 0);
    memcpy(b.quote + b.ak_at, x, 32);
    memcpy(b.quote + b.ak_at + 32, y, 32);
    bench_sign(b.stranger, b.quote, b.head_len, sig);
    memcpy(b.quote + b.ak_at - 64, sig, 64);
    bench_judge(&b);
    cr_assert_str_eq(bench_first(&b), "tdx-key-binding");
}

Test(tdx_chain, refuses_changed_authentication_data_and_a_nonzero_upper_half)
{
    bench_make(&b);
    b.quote[b.qe_at + 450 + 31] ^= 1;
    bench_judge(&b);
    cr_assert_str_eq(bench_first(&b), "tdx-key-binding");
    b.qe[320 + 63] = 1; /* genuinely signed */
    bench_refuses(&b, "tdx-key-binding");
    b.qe[320 + 63] = 0;
    b.qe[320 + 32] = 1;
    bench_refuses(&b, "tdx-key-binding");
}

Test(tdx_chain, refuses_an_attestation_key_that_is_no_point)
{
    b.ak_not_on_curve = true; /* and vouched for */
    bench_refuses(&b, "tdx-attestation-key");
}

Test(tdx_chain, refuses_signatures_with_numbers_out_of_range)
{
    static const uint8_t n[32] = {0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,    0xff, 0xff, 0xff,
                                  0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
                                  0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
    static const uint8_t zero[32] = {0};
    for (int i = 0; i < 4; i++) {
        bench_make(&b);
        memcpy(b.quote + b.head_len + 4 + (i & 1 ? 32 : 0), i & 2 ? n : zero, 32);
        bench_judge(&b);
        cr_assert_str_eq(bench_first(&b), "tdx-quote-signature");
    }
}

Test(tdx_chain, refuses_a_quote_signed_by_somebody_else)
{
    b.quote_other_key = true;
    bench_refuses(&b, "tdx-quote-signature");
    cr_assert_eq(b.v.reason_count, 1);
}

Test(tdx_chain, bytes_of_header_and_body_cannot_be_changed)
{
    bench_head(&b, 5);
    bench_make(&b);
    for (size_t i = 28; i < b.head_len; i += 5) {
        if (i >= 48 && i < 54) { continue; } /* type and size do not parse any more */
        b.quote[i] ^= 0x40;
        bench_judge(&b);
        cr_assert_str_eq(bench_first(&b), "tdx-quote-signature", "byte %zu", i);
        b.quote[i] ^= 0x40;
    }
}

/* ---- collateral */

Test(tdx_chain, without_collateral_nothing_is_accepted)
{
    bench_make(&b);
    json_decref(b.set);
    b.set = NULL;
    bench_judge(&b);
    cr_assert_eq(b.v.result, VERDICT_REFUSED);
    cr_assert_str_eq(bench_first(&b), "tdx-collateral");
}

Test(tdx_chain, refuses_a_set_with_a_member_missing_or_of_another_type)
{
    static const char *const names[] = {
        "pck_crl_issuer_chain", "tcb_info_issuer_chain", "qe_identity_issuer_chain", "tcb_info",
        "tcb_info_signature",   "qe_identity",           "qe_identity_signature"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        bench_make(&b);
        json_object_del(b.set, names[i]);
        bench_judge(&b);
        cr_assert_str_eq(bench_first(&b), "tdx-collateral", "%s", names[i]);
        json_object_set_new(b.set, names[i], json_integer(1));
        bench_judge(&b);
        cr_assert_str_eq(bench_first(&b), "tdx-collateral", "%s", names[i]);
    }
}

Test(tdx_chain, refuses_documents_that_were_edited_or_written_anew)
{
    char again[sizeof b.tcb_info];
    bench_make(&b);
    snprintf(again, sizeof again, "%s", b.tcb_info);
    bench_replace(again, sizeof again, "\"svn\":4", "\"svn\":1");
    json_object_set_new(b.set, "tcb_info", json_string(again));
    bench_judge(&b);
    cr_assert_str_eq(bench_first(&b), "tdx-collateral-signature");
    snprintf(again, sizeof again, "%s", b.tcb_info); /* the same value, another text */
    bench_replace(again, sizeof again, "\"version\":3", "\"version\": 3");
    json_object_set_new(b.set, "tcb_info", json_string(again));
    bench_judge(&b);
    cr_assert_str_eq(bench_first(&b), "tdx-collateral-signature");
    b.tcb_other_signer = true;
    bench_refuses(&b, "tdx-collateral-signature");
}

Test(tdx_chain, refuses_signatures_of_another_length)
{
    static const char *const names[] = {"tcb_info_signature", "qe_identity_signature"};
    for (size_t i = 0; i < 2; i++) {
        bench_make(&b);
        const char *good = json_string_value(json_object_get(b.set, names[i]));
        json_object_set_new(b.set, names[i], json_sprintf("%.126s", good));
        bench_judge(&b);
        cr_assert_str_eq(bench_first(&b), "tdx-collateral-signature");
        bench_make(&b);
        good = json_string_value(json_object_get(b.set, names[i]));
        json_object_set_new(b.set, names[i], json_sprintf("%s00", good));
        bench_judge(&b);
        cr_assert_str_eq(bench_first(&b), "tdx-collateral-signature");
    }
}

Test(tdx_chain, refuses_documents_signed_by_the_pck_certificate)
{
    char pem[8192] = "";
    bench_make(&b);
    bench_pem(&b.der[BENCH_PCK], pem, sizeof pem);
    bench_pem(&b.der[BENCH_ROOT], pem, sizeof pem);
    json_object_set_new(b.set, "tcb_info_issuer_chain", json_string(pem));
    bench_judge(&b);
    cr_assert_str_eq(bench_first(&b), "tdx-cert-name");
}

Test(tdx_chain, refuses_documents_out_of_time)
{
    char *const texts[] = {b.tcb_info, b.qe_identity};
    for (size_t i = 0; i < 2; i++) {
        size_t cap = i ? sizeof b.qe_identity : sizeof b.tcb_info;
        bench_replace(texts[i], cap, "2026-06-19T00:00:00Z", "2026-05-31T23:59:59Z");
        bench_refuses(&b, "tdx-collateral-time");
        bench_replace(texts[i], cap, "2026-05-31T23:59:59Z", "2026-06-01T00:00:00Z");
        bench_accepts(&b);
        bench_replace(texts[i], cap, "2026-05-20T00:00:00Z", "2026-06-01T00:00:01Z");
        bench_refuses(&b, "tdx-collateral-time");
        bench_replace(texts[i], cap, "2026-06-01T00:00:01Z", "2026-05-20T00:00:00Z");
    }
}

Test(tdx_chain, refuses_documents_of_another_kind_or_version)
{
    static const char *const edits[][2] = {{"\"id\":\"TDX\"", "\"id\":\"SGX\""},
                                           {"\"version\":3", "\"version\":2"}};
    for (size_t i = 0; i < 2; i++) {
        bench_replace(b.tcb_info, sizeof b.tcb_info, edits[i][0], edits[i][1]);
        bench_refuses(&b, "tdx-collateral-id");
        bench_replace(b.tcb_info, sizeof b.tcb_info, edits[i][1], edits[i][0]);
    }
    bench_replace(b.qe_identity, sizeof b.qe_identity, "TD_QE", "QE"); /* SGX's */
    bench_refuses(&b, "tdx-collateral-id");
}

Test(tdx_chain, refuses_tcb_info_of_another_platform)
{
    bench_replace(b.tcb_info, sizeof b.tcb_info, "00A06D080000", "00A06D080001");
    bench_refuses(&b, "tdx-fmspc");
    bench_replace(b.tcb_info, sizeof b.tcb_info, "00A06D080001", "00a06d080000");
    bench_accepts(&b); /* the case of digits means nothing */
    bench_replace(b.tcb_info, sizeof b.tcb_info, "\"pceId\":\"0000\"", "\"pceId\":\"0100\"");
    bench_refuses(&b, "tdx-pce-id");
}

Test(tdx_chain, refuses_collateral_of_an_earlier_round_or_of_two_rounds)
{
    b.min_evaluation = 18;
    bench_accepts(&b);
    b.min_evaluation = 19;
    bench_refuses(&b, "tdx-collateral-rollback");
    b.min_evaluation = 0;
    bench_replace(b.qe_identity, sizeof b.qe_identity, "DataNumber\":18", "DataNumber\":17");
    bench_refuses(&b, "tdx-collateral-rounds");
}

/* ---- the memory of good endorsements */

Test(tdx_chain, what_is_remembered_is_only_about_signatures)
{
    struct tdx_policy policy;
    struct tdx_collateral *c = NULL;
    struct tdx_facts f;
    struct verdict v = {0};
    bench_make(&b);
    struct tdx_endorsements *m = tdx_endorsements_new(b.root_key);
    char *text = json_dumps(b.set, 0);
    tdx_collateral_open(text, strlen(text), b.root_key, &c, &v);
    tdx_policy_default(&policy);
    struct tdx_demand d = {.endorsements = m,
                           .collateral_for = tdx_collateral_given,
                           .ctx = c,
                           .policy = &policy,
                           .now = BENCH_NOW};
    for (int i = 0; i < 3; i++) {
        v = (struct verdict){0};
        verify_tdx(b.quote, b.quote_len, &d, &f, &v);
        cr_assert_eq(v.result, VERDICT_ACCEPTED);
    }
    d.now = 2051222400; /* 2035-01-01: all of it has expired */
    v = (struct verdict){0};
    verify_tdx(b.quote, b.quote_len, &d, &f, &v);
    cr_assert_str_eq(v.reasons[0].code, "tdx-crl-time");
    d.now = BENCH_NOW;
    b.quote[100] ^= 1; /* another body under a signature that does not fit */
    v = (struct verdict){0};
    verify_tdx(b.quote, b.quote_len, &d, &f, &v);
    cr_assert_str_eq(v.reasons[0].code, "tdx-quote-signature");
    b.quote[100] ^= 1;
    b.quote[b.qe_at] ^= 1; /* another endorsement is no remembered one */
    v = (struct verdict){0};
    verify_tdx(b.quote, b.quote_len, &d, &f, &v);
    cr_assert_str_eq(v.reasons[0].code, "tdx-qe-signature");
    free(text);
    tdx_collateral_free(c);
    tdx_endorsements_free(m);
}

Test(tdx_chain, a_full_memory_forgets_the_one_asked_for_longest_ago)
{
    struct verdict v = {0};
    bench_make(&b);
    struct tdx_endorsements *m = tdx_endorsements_new(b.root_key);
    for (int i = 0; i < TDX_ENDORSEMENTS_MAX + 10; i++) {
        struct tdx_quote q;
        b.qe[300] = (uint8_t)i; /* a reserved byte: another report each time */
        bench_make_quote(&b);
        cr_assert(tdx_quote_parse(b.quote, b.quote_len, &q, &v));
        cr_assert_not_null(tdx_endorsements_get(m, &q, &v));
    }
    tdx_endorsements_free(m);
}
