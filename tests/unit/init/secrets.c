/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets between the agent and the container: which are asked for, where they end up. Who could
 * get this wrong: whoever follows a link of the image, or starts without one. Who would profit: the
 * image's author, or the host. Files need root, for their owner.
 */
#include "loader/init/secrets.h"

#include "guest/base/hosted.h"
#include "loader/init/env.h"
#include "tests/unit/image/vectors.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* A library OS that has nothing. */
int env_blob_open(const char *digest)
{
    (void)digest;
    return -ENOENT;
}
int env_agent_open(void) { return -ENOENT; }
int env_stay(void) { return -ENOSYS; }

static const struct image no_image;
static const char *const env[] = {"A=1",          "B=sealed.one", "SEALED=x",
                                  "C=sealed.two", "D=sealed",     NULL};
static const struct launch_spec spec = {.env = env};

static struct policy *load(const char *rest)
{
    char text[4096];
    struct policy *p;
    struct err e = {0};
    (void)snprintf(text, sizeof text, "version = 1\nmanifests = []\n%s", rest);
    cr_assert_eq(policy_load(text, strlen(text), &p, &e), 0, "%s", e.text);
    return p;
}

static void come(struct wanted *w, const char *value, size_t len)
{
    w->value = calloc(1, len + 1);
    cr_assert(w->value);
    memcpy(w->value, value, len);
    w->len = len;
}

Test(secrets, variables_files_and_volumes_are_asked_for_in_order)
{
    struct policy *p = load("[[file]]\npath = \"/run/a\"\nresource = \"kbs:///a/b/c\"\n"
                            "[[file]]\npath = \"/run/b\"\nsealed = \"sealed.three\"\n"
                            "[[volume]]\nname = \"v\"\npath = \"/v\"\nkey = \"kbs:///d/e/f\"\n");
    static const struct {
        uint32_t kind;
        const char *text;
    } wanted[] = {{AGENT_WANT_SEALED, "sealed.one"},
                  {AGENT_WANT_SEALED, "sealed.two"},
                  {AGENT_WANT_RESOURCE, "kbs:///a/b/c"},
                  {AGENT_WANT_SEALED, "sealed.three"},
                  {AGENT_WANT_RESOURCE, "kbs:///d/e/f"}};
    struct secrets s = {0};
    struct err e = {0};
    cr_assert_eq(secrets_gather(&s, &no_image, &spec, p, &e), 0, "%s", e.text);
    cr_assert_eq(s.count, ARRAY_COUNT(wanted));
    for (size_t i = 0; i < s.count; i++) {
        cr_expect_eq(s.wanted[i].kind, wanted[i].kind);
        cr_expect_str_eq(s.wanted[i].text, wanted[i].text);
    }
    secrets_fini(&s);
    policy_free(p);
}

Test(secrets, nothing_may_be_needed_without_initdata)
{
    struct secrets s = {0};
    struct err e = {0};
    cr_assert_eq(secrets_gather(&s, &no_image, &spec, NULL, &e), -ENOKEY);
    cr_assert(strstr(e.text, "a variable is sealed, and without initdata"), "%s", e.text);
    secrets_fini(&s);
}

Test(secrets, more_than_the_agent_takes_are_refused)
{
    static const char *many[AGENT_WANTS_MAX + 2];
    struct policy *p = load("");
    struct secrets s = {0};
    struct err e = {0};
    for (size_t i = 0; i <= AGENT_WANTS_MAX; i++) { many[i] = "A=sealed.x"; }
    struct launch_spec big = {.env = many};
    cr_assert_eq(secrets_gather(&s, &no_image, &big, p, &e), -EFBIG);
    secrets_fini(&s);
    policy_free(p);
}

Test(secrets, a_sealed_variable_gets_its_value_and_no_other_changes)
{
    struct policy *p = load("");
    struct secrets s = {0};
    struct err e = {0};
    const char *const *out;
    cr_assert_eq(secrets_gather(&s, &no_image, &spec, p, &e), 0, "%s", e.text);
    come(&s.wanted[0], "first", 5);
    come(&s.wanted[1], "", 0);
    cr_assert_eq(secrets_env(&s, &spec, &out, &e), 0, "%s", e.text);
    static const char *const wanted[] = {"A=1", "B=first", "SEALED=x", "C=", "D=sealed"};
    for (size_t i = 0; i < ARRAY_COUNT(wanted); i++) { cr_expect_str_eq(out[i], wanted[i]); }
    cr_assert_null(out[5]);
    secrets_fini(&s);
    policy_free(p);
}

Test(secrets, a_value_with_a_zero_byte_is_no_variable)
{
    struct policy *p = load("");
    struct secrets s = {0};
    struct err e = {0};
    const char *const *out;
    cr_assert_eq(secrets_gather(&s, &no_image, &spec, p, &e), 0, "%s", e.text);
    come(&s.wanted[0], "a\0LD_PRELOAD=x", 14);
    come(&s.wanted[1], "b", 1);
    cr_assert_eq(secrets_env(&s, &spec, &out, &e), -EBADMSG);
    cr_assert(strstr(e.text, "variable B"), "%s", e.text);
    secrets_fini(&s);
    policy_free(p);
}

