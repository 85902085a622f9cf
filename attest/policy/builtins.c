/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of the policy language. Each gets defined values of any type; a wrong type ends the
 * evaluation with an error, it is never "undefined" (rego.h).
 */
#include "attest/policy/builtins.h"

#include "attest/base64.h"
#include "attest/policy/regex.h"
#include "attest/policy/time.h"
#include "guest/base/hosted.h"
#include "guest/base/ovf.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef const struct value *const *args_t;

#define WANT(v, cond, name, wanted, found)                                                         \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            return eval_fail((v), EINVAL, "%s: found a value of type %s, wanted %s", (name),       \
                             value_kind_name(found), (wanted));                                    \
        }                                                                                          \
    } while (0)

static const struct value *made_text(struct eval *v, const char *p, size_t len)
{
    return eval_made(v, value_text(&v->arena, p, len));
}

static bool is_text(const struct value *v) { return v->kind == VALUE_STRING; }
static bool is_list(const struct value *v)
{
    return v->kind == VALUE_ARRAY || v->kind == VALUE_SET;
}

/* ---- arithmetic ------------------------------------------------------------------------------ */

static const struct value *integers(struct eval *v, char op, int64_t a, int64_t b)
{
    int64_t r = 0;
    bool ok = true;
    if ((op == '/' || op == '%') && b == 0) { return eval_fail(v, EINVAL, "division by zero"); }
    switch (op) {
    case '+': ok = add_i64_ok(a, b, &r); break;
    case '-': ok = sub_i64_ok(a, b, &r); break;
    case '*': ok = mul_i64_ok(a, b, &r); break;
    case '%': r = b == -1 ? 0 : a % b; break;
    default:
        if (a == INT64_MIN && b == -1) { return eval_fail(v, EINVAL, "a number beyond 64 bits"); }
        if (a % b) { return eval_made(v, value_real(&v->arena, (double)a / (double)b)); }
        r = a / b;
    }
    return ok ? eval_made(v, value_int(&v->arena, r))
              : eval_fail(v, EINVAL, "a number beyond 64 bits");
}

static double as_real(const struct value *v)
{
    return v->kind == VALUE_INT ? (double)v->integer : v->real;
}

static const struct value *reals(struct eval *v, char op, double a, double b)
{
    double r = op == '+' ? a + b : op == '-' ? a - b : op == '*' ? a * b : 0;
    if (op == '%') { return eval_fail(v, EINVAL, "%% of a number that is not whole"); }
    if (op == '/') {
        if (b == 0) { return eval_fail(v, EINVAL, "division by zero"); }
        r = a / b;
    }
    return isfinite(r) ? eval_made(v, value_real(&v->arena, r))
                       : eval_fail(v, EINVAL, "a number without bounds");
}

static const struct value *sets(struct eval *v, char op, const struct value *a,
                                const struct value *b)
{
    struct values l = {0};
    for (size_t i = 0; i < a->list.count; i++) {
        bool both = op != '|' && value_has(b, a->list.v[i]);
        if (op == '|' || (op == '&') == both) {
            if (!values_add(&v->arena, &l, a->list.v[i])) { return eval_made(v, NULL); }
        }
    }
    for (size_t i = 0; op == '|' && i < b->list.count; i++) {
        if (!values_add(&v->arena, &l, b->list.v[i])) { return eval_made(v, NULL); }
    }
    return eval_made(v, value_set(&v->arena, &l));
}

const struct value *builtin_arithmetic(struct eval *v, char op, const struct value *a,
                                       const struct value *b)
{
    bool of_sets = a->kind == VALUE_SET && b->kind == VALUE_SET && strchr("-&|", op);
    if (of_sets) { return sets(v, op, a, b); }
    if (!value_is_number(a) || !value_is_number(b) || op == '&' || op == '|') {
        return eval_fail(v, EINVAL, "%s %c %s has no meaning", value_kind_name(a), op,
                         value_kind_name(b));
    }
    return a->kind == VALUE_INT && b->kind == VALUE_INT ? integers(v, op, a->integer, b->integer)
                                                        : reals(v, op, as_real(a), as_real(b));
}

/* ---- lists ----------------------------------------------------------------------------------- */

/* Characters of UTF-8. */
static size_t characters(const struct value *text)
{
    size_t n = 0;
    for (size_t i = 0; i < text->text.len; i++) { n += (text->text.p[i] & 0xc0) != 0x80; }
    return n;
}

