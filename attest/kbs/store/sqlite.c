/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store in one SQLite file, for one broker. WAL with synchronous = FULL: a statement that has returned is on disk.
 *
 *      item(kind, name, value)   value: sealed by store.c
 *      counter(name, used)
 */
#include "attest/kbs/store/backend.h"

#include "guest/base/hosted.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>

/* 'C' 'M' 'K' 'B', so that file(1) and a wrong path are told apart from any other database. */
#define APPLICATION_ID 0x434d4b42

struct sqlite_store {
    struct store_backend base;
    sqlite3 *db;
    sqlite3_stmt *put, *get, *del, *list, *take, *used, *counters, *begin;
};

static struct sqlite_store *of(struct store_backend *b)
{
    return CONTAINER_OF(b, struct sqlite_store, base);
}

static int db_error(struct sqlite_store *st, const char *what, struct err *e)
{
    return err_set(e, EIO, "store: %s: %s", what,
                   st->db ? sqlite3_errmsg(st->db) : "out of memory");
}

static int run(struct sqlite_store *st, const char *sql, const char *what, struct err *e)
{
    if (sqlite3_exec(st->db, sql, NULL, NULL, NULL) == SQLITE_OK) { return 0; }
    int rc = db_error(st, what, e);
    (void)sqlite3_exec(st->db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

/* A statement ready for its next use, whatever became of this one. */
static void done(sqlite3_stmt *s)
{
    (void)sqlite3_reset(s);
    (void)sqlite3_clear_bindings(s);
}

static bool bind_text(sqlite3_stmt *s, int at, const char *text)
{
    return sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC) == SQLITE_OK;
}

/* ---- items ----------------------------------------------------------------------------------- */

static int item_put(struct store_backend *b, const char *kind, const char *name, const uint8_t *p,
                    size_t len, struct err *e)
{
    struct sqlite_store *st = of(b);
    bool ok = bind_text(st->put, 1, kind) && bind_text(st->put, 2, name) &&
              sqlite3_bind_blob64(st->put, 3, p, len, SQLITE_STATIC) == SQLITE_OK &&
              sqlite3_step(st->put) == SQLITE_DONE;
    int rc = ok ? 0 : db_error(st, "write", e);
    done(st->put);
    return rc;
}

static int item_put_all(struct store_backend *b, const char *kind, const struct store_item *items,
                        size_t count, struct err *e)
{
    struct sqlite_store *st = of(b);
    int rc = run(st, "BEGIN IMMEDIATE", "write", e);
    if (rc < 0) { return rc; }
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = item_put(b, kind, items[i].name, items[i].value, items[i].len, e);
    }
    if (rc == 0) { return run(st, "COMMIT", "write", e); }
    (void)sqlite3_exec(st->db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

static int item_get(struct store_backend *b, const char *kind, const char *name, size_t max,
                    struct store_value *out, struct err *e)
{
    struct sqlite_store *st = of(b);
    int step = SQLITE_ERROR, rc;
    if (bind_text(st->get, 1, kind) && bind_text(st->get, 2, name)) {
        step = sqlite3_step(st->get);
    }
    if (step == SQLITE_ROW) {
        const uint8_t *p = sqlite3_column_blob(st->get, 0);
        size_t len = p ? (size_t)sqlite3_column_bytes(st->get, 0) : 0;
        rc = store_value_copy(p, len < max ? len : max, out, e);
    } else if (step == SQLITE_DONE) {
        rc = err_set(e, ENOENT, "store: no %s %s", kind, name);
    } else {
        rc = db_error(st, "read", e);
    }
    done(st->get);
    return rc;
}

static int item_del(struct store_backend *b, const char *kind, const char *name, struct err *e)
{
    struct sqlite_store *st = of(b);
    int step = SQLITE_ERROR;
    if (bind_text(st->del, 1, kind) && bind_text(st->del, 2, name)) {
        step = sqlite3_step(st->del);
    }
    int rc = step == SQLITE_DONE ? 0 : db_error(st, "delete", e);
    if (rc == 0 && sqlite3_changes(st->db) == 0) {
        rc = err_set(e, ENOENT, "store: no %s %s", kind, name);
    }
    done(st->del);
    return rc;
}

static int item_list(struct store_backend *b, const char *kind,
                     int (*each)(void *ctx, const char *name), void *ctx, struct err *e)
{
    struct sqlite_store *st = of(b);
    int rc = 0, step = SQLITE_ERROR;
    if (bind_text(st->list, 1, kind)) {
        while (rc == 0 && (step = sqlite3_step(st->list)) == SQLITE_ROW) {
            const char *name = (const char *)sqlite3_column_text(st->list, 0);
            rc = name ? each(ctx, name) : err_set(e, ENOMEM, "store: out of memory");
        }
    }
    if (rc == 0 && step != SQLITE_DONE) { rc = db_error(st, "list", e); }
    done(st->list);
    return rc;
}

/* ---- counters -------------------------------------------------------------------------------- */

static int count_take(struct store_backend *b, const char *name, int64_t max, bool *out_taken,
                      struct err *e)
{
    struct sqlite_store *st = of(b);
    int step = SQLITE_ERROR, rc = 0;
    if (bind_text(st->take, 1, name) && sqlite3_bind_int64(st->take, 2, max) == SQLITE_OK) {
        step = sqlite3_step(st->take);
    }
    if (step == SQLITE_DONE) {
        *out_taken = sqlite3_changes(st->db) == 1;
    } else {
        rc = db_error(st, "count", e);
    }
    done(st->take);
    return rc;
}

static int count_get(struct store_backend *b, const char *name, int64_t *out, struct err *e)
{
    struct sqlite_store *st = of(b);
    int step = bind_text(st->used, 1, name) ? sqlite3_step(st->used) : SQLITE_ERROR;
    int rc = step == SQLITE_ROW || step == SQLITE_DONE ? 0 : db_error(st, "count", e);
    if (rc == 0) { *out = step == SQLITE_ROW ? sqlite3_column_int64(st->used, 0) : 0; }
    done(st->used);
    return rc;
}

static int counters(struct store_backend *b,
                    int (*each)(void *ctx, const char *name, uint64_t used), void *ctx,
                    struct err *e)
{
    struct sqlite_store *st = of(b);
    int rc = 0, step = SQLITE_DONE;
    while (rc == 0 && (step = sqlite3_step(st->counters)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(st->counters, 0);
        uint64_t used = (uint64_t)sqlite3_column_int64(st->counters, 1);
        rc = name ? each(ctx, name, used) : err_set(e, ENOMEM, "store: out of memory");
    }
    if (rc == 0 && step != SQLITE_DONE) { rc = db_error(st, "counters", e); }
    done(st->counters);
    return rc;
}

static int count_begin(struct store_backend *b, const char *name, int64_t used, struct err *e)
{
    struct sqlite_store *st = of(b);
    bool ok = bind_text(st->begin, 1, name) &&
              sqlite3_bind_int64(st->begin, 2, used) == SQLITE_OK &&
              sqlite3_step(st->begin) == SQLITE_DONE;
    int rc = ok ? 0 : db_error(st, "count", e);
    done(st->begin);
    return rc;
}

/* ---- opening --------------------------------------------------------------------------------- */

static void sqlite_close(struct store_backend *b)
{
    struct sqlite_store *st = of(b);
    sqlite3_stmt *const all[] = {st->put,  st->get,  st->del,      st->list,
                                 st->take, st->used, st->counters, st->begin};
    for (size_t i = 0; i < ARRAY_COUNT(all); i++) { (void)sqlite3_finalize(all[i]); }
    (void)sqlite3_close(st->db);
    free(st);
}

static const struct store_ops sqlite_ops = {
    .close = sqlite_close,
    .put = item_put,
    .put_all = item_put_all,
    .get = item_get,
    .del = item_del,
    .list = item_list,
    .count_take = count_take,
    .count_get = count_get,
    .counters = counters,
    .count_begin = count_begin,
};

static int pragma_int(struct sqlite_store *st, const char *sql, int *out, struct err *e)
{
    sqlite3_stmt *q = NULL;
    bool ok =
        sqlite3_prepare_v2(st->db, sql, -1, &q, NULL) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW;
    if (ok) { *out = sqlite3_column_int(q, 0); }
    (void)sqlite3_finalize(q);
    return ok ? 0 : db_error(st, sql, e);
}

#define MAKE_COUNTER                                                                               \
    "CREATE TABLE counter (name TEXT PRIMARY KEY, used INTEGER NOT NULL) WITHOUT ROWID;"           \
    "PRAGMA user_version = 2;"

/* A new file gets our schema; one of version 1 the tables it lacks; any other must be ours already. */
static int schema_take(struct sqlite_store *st, const char *path, struct err *e)
{
    static const char make[] =
        "BEGIN IMMEDIATE;"
        "CREATE TABLE item (kind TEXT NOT NULL, name TEXT NOT NULL, value BLOB NOT NULL,"
        " PRIMARY KEY (kind, name)) WITHOUT ROWID;"
        "PRAGMA application_id = 0x434d4b42;" MAKE_COUNTER "COMMIT;";
    static const char upgrade[] = "BEGIN IMMEDIATE;" MAKE_COUNTER "COMMIT;";
    _Static_assert(APPLICATION_ID == 0x434d4b42 && STORE_SCHEMA_VERSION == 2,
                   "the texts above say the same");
    int id = 0, version = 0, tables = 0;
    int rc = pragma_int(st, "PRAGMA application_id", &id, e);
    if (rc == 0) { rc = pragma_int(st, "PRAGMA user_version", &version, e); }
    if (rc == 0) { rc = pragma_int(st, "SELECT count(*) FROM sqlite_schema", &tables, e); }
    if (rc < 0) { return rc; }
    if (id == 0 && tables == 0) { return run(st, make, "make tables", e); }
    if (id != APPLICATION_ID) {
        return err_set(e, EINVAL, "store %s: not a cc-kbs database", path);
    }
    if (version == 1) { return run(st, upgrade, "upgrade from version 1", e); }
    if (version != STORE_SCHEMA_VERSION) {
        return err_set(e, EINVAL, "store %s: schema version %d, this program knows %d", path,
                       version, STORE_SCHEMA_VERSION);
    }
    return 0;
}

static int statements_prepare(struct sqlite_store *st, struct err *e)
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
        {&st->take, "INSERT INTO counter (name, used) VALUES (?1, 1)"
                    " ON CONFLICT (name) DO UPDATE SET used = used + 1 WHERE used < ?2"},
        {&st->used, "SELECT used FROM counter WHERE name = ?1"},
        {&st->counters, "SELECT name, used FROM counter ORDER BY name"},
        {&st->begin, "INSERT INTO counter (name, used) VALUES (?1, ?2)"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
        if (sqlite3_prepare_v3(st->db, all[i].sql, -1, SQLITE_PREPARE_PERSISTENT, all[i].stmt,
                               NULL) != SQLITE_OK) {
            return db_error(st, "prepare", e);
        }
    }
    return 0;
}

int store_sqlite_open(const char *path, struct store_backend **out, struct err *e)
{
    struct sqlite_store *st = calloc(1, sizeof *st);
    if (!st) { return err_set(e, ENOMEM, "store: out of memory"); }
    st->base.ops = &sqlite_ops;
    mode_t old = umask(077);
    int open_rc = sqlite3_open_v2(
        path, &st->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, NULL);
    int rc = open_rc == SQLITE_OK ? 0 : db_error(st, path, e);
    if (rc == 0) {
        static const char pragmas[] =
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;"
            "PRAGMA trusted_schema = OFF;";
        (void)sqlite3_busy_timeout(st->db, 5000);
        (void)sqlite3_db_config(st->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        rc = run(st, pragmas, path, e);
    }
    if (rc == 0) { rc = schema_take(st, path, e); }
    if (rc == 0) { rc = statements_prepare(st, e); }
    (void)umask(old);
    if (rc < 0) {
        sqlite_close(&st->base);
        return rc;
    }
    *out = &st->base;
    return 0;
}
