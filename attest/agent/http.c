/* SPDX-License-Identifier: Apache-2.0 */
/* See http.h. Reads bytes of strangers, a line at a time, from one buffer that never grows. */
#include "attest/agent/http.h"

#include "guest/base/ct.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define LINE_MAX_LEN 8192u

void http_reply_fini(struct http_reply *r)
{
    if (r->body) { wipe(r->body, r->body_len); }
    free(r->body);
    *r = (struct http_reply){0};
}

/* ---- the buffer */

/* More bytes into an empty buffer; *out_end when the peer is done. */
static int fill(struct http *h, bool *out_end, struct err *e)
{
    size_t n;
    h->at = h->end = 0;
    int r = h->io.read(h->io.ctx, h->buf, sizeof h->buf, &n, e);
    if (r < 0) { return r; }
    h->end = n;
    h->received += n;
    *out_end = n == 0;
    return 0;
}

/* Exactly len bytes. */
static int take(struct http *h, uint8_t *out, size_t len, struct err *e)
{
    while (len > 0) {
        bool end = false;
        if (h->at == h->end) {
            int r = fill(h, &end, e);
            if (r < 0) { return r; }
        }
        if (end) {
            return err_set(e, EBADMSG, "answer cut short: %zu bytes of the body are missing", len);
        }
        size_t n = h->end - h->at < len ? h->end - h->at : len;
        memcpy(out, h->buf + h->at, n);
        h->at += n;
        out += n;
        len -= n;
    }
    return 0;
}

/*
 * One line that ends in CR LF, without them, zero-terminated. *budget is what the whole head may
 * still take. Control characters other than tab are refused here, so nobody behind meets one.
 */
static int take_line(struct http *h, char *line, size_t cap, size_t *budget, struct err *e)
{
    size_t n = 0;
    for (;;) {
        bool end = false;
        if (h->at == h->end) {
            int r = fill(h, &end, e);
            if (r < 0) { return r; }
        }
        if (end) { return err_set(e, EBADMSG, "answer cut short in its head"); }
        if (*budget == 0 || n + 1 >= cap) {
            return err_set(e, E2BIG, "answer with a head or line that is too long");
        }
        (*budget)--;
        char c = (char)h->buf[h->at++];
        if (n > 0 && line[n - 1] == '\r') {
            if (c != '\n') {
                return err_set(e, EBADMSG, "answer with a carriage return inside a line");
            }
            line[n - 1] = '\0';
            return 0;
        }
        if (((unsigned char)c < 0x20 && c != '\t' && c != '\r') || c == 0x7f) {
            return err_set(e, EBADMSG, "answer with control character 0x%02x in its head",
                           (unsigned char)c);
        }
        line[n++] = c;
    }
}

/* ---- the head */

enum framing { FRAMING_CLOSE, FRAMING_LENGTH, FRAMING_CHUNKED };

struct head {
    enum framing framing;
    size_t length;
    bool has_length, keep;
};

static int parse_status(const char *line, struct http_reply *r, struct head *head, struct err *e)
{
    bool v11 = strncmp(line, "HTTP/1.1 ", 9) == 0;
    if (!v11 && strncmp(line, "HTTP/1.0 ", 9) != 0) {
        return err_set(e, EBADMSG, "answer is not HTTP/1.1");
    }
    const char *p = line + 9;
    for (int i = 0; i < 3; i++) {
        if (p[i] < '0' || p[i] > '9') { return err_set(e, EBADMSG, "answer without a status"); }
        r->status = r->status * 10 + (unsigned)(p[i] - '0');
    }
    if (p[3] != ' ' && p[3] != '\0') { return err_set(e, EBADMSG, "answer without a status"); }
    if (r->status < 200 || r->status == 204 || r->status == 304 || r->status > 599) {
        return err_set(e, EBADMSG, "answer with status %u, which nobody asked for", r->status);
    }
    head->keep = v11;
    return 0;
}

