/* SPDX-License-Identifier: Apache-2.0 */
/* The store: what comes back, what is refused, and that the file alone tells nothing and forges nothing. */
#include "attest/kbs/store/store.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const uint8_t key[STORE_KEY_SIZE] = {1, 2, 3};
static char dir[] = "/tmp/kbs-store-XXXXXX";
static char path[64];

static void make_dir(void)
{
    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/db", dir);
}
static void drop_dir(void)
{
    static const char *const names[] = {"db", "db-wal", "db-shm", "new", "new-wal", "new-shm"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        char p[96];
        (void)snprintf(p, sizeof p, "%s/%s", dir, names[i]);
        (void)unlink(p);
    }
    (void)rmdir(dir);
}
TestSuite(store, .init = make_dir, .fini = drop_dir);

static struct store *open_ok(void)
{
    struct store *st = NULL;
    struct err e = {0};
    cr_assert_eq(store_open(path, key, &st, &e), 0, "%s", e.text);
    return st;
}

Test(store, keeps_values_over_a_restart)
{
    struct err e = {0};
    struct store *st = open_ok();
    cr_assert_eq(store_put(st, STORE_RESOURCE, "a/b/c", "first", 5, &e), 0);
    cr_assert_eq(store_put(st, STORE_RESOURCE, "a/b/c", "sec\0ond", 7, &e), 0);
    cr_assert_eq(store_put(st, STORE_RESOURCE, "empty/b/c", "", 0, &e), 0);
    store_close(st);
    st = open_ok();
    struct store_value v = {0};
    cr_assert_eq(store_get(st, STORE_RESOURCE, "a/b/c", &v, &e), 0);
    cr_assert_eq(v.len, 7);
    cr_assert_arr_eq(v.p, "sec\0ond", 7);
    store_value_fini(&v);
    cr_assert_eq(store_get(st, STORE_RESOURCE, "empty/b/c", &v, &e), 0);
    cr_assert_eq(v.len, 0);
    store_value_fini(&v);
    cr_assert_eq(store_get(st, STORE_POLICY, "a/b/c", &v, &e), -ENOENT);
    store_close(st);
}

static int collect(void *ctx, const char *name)
{
    strncat(ctx, name, 20);
    strncat(ctx, " ", 2);
    return 0;
}

Test(store, lists_and_deletes)
{
    struct err e = {0};
    struct store *st = open_ok();
    char names[64] = "";
    cr_assert_eq(store_put(st, STORE_REFERENCE, "b", "1", 1, &e), 0);
    cr_assert_eq(store_put(st, STORE_REFERENCE, "a", "1", 1, &e), 0);
    cr_assert_eq(store_put(st, STORE_RESOURCE, "c", "1", 1, &e), 0);
    cr_assert_eq(store_list(st, STORE_REFERENCE, collect, names, &e), 0);
    cr_assert_str_eq(names, "a b ");
    cr_assert_eq(store_delete(st, STORE_REFERENCE, "a", &e), 0);
    cr_assert_eq(store_delete(st, STORE_REFERENCE, "a", &e), -ENOENT);
    store_close(st);
}

Test(store, refuses_another_key_when_it_opens)
{
    store_close(open_ok());
    static const uint8_t other[STORE_KEY_SIZE] = {9};
    struct store *st = NULL;
    struct err e = {0};
    cr_assert_eq(store_open(path, other, &st, &e), -EKEYREJECTED);
    cr_assert(strstr(e.text, "another storage key"), "%s", e.text);
}

Test(store, refuses_a_database_that_is_not_ours)
{
    sqlite3 *db;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "CREATE TABLE x (y)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    struct store *st = NULL;
    struct err e = {0};
    cr_assert_eq(store_open(path, key, &st, &e), -EINVAL);
    cr_assert(strstr(e.text, "not a cc-kbs database"), "%s", e.text);
}

Test(store, file_is_private_and_holds_no_plaintext)
{
    struct err e = {0};
    struct store *st = open_ok();
    cr_assert_eq(store_put(st, STORE_RESOURCE, "a/b/c", "PLAINTEXT-OF-A-KEY", 18, &e), 0);
    store_close(st);
    struct stat sb;
    cr_assert_eq(stat(path, &sb), 0);
    cr_assert_eq(sb.st_mode & 077, 0);
    static char file[1 << 20];
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f);
    size_t n = fread(file, 1, sizeof file, f);
    (void)fclose(f);
    cr_assert_gt(n, 100);
    cr_assert_null(memmem(file, n, "PLAINTEXT-OF-A-KEY", 18));
}

