/* SPDX-License-Identifier: Apache-2.0 */
/* An evaluation under way: what it knows, what it may still spend, and how it fails. */
#ifndef CASEMATE_ATTEST_POLICY_RUN_H
#define CASEMATE_ATTEST_POLICY_RUN_H

#include "attest/policy/rego.h"
#include "attest/policy/value.h"

struct eval {
    const struct rego_request *rq;
    struct arena arena;
    uint64_t steps_left;
    unsigned depth;
    unsigned line; /* of what is being evaluated */
    struct err *e;
    int rc; /* sticks; 0 = nothing went wrong. After it every value is NULL and means nothing. */
    const struct value *input, *data;
    const struct module *module;
    const struct value **known; /* by rule: what has been evaluated already */
    bool *done;
    struct values asked; /* reference values: name, value, name, value ... */
    struct trace *trace;
};

/* Evaluation ends with this reason. Returns NULL. */
const struct value *eval_fail(struct eval *v, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Counts n steps; false when there are none left. */
MUST_CHECK bool eval_charge(struct eval *v, uint64_t n);
/* Passes on a value just made; NULL of a maker is "no memory", said here. */
const struct value *eval_made(struct eval *v, const struct value *made);

#endif
