/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A broker on the bench: store in memory, keys made for the test, a sim machine whose word it takes, and a guest that can
 * do everything right or one thing wrong.
 */
#ifndef CASEMATE_TESTS_KBS_BENCH_H
#define CASEMATE_TESTS_KBS_BENCH_H

#include "attest/initdata.h"
#include "attest/jose.h"
#include "attest/kbs/broker.h"
#include "attest/kbs/evidence/sim.h"
#include "attest/kbs/desk/setup.h"
#include "attest/sim_signer.h"
#include "attest/transcript.h"
#include "attest/verify/sim.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOW 1800000000
#define INITDATA                                                                                   \
    "version = \"0.1.0\"\nalgorithm = \"sha384\"\n[data]\n\"casemate.toml\" = \"run = 1\"\n"
#define SECRET   "the key of the image"
#define RESOURCE "/kbs/v0/resource/default/key/img"

struct bench {
    struct store *store;
    struct crypto_key *token_key, *admin_key;
    const struct crypto_key *admin_keys[1];
    char sim_path[64];
    struct sim_signer *signer;
    struct crypto_key *sim_keys[1];
    struct evidence_sim sim;
    struct verifier verifiers[1];
    struct broker_setup setup;
    struct broker *broker;
    char admin_token[1024];
    char audit[4096]; /* the last line */
    bool audit_full;
};

static inline int bench_audit(void *ctx, const char *line)
{
    struct bench *b = ctx;
    if (b->audit_full) { return -ENOSPC; }
    (void)snprintf(b->audit, sizeof b->audit, "%s", line);
    return 0;
}

static inline void bench_start(struct bench *b)
{
    struct err e = {0};
    cr_assert_eq(broker_new(&b->setup, &b->broker, &e), 0, "%s", e.text);
}

static inline void bench_init(struct bench *b)
{
    static const uint8_t storage_key[STORE_KEY_SIZE] = {7};
    struct err e = {0};
    char *token;
    memset(b, 0, sizeof *b);
    cr_assert_eq(store_open(":memory:", storage_key, &b->store, &e), 0, "%s", e.text);
    cr_assert_eq(crypto_key_generate(CRYPTO_P256, 0, &b->token_key), 0);
    cr_assert_eq(crypto_key_generate(CRYPTO_ED25519, 0, &b->admin_key), 0);
    b->admin_keys[0] = b->admin_key;
    (void)snprintf(b->sim_path, sizeof b->sim_path, "/tmp/kbs-sim-%d/sim.key", (int)getpid());
    cr_assert_eq(sim_signer_open(b->sim_path, &b->signer, &e), 0, "%s", e.text);
    b->sim_keys[0] = (struct crypto_key *)(uintptr_t)sim_signer_key(b->signer);
    b->sim = (struct evidence_sim){.keys = b->sim_keys, .count = 1};
    b->verifiers[0] = evidence_sim_verifier(&b->sim);
    b->setup = (struct broker_setup){
        .store = b->store,
        .token_key = b->token_key,
        .admin_keys = b->admin_keys,
        .admin_key_count = 1,
        .admin_issuer = "cc-kbs",
        .verifiers = b->verifiers,
        .verifier_count = 1,
        .max_sessions = 4,
        .session_seconds = 300,
        .audit = bench_audit,
        .audit_ctx = b,
    };
    bench_start(b);
    cr_assert_eq(setup_admin_token(b->admin_key, "cc-kbs", NOW, 3600, &token, &e), 0, "%s", e.text);
    (void)snprintf(b->admin_token, sizeof b->admin_token, "Authorization: Bearer %s\r\n", token);
    free(token);
}

static inline void bench_fini(struct bench *b)
{
    broker_free(b->broker);
    store_close(b->store);
    sim_signer_free(b->signer);
    crypto_key_free(b->token_key);
    crypto_key_free(b->admin_key);
    (void)unlink(b->sim_path);
    *strrchr(b->sim_path, '/') = '\0';
    (void)rmdir(b->sim_path);
}

/* ---- talking to it ------------------------------------------------------------------------- */

struct answer {
    int status;
    char type[64];     /* variant of an error */
    char detail[4096]; /* of an error */
    char cookie[160];
    char *body; /* NUL-terminated */
};

static inline void answer_fini(struct answer *a) { free(a->body); }
#define auto_answer __attribute__((cleanup(answer_fini))) struct answer

