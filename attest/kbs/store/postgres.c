/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store in a PostgreSQL database that several brokers share, in a schema of its own:
 *
 *      casemate_kbs.item(kind, name, value)            value: sealed by store.c
 *      casemate_kbs.counter(name, used)
 *      casemate_kbs.session(id, settled, expires, value)
 *      casemate_kbs.version(version)                   one row
 *
 * Each operation is one statement, so the database alone decides what comes first. There is no transaction to leave open.
 */
#include "attest/kbs/store/backend.h"

#include "attest/base64.h"
#include "attest/json.h"
#include "attest/kbs/store/pg.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

struct pg_store {
    struct store_backend base;
    struct pg *pg;
};

static struct pg *of(struct store_backend *b) { return CONTAINER_OF(b, struct pg_store, base)->pg; }

/* ---- statements ------------------------------------------------------------------------------ */

enum statement {
    ITEM_PUT,
    ITEM_PUT_ALL,
    ITEM_GET,
    ITEM_DEL,
    ITEM_LIST,
    COUNT_TAKE,
    COUNT_GET,
    COUNT_ALL,
    COUNT_BEGIN,
    SESSION_OPEN,
    SESSION_GET,
    SESSION_SETTLE,
    SESSION_DROP,
    SESSION_SWEEP,
    SESSION_COUNT,
    SESSION_EVICT,
    STATEMENTS,
};

static const struct pg_statement statements[STATEMENTS] = {
    [ITEM_PUT] = {"item_put",
                  "INSERT INTO casemate_kbs.item (kind, name, value) VALUES ($1, $2, $3)"
                  " ON CONFLICT (kind, name) DO UPDATE SET value = excluded.value",
                  true},
    [ITEM_PUT_ALL] = {"item_put_all",
                      "INSERT INTO casemate_kbs.item (kind, name, value)"
                      " SELECT $1, t.key, decode(t.value, 'base64') FROM json_each_text($2::json) t"
                      " ON CONFLICT (kind, name) DO UPDATE SET value = excluded.value",
                      true},
    [ITEM_GET] = {"item_get",
                  "SELECT substr(value, 1, $3::int) FROM casemate_kbs.item"
                  " WHERE kind = $1 AND name = $2",
                  true},
    [ITEM_DEL] = {"item_del", "DELETE FROM casemate_kbs.item WHERE kind = $1 AND name = $2", false},
    [ITEM_LIST] = {"item_list",
                   "SELECT name FROM casemate_kbs.item WHERE kind = $1 ORDER BY name COLLATE \"C\"",
                   true},
    [COUNT_TAKE] = {"count_take",
                    "INSERT INTO casemate_kbs.counter AS c (name, used) VALUES ($1, 1)"
                    " ON CONFLICT (name) DO UPDATE SET used = c.used + 1 WHERE c.used < $2::bigint",
                    false},
    [COUNT_GET] = {"count_get", "SELECT used FROM casemate_kbs.counter WHERE name = $1", true},
    [COUNT_ALL] = {"count_all",
                   "SELECT name, used FROM casemate_kbs.counter ORDER BY name COLLATE \"C\"", true},
    [COUNT_BEGIN] = {"count_begin",
                     "INSERT INTO casemate_kbs.counter (name, used) VALUES ($1, $2::bigint)",
                     false},
    [SESSION_OPEN] = {"session_open",
                      "INSERT INTO casemate_kbs.session (id, settled, expires, value)"
                      " VALUES ($1, false, $2::bigint, $3) ON CONFLICT (id) DO NOTHING",
                      true},
    [SESSION_GET] = {"session_get",
                     "SELECT settled, expires, value FROM casemate_kbs.session"
                     " WHERE id = $1 AND expires > $2::bigint",
                     true},
    [SESSION_SETTLE] = {"session_settle",
                        "UPDATE casemate_kbs.session SET settled = true, value = $3"
                        " WHERE id = $1 AND NOT settled AND expires > $2::bigint",
                        false},
    [SESSION_DROP] = {"session_drop",
                      "DELETE FROM casemate_kbs.session WHERE id = $1 AND NOT settled", true},
    [SESSION_SWEEP] = {"session_sweep",
                       "DELETE FROM casemate_kbs.session WHERE id IN (SELECT id FROM"
                       " casemate_kbs.session WHERE expires <= $1::bigint FOR UPDATE SKIP LOCKED)",
                       true},
    [SESSION_COUNT] =
        {"session_count",
         "SELECT count(*), count(*) FILTER (WHERE NOT settled) FROM casemate_kbs.session", true},
    [SESSION_EVICT] = {"session_evict",
                       "DELETE FROM casemate_kbs.session WHERE id IN (SELECT id FROM"
                       " casemate_kbs.session WHERE settled = $2::boolean ORDER BY expires"
                       " LIMIT $1::bigint FOR UPDATE SKIP LOCKED)",
                       true},
};

