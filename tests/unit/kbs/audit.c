/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log's chain: what it proves, and that a kill or a full disk leaves a file that goes on and still checks. */
#include "attest/kbs/audit.h"
#include "guest/base/cc.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/kbs-audit-XXXXXX";
static char path[64], moved[64];

static void make_dir(void)
{
    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/log", dir);
    (void)snprintf(moved, sizeof moved, "%s/log.1", dir);
}
static void drop_dir(void)
{
    (void)unlink(path);
    (void)unlink(moved);
    (void)rmdir(dir);
}
TestSuite(audit, .init = make_dir, .fini = drop_dir);

static struct audit open_ok(void)
{
    struct audit a;
    struct err e = {0};
    cr_assert_eq(audit_open(path, &a, &e), 0, "%s", e.text);
    return a;
}

static void write_lines(unsigned from, unsigned to)
{
    struct audit a = open_ok();
    for (unsigned i = from; i <= to; i++) {
        char line[64];
        (void)snprintf(line, sizeof line, "{\"event\":\"release\",\"n\":%u}", i);
        (void)audit_line(&a, line);
    }
    audit_close(&a);
}

static char *file_text(const char *name)
{
    static char text[65536];
    FILE *f = fopen(name, "re");
    cr_assert_not_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    (void)fclose(f);
    return text;
}

static void file_write(const char *text)
{
    FILE *f = fopen(path, "we");
    cr_assert_not_null(f);
    cr_assert_eq(fputs(text, f) < 0, 0);
    (void)fclose(f);
}

static int check(struct audit_check *c, struct err *e)
{
    *c = (struct audit_check){0};
    *e = (struct err){0};
    return audit_check_file(c, path, e);
}

Test(audit, chains_each_line_to_the_one_before_it)
{
    write_lines(1, 2);
    cr_assert_str_eq(
        file_text(path),
        "{\"seq\":1,\"prev\":\"0000000000000000000000000000000000000000000000000000000000000000\","
        "\"event\":\"release\",\"n\":1}\n"
        "{\"seq\":2,\"prev\":\"7960879f70039958eaf491a2ba59c96f6ed6d1a4898cf8e46486fb0a269e7c7d\","
        "\"event\":\"release\",\"n\":2}\n");
}

Test(audit, goes_on_where_the_file_ends)
{
    struct audit_check c;
    struct err e;
    write_lines(1, 3);
    write_lines(4, 5);
    cr_assert_eq(check(&c, &e), 0, "%s", e.text);
    cr_assert_eq(c.lines, 5);
    cr_assert_eq(c.seq, 5);
    cr_assert_eq(c.torn, 0);
    struct stat sb;
    cr_assert_eq(stat(path, &sb), 0);
    cr_assert_eq(sb.st_mode & 077, 0, "for its owner alone");
}

Test(audit, shows_what_was_changed_removed_or_put_in_between)
{
    static const struct {
        const char *from, *to, *why;
    } cases[] = {
        {"\"n\":2", "\"n\":9", "line 3: seq 3: found prev"},
        {"\"n\":4", "\"n\":8", "line 5: seq 5: found prev"},
        {"{\"seq\":3", "x{\"seq\":3", "line 4"},
        {"{\"seq\":3", "{\"seq\":4", "line 3: found seq 4, wanted 3"},
        {"{\"seq\":3", "\n{\"seq\":3", "line 4"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char text[4096];
        struct audit_check c;
        struct err e;
        (void)unlink(path);
        write_lines(1, 5);
        const char *old = file_text(path), *at = strstr(old, cases[i].from);
        cr_assert_not_null(at);
        (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - old), old, cases[i].to,
                       at + strlen(cases[i].from));
        file_write(text);
        cr_expect_eq(check(&c, &e), -EBADMSG, "%s", cases[i].to);
        cr_expect(strstr(e.text, cases[i].why), "%s: %s", cases[i].to, e.text);
    }
}

Test(audit, shows_a_line_that_is_missing)
{
    char text[4096];
    struct audit_check c;
    struct err e;
    write_lines(1, 5);
    const char *old = file_text(path), *third = strstr(old, "{\"seq\":3"),
               *fourth = strstr(old, "{\"seq\":4");
    (void)snprintf(text, sizeof text, "%.*s%s", (int)(third - old), old, fourth);
    file_write(text);
    cr_assert_eq(check(&c, &e), -EBADMSG);
    cr_assert(strstr(e.text, "line 3: found seq 4, wanted 3"), "%s", e.text);
}

