/* SPDX-License-Identifier: Apache-2.0 */
/* libs: agent evidence initdata jose plan crypto_full crypto_small base */
/* ldlibs: -lssl -ljansson -lcrypto */
/*
 * An HTTP answer from a stranger, in pieces whose size the first byte says: an error with a text,
 * or a body within the ceiling. The same answer in one piece must give the same.
 */
#include "attest/agent/http.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct tape {
    const uint8_t *p;
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

static int read_answer(const uint8_t *data, size_t size, size_t piece, struct http_reply *r)
{
    struct tape t = {.p = data, .left = size, .piece = piece};
    struct http h = {.io = {.ctx = &t, .read = tape_read}};
    struct err e = {0};
    int rc = http_read_reply(&h, 5000, r, &e);
    if ((rc < 0) != (e.text[0] != '\0') || (rc == 0) != (r->body != NULL) || r->body_len > 5000) {
        abort();
    }
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_reply a = {0}, b = {0};
    if (size == 0) { return 0; }
    int ra = read_answer(data + 1, size - 1, (size_t)data[0] + 1, &a);
    int rb = read_answer(data + 1, size - 1, size, &b);
    if (ra != rb || a.status != b.status || a.body_len != b.body_len ||
        strcmp(a.cookie, b.cookie) != 0) {
        abort();
    }
    http_reply_fini(&a);
    http_reply_fini(&b);
    return 0;
}
