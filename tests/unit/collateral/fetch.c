/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetching, from a server on this machine that answers as Intel's and AMD's do, or not as they do.
 */
#include "attest/collateral/fetch.h"
#include "attest/json.h"
#include "tests/unit/tdx/bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

static struct bench b;

/* ---- a server: one canned answer per path, every path that was asked written down */

struct page {
    const char *path; /* with the query */
    int status;
    char *header; /* malloc; "" = none */
    char *body;   /* malloc */
    size_t len;
};

static struct {
    int fd;
    unsigned port;
    pthread_t thread;
    struct page pages[8];
    size_t page_count;
    char asked[4096];
} server;

static void answer(int fd)
{
    char request[4096], head[16384];
    size_t n = 0;
    ssize_t got;
    while (n < sizeof request - 1 && (got = read(fd, request + n, sizeof request - 1 - n)) > 0) {
        n += (size_t)got;
        request[n] = '\0';
        if (strstr(request, "\r\n\r\n")) { break; }
    }
    char *path = strchr(request, ' ');
    char *end = path ? strchr(path + 1, ' ') : NULL;
    if (!end) { return; }
    *end = '\0';
    path++;
    size_t at = strlen(server.asked);
    snprintf(server.asked + at, sizeof server.asked - at, "%s\n", path);
    struct page missing = {.status = 404, .header = "", .body = "", .len = 0}, *p = &missing;
    for (size_t i = 0; i < server.page_count; i++) {
        if (strcmp(server.pages[i].path, path) == 0) { p = &server.pages[i]; }
    }
    int len = snprintf(head, sizeof head,
                       "HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n",
                       p->status, p->header, p->len);
    if (write(fd, head, (size_t)len) == len) { (void)!write(fd, p->body, p->len); }
}

static void *serve(void *arg)
{
    for (;;) {
        int fd = accept(server.fd, NULL, NULL);
        if (fd < 0) { return arg; }
        answer(fd);
        close(fd);
    }
}

static void page(const char *path, int status, const char *header, const void *body, size_t len)
{
    struct page *p = &server.pages[server.page_count++];
    cr_assert_leq(server.page_count, 8);
    *p = (struct page){.path = path, .status = status, .header = strdup(header), .len = len};
    p->body = malloc(len + 1);
    memcpy(p->body, body, len);
}

/* "Name: <percent-encoded PEM>\r\n" */
static void chain_header(const char *name, const char *member, char *out, size_t cap)
{
    const char *pem = json_string_value(json_object_get(b.set, member));
    size_t at = (size_t)snprintf(out, cap, "%s: ", name);
    for (; *pem; pem++) {
        bool plain = (*pem >= 'a' && *pem <= 'z') || (*pem >= 'A' && *pem <= 'Z') ||
                     (*pem >= '0' && *pem <= '9');
        at += (size_t)snprintf(out + at, cap - at, plain ? "%c" : "%%%02X", (unsigned char)*pem);
    }
    snprintf(out + at, cap - at, "\r\n");
}

static void document_page(const char *path, const char *header, const char *name, const char *as)
{
    char head[9000], body[20000], member[64];
    snprintf(member, sizeof member, "%s_issuer_chain", as);
    chain_header(header, member, head, sizeof head);
    snprintf(member, sizeof member, "%s_signature", as);
    snprintf(body, sizeof body, "{\"%s\":%s,\"signature\":\"%s\"}", name,
             json_string_value(json_object_get(b.set, as)),
             json_string_value(json_object_get(b.set, member)));
    page(path, 200, head, body, strlen(body));
}

#define TCB      "/tdx/certification/v4/tcb?fmspc=00a06d080000"
#define QE       "/tdx/certification/v4/qe/identity"
#define PCK_CRL  "/sgx/certification/v4/pckcrl?ca=platform&encoding=der"
#define ROOT_CRL "/IntelSGXRootCA.der"

