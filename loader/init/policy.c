/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The launch policy. Trusted text in the sense that its digest is in the evidence, but its author
 * makes mistakes: an unknown key, a wrong type or a missing member refuses, so that a misspelt
 * restriction cannot vanish.
 */
#include "loader/init/policy.h"

#include "attest/hex.h"
#include "attest/toml.h"
#include "guest/base/glob.h"
#include "guest/base/hosted.h"
#include "loader/image/members.h"
#include "loader/init/control.h"

#include <errno.h>
#include <string.h>

struct policy {
    json_t *tree;
    struct secret_file files[POLICY_FILES_MAX];
    size_t file_count;
    struct policy_volume volumes[POLICY_VOLUMES_MAX];
    size_t volume_count;
    uint8_t *control; /* compiled; NULL = no rules */
    size_t control_len;
};

/* ---- variables */

/*
 * Names with which a host could make another program out of the one that was allowed, or have it
 * write the keys of its connections where the host reads; a trailing * is a prefix.
 */
/* clang-format off */
static const char *const sensitive[] = {
    "LD_*", "GLIBC_TUNABLES", "GCONV_PATH", "LOCPATH", "NLSPATH", "PATH", "IFS", "ENV",
    "BASH_*", "BASHOPTS", "SHELLOPTS", "PS4", "PROMPT_COMMAND", "PYTHON*", "PERL*", "RUBY*",
    "GEM_*", "NODE_*", "JAVA_*", "_JAVA_OPTIONS", "JDK_*", "CLASSPATH", "LUA_*", "PHP*",
    "OPENSSL_*", "SSL_CERT_*", "SSLKEYLOGFILE", "CURL_*", "REQUESTS_CA_BUNDLE", "KRB5*", "ODBC*",
    "GIT_*", "DOTNET_*", "CORECLR_*", "COR_*", "COMPlus_*", "MONO_*", "GHCRTS", "OCAMLRUNPARAM",
    "CAMLRUNPARAM", "BUNDLE_*", "npm_config_*", "NPM_CONFIG_*", "QT_*", "GTK_*", "GIO_*", "XDG_*",
    "AWKPATH", "AWKLIBPATH", "TAR_OPTIONS", "MAKEFLAGS", "GNUMAKEFLAGS", "LESSOPEN", "LESSCLOSE",
    "PAGER", "EDITOR", "VISUAL",
    "TERMINFO*", "R_*", "JULIA_*", "ERL_*", "GODEBUG", "MALLOC_*", "HOSTALIASES", "RES_OPTIONS",
    "LOCALDOMAIN", "TCLLIBPATH", "GUILE_*",
};
/* clang-format on */

