/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See trace.h. A test only leaves pointers behind; words are made when a step of the watched
 * clause stops.
 */
#include "attest/policy/trace.h"

#include <stdio.h>

void trace_rule(struct eval *v, const struct rule *r)
{
    if (v->trace && r->kind == RULE_VALUE) { v->trace->rule = r; }
}

void trace_clause(struct eval *v, const struct rule *r, const struct clause *c)
{
    struct trace *t = v->trace;
    if (!t || t->rule != r) { return; }
    t->body = c->body;
    t->furthest = 0;
    (void)snprintf(t->text, sizeof t->text, "the value is undefined");
}

void trace_clause_end(struct eval *v, const struct clause *c, bool held)
{
    struct trace *t = v->trace;
    if (!t || t->body != c->body || v->rc < 0) { return; }
    t->body = NULL;
    if (held) {
        if (!t->held_line) { t->held_line = c->line; }
        return;
    }
    unsigned line = t->furthest ? c->body->steps[t->furthest - 1].line : c->line;
    decision_reason(t->reasons, "policy line %u: stopped at line %u: %s", c->line, line, t->text);
}

static void latest(struct eval *v, enum op op, const struct value *a, const struct value *b,
                   const char *words)
{
    struct trace *t = v->trace;
    if (!t) { return; }
    t->op = op;
    t->a = a;
    t->b = b;
    t->words = words;
}

void trace_compared(struct eval *v, enum op op, const struct value *a, const struct value *b)
{
    latest(v, op, a, b, NULL);
}
void trace_value(struct eval *v, const struct value *found) { latest(v, 0, found, NULL, NULL); }
void trace_text(struct eval *v, const char *words) { latest(v, 0, NULL, NULL, words); }

static void describe(struct trace *t)
{
    static const char *const signs[] = {"", "==", "!=", "<", "<=", ">", ">=", "in"};
    char a[120], b[120];
    if (t->words) {
        (void)snprintf(t->text, sizeof t->text, "%s", t->words);
        return;
    }
    if (!t->a) {
        (void)snprintf(t->text, sizeof t->text, "found nothing: it is undefined");
        return;
    }
    value_print(t->a, a, sizeof a);
    if (t->op && t->b) {
        value_print(t->b, b, sizeof b);
        (void)snprintf(t->text, sizeof t->text, "found %s, wanted %s %s", a, signs[t->op], b);
    } else if (t->op) {
        (void)snprintf(t->text, sizeof t->text, "found %s, to be %s something undefined", a,
                       signs[t->op]);
    } else {
        (void)snprintf(t->text, sizeof t->text, "found %s", a);
    }
}

void trace_stop(struct eval *v, const struct body *b, size_t i)
{
    struct trace *t = v->trace;
    if (!t || t->body != b || i + 1 < t->furthest || v->rc < 0) { return; }
    t->furthest = i + 1;
    describe(t);
}
