/* SPDX-License-Identifier: Apache-2.0 */
/* The table [collateral] of a configuration. */
#include "attest/kbs/config/collateral.h"

#include "attest/kbs/file.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

#define URL_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/[]%"
#define URL_MAX   512

/* Paths are put behind it, so it ends in none of its own; and nothing in it is a secret. */
static bool url_is_base(const char *url)
{
    size_t len = strlen(url);
    size_t scheme = strncmp(url, "https://", 8) == 0 ? 8 : strncmp(url, "http://", 7) == 0 ? 7 : 0;
    return scheme && len > scheme && len <= URL_MAX && strspn(url, URL_CHARS) == len &&
           url[scheme] != '/' && url[len - 1] != '/';
}

static int read_url(struct reader *r, const json_t *t, const char *name, char **out, struct err *e)
{
    if (!json_object_get(t, name)) { return 0; }
    int rc = reader_text(r, t, name, NULL, out, e);
    if (rc < 0 || url_is_base(*out)) { return rc; }
    return err_set(e, EINVAL,
                   "%s: [collateral] %s: found %.80s, wanted http(s)://HOST[:PORT][/PATH] without "
                   "a slash at its end",
                   r->path, name, *out);
}

static int check_ca(const char *path, struct err *e)
{
    auto_store_value pem = {0};
    struct crypto_cert *certs[CONFIG_CERTS_MAX];
    size_t n = 0;
    int rc = file_read(path, PEM_MAX, false, &pem, e);
    if (rc < 0) { return rc; }
    rc = crypto_certs_from_pem(pem.p, pem.len, certs, CONFIG_CERTS_MAX, &n);
    for (size_t i = 0; rc == 0 && i < n; i++) { crypto_cert_free(certs[i]); }
    return rc < 0 ? err_set(e, EINVAL, "%s: not 1 to %d PEM certificates", path, CONFIG_CERTS_MAX)
                  : 0;
}

static int refuse(const struct reader *r, const char *what, struct err *e)
{
    return err_set(e, EINVAL, "%s: [collateral] %s", r->path, what);
}

static int check(struct reader *r, struct config *c, struct err *e)
{
    struct config_collateral *k = &c->collateral;
    if (!k->amd_url && !k->intel_url) { return refuse(r, "wants amd_url or intel_url", e); }
    if (k->amd_url && !c->snp.collateral_dir) {
        return refuse(r, "amd_url fills [snp] collateral_dir, and there is none", e);
    }
    if (k->intel_url && !c->tdx.collateral_dir) {
        return refuse(r, "intel_url fills [tdx] collateral_dir, and there is none", e);
    }
    if (k->intel_ca_url && !k->intel_url) {
        return refuse(r, "intel_ca_url is of no use without intel_url", e);
    }
    if (k->intel_url && !k->intel_ca_url && !(k->intel_ca_url = strdup(k->intel_url))) {
        return err_set(e, ENOMEM, "out of memory");
    }
    return 0;
}

int config_collateral_read(struct reader *r, struct config *c, struct err *e)
{
    static const char *const known[] = {
        "amd_url",         "intel_url",       "intel_ca_url", "ca_file",
        "timeout_seconds", "refresh_seconds", "wait_seconds", NULL};
    struct config_collateral *k = &c->collateral;
    json_t *t;
    int rc = reader_table(r, "collateral", false, known, &t, e);
    if (rc < 0 || !t) { return rc; }
    rc = read_url(r, t, "amd_url", &k->amd_url, e);
    if (rc == 0) { rc = read_url(r, t, "intel_url", &k->intel_url, e); }
    if (rc == 0) { rc = read_url(r, t, "intel_ca_url", &k->intel_ca_url, e); }
    if (rc == 0 && json_object_get(t, "ca_file")) {
        rc = reader_path(r, t, "ca_file", &k->ca_file, e);
        if (rc == 0) { rc = check_ca(k->ca_file, e); }
    }
    if (rc == 0) { rc = reader_number(r, t, "timeout_seconds", 20, 1, 300, &k->timeout_s, e); }
    if (rc == 0) {
        rc = reader_number(r, t, "refresh_seconds", 86400, 60, 7 * 86400, &k->refresh_s, e);
    }
    if (rc == 0) { rc = reader_number(r, t, "wait_seconds", 5, 0, 60, &k->wait_s, e); }
    return rc < 0 ? rc : check(r, c, e);
}

void config_collateral_fini(struct config_collateral *c)
{
    char *const texts[] = {c->amd_url, c->intel_url, c->intel_ca_url, c->ca_file};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) { free(texts[i]); }
    *c = (struct config_collateral){0};
}
