/* SPDX-License-Identifier: Apache-2.0 */
/* A broker for one machine's guests: the library as cc-kbs runs it, in a process of its own. See kbs.h. */
#include "tests/bench/kbs_machine.h"

#include "attest/base64.h"
#include "attest/hex.h"
#include "attest/kbs/audit.h"
#include "attest/kbs/broker.h"
#include "attest/kbs/rules/rules.h"
#include "attest/kbs/http/server.h"
#include "attest/kbs/desk/setup.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#define ISSUER "cc-bench"

/* Everything of the child; it lives until the process ends. */
struct service {
    struct store *store;
    struct audit audit;
    struct crypto_key *token_key, *admin_key;
    const struct crypto_key *admin_keys[1];
    struct verifier verifier;
    struct broker *broker;
    struct server *server;
};

/* ---- what its owner registers ------------------------------------------------------------------ */

static int administer(struct service *s, const char *path, const void *body, size_t len,
                      struct err *e)
{
    auto_free char *token = NULL;
    char head[2048];
    struct http_request rq;
    struct http_response rs = {0};
    int64_t now = (int64_t)time(NULL);
    int rc = setup_admin_token(s->admin_key, ISSUER, now, 60, &token, e);
    if (rc < 0) { return rc; }
    int n = snprintf(head, sizeof head,
                     "POST %s HTTP/1.1\r\nAuthorization: Bearer %s\r\nContent-Length: %zu\r\n\r\n",
                     path, token, len);
    rc = http_head_read((const uint8_t *)head, (size_t)n, &rq, e);
    if (rc < 0) { return rc; }
    rq.body = (struct view){.p = body, .len = len};
    broker_handle(s->broker, &rq, "127.0.0.1", now, &rs);
    if (rs.status != 200) {
        rc = err_set(e, EACCES, "%s: status %d: %.*s", path, rs.status, (int)rs.body_len,
                     (char *)rs.body);
    }
    http_response_fini(&rs);
    return rc;
}

/* What CoCo ships as allow_all: sample evidence binds no initdata, so there is nothing that a rule of ours could name. */
#define ALLOW_ALL "package policy\nimport rego.v1\ndefault allow := true\n"

static int policy_write(const struct bench_machine *m, char *out, size_t size)
{
    char initdata[HEX_LEN(48)], measurement[HEX_LEN(48)];
    if (!reference_name_of(m->ops->kind.name)) { return snprintf(out, size, "%s", ALLOW_ALL); }
    hex_encode(m->initdata, sizeof m->initdata, initdata);
    hex_encode(m->measurement, sizeof m->measurement, measurement);
    return snprintf(out, size,
                    "{\"version\":1,\"rules\":[{\"name\":\"bench\",\"resources\":[\"" BENCH_RESOURCE
                    "\"],\"tee\":[\"%s\"],\"initdata\":[\"%s\"],\"measurement\":[\"%s\"]%s}]}",
                    m->ops->kind.name, initdata, measurement,
                    m->ops->kind.rule ? m->ops->kind.rule : "");
}

static int owner_registers(struct service *s, const struct bench_machine *m, struct err *e)
{
    static const uint8_t value[BENCH_VALUE_SIZE] = "thirty-two bytes that are a key";
    char text[1024], b64[2048], body[2100];
    b64u_encode(text, (size_t)policy_write(m, text, sizeof text), b64);
    int n = snprintf(body, sizeof body, "{\"policy\":\"%s\"}", b64);
    int rc = administer(s, "/kbs/v0/resource-policy", body, (size_t)n, e);
    if (rc < 0) { return rc; }
    return administer(s, "/kbs/v0/resource/" BENCH_RESOURCE, value, sizeof value, e);
}

/* ---- the child --------------------------------------------------------------------------------- */

