/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request heads from strangers. One pass over the bytes: request line, then headers, then what the headers say about the
 * body. Everything is checked before anything is believed, and every refusal names what was found. [RFC 9112]
 */
#include "attest/kbs/http/http.h"

#include "guest/base/ct.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- characters ------------------------------------------------------------------------------ */

static bool is_token_char(uint8_t c)
{
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) { return true; }
    return c != 0 && c < 0x80 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static uint8_t lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c; }

bool http_view_is(struct view v, const char *text)
{
    size_t n = strlen(text);
    return v.p != NULL && v.len == n && memcmp(v.p, text, n) == 0;
}

/* name is lower case */
static bool name_is(struct view v, const char *name)
{
    size_t n = strlen(name);
    if (v.len != n) { return false; }
    for (size_t i = 0; i < n; i++) {
        if (lower(v.p[i]) != (uint8_t)name[i]) { return false; }
    }
    return true;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The next line without its CRLF. A line feed alone, or a carriage return alone, is refused. */
static int line_read(struct cur *c, struct view *out, struct err *e)
{
    const uint8_t *cr = c->left ? memchr(c->p, '\r', c->left) : NULL;
    const uint8_t *lf = c->left ? memchr(c->p, '\n', c->left) : NULL;
    if (!cr || lf != cr + 1) { return err_set(e, EBADMSG, "http: a line does not end in CRLF"); }
    *out = cur_sub(c, (size_t)(cr - c->p));
    cur_skip(c, 2);
    return 0;
}

/* Splits v at the first blank; false without one. */
static bool split_blank(struct view v, struct view *head, struct view *rest)
{
    const uint8_t *sp = v.len ? memchr(v.p, ' ', v.len) : NULL;
    if (!sp) { return false; }
    *head = (struct view){.p = v.p, .len = (size_t)(sp - v.p)};
    *rest = (struct view){.p = sp + 1, .len = v.len - head->len - 1};
    return true;
}

static enum http_method method_of(struct view v)
{
    static const struct {
        const char *name;
        enum http_method method;
    } known[] = {
        {"GET", HTTP_GET}, {"POST", HTTP_POST}, {"PUT", HTTP_PUT}, {"DELETE", HTTP_DELETE}};
    for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
        if (http_view_is(v, known[i].name)) { return known[i].method; }
    }
    return HTTP_OTHER;
}

/* "http://host/path" -> "/path". Proxies send it; the host is not looked at. */
static struct view without_authority(struct view t)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < ARRAY_COUNT(schemes); i++) {
        size_t n = strlen(schemes[i]);
        if (t.len <= n || memcmp(t.p, schemes[i], n) != 0) { continue; }
        const uint8_t *slash = memchr(t.p + n, '/', t.len - n);
        if (slash) { return (struct view){.p = slash, .len = t.len - (size_t)(slash - t.p)}; }
    }
    return t;
}

static int request_line_read(struct view line, struct http_request *rq, struct err *e)
{
    struct view method, rest, target, version;
    if (!split_blank(line, &method, &rest) || !split_blank(rest, &target, &version)) {
        return err_set(e, EBADMSG, "http: the request line has not three parts");
    }
    for (size_t i = 0; i < method.len; i++) {
        if (!is_token_char(method.p[i])) {
            return err_set(e, EBADMSG, "http: the method is not a token");
        }
    }
    if (method.len == 0) { return err_set(e, EBADMSG, "http: the method is empty"); }
    rq->method = method_of(method);

    if (target.len > HTTP_TARGET_MAX) {
        return err_set(e, EBADMSG, "http: a target of %zu bytes, at most %u", target.len,
                       HTTP_TARGET_MAX);
    }
    for (size_t i = 0; i < target.len; i++) {
        if (target.p[i] <= 0x20 || target.p[i] >= 0x7f) {
            return err_set(e, EBADMSG, "http: byte 0x%02x in the target", target.p[i]);
        }
    }
    target = without_authority(target);
    if (target.len == 0 || target.p[0] != '/') {
        return err_set(e, EBADMSG, "http: the target does not begin with a slash");
    }
    rq->target = rq->path = target;
    for (size_t i = 0; i < target.len; i++) {
        if (target.p[i] == '?' || target.p[i] == '#') {
            rq->path.len = i;
            break;
        }
    }

    if (http_view_is(version, "HTTP/1.1")) {
        rq->keep_alive = true;
    } else if (!http_view_is(version, "HTTP/1.0")) {
        bool is_http = version.len == 8 && memcmp(version.p, "HTTP/", 5) == 0;
        return err_set(e, is_http ? EPROTONOSUPPORT : EBADMSG,
                       "http: the version is not HTTP/1.1 or HTTP/1.0");
    }
    return 0;
}

