/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Order of start, and what SIGHUP replaces. Everything runs in one thread: what is replaced is replaced between two
 * requests, and what was borrowed from the old configuration is borrowed from the new one before the old one goes.
 */
#include "attest/kbs/serve.h"

#include "attest/kbs/ops.h"
#include "attest/kbs/supplies.h"
#include "attest/kbs/verifiers.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

/* As many bodies of the largest size as may be in memory at one time. */
#define BODIES_IN_MEMORY 32u

/* What a configuration says about whom to believe; replaced as a whole. */
struct beliefs {
    struct config config;
    struct verifiers verifiers;
    struct supplies supplies; /* started last, with a server to wake */
};

struct running {
    const char *path;
    bool insecure_http;
    struct beliefs *beliefs;
    struct store *store;
    struct audit audit;
    struct broker *broker;
    struct limiter *limits;
    struct server *server;
    struct ops ops;
    uint64_t outages; /* of the store, as far as they have been told */
    bool down;        /* so it was told */
};

static void beliefs_free(struct beliefs *b)
{
    if (b) {
        supplies_stop(&b->supplies);
        config_fini(&b->config);
    }
    free(b);
}

/* old: what it replaces; NULL at the start. */
static int beliefs_new(const char *path, const struct beliefs *old, struct beliefs **out,
                       struct err *e)
{
    struct beliefs *b = calloc(1, sizeof *b);
    if (!b) { return err_set(e, ENOMEM, "out of memory"); }
    int rc = config_load(path, old ? &old->config : NULL, &b->config, e);
    if (rc < 0) {
        beliefs_free(b);
        return rc;
    }
    verifiers_make(&b->config, &b->verifiers);
    *out = b;
    return 0;
}

/* A supply's thread says that something has come, or cannot be had. */
static void collateral_changed(void *ctx)
{
    struct running *r = ctx;
    server_wake(r->server);
}

static int beliefs_supply(struct running *r, struct beliefs *b, struct err *e)
{
    int rc = supplies_start(&b->config, collateral_changed, r, &b->supplies, e);
    b->verifiers.snp.supply = b->supplies.amd;
    b->verifiers.tdx.supply = b->supplies.intel;
    return rc;
}

static struct broker_setup setup_of(struct running *r)
{
    const struct config *c = &r->beliefs->config;
    return (struct broker_setup){
        .store = r->store,
        .token_key = c->token_key,
        .token_chain = c->token_chain.v,
        .token_chain_count = c->token_chain.count,
        .token_issuer = c->token_issuer,
        .token_trust = {.roots = c->trusted_certs.v,
                        .root_count = c->trusted_certs.count,
                        .keys = &c->trusted_jwks,
                        .insecure_header_jwk = c->insecure_header_jwk},
        .documented_statuses = c->documented_statuses,
        .insecure_without_initdata = c->insecure_without_initdata,
        .insecure_policy_without_initdata = c->insecure_policy_without_initdata,
        .admin_keys = (const struct crypto_key *const *)c->admin_keys.v,
        .admin_key_count = c->admin_keys.count,
        .admin_issuer = c->admin_issuer,
        .roles = c->roles.v,
        .role_count = c->roles.count,
        .verifiers = r->beliefs->verifiers.v,
        .verifier_count = r->beliefs->verifiers.count,
        .max_sessions = c->max_sessions,
        .session_seconds = c->session_seconds,
        .token_seconds = c->token_seconds,
        .audit = audit_line,
        .audit_required = c->audit_required,
        .audit_ctx = &r->audit,
    };
}

/* ---- what is told ---------------------------------------------------------------------------- */

