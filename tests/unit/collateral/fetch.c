/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetching, from a server on this machine that answers as Intel's and AMD's do, or not as they do.
 */
#include "attest/collateral/fetch.h"
#include "attest/json.h"
#include "tests/unit/collateral/intel.h"

#include <errno.h>

static struct bench b;

static void setup(void)
{
    bench_init(&b);
    bench_make(&b);
    service_start();
}

static void teardown(void)
{
    service_stop();
    bench_fini(&b);
}
TestSuite(fetch, .init = setup, .fini = teardown, .timeout = 60);

static const struct collateral_id here = {.kind = COLLATERAL_TDX,
                                          .fmspc = {0x00, 0xa0, 0x6d, 0x08, 0x00, 0x00}};

static int fetch(const struct collateral_id *id, char **out, size_t *len, struct err *e)
{
    struct fetch_from from = {
        .intel = service.url, .intel_ca = service.url, .amd = service.url, .timeout_s = 20};
    return fetch_item(&from, id, out, len, e);
}

Test(fetch, four_answers_of_intels_become_a_set_that_verifies)
{
    struct err e = {0};
    struct verdict v = {0};
    struct tdx_collateral *c;
    char *text;
    size_t len;
    intel_pages(&b);
    cr_assert_eq(fetch(&here, &text, &len, &e), 0, "%s", e.text);
    tdx_collateral_open(text, len, b.root_key, &c, &v);
    cr_assert(c, "%s", v.reasons[0].text);
    tdx_collateral_free(c);
    free(text);
    cr_assert_str_eq(service.asked, TCB "\n" QE "\n" PCK_CRL "\n" ROOT_CRL "\n");
}

Test(fetch, the_processor_ca_has_a_list_of_its_own)
{
    struct collateral_id id = here;
    char *text;
    size_t len;
    struct err e = {0};
    id.processor_ca = true;
    intel_pages(&b);
    cr_assert_lt(fetch(&id, &text, &len, &e), 0);
    cr_assert(strstr(e.text, "pckcrl?ca=processor&encoding=der: answered 404"), "%s", e.text);
}

