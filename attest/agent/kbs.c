/* SPDX-License-Identifier: Apache-2.0 */
/* See kbs.h. [KBS protocol 0.4.0]. The order of calls in kbs_open() is the handshake. */
#include "attest/agent/kbs.h"

#include "attest/agent/agent.h"
#include "attest/agent/http.h"
#include "attest/agent/tls.h"
#include "attest/agent/uri.h"
#include "attest/jose.h"
#include "guest/base/ct.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define PREFIX       "/kbs/v0"
#define TEE_KEY_ALG  "ECDH-ES+A256KW"
#define AUTH_MAX     65536u                             /* bytes of a challenge */
#define TOKEN_MAX    (JWS_TEXT_MAX + 1024u)             /* bytes of an attest answer */
#define RESOURCE_MAX (AGENT_VALUE_MAX / 3 * 4 + 65536u) /* a resource as JWE */
#define NONCE_MAX    1024u
#define REFUSAL_MAX  65535u /* bytes of a refusal that are looked at */

struct kbs {
    const struct agent_env *env;
    int64_t deadline_ms;
    const struct agent_broker *broker;
    const struct kbs_guest *guest;
    struct broker_url url;
    struct crypto_key *key;
    json_t *tee_key; /* its public half as sent and hashed */
    struct tls *tls;
    bool used; /* this connection has carried an answer */
    struct http http;
    char cookie[HTTP_COOKIE_MAX];
    char *token;
};

void kbs_close(struct kbs *k)
{
    if (!k) { return; }
    tls_close(k->tls);
    free(k->token);
    crypto_key_free(k->key);
    json_decref(k->tee_key);
    wipe(k, sizeof *k);
    free(k);
}

/* ---- one request */

static int connect_tls(struct kbs *k, struct err *e)
{
    int fd;
    int64_t left = k->deadline_ms - tls_now_ms();
    if (left <= 0) { return err_set(e, ETIMEDOUT, "no time left to connect"); }
    tls_close(k->tls);
    k->tls = NULL;
    k->used = false;
    int r = k->env->connect(k->env->ctx, k->url.host, k->url.port, (unsigned)left, &fd, e);
    if (r == 0) { r = tls_open(fd, k->url.host, k->broker->cert, k->deadline_ms, &k->tls, e); }
    if (r < 0) { return r; }
    k->http = (struct http){.io = {.ctx = k->tls, .read = tls_read, .write = tls_write}};
    return 0;
}

/*
 * A refusal as it fits in one line: digests keep their first 24 digits, so that the found and the
 * wanted one are both seen (the broker's log has them whole), and what is not printable becomes '?',
 * since the text ends on a terminal.
 */
static void shorten(const char *in, char *out, size_t cap)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;
    while (*in && n + 1 < cap) {
        size_t run = strspn(in, digits), keep = run > 32 ? 24 : run > 0 ? run : 1;
        for (size_t i = 0; i < keep && n + 1 < cap; i++) {
            out[n++] = in[i] >= ' ' && in[i] <= '~' ? in[i] : '?';
        }
        for (size_t i = 0; i < 3 && keep < run && n + 1 < cap; i++) { out[n++] = '.'; }
        in += run > 0 ? run : 1;
    }
    out[n] = '\0';
}

/*
 * {"type":".../Variant","detail":"..."} as one phrase; whatever else the body is, the status alone.
 */
static int refused(const struct http_reply *r, const char *path, struct err *e)
{
    auto_json j = NULL;
    struct err unread = {0};
    (void)!json_load_strict("refusal", r->body, r->body_len, REFUSAL_MAX, &j, &unread);
    const char *type = json_string_value(json_object_get(j, "type"));
    const char *detail = json_string_value(json_object_get(j, "detail"));
    const char *variant = type ? strrchr(type, '/') : NULL;
    if (!variant || !detail) {
        return err_set(e, EACCES, "broker refused %s with status %u", path, r->status);
    }
    char name[41], text[200];
    shorten(variant + 1, name, sizeof name);
    shorten(detail, text, sizeof text);
    return err_set(e, EACCES, "broker refused %s: %s: %s", path, name, text);
}

/*
 * A server may close a connection that was idle while we made our evidence. When a request on a used
 * connection got no byte back, it is asked again, once, on a new one: the broker has a session, and
 * each request of ours may be repeated in it.
 */
