/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 as the broker needs it, and nothing more: a strict reader of request heads and a writer of response heads.
 * Pure functions of bytes; sockets and time live in server.c.
 *
 * Refused on purpose: bare line feeds, folded headers, blanks before a colon, bytes outside printable ASCII, a header
 * twice that says where a request ends or who asks, transfer and content codings other than none, upgrades, asterisk and authority targets.
 * Each is a place where two programs on one wire have disagreed about where a request ends.
 *
 * Source: [RFC 9110], [RFC 9112].
 */
#ifndef CASEMATE_ATTEST_KBS_HTTP_HTTP_H
#define CASEMATE_ATTEST_KBS_HTTP_HTTP_H

#include "guest/base/cur.h"
#include "guest/base/err.h"

/* A bearer token carries initdata and evidence, so heads are large: what the CoCo broker takes. [coco §2.7] */
#define HTTP_HEAD_MAX    (128u * 1024)
#define HTTP_TARGET_MAX  (64u * 1024)
#define HTTP_HEADERS_MAX 100u

enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_OTHER };

struct http_header {
    struct view name, value; /* value without surrounding blanks */
};

struct http_request {
    enum http_method method;
    struct view target; /* as sent, query included; absolute form reduced to its path */
    struct view path;   /* target up to '?' or '#' */
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t header_count;
    uint64_t
        body_len; /* from Content-Length, 0 without one; the caller holds it against its ceiling */
    bool keep_alive; /* the peer is ready for another request */
    bool expect_continue;
    struct view body; /* filled in by the caller */
    bool may_wait;    /* by the caller: an answer of `later` will be understood */
};

/*
 * Read one request head.
 *
 * p, len  from the first byte of the request line to the end of the empty line; *out holds views into it
 *
 * Returns 0, or a negative errno with the reason in e; http_status_of() turns it into a status to answer with. After a
 * refusal nobody knows where the next request starts: the connection must be closed.
 */
MUST_CHECK int http_head_read(const uint8_t *p, size_t len, struct http_request *out,
                              struct err *e);

/* Can a request begin with this byte? A TLS hello on a plain port cannot, and need not wait for its end. */
bool http_may_begin(uint8_t first);

/* 400, 405, 413, 415, 431, 501 or 505 for what http_head_read() returned. */
int http_status_of(int rc);

/* The only header of that name (lower case), or an empty view with p NULL. */
struct view http_header_get(const struct http_request *rq, const char *name);

/*
 * The first cookie of that name in any Cookie header, quotes removed, or an empty view with p NULL. The first wins, as
 * in the CoCo broker. [coco §17.6]
 */
struct view http_cookie_get(const struct http_request *rq, const char *name);

bool http_view_is(struct view v, const char *text);

const char *http_method_name(enum http_method m);
const char *http_reason(int status);

/* A response; the zero value with a status is a valid one. */
struct http_response {
    int status;
    const char *content_type; /* static; NULL = none */
    char cookie[160];         /* value of Set-Cookie; empty = none */
    const char *extra;        /* static header lines, each with CRLF; NULL = none */
    uint8_t *body;            /* malloc; wiped and freed by http_response_fini() */
    size_t body_len;
    bool close;
    /* No answer yet: ask again with the same request when something has changed. The rest is zero. */
    bool later;
};
void http_response_fini(struct http_response *rs);

/*
 * What answers a request, whoever brings it. now: Unix seconds. peer: address of the client, text. rq and what it points
 * to live until the handler returns.
 */
typedef void http_handler(void *ctx, const struct http_request *rq, const char *peer, int64_t now,
                          struct http_response *out);
/* Hears of each answer; rq NULL: a request that could not be read. */
typedef void http_observer(void *ctx, const struct http_request *rq, int status, uint64_t took_us);

/*
 * Write the head of rs into out.
 * now   Unix seconds, for Date
 * Returns its length, or 0 when size is too small (HTTP_RESPONSE_HEAD_MAX never is).
 */
#define HTTP_RESPONSE_HEAD_MAX 1024
size_t http_response_head(const struct http_response *rs, bool keep_alive, int64_t now, char *out,
                          size_t size);

/* "Tue, 01 Jan 2030 00:05:00 GMT", 29 characters; empty for a time that has no such form. */
void http_date(int64_t t, char out[static 30]);

#endif
