/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A broker whose collateral comes while it works: SNP guests that send no certificate, and a
 * vendor's service that has it, is slow, is away or lies.
 */
#include "attest/kbs/evidence/snp.h"
#include "attest/kbs/http/server.h"
#include "attest/verify/binding.h"
#include "tests/unit/attest/snp_json.h"
#include "tests/unit/collateral/amd.h"
#include "tests/unit/collateral/service.h"
#include "tests/unit/kbs/bench.h"

#include <ftw.h>

#define THEN       1780272000 /* 2026-06-01, when the made hierarchy is good */
#define CHAIN_PATH "/vcek/v1/Milan/cert_chain"
#define CRL_PATH   "/vcek/v1/Milan/crl"

static struct bench b;
static struct amd a;
static struct guest g;
static char dir[64], vcek_path[320];
static struct crypto_key *vcek_key;
static struct snp_policy policy;
static struct evidence_snp door;
static struct verifier verifiers[1];
static struct collateral_store store;

/* ---- the scene */

static void take_policy(bool require_crl)
{
    static const char *const never[] = {"report_data", "host_data", "measurements"};
    struct err e = {0};
    json_t *cases = vector_json(AMD_DIR "cases.json");
    json_t *p = json_object_get(cases, "base_policy");
    for (size_t i = 0; i < ARRAY_COUNT(never); i++) { json_object_del(p, never[i]); }
    json_object_set_new(p, "require_crl", json_boolean(require_crl));
    snp_policy_fini(&policy);
    cr_assert_eq(snp_policy_parse(p, &policy, &e), 0, "%s", e.text);
    json_decref(cases);
}

static void setup(void)
{
    struct err e = {0};
    char chip[129];
    size_t len;
    amd_init(&a, "ok-milan-v3", SNP_MILAN);
    bench_init(&b);
    guest_init(&g);
    service_start();
    snprintf(dir, sizeof dir, "/tmp/casemate-kbs-supply-XXXXXX");
    cr_assert(mkdtemp(dir));
    hex_of(a.vcek_id.chip, a.vcek_id.chip_len, chip);
    snprintf(vcek_path, sizeof vcek_path,
             "/vcek/v1/Milan/%s?blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219", chip);
    char *pem = vector_bytes(AMD_DIR "keys/vcek-milan.key.pem", &len);
    cr_assert_eq(crypto_key_from_pem(pem, len, &vcek_key), 0);
    free(pem);
    take_policy(false);
    store = (struct collateral_store){.dir = dir, .snp_roots = &a.roots};
    door = (struct evidence_snp){.keeper = snp_keeper_new(dir, &a.roots), .policy = &policy};
    struct supply_setup s = {.store = store,
                             .from = {.amd = service.url, .timeout_s = 30},
                             .refresh_s = 3600,
                             .pause_ms = 3600000,
                             .changed = changed};
    cr_assert_eq(supply_new(&s, &door.supply, &e), 0, "%s", e.text);
    verifiers[0] = evidence_snp_verifier(&door);
    b.setup.verifiers = verifiers;
    cr_assert_eq(broker_adopt(b.broker, &b.setup, &e), 0, "%s", e.text);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *w)
{
    (void)st, (void)type, (void)w;
    return remove(path);
}

static void teardown(void)
{
    supply_free(door.supply);
    service_stop();
    snp_keeper_free(door.keeper);
    snp_policy_fini(&policy);
    crypto_key_free(vcek_key);
    crypto_key_free(g.key);
    bench_fini(&b);
    amd_fini(&a);
    (void)nftw(dir, remove_one, 4, FTW_DEPTH | FTW_PHYS);
}
TestSuite(kbs_collateral, .init = setup, .fini = teardown, .timeout = 60);

static void amd_pages(void)
{
    page(CHAIN_PATH, 200, "", a.chain.p, a.chain.len);
    page(CRL_PATH, 200, "", a.crl.p, a.crl.len);
    page(vcek_path, 200, "", a.vcek.p, a.vcek.len);
}

static void store_bytes(const struct collateral_id *id, struct amd_bytes bytes)
{
    struct err e = {0};
    cr_assert_eq(collateral_write(&store, id, bytes.p, bytes.len, &e), 0, "%s", e.text);
}

static bool is_stored(const struct collateral_id *id)
{
    char *p;
    size_t len;
    if (collateral_read(&store, id, &p, &len, &(struct err){0}) < 0) { return false; }
    free(p);
    return true;
}

/* ---- the guest */

/* The processor's part: what binds this handshake, signed as firmware does. */
static void report_make(const struct binding *bound, uint8_t out[1184])
{
    uint8_t digest[48], sig[132];
    size_t len;
    memcpy(out, a.report.p, 1184);
    memcpy(out + 0x50, bound->report_data, 64);
    memcpy(out + 0xc0, bound->host_data, 32);
    crypto_sha384(out, 0x2a0, digest);
    cr_assert_eq(crypto_ecdsa_sign(vcek_key, digest, 48, sig, &len), 0);
    memset(out + 0x2a0, 0, 144);
    for (size_t i = 0; i < 48; i++) {
        out[0x2a0 + i] = sig[47 - i];
        out[0x2e8 + i] = sig[95 - i];
    }
}

