/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a database does for the store. It sees names and sealed bytes; sealing is in store.c. Backends return what
 * store.h promises of the function of the same name.
 */
#ifndef CASEMATE_ATTEST_KBS_STORE_BACKEND_H
#define CASEMATE_ATTEST_KBS_STORE_BACKEND_H

#include "attest/kbs/store/value.h"

/* Written into a new database, looked for in an old one. */
#define STORE_SCHEMA_VERSION 2

struct store_backend {
    const struct store_ops *ops; /* first member of each backend's own struct */
};

struct store_ops {
    void (*close)(struct store_backend *b);

    int (*put)(struct store_backend *b, const char *kind, const char *name, const uint8_t *p,
               size_t len, struct err *e);
    /* In one transaction; count is at least 1. */
    int (*put_all)(struct store_backend *b, const char *kind, const struct store_item *items,
                   size_t count, struct err *e);
    /* The first max bytes of the value, or all of them. */
    int (*get)(struct store_backend *b, const char *kind, const char *name, size_t max,
               struct store_value *out, struct err *e);
    int (*del)(struct store_backend *b, const char *kind, const char *name, struct err *e);
    int (*list)(struct store_backend *b, const char *kind, int (*each)(void *ctx, const char *name),
                void *ctx, struct err *e);

    /* max is at least 1 */
    int (*count_take)(struct store_backend *b, const char *name, int64_t max, bool *out_taken,
                      struct err *e);
    int (*count_get)(struct store_backend *b, const char *name, int64_t *out, struct err *e);
    int (*counters)(struct store_backend *b,
                    int (*each)(void *ctx, const char *name, uint64_t used), void *ctx,
                    struct err *e);
    int (*count_begin)(struct store_backend *b, const char *name, int64_t used, struct err *e);

    const struct store_session_ops *sessions; /* NULL: nobody to share them with */
};

/* Handshakes by id; bytes sealed by store.c. Rules of life: session.h. */
struct store_session_ops {
    int (*open)(struct store_backend *b, const char *id, int64_t expires, const uint8_t *p,
                size_t len, struct err *e);
    int (*get)(struct store_backend *b, const char *id, int64_t now, bool *out_settled,
               int64_t *out_expires, struct store_value *out, struct err *e);
    int (*settle)(struct store_backend *b, const char *id, int64_t now, const uint8_t *p,
                  size_t len, struct err *e);
    int (*drop)(struct store_backend *b, const char *id, struct err *e);
    int (*sweep)(struct store_backend *b, int64_t now, uint32_t max, uint32_t max_open,
                 uint32_t *out_count, struct err *e);
};

MUST_CHECK int store_sqlite_open(const char *path, struct store_backend **out, struct err *e);
MUST_CHECK int store_pg_open(const char *url, struct store_backend **out, struct err *e);

#endif
