/* SPDX-License-Identifier: Apache-2.0 */
/* See value.h. Recursion here goes as deep as a value does, at most VALUE_DEPTH_MAX. */
#include "attest/policy/value.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct value value_null = {.kind = VALUE_NULL, .depth = 1, .weight = 1};
const struct value value_false = {.kind = VALUE_BOOL, .depth = 1, .weight = 1};
const struct value value_true = {.kind = VALUE_BOOL, .depth = 1, .weight = 1, .boolean = true};

const char *value_kind_name(const struct value *v)
{
    static const char *const names[] = {"",       "null",  "boolean", "number", "number",
                                        "string", "array", "object",  "set"};
    return names[v->kind];
}

/* ---- making ---------------------------------------------------------------------------------- */

bool values_add(struct arena *a, struct values *l, const struct value *v)
{
    if (!v) { return false; }
    if (l->count == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 8;
        const struct value **grown = arena_alloc(a, cap * sizeof(const struct value *));
        if (!grown) { return false; }
        if (l->count) { memcpy(grown, l->v, l->count * sizeof *grown); }
        l->v = grown;
        l->cap = cap;
    }
    l->v[l->count++] = v;
    return true;
}

static struct value *scalar(struct arena *a, enum value_kind kind)
{
    struct value *v = arena_alloc(a, sizeof *v);
    if (v) {
        v->kind = kind;
        v->depth = v->weight = 1;
    }
    return v;
}

const struct value *value_int(struct arena *a, int64_t i)
{
    struct value *v = scalar(a, VALUE_INT);
    if (v) { v->integer = i; }
    return v;
}

const struct value *value_real(struct arena *a, double d)
{
    if (d >= -0x1p63 && d < 0x1p63 && d == (double)(int64_t)d) { return value_int(a, (int64_t)d); }
    struct value *v = scalar(a, VALUE_REAL);
    if (v) { v->real = d; }
    return v;
}

const struct value *value_text(struct arena *a, const char *p, size_t len)
{
    struct value *v = scalar(a, VALUE_STRING);
    char *copy = v && len < UINT32_MAX ? arena_alloc(a, len + 1) : NULL;
    if (!copy) { return NULL; }
    if (len) { memcpy(copy, p, len); }
    v->text.p = copy;
    v->text.len = len;
    v->weight += (uint32_t)(len / 32);
    return v;
}

static void weigh(struct value *v, const struct value *inner)
{
    if (inner->depth + 1 > v->depth) { v->depth = inner->depth + 1; }
    v->weight = inner->weight > UINT32_MAX - v->weight ? UINT32_MAX : v->weight + inner->weight;
}

static const struct value *list_make(struct arena *a, enum value_kind kind, const struct values *l)
{
    struct value *v = scalar(a, kind);
    if (!v) { return NULL; }
    for (size_t i = 0; i < l->count; i++) { weigh(v, l->v[i]); }
    v->list.v = l->v;
    v->list.count = l->count;
    return v->depth > VALUE_DEPTH_MAX ? NULL : v;
}

const struct value *value_array(struct arena *a, const struct values *l)
{
    return list_make(a, VALUE_ARRAY, l);
}

static int by_value(const void *a, const void *b)
{
    return value_compare(*(const struct value *const *)a, *(const struct value *const *)b);
}

const struct value *value_set(struct arena *a, struct values *l)
{
    size_t kept = 0;
    if (l->count) { qsort(l->v, l->count, sizeof *l->v, by_value); }
    for (size_t i = 0; i < l->count; i++) {
        if (kept && value_equal(l->v[kept - 1], l->v[i])) { continue; }
        l->v[kept++] = l->v[i];
    }
    l->count = kept;
    return list_make(a, VALUE_SET, l);
}

static int by_key(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    return value_compare(x->key, y->key);
}

const struct value *value_object(struct arena *a, const struct values *l, bool *out_twice)
{
    struct value *v = scalar(a, VALUE_OBJECT);
    size_t n = l->count / 2, kept = 0;
    struct member *m = arena_alloc(a, n ? n * sizeof *m : 1);
    *out_twice = false;
    if (!v || !m) { return NULL; }
    for (size_t i = 0; i < n; i++) {
        m[i] = (struct member){.key = l->v[2 * i], .value = l->v[2 * i + 1]};
        weigh(v, m[i].key);
        weigh(v, m[i].value);
    }
    if (v->depth > VALUE_DEPTH_MAX) { return NULL; }
    if (n) { qsort(m, n, sizeof *m, by_key); }
    for (size_t i = 0; i < n; i++) {
        if (kept && value_equal(m[kept - 1].key, m[i].key)) {
            if (!value_equal(m[kept - 1].value, m[i].value)) {
                *out_twice = true;
                return NULL;
            }
            continue;
        }
        m[kept++] = m[i];
    }
    v->object.v = m;
    v->object.count = kept;
    return v;
}

