/* SPDX-License-Identifier: Apache-2.0 */
/* One member at a time, out of a tree that the TOML reader made. */
#include "attest/kbs/config/reader.h"

#include "attest/kbs/file.h"
#include "attest/toml.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

int reader_open(const char *path, struct reader *out, struct err *e)
{
    auto_store_value text = {0};
    auto_reader r = {.path = path};
    int rc = file_read(path, CONFIG_MAX, false, &text, e);
    if (rc == 0) { rc = toml_load(path, text.p, text.len, CONFIG_MAX, &r.doc, e); }
    if (rc < 0) { return rc; }
    const char *slash = strrchr(path, '/');
    r.dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("");
    if (!r.dir) { return err_set(e, ENOMEM, "%s: out of memory", path); }
    *out = r;
    r = (struct reader){0};
    return 0;
}

void reader_fini(struct reader *r)
{
    json_decref(r->doc);
    free(r->dir);
}

int reader_only_known(struct reader *r, const char *name, const json_t *t, const char *const *known,
                      struct err *e)
{
    const char *member;
    json_t *value;
    json_object_foreach ((json_t *)t, member, value) {
        const char *const *k = known;
        while (*k && strcmp(*k, member) != 0) { k++; }
        if (*k) { continue; }
        const char *here = config_coco_name(name, member);
        const char *open = name[0] ? "[" : "", *close = name[0] ? "] " : "";
        if (here) {
            return err_set(e, EINVAL, "%s: %s%s%s%s is a name of CoCo's; here it is %s", r->path,
                           open, name, close, member, here);
        }
        return err_set(e, EINVAL, "%s: %s%s%sunknown key %s", r->path, open, name, close, member);
    }
    return 0;
}

int reader_table(struct reader *r, const char *name, bool required, const char *const *known,
                 json_t **out, struct err *e)
{
    json_t *t = json_object_get(r->doc, name);
    *out = NULL;
    if (!t && !required) { return 0; }
    if (!json_is_object(t)) { return err_set(e, EINVAL, "%s: no table [%s]", r->path, name); }
    int rc = reader_only_known(r, name, t, known, e);
    if (rc == 0) { *out = t; }
    return rc;
}

int reader_text(struct reader *r, const json_t *table, const char *name, const char *absent,
                char **out, struct err *e)
{
    const json_t *j = json_object_get(table, name);
    const char *text = j ? json_string_value(j) : absent;
    if (!text) {
        return err_set(e, EINVAL, "%s: %s is %s", r->path, name, j ? "not a text" : "missing");
    }
    *out = strdup(text);
    return *out ? 0 : err_set(e, ENOMEM, "%s: out of memory", r->path);
}

int reader_number(struct reader *r, const json_t *table, const char *name, int64_t absent,
                  int64_t min, int64_t max, int64_t *out, struct err *e)
{
    const json_t *j = json_object_get(table, name);
    if (j && !json_is_integer(j)) {
        return err_set(e, EINVAL, "%s: %s is not a number", r->path, name);
    }
    int64_t v = j ? json_integer_value(j) : absent;
    if (v < min || v > max) {
        return err_set(e, ERANGE, "%s: %s: found %" PRId64 ", wanted %" PRId64 " to %" PRId64,
                       r->path, name, v, min, max);
    }
    *out = v;
    return 0;
}

int reader_flag(struct reader *r, const json_t *table, const char *name, bool *out, struct err *e)
{
    const json_t *j = json_object_get(table, name);
    if (j && !json_is_boolean(j)) {
        return err_set(e, EINVAL, "%s: %s is neither true nor false", r->path, name);
    }
    *out = json_is_true(j);
    return 0;
}

static int resolve(struct reader *r, const char *name, char **out, struct err *e)
{
    if (asprintf(out, "%s%s", name[0] == '/' ? "" : r->dir, name) < 0) {
        *out = NULL;
        return err_set(e, ENOMEM, "%s: out of memory", r->path);
    }
    return 0;
}

int reader_path(struct reader *r, const json_t *table, const char *name, char **out, struct err *e)
{
    auto_free char *text = NULL;
    int rc = reader_text(r, table, name, NULL, &text, e);
    return rc < 0 ? rc : resolve(r, text, out, e);
}

int load_certs(const char *path, void *into, struct err *e)
{
    struct config_certs *out = into;
    auto_store_value pem = {0};
    size_t n = 0;
    int rc = file_read(path, PEM_MAX, false, &pem, e);
    if (rc < 0) { return rc; }
    if (out->count == CONFIG_CERTS_MAX ||
        crypto_certs_from_pem(pem.p, pem.len, out->v + out->count, CONFIG_CERTS_MAX - out->count,
                              &n) < 0) {
        return err_set(e, EINVAL, "%s: not 1 to %d PEM certificates", path, CONFIG_CERTS_MAX);
    }
    out->count += n;
    return 0;
}

int load_jwks(const char *path, void *into, struct err *e)
{
    struct jwk_set *out = into;
    auto_store_value text = {0};
    struct jwk_set set = {0};
    int rc = file_read(path, JWK_SET_TEXT_MAX, false, &text, e);
    if (rc == 0) { rc = jwk_set_parse((const char *)text.p, text.len, &set, e); }
    if (rc < 0) { return err_wrap(e, "%s", path); }
    for (size_t i = 0; i < set.count; i++) {
        if (out->count == JWK_SET_MAX) {
            rc = err_set(e, E2BIG, "%s: more than %d trusted keys", path, JWK_SET_MAX);
            crypto_key_free(set.v[i].key);
            continue;
        }
        out->v[out->count++] = set.v[i];
    }
    return rc;
}

int reader_files(struct reader *r, const json_t *table, const char *name,
                 int (*load)(const char *path, void *out, struct err *e), void *out, struct err *e)
{
    const json_t *list = json_object_get(table, name), *one;
    size_t i;
    if (list && !json_is_array(list)) {
        return err_set(e, EINVAL, "%s: %s is not a list of files", r->path, name);
    }
    json_array_foreach (list, i, one) {
        auto_free char *path = NULL;
        const char *text = json_string_value(one);
        if (!text) {
            return err_set(e, EINVAL, "%s: %s holds something that is no text", r->path, name);
        }
        int rc = resolve(r, text, &path, e);
        if (rc == 0) { rc = load(path, out, e); }
        if (rc < 0) { return err_wrap(e, "%s", name); }
    }
    return 0;
}

int reader_keys(struct reader *r, const json_t *table, const char *name, unsigned kinds,
                const char *wanted, struct config_keys *out, struct err *e)
{
    const json_t *list = json_object_get(table, name);
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n == 0 || n > CONFIG_KEYS_MAX) {
        return err_set(e, EINVAL, "%s: %s is not a list of 1 to %d files", r->path, name,
                       CONFIG_KEYS_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        auto_free char *path = NULL;
        if (!text) {
            return err_set(e, EINVAL, "%s: %s holds something that is no text", r->path, name);
        }
        int rc = resolve(r, text, &path, e);
        if (rc == 0) { rc = file_key(path, false, &out->v[i], e); }
        if (rc < 0) { return err_wrap(e, "%s", name); }
        out->count++;
        if (!(kinds >> crypto_key_type(out->v[i]) & 1)) {
            return err_set(e, EINVAL, "%s: %s: %s: wanted %s", r->path, name, text, wanted);
        }
    }
    return 0;
}