static int exchange(struct kbs *k, const struct http_request *q, size_t max_body,
                    struct http_reply *out, struct err *e)
{
    if (k->tls) {
        struct err why = {0};
        uint64_t before = k->http.received;
        bool used = k->used;
        int rc = http_exchange(&k->http, q, max_body, out, &why);
        k->used = true;
        if (rc == 0) { return 0; }
        if (!used || k->http.received != before || rc == -ETIMEDOUT) {
            *e = why;
            return rc;
        }
    }
    int rc = connect_tls(k, e);
    k->used = true;
    return rc < 0 ? rc : http_exchange(&k->http, q, max_body, out, e);
}

/*
 * POST body, or GET when body is NULL; 200 or an error. The connection is opened when there is
 * none.
 */
static int call(struct kbs *k, const char *path, const char *body, size_t max_body,
                struct http_reply *out, struct err *e)
{
    auto_reply r = {0};
    struct http_request q = {.method = body ? "POST" : "GET",
                             .path = path,
                             .host = k->url.authority,
                             .cookie = k->cookie,
                             .body = body,
                             .body_len = body ? strlen(body) : 0};
    int rc = exchange(k, &q, max_body, &r, e);
    if (rc < 0) { return err_wrap(e, "broker %s%s", k->url.authority, path); }
    if (!r.keep) {
        tls_close(k->tls);
        k->tls = NULL;
    }
    if (r.cookie[0] != '\0') { memcpy(k->cookie, r.cookie, sizeof k->cookie); }
    if (r.status != 200) { return refused(&r, path, e); }
    *out = r;
    r = (struct http_reply){0};
    return 0;
}

/* ---- /auth */

struct challenge {
    char nonce[NONCE_MAX + 1];
    enum crypto_hash hash;
    bool registers; /* this broker takes them */
};

static int read_hash(const json_t *extra, enum crypto_hash *out, struct err *e)
{
    static const struct {
        const char *name;
        enum crypto_hash hash;
    } known[] = {{"sha256", CRYPTO_SHA256}, {"sha384", CRYPTO_SHA384}, {"sha512", CRYPTO_SHA512}};
    const json_t *selected = json_object_get(extra, "selected-hash-algorithm");
    *out = CRYPTO_SHA384;
    if (!selected) { return 0; }
    for (size_t i = 0; json_is_string(selected) && i < ARRAY_COUNT(known); i++) {
        if (strcasecmp(json_string_value(selected), known[i].name) == 0) {
            *out = known[i].hash;
            return 0;
        }
    }
    return err_set(e, ENOTSUP, "challenge selects a hash we did not offer");
}

static int get_challenge(struct kbs *k, struct challenge *out, struct err *e)
{
    auto_json q = json_pack("{s:s, s:s, s:{s:[s,s,s], s:b}}", "version", "0.4.0", "tee",
                            k->env->tee, "extra-params", "supported-hash-algorithms", "sha256",
                            "sha384", "sha512", EVIDENCE_REGISTERS_PARAM, true);
    auto_free char *body = q ? json_dumps(q, JSON_COMPACT) : NULL;
    auto_reply r = {0};
    auto_json j = NULL;
    const char *nonce;
    if (!body) { return err_set(e, ENOMEM, "challenge: out of memory"); }
    int rc = call(k, PREFIX "/auth", body, AUTH_MAX, &r, e);
    if (rc == 0) { rc = json_load_strict("challenge", r.body, r.body_len, AUTH_MAX, &j, e); }
    if (rc == 0) { rc = json_get_text("challenge", j, "nonce", &nonce, e); }
    if (rc == 0) { rc = read_hash(json_object_get(j, "extra-params"), &out->hash, e); }
    if (rc < 0) { return rc; }
    out->registers =
        json_is_true(json_object_get(json_object_get(j, "extra-params"), EVIDENCE_REGISTERS_PARAM));
    size_t len = strlen(nonce);
    if (len == 0 || len > NONCE_MAX) {
        return err_set(e, EBADMSG, "challenge with a nonce of %zu bytes, 1 to %u are taken", len,
                       NONCE_MAX);
    }
    memcpy(out->nonce, nonce, len + 1);
    return 0;
}

/* ---- /attest */

static int make_key(struct kbs *k, struct err *e)
{
    auto_json jwk = NULL;
    int r = crypto_key_generate(CRYPTO_P256, 0, &k->key);
    if (r == 0) { r = jwk_to_json(k->key, TEE_KEY_ALG, false, &jwk); }
    if (r < 0) { return err_set(e, -r, "no key for this session"); }
    return transcript_tee_key(jwk, &k->tee_key, e);
}

static int no_additional(char **out, struct err *e)
{
    *out = strdup("");
    return *out ? 0 : err_set(e, ENOMEM, "evidence: out of memory");
}

