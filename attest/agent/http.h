/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small strict HTTP/1.1 client over any byte stream. The answer comes from a peer that may be
 * anybody until its certificate was checked, and is a stranger afterwards, too: every length has a
 * ceiling, and what a careful server never sends (folded lines, two lengths, a length beside
 * chunks, bare line feeds, a body we did not ask to be compressed) is an error and not an
 * interpretation.
 *
 * Source: [RFC 9110], [RFC 9112].
 */
#ifndef CASEMATE_ATTEST_AGENT_HTTP_H
#define CASEMATE_ATTEST_AGENT_HTTP_H

#include "guest/base/err.h"

#define HTTP_HEAD_MAX                                                                              \
    32768u /* bytes of status line and fields together; Set-Cookie may hold 3000 */
#define HTTP_FIELDS_MAX 64u
#define HTTP_COOKIE_MAX 4096u

/*
 * The stream below. Both return 0 or a negative errno with e set; *out_n = 0 from read is the end.
 */
struct http_io {
    void *ctx;
    int (*read)(void *ctx, uint8_t *buf, size_t cap, size_t *out_n, struct err *e);
    int (*write)(void *ctx, const uint8_t *p, size_t len, struct err *e);
};

/* One connection: what was read and not yet used. Zeroed by the caller, io set. */
struct http {
    struct http_io io;
    uint8_t buf[8192];
    size_t at, end;
    uint64_t received; /* bytes, since the connection began */
};

struct http_reply {
    unsigned status;
    char cookie[HTTP_COOKIE_MAX]; /* "name=value" of the last Set-Cookie, or "" */
    uint8_t *body;                /* heap, a zero byte behind it; never NULL after success */
    size_t body_len;
    bool keep; /* the connection can carry another request */
};
void http_reply_fini(struct http_reply *r); /* wipes the body */
#define auto_reply __attribute__((cleanup(http_reply_fini))) struct http_reply

struct http_request {
    const char *method, *path, *host;
    const char *cookie; /* NULL or "" = none */
    const char *bearer; /* NULL = none */
    const void *body;   /* JSON, or NULL */
    size_t body_len;
};

/* Send one request and read its answer whole. max_body: bytes. */
MUST_CHECK int http_exchange(struct http *h, const struct http_request *q, size_t max_body,
                             struct http_reply *out, struct err *e);
/* The second half alone: what fuzzing drives. */
MUST_CHECK int http_read_reply(struct http *h, size_t max_body, struct http_reply *out,
                               struct err *e);

#endif
