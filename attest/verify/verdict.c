/* SPDX-License-Identifier: Apache-2.0 */
/* See verdict.h. */
#include "attest/verify/verdict.h"

#include "attest/hex.h"

#include <stdarg.h>
#include <stdio.h>

static void row_add(struct verdict *v, enum verdict_state state, const struct verdict_code *code,
                    const char *field, const char *found, const char *wanted)
{
    if (!v->table || v->table->count == VERDICT_ROWS_MAX) { return; }
    struct verdict_row *r = &v->table->rows[v->table->count++];
    r->state = state;
    r->code = code;
    r->field = field;
    (void)snprintf(r->found, sizeof r->found, "%s", found);
    (void)snprintf(r->wanted, sizeof r->wanted, "%s", wanted);
}

static struct verdict_reason *reason_add(struct verdict *v, const struct verdict_code *code,
                                         const char *found, const char *wanted)
{
    v->result = VERDICT_REFUSED;
    size_t i = v->reason_count++;
    struct verdict_reason *r = &v->reasons[i < VERDICT_REASONS_MAX ? i : VERDICT_REASONS_MAX - 1];
    r->code = code->name;
    r->check = code->check;
    (void)snprintf(r->found, sizeof r->found, "%s", found);
    (void)snprintf(r->wanted, sizeof r->wanted, "%s", wanted);
    row_add(v, VERDICT_FAILED, code, code->field, found, wanted);
    return r;
}

void verdict_refuse(struct verdict *v, const struct verdict_code *code, const char *found,
                    const char *wanted, const char *fmt, ...)
{
    struct verdict_reason *r = reason_add(v, code, found, wanted);
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(r->text, sizeof r->text, fmt, ap);
    va_end(ap);
}

bool verdict_check(struct verdict *v, bool holds, const struct verdict_code *code,
                   const char *found, const char *wanted)
{
    if (holds) {
        row_add(v, VERDICT_HELD, code, code->field, found, wanted);
    } else {
        struct verdict_reason *r = reason_add(v, code, found, wanted);
        (void)snprintf(r->text, sizeof r->text, "%s", code->means);
    }
    return holds;
}

bool verdict_check_bytes(struct verdict *v, bool holds, const struct verdict_code *code,
                         const uint8_t *found, const uint8_t *wanted, size_t len)
{
    char a[HEX_LEN(64)], b[HEX_LEN(64)];
    size_t n = len < 64 ? len : 64;
    if (holds && !v->table) { return true; }
    hex_encode(found, n, a);
    hex_encode(wanted, n, b);
    return verdict_check(v, holds, code, a, b);
}

void verdict_unbound(struct verdict *v, const char *member, const char *found)
{
    if (v->unbound_count < VERDICT_UNBOUND_MAX) { v->unbound[v->unbound_count++] = member; }
    row_add(v, VERDICT_UNBOUND, NULL, member, found, "");
}

void verdict_close(struct verdict *v)
{
    v->result = v->reason_count == 0 ? VERDICT_ACCEPTED : VERDICT_REFUSED;
}

json_t *verdict_to_json(const struct verdict *v, const json_t *claims)
{
    json_t *reasons = json_array(), *unbound = json_array();
    int bad = 0;
    for (size_t i = 0; i < v->reason_count && i < VERDICT_REASONS_MAX; i++) {
        const struct verdict_reason *r = &v->reasons[i];
        bad |= json_array_append_new(
            reasons, json_pack("{s:s, s:s, s:s, s:s, s:s}", "code", r->code, "check", r->check,
                               "found", r->found, "wanted", r->wanted, "text", r->text));
    }
    for (size_t i = 0; i < v->unbound_count; i++) {
        bad |= json_array_append_new(unbound, json_string(v->unbound[i]));
    }
    json_t *j = json_pack("{s:s, s:o, s:o, s:O*}", "verdict",
                          v->result == VERDICT_ACCEPTED ? "accepted" : "refused", "reasons",
                          reasons, "unbound", unbound, "claims", claims);
    if (bad != 0) {
        json_decref(j);
        return NULL;
    }
    return j;
}
