/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names to slots and rules, bodies to steps (ast.h). What comes out can be evaluated without
 * another look at a name:
 *
 *   C1  a local is read only after a step that binds it, in the order of the text (the language at
 *       large reorders bodies; this subset refuses what would need it)
 *   C2  iteration is in STEP_EACH alone
 *   C3  no rule needs itself, directly or through others
 *   C4  every function that is called exists and has as many arguments as it is given
 */
#include "attest/policy/ast.h"
#include "attest/policy/builtins.h"
#include "attest/policy/regex.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct local {
    struct view name;
    unsigned slot;
    bool bound;         /* else: declared by `some` */
    unsigned level;     /* number of the body it belongs to */
    struct local *next; /* seen from further inside */
};

/* A name that a body further inside took for a new one. */
struct inner_name {
    struct view name;
    unsigned level;
    struct inner_name *next;
};

struct checker {
    struct module *m;
    struct rule *rule;
    struct clause *clause;
    struct inner_name *inner; /* of this clause */
    struct err *e;
    int rc;
};

/* One body under way. */
struct scope {
    struct checker *c;
    struct local *locals;
    unsigned level;
    bool closed; /* behind `not`: names must have values already */
    struct step *steps;
    size_t count, cap;
};

static int fail(struct checker *c, unsigned line, const char *fmt, ...) PRINTF_LIKE(3, 4);
static int fail(struct checker *c, unsigned line, const char *fmt, ...)
{
    char text[200];
    va_list ap;
    if (c->rc < 0) { return c->rc; }
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return c->rc = err_set(c->e, EINVAL, "line %u: %s", line, text);
}

static void *alloc(struct checker *c, size_t len)
{
    void *p = c->rc < 0 ? NULL : arena_alloc(c->m->arena, len);
    if (!p && c->rc == 0) { c->rc = err_set(c->e, ENOMEM, "no memory left for this policy"); }
    return p;
}

static struct step *step_add(struct scope *s, enum step_kind kind, unsigned line)
{
    if (s->count == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 8;
        struct step *grown = alloc(s->c, cap * sizeof *grown);
        if (!grown) { return NULL; }
        if (s->count) { memcpy(grown, s->steps, s->count * sizeof *grown); }
        s->steps = grown;
        s->cap = cap;
    }
    struct step *t = &s->steps[s->count++];
    *t = (struct step){.kind = kind, .line = line};
    return t;
}

/* ---- locals ---------------------------------------------------------------------------------- */

static struct local *local_find(struct scope *s, struct view name)
{
    for (struct local *l = s->locals; l; l = l->next) {
        if (view_equal(l->name, name)) { return l; }
    }
    return NULL;
}

static bool slot_new(struct scope *s, unsigned *out)
{
    struct clause *c = s->c->clause;
    if (c->slots == REGO_LOCALS_MAX) {
        (void)fail(s->c, c->line, "more than %u names and iterations", REGO_LOCALS_MAX);
        return false;
    }
    *out = c->slots++;
    return true;
}

static struct local *local_add(struct scope *s, struct view name, bool bound)
{
    struct local *l = alloc(s->c, sizeof *l);
    unsigned slot;
    if (!l || !slot_new(s, &slot)) { return NULL; }
    *l = (struct local){
        .name = name, .slot = slot, .bound = bound, .level = s->level, .next = s->locals};
    s->locals = l;
    return l;
}

static void become_slot(struct node *n, enum node_kind kind, unsigned slot)
{
    n->kind = kind;
    n->slot = slot;
}

/*
 * In `ys := [1 | xs[i]]; i := 2` the language at large takes the first i for the second. Here it
 * would be another, so this does not load.
 */
static bool taken_inside(const struct scope *s, struct view name)
{
    for (const struct inner_name *i = s->c->inner; i; i = i->next) {
        if (i->level > s->level && view_equal(i->name, name)) { return true; }
    }
    return false;
}

static bool remember_inside(struct scope *s, struct view name)
{
    struct inner_name *i = alloc(s->c, sizeof *i);
    if (!i) { return false; }
    *i = (struct inner_name){.name = name, .level = s->level, .next = s->c->inner};
    s->c->inner = i;
    return true;
}

/*
 * A name that gets its value here. declared: by :=, `some` or as an argument, so it is always a
 * new one.
 */
