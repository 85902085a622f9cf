/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guests and an administrator that ask several brokers in turns, each step of a handshake another one, each over a
 * connection of its own. A broker that does not answer, or answers 503, is asked again elsewhere; any other answer than the
 * one that belongs there ends the run: a session or a secret was lost.
 *
 * usage: kbs_load KEY INITDATA MEASUREMENT TOKEN-FILE GUESTS CYCLES PORT...      plain http on 127.0.0.1
 *        kbs_load KEY INITDATA MEASUREMENT count:RESOURCE GUESTS CYCLES PORT...
 *
 * Prints "half" when half of the cycles are done, and at the end what was done. In its second form the guests ask for one
 * resource all at once, and it prints how many times they got it and how many times the policy said no.
 */
#include "attest/agent/http.h"
#include "attest/hex.h"
#include "attest/initdata.h"
#include "attest/jose.h"
#include "attest/sim_signer.h"
#include "attest/transcript.h"
#include "attest/verify/sim.h"
#include "guest/base/hosted.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define PORTS_MAX    8
#define GUESTS_MAX   16
#define WAITING      20 /* sessions that wait until the end */
#define SECRETS_MAX  4096
#define ATTEMPTS_MAX 2000
#define ATTEMPT_US   5000
#define RESOURCE     "/kbs/v0/resource/default/load/"

static uint16_t ports[PORTS_MAX];
static unsigned port_count, guest_count, cycles;
static char initdata[65536], token[4096];
static uint8_t measurement[48], host_data[32];
static struct sim_signer *signer;
static atomic_uint done, retries, turn, failed;
static atomic_uint secrets; /* 0 .. secrets - 1 were acknowledged */
static atomic_bool finished;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t progress = PTHREAD_COND_INITIALIZER;

/* ---- asking ---------------------------------------------------------------------------------- */

static int fd_read(void *ctx, uint8_t *buf, size_t cap, size_t *out_n, struct err *e)
{
    ssize_t n = recv(*(int *)ctx, buf, cap, 0);
    if (n < 0) { return err_set(e, errno, "read: %s", strerror(errno)); }
    *out_n = (size_t)n;
    return 0;
}

static int fd_write(void *ctx, const uint8_t *p, size_t len, struct err *e)
{
    for (ssize_t n; len > 0; p += n, len -= (size_t)n) {
        n = send(*(int *)ctx, p, len, MSG_NOSIGNAL);
        if (n < 0) { return err_set(e, errno, "write: %s", strerror(errno)); }
    }
    return 0;
}

static int ask_once(uint16_t port, const struct http_request *q, struct http_reply *out,
                    struct err *e)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = 20};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto_fd fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
        return err_set(e, errno, "port %u: %s", port, strerror(errno));
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    struct http h = {.io = {.ctx = &fd, .read = fd_read, .write = fd_write}};
    return http_exchange(&h, q, 1 << 20, out, e);
}

/* At the next broker, until one answers. False: nobody does. */
static bool ask_any(const struct http_request *q, struct http_reply *out)
{
    struct err e = {0};
    for (unsigned i = 0; i < ATTEMPTS_MAX; i++) {
        uint16_t port = ports[turn++ % port_count];
        e = (struct err){0};
        if (ask_once(port, q, out, &e) == 0 && out->status != 503) { return true; }
        http_reply_fini(out);
        *out = (struct http_reply){0};
        retries++;
        (void)usleep(ATTEMPT_US);
    }
    (void)fprintf(stderr, "kbs_load: %s: nobody answers: %s\n", q->path, e.text);
    return false;
}

/* False: the answer is not the one that belongs there. */
static bool ask(const struct http_request *q, struct http_reply *out)
{
    if (!ask_any(q, out)) { return false; }
    if (out->status == 200) { return true; }
    (void)fprintf(stderr, "kbs_load: %s: status %u: %s\n", q->path, out->status, (char *)out->body);
    return false;
}

/* ---- guests ---------------------------------------------------------------------------------- */

struct guest {
    struct crypto_key *key;
    char cookie[HTTP_COOKIE_MAX];
};

static char *attestation(const struct guest *g, const char *nonce)
{
    auto_json jwk = NULL;
    auto_json tee_key = NULL;
    struct err e = {0};
    uint8_t data[64], report[1184];
    if (jwk_to_json(g->key, "ECDH-ES+A256KW", false, &jwk) < 0 ||
        transcript_tee_key(jwk, &tee_key, &e) < 0 ||
        transcript_report_data(nonce, tee_key, "", CRYPTO_SHA384, data, &e) < 0 ||
        sim_signer_report(signer, data, measurement, host_data, report) < 0) {
        return NULL;
    }
    auto_json doc = json_pack("{s:{s:s, s:s}, s:{s:s, s:O}, s:{s:o, s:s}}", "init-data", "format",
                              "toml", "body", initdata, "runtime-data", "nonce", nonce,
                              "tee-pubkey", tee_key, "tee-evidence", "primary_evidence",
                              sim_evidence_format(report), "additional_evidence", "");
    return doc ? json_dumps(doc, JSON_COMPACT) : NULL;
}

