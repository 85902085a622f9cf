/* SPDX-License-Identifier: Apache-2.0 */
/* See control.h. */
#include "guest/control.h"

#include "guest/abi/linux_signal.h"
#include "guest/base/glob.h"
#include "guest/los.h"

#define EVENTS_ALL ((1ull << CC_EVENT_COUNT) - 1)
#define FLAGS_ALL  (CC_CONTROL_EXEC | CC_CONTROL_TTY | CC_CONTROL_STDIN)

/* ---- the table ------------------------------------------------------------------------------- */

/* The text behind the one at *at, which ends inside; false at the end. */
static bool text_next(struct view text, uint32_t *at)
{
    const uint8_t *end = *at < text.len ? memchr(text.p + *at, 0, text.len - *at) : NULL;
    if (end == NULL) { return false; }
    *at = (uint32_t)(end - text.p) + 1;
    return true;
}

static bool list_ok(struct view text, uint32_t at, uint32_t count)
{
    if (count > CC_CONTROL_LIST_MAX) { return false; }
    for (uint32_t i = 0; i < count; i++) {
        if (!text_next(text, &at)) { return false; }
    }
    return true;
}

static struct cc_control_rule rule_read(struct cur *c)
{
    return (struct cc_control_rule){
        .before = cur_u64le(c),
        .after = cur_u64le(c),
        .signals = cur_u64le(c),
        .flags = cur_u32le(c),
        .times = cur_u32le(c),
        .args = cur_u32le(c),
        .args_count = cur_u32le(c),
        .env = cur_u32le(c),
        .env_count = cur_u32le(c),
        .cwd = cur_u32le(c),
        .user = cur_u32le(c),
    };
}

static bool rule_ok(const struct cc_control_rule *r, struct view text)
{
    if (((r->before | r->after) & ~EVENTS_ALL) != 0 || (r->flags & ~FLAGS_ALL) != 0) {
        return false;
    }
    if ((r->flags & CC_CONTROL_EXEC) == 0) { return r->flags == 0 && r->signals != 0; }
    return r->signals == 0 && r->args_count > 0 && list_ok(text, r->args, r->args_count) &&
           list_ok(text, r->env, r->env_count) && list_ok(text, r->cwd, 1) &&
           list_ok(text, r->user, 1);
}

bool control_load(struct control *out, const void *table, size_t len)
{
    struct cur c = cur_of(table, len);
    struct control k = {.rule_count = cur_u32le(&c)};
    uint32_t text_len = cur_u32le(&c);
    if (c.bad || k.rule_count > CC_CONTROL_RULES_MAX || text_len > CC_CONTROL_TEXT_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < k.rule_count; i++) { k.rules[i] = rule_read(&c); }
    k.text = cur_sub(&c, text_len);
    if (!cur_end(&c)) { return false; }
    for (uint32_t i = 0; i < k.rule_count; i++) {
        if (!rule_ok(&k.rules[i], k.text)) { return false; }
    }
    *out = k;
    return true;
}

/* ---- the judge ------------------------------------------------------------------------------- */

void control_note(struct control *c, unsigned event) { c->happened |= 1ull << event; }

static bool is_open(const struct control *c, uint32_t i)
{
    const struct cc_control_rule *r = &c->rules[i];
    return (c->happened & r->before) == 0 && (c->happened & r->after) == r->after &&
           (r->times == 0 || c->used[i] < r->times);
}

static void use(struct control *c, uint32_t i)
{
    if (c->used[i] < UINT32_MAX) { c->used[i]++; }
    control_note(c, i);
}

bool control_signal(struct control *c, unsigned signo)
{
    if (signo == LSIG_KILL || signo == LSIG_TERM || signo == LSIG_INT || signo == LSIG_WINCH) {
        return true;
    }
    if (signo < 1 || signo > 64) { return false; }
    for (uint32_t i = 0; i < c->rule_count; i++) {
        if ((c->rules[i].signals >> (signo - 1) & 1) != 0 && is_open(c, i)) {
            use(c, i);
            return true;
        }
    }
    return false;
}

static const char *text_at(const struct control *c, uint32_t at)
{
    return (const char *)c->text.p + at; /* checked by control_load() */
}

static bool args_match(const struct control *c, const struct cc_control_rule *r,
                       const char *const *args)
{
    uint32_t at = r->args, i = 0;
    for (; i < r->args_count && args[i] != NULL; i++) {
        if (!glob_matches(text_at(c, at), args[i])) { return false; }
        (void)text_next(c->text, &at);
    }
    return i == r->args_count && args[i] == NULL;
}

static bool env_has(const struct control *c, const struct cc_control_rule *r, const char *variable)
{
    uint32_t at = r->env;
    for (uint32_t i = 0; i < r->env_count; i++) {
        if (strcmp(text_at(c, at), variable) == 0) { return true; }
        (void)text_next(c->text, &at);
    }
    return false;
}

static bool rule_matches(const struct control *c, const struct cc_control_rule *r,
                         const struct control_exec *x)
{
    if ((r->flags & CC_CONTROL_EXEC) == 0 || (x->flags & ~r->flags) != 0 ||
        !args_match(c, r, x->args) || !glob_matches(text_at(c, r->cwd), x->cwd) ||
        !glob_matches(text_at(c, r->user), x->user)) {
        return false;
    }
    for (const char *const *v = x->env; *v != NULL; v++) {
        if (!env_has(c, r, *v)) { return false; }
    }
    return true;
}

bool control_exec(struct control *c, const struct control_exec *x)
{
    for (uint32_t i = 0; i < c->rule_count; i++) {
        if (rule_matches(c, &c->rules[i], x) && is_open(c, i)) {
            use(c, i);
            return true;
        }
    }
    return false;
}
