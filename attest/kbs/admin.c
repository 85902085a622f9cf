/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What administrators do. Their token is checked before anything else is looked at, except whether the route exists.
 *
 * Policies and reference values that would not do what their author meant are refused here, when they are uploaded, with
 * the reason; what is stored always loads.
 */
#include "attest/kbs/handlers.h"

#include "attest/base64.h"
#include "attest/kbs/rules/names.h"
#include "attest/kbs/token.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

#define REFERENCE_TEXT_MAX (1024u * 1024)

static void subject_set(struct exchange *x, struct view v)
{
    (void)snprintf(x->subject, sizeof x->subject, "%.*s", (int)v.len, v.p ? (const char *)v.p : "");
}

static void subject_text(struct exchange *x, const char *text)
{
    subject_set(x, (struct view){.p = (const uint8_t *)text, .len = strlen(text)});
}

/* A change was made, or was not for a reason in e. */
static void settle(struct exchange *x, int rc, const char *variant, const struct err *e)
{
    if (rc < 0) {
        reply_error(x, rc == -EIO || rc == -ENOMEM ? 500 : 401, variant, "%s", e->text);
        return;
    }
    x->decision.allowed = true;
    reply_empty(x);
}

/* ---- resources ------------------------------------------------------------------------------- */

static void resource_change(struct exchange *x)
{
    struct err e = {0};
    if (!resource_path_ok(x->rest)) {
        reply_error(x, 401, "PluginInternalError",
                    "path: wanted repository/type/tag of letters, digits, _, - and .");
        return;
    }
    subject_set(x, x->rest);
    struct store *st = x->b->setup.store;
    int rc = x->rq->method == HTTP_POST
                 ? store_put(st, STORE_RESOURCE, x->subject, x->rq->body.p, x->rq->body.len, &e)
                 : store_delete(st, STORE_RESOURCE, x->subject, &e);
    settle(x, rc, "PluginInternalError", &e);
}

/* ---- policy ---------------------------------------------------------------------------------- */

/* {"policy": "<base64url of the text>"} -> the text; and its policy_id, a new reference, where one is wanted. */
static int policy_text(const struct http_request *rq, json_t **out_id, struct store_value *out,
                       struct err *e)
{
    auto_json doc = NULL;
    const char *text, *id;
    int rc =
        json_load_strict("policy upload", rq->body.p, rq->body.len, 2 * RULES_TEXT_MAX, &doc, e);
    if (rc == 0) { rc = json_get_text("policy upload", doc, "policy", &text, e); }
    if (rc == 0 && out_id) { rc = json_get_text("policy upload", doc, "policy_id", &id, e); }
    if (rc < 0) { return rc; }
    size_t cap = b64_decoded_max(strlen(text));
    struct store_value v = {.p = malloc(cap)};
    if (!v.p) { return err_set(e, ENOMEM, "policy upload: out of memory"); }
    rc = b64u_decode(text, strlen(text), v.p, cap, &v.len);
    if (rc < 0) {
        store_value_fini(&v);
        return err_set(e, -rc, "policy upload: policy is not base64url without padding");
    }
    auto_json whole = json_stringn((const char *)v.p, v.len);
    if (!whole) {
        store_value_fini(&v);
        return err_set(e, EBADMSG, "policy upload: the policy is not UTF-8");
    }
    if (out_id) { *out_id = json_incref(json_object_get(doc, "policy_id")); }
    *out = v;
    return 0;
}

static void policy_put(struct exchange *x)
{
    auto_store_value text = {0};
    struct err e = {0};
    auto_policy ignored = {0};
    subject_text(x, POLICY_RELEASE);
    if (policy_text(x->rq, NULL, &text, &e) < 0) {
        reply_error(x, 401, "ParsePolicyError", "%s", e.text);
        return;
    }
    if (policy_parse(text.p, text.len, true, &ignored, &e) < 0) {
        reply_error(x, 401, "PolicyEngineError", "%s", e.text);
        return;
    }
    settle(x, store_put(x->b->setup.store, STORE_POLICY, POLICY_RELEASE, text.p, text.len, &e),
           "PolicyEngineError", &e);
}

static void policy_names(struct exchange *x)
{
    struct store_stamp ignored;
    struct err e = {0};
    int rc = store_stamp(x->b->setup.store, STORE_POLICY, POLICY_RELEASE, &ignored, &e);
    if (rc < 0 && rc != -ENOENT) {
        reply_error(x, 500, "PolicyEngineError", "%s", e.text);
        return;
    }
    x->decision.allowed = true;
    reply_json(x, rc == 0 ? json_pack("[s]", POLICY_RELEASE) : json_array());
}

