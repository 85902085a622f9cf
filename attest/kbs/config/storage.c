/* SPDX-License-Identifier: Apache-2.0 */
/* [storage]: where the database is, and where the key comes from that everything in it is sealed under. */
#include "attest/kbs/config/storage.h"

#include "attest/hex.h"
#include "attest/kbs/config/hsm.h"
#include "attest/kbs/file.h"
#include "guest/base/ct.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

/* ---- where ----------------------------------------------------------------------------------- */

/* libpq takes a password from a file or the environment; in a URL it would be in every copy of this one. */
static bool has_password(const char *url)
{
    const char *host = strstr(url, "://");
    const char *at = host ? strchr(host + 3, '@') : NULL;
    const char *colon = host ? strchr(host + 3, ':') : NULL;
    return strstr(url, "password=") || (at && colon && colon < at);
}

static int database_read(struct reader *r, const json_t *t, struct config *c, struct err *e)
{
    bool file = json_object_get(t, "database"), url = json_object_get(t, "url");
    if (file == url) {
        return err_set(e, EINVAL,
                       "%s: [storage] wants one of database (a file) and url (PostgreSQL)",
                       r->path);
    }
    if (file) { return reader_path(r, t, "database", &c->database, e); }
    int rc = reader_text(r, t, "url", NULL, &c->database, e);
    if (rc < 0) { return rc; }
    if (strncmp(c->database, "postgresql://", 13) != 0 &&
        strncmp(c->database, "postgres://", 11) != 0) {
        return err_set(e, EINVAL, "%s: [storage] url: wanted postgresql://...", r->path);
    }
    if (has_password(c->database)) {
        return err_set(e, EINVAL,
                       "%s: [storage] url: found a password; name a file: ...?passfile=/etc/...",
                       r->path);
    }
    return 0;
}

/* ---- secrets out of files and the environment ------------------------------------------------ */

static void cut_line_break(struct store_value *v)
{
    while (v->len && (v->p[v->len - 1] == '\n' || v->p[v->len - 1] == '\r')) { v->p[--v->len] = 0; }
}

/* The variable is wiped where it stands, so that it is not in /proc/PID/environ any more. */
static int env_take(struct reader *r, const char *name, struct store_value *out, struct err *e)
{
    char *value = getenv(name);
    if (!value) {
        return err_set(e, ENOENT, "%s: there is no environment variable %s", r->path, name);
    }
    size_t len = strlen(value);
    struct store_value v = {.p = malloc(len + 1), .len = len};
    if (!v.p) { return err_set(e, ENOMEM, "%s: out of memory", r->path); }
    memcpy(v.p, value, len + 1);
    wipe(value, len);
    (void)unsetenv(name);
    *out = v;
    return 0;
}

/* NAME_file or NAME_env; where says which, for errors. */
static int secret_read(struct reader *r, const json_t *t, const char *file, const char *env,
                       struct store_value *out, char **where, struct err *e)
{
    bool by_file = json_object_get(t, file), by_env = json_object_get(t, env);
    if (by_file == by_env) {
        return err_set(e, EINVAL, "%s: [storage] wants one of %s and %s", r->path, file, env);
    }
    int rc = by_file ? reader_path(r, t, file, where, e) : reader_text(r, t, env, NULL, where, e);
    if (rc == 0) {
        rc = by_file ? file_read(*where, PEM_MAX, true, out, e) : env_take(r, *where, out, e);
    }
    if (rc == 0) { cut_line_break(out); }
    return rc;
}

static int hex_key_read(struct reader *r, const json_t *t, struct config *c, struct err *e)
{
    auto_free char *where = NULL;
    auto_store_value hex = {0};
    int rc = secret_read(r, t, "key_file", "key_env", &hex, &where, e);
    if (rc < 0) { return rc; }
    if (!hex_decode((const char *)hex.p, hex.len, c->storage_key, sizeof c->storage_key)) {
        return err_set(e, EINVAL, "%s: not %d lower-case hexadecimal digits", where,
                       2 * STORE_KEY_SIZE);
    }
    return 0;
}

/* ---- a security module ----------------------------------------------------------------------- */

struct hsm_settings {
    char *module, *token, *key, *wrapped;
    struct store_value pin;
};

static void hsm_settings_fini(struct hsm_settings *h)
{
    char *const texts[] = {h->module, h->token, h->key, h->wrapped};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) { free(texts[i]); }
    store_value_fini(&h->pin);
}
#define auto_hsm __attribute__((cleanup(hsm_settings_fini))) struct hsm_settings