static int bind(struct scope *s, struct node *n, bool declared)
{
    struct local *l = local_find(s, n->name);
    if (view_is(n->name, "input") || view_is(n->name, "data")) {
        return fail(s->c, n->line, "%.*s cannot be given a value", NAME_ARGS(n->name));
    }
    if (l && l->level == s->level && l->bound) {
        return fail(s->c, n->line, "%.*s has a value already", NAME_ARGS(n->name));
    }
    if (taken_inside(s, n->name)) {
        return fail(s->c, n->line, "%.*s is given a value here, but a body above uses the name",
                    NAME_ARGS(n->name));
    }
    if (!l || l->level != s->level) {
        if (!declared && !remember_inside(s, n->name)) { return s->c->rc; }
        l = local_add(s, n->name, true);
    }
    if (!l) { return s->c->rc; }
    l->bound = true;
    become_slot(n, NODE_BIND, l->slot);
    return 0;
}

static int term_check(struct scope *s, struct node *n);
static int pattern_check(struct scope *s, struct node *n, bool declares);
static int body_check(struct scope *outer, struct body *b, bool closed, struct node **heads,
                      size_t head_count, struct node *const *binds, size_t bind_count);

/* ---- references ------------------------------------------------------------------------------ */

static bool text_key(const struct node *n, struct view *out)
{
    if (n->kind != NODE_REF || n->items[1]->kind != NODE_CONST ||
        n->items[1]->value->kind != VALUE_STRING) {
        return false;
    }
    const struct value *v = n->items[1]->value;
    *out = (struct view){.p = (const uint8_t *)v->text.p, .len = v->text.len};
    return true;
}

/* Is n `data` and then the first count segments of our package? */
static bool is_package(const struct module *m, const struct node *n, size_t count)
{
    struct view key;
    if (count == 0) { return n->kind == NODE_NAME && view_is(n->name, "data"); }
    return text_key(n, &key) && view_equal(key, m->package[count - 1]) &&
           is_package(m, n->items[0], count - 1);
}

static int rule_use(struct scope *s, struct node *n, struct rule *r)
{
    struct rule *me = s->c->rule;
    n->rule = r;
    for (size_t i = 0; i < me->use_count; i++) {
        if (me->uses[i] == r) { return 0; }
    }
    if (me->use_count == me->use_cap) {
        size_t cap = me->use_cap ? 2 * me->use_cap : 8;
        struct rule **grown = alloc(s->c, cap * sizeof(struct rule *));
        if (!grown) { return s->c->rc; }
        if (me->use_count) { memcpy(grown, me->uses, me->use_count * sizeof *grown); }
        me->uses = grown;
        me->use_cap = cap;
    }
    me->uses[me->use_count++] = r;
    return 0;
}

static int rule_value(struct scope *s, struct node *n, struct view name)
{
    struct rule *r = module_rule(s->c->m, name);
    if (!r) { return fail(s->c, n->line, "nothing is named %.*s here", NAME_ARGS(name)); }
    if (r->kind == RULE_FUNCTION) {
        return fail(s->c, n->line, "%.*s is a function and needs arguments", NAME_ARGS(name));
    }
    n->kind = NODE_RULE;
    return rule_use(s, n, r);
}

/* Does a name in brackets stand for "each"? Then it is bound by the step this becomes. */
static bool is_open_name(struct scope *s, const struct node *n)
{
    if (n->kind != NODE_NAME) { return false; }
    if (view_is(n->name, "_")) { return true; }
    struct local *l = local_find(s, n->name);
    if (l) { return !l->bound && l->level == s->level; }
    return !s->closed && !module_rule(s->c->m, n->name) && !view_is(n->name, "input") &&
           !view_is(n->name, "data");
}

/* base[_] or base[i] with a new i: a step before, and its element here. */
static int each_here(struct scope *s, struct node *n)
{
    struct node *key = n->items[1];
    int rc = 0;
    if (view_is(key->name, "_")) {
        key = NULL;
    } else {
        rc = bind(s, key, false);
    }
    unsigned slot;
    struct node *element = rc == 0 ? alloc(s->c, sizeof *element) : NULL;
    struct step *t = element && slot_new(s, &slot) ? step_add(s, STEP_EACH, n->line) : NULL;
    if (!t) { return s->c->rc; }
    *element = (struct node){.kind = NODE_BIND, .line = n->line, .slot = slot};
    t->key = key;
    t->value = element;
    t->term = n->items[0];
    become_slot(n, NODE_SLOT, slot);
    return 0;
}

static int data_check(struct scope *s, struct node *n)
{
    struct view key;
    if (!text_key(n, &key)) {
        return fail(s->c, n->line, "data needs a name behind it: data.name");
    }
    n->items[0]->kind = NODE_DATA;
    return 0;
}

