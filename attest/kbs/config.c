/* SPDX-License-Identifier: Apache-2.0 */
/* From a TOML text to a struct that needs no further question: every key is loaded here, every number has its range. */
#include "attest/kbs/config.h"

#include "attest/kbs/claims.h"
#include "attest/toml.h"
#include "guest/base/ct.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define CONFIG_MAX (64u * 1024)
#define PEM_MAX    (64u * 1024)

int file_read(const char *path, size_t max, bool private, struct store_value *out, struct err *e)
{
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat sb;
    if (fd < 0 || fstat(fd, &sb) < 0) { return err_set(e, errno, "%s: %s", path, strerror(errno)); }
    if (private && (sb.st_mode & 077)) {
        return err_set(e, EACCES, "%s: others may read or write it (mode %03o); chmod 600", path,
                       (unsigned)sb.st_mode & 0777);
    }
    struct store_value v = {.p = malloc(max + 2)};
    if (!v.p) { return err_set(e, ENOMEM, "%s: out of memory", path); }
    ssize_t n = 0;
    while (v.len <= max && (n = read(fd, v.p + v.len, max + 1 - v.len)) > 0) { v.len += (size_t)n; }
    int rc = 0;
    if (n < 0) {
        rc = err_set(e, errno, "%s: %s", path, strerror(errno));
    } else if (v.len > max) {
        rc = err_set(e, EFBIG, "%s: more than %zu bytes", path, max);
    }
    if (rc < 0) {
        store_value_fini(&v);
        return rc;
    }
    v.p[v.len] = 0;
    *out = v;
    return 0;
}

/* One file being read: the tree, and the directory that names are relative to. */
struct reader {
    const char *path;
    json_t *doc;
    char *dir; /* malloc; ends in a slash, or is empty */
};

/* A table whose members are all known; NULL when absent and not required. */
static int table_get(struct reader *r, const char *name, bool required, const char *const *known,
                     json_t **out, struct err *e)
{
    json_t *t = json_object_get(r->doc, name);
    *out = NULL;
    if (!t && !required) { return 0; }
    if (!json_is_object(t)) { return err_set(e, EINVAL, "%s: no table [%s]", r->path, name); }
    int rc = toml_only_known(name, t, known, e);
    if (rc < 0) { return err_wrap(e, "%s", r->path); }
    *out = t;
    return 0;
}

