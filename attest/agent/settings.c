/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See settings.h. Each file is first held against a table of every key it may have (schema), so
 * that what is read afterwards is there with the right type or absent. The author is trusted in
 * the sense that the digest of his text is in the evidence; he makes mistakes.
 */
#include "attest/agent/settings.h"

#include "attest/initdata.h"
#include "attest/toml.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

#define SEALED_FOLDER "/run/confidential-containers/cdh/sealed-secret/"

void agent_settings_fini(struct agent_settings *s)
{
    free(s->broker.url);
    free(s->broker.cert);
    for (size_t i = 0; i < s->share_broker_count; i++) {
        free(s->share_brokers[i].url);
        free(s->share_brokers[i].cert);
    }
    for (size_t i = 0; i < s->credential_count; i++) { free(s->credentials[i].uri); }
    *s = (struct agent_settings){0};
}

/* ---- what a file may hold */

enum kind { TEXT, FLAG, NUMBER, LIST, TABLE, TABLES };

struct key {
    const char *name;
    enum kind kind;
    const struct key *inside; /* TABLE, TABLES: what may be in it; NULL = anything */
    const char *refusal;      /* not NULL: known, and cannot be honoured; why */
};

static bool kind_fits(const json_t *v, enum kind kind)
{
    switch (kind) {
    case TEXT: return json_is_string(v);
    case FLAG: return json_is_boolean(v);
    case NUMBER: return json_is_integer(v);
    case LIST:
    case TABLES: return json_is_array(v);
    case TABLE: return json_is_object(v);
    }
    return false;
}

static const char *kind_name(enum kind kind)
{
    static const char *const names[] = {
        [TEXT] = "a text", [FLAG] = "true or false", [NUMBER] = "a number",
        [LIST] = "a list", [TABLE] = "a table",      [TABLES] = "a list of tables"};
    return names[kind];
}

static int check_table(const char *what, const json_t *table, const struct key *keys,
                       struct err *e);

static int check_key(const char *what, const char *name, const json_t *v, const struct key *k,
                     struct err *e)
{
    if (k->refusal) { return err_set(e, ENOTSUP, "%s: \"%s\": %s", what, name, k->refusal); }
    if (!kind_fits(v, k->kind)) {
        return err_set(e, EINVAL, "%s: \"%s\" is not %s", what, name, kind_name(k->kind));
    }
    if (!k->inside) { return 0; }
    if (k->kind == TABLE) { return check_table(what, v, k->inside, e); }
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *one = json_array_get(v, i);
        if (!json_is_object(one)) {
            return err_set(e, EINVAL, "%s: \"%s\" is not a list of tables", what, name);
        }
        int r = check_table(what, one, k->inside, e);
        if (r < 0) { return r; }
    }
    return 0;
}

/* keys ends with a NULL name. */
static int check_table(const char *what, const json_t *table, const struct key *keys, struct err *e)
{
    const char *name;
    json_t *v;
    json_object_foreach ((json_t *)(uintptr_t)table, name, v) {
        const struct key *k = keys;
        while (k->name && strcmp(k->name, name) != 0) { k++; }
        if (!k->name) { return err_set(e, EINVAL, "%s: unknown key \"%.60s\"", what, name); }
        int r = check_key(what, name, v, k, e);
        if (r < 0) { return r; }
    }
    return 0;
}

#define IMAGE_POLICY "an image policy would be ignored: casemate.toml names the images that may run"

static const struct key url_cert[] = {{"url", TEXT}, {"cert", TEXT}, {NULL}};
static const struct key url_alone[] = {{"url", TEXT}, {NULL}};
static const struct key token_configs[] = {
    {"kbs", TABLE, url_cert}, {"coco_as", TABLE, url_alone}, {NULL}};
static const struct key eventlog[] = {
    {"init_pcr", NUMBER}, {"enable_eventlog", FLAG}, {"eventlog_algorithm", TEXT}, {NULL}};
static const struct key logging[] = {{"level", TEXT}, {NULL}};
static const struct key aa_keys[] = {{"token_configs", TABLE, token_configs},
                                     {"eventlog_config", TABLE, eventlog},
                                     {"log", TABLE, logging},
                                     {NULL}};

static const struct key kbc[] = {{"name", TEXT}, {"url", TEXT}, {"kbs_cert", TEXT}, {NULL}};
static const struct key aa_socket[] = {{"aa_socket", TEXT}, {NULL}};
static const struct key credential[] = {{"resource_uri", TEXT}, {"path", TEXT}, {NULL}};
static const struct key image[] = {
    {"image_security_policy_uri", TEXT, NULL, IMAGE_POLICY},
    {"image_security_policy", TEXT, NULL, IMAGE_POLICY},
    {"sigstore_config_uri", TEXT, NULL, IMAGE_POLICY},
    /* The host fetches images; what it brings is held against digests. */
    {"max_concurrent_layer_downloads_per_image", NUMBER},
    {"authenticated_registry_credentials_uri", TEXT},
    {"registry_configuration_uri", TEXT},
    {"extra_root_certificates", LIST},
    {"work_dir", TEXT},
    {"image_pull_proxy", TABLE},
    {NULL}};