static int reference_check(struct scope *s, struct node *n)
{
    struct module *m = s->c->m;
    struct view key;
    bool is_data = n->items[0]->kind == NODE_NAME && view_is(n->items[0]->name, "data") &&
                   !local_find(s, n->items[0]->name);
    if (is_package(m, n, m->package_count)) {
        return fail(s->c, n->line,
                    "the package as a value is not supported: name one of its rules");
    }
    if (is_package(m, n->items[0], m->package_count) && text_key(n, &key)) {
        return rule_value(s, n, key);
    }
    if (is_data) { return data_check(s, n); }
    int rc = term_check(s, n->items[0]);
    if (rc < 0) { return rc; }
    if (is_open_name(s, n->items[1])) { return each_here(s, n); }
    return term_check(s, n->items[1]);
}

/* ---- terms ----------------------------------------------------------------------------------- */

static int name_check(struct scope *s, struct node *n)
{
    struct local *l = local_find(s, n->name);
    if (l && l->bound) {
        become_slot(n, NODE_SLOT, l->slot);
        return 0;
    }
    if (l) { return fail(s->c, n->line, "%.*s has no value yet here", NAME_ARGS(n->name)); }
    if (view_is(n->name, "input")) {
        n->kind = NODE_INPUT;
        return 0;
    }
    if (view_is(n->name, "data")) {
        return fail(s->c, n->line, "data needs a name behind it: data.name");
    }
    if (view_is(n->name, "_")) { return fail(s->c, n->line, "_ has no value"); }
    return rule_value(s, n, n->name);
}

/* A pattern that is written down can be tried now: what does not compile does not load. */
static int regex_check(struct scope *s, const struct node *n)
{
    const struct value *v = n->count ? n->items[0]->value : NULL;
    struct regex *re;
    struct err e = {0};
    if (!v || v->kind != VALUE_STRING || !view_is(n->name, "regex.match")) { return 0; }
    auto_arena scratch = {.max = REGEX_MEMORY_MAX};
    return regex_compile(&scratch, v->text.p, v->text.len, &re, &e) < 0
               ? fail(s->c, n->line, "%s", e.text)
               : 0;
}

static int call_check(struct scope *s, struct node *n, bool relation)
{
    struct rule *r = module_rule(s->c->m, n->name);
    size_t wanted = r ? r->param_count : 0;
    if (!r || r->kind != RULE_FUNCTION) {
        n->builtin = builtin_of(n->name);
        if (!n->builtin) {
            return fail(s->c, n->line, "there is no function %.*s", NAME_ARGS(n->name));
        }
        wanted = n->builtin->args;
        if (n->builtin->relation && !relation) {
            return fail(s->c, n->line, "%s gives many values: write %s(x, [path, value])",
                        n->builtin->name, n->builtin->name);
        }
    } else if (rule_use(s, n, r) < 0) {
        return s->c->rc;
    }
    if (n->count != wanted) {
        return fail(s->c, n->line, "%.*s has %zu arguments, found %zu", NAME_ARGS(n->name), wanted,
                    n->count);
    }
    for (size_t i = 0; i < n->count; i++) {
        int rc = term_check(s, n->items[i]);
        if (rc < 0) { return rc; }
    }
    return regex_check(s, n);
}

static int term_check(struct scope *s, struct node *n)
{
    int rc = s->c->rc;
    switch (n->kind) {
    case NODE_NAME: return rc < 0 ? rc : name_check(s, n);
    case NODE_REF: return rc < 0 ? rc : reference_check(s, n);
    case NODE_CALL: return rc < 0 ? rc : call_check(s, n, false);
    case NODE_ARRAY:
    case NODE_SET:
    case NODE_OBJECT:
    case NODE_BINARY:
        for (size_t i = 0; rc == 0 && i < n->count; i++) { rc = term_check(s, n->items[i]); }
        return rc;
    case NODE_ARRAY_EACH:
    case NODE_SET_EACH:
    case NODE_OBJECT_EACH: return body_check(s, n->body, false, n->items, n->count, NULL, 0);
    default: return rc;
    }
}

/* ---- patterns -------------------------------------------------------------------------------- */

/* Does it hold a name that has no value yet? declares: := and `some` always make new ones. */
static bool is_pattern(struct scope *s, const struct node *n, bool declares)
{
    if (n->kind == NODE_NAME) {
        struct local *l = local_find(s, n->name);
        if (view_is(n->name, "_") || declares) { return true; }
        if (l) { return !l->bound; }
        return !module_rule(s->c->m, n->name) && !view_is(n->name, "input");
    }
    if (n->kind != NODE_ARRAY && n->kind != NODE_OBJECT) { return false; }
    for (size_t i = n->kind == NODE_OBJECT; i < n->count; i += n->kind == NODE_OBJECT ? 2 : 1) {
        if (is_pattern(s, n->items[i], declares)) { return true; }
    }
    return false;
}

