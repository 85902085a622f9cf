/* SPDX-License-Identifier: Apache-2.0 */
/* The small readers under the verifier: dates, DER, PEM, the SGX extension. */
#include "attest/der.h"
#include "attest/rfc3339.h"
#include "attest/verify/tdx/pem.h"
#include "tests/unit/tdx/bench.h"

Test(tdx_readers, dates_are_those_of_the_calendar)
{
    static const struct {
        const char *text;
        int64_t t;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1969-12-31T23:59:59Z", -1},
        {"2000-02-29T12:34:56Z", 951827696},
        {"2026-02-20T00:00:00Z", 1771545600},
        {"2100-03-01T00:00:00Z", 4107542400},
        {"9999-12-31T23:59:59Z", 253402300799},
        {"0000-01-01T00:00:00Z", -62167219200},
        {"1600-12-31T23:59:59Z", -11644473601},
        {"2024-12-31T23:59:59Z", 1735689599},
    };
    static const char *const bad[] = {
        "",
        "2026-02-20",
        "2026-02-20T00:00:00",
        "2026-02-20t00:00:00z",
        "2026-02-20 00:00:00Z",
        "2026-02-20T00:00:00+00:00",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T00:00:0aZ",
        "+026-01-01T00:00:00Z",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        int64_t t = 77;
        char back[RFC3339_SIZE];
        cr_assert(rfc3339_parse(good[i].text, strlen(good[i].text), &t), "%s", good[i].text);
        cr_assert_eq(t, good[i].t, "%s: %ld", good[i].text, (long)t);
        rfc3339_format(t, back);
        cr_assert_str_eq(back, good[i].text);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t t;
        cr_assert_not(rfc3339_parse(bad[i], strlen(bad[i]), &t), "%s", bad[i]);
    }
    char edge[RFC3339_SIZE];
    rfc3339_format(INT64_MAX, edge);
    cr_assert_str_eq(edge, "9999-12-31T23:59:59Z");
    rfc3339_format(INT64_MIN, edge);
    cr_assert_str_eq(edge, "0000-01-01T00:00:00Z");
}

Test(tdx_readers, der_has_one_length_per_element_and_nothing_behind_it)
{
    static const struct {
        const char *bytes;
        size_t len;
        bool good;
    } cases[] = {
        {"\x30\x00", 2, true},
        {"\x30\x03\x02\x01\x05", 5, true},
        {"\x30\x03\x02\x01\x05\x00", 6, false},     /* a byte behind it */
        {"\x30\x80\x00\x00", 4, false},             /* indefinite */
        {"\x30\x81\x00", 3, false},                 /* longer than needed */
        {"\x30\x04\x02\x81\x01\x05", 6, false},     /* the same inside */
        {"\x30\x03\x02\x02\x05", 5, false},         /* longer than its surroundings */
        {"\x30\x82\x00\x03\x02\x01\x05", 7, false}, /* leading zero */
        {"\x1f\x01\x00", 3, false},                 /* long tag */
        {"\x30", 1, false},
        {"", 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_assert_eq(der_is_strict(cases[i].bytes, cases[i].len), cases[i].good, "case %zu", i);
    }
    uint8_t deep[64]; /* 32 sequences in each other */
    for (size_t i = 0; i < 32; i++) { deep[2 * i] = 0x30, deep[2 * i + 1] = (uint8_t)(62 - 2 * i); }
    cr_assert_not(der_is_strict(deep, sizeof deep));
    cr_assert(der_is_strict(deep + 32, 32));
}

static struct bench b;
static struct der ext;

static void setup(void)
{
    bench_init(&b);
    bench_sgx(&b, &ext);
}
static void teardown(void) { bench_fini(&b); }

Test(tdx_readers, the_sgx_extension_gives_every_member, .init = setup, .fini = teardown)
{
    struct tdx_pck p;
    cr_assert(tdx_pck_parse(ext.b, ext.n, &p));
    cr_assert_eq(p.components[0], 4);
    cr_assert_eq(p.components[2], 2);
    cr_assert_eq(p.pce_svn, 13);
    cr_assert_eq(p.sgx_type, 1);
    cr_assert_eq(memcmp(p.fmspc, b.fmspc, 6), 0);
    cr_assert_eq(memcmp(p.ppid, b.ppid, 16), 0);
    cr_assert(p.has_instance);
    cr_assert_eq(memcmp(p.instance, "0123456789abcdef", 16), 0);
}

Test(tdx_readers, the_sgx_extension_cannot_be_cut_or_prolonged, .init = setup, .fini = teardown)
{
    struct tdx_pck p;
    for (size_t n = 0; n < ext.n; n++) { cr_assert_not(tdx_pck_parse(ext.b, n, &p), "%zu", n); }
    ext.b[ext.n] = 0;
    cr_assert_not(tdx_pck_parse(ext.b, ext.n + 1, &p));
}

Test(tdx_readers, levels_in_the_sgx_extension_have_their_range, .init = setup, .fini = teardown)
{
    struct tdx_pck p;
    b.pce_svn = 65535;
    b.components[15] = 255;
    bench_sgx(&b, &ext);
    cr_assert(tdx_pck_parse(ext.b, ext.n, &p));
    cr_assert_eq(p.components[15], 255);
    cr_assert_eq(p.pce_svn, 65535);
    /* The first component, 02 01 04, made negative. */
    static const uint8_t first[] = {0x02, 0x01, 0x02, 0x01, 0x04}; /* end of its OID, then it */
    uint8_t *at = memmem(ext.b, ext.n, first, sizeof first);
    cr_assert(at);
    at[4] = 0x80;
    cr_assert_not(tdx_pck_parse(ext.b, ext.n, &p));
}

Test(tdx_readers, nothing_is_left_behind_by_a_chain_that_is_cut, .init = setup, .fini = teardown)
{
    char pem[8192] = "";
    struct crypto_cert *c[2];
    struct err e = {0};
    bench_make(&b);
    bench_pem(&b.der[BENCH_CA], pem, sizeof pem);
    bench_pem(&b.der[BENCH_ROOT], pem, sizeof pem);
    size_t len = strlen(pem);
    cr_assert_eq(tdx_pem_certs(pem, len, 2, c, &e), 0, "%s", e.text);
    crypto_cert_free(c[0]);
    crypto_cert_free(c[1]);
    cr_assert_eq(tdx_pem_certs(pem, len - 1, 2, c, &e), 0); /* the last line end may be missing */
    crypto_cert_free(c[0]);
    crypto_cert_free(c[1]);
    for (size_t n = 0; n < len - 1; n += 7) {
        e = (struct err){0};
        cr_assert_lt(tdx_pem_certs(pem, n, 2, c, &e), 0, "%zu", n);
    }
}
