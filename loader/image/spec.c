/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The launch spec. One checker for both directions: the writer builds the JSON and hands it to the
 * parser's checks, so a host cannot write what a guest refuses. See guest/abi/launch_spec.h for the
 * format.
 */
#include "loader/image/spec.h"

#include "attest/crypto.h"
#include "loader/image/members.h"

#include <errno.h>
#include <string.h>

#define HOSTNAME_LEN_MAX 63

void spec_register_image(const struct digest *manifest, uint8_t out[SPEC_REGISTER_SIZE])
{
    memset(out, 0, SPEC_REGISTER_SIZE);
    memcpy(out, manifest->sha256, sizeof manifest->sha256);
}

void spec_register_spec(const void *text, size_t len, uint8_t out[SPEC_REGISTER_SIZE])
{
    crypto_sha384(text, len, out);
}

size_t spec_env_name(const char *text)
{
    const char *eq = strchr(text, '=');
    return eq ? (size_t)(eq - text) : 0;
}

static int compare_names(const void *a, const void *b)
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    size_t nx = spec_env_name(x), ny = spec_env_name(y);
    int c = memcmp(x, y, nx < ny ? nx : ny);
    return c ? c : (nx > ny) - (nx < ny);
}

static int check_env(const char *const *env, struct err *e)
{
    size_t count = 0;
    for (; env[count]; count++) {
        if (spec_env_name(env[count]) == 0) {
            return err_set(e, EBADMSG, "env '%.60s' is not NAME=value", env[count]);
        }
    }
    auto_free const char **sorted = malloc((count + 1) * sizeof *sorted);
    if (!sorted) { return err_set(e, ENOMEM, "out of memory"); }
    memcpy(sorted, env, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_names);
    for (size_t i = 1; i < count; i++) {
        if (compare_names(&sorted[i - 1], &sorted[i]) == 0) {
            return err_set(e, EBADMSG, "env names %.*s twice", (int)spec_env_name(sorted[i]),
                           sorted[i]);
        }
    }
    return 0;
}

static bool hostname_ok(const char *s)
{
    if (strlen(s) > HOSTNAME_LEN_MAX) { return false; }
    for (; *s; s++) {
        bool ok = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
                  (*s >= '0' && *s <= '9') || *s == '-';
        if (!ok) { return false; }
    }
    return true;
}

bool spec_path_ok(const char *s)
{
    if (*s != '/' || s[1] == '\0' || strlen(s) >= 4096) { return false; }
    while (*s == '/') {
        size_t n = strcspn(++s, "/");
        if (n == 0 || (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.')) {
            return false;
        }
        s += n;
    }
    return true;
}

bool spec_path_covers(const char *a, const char *b)
{
    size_t n = strlen(a);
    return strncmp(a, b, n) == 0 && (b[n] == '\0' || b[n] == '/');
}

static int check_mounts(const struct spec_mount *m, size_t count, struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        if (!spec_path_ok(m[i].target)) {
            return err_set(e, EBADMSG, "mount target '%.80s' is not a plain absolute path",
                           m[i].target);
        }
        if (strcmp(m[i].kind, "tmpfs") != 0 && strcmp(m[i].kind, "host") != 0) {
            return err_set(e, EBADMSG, "mount %.80s: kind '%.40s', wanted tmpfs or host",
                           m[i].target, m[i].kind);
        }
        for (size_t k = 0; k < i; k++) {
            if (spec_path_covers(m[i].target, m[k].target) ||
                spec_path_covers(m[k].target, m[i].target)) {
                return err_set(e, EBADMSG, "mounts %.80s and %.80s cover each other", m[k].target,
                               m[i].target);
            }
        }
    }
    return 0;
}

static int check(const struct launch_spec *s, struct err *e)
{
    if (!s->args[0]) { return err_set(e, EBADMSG, "args is empty: nothing to run"); }
    if (s->args[0][0] == '\0') { return err_set(e, EBADMSG, "args[0] is empty"); }
    if (s->cwd[0] != '/') { return err_set(e, EBADMSG, "cwd '%.80s' is not absolute", s->cwd); }
    if (!hostname_ok(s->hostname)) {
        return err_set(e, EBADMSG, "hostname '%.70s' is not 0 to 63 of A-Z a-z 0-9 -", s->hostname);
    }
    if (check_env(s->env, e) < 0) { return -e->code; }
    return check_mounts(s->mounts, s->mount_count, e);
}

static int member_bool(const json_t *j, const char *key, bool *out, struct err *e)
{
    const json_t *m = json_object_get(j, key);
    if (!json_is_boolean(m)) {
        return err_set(e, EBADMSG, "member '%s' is not true or false", key);
    }
    *out = json_is_true(m);
    return 0;
}

static int parse_mounts(const json_t *list, struct launch_spec *s, struct err *e)
{
    static const char *const names[] = {"kind", "readonly", "target", NULL};
    size_t count = json_array_size(list);

    if (count > LAUNCH_SPEC_MOUNTS_MAX) {
        return err_set(e, EFBIG, "%zu mounts, at most %u", count, LAUNCH_SPEC_MOUNTS_MAX);
    }
    struct spec_mount *m = calloc(count + 1, sizeof *m);
    if (!m) { return err_set(e, ENOMEM, "out of memory"); }
    s->mounts = m; /* spec_fini() frees it */
    s->mount_count = count;
    for (size_t i = 0; i < count; i++) {
        const json_t *j = json_array_get(list, i);
        if (!json_is_object(j)) { return err_set(e, EBADMSG, "mounts[%zu] is not an object", i); }
        if (members_only(j, names, e) < 0 || member_text(j, "target", &m[i].target, e) < 0 ||
            member_text(j, "kind", &m[i].kind, e) < 0 ||
            member_bool(j, "readonly", &m[i].readonly, e) < 0) {
            return err_wrap(e, "mounts[%zu]", i);
        }
    }
    return 0;
}

