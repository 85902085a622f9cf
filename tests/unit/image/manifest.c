/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims about manifests, configs, indexes and the launch spec: what is refused, with one clear
 * error.
 */
#include "loader/image/spec.h"
#include "loader/image/user.h"
#include "loader/resolve.h"
#include "tests/unit/image/vectors.h"

#include <errno.h>
#include <string.h>

#define HEX "1111111111111111111111111111111111111111111111111111111111111111"
#define CONFIG                                                                                        \
    "\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"sha256:" HEX \
    "\",\"size\":9}"
#define LAYER(type, more)                                                                          \
    "{\"mediaType\":\"" type "\",\"digest\":\"sha256:" HEX "\",\"size\":9" more "}"
#define TAR "application/vnd.oci.image.layer.v1.tar"

static int parse_manifest(const char *text, struct image *img, struct err *e)
{
    return image_manifest_parse(text, strlen(text), img, e);
}

Test(manifest, reads_layers_of_each_kind)
{
    struct image img;
    struct err e = {0};
    cr_assert_eq(
        parse_manifest(
            "{\"schemaVersion\":2," CONFIG
            ",\"layers\":[" LAYER(TAR, "") "," LAYER(TAR "+gzip", "") "," LAYER(
                TAR "+zstd+encrypted",
                ",\"annotations\":{\"org.opencontainers.image.enc.pubopts\":\"x\","
                "\"org.opencontainers.image.enc.keys.provider.any\":\"y\",\"other\":7}") "]}",
            &img, &e),
        0, "%s", e.text);
    cr_assert_eq(img.layer_count, 3);
    cr_assert_eq(img.layers[0].coding, LAYER_TAR);
    cr_assert_eq(img.layers[1].coding, LAYER_GZIP);
    cr_assert_eq(img.layers[2].coding, LAYER_ZSTD);
    cr_assert(img.layers[2].encrypted);
    cr_assert_str_eq(img.layers[2].pubopts, "x");
    cr_assert_eq(img.layers[2].provider_count, 1);
    image_fini(&img);
}

static const struct {
    const char *text, *says;
} bad_manifests[] = {
    {"", "JSON"},
    {"[]", "not an object"},
    {"{\"schemaVersion\":2,\"schemaVersion\":2}", "duplicate"},
    {"{\"schemaVersion\":1," CONFIG ",\"layers\":[" LAYER(TAR, "") "]}", "schemaVersion"},
    {"{\"schemaVersion\":\"2\"," CONFIG ",\"layers\":[" LAYER(TAR, "") "]}", "schemaVersion"},
    {"{\"schemaVersion\":2,\"layers\":[" LAYER(TAR, "") "]}", "'config' is missing"},
    {"{\"schemaVersion\":2," CONFIG "}", "'layers' is missing"},
    {"{\"schemaVersion\":2," CONFIG ",\"layers\":[]}", "0 layers"},
    {"{\"schemaVersion\":2," CONFIG ",\"layers\":[7]}", "layer 0: not an object"},
    {"{\"schemaVersion\":2," CONFIG ",\"manifests\":[],\"layers\":[" LAYER(TAR, "") "]}",
     "at once"},
    {"{\"schemaVersion\":2," CONFIG ",\"layers\":[" LAYER("application/x", "") "]}", "media type"},
    {"{\"schemaVersion\":2," CONFIG ",\"layers\":[" LAYER(TAR "+bzip2", "") "]}", "media type"},
    {"{\"schemaVersion\":2," CONFIG ",\"layers\":[" LAYER(TAR "+encrypted", "") "]}",
     "annotations"},
    {"{\"schemaVersion\":2," CONFIG
     ",\"layers\":[" LAYER(TAR "+encrypted", ",\"annotations\":{}") "]}",
     "pubopts"},
    {"{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"mediaType\":\"" TAR
     "\",\"digest\":\"sha512:" HEX "\",\"size\":1}]}",
     "sha256"},
    {"{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"mediaType\":\"" TAR
     "\",\"digest\":\"sha256:" HEX "\",\"size\":-1}]}",
     "negative"},
    {"{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"mediaType\":\"" TAR
     "\",\"digest\":\"sha256:" HEX "\",\"size\":68719476737}]}",
     "68719476737 bytes"},
    {"{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/vnd.oci.empty.v1+json\",\"digest\":\"sha256:" HEX
     "\",\"size\":2},\"layers\":[" LAYER(TAR, "") "]}",
     "cannot be run"},
    {"{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\"," CONFIG
     ",\"layers\":[" LAYER(TAR, "") "]}",
     "not an image manifest"},
};

