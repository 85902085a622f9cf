/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy tried on claims from a file, or on recorded evidence: does it load, what does it say,
 * which rule decided, and why did the others not. Evidence is judged by the verifiers of a broker's
 * configuration; its nonce, and a token, are taken at their word, and nothing is counted: this is
 * for the owner at his desk, the broker decides by itself.
 */
#include "attest/kbs/desk/cmd.h"

#include "attest/jose.h"
#include "attest/kbs/attestation.h"
#include "attest/kbs/config/config.h"
#include "attest/kbs/file.h"
#include "attest/kbs/policies.h"
#include "attest/kbs/rules/names.h"
#include "attest/kbs/verifiers.h"
#include "attest/rfc3339.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <time.h>

#define CLAIMS_FILE_MAX (16u << 20)
#define APPROVALS_MAX   64

struct trial {
    const char *policy_file, *resource, *eval, *references_file, *at;
    const char *claims_file;                       /* either this */
    const char *evidence_file, *tee, *config_file; /* or these */
    const char *approval_files[APPROVALS_MAX];
    size_t approval_count;
    bool insecure_policy;

    struct policy policy;
    json_t *claims;     /* a token's payload; NULL = the evidence was refused */
    json_t *references; /* by name; NULL = none */
    struct store_value approvals[APPROVALS_MAX];
    int64_t now;
};

static void trial_fini(struct trial *t)
{
    policy_fini(&t->policy);
    json_decref(t->claims);
    json_decref(t->references);
    for (size_t i = 0; i < APPROVALS_MAX; i++) { store_value_fini(&t->approvals[i]); }
}
#define auto_trial __attribute__((cleanup(trial_fini))) struct trial

/* ---- reading --------------------------------------------------------------------------------- */

static int policy_read(const char *path, struct policy *out, struct err *e)
{
    auto_store_value text = {0};
    int rc = file_read(path, RULES_TEXT_MAX, false, &text, e);
    if (rc < 0) { return rc; }
    rc = policy_parse(text.p, text.len, true, out, e);
    return rc < 0 ? err_wrap(e, "%s", path) : 0;
}

/* What one device's claims look like in a token. The guest's key does not matter here. */
static json_t *payload_around(json_t *evidence)
{
    return json_pack("{s:{}, s:{s:{s:s, s:O}}}", "tee-pubkey", "submods", "cpu0", "ear.status",
                     "none", CLAIMS_EVIDENCE, evidence);
}

/* A token's payload, taken at its word. */
static int payload_read(const char *path, const char *token, size_t len, json_t **out,
                        struct err *e)
{
    auto_jws s = {0};
    int rc = jws_parse(token, len, &s, e);
    return rc < 0 ? err_wrap(e, "%s", path)
                  : json_load_strict(path, s.payload_raw, s.payload_len, CLAIMS_FILE_MAX, out, e);
}

/* A token, what a broker answers to /attest, a token's payload, or the annotated evidence alone. */
static int claims_read(const char *path, json_t **out, struct err *e)
{
    auto_store_value text = {0};
    auto_json answer = NULL;
    auto_json doc = NULL;
    int rc = file_read(path, CLAIMS_FILE_MAX, false, &text, e);
    if (rc < 0) { return rc; }
    const char *p = (const char *)text.p;
    size_t len = text.len;
    while (len && (p[len - 1] == '\n' || p[len - 1] == '\r')) { len--; }
    if (len && p[0] == '{') { rc = json_load_strict(path, p, len, CLAIMS_FILE_MAX, &answer, e); }
    const json_t *token = json_object_get(answer, "token");
    if (json_is_string(token)) {
        p = json_string_value(token);
        len = json_string_length(token);
    }
    if (rc == 0 && answer && !token) {
        doc = json_incref(answer);
    } else if (rc == 0) {
        rc = payload_read(path, p, len, &doc, e);
    }
    if (rc < 0) { return rc; }
    if (!json_is_object(doc)) { return err_set(e, EINVAL, "%s: not an object", path); }
    *out = json_object_get(doc, "submods") ? json_incref(doc) : payload_around(doc);
    return *out ? 0 : err_set(e, ENOMEM, "out of memory");
}

