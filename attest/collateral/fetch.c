/* SPDX-License-Identifier: Apache-2.0 */
/* See fetch.h. Reads bytes of strangers, by libcurl. */
#include "attest/collateral/fetch.h"

#include "attest/hex.h"
#include "attest/json.h"
#include "guest/base/hosted.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define URL_MAX     1024
#define CHAIN_MAX   16384 /* characters of a chain in a header line */
#define CHAIN_NAMES 2

/* ---- one request ----------------------------------------------------------------------------- */

struct answer {
    const char *const *chain_names; /* headers that may bring the chain; NULL = none is wanted */
    char *body;                     /* heap, a zero byte behind it */
    size_t len;
    char *chain; /* heap, percent-encoded; NULL = none came */
};

static void answer_fini(struct answer *a)
{
    free(a->body);
    free(a->chain);
}
#define auto_answer __attribute__((cleanup(answer_fini))) struct answer

static size_t on_body(char *p, size_t one, size_t n, void *arg)
{
    struct answer *a = arg;
    n *= one;
    if (n > COLLATERAL_ITEM_MAX - a->len) { return 0; } /* ends the transfer */
    char *body = realloc(a->body, a->len + n + 1);
    if (!body) { return 0; }
    memcpy(body + a->len, p, n);
    a->body = body;
    a->len += n;
    body[a->len] = '\0';
    return n;
}

/* "Name: value\r\n", one line a call. */
static size_t on_header(char *p, size_t one, size_t n, void *arg)
{
    struct answer *a = arg;
    n *= one;
    for (size_t i = 0; a->chain_names && i < CHAIN_NAMES; i++) {
        size_t name = strlen(a->chain_names[i]);
        if (n <= name || n > CHAIN_MAX || p[name] != ':' ||
            strncasecmp(p, a->chain_names[i], name) != 0) {
            continue;
        }
        size_t from = name + 1, to = n;
        while (from < to && p[from] == ' ') { from++; }
        while (to > from && (p[to - 1] == '\r' || p[to - 1] == '\n' || p[to - 1] == ' ')) { to--; }
        free(a->chain);
        a->chain = strndup(p + from, to - from);
        if (!a->chain) { return 0; }
    }
    return n;
}

static void curl_cleanup(CURL **c) { curl_easy_cleanup(*c); }

/* Called at least once a second. */
static int on_progress(void *arg, curl_off_t down, curl_off_t down_now, curl_off_t up,
                       curl_off_t up_now)
{
    const atomic_bool *stop = arg;
    (void)down, (void)down_now, (void)up, (void)up_now;
    return atomic_load(stop);
}

static bool set_optional(CURL *c, const struct fetch_from *from)
{
    if (from->ca_file && curl_easy_setopt(c, CURLOPT_CAINFO, from->ca_file) != CURLE_OK) {
        return false;
    }
    return !from->stop ||
           (curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
            curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK &&
            curl_easy_setopt(c, CURLOPT_XFERINFODATA, (void *)(uintptr_t)from->stop) == CURLE_OK);
}

/* A service in trouble, and not one that has no such item? */
static bool is_outage(long status) { return status >= 500 || status == 408 || status == 429; }

static int get(const char *url, const struct fetch_from *from, struct answer *a, struct err *e)
{
    __attribute__((cleanup(curl_cleanup))) CURL *c = curl_easy_init();
    char why[CURL_ERROR_SIZE] = "";
    long status = 0;
    if (!c) { return err_set(e, ENOMEM, "%s: out of memory", url); }
    bool set = curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK &&
               curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
               curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
               curl_easy_setopt(c, CURLOPT_TIMEOUT, from->timeout_s) == CURLE_OK &&
               curl_easy_setopt(c, CURLOPT_USERAGENT, "casemate/" CASEMATE_VERSION) == CURLE_OK &&
               curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why) == CURLE_OK &&
               curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
               curl_easy_setopt(c, CURLOPT_WRITEDATA, a) == CURLE_OK &&
               curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
               curl_easy_setopt(c, CURLOPT_HEADERDATA, a) == CURLE_OK && set_optional(c, from);
    if (!set) { return err_set(e, EINVAL, "%s: not an address", url); }
    CURLcode r = curl_easy_perform(c);
    if (r == CURLE_WRITE_ERROR) { return err_set(e, EBADMSG, "%s: too large", url); }
    if (r != CURLE_OK) {
        return err_set(e, EIO, "%s: %s", url, why[0] ? why : curl_easy_strerror(r));
    }
    (void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) {
        return err_set(e, is_outage(status) ? EIO : ENOENT, "%s: answered %ld, wanted 200", url,
                       status);
    }
    if (!a->body) { return err_set(e, EBADMSG, "%s: an empty answer", url); }
    if (a->chain_names && !a->chain) {
        return err_set(e, EBADMSG, "%s: no header %s", url, a->chain_names[0]);
    }
    return 0;
}