static void stored_policy(struct exchange *x, const char *name)
{
    auto_store_value text = {0};
    struct err e = {0};
    int rc = store_get(x->b->setup.store, STORE_POLICY, name, &text, &e);
    if (rc < 0) {
        reply_error(x, rc == -ENOENT ? 404 : 500, "PolicyEngineError", "%s", e.text);
        return;
    }
    x->decision.allowed = true;
    reply_text(x, text.len && text.p[0] == '{' ? "application/json" : "text/plain",
               strdup((const char *)text.p));
}

static void policy_get(struct exchange *x) { stored_policy(x, POLICY_RELEASE); }

static void policy_delete(struct exchange *x)
{
    struct err e = {0};
    subject_text(x, POLICY_RELEASE);
    settle(x, store_delete(x->b->setup.store, STORE_POLICY, POLICY_RELEASE, &e),
           "PolicyEngineError", &e);
}

/* ---- attestation policies --------------------------------------------------------------------- */

/* The id of one that is ever asked for; others are accepted by CoCo's broker and have no effect. */
static int appraisal_id_check(const char *id, enum claims_class *out, struct err *e)
{
    if (policy_appraisal_class(id, out)) { return 0; }
    return err_set(e, EINVAL,
                   "policy_id: found %.60s, wanted default_cpu or default_gpu: no device is "
                   "appraised by another",
                   id);
}

/* {"policy_id": "default_cpu", "policy": "<base64url>"}; `type` is not looked at. [coco §17.4] */
static void attestation_policy_put(struct exchange *x)
{
    auto_store_value text = {0};
    auto_policy ignored = {0};
    auto_json id = NULL;
    enum claims_class class;
    char name[POLICY_NAME_SIZE];
    struct err e = {0};
    int rc = policy_text(x->rq, &id, &text, &e);
    if (rc == 0) { subject_text(x, json_string_value(id)); }
    if (rc == 0) { rc = appraisal_id_check(json_string_value(id), &class, &e); }
    if (rc == 0) { rc = policy_parse(text.p, text.len, false, &ignored, &e); }
    if (rc == 0) {
        policy_appraisal_name(class, name);
        rc = store_put(x->b->setup.store, STORE_POLICY, name, text.p, text.len, &e);
    }
    settle(x, rc, "AttestationError", &e);
}

/* False when an answer has been given. */
static bool appraisal_of_path(struct exchange *x, char out[POLICY_NAME_SIZE])
{
    enum claims_class class;
    struct err e = {0};
    subject_set(x, x->rest);
    if (appraisal_id_check(x->subject, &class, &e) < 0) {
        reply_error(x, 404, "AttestationError", "%s", e.text);
        return false;
    }
    policy_appraisal_name(class, out);
    return true;
}

static void attestation_policy_get(struct exchange *x)
{
    char name[POLICY_NAME_SIZE];
    if (appraisal_of_path(x, name)) { stored_policy(x, name); }
}

static void attestation_policy_delete(struct exchange *x)
{
    char name[POLICY_NAME_SIZE];
    struct err e = {0};
    if (!appraisal_of_path(x, name)) { return; }
    settle(x, store_delete(x->b->setup.store, STORE_POLICY, name, &e), "AttestationError", &e);
}

/* ---- reference values ------------------------------------------------------------------------ */

static bool reference_name_ok(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n <= 512 &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-/") == n;
}

static bool is_launch_digest(const json_t *j)
{
    uint8_t bytes[CLAIMS_MEASUREMENT];
    const char *text = json_string_value(j);
    return text && hex_decode(text, strlen(text), bytes, sizeof bytes);
}

/* The names our own rules look at must hold what our rules compare with. */
static bool reference_value_ok(const char *name, const json_t *value)
{
    if (!reference_name_is_ours(name)) { return true; }
    size_t i;
    json_t *one;
    json_array_foreach (value, i, one) {
        if (!is_launch_digest(one)) { return false; }
    }
    return json_is_array(value) || is_launch_digest(value);
}

/* Standard base64; the padding may be missing. [coco §17.4] */
static int payload_decode(const char *text, struct store_value *out, struct err *e)
{
    size_t n = strlen(text), cap = b64_decoded_max(n + 3);
    auto_free char *padded = malloc(n + 4);
    struct store_value v = {.p = malloc(cap)};
    int rc = padded && v.p ? 0 : -ENOMEM;
    if (rc == 0) {
        memcpy(padded, text, n);
        while (n % 4) { padded[n++] = '='; }
        rc = b64_decode(padded, n, v.p, cap, &v.len);
    }
    if (rc < 0) {
        store_value_fini(&v);
        return err_set(e, -rc, "reference value: payload is not standard base64");
    }
    *out = v;
    return 0;
}

