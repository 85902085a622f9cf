/* SPDX-License-Identifier: Apache-2.0 */
/* See release.h. */
#include "attest/agent/release.h"

void release_fini(struct release *r)
{
    kbs_close(r->session);
    r->session = NULL;
}

int release_session(struct release *r, struct kbs **out, struct err *e)
{
    if (!r->session) {
        int rc = kbs_open(r->env, &r->settings->broker, r->guest, &r->session, e);
        if (rc < 0) { return rc; }
    }
    *out = r->session;
    return 0;
}

int release_resource(struct release *r, const char *uri, uint8_t **out, size_t *out_len,
                     struct err *e)
{
    struct kbs *k;
    int rc = release_session(r, &k, e);
    return rc < 0 ? rc : kbs_get(k, uri, out, out_len, e);
}

static int get(void *ctx, const char *uri, uint8_t **out, size_t *out_len, struct err *e)
{
    return release_resource(ctx, uri, out, out_len, e);
}

int release_sealed(struct release *r, const char *text, size_t len, uint8_t **out, size_t *out_len,
                   struct err *e)
{
    struct sealed_source from = {.ctx = r,
                                 .get = get,
                                 .credentials = r->settings->credentials,
                                 .credential_count = r->settings->credential_count,
                                 .insecure_unsigned = r->settings->insecure_unsigned_secrets};
    return sealed_open(&from, text, len, out, out_len, e);
}
