/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to tree, by recursive descent with one token of lookahead; the grammar is in rego.h. What
 * the language has and this subset has not is refused here by name, so that nobody has to guess why
 * a policy does not load.
 *
 * Functions return NULL when err is set. Nesting and chains are counted, so recursion is bounded.
 */
#include "attest/policy/ast.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct parser {
    struct module *m;
    struct lexer lexer;
    struct token t; /* the next one */
    unsigned nesting;
    struct err *e;
    int rc; /* sticks */
};

/* ---- tokens ---------------------------------------------------------------------------------- */

static void fail(struct parser *p, unsigned line, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void fail(struct parser *p, unsigned line, const char *fmt, ...)
{
    char text[200];
    va_list ap;
    if (p->rc < 0) { return; }
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    p->rc = err_set(p->e, EINVAL, "line %u: %s", line, text);
}

static void *alloc(struct parser *p, size_t len)
{
    void *v = p->rc < 0 ? NULL : arena_alloc(p->m->arena, len);
    if (!v && p->rc == 0) {
        p->rc = err_set(p->e, ENOMEM, "line %u: no memory left for this policy", p->t.line);
    }
    return v;
}

static void advance(struct parser *p)
{
    if (p->rc == 0) { p->rc = lex_next(&p->lexer, &p->t, p->e); }
    if (p->rc < 0) { p->t.kind = TOKEN_END; }
}

static bool at_sign(const struct parser *p, const char *sign)
{
    return p->t.kind == TOKEN_SIGN && view_is(p->t.text, sign);
}
static bool at_word(const struct parser *p, const char *word)
{
    return p->t.kind == TOKEN_NAME && view_is(p->t.text, word);
}

static bool take_sign(struct parser *p, const char *sign)
{
    bool there = at_sign(p, sign);
    if (there) { advance(p); }
    return there;
}
static bool take_word(struct parser *p, const char *word)
{
    bool there = at_word(p, word);
    if (there) { advance(p); }
    return there;
}

static void fail_here(struct parser *p, const char *wanted)
{
    if (p->t.kind == TOKEN_END) {
        fail(p, p->t.line, "found the end of the text, wanted %s", wanted);
    } else {
        fail(p, p->t.line, "found %.*s, wanted %s", NAME_ARGS(p->t.text), wanted);
    }
}

static bool want_sign(struct parser *p, const char *sign)
{
    bool there = take_sign(p, sign);
    if (!there) { fail_here(p, sign); }
    return there;
}

/* Words that are never names. */
static bool is_keyword(struct view v)
{
    static const char *const words[] = {"package", "import", "default", "else", "if",
                                        "in",      "every",  "not",     "some", "with",
                                        "as",      "true",   "false",   "null"};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (view_is(v, words[i])) { return true; }
    }
    return false;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static struct node *node_new(struct parser *p, enum node_kind kind, unsigned line)
{
    struct node *n = alloc(p, sizeof *n);
    if (n) {
        n->kind = kind;
        n->line = line;
    }
    return n;
}

static struct node *node_two(struct parser *p, enum node_kind kind, unsigned line, struct node *a,
                             struct node *b)
{
    struct node *n = a && b ? node_new(p, kind, line) : NULL;
    struct node **items = n ? alloc(p, 2 * sizeof *items) : NULL;
    if (!items) { return NULL; }
    items[0] = a;
    items[1] = b;
    n->items = items;
    n->count = 2;
    return n;
}

static bool item_add(struct parser *p, struct node *n, struct node *item)
{
    if (!item) { return false; }
    bool full = n->count == 0 || (n->count >= 4 && (n->count & (n->count - 1)) == 0);
    if (full) { /* at 0, 4, 8, 16 ...: room for 4, 8, 16, 32 */
        struct node **grown = alloc(p, (n->count ? 2 * n->count : 4) * sizeof(struct node *));
        if (!grown) { return false; }
        if (n->count) { memcpy(grown, n->items, n->count * sizeof *grown); }
        n->items = grown;
    }
    n->items[n->count++] = item;
    return true;
}

static struct node *expression(struct parser *p, bool pipe);
static struct body *body(struct parser *p, const char *end);

/* Every recursion passes here. */
static bool enter(struct parser *p)
{
    if (++p->nesting <= REGO_NESTING_MAX) { return true; }
    fail(p, p->t.line, "nested deeper than %u", REGO_NESTING_MAX);
    return false;
}

/* ---- terms ----------------------------------------------------------------------------------- */

/* Items up to the closing sign; a comma may stand behind the last. */
static struct node *items(struct parser *p, struct node *n, const char *end, bool pairs)
{
    while (n && !at_sign(p, end)) {
        if (!item_add(p, n, expression(p, true))) { return NULL; }
        if (pairs && (!want_sign(p, ":") || !item_add(p, n, expression(p, true)))) { return NULL; }
        if (!take_sign(p, ",")) { break; }
    }
    return n && want_sign(p, end) ? n : NULL;
}

/* Behind "[" or "{" and a first term, at "|". */
static struct node *comprehension(struct parser *p, struct node *n, enum node_kind kind,
                                  const char *end)
{
    advance(p);
    n->kind = kind;
    n->body = body(p, end);
    return n->body && want_sign(p, end) ? n : NULL;
}

/* Behind "[". */
static struct node *array(struct parser *p, unsigned line)
{
    struct node *n = node_new(p, NODE_ARRAY, line);
    if (!n || take_sign(p, "]")) { return n; }
    if (!item_add(p, n, expression(p, false))) { return NULL; }
    if (at_sign(p, "|")) { return comprehension(p, n, NODE_ARRAY_EACH, "]"); }
    return take_sign(p, ",") ? items(p, n, "]", false) : want_sign(p, "]") ? n : NULL;
}

/* Behind "{". */
static struct node *set_or_object(struct parser *p, unsigned line)
{
    struct node *n = node_new(p, NODE_OBJECT, line);
    if (!n || take_sign(p, "}")) { return n; }
    if (!item_add(p, n, expression(p, false))) { return NULL; }
    bool pairs = take_sign(p, ":");
    if (pairs && !item_add(p, n, expression(p, false))) { return NULL; }
    if (!pairs) { n->kind = NODE_SET; }
    if (at_sign(p, "|")) {
        return comprehension(p, n, pairs ? NODE_OBJECT_EACH : NODE_SET_EACH, "}");
    }
    return take_sign(p, ",") ? items(p, n, "}", pairs) : want_sign(p, "}") ? n : NULL;
}

static struct node *constant(struct parser *p, const struct value *v)
{
    struct node *n = node_new(p, NODE_CONST, p->t.line);
    if (n) { n->value = v; }
    advance(p);
    return n;
}

/* A name, or names with dots before a "(": a call. */
static struct node *call(struct parser *p, struct node *name)
{
    advance(p);
    name->kind = NODE_CALL;
    if (view_is(name->name, "set") && take_sign(p, ")")) { /* set(): the empty one */
        name->kind = NODE_SET;
        return name;
    }
    return items(p, name, ")", false);
}

/* .name, ["text"] or [term] behind a term, each glued to what stands before. */
static struct node *reference(struct parser *p, struct node *n)
{
    bool dotted = n && n->kind == NODE_NAME; /* names and dots so far */
    struct view whole = dotted ? n->name : (struct view){0};
    for (unsigned i = 0; n && p->t.glued && p->t.kind == TOKEN_SIGN; i++) {
        unsigned line = p->t.line;
        struct node *key = NULL;
        if (i == REGO_CHAIN_MAX) {
            fail(p, line, "a reference of more than %u steps", REGO_CHAIN_MAX);
            return NULL;
        }
        if (take_sign(p, ".")) {
            if (p->t.kind != TOKEN_NAME || !p->t.glued) { fail_here(p, "a name behind the dot"); }
            if (dotted) { whole.len = (size_t)(p->t.text.p + p->t.text.len - whole.p); }
            key = constant(p, value_text(p->m->arena, (const char *)p->t.text.p, p->t.text.len));
        } else if (take_sign(p, "[")) {
            dotted = false;
            key = expression(p, true);
            if (!want_sign(p, "]")) { return NULL; }
        } else if (at_sign(p, "(")) {
            if (!dotted) {
                fail(p, line, "only a function that has a name can be called");
                return NULL;
            }
            struct node *f = node_new(p, NODE_NAME, n->line);
            if (!f) { return NULL; }
            f->name = whole;
            n = call(p, f);
            dotted = false;
            continue;
        } else {
            break;
        }
        n = node_two(p, NODE_REF, line, n, key);
    }
    return n;
}

static struct node *named(struct parser *p)
{
    static const struct {
        const char *word;
        const struct value *value;
    } words[] = {{"true", &value_true}, {"false", &value_false}, {"null", &value_null}};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (at_word(p, words[i].word)) { return constant(p, words[i].value); }
    }
    if (is_keyword(p->t.text)) {
        fail_here(p, "a value");
        return NULL;
    }
    struct node *n = node_new(p, NODE_NAME, p->t.line);
    if (n) { n->name = p->t.text; }
    advance(p);
    return n;
}

