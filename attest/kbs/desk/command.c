/* SPDX-License-Identifier: Apache-2.0 */
/* From a command line to a request and from its answer to text. What is sent was read from files of the administrator. */
#include "attest/kbs/desk/command.h"

#include "attest/base64.h"
#include "attest/hex.h"
#include "attest/json.h"
#include "attest/kbs/file.h"
#include "attest/kbs/desk/import.h"
#include "attest/kbs/rules/rules.h"
#include "attest/kbs/store/store.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

#define FILE_MAX (64u * 1024 * 1024)

/* ---- asking ---------------------------------------------------------------------------------- */

/* The detail of an error body, or what else was said. */
static int refused(const struct client_answer *a, struct err *e)
{
    auto_json body = json_loadb(a->body, a->len, JSON_REJECT_DUPLICATES, NULL);
    const char *type = json_string_value(json_object_get(body, "type"));
    const char *detail = json_string_value(json_object_get(body, "detail"));
    const char *variant = type ? strrchr(type, '/') : NULL;
    if (!variant || !detail) {
        return err_set(e, EACCES, "the broker answered %d: %.120s", a->status, a->body);
    }
    return err_set(e, EACCES, "refused (%d %s): %s", a->status, variant + 1, detail);
}

static int ask(const struct client *c, enum http_method m, const char *path, const void *body,
               size_t len, bool print, struct err *e)
{
    struct client_answer a = {0};
    int rc = client_call(c, m, path, body, len, &a, e);
    if (rc < 0) { return rc; }
    if (a.status != 200) {
        rc = refused(&a, e);
    } else if (print) {
        (void)fwrite(a.body, 1, a.len, stdout);
        if (a.len == 0 || a.body[a.len - 1] != '\n') { (void)putchar('\n'); }
    }
    free(a.body);
    return rc;
}

static int read_input(const char *path, struct store_value *out, struct err *e)
{
    return file_read(strcmp(path, "-") == 0 ? "/dev/stdin" : path, FILE_MAX, false, out, e);
}

/* prefix and name; the broker judges the name. */
static int path_make(const char *prefix, const char *name, char *out, size_t size, struct err *e)
{
    int n = snprintf(out, size, "%s%s", prefix, name);
    if (n < 0 || (size_t)n >= size) { return err_set(e, ENAMETOOLONG, "the name is too long"); }
    if (strpbrk(name, "?#% \t\r\n")) {
        return err_set(e, EINVAL, "%.80s: the name holds a character that none has", name);
    }
    return 0;
}

/* ---- resources, policies --------------------------------------------------------------------- */

static int set_resource(const struct client *c, char **argv, int argc, struct err *e)
{
    (void)argc;
    char path[1200];
    auto_store_value value = {0};
    int rc = path_make("/kbs/v0/resource/", argv[0], path, sizeof path, e);
    if (rc == 0) { rc = read_input(argv[1], &value, e); }
    return rc < 0 ? rc : ask(c, HTTP_POST, path, value.p, value.len, false, e);
}

static int import(const struct client *c, char **argv, int argc, struct err *e)
{
    (void)argc;
    return import_run(c, argv[0], e);
}

/* id: of an attestation policy; NULL = the resource policy. */
static int upload_policy(const struct client *c, const char *path, const char *id, const char *file,
                         struct err *e)
{
    auto_store_value text = {0};
    int rc = read_input(file, &text, e);
    if (rc < 0) { return rc; }
    auto_free char *b64 = malloc(b64u_len(text.len) + 1);
    if (!b64) { return err_set(e, ENOMEM, "out of memory"); }
    b64u_encode(text.p, text.len, b64);
    auto_json doc =
        id ? json_pack("{s:s, s:s, s:s}", "type", "rego", "policy_id", id, "policy", b64)
           : json_pack("{s:s}", "policy", b64);
    auto_free char *body = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
    if (!body) { return err_set(e, ENOMEM, "out of memory"); }
    return ask(c, HTTP_POST, path, body, strlen(body), false, e);
}