static int pattern_check(struct scope *s, struct node *n, bool declares)
{
    int rc = s->c->rc;
    if (!is_pattern(s, n, declares)) { return term_check(s, n); }
    if (n->kind == NODE_NAME && view_is(n->name, "_")) {
        n->kind = NODE_WILD;
        return rc;
    }
    if (n->kind == NODE_NAME) {
        struct local *l = declares ? NULL : local_find(s, n->name);
        bool outside = l && l->level != s->level; /* `some` further out: not for us to bind */
        return rc < 0 ? rc : outside ? name_check(s, n) : bind(s, n, declares);
    }
    for (size_t i = 0; rc == 0 && i < n->count; i++) {
        bool is_key = n->kind == NODE_OBJECT && i % 2 == 0;
        rc = is_key ? term_check(s, n->items[i]) : pattern_check(s, n->items[i], declares);
    }
    return rc;
}

/* ---- literals -------------------------------------------------------------------------------- */

static bool is_walk(const struct node *n, size_t args)
{
    return n->kind == NODE_CALL && view_is(n->name, "walk") && n->count == args;
}

/* Each [path, value] of walk(x), where call is walk(x). */
static int walk_check(struct scope *s, struct node *call, struct node *pattern, bool declares)
{
    int rc = call_check(s, call, true);
    if (rc == 0) { rc = pattern_check(s, pattern, declares); }
    struct step *t = rc == 0 ? step_add(s, STEP_EACH, call->line) : NULL;
    if (!t) { return s->c->rc; }
    t->value = pattern;
    t->term = call;
    return 0;
}

/* pattern := term and pattern = term; of the latter either side may be the pattern. */
static int bind_check(struct scope *s, struct literal *l)
{
    bool declares = l->kind == LITERAL_ASSIGN;
    struct node *pattern = l->a, *term = l->b;
    if (!declares && !is_pattern(s, pattern, false) && is_pattern(s, term, false)) {
        pattern = l->b;
        term = l->a;
    }
    if (is_walk(term, 1)) { return walk_check(s, term, pattern, declares); }
    int rc = term_check(s, term);
    if (rc == 0 && declares && pattern->kind != NODE_NAME && pattern->kind != NODE_ARRAY &&
        pattern->kind != NODE_OBJECT) {
        return fail(s->c, l->line,
                    "to the left of := stands something that cannot be given a value");
    }
    if (rc == 0) { rc = pattern_check(s, pattern, declares); }
    struct step *t = rc == 0 ? step_add(s, STEP_BIND, l->line) : NULL;
    if (!t) { return s->c->rc; }
    t->value = pattern;
    t->term = term;
    return 0;
}

static int declare_check(struct scope *s, struct literal *l)
{
    for (size_t i = 0; i < l->name_count; i++) {
        struct node *n = l->names[i];
        if (n->kind != NODE_NAME || view_is(n->name, "_")) {
            return fail(s->c, l->line, "some: wanted names");
        }
        if (!local_add(s, n->name, false)) { return s->c->rc; }
    }
    return 0;
}

static int some_check(struct scope *s, struct literal *l)
{
    int rc = term_check(s, l->c);
    if (rc == 0 && l->a) { rc = pattern_check(s, l->a, true); }
    if (rc == 0) { rc = pattern_check(s, l->b, true); }
    struct step *t = rc == 0 ? step_add(s, STEP_EACH, l->line) : NULL;
    if (!t) { return s->c->rc; }
    t->named = true;
    t->key = l->a;
    t->value = l->b;
    t->term = l->c;
    return 0;
}

static int every_check(struct scope *s, struct literal *l)
{
    int rc = term_check(s, l->c);
    if (rc == 0) { rc = body_check(s, l->inner, false, NULL, 0, l->names, l->name_count); }
    struct step *t = rc == 0 ? step_add(s, STEP_EVERY, l->line) : NULL;
    if (!t) { return s->c->rc; }
    t->key = l->a;
    t->value = l->b;
    t->term = l->c;
    t->body = l->inner;
    return 0;
}