/* "-" behind which a number stands. */
static struct node *negative(struct parser *p)
{
    advance(p);
    if (p->t.kind != TOKEN_NUMBER) {
        fail_here(p, "a number behind the minus; write 0 - x for other terms");
        return NULL;
    }
    const struct value *v = p->t.value;
    return constant(p, v->kind == VALUE_INT ? value_int(p->m->arena, -v->integer)
                                            : value_real(p->m->arena, -v->real));
}

static struct node *term(struct parser *p)
{
    struct node *n = NULL;
    unsigned line = p->t.line;
    if (!enter(p)) { return NULL; }
    if (p->t.kind == TOKEN_STRING || p->t.kind == TOKEN_NUMBER) {
        n = constant(p, p->t.value);
    } else if (p->t.kind == TOKEN_NAME) {
        n = reference(p, named(p));
    } else if (at_sign(p, "-")) {
        n = negative(p);
    } else if (take_sign(p, "(")) {
        n = expression(p, true);
        if (!want_sign(p, ")")) { n = NULL; }
    } else if (take_sign(p, "[")) {
        n = reference(p, array(p, line));
    } else if (take_sign(p, "{")) {
        n = reference(p, set_or_object(p, line));
    } else {
        fail_here(p, "a value");
    }
    p->nesting--;
    return n;
}

