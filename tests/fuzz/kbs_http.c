/* SPDX-License-Identifier: Apache-2.0 */
/* libs: kbs_pure rego initdata jose crypto_full crypto_small base */
/* ldlibs: -ljansson -lcrypto */
/* Request heads: what is read lies inside the input, and says of a body only what a number can say. */
#include <stdlib.h>

#include "attest/kbs/http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct view v, const uint8_t *data, size_t size)
{
    if (v.p && (v.p < data || v.len > size || v.p + v.len > data + size)) { abort(); }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_request rq;
    struct err e = {0};
    int rc = http_head_read(data, size, &rq, &e);
    if (rc < 0) {
        if (e.text[0] == '\0' || http_status_of(rc) < 400) { abort(); }
        return 0;
    }
    inside(rq.target, data, size);
    inside(rq.path, data, size);
    inside(http_cookie_get(&rq, "kbs-session-id"), data, size);
    inside(http_header_get(&rq, "authorization"), data, size);
    if (rq.path.len == 0 || rq.path.p[0] != '/' || rq.header_count > HTTP_HEADERS_MAX) { abort(); }
    return 0;
}
