/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims about the launch policy: what it allows, and that everything else is refused with the
 * reason.
 */
#include "loader/init/policy.h"
#include "guest/base/glob.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DIGEST "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define OTHER  "sha256:2222222222222222222222222222222222222222222222222222222222222222"

static const char spec_text[] =
    "{\"args\":[\"sh\",\"-c\",\"echo hi\"],\"cwd\":\"/w\",\"env\":[\"PATH=/bin\",\"LANG=C\"],\"hostname\":\"\","
    "\"manifest\":\"" DIGEST
    "\",\"mounts\":[{\"kind\":\"tmpfs\",\"readonly\":false,\"target\":\"/scratch\"}],"
    "\"readonly\":false,\"stdin\":false,\"tty\":false,\"user\":\"1000:1000\",\"version\":1}";

#define HEAD  "version = 1\nmanifests = [\"" OTHER "\", \"" DIGEST "\"]\n"
#define ARGS  "args = [\"sh\", \"-c\", \"echo *\"]\n"
#define ENV   "env = [\"PATH=/bin\", \"LANG=*\"]\n"
#define REST  "cwd = \"/w\"\nuser = \"1000:*\"\n"
#define MOUNT "[[process.mount]]\ntarget = \"/scratch\"\nkind = \"tmpfs\"\n"
#define GOOD  HEAD "[[process]]\n" ARGS ENV REST MOUNT

static int judge(const char *policy, struct err *e)
{
    struct launch_spec s;
    cr_assert_eq(spec_parse(spec_text, strlen(spec_text), &s, e), 0, "%s", e->text);
    auto_policy p = NULL;
    int r = policy_load(policy, strlen(policy), &p, e);
    if (r == 0) { r = policy_judge(p, &s, e); }
    spec_fini(&s);
    return r;
}

Test(policy, allows_what_it_names)
{
    struct err e = {0};
    cr_assert_eq(judge(GOOD, &e), 0, "%s", e.text);
}

Test(policy, one_process_of_several_is_enough)
{
    struct err e = {0};
    cr_assert_eq(judge(HEAD "[[process]]\nargs = [\"true\"]\ncwd = \"/\"\nuser = \"\"\n"
                            "[[process]]\n" ARGS ENV REST MOUNT,
                       &e),
                 0, "%s", e.text);
}

static const struct {
    const char *policy, *says;
} refused[] = {
    {"", "version"},
    {"version = 2\nmanifests = []\n", "version 2"},
    {"version = 1\n", "manifests"},
    {"version = 1\nmanifests = [\"" OTHER "\"]\n[[process]]\n" ARGS ENV REST MOUNT, "the image"},
    {"version = 1\nmanifests = [\"*\"]\n[[process]]\n" ARGS ENV REST MOUNT, "digest"},
    {HEAD, "process"},
    {HEAD "process = []\n", "nothing may run"},
    {HEAD "[[process]]\n" ENV REST MOUNT, "args"},
    {HEAD "[[process]]\nargs = [\"sh\", \"-c\"]\n" ENV REST MOUNT, "2 arguments"},
    {HEAD "[[process]]\nargs = [\"sh\", \"-c\", \"echo\"]\n" ENV REST MOUNT, "argument 'echo hi'"},
    {HEAD "[[process]]\nargs = [\"sh\", \"-c\", 7]\n" ENV REST MOUNT, "args[2]"},
    {HEAD "[[process]]\n" ARGS REST MOUNT, "variable 'PATH=/bin'"},
    {HEAD "[[process]]\n" ARGS "env = [\"PATH=/bin\"]\n" REST MOUNT, "variable 'LANG=C'"},
    {HEAD "[[process]]\n" ARGS "env = [\"*\"]\n" REST MOUNT, "literal"},
    {HEAD "[[process]]\n" ARGS ENV "user = \"*\"\n" MOUNT, "cwd"},
    {HEAD "[[process]]\n" ARGS ENV "cwd = \"/\"\nuser = \"*\"\n" MOUNT, "cwd '/w'"},
    {HEAD "[[process]]\n" ARGS ENV "cwd = \"/w\"\nuser = \"\"\n" MOUNT, "user '1000:1000'"},
    {HEAD "[[process]]\n" ARGS ENV REST "tty = true\n" MOUNT, "tty = true"},
    {HEAD "[[process]]\n" ARGS ENV REST "stdin = true\n" MOUNT, "stdin = true"},
    {HEAD "[[process]]\n" ARGS ENV REST "readonly = true\n" MOUNT, "readonly = true"},
    {HEAD "[[process]]\n" ARGS ENV REST "hostname = \"db*\"\n" MOUNT, "hostname"},
    {HEAD "[[process]]\n" ARGS ENV REST, "a mount at '/scratch'"},
    {HEAD "[[process]]\n" ARGS ENV REST
          "[[process.mount]]\ntarget = \"/scratch\"\nkind = \"host\"\n",
     "a mount at"},
    {HEAD "[[process]]\n" ARGS ENV REST MOUNT "readonly = true\n", "readonly = true"},
    {HEAD "[[process]]\n" ARGS ENV REST "envs = []\n" MOUNT, "'envs' is unknown"},
    {HEAD "mainfest = []\n[[process]]\n" ARGS ENV REST MOUNT, "'mainfest' is unknown"},
};

