/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims about initdata that the owner's machine writes: the guest reads them back as exactly that
 * one permission.
 */
#include "attest/initdata.h"
#include "loader/init/policy.h"
#include "loader/owner.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static const char *const args[] = {"sh", "-c", "echo '*' \"\\n\" '''", NULL};
static const char *const env[] = {"PATH=/bin", "X=a*b", NULL};
static const struct spec_mount mounts[] = {{.target = "/it's", .kind = "tmpfs"}};

static struct launch_spec sample(void)
{
    return (struct launch_spec){.args = args,
                                .env = env,
                                .cwd = "/w",
                                .hostname = "h",
                                .user = "a:b",
                                .mounts = mounts,
                                .mount_count = 1,
                                .tty = true};
}

static int judge(const char *initdata, const struct launch_spec *s, struct err *e)
{
    auto_initdata d = {0};
    cr_assert_eq(initdata_parse(initdata, strlen(initdata), &d, e), 0, "%s", e->text);
    const char *policy = initdata_text(&d, INITDATA_POLICY);
    cr_assert_not_null(policy);
    auto_policy p = NULL;
    int r = policy_load(policy, strlen(policy), &p, e);
    return r < 0 ? r : policy_judge(p, s, e);
}

Test(owner, initdata_allow_the_spec_and_no_other)
{
    static const char *const other_args[] = {"sh", "-c", "echo 'x' \"\\n\" '''", NULL};
    static const char *const other_env[] = {"PATH=/bin", "X=aab", NULL};
    static const struct owner_broker broker = {.url = "https://kbs:8080",
                                               .cert = "-----BEGIN\nAB+/=\n"};
    struct launch_spec s = sample();
    struct err e = {0}, e2 = {0}, e3 = {0}, e4 = {0};
    char *initdata;

    cr_assert_eq(owner_initdata(&s, &broker, NULL, &initdata, &e), 0, "%s", e.text);
    cr_assert_eq(judge(initdata, &s, &e), 0, "%s\n%s", e.text, initdata);
    s.args = other_args;
    cr_assert_lt(judge(initdata, &s, &e2), 0, "a star of the command line became a pattern");
    s = sample();
    s.env = other_env;
    cr_assert_lt(judge(initdata, &s, &e3), 0, "a star of a variable became a pattern");
    s = sample();
    s.manifest.sha256[31] = 1;
    cr_assert_lt(judge(initdata, &s, &e4), 0);
    free(initdata);
}

Test(owner, what_is_added_stands_in_the_policy_and_cannot_leave_it)
{
    static const struct owner_broker broker = {.url = "https://kbs:8080", .cert = "C"};
    struct launch_spec s = sample();
    struct err e = {0}, e2 = {0}, e3 = {0};
    char *initdata;
    auto_initdata d = {0};
    auto_policy p = NULL;

    cr_assert_eq(owner_initdata(&s, &broker, "[agent]\nrest = \"all\"", &initdata, &e), 0, "%s",
                 e.text);
    cr_assert_eq(initdata_parse(initdata, strlen(initdata), &d, &e), 0, "%s", e.text);
    const char *text = initdata_text(&d, INITDATA_POLICY);
    cr_assert_eq(policy_load(text, strlen(text), &p, &e), 0, "%s", e.text);
    cr_assert(policy_wants_rest(p));
    cr_assert_eq(policy_judge(p, &s, &e), 0, "%s", e.text);
    free(initdata);
    cr_assert_eq(owner_initdata(&s, &broker, "'''\n\"aa.toml\" = '''", &initdata, &e2), -EINVAL);
    cr_assert_eq(owner_initdata(&s, &broker, "version = 1", &initdata, &e3), 0);
    cr_assert_lt(judge(initdata, &s, &e3), 0, "a key behind the last table is that table's");
    free(initdata);
}

Test(owner, a_broker_without_its_certificate_is_refused)
{
    static const struct owner_broker broker = {.url = "https://kbs:8080"};
    struct launch_spec s = sample();
    struct err e = {0};
    char *initdata;
    cr_assert_eq(owner_initdata(&s, &broker, NULL, &initdata, &e), -EINVAL);
}