/* An event of the broker's own life, in the log of its decisions. text: NULL = nothing further. */
static void note(struct running *r, const char *event, const char *text)
{
    char when[32];
    struct tm tm;
    time_t t = time(NULL);
    (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
    auto_json line = json_pack("{s:s, s:s, s:s, s:o*}", "time", when, "event", event, "decision",
                               "note", "text", text ? json_printable(text) : NULL);
    auto_free char *json = line ? json_dumps(line, JSON_COMPACT) : NULL;
    if (json) { (void)audit_line(&r->audit, json); }
}

/* The database's coming and going, once each. */
static void tell_outages(struct running *r)
{
    struct err e = {0};
    bool lost = store_outages(r->store) != r->outages;
    if (!lost && !r->down) { return; }
    bool up = store_ping(r->store, &e) == 0;
    if (!up && !r->down) { (void)fprintf(stderr, "cc-kbs: warning: %s\n", e.text); }
    if (up) { (void)fputs("cc-kbs: the database was lost and is back\n", stderr); }
    r->down = !up;
    r->outages = store_outages(r->store);
}

/* What the supplies have to say, to the operator and into the log; before whoever waits for it is asked about again. */
static void tell_news(void *ctx)
{
    struct running *r = ctx;
    char line[SUPPLY_NEWS_SIZE];
    while (supplies_news(&r->beliefs->supplies, line)) {
        (void)fprintf(stderr, "cc-kbs: collateral: %s\n", line);
        note(r, "collateral", line);
    }
}

/* ---- what the server calls ------------------------------------------------------------------- */

static void handle(void *ctx, const struct http_request *rq, const char *peer, int64_t now,
                   struct http_response *out)
{
    struct running *r = ctx;
    if (!r->beliefs->config.ops_listen && ops_handle(&r->ops, rq, false, out)) { return; }
    broker_handle(r->broker, rq, peer, now, out);
}

static void handle_ops(void *ctx, const struct http_request *rq, const char *peer, int64_t now,
                       struct http_response *out)
{
    struct running *r = ctx;
    (void)peer, (void)now;
    if (!ops_handle(&r->ops, rq, true, out)) { out->status = 404; }
}

static void observe(void *ctx, const struct http_request *rq, int status, uint64_t took_us)
{
    struct running *r = ctx;
    metrics_request(&r->ops.metrics, rq, status, took_us);
    tell_outages(r);
}

/* One part of what SIGHUP looks at again. */
static void reloaded(struct running *r, const char *what, int rc, const struct err *e)
{
    char text[sizeof e->text + 80];
    (void)snprintf(text, sizeof text, "%s: %s%s", what, rc < 0 ? "the old stays: " : "good",
                   rc < 0 ? e->text : "");
    (void)fprintf(stderr, "cc-kbs: reload: %s\n", text);
    note(r, "reload", text);
}

static int beliefs_replace(struct running *r, struct err *e)
{
    struct beliefs *fresh;
    int rc = beliefs_new(r->path, r->beliefs, &fresh, e);
    if (rc == 0 && (rc = beliefs_supply(r, fresh, e)) < 0) { beliefs_free(fresh); }
    if (rc < 0) { return rc; }
    tell_news(r);
    struct beliefs *old = r->beliefs;
    r->beliefs = fresh;
    struct broker_setup setup = setup_of(r);
    rc = broker_adopt(r->broker, &setup, e);
    if (rc < 0) { r->beliefs = old; }
    r->audit.sync = r->beliefs->config.audit_required;
    r->ops.supplies = &r->beliefs->supplies;
    beliefs_free(rc < 0 ? fresh : old);
    return rc;
}

/* The configuration first: what follows is looked up under the names that are in force then. */
static void hangup(void *ctx)
{
    struct running *r = ctx;
    struct err config = {0}, audit = {0}, tls = {0}, policy = {0};
    int rc = beliefs_replace(r, &config);
    reloaded(r, "configuration", rc, &config);
    const struct config *c = &r->beliefs->config;
    rc = audit_reopen(&r->audit, c->audit_file, &audit);
    reloaded(r, "audit log", rc, &audit);
    rc = server_reload_tls(r->server, c->tls_cert, c->tls_key, &tls);
    reloaded(r, "TLS certificate", rc, &tls);
    rc = broker_load_policies(r->broker, &policy);
    reloaded(r, "policies", rc, &policy);
}

/* ---- start ----------------------------------------------------------------------------------- */

static int broker_make(struct running *r, struct err *e)
{
    const struct config *c = &r->beliefs->config;
    int rc = store_open(c->database, c->storage_key, &r->store, e);
    if (rc == 0) { rc = audit_open(c->audit_file, &r->audit, e); }
    if (rc < 0) { return rc; }
    r->audit.sync = c->audit_required;
    struct broker_setup setup = setup_of(r);
    return broker_new(&setup, &r->broker, e);
}

static int server_make(struct running *r, struct err *e)
{
    const struct config *c = &r->beliefs->config;
    if (c->limits.per_second) {
        int rc = limiter_new(&c->limits, &r->limits, e);
        if (rc < 0) { return rc; }
    }
    struct server_setup setup = {
        .listen = c->listen,
        .ops_listen = c->ops_listen,
        .tls_cert_pem = r->insecure_http ? NULL : c->tls_cert,
        .tls_key_pem = r->insecure_http ? NULL : c->tls_key,
        .max_connections = c->max_connections,
        .max_body = c->max_body,
        .max_buffered = c->max_body * BODIES_IN_MEMORY,
        .wait_ms = (uint32_t)c->collateral.wait_s * 1000,
        .limits = r->limits,
        .handle = handle,
        .handle_ops = handle_ops,
        .observe = observe,
        .hangup = hangup,
        .woken = tell_news,
        .ctx = r,
    };
    return server_new(&setup, &r->server, e);
}

static void running_fini(struct running *r)
{
    if (r->beliefs) { supplies_stop(&r->beliefs->supplies); } /* they wake the server */
    server_free(r->server);
    limiter_free(r->limits);
    broker_free(r->broker);
    audit_close(&r->audit);
    store_close(r->store);
    beliefs_free(r->beliefs);
}

/* Standard output has one line per address: whoever started us on port 0 reads it there. */
static void say_addresses(const struct running *r)
{
    if (r->insecure_http) {
        (void)fputs("cc-kbs: warning: --insecure-http: everybody on the wire reads along\n",
                    stderr);
    }
    (void)printf("cc-kbs: listening on %s port %u\n", r->insecure_http ? "http" : "https",
                 server_port(r->server));
    if (r->beliefs->config.ops_listen) {
        (void)printf("cc-kbs: operations on http port %u\n", server_ops_port(r->server));
    }
    (void)fflush(stdout);
}

int serve_check(const char *config, struct err *e)
{
    struct beliefs *b;
    int rc = beliefs_new(config, NULL, &b, e);
    if (rc < 0) { return rc; }
    const struct config *c = &b->config;
    struct server_setup setup = {.listen = c->listen,
                                 .ops_listen = c->ops_listen,
                                 .tls_cert_pem = c->tls_cert,
                                 .tls_key_pem = c->tls_key};
    rc = server_check(&setup, e);
    if (rc == 0) {
        (void)printf("%s: good; listens on %s, %zu administrator(s), sim %s\n", config, c->listen,
                     c->admin_keys.count,
                     c->insecure_sim_keys.count ? "accepted (insecure)" : "refused");
    }
    beliefs_free(b);
    return rc;
}

int serve_run(const char *config, bool insecure_http, struct err *e)
{
    struct running r = {.path = config, .insecure_http = insecure_http, .audit = {.fd = -1}};
    /* No core file and no debugger of this user: keys are in this memory. */
    (void)prctl(PR_SET_DUMPABLE, 0);
    int rc = beliefs_new(config, NULL, &r.beliefs, e);
    if (rc == 0) { rc = broker_make(&r, e); }
    if (rc == 0) { rc = server_make(&r, e); }
    if (rc == 0) { rc = beliefs_supply(&r, r.beliefs, e); }
    if (rc == 0) {
        r.ops.supplies = &r.beliefs->supplies;
        r.ops.store = r.store;
        r.ops.broker = r.broker;
        r.ops.server = r.server;
        r.ops.audit = &r.audit;
        note(&r, "start", "cc-kbs " CASEMATE_VERSION);
        say_addresses(&r);
        rc = server_run(r.server, e);
        note(&r, "stop", rc < 0 ? e->text : NULL);
    }
    running_fini(&r);
    return rc;
}