static const struct value *count(struct eval *v, args_t a)
{
    WANT(v, a[0]->kind >= VALUE_STRING, "count", "a string, array, object or set", a[0]);
    size_t n = is_text(a[0]) ? characters(a[0]) : value_count(a[0]);
    return eval_made(v, value_int(&v->arena, (int64_t)n));
}

static const struct value *sum(struct eval *v, args_t a)
{
    WANT(v, is_list(a[0]), "sum", "an array or set", a[0]);
    const struct value *total = eval_made(v, value_int(&v->arena, 0));
    for (size_t i = 0; total && i < a[0]->list.count; i++) {
        total = builtin_arithmetic(v, '+', total, a[0]->list.v[i]);
    }
    return total;
}

/* Of nothing: undefined. */
static const struct value *extreme(struct eval *v, args_t a, const char *name, int sign)
{
    WANT(v, is_list(a[0]), name, "an array or set", a[0]);
    const struct value *best = NULL;
    for (size_t i = 0; i < a[0]->list.count; i++) {
        const struct value *one = a[0]->list.v[i];
        if (!best || sign * value_compare(one, best) > 0) { best = one; }
    }
    return best;
}
static const struct value *min(struct eval *v, args_t a) { return extreme(v, a, "min", -1); }
static const struct value *max(struct eval *v, args_t a) { return extreme(v, a, "max", 1); }

static const struct value *array_concat(struct eval *v, args_t a)
{
    struct values l = {0};
    for (size_t k = 0; k < 2; k++) {
        WANT(v, a[k]->kind == VALUE_ARRAY, "array.concat", "an array", a[k]);
        for (size_t i = 0; i < a[k]->list.count; i++) {
            if (!values_add(&v->arena, &l, a[k]->list.v[i])) { return eval_made(v, NULL); }
        }
    }
    return eval_made(v, value_array(&v->arena, &l));
}

/* ---- objects --------------------------------------------------------------------------------- */

/* The key may be an array: a path of keys. */
static const struct value *object_get(struct eval *v, args_t a)
{
    WANT(v, a[0]->kind == VALUE_OBJECT, "object.get", "an object", a[0]);
    const struct value *at = a[0];
    if (a[1]->kind != VALUE_ARRAY) {
        at = value_get(at, a[1]);
        return at ? at : a[2];
    }
    for (size_t i = 0; at && i < a[1]->list.count; i++) { at = value_get(at, a[1]->list.v[i]); }
    return at ? at : a[2];
}

static const struct value *object_keys(struct eval *v, args_t a)
{
    struct values l = {0};
    WANT(v, a[0]->kind == VALUE_OBJECT, "object.keys", "an object", a[0]);
    for (size_t i = 0; i < a[0]->object.count; i++) {
        if (!values_add(&v->arena, &l, a[0]->object.v[i].key)) { return eval_made(v, NULL); }
    }
    return eval_made(v, value_set(&v->arena, &l));
}

/* Members of both; what b says counts, and objects inside objects are joined the same way. */
static const struct value *joined(struct eval *v, const struct value *a, const struct value *b)
{
    struct values l = {0};
    bool twice, ok = true;
    for (size_t i = 0; ok && i < a->object.count; i++) {
        const struct member *m = &a->object.v[i];
        const struct value *other = value_get(b, m->key), *one = other ? other : m->value;
        if (other && other->kind == VALUE_OBJECT && m->value->kind == VALUE_OBJECT) {
            one = joined(v, m->value, other);
        }
        ok = values_add(&v->arena, &l, m->key) && values_add(&v->arena, &l, one);
    }
    for (size_t i = 0; ok && i < b->object.count; i++) {
        const struct member *m = &b->object.v[i];
        if (value_get(a, m->key)) { continue; }
        ok = values_add(&v->arena, &l, m->key) && values_add(&v->arena, &l, m->value);
    }
    return ok ? eval_made(v, value_object(&v->arena, &l, &twice)) : eval_made(v, NULL);
}

static const struct value *object_union(struct eval *v, args_t a)
{
    WANT(v, a[0]->kind == VALUE_OBJECT, "object.union", "an object", a[0]);
    WANT(v, a[1]->kind == VALUE_OBJECT, "object.union", "an object", a[1]);
    return joined(v, a[0], a[1]);
}