static bool post(struct guest *g, const char *path, const char *body, struct http_reply *out)
{
    struct http_request q = {.method = "POST",
                             .path = path,
                             .host = "127.0.0.1",
                             .cookie = g->cookie,
                             .body = body,
                             .body_len = strlen(body)};
    if (!ask(&q, out)) { return false; }
    if (out->cookie[0]) { memcpy(g->cookie, out->cookie, sizeof g->cookie); }
    return true;
}

static bool handshake(struct guest *g)
{
    static const char request[] =
        "{\"version\":\"0.4.0\",\"tee\":\"" SIM_TEE_NAME "\",\"extra-params\":\"\"}";
    auto_reply challenge = {0};
    auto_reply answer = {0};
    g->cookie[0] = '\0';
    if (!post(g, "/kbs/v0/auth", request, &challenge)) { return false; }
    auto_json doc = json_loadb((char *)challenge.body, challenge.body_len, 0, NULL);
    const char *nonce = json_string_value(json_object_get(doc, "nonce"));
    auto_free char *body = nonce ? attestation(g, nonce) : NULL;
    return body && post(g, "/kbs/v0/attest", body, &answer);
}

/* The resource of that number is its number. */
static bool fetch(const struct guest *g, unsigned number)
{
    char path[64], want[16];
    auto_reply r = {0};
    auto_free uint8_t *value = NULL;
    size_t len;
    struct err e = {0};
    (void)snprintf(path, sizeof path, RESOURCE "%u", number);
    (void)snprintf(want, sizeof want, "%u", number);
    struct http_request q = {
        .method = "GET", .path = path, .host = "127.0.0.1", .cookie = g->cookie};
    if (!ask(&q, &r)) { return false; }
    if (jwe_decrypt((char *)r.body, r.body_len, JWE_ALLOW_KBS, g->key, NULL, &value, &len, &e) <
            0 ||
        len != strlen(want) || memcmp(value, want, len) != 0) {
        (void)fprintf(stderr, "kbs_load: %s: not what was stored there: %s\n", path, e.text);
        return false;
    }
    return true;
}

static void *guest_run(void *arg)
{
    struct guest *g = arg;
    for (unsigned i = 0; i < cycles && !failed; i++) {
        if (!handshake(g) || !fetch(g, i % (secrets ? secrets : 1))) { failed++; }
        (void)pthread_mutex_lock(&lock);
        done++;
        (void)pthread_cond_signal(&progress);
        (void)pthread_mutex_unlock(&lock);
    }
    return NULL;
}

/* ---- counting -------------------------------------------------------------------------------- */

static const char *counted; /* repository/type/tag */
static atomic_uint allowed, denied;

static void *count_run(void *arg)
{
    struct guest *g = arg;
    char path[128];
    (void)snprintf(path, sizeof path, "/kbs/v0/resource/%s", counted);
    struct http_request q = {
        .method = "GET", .path = path, .host = "127.0.0.1", .cookie = g->cookie};
    if (!handshake(g)) { failed++; }
    for (unsigned i = 0; i < cycles && !failed; i++) {
        auto_reply r = {0};
        if (!ask_any(&q, &r)) {
            failed++;
        } else if (r.status == 200) {
            allowed++;
        } else if (r.status == 401 && strstr((char *)r.body, "PolicyDeny")) {
            denied++;
        } else {
            (void)fprintf(stderr, "kbs_load: %s: %u %s\n", path, r.status, (char *)r.body);
            failed++;
        }
    }
    return NULL;
}

/* ---- the administrator ----------------------------------------------------------------------- */

static bool store(unsigned number)
{
    char path[64], value[16];
    auto_reply r = {0};
    (void)snprintf(path, sizeof path, RESOURCE "%u", number);
    (void)snprintf(value, sizeof value, "%u", number);
    struct http_request q = {.method = "POST",
                             .path = path,
                             .host = "127.0.0.1",
                             .bearer = token,
                             .body = value,
                             .body_len = strlen(value)};
    return ask(&q, &r);
}