static int from_json(json_t *j, struct launch_spec *s, struct err *e)
{
    static const char *const names[] = {"args",     "cwd",    "env",      "hostname",
                                        "manifest", "mounts", "readonly", "stdin",
                                        "tty",      "user",   "version",  NULL};
    const char **args, **env, *manifest;
    uint64_t version;
    json_t *list;

    if (member_size(j, "version", &version, e) < 0) { return -e->code; }
    if (version != LAUNCH_SPEC_VERSION) {
        return err_set(e, ENOTSUP, "version %llu, wanted %d", (unsigned long long)version,
                       LAUNCH_SPEC_VERSION);
    }
    if (members_only(j, names, e) < 0 || member_array(j, "args", &list, e) < 0 ||
        member_array(j, "env", &list, e) < 0 || member_text(j, "cwd", &s->cwd, e) < 0 ||
        member_text(j, "hostname", &s->hostname, e) < 0 ||
        member_text(j, "user", &s->user, e) < 0 || member_text(j, "manifest", &manifest, e) < 0 ||
        digest_parse(manifest, &s->manifest, e) < 0 ||
        member_bool(j, "readonly", &s->readonly, e) < 0 ||
        member_bool(j, "stdin", &s->interactive, e) < 0 || member_bool(j, "tty", &s->tty, e) < 0) {
        return -e->code;
    }
    if (member_texts_opt(j, "args", LAUNCH_SPEC_STRINGS_MAX, &args, e) < 0) { return -e->code; }
    s->args = args;
    if (member_texts_opt(j, "env", LAUNCH_SPEC_STRINGS_MAX, &env, e) < 0) { return -e->code; }
    s->env = env;
    if (member_array(j, "mounts", &list, e) < 0 || parse_mounts(list, s, e) < 0) {
        return -e->code;
    }
    return check(s, e);
}

static int canonical_text(const json_t *j, char **out, size_t *out_len, struct err *e)
{
    int r = json_canonical(j, out, out_len);
    return r < 0 ? err_set(e, -r, "cannot be written as canonical JSON") : 0;
}

static int parse(const void *p, size_t len, struct launch_spec *s, struct err *e)
{
    auto_free char *canonical = NULL;
    size_t canonical_len;

    if (len > LAUNCH_SPEC_MAX) {
        return err_set(e, EFBIG, "%zu bytes, at most %u", len, LAUNCH_SPEC_MAX);
    }
    s->json = members_parse(p, len, e);
    if (!s->json || from_json(s->json, s, e) < 0 ||
        canonical_text(s->json, &canonical, &canonical_len, e) < 0) {
        return -e->code;
    }
    if (canonical_len != len || memcmp(canonical, p, len) != 0) {
        return err_set(e, EBADMSG, "is not canonical JSON");
    }
    return 0;
}

int spec_parse(const void *p, size_t len, struct launch_spec *out, struct err *e)
{
    struct launch_spec s = {0};
    if (parse(p, len, &s, e) < 0) {
        spec_fini(&s);
        return err_wrap(e, "launch spec");
    }
    *out = s;
    return 0;
}

void spec_fini(struct launch_spec *s)
{
    free((void *)(uintptr_t)s->args);
    free((void *)(uintptr_t)s->env);
    free((void *)(uintptr_t)s->mounts);
    json_decref(s->json);
    *s = (struct launch_spec){0};
}

/* ---- writing */

static json_t *texts(const char *const *list)
{
    json_t *a = json_array();
    for (; a && *list; list++) {
        if (json_array_append_new(a, json_string(*list)) <
            0) { /* also when the text is not UTF-8 */
            json_decref(a);
            return NULL;
        }
    }
    return a;
}

static json_t *mounts_json(const struct launch_spec *s)
{
    json_t *a = json_array();
    for (size_t i = 0; a && i < s->mount_count; i++) {
        const struct spec_mount *m = &s->mounts[i];
        json_t *j = json_pack("{s:s, s:b, s:s}", "kind", m->kind, "readonly", m->readonly, "target",
                              m->target);
        if (json_array_append_new(a, j) < 0) {
            json_decref(a);
            return NULL;
        }
    }
    return a;
}

int spec_write(const struct launch_spec *s, char **out, size_t *out_len, struct err *e)
{
    char manifest[DIGEST_TEXT_SIZE];
    auto_free char *text = NULL;
    struct launch_spec again;
    size_t len;

    digest_text(&s->manifest, manifest);
    auto_json j =
        json_pack("{s:o, s:s, s:o, s:s, s:s, s:o, s:b, s:b, s:b, s:s, s:i}", "args", texts(s->args),
                  "cwd", s->cwd, "env", texts(s->env), "hostname", s->hostname, "manifest",
                  manifest, "mounts", mounts_json(s), "readonly", s->readonly, "stdin",
                  s->interactive, "tty", s->tty, "user", s->user, "version", LAUNCH_SPEC_VERSION);
    if (!j) { return err_set(e, EINVAL, "launch spec: a text is not valid UTF-8"); }
    if (canonical_text(j, &text, &len, e) < 0) { return err_wrap(e, "launch spec"); }
    if (spec_parse(text, len, &again, e) < 0) { return -e->code; }
    spec_fini(&again);
    *out = steal_ptr(&text);
    *out_len = len;
    return 0;
}