static const char schema_make[] =
    "CREATE SCHEMA IF NOT EXISTS casemate_kbs;"
    "CREATE TABLE casemate_kbs.item (kind text NOT NULL, name text NOT NULL,"
    " value bytea NOT NULL, PRIMARY KEY (kind, name));"
    "CREATE TABLE casemate_kbs.counter (name text PRIMARY KEY, used bigint NOT NULL);"
    "CREATE TABLE casemate_kbs.session (id text PRIMARY KEY, settled boolean NOT NULL,"
    " expires bigint NOT NULL, value bytea NOT NULL);"
    "CREATE INDEX session_expires ON casemate_kbs.session (expires);"
    /* Sealed bytes do not compress, and the stamp is read without the rest. */
    "ALTER TABLE casemate_kbs.item ALTER value SET STORAGE EXTERNAL;"
    "CREATE TABLE casemate_kbs.version (version int NOT NULL);"
    "INSERT INTO casemate_kbs.version VALUES (2);";
_Static_assert(STORE_SCHEMA_VERSION == 2, "the text above says the same");

/* ---- tables ---------------------------------------------------------------------------------- */

/*
 * The version of our tables, 0 without any. Looked up by an ordinary query, which sees what was committed before it began;
 * the functions that take a name may answer from a cache.
 */
static int schema_version(PGconn *c, int *out, struct err *e)
{
    auto_result there = NULL;
    auto_result r = NULL;
    int rc = pg_query(c,
                      "SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
                      " ON n.oid = c.relnamespace"
                      " WHERE n.nspname = 'casemate_kbs' AND c.relname = 'version'",
                      "look for tables", &there, e);
    if (rc < 0) { return rc; }
    *out = 0;
    if (PQntuples(there) == 0) { return 0; }
    rc = pg_query(c, "SELECT version FROM casemate_kbs.version", "schema version", &r, e);
    if (rc < 0) { return rc; }
    if (PQntuples(r) != 1) {
        return err_set(e, EIO, "store: schema version: found %d, wanted one", PQntuples(r));
    }
    *out = (int)strtol(PQgetvalue(r, 0, 0), NULL, 10);
    return 0;
}

/*
 * Brokers that start at one moment make the tables one after the other: the second finds them. What fails in between is
 * undone by the server when the connection is given up.
 */
static int schema_make_alone(PGconn *c, int *out_version, struct err *e)
{
    int rc = pg_run(c, "BEGIN; SELECT pg_advisory_xact_lock(1129139010)", "make tables", e);
    if (rc == 0) { rc = schema_version(c, out_version, e); }
    if (rc == 0 && *out_version == 0) {
        rc = pg_run(c, schema_make, "make tables", e);
        *out_version = STORE_SCHEMA_VERSION;
    }
    return rc < 0 ? rc : pg_run(c, "COMMIT", "make tables", e);
}

static int session_begin(PGconn *c, struct err *e)
{
    int version = 0;
    /* An acknowledged write is on disk, whatever the database's default is; stricter defaults stay. */
    int rc = pg_run(c,
                    "SET client_min_messages = warning; SET statement_timeout = 5000;"
                    "SELECT set_config('synchronous_commit', 'on', false)"
                    " WHERE current_setting('synchronous_commit') IN ('off', 'local')",
                    "settings", e);
    if (rc == 0) { rc = schema_version(c, &version, e); }
    if (rc == 0 && version == 0) { rc = schema_make_alone(c, &version, e); }
    if (rc == 0 && version != STORE_SCHEMA_VERSION) {
        rc = err_set(e, EINVAL, "store: schema version %d, this program knows %d", version,
                     STORE_SCHEMA_VERSION);
    }
    return rc;
}

/* ---- answers --------------------------------------------------------------------------------- */

static int result_value(const PGresult *r, int column, struct store_value *out, struct err *e)
{
    return store_value_copy(PQgetvalue(r, 0, column), (size_t)PQgetlength(r, 0, column), out, e);
}

/* ---- items ----------------------------------------------------------------------------------- */

static int item_put(struct store_backend *b, const char *kind, const char *name, const uint8_t *p,
                    size_t len, struct err *e)
{
    const struct pg_param v[] = {{kind, 0}, {name, 0}, {(const char *)p, (int)len}};
    long rows;
    return pg_ask_rows(of(b), ITEM_PUT, v, ARRAY_COUNT(v), &rows, e);
}