static void *admin_run(void *arg)
{
    (void)arg;
    while (!finished && secrets < SECRETS_MAX && !failed) {
        if (!store(secrets)) { failed++; }
        secrets++;
    }
    return NULL;
}

/* ---- the run --------------------------------------------------------------------------------- */

static bool read_file(const char *path, char *out, size_t size)
{
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(out, 1, size - 1, f) : 0;
    out[n] = '\0';
    if (f) { (void)fclose(f); }
    return n > 0;
}

static bool arguments(int argc, char **argv)
{
    struct initdata d = {0};
    struct err e = {0};
    if (argc < 8 || argc > 7 + PORTS_MAX || !read_file(argv[2], initdata, sizeof initdata)) {
        return false;
    }
    if (strncmp(argv[4], "count:", 6) == 0) {
        counted = argv[4] + 6;
    } else if (!read_file(argv[4], token, sizeof token)) {
        return false;
    }
    token[strcspn(token, "\n")] = '\0';
    guest_count = (unsigned)strtoul(argv[5], NULL, 10);
    cycles = (unsigned)strtoul(argv[6], NULL, 10);
    for (int i = 7; i < argc; i++) { ports[port_count++] = (uint16_t)strtoul(argv[i], NULL, 10); }
    if (guest_count < 1 || guest_count > GUESTS_MAX || cycles < 1 ||
        !hex_decode(argv[3], strlen(argv[3]), measurement, sizeof measurement) ||
        sim_signer_open(argv[1], &signer, &e) < 0 ||
        initdata_parse(initdata, strlen(initdata), &d, &e) < 0) {
        return false;
    }
    initdata_field(&d, host_data, sizeof host_data);
    initdata_fini(&d);
    return true;
}

/* Sessions that were opened before the run, and every secret that was acknowledged in it. */
static bool all_there(struct guest *waiting, struct guest *reader)
{
    for (unsigned i = 0; i < WAITING; i++) {
        if (!fetch(&waiting[i], i % secrets)) { return false; }
    }
    if (!handshake(reader)) { return false; }
    for (unsigned i = 0; i < secrets; i++) {
        if (!fetch(reader, i)) { return false; }
    }
    return true;
}

static int count_all(struct guest *guests)
{
    pthread_t threads[GUESTS_MAX];
    for (unsigned i = 0; i < guest_count; i++) {
        (void)pthread_create(&threads[i], NULL, count_run, &guests[i]);
    }
    for (unsigned i = 0; i < guest_count; i++) { (void)pthread_join(threads[i], NULL); }
    (void)printf("%u allowed, %u denied\n", allowed, denied);
    return failed ? 1 : 0;
}

static int load_all(struct guest *guests)
{
    static struct guest waiting[WAITING];
    pthread_t threads[GUESTS_MAX], admin;
    if (!store(secrets++)) { return 1; }
    for (unsigned i = 0; i < WAITING; i++) {
        waiting[i].key = guests[0].key;
        if (!handshake(&waiting[i])) { return 1; }
    }
    (void)pthread_create(&admin, NULL, admin_run, NULL);
    for (unsigned i = 0; i < guest_count; i++) {
        (void)pthread_create(&threads[i], NULL, guest_run, &guests[i]);
    }
    (void)pthread_mutex_lock(&lock);
    while (done < guest_count * cycles / 2 && !failed) {
        (void)pthread_cond_wait(&progress, &lock);
    }
    (void)pthread_mutex_unlock(&lock);
    (void)puts("half");
    (void)fflush(stdout);
    for (unsigned i = 0; i < guest_count; i++) { (void)pthread_join(threads[i], NULL); }
    finished = true;
    (void)pthread_join(admin, NULL);
    bool good = !failed && all_there(waiting, &guests[0]);
    (void)printf("%s: %u handshakes, %u secrets, %u times asked again\n", good ? "good" : "lost",
                 done, secrets, retries);
    return good ? 0 : 1;
}

int main(int argc, char **argv)
{
    static struct guest guests[GUESTS_MAX];
    if (!arguments(argc, argv)) {
        (void)fputs(
            "usage: kbs_load KEY INITDATA MEASUREMENT TOKEN-FILE|count:RESOURCE GUESTS CYCLES"
            " PORT...\n",
            stderr);
        return 2;
    }
    for (unsigned i = 0; i < guest_count; i++) {
        if (crypto_key_generate(CRYPTO_P256, 0, &guests[i].key) < 0) { return 1; }
    }
    int rc = counted ? count_all(guests) : load_all(guests);
    for (unsigned i = 0; i < guest_count; i++) { crypto_key_free(guests[i].key); }
    sim_signer_free(signer);
    return rc;
}