static void intel_pages(void)
{
    char head[9000];
    struct der *d = calloc(1, sizeof *d);
    document_page(TCB, "TCB-Info-Issuer-Chain", "tcbInfo", "tcb_info");
    document_page(QE, "SGX-Enclave-Identity-Issuer-Chain", "enclaveIdentity", "qe_identity");
    chain_header("sgx-pck-crl-issuer-chain", "pck_crl_issuer_chain", head, sizeof head);
    bench_make_crl(&b, &b.pck_crl, d);
    page(PCK_CRL, 200, head, d->b, d->n);
    bench_make_crl(&b, &b.root_crl, d);
    page(ROOT_CRL, 200, "", d->b, d->n);
    free(d);
}

static void setup(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof a;
    bench_init(&b);
    bench_make(&b);
    memset(&server, 0, sizeof server);
    server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(server.fd, (struct sockaddr *)&a, sizeof a), 0);
    cr_assert_eq(listen(server.fd, 8), 0);
    cr_assert_eq(getsockname(server.fd, (struct sockaddr *)&a, &len), 0);
    server.port = ntohs(a.sin_port);
    cr_assert_eq(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static void teardown(void)
{
    shutdown(server.fd, SHUT_RDWR);
    close(server.fd);
    pthread_join(server.thread, NULL);
    for (size_t i = 0; i < server.page_count; i++) {
        free(server.pages[i].header);
        free(server.pages[i].body);
    }
    bench_fini(&b);
}
TestSuite(fetch, .init = setup, .fini = teardown, .timeout = 60);

static const struct collateral_id here = {.kind = COLLATERAL_TDX,
                                          .fmspc = {0x00, 0xa0, 0x6d, 0x08, 0x00, 0x00}};

static int fetch(const struct collateral_id *id, char **out, size_t *len, struct err *e)
{
    static char base[64];
    snprintf(base, sizeof base, "http://127.0.0.1:%u", server.port);
    struct fetch_from from = {.intel = base, .intel_ca = base, .amd = base, .timeout_s = 20};
    return fetch_item(&from, id, out, len, e);
}

Test(fetch, four_answers_of_intels_become_a_set_that_verifies)
{
    struct err e = {0};
    struct verdict v = {0};
    struct tdx_collateral *c;
    char *text;
    size_t len;
    intel_pages();
    cr_assert_eq(fetch(&here, &text, &len, &e), 0, "%s", e.text);
    tdx_collateral_open(text, len, b.root_key, &c, &v);
    cr_assert(c, "%s", v.reasons[0].text);
    tdx_collateral_free(c);
    free(text);
    cr_assert_str_eq(server.asked, TCB "\n" QE "\n" PCK_CRL "\n" ROOT_CRL "\n");
}

Test(fetch, the_processor_ca_has_a_list_of_its_own)
{
    struct collateral_id id = here;
    char *text;
    size_t len;
    struct err e = {0};
    id.processor_ca = true;
    intel_pages();
    cr_assert_lt(fetch(&id, &text, &len, &e), 0);
    cr_assert(strstr(e.text, "pckcrl?ca=processor&encoding=der: answered 404"), "%s", e.text);
}

Test(fetch, answers_out_of_shape_are_errors_that_say_which)
{
    static const struct {
        const char *path, *header, *body, *says;
        int status;
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
        {TCB, "Location: http://127.0.0.1/\r\n", "", "answered 302", 302},
        {TCB, "", "", "answered 503", 503},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text;
        size_t len;
        struct err e = {0};
        for (size_t k = 0; k < server.page_count; k++) {
            free(server.pages[k].header);
            free(server.pages[k].body);
        }
        server.page_count = 0;
        page(cases[i].path, cases[i].status, cases[i].header, cases[i].body, strlen(cases[i].body));
        cr_assert_lt(fetch(&here, &text, &len, &e), 0);
        cr_assert(strstr(e.text, cases[i].says), "%s; wanted %s", e.text, cases[i].says);
    }
}

Test(fetch, an_answer_without_end_is_cut_off)
{
    char *text, *big = calloc(1, 3u << 20);
    size_t len;
    struct err e = {0};
    page(TCB, 200, "TCB-Info-Issuer-Chain: x\r\n", big, 3u << 20);
    cr_assert_lt(fetch(&here, &text, &len, &e), 0);
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
    cr_assert_str_eq(server.asked, "/vcek/v1/Milan/" AB8 AB8 AB8 AB8 AB8 AB8 AB8 AB8
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
