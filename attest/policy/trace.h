/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a rule has the value it has: for each of its clauses the line where it got no further and
 * what was found there, and the clause that held. One rule is watched; NULL in eval.trace watches
 * none.
 */
#ifndef CASEMATE_ATTEST_POLICY_TRACE_H
#define CASEMATE_ATTEST_POLICY_TRACE_H

#include "attest/policy/ast.h"
#include "attest/policy/builtins.h"

struct trace {
    struct decision *reasons; /* gets one for each clause that did not hold */
    unsigned held_line;       /* of the first clause that did; 0 = none */

    const struct rule *rule;
    const struct body *body; /* of the clause under way */
    size_t furthest;         /* one more than its last step that did not hold */
    char text[300];          /* what was found at that step */
    enum op op;              /* of the latest test: a op b, or a alone, or words */
    const struct value *a, *b;
    const char *words;
};

int rego_eval_traced(const struct rego_policy *p, const char *rule, const struct rego_request *rq,
                     struct trace *trace, json_t **out, struct err *e);

void trace_rule(struct eval *v, const struct rule *r);
void trace_clause(struct eval *v, const struct rule *r, const struct clause *c);
void trace_clause_end(struct eval *v, const struct clause *c, bool held);
/* What the latest test found; either value may be NULL for undefined. */
void trace_compared(struct eval *v, enum op op, const struct value *a, const struct value *b);
void trace_value(struct eval *v, const struct value *found);
void trace_text(struct eval *v, const char *words);
/* Step i of b did not hold. */
void trace_stop(struct eval *v, const struct body *b, size_t i);

#endif
