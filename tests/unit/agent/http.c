/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP client against answers good and bad, each cut into pieces of every small size. */
#include "attest/agent/http.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

struct tape {
    const char *p;
    size_t left, piece;
};

static int tape_read(void *ctx, uint8_t *buf, size_t cap, size_t *out_n, struct err *e)
{
    struct tape *t = ctx;
    (void)e;
    size_t n = t->left < t->piece ? t->left : t->piece;
    if (n > cap) { n = cap; }
    memcpy(buf, t->p, n);
    t->p += n;
    t->left -= n;
    *out_n = n;
    return 0;
}

static int read_text(const char *text, size_t len, size_t piece, struct http_reply *r,
                     struct err *e)
{
    struct tape t = {.p = text, .left = len, .piece = piece};
    struct http h = {.io = {.ctx = &t, .read = tape_read}};
    return http_read_reply(&h, 100, r, e);
}

struct good {
    const char *text, *body;
    unsigned status;
    bool keep;
};

static const struct good good[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "{}", 200, true},
    {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "", 200, true},
    {"HTTP/1.1 401 Unauthorized\r\ncontent-length:3 \r\nX: \t y\r\n\r\nabc", "abc", 401, true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nA\r\n0123456789\r\n0\r\n\r\n",
     "ab0123456789", 200, true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: x\r\n\r\n", "", 200, true},
    {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end", "until the end", 200, false},
    {"HTTP/1.0 200 OK\r\n\r\nold", "old", 200, false},
    {"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 1\r\n\r\nx", "x", 200, false},
};

Test(http, answers_are_read_however_they_arrive)
{
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        for (size_t piece = 1; piece < 40; piece += 3) {
            struct err e = {0};
            struct http_reply r = {0};
            cr_assert_eq(read_text(good[i].text, strlen(good[i].text), piece, &r, &e), 0, "%s: %s",
                         good[i].text, e.text);
            cr_assert_eq(r.status, good[i].status);
            cr_assert_str_eq((char *)r.body, good[i].body);
            cr_assert_eq(r.body_len, strlen(good[i].body));
            cr_assert_eq(r.keep, good[i].keep);
            http_reply_fini(&r);
        }
    }
}

struct bad {
    const char *text, *error;
};

static const struct bad bad[] = {
    {"", "answer cut short in its head"},
    {"HTTP/1.1 200 OK\r\n", "answer cut short in its head"},
    {"SSH-2.0-x\r\n\r\n", "answer is not HTTP/1.1"},
    {"HTTP/2 200\r\n\r\n", "answer is not HTTP/1.1"},
    {"HTTP/1.1 20x OK\r\n\r\n", "answer without a status"},
    {"HTTP/1.1 2000\r\n\r\n", "answer without a status"},
    {"HTTP/1.1 100 Continue\r\n\r\n", "answer with status 100, which nobody asked for"},
    {"HTTP/1.1 204 No\r\n\r\n", "answer with status 204, which nobody asked for"},
    {"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "answer with control character 0x0a in its head"},
    {"HTTP/1.1 200 OK\r\nA\rB: 1\r\n\r\n", "answer with a carriage return inside a line"},
    {"HTTP/1.1 200 OK\r\n folded\r\n\r\n", "answer with a field that has no name"},
    {"HTTP/1.1 200 OK\r\nA : 1\r\n\r\n", "answer with a field that has no name"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", "Content-Length twice"},
    {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "Content-Length is no number"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 0x1\r\n\r\n", "Content-Length is no number"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n",
     "Content-Length is no number"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", "answer of 101 bytes, at most 100 are read"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
     "answer cut short: 2 bytes of the body are missing"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
     "Transfer-Encoding gzip is not read here"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
     "answer with Content-Length and chunks"},
    {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
     "Content-Encoding gzip, which nobody asked for"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "answer with a bad chunk size"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\n",
     "answer with a bad chunk size"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
     "answer with a bad chunk size"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n",
     "answer of more than 100 bytes"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
     "answer with a chunk longer than its size"},
    {"HTTP/1.1 200 OK\r\nSet-Cookie: nothing\r\n\r\n", "Set-Cookie without name=value"},
};

Test(http, answers_a_careful_server_never_sends_are_refused_with_the_reason)
{
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err e = {0};
        struct http_reply r = {0};
        cr_expect_lt(read_text(bad[i].text, strlen(bad[i].text), 1000, &r, &e), 0, "%s",
                     bad[i].text);
        cr_expect_str_eq(e.text, bad[i].error, "%s", bad[i].text);
        cr_expect_null(r.body);
    }
}

Test(http, head_without_an_end_stops_at_its_ceiling)
{
    static char text[100000];
    struct err e = {0};
    struct http_reply r = {0};
    memset(text, 'a', sizeof text);
    memcpy(text, "HTTP/1.1 200 OK\r\n", 17);
    cr_assert_eq(read_text(text, sizeof text, 1000, &r, &e), -E2BIG);
    for (size_t i = 17; i + 5 < sizeof text; i += 5) { memcpy(text + i, "a:b\r\n", 5); }
    e = (struct err){0};
    cr_assert_eq(read_text(text, sizeof text, 1000, &r, &e), -E2BIG);
    cr_assert_str_eq(e.text, "answer with more than 64 fields");
}

Test(http, cookie_is_the_pair_without_its_attributes)
{
    static const char text[] =
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\n"
        "Set-Cookie: kbs-session-id=5f0c ; Path=/; HttpOnly\r\nContent-Length: 0\r\n\r\n";
    struct err e = {0};
    struct http_reply r = {0};
    cr_assert_eq(read_text(text, sizeof text - 1, 1000, &r, &e), 0, "%s", e.text);
    cr_assert_str_eq(r.cookie, "kbs-session-id=5f0c");
    http_reply_fini(&r);
}

/* ---- two answers on one connection */

Test(http, next_answer_begins_where_the_last_one_ended)
{
    static const char text[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 401 No\r\nContent-Length: 1\r\n\r\ny";
    struct tape t = {.p = text, .left = sizeof text - 1, .piece = 1000};
    struct http h = {.io = {.ctx = &t, .read = tape_read}};
    struct err e = {0};
    struct http_reply r = {0};
    cr_assert_eq(http_read_reply(&h, 100, &r, &e), 0);
    cr_assert_str_eq((char *)r.body, "x");
    http_reply_fini(&r);
    cr_assert_eq(http_read_reply(&h, 100, &r, &e), 0);
    cr_assert_eq(r.status, 401);
    cr_assert_str_eq((char *)r.body, "y");
    http_reply_fini(&r);
}
