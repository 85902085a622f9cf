/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that asks for one key, over and over: the agent's HTTP and TLS, the protocol in its shortest form. Each answer
 * that is not the one wanted ends the run, because a figure of a failure is worth nothing.
 */
#include "tests/bench/kbs.h"

#include "attest/agent/http.h"
#include "attest/agent/tls.h"
#include "attest/agent/uri.h"
#include "attest/jose.h"
#include "guest/base/hosted.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define ANSWER_MAX (1u << 20)
#define TIMEOUT_MS 20000

struct bench_guest {
    const struct bench_target *target;
    struct broker_url url;
    bool https;
    int fd; /* plain http; -1 = closed */
    struct tls *tls;
    struct http http;
    char cookie[HTTP_COOKIE_MAX];
};

uint64_t bench_now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- the connection ---------------------------------------------------------------------------- */

static int fd_read(void *ctx, uint8_t *buf, size_t cap, size_t *out_n, struct err *e)
{
    const struct bench_guest *g = ctx;
    ssize_t n = recv(g->fd, buf, cap, 0);
    if (n < 0) { return err_set(e, errno, "read: %s", strerror(errno)); }
    *out_n = (size_t)n;
    return 0;
}

static int fd_write(void *ctx, const uint8_t *p, size_t len, struct err *e)
{
    const struct bench_guest *g = ctx;
    while (len > 0) {
        ssize_t n = send(g->fd, p, len, MSG_NOSIGNAL);
        if (n < 0) { return err_set(e, errno, "write: %s", strerror(errno)); }
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static void disconnect(struct bench_guest *g)
{
    tls_close(g->tls);
    g->tls = NULL;
    if (g->fd >= 0) { (void)close(g->fd); }
    g->fd = -1;
}

static int connect_to(struct bench_guest *g, struct err *e)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(g->url.port)};
    struct timeval patience = {.tv_sec = TIMEOUT_MS / 1000};
    int on = 1;
    if (inet_pton(AF_INET, g->url.host, &to.sin_addr) != 1) {
        return err_set(e, EINVAL, "%s: wanted an IPv4 address", g->url.host);
    }
    auto_fd fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
        return err_set(e, errno, "connect to %s: %s", g->url.authority, strerror(errno));
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (g->https) {
        int rc = tls_open(steal_fd(&fd), g->url.host, g->target->cert, tls_now_ms() + TIMEOUT_MS,
                          &g->tls, e);
        if (rc < 0) { return rc; }
        g->http = (struct http){.io = {.ctx = g->tls, .read = tls_read, .write = tls_write}};
    } else {
        g->fd = steal_fd(&fd);
        g->http = (struct http){.io = {.ctx = g, .read = fd_read, .write = fd_write}};
    }
    return 0;
}

int bench_guest_new(const struct bench_target *t, struct bench_guest **out, struct err *e)
{
    struct bench_guest *g = calloc(1, sizeof *g);
    char https_url[BENCH_URL_MAX];
    if (!g) { return err_set(e, ENOMEM, "out of memory"); }
    g->fd = -1;
    g->target = t;
    g->https = strncmp(t->url, "https://", 8) == 0;
    /* agents know https alone, and so does their reader of addresses */
    (void)snprintf(https_url, sizeof https_url, "https://%s",
                   strncmp(t->url, "http://", 7) == 0 ? t->url + 7 : t->url + 8);
    int rc = broker_url_parse(https_url, &g->url, e);
    if (rc < 0) {
        bench_guest_free(g);
        return rc;
    }
    *out = g;
    return 0;
}

void bench_guest_free(struct bench_guest *g)
{
    if (!g) { return; }
    disconnect(g);
    free(g);
}

/* body NULL = GET. *out_waited: until the whole answer is here. */
static int ask(struct bench_guest *g, const char *path, const char *body, uint64_t *out_waited,
               struct http_reply *out, struct err *e)
{
    struct http_request q = {.method = body ? "POST" : "GET",
                             .path = path,
                             .host = g->url.authority,
                             .cookie = g->cookie,
                             .body = body,
                             .body_len = body ? strlen(body) : 0};
    uint64_t start = bench_now_ns();
    int rc = http_exchange(&g->http, &q, ANSWER_MAX, out, e);
    *out_waited = bench_now_ns() - start;
    if (rc < 0) { return err_wrap(e, "%s", path); }
    if (out->status != 200) {
        return err_set(e, EACCES, "%s: status %u: %.*s", path, out->status,
                       (int)(out->body_len < 180 ? out->body_len : 180), (char *)out->body);
    }
    if (out->cookie[0]) { memcpy(g->cookie, out->cookie, sizeof g->cookie); }
    return 0;
}

