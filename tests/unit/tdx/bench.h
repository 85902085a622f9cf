/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intel's whole hierarchy with keys of our own: root, PCK CA, PCK certificate, TCB signer, both
 * revocation lists, TCB info, QE identity and a quote, all genuine under a root that the test
 * trusts. A test turns one knob, or pokes at one byte before or after it is signed, and asks for
 * the verdict: so what is refused is refused for that, and not for a signature broken on the way.
 *
 * Certificates are written here in DER, byte by byte, so that they can also be written wrong.
 */
#ifndef CASEMATE_TESTS_TDX_BENCH_H
#define CASEMATE_TESTS_TDX_BENCH_H

#include "attest/base64.h"
#include "attest/crypto.h"
#include "attest/verify/tdx/codes.h"
#include "attest/verify/tdx/tdx.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing DER ----------------------------------------------------------------------------- */

struct der {
    uint8_t b[16384];
    size_t n;
};

static inline void der_raw(struct der *d, const void *p, size_t n)
{
    cr_assert_leq(d->n + n, sizeof d->b);
    memcpy(d->b + d->n, p, n);
    d->n += n;
}

static inline void der_put(struct der *d, uint8_t tag, const void *p, size_t n)
{
    uint8_t head[4] = {tag, (uint8_t)n};
    size_t used = 2;
    if (n >= 0x80) {
        head[1] = n < 0x100 ? 0x81 : 0x82;
        head[2] = (uint8_t)(n < 0x100 ? n : n >> 8);
        head[3] = (uint8_t)n;
        used = n < 0x100 ? 3 : 4;
    }
    der_raw(d, head, used);
    der_raw(d, p, n);
}

/* Wraps everything in d from byte `from` on into one element. */
static inline void der_wrap(struct der *d, size_t from, uint8_t tag)
{
    struct der *inner = malloc(sizeof *inner);
    cr_assert(inner);
    inner->n = d->n - from;
    memcpy(inner->b, d->b + from, inner->n);
    d->n = from;
    der_put(d, tag, inner->b, inner->n);
    free(inner);
}

