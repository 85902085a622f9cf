/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See control.h. Rules are read twice: first their names, so that a rule may name one that stands
 * behind it, then what they say. Texts are laid one behind the other as they come.
 */
#include "loader/init/control.h"

#include "guest/abi/control.h"
#include "guest/base/glob.h"
#include "guest/base/hosted.h"
#include "loader/image/members.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#define NAME_MAX_LEN 63

struct table {
    struct cc_control head;
    struct cc_control_rule rules[CC_CONTROL_RULES_MAX];
    char text[CC_CONTROL_TEXT_MAX];
    const char *names[CC_EVENT_COUNT];
};

/* ---- names */

static bool name_ok(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return n > 0 && n <= NAME_MAX_LEN && s[n] == '\0';
}

static int event_of(const struct table *t, const char *name)
{
    for (unsigned i = 0; i < CC_EVENT_COUNT; i++) {
        if (t->names[i] && strcmp(t->names[i], name) == 0) { return (int)i; }
    }
    return -1;
}

static int read_names(struct table *t, const json_t *list, struct err *e)
{
    t->names[CC_EVENT_EVIDENCE] = "evidence";
    t->names[CC_EVENT_EXTEND] = "extend";
    for (size_t i = 0; i < t->head.rule_count; i++) {
        const json_t *rule = json_array_get(list, i);
        const char *name;
        if (!json_is_object(rule)) { return err_set(e, EACCES, "control[%zu] is not a table", i); }
        if (member_text(rule, "name", &name, e) < 0) { return err_wrap(e, "control[%zu]", i); }
        if (!name_ok(name) || event_of(t, name) >= 0) {
            return err_set(e, EACCES, "control name '%.70s' is taken or not of a-z 0-9 -", name);
        }
        t->names[i] = name;
    }
    return 0;
}

static int read_events(const struct table *t, const json_t *rule, const char *key, uint64_t *out,
                       struct err *e)
{
    json_t *list;
    if (member_array_opt(rule, key, &list, e) < 0) { return -e->code; }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        int event = name ? event_of(t, name) : -1;
        if (event < 0) {
            return err_set(e, EACCES, "%s: '%.70s' is neither a rule nor an event", key,
                           name ? name : "(not a text)");
        }
        *out |= 1ull << event;
    }
    return 0;
}

/* ---- signals */

static int signal_of(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } known[] = {{"HUP", SIGHUP},   {"QUIT", SIGQUIT},     {"ABRT", SIGABRT}, {"USR1", SIGUSR1},
                 {"USR2", SIGUSR2}, {"PIPE", SIGPIPE},     {"ALRM", SIGALRM}, {"CHLD", SIGCHLD},
                 {"CONT", SIGCONT}, {"STOP", SIGSTOP},     {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN},
                 {"TTOU", SIGTTOU}, {"URG", SIGURG},       {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ},
                 {"PROF", SIGPROF}, {"VTALRM", SIGVTALRM}, {"IO", SIGIO},     {"PWR", SIGPWR}};
    for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
        if (strcmp(known[i].name, name) == 0) { return known[i].number; }
    }
    return 0;
}

static int read_signals(const json_t *list, uint64_t *out, struct err *e)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        int signo = name ? signal_of(name) : 0;
        if (signo == 0) {
            return err_set(e, EACCES,
                           "signal '%.20s' is none that a rule can name (TERM, KILL, INT and WINCH "
                           "are always allowed)",
                           name ? name : "(not a text)");
        }
        *out |= 1ull << (signo - 1);
    }
    return *out != 0 ? 0 : err_set(e, EACCES, "signals is empty");
}

/* ---- programs */

static int put_text(struct table *t, const char *text, uint32_t *out_at, struct err *e)
{
    size_t len = strlen(text) + 1;
    if (len > CC_CONTROL_TEXT_MAX - t->head.text_len) {
        return err_set(e, EFBIG, "more than %u bytes of texts", CC_CONTROL_TEXT_MAX);
    }
    *out_at = t->head.text_len;
    memcpy(t->text + t->head.text_len, text, len);
    t->head.text_len += (uint32_t)len;
    return 0;
}

static int put_list(struct table *t, const json_t *list, bool literal, uint32_t *out_at,
                    uint32_t *out_count, struct err *e)
{
    if (json_array_size(list) > CC_CONTROL_LIST_MAX) {
        return err_set(e, EFBIG, "a list of %zu texts, at most %u", json_array_size(list),
                       CC_CONTROL_LIST_MAX);
    }
    *out_at = t->head.text_len;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        uint32_t at;
        if (!text || (literal && strpbrk(text, "*\\"))) {
            return err_set(e, EACCES, "'%.80s' is not a text%s", text ? text : "",
                           literal ? " without * and \\" : "");
        }
        if (put_text(t, text, &at, e) < 0) { return -e->code; }
    }
    *out_count = (uint32_t)json_array_size(list);
    return 0;
}

