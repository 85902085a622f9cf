/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control rules of a launch policy, from TOML to the library OS's judge. Who could get this
 * wrong: whoever forgets that something has happened. Who would profit: the host.
 */
#include "guest/control.h"

#include "loader/init/policy.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

static struct policy *policy;

static int load(const char *rules, struct control *out, struct err *e)
{
    char text[4096];
    size_t len;
    snprintf(text, sizeof text, "version = 1\nmanifests = []\n%s", rules);
    policy_free(policy);
    policy = NULL;
    int r = policy_load(text, strlen(text), &policy, e);
    if (r < 0) { return r; }
    const void *table = policy_control(policy, &len);
    *out = (struct control){0};
    if (table) { cr_assert(control_load(out, table, len)); }
    return 0;
}

static struct control rules(const char *text)
{
    struct control c;
    struct err e = {0};
    cr_assert_eq(load(text, &c, &e), 0, "%s", e.text);
    return c;
}

static bool runs(struct control *c, const char *arg, const char *variable, uint32_t flags)
{
    const char *const args[] = {"/bin/tool", arg, NULL}, *const env[] = {variable, NULL};
    return control_exec(c, &(struct control_exec){args, env, "/work", "app", flags});
}

#define TOOL "exec = [\"/bin/tool\", \"-*\"]\nenv = [\"LANG=C\"]\ncwd = \"/*\"\nuser = \"app\"\n"

Test(control, without_rules_four_signals_are_allowed_and_nothing_else)
{
    struct control c = {0};
    for (unsigned n = 0; n < 70; n++) {
        bool always = n == SIGTERM || n == SIGKILL || n == SIGINT || n == SIGWINCH;
        cr_expect_eq(control_signal(&c, n), always, "signal %u", n);
    }
    cr_assert_not(runs(&c, "-x", NULL, 0));
}

Test(control, a_signal_that_is_named_is_allowed)
{
    struct control c = rules("[[control]]\nname = \"a\"\nsignals = [\"HUP\", \"USR1\"]\n");
    cr_assert(control_signal(&c, SIGHUP) && control_signal(&c, SIGUSR1));
    cr_assert_not(control_signal(&c, SIGUSR2));
}

Test(control, a_program_matches_whole)
{
    struct control c = rules("[[control]]\nname = \"a\"\n" TOOL "stdin = true\n");
    cr_expect(runs(&c, "-x", NULL, 0));
    cr_expect(runs(&c, "-x", "LANG=C", CC_CONTROL_STDIN));
    cr_expect_not(runs(&c, "x", NULL, 0), "an argument");
    cr_expect_not(runs(&c, NULL, NULL, 0), "too few arguments");
    cr_expect_not(runs(&c, "-x", "LD_PRELOAD=x", 0), "a variable");
    cr_expect_not(runs(&c, "-x", "LANG=", 0), "a value");
    cr_expect_not(runs(&c, "-x", NULL, CC_CONTROL_TTY), "a terminal");
    const char *const three[] = {"/bin/tool", "-x", "-y", NULL}, *const none[] = {NULL};
    cr_expect_not(control_exec(&c, &(struct control_exec){three, none, "/work", "app", 0}));
    cr_expect_not(control_exec(&c, &(struct control_exec){none, none, "/work", "app", 0}));
    const char *const good[] = {"/bin/tool", "-x", NULL};
    cr_expect_not(control_exec(&c, &(struct control_exec){good, none, "/work", "root", 0}));
    cr_expect_not(control_exec(&c, &(struct control_exec){good, none, "work", "app", 0}));
}

Test(control, exec_only_before_a_signal)
{
    struct control c = rules("[[control]]\nname = \"setup\"\nbefore = [\"go\"]\n" TOOL
                             "[[control]]\nname = \"go\"\nsignals = [\"USR1\"]\n");
    cr_assert(runs(&c, "-x", NULL, 0));
    cr_assert(control_signal(&c, SIGUSR1));
    cr_assert_not(runs(&c, "-x", NULL, 0));
}

Test(control, never_after_the_application_asked_for_a_secret)
{
    struct control c = rules("[[control]]\nname = \"debug\"\nbefore = [\"evidence\"]\n" TOOL);
    cr_assert(runs(&c, "-x", NULL, 0));
    control_note(&c, CC_EVENT_EVIDENCE);
    cr_assert_not(runs(&c, "-x", NULL, 0));
}

Test(control, only_after_all_of_what_is_named)
{
    struct control c = rules("[[control]]\nname = \"a\"\nsignals = [\"HUP\"]\n"
                             "after = [\"extend\", \"b\"]\n"
                             "[[control]]\nname = \"b\"\nsignals = [\"USR1\"]\n");
    cr_assert_not(control_signal(&c, SIGHUP));
    cr_assert(control_signal(&c, SIGUSR1));
    cr_assert_not(control_signal(&c, SIGHUP));
    control_note(&c, CC_EVENT_EXTEND);
    cr_assert(control_signal(&c, SIGHUP));
}

Test(control, a_refused_request_is_no_event)
{
    struct control c =
        rules("[[control]]\nname = \"a\"\nsignals = [\"HUP\"]\nafter = [\"extend\"]\n"
              "[[control]]\nname = \"b\"\nsignals = [\"USR1\"]\nbefore = [\"a\"]\n");
    cr_assert_not(control_signal(&c, SIGHUP));
    cr_assert(control_signal(&c, SIGUSR1));
}

