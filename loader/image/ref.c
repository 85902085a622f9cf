/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image references. Nothing is guessed: a name without a host is refused, not completed, because
 * two tools that complete it differently run two different images.
 *
 * Grammar of registry names: [OCI distribution-spec 1.1, "Pulling manifests"].
 */
#include "loader/image/image.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define REF_MAX      4096 /* PATH_MAX: longer ones cannot be opened */
#define NAME_MAX_LEN 255
#define TAG_MAX_LEN  128

static bool is_lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
static bool is_alnum(char c) { return is_lower_alnum(c) || (c >= 'A' && c <= 'Z'); }

/* One component: [a-z0-9]+ ((\.|_|__|-+) [a-z0-9]+)*. Returns its length, 0 when there is none. */
static size_t name_component(const char *s)
{
    size_t n = 0;
    for (;;) {
        size_t start = n;
        while (is_lower_alnum(s[n])) { n++; }
        if (n == start) { return 0; }
        if (s[n] == '.') {
            n++;
        } else if (s[n] == '_') {
            n += s[n + 1] == '_' ? 2 : 1;
        } else if (s[n] == '-') {
            while (s[n] == '-') { n++; }
        } else {
            return n;
        }
    }
}

static bool name_ok(const char *s)
{
    if (strlen(s) > NAME_MAX_LEN) { return false; }
    for (;;) {
        size_t n = name_component(s);
        if (n == 0) { return false; }
        if (s[n] == '\0') { return true; }
        if (s[n] != '/') { return false; }
        s += n + 1;
    }
}

/* [A-Za-z0-9_][A-Za-z0-9._-]{0,127} */
static bool tag_ok(const char *s)
{
    size_t len = strlen(s);
    if (len == 0 || len > TAG_MAX_LEN || !(is_alnum(s[0]) || s[0] == '_')) { return false; }
    for (size_t i = 1; i < len; i++) {
        if (!is_alnum(s[i]) && s[i] != '.' && s[i] != '_' && s[i] != '-') { return false; }
    }
    return true;
}

/*
 * HOST[:PORT] that cannot be taken for a first path component: has a dot or a port, or is
 * localhost.
 */
static bool host_ok(const char *s)
{
    size_t len = strlen(s);
    const char *colon = strchr(s, ':');
    size_t host_len = colon ? (size_t)(colon - s) : len;

    if (host_len == 0 || !is_alnum(s[0])) { return false; }
    for (size_t i = 0; i < host_len; i++) {
        if (!is_alnum(s[i]) && s[i] != '.' && s[i] != '-') { return false; }
    }
    if (colon) {
        size_t digits = strspn(colon + 1, "0123456789");
        return digits >= 1 && digits <= 5 && colon[1 + digits] == '\0';
    }
    return strcmp(s, "localhost") == 0 || strchr(s, '.') != NULL;
}

static int keep(char **to, const char *from, size_t len, struct err *e)
{
    *to = strndup(from, len);
    return *to ? 0 : err_set(e, ENOMEM, "out of memory");
}

/*
 * PATH[:TAG], split at the first colon as skopeo does. The tag of a layout is an annotation: any
 * visible text.
 */
static int parse_local(const char *text, bool with_tag, struct image_ref *r, struct err *e)
{
    const char *colon = with_tag ? strchr(text, ':') : NULL;
    size_t path_len = colon ? (size_t)(colon - text) : strlen(text);

    if (path_len == 0) { return err_set(e, EINVAL, "no path given"); }
    if (keep(&r->path, text, path_len, e) < 0) { return -e->code; }
    if (!colon) { return 0; }
    const char *tag = colon + 1;
    for (const char *p = tag; *p; p++) {
        if (!isgraph((unsigned char)*p)) {
            return err_set(e, EINVAL, "tag has an invisible character");
        }
    }
    if (*tag == '\0' || strlen(tag) > NAME_MAX_LEN) {
        return err_set(e, EINVAL, "tag has %zu characters, wanted 1 to %d", strlen(tag),
                       NAME_MAX_LEN);
    }
    return keep(&r->tag, tag, strlen(tag), e);
}

static int parse_docker(const char *text, struct image_ref *r, struct err *e)
{
    const char *slash = strchr(text, '/');
    if (!slash) { return err_set(e, EINVAL, "no registry host: write HOST/NAME[:TAG] in full"); }
    if (keep(&r->host, text, (size_t)(slash - text), e) < 0) { return -e->code; }
    if (!host_ok(r->host)) {
        return err_set(e, EINVAL, "'%.80s' is not a registry host: write HOST/NAME[:TAG] in full",
                       r->host);
    }
    const char *rest = slash + 1, *at = strchr(rest, '@');
    size_t len = at ? (size_t)(at - rest) : strlen(rest);
    const char *colon = memchr(rest, ':', len);
    size_t name_len = colon ? (size_t)(colon - rest) : len;

    if (keep(&r->name, rest, name_len, e) < 0) { return -e->code; }
    if (!name_ok(r->name)) { return err_set(e, EINVAL, "'%.80s' is not an image name", r->name); }
    if (colon) {
        if (keep(&r->tag, colon + 1, len - name_len - 1, e) < 0) { return -e->code; }
        if (!tag_ok(r->tag)) { return err_set(e, EINVAL, "'%.80s' is not a tag", r->tag); }
    }
    if (at) {
        struct digest d;
        if (keep(&r->digest, at + 1, strlen(at + 1), e) < 0) { return -e->code; }
        if (digest_parse(r->digest, &d, e) < 0) { return -e->code; }
    }
    return 0;
}

static const struct {
    const char *prefix;
    enum ref_kind kind;
} schemes[] = {
    {"oci:", REF_OCI},
    {"oci-archive:", REF_OCI_ARCHIVE},
    {"dir:", REF_DIR},
    {"docker://", REF_DOCKER},
};

static int parse(const char *text, struct image_ref *r, struct err *e)
{
    if (strlen(text) > REF_MAX) { return err_set(e, EINVAL, "longer than %d characters", REF_MAX); }
    for (size_t i = 0; i < ARRAY_COUNT(schemes); i++) {
        size_t n = strlen(schemes[i].prefix);
        if (strncmp(text, schemes[i].prefix, n) != 0) { continue; }
        r->kind = schemes[i].kind;
        if (r->kind == REF_DOCKER) { return parse_docker(text + n, r, e); }
        return parse_local(text + n, r->kind != REF_DIR, r, e);
    }
    r->kind = REF_DOCKER;
    return parse_docker(text, r, e);
}

int image_ref_parse(const char *text, struct image_ref *out, struct err *e)
{
    struct image_ref r = {0};
    if (parse(text, &r, e) < 0) {
        image_ref_fini(&r);
        return err_wrap(e, "image reference '%.60s'", text);
    }
    *out = r;
    return 0;
}

void image_ref_fini(struct image_ref *r)
{
    free(r->path);
    free(r->host);
    free(r->name);
    free(r->tag);
    free(r->digest);
    *r = (struct image_ref){0};
}
