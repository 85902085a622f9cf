/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recorded exchange, asked again of a broker of ours over a real socket. What a record cannot say again is made anew in
 * the way in which it was made: the session (a nonce is used once), report data and with it the evidence, administrators'
 * and attestation tokens, and the guest's key, so that answers can be opened. The broker's clock is set to the record's.
 */
#ifndef CASEMATE_TESTS_KBS_REPLAY_H
#define CASEMATE_TESTS_KBS_REPLAY_H

#include "attest/kbs/evidence/sample.h"
#include "attest/kbs/ops.h"
#include "attest/kbs/http/server.h"
#include "tests/unit/attest/vectors.h"
#include "tests/unit/kbs/bench.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#define REPLAY_SESSIONS 256
#define REPLAY_BODY_MAX (2u * 1024 * 1024)

/* One recorded session and ours in its place. */
struct replay_session {
    char recorded[33], ours[33];
    char nonce[64];
    const struct crypto_key *key; /* the guest's; borrowed */
    char *recorded_token, *token; /* malloc */
};

struct replay {
    struct bench b;
    struct verifier verifiers[2];
    struct server *server;
    struct audit audit; /* for its numbers */
    struct ops ops;
    pthread_t thread;
    int64_t now;
    struct crypto_key *p256, *p521, *rsa; /* guests' */
    struct crypto_key *service,
        *stranger; /* sign attestation tokens; administrators' tokens that are no good */
    struct crypto_key *chained; /* an attestation service with certificates */
    json_t *chain;              /* its x5c */
    struct crypto_cert *roots[1];
    size_t session_count;
    struct replay_session sessions[REPLAY_SESSIONS];
};

/* An answer as it came. */
struct reply {
    int status;      /* 0 = the connection was closed without one */
    char cookie[64]; /* value of kbs-session-id, if it was set */
    bool has_cookie;
    char *body; /* malloc; NUL-terminated */
    size_t body_len;
};

/* ---- the broker ------------------------------------------------------------------------------ */

static inline void replay_handle(void *ctx, const struct http_request *rq, const char *peer,
                                 int64_t now, struct http_response *out)
{
    struct replay *r = ctx;
    (void)now;
    if (ops_handle(&r->ops, rq, false, out)) { return; }
    broker_handle(r->b.broker, rq, peer, r->now, out);
}

static inline void *replay_serve(void *arg)
{
    struct err e = {0};
    return server_run(((struct replay *)arg)->server, &e) == 0 ? NULL : arg;
}

static inline void replay_vector_keys(struct replay *r)
{
    size_t len, count;
    struct crypto_cert *chain[4];
    char *pem = vector_bytes("coco/token/signer_key.pem", &len);
    cr_assert_eq(crypto_key_from_pem(pem, len, &r->chained), 0);
    free(pem);
    pem = vector_bytes("coco/token/root_ca.pem", &len);
    cr_assert_eq(crypto_certs_from_pem(pem, len, r->roots, 1, &count), 0);
    free(pem);
    pem = vector_bytes("coco/token/signer_cert_chain.pem", &len);
    cr_assert_eq(crypto_certs_from_pem(pem, len, chain, 4, &count), 0);
    free(pem);
    r->chain = json_array();
    for (size_t i = 0; i < count; i++) {
        uint8_t *der;
        char text[4096];
        cr_assert_eq(crypto_cert_to_der(chain[i], &der, &len), 0);
        b64_encode(der, len, text);
        json_array_append_new(r->chain, json_string(text));
        free(der);
        crypto_cert_free(chain[i]);
    }
}