/* One statement takes all: {"name": "<base64>"}. */
static int items_text(const struct store_item *items, size_t count, char **out, struct err *e)
{
    auto_json all = json_object();
    for (size_t i = 0; i < count; i++) {
        auto_free char *text = malloc(b64_len(items[i].len) + 1);
        if (!text) { return err_set(e, ENOMEM, "store: out of memory"); }
        b64_encode(items[i].value, items[i].len, text);
        if (json_object_set_new(all, items[i].name, json_string(text)) != 0) {
            return err_set(e, EINVAL, "store: items cannot be written");
        }
    }
    *out = json_dumps(all, JSON_COMPACT);
    return *out ? 0 : err_set(e, ENOMEM, "store: out of memory");
}

static int item_put_all(struct store_backend *b, const char *kind, const struct store_item *items,
                        size_t count, struct err *e)
{
    auto_free char *text = NULL;
    long rows;
    int rc = items_text(items, count, &text, e);
    if (rc < 0) { return rc; }
    const struct pg_param v[] = {{kind, 0}, {text, 0}};
    return pg_ask_rows(of(b), ITEM_PUT_ALL, v, ARRAY_COUNT(v), &rows, e);
}

static int item_get(struct store_backend *b, const char *kind, const char *name, size_t max,
                    struct store_value *out, struct err *e)
{
    char digits[24];
    auto_result r = NULL;
    const struct pg_param v[] = {
        {kind, 0}, {name, 0}, {pg_number(max < INT32_MAX ? (int64_t)max : INT32_MAX, digits), 0}};
    int rc = pg_ask(of(b), ITEM_GET, v, ARRAY_COUNT(v), &r, e);
    if (rc < 0) { return rc; }
    if (PQntuples(r) == 0) { return err_set(e, ENOENT, "store: no %s %s", kind, name); }
    return result_value(r, 0, out, e);
}

static int item_del(struct store_backend *b, const char *kind, const char *name, struct err *e)
{
    const struct pg_param v[] = {{kind, 0}, {name, 0}};
    long rows = 0;
    int rc = pg_ask_rows(of(b), ITEM_DEL, v, ARRAY_COUNT(v), &rows, e);
    if (rc == 0 && rows == 0) { rc = err_set(e, ENOENT, "store: no %s %s", kind, name); }
    return rc;
}

static int item_list(struct store_backend *b, const char *kind,
                     int (*each)(void *ctx, const char *name), void *ctx, struct err *e)
{
    const struct pg_param v[] = {{kind, 0}};
    auto_result r = NULL;
    int rc = pg_ask(of(b), ITEM_LIST, v, ARRAY_COUNT(v), &r, e);
    for (int i = 0; rc == 0 && i < PQntuples(r); i++) { rc = each(ctx, PQgetvalue(r, i, 0)); }
    return rc;
}

/* ---- counters -------------------------------------------------------------------------------- */

static int count_take(struct store_backend *b, const char *name, int64_t max, bool *out_taken,
                      struct err *e)
{
    char digits[24];
    const struct pg_param v[] = {{name, 0}, {pg_number(max, digits), 0}};
    long rows = 0;
    int rc = pg_ask_rows(of(b), COUNT_TAKE, v, ARRAY_COUNT(v), &rows, e);
    if (rc == 0) { *out_taken = rows == 1; }
    return rc;
}

static int count_get(struct store_backend *b, const char *name, int64_t *out, struct err *e)
{
    const struct pg_param v[] = {{name, 0}};
    auto_result r = NULL;
    int rc = pg_ask(of(b), COUNT_GET, v, ARRAY_COUNT(v), &r, e);
    if (rc == 0) { *out = PQntuples(r) == 1 ? pg_get_int64(r, 0, 0) : 0; }
    return rc;
}

static int counters(struct store_backend *b,
                    int (*each)(void *ctx, const char *name, uint64_t used), void *ctx,
                    struct err *e)
{
    auto_result r = NULL;
    int rc = pg_ask(of(b), COUNT_ALL, NULL, 0, &r, e);
    for (int i = 0; rc == 0 && i < PQntuples(r); i++) {
        rc = each(ctx, PQgetvalue(r, i, 0), (uint64_t)pg_get_int64(r, i, 1));
    }
    return rc;
}

static int count_begin(struct store_backend *b, const char *name, int64_t used, struct err *e)
{
    char digits[24];
    long rows;
    const struct pg_param v[] = {{name, 0}, {pg_number(used, digits), 0}};
    return pg_ask_rows(of(b), COUNT_BEGIN, v, ARRAY_COUNT(v), &rows, e);
}

/* ---- sessions -------------------------------------------------------------------------------- */

static int session_open(struct store_backend *b, const char *id, int64_t expires, const uint8_t *p,
                        size_t len, struct err *e)
{
    char digits[24];
    long rows;
    const struct pg_param v[] = {
        {id, 0}, {pg_number(expires, digits), 0}, {(const char *)p, (int)len}};
    return pg_ask_rows(of(b), SESSION_OPEN, v, ARRAY_COUNT(v), &rows, e);
}