static int header_read(struct view line, struct http_header *out, struct err *e)
{
    const uint8_t *colon = line.len ? memchr(line.p, ':', line.len) : NULL;
    if (!colon || colon == line.p) { return err_set(e, EBADMSG, "http: a header without a name"); }
    struct http_header h = {.name = {.p = line.p, .len = (size_t)(colon - line.p)}};
    h.value = (struct view){.p = colon + 1, .len = line.len - h.name.len - 1};
    for (size_t i = 0; i < h.name.len; i++) {
        if (!is_token_char(h.name.p[i])) {
            return err_set(e, EBADMSG, "http: byte 0x%02x in a header name", h.name.p[i]);
        }
    }
    for (size_t i = 0; i < h.value.len; i++) {
        uint8_t b = h.value.p[i];
        if ((b < 0x20 && b != '\t') || b >= 0x7f) {
            return err_set(e, EBADMSG, "http: byte 0x%02x in the value of header %.*s", b,
                           (int)(h.name.len < 40 ? h.name.len : 40), (const char *)h.name.p);
        }
    }
    while (h.value.len && (h.value.p[0] == ' ' || h.value.p[0] == '\t')) {
        h.value.p++, h.value.len--;
    }
    while (h.value.len &&
           (h.value.p[h.value.len - 1] == ' ' || h.value.p[h.value.len - 1] == '\t')) {
        h.value.len--;
    }
    *out = h;
    return 0;
}

static size_t header_count_of(const struct http_request *rq, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < rq->header_count; i++) { n += name_is(rq->headers[i].name, name); }
    return n;
}

struct view http_header_get(const struct http_request *rq, const char *name)
{
    for (size_t i = 0; i < rq->header_count; i++) {
        if (name_is(rq->headers[i].name, name)) { return rq->headers[i].value; }
    }
    return (struct view){0};
}

/* Decimal digits only; a sign, a blank or a twentieth digit is refused. */
static bool decimal_read(struct view v, uint64_t *out)
{
    if (v.len == 0 || v.len > 18) { return false; }
    uint64_t n = 0;
    for (size_t i = 0; i < v.len; i++) {
        if (v.p[i] < '0' || v.p[i] > '9') { return false; }
        n = n * 10 + (uint64_t)(v.p[i] - '0');
    }
    *out = n;
    return true;
}

/* Where does the request end? The question that must have one answer. [RFC 9112 §6.3] */
static int framing_read(struct http_request *rq, struct err *e)
{
    static const char *const single[] = {"content-length",   "host",
                                         "authorization",    "transfer-encoding",
                                         "content-encoding", "expect"};
    for (size_t i = 0; i < ARRAY_COUNT(single); i++) {
        if (header_count_of(rq, single[i]) > 1) {
            return err_set(e, EBADMSG, "http: header %s is there twice", single[i]);
        }
    }
    if (http_header_get(rq, "transfer-encoding").p) {
        return err_set(e, ENOSYS, "http: a transfer coding; send the body with Content-Length");
    }
    struct view coding = http_header_get(rq, "content-encoding");
    if (coding.p && !name_is(coding, "identity")) {
        return err_set(e, EMEDIUMTYPE, "http: a content coding; send the body as it is");
    }
    struct view cl = http_header_get(rq, "content-length");
    if (cl.p && !decimal_read(cl, &rq->body_len)) {
        return err_set(e, EBADMSG, "http: Content-Length is not a number");
    }
    struct view expect = http_header_get(rq, "expect");
    rq->expect_continue =
        rq->keep_alive && expect.p && name_is(expect, "100-continue"); /* HTTP/1.1 so far */
    if (name_is(http_header_get(rq, "connection"), "close")) { rq->keep_alive = false; }
    return 0;
}

bool http_may_begin(uint8_t first) { return is_token_char(first); }

