/* SPDX-License-Identifier: Apache-2.0 */
/* See members.h. */
#include "loader/image/members.h"

#include "loader/image/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Every value but the first of its list has a comma before it; counted on the text, before any tree
 * is built.
 */
static int check_count(const char *s, size_t len, struct err *e)
{
    size_t count = 1;
    bool in_string = false;

    for (size_t i = 0; i < len; i++) {
        if (in_string) {
            if (s[i] == '\\') {
                i++;
            } else if (s[i] == '"') {
                in_string = false;
            }
        } else if (s[i] == '"') {
            in_string = true;
        } else if (s[i] == ',' || s[i] == '{' || s[i] == '[') {
            count++;
        }
    }
    if (count > MEMBERS_COUNT_MAX) {
        return err_set(e, EBADMSG, "JSON: more than %d values", MEMBERS_COUNT_MAX);
    }
    return 0;
}

json_t *members_parse(const void *p, size_t len, struct err *e)
{
    json_t *j;

    if (len > IMAGE_JSON_MAX) {
        (void)!err_set(e, EFBIG, "JSON: %zu bytes, the ceiling is %u", len, IMAGE_JSON_MAX);
        return NULL;
    }
    if (check_count(p, len, e) < 0 || json_load_strict("JSON", p, len, IMAGE_JSON_MAX, &j, e) < 0) {
        return NULL;
    }
    if (!json_is_object(j)) {
        json_decref(j);
        (void)!err_set(e, EBADMSG, "JSON: not an object");
        return NULL;
    }
    return j;
}

static const char *type_name(json_type t)
{
    switch (t) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a text";
    case JSON_INTEGER: return "a whole number";
    default: return "of another type";
    }
}

/* *out = NULL when absent or null and not needed. */
static int member(const json_t *obj, const char *key, json_type want, bool needed, json_t **out,
                  struct err *e)
{
    json_t *m = json_object_get(obj, key);
    if (json_is_null(m)) { m = NULL; }
    if (!m && needed) { return err_set(e, EBADMSG, "member '%s' is missing", key); }
    if (m && json_typeof(m) != want) {
        return err_set(e, EBADMSG, "member '%s' is %s, not %s", key, type_name(json_typeof(m)),
                       type_name(want));
    }
    *out = m;
    return 0;
}

static int text_member(const json_t *obj, const char *key, bool needed, const char **out,
                       struct err *e)
{
    json_t *m;
    if (member(obj, key, JSON_STRING, needed, &m, e) < 0) { return -e->code; }
    *out = m ? json_string_value(m) : NULL;
    return 0;
}

int member_text_opt(const json_t *obj, const char *key, const char **out, struct err *e)
{
    return text_member(obj, key, false, out, e);
}
int member_text(const json_t *obj, const char *key, const char **out, struct err *e)
{
    return text_member(obj, key, true, out, e);
}
int member_object_opt(const json_t *obj, const char *key, json_t **out, struct err *e)
{
    return member(obj, key, JSON_OBJECT, false, out, e);
}
int member_object(const json_t *obj, const char *key, json_t **out, struct err *e)
{
    return member(obj, key, JSON_OBJECT, true, out, e);
}
int member_array_opt(const json_t *obj, const char *key, json_t **out, struct err *e)
{
    return member(obj, key, JSON_ARRAY, false, out, e);
}
int member_array(const json_t *obj, const char *key, json_t **out, struct err *e)
{
    return member(obj, key, JSON_ARRAY, true, out, e);
}

int member_size(const json_t *obj, const char *key, uint64_t *out, struct err *e)
{
    json_t *m;
    if (member(obj, key, JSON_INTEGER, true, &m, e) < 0) { return -e->code; }
    json_int_t v = json_integer_value(m);
    if (v < 0) { return err_set(e, EBADMSG, "member '%s' is negative", key); }
    *out = (uint64_t)v;
    return 0;
}

int member_texts_opt(const json_t *obj, const char *key, size_t max, const char ***out,
                     struct err *e)
{
    json_t *a;
    if (member_array_opt(obj, key, &a, e) < 0) { return -e->code; }
    size_t count = json_array_size(a);
    if (count > max) {
        return err_set(e, EBADMSG, "member '%s' has %zu elements, at most %zu", key, count, max);
    }
    for (size_t i = 0; i < count; i++) {
        if (!json_is_string(json_array_get(a, i))) {
            return err_set(e, EBADMSG, "member '%s'[%zu] is not a text", key, i);
        }
    }
    const char **list = calloc(count + 1, sizeof *list);
    if (!list) { return err_set(e, ENOMEM, "out of memory"); }
    for (size_t i = 0; i < count; i++) { list[i] = json_string_value(json_array_get(a, i)); }
    *out = list;
    return 0;
}

int members_only(const json_t *obj, const char *const *names, struct err *e)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)obj, key, value) {
        size_t i = 0;
        while (names[i] && strcmp(names[i], key) != 0) { i++; }
        if (!names[i]) { return err_set(e, EBADMSG, "member '%.60s' is unknown", key); }
    }
    return 0;
}
