/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection to a PostgreSQL database that comes back when it was lost, for a program with one thread that must not
 * wait for others. A statement has a deadline, and connecting is done by a thread of its own:
 *
 *      UP      a statement fails or runs out of time -> DOWN
 *      DOWN    the connector tries until it has a connection -> UP
 *
 * For PG_RETRY_MS after a connection was lost a request waits for the next one, which a restarted database or a failover
 * may need; later ones are told at once that the database is down (-ENOTCONN), until it is up again. Statements that may
 * be run twice are run again when they fell into the gap. A connection goes to a server that takes writes, and over the
 * network by TLS to a server whose certificate and name are checked, unless the URL says otherwise by its own words.
 */
#ifndef CASEMATE_ATTEST_KBS_STORE_PG_H
#define CASEMATE_ATTEST_KBS_STORE_PG_H

#include "guest/base/cc.h"
#include "guest/base/err.h"

#include <postgresql/libpq-fe.h>

#define PG_STATEMENT_MS 5000
#define PG_RETRY_MS     1500

struct pg_statement {
    const char *name, *sql;
    bool again; /* running it twice does what running it once does */
};

struct pg;

/*
 * The first connection is made here, and errors of it are errors of this call.
 *
 * statements  prepared on each connection; static
 * begin       run on each connection before that
 */
MUST_CHECK int pg_open(const char *url, const struct pg_statement *statements, size_t count,
                       int (*begin)(PGconn *c, struct err *e), struct pg **out, struct err *e);
void pg_close(struct pg *p); /* NULL is fine */

#define auto_result __attribute__((cleanup(pg_result_clear))) PGresult *
static inline void pg_result_clear(PGresult **r) { PQclear(*r); }

struct pg_param {
    const char *p;
    int len; /* bytes; 0 = text that ends in a zero byte */
};
#define PG_PARAMS_MAX 4

/*
 * Run statements[at] and wait for its answer, which is in binary form.
 * -ENOTCONN: there is no database; whether a statement that may not be run again was run, nobody knows.
 */
MUST_CHECK int pg_ask(struct pg *p, size_t at, const struct pg_param *params, size_t count,
                      PGresult **out, struct err *e);
/* For a statement whose answer is how many rows it touched. */
MUST_CHECK int pg_ask_rows(struct pg *p, size_t at, const struct pg_param *params, size_t count,
                           long *out_rows, struct err *e);

/* A number as a parameter's text, and an int8 out of an answer. */
const char *pg_number(int64_t v, char out[static 24]);
int64_t pg_get_int64(const PGresult *r, int row, int column);

/* ---- for begin() */

/* Commands without parameters, several with semicolons; the deadline is for all of them. */
MUST_CHECK int pg_run(PGconn *c, const char *sql, const char *what, struct err *e);
/* One query, whose answer is in text form. */
MUST_CHECK int pg_query(PGconn *c, const char *sql, const char *what, PGresult **out,
                        struct err *e);
/* Sets e to "store: what: <libpq's message in one line>"; returns -code. */
MUST_CHECK int pg_error(const PGconn *c, const char *what, int code, struct err *e);

#endif
