/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions: what matches, what is refused, and that no pattern is slow. */
#include "attest/policy/regex.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(regex, matches_as_written)
{
    static const struct {
        const char *pattern, *yes, *no; /* no: NULL = everything matches */
    } cases[] = {
        {"abc", "xabcx", "ab"},
        {"^abc$", "abc", "xabc"},
        {"^abc", "abcd", "xabc"},
        {"abc$", "xabc", "abcx"},
        {"^$", "", "a"},
        {"", "anything", NULL},
        {"a*", "", NULL},
        {"^a+$", "aaa", ""},
        {"^ab?c$", "ac", "abbc"},
        {"^a{3}$", "aaa", "aa"},
        {"^a{2,}$", "aaaa", "a"},
        {"^a{1,2}$", "aa", "aaa"},
        {"^a{0}b$", "b", "ab"},
        {"^(ab)+$", "abab", "aba"},
        {"^(?:ab|cd)$", "cd", "ad"},
        {"^(a|b|)c$", "c", "dc"},
        {"^a|b$", "xb", "xa"},
        {"^[a-c]$", "b", "d"},
        {"^[^a-c]$", "d", "b"},
        {"^[]a]$", "]", "b"},
        {"^[a-]$", "-", "b"},
        {"^[a\\-z]$", "-", "b"},
        {"^\\d+$", "0189", "a"},
        {"^[\\d_]+$", "1_2", "a"},
        {"^\\w$", "_", "-"},
        {"^\\W$", "-", "_"},
        {"^\\s$", "\t", "a"},
        {"^\\S\\D$", "ab", "a1"},
        {"^a\\.b$", "a.b", "axb"},
        {"^.$", "\xc3\xa4", "\n"},
        {"^\xc3\xa4+$", "\xc3\xa4\xc3\xa4", "\xc3"},
        {"^[\xc3\xa0-\xc3\xbf]$", "\xc3\xa4", "a"},
        {"^a+?b*?$", "aab", "b"},
        {"^((a{2}){2}){2}$", "aaaaaaaa", "aaaaaaa"},
        {"^team-[a-z]+$", "team-red", "team-7"},
        {"^x$", "x", "x\n"},
        {"^\\n\\t\\r$", "\n\t\r", "ntr"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        auto_arena a = {.max = REGEX_MEMORY_MAX};
        struct regex *re;
        struct err e = {0};
        bool found = false;
        int rc = regex_compile(&a, cases[i].pattern, strlen(cases[i].pattern), &re, &e);
        cr_assert_eq(rc, 0, "%s: %s", cases[i].pattern, e.text);
        cr_assert_eq(regex_match(&a, re, cases[i].yes, strlen(cases[i].yes), &found), 0);
        cr_expect(found, "%s does not match %s", cases[i].pattern, cases[i].yes);
        if (!cases[i].no) { continue; }
        cr_assert_eq(regex_match(&a, re, cases[i].no, strlen(cases[i].no), &found), 0);
        cr_expect(!found, "%s matches %s", cases[i].pattern, cases[i].no);
    }
}

Test(regex, refuses_what_it_does_not_have)
{
    static const struct {
        const char *pattern, *want;
    } cases[] = {
        {"(a", "( without )"},
        {"a)", ") without ("},
        {"[a", "[ without ]"},
        {"[", "[ without ]"},
        {"*a", "a repeat of nothing"},
        {"a**", "a repeat of a repeat"},
        {"a{2}{3}", "repeat of a repeat"},
        {"a{", "wanted {n}"},
        {"a{,3}", "wanted {n}"},
        {"a{3,2}", "wanted {n}"},
        {"a{1001}", "repeated too often"},
        {"a{99999999999}", "repeated too often"},
        {"(a{1000}){1000}", "too large"},
        {"[b-a]", "ends before it begins"},
        {"[[:alpha:]]", "[ inside brackets"},
        {"(?i)a", "(? is not supported"},
        {"(?P<n>a)", "(? is not supported"},
        {"\\b", "an escape"},
        {"\\pL", "an escape"},
        {"(a)\\1", "an escape"},
        {"a\\", "an escape"},
        {"[a\\", "an escape"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        auto_arena a = {.max = REGEX_MEMORY_MAX};
        struct regex *re;
        struct err e = {0};
        const char *p = cases[i].pattern;
        cr_expect_eq(regex_compile(&a, p, strlen(p), &re, &e), -EINVAL, "compiles: %s", p);
        cr_expect(strstr(e.text, cases[i].want), "%s: %s", p, e.text);
    }
}

/* Groups in groups that are each read twice would take 2^32 readings. */
Test(regex, nested_repeats_do_not_multiply_work, .timeout = 10)
{
    char pattern[200], *p = pattern;
    auto_arena a = {.max = REGEX_MEMORY_MAX};
    struct regex *re;
    struct err e = {0};
    for (int i = 0; i < 31; i++) { *p++ = '('; }
    *p++ = 'a';
    for (int i = 0; i < 31; i++) { p = stpcpy(p, "?)"); }
    *p = '\0';
    cr_expect_eq(regex_compile(&a, pattern, strlen(pattern), &re, &e), -EINVAL);
    cr_expect(strstr(e.text, "too large"), "%s", e.text);
}

/* A backtracking matcher needs 2^30 steps for this one. */
Test(regex, no_text_makes_a_pattern_slow, .timeout = 10)
{
    static const char pattern[] = "^(a|a)*(a|a)*(a|a)*b$",
                      text[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaac";
    auto_arena a = {.max = REGEX_MEMORY_MAX};
    struct regex *re;
    struct err e = {0};
    bool found = true;
    cr_assert_eq(regex_compile(&a, pattern, strlen(pattern), &re, &e), 0, "%s", e.text);
    cr_assert_eq(regex_match(&a, re, text, strlen(text), &found), 0);
    cr_expect_not(found);
    cr_expect_lt(regex_cost(re, strlen(text)), 2000);
}
