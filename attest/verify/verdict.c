/* SPDX-License-Identifier: Apache-2.0 */
/* See verdict.h. */
#include "attest/verify/verdict.h"

#include "attest/hex.h"

#include <stdarg.h>
#include <stdio.h>

static struct verdict_reason *next_reason(struct verdict *v)
{
    v->result = VERDICT_REFUSED;
    size_t i = v->reason_count++;
    return &v->reasons[i < VERDICT_REASONS_MAX ? i : VERDICT_REASONS_MAX - 1];
}

void verdict_refuse(struct verdict *v, const char *check, const char *code, const char *found,
                    const char *wanted, const char *fmt, ...)
{
    struct verdict_reason *r = next_reason(v);
    va_list ap;
    r->code = code;
    r->check = check;
    (void)snprintf(r->found, sizeof r->found, "%s", found);
    (void)snprintf(r->wanted, sizeof r->wanted, "%s", wanted);
    va_start(ap, fmt);
    (void)vsnprintf(r->text, sizeof r->text, fmt, ap);
    va_end(ap);
}

void verdict_refuse_bytes(struct verdict *v, const char *check, const char *code,
                          const uint8_t *found, const uint8_t *wanted, size_t len, const char *text)
{
    char a[HEX_LEN(64)], b[HEX_LEN(64)];
    size_t n = len < 64 ? len : 64;
    hex_encode(found, n, a);
    hex_encode(wanted, n, b);
    verdict_refuse(v, check, code, a, b, "%s", text);
}

void verdict_unbound(struct verdict *v, const char *what)
{
    if (v->unbound_count < VERDICT_UNBOUND_MAX) { v->unbound[v->unbound_count++] = what; }
}

void verdict_close(struct verdict *v)
{
    v->result = v->reason_count == 0 ? VERDICT_ACCEPTED : VERDICT_REFUSED;
}

json_t *verdict_to_json(const struct verdict *v)
{
    json_t *reasons = json_array(), *unbound = json_array();
    int bad = 0;
    for (size_t i = 0; i < v->reason_count && i < VERDICT_REASONS_MAX; i++) {
        const struct verdict_reason *r = &v->reasons[i];
        bad |=
            json_array_append_new(reasons, json_pack("{s:s, s:s, s:s, s:s, s:s}", "code", r->code,
                                                     "check", r->check, "found", r->found, "wanted",
                                                     r->wanted, "text", r->text));
    }
    for (size_t i = 0; i < v->unbound_count; i++) {
        bad |= json_array_append_new(unbound, json_string(v->unbound[i]));
    }
    json_t *j = json_pack("{s:s, s:o, s:o}", "verdict",
                          v->result == VERDICT_ACCEPTED ? "accepted" : "refused", "reasons",
                          reasons, "unbound", unbound);
    if (bad != 0) {
        json_decref(j);
        return NULL;
    }
    return j;
}