Test(manifest, refuses_with_one_clear_error)
{
    for (size_t i = 0; i < ARRAY_COUNT(bad_manifests); i++) {
        struct image img;
        struct err e = {0};
        cr_assert_lt(parse_manifest(bad_manifests[i].text, &img, &e), 0, "%s",
                     bad_manifests[i].text);
        cr_assert(strstr(e.text, bad_manifests[i].says), "case %zu says '%s', wanted '%s'", i,
                  e.text, bad_manifests[i].says);
    }
}

Test(manifest, has_ceilings_on_depth_and_count)
{
    struct image img;
    struct err e = {0}, e2 = {0};
    static char deep[200], wide[300000];
    memset(deep, '[', sizeof deep - 1);
    cr_assert_lt(parse_manifest(deep, &img, &e), 0);
    cr_assert(strstr(e.text, "deeper"), "%s", e.text);
    wide[0] = '[';
    for (size_t i = 1; i + 3 < sizeof wide; i += 3) { memcpy(wide + i, "[],", 3); }
    cr_assert_lt(parse_manifest(wide, &img, &e2), 0);
    cr_assert(strstr(e2.text, "more than 65536"), "%s", e2.text);
}

/* ---- the launch spec */

#define SPEC(args, env, more)                                                                      \
    "{\"args\":" args ",\"cwd\":\"/\",\"env\":" env                                                \
    ",\"hostname\":\"\",\"manifest\":\"sha256:" HEX "\",\"mounts\":" more                          \
    ",\"readonly\":false,\"stdin\":false,\"tty\":false,\"user\":\"\",\"version\":1}"

Test(spec, writes_what_it_parses)
{
    static const char text[] = SPEC("[\"sh\",\"caf\xc3\xa9\\n\"]", "[\"A=1\"]",
                                    "[{\"kind\":\"tmpfs\",\"readonly\":false,\"target\":\"/x\"}]");
    struct launch_spec s;
    struct err e = {0};
    char *again;
    size_t len;
    cr_assert_eq(spec_parse(text, strlen(text), &s, &e), 0, "%s", e.text);
    cr_assert_str_eq(s.args[1], "caf\xc3\xa9\n");
    cr_assert_str_eq(s.mounts[0].target, "/x");
    cr_assert_eq(spec_write(&s, &again, &len, &e), 0, "%s", e.text);
    cr_assert_str_eq(again, text);
    cr_assert_eq(len, strlen(text));
    free(again);
    spec_fini(&s);
}