Test(policy, refuses_what_it_does_not_name_and_says_what)
{
    for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
        struct err e = {0};
        cr_assert_lt(judge(refused[i].policy, &e), 0, "allowed by:\n%s", refused[i].policy);
        cr_assert(strstr(e.text, refused[i].says), "says '%s', wanted '%s'", e.text,
                  refused[i].says);
    }
}

/* ---- secrets as files, volumes */

#define FILE_AT(path)   "[[file]]\npath = \"" path "\"\nresource = \"kbs:///a/b/c\"\n"
#define VOLUME_AT(path) "[[volume]]\nname = \"v\"\npath = \"" path "\"\n"
#define KEY             "key = \"kbs:///a/b/c\"\n"
#define SHA             "aaaaaaaabbbbbbbbccccccccddddddddeeeeeeeeffffffff0000000011111111"

Test(policy, files_and_volumes_are_read)
{
    static const char text[] = GOOD FILE_AT("/run/a") "[[file]]\npath = \"/run/b\"\n"
                                                      "sealed = \"sealed.x\"\n" VOLUME_AT("/data/v")
                                                          KEY "sha256 = \"" SHA "\"\nsize = 7\n"
                                                              "[agent]\nrest = \"all\"\n";
    auto_policy p = NULL;
    struct err e = {0};
    size_t files, volumes;
    cr_assert_eq(policy_load(text, strlen(text), &p, &e), 0, "%s", e.text);
    const struct secret_file *f = policy_files(p, &files);
    const struct policy_volume *v = policy_volumes(p, &volumes);
    cr_assert(files == 2 && volumes == 1);
    cr_assert(strcmp(f[0].path, "/run/a") == 0 && !f[0].sealed);
    cr_assert(strcmp(f[1].source, "sealed.x") == 0 && f[1].sealed);
    cr_assert(strcmp(v->name, "v") == 0 && strcmp(v->key, "kbs:///a/b/c") == 0 && !v->sealed);
    cr_assert(v->has_digest && v->digest.sha256[0] == 0xaa && v->size == 7);
    cr_assert(policy_wants_rest(p));
}

