/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the broker must not forget: resources, policies and reference values, in one SQLite file, each value sealed.
 *
 * At rest a value is AES-256-GCM under the storage key, with its kind and name as associated data: who can write the
 * file can delete an item or bring back an old one, but can neither read it nor put it in another's place. Names are
 * plain. A committed change survives a kill -9 and a power cut (WAL, synchronous = FULL).
 *
 * No rollback protection: an old copy of the whole file opens.
 */
#ifndef CASEMATE_ATTEST_KBS_STORE_H
#define CASEMATE_ATTEST_KBS_STORE_H

#include "guest/base/cur.h"
#include "guest/base/err.h"

#define STORE_KEY_SIZE  32
#define STORE_VALUE_MAX (64u * 1024 * 1024)

enum store_kind { STORE_RESOURCE = 1, STORE_POLICY, STORE_REFERENCE };

struct store;

/* The value of an item; wiped by store_value_fini(). */
struct store_value {
    uint8_t *p; /* len bytes and a zero byte behind them */
    size_t len;
};
void store_value_fini(struct store_value *v);
#define auto_store_value __attribute__((cleanup(store_value_fini))) struct store_value

/*
 * Open, or make. path ":memory:" lives as long as the store. A file made under another key is refused here
 * (-EKEYREJECTED), not at the first read.
 */
MUST_CHECK int store_open(const char *path, const uint8_t key[static STORE_KEY_SIZE],
                          struct store **out, struct err *e);
void store_close(struct store *st); /* NULL is fine; wipes the key */

/* Makes or replaces. */
MUST_CHECK int store_put(struct store *st, enum store_kind kind, const char *name,
                         const void *value, size_t len, struct err *e);
/* -ENOENT when there is none, -EBADMSG when what is there was not written by us. */
MUST_CHECK int store_get(struct store *st, enum store_kind kind, const char *name,
                         struct store_value *out, struct err *e);
/* -ENOENT when there is none. */
MUST_CHECK int store_delete(struct store *st, enum store_kind kind, const char *name,
                            struct err *e);

/* Names in order. each() returns 0 to go on; anything else ends the walk and is returned. */
MUST_CHECK int store_list(struct store *st, enum store_kind kind,
                          int (*each)(void *ctx, const char *name), void *ctx, struct err *e);

#endif