static const struct key cdh_keys[] = {{"socket", TEXT},
                                      {"skip_sealed_secret_verification", FLAG},
                                      {"aa", TABLE, aa_socket},
                                      {"kbc", TABLE, kbc},
                                      {"credentials", TABLES, credential},
                                      {"image", TABLE, image},
                                      {"log", TABLE, logging},
                                      {NULL}};

/* Names are the owner's, so each table is checked by itself. */
static const struct key brokers_keys[] = {{"brokers", TABLE}, {NULL}};

static const struct key agent_keys[] = {
    {"rest", TEXT}, {"insecure_unsigned_secrets", FLAG}, {NULL}};

/* ---- reading */

/* The tree of one file of the initdata, checked; *out stays NULL when it is not there. */
static int load(const struct initdata *d, const char *name, const struct key *keys, json_t **out,
                struct err *e)
{
    const char *text = initdata_text(d, name);
    char what[64];
    if (!text) { return 0; }
    (void)snprintf(what, sizeof what, "initdata %s", name);
    auto_json root = NULL;
    int r = toml_load(what, text, strlen(text), INITDATA_MAX, &root, e);
    if (r == 0 && keys) { r = check_table(what, root, keys, e); }
    if (r == 0) { *out = steal_ptr(&root); }
    return r;
}

static const char *text_at(const json_t *table, const char *name)
{
    return json_string_value(json_object_get(table, name));
}

/* An optional text, to be the same as what *out already holds. */
static int merge(const char *what, const char *text, char **out, struct err *e)
{
    if (!text) { return 0; }
    if (*out) {
        return strcmp(*out, text) == 0
                   ? 0
                   : err_set(e, EINVAL, "initdata cdh.toml: \"%s\" differs from aa.toml's", what);
    }
    *out = strdup(text);
    return *out ? 0 : err_set(e, ENOMEM, "settings: out of memory");
}

static int read_aa(const struct initdata *d, struct agent_settings *s, struct err *e)
{
    auto_json root = NULL;
    int r = load(d, INITDATA_AA, aa_keys, &root, e);
    if (r < 0) { return r; }
    const json_t *kbs = json_object_get(json_object_get(root, "token_configs"), "kbs");
    const json_t *log = json_object_get(root, "eventlog_config");
    s->event_log = json_is_true(json_object_get(log, "enable_eventlog"));
    r = merge("url", text_at(kbs, "url"), &s->broker.url, e);
    return r < 0 ? r : merge("cert", text_at(kbs, "cert"), &s->broker.cert, e);
}

static int read_credential(const json_t *c, struct agent_settings *s, struct err *e)
{
    static const char what[] = "initdata cdh.toml: credentials";
    const char *uri = text_at(c, "resource_uri"), *path = text_at(c, "path");
    const size_t folder = sizeof SEALED_FOLDER - 1;
    char ignored[URI_PATH_MAX];

    if (!uri || !path) { return err_set(e, EINVAL, "%s: resource_uri and path are wanted", what); }
    if (strncmp(path, SEALED_FOLDER, folder) != 0 || path[folder] == '\0' ||
        strchr(path + folder, '/') || strlen(path + folder) >= SETTINGS_NAME_MAX) {
        return err_set(e, ENOTSUP,
                       "%s: path %.100s: wanted " SEALED_FOLDER
                       "NAME; casemate.toml [[file]] places secrets elsewhere",
                       what, path);
    }
    if (resource_uri_parse(uri, ignored, e) < 0) { return err_wrap(e, "%s", what); }
    if (s->credential_count == SETTINGS_CREDENTIALS_MAX) {
        return err_set(e, E2BIG, "%s: more than %d", what, SETTINGS_CREDENTIALS_MAX);
    }
    struct agent_credential *to = &s->credentials[s->credential_count];
    to->uri = strdup(uri);
    if (!to->uri) { return err_set(e, ENOMEM, "settings: out of memory"); }
    (void)snprintf(to->name, sizeof to->name, "%s", path + folder);
    s->credential_count++;
    return 0;
}