static inline void der_uint(struct der *d, uint8_t tag, uint32_t v)
{
    uint8_t b[5] = {0, (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    size_t i = 0;
    while (i < 4 && b[i] == 0 && b[i + 1] < 0x80) { i++; }
    der_put(d, tag, b + i, sizeof b - i);
}

/* ---- the knobs ------------------------------------------------------------------------------- */

#define BENCH_NOW      1780272000 /* 2026-06-01T00:00:00Z */
#define BENCH_PLATFORM "Intel SGX PCK Platform CA"

enum bench_who { BENCH_ROOT, BENCH_CA, BENCH_PCK, BENCH_SIGNER, BENCH_CERTS };

struct bench_cert {
    const char *subject, *issuer; /* common names */
    const char *from, *to;        /* UTCTime */
    bool ca;
    uint8_t usage; /* first byte of key usage */
    uint8_t serial;
    enum bench_who by;  /* whose key signs */
    bool other_key;     /* signed by a key nobody knows */
    bool odd_critical;  /* with a critical extension nobody knows */
    bool long_lengths;  /* BER: outer length in a form longer than needed */
    bool trailing_byte; /* behind the certificate */
};

struct bench_crl {
    const char *issuer;
    const char *from, *to;
    uint8_t revoked; /* serial number; 0 = none */
    enum bench_who by;
};

struct bench {
    struct crypto_key *key[BENCH_CERTS], *ak, *stranger;
    struct bench_cert cert[BENCH_CERTS];
    struct bench_crl root_crl, pck_crl;

    /* SGX extension */
    uint8_t components[16], fmspc[6], pce_id[2], ppid[16];
    uint16_t pce_svn;
    bool no_extension, swapped_extension;

    /* Documents, signed as they stand here. */
    char tcb_info[16384], qe_identity[4096];
    bool tcb_other_signer;

    /* Quote: header and body as they will be signed, the report of the quoting enclave likewise. */
    uint8_t head[1024];
    size_t head_len;
    uint8_t qe[384];
    bool keep_qe_report_data, ak_not_on_curve, quote_other_key, pem_nul;
    const char *pem_between; /* text between two certificates */
    enum bench_who pem_order[4];
    size_t pem_count;
    uint16_t outer_type, inner_type;

    int64_t now;
    uint32_t min_evaluation;
    const char *policy; /* JSON; NULL = none */

    /* Made by bench_make(). */
    struct der der[BENCH_CERTS];
    uint8_t quote[16384];
    size_t quote_len;
    size_t ak_at, qe_at, pem_at; /* where they begin in the quote */
    json_t *set;                 /* collateral */
    uint8_t root_key[32];

    struct verdict v;
    struct tdx_facts f;
};

/* Offsets in a version 4 quote [TDX-QUOTE]; version 5 has six bytes more before the body. */
#define Q4_BODY        48
#define B_SVN          0
#define B_SEAM_SIGNER  64
#define B_SEAM_ATTR    112
#define B_ATTR         120
#define B_XFAM         128
#define B_MR_TD        136
#define B_CONFIG_ID    184
#define B_OWNER        232
#define B_OWNER_CONFIG 280
#define B_RTMR         328
#define B_REPORT_DATA  520
#define B_SVN2         584
#define B_SERVICE_TD   600

static inline uint8_t *bench_body(struct bench *b)
{
    return b->head + (b->head[0] == 4 ? Q4_BODY : Q4_BODY + 6);
}

static inline void bench_head(struct bench *b, int version)
{
    static const uint8_t vendor[16] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                       0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};
    memset(b->head, 0, sizeof b->head);
    b->head[0] = (uint8_t)version;
    b->head[2] = 2;
    b->head[4] = 0x81;
    memcpy(b->head + 12, vendor, sizeof vendor);
    b->head_len = 48 + 584;
    if (version == 5) {
        b->head[48] = 3;
        b->head[50] = 0x88, b->head[51] = 0x02; /* 648 */
        b->head_len = 54 + 648;
    }
    uint8_t *body = bench_body(b);
    body[B_SVN] = 5, body[B_SVN + 1] = 1, body[B_SVN + 2] = 3;
    body[B_ATTR + 3] = 0x10;
    body[B_XFAM] = 0xe7;
    memset(body + B_MR_TD, 0x4d, 48);
    memset(body + B_RTMR, 0x72, 48);
    memset(body + B_REPORT_DATA, 0xda, 64);
    if (version == 5) { body[B_SVN2] = 5, body[B_SVN2 + 1] = 1, body[B_SVN2 + 2] = 3; }
}

#define BENCH_ZERO96                                                                               \
    "000000000000000000000000000000000000000000000000"                                             \
    "000000000000000000000000000000000000000000000000"
#define BENCH_MODULE_REST                                                                          \
    "\"mrsigner\":\"" BENCH_ZERO96                                                                 \
    "\",\"attributes\":\"0000000000000000\",\"attributesMask\":\"FFFFFFFFFFFFFFFF\""

/* A TCB level: the first three SGX components, PCE SVN, the first three TDX components. */
static inline void bench_level(char *out, size_t cap, const int sgx[3], int pce, const int tdx[3],
                               const char *rest)
{
    char s[512] = "", t[512] = "";
    for (int i = 0; i < 16; i++) {
        snprintf(s + strlen(s), sizeof s - strlen(s), "%s{\"svn\":%d}", i ? "," : "",
                 i < 3 ? sgx[i] : 0);
        snprintf(t + strlen(t), sizeof t - strlen(t), "%s{\"svn\":%d}", i ? "," : "",
                 i < 3 ? tdx[i] : 0);
    }
    snprintf(out, cap,
             "{\"tcb\":{\"sgxtcbcomponents\":[%s],\"pcesvn\":%d,\"tdxtcbcomponents\":[%s]},"
             "\"tcbDate\":\"2026-01-01T00:00:00Z\",%s}",
             s, pce, t, rest);
}

/* The TCB info as a frame around levels and module levels. */
static inline void bench_tcb(struct bench *b, const char *levels, const char *module_levels)
{
    snprintf(b->tcb_info, sizeof b->tcb_info,
             "{\"id\":\"TDX\",\"version\":3,\"issueDate\":\"2026-05-20T00:00:00Z\","
             "\"nextUpdate\":\"2026-06-19T00:00:00Z\",\"fmspc\":\"00A06D080000\","
             "\"pceId\":\"0000\",\"tcbType\":0,\"tcbEvaluationDataNumber\":18,"
             "\"tdxModule\":{" BENCH_MODULE_REST "},"
             "\"tdxModuleIdentities\":[{\"id\":\"TDX_01\"," BENCH_MODULE_REST
             ",\"tcbLevels\":[%s]}],"
             "\"tcbLevels\":[%s]}",
             module_levels, levels);
}

#define BENCH_MODULE_5                                                                             \
    "{\"tcb\":{\"isvsvn\":5},\"tcbDate\":\"2026-01-01T00:00:00Z\",\"tcbStatus\":\"UpToDate\"}"
#define BENCH_MODULE_2                                                                             \
    "{\"tcb\":{\"isvsvn\":2},\"tcbDate\":\"2024-01-01T00:00:00Z\",\"tcbStatus\":\"OutOfDate\","    \
    "\"advisoryIDs\":[\"INTEL-SA-00002\"]}"

static inline void bench_default_levels(struct bench *b)
{
    static char newest[2048], older[2048], all[4100];
    bench_level(newest, sizeof newest, (int[]){4, 4, 2}, 13, (int[]){5, 0, 3},
                "\"tcbStatus\":\"UpToDate\"");
    bench_level(older, sizeof older, (int[]){2, 2, 2}, 11, (int[]){3, 0, 2},
                "\"tcbStatus\":\"OutOfDate\",\"advisoryIDs\":[\"INTEL-SA-00001\"]");
    snprintf(all, sizeof all, "%s,%s", newest, older);
    bench_tcb(b, all, BENCH_MODULE_5 "," BENCH_MODULE_2);
}

/* Everything good: version 4, accepted without a policy at BENCH_NOW. */
static inline void bench_init(struct bench *b)
{
    static const char from[] = "250101000000Z", to[] = "350101000000Z";
    static const struct bench_cert certs[BENCH_CERTS] = {
        [BENCH_ROOT] = {"Intel SGX Root CA", "Intel SGX Root CA", from, to, true, 0x06, 1,
                        BENCH_ROOT},
        [BENCH_CA] = {BENCH_PLATFORM, "Intel SGX Root CA", from, to, true, 0x06, 2, BENCH_ROOT},
        [BENCH_PCK] = {"Intel SGX PCK Certificate", BENCH_PLATFORM, from, to, false, 0xc0, 3,
                       BENCH_CA},
        [BENCH_SIGNER] = {"Intel SGX TCB Signing", "Intel SGX Root CA", from, to, false, 0xc0, 4,
                          BENCH_ROOT},
    };
    memset(b, 0, sizeof *b);
    for (size_t i = 0; i < BENCH_CERTS; i++) {
        cr_assert_eq(crypto_key_generate(CRYPTO_P256, 0, &b->key[i]), 0);
    }
    cr_assert_eq(crypto_key_generate(CRYPTO_P256, 0, &b->ak), 0);
    cr_assert_eq(crypto_key_generate(CRYPTO_P256, 0, &b->stranger), 0);
    memcpy(b->cert, certs, sizeof certs);
    b->root_crl =
        (struct bench_crl){"Intel SGX Root CA", "260501000000Z", "260701000000Z", 0, BENCH_ROOT};
    b->pck_crl = (struct bench_crl){BENCH_PLATFORM, "260501000000Z", "260701000000Z", 0, BENCH_CA};
    memcpy(b->components, (uint8_t[]){4, 4, 2}, 3);
    b->pce_svn = 13;
    memcpy(b->fmspc, "\x00\xa0\x6d\x08\x00\x00", 6);
    memset(b->ppid, 0x99, 16);
    bench_default_levels(b);
    snprintf(b->qe_identity, sizeof b->qe_identity,
             "{\"id\":\"TD_QE\",\"version\":2,\"issueDate\":\"2026-05-20T00:00:00Z\","
             "\"nextUpdate\":\"2026-06-19T00:00:00Z\",\"tcbEvaluationDataNumber\":18,"
             "\"miscselect\":\"00000000\",\"miscselectMask\":\"FFFFFFFF\","
             "\"attributes\":\"11000000000000000000000000000000\","
             "\"attributesMask\":\"FBFFFFFFFFFFFFFF0000000000000000\",\"mrsigner\":\""
             "DC9E2A7C6F948F17474E34A7FC43ED030F7C1563F1BABDDF6340C82E0E54A8C5\",\"isvprodid\":2,"
             "\"tcbLevels\":[{\"tcb\":{\"isvsvn\":4},\"tcbDate\":\"2026-01-01T00:00:00Z\","
             "\"tcbStatus\":\"UpToDate\"},{\"tcb\":{\"isvsvn\":2},\"tcbDate\":"
             "\"2025-01-01T00:00:00Z\",\"tcbStatus\":\"OutOfDate\"}]}");
    bench_head(b, 4);
    b->qe[48] = 0x15; /* a bit the mask leaves free is set */
    b->qe[48 + 8] = 0xe7;
    memcpy(b->qe + 128,
           "\xdc\x9e\x2a\x7c\x6f\x94\x8f\x17\x47\x4e\x34\xa7\xfc\x43\xed\x03\x0f\x7c\x15\x63\xf1"
           "\xba\xbd\xdf\x63\x40\xc8\x2e\x0e\x54\xa8\xc5",
           32);
    b->qe[256] = 2, b->qe[258] = 4;
    b->pem_order[0] = BENCH_PCK, b->pem_order[1] = BENCH_CA, b->pem_order[2] = BENCH_ROOT;
    b->pem_count = 3;
    b->outer_type = 6, b->inner_type = 5;
    b->now = BENCH_NOW;
}

static inline void bench_fini(struct bench *b)
{
    for (size_t i = 0; i < BENCH_CERTS; i++) { crypto_key_free(b->key[i]); }
    crypto_key_free(b->ak);
    crypto_key_free(b->stranger);
    json_decref(b->set);
}

/* In place of the first occurrence, which must be there. */
static inline void bench_replace(char *text, size_t cap, const char *from, const char *to)
{
    char *at = strstr(text, from);
    cr_assert(at, "%s is not in the text", from);
    size_t tail = strlen(at + strlen(from)) + 1;
    cr_assert_leq((size_t)(at - text) + strlen(to) + tail, cap);
    memmove(at + strlen(to), at + strlen(from), tail);
    memcpy(at, to, strlen(to));
}

/* ---- making ---------------------------------------------------------------------------------- */

static inline void bench_sign(const struct crypto_key *k, const void *p, size_t n, uint8_t sig[64])
{
    uint8_t digest[32], raw[2 * CRYPTO_COORD_MAX];
    size_t len;
    crypto_sha256(p, n, digest);
    cr_assert_eq(crypto_ecdsa_sign(k, digest, sizeof digest, raw, &len), 0);
    cr_assert_eq(len, 64);
    memcpy(sig, raw, 64);
}

static inline void bench_name(struct der *d, const char *cn)
{
    static const struct {
        uint8_t oid;
        const char *text;
    } parts[] = {{3, NULL}, {10, "Intel Corporation"}, {7, "Santa Clara"}, {8, "CA"}, {6, "US"}};
    size_t name = d->n;
    for (size_t i = 0; i < 5; i++) {
        size_t set = d->n;
        const char *text = parts[i].text ? parts[i].text : cn;
        der_put(d, 0x06, (uint8_t[]){0x55, 0x04, parts[i].oid}, 3);
        der_put(d, parts[i].oid == 6 ? 0x13 : 0x0c, text, strlen(text));
        der_wrap(d, set, 0x30);
        der_wrap(d, set, 0x31);
    }
    der_wrap(d, name, 0x30);
}

static inline void bench_alg(struct der *d)
{
    static const uint8_t ecdsa_sha256[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
    size_t at = d->n;
    der_put(d, 0x06, ecdsa_sha256, sizeof ecdsa_sha256);
    der_wrap(d, at, 0x30);
}

/* Everything in d so far is what is to be signed. */
static inline void bench_seal(struct der *d, const struct crypto_key *k)
{
    uint8_t sig[64];
    struct der *bits = calloc(1, sizeof *bits);
    cr_assert(bits);
    bench_sign(k, d->b, d->n, sig);
    bench_alg(d);
    for (size_t half = 0; half < 2; half++) {
        uint8_t n[33] = {0};
        size_t at = 1;
        memcpy(n + 1, sig + 32 * half, 32);
        while (at < 32 && n[at] == 0) { at++; }
        if (n[at] >= 0x80) { at--; }
        der_put(bits, 0x02, n + at, sizeof n - at);
    }
    der_wrap(bits, 0, 0x30);
    uint8_t value[100] = {0}; /* no unused bits */
    memcpy(value + 1, bits->b, bits->n);
    der_put(d, 0x03, value, bits->n + 1);
    free(bits);
    der_wrap(d, 0, 0x30);
}

static inline void bench_extension(struct der *d, const void *oid, size_t oid_len, bool critical,
                                   const struct der *value)
{
    size_t at = d->n;
    der_put(d, 0x06, oid, oid_len);
    if (critical) { der_put(d, 0x01, "\xff", 1); }
    der_put(d, 0x04, value->b, value->n);
    der_wrap(d, at, 0x30);
}

/* One {OID, value} of the SGX extension; sub 0 = one number. */
static inline void sgx_member(struct der *d, size_t from, uint8_t number, uint8_t sub)
{
    uint8_t oid[] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01, number, sub};
    struct der *value = malloc(sizeof *value);
    cr_assert(value);
    value->n = d->n - from;
    memcpy(value->b, d->b + from, value->n);
    d->n = from;
    der_put(d, 0x06, oid, sizeof oid - (sub ? 0 : 1));
    der_raw(d, value->b, value->n);
    der_wrap(d, from, 0x30);
    free(value);
}

static inline void sgx_octets(struct der *d, uint8_t number, uint8_t sub, const void *p, size_t n)
{
    size_t from = d->n;
    der_put(d, 0x04, p, n);
    sgx_member(d, from, number, sub);
}

static inline void sgx_number(struct der *d, uint8_t number, uint8_t sub, uint8_t tag, uint32_t v)
{
    size_t from = d->n;
    der_uint(d, tag, v);
    sgx_member(d, from, number, sub);
}

static inline void bench_sgx(const struct bench *b, struct der *d)
{
    d->n = 0;
    if (b->swapped_extension) { sgx_octets(d, 3, 0, b->pce_id, 2); }
    sgx_octets(d, 1, 0, b->ppid, 16);
    size_t tcb = d->n;
    for (uint8_t i = 0; i < 16; i++) { sgx_number(d, 2, i + 1, 0x02, b->components[i]); }
    sgx_number(d, 2, 17, 0x02, b->pce_svn);
    sgx_octets(d, 2, 18, b->components, 16);
    der_wrap(d, tcb, 0x30);
    sgx_member(d, tcb, 2, 0);
    if (!b->swapped_extension) { sgx_octets(d, 3, 0, b->pce_id, 2); }
    sgx_octets(d, 4, 0, b->fmspc, 6);
    sgx_number(d, 5, 0, 0x0a, 1);
    sgx_octets(d, 6, 0, "0123456789abcdef", 16);
    size_t conf = d->n;
    for (uint8_t i = 1; i <= 3; i++) {
        size_t flag = d->n;
        der_put(d, 0x01, "\xff", 1);
        sgx_member(d, flag, 7, i);
    }
    der_wrap(d, conf, 0x30);
    sgx_member(d, conf, 7, 0);
    der_wrap(d, 0, 0x30);
}

static inline void bench_extensions(const struct bench *b, enum bench_who who, struct der *d)
{
    static const uint8_t sgx_oid[] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};
    const struct bench_cert *c = &b->cert[who];
    struct der *value = calloc(1, sizeof *value);
    size_t at = d->n;
    cr_assert(value);
    der_put(value, 0x03, (uint8_t[]){0, c->usage}, 2);
    bench_extension(d, "\x55\x1d\x0f", 3, true, value);
    value->n = 0;
    if (c->ca) { der_put(value, 0x01, "\xff", 1); }
    der_wrap(value, 0, 0x30);
    bench_extension(d, "\x55\x1d\x13", 3, true, value);
    if (who == BENCH_PCK && !b->no_extension) {
        bench_sgx(b, value);
        bench_extension(d, sgx_oid, sizeof sgx_oid, false, value);
    }
    if (c->odd_critical) { bench_extension(d, "\x55\x1d\x1e", 3, true, value); }
    der_wrap(d, at, 0x30);
    der_wrap(d, at, 0xa3);
    free(value);
}

