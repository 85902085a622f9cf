/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole agent, over real TLS, against a broker in a thread of this process: an honest one that
 * verifies what it gets, and dishonest ones. Who could get this wrong: whoever believes an answer
 * before it is authenticated. Who would profit: the host, which carries every byte.
 */
#include "attest/agent/agent.h"
#include "attest/agent/serve.h"
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
    WANT(b, strcmp(json_string_value(json_object_get(j, "tee")), "casemate-sim") == 0);
    WANT(b, json_object_get(j, "extra-params") != NULL);
    json_decref(j);
    snprintf(text, sizeof text, "{\"nonce\":\"%s\",\"extra-params\":\"\"}", nonce);
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
            "{\"type\":\"https://x/errors/AttestationError\",\"detail\":\"tee: not \\u001b[31m here\"}");
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
    uint8_t report[1184], data[64], host[32], measurement[1][48];
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
    WANT(b, transcript_tee_key(json_object_get(runtime, "tee-pubkey"), &b->tee_key, &e) == 0);
    WANT(b, sim_evidence_parse(json_object_get(ev, "primary_evidence"), report, &e) == 0);
    WANT(b, transcript_report_data(nonce, b->tee_key, additional, CRYPTO_SHA384, data, &e) == 0);
    WANT(b, transcript_registers_parse(additional, &g, &present, &e) == 0 && present &&
                g.value[2][47] == 0x22);
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

static char *encrypt_to(const json_t *jwk)
{
    struct err e = {0};
    struct jwk k = {0};
    char *text = NULL;
    if (jwk_from_json(jwk, &k, &e) < 0) { return NULL; }
    struct jwe_recipient to = {.alg = JWE_ECDH_ES_A256KW, .key = k.key};
    if (jwe_encrypt(&to, 1, secret, strlen(secret), &text, &e) < 0) { text = NULL; }
    jwk_fini(&k);
    return text;
}

