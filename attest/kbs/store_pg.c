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
 *
 * The server has one thread, and this is where it could wait for somebody else; so a statement has a deadline, and
 * connecting is done by a thread of its own:
 *
 *      UP      c is set                          a statement fails or runs out of time -> DOWN
 *      DOWN    c is NULL, the connector runs     fresh is set -> UP
 *
 * For RETRY_MS after a connection was lost a request waits for the next one, which a restarted database or a failover
 * may need; later ones are told at once that the database is down, until it is up again. Statements that may be run
 * twice are run again when they fell into the gap. A connection goes to a server that takes writes, and over the network
 * by TLS to a server whose certificate and name are checked, unless the URL says otherwise by its own words.
 */
#include "attest/kbs/store_backend.h"

#include "attest/base64.h"
#include "attest/json.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <inttypes.h>
#include <postgresql/libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define STATEMENT_MS 5000
#define RETRY_MS     1500
#define PAUSE_MS     100 /* between two attempts of the connector */

struct pg_store {
    struct store_backend base;
    char *url;
    PGconn *c; /* NULL = DOWN */
    int64_t lost_ms;

    pthread_t connector;
    bool connector_runs; /* must be joined */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* fresh or stop */
    PGconn *fresh;
    bool stop;
    char why[160]; /* what the connector heard last */
};

static struct pg_store *of(struct store_backend *b)
{
    return CONTAINER_OF(b, struct pg_store, base);
}

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