static int service_make(struct service *s, struct bench_machine *m, const char *dir, bool tls,
                        struct err *e)
{
    static const uint8_t storage_key[STORE_KEY_SIZE] = {7};
    char path[PATH_MAX], cert[PATH_MAX], key[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/kbs.sqlite", dir);
    int rc = store_open(path, storage_key, &s->store, e);
    (void)snprintf(path, sizeof path, "%s/audit.log", dir);
    if (rc == 0) { rc = audit_open(path, &s->audit, e); }
    if (rc < 0) { return rc; }
    if (crypto_key_generate(CRYPTO_P256, 0, &s->token_key) < 0 ||
        crypto_key_generate(CRYPTO_ED25519, 0, &s->admin_key) < 0) {
        return err_set(e, EIO, "keys: cannot be made");
    }
    s->admin_keys[0] = s->admin_key;
    s->verifier = m->ops->verifier(m);
    struct broker_setup setup = {
        .store = s->store,
        .token_key = s->token_key,
        .admin_keys = s->admin_keys,
        .admin_key_count = 1,
        .admin_issuer = ISSUER,
        .verifiers = &s->verifier,
        .verifier_count = 1,
        .insecure_policy_without_initdata = true, /* used by sample alone */
        .max_sessions = 100000,
        .session_seconds = 300,
        .audit = audit_line,
        .audit_ctx = &s->audit,
    };
    rc = broker_new(&setup, &s->broker, e);
    if (rc == 0) { rc = owner_registers(s, m, e); }
    if (rc < 0) { return rc; }
    (void)snprintf(cert, sizeof cert, "%s/server.crt", dir);
    (void)snprintf(key, sizeof key, "%s/server.key", dir);
    struct server_setup listen = {
        .listen = "127.0.0.1:0",
        .tls_cert_pem = tls ? cert : NULL,
        .tls_key_pem = tls ? key : NULL,
        .max_connections = 1024,
        .max_body = 2u << 20,
        .max_buffered = 64u << 20,
        .handle = broker_handle,
        .ctx = s->broker,
    };
    return server_new(&listen, &s->server, e);
}

/* Says its port, or what went wrong, on the pipe. */
NORETURN static void child(struct bench_machine *m, const char *dir, bool tls, int out)
{
    struct service s = {.audit = {.fd = -1}};
    struct err e = {0};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    int rc = service_make(&s, m, dir, tls, &e);
    if (rc < 0) {
        (void)dprintf(out, "%s", e.text);
        _exit(1);
    }
    (void)dprintf(out, "%u", server_port(s.server));
    (void)close(out);
    rc = server_run(s.server, &e);
    _exit(rc < 0);
}

/* ---- the parent -------------------------------------------------------------------------------- */

static int write_file(const char *dir, const char *name, const char *text, struct err *e)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    auto_fd fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
    return n == (ssize_t)strlen(text) ? 0 : err_set(e, EIO, "%s: cannot be written", path);
}

static int certificate(const char *dir, struct bench_broker *b, struct err *e)
{
    auto_free char *key = NULL;
    auto_free char *cert = NULL;
    int rc = setup_self_signed(NULL, 0, (int64_t)time(NULL), &key, &cert, e);
    if (rc == 0) { rc = write_file(dir, "server.key", key, e); }
    if (rc == 0) { rc = write_file(dir, "server.crt", cert, e); }
    if (rc == 0) { (void)snprintf(b->cert, sizeof b->cert, "%s", cert); }
    return rc;
}

int bench_broker_start(struct bench_machine *m, const char *dir, bool tls, struct bench_broker *out,
                       struct err *e)
{
    struct bench_broker b = {0};
    char said[512] = "";
    int pipefd[2];
    int rc = tls ? certificate(dir, &b, e) : 0;
    if (rc < 0) { return rc; }
    if (pipe2(pipefd, O_CLOEXEC) < 0) { return err_set(e, errno, "pipe: %s", strerror(errno)); }
    b.pid = fork();
    if (b.pid == 0) { child(m, dir, tls, pipefd[1]); }
    (void)close(pipefd[1]);
    auto_file f = fdopen(pipefd[0], "r");
    if (b.pid < 0 || !f) { return err_set(e, errno, "broker: %s", strerror(errno)); }
    said[fread(said, 1, sizeof said - 1, f)] = '\0';
    if (said[0] < '0' || said[0] > '9') {
        bench_broker_stop(&b);
        return err_set(e, EIO, "broker: %s", said);
    }
    (void)snprintf(b.url, sizeof b.url, "http%s://127.0.0.1:%s", tls ? "s" : "", said);
    *out = b;
    return 0;
}

void bench_broker_stop(struct bench_broker *b)
{
    if (b->pid <= 0) { return; }
    (void)kill(b->pid, SIGTERM);
    (void)waitpid(b->pid, NULL, 0);
    b->pid = 0;
}