Test(control, a_rule_before_itself_is_used_once_and_times_counts)
{
    struct control c = rules("[[control]]\nname = \"a\"\nsignals = [\"HUP\"]\nbefore = [\"a\"]\n"
                             "[[control]]\nname = \"b\"\nsignals = [\"USR1\"]\ntimes = 2\n");
    cr_assert(control_signal(&c, SIGHUP));
    cr_assert_not(control_signal(&c, SIGHUP));
    cr_assert(control_signal(&c, SIGUSR1) && control_signal(&c, SIGUSR1));
    cr_assert_not(control_signal(&c, SIGUSR1));
}

Test(control, a_rule_that_is_closed_lets_the_next_one_speak)
{
    struct control c = rules("[[control]]\nname = \"a\"\nsignals = [\"HUP\"]\ntimes = 1\n"
                             "[[control]]\nname = \"b\"\nsignals = [\"HUP\"]\nafter = [\"a\"]\n"
                             "times = 1\n");
    cr_assert(control_signal(&c, SIGHUP) && control_signal(&c, SIGHUP));
    cr_assert_not(control_signal(&c, SIGHUP));
}

static const struct {
    const char *rule, *says;
} refused[] = {
    {"signals = [\"HUP\"]\n", "name"},
    {"name = \"A\"\nsignals = [\"HUP\"]\n", "control name 'A'"},
    {"name = \"evidence\"\nsignals = [\"HUP\"]\n", "is taken"},
    {"name = \"a\"\n", "either signals or exec"},
    {"name = \"a\"\nsignals = [\"HUP\"]\n" TOOL, "either signals or exec"},
    {"name = \"a\"\nsignals = []\n", "signals is empty"},
    {"name = \"a\"\nsignals = [\"TERM\"]\n", "always allowed"},
    {"name = \"a\"\nsignals = [\"SIGHUP\"]\n", "signal 'SIGHUP'"},
    {"name = \"a\"\nsignals = [1]\n", "not a text"},
    {"name = \"a\"\nsignals = [\"HUP\"]\nbefore = [\"b\"]\n", "'b' is neither"},
    {"name = \"a\"\nsignals = [\"HUP\"]\nbefore = \"a\"\n", "before"},
    {"name = \"a\"\nsignals = [\"HUP\"]\ntimes = 0\n", "times"},
    {"name = \"a\"\nsignals = [\"HUP\"]\ntimes = \"1\"\n", "times"},
    {"name = \"a\"\nsignals = [\"HUP\"]\ntty = true\n", "tty"},
    {"name = \"a\"\nsignals = [\"HUP\"]\nbefor = [\"a\"]\n", "befor"},
    {"name = \"a\"\nexec = []\ncwd = \"/\"\nuser = \"\"\n", "exec is empty"},
    {"name = \"a\"\nexec = [\"x\"]\nuser = \"\"\n", "cwd"},
    {"name = \"a\"\nexec = [\"x\"]\ncwd = \"/\"\nuser = \"\"\nenv = [\"A=*\"]\n", "without * and"},
    {"name = \"a\"\nexec = [\"x\"]\ncwd = \"/\"\nuser = \"\"\nstdin = 1\n", "true or false"},
};

Test(control, what_is_no_rule_is_refused_with_the_reason)
{
    for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
        char text[1024];
        struct control c;
        struct err e = {0};
        snprintf(text, sizeof text, "[[control]]\n%s", refused[i].rule);
        cr_expect_lt(load(text, &c, &e), 0, "case %zu", i);
        cr_expect(strstr(e.text, refused[i].says), "case %zu: wanted \"%s\", found \"%s\"", i,
                  refused[i].says, e.text);
    }
}

Test(control, a_table_that_is_none_is_not_loaded)
{
    static const struct {
        struct cc_control head;
        struct cc_control_rule rule;
        char text[8];
    } good = {
        {1, 8}, {.flags = CC_CONTROL_EXEC, .args_count = 1, .cwd = 2, .user = 4}, "x\0/\0u\0y"};
    struct control c = {0};
    cr_assert(control_load(&c, &good, sizeof good));
    for (int i = 0; i < 11; i++) {
        struct control k = {0};
        __typeof__(good) *bad = malloc(sizeof good);
        struct cc_control_rule *r = (struct cc_control_rule *)&bad->rule;
        size_t len = sizeof good;
        memcpy((void *)(uintptr_t)bad, &good, sizeof good);
        switch (i) {
        case 0: len--; break;
        case 1: *(uint32_t *)(uintptr_t)&bad->head.rule_count = 33; break;
        case 2: *(uint32_t *)(uintptr_t)&bad->head.text_len = 9; break;
        case 3: r->before = 1ull << CC_EVENT_COUNT; break;
        case 4: r->flags |= 8; break;
        case 5: r->signals = 1; break;
        case 6: r->args_count = 0; break;
        case 7: r->args_count = 5; break;
        case 8: r->cwd = 8; break;
        case 9: r->user = UINT32_MAX; break;
        default: r->flags = 0; break;
        }
        cr_expect_not(control_load(&k, bad, len), "case %d", i);
        cr_expect_eq(k.rule_count, 0);
        free((void *)(uintptr_t)bad);
    }
}