/* tune: changes the setup before the broker starts; NULL = nothing. */
static inline void replay_start(struct replay *r, void (*tune)(struct replay *r))
{
    struct err e = {0};
    memset(r, 0, sizeof *r);
    bench_init(&r->b);
    broker_free(r->b.broker);
    r->b.broker = NULL;
    r->verifiers[0] = evidence_sample_verifier();
    r->verifiers[1] = evidence_sampledevice_verifier();
    r->b.setup.verifiers = r->verifiers;
    r->b.setup.verifier_count = 2;
    r->b.setup.admin_issuer = "TrusteeInDocker";
    r->b.setup.max_sessions = 1000;
    r->b.setup.insecure_without_initdata = true;
    r->b.setup.insecure_policy_without_initdata = true;
    replay_vector_keys(r);
    if (tune) { tune(r); }
    bench_start(&r->b);
    cr_assert_eq(crypto_key_generate(CRYPTO_P256, 0, &r->p256), 0);
    cr_assert_eq(crypto_key_generate(CRYPTO_P521, 0, &r->p521), 0);
    cr_assert_eq(crypto_key_generate(CRYPTO_RSA, 2048, &r->rsa), 0);
    cr_assert_eq(crypto_key_generate(CRYPTO_P256, 0, &r->service), 0);
    cr_assert_eq(crypto_key_generate(CRYPTO_ED25519, 0, &r->stranger), 0);
    struct server_setup s = {.listen = "127.0.0.1:0",
                             .max_connections = 8,
                             .max_body = REPLAY_BODY_MAX,
                             .max_buffered = 4 * REPLAY_BODY_MAX,
                             .handle = replay_handle,
                             .ctx = r};
    cr_assert_eq(server_new(&s, &r->server, &e), 0, "%s", e.text);
    static const struct supplies none;
    r->ops = (struct ops){.store = r->b.store,
                          .broker = r->b.broker,
                          .server = r->server,
                          .supplies = &none,
                          .audit = &r->audit};
    cr_assert_eq(pthread_create(&r->thread, NULL, replay_serve, r), 0);
}

static inline void replay_stop(struct replay *r)
{
    void *failed = r;
    server_stop(r->server);
    (void)pthread_join(r->thread, &failed);
    cr_assert_null(failed);
    server_free(r->server);
    for (size_t i = 0; i < r->session_count; i++) {
        free(r->sessions[i].recorded_token);
        free(r->sessions[i].token);
    }
    struct crypto_key *const keys[] = {r->p256,    r->p521,     r->rsa,
                                       r->service, r->stranger, r->chained};
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) { crypto_key_free(keys[i]); }
    json_decref(r->chain);
    crypto_cert_free(r->roots[0]);
    bench_fini(&r->b);
}

/* ---- over the wire --------------------------------------------------------------------------- */

static inline int replay_dial(const struct replay *r)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(server_port(r->server))};
    struct timeval tv = {.tv_sec = 20};
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    cr_assert_eq(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    return fd;
}

/* Is the answer in p whole? Leaves interim answers behind: *at is where the last one starts. */
static inline bool reply_whole(const char *p, size_t len, bool head_only, size_t *at)
{
    for (;;) {
        const char *end = memmem(p + *at, len - *at, "\r\n\r\n", 4);
        if (!end) { return false; }
        size_t head = (size_t)(end + 4 - p);
        if (strncmp(p + *at, "HTTP/1.1 1", 10) == 0) {
            *at = head;
            continue;
        }
        const char *length = strcasestr(p + *at, "\r\ncontent-length:");
        size_t body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
        return head_only || len - head >= body;
    }
}

static inline struct reply reply_read(const char *p, size_t len, size_t at)
{
    struct reply out = {0};
    const char *end = len > at ? strstr(p + at, "\r\n\r\n") : NULL;
    if (!end) { return out; }
    out.status = atoi(p + at + 9);
    const char *cookie = strcasestr(p + at, "\r\nset-cookie: kbs-session-id=");
    if (cookie && cookie < end) {
        out.has_cookie = true;
        (void)sscanf(cookie + 29, "%63[0-9a-f]", out.cookie);
    }
    out.body_len = len - (size_t)(end + 4 - p);
    out.body = malloc(out.body_len + 1);
    memcpy(out.body, end + 4, out.body_len);
    out.body[out.body_len] = '\0';
    return out;
}

/* Sends the bytes on a connection of their own and reads the last answer. */
static inline struct reply replay_bytes(const struct replay *r, const char *p, size_t len)
{
    static char answer[4u * 1024 * 1024];
    size_t got = 0, at = 0, sent = 0;
    int fd = replay_dial(r);
    while (sent < len) { /* a server that refuses early stops reading */
        ssize_t n = send(fd, p + sent, len - sent, MSG_NOSIGNAL);
        if (n <= 0) { break; }
        sent += (size_t)n;
    }
    bool head = len > 5 && strncmp(p, "HEAD ", 5) == 0;
    while (got < sizeof answer - 1 && !reply_whole(answer, got, head, &at)) {
        ssize_t n = recv(fd, answer + got, sizeof answer - 1 - got, 0);
        if (n <= 0) { break; }
        got += (size_t)n;
        answer[got] = '\0';
    }
    (void)close(fd);
    return reply_read(answer, got, at);
}

