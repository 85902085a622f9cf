/* SPDX-License-Identifier: Apache-2.0 */
/* What a quote must look like before anybody asks who signed it: T1 to T13. */
#include "tests/unit/tdx/bench.h"

static struct bench b;

static void setup(void) { bench_init(&b); }
static void teardown(void) { bench_fini(&b); }
TestSuite(tdx_form, .init = setup, .fini = teardown);

/* Judges what was made and poked at. */
static void refused(const char *code)
{
    bench_judge(&b);
    cr_assert_eq(b.v.result, VERDICT_REFUSED, "%s was wanted", code);
    cr_assert_str_eq(bench_first(&b), code, "%s: %s", bench_first(&b), b.v.reasons[0].text);
    cr_assert_eq(b.v.reason_count, 1, "what does not parse is not judged further");
}

Test(tdx_form, a_good_quote_of_either_version_is_accepted)
{
    bench_accepts(&b);
    cr_assert_eq(b.f.appraisal.status, TDX_UP_TO_DATE);
    bench_head(&b, 5);
    bench_accepts(&b);
    cr_assert_eq(b.f.quote.body, TDX_BODY_15);
    bench_head(&b, 5); /* a body of TDX 1.0 in version 5 */
    b.head[48] = 2;
    put_le(b.head + 50, 584, 4);
    b.head_len = 54 + 584;
    bench_accepts(&b);
    cr_assert_eq(b.f.quote.body, TDX_BODY_10);
}

Test(tdx_form, refuses_sizes_no_quote_has)
{
    bench_make(&b);
    b.quote_len = 1019;
    refused("tdx-size");
    b.quote_len = 0;
    refused("tdx-size");
    uint8_t *big = calloc(1, 32769);
    struct tdx_quote q;
    struct verdict v = {0};
    bench_make(&b);
    memcpy(big, b.quote, b.quote_len);
    cr_assert(tdx_quote_parse(big, 32768, &q, &v));
    cr_assert_not(tdx_quote_parse(big, 32769, &q, &v));
    cr_assert_str_eq(v.reasons[0].code, "tdx-size");
    free(big);
}

Test(tdx_form, refuses_headers_of_other_kinds)
{
    static const struct {
        size_t at;
        uint8_t value;
        const char *code;
    } pokes[] = {
        {0, 3, "tdx-version"},  {0, 6, "tdx-version"},   {1, 1, "tdx-version"},
        {2, 3, "tdx-key-type"}, {4, 0, "tdx-tee-type"},  {7, 1, "tdx-tee-type"},
        {8, 1, "tdx-reserved"}, {11, 1, "tdx-reserved"}, {12, 0x94, "tdx-vendor"},
        {27, 0, "tdx-vendor"},
    };
    for (size_t i = 0; i < sizeof pokes / sizeof pokes[0]; i++) {
        bench_head(&b, 4);
        b.head[pokes[i].at] = pokes[i].value;
        bench_make(&b);
        refused(pokes[i].code);
    }
}

Test(tdx_form, refuses_bodies_whose_size_is_not_that_of_their_type)
{
    static const uint8_t pokes[][3] = {{1, 0x88, 2}, {0, 0x88, 2}, {4, 0x88, 2},
                                       {2, 0x88, 2}, {3, 0x48, 2}, {3, 0x89, 2}};
    for (size_t i = 0; i < sizeof pokes / sizeof pokes[0]; i++) {
        bench_head(&b, 5);
        b.head[48] = pokes[i][0], b.head[50] = pokes[i][1], b.head[51] = pokes[i][2];
        bench_make(&b);
        refused("tdx-body");
    }
}

Test(tdx_form, refuses_lengths_that_do_not_nest)
{
    static const uint32_t off[] = {1, (uint32_t)-1, 0x7fffffff, 0xffffffff};
    bench_make(&b);
    const size_t places[] = {632, 632 + 4 + 64 + 64 + 2, b.pem_at - 4};
    for (size_t i = 0; i < 4; i++) {
        for (size_t k = 0; k < 3; k++) {
            uint8_t was[4], *p = b.quote + places[k];
            memcpy(was, p, 4);
            put_le(p, i < 2 ? (uint32_t)(was[0] | was[1] << 8) + off[i] : off[i], 4);
            refused("tdx-lengths");
            memcpy(p, was, 4);
        }
    }
    bench_make(&b);
    put_le(b.quote + b.qe_at + 448, 0xffff, 2); /* authentication data longer than all of it */
    refused("tdx-lengths");
}

Test(tdx_form, refuses_certification_data_of_other_types)
{
    b.outer_type = 5;
    bench_make(&b);
    refused("tdx-cert-type");
    for (uint16_t t = 0; t < 8; t++) {
        b.outer_type = 6, b.inner_type = t;
        bench_make(&b);
        if (t != 5) { refused("tdx-cert-type"); }
    }
}

Test(tdx_form, zeros_may_follow_and_nothing_else)
{
    bench_make(&b);
    size_t end = b.quote_len;
    b.quote_len += 100;
    memset(b.quote + end, 0, 100);
    bench_judge(&b);
    cr_assert_eq(b.v.result, VERDICT_ACCEPTED);
    b.quote[b.quote_len - 1] = 0x20;
    refused("tdx-trailing");
}

Test(tdx_form, pem_may_end_in_one_nul_and_in_nothing_else)
{
    b.pem_nul = true;
    bench_accepts(&b);
    b.pem_nul = false;
    b.pem_between = "\n";
    bench_refuses(&b, "tdx-pem");
    b.pem_between = "garbage\n";
    bench_refuses(&b, "tdx-pem");
}

Test(tdx_form, refuses_fewer_or_more_than_three_certificates)
{
    b.pem_count = 2;
    bench_refuses(&b, "tdx-pem");
    b.pem_count = 0;
    bench_refuses(&b, "tdx-pem");
    b.pem_count = 4;
    b.pem_order[3] = BENCH_ROOT;
    bench_refuses(&b, "tdx-pem");
}

Test(tdx_form, refuses_a_nul_in_the_middle_and_wrong_letters_in_pem)
{
    static const char pokes[] = {'\0', ' ', '*', '='};
    for (size_t i = 0; i < sizeof pokes; i++) {
        bench_make(&b);
        b.quote[b.pem_at + 200] = (uint8_t)pokes[i];
        bench_judge(&b);
        cr_assert(bench_says(&b, "tdx-pem"), "%s", bench_first(&b));
    }
}

Test(tdx_form, refuses_certificates_that_are_not_der)
{
    b.cert[BENCH_PCK].long_lengths = true;
    bench_refuses(&b, "tdx-der");
    b.cert[BENCH_PCK].long_lengths = false;
    b.cert[BENCH_CA].trailing_byte = true;
    bench_refuses(&b, "tdx-der");
}

Test(tdx_form, refuses_a_missing_or_reordered_sgx_extension)
{
    b.no_extension = true;
    bench_refuses(&b, "tdx-pck-extension");
    b.no_extension = false;
    b.swapped_extension = true;
    bench_refuses(&b, "tdx-pck-extension");
}