static const struct value *object_union_n(struct eval *v, args_t a)
{
    struct values none = {0};
    bool twice;
    WANT(v, a[0]->kind == VALUE_ARRAY, "object.union_n", "an array of objects", a[0]);
    const struct value *all = eval_made(v, value_object(&v->arena, &none, &twice));
    for (size_t i = 0; all && i < a[0]->list.count; i++) {
        const struct value *one = a[0]->list.v[i];
        WANT(v, one->kind == VALUE_OBJECT, "object.union_n", "an array of objects", one);
        if (!eval_charge(v, (uint64_t)all->weight + one->weight)) { return NULL; }
        all = joined(v, all, one);
    }
    return all;
}

/* Does super hold all of sub? Objects member by member, and objects inside them likewise. */
static bool holds(const struct value *super, const struct value *sub)
{
    if (super->kind == VALUE_OBJECT && sub->kind == VALUE_OBJECT) {
        for (size_t i = 0; i < sub->object.count; i++) {
            const struct value *there = value_get(super, sub->object.v[i].key);
            if (!there || !holds(there, sub->object.v[i].value)) { return false; }
        }
        return true;
    }
    return value_equal(super, sub);
}

/* object.subset(super, sub), of two objects or two sets */
static const struct value *object_subset(struct eval *v, args_t a)
{
    bool objects = a[0]->kind == VALUE_OBJECT && a[1]->kind == VALUE_OBJECT;
    bool both_sets = a[0]->kind == VALUE_SET && a[1]->kind == VALUE_SET;
    WANT(v, objects || both_sets, "object.subset", "two objects or two sets", a[1]);
    if (objects) { return value_bool(holds(a[0], a[1])); }
    for (size_t i = 0; i < a[1]->list.count; i++) {
        if (!value_has(a[0], a[1]->list.v[i])) { return &value_false; }
    }
    return &value_true;
}

/* ---- strings --------------------------------------------------------------------------------- */

static bool both_texts(args_t a) { return is_text(a[0]) && is_text(a[1]); }

static bool starts(const struct value *s, const struct value *with)
{
    return s->text.len >= with->text.len && memcmp(s->text.p, with->text.p, with->text.len) == 0;
}
static bool ends(const struct value *s, const struct value *with)
{
    return s->text.len >= with->text.len &&
           memcmp(s->text.p + s->text.len - with->text.len, with->text.p, with->text.len) == 0;
}

static const struct value *startswith(struct eval *v, args_t a)
{
    WANT(v, both_texts(a), "startswith", "two strings", is_text(a[0]) ? a[1] : a[0]);
    return value_bool(starts(a[0], a[1]));
}
static const struct value *endswith(struct eval *v, args_t a)
{
    WANT(v, both_texts(a), "endswith", "two strings", is_text(a[0]) ? a[1] : a[0]);
    return value_bool(ends(a[0], a[1]));
}
static const struct value *contains(struct eval *v, args_t a)
{
    WANT(v, both_texts(a), "contains", "two strings", is_text(a[0]) ? a[1] : a[0]);
    return value_bool(memmem(a[0]->text.p, a[0]->text.len, a[1]->text.p, a[1]->text.len) != NULL);
}
static const struct value *trim_prefix(struct eval *v, args_t a)
{
    WANT(v, both_texts(a), "trim_prefix", "two strings", is_text(a[0]) ? a[1] : a[0]);
    size_t n = starts(a[0], a[1]) ? a[1]->text.len : 0;
    return made_text(v, a[0]->text.p + n, a[0]->text.len - n);
}
static const struct value *trim_suffix(struct eval *v, args_t a)
{
    WANT(v, both_texts(a), "trim_suffix", "two strings", is_text(a[0]) ? a[1] : a[0]);
    size_t n = ends(a[0], a[1]) ? a[1]->text.len : 0;
    return made_text(v, a[0]->text.p, a[0]->text.len - n);
}

/* ASCII letters; others stay as they are. */
static const struct value *cased(struct eval *v, args_t a, const char *name, char first, char last)
{
    WANT(v, is_text(a[0]), name, "a string", a[0]);
    auto_free char *copy = malloc(a[0]->text.len + 1);
    if (!copy) { return eval_fail(v, ENOMEM, "out of memory"); }
    for (size_t i = 0; i < a[0]->text.len; i++) {
        char c = a[0]->text.p[i];
        copy[i] = c >= first && c <= last ? (char)(c ^ 0x20) : c;
    }
    return made_text(v, copy, a[0]->text.len);
}
static const struct value *lower(struct eval *v, args_t a)
{
    return cased(v, a, "lower", 'A', 'Z');
}
static const struct value *upper(struct eval *v, args_t a)
{
    return cased(v, a, "upper", 'a', 'z');
}