int http_head_read(const uint8_t *p, size_t len, struct http_request *out, struct err *e)
{
    if (len > HTTP_HEAD_MAX) {
        return err_set(e, E2BIG, "http: a head of %zu bytes, at most %u", len, HTTP_HEAD_MAX);
    }
    struct cur c = cur_of(p, len);
    struct view line;
    struct http_request rq = {0};
    int rc = line_read(&c, &line, e);
    if (rc == 0) { rc = request_line_read(line, &rq, e); }
    if (rc < 0) { return rc; }
    for (;;) {
        if ((rc = line_read(&c, &line, e)) < 0) { return rc; }
        if (line.len == 0) { break; }
        if (rq.header_count == HTTP_HEADERS_MAX) {
            return err_set(e, E2BIG, "http: more than %u headers", HTTP_HEADERS_MAX);
        }
        if ((rc = header_read(line, &rq.headers[rq.header_count], e)) < 0) { return rc; }
        rq.header_count++;
    }
    if (!cur_end(&c)) { return err_set(e, EBADMSG, "http: bytes after the head"); }
    if ((rc = framing_read(&rq, e)) < 0) { return rc; }
    if (rq.method == HTTP_OTHER) {
        return err_set(e, ENOTSUP, "http: only GET, POST, PUT and DELETE");
    }
    *out = rq;
    return 0;
}

int http_status_of(int rc)
{
    switch (-rc) {
    case ENOTSUP: return 405;
    case ENOSYS: return 501;
    case E2BIG: return 431;
    case EFBIG: return 413;
    case EMEDIUMTYPE: return 415;
    case EPROTONOSUPPORT: return 505;
    default: return 400;
    }
}

struct view http_cookie_get(const struct http_request *rq, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < rq->header_count; i++) {
        if (!name_is(rq->headers[i].name, "cookie")) { continue; }
        struct cur c = cur_of(rq->headers[i].value.p, rq->headers[i].value.len);
        while (c.left) {
            const uint8_t *semi = memchr(c.p, ';', c.left);
            struct view pair = cur_sub(&c, semi ? (size_t)(semi - c.p) : c.left);
            if (semi) { cur_skip(&c, 1); }
            while (pair.len && pair.p[0] == ' ') { pair.p++, pair.len--; }
            if (pair.len <= n || memcmp(pair.p, name, n) != 0 || pair.p[n] != '=') { continue; }
            struct view v = {.p = pair.p + n + 1, .len = pair.len - n - 1};
            if (v.len >= 2 && v.p[0] == '"' && v.p[v.len - 1] == '"') { v.p++, v.len -= 2; }
            return v;
        }
    }
    return (struct view){0};
}

/* ---- writing --------------------------------------------------------------------------------- */

const char *http_method_name(enum http_method m)
{
    static const char *const names[] = {"GET", "POST", "PUT", "DELETE", "OTHER"};
    return names[m];
}

const char *http_reason(int status)
{
    switch (status) {
    case 100: return "Continue";
    case 200: return "OK";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 413: return "Payload Too Large";
    case 415: return "Unsupported Media Type";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
    }
}

void http_response_fini(struct http_response *rs)
{
    if (rs->body) { wipe(rs->body, rs->body_len); }
    free(rs->body);
    *rs = (struct http_response){0};
}

void http_date(int64_t t, char out[static 30])
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm tm;
    time_t tt = (time_t)t;
    out[0] = '\0';
    if (!gmtime_r(&tt, &tm) || tm.tm_year < 0 || tm.tm_year > 8099) { return; }
    (void)snprintf(out, 30, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
                   months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

size_t http_response_head(const struct http_response *rs, bool keep_alive, int64_t now, char *out,
                          size_t size)
{
    char date[30];
    http_date(now, date);
    int n = snprintf(out, size,
                     "HTTP/1.1 %d %s\r\nContent-Length: %zu\r\nDate: %s\r\n%s%s%s%s%s%s%s%s\r\n",
                     rs->status, http_reason(rs->status), rs->body_len, date,
                     rs->content_type ? "Content-Type: " : "",
                     rs->content_type ? rs->content_type : "", rs->content_type ? "\r\n" : "",
                     rs->cookie[0] ? "Set-Cookie: " : "", rs->cookie, rs->cookie[0] ? "\r\n" : "",
                     rs->extra ? rs->extra : "", keep_alive ? "" : "Connection: close\r\n");
    return n > 0 && (size_t)n < size ? (size_t)n : 0;
}