/* ---- the protocol ------------------------------------------------------------------------------ */

static int challenge(struct bench_guest *g, char *out_nonce, size_t cap, uint64_t *out_waited,
                     struct err *e)
{
    char body[128];
    auto_reply r = {0};
    auto_json j = NULL;
    const char *nonce;
    (void)snprintf(body, sizeof body,
                   "{\"version\":\"0.4.0\",\"tee\":\"%s\",\"extra-params\":\"\"}", g->target->tee);
    int rc = ask(g, "/kbs/v0/auth", body, out_waited, &r, e);
    if (rc == 0) { rc = json_load_strict("challenge", r.body, r.body_len, ANSWER_MAX, &j, e); }
    if (rc == 0) { rc = json_get_text("challenge", j, "nonce", &nonce, e); }
    if (rc < 0) { return rc; }
    if (strlen(nonce) >= cap) { return err_set(e, E2BIG, "challenge: a nonce too long"); }
    (void)snprintf(out_nonce, cap, "%s", nonce);
    return 0;
}

static int attestation(struct bench_guest *g, const char *nonce, const struct crypto_key *key,
                       char **out, struct err *e)
{
    auto_json jwk = NULL;
    auto_json tee_key = NULL;
    auto_json primary = NULL;
    uint8_t data[BENCH_REPORT_DATA];
    int rc = jwk_to_json(key, "ECDH-ES+A256KW", false, &jwk);
    if (rc < 0) { return err_set(e, -rc, "key has no public form"); }
    rc = transcript_tee_key(jwk, &tee_key, e);
    if (rc == 0) { rc = transcript_report_data(nonce, tee_key, "", CRYPTO_SHA384, data, e); }
    if (rc == 0) { rc = bench_machine_evidence(g->target->machine, data, &primary, e); }
    if (rc < 0) { return rc; }
    auto_json j =
        json_pack("{s:{s:s, s:s}, s:{s:s, s:O}, s:{s:O, s:s}}", "init-data", "format", "toml",
                  "body", BENCH_INITDATA, "runtime-data", "nonce", nonce, "tee-pubkey", tee_key,
                  "tee-evidence", "primary_evidence", primary, "additional_evidence", "");
    *out = j ? json_dumps(j, JSON_COMPACT) : NULL;
    return *out ? 0 : err_set(e, ENOMEM, "out of memory");
}

static int attest(struct bench_guest *g, const char *nonce, const struct crypto_key *key,
                  uint64_t *out_waited, struct err *e)
{
    auto_free char *body = NULL;
    auto_reply r = {0};
    int rc = attestation(g, nonce, key, &body, e);
    return rc < 0 ? rc : ask(g, "/kbs/v0/attest", body, out_waited, &r, e);
}

static int fetch(struct bench_guest *g, const struct crypto_key *key, uint64_t *out_waited,
                 struct err *e)
{
    char path[256];
    auto_reply r = {0};
    auto_free uint8_t *value = NULL;
    size_t len;
    (void)snprintf(path, sizeof path, "/kbs/v0/resource/%s", g->target->resource);
    int rc = ask(g, path, NULL, out_waited, &r, e);
    if (rc < 0) { return rc; }
    rc = jwe_decrypt((const char *)r.body, r.body_len, JWE_ALLOW_KBS, key, NULL, &value, &len, e);
    if (rc < 0) { return rc; }
    return len == BENCH_VALUE_SIZE ? 0 : err_set(e, EBADMSG, "a value of %zu bytes", len);
}

int bench_guest_release(struct bench_guest *g, bool get, uint64_t out_waited[static BENCH_PHASES],
                        struct err *e)
{
    auto_key key = NULL;
    char nonce[256];
    int rc = crypto_key_generate(CRYPTO_P256, 0, &key);
    if (rc < 0) { return err_set(e, -rc, "key generation failed"); }
    g->cookie[0] = '\0';
    uint64_t start = bench_now_ns();
    if (g->https) { disconnect(g); }
    if (g->fd < 0) { rc = connect_to(g, e); }
    uint64_t connected = bench_now_ns() - start;
    if (rc == 0) { rc = challenge(g, nonce, sizeof nonce, &out_waited[BENCH_AUTH], e); }
    out_waited[BENCH_AUTH] += connected;
    if (rc == 0) { rc = attest(g, nonce, key, &out_waited[BENCH_ATTEST], e); }
    if (rc == 0 && get) { rc = fetch(g, key, &out_waited[BENCH_GET], e); }
    return rc;
}