static const char *const bad_specs[] = {
    "{}",
    " " SPEC("[\"a\"]", "[]", "[]"),
    SPEC("[\"a\"]", "[]", "[]") "\n",
    SPEC("[\"a\", \"b\"]", "[]", "[]"),
    SPEC("[\"\\u0061\"]", "[]", "[]"),
    SPEC("[]", "[]", "[]"),
    SPEC("[\"\"]", "[]", "[]"),
    SPEC("[1]", "[]", "[]"),
    SPEC("\"a\"", "[]", "[]"),
    SPEC("[\"a\"]", "[\"A\"]", "[]"),
    SPEC("[\"a\"]", "[\"=1\"]", "[]"),
    SPEC("[\"a\"]", "[\"A=1\",\"B=2\",\"A=3\"]", "[]"),
    SPEC("[\"a\"]", "null", "[]"),
    SPEC("[\"a\"]", "[]", "[{\"kind\":\"tmpfs\",\"readonly\":false,\"target\":\"/\"}]"),
    SPEC("[\"a\"]", "[]", "[{\"kind\":\"tmpfs\",\"readonly\":false,\"target\":\"/a/../b\"}]"),
    SPEC("[\"a\"]", "[]", "[{\"kind\":\"tmpfs\",\"readonly\":false,\"target\":\"/a/\"}]"),
    SPEC("[\"a\"]", "[]", "[{\"kind\":\"bind\",\"readonly\":false,\"target\":\"/a\"}]"),
    SPEC("[\"a\"]", "[]", "[{\"kind\":\"tmpfs\",\"readonly\":0,\"target\":\"/a\"}]"),
    SPEC(
        "[\"a\"]", "[]",
        "[{\"kind\":\"tmpfs\",\"readonly\":false,\"target\":\"/a\"},{\"kind\":\"tmpfs\",\"readonly\":false,\"target\":"
        "\"/a/b\"}]"),
    "{\"args\":[\"a\"],\"cwd\":\"x\",\"env\":[],\"hostname\":\"\",\"manifest\":\"sha256:" HEX
    "\",\"mounts\":[],\"readonly\":false,\"stdin\":false,\"tty\":false,\"user\":\"\",\"version\":1}",
    "{\"args\":[\"a\"],\"cwd\":\"/\",\"env\":[],\"hostname\":\"a.b\",\"manifest\":\"sha256:" HEX
    "\",\"mounts\":[],\"readonly\":false,\"stdin\":false,\"tty\":false,\"user\":\"\",\"version\":1}",
    "{\"args\":[\"a\"],\"cwd\":\"/\",\"env\":[],\"extra\":1,\"hostname\":\"\",\"manifest\":\"sha256:" HEX
    "\",\"mounts\":[],\"readonly\":false,\"stdin\":false,\"tty\":false,\"user\":\"\",\"version\":1}",
    "{\"args\":[\"a\"],\"cwd\":\"/\",\"env\":[],\"hostname\":\"\",\"manifest\":\"sha256:" HEX
    "\",\"mounts\":[],\"readonly\":false,\"stdin\":false,\"tty\":false,\"user\":\"\",\"version\":2}",
};

Test(spec, refuses_what_is_not_one_canonical_text)
{
    struct launch_spec s;
    struct err good = {0};
    static const char text[] = SPEC("[\"a\"]", "[]", "[]");
    cr_assert_eq(spec_parse(text, strlen(text), &s, &good), 0, "%s", good.text);
    spec_fini(&s);
    for (size_t i = 0; i < ARRAY_COUNT(bad_specs); i++) {
        struct err e = {0};
        cr_assert_lt(spec_parse(bad_specs[i], strlen(bad_specs[i]), &s, &e), 0, "taken: %s",
                     bad_specs[i]);
        cr_assert(strncmp(e.text, "launch spec: ", 13) == 0, "%s", e.text);
    }
}

/* ---- users */

static const char passwd[] =
    "root:x:0:0:root:/root:/bin/sh\nbroken line\napp:x:1000:1001::/home/app:/bin/sh\nlate:x:7:8";
static const char group[] =
    "root:x:0:\nstaff:x:50:late,app\nwheel:x:10:app\nbad:x:99999999999:app\n";

static int lookup(const char *text, struct user *u, struct err *e)
{
    return user_lookup(text, passwd, strlen(passwd), group, strlen(group), u, e);
}

Test(user, follows_the_rules_of_image_configs)
{
    struct user u;
    struct err e = {0};
    cr_assert_eq(lookup("", &u, &e), 0);
    cr_assert_eq(u.uid, 0);
    cr_assert_str_eq(u.home, "/root");
    cr_assert_eq(lookup("app", &u, &e), 0);
    cr_assert(u.uid == 1000 && u.gid == 1001 && u.group_count == 2 && u.groups[0] == 50 &&
              u.groups[1] == 10);
    cr_assert_str_eq(u.home, "/home/app");
    cr_assert_eq(lookup("app:wheel", &u, &e), 0);
    cr_assert(u.gid == 10 && u.group_count == 0);
    cr_assert_eq(lookup("1000", &u, &e), 0);
    cr_assert(u.gid == 1001 && u.group_count == 0);
    cr_assert_eq(lookup("4242:77", &u, &e), 0);
    cr_assert(u.uid == 4242 && u.gid == 77);
    cr_assert_str_eq(u.home, "/");
    cr_assert_eq(lookup("late", &u, &e), 0);
    cr_assert(u.uid == 7 && u.gid == 8);
}