static const struct value *split(struct eval *v, args_t a)
{
    struct values l = {0};
    WANT(v, both_texts(a), "split", "two strings", is_text(a[0]) ? a[1] : a[0]);
    const char *p = a[0]->text.p, *end = p + a[0]->text.len;
    size_t n = a[1]->text.len;
    if (n == 0) { return eval_fail(v, EINVAL, "split: an empty delimiter is not supported"); }
    for (;;) {
        const char *at = memmem(p, (size_t)(end - p), a[1]->text.p, n);
        const char *stop = at ? at : end;
        if (!values_add(&v->arena, &l, value_text(&v->arena, p, (size_t)(stop - p)))) {
            return eval_made(v, NULL);
        }
        if (!at) { return eval_made(v, value_array(&v->arena, &l)); }
        p = at + n;
    }
}

/* A text that grows, up to what an evaluation may hold. */
struct text {
    char *p; /* malloc */
    size_t len, cap;
};
static bool text_add(struct text *t, const char *p, size_t len)
{
    if (len > REGO_MEMORY_MAX - t->len) { return false; }
    if (t->len + len > t->cap) {
        size_t cap = 2 * (t->len + len) + 64;
        char *grown = realloc(t->p, cap);
        if (!grown) { return false; }
        t->p = grown;
        t->cap = cap;
    }
    if (len) { memcpy(t->p + t->len, p, len); }
    t->len += len;
    return true;
}
static const struct value *text_done(struct eval *v, struct text *t, bool ok)
{
    const struct value *r = ok ? made_text(v, t->p ? t->p : "", t->len) : eval_made(v, NULL);
    free(t->p);
    return r;
}

/* concat(delimiter, list) */
static const struct value *concat(struct eval *v, args_t a)
{
    struct text t = {0};
    bool ok = true;
    WANT(v, is_text(a[0]), "concat", "a string", a[0]);
    WANT(v, is_list(a[1]), "concat", "an array or set of strings", a[1]);
    for (size_t i = 0; i < a[1]->list.count; i++) {
        WANT(v, is_text(a[1]->list.v[i]), "concat", "an array or set of strings", a[1]->list.v[i]);
    }
    for (size_t i = 0; ok && i < a[1]->list.count; i++) {
        const struct value *one = a[1]->list.v[i];
        ok = (i == 0 || text_add(&t, a[0]->text.p, a[0]->text.len)) &&
             text_add(&t, one->text.p, one->text.len);
    }
    return text_done(v, &t, ok);
}

/* %v %s %d; one value for each. A string as it is, everything else as value_print() has it. */
static bool format_one(struct text *t, const struct value *one)
{
    char shown[4096];
    if (is_text(one)) { return text_add(t, one->text.p, one->text.len); }
    value_print(one, shown, sizeof shown);
    return text_add(t, shown, strlen(shown));
}

static const struct value *format_verbs(struct eval *v, args_t a, struct text *t)
{
    const char *p = a[0]->text.p, *end = p + a[0]->text.len;
    size_t used = 0;
    bool ok = true;
    while (ok && p < end) {
        const char *at = memchr(p, '%', (size_t)(end - p));
        ok = text_add(t, p, (size_t)((at ? at : end) - p));
        if (!at) { break; }
        char verb = at + 1 < end ? at[1] : '\0';
        p = at + 2;
        if (verb == '%') {
            ok = ok && text_add(t, "%", 1);
            continue;
        }
        if (verb != 'v' && verb != 's' && verb != 'd') {
            return eval_fail(v, EINVAL, "sprintf: wanted %%v, %%s or %%d");
        }
        if (used == a[1]->list.count) { return eval_fail(v, EINVAL, "sprintf: too few values"); }
        const struct value *one = a[1]->list.v[used++];
        if (verb == 'd') { WANT(v, one->kind == VALUE_INT, "sprintf %d", "a whole number", one); }
        ok = ok && format_one(t, one);
    }
    if (used != a[1]->list.count) { return eval_fail(v, EINVAL, "sprintf: too many values"); }
    return ok ? &value_true : eval_made(v, NULL);
}

static const struct value *format(struct eval *v, args_t a)
{
    struct text t = {0};
    WANT(v, is_text(a[0]), "sprintf", "a string", a[0]);
    WANT(v, a[1]->kind == VALUE_ARRAY, "sprintf", "an array", a[1]);
    bool ok = format_verbs(v, a, &t) != NULL;
    return text_done(v, &t, ok);
}