/* ---- expressions ----------------------------------------------------------------------------- */

struct operator
{
    const char *sign;
    enum op op;
};
/* From the loosest to the tightest. `in` is a word and looser than all of them. */
static const struct operator relations[] = {{"==", OP_EQ}, {"!=", OP_NE}, {"<", OP_LT},
                                            {"<=", OP_LE}, {">", OP_GT},  {">=", OP_GE}};
static const struct operator unions[] = {{"|", OP_OR}};
static const struct operator intersections[] = {{"&", OP_AND}};
static const struct operator sums[] = {{"+", OP_ADD}, {"-", OP_SUB}};
static const struct operator products[] = {{"*", OP_MUL}, {"/", OP_DIV}, {"%", OP_MOD}};
static const struct {
    const struct operator* v;
    size_t count;
} levels[] = {{relations, ARRAY_COUNT(relations)},
              {unions, ARRAY_COUNT(unions)},
              {intersections, ARRAY_COUNT(intersections)},
              {sums, ARRAY_COUNT(sums)},
              {products, ARRAY_COUNT(products)}};

static enum op operator_here(const struct parser *p, size_t level, bool pipe)
{
    for (size_t i = 0; i < levels[level].count; i++) {
        const struct operator* o = & levels[level].v[i];
        if (at_sign(p, o->sign) && (pipe || o->op != OP_OR)) { return o->op; }
    }
    return 0;
}

static struct node *binary(struct parser *p, size_t level, bool pipe)
{
    if (level == ARRAY_COUNT(levels)) { return term(p); }
    struct node *n = binary(p, level + 1, pipe);
    enum op op;
    for (unsigned i = 0; n && (op = operator_here(p, level, pipe)) != 0; i++) {
        unsigned line = p->t.line;
        if (i == REGO_CHAIN_MAX || (level == 0 && i == 1)) {
            fail(p, line,
                 level == 0 ? "a comparison of a comparison; use parentheses"
                            : "too many operators in one expression");
            return NULL;
        }
        advance(p);
        n = node_two(p, NODE_BINARY, line, n, binary(p, level + 1, pipe));
        if (n) { n->op = op; }
    }
    return n;
}

