/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchanges recorded from CoCo's own broker and its clients, asked again of ours (replay.h): same status, same type of
 * error, a cookie where there was one, and in the body what the clients go on with: a nonce, a token with the same claims,
 * a JWE that opens to the same value. otherwise.h is the whole list of where we answer differently, and why; every entry of
 * it is used, or the test fails.
 */
#include "tests/unit/kbs/otherwise.h"
#include "tests/unit/kbs/replay.h"

#include <dirent.h>

#define RECORDS "coco/kbs-recorded"
#define COOKIE  "kbs-session-id="
#define VALUE1  "0123456789abcdef0123456789abcdef"

#define ALLOW_ALL                                                                                  \
    "package policy\ndefault allow = false\nallow if { data.plugin == \"resource\" }\n"
#define DENY_ALL "package policy\ndefault allow = false\n"
#define DEFAULT                                                                                    \
    "package policy\ndefault allow = false\nallow if {\n data.plugin == \"resource\"\n"            \
    " not input.submods.cpu0[\"ear.veraison.annotated-evidence\"].sample\n}\n"
#define AFFIRMING                                                                                  \
    "package policy\ndefault allow = false\nallow if {\n data.plugin == \"resource\"\n"            \
    " count(input.submods) > 0\n every _, s in input.submods { s[\"ear.status\"] == "              \
    "\"affirming\" }\n}\n"

/*
 * What the recorder did between two exchanges and did not record, or in another order: a resource policy, or an attestation
 * policy ("" = none), set before the record of that name.
 */
static const struct {
    const char *before, *policy, *appraisal;
} unrecorded[] = {
    {"policy-10-", DEFAULT, NULL},
    {"policy-11-", AFFIRMING, NULL},
    {"policy-40-", "package policy\nallow if { data.query.x == \"y\" }\n", NULL},
    {"policy-44-", "package policy\nallow if { data[\"resource-path\"][2] == \"a b\" }\n", NULL},
    {"policy-45-", "package policy\nallow if { data[\"resource-path\"][2] == \"a%20b\" }\n", NULL},
    {"policy-46-",
     "package policy\nallow if { data[\"resource-path\"] == [\"default\",\"key\",\"1\"] }\n", NULL},
    {"policy-60-", ALLOW_ALL, NULL},
    {"policy-b-id-default-attest", NULL, "package policy\ntrust_claims := {\"executables\": 3}\n"},
    {"policy-b-shipped-attest", NULL, ""},
    {"rv-33-", AFFIRMING, NULL},
};

/* Bodies whose policy is left out of the record: what we say in its place. */
static const struct {
    const char *prefix, *policy;
} left_out[] = {{"client-22-", DENY_ALL}, {"client-28-", DEFAULT}};

static bool used[ARRAY_COUNT(otherwise)];
static struct replay r;
static size_t same, different, not_asked;

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* ---- the owner's side ------------------------------------------------------------------------ */

static void policy_set(const char *text)
{
    auto_answer a = policy_upload(&r.b, text);
    cr_assert_eq(a.status, 200, "%s", a.detail);
}

static void appraisal_set(const char *text)
{
    char b64[512], body[640];
    b64u_encode(text, strlen(text), b64);
    (void)snprintf(body, sizeof body, "{\"policy_id\":\"default_cpu\",\"policy\":\"%s\"}", b64);
    if (text[0]) {
        admin_ok(&r.b, "POST", "/kbs/v0/attestation-policy", body);
    } else {
        admin_ok(&r.b, "DELETE", "/casemate/v0/attestation-policy/default_cpu", "");
    }
}

