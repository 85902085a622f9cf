/* SPDX-License-Identifier: Apache-2.0 */
/* Where sessions are kept. session.c makes identifiers and nonces; a backend keeps them, by the rules of session.h. */
#ifndef CASEMATE_ATTEST_KBS_SESSION_BACKEND_H
#define CASEMATE_ATTEST_KBS_SESSION_BACKEND_H

#include "attest/kbs/session/session.h"

struct session_ops {
    void (*free)(struct sessions *t);
    uint32_t (*count)(const struct sessions *t);
    /* *s is complete. */
    int (*open)(struct sessions *t, const struct session *s, int64_t now, struct err *e);
    /* id has SESSION_ID_LEN characters of a stranger; out->id is filled in by the caller. */
    int (*find)(struct sessions *t, const char *id, int64_t now, struct session *out,
                struct err *e);
    int (*settle)(struct sessions *t, const char *id, const char *token, int64_t now,
                  struct err *e);
    int (*refuse)(struct sessions *t, const char *id, struct err *e);
};

/* First member of each backend's own struct. */
struct sessions {
    const struct session_ops *ops;
    int64_t lifetime; /* seconds */
    uint32_t max;
};

/* Of so many sessions so many may be OPEN while there are SETTLED ones to give way. */
static inline uint32_t session_open_share(uint32_t max) { return max / 4; }

#endif