static int form_attestation(struct kbs *k, const struct challenge *c, char **out, struct err *e)
{
    auto_free char *additional = NULL;
    auto_json primary = NULL;
    uint8_t data[TRANSCRIPT_REPORT_DATA];
    const struct kbs_guest *g = k->guest;
    int r = c->registers ? transcript_registers_format(&g->registers, &additional, e)
                         : no_additional(&additional, e);
    if (r == 0) { r = transcript_report_data(c->nonce, k->tee_key, additional, c->hash, data, e); }
    if (r == 0) { r = k->env->evidence(k->env->ctx, g->sealed, data, &primary, e); }
    if (r < 0) { return r; }
    auto_json j = json_pack("{s:{s:s, s:s%}, s:{s:s, s:O}, s:{s:O, s:s}}", "init-data", "format",
                            "toml", "body", g->initdata, g->initdata_len, "runtime-data", "nonce",
                            c->nonce, "tee-pubkey", k->tee_key, "tee-evidence", "primary_evidence",
                            primary, "additional_evidence", additional);
    *out = j ? json_dumps(j, JSON_COMPACT) : NULL;
    return *out ? 0 : err_set(e, ENOMEM, "evidence: out of memory");
}

/*
 * The token is the broker's business; ours is that there is one, and that the session's cookie
 * stands for it.
 */
static int attest(struct kbs *k, const char *body, struct err *e)
{
    auto_reply r = {0};
    auto_json j = NULL;
    const char *token;
    int rc = call(k, PREFIX "/attest", body, TOKEN_MAX, &r, e);
    if (rc == 0) {
        rc = json_load_strict("attestation answer", r.body, r.body_len, TOKEN_MAX, &j, e);
    }
    if (rc == 0) { rc = json_get_text("attestation answer", j, "token", &token, e); }
    if (rc < 0) { return rc; }
    k->token = strdup(token);
    return k->token ? 0 : err_set(e, ENOMEM, "attestation answer: out of memory");
}

int kbs_open(const struct agent_env *env, const struct agent_broker *broker,
             const struct kbs_guest *guest, struct kbs **out, struct err *e)
{
    struct challenge challenge;
    auto_free char *body = NULL;
    if (!broker->url) {
        return err_set(e, EINVAL, "initdata names no broker: aa.toml [token_configs.kbs] url");
    }
    if (!broker->cert) {
        return err_set(
            e, EINVAL,
            "initdata names no certificate for the broker: aa.toml [token_configs.kbs] cert");
    }
    auto_kbs k = calloc(1, sizeof *k);
    if (!k) { return err_set(e, ENOMEM, "agent: out of memory"); }
    *k = (struct kbs){.env = env,
                      .broker = broker,
                      .guest = guest,
                      .deadline_ms = tls_now_ms() + env->timeout_ms};

    int r = broker_url_parse(broker->url, &k->url, e);
    if (r == 0) { r = connect_tls(k, e); }
    if (r < 0) { return err_wrap(e, "broker %s", k->url.authority); }
    r = make_key(k, e); /* while the handshake is on the wire */
    if (r == 0) { r = get_challenge(k, &challenge, e); }
    if (r == 0) { r = form_attestation(k, &challenge, &body, e); }
    if (r == 0) { r = attest(k, body, e); }
    if (r < 0) { return r; }
    *out = steal_ptr(&k);
    return 0;
}

const char *kbs_token(const struct kbs *k) { return k->token; }

int kbs_key_pem(const struct kbs *k, char **out, size_t *out_len)
{
    return crypto_key_to_pem(k->key, true, out, out_len);
}

/* ---- /resource */

int kbs_get(struct kbs *k, const char *uri, uint8_t **out, size_t *out_len, struct err *e)
{
    char path[sizeof PREFIX + sizeof "/resource/" + URI_PATH_MAX], name[URI_PATH_MAX];
    auto_reply r = {0};
    int rc = resource_uri_parse(uri, name, e);
    if (rc < 0) { return rc; }
    (void)snprintf(path, sizeof path, PREFIX "/resource/%s", name);
    rc = call(k, path, NULL, RESOURCE_MAX, &r, e);
    if (rc < 0) { return rc; }
    rc =
        jwe_decrypt((const char *)r.body, r.body_len, JWE_ALLOW_KBS, k->key, NULL, out, out_len, e);
    if (rc < 0) { return err_wrap(e, "resource %s", name); }
    if (*out_len > AGENT_VALUE_MAX) {
        wipe(*out, *out_len);
        free(*out);
        return err_set(e, E2BIG, "resource %s: %zu bytes, at most %u are taken", name, *out_len,
                       AGENT_VALUE_MAX);
    }
    return 0;
}