/* The body of /attest for g.nonce, without any certificate; malloc. */
static char *evidence(void)
{
    struct err e = {0};
    struct binding bound;
    uint8_t report[1184];
    json_t *jwk, *key;
    struct view text = {(const uint8_t *)INITDATA, strlen(INITDATA)};
    cr_assert_eq(jwk_to_json(g.key, "ECDH-ES+A256KW", false, &jwk), 0);
    cr_assert_eq(transcript_tee_key(jwk, &key, &e), 0, "%s", e.text);
    cr_assert_eq(binding_make(g.nonce, key, "", text, &bound, &e), 0, "%s", e.text);
    report_make(&bound, report);
    json_t *primary = evidence_json(report, "", 0);
    json_object_set_new(primary, "cert_chain", json_null());
    json_t *doc =
        json_pack("{s:{s:s, s:s}, s:{s:s, s:o}, s:{s:o, s:s}}", "init-data", "format", "toml",
                  "body", INITDATA, "runtime-data", "nonce", g.nonce, "tee-pubkey", jwk,
                  "tee-evidence", "primary_evidence", primary, "additional_evidence", "");
    char *out = json_dumps(doc, JSON_COMPACT);
    cr_assert_not_null(out);
    json_decref(doc);
    json_decref(key);
    return out;
}

#define AUTH_BODY "{\"version\":\"0.4.0\",\"tee\":\"snp\",\"extra-params\":\"\"}"

static void take_challenge(const char *body, const char *cookie)
{
    json_t *doc = json_loads(body, 0, NULL);
    snprintf(g.nonce, sizeof g.nonce, "%s", json_string_value(json_object_get(doc, "nonce")));
    snprintf(g.cookie, sizeof g.cookie, "Cookie: %.*s\r\n", (int)strcspn(cookie, ";\r"), cookie);
    json_decref(doc);
}

static void auth(void)
{
    auto_answer one = ask_at(&b, THEN, "POST", "/kbs/v0/auth", "", AUTH_BODY, strlen(AUTH_BODY));
    cr_assert_eq(one.status, 200, "%s", one.detail);
    take_challenge(one.body, one.cookie);
}

/* Status of /attest, 0 = later. */
static int attest_may(bool wait, char detail[static 2048])
{
    char *body = evidence(), head[1024];
    struct http_request rq;
    struct http_response rs = {0};
    struct err e = {0};
    int n = snprintf(head, sizeof head, "POST /kbs/v0/attest HTTP/1.1\r\n%s\r\n", g.cookie);
    cr_assert_eq(http_head_read((const uint8_t *)head, (size_t)n, &rq, &e), 0, "%s", e.text);
    rq.body = (struct view){(const uint8_t *)body, strlen(body)};
    rq.may_wait = wait;
    broker_handle(b.broker, &rq, "192.0.2.1", THEN, &rs);
    snprintf(detail, 2048, "%.*s", (int)rs.body_len, rs.body ? (char *)rs.body : "");
    cr_assert_eq(rs.later, rs.status == 0);
    int status = rs.status;
    http_response_fini(&rs);
    free(body);
    return status;
}

static void attested(int status, bool wait, const char *says)
{
    char detail[2048];
    int got = attest_may(wait, detail);
    cr_assert_eq(got, status, "%d %s", got, detail);
    cr_assert(strstr(detail, says), "%s; wanted %s", detail, says);
}

Test(kbs_collateral, a_guest_waits_for_its_certificate_and_the_next_one_need_not)
{
    amd_pages();
    auth();
    attested(0, true, "");
    cr_assert_str_eq(b.audit, "", "nothing is decided yet");
    settle(2);
    attested(200, true, "token");
    cr_assert(strstr(b.audit, "\"allow\""), "%s", b.audit);
    while (!is_stored(&a.vcek_id)) { settle(1); } /* kept; and the list came beside it */
    char asked[4096];
    service_be(true, false);
    service_asked(asked);
    auth();
    attested(200, true, "token");
    service_asked(asked);
    cr_assert(!strstr(asked, "cert_chain") && !strstr(asked, "SPL"), "%s", asked);
}

Test(kbs_collateral, an_outage_stops_no_start_whose_collateral_is_there)
{
    store_bytes(&a.chain_id, a.chain);
    store_bytes(&a.vcek_id, a.vcek);
    store_bytes(&a.crl_id, a.crl);
    service_be(true, false);
    take_policy(true);
    auth();
    attested(200, true, "token");
    char asked[4096];
    service_asked(asked);
    cr_assert_str_eq(asked, "");
    cr_assert_eq(supply_counts(door.supply).outages, 0, "nobody has even noticed");
}

Test(kbs_collateral, when_the_service_is_away_the_guest_hears_what_is_missing)
{
    service_be(false, true);
    auth();
    attested(0, true, "");
    service_be(true, false);
    settle(1);
    attested(401, true, "snp-vek-missing");
    attested(401, true, "session"); /* the nonce is used up */
    auth();
    attested(401, true, "snp-vek-missing"); /* at once */
}