static int parse_length(const char *value, size_t max_body, struct head *head, struct err *e)
{
    size_t digits = strspn(value, "0123456789"), v = 0;
    if (digits == 0 || value[digits] != '\0' || digits > 19) {
        return err_set(e, EBADMSG, "Content-Length is no number");
    }
    for (size_t i = 0; i < digits; i++) { v = v * 10 + (size_t)(value[i] - '0'); }
    if (head->has_length) { return err_set(e, EBADMSG, "Content-Length twice"); }
    if (v > max_body) {
        return err_set(e, E2BIG, "answer of %zu bytes, at most %zu are read", v, max_body);
    }
    head->has_length = true;
    head->length = v;
    if (head->framing == FRAMING_CLOSE) { head->framing = FRAMING_LENGTH; }
    return 0;
}

/* The pair alone: on one connection to one server the attributes change nothing. */
static int parse_cookie(const char *value, struct http_reply *r, struct err *e)
{
    size_t len = strcspn(value, ";");
    while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t')) { len--; }
    if (len >= sizeof r->cookie) { return err_set(e, E2BIG, "Set-Cookie of %zu bytes", len); }
    if (len == 0 || !memchr(value, '=', len)) {
        return err_set(e, EBADMSG, "Set-Cookie without name=value");
    }
    memcpy(r->cookie, value, len);
    r->cookie[len] = '\0';
    return 0;
}

static int parse_field(char *line, size_t max_body, struct http_reply *r, struct head *head,
                       struct err *e)
{
    static const char token[] =
        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    size_t name_len = strspn(line, token);
    if (name_len == 0 || line[name_len] != ':') {
        return err_set(e, EBADMSG, "answer with a field that has no name");
    }
    line[name_len] = '\0';
    char *value = line + name_len + 1;
    value += strspn(value, " \t");
    size_t len = strlen(value);
    while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t')) { value[--len] = '\0'; }

    if (strcasecmp(line, "content-length") == 0) { return parse_length(value, max_body, head, e); }
    if (strcasecmp(line, "transfer-encoding") == 0) {
        if (strcasecmp(value, "chunked") != 0 || head->framing == FRAMING_CHUNKED) {
            return err_set(e, EBADMSG, "Transfer-Encoding %.40s is not read here", value);
        }
        head->framing = FRAMING_CHUNKED;
    } else if (strcasecmp(line, "content-encoding") == 0 && strcasecmp(value, "identity") != 0) {
        return err_set(e, EBADMSG, "Content-Encoding %.40s, which nobody asked for", value);
    } else if (strcasecmp(line, "connection") == 0) {
        if (strcasecmp(value, "close") == 0) { head->keep = false; }
    } else if (strcasecmp(line, "set-cookie") == 0) {
        return parse_cookie(value, r, e);
    }
    return 0;
}

static int read_head(struct http *h, size_t max_body, struct http_reply *r, struct head *head,
                     struct err *e)
{
    char line[LINE_MAX_LEN];
    size_t budget = HTTP_HEAD_MAX;
    int rc = take_line(h, line, sizeof line, &budget, e);
    if (rc == 0) { rc = parse_status(line, r, head, e); }
    for (size_t count = 0; rc == 0; count++) {
        rc = take_line(h, line, sizeof line, &budget, e);
        if (rc < 0 || line[0] == '\0') { break; }
        if (count == HTTP_FIELDS_MAX) {
            return err_set(e, E2BIG, "answer with more than %u fields", HTTP_FIELDS_MAX);
        }
        rc = parse_field(line, max_body, r, head, e);
    }
    if (rc == 0 && head->framing == FRAMING_CHUNKED && head->has_length) {
        return err_set(e, EBADMSG, "answer with Content-Length and chunks");
    }
    if (head->framing == FRAMING_CLOSE) { head->keep = false; }
    return rc;
}

/* ---- the body */

struct body {
    uint8_t *p; /* heap, room for one byte more than cap */
    size_t len, cap, max;
};

static int body_room(struct body *b, size_t more, struct err *e)
{
    if (more > b->max - b->len) {
        return err_set(e, E2BIG, "answer of more than %zu bytes", b->max);
    }
    if (b->len + more <= b->cap && b->p) { return 0; }
    size_t cap = b->cap < 4096 ? 4096 : b->cap;
    while (cap < b->len + more) { cap *= 2; }
    if (cap > b->max) { cap = b->max; }
    uint8_t *p = malloc(cap + 1); /* not realloc: the old copy must not stay behind unwiped */
    if (!p) { return err_set(e, ENOMEM, "answer: out of memory"); }
    if (b->p) {
        memcpy(p, b->p, b->len);
        wipe(b->p, b->len);
        free(b->p);
    }
    b->p = p;
    b->cap = cap;
    return 0;
}