static int hsm_settings_read(struct reader *r, const json_t *storage, struct hsm_settings *h,
                             struct err *e)
{
    static const char *const known[] = {"module",   "token",   "key", "wrapped_key",
                                        "pin_file", "pin_env", NULL};
    const json_t *t = json_object_get(storage, "pkcs11");
    auto_free char *where = NULL;
    if (!json_is_object(t)) { return err_set(e, EINVAL, "%s: no table [storage.pkcs11]", r->path); }
    int rc = reader_only_known(r, "storage.pkcs11", t, known, e);
    if (rc == 0) { rc = reader_path(r, t, "module", &h->module, e); }
    if (rc == 0) { rc = reader_text(r, t, "token", NULL, &h->token, e); }
    if (rc == 0) { rc = reader_text(r, t, "key", NULL, &h->key, e); }
    if (rc == 0) { rc = reader_path(r, t, "wrapped_key", &h->wrapped, e); }
    if (rc == 0) { rc = secret_read(r, t, "pin_file", "pin_env", &h->pin, &where, e); }
    return rc;
}

static struct hsm hsm_of(const struct hsm_settings *h)
{
    return (struct hsm){
        .module = h->module, .token = h->token, .key = h->key, .pin = (const char *)h->pin.p};
}

static int hsm_key_read(struct reader *r, const json_t *t, struct config *c, struct err *e)
{
    auto_hsm h = {0};
    auto_store_value hex = {0};
    uint8_t wrapped[HSM_WRAPPED_MAX];
    if (json_object_get(t, "key_file") || json_object_get(t, "key_env")) {
        return err_set(e, EINVAL, "%s: [storage] has a key beside [storage.pkcs11]", r->path);
    }
    int rc = hsm_settings_read(r, t, &h, e);
    if (rc == 0) { rc = file_read(h.wrapped, 2 * HSM_WRAPPED_MAX + 2, false, &hex, e); }
    if (rc < 0) { return rc; }
    cut_line_break(&hex);
    if (hex.len % 2 || hex.len > 2 * sizeof wrapped ||
        !hex_decode((const char *)hex.p, hex.len, wrapped, hex.len / 2)) {
        return err_set(e, EINVAL, "%s: not a wrapped key; cc-kbs wrap-storage-key makes one",
                       h.wrapped);
    }
    struct hsm module = hsm_of(&h);
    return hsm_unwrap(&module, wrapped, hex.len / 2, c->storage_key, sizeof c->storage_key, e);
}

/* ---- the table ------------------------------------------------------------------------------- */

static int table_read(struct reader *r, json_t **out, struct err *e)
{
    static const char *const known[] = {"database", "url", "key_file", "key_env", "pkcs11", NULL};
    return reader_table(r, "storage", true, known, out, e);
}

int config_storage_read(struct reader *r, struct config *c, struct err *e)
{
    json_t *t;
    int rc = table_read(r, &t, e);
    if (rc == 0) { rc = database_read(r, t, c, e); }
    if (rc < 0) { return rc; }
    return json_object_get(t, "pkcs11") ? hsm_key_read(r, t, c, e) : hex_key_read(r, t, c, e);
}

int config_wrap_storage_key(const char *path, struct err *e)
{
    auto_reader r = {0};
    auto_hsm h = {0};
    json_t *t;
    uint8_t key[STORE_KEY_SIZE], wrapped[HSM_WRAPPED_MAX];
    char hex[HEX_LEN(HSM_WRAPPED_MAX) + 1];
    size_t len = sizeof wrapped;
    int rc = reader_open(path, &r, e);
    if (rc == 0) { rc = table_read(&r, &t, e); }
    if (rc == 0) { rc = hsm_settings_read(&r, t, &h, e); }
    if (rc < 0) { return rc; }
    rc = crypto_random(key, sizeof key);
    if (rc < 0) { return err_set(e, -rc, "no randomness"); }
    struct hsm module = hsm_of(&h);
    rc = hsm_wrap(&module, key, sizeof key, wrapped, &len, e);
    wipe(key, sizeof key);
    if (rc < 0) { return rc; }
    hex_encode(wrapped, len, hex);
    hex[2 * len] = '\n';
    return file_make(h.wrapped, true, hex, 2 * len + 1, e);
}