/* pipe: may | be an operator here? Not in the first term of a comprehension. */
static struct node *expression(struct parser *p, bool pipe)
{
    struct node *n = binary(p, 0, pipe);
    for (unsigned i = 0; n && at_word(p, "in"); i++) {
        unsigned line = p->t.line;
        if (i == REGO_CHAIN_MAX) {
            fail(p, line, "too many operators in one expression");
            return NULL;
        }
        advance(p);
        n = node_two(p, NODE_BINARY, line, n, binary(p, 0, pipe));
        if (n) { n->op = OP_IN; }
    }
    return n;
}

/* ---- literals and bodies --------------------------------------------------------------------- */

static struct literal *literal_new(struct parser *p, enum literal_kind kind)
{
    struct literal *l = alloc(p, sizeof *l);
    if (l) {
        l->kind = kind;
        l->line = p->t.line;
    }
    return l;
}

/* Behind `some` or `every`: [a,] b in c. */
static bool element(struct parser *p, struct literal *l)
{
    if (l->name_count == 2) { l->a = l->names[0]; }
    l->b = l->names[l->name_count - 1];
    if (l->name_count > 2 || !take_word(p, "in")) {
        fail_here(p, "`in` behind one or two names");
        return false;
    }
    l->c = binary(p, 0, true);
    return l->c != NULL;
}

static struct literal *some_or_every(struct parser *p, enum literal_kind kind)
{
    struct literal *l = literal_new(p, kind);
    struct node *names = node_new(p, NODE_ARRAY, p->t.line);
    advance(p);
    do {
        if (!l || !names || !item_add(p, names, binary(p, 0, true))) { return NULL; }
    } while (take_sign(p, ","));
    l->names = names->items;
    l->name_count = names->count;
    if (kind == LITERAL_SOME && !at_word(p, "in")) {
        l->kind = LITERAL_DECLARE;
        return l;
    }
    if (!element(p, l)) { return NULL; }
    if (kind == LITERAL_EVERY) {
        if (!want_sign(p, "{")) { return NULL; }
        l->inner = body(p, "}");
        if (!l->inner || !want_sign(p, "}")) { return NULL; }
    }
    return l;
}

static struct literal *literal(struct parser *p);

static struct literal *not_literal(struct parser *p)
{
    struct literal *l = literal_new(p, LITERAL_NOT);
    advance(p);
    struct body *b = alloc(p, sizeof *b);
    if (!l || !b) { return NULL; }
    b->literals = literal(p);
    if (!b->literals) { return NULL; }
    if (b->literals->kind != LITERAL_TEST) {
        fail(p, l->line, "behind `not` stands something else than a test");
        return NULL;
    }
    l->inner = b;
    return l;
}

static struct literal *test_or_assign(struct parser *p)
{
    struct literal *l = literal_new(p, LITERAL_TEST);
    struct node *n = expression(p, true);
    if (!l || !n) { return NULL; }
    if (at_sign(p, ":=") || at_sign(p, "=")) {
        l->kind = at_sign(p, ":=") ? LITERAL_ASSIGN : LITERAL_UNIFY;
        advance(p);
        l->a = n;
        n = expression(p, true);
    }
    l->b = n;
    return n ? l : NULL;
}

static struct literal *literal(struct parser *p)
{
    struct literal *l;
    if (!enter(p)) { return NULL; }
    if (at_word(p, "some")) {
        l = some_or_every(p, LITERAL_SOME);
    } else if (at_word(p, "every")) {
        l = some_or_every(p, LITERAL_EVERY);
    } else if (at_word(p, "not")) {
        l = not_literal(p);
    } else {
        l = test_or_assign(p);
    }
    p->nesting--;
    if (at_word(p, "with")) { fail(p, p->t.line, "`with` is not supported"); }
    return p->rc < 0 ? NULL : l;
}