/* Whoever can write the file moves the sealed value of one item under the name of another. */
Test(store, refuses_a_value_that_was_moved)
{
    struct err e = {0};
    struct store *st = open_ok();
    cr_assert_eq(store_put(st, STORE_RESOURCE, "a/b/c", "x", 1, &e), 0);
    cr_assert_eq(store_put(st, STORE_RESOURCE, "d/e/f", "y", 1, &e), 0);
    store_close(st);
    sqlite3 *db;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(
        sqlite3_exec(db,
                     "UPDATE item SET value = (SELECT value FROM item WHERE name = 'a/b/c')"
                     " WHERE name = 'd/e/f'",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    st = open_ok();
    struct store_value v = {0};
    cr_assert_eq(store_get(st, STORE_RESOURCE, "d/e/f", &v, &e), -EBADMSG);
    cr_assert_null(v.p);
    store_close(st);
}

Test(store, puts_all_or_none)
{
    struct err e = {0};
    struct store *st = open_ok();
    struct store_value v = {0};
    char long_name[STORE_NAME_MAX + 2];
    memset(long_name, 'n', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    struct store_item items[] = {{"a", "1", 1}, {"b", "22", 2}, {long_name, "3", 1}};
    cr_assert_lt(store_put_all(st, STORE_REFERENCE, items, 3, &e), 0);
    e = (struct err){0};
    cr_assert_eq(store_get(st, STORE_REFERENCE, "a", &v, &e), -ENOENT);
    e = (struct err){0};
    cr_assert_eq(store_put_all(st, STORE_REFERENCE, items, 2, &e), 0, "%s", e.text);
    cr_assert_eq(store_get(st, STORE_REFERENCE, "b", &v, &e), 0, "%s", e.text);
    cr_assert_str_eq((char *)v.p, "22");
    store_value_fini(&v);
    /* and the database refuses in the middle */
    sqlite3 *db;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db,
                              "CREATE TRIGGER t BEFORE INSERT ON item WHEN new.name = 'd' BEGIN "
                              "SELECT RAISE(ABORT, 'no'); END",
                              NULL, NULL, NULL),
                 SQLITE_OK);
    sqlite3_close(db);
    struct store_item more[] = {{"c", "1", 1}, {"d", "1", 1}};
    cr_assert_eq(store_put_all(st, STORE_REFERENCE, more, 2, &e), -EIO);
    e = (struct err){0};
    cr_assert_eq(store_get(st, STORE_REFERENCE, "c", &v, &e), -ENOENT);
    store_close(st);
}

/* As the first release made it: without counters. */
Test(store, opens_a_file_of_schema_version_1)
{
    struct err e = {0};
    struct store *st = open_ok();
    cr_assert_eq(store_put(st, STORE_RESOURCE, "a/b/c", "x", 1, &e), 0);
    store_close(st);
    sqlite3 *db;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "DROP TABLE counter; PRAGMA user_version = 1", NULL, NULL, NULL),
                 SQLITE_OK);
    sqlite3_close(db);
    bool taken = false;
    struct store_value v = {0};
    st = open_ok();
    cr_assert_eq(store_get(st, STORE_RESOURCE, "a/b/c", &v, &e), 0);
    cr_assert_eq(store_count_take(st, "n", 1, &taken, &e), 0, "%s", e.text);
    cr_assert(taken);
    store_value_fini(&v);
    store_close(st);
}

Test(store, refuses_a_schema_version_of_the_future)
{
    store_close(open_ok());
    sqlite3 *db;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    struct store *st = NULL;
    struct err e = {0};
    cr_assert_eq(store_open(path, key, &st, &e), -EINVAL);
    cr_assert(strstr(e.text, "schema version 99, this program knows 2"), "%s", e.text);
}

Test(store, counts_to_the_maximum_and_no_further)
{
    struct err e = {0};
    struct store *st = open_ok();
    static const bool want[] = {true, true, true, false, false};
    bool taken = true;
    uint64_t used = 9;
    cr_assert_eq(store_count_get(st, "release", &used, &e), 0);
    cr_assert_eq(used, 0);
    cr_assert_eq(store_count_take(st, "release", 0, &taken, &e), 0);
    cr_assert(!taken, "a maximum of 0 allows nothing");
    for (size_t i = 0; i < ARRAY_COUNT(want); i++) {
        cr_assert_eq(store_count_take(st, "release", 3, &taken, &e), 0, "%s", e.text);
        cr_assert_eq(taken, want[i], "%zu", i);
    }
    cr_assert_eq(store_count_take(st, "other", 3, &taken, &e), 0);
    cr_assert(taken, "counters are apart");
    store_close(st);
    st = open_ok();
    cr_assert_eq(store_count_get(st, "release", &used, &e), 0);
    cr_assert_eq(used, 3, "and outlive the process");
    cr_assert_eq(store_count_take(st, "release", UINT64_MAX, &taken, &e), 0);
    cr_assert(taken);
    store_close(st);
}

Test(store, stamps_change_with_every_writing)
{
    struct err e = {0};
    struct store_stamp one, again, two;
    struct store *st = open_ok();
    cr_assert_eq(store_stamp(st, STORE_POLICY, "p", &one, &e), -ENOENT);
    e = (struct err){0};
    cr_assert_eq(store_put(st, STORE_POLICY, "p", "same", 4, &e), 0);
    cr_assert_eq(store_stamp(st, STORE_POLICY, "p", &one, &e), 0);
    cr_assert_eq(store_stamp(st, STORE_POLICY, "p", &again, &e), 0);
    cr_assert_arr_eq(one.v, again.v, sizeof one.v);
    cr_assert_eq(store_put(st, STORE_POLICY, "p", "same", 4, &e), 0);
    cr_assert_eq(store_stamp(st, STORE_POLICY, "p", &two, &e), 0);
    cr_assert_neq(memcmp(one.v, two.v, sizeof one.v), 0);
    store_close(st);
}