/* ---- parts of answers ------------------------------------------------------------------------ */

static bool nibble(char c, unsigned *out)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;
    if (!at) { return false; }
    *out = (unsigned)(at - digits) % 16;
    return true;
}

int fetch_unescape(const char *text, char **out, struct err *e)
{
    auto_free char *p = malloc(strlen(text) + 1);
    size_t n = 0;
    if (!p) { return err_set(e, ENOMEM, "out of memory"); }
    for (size_t i = 0; text[i]; i++) {
        unsigned hi, lo;
        if (text[i] != '%') {
            p[n++] = text[i];
            continue;
        }
        if (!nibble(text[i + 1], &hi) || !nibble(text[i + 2], &lo) || (hi | lo) == 0) {
            return err_set(e, EBADMSG, "the chain in the header is not percent-encoded text");
        }
        p[n++] = (char)(hi << 4 | lo);
        i += 2;
    }
    p[n] = '\0';
    *out = steal_ptr(&p);
    return 0;
}

int fetch_signed(const char *body, size_t len, const char *name, char **out_text,
                 char **out_signature, struct err *e)
{
    auto_json doc = NULL;
    const char *signature;
    struct view text;
    int r = json_load_strict("the answer", body, len, COLLATERAL_ITEM_MAX, &doc, e);
    if (r == 0) { r = json_get_text("the answer", doc, "signature", &signature, e); }
    if (r < 0) { return r; }
    if (!json_member_text(body, len, name, &text) || text.len == 0 || text.p[0] != '{') {
        return err_set(e, EBADMSG, "the answer: no object \"%s\"", name);
    }
    auto_free char *t = strndup((const char *)text.p, text.len);
    auto_free char *s = strdup(signature);
    if (!t || !s) { return err_set(e, ENOMEM, "out of memory"); }
    *out_text = steal_ptr(&t);
    *out_signature = steal_ptr(&s);
    return 0;
}

/* ---- Intel: a set from four answers ---------------------------------------------------------- */

static int put_text(json_t *set, const char *name, const char *text, struct err *e)
{
    return json_object_set_new(set, name, json_string(text)) != 0
               ? err_set(e, ENOMEM, "%s: out of memory, or not UTF-8", name)
               : 0;
}

static int put_hex(json_t *set, const char *name, const struct answer *a, struct err *e)
{
    auto_free char *hex = malloc(HEX_LEN(a->len));
    if (!hex) { return err_set(e, ENOMEM, "out of memory"); }
    hex_encode((const uint8_t *)a->body, a->len, hex);
    return put_text(set, name, hex, e);
}

static int put_chain(json_t *set, const char *name, const struct answer *a, struct err *e)
{
    auto_free char *pem = NULL;
    int r = fetch_unescape(a->chain, &pem, e);
    return r < 0 ? r : put_text(set, name, pem, e);
}

static int fetch_document(const char *url, const struct fetch_from *from,
                          const char *const names[CHAIN_NAMES], const char *document,
                          const char *as, json_t *set, struct err *e)
{
    auto_answer a = {.chain_names = names};
    auto_free char *text = NULL;
    auto_free char *signature = NULL;
    char member[64];
    int r = get(url, from, &a, e);
    if (r == 0) { r = fetch_signed(a.body, a.len, document, &text, &signature, e); }
    if (r == 0) { r = put_text(set, as, text, e); }
    (void)snprintf(member, sizeof member, "%s_signature", as);
    if (r == 0) { r = put_text(set, member, signature, e); }
    (void)snprintf(member, sizeof member, "%s_issuer_chain", as);
    return r == 0 ? put_chain(set, member, &a, e) : r;
}

