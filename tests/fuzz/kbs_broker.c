/* SPDX-License-Identifier: Apache-2.0 */
/* libs: kbs kbs_pure collateral rego evidence initdata jose crypto_full crypto_small base */
/* ldlibs: -ljansson -lsqlite3 -lpq -lp11 -levent -levent_openssl -lcurl -lssl -lcrypto */
/*
 * Whole requests to a broker: the first byte chooses the route, the rest is the body. Uploads are an administrator's, so
 * that they reach the parsers behind the token; attestations come from a guest with an open session. Nobody ever gets a
 * resource: there is no evidence here that could hold.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/kbs/broker.h"
#include "attest/kbs/evidence/sim.h"
#include "attest/kbs/desk/setup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW 1800000000

static struct broker *broker;
static char *admin_token;
static char cookie[128];

static int silent(void *ctx, const char *line)
{
    (void)ctx, (void)line;
    return 0;
}

static void must(int rc)
{
    if (rc < 0) { abort(); }
}

static void request(const char *line, const char *header, const char *value, const uint8_t *body,
                    size_t len, struct http_response *out)
{
    static char head[4096];
    struct http_request rq;
    struct err e = {0};
    int n = snprintf(head, sizeof head, "%s HTTP/1.1\r\n%s%s\r\n\r\n", line, header, value);
    must(http_head_read((const uint8_t *)head, (size_t)n, &rq, &e));
    rq.body = (struct view){.p = body, .len = len};
    broker_handle(broker, &rq, "fuzz", NOW, out);
}

static void open_session(void)
{
    static const char auth[] =
        "{\"version\":\"0.4.0\",\"tee\":\"casemate-sim\",\"extra-params\":\"\"}";
    struct http_response rs = {0};
    request("POST /kbs/v0/auth", "X: ", "y", (const uint8_t *)auth, sizeof auth - 1, &rs);
    if (rs.status != 200) { abort(); }
    (void)snprintf(cookie, sizeof cookie, "%.*s", (int)strcspn(rs.cookie, ";"), rs.cookie);
    http_response_fini(&rs);
}

static void start(void)
{
    static const uint8_t storage_key[STORE_KEY_SIZE] = {1};
    static struct evidence_sim sim;
    static struct verifier verifier;
    static const struct crypto_key *admins[1];
    static struct broker_setup setup = {.admin_keys = admins,
                                        .admin_key_count = 1,
                                        .admin_issuer = "cc-kbs",
                                        .verifiers = &verifier,
                                        .verifier_count = 1,
                                        .max_sessions = 100,
                                        .session_seconds = 300,
                                        .audit = silent};
    struct crypto_key *admin, *token, *machine;
    static struct crypto_key *machines[1];
    struct err e = {0};
    must(crypto_key_generate(CRYPTO_ED25519, 0, &admin));
    must(crypto_key_generate(CRYPTO_P256, 0, &token));
    must(crypto_key_generate(CRYPTO_P384, 0, &machine));
    machines[0] = machine;
    admins[0] = admin;
    sim = (struct evidence_sim){.keys = machines, .count = 1};
    verifier = evidence_sim_verifier(&sim);
    setup.token_key = token;
    must(store_open(":memory:", storage_key, &setup.store, &e));
    must(broker_new(&setup, &broker, &e));
    must(setup_admin_token(admin, "cc-kbs", NOW, 3600, &admin_token, &e));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        const char *line;
        bool admin;
    } routes[] = {{"POST /kbs/v0/auth", false},
                  {"POST /kbs/v0/attest", false},
                  {"POST /kbs/v0/resource-policy", true},
                  {"POST /kbs/v0/reference-value", true},
                  {"POST /kbs/v0/resource/a/b/c", true},
                  {"GET /kbs/v0/resource/a/b/c", false},
                  {"POST /kbs/v0/attestation-policy", true}};
    if (size == 0) { return 0; }
    if (!broker) { start(); }
    size_t route = data[0] % (sizeof routes / sizeof routes[0]);
    bool admin = routes[route].admin;
    struct http_response rs = {0};
    open_session();
    request(routes[route].line,
            admin ? "Authorization: Bearer " : "Cookie: ", admin ? admin_token : cookie, data + 1,
            size - 1, &rs);
    if (rs.status == 0 || rs.status == 500) { abort(); }
    if (rs.status == 200 && (route == 1 || route == 5)) { abort(); }
    http_response_fini(&rs);
    return 0;
}
