/* SPDX-License-Identifier: Apache-2.0 */
/* Policies in Rego: the values Open Policy Agent gives (vectors), what is refused at load, bounds. */
#include "attest/policy/rego.h"

#include "tests/vectors.h"

#include <errno.h>
#include <string.h>

static struct rego_policy *load(const char *text)
{
    struct rego_policy *p = NULL;
    struct err e = {0};
    cr_assert_eq(rego_load(text, strlen(text), &p, &e), 0, "%s\n%s", e.text, text);
    return p;
}

static json_t *from_stored(void *ctx, const char *name)
{
    return json_incref(json_object_get(ctx, name));
}

/* ---- known answers --------------------------------------------------------------------------- */

static void case_run(const json_t *c)
{
    const char *name = json_string_value(json_object_get(c, "name"));
    const char *text = json_string_value(json_object_get(c, "rego"));
    const char *query = json_string_value(json_object_get(c, "query"));
    const char *status = json_string_value(json_object_get(c, "status"));
    const json_t *expected = json_object_get(c, "expected");
    struct rego_request rq = {.input = json_object_get(c, "input"),
                              .data = json_object_get(c, "data"),
                              .reference = from_stored,
                              .ctx = json_object_get(c, "reference_values")};
    auto_rego p = NULL;
    auto_json found = NULL;
    struct err e = {0};
    int rc = rego_load(text, strlen(text), &p, &e);
    if (rc == 0) { rc = rego_eval(p, query + strlen("data.policy."), &rq, &found, &e); }
    if (strcmp(status, "error") == 0) {
        cr_expect_lt(rc, 0, "%s", name);
    } else if (strcmp(status, "undefined") == 0) {
        cr_expect(rc == 0 && !found, "%s: %s", name, e.text);
    } else {
        char *shown = found ? json_dumps(found, JSON_ENCODE_ANY) : NULL;
        cr_expect(rc == 0 && found && json_equal(found, (json_t *)expected), "%s: %s %s", name,
                  e.text, shown ? shown : "undefined");
        free(shown);
    }
}

Test(rego, gives_the_values_of_open_policy_agent)
{
    char path[PATH_MAX];
    json_error_t je;
    vector_find("coco/policy/rego-cases.json", path);
    auto_json doc = json_load_file(path, 0, &je);
    const json_t *cases = json_object_get(doc, "cases");
    cr_assert_eq(json_array_size(cases), 53, "%s: %zu", je.text, json_array_size(cases));
    for (size_t i = 0; i < json_array_size(cases); i++) { case_run(json_array_get(cases, i)); }
}

/* ---- the language ---------------------------------------------------------------------------- */

/* The value of x in a policy that holds these rules, as JSON; "undefined"; or "error: ...". */
static char *value_of(const char *rules, const char *input)
{
    char text[4096];
    struct err e = {0};
    json_error_t je;
    auto_rego p = NULL;
    auto_json found = NULL;
    auto_json in = json_loads(input, 0, &je);
    auto_json data =
        json_pack("{s:s, s:[s,s,s]}", "plugin", "resource", "resource-path", "a", "b", "c");
    cr_assert(in, "%s: %s", je.text, input);
    (void)snprintf(text, sizeof text, "package policy\n%s\n", rules);
    struct rego_request rq = {.input = in, .data = data, .now_ns = 1700000000000000000};
    int rc = rego_load(text, strlen(text), &p, &e);
    if (rc == 0) { rc = rego_eval(p, "x", &rq, &found, &e); }
    char *out = malloc(4096);
    cr_assert(out);
    char *shown = found ? json_dumps(found, JSON_ENCODE_ANY | JSON_SORT_KEYS) : NULL;
    (void)snprintf(out, 4096, "%s%s",
                   rc < 0  ? "error: "
                   : shown ? shown
                           : "undefined",
                   rc < 0 ? e.text : "");
    free(shown);
    return out;
}