/* ---- files, in a root that an image has prepared */

static char dir[64];
static int root = -1;
static struct tree *tree;

static void begin(void)
{
    struct err e = {0};
    if (geteuid() != 0) { cr_skip_test("needs root"); }
    root = temp_dir(dir);
    cr_assert_eq(tree_new(root, &tree, &e), 0, "%s", e.text);
}

static void finish(void)
{
    tree_free(tree);
    (void)close(root);
    temp_dir_remove(dir);
}

/* The file of one [[file]] at path, whose secret has come. */
static int place(const char *path, struct err *e)
{
    static const char *const none[] = {NULL};
    static const struct launch_spec plain = {.env = none};
    static const struct user user = {.uid = 1000, .gid = 2000};
    char table[256];
    (void)snprintf(table, sizeof table, "[[file]]\npath = \"%s\"\nresource = \"kbs:///a/b/c\"\n",
                   path);
    struct policy *p = load(table);
    struct secrets s = {0};
    cr_assert_eq(secrets_gather(&s, &no_image, &plain, p, e), 0, "%s", e->text);
    come(&s.wanted[0], "the secret", 10);
    int r = secrets_place(&s, tree, &user, e);
    if (r == 0) { cr_expect_null(s.wanted[0].value, "the value is wiped"); }
    secrets_fini(&s);
    policy_free(p);
    return r;
}

static void holds_the_secret(const char *name)
{
    char text[32] = "";
    struct stat st;
    auto_fd fd = openat(root, name, O_RDONLY | O_NOFOLLOW);
    cr_assert_geq(fd, 0, "%s", name);
    cr_assert_eq(read(fd, text, sizeof text), 10);
    cr_assert_str_eq(text, "the secret");
    cr_assert_eq(fstat(fd, &st), 0);
    cr_assert_eq(st.st_mode, S_IFREG | 0400);
    cr_assert(st.st_uid == 1000 && st.st_gid == 2000 && st.st_nlink == 1);
}

Test(secrets, a_file_is_its_users_alone, .init = begin, .fini = finish)
{
    struct err e = {0};
    cr_assert_eq(place("/run/secrets/db", &e), 0, "%s", e.text);
    holds_the_secret("run/secrets/db");
}

Test(secrets, what_the_image_has_there_is_replaced_and_never_written_through, .init = begin,
     .fini = finish)
{
    struct err e = {0};
    auto_fd fd = openat(root, "other", O_WRONLY | O_CREAT, 0666);
    cr_assert(fd >= 0 && linkat(root, "other", root, "hard", 0) == 0);
    cr_assert_eq(symlinkat("other", root, "soft"), 0);
    cr_assert_eq(place("/hard", &e), 0, "%s", e.text);
    cr_assert_eq(place("/soft", &e), 0, "%s", e.text);
    holds_the_secret("hard");
    holds_the_secret("soft");
    struct stat st;
    cr_assert_eq(fstat(fd, &st), 0);
    cr_assert_eq(st.st_size, 0);
}

Test(secrets, a_link_on_the_way_stays_in_the_root, .init = begin, .fini = finish)
{
    struct err e = {0};
    cr_assert_eq(symlinkat("../../../../tmp", root, "run"), 0);
    cr_assert_eq(mkdirat(root, "tmp", 0755), 0);
    cr_assert_eq(place("/run/secret", &e), 0, "%s", e.text);
    holds_the_secret("tmp/secret");
}

Test(secrets, a_directory_of_the_image_is_not_removed, .init = begin, .fini = finish)
{
    struct err e = {0};
    cr_assert_eq(mkdirat(root, "data", 0755), 0);
    cr_assert_eq(place("/data", &e), -EISDIR);
    cr_assert(strstr(e.text, "secret /data"), "%s", e.text);
}

Test(secrets, a_volume_that_the_host_does_not_serve_stops_the_start, .init = begin, .fini = finish)
{
    static const char *const none[] = {NULL};
    static const struct launch_spec plain = {.env = none};
    static const struct user user;
    struct policy *p = load("[[volume]]\nname = \"v\"\npath = \"/v\"\nkey = \"kbs:///a/b/c\"\n");
    struct secrets s = {0};
    struct err e = {0};
    cr_assert_eq(secrets_gather(&s, &no_image, &plain, p, &e), 0, "%s", e.text);
    come(&s.wanted[0], "password", 8);
    cr_assert_eq(secrets_place(&s, tree, &user, &e), -ENOENT);
    cr_assert(strstr(e.text, "volume v: the host does not serve it"), "%s", e.text);
    secrets_fini(&s);
    policy_free(p);
}