/* ---- recorded evidence ----------------------------------------------------------------------- */

static void reasons_print(const struct decision *d)
{
    for (size_t i = 0; i < d->reason_count; i++) { (void)printf("    %s\n", d->reasons[i]); }
}

/* As a token would show it, but for what an attestation policy says. */
static int payload_of(const struct attested *a, const json_t *key, json_t **out, struct err *e)
{
    auto_json all = json_object();
    for (size_t i = 0; i < a->device_count; i++) {
        auto_json evidence = NULL;
        char name[ATTESTED_NAME_SIZE];
        int rc = attested_evidence(a, i, &evidence, e);
        if (rc < 0) { return rc; }
        attested_name(a, i, name);
        (void)printf("%s: evidence of %s is genuine\n", name, a->device[i].tee);
        (void)json_object_set_new(
            all, name, json_pack("{s:s, s:O}", "ear.status", "none", CLAIMS_EVIDENCE, evidence));
    }
    *out = json_pack("{s:O, s:O}", "tee-pubkey", key, "submods", all);
    return *out ? 0 : err_set(e, ENOMEM, "out of memory");
}

/* The body of a POST to /attest. When it is refused, that is printed and *out stays NULL. */
static int evidence_read(const struct trial *t, json_t **out, struct err *e)
{
    auto_config c = {0};
    auto_store_value body = {0};
    auto_attestation a = {0};
    auto_attested proved = {0};
    struct verifiers v = {0};
    struct decision d = {0};
    struct err why = {0};
    int rc = config_load(t->config_file, NULL, &c, e);
    if (rc < 0) { return err_wrap(e, "%s", t->config_file); }
    verifiers_make(&c, &v);
    if (!verifier_find(v.v, v.count, t->tee)) {
        return err_set(e, EINVAL, "--tee: found %.60s, for which %s enables no verifier", t->tee,
                       t->config_file);
    }
    rc = file_read(t->evidence_file, CLAIMS_FILE_MAX, false, &body, e);
    if (rc < 0) { return rc; }
    rc = attestation_read((struct view){.p = body.p, .len = body.len}, &a, &why);
    const struct attestation_judge judge = {
        .verifiers = v.v,
        .verifier_count = v.count,
        .insecure_without_initdata = c.insecure_without_initdata,
        .tee = t->tee,
        .nonce = a.nonce,
        .now = t->now,
        .out_decision = &d,
    };
    if (rc == 0) { rc = attestation_judge(&a, &judge, &proved, &why); }
    if (rc == 0) { return payload_of(&proved, a.key, out, e); }
    (void)printf("refused: %s\n", why.text);
    reasons_print(&d);
    return 0;
}

/* ---- reading, in all ------------------------------------------------------------------------- */

static int references_read(const char *path, json_t **out, struct err *e)
{
    auto_store_value text = {0};
    int rc = file_read(path, CLAIMS_FILE_MAX, false, &text, e);
    if (rc == 0) { rc = json_load_strict(path, text.p, text.len, CLAIMS_FILE_MAX, out, e); }
    if (rc == 0 && !json_is_object(*out)) {
        return err_set(e, EINVAL, "%s: wanted an object of names and values", path);
    }
    return rc;
}

static int trial_read(struct trial *t, struct err *e)
{
    t->now = (int64_t)time(NULL);
    if (t->at && !rfc3339_parse(t->at, strlen(t->at), &t->now)) {
        return err_set(e, EINVAL, "--at: found %.40s, wanted a time like 2026-12-31T00:00:00Z",
                       t->at);
    }
    int rc = policy_read(t->policy_file, &t->policy, e);
    if (rc == 0) {
        rc = t->claims_file ? claims_read(t->claims_file, &t->claims, e)
                            : evidence_read(t, &t->claims, e);
    }
    if (rc == 0 && t->references_file) {
        rc = references_read(t->references_file, &t->references, e);
    }
    for (size_t i = 0; rc == 0 && i < t->approval_count; i++) {
        struct store_value *v = &t->approvals[i];
        rc = file_read(t->approval_files[i], CLAIMS_FILE_MAX, false, v, e);
        while (rc == 0 && v->len && v->p[v->len - 1] == '\n') { v->len--; }
    }
    return rc;
}