struct language_case {
    const char *rules, *input, *want;
};
static void expect_values(const struct language_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *got = value_of(cases[i].rules, cases[i].input ? cases[i].input : "{}");
        bool error = strncmp(cases[i].want, "error: ", 7) == 0;
        cr_expect(error ? strncmp(got, "error: ", 7) == 0 && strstr(got, cases[i].want + 7)
                        : strcmp(got, cases[i].want) == 0,
                  "%s\n  gave   %s\n  wanted %s", cases[i].rules, got, cases[i].want);
        free(got);
    }
}
#define EXPECT_VALUES(...)                                                                         \
    do {                                                                                           \
        static const struct language_case cases[] = {__VA_ARGS__};                                 \
        expect_values(cases, ARRAY_COUNT(cases));                                                  \
    } while (0)

Test(rego, scalars_and_operators)
{
    EXPECT_VALUES(
        {"x := 1 + 2 * 3", NULL, "7"}, {"x := (1 + 2) * 3", NULL, "9"}, {"x := 7 / 2", NULL, "3.5"},
        {"x := 6 / 2", NULL, "3"}, {"x := 7 % 4", NULL, "3"}, {"x := 10 - 2 - 3", NULL, "5"},
        {"x := -5", NULL, "-5"}, {"x := 1.5e3", NULL, "1500"}, {"x := 1 == 1.0", NULL, "true"},
        {"x := 9007199254740993 > 9007199254740992", NULL, "true"},
        {"x := 9007199254740993 > 9007199254740992.5", NULL, "true"},
        {"x := \"a\\u0041\\n\\ud83d\\ude00\"", NULL, "\"aA\\n\xf0\x9f\x98\x80\""},
        {"x := `raw \\n`", NULL, "\"raw \\\\n\""}, {"x := null", NULL, "null"},
        {"x := \"abc\" < \"abd\"", NULL, "true"}, {"x := [1, 2] < [1, 3]", NULL, "true"},
        {"x := [null < false, true < 0, 9 < \"\", \"z\" < [], [9] < {}, {\"a\": 1} < set()]", NULL,
         "[true, true, true, true, true, true]"},
        {"x := {1, 2} & {2, 3}", NULL, "[2]"}, {"x := {1, 2} | {2, 3}", NULL, "[1, 2, 3]"},
        {"x := {1, 2} - {2, 3}", NULL, "[1]"}, {"x := {3, 1, 2, 1}", NULL, "[1, 2, 3]"},
        {"x := 2 in [1, 2]", NULL, "true"}, {"x := 2 in {\"a\": 2}", NULL, "true"},
        {"x := 2 in \"2\"", NULL, "false"}, {"x := \"a\" in {\"a\": 2}", NULL, "false"}, );
}

Test(rego, what_has_no_meaning_is_an_error_and_never_undefined)
{
    EXPECT_VALUES(
        {"x := 1 / 0", NULL, "error: line 2: division by zero"},
        {"x if not 1 / 0 == 1", NULL, "error: line 2: division by zero"},
        {"x := 1 % 0", NULL, "error: line 2: division by zero"},
        {"x := 1 + \"1\"", NULL, "error: line 2: number + string has no meaning"},
        {"x := 9223372036854775807 + 1", NULL, "error: line 2: a number beyond 64 bits"},
        {"x := 1e308 * 10", NULL, "error: line 2: a number without bounds"},
        {"x if not startswith(1, \"a\")", NULL, "error: startswith: found a value of type number"},
        {"x := count(5)", NULL, "error: count: found a value of type number"},
        {"x := {\"a\": 1, \"a\": 2}", NULL, "error: two values for one key"},
        {"x := {k: v | some [k, v] in [[1, 2], [1, 3]]}", NULL, "error: two values for one key"},
        {"x := {1: 2}", NULL, "error: keys that are no text"},
        {"x := 1 if true\nx := 2 if true", NULL, "error: x has two values"},
        {"x := y if some y in [1, 2]", NULL, "error: x has two values"},
        {"f(a) := 1\nf(a) := 2\nx := f(0)", NULL, "error: f has two values"}, );
}