static const struct {
    const char *name, *sql;
    bool again; /* running it twice does what running it once does */
} statements[STATEMENTS] = {
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
    [SESSION_COUNT] = {"session_count", "SELECT count(*) FROM casemate_kbs.session", true},
    [SESSION_EVICT] = {"session_evict",
                       "DELETE FROM casemate_kbs.session WHERE id IN (SELECT id FROM"
                       " casemate_kbs.session WHERE NOT settled ORDER BY expires"
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

/* ---- connecting; runs in the connector, but for the first time ------------------------------- */

#define auto_result __attribute__((cleanup(result_clear))) PGresult *
static void result_clear(PGresult **r) { PQclear(*r); }

/* libpq's messages end in a line break and may have several lines. */
static void one_line(const char *text, char *out, size_t size)
{
    size_t n = 0;
    for (const char *p = text; *p && n + 1 < size; p++) {
        if (*p == '\n' && !p[1]) { break; }
        out[n++] = (unsigned char)*p < 0x20 ? ' ' : *p;
    }
    out[n] = '\0';
}

static int pg_error(const PGconn *c, const char *what, int code, struct err *e)
{
    char text[160];
    one_line(c ? PQerrorMessage(c) : "out of memory", text, sizeof text);
    return err_set(e, code, "store: %s: %s", what, text);
}

static int run(PGconn *c, const char *sql, const char *what, struct err *e)
{
    auto_result r = PQexec(c, sql);
    ExecStatusType s = PQresultStatus(r);
    return s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK ? 0 : pg_error(c, what, EIO, e);
}

/*
 * The version of our tables, 0 without any. Looked up by an ordinary query, which sees what was committed before it began;
 * the functions that take a name may answer from a cache.
 */
static int schema_version(PGconn *c, int *out, struct err *e)
{
    auto_result there = PQexec(c, "SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
                                  " ON n.oid = c.relnamespace"
                                  " WHERE n.nspname = 'casemate_kbs' AND c.relname = 'version'");
    if (PQresultStatus(there) != PGRES_TUPLES_OK) { return pg_error(c, "look for tables", EIO, e); }
    *out = 0;
    if (PQntuples(there) == 0) { return 0; }
    auto_result r = PQexec(c, "SELECT version FROM casemate_kbs.version");
    if (PQntuples(r) != 1) { return pg_error(c, "schema version", EIO, e); }
    *out = (int)strtol(PQgetvalue(r, 0, 0), NULL, 10);
    return 0;
}

/* Brokers that start at one moment make the tables one after the other: the second finds them. */
static int schema_make_alone(PGconn *c, int *out_version, struct err *e)
{
    int rc = run(c, "BEGIN; SELECT pg_advisory_xact_lock(1129139010)", "make tables", e);
    if (rc == 0) { rc = schema_version(c, out_version, e); }
    if (rc == 0 && *out_version == 0) {
        rc = run(c, schema_make, "make tables", e);
        *out_version = STORE_SCHEMA_VERSION;
    }
    if (rc < 0) {
        PQclear(PQexec(c, "ROLLBACK"));
        return rc;
    }
    return run(c, "COMMIT", "make tables", e);
}

static int session_prepare(PGconn *c, struct err *e)
{
    int version = 0;
    /* An acknowledged write is on disk, whatever the database's default is; stricter defaults stay. */
    int rc = run(c,
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
    for (size_t i = 0; rc == 0 && i < STATEMENTS; i++) {
        auto_result r = PQprepare(c, statements[i].name, statements[i].sql, 0, NULL);
        if (PQresultStatus(r) != PGRES_COMMAND_OK) { rc = pg_error(c, statements[i].name, EIO, e); }
    }
    return rc;
}

/* A library does not print. */
static void no_notice(void *ctx, const char *text) { (void)ctx, (void)text; }

/* What stands before the URL holds unless the URL says otherwise. */
static int dial(const char *url, PGconn **out, struct err *e)
{
    static const char *const names[] = {"sslmode", "connect_timeout", "target_session_attrs",
                                        "dbname",  "client_encoding", "application_name",
                                        NULL};
    const char *const values[] = {"verify-full", "3", "read-write", url, "UTF8", "cc-kbs", NULL};
    PGconn *c = PQconnectdbParams(names, values, 1);
    int rc = PQstatus(c) == CONNECTION_OK ? 0 : pg_error(c, "connect", ENOTCONN, e);
    (void)PQsetNoticeProcessor(c, no_notice, NULL);
    if (rc == 0) { rc = session_prepare(c, e); }
    if (rc == 0 && PQsetnonblocking(c, 1) != 0) { rc = pg_error(c, "connect", EIO, e); }
    if (rc < 0) {
        PQfinish(c);
        return rc;
    }
    *out = c;
    return 0;
}

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct timespec at_ms(int64_t ms)
{
    return (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
}

static void *connector(void *arg)
{
    struct pg_store *st = arg;
    (void)pthread_mutex_lock(&st->lock);
    while (!st->stop && !st->fresh) {
        PGconn *c = NULL;
        struct err e = {0};
        (void)pthread_mutex_unlock(&st->lock);
        int rc = dial(st->url, &c, &e);
        (void)pthread_mutex_lock(&st->lock);
        if (rc == 0) {
            st->fresh = c;
            (void)pthread_cond_broadcast(&st->changed);
        } else {
            (void)snprintf(st->why, sizeof st->why, "%.*s", (int)sizeof st->why - 1, e.text);
            struct timespec until = at_ms(now_ms() + PAUSE_MS);
            (void)pthread_cond_timedwait(&st->changed, &st->lock, &until);
        }
    }
    (void)pthread_mutex_unlock(&st->lock);
    return NULL;
}

/* UP -> DOWN. Signals belong to the server's thread. */
static void lose(struct pg_store *st, const char *why)
{
    sigset_t all, old;
    PQfinish(st->c);
    st->c = NULL;
    st->lost_ms = now_ms();
    (void)snprintf(st->why, sizeof st->why, "%s", why);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    st->connector_runs = pthread_create(&st->connector, NULL, connector, st) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* DOWN -> UP, if it can be; the wait is over RETRY_MS after the loss. */
static int connection(struct pg_store *st, struct err *e)
{
    if (st->c) { return 0; }
    struct timespec until = at_ms(st->lost_ms + RETRY_MS);
    char why[sizeof st->why];
    if (!st->connector_runs) { lose(st, "no thread to connect with"); }
    (void)pthread_mutex_lock(&st->lock);
    while (st->connector_runs && !st->fresh &&
           pthread_cond_timedwait(&st->changed, &st->lock, &until) == 0) {}
    st->c = st->fresh;
    st->fresh = NULL;
    memcpy(why, st->why, sizeof why);
    (void)pthread_mutex_unlock(&st->lock);
    if (!st->c) {
        return err_set(e, ENOTCONN, "the database cannot be reached; try again (%.150s)", why);
    }
    (void)pthread_join(st->connector, NULL);
    st->connector_runs = false;
    return 0;
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* False when there was nothing for so long. */
static bool wait_socket(const PGconn *c, short events, int64_t until)
{
    struct pollfd p = {.fd = PQsocket(c), .events = events};
    int64_t left = until - now_ms();
    int n;
    do {
        n = poll(&p, 1, left > 0 ? (int)left : 0);
    } while (n < 0 && errno == EINTR);
    return n > 0;
}

/* What has come since the last answer is either a notice or the end: notice the end before a statement is sent. */
static bool still_there(PGconn *c)
{
    while (PQstatus(c) == CONNECTION_OK && wait_socket(c, POLLIN, 0)) {
        if (PQconsumeInput(c) != 1) { return false; }
        PGnotify *n = PQnotifies(c);
        PQfreemem(n);
    }
    return PQstatus(c) == CONNECTION_OK;
}

/*
 * Shutting down, starting up, out of time, too many connections, or a standby that takes no writes.
 * [PostgreSQL, appendix A]
 */
static bool is_outage(const char *sqlstate)
{
    return strncmp(sqlstate, "08", 2) == 0 || strncmp(sqlstate, "57", 2) == 0 ||
           strncmp(sqlstate, "53", 2) == 0 || strcmp(sqlstate, "25006") == 0;
}

static bool is_collision(const char *sqlstate)
{
    return strcmp(sqlstate, "40001") == 0 || strcmp(sqlstate, "40P01") == 0;
}

struct param {
    const char *p;
    int len; /* 0 = text */
};

static const char *number(int64_t v, char out[static 24])
{
    (void)snprintf(out, 24, "%" PRId64, v);
    return out;
}

/* Send one statement and wait for the whole of its answer. -ENOTCONN: the connection is of no use any more. */
static int exchange(PGconn *c, enum statement s, const struct param *params, size_t count,
                    PGresult **out, struct err *e)
{
    const char *values[4];
    int lengths[4], formats[4];
    int64_t until = now_ms() + STATEMENT_MS;
    for (size_t i = 0; i < count; i++) {
        values[i] = params[i].p;
        lengths[i] = params[i].len;
        formats[i] = params[i].len > 0;
    }
    if (PQsendQueryPrepared(c, statements[s].name, (int)count, values, lengths, formats, 1) != 1) {
        return pg_error(c, "send", ENOTCONN, e);
    }
    for (int left; (left = PQflush(c)) != 0;) {
        if (left < 0) { return pg_error(c, "send", ENOTCONN, e); }
        if (!wait_socket(c, POLLIN | POLLOUT, until)) {
            return err_set(e, ENOTCONN, "store: the database does not answer");
        }
        if (PQconsumeInput(c) != 1) { return pg_error(c, "send", ENOTCONN, e); }
    }
    PGresult *last = NULL;
    for (;;) {
        while (PQisBusy(c)) {
            if (!wait_socket(c, POLLIN, until)) {
                PQclear(last);
                return err_set(e, ENOTCONN, "store: the database does not answer");
            }
            if (PQconsumeInput(c) != 1) {
                PQclear(last);
                return pg_error(c, "receive", ENOTCONN, e);
            }
        }
        PGresult *r = PQgetResult(c);
        if (!r) { break; }
        PQclear(last);
        last = r;
    }
    if (!last) { return pg_error(c, "receive", ENOTCONN, e); }
    *out = last;
    return 0;
}

/* 0, -EAGAIN to run it again, -ENOTCONN, or -EIO. */
static int judge(const PGconn *c, const PGresult *r, enum statement s, struct err *e)
{
    ExecStatusType status = PQresultStatus(r);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) { return 0; }
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    int code = !state || is_outage(state) ? ENOTCONN : is_collision(state) ? EAGAIN : EIO;
    return pg_error(c, statements[s].name, code, e);
}

static int ask(struct pg_store *st, enum statement s, const struct param *params, size_t count,
               PGresult **out, struct err *e)
{
    if (st->c && !still_there(st->c)) { lose(st, "the connection was closed"); }
    for (int attempt = 0;; attempt++) {
        struct err got = {0};
        PGresult *r = NULL;
        int rc = connection(st, e);
        if (rc < 0) { return rc; }
        rc = exchange(st->c, s, params, count, &r, &got);
        if (rc == 0) { rc = judge(st->c, r, s, &got); }
        if (rc == 0) {
            *out = r;
            return 0;
        }
        PQclear(r);
        if (rc == -ENOTCONN) { lose(st, got.text); }
        bool again = rc == -EAGAIN || (rc == -ENOTCONN && statements[s].again);
        if (!again || attempt == 2) {
            return err_set(e, rc == -EAGAIN ? ENOTCONN : -rc, "%s", got.text);
        }
    }
}

/* For statements whose answer is how many rows they touched. */
static int ask_count(struct pg_store *st, enum statement s, const struct param *params,
                     size_t count, long *out_rows, struct err *e)
{
    auto_result r = NULL;
    int rc = ask(st, s, params, count, &r, e);
    if (rc == 0) { *out_rows = strtol(PQcmdTuples(r), NULL, 10); }
    return rc;
}

/* An int8 in a binary answer. */
static int64_t result_int64(const PGresult *r, int row, int column)
{
    if (PQgetlength(r, row, column) != 8) { return 0; }
    const uint8_t *p = (const uint8_t *)PQgetvalue(r, row, column);
    uint64_t v = 0;
    for (size_t i = 0; i < 8; i++) { v = v << 8 | p[i]; }
    return (int64_t)v;
}

static int result_value(const PGresult *r, int column, struct store_value *out, struct err *e)
{
    return store_value_copy(PQgetvalue(r, 0, column), (size_t)PQgetlength(r, 0, column), out, e);
}

/* ---- items ----------------------------------------------------------------------------------- */

static int item_put(struct store_backend *b, const char *kind, const char *name, const uint8_t *p,
                    size_t len, struct err *e)
{
    const struct param v[] = {{kind, 0}, {name, 0}, {(const char *)p, (int)len}};
    long rows;
    return ask_count(of(b), ITEM_PUT, v, ARRAY_COUNT(v), &rows, e);
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
    const struct param v[] = {{kind, 0}, {text, 0}};
    return ask_count(of(b), ITEM_PUT_ALL, v, ARRAY_COUNT(v), &rows, e);
}

static int item_get(struct store_backend *b, const char *kind, const char *name, size_t max,
                    struct store_value *out, struct err *e)
{
    char digits[24];
    auto_result r = NULL;
    const struct param v[] = {
        {kind, 0}, {name, 0}, {number(max < INT32_MAX ? (int64_t)max : INT32_MAX, digits), 0}};
    int rc = ask(of(b), ITEM_GET, v, ARRAY_COUNT(v), &r, e);
    if (rc < 0) { return rc; }
    if (PQntuples(r) == 0) { return err_set(e, ENOENT, "store: no %s %s", kind, name); }
    return result_value(r, 0, out, e);
}

static int item_del(struct store_backend *b, const char *kind, const char *name, struct err *e)
{
    const struct param v[] = {{kind, 0}, {name, 0}};
    long rows = 0;
    int rc = ask_count(of(b), ITEM_DEL, v, ARRAY_COUNT(v), &rows, e);
    if (rc == 0 && rows == 0) { rc = err_set(e, ENOENT, "store: no %s %s", kind, name); }
    return rc;
}

static int item_list(struct store_backend *b, const char *kind,
                     int (*each)(void *ctx, const char *name), void *ctx, struct err *e)
{
    const struct param v[] = {{kind, 0}};
    auto_result r = NULL;
    int rc = ask(of(b), ITEM_LIST, v, ARRAY_COUNT(v), &r, e);
    for (int i = 0; rc == 0 && i < PQntuples(r); i++) { rc = each(ctx, PQgetvalue(r, i, 0)); }
    return rc;
}

/* ---- counters -------------------------------------------------------------------------------- */

static int count_take(struct store_backend *b, const char *name, int64_t max, bool *out_taken,
                      struct err *e)
{
    char digits[24];
    const struct param v[] = {{name, 0}, {number(max, digits), 0}};
    long rows = 0;
    int rc = ask_count(of(b), COUNT_TAKE, v, ARRAY_COUNT(v), &rows, e);
    if (rc == 0) { *out_taken = rows == 1; }
    return rc;
}

static int count_get(struct store_backend *b, const char *name, int64_t *out, struct err *e)
{
    const struct param v[] = {{name, 0}};
    auto_result r = NULL;
    int rc = ask(of(b), COUNT_GET, v, ARRAY_COUNT(v), &r, e);
    if (rc == 0) { *out = PQntuples(r) == 1 ? result_int64(r, 0, 0) : 0; }
    return rc;
}

static int counters(struct store_backend *b,
                    int (*each)(void *ctx, const char *name, uint64_t used), void *ctx,
                    struct err *e)
{
    auto_result r = NULL;
    int rc = ask(of(b), COUNT_ALL, NULL, 0, &r, e);
    for (int i = 0; rc == 0 && i < PQntuples(r); i++) {
        rc = each(ctx, PQgetvalue(r, i, 0), (uint64_t)result_int64(r, i, 1));
    }
    return rc;
}

static int count_begin(struct store_backend *b, const char *name, int64_t used, struct err *e)
{
    char digits[24];
    long rows;
    const struct param v[] = {{name, 0}, {number(used, digits), 0}};
    return ask_count(of(b), COUNT_BEGIN, v, ARRAY_COUNT(v), &rows, e);
}

static int ping(struct store_backend *b, struct err *e)
{
    int64_t ignored;
    return count_get(b, "", &ignored, e);
}

/* ---- sessions -------------------------------------------------------------------------------- */

static int session_open(struct store_backend *b, const char *id, int64_t expires, const uint8_t *p,
                        size_t len, struct err *e)
{
    char digits[24];
    long rows;
    const struct param v[] = {{id, 0}, {number(expires, digits), 0}, {(const char *)p, (int)len}};
    return ask_count(of(b), SESSION_OPEN, v, ARRAY_COUNT(v), &rows, e);
}

static int session_get(struct store_backend *b, const char *id, int64_t now, bool *out_settled,
                       int64_t *out_expires, struct store_value *out, struct err *e)
{
    char digits[24];
    auto_result r = NULL;
    const struct param v[] = {{id, 0}, {number(now, digits), 0}};
    int rc = ask(of(b), SESSION_GET, v, ARRAY_COUNT(v), &r, e);
    if (rc < 0) { return rc; }
    if (PQntuples(r) == 0) { return err_set(e, ENOENT, "store: no such session"); }
    *out_settled = PQgetlength(r, 0, 0) == 1 && PQgetvalue(r, 0, 0)[0] == 1;
    *out_expires = result_int64(r, 0, 1);
    return result_value(r, 2, out, e);
}

static int session_settle(struct store_backend *b, const char *id, int64_t now, const uint8_t *p,
                          size_t len, struct err *e)
{
    char digits[24];
    long rows = 0;
    const struct param v[] = {{id, 0}, {number(now, digits), 0}, {(const char *)p, (int)len}};
    int rc = ask_count(of(b), SESSION_SETTLE, v, ARRAY_COUNT(v), &rows, e);
    if (rc == 0 && rows == 0) { rc = err_set(e, ENOENT, "store: no such open session"); }
    return rc;
}

static int session_drop(struct store_backend *b, const char *id, struct err *e)
{
    const struct param v[] = {{id, 0}};
    long rows;
    return ask_count(of(b), SESSION_DROP, v, ARRAY_COUNT(v), &rows, e);
}

static int session_sweep(struct store_backend *b, int64_t now, uint32_t max, uint32_t *out_count,
                         struct err *e)
{
    char digits[24];
    long rows = 0;
    auto_result r = NULL;
    const struct param before[] = {{number(now, digits), 0}};
    int rc = ask_count(of(b), SESSION_SWEEP, before, 1, &rows, e);
    if (rc == 0) { rc = ask(of(b), SESSION_COUNT, NULL, 0, &r, e); }
    if (rc < 0) { return rc; }
    int64_t n = result_int64(r, 0, 0);
    rows = 0;
    if (n > max) {
        const struct param surplus[] = {{number(n - max, digits), 0}};
        rc = ask_count(of(b), SESSION_EVICT, surplus, 1, &rows, e);
    }
    if (rc == 0) { *out_count = n - rows < UINT32_MAX ? (uint32_t)(n - rows) : UINT32_MAX; }
    return rc;
}

/* ---- opening --------------------------------------------------------------------------------- */

static void pg_close(struct store_backend *b)
{
    struct pg_store *st = of(b);
    (void)pthread_mutex_lock(&st->lock);
    st->stop = true;
    (void)pthread_cond_broadcast(&st->changed);
    (void)pthread_mutex_unlock(&st->lock);
    if (st->connector_runs) { (void)pthread_join(st->connector, NULL); }
    PQfinish(st->fresh);
    PQfinish(st->c);
    (void)pthread_cond_destroy(&st->changed);
    (void)pthread_mutex_destroy(&st->lock);
    free(st->url);
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
    .close = pg_close,
    .ping = ping,
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
    PGconn *c = NULL;
    int rc = dial(url, &c, e);
    if (rc < 0) { return rc; }
    struct pg_store *st = calloc(1, sizeof *st);
    char *copy = strdup(url);
    if (!st || !copy) {
        PQfinish(c);
        free(copy);
        free(st);
        return err_set(e, ENOMEM, "store: out of memory");
    }
    st->base.ops = &pg_ops;
    st->c = c;
    st->url = copy;
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&st->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    (void)pthread_mutex_init(&st->lock, NULL);
    *out = &st->base;
    return 0;
}
