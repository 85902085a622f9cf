/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store. One table, item(kind, name, value); a value is
 *
 *      1 byte   version, 1
 *     12 bytes  IV, random
 *     16 bytes  GCM tag
 *      n bytes  ciphertext                  associated data: "casemate-kbs-item-1" 00 kind 00 name
 *
 * Random 96-bit IVs under one key allow 2^32 writes, far beyond what an administrator makes. [SP 800-38D §8.3]
 */
#include "attest/kbs/store.h"

#include "attest/crypto.h"
#include "guest/base/ct.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>

#define BLOB_VERSION 1
#define BLOB_HEAD    (1 + CRYPTO_GCM_IV_SIZE + CRYPTO_GCM_TAG_SIZE)
#define NAME_MAX_LEN 1024

/* 'C' 'M' 'K' 'B', so that file(1) and a wrong path are told apart from any other database. */
#define APPLICATION_ID 0x434d4b42
#define SCHEMA_VERSION 1

struct store {
    sqlite3 *db;
    sqlite3_stmt *put, *get, *del, *list;
    uint8_t key[STORE_KEY_SIZE];
};

static const char *kind_name(enum store_kind k)
{
    switch (k) {
    case STORE_RESOURCE: return "resource";
    case STORE_POLICY: return "policy";
    case STORE_REFERENCE: return "reference";
    }
    return "meta";
}

void store_value_fini(struct store_value *v)
{
    if (v->p) {
        wipe(v->p, v->len);
        free(v->p);
    }
    *v = (struct store_value){0};
}

static int db_error(struct store *st, const char *what, struct err *e)
{
    return err_set(e, EIO, "store: %s: %s", what,
                   st->db ? sqlite3_errmsg(st->db) : "out of memory");
}

/* ---- sealing --------------------------------------------------------------------------------- */

struct aad {
    uint8_t bytes[64 + NAME_MAX_LEN];
    size_t len;
};

static int aad_make(const char *kind, const char *name, struct aad *out, struct err *e)
{
    if (strlen(name) > NAME_MAX_LEN) {
        return err_set(e, ENAMETOOLONG, "store: a name of %zu bytes", strlen(name));
    }
    int n = snprintf((char *)out->bytes, sizeof out->bytes, "casemate-kbs-item-1%c%s%c%s", 0, kind,
                     0, name);
    out->len = (size_t)n;
    return 0;
}

/* *out: malloc, len + BLOB_HEAD bytes */
static int blob_seal(const struct store *st, const struct aad *aad, const void *value, size_t len,
                     uint8_t **out, struct err *e)
{
    auto_free uint8_t *b = malloc(len + BLOB_HEAD);
    if (!b) { return err_set(e, ENOMEM, "store: out of memory"); }
    b[0] = BLOB_VERSION;
    uint8_t *iv = b + 1, *tag = iv + CRYPTO_GCM_IV_SIZE;
    int rc = crypto_random(iv, CRYPTO_GCM_IV_SIZE);
    if (rc == 0) {
        rc = crypto_gcm_seal(st->key, sizeof st->key, iv, aad->bytes, aad->len, value, len,
                             b + BLOB_HEAD, tag);
    }
    if (rc < 0) { return err_set(e, -rc, "store: sealing failed"); }
    *out = steal_ptr(&b);
    return 0;
}

static int blob_open(const struct store *st, const struct aad *aad, const uint8_t *b, size_t len,
                     struct store_value *out, struct err *e)
{
    if (len < BLOB_HEAD || b[0] != BLOB_VERSION) {
        return err_set(e, EBADMSG, "store: an item of unknown form");
    }
    size_t n = len - BLOB_HEAD;
    struct store_value v = {.p = malloc(n + 1), .len = n};
    if (!v.p) { return err_set(e, ENOMEM, "store: out of memory"); }
    int rc = crypto_gcm_open(st->key, sizeof st->key, b + 1, aad->bytes, aad->len, b + BLOB_HEAD, n,
                             b + 1 + CRYPTO_GCM_IV_SIZE, v.p);
    if (rc < 0) {
        store_value_fini(&v);
        return err_set(e, -rc, "store: an item does not authenticate under this storage key");
    }
    v.p[n] = 0;
    *out = v;
    return 0;
}

/* ---- items ----------------------------------------------------------------------------------- */