/* ---- sessions -------------------------------------------------------------------------------- */

static inline struct replay_session *session_by_recorded(struct replay *r, const char *recorded)
{
    for (size_t i = 0; i < r->session_count; i++) {
        if (strcmp(r->sessions[i].recorded, recorded) == 0) { return &r->sessions[i]; }
    }
    return NULL;
}

static inline struct replay_session *session_note(struct replay *r, const char *recorded,
                                                  const struct reply *auth)
{
    cr_assert_lt(r->session_count, REPLAY_SESSIONS);
    struct replay_session *s = &r->sessions[r->session_count++];
    json_t *doc = json_loads(auth->body, 0, NULL);
    (void)snprintf(s->recorded, sizeof s->recorded, "%.32s", recorded);
    (void)snprintf(s->ours, sizeof s->ours, "%.32s", auth->cookie);
    (void)snprintf(s->nonce, sizeof s->nonce, "%s", member(doc, "nonce"));
    s->key = r->p256;
    json_decref(doc);
    return s;
}

/* An /auth that is not in the records. */
static inline struct replay_session *session_open_for(struct replay *r, const char *recorded,
                                                      const char *tee)
{
    char body[128], text[512];
    (void)snprintf(body, sizeof body,
                   "{\"version\":\"0.4.0\",\"tee\":\"%s\",\"extra-params\":\"\"}", tee);
    int n =
        snprintf(text, sizeof text, "POST /kbs/v0/auth HTTP/1.1\r\nContent-Length: %zu\r\n\r\n%s",
                 strlen(body), body);
    struct reply a = replay_bytes(r, text, (size_t)n);
    struct replay_session *s = a.status == 200 ? session_note(r, recorded, &a) : NULL;
    free(a.body);
    return s; /* NULL: this broker has no verifier for the TEE */
}

/* ---- evidence -------------------------------------------------------------------------------- */

/* How report data was made, found out by making it. */
enum made {
    MADE_AS_IT_SHOULD,
    MADE_PADDED,
    MADE_SHA256,
    MADE_BARE,
    MADE_ALL_MEMBERS,
    MADE_OTHERWISE
};

static inline size_t report_data_make(enum made how, const char *nonce, const json_t *jwk,
                                      const char *additional, uint8_t out[64])
{
    json_t *key = NULL, *doc = NULL;
    struct err e = {0};
    size_t len;
    char *text;
    memset(out, 0, 64);
    if (how == MADE_ALL_MEMBERS) {
        key = json_deep_copy(jwk);
    } else if (transcript_tee_key(jwk, &key, &e) < 0) {
        return 0;
    }
    doc = how == MADE_BARE ? json_pack("{s:s, s:O}", "nonce", nonce, "tee-pubkey", key)
                           : json_pack("{s:s, s:s, s:O}", "additional-evidence", additional,
                                       "nonce", nonce, "tee-pubkey", key);
    cr_assert_eq(json_canonical(doc, &text, &len), 0);
    enum crypto_hash h = how == MADE_SHA256 ? CRYPTO_SHA256 : CRYPTO_SHA384;
    cr_assert_eq(crypto_digest(h, text, len, out), 0);
    free(text);
    json_decref(doc);
    json_decref(key);
    return how == MADE_PADDED ? 64 : crypto_hash_size(h);
}

/* The text of bytes in the alphabet in which the recorded text is. */
static inline bool report_data_is(const char *recorded, const uint8_t *p, size_t len, bool *out_url)
{
    char b64[128], url[128];
    b64_encode(p, len, b64);
    b64u_encode(p, len, url);
    *out_url = strcmp(recorded, b64) != 0;
    return len && (strcmp(recorded, b64) == 0 || strcmp(recorded, url) == 0);
}

static inline enum made report_data_how(const char *recorded, const char *nonce, const json_t *jwk,
                                        const char *additional, bool *out_url)
{
    for (enum made how = MADE_AS_IT_SHOULD; how < MADE_OTHERWISE; how++) {
        uint8_t p[64];
        size_t n = report_data_make(how, nonce, jwk, additional, p);
        if (report_data_is(recorded, p, n, out_url)) { return how; }
    }
    return MADE_OTHERWISE;
}