Test(rego, undefined_spreads)
{
    EXPECT_VALUES(
        {"x := input.a", NULL, "undefined"}, {"x := [input.a]", NULL, "undefined"},
        {"x := {\"a\": input.a}", NULL, "undefined"}, {"x := count(input.a)", NULL, "undefined"},
        {"x := input.a == 1", NULL, "undefined"}, {"x := [y | y := input.a]", NULL, "[]"},
        {"x if not input.a", NULL, "true"}, {"x if not input.a", "{\"a\": false}", "true"},
        {"x if not input.a", "{\"a\": null}", "undefined"}, {"x if input.a", "{\"a\": 0}", "true"},
        {"x if input.a", "{\"a\": \"\"}", "true"}, {"x := [1, 2][5]", NULL, "undefined"},
        {"x := input.a[-1]", "{\"a\": [1]}", "undefined"},
        {"x := input.a.b", "{\"a\": \"text\"}", "undefined"},
        {"default x := 3\nx := input.a", NULL, "3"},
        {"default x = {\"a\": [1, {2}]}", NULL, "{\"a\": [1, [2]]}"}, );
}

Test(rego, rules_clauses_and_else)
{
    EXPECT_VALUES(
        {"x = true", NULL, "true"}, {"x if true", NULL, "true"},
        {"x if { true; true }", NULL, "true"}, {"x if { true\n false }", NULL, "undefined"},
        {"x := 1 if false\nx := 2 if true", NULL, "2"},
        {"x := 1 if false else := 2 if false else := 3", NULL, "3"},
        {"x := 1 if {\n false\n}\n\n# else comes later\nelse := 2", NULL, "2"},
        {"x if false else := \"no\"", NULL, "\"no\""}, {"y := 2\nx := y + 1", NULL, "3"},
        {"x := data.policy.y\ny := 4", NULL, "4"},
        {"x := data[\"policy\"].y.z\ny := {\"z\": 5}", NULL, "5"},
        {"x := data.plugin", NULL, "\"resource\""},
        {"x := data[\"resource-path\"][1]", NULL, "\"b\""},
        {"x contains 1\nx contains y if some y in [3, 2, 3]", NULL, "[1, 2, 3]"},
        {"x contains 1 if false", NULL, "[]"}, {"f(a, b) := a + b\nx := f(1, f(2, 3))", NULL, "6"},
        {"f(\"a\") := 1\nf(\"b\") := 2\nx := [f(\"a\"), f(\"b\")]", NULL, "[1, 2]"},
        {"f(a) if a > 1\nx := f(1)", NULL, "undefined"}, {"f(_) := 7\nx := f(0)", NULL, "7"},
        {"f(a) := 1 if a == 1 else := 2 if a == 2 else := 3\nx := [f(1), f(2), f(9)]", NULL,
         "[1, 2, 3]"}, );
}

Test(rego, iteration)
{
    EXPECT_VALUES(
        {"x if input.a[_] == 2", "{\"a\": [1, 2]}", "true"},
        {"x if input.a[_] == 3", "{\"a\": [1, 2]}", "undefined"},
        {"x if not input.a[_] == 3", "{\"a\": [1, 2]}", "true"},
        {"x := i if input.a[i] == 2", "{\"a\": [1, 2]}", "1"},
        {"x := i if { some i; input.a[i] == 2 }", "{\"a\": [1, 2]}", "1"},
        {"x := k if { some k, v in input.a; v == 2 }", "{\"a\": {\"p\": 1, \"q\": 2}}", "\"q\""},
        {"x := [[k, v] | some k, v in {\"b\": 1, \"a\": 2}]", NULL, "[[\"a\", 2], [\"b\", 1]]"},
        {"x := [v | v := input.a[_].b]", "{\"a\": [{\"b\": 1}, {}, {\"b\": 3}]}", "[1, 3]"},
        {"x := {v | some v in [2, 1, 2]}", NULL, "[1, 2]"},
        {"x := {k: v * 2 | some k, v in {\"a\": 1}}", NULL, "{\"a\": 2}"},
        {"x := [p | p := [i, j]; some i in [1, 2]; some j in [3, 4]]", NULL,
         "error: line 2: nothing is named i here"},
        {"x := [[i, j] | some i in [1, 2]; some j in [3, 4]; i + j != 5]", NULL,
         "[[1, 3], [2, 4]]"},
        {"x if every y in [2, 4] { y % 2 == 0 }", NULL, "true"},
        {"x if every y in [2, 3] { y % 2 == 0 }", NULL, "undefined"},
        {"x if every y in [] { false }", NULL, "true"},
        {"x if every y in input.a { y }", NULL, "undefined"},
        {"x if every k, v in {\"a\": 1} { k == \"a\"; v == 1 }", NULL, "true"},
        {"x := [a, b] if [a, b] := [1, 2]", NULL, "[1, 2]"},
        {"x if [a, b] := [1, 2, 3]", NULL, "undefined"}, {"x := b if [1, b] = [1, 2]", NULL, "2"},
        {"x := b if [1, 2] = [1, b]", NULL, "2"}, {"x if [2, b] = [1, 2]", NULL, "undefined"},
        {"x := b if { {\"k\": b} := {\"k\": 9} }", NULL, "9"},
        {"x if { {\"k\": b} := {\"k\": 9, \"l\": 1} }", NULL, "undefined"},
        {"x if input.a = \"t\"", "{\"a\": \"t\"}", "true"},
        {"x := [[p, v] | walk(input, [p, v]); is_number(v)]", "{\"a\": [5, {\"b\": 6}]}",
         "[[[\"a\", 0], 5], [[\"a\", 1, \"b\"], 6]]"},
        {"x := count(p) if { [p, v] := walk(input); v == 6 }", "{\"a\": {\"b\": 6}}", "2"},
        {"x := {s | some s in {{1}, {1}}}", NULL, "[[1]]"},
        {"x if { y := 1; [y | y := 2] == [2]; y == 1 }", NULL, "true"},
        {"x := y if { z := [y | some y in [3, 4]]; y := count(z) }", NULL, "2"}, );
}

