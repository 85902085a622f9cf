/* SPDX-License-Identifier: Apache-2.0 */
/* What all sessions have in common, wherever they are kept: how they begin. */
#include "attest/kbs/session/backend.h"

#include "attest/base64.h"
#include "attest/crypto.h"
#include "guest/base/ct.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void session_fini(struct session *s)
{
    if (s->token) {
        wipe(s->token, strlen(s->token));
        free(s->token);
    }
    wipe(s, sizeof *s);
}

void sessions_free(struct sessions *t)
{
    if (t) { t->ops->free(t); }
}

uint32_t sessions_count(const struct sessions *t) { return t->ops->count(t); }

int session_open(struct sessions *t, const char *tee, int64_t now, struct session *out,
                 struct err *e)
{
    auto_session s = {.expires = now + t->lifetime};
    uint8_t id[SESSION_ID_LEN / 2], nonce[32];
    if (strlen(tee) >= sizeof s.tee) { return err_set(e, EINVAL, "session: tee %.40s", tee); }
    int rc = crypto_random(id, sizeof id);
    if (rc == 0) { rc = crypto_random(nonce, sizeof nonce); }
    if (rc < 0) { return err_set(e, -rc, "session: no randomness"); }
    hex_encode(id, sizeof id, s.id);
    b64_encode(nonce, sizeof nonce, s.nonce);
    memcpy(s.tee, tee, strlen(tee) + 1);
    rc = t->ops->open(t, &s, now, e);
    if (rc == 0) { *out = s; } /* there is no token in it yet */
    return rc;
}

int session_find(struct sessions *t, struct view id, int64_t now, struct session *out,
                 struct err *e)
{
    auto_session s = {0};
    if (id.len != SESSION_ID_LEN || memchr(id.p, '\0', id.len)) {
        return err_set(e, ENOENT, "session: not an identifier of ours");
    }
    memcpy(s.id, id.p, SESSION_ID_LEN);
    int rc = t->ops->find(t, s.id, now, &s, e);
    if (rc == 0) {
        *out = s;
        s.token = NULL;
    }
    return rc;
}

int session_settle(struct sessions *t, const char *id, const char *token, int64_t now,
                   struct err *e)
{
    return t->ops->settle(t, id, token, now, e);
}

int session_refuse(struct sessions *t, const char *id, struct err *e)
{
    return t->ops->refuse(t, id, e);
}