static inline char *text_replace(const char *text, const char *from, const char *to)
{
    size_t n = strlen(text), step = strlen(from), count = 0;
    for (const char *p = text; (p = strstr(p, from)); p += step) { count++; }
    char *out = malloc(n + count * strlen(to) + 1), *at = out;
    for (const char *p; (p = strstr(text, from)); text = p + step) {
        memcpy(at, text, (size_t)(p - text));
        at += p - text;
        at = stpcpy(at, to);
    }
    (void)strcpy(at, text);
    return out;
}

/* A guest's key of ours in the place of the recorded one, if that is a key at all. */
static inline const struct crypto_key *key_replace(const struct replay *r, json_t *jwk)
{
    struct jwk k = {0};
    struct err e = {0};
    json_t *ours = NULL;
    if (jwk_from_json(jwk, &k, &e) < 0) { return NULL; }
    enum crypto_key_type t = crypto_key_type(k.key);
    const struct crypto_key *key = t == CRYPTO_P256   ? r->p256
                                   : t == CRYPTO_P521 ? r->p521
                                   : t == CRYPTO_RSA  ? r->rsa
                                                      : NULL;
    jwk_fini(&k);
    if (!key) { return NULL; }
    cr_assert_eq(jwk_to_json(key, NULL, false, &ours), 0);
    (void)json_object_update_existing(jwk, ours);
    json_decref(ours);
    return key;
}

/* The devices inside the additional evidence's text, which need not be JSON. */
static inline char *additional_remake(const char *additional, const char *old_nonce,
                                      const json_t *old_jwk, const char *nonce, const json_t *jwk)
{
    uint8_t p[64];
    char from[128], to[128];
    size_t n = report_data_make(MADE_BARE, old_nonce, old_jwk, "", p);
    b64_encode(p, n, from);
    n = report_data_make(MADE_BARE, nonce, jwk, "", p);
    b64_encode(p, n, to);
    return n ? text_replace(additional, from, to) : strdup(additional);
}

static inline void report_data_remake(json_t *evidence, enum made how, bool url, const char *nonce,
                                      const json_t *jwk, const char *additional)
{
    uint8_t p[64];
    char text[128];
    size_t n = report_data_make(how, nonce, jwk, additional, p);
    if (url) {
        b64u_encode(p, n, text);
        if (!strpbrk(text, "-_")) { text[0] = '_'; } /* one text in eight is the same in both */
    } else {
        b64_encode(p, n, text);
    }
    json_object_set_new(evidence, "report_data", json_string(text));
}

/* The body of /attest in that session; malloc. keep_nonce: the record lies about it on purpose. */
static inline char *attestation_remake(struct replay *r, const char *body, struct replay_session *s,
                                       bool keep_nonce)
{
    json_t *doc = json_loads(body, 0, NULL);
    json_t *runtime = json_object_get(doc, "runtime-data");
    json_t *jwk = json_object_get(runtime, "tee-pubkey");
    json_t *tee = json_object_get(doc, "tee-evidence");
    json_t *primary = json_object_get(tee, "primary_evidence");
    const char *additional = json_string_value(json_object_get(tee, "additional_evidence"));
    if (!json_is_object(jwk) || !json_is_object(primary) || !additional) {
        json_decref(doc);
        return strdup(body); /* broken on purpose */
    }
    bool url = false;
    json_t *old_jwk = json_deep_copy(jwk);
    char *old_nonce = strdup(member(runtime, "nonce")), *more;
    enum made how =
        report_data_how(member(primary, "report_data"), old_nonce, jwk, additional, &url);
    const struct crypto_key *key = key_replace(r, jwk);
    const char *nonce = keep_nonce ? old_nonce : s->nonce;
    if (key) { s->key = key; }
    json_object_set_new(runtime, "nonce", json_string(nonce));
    more = additional_remake(additional, old_nonce, old_jwk, nonce, jwk);
    json_object_set_new(tee, "additional_evidence", json_string(more));
    if (how != MADE_OTHERWISE) { report_data_remake(primary, how, url, nonce, jwk, more); }
    char *out = json_dumps(doc, JSON_COMPACT);
    free(more);
    free(old_nonce);
    json_decref(old_jwk);
    json_decref(doc);
    return out;
}

/* ---- tokens ---------------------------------------------------------------------------------- */

static inline json_t *part_json(const char *p, size_t len)
{
    uint8_t *raw = malloc(b64_decoded_max(len) + 1);
    size_t n = 0;
    json_t *j = b64u_decode(p, len, raw, b64_decoded_max(len), &n) == 0
                    ? json_loadb((char *)raw, n, 0, NULL)
                    : NULL;
    free(raw);
    return j;
}