Test(rego, functions_that_are_there)
{
    EXPECT_VALUES(
        {"x := [count([1]), count({\"a\": 1}), count({1, 2}), count(\"\u00e4b\")]", NULL,
         "[1, 1, 2, 2]"},
        {"x := [sum([1, 2.5]), min([3, 1]), max({3, 1}), sum([])]", NULL, "[3.5, 1, 3, 0]"},
        {"x := max([])", NULL, "undefined"}, {"x := array.concat([1], [2])", NULL, "[1, 2]"},
        {"x := object.get({\"a\": 1}, \"b\", 2)", NULL, "2"},
        {"x := object.get({\"a\": {\"b\": 3}}, [\"a\", \"b\"], 2)", NULL, "3"},
        {"x := object.keys({\"b\": 1, \"a\": 2})", NULL, "[\"a\", \"b\"]"},
        {"x := object.union({\"a\": {\"b\": 1, \"c\": 2}}, {\"a\": {\"b\": 3}})", NULL,
         "{\"a\": {\"b\": 3, \"c\": 2}}"},
        {"x := object.union_n([{\"a\": 1}, {\"b\": 2}, {\"a\": 3}])", NULL, "{\"a\": 3, \"b\": 2}"},
        {"x := object.subset({\"a\": 1, \"b\": {\"c\": 2, \"d\": 3}}, {\"b\": {\"c\": 2}})", NULL,
         "true"},
        {"x := object.subset({1, 2}, {3})", NULL, "false"},
        {"x := [startswith(\"abc\", \"ab\"), endswith(\"abc\", \"bc\"), contains(\"abc\", \"d\")]",
         NULL, "[true, true, false]"},
        {"x := [lower(\"aB\"), upper(\"aB\"), trim_prefix(\"abc\", \"a\"), trim_suffix(\"abc\", \"b\")]",
         NULL, "[\"ab\", \"AB\", \"bc\", \"abc\"]"},
        {"x := split(\"a/b//c\", \"/\")", NULL, "[\"a\", \"b\", \"\", \"c\"]"},
        {"x := concat(\"-\", [\"a\", \"b\"])", NULL, "\"a-b\""},
        {"x := sprintf(\"%v %s %d%% %v\", [1.5, \"t\", 3, [1, \"a\"]])", NULL,
         "\"1.5 t 3% [1, \\\"a\\\"]\""},
        {"x := base64.decode(base64.encode(\"hi!\"))", NULL, "\"hi!\""},
        {"x := base64.decode(\"/w==\")", NULL, "error: no text"},
        {"x := json.unmarshal(\"{\\\"a\\\": [1]}\").a", NULL, "[1]"},
        {"x := json.unmarshal(\"1], [2\")", NULL, "error: json.unmarshal"},
        {"x := json.unmarshal(\"1, 2\")", NULL, "error: json.unmarshal"},
        {"x := time.now_ns()", NULL, "1700000000000000000"},
        {"x := time.parse_rfc3339_ns(\"2023-11-14T22:13:20Z\")", NULL, "1700000000000000000"},
        {"x := time.parse_rfc3339_ns(\"2024-02-29T01:00:00.25+01:00\")", NULL,
         "1709164800250000000"},
        {"x := time.parse_rfc3339_ns(\"2023-02-29T00:00:00Z\")", NULL, "error: not a time"},
        {"x := [is_null(null), is_string(1), is_set({1}), is_object({}), is_array([]), is_boolean(true)]",
         NULL, "[true, false, true, true, true, true]"}, );
}

