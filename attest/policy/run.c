/* SPDX-License-Identifier: Apache-2.0 */
/* See run.h. */
#include "attest/policy/run.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

const struct value *eval_fail(struct eval *v, int code, const char *fmt, ...)
{
    char text[200];
    va_list ap;
    if (v->rc < 0) { return NULL; }
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    v->rc = err_set(v->e, code, "line %u: %s", v->line, text);
    return NULL;
}

bool eval_charge(struct eval *v, uint64_t n)
{
    if (v->rc < 0) { return false; }
    if (n > v->steps_left) {
        (void)eval_fail(v, EINVAL, "more than %u steps", REGO_STEPS_MAX);
        return false;
    }
    v->steps_left -= n;
    return true;
}

const struct value *eval_made(struct eval *v, const struct value *made)
{
    return made ? made
                : eval_fail(v, EINVAL, "more than %u bytes, or nested deeper than %u",
                            REGO_MEMORY_MAX, VALUE_DEPTH_MAX);
}