static int put_raw(struct store *st, const char *kind, const char *name, const void *value,
                   size_t len, struct err *e)
{
    if (len > STORE_VALUE_MAX) {
        return err_set(e, EFBIG, "store: a value of %zu bytes, at most %u", len, STORE_VALUE_MAX);
    }
    struct aad aad;
    int rc = aad_make(kind, name, &aad, e);
    if (rc < 0) { return rc; }
    auto_free uint8_t *blob = NULL;
    rc = blob_seal(st, &aad, value, len, &blob, e);
    if (rc < 0) { return rc; }
    bool ok =
        sqlite3_bind_text(st->put, 1, kind, -1, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_bind_text(st->put, 2, name, -1, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_bind_blob(st->put, 3, blob, (int)(len + BLOB_HEAD), SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_step(st->put) == SQLITE_DONE;
    rc = ok ? 0 : db_error(st, "write", e);
    (void)sqlite3_reset(st->put);
    (void)sqlite3_clear_bindings(st->put);
    return rc;
}

static int get_raw(struct store *st, const char *kind, const char *name, struct store_value *out,
                   struct err *e)
{
    struct aad aad;
    int rc = aad_make(kind, name, &aad, e);
    if (rc < 0) { return rc; }
    int step = SQLITE_ERROR;
    if (sqlite3_bind_text(st->get, 1, kind, -1, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_bind_text(st->get, 2, name, -1, SQLITE_STATIC) == SQLITE_OK) {
        step = sqlite3_step(st->get);
    }
    if (step == SQLITE_ROW) {
        const uint8_t *b = sqlite3_column_blob(st->get, 0);
        rc = blob_open(st, &aad, b, b ? (size_t)sqlite3_column_bytes(st->get, 0) : 0, out, e);
    } else if (step == SQLITE_DONE) {
        rc = err_set(e, ENOENT, "store: no %s %s", kind, name);
    } else {
        rc = db_error(st, "read", e);
    }
    (void)sqlite3_reset(st->get);
    (void)sqlite3_clear_bindings(st->get);
    return rc;
}

int store_put(struct store *st, enum store_kind kind, const char *name, const void *value,
              size_t len, struct err *e)
{
    return put_raw(st, kind_name(kind), name, value, len, e);
}

int store_get(struct store *st, enum store_kind kind, const char *name, struct store_value *out,
              struct err *e)
{
    return get_raw(st, kind_name(kind), name, out, e);
}

int store_delete(struct store *st, enum store_kind kind, const char *name, struct err *e)
{
    int step = SQLITE_ERROR;
    if (sqlite3_bind_text(st->del, 1, kind_name(kind), -1, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_bind_text(st->del, 2, name, -1, SQLITE_STATIC) == SQLITE_OK) {
        step = sqlite3_step(st->del);
    }
    int rc = step == SQLITE_DONE ? 0 : db_error(st, "delete", e);
    if (rc == 0 && sqlite3_changes(st->db) == 0) {
        rc = err_set(e, ENOENT, "store: no %s %s", kind_name(kind), name);
    }
    (void)sqlite3_reset(st->del);
    (void)sqlite3_clear_bindings(st->del);
    return rc;
}

int store_list(struct store *st, enum store_kind kind, int (*each)(void *ctx, const char *name),
               void *ctx, struct err *e)
{
    int rc = 0, step = SQLITE_ERROR;
    if (sqlite3_bind_text(st->list, 1, kind_name(kind), -1, SQLITE_STATIC) == SQLITE_OK) {
        while (rc == 0 && (step = sqlite3_step(st->list)) == SQLITE_ROW) {
            const char *name = (const char *)sqlite3_column_text(st->list, 0);
            rc = name ? each(ctx, name) : err_set(e, ENOMEM, "store: out of memory");
        }
    }
    if (rc == 0 && step != SQLITE_DONE) { rc = db_error(st, "list", e); }
    (void)sqlite3_reset(st->list);
    (void)sqlite3_clear_bindings(st->list);
    return rc;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int pragma_int(struct store *st, const char *sql, int *out, struct err *e)
{
    sqlite3_stmt *q = NULL;
    bool ok =
        sqlite3_prepare_v2(st->db, sql, -1, &q, NULL) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW;
    if (ok) { *out = sqlite3_column_int(q, 0); }
    (void)sqlite3_finalize(q);
    return ok ? 0 : db_error(st, sql, e);
}

/* A new file gets our schema; an old one must be ours. */
static int schema_take(struct store *st, const char *path, struct err *e)
{
    static const char make[] =
        "BEGIN IMMEDIATE;"
        "CREATE TABLE item (kind TEXT NOT NULL, name TEXT NOT NULL, value BLOB NOT NULL,"
        " PRIMARY KEY (kind, name)) WITHOUT ROWID;"
        "PRAGMA application_id = 0x434d4b42;"
        "PRAGMA user_version = 1;"
        "COMMIT;";
    _Static_assert(APPLICATION_ID == 0x434d4b42 && SCHEMA_VERSION == 1,
                   "the text above says the same");
    int id = 0, version = 0, tables = 0;
    int rc = pragma_int(st, "PRAGMA application_id", &id, e);
    if (rc == 0) { rc = pragma_int(st, "PRAGMA user_version", &version, e); }
    if (rc == 0) { rc = pragma_int(st, "SELECT count(*) FROM sqlite_schema", &tables, e); }
    if (rc < 0) { return rc; }
    if (id == 0 && tables == 0) {
        return sqlite3_exec(st->db, make, NULL, NULL, NULL) == SQLITE_OK
                   ? 0
                   : db_error(st, "make tables", e);
    }
    if (id != APPLICATION_ID) {
        return err_set(e, EINVAL, "store %s: not a cc-kbs database", path);
    }
    if (version != SCHEMA_VERSION) {
        return err_set(e, EINVAL, "store %s: schema version %d, this program knows %d", path,
                       version, SCHEMA_VERSION);
    }
    return 0;
}

static int statements_prepare(struct store *st, struct err *e)
{
    const struct {
        sqlite3_stmt **stmt;
        const char *sql;
    } all[] = {
        {&st->put, "INSERT INTO item (kind, name, value) VALUES (?1, ?2, ?3)"
                   " ON CONFLICT (kind, name) DO UPDATE SET value = excluded.value"},
        {&st->get, "SELECT value FROM item WHERE kind = ?1 AND name = ?2"},
        {&st->del, "DELETE FROM item WHERE kind = ?1 AND name = ?2"},
        {&st->list, "SELECT name FROM item WHERE kind = ?1 ORDER BY name"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
        if (sqlite3_prepare_v3(st->db, all[i].sql, -1, SQLITE_PREPARE_PERSISTENT, all[i].stmt,
                               NULL) != SQLITE_OK) {
            return db_error(st, "prepare", e);
        }
    }
    return 0;
}

/* One sealed item that every store has tells a wrong key from a right one. */
static int key_check(struct store *st, const char *path, struct err *e)
{
    static const char text[] = "casemate-kbs";
    auto_store_value v = {0};
    struct err got = {0};
    int rc = get_raw(st, "meta", "key-check", &v, &got);
    if (rc == -ENOENT) { return put_raw(st, "meta", "key-check", text, sizeof text, e); }
    if (rc == -EBADMSG ||
        (rc == 0 && (v.len != sizeof text || memcmp(v.p, text, sizeof text) != 0))) {
        return err_set(e, EKEYREJECTED, "store %s: was made under another storage key", path);
    }
    return rc < 0 ? err_set(e, -rc, "%s", got.text) : 0;
}

int store_open(const char *path, const uint8_t key[static STORE_KEY_SIZE], struct store **out,
               struct err *e)
{
    struct store *st = calloc(1, sizeof *st);
    if (!st) { return err_set(e, ENOMEM, "store: out of memory"); }
    memcpy(st->key, key, sizeof st->key);
    mode_t old = umask(077);
    int open_rc = sqlite3_open_v2(
        path, &st->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, NULL);
    int rc = open_rc == SQLITE_OK ? 0 : db_error(st, path, e);
    if (rc == 0) {
        (void)sqlite3_busy_timeout(st->db, 5000);
        (void)sqlite3_db_config(st->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        static const char pragmas[] =
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;"
            "PRAGMA trusted_schema = OFF;";
        if (sqlite3_exec(st->db, pragmas, NULL, NULL, NULL) != SQLITE_OK) {
            rc = db_error(st, path, e);
        }
    }
    if (rc == 0) { rc = schema_take(st, path, e); }
    if (rc == 0) { rc = statements_prepare(st, e); }
    if (rc == 0) { rc = key_check(st, path, e); }
    (void)umask(old);
    if (rc < 0) {
        store_close(st);
        return rc;
    }
    *out = st;
    return 0;
}

void store_close(struct store *st)
{
    if (!st) { return; }
    sqlite3_stmt *const all[] = {st->put, st->get, st->del, st->list};
    for (size_t i = 0; i < ARRAY_COUNT(all); i++) { (void)sqlite3_finalize(all[i]); }
    (void)sqlite3_close(st->db);
    wipe(st->key, sizeof st->key);
    free(st);
}