/* ---- what does not load ---------------------------------------------------------------------- */

Test(rego, refuses_by_line_and_name_what_it_does_not_support)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", "line 1: found the end of the text, wanted package"},
        {"allow = true", "line 1: found allow, wanted package"},
        {"this is not rego", "line 1: found this, wanted package"},
        {"package policy\nallow if {\n", "line 3: found the end of the text"},
        {"package policy\nallow { true }", "line 2: a body without `if`"},
        {"package policy\n\nimport data.other", "line 3: import: found data"},
        {"package policy\nimport input.x as y", "line 2: import: found input"},
        {"package policy\nallow if input.x with input as {}", "line 2: `with` is not supported"},
        {"package policy\nx[y] := 1 if y := 2", "line 2: a rule for one member of x"},
        {"package policy\nx.y := 1", "line 2: a rule for one member of x"},
        {"package policy\ndefault f(x) := 1", "line 2: default for a function"},
        {"package policy\ndefault x := input.y", "line 2: default: wanted a constant"},
        {"package policy\ndefault x := 1\ndefault x := 2", "line 3: a second default for x"},
        {"package policy\nallow if http.send({})", "line 2: there is no function http.send"},
        {"package policy\nallow if print(1)", "line 2: there is no function print"},
        {"package policy\nallow if rand.intn(\"a\", 2) == 1",
         "line 2: there is no function rand.intn"},
        {"package policy\nallow if f(1)\nf(x) if { f(x) }", "line 3: f needs its own value"},
        {"package policy\na if b\nb if not a", "line 2: a needs its own value"},
        {"package policy\nallow if count(1, 2)", "line 2: count has 1 arguments, found 2"},
        {"package policy\nf(x) := 1\nallow if f(1, 2)", "line 3: f has 1 arguments, found 2"},
        {"package policy\nf(x) := 1\nf(x, y) := 1", "line 3: f has 1 arguments at line 2"},
        {"package policy\nf(x) := 1\nallow := f", "line 3: f is a function"},
        {"package policy\nf(x) := 1\nf := 2", "line 3: f is another kind of rule at line 2"},
        {"package policy\nf([x]) := 1", "line 2: an argument is neither a name nor a constant"},
        {"package policy\nallow if y == 1", "line 2: nothing is named y here"},
        {"package policy\nallow if { y == 1\n y := 1 }", "line 2: nothing is named y here"},
        {"package policy\nallow if { y := 1\n y := 1 }", "line 3: y has a value already"},
        {"package policy\nallow if { some y\n y == 1 }", "line 3: y has no value yet"},
        {"package policy\nallow if { some y\n z := [1 | y = 1] }", "line 3: y has no value yet"},
        {"package policy\nallow if { x := [1 | input.a[y]]\n y := 1 }",
         "line 3: y is given a value here, but a body above uses the name"},
        {"package policy\nallow if { every x in [1] { input.a[y] == x }\n input.b[y] == 1 }",
         "line 3: y is given a value here"},
        {"package policy\nallow if not input.a[y] == 1", "line 2: nothing is named y here"},
        {"package policy\nallow if not y := 1", "line 2: behind `not` stands something else"},
        {"package policy\nallow if input := 1", "line 2: input cannot be given a value"},
        {"package policy\nallow if 1 := 1", "line 2: to the left of :="},
        {"package policy\nallow if data[input.x]", "line 2: data needs a name"},
        {"package policy\nallow if data == {}", "line 2: data needs a name"},
        {"package policy\nallow if data.policy", "line 2: the package as a value"},
        {"package policy\nallow if data.policy.b", "line 2: nothing is named b"},
        {"package policy\nallow if _ == 1", "line 2: _ has no value"},
        {"package policy\nx := walk(input)", "line 2: walk gives many values"},
        {"package policy\nallow if 1 == 2 == 3", "line 2: a comparison of a comparison"},
        {"package policy\nallow if -input.x == 1", "line 2: found input, wanted a number"},
        {"package policy\nallow if true false", "line 2: found false, wanted a new line before"},
        {"package policy\nallow if { true true }", "line 2: found true, wanted a new line"},
        {"package policy\nallow := 1 else := 2", "line 2: an else that cannot be reached"},
        {"package policy\nx contains 1 else := 2", "line 2: `else` behind `contains`"},
        {"package policy\nallow if regex.match(`(a`, input.x)",
         "line 2: regular expression: ( without )"},
        {"package policy\nallow if regex.match(`\\bx`, input.x)",
         "line 2: regular expression: an escape"},
        {"package policy\nx := \"\\q\"", "line 2: no such escape"},
        {"package policy\nx := \"a", "line 2: a string without end"},
        {"package policy\nx := \"\xff\"", "line 2: a string with bytes that are not UTF-8"},
        {"package policy\nx := \"\\u0000\"", "line 2: no such escape"},
        {"package policy\nx := 99999999999999999999",
         "line 2: the number 99999999999999999999 is too"},
        {"package policy\nx := 012", "line 2: not a number"},
        {"package policy\nx := 1a", "line 2: not a number"},
        {"package policy\nx := 1e999", "line 2: the number 1e999 is too large"},
        {"package policy\nx := 1 ? 2", "line 2: the character ? has no meaning"},
        {"package policy\nx := \xc3\xa4", "line 2: the byte 0xc3 has no meaning"},
        {"package policy\ninput := 1", "line 2: a rule cannot be named input"},
        {"package policy\nif := 1", "line 2: found if, wanted a rule"},
        {"package policy\nx := (1)(2)", "line 2: found (, wanted a new line"},
        {"package policy\nx := input[\"a\"](2)", "line 2: only a function that has a name"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        auto_rego p = NULL;
        struct err e = {0};
        int rc = rego_load(cases[i].text, strlen(cases[i].text), &p, &e);
        cr_expect_eq(rc, -EINVAL, "loads: %s", cases[i].text);
        cr_expect(strstr(e.text, cases[i].want), "%s\n  gave   %s\n  wanted %s", cases[i].text,
                  e.text, cases[i].want);
    }
}

