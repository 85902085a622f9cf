/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evaluation of a checked policy (ast.h).
 *
 *   E1  NULL is "undefined" as long as v->rc is 0; after that it means nothing, and everything
 *       returns it. So whoever turns "undefined" into something (not, default, else,
 *       comprehensions, every) looks at v->rc first.
 *   E2  every step, and the weight of whatever is compared or walked, is charged before it is done;
 *       all values are in one arena. So an evaluation ends.
 *   E3  depth counts what recurses: rules in rules, terms in terms, iteration in iteration
 *   E4  a rule's value is found once and remembered; it cannot change, since nothing does
 */
#include "attest/policy/ast.h"
#include "attest/policy/builtins.h"
#include "attest/policy/trace.h"

#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

#define DEPTH_MAX 400u

struct rego_policy {
    struct arena arena;
    struct module m;
    bool ours; /* package policy */
};

static bool enter(struct eval *v)
{
    if (v->depth >= DEPTH_MAX) { (void)eval_fail(v, EINVAL, "nested deeper than %u", DEPTH_MAX); }
    if (v->rc < 0) { return false; }
    v->depth++;
    return true;
}

/* ---- terms ----------------------------------------------------------------------------------- */

/* What is done with each way a body can hold; true = no more. */
struct sink {
    bool (*take)(struct eval *v, const struct value **slots, void *ctx);
    void *ctx;
};
static bool body_run(struct eval *v, const struct value **slots, const struct body *b, size_t i,
                     const struct sink *sink);
static const struct value *term(struct eval *v, const struct value **slots, const struct node *n);
static const struct value *rule_value(struct eval *v, const struct rule *r);
static const struct value *function_value(struct eval *v, const struct rule *r,
                                          const struct value *const *args);

static uint64_t smaller_weight(const struct value *a, const struct value *b)
{
    return a->weight < b->weight ? a->weight : b->weight;
}

static const struct value *reference(struct eval *v, const struct value **slots,
                                     const struct node *n)
{
    const struct value *base = term(v, slots, n->items[0]);
    const struct value *key = base ? term(v, slots, n->items[1]) : NULL;
    if (!key || !eval_charge(v, 1 + 20ull * (key->weight - 1))) { return NULL; }
    return value_get(base, key);
}

static const struct value *comparison(struct eval *v, enum op op, const struct value *a,
                                      const struct value *b)
{
    if (!eval_charge(v, smaller_weight(a, b))) { return NULL; }
    int c = value_compare(a, b);
    switch (op) {
    case OP_EQ: return value_bool(c == 0);
    case OP_NE: return value_bool(c != 0);
    case OP_LT: return value_bool(c < 0);
    case OP_LE: return value_bool(c <= 0);
    case OP_GT: return value_bool(c > 0);
    default: return value_bool(c >= 0);
    }
}

static const struct value *apply(struct eval *v, enum op op, const struct value *a,
                                 const struct value *b)
{
    static const char signs[] = {[OP_ADD] = '+', [OP_SUB] = '-', [OP_MUL] = '*', [OP_DIV] = '/',
                                 [OP_MOD] = '%', [OP_AND] = '&', [OP_OR] = '|'};
    if (op <= OP_GE) { return comparison(v, op, a, b); }
    if (op == OP_IN) { return eval_charge(v, b->weight) ? value_bool(value_has(b, a)) : NULL; }
    if (!eval_charge(v, (uint64_t)a->weight + b->weight)) { return NULL; }
    return builtin_arithmetic(v, signs[op], a, b);
}

static const struct value *call(struct eval *v, const struct value **slots, const struct node *n)
{
    const struct value *few[8], **args = few;
    uint64_t weight = 1;
    if (n->count > ARRAY_COUNT(few)) {
        args = arena_alloc(&v->arena, n->count * sizeof(const struct value *));
        if (!args) { return eval_made(v, NULL); }
    }
    for (size_t i = 0; i < n->count; i++) {
        args[i] = term(v, slots, n->items[i]);
        if (!args[i]) { return NULL; }
        weight += args[i]->weight;
    }
    v->line = n->line;
    if (n->rule) { return function_value(v, n->rule, args); }
    return eval_charge(v, weight) ? n->builtin->run(v, args) : NULL;
}