/* ---- what policies look up ------------------------------------------------------------------- */

static json_t *reference_get(void *ctx, const char *name)
{
    const struct trial *t = ctx;
    return json_incref(json_object_get(t->references, name));
}

static struct reference_answer reference_ask(void *ctx, const char *tee,
                                             const uint8_t measurement[CLAIMS_MEASUREMENT])
{
    const struct trial *t = ctx;
    return reference_answer_of(json_object_get(t->references, reference_name_of(tee)), measurement);
}

static int approvals_each(void *ctx, int (*each)(void *each_ctx, const char *text, size_t len),
                          void *each_ctx, struct err *e)
{
    const struct trial *t = ctx;
    (void)e;
    for (size_t i = 0; i < t->approval_count; i++) {
        int rc = each(each_ctx, (const char *)t->approvals[i].p, t->approvals[i].len);
        if (rc != 0) { return rc; }
    }
    return 0;
}

/* As if nothing had been released so far. */
static int counted(void *ctx, const char *counter, uint64_t *out, struct err *e)
{
    (void)ctx, (void)counter, (void)e;
    *out = 0;
    return 0;
}
static int take(void *ctx, const char *counter, uint64_t max, bool *out_taken, struct err *e)
{
    (void)ctx, (void)counter, (void)max, (void)e;
    *out_taken = true;
    return 0;
}

/* ---- trying ---------------------------------------------------------------------------------- */

/* Each rule by itself; the first that allows decides. */
static int rules_try(struct trial *t, struct err *e)
{
    auto_claims c = {0};
    int rc = claims_from_json(t->claims, &c, e);
    if (rc < 0) { return rc; }
    const json_t *cpu = json_object_get(json_object_get(t->claims, "submods"), "cpu0");
    struct rule_sources s = {.references = {.ctx = t, .ask = reference_ask},
                             .ctx = t,
                             .approvals = approvals_each,
                             .counted = counted,
                             .take = take};
    struct rule_question q = {.claims = &c,
                              .evidence = json_object_get(cpu, CLAIMS_EVIDENCE),
                              .resource = t->resource,
                              .now = t->now};
    const char *name, *by = NULL;
    for (size_t i = 0; (name = rules_name(t->policy.rules, i)) != NULL; i++) {
        struct decision d;
        if (!rules_judge_one(t->policy.rules, i, &s, &q, &d)) {
            (void)printf("rule %s: does not name %s\n", name, t->resource);
            continue;
        }
        (void)printf("rule %s: %s\n", name,
                     !d.allowed ? "refuses"
                     : by       ? "would allow, but one before it decides"
                                : "allows");
        if (d.allowed && !by) { by = name; }
        reasons_print(&d);
    }
    if (!by) {
        (void)printf("refused: no rule allows %s\n", t->resource);
        return 3;
    }
    (void)printf("allowed by rule %s\n", by);
    return 0;
}

/* "a/b/c" as CoCo's policies see it. */
static json_t *request_data(const char *resource)
{
    json_t *path = json_array();
    for (const char *p = resource; path && *p;) {
        size_t n = strcspn(p, "/");
        (void)json_array_append_new(path, json_stringn(p, n));
        p += n + (p[n] == '/');
    }
    return json_pack("{s:s, s:o, s:{}}", "plugin", "resource", "resource-path", path, "query");
}

static int rego_try(struct trial *t)
{
    auto_json data = request_data(t->resource);
    struct rego_request rq = {.input = t->claims,
                              .data = data,
                              .now_ns = t->now * 1000000000,
                              .reference = reference_get,
                              .ctx = t};
    struct rego_allow how = {.insecure_without_initdata = t->insecure_policy};
    struct decision d;
    rego_decide(t->policy.rego, &rq, &how, &d);
    (void)printf(d.allowed ? "allowed by the clause at line %s\n" : "refused\n",
                 d.allowed ? strrchr(d.rule, ':') + 1 : "");
    reasons_print(&d);
    return d.allowed ? 0 : 3;
}