/* Literals up to (not with) the closing sign, each on a line of its own or behind a semicolon. */
static struct body *body(struct parser *p, const char *end)
{
    struct body *b = alloc(p, sizeof *b);
    struct literal **last = b ? &b->literals : NULL;
    if (!b || !enter(p)) { return NULL; }
    while (p->rc == 0) {
        *last = literal(p);
        if (!*last) { return NULL; }
        last = &(*last)->next;
        bool semicolon = take_sign(p, ";");
        if (at_sign(p, end)) { break; }
        if (!semicolon && !p->t.first) { fail_here(p, "a new line, ; or the end of the body"); }
    }
    p->nesting--;
    return p->rc < 0 ? NULL : b;
}

/* ---- rules ----------------------------------------------------------------------------------- */

/* `{ ... }` or one literal. */
static struct body *rule_body(struct parser *p)
{
    if (take_sign(p, "{")) {
        struct body *b = body(p, "}");
        return b && want_sign(p, "}") ? b : NULL;
    }
    struct body *b = alloc(p, sizeof *b);
    if (b) { b->literals = literal(p); }
    return b && b->literals ? b : NULL;
}

/* [:= value] [if body], at least one of them. */
static struct clause *clause_tail(struct parser *p, unsigned line, struct node **params)
{
    struct clause *c = alloc(p, sizeof *c);
    if (!c) { return NULL; }
    c->line = line;
    c->params = params;
    bool valued = take_sign(p, ":=") || take_sign(p, "=");
    if (valued) {
        c->value = expression(p, true);
        if (!c->value) { return NULL; }
    }
    if (take_word(p, "if")) {
        c->body = rule_body(p);
        if (!c->body) { return NULL; }
    } else if (at_sign(p, "{")) {
        fail(p, p->t.line, "a body without `if` before it: the old form of rules is not supported");
    } else if (!valued) {
        fail_here(p, "`if`, := or contains");
    }
    return p->rc < 0 ? NULL : c;
}

static struct rule *rule_named(struct parser *p, struct view name, enum rule_kind kind,
                               unsigned line)
{
    struct module *m = p->m;
    struct rule *r = module_rule(m, name);
    if (r) {
        if (r->kind != kind) {
            fail(p, line, "%.*s is another kind of rule at line %u", NAME_ARGS(name), r->line);
        }
        return p->rc < 0 ? NULL : r;
    }
    if (m->rule_count == REGO_RULES_MAX) {
        fail(p, line, "more than %u rules", REGO_RULES_MAX);
        return NULL;
    }
    if (view_is(name, "input") || view_is(name, "data") || view_is(name, "_")) {
        fail(p, line, "a rule cannot be named %.*s", NAME_ARGS(name));
    }
    r = alloc(p, sizeof *r);
    if (!r) { return NULL; }
    *r = (struct rule){.kind = kind,
                       .line = line,
                       .name = name,
                       .index = (unsigned)m->rule_count,
                       .last = &r->clauses};
    m->rules[m->rule_count++] = r;
    return r;
}

static void clause_add(struct rule *r, struct clause *c)
{
    *r->last = c;
    r->last = &c->next;
}

/* A clause and what stands behind its else. */
static void clauses(struct parser *p, struct rule *r, struct node **params, unsigned line)
{
    struct clause *c = clause_tail(p, line, params);
    if (!c) { return; }
    clause_add(r, c);
    while (at_word(p, "else")) {
        unsigned at = p->t.line;
        if (!c->body) {
            fail(p, at, "an else that cannot be reached: what stands before it has no `if`");
            return;
        }
        advance(p);
        c->otherwise = clause_tail(p, at, params);
        if (!(c = c->otherwise)) { return; }
    }
}

static void function(struct parser *p, struct view name, unsigned line)
{
    struct node *params = node_new(p, NODE_ARRAY, line);
    advance(p);
    if (!params || !items(p, params, ")", false)) { return; }
    struct rule *r = rule_named(p, name, RULE_FUNCTION, line);
    if (!r) { return; }
    if (r->clauses && r->param_count != params->count) {
        fail(p, line, "%.*s has %zu arguments at line %u", NAME_ARGS(name), r->param_count,
             r->line);
        return;
    }
    r->param_count = params->count;
    clauses(p, r, params->items, line);
}

