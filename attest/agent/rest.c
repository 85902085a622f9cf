/* SPDX-License-Identifier: Apache-2.0 */
/* See rest.h: from a request to its answer. Sockets are in rest_serve.c. */
#include "attest/agent/rest.h"

#include "attest/agent/release.h"
#include "attest/base64.h"
#include "attest/crypto.h"
#include "attest/json.h"
#include "guest/base/ct.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define RUNTIME_DATA_MAX 64
#define OCTETS           "application/octet-stream"
#define JSON             "application/json"

/* ---- answers */

static void say(struct http_response *out, int status, const char *type, const char *text)
{
    out->status = status;
    out->content_type = type;
    out->body = (uint8_t *)strdup(text); /* without memory the answer has no body */
    out->body_len = out->body ? strlen(text) : 0;
}

/* CoCo's one text for whatever fails behind the service, and why. */
static void fail(struct http_response *out, const struct err *e)
{
    char text[sizeof e->text + 32];
    (void)snprintf(text, sizeof text, "ttrpc request error: %s", e->text);
    say(out, 500, NULL, text);
}

static void give(struct http_response *out, const char *type, void *take_body, size_t len)
{
    out->status = 200;
    out->content_type = type;
    out->body = take_body;
    out->body_len = len;
}

static void give_json(struct http_response *out, const char *type, const json_t *j)
{
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    struct err e = {.text = "out of memory"};
    if (!text) {
        fail(out, &e);
        return;
    }
    give(out, type, text, strlen(text));
}

/* ---- queries */

static bool hex_digit(uint8_t c, unsigned *out)
{
    if (c >= '0' && c <= '9') {
        *out = (unsigned)c - '0';
    } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
        *out = (unsigned)(c | 0x20) - 'a' + 10;
    } else {
        return false;
    }
    return true;
}

/* A form's encoding [WHATWG URL §5.1]: '+' is a blank, %XX a byte. False: malformed, or too long. */
static bool form_decode(struct view in, uint8_t *out, size_t cap, size_t *out_len)
{
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++) {
        unsigned hi, lo;
        uint8_t c = in.p[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            if (in.len - i < 3 || !hex_digit(in.p[i + 1], &hi) || !hex_digit(in.p[i + 2], &lo)) {
                return false;
            }
            c = (uint8_t)(hi << 4 | lo);
            i += 2;
        }
        if (n == cap) { return false; }
        out[n++] = c;
    }
    *out_len = n;
    return true;
}

/* The value of the one parameter of that name, still encoded; p NULL = none, or several. */
static struct view query_get(const struct http_request *q, const char *name)
{
    struct view found = {0};
    const uint8_t *p = q->target.p, *end = p + q->target.len;
    const uint8_t *at = p ? memchr(p, '?', q->target.len) : NULL;
    size_t name_len = strlen(name);
    while (at) {
        p = at + 1;
        at = memchr(p, '&', (size_t)(end - p));
        size_t len = (size_t)((at ? at : end) - p);
        if (len > name_len && p[name_len] == '=' && memcmp(p, name, name_len) == 0) {
            if (found.p) { return (struct view){0}; }
            found = (struct view){.p = p + name_len + 1, .len = len - name_len - 1};
        }
    }
    return found;
}

/* The bytes of runtime_data, zeros behind them. */
static bool runtime_data(const struct http_request *q, uint8_t out[RUNTIME_DATA_MAX])
{
    uint8_t text[RUNTIME_DATA_MAX * 2];
    size_t len;
    struct view v = query_get(q, "runtime_data"), encoding = query_get(q, "encoding");
    memset(out, 0, RUNTIME_DATA_MAX);
    if (!v.p) { return false; }
    if (!encoding.p) { return form_decode(v, out, RUNTIME_DATA_MAX, &len); }
    return http_view_is(encoding, "base64") && form_decode(v, text, sizeof text, &len) &&
           b64u_decode((const char *)text, len, out, RUNTIME_DATA_MAX, &len) == 0;
}

/* ---- register 3 */

int rest_init(struct rest *r, struct err *e)
{
    r->register3_fd = memfd_create("register3", MFD_CLOEXEC);
    if (r->register3_fd < 0) { return err_set(e, errno, "memory file: %s", strerror(errno)); }
    if (pwrite(r->register3_fd, r->guest.registers.value[3], REPORT_REGISTER_SIZE, 0) !=
        REPORT_REGISTER_SIZE) {
        return err_set(e, EIO, "memory file: short write");
    }
    return 0;
}

void rest_fini(struct rest *r)
{
    if (r->register3_fd >= 0) { (void)close(r->register3_fd); }
    r->register3_fd = -1;
}

