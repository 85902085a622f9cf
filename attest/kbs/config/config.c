/* SPDX-License-Identifier: Apache-2.0 */
/* From a TOML text to a struct that needs no further question: every key is loaded here, every number has its range. */
#include "attest/kbs/config/config.h"

#include "attest/kbs/config/collateral.h"
#include "attest/kbs/config/snp.h"
#include "attest/kbs/config/storage.h"
#include "attest/kbs/config/tdx.h"
#include "attest/kbs/file.h"
#include "guest/base/ct.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

/* ---- tables ---------------------------------------------------------------------------------- */

/* The server reads its key itself; whether it is a secret is said here, with the others. */
static int private_check(const char *path, struct err *e)
{
    auto_store_value ignored = {0};
    return file_read(path, PEM_MAX, true, &ignored, e);
}

static int server_read(struct reader *r, struct config *c, struct err *e)
{
    static const char *const known[] = {
        "listen",   "ops_listen",          "tls_cert", "tls_key", "max_connections",
        "max_body", "documented_statuses", NULL};
    json_t *t;
    int64_t conns = 0, body = 0;
    int rc = reader_table(r, "server", true, known, &t, e);
    if (rc == 0) { rc = reader_text(r, t, "listen", NULL, &c->listen, e); }
    if (rc == 0 && json_object_get(t, "ops_listen")) {
        rc = reader_text(r, t, "ops_listen", NULL, &c->ops_listen, e);
    }
    if (rc == 0) { rc = reader_path(r, t, "tls_cert", &c->tls_cert, e); }
    if (rc == 0) { rc = reader_path(r, t, "tls_key", &c->tls_key, e); }
    if (rc == 0) { rc = private_check(c->tls_key, e); }
    if (rc == 0) { rc = reader_number(r, t, "max_connections", 1024, 1, 1000000, &conns, e); }
    if (rc == 0) { rc = reader_number(r, t, "max_body", 2 << 20, 4096, STORE_VALUE_MAX, &body, e); }
    c->max_connections = (uint32_t)conns;
    if (rc == 0) { rc = reader_flag(r, t, "documented_statuses", &c->documented_statuses, e); }
    c->max_body = (uint64_t)body;
    return rc;
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
    int rc = reader_table(r, "token", true, known, &t, e);
    if (rc == 0) { rc = reader_path(r, t, "key", &path, e); }
    if (rc == 0) { rc = file_key(path, true, &c->token_key, e); }
    if (rc == 0) { rc = reader_text(r, t, "issuer", "cc-kbs", &c->token_issuer, e); }
    if (rc == 0) { rc = reader_number(r, t, "seconds", 0, 0, 86400, &c->token_seconds, e); }
    if (rc == 0 && json_object_get(t, "chain")) {
        rc = reader_path(r, t, "chain", &chain, e);
        if (rc == 0) { rc = load_certs(chain, &c->token_chain, e); }
    }
    if (rc == 0) { rc = token_key_check(c, path, e); }
    if (rc == 0) { rc = reader_files(r, t, "trusted_certs", load_certs, &c->trusted_certs, e); }
    if (rc == 0) { rc = reader_files(r, t, "trusted_jwks", load_jwks, &c->trusted_jwks, e); }
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
    int rc = reader_table(r, "admin", true, known, &t, e);
    if (rc == 0) {
        rc = reader_keys(r, t, "public_keys", 1u << CRYPTO_ED25519 | 1u << CRYPTO_P256,
                         "an Ed25519 or P-256 key", &c->admin_keys, e);
    }
    if (rc == 0) { rc = reader_text(r, t, "issuer", "cc-kbs", &c->admin_issuer, e); }
    if (rc == 0) { rc = roles_read(r, t, &c->roles, e); }
    return rc;
}

static int sessions_read(struct reader *r, struct config *c, struct err *e)
{
    static const char *const known[] = {"max", "seconds", NULL};
    json_t *t;
    int64_t max = 0;
    int rc = reader_table(r, "sessions", false, known, &t, e);
    if (rc == 0) { rc = reader_number(r, t, "max", 10000, 1, 10000000, &max, e); }
    if (rc == 0) { rc = reader_number(r, t, "seconds", 300, 1, 86400, &c->session_seconds, e); }
    c->max_sessions = (uint32_t)max;
    return rc;
}

