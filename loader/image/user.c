/* SPDX-License-Identifier: Apache-2.0 */
/* See user.h. */
#include "loader/image/user.h"

#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

#define FILE_MAX   (1u << 20)
#define FIELDS_MAX 7
#define NAME_LEN   256

struct field {
    const char *p;
    size_t len;
};

struct file {
    const char *p;
    size_t left;
};

/* The next line cut at colons; false at the end. Fields that are not there are empty. */
static bool next_line(struct file *f, struct field out[FIELDS_MAX])
{
    if (f->left == 0) { return false; }
    const char *end = memchr(f->p, '\n', f->left);
    size_t len = end ? (size_t)(end - f->p) : f->left;
    const char *p = f->p;

    f->left -= len + (end ? 1 : 0);
    f->p += len + (end ? 1 : 0);
    for (size_t i = 0; i < FIELDS_MAX; i++) {
        const char *colon = i + 1 < FIELDS_MAX ? memchr(p, ':', len) : NULL;
        size_t n = colon ? (size_t)(colon - p) : len;
        out[i] = (struct field){.p = p, .len = n};
        p += n + (colon ? 1 : 0);
        len -= n + (colon ? 1 : 0);
    }
    return true;
}

/* Decimal, below 2^32 - 1 (which means "leave it" to chown). */
static bool number(const char *p, size_t len, uint32_t *out)
{
    uint64_t v = 0;
    if (len == 0 || len > 10) { return false; }
    for (size_t i = 0; i < len; i++) {
        if (p[i] < '0' || p[i] > '9') { return false; }
        v = 10 * v + (uint64_t)(p[i] - '0');
    }
    if (v >= UINT32_MAX) { return false; }
    *out = (uint32_t)v;
    return true;
}

static bool is(const struct field *f, const char *text)
{
    return f->len == strlen(text) && memcmp(f->p, text, f->len) == 0;
}

/* name = NULL: look for uid. Fills uid, gid and home. */
static bool find_passwd(struct file f, const char *name, uint32_t uid, struct user *u)
{
    struct field v[FIELDS_MAX];
    while (next_line(&f, v)) {
        uint32_t found_uid, found_gid;
        if (!number(v[2].p, v[2].len, &found_uid) || !number(v[3].p, v[3].len, &found_gid)) {
            continue;
        }
        if (name ? !is(&v[0], name) : found_uid != uid) { continue; }
        u->uid = found_uid;
        u->gid = found_gid;
        if (v[5].len > 0 && v[5].len < sizeof u->home && v[5].p[0] == '/' &&
            !memchr(v[5].p, '\0', v[5].len)) {
            memcpy(u->home, v[5].p, v[5].len);
            u->home[v[5].len] = '\0';
        }
        return true;
    }
    return false;
}

static bool find_group(struct file f, const char *name, uint32_t *gid)
{
    struct field v[FIELDS_MAX];
    while (next_line(&f, v)) {
        if (is(&v[0], name) && number(v[2].p, v[2].len, gid)) { return true; }
    }
    return false;
}

/* Is name among the members, a list with commas? */
static bool has_member(const struct field *list, const char *name)
{
    const char *p = list->p;
    size_t left = list->len, want = strlen(name);
    while (left > 0) {
        const char *comma = memchr(p, ',', left);
        size_t n = comma ? (size_t)(comma - p) : left;
        if (n == want && memcmp(p, name, n) == 0) { return true; }
        p += n + (comma ? 1 : 0);
        left -= n + (comma ? 1 : 0);
    }
    return false;
}

static int add_groups(struct file f, const char *name, struct user *u, struct err *e)
{
    struct field v[FIELDS_MAX];
    while (next_line(&f, v)) {
        uint32_t gid;
        if (!number(v[2].p, v[2].len, &gid) || !has_member(&v[3], name)) { continue; }
        if (u->group_count == USER_GROUPS_MAX) {
            return err_set(e, EFBIG, "user %.60s is in more than %d groups", name, USER_GROUPS_MAX);
        }
        u->groups[u->group_count++] = gid;
    }
    return 0;
}

int user_lookup(const char *text, const char *passwd, size_t passwd_len, const char *group,
                size_t group_len, struct user *out, struct err *e)
{
    struct file users = {passwd, passwd_len}, groups = {group, group_len};
    struct user u = {.home = "/"};
    char name[NAME_LEN];
    size_t len = strcspn(text, ":");
    const char *of_group = text[len] == ':' ? text + len + 1 : NULL;

    if (len >= sizeof name) { return err_set(e, EINVAL, "user '%.60s…' is too long", text); }
    memcpy(name, text, len);
    name[len] = '\0';
    if (len == 0 || number(name, len, &u.uid)) {
        (void)find_passwd(users, NULL, u.uid, &u);
    } else if (!find_passwd(users, name, 0, &u)) {
        return err_set(e, ENOENT, "user %.60s is not in the image's /etc/passwd", name);
    } else if (!of_group && add_groups(groups, name, &u, e) < 0) {
        return -e->code;
    }
    if (of_group && !number(of_group, strlen(of_group), &u.gid) &&
        !find_group(groups, of_group, &u.gid)) {
        return err_set(e, ENOENT, "group %.60s is not in the image's /etc/group", of_group);
    }
    *out = u;
    return 0;
}

/* Absent is empty. Only a regular file is read. */
static int read_etc(struct tree *t, const char *path, char *buf, size_t *out_len, struct err *e)
{
    struct err why = {0};
    struct stat st;
    int raw = -1;
    size_t len = 0;

    *out_len = 0;
    if (tree_open(t, path, &raw, &why) < 0) {
        return why.code == ENOENT || why.code == ENOTDIR ? 0 : err_set(e, why.code, "%s", why.text);
    }
    auto_fd fd = raw;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        return err_set(e, EBADMSG, "%s is not a regular file", path);
    }
    for (;;) {
        ssize_t n = read(fd, buf + len, FILE_MAX - len);
        if (n < 0) { return err_set(e, errno, "%s: %s", path, strerror(errno)); }
        if (n == 0) { break; }
        len += (size_t)n;
        if (len == FILE_MAX) {
            return err_set(e, EFBIG, "%s has more than %u bytes", path, FILE_MAX - 1);
        }
    }
    *out_len = len;
    return 0;
}

int user_resolve(struct tree *t, const char *text, struct user *out, struct err *e)
{
    auto_free char *passwd = malloc(FILE_MAX);
    auto_free char *group = malloc(FILE_MAX);
    size_t passwd_len = 0, group_len = 0;

    if (!passwd || !group) { return err_set(e, ENOMEM, "out of memory"); }
    if (read_etc(t, "/etc/passwd", passwd, &passwd_len, e) < 0 ||
        read_etc(t, "/etc/group", group, &group_len, e) < 0) {
        return -e->code;
    }
    return user_lookup(text, passwd, passwd_len, group, group_len, out, e);
}