static int read_flag(const json_t *rule, const char *key, uint32_t flag, uint32_t *flags,
                     struct err *e)
{
    const json_t *v = json_object_get(rule, key);
    if (v && !json_is_boolean(v)) {
        return err_set(e, EACCES, "member '%s' is not true or false", key);
    }
    if (json_is_true(v)) { *flags |= flag; }
    return 0;
}

static int read_program(struct table *t, const json_t *rule, const json_t *args,
                        struct cc_control_rule *r, struct err *e)
{
    static const char *const known[] = {"name",  "exec",   "env",   "cwd",   "user", "tty",
                                        "stdin", "before", "after", "times", NULL};
    const char *cwd, *user;
    json_t *env;
    r->flags = CC_CONTROL_EXEC;
    if (members_only(rule, known, e) < 0 || member_array_opt(rule, "env", &env, e) < 0 ||
        member_text(rule, "cwd", &cwd, e) < 0 || member_text(rule, "user", &user, e) < 0 ||
        put_list(t, args, false, &r->args, &r->args_count, e) < 0 ||
        put_list(t, env, true, &r->env, &r->env_count, e) < 0 || put_text(t, cwd, &r->cwd, e) < 0 ||
        put_text(t, user, &r->user, e) < 0 ||
        read_flag(rule, "tty", CC_CONTROL_TTY, &r->flags, e) < 0 ||
        read_flag(rule, "stdin", CC_CONTROL_STDIN, &r->flags, e) < 0) {
        return -e->code;
    }
    return r->args_count > 0 ? 0 : err_set(e, EACCES, "exec is empty");
}

/* ---- rules */

static int read_rule(struct table *t, const json_t *rule, struct cc_control_rule *r, struct err *e)
{
    static const char *const known[] = {"name", "signals", "before", "after", "times", NULL};
    json_t *signals, *exec;
    uint64_t times = 0;
    if (member_array_opt(rule, "signals", &signals, e) < 0 ||
        member_array_opt(rule, "exec", &exec, e) < 0 ||
        read_events(t, rule, "before", &r->before, e) < 0 ||
        read_events(t, rule, "after", &r->after, e) < 0) {
        return -e->code;
    }
    if (!signals == !exec) { return err_set(e, EACCES, "wanted either signals or exec"); }
    if (json_object_get(rule, "times") &&
        (member_size(rule, "times", &times, e) < 0 || times == 0 || times > UINT32_MAX)) {
        return e->code ? -e->code : err_set(e, EACCES, "times is 1 or more");
    }
    r->times = (uint32_t)times;
    if (exec) { return read_program(t, rule, exec, r, e); }
    return members_only(rule, known, e) < 0 ? -e->code : read_signals(signals, &r->signals, e);
}

/* The parts in use, one behind the other. */
static int pack(const struct table *t, uint8_t **out, size_t *out_len, struct err *e)
{
    size_t rules = t->head.rule_count * sizeof t->rules[0];
    size_t len = sizeof t->head + rules + t->head.text_len;
    uint8_t *p = malloc(len);
    if (!p) { return err_set(e, ENOMEM, "out of memory"); }
    memcpy(p, &t->head, sizeof t->head);
    memcpy(p + sizeof t->head, t->rules, rules);
    memcpy(p + sizeof t->head + rules, t->text, t->head.text_len);
    *out = p;
    *out_len = len;
    return 0;
}

int control_compile(const json_t *policy, uint8_t **out, size_t *out_len, struct err *e)
{
    json_t *list;
    *out = NULL;
    *out_len = 0;
    if (member_array_opt(policy, "control", &list, e) < 0) { return -e->code; }
    if (json_array_size(list) == 0) { return 0; }
    if (json_array_size(list) > CC_CONTROL_RULES_MAX) {
        return err_set(e, EFBIG, "%zu [[control]], at most %u", json_array_size(list),
                       CC_CONTROL_RULES_MAX);
    }
    auto_free struct table *t = calloc(1, sizeof *t);
    if (!t) { return err_set(e, ENOMEM, "out of memory"); }
    t->head.rule_count = (uint32_t)json_array_size(list);
    if (read_names(t, list, e) < 0) { return -e->code; }
    for (size_t i = 0; i < t->head.rule_count; i++) {
        if (read_rule(t, json_array_get(list, i), &t->rules[i], e) < 0) {
            return err_wrap(e, "control %s", t->names[i]);
        }
    }
    return pack(t, out, out_len, e);
}
