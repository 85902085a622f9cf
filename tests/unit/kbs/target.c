/* SPDX-License-Identifier: Apache-2.0 */
/* What a policy is shown of a target. Who could get this wrong: whoever unescapes once too often. */
#include "attest/kbs/target.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void shows(json_t *take_found, const char *wanted)
{
    char *text = json_dumps(take_found, JSON_COMPACT | JSON_SORT_KEYS);
    cr_expect_str_eq(text, wanted);
    free(text);
    json_decref(take_found);
}

static struct view view_of(const char *text)
{
    return (struct view){.p = (const uint8_t *)text, .len = strlen(text)};
}

Test(target, paths_are_split_and_nothing_else)
{
    shows(target_path(view_of("a/b/c")), "[\"a\",\"b\",\"c\"]");
    shows(target_path(view_of("a//c/")), "[\"a\",\"\",\"c\",\"\"]");
    shows(target_path(view_of("a%2Fb/..")), "[\"a%2Fb\",\"..\"]");
    shows(target_path((struct view){0}), "[\"\"]");
}

Test(target, queries_are_read_as_forms_write_them)
{
    static const struct {
        const char *target, *wanted;
    } cases[] = {
        {"/a", "{}"},
        {"/a?", "{}"},
        {"/a?x=y", "{\"x\":\"y\"}"},
        {"/a?x=n&x=y", "{\"x\":\"y\"}"},
        {"/a?%78=%79&z", "{\"x\":\"y\",\"z\":\"\"}"},
        {"/a?a+b=c+d", "{\"a b\":\"c d\"}"},
        {"/a?x=%2531", "{\"x\":\"%31\"}"}, /* once */
        {"/a?x=%zz&%=%4", "{\"%\":\"%4\",\"x\":\"%zz\"}"},
        {"/a?x=1#&x=2", "{\"x\":\"1\"}"},
        {"/a#?x=1", "{}"},
        {"/a?&&=v&", "{\"\":\"v\"}"},
        {"/a?x=%ff&y=%c3%a9", "{\"y\":\"\u00e9\"}"},
        {"/a?x==", "{\"x\":\"=\"}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *wanted = json_loads(cases[i].wanted, 0, NULL);
        json_t *found = target_query(view_of(cases[i].target));
        cr_assert_not_null(wanted);
        cr_expect(json_equal(found, wanted), "%s", cases[i].target);
        json_decref(wanted);
        json_decref(found);
    }
}