/* An array, set or object of terms: undefined when one of them is. */
static const struct value *composite(struct eval *v, const struct value **slots,
                                     const struct node *n)
{
    struct values l = {0};
    uint64_t weight = 1;
    bool twice = false;
    for (size_t i = 0; i < n->count; i++) {
        const struct value *one = term(v, slots, n->items[i]);
        if (!one) { return NULL; }
        weight += one->weight;
        if (!values_add(&v->arena, &l, one)) { return eval_made(v, NULL); }
    }
    if (!eval_charge(v, weight)) { return NULL; }
    if (n->kind == NODE_ARRAY) { return eval_made(v, value_array(&v->arena, &l)); }
    if (n->kind == NODE_SET) { return eval_made(v, value_set(&v->arena, &l)); }
    const struct value *o = value_object(&v->arena, &l, &twice);
    return twice ? eval_fail(v, EINVAL, "an object with two values for one key") : eval_made(v, o);
}

struct collected {
    const struct node *n; /* a comprehension */
    struct values l;
    uint64_t weight;
};

static bool collect(struct eval *v, const struct value **slots, void *ctx)
{
    struct collected *c = ctx;
    const struct value *one[2] = {0};
    for (size_t i = 0; i < c->n->count; i++) {
        one[i] = term(v, slots, c->n->items[i]);
        if (!one[i]) { return v->rc < 0; } /* undefined: not an element */
    }
    for (size_t i = 0; i < c->n->count; i++) {
        c->weight += one[i]->weight;
        if (!values_add(&v->arena, &c->l, one[i])) { (void)eval_made(v, NULL); }
    }
    return v->rc < 0;
}

static const struct value *comprehension(struct eval *v, const struct value **slots,
                                         const struct node *n)
{
    struct collected c = {.n = n};
    struct sink sink = {.take = collect, .ctx = &c};
    bool twice = false;
    (void)body_run(v, slots, n->body, 0, &sink);
    if (!eval_charge(v, 16 * c.weight)) { return NULL; } /* sorting */
    if (n->kind == NODE_ARRAY_EACH) { return eval_made(v, value_array(&v->arena, &c.l)); }
    if (n->kind == NODE_SET_EACH) { return eval_made(v, value_set(&v->arena, &c.l)); }
    const struct value *o = value_object(&v->arena, &c.l, &twice);
    v->line = n->line;
    return twice ? eval_fail(v, EINVAL, "an object with two values for one key") : eval_made(v, o);
}

static const struct value *term_inner(struct eval *v, const struct value **slots,
                                      const struct node *n)
{
    const struct value *a, *b;
    switch (n->kind) {
    case NODE_CONST: return n->value;
    case NODE_SLOT: return slots[n->slot];
    case NODE_INPUT: return v->input;
    case NODE_DATA: return v->data;
    case NODE_RULE: return rule_value(v, n->rule);
    case NODE_REF: return reference(v, slots, n);
    case NODE_CALL: return call(v, slots, n);
    case NODE_BINARY:
        a = term(v, slots, n->items[0]);
        b = a ? term(v, slots, n->items[1]) : NULL;
        v->line = n->line;
        return b ? apply(v, n->op, a, b) : NULL;
    case NODE_ARRAY_EACH:
    case NODE_SET_EACH:
    case NODE_OBJECT_EACH: return comprehension(v, slots, n);
    default: return composite(v, slots, n);
    }
}

static const struct value *term(struct eval *v, const struct value **slots, const struct node *n)
{
    if (!eval_charge(v, 1) || !enter(v)) { return NULL; }
    v->line = n->line;
    const struct value *r = term_inner(v, slots, n);
    v->depth--;
    return v->rc < 0 ? NULL : r;
}

/* ---- patterns -------------------------------------------------------------------------------- */

static bool fits(struct eval *v, const struct value **slots, const struct node *n,
                 const struct value *found);

static bool array_fits(struct eval *v, const struct value **slots, const struct node *n,
                       const struct value *found)
{
    if (found->kind != VALUE_ARRAY || found->list.count != n->count) { return false; }
    for (size_t i = 0; i < n->count; i++) {
        if (!fits(v, slots, n->items[i], found->list.v[i])) { return false; }
    }
    return true;
}