static void owner(void)
{
    json_t *claims = json_pack("{s:s, s:s, s:I}", "iss", "TrusteeInDocker", "role", "admin", "exp",
                               (json_int_t)NOW + 3600);
    struct err e = {0};
    char *token;
    cr_assert_eq(jwt_sign(r.b.admin_key, NULL, claims, &token, &e), 0, "%s", e.text);
    (void)snprintf(r.b.admin_token, sizeof r.b.admin_token, "Authorization: Bearer %s\r\n", token);
    free(token);
    json_decref(claims);
    policy_set(ALLOW_ALL);
    admin_ok(&r.b, "POST", "/kbs/v0/resource/default/key/1", VALUE1);
    admin_ok(&r.b, "POST", "/kbs/v0/resource/default/key/client", "secret-value-0123456789");
}

static void begin(void)
{
    replay_start(&r, NULL);
    owner();
}
static void end(void) { replay_stop(&r); }
TestSuite(recorded, .init = begin, .fini = end, .timeout = 120);

/* ---- a record as a request -------------------------------------------------------------------- */

static json_t *record_load(const char *file)
{
    char path[300];
    size_t len;
    (void)snprintf(path, sizeof path, RECORDS "/%.255s", file);
    char *text = vector_bytes(path, &len);
    json_t *doc = json_loadb(text, len, JSON_ALLOW_NUL, NULL);
    free(text);
    cr_assert_not_null(doc, "%s", file);
    return doc;
}