/* open count times, then middle, then close count times. */
static char *nested(const char *head, const char *open, const char *middle, const char *close,
                    size_t count)
{
    size_t size = strlen(head) + strlen(middle) + count * (strlen(open) + strlen(close)) + 1;
    char *text = malloc(size), *p = text;
    cr_assert(text);
    p = stpcpy(p, head);
    for (size_t i = 0; i < count; i++) { p = stpcpy(p, open); }
    p = stpcpy(p, middle);
    for (size_t i = 0; i < count; i++) { p = stpcpy(p, close); }
    return text;
}

static void expect_load(char *take_text, int want, const char *reason)
{
    auto_rego p = NULL;
    struct err e = {0};
    cr_expect_eq(rego_load(take_text, strlen(take_text), &p, &e), want, "%.60s: %s", take_text,
                 e.text);
    cr_expect(strstr(e.text, reason), "%s", e.text);
    free(take_text);
}

Test(rego, refuses_what_is_too_deep_too_long_or_too_large)
{
    expect_load(nested("package policy\nx := ", "[", "1", "]", 46), 0, "");
    expect_load(nested("package policy\nx := ", "[", "1", "]", 49), -EINVAL,
                "nested deeper than 48");
    expect_load(nested("package policy\nx := ", "(", "1", ")", 100000), -EINVAL, "nested deeper");
    expect_load(nested("package policy\nx if ", "not ", "false", "", 100), -EINVAL,
                "nested deeper");
    expect_load(nested("package policy\nx := 1", " + 1", "", "", 64), 0, "");
    expect_load(nested("package policy\nx := 1", " + 1", "", "", 65), -EINVAL,
                "too many operators");
    expect_load(nested("package policy\nx := input", ".a", "", "", 64), 0, "");
    expect_load(nested("package policy\nx := input", ".a", "", "", 65), -EINVAL,
                "more than 64 steps");
    expect_load(nested("package policy\nx if {\n", "input[_]\n", "}\n", "", 1000), 0, "");
    expect_load(nested("package policy\nx if {\n", "input[_]\n", "}\n", "", 1001), -EINVAL,
                "line 2: more than 1000 names and iterations");
    expect_load(nested("package policy\n", "x := 1\n", "", "", 40000), -E2BIG, "262144");
    expect_load(nested("package policy\n", "f(a) := 1\n", "", "", 20000), 0, "");
}