/* The same keys, no others. */
static bool object_fits(struct eval *v, const struct value **slots, const struct node *n,
                        const struct value *found)
{
    if (found->kind != VALUE_OBJECT || found->object.count != n->count / 2) { return false; }
    for (size_t i = 0; i < n->count; i += 2) {
        const struct value *key = term(v, slots, n->items[i]);
        const struct value *one = key ? value_get(found, key) : NULL;
        if (!one || !fits(v, slots, n->items[i + 1], one)) { return false; }
    }
    return true;
}

/* Gives names their values on the way; what was given before a mismatch is never read (C1). */
static bool fits(struct eval *v, const struct value **slots, const struct node *n,
                 const struct value *found)
{
    if (!eval_charge(v, 1)) { return false; }
    switch (n->kind) {
    case NODE_WILD: return true;
    case NODE_BIND: slots[n->slot] = found; return true;
    case NODE_ARRAY: return array_fits(v, slots, n, found);
    case NODE_OBJECT: return object_fits(v, slots, n, found);
    default: break;
    }
    const struct value *wanted = term(v, slots, n);
    return wanted && eval_charge(v, smaller_weight(wanted, found)) && value_equal(wanted, found);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static bool element_fits(struct eval *v, const struct value **slots, const struct step *s,
                         const struct value *all, size_t i)
{
    const struct value *key, *one = value_at(&v->arena, all, i, &key);
    if (!key) { (void)eval_made(v, NULL); }
    return key && (!s->key || fits(v, slots, s->key, key)) && fits(v, slots, s->value, one);
}

static bool found_one(struct eval *v, const struct value **slots, void *ctx)
{
    (void)v, (void)slots;
    *(bool *)ctx = true;
    return true;
}

static bool holds_somehow(struct eval *v, const struct value **slots, const struct body *b)
{
    bool found = false;
    struct sink sink = {.take = found_one, .ctx = &found};
    (void)body_run(v, slots, b, 0, &sink);
    return found;
}

/* `some` and `every` walk over arrays, objects and sets; x[_] of anything else is undefined. */
static bool is_collection(struct eval *v, const struct step *s, const struct value *all)
{
    if (all->kind >= VALUE_ARRAY) { return true; }
    if (s->named || s->kind == STEP_EVERY) {
        v->line = s->line;
        (void)eval_fail(v, EINVAL, "%s: found a value of type %s, wanted an array, object or set",
                        s->kind == STEP_EVERY ? "every" : "some", value_kind_name(all));
    }
    return false;
}

/* Every element fits and has a way for the body to hold. */
static bool every_holds(struct eval *v, const struct value **slots, const struct step *s)
{
    const struct value *all = term(v, slots, s->term);
    if (!all || !is_collection(v, s, all)) { return false; }
    for (size_t i = 0; i < value_count(all); i++) {
        if (!eval_charge(v, 1)) { return false; }
        bool ok = element_fits(v, slots, s, all, i) && holds_somehow(v, slots, s->body);
        if (!ok || v->rc < 0) { return false; }
    }
    return true;
}

/* A test that is a comparison says what it found. */
static bool test_holds(struct eval *v, const struct value **slots, const struct step *s)
{
    const struct node *n = s->term;
    const struct value *a, *b = NULL, *r;
    if (n->kind == NODE_BINARY && n->op <= OP_IN) {
        a = term(v, slots, n->items[0]);
        b = a ? term(v, slots, n->items[1]) : NULL;
        v->line = n->line;
        r = b ? apply(v, n->op, a, b) : NULL;
        trace_compared(v, n->op, a, b);
    } else {
        r = term(v, slots, n);
        trace_value(v, r);
    }
    return r && !(r->kind == VALUE_BOOL && !r->boolean);
}

static bool step_holds(struct eval *v, const struct value **slots, const struct step *s)
{
    const struct value *found;
    bool held;
    v->line = s->line;
    switch (s->kind) {
    case STEP_TEST: return test_holds(v, slots, s);
    case STEP_BIND:
        found = term(v, slots, s->term);
        trace_value(v, found);
        return found && fits(v, slots, s->value, found);
    case STEP_NOT:
        held = holds_somehow(v, slots, s->body);
        if (held) { trace_text(v, "what stands behind `not` holds"); }
        return v->rc == 0 && !held;
    case STEP_EVERY:
        held = every_holds(v, slots, s);
        if (!held) { trace_text(v, "not every element holds"); }
        return held;
    case STEP_EACH: break;
    }
    return false;
}

static bool each_run(struct eval *v, const struct value **slots, const struct body *b, size_t i,
                     const struct sink *sink)
{
    const struct step *s = &b->steps[i];
    bool stop = false;
    v->line = s->line;
    const struct value *all = term(v, slots, s->term);
    trace_value(v, all);
    if (!all || value_count(all) == 0) { trace_stop(v, b, i); }
    if (!all || !is_collection(v, s, all) || !enter(v)) { return v->rc < 0; }
    for (size_t k = 0; !stop && k < value_count(all); k++) {
        if (!eval_charge(v, 1)) { break; }
        if (element_fits(v, slots, s, all, k)) { stop = body_run(v, slots, b, i + 1, sink); }
    }
    v->depth--;
    return stop || v->rc < 0;
}

/* From step i on. True when the sink has had enough, or evaluation failed. */
static bool body_run(struct eval *v, const struct value **slots, const struct body *b, size_t i,
                     const struct sink *sink)
{
    for (; i < b->count; i++) {
        if (!eval_charge(v, 1)) { return true; }
        if (b->steps[i].kind == STEP_EACH) { return each_run(v, slots, b, i, sink); }
        if (!step_holds(v, slots, &b->steps[i])) {
            trace_stop(v, b, i);
            return v->rc < 0;
        }
    }
    return sink->take(v, slots, sink->ctx) || v->rc < 0;
}

/* ---- rules ----------------------------------------------------------------------------------- */

struct outcome {
    const struct node *head; /* NULL = true */
    const struct value *value;
    bool conflict;
    struct values *all; /* of a set rule: everything; else NULL */
};

/* All ways must agree on one value. */
static bool keep(struct eval *v, const struct value **slots, void *ctx)
{
    struct outcome *o = ctx;
    const struct value *found = o->head ? term(v, slots, o->head) : &value_true;
    if (!found) { return v->rc < 0; }
    if (o->all) {
        if (!values_add(&v->arena, o->all, found)) { (void)eval_made(v, NULL); }
        return v->rc < 0;
    }
    if (o->value &&
        !(eval_charge(v, smaller_weight(found, o->value)) && value_equal(found, o->value))) {
        o->conflict = true;
        return true;
    }
    o->value = found;
    return !o->head || o->head->kind == NODE_CONST; /* it can be no other */
}

static bool params_fit(struct eval *v, const struct value **slots, const struct rule *r,
                       const struct clause *c, const struct value *const *args)
{
    for (size_t i = 0; i < r->param_count; i++) {
        if (!fits(v, slots, c->params[i], args[i])) { return false; }
    }
    return true;
}

/* The first of a chain of clauses that holds. */
static void chain_run(struct eval *v, const struct rule *r, const struct clause *c,
                      const struct value *const *args, struct outcome *o)
{
    const struct value *before = o->value;
    for (; c && v->rc == 0; c = c->otherwise) {
        const struct value **slots =
            arena_alloc(&v->arena, (c->slots ? c->slots : 1) * sizeof(const struct value *));
        struct sink sink = {.take = keep, .ctx = o};
        if (!slots) {
            (void)eval_made(v, NULL);
            return;
        }
        if (!params_fit(v, slots, r, c, args)) { return; }
        o->head = c->value;
        o->value = NULL;
        trace_clause(v, r, c);
        (void)body_run(v, slots, c->body, 0, &sink);
        trace_clause_end(v, c, o->value != NULL && !o->conflict);
        if (o->value || o->conflict) { break; }
    }
    v->line = r->line;
    if (before && o->value && !value_equal(before, o->value)) { o->conflict = true; }
    if (!o->value) { o->value = before; }
}

static const struct value *clauses_value(struct eval *v, const struct rule *r,
                                         const struct value *const *args)
{
    struct values all = {0};
    struct outcome o = {.all = r->kind == RULE_SET ? &all : NULL};
    uint64_t weight = 1;
    for (const struct clause *c = r->clauses; c && v->rc == 0; c = c->next) {
        chain_run(v, r, c, args, &o);
        if (o.conflict) { return eval_fail(v, EINVAL, "%.*s has two values", NAME_ARGS(r->name)); }
    }
    for (size_t i = 0; i < all.count; i++) { weight += all.v[i]->weight; }
    if (v->rc < 0 || !eval_charge(v, 16 * weight)) { return NULL; }
    return r->kind == RULE_SET ? eval_made(v, value_set(&v->arena, &all)) : o.value;
}

static const struct value *function_value(struct eval *v, const struct rule *r,
                                          const struct value *const *args)
{
    if (!enter(v)) { return NULL; }
    const struct value *found = clauses_value(v, r, args);
    v->depth--;
    return found;
}

static const struct value *rule_value(struct eval *v, const struct rule *r)
{
    if (v->done[r->index]) { return v->known[r->index]; }
    if (!enter(v)) { return NULL; }
    const struct value *found = clauses_value(v, r, NULL);
    if (!found && v->rc == 0 && r->fallback) { found = term(v, NULL, r->fallback); }
    v->depth--;
    v->known[r->index] = found;
    v->done[r->index] = true;
    return found;
}

/* ---- the door -------------------------------------------------------------------------------- */

int rego_load(const void *text, size_t len, struct rego_policy **out, struct err *e)
{
    if (len > REGO_TEXT_MAX) {
        return err_set(e, E2BIG, "a policy of %zu bytes, at most %u are read", len, REGO_TEXT_MAX);
    }
    struct rego_policy *p = calloc(1, sizeof *p);
    if (!p) { return err_set(e, ENOMEM, "policy: out of memory"); }
    p->arena.max = REGO_LOAD_MEMORY_MAX;
    p->m.arena = &p->arena;
    char *copy = arena_alloc(&p->arena, len + 1); /* names are views into it */
    int rc = copy ? 0 : err_set(e, ENOMEM, "policy: out of memory");
    if (copy && len) { memcpy(copy, text, len); }
    if (rc == 0) { rc = module_parse(copy, len, &p->m, e); }
    if (rc == 0) { rc = module_check(&p->m, e); }
    if (rc < 0) {
        rego_free(p);
        return rc;
    }
    p->ours = p->m.package_count == 1 && view_is(p->m.package[0], "policy");
    *out = p;
    return 0;
}

void rego_free(struct rego_policy *p)
{
    if (!p) { return; }
    arena_free(&p->arena);
    free(p);
}

/* Undefined is *out NULL. */
static int query(struct eval *v, const struct rego_policy *p, const char *name, json_t **out)
{
    static const struct value nothing = {.kind = VALUE_OBJECT, .depth = 1, .weight = 1};
    struct view n = {.p = (const uint8_t *)name, .len = strlen(name)};
    const struct rule *r = p->ours ? module_rule(&p->m, n) : NULL;
    size_t rules = p->m.rule_count;
    *out = NULL;
    if (!r || r->kind == RULE_FUNCTION) { return 0; }
    v->line = r->line;
    v->known = arena_alloc(&v->arena, rules * sizeof(const struct value *));
    v->done = arena_alloc(&v->arena, rules * sizeof(bool));
    v->input = v->rq->input ? value_from_json(&v->arena, v->rq->input) : &nothing;
    v->data = v->rq->data ? value_from_json(&v->arena, v->rq->data) : &nothing;
    if (!v->known || !v->done || !v->input || !v->data) {
        (void)eval_made(v, NULL);
        return v->rc;
    }
    trace_rule(v, r);
    const struct value *found = rule_value(v, r);
    if (!found || v->rc < 0) { return v->rc; }
    *out = value_to_json(found);
    if (!*out) {
        (void)eval_fail(v, EINVAL, "%s holds an object with keys that are no text", name);
    }
    return v->rc;
}

int rego_eval_traced(const struct rego_policy *p, const char *rule, const struct rego_request *rq,
                     struct trace *trace, json_t **out, struct err *e)
{
    struct eval v = {.rq = rq,
                     .arena = {.max = REGO_MEMORY_MAX},
                     .steps_left = REGO_STEPS_MAX,
                     .e = e,
                     .module = &p->m,
                     .trace = trace};
    int rc = query(&v, p, rule, out);
    arena_free(&v.arena);
    return rc;
}

int rego_eval(const struct rego_policy *p, const char *rule, const struct rego_request *rq,
              json_t **out, struct err *e)
{
    return rego_eval_traced(p, rule, rq, NULL, out, e);
}
