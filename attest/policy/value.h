/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of the policy language: JSON's, and sets. They are immutable, live in an arena and are
 * compared by content; NULL stands for "undefined" everywhere.
 *
 *   V1  A number is an integer of 64 bits where it can be, else a finite double: so equal numbers
 *       have one form.
 *   V2  Sets and objects are sorted by value_compare() and hold nothing twice: so equal values have
 *       one form, and order never depends on where they came from.
 *   V3  depth and weight are known when a value is made: nothing nests deeper than VALUE_DEPTH_MAX,
 *       and what it costs to walk a value can be charged before walking.
 */
#ifndef CASEMATE_ATTEST_POLICY_VALUE_H
#define CASEMATE_ATTEST_POLICY_VALUE_H

#include "attest/json.h"
#include "attest/policy/arena.h"
#include "guest/base/cur.h"

#include <string.h>

#define VALUE_DEPTH_MAX 128u

/*
 * In the order of the language: null < false < true < numbers < strings < arrays < objects < sets.
 */
enum value_kind {
    VALUE_NULL = 1,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_REAL,
    VALUE_STRING,
    VALUE_ARRAY,
    VALUE_OBJECT,
    VALUE_SET,
};

struct value {
    enum value_kind kind;
    uint32_t depth; /* 1 for scalars */
    uint32_t
        weight; /* values inside and itself, and one for each 32 bytes of text; stops at 2^32-1 */
    union {
        bool boolean;
        int64_t integer;
        double real;
        struct {
            const char *p; /* UTF-8, with a zero byte behind it */
            size_t len;
        } text;
        struct {
            const struct value *const *v;
            size_t count;
        } list; /* array and set */
        struct {
            const struct member *v;
            size_t count;
        } object;
    };
};
struct member {
    const struct value *key, *value;
};

/* A list that grows in an arena. */
struct values {
    const struct value **v;
    size_t count, cap;
};
MUST_CHECK bool values_add(struct arena *a, struct values *l, const struct value *v);

extern const struct value value_null, value_false, value_true;
static inline const struct value *value_bool(bool b) { return b ? &value_true : &value_false; }

/*
 * All of these return NULL when the arena is full or, the compound ones, when the depth is. What is
 * passed in is borrowed for as long as the result lives, but text is copied.
 */
const struct value *value_int(struct arena *a, int64_t i);
const struct value *value_real(struct arena *a, double d); /* finite; V1 */
const struct value *value_text(struct arena *a, const char *p, size_t len);
const struct value *value_array(struct arena *a, const struct values *l);
/* l is sorted in place. */
const struct value *value_set(struct arena *a, struct values *l);
/*
 * l: key, value, key, value ... *out_twice: the same key came with two values, and the result is
 * NULL.
 */
const struct value *value_object(struct arena *a, const struct values *l, bool *out_twice);
const struct value *value_from_json(struct arena *a, const json_t *j);

/* New reference; NULL when a key is no text or there is no memory. A set becomes an array. */
json_t *value_to_json(const struct value *v);
/* As JSON in at most size bytes, cut with "..." at the end; for people. */
void value_print(const struct value *v, char *out, size_t size);

/* < 0, 0, > 0. Neither is NULL. */
int value_compare(const struct value *a, const struct value *b);
static inline bool value_equal(const struct value *a, const struct value *b)
{
    return value_compare(a, b) == 0;
}

/*
 * a[key]: by index, by key, or the member itself of a set. NULL = undefined, for every other a
 * too.
 */
const struct value *value_get(const struct value *a, const struct value *key);
/* Is v an element (a value of an object)? False for everything that has no elements. */
bool value_has(const struct value *a, const struct value *v);
/* Elements, and number i with its key, of an array, object or set. */
size_t value_count(const struct value *a);
const struct value *value_at(struct arena *a, const struct value *v, size_t i,
                             const struct value **out_key);

static inline bool value_is_number(const struct value *v)
{
    return v->kind == VALUE_INT || v->kind == VALUE_REAL;
}
static inline bool value_is_text(const struct value *v, const char *text, size_t len)
{
    return v->kind == VALUE_STRING && v->text.len == len && memcmp(v->text.p, text, len) == 0;
}
const char *value_kind_name(const struct value *v);

#endif