static const struct value *regex(struct eval *v, args_t a)
{
    WANT(v, both_texts(a), "regex.match", "two strings", is_text(a[0]) ? a[1] : a[0]);
    auto_arena scratch = {.max = REGEX_MEMORY_MAX};
    struct regex *re;
    struct err e = {0};
    bool found = false;
    int rc = regex_compile(&scratch, a[0]->text.p, a[0]->text.len, &re, &e);
    if (rc < 0) { return eval_fail(v, -rc, "%s", e.text); }
    if (!eval_charge(v, 64 + regex_work(re) + regex_cost(re, a[1]->text.len) / 4)) { return NULL; }
    rc = regex_match(&scratch, re, a[1]->text.p, a[1]->text.len, &found);
    return rc < 0 ? eval_fail(v, -rc, "regex.match: out of memory") : value_bool(found);
}

/* ---- encodings, time ------------------------------------------------------------------------- */

static const struct value *base64_encoded(struct eval *v, args_t a)
{
    WANT(v, is_text(a[0]), "base64.encode", "a string", a[0]);
    auto_free char *out = malloc(b64_len(a[0]->text.len) + 1);
    if (!out) { return eval_fail(v, ENOMEM, "out of memory"); }
    b64_encode(a[0]->text.p, a[0]->text.len, out);
    return made_text(v, out, strlen(out));
}

/* Bytes that are no UTF-8, or hold a zero, cannot be a string here. */
static const struct value *base64_decoded(struct eval *v, args_t a)
{
    WANT(v, is_text(a[0]), "base64.decode", "a string", a[0]);
    size_t cap = b64_decoded_max(a[0]->text.len), n;
    auto_free uint8_t *out = malloc(cap + 1);
    if (!out) { return eval_fail(v, ENOMEM, "out of memory"); }
    if (b64_decode(a[0]->text.p, a[0]->text.len, out, cap, &n) < 0) {
        return eval_fail(v, EINVAL, "base64.decode: not base64");
    }
    auto_json text = json_stringn((const char *)out, n); /* looks at the UTF-8 */
    if (!text || memchr(out, 0, n)) {
        return eval_fail(v, EINVAL, "base64.decode: the bytes are no text");
    }
    return made_text(v, (const char *)out, n);
}

/* A byte is a step: two of them can be a value of their own, twice, here and in the reader. */
static const struct value *json_unmarshalled(struct eval *v, args_t a)
{
    auto_json doc = NULL;
    WANT(v, is_text(a[0]), "json.unmarshal", "a string", a[0]);
    if (!eval_charge(v, a[0]->text.len)) { return NULL; }
    auto_free char *wrapped = malloc(a[0]->text.len + 3); /* scalars too, under the strict reader */
    struct err e = {0};
    if (!wrapped) { return eval_fail(v, ENOMEM, "out of memory"); }
    wrapped[0] = '[';
    memcpy(wrapped + 1, a[0]->text.p, a[0]->text.len);
    wrapped[a[0]->text.len + 1] = ']';
    int rc =
        json_load_strict("json.unmarshal", wrapped, a[0]->text.len + 2, REGO_MEMORY_MAX, &doc, &e);
    if (rc < 0 || json_array_size(doc) != 1) {
        return eval_fail(v, EINVAL, "json.unmarshal: not JSON, or with a name twice");
    }
    return eval_made(v, value_from_json(&v->arena, json_array_get(doc, 0)));
}

static const struct value *now_ns(struct eval *v, args_t a)
{
    (void)a;
    return eval_made(v, value_int(&v->arena, v->rq->now_ns));
}

static const struct value *parse_rfc3339(struct eval *v, args_t a)
{
    int64_t ns;
    WANT(v, is_text(a[0]), "time.parse_rfc3339_ns", "a string", a[0]);
    if (!time_parse_ns(a[0]->text.p, a[0]->text.len, &ns)) {
        return eval_fail(v, EINVAL, "time.parse_rfc3339_ns: not a time as RFC 3339 writes it");
    }
    return eval_made(v, value_int(&v->arena, ns));
}

/* ---- types, reference values, walk ----------------------------------------------------------- */