Test(rego, refuses_more_rules_than_it_keeps)
{
    char *text = malloc(32 * 1024), *p = text;
    cr_assert(text);
    p = stpcpy(p, "package policy\n");
    for (int i = 0; i < 1025; i++) { p += snprintf(p, 24, "x%d := 1\n", i); }
    expect_load(text, -EINVAL, "line 1026: more than 1024 rules");
}

Test(rego, an_evaluation_ends)
{
    EXPECT_VALUES(
        {"n := [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\nx := count([1 | n[_]; n[_]; n[_]; n[_]; n[_]; n[_]; n[_]])",
         NULL, "error: more than 1000000 steps"},
        {"a := \"0123456789abcdef0123456789abcdef\"\nf(s) := concat(\"\", [s, s, s, s, s, s, s, s])\n"
         "x := f(f(f(f(f(f(f(f(a))))))))",
         NULL, "error: "}, );
}

/* Little text, much work: a repeat of a repeat is compiled anew, and JSON is many values. */
Test(rego, what_a_function_does_inside_is_paid_for)
{
    EXPECT_VALUES({"p := \"((((((((((((a){1}){1}){1}){1}){1}){1}){1}){1}){1}){1}){1}){1}\"\n"
                   "x := regex.match(p, \"a\")",
                   NULL, "true"},
                  {"p := \"((((((((((((a){1}){1}){1}){1}){1}){1}){1}){1}){1}){1}){1}){1}\"\n"
                   "n := [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n"
                   "x := count([1 | n[_]; n[_]; regex.match(p, \"a\")])",
                   NULL, "error: more than 1000000 steps"},
                  {"a := \"0,0,0,0,0,0,0,0,\"\nf(s) := concat(\"\", [s, s, s, s, s, s, s, s])\n"
                   "x := count(json.unmarshal(concat(\"\", [\"[\", f(f(f(f(a)))), \"0]\"])))",
                   NULL, "32769"},
                  {"a := \"0,0,0,0,0,0,0,0,\"\nf(s) := concat(\"\", [s, s, s, s, s, s, s, s])\n"
                   "x := count(json.unmarshal(concat(\"\", [\"[\", f(f(f(f(f(f(a)))))), \"0]\"])))",
                   NULL, "error: more than 1000000 steps"}, );
}

Test(rego, a_value_cannot_nest_without_end)
{
    char text[8192], *p = stpcpy(text, "package policy\na0 := 1\n");
    struct err e = {0};
    auto_json found = NULL;
    for (int i = 1; i < 200; i++) {
        p += snprintf(p, (size_t)(text + sizeof text - p), "a%d := [a%d]\n", i, i - 1);
    }
    auto_rego policy = load(text);
    cr_expect_eq(rego_eval(policy, "a199", &(struct rego_request){0}, &found, &e), -EINVAL);
    cr_expect(strstr(e.text, "nested deeper than"), "%s", e.text);
    cr_expect_eq(rego_eval(policy, "a99", &(struct rego_request){0}, &found, &(struct err){0}), 0);
}
