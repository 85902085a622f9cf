/* SPDX-License-Identifier: Apache-2.0 */
/* The store on a PostgreSQL of its own: the same promises, several brokers at one moment, and a database that goes away. */
#include "attest/kbs/desk/setup.h"
#include "attest/kbs/store/store.h"
#include "guest/base/cc.h"

#include <criterion/criterion.h>
#include <arpa/inet.h>
#include <errno.h>
#include <postgresql/libpq-fe.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const uint8_t key[STORE_KEY_SIZE] = {1, 2, 3};
static char dir[64], url[160];

static int postgres(const char *what)
{
    char line[160];
    (void)snprintf(line, sizeof line, "tests/e2e/postgres %s %s >/dev/null", what, dir);
    int status = system(line);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void make_database(void)
{
    (void)snprintf(dir, sizeof dir, "/tmp/kbs-pg-%d", (int)getpid());
    (void)snprintf(url, sizeof url, "postgresql://postgres@/postgres?host=%s", dir);
    int rc = postgres("new");
    if (rc == 77) { cr_skip_test("there is no PostgreSQL on this machine"); }
    cr_assert_eq(rc, 0);
}
static void drop_database(void)
{
    char line[160];
    (void)postgres("stop");
    (void)snprintf(line, sizeof line, "rm -rf %s", dir);
    cr_assert_eq(system(line), 0);
}
TestSuite(store_pg, .init = make_database, .fini = drop_database, .timeout = 120);

static struct store *open_ok(void)
{
    struct store *st = NULL;
    struct err e = {0};
    cr_assert_eq(store_open(url, key, &st, &e), 0, "%s", e.text);
    return st;
}

static void sql(const char *text)
{
    PGconn *c = PQconnectdb(url);
    PGresult *r = PQexec(c, text);
    ExecStatusType s = PQresultStatus(r);
    cr_assert(s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK, "%s", PQerrorMessage(c));
    PQclear(r);
    PQfinish(c);
}

static int collect(void *ctx, const char *name)
{
    strncat(ctx, name, 20);
    strncat(ctx, " ", 2);
    return 0;
}

Test(store_pg, keeps_lists_and_deletes_items)
{
    struct err e = {0};
    struct store *st = open_ok(), *other;
    struct store_value v = {0};
    struct store_stamp one, two;
    char names[64] = "";
    cr_assert_eq(store_put(st, STORE_RESOURCE, "a/b/c", "first", 5, &e), 0, "%s", e.text);
    cr_assert_eq(store_stamp(st, STORE_RESOURCE, "a/b/c", &one, &e), 0);
    cr_assert_eq(store_put(st, STORE_RESOURCE, "a/b/c", "sec\0ond", 7, &e), 0);
    cr_assert_eq(store_put(st, STORE_RESOURCE, "B", "", 0, &e), 0);
    struct store_item two_items[] = {{"r\"1", "\0x", 2}, {"r2", "", 0}};
    cr_assert_eq(store_put_all(st, STORE_REFERENCE, two_items, 2, &e), 0, "%s", e.text);
    cr_assert_eq(store_get(st, STORE_REFERENCE, "r\"1", &v, &e), 0, "%s", e.text);
    cr_assert(v.len == 2 && memcmp(v.p, "\0x", 2) == 0);
    store_value_fini(&v);
    cr_assert_eq(store_put(st, STORE_POLICY, "p", "x", 1, &e), 0);
    store_close(st);

    st = open_ok();
    other = open_ok();
    cr_assert_eq(store_get(st, STORE_RESOURCE, "a/b/c", &v, &e), 0, "%s", e.text);
    cr_assert_eq(v.len, 7);
    cr_assert_arr_eq(v.p, "sec\0ond", 7);
    store_value_fini(&v);
    cr_assert_eq(store_get(other, STORE_RESOURCE, "B", &v, &e), 0, "%s", e.text);
    cr_assert_eq(v.len, 0);
    store_value_fini(&v);
    cr_assert_eq(store_stamp(other, STORE_RESOURCE, "a/b/c", &two, &e), 0);
    cr_assert_neq(memcmp(one.v, two.v, sizeof one.v), 0);
    cr_assert_eq(store_list(st, STORE_RESOURCE, collect, names, &e), 0);
    cr_assert_str_eq(names, "B a/b/c ");
    cr_assert_eq(store_delete(st, STORE_RESOURCE, "B", &e), 0);
    cr_assert_eq(store_delete(other, STORE_RESOURCE, "B", &e), -ENOENT);
    e = (struct err){0};
    cr_assert_eq(store_get(st, STORE_RESOURCE, "p", &v, &e), -ENOENT);

    /* Whoever can write the database moves one value under another's name. */
    sql("UPDATE casemate_kbs.item SET name = 'moved' WHERE name = 'p'");
    e = (struct err){0};
    cr_assert_eq(store_get(st, STORE_POLICY, "moved", &v, &e), -EBADMSG);
    store_close(other);
    store_close(st);

    static const uint8_t wrong[STORE_KEY_SIZE] = {9};
    e = (struct err){0};
    cr_assert_eq(store_open(url, wrong, &st, &e), -EKEYREJECTED, "%s", e.text);
    sql("UPDATE casemate_kbs.version SET version = 99");
    e = (struct err){0};
    cr_assert_eq(store_open(url, key, &st, &e), -EINVAL);
    cr_assert(strstr(e.text, "schema version 99"), "%s", e.text);
}

/* From a file to the database that several brokers share. */
Test(store_pg, takes_over_what_a_file_had)
{
    struct err e = {0};
    struct store *from = NULL, *to = open_ok();
    struct store_value v = {0};
    uint64_t used = 0, count = 0;
    bool taken;
    cr_assert_eq(store_open(":memory:", key, &from, &e), 0, "%s", e.text);
    cr_assert_eq(store_put(from, STORE_RESOURCE, "a/b/c", "sec\0ret", 7, &e), 0);
    cr_assert_eq(store_put(from, STORE_POLICY, "p", "{}", 2, &e), 0);
    cr_assert_eq(store_count_take(from, "n", 9, &taken, &e), 0);
    cr_assert_eq(store_copy(from, to, &count, &e), 0, "%s", e.text);
    cr_assert_eq(count, 2);
    cr_assert_eq(store_get(to, STORE_RESOURCE, "a/b/c", &v, &e), 0, "%s", e.text);
    cr_assert(v.len == 7 && memcmp(v.p, "sec\0ret", 7) == 0);
    store_value_fini(&v);
    cr_assert_eq(store_count_get(to, "n", &used, &e), 0);
    cr_assert_eq(used, 1);
    cr_assert_eq(store_copy(from, to, &count, &e), -EEXIST, "it is not empty any more");
    store_close(from);
    store_close(to);
}

/* ---- at one moment --------------------------------------------------------------------------- */

#define BROKERS 4

static unsigned taken_by[BROKERS];
static int settled_by[BROKERS];

/* Each broker is a thread with a connection of its own; they also make the tables together. */
static void *take_thirty(void *arg)
{
    unsigned *mine = arg;
    struct store *st = NULL;
    struct err e = {0};
    cr_assert_eq(store_open(url, key, &st, &e), 0, "%s", e.text);
    for (size_t i = 0; i < 30; i++) {
        bool taken = false;
        cr_assert_eq(store_count_take(st, "release", 50, &taken, &e), 0, "%s", e.text);
        *mine += taken;
    }
    store_close(st);
    return NULL;
}

static void *settle(void *arg)
{
    struct err e = {0};
    struct store *st = open_ok();
    *(int *)arg = store_session_settle(st, "s", 100, "token", 5, &e);
    store_close(st);
    return NULL;
}

static void all_at_once(void *(*run)(void *), void *args, size_t size)
{
    pthread_t t[BROKERS];
    for (size_t i = 0; i < BROKERS; i++) {
        cr_assert_eq(pthread_create(&t[i], NULL, run, (char *)args + i * size), 0);
    }
    for (size_t i = 0; i < BROKERS; i++) { (void)pthread_join(t[i], NULL); }
}

Test(store_pg, several_brokers_take_no_more_than_the_maximum)
{
    all_at_once(take_thirty, taken_by, sizeof taken_by[0]);
    unsigned sum = 0;
    for (size_t i = 0; i < BROKERS; i++) { sum += taken_by[i]; }
    cr_assert_eq(sum, 50);
    uint64_t used = 0;
    struct err e = {0};
    struct store *st = open_ok();
    cr_assert_eq(store_count_get(st, "release", &used, &e), 0);
    cr_assert_eq(used, 50);
    store_close(st);
}

Test(store_pg, a_session_is_settled_once_and_seen_by_all)
{
    struct err e = {0};
    struct store *st = open_ok(), *other = open_ok();
    struct store_value v = {0};
    bool settled = true;
    int64_t expires = 0;
    cr_assert(store_is_shared(st));
    cr_assert_eq(store_session_open(st, "s", 200, "nonce", 5, &e), 0, "%s", e.text);
    cr_assert_eq(store_session_get(other, "s", 100, &settled, &expires, &v, &e), 0, "%s", e.text);
    cr_assert(!settled && memcmp(v.p, "nonce", 5) == 0);
    cr_assert_eq(expires, 200);
    store_value_fini(&v);

    all_at_once(settle, settled_by, sizeof settled_by[0]);
    unsigned won = 0;
    for (size_t i = 0; i < BROKERS; i++) {
        won += settled_by[i] == 0;
        cr_assert(settled_by[i] == 0 || settled_by[i] == -ENOENT);
    }
    cr_assert_eq(won, 1, "%u brokers settled one session", won);

    cr_assert_eq(store_session_drop(st, "s", &e), 0);
    cr_assert_eq(store_session_get(st, "s", 100, &settled, &expires, &v, &e), 0,
                 "settled ones stay");
    cr_assert(settled && memcmp(v.p, "token", 5) == 0);
    store_value_fini(&v);
    cr_assert_eq(store_session_get(st, "s", 200, &settled, &expires, &v, &e), -ENOENT,
                 "until they expire");

    sql("UPDATE casemate_kbs.session SET settled = false");
    e = (struct err){0};
    cr_assert_eq(store_session_get(st, "s", 100, &settled, &expires, &v, &e), -EBADMSG,
                 "what is sealed says which state it is for");
    store_close(other);
    store_close(st);
}

static bool there_is(struct store *st, const char *id)
{
    struct err e = {0};
    struct store_value v = {0};
    int64_t expires;
    bool settled;
    int rc = store_session_get(st, id, 1, &settled, &expires, &v, &e);
    cr_assert(rc == 0 || rc == -ENOENT, "%s", e.text);
    store_value_fini(&v);
    return rc == 0;
}

Test(store_pg, sweeping_removes_what_expired_then_open_ones_above_their_share_then_settled_ones)
{
    struct err e = {0};
    struct store *st = open_ok();
    uint32_t left = 0;
    static const struct {
        const char *id;
        int64_t expires;
        bool settle;
    } all[] = {{"gone", 100, true}, {"proved", 150, true}, {"old", 160, false},
               {"new", 170, false}, {"later", 180, true},  {"last", 190, true}};
    for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
        cr_assert_eq(store_session_open(st, all[i].id, all[i].expires, "n", 1, &e), 0);
        if (all[i].settle) { cr_assert_eq(store_session_settle(st, all[i].id, 1, "t", 1, &e), 0); }
    }
    cr_assert_eq(store_session_sweep(st, 100, 10, 2, &left, &e), 0, "%s", e.text);
    cr_assert_eq(left, 5);
    cr_assert_not(there_is(st, "gone"));
    cr_assert_eq(store_session_sweep(st, 100, 4, 1, &left, &e), 0, "%s", e.text);
    cr_assert_eq(left, 4, "two of five are open, one may be");
    cr_assert_not(there_is(st, "old"));
    cr_assert(there_is(st, "proved"));
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(store_session_open(st, i ? "next" : "then", 200, "n", 1, &e), 0);
        cr_assert_eq(store_session_settle(st, i ? "next" : "then", 1, "t", 1, &e), 0);
    }
    cr_assert_eq(store_session_sweep(st, 100, 4, 1, &left, &e), 0, "%s", e.text);
    cr_assert_eq(left, 4, "one of six is open");
    cr_assert(there_is(st, "new"));
    cr_assert_not(there_is(st, "proved"));
    cr_assert_not(there_is(st, "later"));
    cr_assert(there_is(st, "last"));
    cr_assert_eq(store_session_sweep(st, 100, 0, 0, &left, &e), 0, "%s", e.text);
    cr_assert_eq(left, 0);
    store_close(st);
}