/* headers: complete lines, each with CRLF. */
static inline struct answer ask_at(struct bench *b, int64_t now, const char *method,
                                   const char *path, const char *headers, const void *body,
                                   size_t len)
{
    static char head[200000];
    int n = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\n%sContent-Length: %zu\r\n\r\n", method,
                     path, headers, len);
    struct http_request rq;
    struct http_response rs = {0};
    struct err e = {0};
    cr_assert_eq(http_head_read((const uint8_t *)head, (size_t)n, &rq, &e), 0, "%s", e.text);
    rq.body = (struct view){.p = body, .len = len};
    broker_handle(b->broker, &rq, "192.0.2.1", now, &rs);
    struct answer a = {.status = rs.status};
    a.body = rs.body ? strndup((const char *)rs.body, rs.body_len) : strdup("");
    memcpy(a.cookie, rs.cookie, sizeof a.cookie);
    json_t *doc = json_loads(a.body ? a.body : "", JSON_REJECT_DUPLICATES, NULL);
    const char *type = json_string_value(json_object_get(doc, "type"));
    const char *detail = json_string_value(json_object_get(doc, "detail"));
    (void)snprintf(a.type, sizeof a.type, "%s", type ? strrchr(type, '/') + 1 : "");
    (void)snprintf(a.detail, sizeof a.detail, "%s", detail ? detail : "");
    json_decref(doc);
    http_response_fini(&rs);
    return a;
}

static inline struct answer ask(struct bench *b, const char *method, const char *path,
                                const char *headers, const char *body)
{
    return ask_at(b, NOW, method, path, headers, body, strlen(body));
}

static inline void admin_ok(struct bench *b, const char *method, const char *path, const char *body)
{
    auto_answer a = ask(b, method, path, b->admin_token, body);
    cr_assert_eq(a.status, 200, "%s %s: %d %s", method, path, a.status, a.detail);
}

static inline struct answer policy_upload(struct bench *b, const char *text)
{
    char b64[8192], body[9000];
    b64u_encode(text, strlen(text), b64);
    (void)snprintf(body, sizeof body, "{\"policy\":\"%s\"}", b64);
    return ask(b, "POST", "/kbs/v0/resource-policy", b->admin_token, body);
}

/* ---- the guest ----------------------------------------------------------------------------- */

struct guest {
    struct crypto_key *key;
    const char *initdata; /* NULL = sends none */
    uint8_t measurement[48];
    bool sends_registers, register_form, sealed;
    struct transcript_registers registers;

    /* what it learned */
    char cookie[160]; /* "Cookie: ..." line */
    char nonce[64];
    char token[32768];

    /* what it does wrong; zero = nothing */
    const char *claim_nonce; /* in runtime-data */
    bool flip_report_data, flip_host_data, other_key_in_body, flip_signature;
    struct sim_signer *other_signer;
};

static inline void guest_init(struct guest *g)
{
    memset(g, 0, sizeof *g);
    cr_assert_eq(crypto_key_generate(CRYPTO_P256, 0, &g->key), 0);
    g->initdata = INITDATA;
    memset(g->measurement, 0xab, sizeof g->measurement);
    struct initdata d;
    struct err e = {0};
    cr_assert_eq(initdata_parse(INITDATA, strlen(INITDATA), &d, &e), 0, "%s", e.text);
    initdata_field(&d, g->registers.value[0], 48);
    memset(g->registers.value[1], 0x11, 48);
    initdata_fini(&d);
}

static inline struct answer guest_auth_at(struct bench *b, struct guest *g, int64_t now)
{
    static const char body[] =
        "{\"version\":\"0.4.0\",\"tee\":\"casemate-sim\",\"extra-params\":\"\"}";
    struct answer a = ask_at(b, now, "POST", "/kbs/v0/auth", "", body, strlen(body));
    if (a.status != 200) { return a; }
    json_t *doc = json_loads(a.body, 0, NULL);
    (void)snprintf(g->nonce, sizeof g->nonce, "%s",
                   json_string_value(json_object_get(doc, "nonce")));
    (void)snprintf(g->cookie, sizeof g->cookie, "Cookie: %.*s\r\n", (int)strcspn(a.cookie, ";"),
                   a.cookie);
    json_decref(doc);
    return a;
}

static inline void guest_auth(struct bench *b, struct guest *g)
{
    auto_answer a = guest_auth_at(b, g, NOW);
    cr_assert_eq(a.status, 200, "%s", a.detail);
}