bool policy_env_is_sensitive(const char *text)
{
    size_t n = spec_env_name(text);
    for (size_t i = 0; i < ARRAY_COUNT(sensitive); i++) {
        size_t len = strlen(sensitive[i]);
        bool prefix = sensitive[i][len - 1] == '*';
        if (prefix ? n >= len - 1 && memcmp(text, sensitive[i], len - 1) == 0
                   : n == len && memcmp(text, sensitive[i], len) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- one [[process]] */

static int refuse_text(struct err *e, const char *what, const char *found)
{
    return err_set(e, EACCES, "policy does not allow %s '%.100s'", what, found);
}

static int judge_args(const json_t *p, const struct launch_spec *s, struct err *e)
{
    json_t *list;
    size_t count = 0;

    if (member_array(p, "args", &list, e) < 0) { return -e->code; }
    while (s->args[count]) { count++; }
    if (json_array_size(list) != count) {
        return err_set(e, EACCES, "policy allows %zu arguments, the host asks for %zu",
                       json_array_size(list), count);
    }
    for (size_t i = 0; i < count; i++) {
        const char *pattern = json_string_value(json_array_get(list, i));
        if (!pattern) { return err_set(e, EACCES, "args[%zu] is not a text", i); }
        if (!glob_matches(pattern, s->args[i])) { return refuse_text(e, "argument", s->args[i]); }
    }
    return 0;
}

static bool env_allowed(const char *const *patterns, const char *text)
{
    bool sensitive_name = policy_env_is_sensitive(text);
    for (; *patterns; patterns++) {
        if ((!sensitive_name || glob_is_literal(*patterns)) && glob_matches(*patterns, text)) {
            return true;
        }
    }
    return false;
}

static int judge_env(const json_t *p, const struct launch_spec *s, struct err *e)
{
    const char **list;
    int r = 0;

    if (member_texts_opt(p, "env", LAUNCH_SPEC_STRINGS_MAX, &list, e) < 0) { return -e->code; }
    for (size_t i = 0; r == 0 && s->env[i]; i++) {
        if (!env_allowed((const char *const *)list, s->env[i])) {
            r = refuse_text(e,
                            policy_env_is_sensitive(s->env[i])
                                ? "(without a literal value) the variable"
                                : "the variable",
                            s->env[i]);
        }
    }
    free(list);
    return r;
}

static int judge_text(const json_t *p, const char *key, const char *found, bool needed,
                      struct err *e)
{
    const char *pattern;
    int r = needed ? member_text(p, key, &pattern, e) : member_text_opt(p, key, &pattern, e);
    if (r < 0) { return r; }
    if (!glob_matches(pattern ? pattern : "", found)) { return refuse_text(e, key, found); }
    return 0;
}

static int judge_flag(const json_t *p, const char *key, bool found, struct err *e)
{
    const json_t *m = json_object_get(p, key);
    if (m && !json_is_boolean(m)) {
        return err_set(e, EACCES, "member '%s' is not true or false", key);
    }
    if (json_is_true(m) != found) {
        return err_set(e, EACCES, "policy wants %s = %s", key, json_is_true(m) ? "true" : "false");
    }
    return 0;
}

static int judge_mount(const json_t *list, const struct spec_mount *m, struct err *e)
{
    static const char *const known[] = {"target", "kind", "readonly", NULL};
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        const char *target, *kind;
        if (!json_is_object(one)) { return err_set(e, EACCES, "mount is not a table"); }
        if (members_only(one, known, e) < 0 || member_text(one, "target", &target, e) < 0 ||
            member_text(one, "kind", &kind, e) < 0) {
            return -e->code;
        }
        if (strcmp(target, m->target) == 0 && strcmp(kind, m->kind) == 0) {
            return judge_flag(one, "readonly", m->readonly, e);
        }
    }
    return refuse_text(e, "a mount at", m->target);
}

static int judge_process(const json_t *p, const struct launch_spec *s, struct err *e)
{
    static const char *const known[] = {"args",  "env", "cwd",      "user",  "hostname",
                                        "stdin", "tty", "readonly", "mount", NULL};
    json_t *mounts;

    if (!json_is_object(p)) { return err_set(e, EACCES, "process is not a table"); }
    if (members_only(p, known, e) < 0 || judge_args(p, s, e) < 0 || judge_env(p, s, e) < 0 ||
        judge_text(p, "cwd", s->cwd, true, e) < 0 || judge_text(p, "user", s->user, true, e) < 0 ||
        judge_text(p, "hostname", s->hostname, false, e) < 0 ||
        judge_flag(p, "stdin", s->interactive, e) < 0 || judge_flag(p, "tty", s->tty, e) < 0 ||
        judge_flag(p, "readonly", s->readonly, e) < 0 ||
        member_array_opt(p, "mount", &mounts, e) < 0) {
        return -e->code;
    }
    for (size_t i = 0; i < s->mount_count; i++) {
        if (judge_mount(mounts, &s->mounts[i], e) < 0) { return -e->code; }
    }
    return 0;
}

/* ---- the whole */

static int judge_manifest(const json_t *j, const struct launch_spec *s, struct err *e)
{
    json_t *list;
    char found[DIGEST_TEXT_SIZE];

    if (member_array(j, "manifests", &list, e) < 0) { return -e->code; }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        struct digest d;
        if (!text) { return err_set(e, EACCES, "manifests[%zu] is not a text", i); }
        if (digest_parse(text, &d, e) < 0) { return err_wrap(e, "manifests[%zu]", i); }
        if (digest_equal(&d, &s->manifest)) { return 0; }
    }
    digest_text(&s->manifest, found);
    return refuse_text(e, "the image", found);
}

static int judge(const json_t *j, const struct launch_spec *s, struct err *e)
{
    struct err first = {0};
    json_t *list;

    if (judge_manifest(j, s, e) < 0 || member_array(j, "process", &list, e) < 0) {
        return -e->code;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct err why = {0};
        if (judge_process(json_array_get(list, i), s, &why) == 0) { return 0; }
        if (i == 0) { first = why; }
    }
    if (first.code == 0) { return err_set(e, EACCES, "no [[process]]: nothing may run"); }
    return json_array_size(list) == 1
               ? err_set(e, first.code, "%s", first.text)
               : err_set(e, first.code, "none of %zu [[process]] fits; the first: %s",
                         json_array_size(list), first.text);
}

int policy_judge(const struct policy *p, const struct launch_spec *spec, struct err *e)
{
    return judge(p->tree, spec, e) < 0 ? err_wrap(e, "launch policy") : 0;
}

/* ---- secret files */

/* Plain, absolute, and where the container has a disk of its own. */
static bool file_path_ok(const char *s)
{
    static const char *const elsewhere[] = {"/dev/", "/proc/", "/sys/"};
    for (size_t i = 0; i < ARRAY_COUNT(elsewhere); i++) {
        if (strncmp(s, elsewhere[i], strlen(elsewhere[i])) == 0) { return false; }
    }
    return spec_path_ok(s);
}

static int read_file(const json_t *j, struct secret_file *out, struct err *e)
{
    static const char *const known[] = {"path", "resource", "sealed", NULL};
    const char *path, *resource, *sealed;
    if (!json_is_object(j)) { return err_set(e, EACCES, "not a table"); }
    if (members_only(j, known, e) < 0 || member_text(j, "path", &path, e) < 0 ||
        member_text_opt(j, "resource", &resource, e) < 0 ||
        member_text_opt(j, "sealed", &sealed, e) < 0) {
        return -e->code;
    }
    if (!file_path_ok(path)) {
        return err_set(e, EACCES, "path '%.100s' is no place for a secret", path);
    }
    if (!resource == !sealed) { return err_set(e, EACCES, "wanted either resource or sealed"); }
    *out = (struct secret_file){path, resource ? resource : sealed, sealed != NULL};
    return 0;
}

static int read_files(struct policy *p, struct err *e)
{
    json_t *list;
    if (member_array_opt(p->tree, "file", &list, e) < 0) { return -e->code; }
    if (json_array_size(list) > POLICY_FILES_MAX) {
        return err_set(e, EFBIG, "%zu [[file]], at most %d", json_array_size(list),
                       POLICY_FILES_MAX);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (read_file(json_array_get(list, i), &p->files[i], e) < 0) {
            return err_wrap(e, "file[%zu]", i);
        }
        p->file_count++;
    }
    return 0;
}

/* ---- volumes */

static bool volume_name_ok(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return n > 0 && n <= POLICY_VOLUME_NAME_MAX && s[n] == '\0';
}

static int read_volume(const json_t *j, struct policy_volume *out, struct err *e)
{
    static const char *const known[] = {"name", "path", "key", "sealed", "sha256", "size", NULL};
    const char *key, *sealed, *hex;
    struct policy_volume v = {0};
    if (!json_is_object(j)) { return err_set(e, EACCES, "not a table"); }
    if (members_only(j, known, e) < 0 || member_text(j, "name", &v.name, e) < 0 ||
        member_text(j, "path", &v.path, e) < 0 || member_text_opt(j, "key", &key, e) < 0 ||
        member_text_opt(j, "sealed", &sealed, e) < 0 || member_text_opt(j, "sha256", &hex, e) < 0) {
        return -e->code;
    }
    if (json_object_get(j, "size") && (member_size(j, "size", &v.size, e) < 0 || v.size == 0)) {
        return e->code ? -e->code : err_set(e, EACCES, "size is 1 or more");
    }
    if (!volume_name_ok(v.name) || !file_path_ok(v.path)) {
        return err_set(e, EACCES, "name '%.70s', path '%.100s': wanted a-z A-Z 0-9 _ - and a place",
                       v.name, v.path);
    }
    if (!key == !sealed) { return err_set(e, EACCES, "wanted either key or sealed"); }
    v.has_digest = hex != NULL;
    if (hex && !hex_decode(hex, strlen(hex), v.digest.sha256, sizeof v.digest.sha256)) {
        return err_set(e, EACCES, "sha256 is not 64 lower-case hexadecimal digits");
    }
    v.key = key ? key : sealed;
    v.sealed = sealed != NULL;
    *out = v;
    return 0;
}

static int read_volumes(struct policy *p, struct err *e)
{
    json_t *list;
    if (member_array_opt(p->tree, "volume", &list, e) < 0) { return -e->code; }
    if (json_array_size(list) > POLICY_VOLUMES_MAX) {
        return err_set(e, EFBIG, "%zu [[volume]], at most %d", json_array_size(list),
                       POLICY_VOLUMES_MAX);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (read_volume(json_array_get(list, i), &p->volumes[i], e) < 0) {
            return err_wrap(e, "volume[%zu]", i);
        }
        p->volume_count++;
    }
    return 0;
}

/* No two files in one place, nor one below another. */
static int check_places(const struct policy *p, struct err *e)
{
    const char *paths[POLICY_FILES_MAX + POLICY_VOLUMES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < p->file_count; i++) { paths[count++] = p->files[i].path; }
    for (size_t i = 0; i < p->volume_count; i++) { paths[count++] = p->volumes[i].path; }
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (spec_path_covers(paths[i], paths[k]) || spec_path_covers(paths[k], paths[i])) {
                return err_set(e, EACCES, "files %.80s and %.80s cover each other", paths[k],
                               paths[i]);
            }
        }
    }
    return 0;
}