static inline void bench_make_cert(struct bench *b, enum bench_who who)
{
    const struct bench_cert *c = &b->cert[who];
    struct der *d = &b->der[who];
    uint8_t *spki;
    size_t len;
    d->n = 0;
    der_uint(d, 0x02, 2);
    der_wrap(d, 0, 0xa0);
    der_uint(d, 0x02, c->serial);
    bench_alg(d);
    bench_name(d, c->issuer);
    size_t dates = d->n;
    der_put(d, 0x17, c->from, 13);
    der_put(d, 0x17, c->to, 13);
    der_wrap(d, dates, 0x30);
    bench_name(d, c->subject);
    cr_assert_eq(crypto_key_to_spki(b->key[who], &spki, &len), 0);
    if (who == BENCH_ROOT) { crypto_sha256(spki, len, b->root_key); }
    der_raw(d, spki, len);
    free(spki);
    bench_extensions(b, who, d);
    der_wrap(d, 0, 0x30);
    bench_seal(d, c->other_key ? b->stranger : b->key[c->by]);
    if (c->long_lengths) { /* 30 82 hi lo -> 30 83 00 hi lo */
        memmove(d->b + 3, d->b + 2, d->n - 2);
        d->b[1] = 0x83, d->b[2] = 0;
        d->n++;
    }
    if (c->trailing_byte) { der_raw(d, "", 1); }
}