Test(user, an_unknown_name_is_an_error)
{
    static const char *const bad[] = {
        "nobody", "app:nogroup", "app:", "4294967295", "-1", "broken line"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct user u;
        struct err e = {0};
        cr_assert_eq(lookup(bad[i], &u, &e), -ENOENT, "'%s' was taken", bad[i]);
    }
}

/* ---- resolve: what the monitor gets */

Test(resolve, merges_the_image_with_the_users_wishes)
{
    static const char *const args[] = {"one", "two", NULL}, *const env[] = {"PATH=/x", "NEW=1",
                                                                            NULL};
    struct resolve_opts none = {0},
                        opts = {
                            .args = args, .env = env, .user = "0", .workdir = "/w", .tty = true};
    struct resolved r;
    struct err e = {0};
    char ref[PATH_MAX];

    (void)snprintf(ref, sizeof ref, "oci:%s:latest", vector_path("coco/images/plain-2gz"));
    cr_assert_eq(resolve(ref, &none, &r, &e), 0, "%s", e.text);
    cr_assert_eq(r.blob_count, 4);
    cr_assert_str_eq(
        r.spec,
        "{\"args\":[\"/bin/app\"],\"cwd\":\"/\",\"env\":[\"PATH=/bin\"],\"hostname\":\"\",\"manifest\":"
        "\"sha256:f8ed1ce5a48827b6f62b06c792518b3f0dbac7975997bdb1089f32b3f9937c60\",\"mounts\":[],"
        "\"readonly\":false,\"stdin\":false,\"tty\":false,\"user\":\"\",\"version\":1}");
    resolved_fini(&r);
    cr_assert_eq(resolve(ref, &opts, &r, &e), 0, "%s", e.text);
    cr_assert_str_eq(
        r.spec,
        "{\"args\":[\"/bin/app\",\"one\",\"two\"],\"cwd\":\"/w\",\"env\":[\"PATH=/x\",\"TERM=xterm\","
        "\"NEW=1\"],\"hostname\":\"\",\"manifest\":"
        "\"sha256:f8ed1ce5a48827b6f62b06c792518b3f0dbac7975997bdb1089f32b3f9937c60\",\"mounts\":[],"
        "\"readonly\":false,\"stdin\":false,\"tty\":true,\"user\":\"0\",\"version\":1}");
    resolved_fini(&r);
}

Test(resolve, a_registry_is_not_supported_yet_and_says_what_to_do)
{
    struct resolve_opts none = {0};
    struct resolved r;
    struct err e = {0};
    cr_assert_eq(resolve("docker://ghcr.io/a/b:1", &none, &r, &e), -ENOTSUP);
    cr_assert(strstr(e.text, "skopeo copy"), "%s", e.text);
}

Test(resolve, the_same_directory_is_the_same_image)
{
    static const char *const args[] = {"/a", NULL};
    struct resolve_opts opts = {.args = args};
    struct resolved one, two;
    struct err e = {0};
    char dir[64], ref[80];
    int fd = temp_dir(dir);
    cr_assert_eq(mkdirat(fd, "d", 0755), 0);
    cr_assert_eq(symlinkat("d", fd, "l"), 0);
    cr_assert_eq(mkfifoat(fd, "d/p", 0644), 0);
    (void)close(fd);
    (void)snprintf(ref, sizeof ref, "dir:%s", dir);
    cr_assert_eq(resolve(ref, &opts, &one, &e), 0, "%s", e.text);
    cr_assert_eq(resolve(ref, &opts, &two, &e), 0, "%s", e.text);
    cr_assert(digest_equal(&one.manifest, &two.manifest));
    cr_assert_eq(one.blob_count, 3);
    resolved_fini(&one);
    resolved_fini(&two);
    temp_dir_remove(dir);
}