/* name contains value [if body] */
static void set_rule(struct parser *p, struct view name, unsigned line)
{
    struct rule *r = rule_named(p, name, RULE_SET, line);
    struct clause *c = r ? alloc(p, sizeof *c) : NULL;
    advance(p);
    if (!c) { return; }
    c->line = line;
    c->value = expression(p, true);
    if (c->value && take_word(p, "if")) { c->body = rule_body(p); }
    clause_add(r, c);
    if (at_word(p, "else")) { fail(p, p->t.line, "`else` behind `contains` has no meaning"); }
}

static void rule(struct parser *p)
{
    struct view name = p->t.text;
    unsigned line = p->t.line;
    if (p->t.kind != TOKEN_NAME || is_keyword(name)) {
        fail_here(p, "a rule");
        return;
    }
    advance(p);
    if (at_sign(p, "(") && p->t.glued) {
        function(p, name, line);
    } else if (at_word(p, "contains")) {
        set_rule(p, name, line);
    } else if (at_sign(p, "[") || at_sign(p, ".")) {
        fail(p, line, "a rule for one member of %.*s is not supported: write the object as a whole",
             NAME_ARGS(name));
    } else {
        struct rule *r = rule_named(p, name, RULE_VALUE, line);
        if (r) { clauses(p, r, NULL, line); }
    }
}

/* default name := constant */
static void default_rule(struct parser *p)
{
    unsigned line = p->t.line;
    advance(p);
    struct view name = p->t.text;
    if (p->t.kind != TOKEN_NAME || is_keyword(name)) {
        fail_here(p, "a name behind default");
        return;
    }
    advance(p);
    if (at_sign(p, "(")) {
        fail(p, line, "default for a function is not supported");
        return;
    }
    if (!take_sign(p, ":=") && !take_sign(p, "=")) {
        fail_here(p, ":=");
        return;
    }
    struct node *value = expression(p, true);
    struct rule *r = value ? rule_named(p, name, RULE_VALUE, line) : NULL;
    if (!r) { return; }
    if (r->fallback) {
        fail(p, line, "a second default for %.*s", NAME_ARGS(name));
        return;
    }
    r->fallback = value;
}

/* import rego.v1, import future.keywords[.name]: the grammar is that one anyway. */
static void import(struct parser *p)
{
    unsigned line = p->t.line;
    advance(p);
    bool first = true, ours = false;
    struct view a = {0}, b = {0};
    for (; p->t.kind == TOKEN_NAME; first = false) {
        if (first) {
            a = p->t.text;
        } else if (!b.p) {
            b = p->t.text;
        }
        advance(p);
        if (!take_sign(p, ".")) { break; }
    }
    ours = b.p && ((view_is(a, "rego") && view_is(b, "v1")) ||
                   (view_is(a, "future") && view_is(b, "keywords")));
    if (!ours) {
        struct view found = a.p ? a : p->t.text;
        fail(p, line, "import: found %.*s, wanted rego.v1; other imports are not supported",
             NAME_ARGS(found));
    }
}

static void package(struct parser *p)
{
    if (!take_word(p, "package")) {
        fail_here(p, "package");
        return;
    }
    do {
        if (p->t.kind != TOKEN_NAME || p->m->package_count == PACKAGE_SEGMENTS_MAX) {
            fail_here(p, "a name of a package");
            return;
        }
        p->m->package[p->m->package_count++] = p->t.text;
        advance(p);
    } while (take_sign(p, "."));
}

struct rule *module_rule(const struct module *m, struct view name)
{
    for (size_t i = 0; i < m->rule_count; i++) {
        if (view_equal(m->rules[i]->name, name)) { return m->rules[i]; }
    }
    return NULL;
}

int module_parse(const void *text, size_t len, struct module *m, struct err *e)
{
    struct parser p = {
        .m = m, .lexer = {.c = cur_of(text, len), .line = 1, .arena = m->arena}, .e = e};
    m->rules = alloc(&p, REGO_RULES_MAX * sizeof(struct rule *));
    advance(&p);
    if (p.rc == 0) { package(&p); }
    while (p.rc == 0 && at_word(&p, "import")) { import(&p); }
    while (p.rc == 0 && p.t.kind != TOKEN_END) {
        if (!p.t.first) {
            fail_here(&p, "a new line before the next rule");
        } else if (at_word(&p, "default")) {
            default_rule(&p);
        } else {
            rule(&p);
        }
    }
    return p.rc;
}