/* ---- when it goes away ----------------------------------------------------------------------- */

Test(store_pg, says_that_the_database_is_down_and_finds_it_again)
{
    struct err e = {0};
    struct store *st = open_ok();
    struct store_value v = {0};
    bool taken = false;
    cr_assert_eq(store_put(st, STORE_RESOURCE, "a/b/c", "kept", 4, &e), 0);

    /* Restarted between two requests: nobody notices. */
    cr_assert_eq(postgres("stop"), 0);
    cr_assert_eq(postgres("start"), 0);
    cr_assert_eq(store_get(st, STORE_RESOURCE, "a/b/c", &v, &e), 0, "%s", e.text);
    cr_assert_arr_eq(v.p, "kept", 4);
    store_value_fini(&v);

    cr_assert_eq(postgres("stop"), 0);
    cr_assert_eq(store_get(st, STORE_RESOURCE, "a/b/c", &v, &e), -ENOTCONN);
    cr_assert(strstr(e.text, "the database cannot be reached"), "%s", e.text);
    e = (struct err){0};
    cr_assert_eq(store_count_take(st, "n", 1, &taken, &e), -ENOTCONN);
    cr_assert(!taken);
    e = (struct err){0};
    cr_assert_eq(store_ping(st, &e), -ENOTCONN);

    cr_assert_eq(postgres("start"), 0);
    int rc = -ENOTCONN;
    for (size_t i = 0; i < 2000 && rc == -ENOTCONN; i++) {
        e = (struct err){0};
        rc = store_ping(st, &e);
        (void)usleep(5000);
    }
    cr_assert_eq(rc, 0, "%s", e.text);
    cr_assert_eq(store_count_take(st, "n", 1, &taken, &e), 0, "%s", e.text);
    cr_assert(taken, "nothing was taken during the outage");

    /* A server that only reads, as after a failover, is no server. */
    sql("ALTER SYSTEM SET default_transaction_read_only = on");
    cr_assert_eq(postgres("stop"), 0);
    cr_assert_eq(postgres("start"), 0);
    cr_assert_eq(store_put(st, STORE_RESOURCE, "a/b/c", "lost", 4, &e), -ENOTCONN);
    store_close(st);
}

