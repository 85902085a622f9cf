/* SPDX-License-Identifier: Apache-2.0 */
/* The functions a policy may call, by name; rego.h lists them for people. */
#ifndef CASEMATE_ATTEST_POLICY_BUILTINS_H
#define CASEMATE_ATTEST_POLICY_BUILTINS_H

#include "attest/policy/run.h"

struct builtin {
    const char *name;
    size_t args;
    bool relation; /* gives many values: only where those can be bound */
    /*
     * args are defined. NULL = undefined or, with v->rc set, failed. The weight of args has been
     * charged.
     */
    const struct value *(*run)(struct eval *v, const struct value *const *args);
};

/* NULL when there is none of that name. */
const struct builtin *builtin_of(struct view name);

/* a op b, for numbers and sets. */
const struct value *builtin_arithmetic(struct eval *v, char op, const struct value *a,
                                       const struct value *b);

#endif
