/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the broker must not forget: resources, policies, reference values, approvals and counters, each value sealed; in one SQLite
 * file, or in a PostgreSQL database that several brokers share, and then handshakes under way are kept there, too.
 *
 * At rest a value is AES-256-GCM under the storage key, with its kind and name as associated data: who can write the
 * database can delete an item or bring back an old one, but can neither read it nor put it in another's place. Names and
 * counters are plain. A committed change survives a kill -9 and a power cut of what holds the database.
 *
 * Every call may fail with -ENOTCONN: the database cannot be reached at the moment. Nothing may be decided then; the
 * answer is a 503. The connection is made again by a later call.
 *
 * No rollback protection: an old copy of the whole database opens, with counters as they were.
 */
#ifndef CASEMATE_ATTEST_KBS_STORE_STORE_H
#define CASEMATE_ATTEST_KBS_STORE_STORE_H

#include "attest/kbs/store/value.h"
#include "guest/base/cur.h"
#include "guest/base/err.h"

#define STORE_KEY_SIZE  32
#define STORE_VALUE_MAX (64u * 1024 * 1024)
#define STORE_NAME_MAX  1024 /* bytes of a name */

enum store_kind { STORE_RESOURCE = 1, STORE_POLICY, STORE_REFERENCE, STORE_APPROVAL };
#define STORE_KIND_LAST STORE_APPROVAL

struct store;

/*
 * Open, or make.
 *
 * where  a file name; ":memory:" for one that lives as long as the store; or postgresql://...
 *
 * A database made under another key is refused here (-EKEYREJECTED), not at the first read.
 */
MUST_CHECK int store_open(const char *where, const uint8_t key[static STORE_KEY_SIZE],
                          struct store **out, struct err *e);
void store_close(struct store *st); /* NULL is fine; wipes the key */

/* Does this text name a shared database rather than a file? */
bool store_is_url(const char *where);

/*
 * How many calls have failed with -ENOTCONN so far. Whoever compares it before and after a request knows whether the
 * database was away in between, whatever was made of the errors.
 */
uint64_t store_outages(const struct store *st);

/* Can the database be asked at the moment? */
MUST_CHECK int store_ping(struct store *st, struct err *e);

/* ---- items ----------------------------------------------------------------------------------- */

/* Makes or replaces. */
MUST_CHECK int store_put(struct store *st, enum store_kind kind, const char *name,
                         const void *value, size_t len, struct err *e);
/* The same with several items, each name once: all of them, or none and an error. */
MUST_CHECK int store_put_all(struct store *st, enum store_kind kind, const struct store_item *items,
                             size_t count, struct err *e);
/* -ENOENT when there is none, -EBADMSG when what is there was not written by us. */
MUST_CHECK int store_get(struct store *st, enum store_kind kind, const char *name,
                         struct store_value *out, struct err *e);
/* -ENOENT when there is none. */
MUST_CHECK int store_delete(struct store *st, enum store_kind kind, const char *name,
                            struct err *e);

/* Names in order. each() returns 0 to go on; anything else ends the walk and is returned. */
MUST_CHECK int store_list(struct store *st, enum store_kind kind,
                          int (*each)(void *ctx, const char *name), void *ctx, struct err *e);

/*
 * Which writing of an item is there: equal stamps, equal values. For whoever keeps what he made out of an item while other
 * brokers may replace it. -ENOENT when there is none.
 */
#define STORE_STAMP_SIZE 29
struct store_stamp {
    uint8_t v[STORE_STAMP_SIZE];
};
MUST_CHECK int store_stamp(struct store *st, enum store_kind kind, const char *name,
                           struct store_stamp *out, struct err *e);

/* ---- counters -------------------------------------------------------------------------------- */

/*
 * Take one of at most max. A single statement of the database, so that of any number of brokers asking at one moment no
 * more than max are ever told yes, however many of them are killed.
 *
 * name       at most STORE_NAME_MAX bytes; a counter that was never taken from stands at 0
 * out_taken  false: max have been taken already (always, when max is 0)
 *
 * After -ENOTCONN one may have been taken that nobody uses: the count errs on the side of refusing.
 */
MUST_CHECK int store_count_take(struct store *st, const char *name, uint64_t max, bool *out_taken,
                                struct err *e);
/* How many have been taken. */
MUST_CHECK int store_count_get(struct store *st, const char *name, uint64_t *out, struct err *e);

/* All counters in order of name; each() as for store_list(). */
MUST_CHECK int store_counters(struct store *st,
                              int (*each)(void *ctx, const char *name, uint64_t used), void *ctx,
                              struct err *e);
/* A counter that was never taken from begins at used instead of 0; of any other it is an error. */
MUST_CHECK int store_count_begin(struct store *st, const char *name, uint64_t used, struct err *e);

/* ---- moving ---------------------------------------------------------------------------------- */

/*
 * Copy every item and counter into an empty store, where it is sealed under that store's key: for a new storage key, and
 * for the way from a file to PostgreSQL or back. Handshakes stay behind. Whoever writes to `from` meanwhile may be missed.
 *
 * out_count  items copied
 *
 * -EEXIST when `to` is not empty. After another failure `to` holds a part and is of no use.
 */
MUST_CHECK int store_copy(struct store *from, struct store *to, uint64_t *out_count, struct err *e);

/* ---- handshakes that several brokers share --------------------------------------------------- */

/*
 * For session.c, and only where store_is_shared(). id: a text that is no secret. A session is open, then settled at most
 * once or dropped; each of these is one statement, so that of two brokers only one does it.
 */
bool store_is_shared(const struct store *st);
MUST_CHECK int store_session_open(struct store *st, const char *id, int64_t expires,
                                  const void *value, size_t len, struct err *e);
/* -ENOENT when there is none, or it has expired. */
MUST_CHECK int store_session_get(struct store *st, const char *id, int64_t now, bool *out_settled,
                                 int64_t *out_expires, struct store_value *out, struct err *e);
/* Replaces the value. -ENOENT when it is not open any more. */
MUST_CHECK int store_session_settle(struct store *st, const char *id, int64_t now,
                                    const void *value, size_t len, struct err *e);
/* One that is settled stays; one that is gone is no error. */
MUST_CHECK int store_session_drop(struct store *st, const char *id, struct err *e);
/*
 * Removes what has expired; while there are more than max, the oldest open ones as far as there are more than max_open of
 * them, and the oldest settled ones.
 * out_count  how many are left
 */
MUST_CHECK int store_session_sweep(struct store *st, int64_t now, uint32_t max, uint32_t max_open,
                                   uint32_t *out_count, struct err *e);

#endif