/* The server with a certificate of its own, on a port of the test's. */
static void serve_tls(const char *cert, const char *key_pem, unsigned port)
{
    char line[512], names[2][96];
    const char *const texts[2] = {cert, key_pem};
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(names[i], sizeof names[i], "%s/server.%s", dir, i ? "key" : "crt");
        FILE *f = fopen(names[i], "we");
        cr_assert_not_null(f);
        cr_assert_geq(fputs(texts[i], f), 0);
        (void)fclose(f);
    }
    (void)snprintf(line, sizeof line, "chmod 600 %s && chown --reference=%s/data %s", names[1], dir,
                   names[1]);
    cr_assert_eq(system(line), 0);
    sql("ALTER SYSTEM SET listen_addresses = '127.0.0.1'");
    (void)snprintf(line, sizeof line, "ALTER SYSTEM SET port = %u", port);
    sql(line);
    (void)snprintf(line, sizeof line, "ALTER SYSTEM SET ssl_cert_file = '%s'", names[0]);
    sql(line);
    (void)snprintf(line, sizeof line, "ALTER SYSTEM SET ssl_key_file = '%s'", names[1]);
    sql(line);
    sql("ALTER SYSTEM SET ssl = on");
    cr_assert_eq(postgres("stop"), 0);
    cr_assert_eq(postgres("start"), 0);
}