static inline void bench_make_crl(const struct bench *b, const struct bench_crl *c, struct der *d)
{
    d->n = 0;
    der_uint(d, 0x02, 1);
    bench_alg(d);
    bench_name(d, c->issuer);
    der_put(d, 0x17, c->from, 13);
    der_put(d, 0x17, c->to, 13);
    if (c->revoked) {
        size_t list = d->n;
        der_uint(d, 0x02, c->revoked);
        der_put(d, 0x17, c->from, 13);
        der_wrap(d, list, 0x30);
        der_wrap(d, list, 0x30);
    }
    der_wrap(d, 0, 0x30);
    bench_seal(d, b->key[c->by]);
}

/* PEM of a certificate behind what is in out. */
static inline void bench_pem(const struct der *d, char *out, size_t cap)
{
    char *text = malloc(b64_len(d->n) + 1);
    cr_assert(text);
    b64_encode(d->b, d->n, text);
    size_t at = strlen(out);
    at += (size_t)snprintf(out + at, cap - at, "-----BEGIN CERTIFICATE-----\n");
    for (size_t i = 0; i < strlen(text); i += 64) {
        at += (size_t)snprintf(out + at, cap - at, "%.64s\n", text + i);
    }
    snprintf(out + at, cap - at, "-----END CERTIFICATE-----\n");
    free(text);
}