/* The map of names to values inside a message. [coco §4.6] */
static int message_read(const struct http_request *rq, json_t **out, struct err *e)
{
    auto_json doc = NULL;
    auto_store_value payload = {0};
    const char *version, *type, *text;
    static const char what[] = "reference value";
    int rc = json_load_strict(what, rq->body.p, rq->body.len, REFERENCE_TEXT_MAX, &doc, e);
    if (rc == 0) { rc = json_get_text(what, doc, "version", &version, e); }
    if (rc == 0) { rc = json_get_text(what, doc, "type", &type, e); }
    if (rc == 0) { rc = json_get_text(what, doc, "payload", &text, e); }
    if (rc < 0) { return rc; }
    if (strcmp(version, "0.1.0") != 0) {
        return err_set(e, EINVAL, "%s: found version %.20s, wanted 0.1.0", what, version);
    }
    if (strcmp(type, "sample") != 0) {
        return err_set(e, EINVAL, "%s: found type %.20s, wanted sample", what, type);
    }
    rc = payload_decode(text, &payload, e);
    if (rc == 0) {
        rc = json_load_strict(what, payload.p, payload.len, REFERENCE_TEXT_MAX, out, e);
    }
    if (rc == 0 && !json_is_object(*out)) {
        rc = err_set(e, EINVAL, "%s: payload is not an object", what);
    }
    return rc;
}

static int references_check(const json_t *values, struct err *e)
{
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)values, name, value) {
        if (!reference_name_ok(name)) {
            return err_set(
                e, EINVAL,
                "reference value: found the name %.80s, wanted letters, digits and _ . - /", name);
        }
        if (!reference_value_ok(name, value)) {
            return err_set(
                e, EINVAL,
                "reference value: %s is not a list of launch digests, 96 digits of lower-case hex",
                name);
        }
    }
    return 0;
}

/* Texts for the store; items point into them. */
static int references_format(json_t *values, char **texts, struct store_item *items, struct err *e)
{
    size_t n = 0;
    const char *name;
    json_t *value;
    json_object_foreach (values, name, value) {
        texts[n] = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        if (!texts[n]) { return err_set(e, ENOMEM, "reference value: out of memory"); }
        items[n] = (struct store_item){.name = name, .value = texts[n], .len = strlen(texts[n])};
        n++;
    }
    return 0;
}

/* All of a message's values are stored, or none. */
static int references_store(struct exchange *x, json_t *values, struct err *e)
{
    size_t count = json_object_size(values);
    char **texts = calloc(count + 1, sizeof *texts);
    auto_free struct store_item *items = calloc(count + 1, sizeof *items);
    int rc = texts && items ? references_format(values, texts, items, e)
                            : err_set(e, ENOMEM, "reference value: out of memory");
    if (rc == 0) { rc = store_put_all(x->b->setup.store, STORE_REFERENCE, items, count, e); }
    for (size_t i = 0; texts && i < count; i++) { free(texts[i]); }
    free(texts);
    return rc;
}

static void reference_put(struct exchange *x)
{
    auto_json values = NULL;
    struct err e = {0};
    const char *name;
    json_t *value;
    int rc = message_read(x->rq, &values, &e);
    if (rc == 0) { rc = references_check(values, &e); }
    if (rc == 0) { rc = references_store(x, values, &e); }
    json_object_foreach (values, name, value) {
        size_t len = strlen(x->subject);
        (void)snprintf(x->subject + len, sizeof x->subject - len, "%s%s", len ? " " : "", name);
    }
    settle(x, rc, "RvpsError", &e);
    if (rc == 0) { x->out->content_type = "application/json"; }
}

static void reference_get(struct exchange *x)
{
    auto_store_value text = {0};
    struct err e = {0};
    subject_set(x, x->rest);
    int rc = store_get(x->b->setup.store, STORE_REFERENCE, x->subject, &text, &e);
    if (rc < 0) {
        reply_error(x, rc == -ENOENT || rc == -ENAMETOOLONG ? 401 : 500, "RvpsError", "%s", e.text);
        return;
    }
    x->decision.allowed = true;
    reply_text(x, "application/json", strdup((const char *)text.p));
}

static void reference_delete(struct exchange *x)
{
    struct err e = {0};
    subject_set(x, x->rest);
    settle(x, store_delete(x->b->setup.store, STORE_REFERENCE, x->subject, &e), "RvpsError", &e);
}