/* One rule's value, over the claims of the TEE alone, as an attestation policy sees them. */
static int rego_show(struct trial *t, struct err *e)
{
    const json_t *cpu = json_object_get(json_object_get(t->claims, "submods"), "cpu0");
    const json_t *evidence = json_object_get(cpu, CLAIMS_EVIDENCE);
    struct rego_request rq = {.input = evidence ? evidence : t->claims,
                              .now_ns = t->now * 1000000000,
                              .reference = reference_get,
                              .ctx = t};
    auto_json found = NULL;
    int rc = rego_eval(t->policy.rego, t->eval, &rq, &found, e);
    if (rc < 0) { return rc; }
    auto_free char *text = found ? json_dumps(found, JSON_ENCODE_ANY | JSON_SORT_KEYS) : NULL;
    (void)printf("%s\n", text ? text : "undefined");
    return found ? 0 : 3;
}

static int try(struct trial *t, struct err *e)
{
    int rc = trial_read(t, e);
    if (rc < 0) { return rc; }
    if (!t->claims) { return 3; }
    if (t->eval && !t->policy.rego) { return err_set(e, EINVAL, "--eval is for policies in Rego"); }
    if (t->eval) { return rego_show(t, e); }
    struct view path = {.p = (const uint8_t *)t->resource, .len = strlen(t->resource)};
    if (!resource_path_ok(path)) {
        return err_set(e, EINVAL, "--resource: found %.80s, wanted REPO/TYPE/TAG", t->resource);
    }
    return t->policy.rego ? rego_try(t) : rules_try(t, e);
}

static bool trial_options(int argc, char **argv, struct trial *t)
{
    static const struct option options[] = {{"claims", required_argument, NULL, 'c'},
                                            {"evidence", required_argument, NULL, 'E'},
                                            {"tee", required_argument, NULL, 'T'},
                                            {"config", required_argument, NULL, 'C'},
                                            {"resource", required_argument, NULL, 'r'},
                                            {"eval", required_argument, NULL, 'e'},
                                            {"references", required_argument, NULL, 'v'},
                                            {"approval", required_argument, NULL, 'a'},
                                            {"at", required_argument, NULL, 't'},
                                            {"insecure-policy", no_argument, NULL, 'i'},
                                            {0}};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case 'c': t->claims_file = optarg; break;
        case 'E': t->evidence_file = optarg; break;
        case 'T': t->tee = optarg; break;
        case 'C': t->config_file = optarg; break;
        case 'r': t->resource = optarg; break;
        case 'e': t->eval = optarg; break;
        case 'v': t->references_file = optarg; break;
        case 't': t->at = optarg; break;
        case 'i': t->insecure_policy = true; break;
        case 'a':
            if (t->approval_count == APPROVALS_MAX) { return false; }
            t->approval_files[t->approval_count++] = optarg;
            break;
        default: return false;
        }
    }
    t->policy_file = optind == argc - 1 ? argv[optind] : NULL;
    bool evidence = t->evidence_file && t->tee && t->config_file;
    bool nothing_of_it = !t->evidence_file && !t->tee && !t->config_file;
    return t->policy_file && !t->resource != !t->eval &&
           (t->claims_file ? nothing_of_it : evidence);
}

static int check(const char *path, struct err *e)
{
    auto_policy p = {0};
    int rc = policy_read(path, &p, e);
    if (rc < 0) { return rc; }
    size_t n = 0;
    while (p.rules && rules_name(p.rules, n)) { n++; }
    if (p.rules) {
        (void)printf("%s: good; rules in JSON: %zu\n", path, n);
    } else {
        (void)printf("%s: good; Rego\n", path);
    }
    return 0;
}

int cmd_policy(int argc, char **argv)
{
    auto_trial t = {0};
    struct err e = {0};
    int rc;
    if (argc == 3 && strcmp(argv[1], "check") == 0) {
        rc = check(argv[2], &e);
    } else if (argc > 1 && strcmp(argv[1], "test") == 0 && trial_options(argc - 1, argv + 1, &t)) {
        rc = try(&t, &e);
    } else {
        return CMD_USAGE;
    }
    if (rc < 0) { (void)fprintf(stderr, "cc-kbs: %s\n", e.text); }
    return rc < 0 ? 1 : rc;
}