const struct policy_volume *policy_volumes(const struct policy *p, size_t *out_count)
{
    *out_count = p->volume_count;
    return p->volumes;
}

const struct secret_file *policy_files(const struct policy *p, size_t *out_count)
{
    *out_count = p->file_count;
    return p->files;
}

const void *policy_control(const struct policy *p, size_t *out_len)
{
    *out_len = p->control_len;
    return p->control;
}

bool policy_wants_rest(const struct policy *p)
{
    return json_object_get(json_object_get(p->tree, "agent"), "rest") != NULL;
}

/* ---- the whole */

static int check(struct policy *p, struct err *e)
{
    static const char *const known[] = {"version", "manifests", "process", "file",
                                        "volume",  "control",   "agent",   NULL};
    uint64_t version;

    if (members_only(p->tree, known, e) < 0 || member_size(p->tree, "version", &version, e) < 0) {
        return -e->code;
    }
    if (version != 1) {
        return err_set(e, ENOTSUP, "version %llu, wanted 1", (unsigned long long)version);
    }
    if (read_files(p, e) < 0 || read_volumes(p, e) < 0 || check_places(p, e) < 0) {
        return -e->code;
    }
    return control_compile(p->tree, &p->control, &p->control_len, e);
}

int policy_load(const char *text, size_t len, struct policy **out, struct err *e)
{
    auto_policy p = calloc(1, sizeof *p);
    if (!p) { return err_set(e, ENOMEM, "out of memory"); }
    if (toml_load("policy", text, len, POLICY_MAX, &p->tree, e) < 0) { return -e->code; }
    if (check(p, e) < 0) { return err_wrap(e, "launch policy"); }
    *out = steal_ptr(&p);
    return 0;
}

void policy_free(struct policy *p)
{
    if (!p) { return; }
    json_decref(p->tree);
    free(p->control);
    free(p);
}