static int limits_read(struct reader *r, struct config *c, struct err *e)
{
    static const char *const known[] = {"requests_per_second", "burst", "connections", "clients",
                                        NULL};
    json_t *t;
    int64_t rate = 0, burst = 0, connections = 0, clients = 0;
    int rc = reader_table(r, "limits", false, known, &t, e);
    if (rc == 0) { rc = reader_number(r, t, "requests_per_second", 200, 0, 1000000, &rate, e); }
    if (rc == 0) { rc = reader_number(r, t, "burst", 2000, 1, 1000000, &burst, e); }
    if (rc == 0) { rc = reader_number(r, t, "connections", 256, 1, 1000000, &connections, e); }
    if (rc == 0) { rc = reader_number(r, t, "clients", 16384, 8, 1 << 24, &clients, e); }
    c->limits = (struct limit_setup){.per_second = (uint32_t)rate,
                                     .burst = (uint32_t)burst,
                                     .connections = (uint32_t)connections,
                                     .clients = (uint32_t)clients};
    return rc;
}

static int audit_read(struct reader *r, struct config *c, struct err *e)
{
    static const char *const known[] = {"file", "required", NULL};
    json_t *t;
    int rc = reader_table(r, "audit", false, known, &t, e);
    if (rc == 0) { rc = reader_flag(r, t, "required", &c->audit_required, e); }
    return rc < 0 || !t ? rc : reader_path(r, t, "file", &c->audit_file, e);
}

static int insecure_sim_read(struct reader *r, struct config *c, struct err *e)
{
    static const char *const known[] = {"trusted_keys", NULL};
    json_t *t;
    int rc = reader_table(r, "insecure_sim", false, known, &t, e);
    if (rc < 0 || !t) { return rc; }
    return reader_keys(r, t, "trusted_keys", 1u << CRYPTO_P384, "a P-384 key",
                       &c->insecure_sim_keys, e);
}

static int insecure_coco_read(struct reader *r, struct config *c, struct err *e)
{
    static const char *const known[] = {"sample", "without_initdata", "policy_without_initdata",
                                        "header_jwk", NULL};
    json_t *t;
    int rc = reader_table(r, "insecure_coco", false, known, &t, e);
    if (rc == 0) { rc = reader_flag(r, t, "sample", &c->insecure_sample, e); }
    if (rc == 0) { rc = reader_flag(r, t, "without_initdata", &c->insecure_without_initdata, e); }
    if (rc == 0) {
        rc = reader_flag(r, t, "policy_without_initdata", &c->insecure_policy_without_initdata, e);
    }
    if (rc == 0) { rc = reader_flag(r, t, "header_jwk", &c->insecure_header_jwk, e); }
    return rc;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int storage_keep(const struct config *old, struct config *c, struct err *e)
{
    memcpy(c->storage_key, old->storage_key, sizeof c->storage_key);
    c->database = strdup(old->database);
    return c->database ? 0 : err_set(e, ENOMEM, "out of memory");
}

static int config_read(struct reader *r, const struct config *old, struct config *c, struct err *e)
{
    static const char *const known[] = {
        "server",        "storage", "token", "admin", "sessions",   "audit", "insecure_sim",
        "insecure_coco", "limits",  "snp",   "tdx",   "collateral", NULL};
    int rc = reader_only_known(r, "", r->doc, known, e);
    if (rc == 0) { rc = server_read(r, c, e); }
    if (rc == 0) { rc = old ? storage_keep(old, c, e) : config_storage_read(r, c, e); }
    if (rc == 0) { rc = token_read(r, c, e); }
    if (rc == 0) { rc = admin_read(r, c, e); }
    if (rc == 0) { rc = sessions_read(r, c, e); }
    if (rc == 0) { rc = limits_read(r, c, e); }
    if (rc == 0) { rc = audit_read(r, c, e); }
    if (rc == 0) { rc = config_snp_read(r, &c->snp, e); }
    if (rc == 0) { rc = config_tdx_read(r, &c->tdx, e); }
    if (rc == 0) { rc = config_collateral_read(r, c, e); }
    if (rc == 0) { rc = insecure_sim_read(r, c, e); }
    if (rc == 0) { rc = insecure_coco_read(r, c, e); }
    return rc;
}

int config_load(const char *path, const struct config *old, struct config *out, struct err *e)
{
    auto_reader r = {0};
    auto_config c = {0};
    int rc = reader_open(path, &r, e);
    if (rc == 0) { rc = config_read(&r, old, &c, e); }
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
    char *const texts[] = {c->listen,       c->tls_cert,   c->tls_key,      c->database,
                           c->admin_issuer, c->audit_file, c->token_issuer, c->ops_listen};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) { free(texts[i]); }
    crypto_key_free(c->token_key);
    json_decref(c->roles.doc);
    certs_free(&c->token_chain);
    certs_free(&c->trusted_certs);
    jwk_set_fini(&c->trusted_jwks);
    keys_free(&c->admin_keys);
    keys_free(&c->insecure_sim_keys);
    config_snp_fini(&c->snp);
    config_tdx_fini(&c->tdx);
    config_collateral_fini(&c->collateral);
    wipe(c, sizeof *c);
}