static int set_policy(const struct client *c, char **argv, int argc, struct err *e)
{
    (void)argc;
    return upload_policy(c, "/kbs/v0/resource-policy", NULL, argv[0], e);
}

static int set_attestation_policy(const struct client *c, char **argv, int argc, struct err *e)
{
    (void)argc;
    return upload_policy(c, "/kbs/v0/attestation-policy", argv[0], argv[1], e);
}

/* ---- reference values ------------------------------------------------------------------------ */

/* {"tee": "sim", "measurement": "<96 hex>"}: adds one digest to the list of its kind. Further members are for people. */
static int take_measurement(const char *file, const json_t *doc, json_t *values, struct err *e)
{
    const char *tee = json_string_value(json_object_get(doc, "tee"));
    const char *digest = json_string_value(json_object_get(doc, "measurement"));
    const char *name = tee ? reference_name_of(tee) : NULL;
    uint8_t bytes[48];
    if (!name) { return err_set(e, EINVAL, "%s: tee: wanted sim, snp or tdx", file); }
    if (!digest || !hex_decode(digest, strlen(digest), bytes, sizeof bytes)) {
        return err_set(e, EINVAL, "%s: measurement: wanted 96 digits of lower-case hex", file);
    }
    json_t *list = json_object_get(values, name);
    if (!list) {
        list = json_array();
        if (json_object_set_new(values, name, list) < 0) {
            return err_set(e, ENOMEM, "out of memory");
        }
    }
    if (!json_is_array(list)) {
        return err_set(e, EINVAL, "%s: %s was given as something else before", file, name);
    }
    return json_array_append_new(list, json_string(digest)) < 0
               ? err_set(e, ENOMEM, "out of memory")
               : 0;
}

/* CoCo's message {"version", "type", "payload"}: what is inside joins the values. [coco §4.6] */
static int take_message(const char *file, const json_t *doc, json_t *values, struct err *e)
{
    const char *type = json_string_value(json_object_get(doc, "type"));
    const char *text = json_string_value(json_object_get(doc, "payload"));
    if (!type || strcmp(type, "sample") != 0 || !text) {
        return err_set(e, EINVAL, "%s: wanted a message of type sample with a payload", file);
    }
    size_t n = strlen(text), len = 0;
    auto_free uint8_t *raw = malloc(b64_decoded_max(n) + 1);
    auto_json inner = NULL;
    if (!raw) { return err_set(e, ENOMEM, "out of memory"); }
    if (b64_decode(text, n, raw, b64_decoded_max(n), &len) < 0) {
        return err_set(e, EINVAL, "%s: payload is not standard base64", file);
    }
    int rc = json_load_strict(file, raw, len, FILE_MAX, &inner, e);
    if (rc < 0) { return rc; }
    if (!json_is_object(inner)) { return err_set(e, EINVAL, "%s: payload is no object", file); }
    return json_object_update(values, inner) < 0 ? err_set(e, ENOMEM, "out of memory") : 0;
}

static int take_file(const char *file, json_t *values, struct err *e)
{
    auto_store_value text = {0};
    auto_json doc = NULL;
    int rc = read_input(file, &text, e);
    if (rc == 0) { rc = json_load_strict(file, text.p, text.len, FILE_MAX, &doc, e); }
    if (rc < 0) { return rc; }
    if (!json_is_object(doc)) { return err_set(e, EINVAL, "%s: not an object", file); }
    if (json_object_get(doc, "measurement")) { return take_measurement(file, doc, values, e); }
    if (json_object_get(doc, "payload")) { return take_message(file, doc, values, e); }
    return json_object_update(values, doc) < 0 ? err_set(e, ENOMEM, "out of memory") : 0;
}

