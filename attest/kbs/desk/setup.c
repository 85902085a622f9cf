/* SPDX-License-Identifier: Apache-2.0 */
/* The directory of a new broker, file by file; the configuration comes last, so that it exists only when all it names does. */
#include "attest/kbs/desk/setup.h"

#include "attest/hex.h"
#include "attest/jose.h"
#include "attest/kbs/file.h"
#include "attest/kbs/store/store.h"
#include "guest/base/ct.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define TOKEN_SECONDS ((int64_t)365 * 24 * 3600)

int setup_admin_token(const struct crypto_key *key, const char *issuer, int64_t now,
                      int64_t seconds, char **out, struct err *e)
{
    auto_json claims = json_pack("{s:s, s:s, s:s, s:[s], s:I, s:I}", "iss", issuer, "sub", "admin",
                                 "role", "admin", "aud", "KBS", "iat", (json_int_t)now, "exp",
                                 (json_int_t)(now + seconds));
    if (!claims) { return err_set(e, ENOMEM, "token: out of memory"); }
    return jwt_sign(key, NULL, claims, out, e);
}

/* A new file in the directory; private ones are for their owner alone. */
static int write_new(const char *dir, const char *name, bool private, const char *text,
                     struct err *e)
{
    auto_free char *path = NULL;
    if (asprintf(&path, "%s/%s", dir, name) < 0) {
        path = NULL;
        return err_set(e, ENOMEM, "out of memory");
    }
    return file_make(path, private, text, strlen(text), e);
}

static int write_key(const char *dir, const char *name, const struct crypto_key *k, bool private,
                     struct err *e)
{
    char *pem = NULL;
    size_t len = 0;
    int rc = crypto_key_to_pem(k, private, &pem, &len);
    if (rc < 0) { return err_set(e, -rc, "%s: cannot be made", name); }
    rc = write_new(dir, name, private, pem, e);
    wipe(pem, len);
    free(pem);
    return rc;
}

static int tls_files(const struct setup_options *o, struct err *e)
{
    auto_free char *cert = NULL;
    char *key = NULL;
    int rc = setup_self_signed(o->names, o->name_count, o->now, &key, &cert, e);
    if (rc == 0) { rc = write_new(o->dir, SETUP_TLS_KEY, true, key, e); }
    if (rc == 0) { rc = write_new(o->dir, SETUP_TLS_CERT, false, cert, e); }
    if (key) {
        wipe(key, strlen(key));
        free(key);
    }
    return rc;
}

static int storage_file(const struct setup_options *o, struct err *e)
{
    uint8_t key[STORE_KEY_SIZE];
    char hex[HEX_LEN(STORE_KEY_SIZE) + 1];
    int rc = crypto_random(key, sizeof key);
    if (rc < 0) { return err_set(e, -rc, "no randomness"); }
    hex_encode(key, sizeof key, hex);
    memcpy(hex + 2 * STORE_KEY_SIZE, "\n", 2);
    rc = write_new(o->dir, SETUP_STORAGE_KEY, true, hex, e);
    wipe(key, sizeof key);
    wipe(hex, sizeof hex);
    return rc;
}

static int admin_files(const struct setup_options *o, struct err *e)
{
    auto_key admin = NULL;
    auto_key token_key = NULL;
    char *token = NULL;
    int rc = crypto_key_generate(CRYPTO_ED25519, 0, &admin);
    if (rc == 0) { rc = crypto_key_generate(CRYPTO_P256, 0, &token_key); }
    if (rc < 0) { return err_set(e, -rc, "keys cannot be made"); }
    rc = write_key(o->dir, SETUP_TOKEN_KEY, token_key, true, e);
    if (rc == 0) { rc = write_key(o->dir, SETUP_ADMIN_KEY, admin, true, e); }
    if (rc == 0) { rc = write_key(o->dir, SETUP_ADMIN_PUB, admin, false, e); }
    if (rc == 0) { rc = setup_admin_token(admin, "cc-kbs", o->now, TOKEN_SECONDS, &token, e); }
    if (rc == 0) { rc = write_new(o->dir, SETUP_ADMIN_TOKEN, true, token, e); }
    if (token) { wipe(token, strlen(token)); }
    free(token);
    return rc;
}

/* A file name inside TOML's quotes: what would need an escape is refused. */
static bool quotable(const char *text)
{
    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == '"' || *p == '\\' || *p == 0x7f) { return false; }
    }
    return true;
}

static int config_file(const struct setup_options *o, struct err *e)
{
    auto_free char *sim = NULL;
    auto_free char *text = NULL;
    auto_free char *sim_path = NULL;
    if (o->insecure_sim_key) {
        sim_path = realpath(o->insecure_sim_key, NULL);
        if (!sim_path) { return err_set(e, errno, "%s: %s", o->insecure_sim_key, strerror(errno)); }
        if (!quotable(sim_path)) {
            return err_set(e, EINVAL, "%s: a name that needs quoting", sim_path);
        }
        if (asprintf(&sim,
                     "\n# The software TEE: whoever has this machine's key can make any evidence "
                     "of kind sim.\n"
                     "[insecure_sim]\ntrusted_keys = [\"%s\"]\n",
                     sim_path) < 0) {
            sim = NULL;
            return err_set(e, ENOMEM, "out of memory");
        }
    }
    if (asprintf(&text,
                 "# Configuration of cc-kbs. File names are relative to this file.\n"
                 "[server]\nlisten = \"%s\"\ntls_cert = \"" SETUP_TLS_CERT
                 "\"\ntls_key = \"" SETUP_TLS_KEY "\"\n\n"
                 "[storage]\ndatabase = \"kbs.sqlite\"\nkey_file = \"" SETUP_STORAGE_KEY "\"\n\n"
                 "[token]\nkey = \"" SETUP_TOKEN_KEY "\"\n\n"
                 "[admin]\npublic_keys = [\"" SETUP_ADMIN_PUB "\"]\n\n"
                 "[audit]\nfile = \"audit.log\"\n%s",
                 o->listen, sim ? sim : "") < 0) {
        text = NULL;
        return err_set(e, ENOMEM, "out of memory");
    }
    return write_new(o->dir, SETUP_CONFIG, false, text, e);
}

int setup_run(const struct setup_options *o, struct err *e)
{
    if (!quotable(o->listen)) {
        return err_set(e, EINVAL, "listen: %.60s is not ADDRESS:PORT", o->listen);
    }
    if (mkdir(o->dir, 0700) < 0 && errno != EEXIST) {
        return err_set(e, errno, "%s: %s", o->dir, strerror(errno));
    }
    int rc = storage_file(o, e);
    if (rc == 0) { rc = tls_files(o, e); }
    if (rc == 0) { rc = admin_files(o, e); }
    if (rc == 0) { rc = config_file(o, e); }
    return rc;
}