Test(fetch, answers_out_of_shape_are_errors_that_say_which)
{
    static const struct {
        const char *path, *header, *body, *says;
        int status, r;
    } cases[] = {
        {TCB, "", "{\"tcbInfo\":{},\"signature\":\"00\"}", "no header TCB-Info-Issuer-Chain", 200},
        {TCB, "TCB-Info-Issuer-Chain: %\r\n", "{\"tcbInfo\":{},\"signature\":\"00\"}",
         "percent-encoded", 200},
        {TCB, "TCB-Info-Issuer-Chain: %00\r\n", "{\"tcbInfo\":{},\"signature\":\"00\"}",
         "percent-encoded", 200},
        {TCB, "TCB-Info-Issuer-Chain: x\r\n", "{\"tcbInfo\":[],\"signature\":\"00\"}",
         "no object \"tcbInfo\"", 200},
        {TCB, "TCB-Info-Issuer-Chain: x\r\n", "{\"tcbInfo\":{}}", "\"signature\" is missing", 200},
        {TCB, "TCB-Info-Issuer-Chain: x\r\n", "{\"signature\":\"00\"}", "no object", 200},
        {TCB, "TCB-Info-Issuer-Chain: x\r\n", "<html>", "not JSON", 200},
        {TCB, "TCB-Info-Issuer-Chain: x\r\n", "", "empty answer", 200},
        {TCB, "Location: http://127.0.0.1/\r\n", "", "answered 302", 302, -ENOENT},
        {TCB, "", "", "answered 404", 404, -ENOENT},
        {TCB, "", "", "answered 429", 429, -EIO},
        {TCB, "", "", "answered 503", 503, -EIO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text;
        size_t len;
        struct err e = {0};
        service_drop_pages();
        page(cases[i].path, cases[i].status, cases[i].header, cases[i].body, strlen(cases[i].body));
        int r = fetch(&here, &text, &len, &e);
        cr_assert_eq(r, cases[i].r ? cases[i].r : -EBADMSG, "%s: %d", e.text, r);
        cr_assert(strstr(e.text, cases[i].says), "%s; wanted %s", e.text, cases[i].says);
    }
}

Test(fetch, an_answer_without_end_is_cut_off)
{
    char *text, *big = calloc(1, 3u << 20);
    size_t len;
    struct err e = {0};
    page(TCB, 200, "TCB-Info-Issuer-Chain: x\r\n", big, 3u << 20);
    cr_assert_eq(fetch(&here, &text, &len, &e), -EBADMSG, "and says nothing about the service");
    free(big);
}

Test(fetch, nobody_there_is_an_error)
{
    struct fetch_from from = {.intel = "http://127.0.0.1:1", .intel_ca = "x", .timeout_s = 5};
    struct fetch_from file = {.intel = "file:///etc", .intel_ca = "x", .timeout_s = 5};
    char *text;
    size_t len;
    struct err e = {0};
    cr_assert_eq(fetch_item(&from, &here, &text, &len, &e), -EIO);
    e = (struct err){0};
    cr_assert_lt(fetch_item(&file, &here, &text, &len, &e), 0);
}

Test(fetch, amds_paths_name_product_chip_and_levels)
{
    struct collateral_id id = {.kind = COLLATERAL_VCEK,
                               .product = SNP_MILAN,
                               .chip_len = 64,
                               .tcb = {3, 1, 0, 0, 0, 0, 24, 219}};
    char *text;
    size_t len;
    struct err e = {0};
    memset(id.chip, 0xab, 64);
    cr_assert_lt(fetch(&id, &text, &len, &e), 0);
    id = (struct collateral_id){.kind = COLLATERAL_VCEK,
                                .product = SNP_TURIN,
                                .chip_len = 8,
                                .chip = {1, 2, 3, 4, 5, 6, 7, 8},
                                .tcb = {1, 2, 3, 4, 0, 0, 0, 72}};
    cr_assert_lt(fetch(&id, &text, &len, &(struct err){0}), 0);
    id = (struct collateral_id){.kind = COLLATERAL_AMD_CHAIN, .product = SNP_GENOA};
    cr_assert_lt(fetch(&id, &text, &len, &(struct err){0}), 0);
    id.vlek = true;
    cr_assert_lt(fetch(&id, &text, &len, &(struct err){0}), 0);
    id = (struct collateral_id){.kind = COLLATERAL_AMD_CRL, .product = SNP_GENOA};
    cr_assert_lt(fetch(&id, &text, &len, &(struct err){0}), 0);
#define AB8 "abababababababab"
    cr_assert_str_eq(service.asked, "/vcek/v1/Milan/" AB8 AB8 AB8 AB8 AB8 AB8 AB8 AB8
                                    "?blSPL=03&teeSPL=01&snpSPL=24&ucodeSPL=219\n"
                                    "/vcek/v1/Turin/0102030405060708"
                                    "?fmcSPL=01&blSPL=02&teeSPL=03&snpSPL=04&ucodeSPL=72\n"
                                    "/vcek/v1/Genoa/cert_chain\n"
                                    "/vlek/v1/Genoa/cert_chain\n"
                                    "/vcek/v1/Genoa/crl\n");
}

Test(fetch, the_signed_text_is_cut_out_as_it_stands)
{
    static const struct {
        const char *body, *text; /* NULL = refused */
    } cases[] = {
        {"{\"tcbInfo\":{\"a\":1},\"signature\":\"s\"}", "{\"a\":1}"},
        {" { \"signature\" : \"s\" , \"tcbInfo\" : { \"a\" : [ 1 , 2 ] } } ",
         "{ \"a\" : [ 1 , 2 ] }"},
        {"{\"tcbInfo\":{\"a\":\"}\\\"{\",\"b\":\"\\\\\"},\"signature\":\"s\"}",
         "{\"a\":\"}\\\"{\",\"b\":\"\\\\\"}"},
        {"{\"x\":{\"tcbInfo\":{\"no\":1}},\"n\":-1.5e3,\"t\":true,\"tcbInfo\":{\"yes\":1},"
         "\"signature\":\"s\"}",
         "{\"yes\":1}"},
        {"{\"tcbInfo\":{},\"tcbInfo\":{},\"signature\":\"s\"}", NULL},
        {"{\"tcbInfo\":\"{}\",\"signature\":\"s\"}", NULL},
        {"{\"x\":\"tcbInfo\",\"signature\":\"s\"}", NULL},
        {"[{\"tcbInfo\":{},\"signature\":\"s\"}]", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text, *sig;
        struct err e = {0};
        int r = fetch_signed(cases[i].body, strlen(cases[i].body), "tcbInfo", &text, &sig, &e);
        cr_assert_eq(r == 0, cases[i].text != NULL, "case %zu: %s", i, e.text);
        if (r < 0) { continue; }
        cr_assert_str_eq(text, cases[i].text);
        cr_assert_str_eq(sig, "s");
        free(text);
        free(sig);
    }
}
