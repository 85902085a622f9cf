/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy as a tree. The parser (parse.c) makes it with names in it; the checker (check.c) turns
 * names into slots and rules, and bodies into steps; only then is it evaluated (eval.c).
 *
 * After the check every expression has at most one value. All iteration stands in steps of its own
 * (STEP_EACH): `input.xs[_].name == "a"` is checked into "each x of input.xs; x.name == "a"". So
 * evaluation is a loop over steps that recurses at STEP_EACH and nowhere else.
 */
#ifndef CASEMATE_ATTEST_POLICY_AST_H
#define CASEMATE_ATTEST_POLICY_AST_H

#include "attest/policy/lex.h"

#include <string.h>

enum node_kind {
    NODE_CONST = 1, /* value */
    NODE_NAME,      /* name; gone after the check */
    NODE_SLOT,      /* a local that has a value: slot */
    NODE_BIND,      /* in patterns: the local at slot gets its value */
    NODE_WILD,      /* in patterns: anything */
    NODE_INPUT,
    NODE_DATA,
    NODE_RULE,        /* the value of rule */
    NODE_REF,         /* items[0][items[1]] */
    NODE_CALL,        /* name, items; after the check builtin or rule */
    NODE_ARRAY,       /* items */
    NODE_SET,         /* items */
    NODE_OBJECT,      /* items: key, value, key, value ... */
    NODE_BINARY,      /* items[0] op items[1] */
    NODE_ARRAY_EACH,  /* [items[0] | body] */
    NODE_SET_EACH,    /* {items[0] | body} */
    NODE_OBJECT_EACH, /* {items[0]: items[1] | body} */
};

enum op {
    OP_EQ = 1,
    OP_NE,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_IN,
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_MOD,
    OP_AND,
    OP_OR,
};

struct node {
    enum node_kind kind;
    enum op op;
    unsigned line;
    unsigned slot;
    struct view name;
    const struct value *value;
    struct node **items;
    size_t count;
    struct body *body;
    const struct builtin *builtin;
    struct rule *rule;
};

/* What a body holds as it was written ... */
enum literal_kind {
    LITERAL_TEST = 1, /* b */
    LITERAL_NOT,      /* inner */
    LITERAL_DECLARE,  /* some a, b, c: names */
    LITERAL_SOME,     /* some a, b in c; a NULL where only b is given */
    LITERAL_EVERY,    /* every a, b in c { inner } */
    LITERAL_ASSIGN,   /* a := b */
    LITERAL_UNIFY,    /* a = b */
};
struct literal {
    enum literal_kind kind;
    unsigned line;
    struct node *a, *b, *c;
    struct node **names;
    size_t name_count;
    struct body *inner;
    struct literal *next;
};

/* ... and after the check. key and value are patterns; key may be NULL. */
enum step_kind {
    STEP_TEST = 1, /* term has a value that is not false */
    STEP_BIND,     /* term has a value that fits value */
    STEP_EACH,  /* once for each element of term that fits key and value; `named`: by `some`, which
                      wants a collection */
    STEP_NOT,   /* body holds in no way */
    STEP_EVERY, /* body holds for each element of term */
};
struct step {
    enum step_kind kind;
    bool named;
    unsigned line;
    struct node *key, *value, *term;
    struct body *body;
};

struct body {
    struct literal *literals;
    struct step *steps;
    size_t count;
};

struct clause {
    unsigned line;
    struct node **params; /* patterns; of the whole chain */
    struct node *value;   /* NULL = true */
    struct body *body;
    unsigned slots;
    struct clause *otherwise; /* else */
    struct clause *next;      /* of the same rule */
};

enum rule_kind { RULE_VALUE = 1, RULE_SET, RULE_FUNCTION };
struct rule {
    enum rule_kind kind;
    unsigned line;
    unsigned index; /* into what an evaluation remembers */
    struct view name;
    size_t param_count;
    struct node *fallback; /* default; constants alone */
    struct clause *clauses, **last;
    struct rule **uses; /* rules its clauses name */
    size_t use_count, use_cap;
    enum { RULE_NEW, RULE_OPEN, RULE_DONE } visit;
};

#define PACKAGE_SEGMENTS_MAX 8u
struct module {
    struct arena *arena;
    struct view package[PACKAGE_SEGMENTS_MAX];
    size_t package_count;
    struct rule **rules; /* room for REGO_RULES_MAX */
    size_t rule_count;
};

#define REGO_RULES_MAX   1024u
#define REGO_NESTING_MAX 48u   /* of terms and bodies inside each other, as written */
#define REGO_LOCALS_MAX  1000u /* names and iterations of one clause */
#define REGO_CHAIN_MAX   64u   /* operators, or steps of a reference, in one expression */

/* One file each: text to tree; tree to steps. */
MUST_CHECK int module_parse(const void *text, size_t len, struct module *m, struct err *e);
MUST_CHECK int module_check(struct module *m, struct err *e);

struct rule *module_rule(const struct module *m, struct view name);

static inline bool view_is(struct view v, const char *text)
{
    size_t n = strlen(text);
    return v.len == n && memcmp(v.p, text, n) == 0;
}
static inline bool view_equal(struct view a, struct view b)
{
    return a.len == b.len && memcmp(a.p, b.p, a.len) == 0;
}
/* For messages: "%.*s" of a name, at most 60 characters. */
#define NAME_ARGS(v) (int)((v).len < 60 ? (v).len : 60), (const char *)(v).p

#endif