static const struct value *object_from_json(struct arena *a, const json_t *j)
{
    struct values l = {0};
    const char *name;
    json_t *member;
    bool twice;
    json_object_foreach ((json_t *)j, name, member) {
        if (!values_add(a, &l, value_text(a, name, strlen(name))) ||
            !values_add(a, &l, value_from_json(a, member))) {
            return NULL;
        }
    }
    return value_object(a, &l, &twice);
}

const struct value *value_from_json(struct arena *a, const json_t *j)
{
    struct values l = {0};
    switch (json_typeof(j)) {
    case JSON_NULL: return &value_null;
    case JSON_TRUE: return &value_true;
    case JSON_FALSE: return &value_false;
    case JSON_INTEGER: return value_int(a, json_integer_value(j));
    case JSON_REAL: return isfinite(json_real_value(j)) ? value_real(a, json_real_value(j)) : NULL;
    case JSON_STRING: return value_text(a, json_string_value(j), json_string_length(j));
    case JSON_OBJECT: return object_from_json(a, j);
    case JSON_ARRAY:
        for (size_t i = 0; i < json_array_size(j); i++) {
            if (!values_add(a, &l, value_from_json(a, json_array_get(j, i)))) { return NULL; }
        }
        return value_array(a, &l);
    }
    return NULL;
}

/* ---- comparing and looking up ---------------------------------------------------------------- */

/* An integer and a double that is none (V1): equal they cannot be. */
static int compare_mixed(int64_t i, double d)
{
    if (d >= 0x1p63) { return -1; }
    if (d < -0x1p63) { return 1; }
    int64_t whole = (int64_t)d; /* towards zero */
    return i < whole || (i == whole && d > 0) ? -1 : 1;
}

static int compare_numbers(const struct value *a, const struct value *b)
{
    if (a->kind == VALUE_INT && b->kind == VALUE_INT) {
        return (a->integer > b->integer) - (a->integer < b->integer);
    }
    if (a->kind == VALUE_REAL && b->kind == VALUE_REAL) {
        return (a->real > b->real) - (a->real < b->real);
    }
    return a->kind == VALUE_INT ? compare_mixed(a->integer, b->real)
                                : -compare_mixed(b->integer, a->real);
}

static int compare_texts(const struct value *a, const struct value *b)
{
    size_t n = a->text.len < b->text.len ? a->text.len : b->text.len;
    int c = memcmp(a->text.p, b->text.p, n);
    return c ? c : (a->text.len > b->text.len) - (a->text.len < b->text.len);
}

static int compare_lists(const struct value *a, const struct value *b)
{
    for (size_t i = 0; i < a->list.count && i < b->list.count; i++) {
        int c = value_compare(a->list.v[i], b->list.v[i]);
        if (c) { return c; }
    }
    return (a->list.count > b->list.count) - (a->list.count < b->list.count);
}

static int compare_objects(const struct value *a, const struct value *b)
{
    for (size_t i = 0; i < a->object.count && i < b->object.count; i++) {
        int c = value_compare(a->object.v[i].key, b->object.v[i].key);
        if (c == 0) { c = value_compare(a->object.v[i].value, b->object.v[i].value); }
        if (c) { return c; }
    }
    return (a->object.count > b->object.count) - (a->object.count < b->object.count);
}

int value_compare(const struct value *a, const struct value *b)
{
    if (a == b) { return 0; }
    if (value_is_number(a) && value_is_number(b)) { return compare_numbers(a, b); }
    if (a->kind != b->kind) { return a->kind < b->kind ? -1 : 1; }
    switch (a->kind) {
    case VALUE_BOOL: return a->boolean - b->boolean;
    case VALUE_STRING: return compare_texts(a, b);
    case VALUE_ARRAY:
    case VALUE_SET: return compare_lists(a, b);
    case VALUE_OBJECT: return compare_objects(a, b);
    default: return 0;
    }
}

static const struct value *object_get(const struct value *o, const struct value *key)
{
    struct member wanted = {.key = key};
    const struct member *m = o->object.count ? bsearch(&wanted, o->object.v, o->object.count,
                                                       sizeof *o->object.v, by_key)
                                             : NULL;
    return m ? m->value : NULL;
}

static const struct value *set_get(const struct value *s, const struct value *key)
{
    const struct value *const *m =
        s->list.count ? bsearch(&key, s->list.v, s->list.count, sizeof *s->list.v, by_value) : NULL;
    return m ? *m : NULL;
}