static int read_until_close(struct http *h, struct body *b, struct err *e)
{
    for (;;) {
        bool end = false;
        if (h->at == h->end) {
            int r = fill(h, &end, e);
            if (r < 0) { return r; }
        }
        if (end) { return 0; }
        size_t n = h->end - h->at;
        int r = body_room(b, n, e);
        if (r < 0) { return r; }
        memcpy(b->p + b->len, h->buf + h->at, n);
        b->len += n;
        h->at = h->end;
    }
}

static int parse_chunk_size(const char *line, size_t *out, struct err *e)
{
    size_t digits = strspn(line, "0123456789abcdefABCDEF"), v = 0;
    if (digits == 0 || digits > 8 || line[digits] != '\0') {
        return err_set(e, EBADMSG, "answer with a bad chunk size");
    }
    for (size_t i = 0; i < digits; i++) {
        char c = line[i];
        v = v << 4 | (size_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    *out = v;
    return 0;
}

static int read_chunks(struct http *h, struct body *b, struct err *e)
{
    char line[LINE_MAX_LEN];
    for (;;) {
        size_t budget = LINE_MAX_LEN, n = 0;
        int r = take_line(h, line, 32, &budget, e);
        if (r == 0) { r = parse_chunk_size(line, &n, e); }
        if (r < 0) { return r; }
        if (n == 0) { break; }
        r = body_room(b, n, e);
        if (r == 0) { r = take(h, b->p + b->len, n, e); }
        if (r < 0) { return r; }
        b->len += n;
        r = take_line(h, line, 32, &budget, e);
        if (r < 0) { return r; }
        if (line[0] != '\0') {
            return err_set(e, EBADMSG, "answer with a chunk longer than its size");
        }
    }
    size_t budget = HTTP_HEAD_MAX; /* trailer fields mean nothing to us */
    do {
        int r = take_line(h, line, sizeof line, &budget, e);
        if (r < 0) { return r; }
    } while (line[0] != '\0');
    return 0;
}

static int read_body(struct http *h, const struct head *head, struct body *b, struct err *e)
{
    int r = body_room(b, 0, e); /* an empty body is a body */
    if (r < 0) { return r; }
    if (head->framing == FRAMING_CHUNKED) { return read_chunks(h, b, e); }
    if (head->framing == FRAMING_CLOSE) { return read_until_close(h, b, e); }
    r = body_room(b, head->length, e);
    if (r == 0) { r = take(h, b->p, head->length, e); }
    if (r == 0) { b->len = head->length; }
    return r;
}

int http_read_reply(struct http *h, size_t max_body, struct http_reply *out, struct err *e)
{
    auto_reply r = {0};
    struct head head = {0};
    struct body b = {.max = max_body};
    int rc = read_head(h, max_body, &r, &head, e);
    if (rc < 0) { return rc; }
    rc = read_body(h, &head, &b, e);
    r.body = b.p; /* also on failure: wiped and freed with r */
    r.body_len = b.len;
    if (rc < 0) { return rc; }
    r.body[r.body_len] = '\0';
    r.keep = head.keep;
    *out = r;
    r = (struct http_reply){0};
    return 0;
}

/* ---- the request */

int http_exchange(struct http *h, const struct http_request *q, size_t max_body,
                  struct http_reply *out, struct err *e)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    if (!f) { return err_set(e, ENOMEM, "request: out of memory"); }
    (void)fprintf(f, "%s %s HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n", q->method,
                  q->path, q->host);
    if (q->cookie && *q->cookie) { (void)fprintf(f, "Cookie: %s\r\n", q->cookie); }
    if (q->bearer) { (void)fprintf(f, "Authorization: Bearer %s\r\n", q->bearer); }
    if (q->body) {
        (void)fprintf(f, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                      q->body_len);
        (void)fwrite(q->body, 1, q->body_len, f);
    } else {
        (void)fputs("\r\n", f);
    }
    if (fclose(f) != 0) {
        free(text);
        return err_set(e, ENOMEM, "request: out of memory");
    }
    int r = h->io.write(h->io.ctx, (const uint8_t *)text, len, e);
    wipe(text, len);
    free(text);
    return r < 0 ? r : http_read_reply(h, max_body, out, e);
}
