/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TOML subset: what it reads, and that everything else is refused with the line it stands on.
 */
#include "attest/toml.h"

#include "tests/unit/attest/vectors.h"

#include <errno.h>

static void reads_as(const char *toml, const char *json)
{
    struct err e = {0};
    json_t *got = NULL, *want = json_loads(json, 0, NULL);
    cr_assert(want);
    cr_assert_eq(toml_load("t", toml, strlen(toml), 10000, &got, &e), 0, "%s: %s", toml, e.text);
    cr_assert(json_equal(got, want), "%s gave %s", toml, json_dumps(got, 0));
    json_decref(got);
    json_decref(want);
}

Test(toml, reads_every_form_of_the_subset)
{
    reads_as("", "{}");
    reads_as("# only a comment", "{}");
    reads_as("a = 1 # one\r\nb = -2\nc = +3\nd = 1_000\ne = 0xFf\nf = 0\n",
             "{\"a\":1,\"b\":-2,\"c\":3,\"d\":1000,\"e\":255,\"f\":0}");
    reads_as("a = 9223372036854775807\nb = -9223372036854775808",
             "{\"a\":9223372036854775807,\"b\":-9223372036854775808}");
    reads_as("t = true\nf = false", "{\"t\":true,\"f\":false}");
    reads_as("a = \"x\\t\\\"\\\\\\u00e4\\U0001F600\"",
             "{\"a\":\"x\\t\\\"\\\\\\u00e4\\ud83d\\ude00\"}");
    reads_as("a = 'C:\\x'\nb = ''", "{\"a\":\"C:\\\\x\",\"b\":\"\"}");
    reads_as("a = '''\none\n'two' ''\n'''", "{\"a\":\"one\\n'two' ''\\n\"}");
    reads_as("a = \"\"\"\none \\\n   two\"\"\"", "{\"a\":\"one two\"}");
    reads_as("a = \"\"\"\"\"\"\nb = \"\"\"x\"\"\"\"\"", "{\"a\":\"\",\"b\":\"x\\\"\\\"\"}");
    reads_as("a = [1, 'x', [true],\n # note\n 2,\n]", "{\"a\":[1,\"x\",[true],2]}");
    reads_as("a = {x = 1, y.z = 'q'}\nb = {}", "{\"a\":{\"x\":1,\"y\":{\"z\":\"q\"}},\"b\":{}}");
    reads_as("a.b = 1\na.c = 2\n\"d e\".'f' = 3", "{\"a\":{\"b\":1,\"c\":2},\"d e\":{\"f\":3}}");
    reads_as("[a.b]\nx = 1\n[a]\ny = 2\n[ a . c ]\n", "{\"a\":{\"b\":{\"x\":1},\"y\":2,\"c\":{}}}");
    reads_as("[[p]]\nn = 1\n[p.q]\nz = 0\n[[p]]\nn = 2\n",
             "{\"p\":[{\"n\":1,\"q\":{\"z\":0}},{\"n\":2}]}");
    reads_as("[f]\na.c = 1\n[f.a.t]\ns = 2", "{\"f\":{\"a\":{\"c\":1,\"t\":{\"s\":2}}}}");
}

struct bad {
    const char *toml, *error;
};