/* header and payload of a JWT, new references; false when it is none. */
static inline bool token_split(const char *text, json_t **header, json_t **payload)
{
    const char *dot = strchr(text, '.'), *dot2 = dot ? strchr(dot + 1, '.') : NULL;
    *header = *payload = NULL;
    if (!dot2) { return false; }
    *header = part_json(text, (size_t)(dot - text));
    *payload = part_json(dot + 1, (size_t)(dot2 - dot - 1));
    return *header && *payload;
}

static inline char *json_b64u(const json_t *j)
{
    char *text = json_dumps(j, JSON_COMPACT), *out = malloc(b64u_len(strlen(text)) + 1);
    b64u_encode(text, strlen(text), out);
    free(text);
    return out;
}

/* Signed as the header says; `none` and HMAC get no signature worth the name. */
static inline char *token_sign(const struct crypto_key *key, json_t *header, const json_t *payload)
{
    struct err e = {0};
    char *out = NULL;
    const char *alg = member(header, "alg");
    if (strcmp(alg, "none") == 0 || strcmp(alg, "HS256") == 0) {
        char *h = json_b64u(header), *p = json_b64u(payload);
        cr_assert_neq(asprintf(&out, "%s.%s.%s", h, p, alg[0] == 'H' ? "AAAA" : ""), -1);
        free(h);
        free(p);
        return out;
    }
    json_t *rest = json_copy(header);
    json_object_del(rest, "alg");
    char *text = json_dumps(payload, JSON_COMPACT);
    cr_assert_eq(jws_sign(key, rest, text, strlen(text), &out, &e), 0, "%s", e.text);
    free(text);
    json_decref(rest);
    return out;
}

static inline void guest_key_put(const struct replay *r, json_t *payload)
{
    json_t *cpu0 = json_object_get(json_object_get(payload, "submods"), "cpu0");
    json_t *ev = json_object_get(cpu0, "ear.veraison.annotated-evidence");
    json_t *keys[] = {
        json_object_get(json_object_get(ev, "runtime_data_claims"), "tee-pubkey"),
        json_object_get(payload, "tee-pubkey"),
    };
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        if (keys[i]) { (void)key_replace(r, keys[i]); }
    }
}

/* An attestation token: the one that took the place of the recorded one, or the same said by a service of ours. */
static inline char *guest_token_remake(struct replay *r, const char *recorded, bool damage,
                                       const struct crypto_key **out_key)
{
    json_t *header, *payload, *jwk, *ours = NULL;
    *out_key = r->p256;
    for (size_t i = 0; i < r->session_count; i++) {
        const struct replay_session *s = &r->sessions[i];
        if (s->token && s->recorded_token && strcmp(s->recorded_token, recorded) == 0) {
            *out_key = s->key;
            return strdup(s->token);
        }
    }
    char *out = strdup(recorded);
    if (token_split(recorded, &header, &payload)) {
        jwk = json_object_get(header, "jwk");
        bool chained = json_object_get(jwk, "x5c") != NULL;
        const struct crypto_key *signer = chained ? r->chained : r->service;
        cr_assert_eq(jwk_to_json(signer, NULL, false, &ours), 0);
        if (jwk) { json_object_update_existing(jwk, ours); }
        if (chained) { json_object_set(jwk, "x5c", r->chain); }
        guest_key_put(r, payload);
        free(out);
        out = token_sign(signer, header, payload);
        json_decref(ours);
    }
    if (damage) { /* in the middle of the signature, where every bit counts */
        char *c = strrchr(out, '.') + 20;
        *c = *c == 'A' ? 'B' : 'A';
    }
    json_decref(header);
    json_decref(payload);
    return out;
}

static inline char *admin_token_remake(const struct replay *r, const char *recorded, bool stranger)
{
    json_t *header, *payload;
    char *out = token_split(recorded, &header, &payload)
                    ? token_sign(stranger ? r->stranger : r->b.admin_key, header, payload)
                    : strdup(recorded);
    json_decref(header);
    json_decref(payload);
    return out;
}

/* An administrator's token has a role or is signed as only theirs are. */
static inline bool token_is_admins(const char *text)
{
    json_t *header, *payload;
    bool is = token_split(text, &header, &payload) &&
              (strcmp(member(header, "alg"), "EdDSA") == 0 || json_object_get(payload, "role"));
    json_decref(header);
    json_decref(payload);
    return is;
}

#endif