/* Each character below 256 is one byte of the wire. Returns their number. */
static size_t latin1(const json_t *text, char *out)
{
    const char *p = json_string_value(text), *end = p + json_string_length(text);
    size_t n = 0;
    while (p < end) {
        unsigned char c = (unsigned char)*p++;
        if (c >= 0xc0) { c = (unsigned char)((c & 3) << 6 | (*p++ & 0x3f)); }
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return n;
}

static const char *tee_of(const char *file)
{
    return begins(file, "attest-70-")                                 ? "snp"
           : begins(file, "attest-71-")                               ? "tdx"
           : begins(file, "attest-72-") || begins(file, "attest-90-") ? "sampledevice"
                                                                      : "sample";
}

/* A session of a guest that has attested, in the place of one whose handshake is not in the records. */
static struct replay_session *session_attested(const char *file, const char *recorded)
{
    static const struct {
        const char *name, *alg;
        enum { P256, P384, P521, RSA } kind;
    } keys[] = {{"key-alg-lower", "ecdh-es+a256kw", P256},
                {"key-ecdh-es", "ECDH-ES", P256},
                {"key-p384", "ECDH-ES+A256KW", P384},
                {"key-p521", "ECDH-ES+A256KW", P521},
                {"key-rsa-oaep-256", "RSA-OAEP-256", RSA},
                {"key-rsa-oaep.", "RSA-OAEP", RSA},
                {"key-rsa1_5", "RSA1_5", RSA}};
    struct replay_session *s = session_open_for(&r, recorded, "sample");
    const char *alg = "ECDH-ES+A256KW";
    struct crypto_key *p384 = NULL;
    json_t *jwk = NULL;
    cr_assert_not_null(s);
    if (strstr(file, "-32-not-attested")) { return s; }
    cr_assert_eq(crypto_key_generate(CRYPTO_P384, 0, &p384), 0);
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        if (!strstr(file, keys[i].name)) { continue; }
        const struct crypto_key *all[] = {r.p256, p384, r.p521, r.rsa};
        s->key = all[keys[i].kind];
        alg = keys[i].alg;
    }
    cr_assert_eq(jwk_to_json(s->key, alg, false, &jwk), 0);
    if (strstr(file, "key-nonsense")) { json_object_set_new(jwk, "x", json_string("AAAA")); }
    if (strstr(file, "key-off-curve")) { json_object_set(jwk, "x", json_object_get(jwk, "y")); }
    uint8_t p[64];
    char text[128];
    size_t n = report_data_make(MADE_AS_IT_SHOULD, s->nonce, jwk, "", p);
    b64_encode(p, n, text);
    json_t *doc = json_pack("{s:{s:s, s:o}, s:{s:{s:s, s:s}, s:s}}", "runtime-data", "nonce",
                            s->nonce, "tee-pubkey", jwk, "tee-evidence", "primary_evidence", "svn",
                            "1", "report_data", text, "additional_evidence", "");
    char *body = json_dumps(doc, JSON_COMPACT), *request;
    int len = asprintf(&request,
                       "POST /kbs/v0/attest HTTP/1.1\r\nCookie: kbs-session-id=%s\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       s->ours, strlen(body), body);
    struct reply a = replay_bytes(&r, request, (size_t)len);
    free(a.body);
    free(request);
    free(body);
    json_decref(doc);
    crypto_key_free(p384);
    s->key = s->key == p384 ? r.p256 : s->key;
    return s;
}

/* Our session in the place of the recorded one that this cookie line holds; NULL when it holds none. */
static struct replay_session *session_of(const char *file, bool attests, const char *cookie)
{
    for (const char *p = cookie; (p = strstr(p, COOKIE));) {
        char id[33];
        size_t n = 0;
        p += sizeof COOKIE - 1;
        for (const char *c = p; n < 32 && (isxdigit((unsigned char)*c) || *c == '-' || *c == '"');
             c++) {
            if (isxdigit((unsigned char)*c)) { id[n++] = (char)tolower((unsigned char)*c); }
        }
        id[n] = '\0';
        if (n < 32 || strspn(id, "0") == 32 || strspn(id, "a") == 32) { continue; }
        struct replay_session *s = session_by_recorded(&r, id);
        if (s) { return s; }
        return attests ? session_open_for(&r, id, tee_of(file)) : session_attested(file, id);
    }
    return NULL;
}

/* The line with our session's id written as the recorded one was. */
static char *cookie_remake(const char *line, const struct replay_session *s)
{
    char upper[33], dashes[37];
    const char *o = s->ours;
    for (size_t i = 0; i <= 32; i++) { upper[i] = (char)toupper((unsigned char)o[i]); }
    (void)snprintf(dashes, sizeof dashes, "%.8s-%.4s-%.4s-%.4s-%.12s", o, o + 8, o + 12, o + 16,
                   o + 20);
    char recorded_upper[33], recorded_dashes[37];
    const char *q = s->recorded;
    for (size_t i = 0; i <= 32; i++) { recorded_upper[i] = (char)toupper((unsigned char)q[i]); }
    (void)snprintf(recorded_dashes, sizeof recorded_dashes, "%.8s-%.4s-%.4s-%.4s-%.12s", q, q + 8,
                   q + 12, q + 16, q + 20);
    char *a = text_replace(line, q, o), *b = text_replace(a, recorded_upper, upper),
         *c = text_replace(b, recorded_dashes, dashes);
    free(a);
    free(b);
    return c;
}

/* What has to be known about a request to judge its answer. */
struct asked {
    char *text; /* malloc */
    size_t len;
    struct replay_session *session; /* the one in the cookie */
    const struct crypto_key *key;   /* opens what is released */
    char *recorded_token;           /* Bearer; malloc */
};

static char *authorization_remake(const char *file, const char *value, struct asked *q)
{
    const char *blank = strchr(value, ' ');
    if (!blank || strncasecmp(value, "bearer ", 7) != 0) { return strdup(value); }
    bool admins = token_is_admins(blank + 1);
    bool damage = strstr(file, "-tampered") || strstr(file, "bad-token");
    char *token =
        admins ? admin_token_remake(&r, blank + 1, strstr(file, "-05-other-key") != NULL)
               : guest_token_remake(&r, blank + 1, damage && strstr(blank, ".") != NULL, &q->key);
    char *out;
    cr_assert_neq(asprintf(&out, "%.*s%s", (int)(blank + 1 - value), value, token), -1);
    free(token);
    return out;
}

/* "abc... (130055 bytes)" or "abc..." in a record that is cut: the last letter goes on. */
static void grow(char *text, size_t size, size_t want)
{
    char *cut = strstr(text, "...");
    if (!cut || want >= size) { return; }
    size_t n = (size_t)(cut - text);
    memset(cut, text[n - 1], want > n ? want - n : 0);
    text[want] = '\0';
}

static size_t body_of(const json_t *rq, char *out, size_t size)
{
    const char *b64 = json_string_value(json_object_get(rq, "body_b64"));
    size_t want = (size_t)json_integer_value(json_object_get(rq, "body_length")), n = 0;
    cr_assert_lt(want, size);
    if (b64) {
        cr_assert_eq(b64_decode(b64, strlen(b64), (uint8_t *)out, size, &n), 0);
        return n;
    }
    const json_t *body = json_object_get(rq, "body");
    n = json_string_length(body);
    memcpy(out, json_string_value(body), n + 1);
    if (!json_is_true(json_object_get(rq, "body_truncated"))) { return n; }
    /* what stood behind the letters that are left out */
    const char *tail = strstr(out, "0\"") == NULL ? "" : out[0] == '{' ? "\"}" : "\"}\r\n0\r\n\r\n";
    grow(out, size, want - strlen(tail));
    (void)strcpy(out + want - strlen(tail), tail);
    return want;
}

static const char *policy_left_out(const char *file)
{
    for (size_t i = 0; i < ARRAY_COUNT(left_out); i++) {
        if (begins(file, left_out[i].prefix)) { return left_out[i].policy; }
    }
    return NULL;
}

/* The body as we send it; malloc. */
static char *body_remake(const char *file, const json_t *rq, struct asked *q, size_t *out_len)
{
    static char raw[REPLAY_BODY_MAX + 4096];
    size_t len = body_of(rq, raw, sizeof raw);
    const char *policy = policy_left_out(file);
    char *out;
    if (policy) {
        char b64[2048];
        b64u_encode(policy, strlen(policy), b64);
        *out_len = (size_t)asprintf(&out, "{\"policy\":\"%s\"}", b64);
        return out;
    }
    if (q->session && strcmp(member(rq, "method"), "POST") == 0 &&
        strstr(member(rq, "path"), "/attest")) {
        out = attestation_remake(&r, raw, q->session, begins(file, "attest-20-"));
        *out_len = strlen(out);
        return out;
    }
    out = malloc(len + 1);
    memcpy(out, raw, len + 1);
    *out_len = len;
    return out;
}

static size_t header_remake(const char *file, const json_t *rq, const json_t *h, size_t body_len,
                            struct asked *q, char *out, size_t size)
{
    static char value[300000];
    const char *name = json_string_value(json_array_get(h, 0)), *bytes;
    size_t n = latin1(json_array_get(h, 1), value);
    char *made = NULL;
    if ((bytes = strstr(value, "... ("))) {
        grow(value, sizeof value, strtoul(bytes + 5, NULL, 10));
    }
    if (strcmp(name, "cookie") == 0 && q->session) {
        made = cookie_remake(value, q->session);
    } else if (strcmp(name, "authorization") == 0) {
        made = authorization_remake(file, value, q);
    } else if (strcmp(name, "content-length") == 0 && !begins(file, "auth-74-")) {
        cr_assert_neq(asprintf(&made, "%zu", body_len), -1);
    }
    (void)rq;
    n = (size_t)snprintf(out, size, "%s: %s\r\n", name, made ? made : value);
    free(made);
    cr_assert_lt(n, size);
    return n;
}

static struct asked ask_make(const char *file, const json_t *rq)
{
    static char head[400000], path[300000], cookies[40000];
    struct asked q = {.key = r.p256};
    const json_t *headers = json_object_get(rq, "headers"), *h;
    size_t i, n, body_len;
    bool attests =
        strcmp(member(rq, "method"), "POST") == 0 && strstr(member(rq, "path"), "/attest");
    json_array_foreach (headers, i, h) {
        if (strcmp(json_string_value(json_array_get(h, 0)), "cookie") != 0) { continue; }
        (void)latin1(json_array_get(h, 1), cookies);
        struct replay_session *s = session_of(file, attests, cookies);
        if (s) { q.session = s; }
    }
    char *body = body_remake(file, rq, &q, &body_len);
    if (q.session) { q.key = q.session->key; }
    n = latin1(json_object_get(rq, "path"), path);
    if (begins(file, "misc-07-") || begins(file, "misc-08-")) { /* no http: bytes, in the method's place */
        n = latin1(json_object_get(rq, "method"), head);
        n += begins(file, "misc-07-") ? (size_t)snprintf(head + n, 5, "\r\n\r\n") : 0;
        free(body);
        q.text = malloc(n);
        q.len = n;
        memcpy(q.text, head, n);
        return q;
    }
    size_t head_length = (size_t)json_integer_value(json_object_get(rq, "head_length"));
    if (strstr(path, "...") && head_length) {
        size_t rest = strlen(member(rq, "method")) + sizeof "  HTTP/1.1\r\n\r\n" - 1;
        json_array_foreach (headers, i, h) {
            rest += json_string_length(json_array_get(h, 0)) +
                    json_string_length(json_array_get(h, 1)) + 4;
        }
        grow(path, sizeof path, head_length - rest);
    }
    n = (size_t)snprintf(head, sizeof head, "%s %s %s\r\n", member(rq, "method"), path,
                         member(rq, "version"));
    json_array_foreach (headers, i, h) {
        n += header_remake(file, rq, h, body_len, &q, head + n, sizeof head - n);
    }
    n += (size_t)snprintf(head + n, sizeof head - n, "\r\n");
    q.text = malloc(n + body_len + 1);
    memcpy(q.text, head, n);
    memcpy(q.text + n, body, body_len);
    q.len = n + body_len;
    free(body);
    return q;
}

/* ---- the answer -------------------------------------------------------------------------------- */

static const char *type_of(const char *body, char out[static 64])
{
    json_t *doc = json_loads(body, 0, NULL);
    const char *full = json_string_value(json_object_get(doc, "type"));
    (void)snprintf(out, 64, "%s", full && strrchr(full, '/') ? strrchr(full, '/') + 1 : "");
    json_decref(doc);
    return out;
}

/* What differs from one handshake to the next is taken out; the rest must be equal. */
static json_t *claims_comparable(const char *token)
{
    json_t *header, *payload, *submod;
    const char *name;
    cr_assert(token_split(token, &header, &payload), "%s", token);
    json_t *submods = json_incref(json_object_get(payload, "submods"));
    json_object_foreach (submods, name, submod) {
        json_t *ev = json_object_get(submod, "ear.veraison.annotated-evidence");
        json_t *runtime = json_object_get(ev, "runtime_data_claims");
        const char *more = json_string_value(json_object_get(runtime, "additional-evidence"));
        cr_expect_eq(strlen(member(ev, "report_data")), 64, "%s", name);
        cr_expect_eq(strlen(member(runtime, "nonce")), 44, "%s", name);
        json_object_del(ev, "report_data");
        json_object_del(runtime, "nonce");
        json_object_del(runtime, "tee-pubkey");
        if (more && more[0]) { json_object_del(runtime, "additional-evidence"); }
    }
    cr_expect_eq(strcmp(member(payload, "eat_profile"),
                        "tag:github.com,2024:confidential-containers/Trustee"),
                 0);
    json_decref(header);
    json_decref(payload);
    return submods;
}

static bool same_token(const char *recorded, const char *found)
{
    json_t *a = claims_comparable(recorded), *b = claims_comparable(found);
    bool equal = json_equal(a, b);
    if (!equal) {
        char *x = json_dumps(a, JSON_COMPACT | JSON_SORT_KEYS),
             *y = json_dumps(b, JSON_COMPACT | JSON_SORT_KEYS);
        cr_log_error("recorded %s\nfound    %s", x, y);
        free(x);
        free(y);
    }
    json_decref(a);
    json_decref(b);
    return equal;
}

static char *jwe_open(const char *jwe, const struct crypto_key *key)
{
    uint8_t *plain = NULL;
    size_t len;
    struct err e = {0};
    int rc = jwe_decrypt(jwe, strlen(jwe), JWE_ALLOW_KBS, key, NULL, &plain, &len, &e);
    cr_expect_eq(rc, 0, "%s", e.text);
    return (char *)plain;
}

/* Opens for the guest, to what the record opens to where its key was kept. */
static bool same_secret(const json_t *record, const char *recorded, const char *found,
                        const struct crypto_key *key)
{
    const char *pem = json_string_value(json_object_get(record, "tee_private_key_pem"));
    char *ours = jwe_open(found, key), *theirs = NULL;
    bool equal = ours != NULL;
    if (pem) {
        struct crypto_key *k;
        cr_assert_eq(crypto_key_from_pem(pem, strlen(pem), &k), 0);
        theirs = jwe_open(recorded, k);
        equal = equal && theirs && strcmp(ours, theirs) == 0;
        crypto_key_free(k);
    }
    free(ours);
    free(theirs);
    return equal;
}

/* What a client goes on with. */
static bool same_body(const json_t *record, const char *recorded, const char *found,
                      const struct asked *q)
{
    json_t *a = json_loads(recorded, JSON_DECODE_ANY, NULL),
           *b = json_loads(found, JSON_DECODE_ANY, NULL);
    bool equal;
    if (json_object_get(a, "nonce")) {
        equal = strlen(member(b, "nonce")) == 44 &&
                json_equal(json_object_get(a, "extra-params"), json_object_get(b, "extra-params"));
    } else if (json_object_get(a, "token")) {
        equal = same_token(member(a, "token"), member(b, "token"));
    } else if (json_object_get(a, "ciphertext")) {
        equal = same_secret(record, recorded, found, q->key);
    } else if (json_object_get(a, "detail")) {
        const char *words =
            "KBS Client Protocol Version Mismatch: expect =0.4.0 while the request is";
        equal = member(b, "detail")[0] != '\0' &&
                (!strstr(recorded, words) || strstr(found, words) != NULL);
    } else {
        equal = a ? json_equal(a, b) : recorded[0] == '\0' || found[0] != '\0';
    }
    json_decref(a);
    json_decref(b);
    return equal;
}

/* Sessions and tokens that later records refer to. */
static void note(const json_t *rq, const json_t *rs, const struct reply *a, struct asked *q)
{
    const json_t *headers = json_object_get(rs, "headers"), *h;
    json_t *recorded = json_loads(member(rs, "body"), 0, NULL),
           *found = json_loads(a->body, 0, NULL);
    size_t i;
    json_array_foreach (headers, i, h) {
        const char *name = json_string_value(json_array_get(h, 0)),
                   *value = json_string_value(json_array_get(h, 1));
        if (strcmp(name, "set-cookie") == 0 && strstr(member(rq, "path"), "/auth") &&
            a->has_cookie) {
            (void)session_note(&r, value + sizeof COOKIE - 1, a);
        }
    }
    if (q->session && json_object_get(recorded, "token") && json_object_get(found, "token") &&
        !q->session->token) {
        q->session->recorded_token = strdup(member(recorded, "token"));
        q->session->token = strdup(member(found, "token"));
    }
    json_decref(recorded);
    json_decref(found);
}

static int64_t date_of(const json_t *rs)
{
    const json_t *headers = json_object_get(rs, "headers"), *h;
    size_t i;
    json_array_foreach (headers, i, h) {
        struct tm tm = {0};
        if (strcmp(json_string_value(json_array_get(h, 0)), "date") == 0 &&
            strptime(json_string_value(json_array_get(h, 1)), "%a, %d %b %Y %H:%M:%S", &tm)) {
            return (int64_t)timegm(&tm);
        }
    }
    return 0;
}

static bool has_header(const json_t *rs, const char *name)
{
    const json_t *headers = json_object_get(rs, "headers"), *h;
    size_t i;
    json_array_foreach (headers, i, h) {
        if (strcmp(json_string_value(json_array_get(h, 0)), name) == 0) { return true; }
    }
    return false;
}

static void judge(const char *file, const json_t *record, const struct reply *a,
                  const struct asked *q, int entry)
{
    const json_t *rs = json_object_get(record, "response");
    char found_type[64], wanted_type[64];
    const char *body = member(rs, "body");
    int wanted = (int)json_integer_value(json_object_get(rs, "status"));
    bool cookie = has_header(rs, "set-cookie");
    if (wanted == 100) { /* two answers stand in one record */
        wanted = atoi(body + 9);
        cookie = strstr(body, "set-cookie") != NULL;
        body = strstr(body, "\r\n\r\n") + 4;
    }
    (void)type_of(body, wanted_type);
    (void)type_of(a->body ? a->body : "", found_type);
    bool as_recorded = a->status == wanted && strcmp(found_type, wanted_type) == 0 &&
                       a->has_cookie == cookie && same_body(record, body, a->body, q);
    if (entry < 0) {
        same++;
        cr_expect(as_recorded, "%s (%s): found %d %s%s, wanted %d %s%s: %.300s", file,
                  member(record, "what"), a->status, found_type, a->has_cookie ? " cookie" : "",
                  wanted, wanted_type, cookie ? " cookie" : "", a->body ? a->body : "");
        return;
    }
    different++;
    cr_expect(a->status == otherwise[entry].status &&
                  strcmp(found_type, otherwise[entry].type) == 0,
              "%s (%s): found %d %s, wanted %d %s: %.300s", file, member(record, "what"), a->status,
              found_type, otherwise[entry].status, otherwise[entry].type, a->body ? a->body : "");
}

static int entry_of(const char *file)
{
    for (size_t i = 0; i < ARRAY_COUNT(otherwise); i++) {
        if (begins(file, otherwise[i].prefix)) { return (int)i; }
    }
    return -1;
}

static void exchange(const char *file)
{
    int entry = entry_of(file);
    if (entry >= 0) { used[entry] = true; }
    for (size_t i = 0; i < ARRAY_COUNT(unrecorded); i++) {
        static bool done[ARRAY_COUNT(unrecorded)];
        if (begins(file, unrecorded[i].before) && !done[i]) {
            if (unrecorded[i].policy) { policy_set(unrecorded[i].policy); }
            if (unrecorded[i].appraisal) { appraisal_set(unrecorded[i].appraisal); }
            done[i] = true;
        }
    }
    if (entry >= 0 && otherwise[entry].status == 0) {
        not_asked++;
        return;
    }
    json_t *record = record_load(file), *rq = json_object_get(record, "request"),
           *rs = json_object_get(record, "response");
    int64_t date = date_of(rs);
    if (date) { r.now = date; }
    struct asked q = ask_make(file, rq);
    struct reply a = replay_bytes(&r, q.text, q.len);
    judge(file, record, &a, &q, entry);
    if (a.body) { note(rq, rs, &a, &q); }
    free(a.body);
    free(q.text);
    json_decref(record);
}

/* By name, but what sets a policy before what asks under it. */
static int in_order(const struct dirent **a, const struct dirent **b)
{
    char *x = text_replace((*a)->d_name, "-set", "-!"),
         *y = text_replace((*b)->d_name, "-set", "-!");
    int n = strcmp(x, y);
    free(x);
    free(y);
    return n;
}

/* Asks every record of that prefix, in order: some depend on what an earlier one stored. */
static void replay(const char *prefix, size_t count)
{
    char dir[PATH_MAX];
    struct dirent **names;
    vector_find(RECORDS, dir);
    int n = scandir(dir, &names, NULL, in_order);
    size_t asked = 0;
    cr_assert_geq(n, 0, "%s", dir);
    for (int i = 0; i < n; i++) {
        if (begins(names[i]->d_name, prefix)) {
            exchange(names[i]->d_name);
            asked++;
        }
        free(names[i]);
    }
    free(names);
    for (size_t i = 0; i < ARRAY_COUNT(otherwise); i++) {
        cr_expect(used[i] || !begins(otherwise[i].prefix, prefix), "%s: no such record",
                  otherwise[i].prefix);
    }
    cr_assert_eq(asked, count, "%zu records begin with %s", asked, prefix);
    cr_log_info("%s: %zu the same, %zu different on purpose, %zu not asked", prefix, same,
                different, not_asked);
}

/* ---- the records -------------------------------------------------------------------------------- */

static void with_certificates(struct replay *x)
{
    x->b.setup.token_trust.roots = x->roots;
    x->b.setup.token_trust.root_count = 1;
}
static void with_header_keys(struct replay *x)
{
    x->b.setup.token_trust.insecure_header_jwk = true;
}
static void with_no_administrator(struct replay *x) { x->b.setup.admin_key_count = 0; }
static void with_no_time(struct replay *x) { x->b.setup.session_seconds = 0; }
static void with_stale_tokens(struct replay *x) { x->b.setup.token_seconds = -120; }

static json_t *ci_operations;
static struct admin_role ci_role = {.name = "rv-only"};
static void with_a_role(struct replay *x)
{
    ci_operations = json_pack("[s,s]", "set-reference", "get-reference");
    ci_role.operations = ci_operations;
    x->b.setup.roles = &ci_role;
    x->b.setup.role_count = 1;
}

static void again(void (*tune)(struct replay *x), bool owned)
{
    replay_stop(&r);
    replay_start(&r, tune);
    if (owned) { owner(); }
}

Test(recorded, handshakes) { replay("auth-", 70); }
Test(recorded, attestations) { replay("attest-", 61); }

Test(recorded, resources)
{
    again(with_header_keys, true);
    replay("resource-", 95);
}

Test(recorded, resources_by_tokens_with_certificates)
{
    again(with_certificates, true);
    replay("https-resource-", 90);
}

Test(recorded, policies)
{
    again(with_header_keys, true);
    replay("policy-", 95);
}

Test(recorded, reference_values) { replay("rv-", 34); }

Test(recorded, administrators)
{
    again(with_a_role, true);
    admin_ok(&r.b, "POST", "/kbs/v0/reference-value",
             "{\"version\":\"0.1.0\",\"type\":\"sample\",\"payload\":"
             "\"eyJwcm9iZSI6WyJhIiwxLHRydWVdfQ==\"}");
    replay("admin-0", 23), replay("admin-1", 9), replay("admin-2", 5), replay("admin-4", 2);
    json_decref(ci_operations);
}

Test(recorded, administrators_where_nobody_is_one)
{
    again(with_no_administrator, false);
    replay("admin-3", 3);
}

Test(recorded, life_of_sessions)
{
    again(with_no_time, true);
    replay("life-0", 3);
    again(with_stale_tokens, true);
    replay("life-1", 6);
}

Test(recorded, the_rest_of_http) { replay("misc-", 20); }

static void affirming_values(void)
{
    static const char *const messages[] = {
        "eyJsYXVuY2hfZGlnZXN0IjpbImFiY2RlIl0sInN2biI6WyIxIl19",
        "eyJtYWpvcl92ZXJzaW9uIjoxLCJtaW5pbXVtX21pbm9yX3ZlcnNpb24iOjF9"};
    for (size_t i = 0; i < ARRAY_COUNT(messages); i++) {
        char body[256];
        (void)snprintf(body, sizeof body,
                       "{\"version\":\"0.1.0\",\"type\":\"sample\",\"payload\":\"%s\"}",
                       messages[i]);
        admin_ok(&r.b, "POST", "/kbs/v0/reference-value", body);
    }
}

Test(recorded, kbs_client)
{
    affirming_values();
    replay("client-", 68);
}

Test(recorded, attestation_agent_and_data_hub)
{
    affirming_values();
    replay("aa-", 2), replay("cdh-", 36);
}