static const struct bad bad[] = {
    {"a", "t: line 1: \"=\" is missing behind \"a\""},
    {"a = ", "t: line 1: not a value"},
    {"\n= 1", "t: line 2: a key is missing"},
    {"a = 1\na = 2", "t: line 2: \"a\" is defined already"},
    {"a = 1 b = 2", "t: line 1: something follows the value"},
    {"a = 1.5", "t: line 1: floating-point numbers and dates are not read here"},
    {"a = 1e5", "t: line 1: floating-point numbers and dates are not read here"},
    {"a = 2026-11-25", "t: line 1: floating-point numbers and dates are not read here"},
    {"a = inf", "t: line 1: not a value"},
    {"a = 01", "t: line 1: integer with a leading zero"},
    {"a = 1__0", "t: line 1: not a value"},
    {"a = 1_", "t: line 1: not a value"},
    {"a = -0x1", "t: line 1: not a value"},
    {"a = truex", "t: line 1: not a value"},
    {"a = 9223372036854775808", "t: line 1: integer does not fit in 64 bits"},
    {"a = 0xffffffffffffffff", "t: line 1: integer does not fit in 64 bits"},
    {"a = \"x", "t: line 1: string without an end"},
    {"a = \"x\ny\"", "t: line 1: string without an end"},
    {"a = '''x", "t: line 1: string without an end"},
    {"a = \"\\x41\"", "t: line 1: unknown escape in a string"},
    {"a = \"\\u00g0\"", "t: line 1: escape wants 4 hexadecimal digits"},
    {"a = \"\\ud800\"", "t: line 1: escape is not a character"},
    {"a = \"\\u0000\"", "t: line 1: escape is not a character"},
    {"a = \"\xff\"", "t: not UTF-8"},
    {"a = 1 # \xc0\x80", "t: not UTF-8"},
    {"\n\na = \"\x01\"", "t: line 3: control character 0x01"},
    {"a = 1\rb = 2", "t: line 1: control character 0x0d"},
    {"a = [1, 2", "t: line 1: array: found neither \",\" nor \"]\""},
    {"a = [1 2]", "t: line 1: array: found neither \",\" nor \"]\""},
    {"a = {x = 1,}", "t: line 1: a key is missing"},
    {"a = {x = 1, x = 2}", "t: line 1: \"x\" is defined already"},
    {"a = {x = 1\n}", "t: line 1: inline table: found neither \",\" nor \"}\""},
    {"[a]\n[a]", "t: line 2: \"a\" is defined already"},
    {"[a]\nb = 1\n[a.b]", "t: line 3: \"b\" is defined already"},
    {"[a]\nb = 1\n[a.b.c]", "t: line 3: \"b\" is a value, not a table"},
    {"a.b = 1\n[a]", "t: line 2: \"a\" is defined already"},
    {"a = {x = 1}\n[a.y]", "t: line 2: \"a\" is a value, not a table"},
    {"a = {x = 1}\na.y = 2", "t: line 2: \"a\" is defined already"},
    {"[a.b]\n[a]\nb.c = 1", "t: line 3: \"b\" is defined already"},
    {"a = []\n[[a]]", "t: line 2: \"a\" is defined already"},
    {"[[a]]\n[a]", "t: line 2: \"a\" is defined already"},
    {"[a", "t: line 1: table header without an end"},
    {"[]", "t: line 1: a key is missing"},
    {"'''k''' = 1", "t: line 1: a key cannot be a multi-line string"},
    {"a = [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]", "t: line 1: nested deeper than 16"},
    {"a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a = 1", "t: line 1: key of more than 16 parts"},
};

Test(toml, refuses_with_line_and_reason)
{
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err e = {0};
        json_t *got = NULL;
        cr_expect_eq(toml_load("t", bad[i].toml, strlen(bad[i].toml), 10000, &got, &e), -EBADMSG,
                     "%s was read", bad[i].toml);
        cr_expect_null(got);
        cr_expect_str_eq(e.text, bad[i].error, "%s", bad[i].toml);
    }
}

Test(toml, text_beyond_the_ceiling_is_not_read)
{
    struct err e = {0};
    json_t *got = NULL;
    cr_assert_eq(toml_load("t", "a = 1", 5, 4, &got, &e), -E2BIG);
}

Test(toml, unknown_keys_are_named)
{
    static const char *const known[] = {"a", "b", NULL};
    struct err e = {0};
    json_t *j = json_pack("{s:i, s:i}", "a", 1, "c", 2);
    cr_assert_eq(toml_only_known("kbs.toml", j, known, &e), -EINVAL);
    cr_assert_str_eq(e.text, "kbs.toml: unknown key \"c\"");
    json_object_del(j, "c");
    e = (struct err){0};
    cr_assert_eq(toml_only_known("kbs.toml", j, known, &e), 0);
    json_decref(j);
}