static int literal_check(struct scope *s, struct literal *l)
{
    struct step *t;
    int rc;
    switch (l->kind) {
    case LITERAL_DECLARE: return declare_check(s, l);
    case LITERAL_SOME: return some_check(s, l);
    case LITERAL_EVERY: return every_check(s, l);
    case LITERAL_ASSIGN:
    case LITERAL_UNIFY: return bind_check(s, l);
    case LITERAL_NOT:
        rc = body_check(s, l->inner, true, NULL, 0, NULL, 0);
        t = rc == 0 ? step_add(s, STEP_NOT, l->line) : NULL;
        if (t) { t->body = l->inner; }
        return s->c->rc;
    case LITERAL_TEST: break;
    }
    if (is_walk(l->b, 2)) {
        l->b->count = 1;
        return walk_check(s, l->b, l->b->items[1], false);
    }
    rc = term_check(s, l->b);
    t = rc == 0 ? step_add(s, STEP_TEST, l->line) : NULL;
    if (t) { t->term = l->b; }
    return s->c->rc;
}

/*
 * closed  behind `not`
 * heads   terms that are evaluated where all of the body holds
 * binds   patterns that get their values before it
 */
static int body_check(struct scope *outer, struct body *b, bool closed, struct node **heads,
                      size_t head_count, struct node *const *binds, size_t bind_count)
{
    struct scope s = {
        .c = outer->c, .locals = outer->locals, .level = outer->level + 1, .closed = closed};
    int rc = s.c->rc;
    for (size_t i = 0; rc == 0 && i < bind_count; i++) { rc = pattern_check(&s, binds[i], true); }
    for (struct literal *l = b->literals; rc == 0 && l; l = l->next) { rc = literal_check(&s, l); }
    for (size_t i = 0; rc == 0 && i < head_count; i++) { rc = term_check(&s, heads[i]); }
    b->steps = s.steps;
    b->count = s.count;
    return rc;
}

/* ---- rules ----------------------------------------------------------------------------------- */

static int params_check(struct scope *s, struct clause *c)
{
    for (size_t i = 0; i < s->c->rule->param_count; i++) {
        struct node *n = c->params[i];
        bool name = n->kind == NODE_NAME;
        if (!name && n->kind != NODE_CONST) {
            return fail(s->c, c->line, "an argument is neither a name nor a constant");
        }
        int rc = name ? pattern_check(s, n, true) : 0;
        if (rc < 0) { return rc; }
    }
    return 0;
}

/*
 * The chain's arguments are one list, checked with its first clause: all have them in slots 0, 1,
 * ...
 */
static int clause_check(struct checker *c, struct clause *first)
{
    struct scope top = {.c = c};
    c->clause = first;
    c->inner = NULL;
    int rc = params_check(&top, first);
    unsigned slots = first->slots;
    for (struct clause *k = first; rc == 0 && k; k = k->otherwise) {
        c->clause = k;
        c->inner = NULL;
        k->slots = slots;
        if (!k->body && !(k->body = alloc(c, sizeof *k->body))) { return c->rc; }
        rc = body_check(&top, k->body, false, &k->value, k->value ? 1 : 0, NULL, 0);
    }
    return rc;
}

static bool is_constant(const struct node *n)
{
    if (n->kind != NODE_ARRAY && n->kind != NODE_SET && n->kind != NODE_OBJECT) {
        return n->kind == NODE_CONST;
    }
    for (size_t i = 0; i < n->count; i++) {
        if (!is_constant(n->items[i])) { return false; }
    }
    return true;
}

/* C3. As deep as there are rules. */
static int visit(struct checker *c, struct rule *r)
{
    if (r->visit == RULE_DONE) { return 0; }
    if (r->visit == RULE_OPEN) {
        return fail(c, r->line, "%.*s needs its own value", NAME_ARGS(r->name));
    }
    r->visit = RULE_OPEN;
    for (size_t i = 0; i < r->use_count; i++) {
        int rc = visit(c, r->uses[i]);
        if (rc < 0) { return rc; }
    }
    r->visit = RULE_DONE;
    return 0;
}

int module_check(struct module *m, struct err *e)
{
    struct checker c = {.m = m, .e = e};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < m->rule_count; i++) {
        struct rule *r = m->rules[i];
        c.rule = r;
        if (r->fallback && !is_constant(r->fallback)) {
            return fail(&c, r->fallback->line, "default: wanted a constant");
        }
        for (struct clause *k = r->clauses; rc == 0 && k; k = k->next) { rc = clause_check(&c, k); }
    }
    for (size_t i = 0; rc == 0 && i < m->rule_count; i++) { rc = visit(&c, m->rules[i]); }
    return rc;
}