/* Writes items and tells the number of each through the pipe as soon as its write has returned; until it is killed. */
static _Noreturn void write_until_killed(int fd, unsigned first)
{
    struct store *st = NULL;
    struct err e = {0};
    if (store_open(path, key, &st, &e) < 0) { _exit(1); }
    for (unsigned i = first;; i++) {
        char name[32];
        bool taken = false;
        (void)snprintf(name, sizeof name, "a/b/%u", i);
        if (store_put(st, STORE_RESOURCE, name, &i, sizeof i, &e) < 0 ||
            store_count_take(st, "n", UINT64_MAX, &taken, &e) < 0 ||
            write(fd, &i, sizeof i) != sizeof i) {
            _exit(1);
        }
    }
}

Test(store, a_kill_in_the_middle_loses_nothing_that_was_acknowledged)
{
    unsigned next = 0;
    for (unsigned round = 0; round < 5; round++) {
        int fds[2];
        unsigned number = next, heard = 0;
        cr_assert_eq(pipe(fds), 0);
        pid_t pid = fork();
        if (pid == 0) {
            (void)close(fds[0]);
            write_until_killed(fds[1], next);
        }
        (void)close(fds[1]);
        /* Somewhere behind the last one that was heard: in a write, in a sync, in the pipe. */
        while (heard < 10 + 7 * round && read(fds[0], &number, sizeof number) == sizeof number) {
            heard++;
        }
        cr_assert_eq(kill(pid, SIGKILL), 0);
        while (read(fds[0], &number, sizeof number) == sizeof number) { heard++; }
        (void)close(fds[0]);
        cr_assert_eq(waitpid(pid, NULL, 0), pid);
        cr_assert_geq(heard, 10);
        next = number + 1;

        struct err e = {0};
        struct store *st = open_ok();
        for (unsigned i = 0; i < next; i++) {
            char name[32];
            struct store_value v = {0};
            (void)snprintf(name, sizeof name, "a/b/%u", i);
            cr_assert_eq(store_get(st, STORE_RESOURCE, name, &v, &e), 0, "%s", e.text);
            cr_assert_arr_eq(v.p, &i, sizeof i);
            store_value_fini(&v);
        }
        uint64_t used = 0;
        cr_assert_eq(store_count_get(st, "n", &used, &e), 0);
        cr_assert_geq(used, next);
        store_close(st);
    }
}

/* A new storage key: nothing is lost on the way, and nothing of the old key opens the new file. */
Test(store, copies_everything_under_another_key)
{
    static const uint8_t new_key[STORE_KEY_SIZE] = {9};
    struct err e = {0};
    struct store *from = open_ok(), *to = NULL;
    struct store_value v = {0};
    bool taken;
    uint64_t used = 0, count = 0;
    char names[64] = "", moved[80];
    (void)snprintf(moved, sizeof moved, "%s/new", dir);
    cr_assert_eq(store_put(from, STORE_RESOURCE, "a/b/c", "sec\0ret", 7, &e), 0);
    cr_assert_eq(store_put(from, STORE_RESOURCE, "d/e/f", "", 0, &e), 0);
    for (enum store_kind k = STORE_POLICY; k <= STORE_KIND_LAST; k++) {
        cr_assert_eq(store_put(from, k, "one", "of a kind", 9, &e), 0);
    }
    for (size_t i = 0; i < 3; i++) { cr_assert_eq(store_count_take(from, "n", 9, &taken, &e), 0); }
    cr_assert_eq(store_open(moved, new_key, &to, &e), 0, "%s", e.text);
    cr_assert_eq(store_copy(from, to, &count, &e), 0, "%s", e.text);
    cr_assert_eq(count, 2 + STORE_KIND_LAST - STORE_POLICY + 1);
    cr_assert_eq(store_get(to, STORE_RESOURCE, "a/b/c", &v, &e), 0, "%s", e.text);
    cr_assert(v.len == 7 && memcmp(v.p, "sec\0ret", 7) == 0);
    store_value_fini(&v);
    cr_assert_eq(store_get(to, STORE_KIND_LAST, "one", &v, &e), 0, "%s", e.text);
    store_value_fini(&v);
    cr_assert_eq(store_list(to, STORE_RESOURCE, collect, names, &e), 0);
    cr_assert_str_eq(names, "a/b/c d/e/f ");
    cr_assert_eq(store_count_get(to, "n", &used, &e), 0);
    cr_assert_eq(used, 3);
    cr_assert_eq(store_copy(from, to, &count, &e), -EEXIST);
    cr_assert(strstr(e.text, "not empty"), "%s", e.text);
    store_close(from);
    store_close(to);
    e = (struct err){0};
    cr_assert_eq(store_open(moved, key, &to, &e), -EKEYREJECTED);
}
