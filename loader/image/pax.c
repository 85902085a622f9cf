/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extension headers [POSIX.1-2017 pax, "pax Header Block"]: records "LENGTH KEY=VALUE\n". See
 * pax.h.
 */
#include "loader/image/pax.h"

#include "guest/base/cur.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XATTR_PREFIX  "SCHILY.xattr."
#define SPARSE_PREFIX "GNU.sparse."

struct record {
    struct view key, value;
};

static bool key_is(const struct record *r, const char *name)
{
    return r->key.len == strlen(name) && memcmp(r->key.p, name, r->key.len) == 0;
}

static bool key_begins(const struct record *r, const char *prefix)
{
    return r->key.len >= strlen(prefix) && memcmp(r->key.p, prefix, strlen(prefix)) == 0;
}

/* LENGTH counts the whole record, its own digits and the newline too. */
static int next_record(struct cur *c, struct record *out, struct err *e)
{
    size_t len = 0, digits = 0;
    while (digits < c->left && digits < 8 && c->p[digits] >= '0' && c->p[digits] <= '9') {
        len = 10 * len + (size_t)(c->p[digits] - '0');
        digits++;
    }
    if (digits == 0 || digits == c->left || c->p[digits] != ' ' || len < digits + 4 ||
        len > c->left) {
        return err_set(e, EBADMSG, "pax: record has no valid length");
    }
    struct view body = cur_sub(c, len);
    if (body.p[len - 1] != '\n') {
        return err_set(e, EBADMSG, "pax: record does not end with a newline");
    }
    struct cur r = cur_of(body.p + digits + 1, len - digits - 2);
    const uint8_t *eq = memchr(r.p, '=', r.left);
    if (!eq || eq == r.p) { return err_set(e, EBADMSG, "pax: record has no key"); }
    out->key = cur_sub(&r, (size_t)(eq - r.p));
    cur_skip(&r, 1);
    out->value = (struct view){.p = r.p, .len = r.left};
    return 0;
}

static int number(const struct record *r, uint64_t max, uint64_t *out, struct err *e)
{
    uint64_t v = 0;
    if (r->value.len == 0 || r->value.len > 19) {
        return err_set(e, EBADMSG, "pax: number of %zu digits", r->value.len);
    }
    for (size_t i = 0; i < r->value.len; i++) {
        uint8_t c = r->value.p[i];
        if (c < '0' || c > '9') { return err_set(e, EBADMSG, "pax: not a number"); }
        v = 10 * v + (uint64_t)(c - '0');
    }
    if (v > max) {
        return err_set(e, EBADMSG, "pax: number %llu is too large", (unsigned long long)v);
    }
    *out = v;
    return 0;
}

/* Seconds, perhaps negative, perhaps with a fraction, which is dropped. */
static int seconds(const struct record *r, int64_t *out, struct err *e)
{
    struct record whole = *r;
    bool negative = r->value.len > 0 && r->value.p[0] == '-';
    uint64_t v;

    if (negative) { whole.value = (struct view){.p = r->value.p + 1, .len = r->value.len - 1}; }
    const uint8_t *dot = memchr(whole.value.p, '.', whole.value.len);
    if (dot) { whole.value.len = (size_t)(dot - whole.value.p); }
    if (number(&whole, INT64_MAX, &v, e) < 0) { return -e->code; }
    *out = negative ? -(int64_t)v : (int64_t)v;
    return 0;
}

static int name(struct view v, char **slot, struct err *e)
{
    if (v.len == 0 || memchr(v.p, '\0', v.len)) {
        return err_set(e, EBADMSG, "pax: name is empty or has a NUL");
    }
    char *s = malloc(v.len + 1);
    if (!s) { return err_set(e, ENOMEM, "out of memory"); }
    memcpy(s, v.p, v.len);
    s[v.len] = '\0';
    free(*slot);
    *slot = s;
    return 0;
}

static int xattr(const struct record *r, struct pax *p, struct err *e)
{
    const size_t prefix = strlen(XATTR_PREFIX);
    struct view key = {.p = r->key.p + prefix, .len = r->key.len - prefix};
    if (key.len <= 5 || memcmp(key.p, "user.", 5) != 0) {
        p->xattrs_ignored++;
        return 0;
    }
    if (p->xattr_count == PAX_XATTRS_MAX) {
        return err_set(e, EFBIG, "pax: more than %d extended attributes", PAX_XATTRS_MAX);
    }
    struct pax_xattr *x = &p->xattr[p->xattr_count];
    *x = (struct pax_xattr){.len = r->value.len};
    p->xattr_count++;
    if (name(key, &x->name, e) < 0) { return -e->code; }
    x->value = malloc(x->len + 1);
    if (!x->value) { return err_set(e, ENOMEM, "out of memory"); }
    memcpy(x->value, r->value.p, x->len);
    return 0;
}

static int take(const struct record *r, struct pax *p, struct err *e)
{
    uint64_t v;
    if (key_is(r, "path")) { return name(r->value, &p->path, e); }
    if (key_is(r, "linkpath")) { return name(r->value, &p->link, e); }
    if (key_is(r, "size")) {
        p->has_size = true;
        return number(r, INT64_MAX, &p->size, e);
    }
    if (key_is(r, "uid")) {
        if (number(r, UINT32_MAX - 1, &v, e) < 0) { return -e->code; }
        p->has_uid = true;
        p->uid = (uint32_t)v;
        return 0;
    }
    if (key_is(r, "gid")) {
        if (number(r, UINT32_MAX - 1, &v, e) < 0) { return -e->code; }
        p->has_gid = true;
        p->gid = (uint32_t)v;
        return 0;
    }
    if (key_is(r, "mtime")) {
        p->has_mtime = true;
        return seconds(r, &p->mtime, e);
    }
    if (key_begins(r, XATTR_PREFIX)) { return xattr(r, p, e); }
    if (key_begins(r, SPARSE_PREFIX)) {
        return err_set(e, ENOTSUP, "pax: sparse files are not supported");
    }
    return 0;
}

int pax_parse(const uint8_t *data, size_t len, struct pax *p, struct err *e)
{
    struct cur c = cur_of(data, len);
    struct record r;
    while (c.left > 0) {
        if (next_record(&c, &r, e) < 0 || take(&r, p, e) < 0) { return -e->code; }
    }
    return 0;
}

int pax_check_global(const uint8_t *data, size_t len, struct err *e)
{
    static const char *const harmless[] = {"comment", "atime", "ctime", "uname", "gname"};
    struct cur c = cur_of(data, len);
    struct record r;
    while (c.left > 0) {
        bool known = false;
        if (next_record(&c, &r, e) < 0) { return -e->code; }
        for (size_t i = 0; i < ARRAY_COUNT(harmless); i++) {
            known = known || key_is(&r, harmless[i]);
        }
        if (!known) {
            return err_set(e, ENOTSUP, "pax: a global header sets '%.*s'",
                           (int)(r.key.len < 60 ? r.key.len : 60), (const char *)r.key.p);
        }
    }
    return 0;
}

int pax_gnu_name(const uint8_t *data, size_t len, char **slot, struct err *e)
{
    return name((struct view){.p = data, .len = strnlen((const char *)data, len)}, slot, e);
}

void pax_reset(struct pax *p)
{
    free(p->path);
    free(p->link);
    for (size_t i = 0; i < p->xattr_count; i++) {
        free(p->xattr[i].name);
        free(p->xattr[i].value);
    }
    *p = (struct pax){0};
}