static int text_get(struct reader *r, const json_t *table, const char *name, const char *absent,
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

static int number_get(struct reader *r, const json_t *table, const char *name, int64_t absent,
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

static int resolve(struct reader *r, const char *name, char **out, struct err *e)
{
    if (asprintf(out, "%s%s", name[0] == '/' ? "" : r->dir, name) < 0) {
        *out = NULL;
        return err_set(e, ENOMEM, "%s: out of memory", r->path);
    }
    return 0;
}

static int path_get(struct reader *r, const json_t *table, const char *name, char **out,
                    struct err *e)
{
    auto_free char *text = NULL;
    int rc = text_get(r, table, name, NULL, &text, e);
    return rc < 0 ? rc : resolve(r, text, out, e);
}

static int key_load(const char *path, bool private, struct crypto_key **out, struct err *e)
{
    auto_store_value pem = {0};
    int rc = file_read(path, PEM_MAX, private, &pem, e);
    if (rc < 0) { return rc; }
    rc = crypto_key_from_pem(pem.p, pem.len, out);
    return rc < 0 ? err_set(e, -rc, "%s: not a PEM key", path) : 0;
}

/* Public keys of the kinds in the mask (bit n: enum crypto_key_type n). */
static int keys_get(struct reader *r, const json_t *table, const char *name, unsigned kinds,
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
        if (rc == 0) { rc = key_load(path, false, &out->v[i], e); }
        if (rc < 0) { return err_wrap(e, "%s", name); }
        out->count++;
        if (!(kinds >> crypto_key_type(out->v[i]) & 1)) {
            return err_set(e, EINVAL, "%s: %s: %s: wanted %s", r->path, name, text, wanted);
        }
    }
    return 0;
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* The server reads its key itself; whether it is a secret is said here, with the others. */
static int private_check(const char *path, struct err *e)
{
    auto_store_value ignored = {0};
    return file_read(path, PEM_MAX, true, &ignored, e);
}

static int server_read(struct reader *r, struct config *c, struct err *e)
{
    static const char *const known[] = {"listen",          "tls_cert", "tls_key",
                                        "max_connections", "max_body", NULL};
    json_t *t;
    int64_t conns = 0, body = 0;
    int rc = table_get(r, "server", true, known, &t, e);
    if (rc == 0) { rc = text_get(r, t, "listen", NULL, &c->listen, e); }
    if (rc == 0) { rc = path_get(r, t, "tls_cert", &c->tls_cert, e); }
    if (rc == 0) { rc = path_get(r, t, "tls_key", &c->tls_key, e); }
    if (rc == 0) { rc = private_check(c->tls_key, e); }
    if (rc == 0) { rc = number_get(r, t, "max_connections", 1024, 1, 1000000, &conns, e); }
    if (rc == 0) { rc = number_get(r, t, "max_body", 2 << 20, 4096, STORE_VALUE_MAX, &body, e); }
    c->max_connections = (uint32_t)conns;
    c->max_body = (uint64_t)body;
    return rc;
}

static int storage_read(struct reader *r, struct config *c, struct err *e)
{
    static const char *const known[] = {"database", "key_file", NULL};
    json_t *t;
    auto_free char *path = NULL;
    auto_store_value hex = {0};
    int rc = table_get(r, "storage", true, known, &t, e);
    if (rc == 0) { rc = path_get(r, t, "database", &c->database, e); }
    if (rc == 0) { rc = path_get(r, t, "key_file", &path, e); }
    if (rc == 0) { rc = file_read(path, 256, true, &hex, e); }
    if (rc < 0) { return rc; }
    size_t len = hex.len;
    while (len && (hex.p[len - 1] == '\n' || hex.p[len - 1] == '\r')) { len--; }
    if (!hex_decode((const char *)hex.p, len, c->storage_key, sizeof c->storage_key)) {
        return err_set(e, EINVAL, "%s: not %d lower-case hexadecimal digits", path,
                       2 * STORE_KEY_SIZE);
    }
    return 0;
}

static int certs_load(const char *path, void *into, struct err *e)
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

static int jwks_load(const char *path, void *into, struct err *e)
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

/* Calls load() for each file that the list names; an absent list is empty. */
static int files_get(struct reader *r, const json_t *table, const char *name,
                     int (*load)(const char *path, void *out, struct err *e), void *out,
                     struct err *e)
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

static int token_key_check(const struct config *c, const char *path, struct err *e)
{
    static const unsigned kinds = 1u << CRYPTO_P256 | 1u << CRYPTO_P384 | 1u << CRYPTO_P521;
    auto_key leaf = NULL;
    if (!(kinds >> crypto_key_type(c->token_key) & 1) || !crypto_key_is_private(c->token_key)) {
        return err_set(e, EINVAL, "%s: not a private P-256, P-384 or P-521 key", path);
    }
    if (c->token_chain.count && (crypto_cert_key(c->token_chain.v[0], &leaf) < 0 ||
                                 !crypto_key_same_public(leaf, c->token_key))) {
        return err_set(e, EINVAL, "%s: [token] chain is about another key", path);
    }
    return 0;
}

static int token_read(struct reader *r, struct config *c, struct err *e)
{
    static const char *const known[] = {"key",           "issuer",       "seconds", "chain",
                                        "trusted_certs", "trusted_jwks", NULL};
    json_t *t;
    auto_free char *path = NULL;
    auto_free char *chain = NULL;
    int rc = table_get(r, "token", true, known, &t, e);
    if (rc == 0) { rc = path_get(r, t, "key", &path, e); }
    if (rc == 0) { rc = key_load(path, true, &c->token_key, e); }
    if (rc == 0) { rc = text_get(r, t, "issuer", "cc-kbs", &c->token_issuer, e); }
    if (rc == 0) { rc = number_get(r, t, "seconds", 0, 0, 86400, &c->token_seconds, e); }
    if (rc == 0 && json_object_get(t, "chain")) {
        rc = path_get(r, t, "chain", &chain, e);
        if (rc == 0) { rc = certs_load(chain, &c->token_chain, e); }
    }
    if (rc == 0) { rc = token_key_check(c, path, e); }
    if (rc == 0) { rc = files_get(r, t, "trusted_certs", certs_load, &c->trusted_certs, e); }
    if (rc == 0) { rc = files_get(r, t, "trusted_jwks", jwks_load, &c->trusted_jwks, e); }
    return rc;
}

static bool operation_known(const char *name)
{
    const char *known;
    for (size_t i = 0; (known = admin_operation(i)) != NULL; i++) {
        if (strcmp(known, name) == 0) { return true; }
    }
    return false;
}

static int role_read(struct reader *r, const char *name, const json_t *list,
                     struct config_roles *out, struct err *e)
{
    if (out->count == CONFIG_ROLES_MAX || strcmp(name, "admin") == 0) {
        return err_set(e, EINVAL, "%s: [admin.roles]: %s: at most %d, and `admin` is not one",
                       r->path, name, CONFIG_ROLES_MAX);
    }
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n == 0) {
        return err_set(e, EINVAL, "%s: [admin.roles]: %s is not a list of operations", r->path,
                       name);
    }
    for (size_t i = 0; i < n; i++) {
        const char *one = json_string_value(json_array_get(list, i));
        if (!one || !operation_known(one)) {
            return err_set(e, EINVAL, "%s: [admin.roles]: %s: no operation is named %.60s", r->path,
                           name, one ? one : "so");
        }
    }
    out->v[out->count++] = (struct admin_role){.name = name, .operations = list};
    return 0;
}

static int roles_read(struct reader *r, json_t *admin, struct config_roles *out, struct err *e)
{
    json_t *roles = json_object_get(admin, "roles"), *list;
    const char *name;
    if (!roles) { return 0; }
    if (!json_is_object(roles)) { return err_set(e, EINVAL, "%s: roles is no table", r->path); }
    out->doc = json_incref(roles);
    json_object_foreach (roles, name, list) {
        int rc = role_read(r, name, list, out, e);
        if (rc < 0) { return rc; }
    }
    return 0;
}

static int admin_read(struct reader *r, struct config *c, struct err *e)
{
    static const char *const known[] = {"public_keys", "issuer", "roles", NULL};
    json_t *t;
    int rc = table_get(r, "admin", true, known, &t, e);
    if (rc == 0) {
        rc = keys_get(r, t, "public_keys", 1u << CRYPTO_ED25519 | 1u << CRYPTO_P256,
                      "an Ed25519 or P-256 key", &c->admin_keys, e);
    }
    if (rc == 0) { rc = text_get(r, t, "issuer", "cc-kbs", &c->admin_issuer, e); }
    if (rc == 0) { rc = roles_read(r, t, &c->roles, e); }
    return rc;
}

static int sessions_read(struct reader *r, struct config *c, struct err *e)
{
    static const char *const known[] = {"max", "seconds", NULL};
    json_t *t;
    int64_t max = 0;
    int rc = table_get(r, "sessions", false, known, &t, e);
    if (rc == 0) { rc = number_get(r, t, "max", 10000, 1, 10000000, &max, e); }
    if (rc == 0) { rc = number_get(r, t, "seconds", 300, 1, 86400, &c->session_seconds, e); }
    c->max_sessions = (uint32_t)max;
    return rc;
}

static int audit_read(struct reader *r, struct config *c, struct err *e)
{
    static const char *const known[] = {"file", NULL};
    json_t *t;
    int rc = table_get(r, "audit", false, known, &t, e);
    return rc < 0 || !t ? rc : path_get(r, t, "file", &c->audit_file, e);
}

static int insecure_sim_read(struct reader *r, struct config *c, struct err *e)
{
    static const char *const known[] = {"trusted_keys", NULL};
    json_t *t;
    int rc = table_get(r, "insecure_sim", false, known, &t, e);
    if (rc < 0 || !t) { return rc; }
    return keys_get(r, t, "trusted_keys", 1u << CRYPTO_P384, "a P-384 key", &c->insecure_sim_keys,
                    e);
}

static int flag_get(struct reader *r, const json_t *table, const char *name, bool *out,
                    struct err *e)
{
    const json_t *j = json_object_get(table, name);
    if (j && !json_is_boolean(j)) {
        return err_set(e, EINVAL, "%s: %s is neither true nor false", r->path, name);
    }
    *out = json_is_true(j);
    return 0;
}

static int insecure_coco_read(struct reader *r, struct config *c, struct err *e)
{
    static const char *const known[] = {"sample", "without_initdata", "header_jwk", NULL};
    json_t *t;
    int rc = table_get(r, "insecure_coco", false, known, &t, e);
    if (rc == 0) { rc = flag_get(r, t, "sample", &c->insecure_sample, e); }
    if (rc == 0) { rc = flag_get(r, t, "without_initdata", &c->insecure_without_initdata, e); }
    if (rc == 0) { rc = flag_get(r, t, "header_jwk", &c->insecure_header_jwk, e); }
    return rc;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int config_read(struct reader *r, struct config *c, struct err *e)
{
    static const char *const known[] = {"server",       "storage",       "token",
                                        "admin",        "sessions",      "audit",
                                        "insecure_sim", "insecure_coco", NULL};
    int rc = toml_only_known(r->path, r->doc, known, e);
    if (rc == 0) { rc = server_read(r, c, e); }
    if (rc == 0) { rc = storage_read(r, c, e); }
    if (rc == 0) { rc = token_read(r, c, e); }
    if (rc == 0) { rc = admin_read(r, c, e); }
    if (rc == 0) { rc = sessions_read(r, c, e); }
    if (rc == 0) { rc = audit_read(r, c, e); }
    if (rc == 0) { rc = insecure_sim_read(r, c, e); }
    if (rc == 0) { rc = insecure_coco_read(r, c, e); }
    return rc;
}

int config_load(const char *path, struct config *out, struct err *e)
{
    auto_store_value text = {0};
    auto_config c = {0};
    auto_json doc = NULL;
    int rc = file_read(path, CONFIG_MAX, false, &text, e);
    if (rc == 0) { rc = toml_load(path, text.p, text.len, CONFIG_MAX, &doc, e); }
    if (rc < 0) { return rc; }
    const char *slash = strrchr(path, '/');
    auto_free char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("");
    if (!dir) { return err_set(e, ENOMEM, "%s: out of memory", path); }
    struct reader r = {.path = path, .doc = doc, .dir = dir};
    rc = config_read(&r, &c, e);
    if (rc < 0) { return rc; }
    *out = c;
    wipe(&c, sizeof c);
    return 0;
}

static void certs_free(struct config_certs *c)
{
    for (size_t i = 0; i < c->count; i++) { crypto_cert_free(c->v[i]); }
}

static void keys_free(struct config_keys *k)
{
    for (size_t i = 0; i < k->count; i++) { crypto_key_free(k->v[i]); }
}

void config_fini(struct config *c)
{
    char *const texts[] = {c->listen,       c->tls_cert,   c->tls_key,     c->database,
                           c->admin_issuer, c->audit_file, c->token_issuer};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) { free(texts[i]); }
    crypto_key_free(c->token_key);
    json_decref(c->roles.doc);
    certs_free(&c->token_chain);
    certs_free(&c->trusted_certs);
    jwk_set_fini(&c->trusted_jwks);
    keys_free(&c->admin_keys);
    keys_free(&c->insecure_sim_keys);
    wipe(c, sizeof *c);
}
