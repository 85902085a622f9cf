/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the agent: a broker in a thread of this process, over real TLS, honest or not as
 * asked, and a guest whose evidence it can verify.
 */
#ifndef CASEMATE_TESTS_FAKE_BROKER_H
#define CASEMATE_TESTS_FAKE_BROKER_H

#include "attest/agent/env.h"
#include "attest/initdata.h"
#include "attest/jose.h"
#include "attest/sim_signer.h"
#include "attest/transcript.h"
#include "attest/verify/sim.h"
#include "guest/base/hosted.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

/* ---- a certificate and its key */

struct identity {
    EVP_PKEY *key;
    X509 *cert;
    char pem[4096];
};

static void add_ext(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    cr_assert(ext && X509_add_ext(x, ext, -1) == 1);
    X509_EXTENSION_free(ext);
}

static void make_identity(struct identity *id, const char *san)
{
    id->key = EVP_EC_gen("P-256");
    id->cert = X509_new();
    X509_set_version(id->cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(id->cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(id->cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(id->cert), 3600);
    X509_set_pubkey(id->cert, id->key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(id->cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)"broker", -1, -1, 0);
    X509_set_issuer_name(id->cert, X509_get_subject_name(id->cert));
    add_ext(id->cert, NID_subject_alt_name, san);
    cr_assert(X509_sign(id->cert, id->key, EVP_sha256()) > 0);
    BIO *b = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(b, id->cert);
    int n = BIO_read(b, id->pem, sizeof id->pem - 1);
    cr_assert(n > 0);
    id->pem[n] = '\0';
    BIO_free(b);
}

/* ---- the broker */

enum manner {
    HONEST,
    HONEST_CLOSING, /* closes after each answer */
    HONEST_CHUNKED,
    HONEST_IMPATIENT,  /* closes after each answer, without having said so */
    SILENT_BEFORE_TLS, /* accepts and says nothing */
    SILENT_AFTER_AUTH,
    NOT_TLS,
    CLOSES_AT_ONCE,
    OTHER_CERTIFICATE,
    AUTH_NOT_JSON,
    AUTH_DUPLICATE_NONCE,
    AUTH_NO_NONCE,
    AUTH_WEAK_HASH,
    AUTH_REFUSES,
    ATTEST_REFUSES,
    ATTEST_NO_TOKEN,
    RESOURCE_REFUSED,
    RESOURCE_OVERSIZED,
    RESOURCE_CUT_SHORT,
    RESOURCE_PLAINTEXT,
    RESOURCE_TO_OTHER_KEY,
    RESOURCE_BIT_FLIPPED,
    REDIRECTS,
};

struct broker {
    enum manner manner;
    struct identity id, other;
    int listener;
    uint16_t port;
    pthread_t thread;
    const struct sim_signer *signer;
    const char *initdata;
    char failure[256]; /* what an honest broker did not like */
    bool coco;         /* takes no registers */
    bool sealed;       /* evidence is to be of the register form, after seal */
    struct view value; /* of resources; p NULL: secret */
    bool anything;     /* takes any evidence of any tee */
    json_t *tee_key;
    unsigned served;
};

#define M4(b) b b b b
#define M(b)  M4(M4(b)) M4(M4(b)) M4(M4(b)) /* 48 bytes in hex */

static const char nonce[] = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
static const char secret[] = "the key to the image";

static void reply(struct broker *b, SSL *ssl, unsigned status, const char *headers,
                  const char *body)
{
    char head[1024];
    bool chunked = b->manner == HONEST_CHUNKED;
    size_t len = strlen(body);
    if (chunked) {
        snprintf(head, sizeof head, "HTTP/1.1 %u X\r\n%sTransfer-Encoding: chunked\r\n\r\n%zx\r\n",
                 status, headers, len);
    } else {
        snprintf(head, sizeof head, "HTTP/1.1 %u X\r\n%s%sContent-Length: %zu\r\n\r\n", status,
                 headers, b->manner == HONEST_CLOSING ? "Connection: close\r\n" : "", len);
    }
    SSL_write(ssl, head, (int)strlen(head));
    if (len > 0) { SSL_write(ssl, body, (int)len); }
    if (chunked) { SSL_write(ssl, "\r\n0\r\n\r\n", 7); }
}

/* The whole request as text; false at the end of the connection. */
static bool read_request(SSL *ssl, char *buf, size_t cap)
{
    size_t len = 0;
    for (;;) {
        buf[len] = '\0';
        char *end = strstr(buf, "\r\n\r\n"), *cl = strstr(buf, "Content-Length: ");
        if (end && len >= (size_t)(end + 4 - buf) + (cl ? strtoul(cl + 16, NULL, 10) : 0)) {
            return true;
        }
        int n = SSL_read(ssl, buf + len, (int)(cap - len - 1));
        if (n <= 0) { return false; }
        len += (size_t)n;
    }
}

#define WANT(b, cond)                                                                              \
    do {                                                                                           \
        if (!(cond) && !(b)->failure[0]) {                                                         \
            snprintf((b)->failure, sizeof(b)->failure, "%s", #cond);                               \
        }                                                                                          \
    } while (0)

static void on_auth(struct broker *b, SSL *ssl, const char *body)
{
    static const char cookie[] =
        "Set-Cookie: kbs-session-id=abc; Expires=Tue, 01 Jan 2030 00:05:00 GMT\r\n";
    char text[256];
    json_t *j = json_loads(body, 0, NULL);
    WANT(b, strcmp(json_string_value(json_object_get(j, "version")), "0.4.0") == 0);
    WANT(b,
         b->anything || strcmp(json_string_value(json_object_get(j, "tee")), "casemate-sim") == 0);
    WANT(b,
         json_is_true(json_object_get(json_object_get(j, "extra-params"), "casemate-registers")));
    json_decref(j);
    snprintf(text, sizeof text, "{\"nonce\":\"%s\",\"extra-params\":%s}", nonce,
             b->coco ? "\"\"" : "{\"casemate-registers\":true}");
    switch (b->manner) {
    case AUTH_NOT_JSON: reply(b, ssl, 200, cookie, "<html>"); break;
    case AUTH_DUPLICATE_NONCE:
        reply(b, ssl, 200, cookie, "{\"nonce\":\"a\",\"nonce\":\"b\",\"extra-params\":\"\"}");
        break;
    case AUTH_NO_NONCE: reply(b, ssl, 200, cookie, "{\"extra-params\":\"\"}"); break;
    case AUTH_WEAK_HASH:
        reply(b, ssl, 200, cookie,
              "{\"nonce\":\"a\",\"extra-params\":{\"selected-hash-algorithm\":\"md5\"}}");
        break;
    case AUTH_REFUSES:
        reply(
            b, ssl, 401, "",
            "{\"type\":\"https://x/errors/Attest\\u001b[1mError\",\"detail\":\"tee: not \\u001b[31m here\"}");
        break;
    case REDIRECTS: reply(b, ssl, 307, "Location: https://other/\r\n", ""); break;
    default: reply(b, ssl, 200, cookie, text);
    }
}

static void check_evidence(struct broker *b, const json_t *j)
{
    const json_t *runtime = json_object_get(j, "runtime-data"),
                 *ev = json_object_get(j, "tee-evidence");
    const json_t *init = json_object_get(j, "init-data");
    const char *additional = json_string_value(json_object_get(ev, "additional_evidence"));
    const struct crypto_key *keys[] = {sim_signer_key(b->signer)};
    uint8_t report[1184], data[64], raw[64], host[32], measurement[1][48];
    struct transcript_registers g;
    struct initdata d = {0};
    struct sim_facts f;
    struct verdict v = {0};
    struct err e = {0};
    bool present = false;
    WANT(b, additional != NULL);
    WANT(b, strcmp(json_string_value(json_object_get(init, "format")), "toml") == 0);
    WANT(b, strcmp(json_string_value(json_object_get(init, "body")), b->initdata) == 0);
    WANT(b, strcmp(json_string_value(json_object_get(runtime, "nonce")), nonce) == 0);
    json_decref(b->tee_key);
    b->tee_key = NULL;
    WANT(b, transcript_tee_key(json_object_get(runtime, "tee-pubkey"), &b->tee_key, &e) == 0);
    if (b->anything) { return; }
    WANT(b, sim_evidence_parse(json_object_get(ev, "primary_evidence"), report, &e) == 0);
    WANT(b, transcript_report_data(nonce, b->tee_key, additional, CRYPTO_SHA384, data, &e) == 0);
    if (b->coco) {
        WANT(b, additional[0] == '\0');
    } else {
        WANT(b, transcript_registers_parse(additional, &g, &present, &e) == 0 && present &&
                    g.value[2][47] == 0x22);
    }
    if (b->sealed) { transcript_register_form(&g, true, memcpy(raw, data, 64), data); }
    WANT(b, initdata_parse(b->initdata, strlen(b->initdata), &d, &e) == 0);
    initdata_field(&d, host, sizeof host);
    memset(measurement, 0x4d, sizeof measurement);
    struct sim_demand demand = {.insecure_keys = keys,
                                .insecure_key_count = 1,
                                .report_data = data,
                                .host_data = host,
                                .measurements = measurement,
                                .measurement_count = 1};
    verify_sim(report, sizeof report, &demand, &f, &v);
    WANT(b, v.result == VERDICT_ACCEPTED);
    initdata_fini(&d);
}

static void on_attest(struct broker *b, SSL *ssl, const char *request, const char *body)
{
    WANT(b, strstr(request, "\r\nCookie: kbs-session-id=abc\r\n") != NULL);
    json_t *j = json_loads(body, 0, NULL);
    check_evidence(b, j);
    json_decref(j);
    if (b->manner == ATTEST_REFUSES) {
        reply(b, ssl, 401, "",
              "{\"type\":\"https://x/errors/AttestationError\",\"detail\":\"measurement: found " M(
                  "4d") ", wanted " M("4e") "\"}");
    } else if (b->manner == ATTEST_NO_TOKEN) {
        reply(b, ssl, 200, "", "{}");
    } else {
        reply(b, ssl, 200, "Set-Cookie: kbs-session-id=def\r\n", "{\"token\":\"a.b.c\"}");
    }
}

static char *encrypt_to(const json_t *jwk, struct view value)
{
    struct err e = {0};
    struct jwk k = {0};
    char *text = NULL;
    if (jwk_from_json(jwk, &k, &e) < 0) { return NULL; }
    struct jwe_recipient to = {.alg = JWE_ECDH_ES_A256KW, .key = k.key};
    if (jwe_encrypt(&to, 1, value.p, value.len, &text, &e) < 0) { text = NULL; }
    jwk_fini(&k);
    return text;
}

static void on_resource(struct broker *b, SSL *ssl, const char *request)
{
    struct view value = {.p = (const uint8_t *)secret, .len = strlen(secret)};
    if (b->value.p) { value = b->value; }
    char *jwe = encrypt_to(b->tee_key, value);
    WANT(b, jwe != NULL);
    WANT(b, strstr(request, "\r\nCookie: kbs-session-id=def\r\n") != NULL);
    if (strncmp(request, "GET /kbs/v0/resource/default/key/absent ", 40) == 0) {
        reply(b, ssl, 401, "",
              "{\"type\":\"https://x/errors/PolicyDeny\",\"detail\":\"no rule names it\"}");
        free(jwe);
        return;
    }
    switch (b->manner) {
    case RESOURCE_REFUSED:
        reply(
            b, ssl, 401, "",
            "{\"type\":\"https://x/errors/PolicyDeny\",\"detail\":\"rule 3: measurement differs\"}");
        break;
    case RESOURCE_OVERSIZED: {
        static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n{";
        SSL_write(ssl, head, sizeof head - 1);
        break;
    }
    case RESOURCE_CUT_SHORT: {
        static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"protected\"";
        SSL_write(ssl, head, sizeof head - 1);
        SSL_shutdown(ssl);
        break;
    }
    case RESOURCE_PLAINTEXT: reply(b, ssl, 200, "", secret); break;
    case RESOURCE_TO_OTHER_KEY: {
        struct crypto_key *k;
        json_t *other;
        cr_assert_eq(crypto_key_generate(CRYPTO_P256, 0, &k), 0);
        cr_assert_eq(jwk_to_json(k, "ECDH-ES+A256KW", false, &other), 0);
        char *text = encrypt_to(other, value);
        reply(b, ssl, 200, "", text);
        free(text);
        json_decref(other);
        crypto_key_free(k);
        break;
    }
    case RESOURCE_BIT_FLIPPED: {
        char *c = strstr(jwe, "\"ciphertext\":\"") + 14;
        *c = *c == 'A' ? 'B' : 'A';
        reply(b, ssl, 200, "", jwe);
        break;
    }
    default: reply(b, ssl, 200, "", jwe);
    }
    b->served++;
    free(jwe);
}

static void serve_tls(struct broker *b, SSL *ssl)
{
    static char request[1 << 20];
    while (read_request(ssl, request, sizeof request)) {
        const char *body = strstr(request, "\r\n\r\n") + 4;
        if (strncmp(request, "POST /kbs/v0/auth ", 18) == 0) {
            on_auth(b, ssl, body);
        } else if (strncmp(request, "POST /kbs/v0/attest ", 20) == 0) {
            if (b->manner == SILENT_AFTER_AUTH) { continue; }
            on_attest(b, ssl, request, body);
        } else if (strncmp(request, "GET /kbs/v0/resource/default/key/", 33) == 0) {
            on_resource(b, ssl, request);
        } else {
            WANT(b, !"unexpected request");
        }
        if (b->manner == HONEST_CLOSING || b->manner == HONEST_IMPATIENT) {
            SSL_shutdown(ssl);
            return;
        }
    }
}

static void serve_one(struct broker *b, int fd)
{
    char byte;
    if (b->manner == CLOSES_AT_ONCE) { return; }
    if (b->manner == NOT_TLS) {
        static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        (void)!write(fd, text, sizeof text - 1);
    }
    if (b->manner == NOT_TLS || b->manner == SILENT_BEFORE_TLS) {
        while (read(fd, &byte, 1) > 0) {}
        return;
    }
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    struct identity *id = b->manner == OTHER_CERTIFICATE ? &b->other : &b->id;
    SSL_CTX_use_certificate(ctx, id->cert);
    SSL_CTX_use_PrivateKey(ctx, id->key);
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) { serve_tls(b, ssl); }
    SSL_free(ssl);
    SSL_CTX_free(ctx);
}

static void *broker_main(void *arg)
{
    struct broker *b = arg;
    for (;;) {
        int fd = accept(b->listener, NULL, NULL);
        if (fd < 0) { return NULL; } /* shut down: the test is over */
        serve_one(b, fd);
        close(fd);
    }
}

#define INITDATA_TEXT_MAX 8192

/* more: what else stands in [data] */
static inline void broker_start(struct broker *b, const char *san, const char *more,
                                char initdata[INITDATA_TEXT_MAX])
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    signal(SIGPIPE, SIG_IGN);
    make_identity(&b->id, san);
    make_identity(&b->other, san);
    b->listener = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert(bind(b->listener, (struct sockaddr *)&a, sizeof a) == 0);
    cr_assert(listen(b->listener, 4) == 0);
    cr_assert(getsockname(b->listener, (struct sockaddr *)&a, &len) == 0);
    b->port = ntohs(a.sin_port);
    cr_assert_eq(pthread_create(&b->thread, NULL, broker_main, b), 0);
    snprintf(
        initdata, INITDATA_TEXT_MAX,
        "version = \"0.1.0\"\nalgorithm = \"sha384\"\n[data]\n\"aa.toml\" = '''\n[token_configs.kbs]\n"
        "url = \"https://127.0.0.1:8080\"\ncert = \"\"\"\n%s\"\"\"\n'''\n%s",
        b->id.pem, more);
}

static inline void broker_stop(struct broker *b)
{
    shutdown(b->listener, SHUT_RDWR);
    pthread_join(b->thread, NULL);
    close(b->listener);
    json_decref(b->tee_key);
    X509_free(b->id.cert), X509_free(b->other.cert);
    EVP_PKEY_free(b->id.key), EVP_PKEY_free(b->other.key);
}

/* ---- the agent's side */

struct guest {
    struct broker *b;
    struct sim_signer *signer;
    uint8_t host_data[32];
    struct transcript_registers registers;
    char dir[32];
};

static int test_connect(void *ctx, const char *host, uint16_t port, unsigned timeout_ms,
                        int *out_fd, struct err *e)
{
    struct guest *g = ctx;
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(port == 8080 ? g->b->port : port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    (void)host, (void)timeout_ms;
    if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0) {
        close(fd);
        return err_set(e, errno, "connect");
    }
    *out_fd = fd;
    return 0;
}

static int test_evidence(void *ctx, bool sealed, const uint8_t report_data[64], json_t **out,
                         struct err *e)
{
    struct guest *g = ctx;
    uint8_t report[1184], measurement[48], data[64];
    (void)e;
    cr_assert(sealed == g->b->sealed);
    memcpy(data, report_data, sizeof data);
    if (sealed) { transcript_register_form(&g->registers, true, report_data, data); }
    memset(measurement, 0x4d, sizeof measurement);
    cr_assert_eq(sim_signer_report(g->signer, data, measurement, g->host_data, report), 0);
    *out = sim_evidence_format(report);
    return 0;
}

static int test_extend(void *ctx, const uint8_t value[48], struct err *e)
{
    struct guest *g = ctx;
    uint8_t both[96];
    (void)e;
    memcpy(both, g->registers.value[3], 48);
    memcpy(both + 48, value, 48);
    crypto_sha384(both, sizeof both, g->registers.value[3]);
    return 0;
}

static inline void guest_open(struct guest *g, struct broker *b, const char *initdata)
{
    struct initdata d = {0};
    struct err e = {0};
    char key[48];
    *g = (struct guest){.b = b, .dir = "/tmp/casemate-agent-XXXXXX"};
    cr_assert(mkdtemp(g->dir));
    snprintf(key, sizeof key, "%s/sim.key", g->dir);
    cr_assert_eq(sim_signer_open(key, &g->signer, &e), 0, "%s", e.text);
    unlink(key);
    b->signer = g->signer;
    b->initdata = initdata;
    memset(g->registers.value[2], 0x22, 48);
    if (initdata_parse(initdata, strlen(initdata), &d, &e) == 0) {
        initdata_field(&d, g->host_data, 32);
    }
    initdata_fini(&d);
}

static inline void guest_close(struct guest *g)
{
    rmdir(g->dir);
    sim_signer_free(g->signer);
}

static inline struct agent_env guest_env(struct guest *g, unsigned timeout_ms)
{
    return (struct agent_env){.ctx = g,
                              .tee = SIM_TEE_NAME,
                              .timeout_ms = timeout_ms,
                              .connect = test_connect,
                              .evidence = test_evidence,
                              .extend = test_extend};
}

#endif