/* The body of /attest; malloc. */
static inline char *guest_evidence(struct bench *b, struct guest *g)
{
    struct err e = {0};
    json_t *jwk, *key;
    uint8_t data[64], form[64], host[32], report[SNP_REPORT_SIZE];
    struct crypto_key *other = NULL;
    char *additional = strdup("");
    cr_assert_eq(jwk_to_json(g->key, "ECDH-ES+A256KW", false, &jwk), 0);
    cr_assert_eq(transcript_tee_key(jwk, &key, &e), 0, "%s", e.text);
    if (g->sends_registers) {
        free(additional);
        cr_assert_eq(transcript_registers_format(&g->registers, &additional, &e), 0, "%s", e.text);
    }
    cr_assert_eq(transcript_report_data(g->nonce, key, additional, CRYPTO_SHA384, data, &e), 0,
                 "%s", e.text);
    if (g->register_form) {
        transcript_register_form(&g->registers, g->sealed, data, form);
        memcpy(data, form, 64);
    }
    data[0] ^= g->flip_report_data;
    struct initdata d;
    const char *text = g->initdata ? g->initdata : INITDATA;
    cr_assert_eq(initdata_parse(text, strlen(text), &d, &e), 0, "%s", e.text);
    initdata_field(&d, host, sizeof host);
    initdata_fini(&d);
    host[0] ^= g->flip_host_data;
    cr_assert_eq(sim_signer_report(g->other_signer ? g->other_signer : b->signer, data,
                                   g->measurement, host, report),
                 0);
    report[SNP_REPORT_R] ^= g->flip_signature;
    if (g->other_key_in_body) {
        cr_assert_eq(crypto_key_generate(CRYPTO_P256, 0, &other), 0);
        json_decref(jwk);
        cr_assert_eq(jwk_to_json(other, "ECDH-ES+A256KW", false, &jwk), 0);
        crypto_key_free(other);
    }
    json_t *init =
        g->initdata ? json_pack("{s:s, s:s}", "format", "toml", "body", g->initdata) : json_null();
    json_t *doc = json_pack("{s:o, s:{s:s, s:o}, s:{s:o, s:s}}", "init-data", init, "runtime-data",
                            "nonce", g->claim_nonce ? g->claim_nonce : g->nonce, "tee-pubkey", jwk,
                            "tee-evidence", "primary_evidence", sim_evidence_format(report),
                            "additional_evidence", additional);
    char *out = json_dumps(doc, JSON_COMPACT);
    cr_assert_not_null(out);
    json_decref(doc);
    json_decref(key);
    free(additional);
    return out;
}

static inline struct answer guest_attest(struct bench *b, struct guest *g)
{
    char *body = guest_evidence(b, g);
    struct answer a = ask(b, "POST", "/kbs/v0/attest", g->cookie, body);
    free(body);
    if (a.status == 200) {
        json_t *doc = json_loads(a.body, 0, NULL);
        (void)snprintf(g->token, sizeof g->token, "%s",
                       json_string_value(json_object_get(doc, "token")));
        json_decref(doc);
    }
    return a;
}

/* auth and attest; fails the test when either is refused */
static inline void guest_handshake(struct bench *b, struct guest *g)
{
    guest_auth(b, g);
    auto_answer a = guest_attest(b, g);
    cr_assert_eq(a.status, 200, "%s", a.detail);
}

static inline struct answer guest_get(struct bench *b, struct guest *g, const char *path)
{
    return ask(b, "GET", path, g->cookie, "");
}

static inline struct answer guest_get_bearer(struct bench *b, const char *token, const char *path,
                                             int64_t now)
{
    static char header[40000];
    (void)snprintf(header, sizeof header, "Authorization: Bearer %s\r\n", token);
    return ask_at(b, now, "GET", path, header, "", 0);
}

/* The secret is in the answer, for this guest's key. */
static inline void assert_opens(const struct guest *g, const struct answer *a)
{
    uint8_t *plain;
    size_t len;
    struct err e = {0};
    cr_assert_eq(a->status, 200, "%d %s", a->status, a->detail);
    cr_assert_eq(
        jwe_decrypt(a->body, strlen(a->body), JWE_ALLOW_KBS, g->key, NULL, &plain, &len, &e), 0,
        "%s", e.text);
    cr_assert_eq(len, strlen(SECRET));
    cr_assert_arr_eq(plain, SECRET, len);
    free(plain);
}

/* What an owner registers for guest_init()'s guest. more: further members of the rule. */
static inline void owner_registers(struct bench *b, const char *more)
{
    struct guest g;
    char text[2048], hex[HEX_LEN(48)], m[HEX_LEN(48)];
    guest_init(&g);
    hex_encode(g.registers.value[0], 48, hex); /* register 0 is the initdata's digest */
    hex_encode(g.measurement, 48, m);
    crypto_key_free(g.key);
    admin_ok(b, "POST", RESOURCE, SECRET);
    (void)snprintf(
        text, sizeof text,
        "{\"version\":1,\"rules\":[{\"name\":\"web\",\"resources\":[\"default/key/img\"],"
        "\"tee\":[\"sim\"],\"initdata\":[\"%s\"]%s}]}",
        hex, more);
    auto_answer a = policy_upload(b, text);
    cr_assert_eq(a.status, 200, "%s", a.detail);
    char payload[512], b64[1024], body[2048];
    (void)snprintf(payload, sizeof payload, "{\"sim_launch_measurement\":[\"%s\"]}", m);
    b64_encode(payload, strlen(payload), b64);
    (void)snprintf(body, sizeof body,
                   "{\"version\":\"0.1.0\",\"type\":\"sample\",\"payload\":\"%s\"}", b64);
    admin_ok(b, "POST", "/kbs/v0/reference-value", body);
}

#endif