static int set_reference(const struct client *c, char **argv, int argc, struct err *e)
{
    auto_json values = json_object();
    for (int i = 0; i < argc; i++) {
        int rc = take_file(argv[i], values, e);
        if (rc < 0) { return rc; }
    }
    auto_free char *payload = json_dumps(values, JSON_COMPACT);
    auto_free char *b64 = payload ? malloc(b64_len(strlen(payload)) + 1) : NULL;
    if (!b64) { return err_set(e, ENOMEM, "out of memory"); }
    b64_encode(payload, strlen(payload), b64);
    auto_json doc =
        json_pack("{s:s, s:s, s:s}", "version", "0.1.0", "type", "sample", "payload", b64);
    auto_free char *body = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
    if (!body) { return err_set(e, ENOMEM, "out of memory"); }
    return ask(c, HTTP_POST, "/kbs/v0/reference-value", body, strlen(body), false, e);
}

/* ---- approvals ------------------------------------------------------------------------------- */

static int approve(const struct client *c, char **argv, int argc, struct err *e)
{
    (void)argc;
    auto_store_value text = {0};
    int rc = read_input(argv[0], &text, e);
    return rc < 0 ? rc : ask(c, HTTP_POST, "/casemate/v0/approvals", text.p, text.len, true, e);
}

/* ---- requests without a body: a name behind a path, or none ------------------------------------ */

struct plain {
    const char *command;
    int names; /* how many arguments: 0 or 1 */
    enum http_method method;
    const char *path;
};

static const struct plain plain[] = {
    {"delete-resource", 1, HTTP_DELETE, "/kbs/v0/resource/"},
    {"get-policy", 0, HTTP_GET, "/casemate/v0/policy"},
    {"delete-policy", 0, HTTP_DELETE, "/casemate/v0/policy"},
    {"get-attestation-policy", 1, HTTP_GET, "/casemate/v0/attestation-policy/"},
    {"delete-attestation-policy", 1, HTTP_DELETE, "/casemate/v0/attestation-policy/"},
    {"get-reference", 1, HTTP_GET, "/kbs/v0/reference-value/"},
    {"delete-reference", 1, HTTP_DELETE, "/casemate/v0/references/"},
    {"withdraw", 1, HTTP_DELETE, "/casemate/v0/approvals/"},
};

static int plain_run(const struct client *c, const struct plain *p, int argc, char **argv,
                     struct err *e)
{
    char path[1200];
    if (argc != p->names) { return -EINVAL; }
    int rc = path_make(p->path, argc ? argv[0] : "", path, sizeof path, e);
    return rc < 0 ? rc : ask(c, p->method, path, NULL, 0, p->method == HTTP_GET, e);
}

static int list(const struct client *c, char **argv, int argc, struct err *e)
{
    static const char *const kinds[] = {"resources", "references", "approvals"};
    char path[64];
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        if (argc && strcmp(argv[0], kinds[i]) != 0) { continue; }
        (void)snprintf(path, sizeof path, "/casemate/v0/%s", kinds[i]);
        return ask(c, HTTP_GET, path, NULL, 0, true, e);
    }
    return -EINVAL;
}

/* ---- commands -------------------------------------------------------------------------------- */

int command_run(const struct client *c, int argc, char **argv, struct err *e)
{
    static const struct {
        const char *name;
        int min, max; /* arguments */
        int (*run)(const struct client *c, char **argv, int argc, struct err *e);
    } commands[] = {
        {"set-resource", 2, 2, set_resource},
        {"import", 1, 1, import},
        {"list", 0, 1, list},
        {"set-policy", 1, 1, set_policy},
        {"set-attestation-policy", 2, 2, set_attestation_policy},
        {"set-reference", 1, 64, set_reference},
        {"approve", 1, 1, approve},
    };
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        if (strcmp(argv[0], commands[i].name) != 0) { continue; }
        if (argc - 1 < commands[i].min || argc - 1 > commands[i].max) { return -EINVAL; }
        return commands[i].run(c, argv + 1, argc - 1, e);
    }
    for (size_t i = 0; i < ARRAY_COUNT(plain); i++) {
        if (strcmp(argv[0], plain[i].command) == 0) {
            return plain_run(c, &plain[i], argc - 1, argv + 1, e);
        }
    }
    return -EINVAL;
}