/* The guest with register 3 as it is now. */
static int guest_now(const struct rest *r, struct kbs_guest *out, struct err *e)
{
    *out = r->guest;
    ssize_t n = pread(r->register3_fd, out->registers.value[3], REPORT_REGISTER_SIZE, 0);
    return n == REPORT_REGISTER_SIZE ? 0 : err_set(e, EIO, "register 3: short read");
}

/*
 * Extend, then write down the new value; under a lock that dies with its process. Between the two
 * evidence does not match what is written down, and is refused: asked again it is whole.
 */
static int extend(const struct rest *r, const uint8_t value[REPORT_REGISTER_SIZE], struct err *e)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    uint8_t both[2 * REPORT_REGISTER_SIZE];
    struct kbs_guest g;
    if (fcntl(r->register3_fd, F_SETLKW, &lock) < 0) {
        return err_set(e, errno, "register 3: %s", strerror(errno));
    }
    int rc = guest_now(r, &g, e);
    if (rc == 0) { rc = r->env->extend(r->env->ctx, value, e); }
    if (rc == 0) {
        memcpy(both, g.registers.value[3], REPORT_REGISTER_SIZE);
        memcpy(both + REPORT_REGISTER_SIZE, value, REPORT_REGISTER_SIZE);
        crypto_sha384(both, sizeof both, g.registers.value[3]);
        if (pwrite(r->register3_fd, g.registers.value[3], REPORT_REGISTER_SIZE, 0) !=
            REPORT_REGISTER_SIZE) {
            rc = err_set(e, EIO, "register 3: short write");
        }
    }
    lock.l_type = F_UNLCK;
    (void)fcntl(r->register3_fd, F_SETLK, &lock);
    return rc;
}

/* ---- the calls */

static void get_resource(const struct rest *r, const struct http_request *q,
                         struct http_response *out)
{
    struct kbs_guest guest;
    struct err e = {0};
    char uri[URI_PATH_MAX + 16];
    uint8_t *secret;
    size_t len;
    struct view name = {.p = q->path.p + sizeof "/cdh/resource/" - 1,
                        .len = q->path.len - (sizeof "/cdh/resource/" - 1)};
    auto_release release = {.env = r->env, .settings = r->settings, .guest = &guest};

    (void)snprintf(uri, sizeof uri, "kbs:///%.*s", (int)(name.len < 300 ? name.len : 300), name.p);
    if (resource_uri_parse(uri, (char[URI_PATH_MAX]){0}, &e) < 0 || guest_now(r, &guest, &e) < 0 ||
        release_resource(&release, uri, &secret, &len, &e) < 0) {
        fail(out, &e);
        return;
    }
    give(out, OCTETS, secret, len);
}

static void get_token(const struct rest *r, const struct http_request *q, struct http_response *out)
{
    struct kbs_guest guest;
    struct err e = {0};
    char *pem;
    size_t pem_len;
    struct kbs *k;
    auto_release release = {.env = r->env, .settings = r->settings, .guest = &guest};
    struct view type = query_get(q, "token_type");

    if (!type.p) {
        say(out, 400, NULL, "BAD REQUEST");
        return;
    }
    int rc = http_view_is(type, "kbs") ? guest_now(r, &guest, &e)
                                       : err_set(&e, ENOTSUP, "token type %.*s, wanted kbs",
                                                 (int)(type.len < 40 ? type.len : 40), type.p);
    if (rc == 0) { rc = release_session(&release, &k, &e); }
    if (rc == 0 && kbs_key_pem(k, &pem, &pem_len) < 0) {
        rc = err_set(&e, ENOMEM, "out of memory");
    }
    if (rc < 0) {
        fail(out, &e);
        return;
    }
    auto_json j = json_pack("{s:s, s:s}", "token", kbs_token(k), "tee_keypair", pem);
    wipe(pem, pem_len);
    free(pem);
    give_json(out, OCTETS, j);
}

static void get_evidence(const struct rest *r, const struct http_request *q,
                         struct http_response *out)
{
    uint8_t data[RUNTIME_DATA_MAX];
    struct err e = {0};
    auto_json j = NULL;
    if (!runtime_data(q, data)) {
        say(out, 400, NULL, "BAD REQUEST");
    } else if (r->env->evidence(r->env->ctx, true, data, &j, &e) < 0) {
        fail(out, &e);
    } else {
        give_json(out, OCTETS, j);
    }
}

/* What a verifier needs beside the report: the register form is a hash over these. */
static void get_additional(const struct rest *r, const struct http_request *q,
                           struct http_response *out)
{
    uint8_t data[RUNTIME_DATA_MAX];
    struct kbs_guest guest;
    struct err e = {0};
    char *text;
    if (!runtime_data(q, data)) {
        say(out, 400, NULL, "BAD REQUEST");
    } else if (guest_now(r, &guest, &e) < 0 ||
               transcript_registers_format(&guest.registers, &text, &e) < 0) {
        fail(out, &e);
    } else {
        give(out, OCTETS, text, strlen(text));
    }
}