static const struct {
    const char *table, *says;
} no_places[] = {
    {FILE_AT("run/a"), "no place"},
    {FILE_AT("/"), "no place"},
    {FILE_AT("/run/../etc"), "no place"},
    {FILE_AT("/run//a"), "no place"},
    {FILE_AT("/dev/a"), "no place"},
    {FILE_AT("/proc/a"), "no place"},
    {FILE_AT("/sys/a"), "no place"},
    {FILE_AT("/run/a") FILE_AT("/run/a"), "cover each other"},
    {FILE_AT("/run/a/b") FILE_AT("/run/a"), "cover each other"},
    {FILE_AT("/run/a") VOLUME_AT("/run/a/b") KEY, "cover each other"},
    {"[[file]]\npath = \"/run/a\"\n", "either resource or sealed"},
    {FILE_AT("/run/a") "sealed = \"sealed.x\"\n", "either resource or sealed"},
    {FILE_AT("/run/a") "mode = 1\n", "'mode' is unknown"},
    {"file = [1]\n", "not a table"},
    {VOLUME_AT("/data/v"), "either key or sealed"},
    {VOLUME_AT("/proc/v") KEY, "a place"},
    {"[[volume]]\nname = \"../x\"\npath = \"/x\"\n" KEY, "name '../x'"},
    {VOLUME_AT("/data/v") KEY "sha256 = \"AA\"\n", "64 lower-case"},
    {VOLUME_AT("/data/v") KEY "size = 0\n", "size is 1 or more"},
    {VOLUME_AT("/data/v") KEY "size = \"1\"\n", "size"},
    {VOLUME_AT("/data/v") KEY "readonly = true\n", "'readonly' is unknown"},
};

Test(policy, what_is_no_place_for_a_secret_is_refused)
{
    for (size_t i = 0; i < ARRAY_COUNT(no_places); i++) {
        char text[2048];
        auto_policy p = NULL;
        struct err e = {0};
        (void)snprintf(text, sizeof text, HEAD "%s", no_places[i].table);
        cr_expect_lt(policy_load(text, strlen(text), &p, &e), 0, "%s", no_places[i].table);
        cr_expect(strstr(e.text, no_places[i].says), "says '%s', wanted '%s'", e.text,
                  no_places[i].says);
    }
}

static const struct {
    const char *pattern, *text;
    bool matches;
} patterns[] = {
    {"", "", true},
    {"", "a", false},
    {"a", "a", true},
    {"a", "ab", false},
    {"ab", "a", false},
    {"*", "", true},
    {"*", "a/b c", true},
    {"a*", "ba", false},
    {"*a", "ab", false},
    {"*a", "aaba", true},
    {"a*b*c", "axxbyybc", true},
    {"a*b*c", "axxbyyb", false},
    {"\\*", "*", true},
    {"\\*", "a", false},
    {"\\\\", "\\", true},
    {"a\\", "a\\", true},
    {"*\\*", "ab*", true},
    {"**", "x", true},
    {"*aab", "aaaaab", true},
    {"*.so", "evil.so\n", false},
};

Test(policy, patterns_match_whole_texts)
{
    for (size_t i = 0; i < ARRAY_COUNT(patterns); i++) {
        cr_assert_eq(glob_matches(patterns[i].pattern, patterns[i].text), patterns[i].matches,
                     "'%s' against '%s'", patterns[i].pattern, patterns[i].text);
    }
}

Test(policy, knows_the_variables_that_change_programs)
{
    static const char *const yes[] = {"LD_PRELOAD=x",
                                      "LD_LIBRARY_PATH=/x",
                                      "PYTHONPATH=/x",
                                      "BASH_ENV=x",
                                      "NODE_OPTIONS=x",
                                      "PERL5LIB=x",
                                      "RUBYOPT=x",
                                      "GLIBC_TUNABLES=",
                                      "PATH=/x",
                                      "ENV=x",
                                      "JAVA_TOOL_OPTIONS=x",
                                      "SSLKEYLOGFILE=/dev/stderr",
                                      "LESSOPEN=|x",
                                      "COR_PROFILER_PATH=/x",
                                      "COMPlus_x=1",
                                      "npm_config_node_options=x"};
    static const char *const no[] = {"LANG=C",  "L=1",   "MYPATH=/x",       "ENVIRONMENT=x",
                                     "path=/x", "COR=x", "SSLKEYLOGFILES=x"};
    for (size_t i = 0; i < ARRAY_COUNT(yes); i++) {
        cr_assert(policy_env_is_sensitive(yes[i]), "%s", yes[i]);
    }
    for (size_t i = 0; i < ARRAY_COUNT(no); i++) {
        cr_assert_not(policy_env_is_sensitive(no[i]), "%s", no[i]);
    }
}