static inline void bench_set_hex(json_t *set, const char *name, const uint8_t *p, size_t n)
{
    char *hex = malloc(2 * n + 1);
    cr_assert(hex);
    for (size_t i = 0; i < n; i++) { snprintf(hex + 2 * i, 3, "%02x", p[i]); }
    hex[2 * n] = '\0';
    json_object_set_new(set, name, json_string(hex));
    free(hex);
}

static inline void bench_set_chain(struct bench *b, const char *name, enum bench_who who)
{
    char pem[8192] = "";
    bench_pem(&b->der[who], pem, sizeof pem);
    bench_pem(&b->der[BENCH_ROOT], pem, sizeof pem);
    json_object_set_new(b->set, name, json_string(pem));
}

static inline void bench_make_set(struct bench *b)
{
    struct der *crl = calloc(1, sizeof *crl);
    uint8_t sig[64];
    cr_assert(crl);
    json_decref(b->set);
    b->set = json_object();
    bench_set_chain(b, "pck_crl_issuer_chain", BENCH_CA);
    bench_set_chain(b, "tcb_info_issuer_chain", BENCH_SIGNER);
    bench_set_chain(b, "qe_identity_issuer_chain", BENCH_SIGNER);
    bench_make_crl(b, &b->root_crl, crl);
    bench_set_hex(b->set, "root_ca_crl", crl->b, crl->n);
    bench_make_crl(b, &b->pck_crl, crl);
    bench_set_hex(b->set, "pck_crl", crl->b, crl->n);
    json_object_set_new(b->set, "tcb_info", json_string(b->tcb_info));
    bench_sign(b->tcb_other_signer ? b->stranger : b->key[BENCH_SIGNER], b->tcb_info,
               strlen(b->tcb_info), sig);
    bench_set_hex(b->set, "tcb_info_signature", sig, sizeof sig);
    json_object_set_new(b->set, "qe_identity", json_string(b->qe_identity));
    bench_sign(b->key[BENCH_SIGNER], b->qe_identity, strlen(b->qe_identity), sig);
    bench_set_hex(b->set, "qe_identity_signature", sig, sizeof sig);
    free(crl);
}