/* One line "domain operation content": neither of the first two has a blank, none a line break. */
static bool entry_ok(const char *domain, const char *operation, const char *content)
{
    return *domain && *operation && !strpbrk(domain, " \t\r\n") && !strpbrk(operation, " \t\r\n") &&
           !strpbrk(content, "\r\n");
}

static void post_entry(const struct rest *r, const struct http_request *q,
                       struct http_response *out)
{
    static const char what[] = "Illegal AAEL eventry format"; /* CoCo's spelling */
    const char *domain, *operation, *content;
    uint8_t digest[REPORT_REGISTER_SIZE];
    struct err e = {0};
    auto_json j = NULL;
    auto_free char *line = NULL;
    int rc = json_load_strict(what, q->body.p ? q->body.p : (const uint8_t *)"", q->body.len,
                              REST_BODY_MAX, &j, &e);
    if (rc == 0) { rc = json_get_text(what, j, "domain", &domain, &e); }
    if (rc == 0) { rc = json_get_text(what, j, "operation", &operation, &e); }
    if (rc == 0) { rc = json_get_text(what, j, "content", &content, &e); }
    if (rc == 0 && !entry_ok(domain, operation, content)) {
        rc = err_set(&e, EINVAL, "%s: blanks or line breaks where none may be", what);
    }
    if (rc < 0) {
        say(out, 500, NULL, e.text);
        return;
    }
    if (!r->settings->event_log) {
        say(out, 200, JSON,
            "{\"success\":\"false\",\"message\": \"Attestation Agent does not enable eventlog "
            "recording\"}");
        return;
    }
    int n = asprintf(&line, "%s %s %s", domain, operation, content);
    if (n < 0) {
        line = NULL;
        rc = err_set(&e, ENOMEM, "out of memory");
    } else {
        crypto_sha384(line, (size_t)n, digest);
        rc = extend(r, digest, &e);
    }
    if (rc < 0) {
        fail(out, &e);
    } else {
        say(out, 200, JSON, "{\"success\":\"true\"}");
    }
}

static void get_info(const struct rest *r, const struct http_request *q, struct http_response *out)
{
    (void)q;
    const char *feature = !r->settings->rest_attestation ? "resource"
                          : r->settings->rest_resource   ? "all"
                                                         : "attestation";
    auto_json j = json_pack("{s:s, s:s, s:s}", "version", "Casemate " CASEMATE_VERSION, "tee",
                            r->env->tee, "feature", feature);
    give_json(out, JSON, j);
}

/* ---- which call */

enum part { PART_ALWAYS, PART_RESOURCE, PART_ATTESTATION };

static const struct route {
    const char *path;
    bool prefix;
    enum http_method method;
    enum part part;
    void (*call)(const struct rest *r, const struct http_request *q, struct http_response *out);
} routes[] = {
    {"/cdh/resource/", true, HTTP_GET, PART_RESOURCE, get_resource},
    {"/aa/token", false, HTTP_GET, PART_ATTESTATION, get_token},
    {"/aa/evidence", false, HTTP_GET, PART_ATTESTATION, get_evidence},
    {"/aa/additional-evidence", false, HTTP_GET, PART_ATTESTATION, get_additional},
    {"/aa/aael", false, HTTP_POST, PART_ATTESTATION, post_entry},
    {"/info", false, HTTP_GET, PART_ALWAYS, get_info},
};

static const struct route *find(struct view path)
{
    for (size_t i = 0; i < ARRAY_COUNT(routes); i++) {
        size_t n = strlen(routes[i].path);
        if (routes[i].prefix ? path.len > n && memcmp(path.p, routes[i].path, n) == 0
                             : http_view_is(path, routes[i].path)) {
            return &routes[i];
        }
    }
    return NULL;
}

void rest_answer(const struct rest *r, const struct http_request *q, struct http_response *out)
{
    const struct route *to = find(q->path);
    if (!to) {
        say(out, 404, NULL, "URL NOT FOUND");
    } else if (to->part == PART_RESOURCE && !r->settings->rest_resource) {
        say(out, 404, NULL, "Resource Feature Not Enabled");
    } else if (to->part == PART_ATTESTATION && !r->settings->rest_attestation) {
        say(out, 404, NULL, "Attestation Feature Not Enabled");
    } else if (to->method != q->method) {
        say(out, 405, NULL, "Method Not Allowed");
    } else {
        to->call(r, q, out);
    }
}