/* What a kill -9 or a power cut may leave. */
Test(audit, a_torn_line_stays_and_the_chain_goes_over_it)
{
    struct audit_check c;
    struct err e;
    write_lines(1, 3);
    struct stat sb;
    cr_assert_eq(stat(path, &sb), 0);
    cr_assert_eq(truncate(path, sb.st_size - 10), 0);
    cr_assert_eq(check(&c, &e), 0, "%s", e.text);
    cr_assert(c.after_torn, "it ends in one");
    write_lines(4, 5);
    cr_assert_eq(check(&c, &e), 0, "%s", e.text);
    cr_assert_eq(c.torn, 1);
    cr_assert_eq(c.lines, 6, "three, one that says so, and two");
    cr_assert(strstr(file_text(path), "\"event\":\"audit-resumed\""));

    /* Nobody can pass off what he wrote himself as torn. */
    char text[4096];
    write_lines(6, 6);
    const char *old = file_text(path), *last = strstr(old, "\"n\":5");
    (void)snprintf(text, sizeof text, "%.*s%s", (int)(last - old), old, last + 1);
    file_write(text);
    cr_assert_eq(check(&c, &e), -EBADMSG);
}

Test(audit, a_full_disk_loses_lines_and_says_how_many)
{
    struct audit_check c;
    struct err e;
    struct audit a = open_ok();
    struct rlimit old, full;
    cr_assert_neq(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
    (void)audit_line(&a, "{\"event\":\"release\",\"n\":1}");
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    full = old;
    full.rlim_cur = 150; /* the second line fits in half */
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &full), 0);
    (void)audit_line(&a, "{\"event\":\"release\",\"n\":2}");
    (void)audit_line(&a, "{\"event\":\"release\",\"n\":3}");
    cr_assert_eq(a.lost, 2);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    (void)audit_line(&a, "{\"event\":\"release\",\"n\":4}");
    audit_close(&a);
    cr_assert_eq(check(&c, &e), 0, "%s", e.text);
    cr_assert_eq(c.lost, 2);
    cr_assert_eq(c.torn, 1);
    cr_assert(strstr(file_text(path), "\"n\":4"));
}

Test(audit, has_one_writer)
{
    struct audit a = open_ok(), b;
    struct err e = {0};
    cr_assert_eq(audit_open(path, &b, &e), -EBUSY);
    cr_assert(strstr(e.text, "another process writes it"), "%s", e.text);
    audit_close(&a);
}

Test(audit, refuses_a_file_that_is_not_ours)
{
    static const char *const texts[] = {"hello\n", "{\"event\":\"release\"}\n",
                                        "{\"seq\":0,\"prev\":\"00\"}\n", "[]\n", "\n"};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        struct audit a;
        struct err e = {0};
        file_write(texts[i]);
        cr_expect_lt(audit_open(path, &a, &e), 0, "%s", texts[i]);
        cr_expect(strstr(e.text, "audit log /tmp"), "%s", e.text);
        cr_expect_str_eq(file_text(path), texts[i], "and leaves it alone");
    }
}

Test(audit, a_rotated_log_goes_on_in_the_next_file)
{
    struct err e = {0};
    struct audit_check c = {0};
    struct audit a = open_ok();
    (void)audit_line(&a, "{\"n\":1}");
    cr_assert_eq(audit_reopen(&a, path, &e), 0, "nobody moved it: %s", e.text);
    (void)audit_line(&a, "{\"n\":2}");
    cr_assert_eq(rename(path, moved), 0);
    (void)audit_line(&a, "{\"n\":3}");
    cr_assert_eq(audit_reopen(&a, path, &e), 0, "%s", e.text);
    (void)audit_line(&a, "{\"n\":4}");
    audit_close(&a);
    cr_assert_eq(audit_check_file(&c, moved, &e), 0, "%s", e.text);
    cr_assert_eq(c.seq, 3);
    cr_assert_eq(audit_check_file(&c, path, &e), 0, "%s", e.text);
    cr_assert_eq(c.seq, 4);
    c = (struct audit_check){0};
    cr_assert_eq(audit_check_file(&c, path, &e), 0, "alone it tells where it begins: %s", e.text);
    cr_assert_eq(c.first_seq, 4);
    write_lines(5, 5);
    c = (struct audit_check){0};
    cr_assert_eq(audit_check_file(&c, path, &e), 0, "%s", e.text);
    cr_assert_eq(c.seq, 5, "a restart goes on there, too");
}