static int session_get(struct store_backend *b, const char *id, int64_t now, bool *out_settled,
                       int64_t *out_expires, struct store_value *out, struct err *e)
{
    char digits[24];
    auto_result r = NULL;
    const struct pg_param v[] = {{id, 0}, {pg_number(now, digits), 0}};
    int rc = pg_ask(of(b), SESSION_GET, v, ARRAY_COUNT(v), &r, e);
    if (rc < 0) { return rc; }
    if (PQntuples(r) == 0) { return err_set(e, ENOENT, "store: no such session"); }
    *out_settled = PQgetlength(r, 0, 0) == 1 && PQgetvalue(r, 0, 0)[0] == 1;
    *out_expires = pg_get_int64(r, 0, 1);
    return result_value(r, 2, out, e);
}

static int session_settle(struct store_backend *b, const char *id, int64_t now, const uint8_t *p,
                          size_t len, struct err *e)
{
    char digits[24];
    long rows = 0;
    const struct pg_param v[] = {{id, 0}, {pg_number(now, digits), 0}, {(const char *)p, (int)len}};
    int rc = pg_ask_rows(of(b), SESSION_SETTLE, v, ARRAY_COUNT(v), &rows, e);
    if (rc == 0 && rows == 0) { rc = err_set(e, ENOENT, "store: no such open session"); }
    return rc;
}

static int session_drop(struct store_backend *b, const char *id, struct err *e)
{
    const struct pg_param v[] = {{id, 0}};
    long rows;
    return pg_ask_rows(of(b), SESSION_DROP, v, ARRAY_COUNT(v), &rows, e);
}

/* Remove the oldest ones of one state; *left is less by so many as there were. */
static int session_evict(struct store_backend *b, int64_t number, bool settled, int64_t *left,
                         struct err *e)
{
    char digits[24];
    long rows = 0;
    const struct pg_param v[] = {{pg_number(number, digits), 0}, {settled ? "true" : "false", 0}};
    if (number <= 0) { return 0; }
    int rc = pg_ask_rows(of(b), SESSION_EVICT, v, ARRAY_COUNT(v), &rows, e);
    if (rc == 0) { *left -= rows; }
    return rc;
}

static int session_sweep(struct store_backend *b, int64_t now, uint32_t max, uint32_t max_open,
                         uint32_t *out_count, struct err *e)
{
    char digits[24];
    long rows = 0;
    auto_result r = NULL;
    const struct pg_param before[] = {{pg_number(now, digits), 0}};
    int rc = pg_ask_rows(of(b), SESSION_SWEEP, before, 1, &rows, e);
    if (rc == 0) { rc = pg_ask(of(b), SESSION_COUNT, NULL, 0, &r, e); }
    if (rc < 0) { return rc; }
    int64_t n = pg_get_int64(r, 0, 0), open = pg_get_int64(r, 0, 1);
    int64_t surplus = n > max ? n - max : 0, above = open > max_open ? open - max_open : 0;
    int64_t from_settled = surplus > above ? surplus - above : 0;
    if (from_settled > n - open) { from_settled = n - open; }
    rc = session_evict(b, surplus - from_settled, false, &n, e);
    if (rc == 0) { rc = session_evict(b, from_settled, true, &n, e); }
    if (rc == 0) { *out_count = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX; }
    return rc;
}

/* ---- opening --------------------------------------------------------------------------------- */

static void pg_store_close(struct store_backend *b)
{
    struct pg_store *st = CONTAINER_OF(b, struct pg_store, base);
    pg_close(st->pg);
    free(st);
}

static const struct store_session_ops session_ops = {
    .open = session_open,
    .get = session_get,
    .settle = session_settle,
    .drop = session_drop,
    .sweep = session_sweep,
};

static const struct store_ops pg_ops = {
    .close = pg_store_close,
    .put = item_put,
    .put_all = item_put_all,
    .get = item_get,
    .del = item_del,
    .list = item_list,
    .count_take = count_take,
    .count_get = count_get,
    .counters = counters,
    .count_begin = count_begin,
    .sessions = &session_ops,
};

int store_pg_open(const char *url, struct store_backend **out, struct err *e)
{
    struct pg_store *st = calloc(1, sizeof *st);
    if (!st) { return err_set(e, ENOMEM, "store: out of memory"); }
    st->base.ops = &pg_ops;
    int rc = pg_open(url, statements, STATEMENTS, session_begin, &st->pg, e);
    if (rc < 0) {
        free(st);
        return rc;
    }
    *out = &st->base;
    return 0;
}
