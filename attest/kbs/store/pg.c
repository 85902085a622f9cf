/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UP is c != NULL. The connector runs while it is not, and hands over what it made as `fresh`; what it shares with the
 * program's thread (fresh, stop, why) is under the lock.
 */
#include "attest/kbs/store/pg.h"

#include "guest/base/hosted.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define PAUSE_MS 100 /* between two attempts of the connector */

struct pg {
    char *url;
    const struct pg_statement *statements;
    size_t statement_count;
    int (*begin)(PGconn *c, struct err *e);
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

/* ---- what libpq says ------------------------------------------------------------------------- */

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

int pg_error(const PGconn *c, const char *what, int code, struct err *e)
{
    char text[160];
    one_line(c ? PQerrorMessage(c) : "out of memory", text, sizeof text);
    return err_set(e, code, "store: %s: %s", what, text);
}

/* ---- waiting --------------------------------------------------------------------------------- */

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

/* Hand over what libpq has still to send. */
static int flush(PGconn *c, int64_t until, struct err *e)
{
    for (int left; (left = PQflush(c)) != 0;) {
        if (left < 0) { return pg_error(c, "send", ENOTCONN, e); }
        if (!wait_socket(c, POLLIN | POLLOUT, until)) {
            return err_set(e, ENOTCONN, "store: the database does not answer");
        }
        if (PQconsumeInput(c) != 1) { return pg_error(c, "send", ENOTCONN, e); }
    }
    return 0;
}

/* The next part of an answer without blocking beyond the deadline; NULL behind the last. */
static int next_result(PGconn *c, int64_t until, PGresult **out, struct err *e)
{
    while (PQisBusy(c)) {
        if (!wait_socket(c, POLLIN, until)) {
            return err_set(e, ENOTCONN, "store: the database does not answer");
        }
        if (PQconsumeInput(c) != 1) { return pg_error(c, "receive", ENOTCONN, e); }
    }
    *out = PQgetResult(c);
    return 0;
}

/*
 * Wait for the whole answer to what was sent just now, and keep its last part.
 * sent  what libpq's sending function returned
 */
static int answer(PGconn *c, int sent, PGresult **out, struct err *e)
{
    int64_t until = now_ms() + PG_STATEMENT_MS;
    auto_result last = NULL;
    if (sent != 1) { return pg_error(c, "send", ENOTCONN, e); }
    int rc = flush(c, until, e);
    while (rc == 0) {
        PGresult *r = NULL;
        rc = next_result(c, until, &r, e);
        if (rc == 0 && !r) { break; }
        if (rc == 0) {
            PQclear(last);
            last = r;
        }
    }
    if (rc < 0) { return rc; }
    if (!last) { return pg_error(c, "receive", ENOTCONN, e); }
    *out = steal_ptr(&last);
    return 0;
}

int pg_query(PGconn *c, const char *sql, const char *what, PGresult **out, struct err *e)
{
    auto_result r = NULL;
    int rc = answer(c, PQsendQuery(c, sql), &r, e);
    ExecStatusType s = PQresultStatus(r);
    if (rc == 0 && s != PGRES_COMMAND_OK && s != PGRES_TUPLES_OK) {
        rc = pg_error(c, what, EIO, e);
    }
    if (rc == 0) { *out = steal_ptr(&r); }
    return rc;
}

int pg_run(PGconn *c, const char *sql, const char *what, struct err *e)
{
    auto_result r = NULL;
    return pg_query(c, sql, what, &r, e);
}

/* ---- connecting; runs in the connector, but for the first time ------------------------------- */

static int statements_prepare(const struct pg *p, PGconn *c, struct err *e)
{
    for (size_t i = 0; i < p->statement_count; i++) {
        const struct pg_statement *s = &p->statements[i];
        auto_result r = NULL;
        int rc = answer(c, PQsendPrepare(c, s->name, s->sql, 0, NULL), &r, e);
        if (rc < 0) { return rc; }
        if (PQresultStatus(r) != PGRES_COMMAND_OK) { return pg_error(c, s->name, EIO, e); }
    }
    return 0;
}

/* A library does not print. */
static void no_notice(void *ctx, const char *text) { (void)ctx, (void)text; }

/* What stands before the URL holds unless the URL says otherwise. */
static int dial(const struct pg *p, PGconn **out, struct err *e)
{
    static const char *const names[] = {"sslmode", "connect_timeout", "target_session_attrs",
                                        "dbname",  "client_encoding", "application_name",
                                        NULL};
    const char *const values[] = {"verify-full", "3", "read-write", p->url, "UTF8", "cc-kbs", NULL};
    PGconn *c = PQconnectdbParams(names, values, 1);
    int rc = PQstatus(c) == CONNECTION_OK ? 0 : pg_error(c, "connect", ENOTCONN, e);
    (void)PQsetNoticeProcessor(c, no_notice, NULL);
    if (rc == 0 && PQsetnonblocking(c, 1) != 0) { rc = pg_error(c, "connect", EIO, e); }
    if (rc == 0) { rc = p->begin(c, e); }
    if (rc == 0) { rc = statements_prepare(p, c, e); }
    if (rc < 0) {
        PQfinish(c);
        return rc;
    }
    *out = c;
    return 0;
}

static void *connector(void *arg)
{
    struct pg *p = arg;
    (void)pthread_mutex_lock(&p->lock);
    while (!p->stop && !p->fresh) {
        PGconn *c = NULL;
        struct err e = {0};
        (void)pthread_mutex_unlock(&p->lock);
        int rc = dial(p, &c, &e);
        (void)pthread_mutex_lock(&p->lock);
        if (rc == 0) {
            p->fresh = c;
            (void)pthread_cond_broadcast(&p->changed);
        } else {
            (void)snprintf(p->why, sizeof p->why, "%.*s", (int)sizeof p->why - 1, e.text);
            struct timespec until = at_ms(now_ms() + PAUSE_MS);
            (void)pthread_cond_timedwait(&p->changed, &p->lock, &until);
        }
    }
    (void)pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* UP -> DOWN. Signals belong to the server's thread. */
static void lose(struct pg *p, const char *why)
{
    sigset_t all, old;
    PQfinish(p->c);
    p->c = NULL;
    p->lost_ms = now_ms();
    (void)snprintf(p->why, sizeof p->why, "%s", why);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    p->connector_runs = pthread_create(&p->connector, NULL, connector, p) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* DOWN -> UP, if it can be; the wait is over PG_RETRY_MS after the loss. */
static int connection(struct pg *p, struct err *e)
{
    if (p->c) { return 0; }
    struct timespec until = at_ms(p->lost_ms + PG_RETRY_MS);
    char why[sizeof p->why];
    if (!p->connector_runs) { lose(p, "no thread to connect with"); }
    (void)pthread_mutex_lock(&p->lock);
    while (p->connector_runs && !p->fresh &&
           pthread_cond_timedwait(&p->changed, &p->lock, &until) == 0) {}
    p->c = p->fresh;
    p->fresh = NULL;
    memcpy(why, p->why, sizeof why);
    (void)pthread_mutex_unlock(&p->lock);
    if (!p->c) {
        return err_set(e, ENOTCONN, "the database cannot be reached; try again (%.150s)", why);
    }
    (void)pthread_join(p->connector, NULL);
    p->connector_runs = false;
    return 0;
}

/* ---- asking ---------------------------------------------------------------------------------- */

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

const char *pg_number(int64_t v, char out[static 24])
{
    (void)snprintf(out, 24, "%" PRId64, v);
    return out;
}

/* Send one statement and wait for the whole of its answer. -ENOTCONN: the connection is of no use any more. */
static int ask_once(PGconn *c, const char *name, const struct pg_param *params, size_t count,
                    PGresult **out, struct err *e)
{
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX], formats[PG_PARAMS_MAX];
    for (size_t i = 0; i < count; i++) {
        values[i] = params[i].p;
        lengths[i] = params[i].len;
        formats[i] = params[i].len > 0;
    }
    int sent = PQsendQueryPrepared(c, name, (int)count, values, lengths, formats, 1);
    return answer(c, sent, out, e);
}

/* 0, -EAGAIN to run it again, -ENOTCONN, or -EIO. */
static int judge(const PGconn *c, const PGresult *r, const char *name, struct err *e)
{
    ExecStatusType status = PQresultStatus(r);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) { return 0; }
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    int code = !state || is_outage(state) ? ENOTCONN : is_collision(state) ? EAGAIN : EIO;
    return pg_error(c, name, code, e);
}

int pg_ask(struct pg *p, size_t at, const struct pg_param *params, size_t count, PGresult **out,
           struct err *e)
{
    const struct pg_statement *s = &p->statements[at];
    if (p->c && !still_there(p->c)) { lose(p, "the connection was closed"); }
    for (int attempt = 0;; attempt++) {
        struct err got = {0};
        PGresult *r = NULL;
        int rc = connection(p, e);
        if (rc < 0) { return rc; }
        rc = ask_once(p->c, s->name, params, count, &r, &got);
        if (rc == 0) { rc = judge(p->c, r, s->name, &got); }
        if (rc == 0) {
            *out = r;
            return 0;
        }
        PQclear(r);
        if (rc == -ENOTCONN) { lose(p, got.text); }
        bool again = rc == -EAGAIN || (rc == -ENOTCONN && s->again);
        if (!again || attempt == 2) {
            return err_set(e, rc == -EAGAIN ? ENOTCONN : -rc, "%s", got.text);
        }
    }
}

int pg_ask_rows(struct pg *p, size_t at, const struct pg_param *params, size_t count,
                long *out_rows, struct err *e)
{
    auto_result r = NULL;
    int rc = pg_ask(p, at, params, count, &r, e);
    if (rc == 0) { *out_rows = strtol(PQcmdTuples(r), NULL, 10); }
    return rc;
}

int64_t pg_get_int64(const PGresult *r, int row, int column)
{
    if (PQgetlength(r, row, column) != 8) { return 0; }
    const uint8_t *bytes = (const uint8_t *)PQgetvalue(r, row, column);
    uint64_t v = 0;
    for (size_t i = 0; i < 8; i++) { v = v << 8 | bytes[i]; }
    return (int64_t)v;
}

/* ---- opening --------------------------------------------------------------------------------- */

int pg_open(const char *url, const struct pg_statement *statements, size_t count,
            int (*begin)(PGconn *c, struct err *e), struct pg **out, struct err *e)
{
    struct pg *p = calloc(1, sizeof *p);
    char *copy = strdup(url);
    if (!p || !copy) {
        free(copy);
        free(p);
        return err_set(e, ENOMEM, "store: out of memory");
    }
    p->url = copy;
    p->statements = statements;
    p->statement_count = count;
    p->begin = begin;
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&p->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    (void)pthread_mutex_init(&p->lock, NULL);
    int rc = dial(p, &p->c, e);
    if (rc < 0) {
        pg_close(p);
        return rc;
    }
    *out = p;
    return 0;
}

void pg_close(struct pg *p)
{
    if (!p) { return; }
    (void)pthread_mutex_lock(&p->lock);
    p->stop = true;
    (void)pthread_cond_broadcast(&p->changed);
    (void)pthread_mutex_unlock(&p->lock);
    if (p->connector_runs) { (void)pthread_join(p->connector, NULL); }
    PQfinish(p->fresh);
    PQfinish(p->c);
    (void)pthread_cond_destroy(&p->changed);
    (void)pthread_mutex_destroy(&p->lock);
    free(p->url);
    free(p);
}
