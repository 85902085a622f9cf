/* SPDX-License-Identifier: Apache-2.0 */
/* libs: agent evidence initdata jose plan crypto_full crypto_small base */
/* ldlibs: -lssl -ljansson -lcrypto */
/*
 * A request to the REST service: one answer with a status of the header's, whatever was asked. No
 * broker is there, so what reaches it fails.
 */
#include "attest/agent/rest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int evidence(void *ctx, bool sealed, const uint8_t report_data[64], json_t **out,
                    struct err *e)
{
    (void)ctx, (void)report_data, (void)e;
    if (!sealed) { abort(); }
    *out = json_object();
    return 0;
}

static int extend(void *ctx, const uint8_t value[48], struct err *e)
{
    (void)ctx, (void)value, (void)e;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct agent_env env = {.tee = "sample", .evidence = evidence, .extend = extend};
    static const struct agent_settings settings = {
        .rest_resource = true, .rest_attestation = true, .event_log = true};
    static struct rest r = {.env = &env, .settings = &settings, .register3_fd = -1};
    struct http_request q;
    struct http_response rs = {0};
    struct err e = {0};
    if (r.register3_fd < 0 && rest_init(&r, &e) < 0) { abort(); }
    const uint8_t *end = memmem(data, size, "\r\n\r\n", 4);
    size_t head = end ? (size_t)(end - data) + 4 : size;
    if (http_head_read(data, head, &q, &e) < 0) { return 0; }
    q.body = (struct view){.p = data + head, .len = size - head};
    rest_answer(&r, &q, &rs);
    static const int statuses[] = {200, 400, 404, 405, 500};
    bool known = false;
    for (size_t i = 0; i < ARRAY_COUNT(statuses); i++) { known |= rs.status == statuses[i]; }
    if (!known || !rs.body) { abort(); }
    http_response_fini(&rs);
    return 0;
}
