/* SPDX-License-Identifier: Apache-2.0 */
/* The verdict and its words. */
#include "attest/verify/explain.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const struct verdict_code one = {"t-one", "policy", "", "field", "one is wrong", "do it"};

Test(verdict, nothing_checked_is_refused)
{
    struct verdict v = {0};
    json_t *j = verdict_to_json(&v, NULL);
    cr_assert_eq(v.result, VERDICT_REFUSED);
    cr_assert_str_eq(json_string_value(json_object_get(j, "verdict")), "refused");
    cr_assert_null(json_object_get(j, "claims"));
    json_decref(j);
}

Test(verdict, one_check_that_does_not_hold_refuses_whatever_holds_later)
{
    struct verdict v = {0};
    cr_assert(!verdict_check(&v, false, &one, "a", "b"));
    cr_assert(verdict_check(&v, true, &one, "b", "b"));
    verdict_close(&v);
    cr_assert_eq(v.result, VERDICT_REFUSED);
    cr_assert_eq(v.reason_count, 1);
    cr_assert_str_eq(v.reasons[0].text, "one is wrong");
    cr_assert_str_eq(v.reasons[0].found, "a");
}

Test(verdict, more_reasons_than_room_stay_refused)
{
    struct verdict v = {0};
    for (size_t i = 0; i < 100; i++) { verdict_refuse(&v, &one, "x", "y", "reason %zu", i); }
    verdict_close(&v);
    cr_assert_eq(v.result, VERDICT_REFUSED);
    cr_assert_eq(v.reason_count, 100);
    cr_assert_str_eq(v.reasons[VERDICT_REASONS_MAX - 1].text, "reason 99");
    json_t *j = verdict_to_json(&v, NULL);
    cr_assert_eq(json_array_size(json_object_get(j, "reasons")), VERDICT_REASONS_MAX);
    json_decref(j);
}

Test(verdict, table_shows_every_check_and_is_optional)
{
    struct verdict_table t = {0};
    struct verdict v = {.table = &t};
    static const uint8_t a[2] = {1, 2}, b[2] = {1, 3};
    verdict_check_bytes(&v, true, &one, a, a, 2);
    verdict_check_bytes(&v, false, &one, a, b, 2);
    verdict_unbound(&v, "member", "7");
    cr_assert_eq(t.count, 3);
    cr_assert(t.rows[0].state == VERDICT_HELD && t.rows[0].code == &one);
    cr_assert(t.rows[1].state == VERDICT_FAILED);
    cr_assert_str_eq(t.rows[1].found, "0102");
    cr_assert_str_eq(t.rows[1].wanted, "0103");
    cr_assert(t.rows[2].state == VERDICT_UNBOUND && !t.rows[2].code);
    for (size_t i = 0; i < 1000; i++) { verdict_unbound(&v, "member", "9"); }
    cr_assert_eq(t.count, VERDICT_ROWS_MAX);
}

Test(verdict, every_code_of_every_verifier_is_explained_once)
{
    const struct verdict_code *c, *other;
    size_t n = 0;
    for (; (c = explain_at(n)) != NULL; n++) {
        cr_assert(c->name && c->check && c->ref && c->field && c->means && c->todo, "code %zu", n);
        cr_expect(*c->name && *c->check && *c->field, "code %zu", n);
        cr_expect(strlen(c->means) > 10 && strlen(c->todo) > 10, "%s", c->name);
        cr_expect_eq(explain_find(c->name), c, "%s", c->name);
        for (size_t i = 0; (other = explain_at(i)) != c; i++) {
            cr_expect_str_neq(other->name, c->name);
        }
    }
    cr_assert_geq(n, 11);
    cr_assert_null(explain_find("no-such-code"));
}