static const struct value *is_null(struct eval *v, args_t a)
{
    (void)v;
    return value_bool(a[0]->kind == VALUE_NULL);
}
static const struct value *is_boolean(struct eval *v, args_t a)
{
    (void)v;
    return value_bool(a[0]->kind == VALUE_BOOL);
}
static const struct value *is_number(struct eval *v, args_t a)
{
    (void)v;
    return value_bool(value_is_number(a[0]));
}
static const struct value *is_string(struct eval *v, args_t a)
{
    (void)v;
    return value_bool(is_text(a[0]));
}
static const struct value *is_array(struct eval *v, args_t a)
{
    (void)v;
    return value_bool(a[0]->kind == VALUE_ARRAY);
}
static const struct value *is_object(struct eval *v, args_t a)
{
    (void)v;
    return value_bool(a[0]->kind == VALUE_OBJECT);
}
static const struct value *is_set(struct eval *v, args_t a)
{
    (void)v;
    return value_bool(a[0]->kind == VALUE_SET);
}

/* Asked of the store once for each name. */
#define REFERENCE_COST 1000
static const struct value *reference_value(struct eval *v, args_t a)
{
    WANT(v, is_text(a[0]), "query_reference_value", "a string", a[0]);
    for (size_t i = 0; i < v->asked.count; i += 2) {
        if (value_equal(v->asked.v[i], a[0])) { return v->asked.v[i + 1]; }
    }
    if (!eval_charge(v, REFERENCE_COST)) { return NULL; }
    auto_json found = v->rq->reference ? v->rq->reference(v->rq->ctx, a[0]->text.p) : NULL;
    const struct value *value = found ? value_from_json(&v->arena, found) : &value_null;
    bool ok = values_add(&v->arena, &v->asked, a[0]) && values_add(&v->arena, &v->asked, value);
    return eval_made(v, ok ? value : NULL);
}

/* [path, value] of everything inside, itself first. path: an array of keys. */
static bool walk_into(struct eval *v, const struct value *at, const struct values *path,
                      struct values *out)
{
    struct values copy = {0}, pair = {0}, longer = {0};
    bool ok = eval_charge(v, 1 + path->count);
    for (size_t i = 0; ok && i < path->count; i++) {
        ok = values_add(&v->arena, &copy, path->v[i]) && values_add(&v->arena, &longer, path->v[i]);
    }
    ok = ok && values_add(&v->arena, &pair, value_array(&v->arena, &copy)) &&
         values_add(&v->arena, &pair, at) &&
         values_add(&v->arena, out, value_array(&v->arena, &pair));
    for (size_t i = 0; ok && i < value_count(at); i++) {
        const struct value *key, *inner = value_at(&v->arena, at, i, &key);
        longer.count = path->count;
        ok = values_add(&v->arena, &longer, key) && walk_into(v, inner, &longer, out);
    }
    return ok;
}

static const struct value *walk(struct eval *v, args_t a)
{
    struct values out = {0}, path = {0};
    return walk_into(v, a[0], &path, &out) ? eval_made(v, value_array(&v->arena, &out))
                                           : eval_made(v, NULL);
}

const struct builtin *builtin_of(struct view name)
{
    static const struct builtin all[] = {
        {"count", 1, false, count},
        {"sum", 1, false, sum},
        {"min", 1, false, min},
        {"max", 1, false, max},
        {"array.concat", 2, false, array_concat},
        {"object.get", 3, false, object_get},
        {"object.keys", 1, false, object_keys},
        {"object.union", 2, false, object_union},
        {"object.union_n", 1, false, object_union_n},
        {"object.subset", 2, false, object_subset},
        {"startswith", 2, false, startswith},
        {"endswith", 2, false, endswith},
        {"contains", 2, false, contains},
        {"lower", 1, false, lower},
        {"upper", 1, false, upper},
        {"trim_prefix", 2, false, trim_prefix},
        {"trim_suffix", 2, false, trim_suffix},
        {"split", 2, false, split},
        {"concat", 2, false, concat},
        {"sprintf", 2, false, format},
        {"regex.match", 2, false, regex},
        {"base64.encode", 1, false, base64_encoded},
        {"base64.decode", 1, false, base64_decoded},
        {"json.unmarshal", 1, false, json_unmarshalled},
        {"time.now_ns", 0, false, now_ns},
        {"time.parse_rfc3339_ns", 1, false, parse_rfc3339},
        {"is_null", 1, false, is_null},
        {"is_boolean", 1, false, is_boolean},
        {"is_number", 1, false, is_number},
        {"is_string", 1, false, is_string},
        {"is_array", 1, false, is_array},
        {"is_object", 1, false, is_object},
        {"is_set", 1, false, is_set},
        {"query_reference_value", 1, false, reference_value},
        {"walk", 1, true, walk},
    };
    for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
        if (name.len == strlen(all[i].name) && memcmp(name.p, all[i].name, name.len) == 0) {
            return &all[i];
        }
    }
    return NULL;
}