static int fetch_tdx(const struct fetch_from *from, const struct collateral_id *id, char **out,
                     size_t *out_len, struct err *e)
{
    static const char *const tcb_chain[] = {"TCB-Info-Issuer-Chain", "SGX-TCB-Info-Issuer-Chain"};
    static const char *const qe_chain[] = {"SGX-Enclave-Identity-Issuer-Chain",
                                           "Enclave-Identity-Issuer-Chain"};
    static const char *const crl_chain[] = {"SGX-PCK-CRL-Issuer-Chain", "PCK-CRL-Issuer-Chain"};
    char url[URL_MAX], fmspc[HEX_LEN(TDX_FMSPC)];
    auto_json set = json_object();
    auto_answer pck_crl = {.chain_names = crl_chain}, root_crl = {0};
    hex_encode(id->fmspc, TDX_FMSPC, fmspc);
    if (!set) { return err_set(e, ENOMEM, "out of memory"); }

    (void)snprintf(url, sizeof url, "%s/tdx/certification/v4/tcb?fmspc=%s", from->intel, fmspc);
    int r = fetch_document(url, from, tcb_chain, "tcbInfo", "tcb_info", set, e);
    (void)snprintf(url, sizeof url, "%s/tdx/certification/v4/qe/identity", from->intel);
    if (r == 0) {
        r = fetch_document(url, from, qe_chain, "enclaveIdentity", "qe_identity", set, e);
    }
    (void)snprintf(url, sizeof url, "%s/sgx/certification/v4/pckcrl?ca=%s&encoding=der",
                   from->intel, id->processor_ca ? "processor" : "platform");
    if (r == 0) { r = get(url, from, &pck_crl, e); }
    if (r == 0) { r = put_hex(set, "pck_crl", &pck_crl, e); }
    if (r == 0) { r = put_chain(set, "pck_crl_issuer_chain", &pck_crl, e); }
    (void)snprintf(url, sizeof url, "%s/IntelSGXRootCA.der", from->intel_ca);
    if (r == 0) { r = get(url, from, &root_crl, e); }
    if (r == 0) { r = put_hex(set, "root_ca_crl", &root_crl, e); }
    if (r < 0) { return r; }
    *out = json_dumps(set, JSON_COMPACT);
    if (!*out) { return err_set(e, ENOMEM, "out of memory"); }
    *out_len = strlen(*out);
    return 0;
}

/* ---- AMD ------------------------------------------------------------------------------------- */

/* TCB levels stand in the query, in decimal and in the order of the report's bytes [KDS]. */
static void vcek_query(const struct collateral_id *id, char *out, size_t cap)
{
    struct snp_tcb t;
    char fmc[16] = "";
    (void)snp_tcb_read(id->product, id->tcb, &t); /* what does not fit has no certificate */
    if (id->product == SNP_TURIN) { (void)snprintf(fmc, sizeof fmc, "fmcSPL=%02u&", t.fmc); }
    (void)snprintf(out, cap, "%sblSPL=%02u&teeSPL=%02u&snpSPL=%02u&ucodeSPL=%02u", fmc, t.bl, t.tee,
                   t.snp, t.ucode);
}

static int fetch_amd(const struct fetch_from *from, const struct collateral_id *id, char **out,
                     size_t *out_len, struct err *e)
{
    char url[URL_MAX], chip[HEX_LEN(COLLATERAL_CHIP_MAX)], query[128];
    const char *key = id->vlek ? "vlek" : "vcek", *product = snp_product_name(id->product);
    auto_answer a = {0};
    hex_encode(id->chip, id->chip_len, chip);
    vcek_query(id, query, sizeof query);
    switch (id->kind) {
    case COLLATERAL_VCEK:
        (void)snprintf(url, sizeof url, "%s/vcek/v1/%s/%s?%s", from->amd, product, chip, query);
        break;
    case COLLATERAL_AMD_CHAIN:
        (void)snprintf(url, sizeof url, "%s/%s/v1/%s/cert_chain", from->amd, key, product);
        break;
    default: (void)snprintf(url, sizeof url, "%s/vcek/v1/%s/crl", from->amd, product); break;
    }
    int r = get(url, from, &a, e);
    if (r < 0) { return r; }
    *out = steal_ptr(&a.body);
    *out_len = a.len;
    return 0;
}

int fetch_item(const struct fetch_from *from, const struct collateral_id *id, char **out,
               size_t *out_len, struct err *e)
{
    switch (id->kind) {
    case COLLATERAL_TDX: return fetch_tdx(from, id, out, out_len, e);
    case COLLATERAL_VCEK:
    case COLLATERAL_AMD_CHAIN:
    case COLLATERAL_AMD_CRL: return fetch_amd(from, id, out, out_len, e);
    case COLLATERAL_NONE: break;
    }
    return err_set(e, EINVAL, "an item without a kind");
}