/* ---- lists ----------------------------------------------------------------------------------- */

static int append_name(void *ctx, const char *name)
{
    return json_array_append_new(ctx, json_string(name)) < 0 ? -ENOMEM : 0;
}

static void list(struct exchange *x, enum store_kind kind)
{
    json_t *names = json_array();
    struct err e = {0};
    int rc = names ? store_list(x->b->setup.store, kind, append_name, names, &e) : -ENOMEM;
    if (rc < 0) {
        json_decref(names);
        reply_error(x, 500, "StorageBackendInitialization", "%s",
                    e.text[0] ? e.text : "out of memory");
        return;
    }
    x->decision.allowed = true;
    reply_json(x, names);
}

static void list_resources(struct exchange *x) { list(x, STORE_RESOURCE); }
static void list_references(struct exchange *x) { list(x, STORE_REFERENCE); }

/* ---- routes ---------------------------------------------------------------------------------- */

struct route {
    const char *name;
    enum http_method method;
    void (*handle)(struct exchange *x);
    const char *event;   /* for the audit log, and what a role may or may not do */
    const char *variant; /* when the token is no good; CoCo's, which differs by route */
};

static const struct route kbs_routes[] = {
    {"resource", HTTP_POST, resource_change, "set-resource", "AdminAuthInitialization"},
    {"resource", HTTP_DELETE, resource_change, "delete-resource", "AdminAuthInitialization"},
    {"resource-policy", HTTP_POST, policy_put, "set-policy", "AdminAuthAccess"},
    {"resource-policy", HTTP_GET, policy_names, "list-policies", "AdminAuthAccess"},
    {"attestation-policy", HTTP_POST, attestation_policy_put, "set-attestation-policy",
     "AdminAuthAccess"},
    {"reference-value", HTTP_POST, reference_put, "set-reference", "AdminAuthAccess"},
    {"reference-value", HTTP_GET, reference_get, "get-reference", "AdminAuthAccess"},
};

static const struct route own_routes[] = {
    {"resources", HTTP_GET, list_resources, "list-resources", "AdminAuthAccess"},
    {"policy", HTTP_GET, policy_get, "get-policy", "AdminAuthAccess"},
    {"policy", HTTP_DELETE, policy_delete, "delete-policy", "AdminAuthAccess"},
    {"attestation-policy", HTTP_GET, attestation_policy_get, "get-attestation-policy",
     "AdminAuthAccess"},
    {"attestation-policy", HTTP_DELETE, attestation_policy_delete, "delete-attestation-policy",
     "AdminAuthAccess"},
    {"references", HTTP_GET, list_references, "list-references", "AdminAuthAccess"},
    {"references", HTTP_DELETE, reference_delete, "delete-reference", "AdminAuthAccess"},
    {"approvals", HTTP_POST, handle_approval_put, "set-approval", "AdminAuthAccess"},
    {"approvals", HTTP_GET, handle_approval_list, "list-approvals", "AdminAuthAccess"},
    {"approvals", HTTP_DELETE, handle_approval_delete, "delete-approval", "AdminAuthAccess"},
};

const char *admin_operation(size_t i)
{
    if (i < ARRAY_COUNT(kbs_routes)) { return kbs_routes[i].event; }
    i -= ARRAY_COUNT(kbs_routes);
    return i < ARRAY_COUNT(own_routes) ? own_routes[i].event : NULL;
}

static void dispatch(struct exchange *x, const struct route *routes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct route *r = &routes[i];
        if (r->method != x->rq->method || !http_view_is(x->plugin, r->name)) { continue; }
        struct err e = {0};
        x->event = r->event;
        if (admin_check(x->b, x->rq, r->event, x->now, &e) < 0) {
            reply_error(x, 401, r->variant, "admin access denied: %s", e.text);
        } else {
            r->handle(x);
        }
        return;
    }
    if (http_view_is(x->plugin, "resource")) {
        reply_error(x, 401, "PluginInternalError", "method: wanted GET, POST or DELETE");
        return;
    }
    size_t n = x->plugin.len < 60 ? x->plugin.len : 60;
    reply_error(x, 404, "PluginNotFound", "Plugin %.*s not found", (int)n,
                (const char *)x->plugin.p);
}

void handle_admin_kbs(struct exchange *x) { dispatch(x, kbs_routes, ARRAY_COUNT(kbs_routes)); }
void handle_admin_own(struct exchange *x) { dispatch(x, own_routes, ARRAY_COUNT(own_routes)); }