Test(store_pg, over_the_network_the_server_must_show_its_certificate)
{
    char *cert, *pem, *other_cert, *other_pem, text[256], other_path[96];
    unsigned port = 20000 + (unsigned)getpid() % 20000;
    struct err e = {0};
    struct store *st = NULL;
    cr_assert_eq(setup_self_signed(NULL, 0, (int64_t)time(NULL), &pem, &cert, &e), 0, "%s", e.text);
    cr_assert_eq(setup_self_signed(NULL, 0, (int64_t)time(NULL), &other_pem, &other_cert, &e), 0);
    serve_tls(cert, pem, port);
    (void)snprintf(text, sizeof text,
                   "postgresql://postgres@127.0.0.1:%u/postgres?sslrootcert=%s/server.crt", port,
                   dir);
    cr_assert_eq(store_open(text, key, &st, &e), 0, "%s", e.text);
    store_close(st);

    (void)snprintf(other_path, sizeof other_path, "%s/other.crt", dir);
    FILE *f = fopen(other_path, "we");
    cr_assert_not_null(f);
    cr_assert_geq(fputs(other_cert, f), 0);
    (void)fclose(f);
    (void)snprintf(text, sizeof text,
                   "postgresql://postgres@127.0.0.1:%u/postgres?sslrootcert=%s/other.crt", port,
                   dir);
    cr_assert_eq(store_open(text, key, &st, &e), -ENOTCONN, "another certificate");
    cr_assert(strstr(e.text, "certificate verify failed"), "%s", e.text);

    (void)snprintf(url, sizeof url, "postgresql://postgres@/postgres?host=%s&port=%u", dir, port);
    sql("ALTER SYSTEM SET ssl = off");
    cr_assert_eq(postgres("stop"), 0);
    cr_assert_eq(postgres("start"), 0);
    e = (struct err){0};
    cr_assert_eq(store_open(text, key, &st, &e), -ENOTCONN, "no TLS at all");
    cr_assert(strstr(e.text, "does not support SSL"), "%s", e.text);
    (void)snprintf(text, sizeof text, "postgresql://postgres@127.0.0.1:%u/postgres?sslmode=disable",
                   port);
    e = (struct err){0};
    cr_assert_eq(store_open(text, key, &st, &e), 0, "who writes it down may: %s", e.text);
    store_close(st);
    free(cert);
    free(pem);
    free(other_cert);
    free(other_pem);
}