const struct value *value_get(const struct value *a, const struct value *key)
{
    switch (a->kind) {
    case VALUE_OBJECT: return object_get(a, key);
    case VALUE_SET: return set_get(a, key);
    case VALUE_ARRAY:
        return key->kind == VALUE_INT && key->integer >= 0 && (uint64_t)key->integer < a->list.count
                   ? a->list.v[key->integer]
                   : NULL;
    default: return NULL;
    }
}

bool value_has(const struct value *a, const struct value *v)
{
    if (a->kind == VALUE_SET) { return set_get(a, v) != NULL; }
    size_t n = a->kind == VALUE_ARRAY || a->kind == VALUE_OBJECT ? value_count(a) : 0;
    for (size_t i = 0; i < n; i++) {
        const struct value *one = a->kind == VALUE_ARRAY ? a->list.v[i] : a->object.v[i].value;
        if (value_equal(one, v)) { return true; }
    }
    return false;
}

size_t value_count(const struct value *a)
{
    switch (a->kind) {
    case VALUE_ARRAY:
    case VALUE_SET: return a->list.count;
    case VALUE_OBJECT: return a->object.count;
    default: return 0;
    }
}

const struct value *value_at(struct arena *a, const struct value *v, size_t i,
                             const struct value **out_key)
{
    switch (v->kind) {
    case VALUE_SET: *out_key = v->list.v[i]; return v->list.v[i];
    case VALUE_ARRAY: *out_key = value_int(a, (int64_t)i); return v->list.v[i];
    default: *out_key = v->object.v[i].key; return v->object.v[i].value;
    }
}

/* ---- out again ------------------------------------------------------------------------------- */

static json_t *object_to_json(const struct value *v)
{
    auto_json o = json_object();
    for (size_t i = 0; o && i < v->object.count; i++) {
        const struct value *key = v->object.v[i].key;
        json_t *j = key->kind == VALUE_STRING ? value_to_json(v->object.v[i].value) : NULL;
        if (!j || json_object_set_new(o, key->text.p, j) < 0) { return NULL; }
    }
    return json_incref(o);
}

static json_t *list_to_json(const struct value *v)
{
    auto_json l = json_array();
    for (size_t i = 0; l && i < v->list.count; i++) {
        json_t *j = value_to_json(v->list.v[i]);
        if (!j || json_array_append_new(l, j) < 0) { return NULL; }
    }
    return json_incref(l);
}

json_t *value_to_json(const struct value *v)
{
    switch (v->kind) {
    case VALUE_NULL: return json_null();
    case VALUE_BOOL: return json_boolean(v->boolean);
    case VALUE_INT: return json_integer(v->integer);
    case VALUE_REAL: return json_real(v->real);
    case VALUE_STRING: return json_stringn(v->text.p, v->text.len);
    case VALUE_OBJECT: return object_to_json(v);
    case VALUE_ARRAY:
    case VALUE_SET: return list_to_json(v);
    }
    return NULL;
}

struct printer {
    char *out;
    size_t left; /* with the zero byte */
};

static void put(struct printer *p, const char *text, size_t len)
{
    size_t n = len < p->left - 1 ? len : p->left - 1;
    memcpy(p->out, text, n);
    p->out += n;
    p->left -= n;
    *p->out = '\0';
}

static void print_one(struct printer *p, const struct value *v)
{
    char number[40];
    size_t n = value_count(v);
    switch (v->kind) {
    case VALUE_NULL: put(p, "null", 4); return;
    case VALUE_BOOL: put(p, v->boolean ? "true" : "false", v->boolean ? 4 : 5); return;
    case VALUE_INT:
        put(p, number, (size_t)snprintf(number, sizeof number, "%" PRId64, v->integer));
        return;
    case VALUE_REAL:
        put(p, number, (size_t)snprintf(number, sizeof number, "%.17g", v->real));
        return;
    case VALUE_STRING:
        put(p, "\"", 1);
        put(p, v->text.p, v->text.len);
        put(p, "\"", 1);
        return;
    default: break;
    }
    put(p, v->kind == VALUE_ARRAY ? "[" : "{", 1);
    for (size_t i = 0; i < n && p->left > 1; i++) {
        if (i) { put(p, ", ", 2); }
        if (v->kind == VALUE_OBJECT) {
            print_one(p, v->object.v[i].key);
            put(p, ": ", 2);
            print_one(p, v->object.v[i].value);
        } else {
            print_one(p, v->list.v[i]);
        }
    }
    put(p, v->kind == VALUE_ARRAY ? "]" : "}", 1);
}

void value_print(const struct value *v, char *out, size_t size)
{
    struct printer p = {.out = out, .left = size};
    print_one(&p, v);
    if (p.left == 1 && size > 4) { memcpy(out + size - 4, "...", 4); }
    for (char *c = out; *c; c++) {
        if ((unsigned char)*c < ' ') { *c = '?'; } /* for one line of a log */
    }
}
