/* SPDX-License-Identifier: Apache-2.0 */
/* Request heads: what is read, and what is refused with which status. */
#include "attest/kbs/http/http.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_text(const char *text, struct http_request *rq, struct err *e)
{
    return http_head_read((const uint8_t *)text, strlen(text), rq, e);
}

static bool view_eq(struct view v, const char *text) { return http_view_is(v, text); }

Test(http, reads_a_request)
{
    struct http_request rq;
    struct err e = {0};
    cr_assert_eq(
        read_text(
            "POST /kbs/v0/attest?x=1 HTTP/1.1\r\nHost: a\r\nCookie: a=b; kbs-session-id=77; c=d\r\n"
            "content-LENGTH:  12 \r\n\r\n",
            &rq, &e),
        0, "%s", e.text);
    cr_assert_eq(rq.method, HTTP_POST);
    cr_assert(view_eq(rq.path, "/kbs/v0/attest"));
    cr_assert(view_eq(rq.target, "/kbs/v0/attest?x=1"));
    cr_assert_eq(rq.body_len, 12);
    cr_assert(rq.keep_alive);
    cr_assert(view_eq(http_cookie_get(&rq, "kbs-session-id"), "77"));
    cr_assert_null(http_cookie_get(&rq, "session-id").p);
    cr_assert_null(http_header_get(&rq, "authorization").p);
}

Test(http, version_1_0_closes_and_absolute_targets_lose_their_host)
{
    struct http_request rq;
    struct err e = {0};
    cr_assert_eq(read_text("GET http://h:1/a/b#f HTTP/1.0\r\n\r\n", &rq, &e), 0);
    cr_assert_not(rq.keep_alive);
    cr_assert(view_eq(rq.path, "/a/b"));
}

Test(http, first_cookie_wins_and_quotes_are_removed)
{
    struct http_request rq;
    struct err e = {0};
    cr_assert_eq(read_text("GET / HTTP/1.1\r\nCookie: k=\"1\"\r\nCookie: k=2\r\n\r\n", &rq, &e), 0);
    cr_assert(view_eq(http_cookie_get(&rq, "k"), "1"));
    cr_assert_eq(read_text("GET / HTTP/1.1\r\nCookie: k=\r\n\r\n", &rq, &e), 0);
    cr_assert_eq(http_cookie_get(&rq, "k").len, 0);
}

struct refusal {
    const char *text;
    int status;
};

Test(http, refuses)
{
    static const struct refusal cases[] = {
        {"", 400},
        {"GET / HTTP/1.1\n\n", 400},
        {"GET / HTTP/1.1\r\nA: b\n\r\n", 400},
        {"GET / HTTP/1.1\r\nA: b\r\r\n\r\n", 400},
        {"GET  / HTTP/1.1\r\n\r\n", 400},
        {"GET /\r\n\r\n", 400},
        {"GET / HTTP/1.1 \r\n\r\n", 400},
        {"GET / HTTP/2.0\r\n\r\n", 505},
        {"GET / FTP/1.1\r\n\r\n", 400},
        {"G\x01T / HTTP/1.1\r\n\r\n", 400},
        {" / HTTP/1.1\r\n\r\n", 400},
        {"GET a HTTP/1.1\r\n\r\n", 400},
        {"GET * HTTP/1.1\r\n\r\n", 400},
        {"GET http://host HTTP/1.1\r\n\r\n", 400},
        {"GET /\xc3\xa9 HTTP/1.1\r\n\r\n", 400},
        {"GET /\x7f HTTP/1.1\r\n\r\n", 400},
        {"HEAD / HTTP/1.1\r\n\r\n", 405},
        {"PATCH / HTTP/1.1\r\n\r\n", 405},
        {"GET / HTTP/1.1\r\nA b: c\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nA : c\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n: c\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nA: \x01\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nA: \xff\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nContent-Length: 0x10\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nContent-Length: 9999999999999999999\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
        {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 501},
        {"POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n", 415},
        {"POST / HTTP/1.1\r\nContent-Encoding: identity\r\nContent-Encoding: gzip\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nAuthorization: a\r\nauthorization: b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET", 400},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        const struct refusal *c = &cases[i];
        struct http_request rq;
        struct err e = {0};
        int rc = read_text(c->text, &rq, &e);
        cr_expect_lt(rc, 0, "%s", c->text);
        cr_expect_eq(http_status_of(rc), c->status, "%s: %s", c->text, e.text);
        cr_expect_neq(e.text[0], '\0');
    }
}

Test(http, refuses_the_hundred_and_first_header)
{
    char text[8192];
    size_t n = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\n");
    for (int i = 0; i < 100; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "h%d: v\r\n", i);
    }
    (void)snprintf(text + n, sizeof text - n, "\r\n");
    struct http_request rq;
    struct err e = {0};
    cr_assert_eq(read_text(text, &rq, &e), 0);
    (void)snprintf(text + n, sizeof text - n, "one: more\r\n\r\n");
    cr_assert_eq(http_status_of(read_text(text, &rq, &e)), 431);
}

Test(http, refuses_a_target_above_64_kib)
{
    static char text[70000];
    memset(text, 'a', sizeof text - 1);
    memcpy(text, "GET /", 5);
    memcpy(text + 5 + 65536, " HTTP/1.1\r\n\r\n", 14);
    struct http_request rq;
    struct err e = {0};
    cr_assert_eq(http_status_of(read_text(text, &rq, &e)), 400); /* 65 537 bytes */
}

Test(http, writes_a_response_head)
{
    struct http_response rs = {
        .status = 401, .content_type = "application/json", .body_len = 2, .cookie = "a=b"};
    char out[HTTP_RESPONSE_HEAD_MAX];
    size_t n = http_response_head(&rs, false, 1893456300, out, sizeof out);
    cr_assert_str_eq(
        out,
        "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nDate: Tue, 01 Jan 2030 00:05:00 GMT\r\n"
        "Content-Type: application/json\r\nSet-Cookie: a=b\r\nConnection: close\r\n\r\n");
    cr_assert_eq(n, strlen(out));
    cr_assert_eq(http_response_head(&rs, false, 0, out, 20), 0);
}