Test(kbs_collateral, who_may_not_wait_is_refused_and_comes_again)
{
    amd_pages();
    auth();
    attested(401, false, "snp-vek-missing");
    settle(2);
    auth();
    attested(200, false, "token");
}

Test(kbs_collateral, a_certificate_of_another_chip_helps_nobody)
{
    struct amd turin;
    amd_init(&turin, "ok-turin-v5", SNP_TURIN);
    page(CHAIN_PATH, 200, "", a.chain.p, a.chain.len);
    page(vcek_path, 200, "", turin.vcek.p, turin.vcek.len);
    auth();
    attested(0, true, "");
    settle(2);
    attested(401, true, "snp-vek-missing");
    amd_fini(&turin);
}

Test(kbs_collateral, the_report_of_a_stranger_does_not_leave_a_file)
{
    amd_pages();
    crypto_key_free(vcek_key); /* a chip that exists, a signature that is nobody's */
    cr_assert_eq(crypto_key_generate(CRYPTO_P384, 0, &vcek_key), 0);
    auth();
    attested(0, true, "");
    settle(2);
    attested(401, true, "snp-signature");
    cr_assert_not(is_stored(&a.vcek_id));
}

Test(kbs_collateral, a_chip_that_is_on_no_list_is_not_asked_about)
{
    char asked[4096];
    amd_pages();
    uint8_t *list = calloc(1, SNP_CHIP_ID_SIZE);
    policy.chips = (struct snp_list){list, 1};
    policy.demands |= 1u << SNP_M_CHIPS;
    auth();
    attested(401, true, "snp-vek-missing");
    service_asked(asked);
    cr_assert_str_eq(asked, "");
}

Test(kbs_collateral, a_list_that_is_demanded_is_waited_for)
{
    amd_pages();
    store_bytes(&a.chain_id, a.chain);
    store_bytes(&a.vcek_id, a.vcek);
    take_policy(true);
    auth();
    attested(0, true, "");
    settle(1);
    attested(200, true, "token");
    cr_assert(is_stored(&a.crl_id));
}

/* ---- over a socket, with others beside */

static struct server *srv;
static pthread_t server_thread;

static void wake(void) { server_wake(srv); }

/* The made hierarchy's day. */
static void handle_then(void *ctx, const struct http_request *rq, const char *peer, int64_t now,
                        struct http_response *out)
{
    (void)now;
    broker_handle(ctx, rq, peer, THEN, out);
}

static void *server_main(void *arg)
{
    struct err e = {0};
    return server_run(srv, &e) == 0 ? arg : NULL;
}

static int dial(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)},
                             .sin_port = htons(server_port(srv))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    return fd;
}

static void say(int fd, const char *line, const char *headers, const char *body)
{
    char *text;
    int n = asprintf(&text, "%s HTTP/1.1\r\n%sConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
                     line, headers, strlen(body), body);
    cr_assert_eq(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
    free(text);
}

static const char *hear(int fd)
{
    static char text[65536];
    size_t len = 0;
    ssize_t n;
    while ((n = recv(fd, text + len, sizeof text - 1 - len, 0)) > 0) { len += (size_t)n; }
    text[len] = '\0';
    close(fd);
    return text;
}

Test(kbs_collateral, one_guest_waits_while_others_are_answered)
{
    struct err e = {0};
    struct server_setup s = {.listen = "127.0.0.1:0",
                             .max_connections = 8,
                             .max_body = 1 << 20,
                             .max_buffered = 1 << 22,
                             .wait_ms = 600000,
                             .handle = handle_then,
                             .ctx = b.broker};
    amd_pages();
    service_be(false, true);
    cr_assert_eq(server_new(&s, &srv, &e), 0, "%s", e.text);
    pass_changes_on(wake);
    cr_assert_eq(pthread_create(&server_thread, NULL, server_main, srv), 0);
    int fd = dial();
    say(fd, "POST /kbs/v0/auth", "", AUTH_BODY);
    const char *answer = hear(fd), *cookie = strstr(answer, "kbs-session-id=");
    cr_assert(cookie && strstr(answer, "\r\n\r\n"), "%s", answer);
    take_challenge(strstr(answer, "\r\n\r\n") + 4, cookie);
    char *body = evidence();
    int waiting = dial();
    say(waiting, "POST /kbs/v0/attest", g.cookie, body);
    while (server_stats(srv).waiting == 0) { /* it waits, and nobody else does */
        fd = dial();
        say(fd, "GET /healthz", "", "");
        cr_assert_eq(strncmp(hear(fd), "HTTP/1.1 200", 12), 0);
    }
    fd = dial();
    say(fd, "GET /healthz", "", "");
    cr_assert_eq(strncmp(hear(fd), "HTTP/1.1 200", 12), 0);
    service_be(false, false);
    answer = hear(waiting);
    cr_assert_eq(strncmp(answer, "HTTP/1.1 200", 12), 0, "%s", answer);
    cr_assert(strstr(answer, "{\"token\":"), "%s", answer);
    free(body);
    server_stop(srv);
    pthread_join(server_thread, NULL);
    pass_changes_on(NULL);
    server_free(srv);
}