static inline void put_le(uint8_t *p, uint32_t v, size_t n)
{
    for (size_t i = 0; i < n; i++) { p[i] = (uint8_t)(v >> (8 * i)); }
}

static inline void bench_make_quote(struct bench *b)
{
    static const uint8_t auth[32] = {0, 1, 2, 3};
    uint8_t ak[64], sig[64], bound[96];
    size_t half;
    cr_assert_eq(crypto_key_part(b->ak, CRYPTO_PART_X, ak, 32, &half), 0);
    cr_assert_eq(crypto_key_part(b->ak, CRYPTO_PART_Y, ak + 32, 32, &half), 0);
    if (b->ak_not_on_curve) { ak[63] ^= 1; }
    memcpy(bound, ak, 64);
    memcpy(bound + 64, auth, 32);
    if (!b->keep_qe_report_data) { crypto_sha256(bound, sizeof bound, b->qe + 320); }

    char pem[12000] = "";
    for (size_t i = 0; i < b->pem_count; i++) {
        if (i > 0 && b->pem_between) { strncat(pem, b->pem_between, 100); }
        bench_pem(&b->der[b->pem_order[i]], pem, sizeof pem);
    }
    size_t pem_len = strlen(pem) + (b->pem_nul ? 1 : 0);

    uint8_t *at = b->quote;
    memcpy(at, b->head, b->head_len), at += b->head_len;
    put_le(at, (uint32_t)(64 + 64 + 6 + 384 + 64 + 2 + 32 + 6 + pem_len), 4), at += 4;
    bench_sign(b->quote_other_key ? b->stranger : b->ak, b->head, b->head_len, sig);
    memcpy(at, sig, 64), at += 64;
    b->ak_at = (size_t)(at - b->quote);
    memcpy(at, ak, 64), at += 64;
    put_le(at, b->outer_type, 2), at += 2;
    put_le(at, (uint32_t)(384 + 64 + 2 + 32 + 6 + pem_len), 4), at += 4;
    b->qe_at = (size_t)(at - b->quote);
    memcpy(at, b->qe, 384), at += 384;
    bench_sign(b->key[BENCH_PCK], b->qe, 384, sig);
    memcpy(at, sig, 64), at += 64;
    put_le(at, 32, 2), at += 2;
    memcpy(at, auth, 32), at += 32;
    put_le(at, b->inner_type, 2), at += 2;
    put_le(at, (uint32_t)pem_len, 4), at += 4;
    b->pem_at = (size_t)(at - b->quote);
    memcpy(at, pem, pem_len), at += pem_len;
    b->quote_len = (size_t)(at - b->quote);
}