Test(store_pg, does_not_start_without_its_database)
{
    struct err e = {0};
    struct store *st = NULL;
    cr_assert_eq(postgres("stop"), 0);
    cr_assert_eq(store_open(url, key, &st, &e), -ENOTCONN);
    cr_assert(strstr(e.text, "connect"), "%s", e.text);
    cr_assert_eq(postgres("start"), 0);
}

/* ---- a server that falls silent -------------------------------------------------------------- */

/* What a server says when somebody has logged in: good, which server this is, go on. [PostgreSQL, §55.7] */
static const char greeting[] = "R\0\0\0\x08\0\0\0\0"
                               "S\0\0\0\x18server_version\0"
                               "16.0\0"
                               "S\0\0\0\x26"
                               "default_transaction_read_only\0off\0"
                               "S\0\0\0\x17in_hot_standby\0off\0"
                               "Z\0\0\0\x05I";

static void *fall_silent(void *arg)
{
    char buf[1024];
    int fd = accept(*(int *)arg, NULL, NULL);
    cr_assert_geq(fd, 0);
    cr_assert_gt(read(fd, buf, sizeof buf), 0);
    cr_assert_eq(write(fd, greeting, sizeof greeting - 1), (ssize_t)sizeof greeting - 1);
    while (read(fd, buf, sizeof buf) > 0) {} /* until the other side gives up */
    (void)close(fd);
    return NULL;
}

Test(store_pg_silent, opening_ends_when_the_server_does_not_answer, .timeout = 30)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    char where[96];
    pthread_t server;
    struct store *st = NULL;
    struct err e = {0};
    int door = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(door, (struct sockaddr *)&at, sizeof at), 0);
    cr_assert_eq(listen(door, 1), 0);
    cr_assert_eq(getsockname(door, (struct sockaddr *)&at, &len), 0);
    cr_assert_eq(pthread_create(&server, NULL, fall_silent, &door), 0);
    (void)snprintf(where, sizeof where, "postgresql://u@127.0.0.1:%d/db?sslmode=disable",
                   ntohs(at.sin_port));
    cr_assert_eq(store_open(where, key, &st, &e), -ENOTCONN, "%s", e.text);
    cr_assert(strstr(e.text, "the database does not answer"), "%s", e.text);
    (void)pthread_join(server, NULL);
    (void)close(door);
}