static int read_cdh(const struct initdata *d, struct agent_settings *s, struct err *e)
{
    auto_json root = NULL;
    int r = load(d, INITDATA_CDH, cdh_keys, &root, e);
    if (r < 0) { return r; }
    const json_t *table = json_object_get(root, "kbc"),
                 *credentials = json_object_get(root, "credentials");
    const char *name = text_at(table, "name");
    if (name && strcmp(name, "cc_kbc") != 0) {
        return err_set(e, ENOTSUP, "initdata cdh.toml: kbc name \"%.40s\", wanted \"cc_kbc\"",
                       name);
    }
    if (json_is_true(json_object_get(root, "skip_sealed_secret_verification"))) {
        return err_set(e, ENOTSUP,
                       "initdata cdh.toml: skip_sealed_secret_verification: say "
                       "insecure_unsigned_secrets in casemate.toml [agent] if you mean it");
    }
    r = merge("url", text_at(table, "url"), &s->broker.url, e);
    if (r == 0) { r = merge("kbs_cert", text_at(table, "kbs_cert"), &s->broker.cert, e); }
    for (size_t i = 0; r == 0 && i < json_array_size(credentials); i++) {
        r = read_credential(json_array_get(credentials, i), s, e);
    }
    return r;
}

static int read_share_broker(const char *name, const json_t *table, struct agent_settings *s,
                             struct err *e)
{
    char what[SETTINGS_NAME_MAX + 40];
    if (strlen(name) >= SETTINGS_NAME_MAX || s->share_broker_count == SHARES_MAX) {
        return err_set(e, E2BIG,
                       "initdata brokers.toml: a name of %zu bytes, or more than %u brokers",
                       strlen(name), SHARES_MAX);
    }
    (void)snprintf(what, sizeof what, "initdata brokers.toml [brokers.%s]", name);
    if (!json_is_object(table)) { return err_set(e, EINVAL, "%s is not a table", what); }
    int r = check_table(what, table, url_cert, e);
    if (r < 0) { return r; }
    if (!text_at(table, "url") || !text_at(table, "cert")) {
        return err_set(e, EINVAL, "%s: url and cert are wanted", what);
    }
    struct agent_broker *to = &s->share_brokers[s->share_broker_count++];
    (void)snprintf(to->name, sizeof to->name, "%s", name);
    to->url = strdup(text_at(table, "url"));
    to->cert = strdup(text_at(table, "cert"));
    return to->url && to->cert ? 0 : err_set(e, ENOMEM, "settings: out of memory");
}

static int read_brokers(const struct initdata *d, struct agent_settings *s, struct err *e)
{
    auto_json root = NULL;
    const char *name;
    json_t *table;
    int r = load(d, INITDATA_BROKERS, brokers_keys, &root, e);
    if (r < 0 || !root) { return r; }
    json_object_foreach (json_object_get(root, "brokers"), name, table) {
        r = read_share_broker(name, table, s, e);
        if (r < 0) { return r; }
    }
    return s->share_broker_count >= 2
               ? 0
               : err_set(e, EINVAL, "initdata brokers.toml: %zu brokers, wanted two or more",
                         s->share_broker_count);
}

static int read_rest(const char *rest, struct agent_settings *s, struct err *e)
{
    if (!rest) { return 0; }
    bool all = strcmp(rest, "all") == 0;
    s->rest_resource = all || strcmp(rest, "resource") == 0;
    s->rest_attestation = all || strcmp(rest, "attestation") == 0;
    if (s->rest_resource || s->rest_attestation) { return 0; }
    return err_set(e, EINVAL,
                   "initdata casemate.toml: rest = \"%.40s\", wanted \"resource\", \"attestation\" "
                   "or \"all\"",
                   rest);
}

/* Of casemate.toml only [agent] is read here; the rest is init's (loader/init/policy.h). */
static int read_own(const struct initdata *d, struct agent_settings *s, struct err *e)
{
    auto_json root = NULL;
    int r = load(d, INITDATA_POLICY, NULL, &root, e);
    const json_t *agent = json_object_get(root, "agent");
    if (r < 0 || !agent) { return r; }
    if (!json_is_object(agent)) {
        return err_set(e, EINVAL, "initdata casemate.toml: \"agent\" is not a table");
    }
    r = check_table("initdata casemate.toml [agent]", agent, agent_keys, e);
    if (r < 0) { return r; }
    s->insecure_unsigned_secrets =
        json_is_true(json_object_get(agent, "insecure_unsigned_secrets"));
    return read_rest(text_at(agent, "rest"), s, e);
}

int agent_settings_read(const char *initdata, size_t len, struct agent_settings *out, struct err *e)
{
    auto_initdata d = {0};
    struct agent_settings s = {0};
    int r = initdata_parse(initdata, len, &d, e);
    if (r == 0) { r = read_aa(&d, &s, e); }
    if (r == 0) { r = read_cdh(&d, &s, e); }
    if (r == 0) { r = read_brokers(&d, &s, e); }
    if (r == 0) { r = read_own(&d, &s, e); }
    if (r < 0) {
        agent_settings_fini(&s);
        return r;
    }
    *out = s;
    return 0;
}