static void on_resource(struct broker *b, SSL *ssl, const char *request)
{
    char *jwe = encrypt_to(b->tee_key);
    WANT(b, jwe != NULL);
    WANT(b, strstr(request, "\r\nCookie: kbs-session-id=def\r\n") != NULL);
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
        char *text = encrypt_to(other);
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

/* ---- the agent's side */

struct guest {
    struct broker *b;
    struct sim_signer *signer;
    uint8_t host_data[32];
};

static int test_connect(void *ctx, const char *host, uint16_t port, unsigned timeout_ms,
                        int *out_fd, struct err *e)
{
    struct guest *g = ctx;
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(g->b->port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    (void)host, (void)port, (void)timeout_ms;
    if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0) {
        close(fd);
        return err_set(e, errno, "connect");
    }
    *out_fd = fd;
    return 0;
}

static int test_evidence(void *ctx, const uint8_t report_data[64], json_t **out, struct err *e)
{
    struct guest *g = ctx;
    uint8_t report[1184], measurement[48];
    (void)e;
    memset(measurement, 0x4d, sizeof measurement);
    cr_assert_eq(sim_signer_report(g->signer, report_data, measurement, g->host_data, report), 0);
    *out = sim_evidence_format(report);
    return 0;
}

struct result {
    int status;
    char failed[512]; /* text of AGENT_FAILED */
    char resource[2][64];
    unsigned resources;
    char broker[256];
};

static void run_agent(struct broker *b, const char *initdata, unsigned timeout_ms,
                      struct result *out)
{
    struct guest g = {.b = b};
    struct err e = {0};
    struct initdata d = {0};
    char key_path[] = "/tmp/casemate-agent-XXXXXX/sim.key";
    *strrchr(key_path, '/') = '\0';
    cr_assert(mkdtemp(key_path));
    key_path[strlen(key_path)] = '/';
    cr_assert_eq(sim_signer_open(key_path, &g.signer, &e), 0, "%s", e.text);
    b->signer = g.signer;
    b->initdata = initdata;
    if (initdata_parse(initdata, strlen(initdata), &d, &e) == 0) {
        initdata_field(&d, g.host_data, 32);
    }
    initdata_fini(&d);

    int in[2], answers[2];
    cr_assert(pipe(in) == 0 && pipe(answers) == 0);
    struct agent_request q = {.magic = AGENT_REQUEST_MAGIC,
                              .version = 1,
                              .initdata_len = (uint32_t)strlen(initdata),
                              .resource_count = 2};
    struct agent_resource r[2] = {{"kbs:///default/key/1"}, {"kbs:///default/key/2"}};
    memset(q.registers[2], 0x22, 48);
    cr_assert(write(in[1], &q, sizeof q) == sizeof q);
    cr_assert(write(in[1], initdata, strlen(initdata)) == (ssize_t)strlen(initdata));
    cr_assert(write(in[1], r, sizeof r) == sizeof r);
    close(in[1]);

    struct agent_env env = {.ctx = &g,
                            .tee = SIM_TEE_NAME,
                            .timeout_ms = timeout_ms,
                            .connect = test_connect,
                            .evidence = test_evidence};
    out->status = agent_serve(&env, in[0], answers[1]);
    close(in[0]);
    close(answers[1]);
    struct agent_answer a;
    while (read(answers[0], &a, sizeof a) == sizeof a) {
        char text[512] = {0};
        cr_assert_eq(a.magic, AGENT_ANSWER_MAGIC);
        cr_assert(a.len < sizeof text && read(answers[0], text, a.len) == (ssize_t)a.len);
        if (a.kind == AGENT_RESOURCE) {
            cr_assert_eq(a.index, out->resources);
            snprintf(out->resource[out->resources++], 64, "%s", text);
        } else if (a.kind == AGENT_FAILED) {
            snprintf(out->failed, sizeof out->failed, "%s", text);
        }
    }
    close(answers[0]);
    unlink(key_path);
    *strrchr(key_path, '/') = '\0';
    rmdir(key_path);
    sim_signer_free(g.signer);
}

static void run(enum manner m, const char *san, struct result *out)
{
    struct broker b = {.manner = m};
    char initdata[8192];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    signal(SIGPIPE, SIG_IGN);
    make_identity(&b.id, san);
    make_identity(&b.other, san);
    b.listener = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert(bind(b.listener, (struct sockaddr *)&a, sizeof a) == 0 && listen(b.listener, 4) == 0);
    cr_assert(getsockname(b.listener, (struct sockaddr *)&a, &len) == 0);
    b.port = ntohs(a.sin_port);
    cr_assert_eq(pthread_create(&b.thread, NULL, broker_main, &b), 0);
    snprintf(
        initdata, sizeof initdata,
        "version = \"0.1.0\"\nalgorithm = \"sha384\"\n[data]\n\"aa.toml\" = '''\n[token_configs.kbs]\n"
        "url = \"https://127.0.0.1:8080\"\ncert = \"\"\"\n%s\"\"\"\n'''\n",
        b.id.pem);
    bool silent = m == SILENT_BEFORE_TLS || m == SILENT_AFTER_AUTH;
    run_agent(&b, initdata, silent ? 200 : 20000, out);
    shutdown(b.listener, SHUT_RDWR);
    pthread_join(b.thread, NULL);
    close(b.listener);
    snprintf(out->broker, sizeof out->broker, "%s", b.failure);
    json_decref(b.tee_key);
    X509_free(b.id.cert), X509_free(b.other.cert);
    EVP_PKEY_free(b.id.key), EVP_PKEY_free(b.other.key);
}

Test(agent, gets_its_resources_from_an_honest_broker, .timeout = 60)
{
    static const enum manner manners[] = {HONEST, HONEST_CLOSING, HONEST_CHUNKED, HONEST_IMPATIENT};
    for (size_t i = 0; i < 4; i++) {
        struct result r = {0};
        run(manners[i], "IP:127.0.0.1", &r);
        cr_assert_eq(r.status, 0, "%s", r.failed);
        cr_assert_str_eq(r.broker, "");
        cr_assert_eq(r.resources, 2);
        cr_assert_str_eq(r.resource[0], secret);
        cr_assert_str_eq(r.resource[1], secret);
    }
}

Test(agent, certificate_pinned_itself_needs_no_name, .timeout = 60)
{
    struct result r = {0};
    run(HONEST, "DNS:somewhere.else", &r);
    cr_assert_eq(r.status, 0, "%s", r.failed);
}

static const struct {
    enum manner manner;
    const char *text; /* part of the one message */
} dishonest[] = {
    {SILENT_BEFORE_TLS, "no answer in time"},
    {SILENT_AFTER_AUTH, "no answer in time"},
    {NOT_TLS, "TLS with 127.0.0.1: handshake: "},
    {CLOSES_AT_ONCE, "TLS with 127.0.0.1: handshake: "},
    {OTHER_CERTIFICATE, "not the certificate that initdata names"},
    {AUTH_NOT_JSON, "challenge: not JSON"},
    {AUTH_DUPLICATE_NONCE, "challenge: not JSON: duplicate object key"},
    {AUTH_NO_NONCE, "challenge: member \"nonce\" is missing"},
    {AUTH_WEAK_HASH, "challenge selects a hash we did not offer"},
    {AUTH_REFUSES, "broker refused /kbs/v0/auth: AttestationError: tee: not ?[31m here"},
    {ATTEST_REFUSES,
     "broker refused /kbs/v0/attest: AttestationError: measurement: found 4d4d4d4d4d4d4d4d4d4d4d4d..., wanted 4e4e4e4e4e4e4e4e4e4e4e4e..."},
    {ATTEST_NO_TOKEN, "attestation answer: member \"token\" is missing"},
    {RESOURCE_REFUSED,
     "broker refused /kbs/v0/resource/default/key/1: PolicyDeny: rule 3: measurement differs"},
    {RESOURCE_OVERSIZED, "answer of 99999999 bytes"},
    {RESOURCE_CUT_SHORT, "answer cut short"},
    {RESOURCE_PLAINTEXT, "resource default/key/1: JWE: "},
    {RESOURCE_TO_OTHER_KEY,
     "resource default/key/1: JWE: the content key does not open with this key"},
    {RESOURCE_BIT_FLIPPED, "resource default/key/1: JWE: the content does not authenticate"},
    {REDIRECTS, "broker refused /kbs/v0/auth with status 307"},
};

Test(agent, dishonest_broker_gives_one_clear_error_and_no_resource, .timeout = 120)
{
    for (size_t i = 0; i < sizeof dishonest / sizeof dishonest[0]; i++) {
        struct result r = {0};
        run(dishonest[i].manner, "IP:127.0.0.1", &r);
        cr_expect_eq(r.status, 1);
        cr_expect_eq(r.resources, 0);
        cr_expect(strstr(r.failed, dishonest[i].text), "wanted \"%s\", found \"%s\"",
                  dishonest[i].text, r.failed);
    }
}

/* ---- what initdata may say */

static void fails_with(const char *data, const char *text)
{
    struct broker b = {.manner = HONEST};
    struct result r = {0};
    char initdata[1024];
    snprintf(initdata, sizeof initdata, "version = \"0.1.0\"\nalgorithm = \"sha384\"\n[data]\n%s",
             data);
    run_agent(&b, initdata, 1000, &r);
    cr_expect_eq(r.status, 1);
    cr_expect(strstr(r.failed, text), "wanted \"%s\", found \"%s\"", text, r.failed);
}

Test(agent, initdata_that_does_not_say_which_broker_is_refused_before_connecting, .timeout = 60)
{
    fails_with("", "initdata names no broker");
    fails_with("\"aa.toml\" = '''\n[token_configs.kbs]\nurl = \"https://a\"\n'''\n",
               "names no certificate");
    fails_with("\"aa.toml\" = '''\n[token_configs.kbs]\nurl = \"http://a\"\ncert = \"x\"\n'''\n",
               "plain http");
    fails_with("\"aa.toml\" = '''\n[token_configs.kbs]\nurl = \"https://a\"\n'''\n"
               "\"cdh.toml\" = '''\n[kbc]\nurl = \"https://b\"\n'''\n",
               "\"url\" differs from aa.toml's");
    fails_with("\"aa.toml\" = 'x'\n", "initdata aa.toml: line 1");
    fails_with("\"aa.toml\" = 7\n", "is not a string");
}

/* ---- what init may send */

Test(agent, request_that_is_no_request_is_refused, .timeout = 60)
{
    struct agent_request good = {
        .magic = AGENT_REQUEST_MAGIC, .version = 1, .initdata_len = 1, .resource_count = 1};
    struct agent_request bad[] = {good, good, good, good, good, good};
    bad[0].magic ^= 1;
    bad[1].version = 2;
    bad[2].initdata_len = AGENT_INITDATA_MAX + 1;
    bad[3].resource_count = 0;
    bad[4].reserved = 1;
    bad[5].initdata_len = 4096; /* more than follows */
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct agent_env env = {0};
        struct agent_answer a;
        int in[2], out[2];
        cr_assert(pipe(in) == 0 && pipe(out) == 0);
        cr_assert(write(in[1], &bad[i], sizeof bad[i]) == sizeof bad[i]);
        close(in[1]);
        cr_assert_eq(agent_serve(&env, in[0], out[1]), 1);
        cr_assert(read(out[0], &a, sizeof a) == sizeof a);
        cr_assert_eq(a.kind, AGENT_FAILED);
        close(in[0]), close(out[0]), close(out[1]);
    }
}
