/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which broker, by initdata. The texts are CoCo's configuration files; what else they hold belongs
 * to CoCo's programs and is left alone. Both may name the broker; if they name different ones we
 * cannot know which is meant.
 */
#include "attest/agent/kbs.h"

#include "attest/initdata.h"
#include "attest/toml.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

void kbs_config_fini(struct kbs_config *c)
{
    free(c->url);
    free(c->cert);
    *c = (struct kbs_config){0};
}

/* An optional text at table.name, to be the same as what *out already holds. */
static int merge(const char *what, const json_t *table, const char *name, char **out, struct err *e)
{
    const char *text;
    if (!table || !json_object_get(table, name)) { return 0; }
    int r = json_get_text(what, table, name, &text, e);
    if (r < 0) { return r; }
    if (*out) {
        return strcmp(*out, text) == 0
                   ? 0
                   : err_set(e, EINVAL, "%s: \"%s\" differs from aa.toml's", what, name);
    }
    *out = strdup(text);
    return *out ? 0 : err_set(e, ENOMEM, "%s: out of memory", what);
}

static int read_aa(const struct initdata *d, struct kbs_config *c, struct err *e)
{
    static const char what[] = "initdata aa.toml";
    const char *text = initdata_text(d, INITDATA_AA);
    auto_json root = NULL;
    if (!text) { return 0; }
    int r = toml_load(what, text, strlen(text), INITDATA_MAX, &root, e);
    if (r < 0) { return r; }
    const json_t *kbs = json_object_get(json_object_get(root, "token_configs"), "kbs");
    r = merge(what, kbs, "url", &c->url, e);
    return r < 0 ? r : merge(what, kbs, "cert", &c->cert, e);
}

static int read_cdh(const struct initdata *d, struct kbs_config *c, struct err *e)
{
    static const char what[] = "initdata cdh.toml";
    const char *text = initdata_text(d, INITDATA_CDH);
    auto_json root = NULL;
    if (!text) { return 0; }
    int r = toml_load(what, text, strlen(text), INITDATA_MAX, &root, e);
    if (r < 0) { return r; }
    const json_t *kbc = json_object_get(root, "kbc");
    r = merge(what, kbc, "url", &c->url, e);
    return r < 0 ? r : merge(what, kbc, "kbs_cert", &c->cert, e);
}

int kbs_config_read(const char *initdata, size_t len, struct kbs_config *out, struct err *e)
{
    auto_initdata d = {0};
    struct kbs_config c = {0};
    int r = initdata_parse(initdata, len, &d, e);
    if (r == 0) { r = read_aa(&d, &c, e); }
    if (r == 0) { r = read_cdh(&d, &c, e); }
    if (r == 0 && !c.url) {
        r = err_set(e, EINVAL, "initdata names no broker: aa.toml [token_configs.kbs] url");
    }
    if (r == 0 && !c.cert) {
        r = err_set(
            e, EINVAL,
            "initdata names no certificate for the broker: aa.toml [token_configs.kbs] cert");
    }
    if (r < 0) {
        kbs_config_fini(&c);
        return r;
    }
    *out = c;
    return 0;
}