/* Everything by the knobs. What is made may be poked at before it is judged. */
static inline void bench_make(struct bench *b)
{
    for (int i = 0; i < BENCH_CERTS; i++) { bench_make_cert(b, (enum bench_who)i); }
    bench_make_set(b);
    bench_make_quote(b);
}

/* The verdict on what was made, in b->v. */
static inline void bench_judge(struct bench *b)
{
    struct tdx_policy policy;
    struct err e = {0};
    struct tdx_collateral *c = NULL;
    struct tdx_endorsements *m = tdx_endorsements_new(b->root_key);
    char *text = b->set ? json_dumps(b->set, JSON_COMPACT) : NULL;
    memset(&b->v, 0, sizeof b->v);
    memset(&b->f, 0, sizeof b->f);
    tdx_policy_default(&policy);
    if (b->policy) {
        cr_assert_eq(tdx_policy_parse(b->policy, strlen(b->policy), &policy, &e), 0, "%s", e.text);
    }
    if (text) { tdx_collateral_open(text, strlen(text), b->root_key, &c, &b->v); }
    struct tdx_demand d = {.endorsements = m,
                           .collateral_for = tdx_collateral_given,
                           .ctx = c,
                           .policy = &policy,
                           .now = b->now,
                           .min_evaluation = b->min_evaluation};
    verify_tdx(b->quote, b->quote_len, &d, &b->f, &b->v);
    tdx_collateral_free(c);
    tdx_endorsements_free(m);
    free(text);
}

static inline bool bench_says(const struct bench *b, const char *code)
{
    for (size_t i = 0; i < b->v.reason_count && i < VERDICT_REASONS_MAX; i++) {
        if (strcmp(b->v.reasons[i].code, code) == 0) { return true; }
    }
    return false;
}

static inline const char *bench_first(const struct bench *b)
{
    return b->v.reason_count ? b->v.reasons[0].code : "(no reason)";
}

/* Made and judged, it is refused by this code, and by it first. */
static inline void bench_refuses(struct bench *b, const char *code)
{
    bench_make(b);
    bench_judge(b);
    cr_assert_eq(b->v.result, VERDICT_REFUSED, "%s was wanted", code);
    cr_assert_str_eq(bench_first(b), code, "%s: %s (found %s)", bench_first(b),
                     b->v.reasons[0].text, b->v.reasons[0].found);
}

static inline void bench_accepts(struct bench *b)
{
    bench_make(b);
    bench_judge(b);
    cr_assert_eq(b->v.result, VERDICT_ACCEPTED, "%s: %s (found %s, wanted %s)", bench_first(b),
                 b->v.reasons[0].text, b->v.reasons[0].found, b->v.reasons[0].wanted);
}

#endif
