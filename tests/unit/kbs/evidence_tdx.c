/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's door for TDX, with quotes made on the spot: a hierarchy of the test's own signs what
 * binds this nonce, this key and these initdata.
 */
#include "attest/kbs/config/tdx.h"
#include "attest/kbs/evidence/tdx.h"

#include "attest/jose.h"
#include "attest/verify/binding.h"
#include "attest/verify/tdx/eventlog.h"
#include "tests/unit/collateral/intel.h"

#include <errno.h>
#include <unistd.h>

#define NONCE    "AAECAwQFBgcICQ=="
#define INITDATA "version = \"0.1.0\"\nalgorithm = \"sha384\"\n[data]\n\"a\" = \"b\"\n"
#define ZERO96   BENCH_ZERO96
#define POLICY                                                                                     \
    "{\"quote_versions\":[4,5],\"statuses\":[\"UpToDate\"],\"advisory_ids\":[],"                   \
    "\"mr_owner\":\"" ZERO96 "\",\"mr_owner_config\":\"" ZERO96 "\","                              \
    "\"attributes_mask\":\"0x0\",\"attributes_value\":\"0x0\",\"xfam_mask\":\"0x0\","              \
    "\"xfam_value\":\"0x0\",\"min_tee_tcb_svn\":\"00010000000000000000000000000000\"}"

static struct bench b;
static char dir[64];
static struct tdx_policy policy;
static struct evidence_tdx door;
static json_t *tee_key;
static struct transcript_registers registers;
static bool tells; /* does the guest tell its registers? */
static const char *initdata;
static struct claims claims;
static struct verdict v;
static bool coming; /* what was missed */

static void setup(void)
{
    struct err e = {0};
    auto_key key = NULL;
    json_t *jwk;
    bench_init(&b);
    bench_make(&b);
    snprintf(dir, sizeof dir, "/tmp/casemate-tdx-XXXXXX");
    cr_assert(mkdtemp(dir));
    cr_assert_eq(crypto_key_generate(CRYPTO_P256, 0, &key), 0);
    cr_assert_eq(jwk_to_json(key, "ECDH-ES+A256KW", false, &jwk), 0);
    cr_assert_eq(transcript_tee_key(jwk, &tee_key, &e), 0, "%s", e.text);
    json_decref(jwk);
    cr_assert_eq(config_tdx_policy(POLICY, strlen(POLICY), &policy, &e), 0, "%s", e.text);
    door = (struct evidence_tdx){.endorsements = tdx_endorsements_new(b.root_key),
                                 .keeper = collateral_keeper_new(dir, b.root_key),
                                 .policy = &policy};
    memset(&registers, 0, sizeof registers);
    tells = true;
    initdata = INITDATA;
}

static void teardown(void)
{
    char path[200];
    snprintf(path, sizeof path, "%s/tdx-00a06d080000-platform.json", dir);
    (void)unlink(path);
    (void)rmdir(dir);
    tdx_endorsements_free(door.endorsements);
    collateral_keeper_free(door.keeper);
    claims_fini(&claims);
    json_decref(tee_key);
    bench_fini(&b);
}
TestSuite(kbs_tdx, .init = setup, .fini = teardown);

static void store_set(void)
{
    struct collateral_store s = {.dir = dir, .tdx_root = b.root_key};
    struct collateral_id id = {.kind = COLLATERAL_TDX};
    struct err e = {0};
    char *text = json_dumps(b.set, 0);
    memcpy(id.fmspc, b.fmspc, sizeof id.fmspc);
    cr_assert_eq(collateral_write(&s, &id, text, strlen(text), &e), 0, "%s", e.text);
    free(text);
}

/* A guest that is not sealed yet: binds this handshake, has put the initdata in register 0. */
static void honest(struct binding *out, char **additional)
{
    struct err e = {0};
    struct initdata d = {0};
    uint8_t *body = bench_body(&b), image[48], spec[48];
    memset(image, 0x11, sizeof image);
    memset(spec, 0x22, sizeof spec);
    cr_assert_eq(initdata_parse(INITDATA, strlen(INITDATA), &d, &e), 0, "%s", e.text);
    initdata_field(&d, registers.value[0], 48);
    initdata_field(&d, body + B_CONFIG_ID, 48);
    initdata_fini(&d);
    memcpy(registers.value[1], image, 48);
    memcpy(registers.value[2], spec, 48);
    memset(body + B_RTMR, 0, 4 * 48);
    for (size_t i = 0; i < 3; i++) { tdx_rtmr_extend(body + B_RTMR + 48 * i, registers.value[i]); }
    *additional = strdup("");
    if (tells) {
        free(*additional);
        cr_assert_eq(transcript_registers_format(&registers, additional, &e), 0);
    }
    struct view text = {(const uint8_t *)initdata, strlen(initdata)};
    cr_assert_eq(binding_make(NONCE, tee_key, *additional, text, out, &e), 0, "%s", e.text);
    memcpy(body + B_REPORT_DATA, out->report_data, 64);
}

/* edit: what is wrong with the guest, before the quote is signed; set: is the collateral here? */
static void attest_where(void (*edit)(uint8_t *body), bool set)
{
    struct binding bound;
    char *additional;
    honest(&bound, &additional);
    if (edit) { edit(bench_body(&b)); }
    bench_make(&b);
    if (set) { store_set(); }
    char *quote = malloc(b64_len(b.quote_len) + 1);
    b64_encode(b.quote, b.quote_len, quote);
    json_t *primary = json_pack("{s:s, s:n}", "quote", quote, "cc_eventlog");
    struct evidence ev = {.primary = primary,
                          .additional = additional,
                          .nonce = NONCE,
                          .tee_key = tee_key,
                          .initdata = {(const uint8_t *)initdata, strlen(initdata)},
                          .now = b.now,
                          .out_coming = &coming};
    coming = false;
    struct verifier verifier = evidence_tdx_verifier(&door);
    v = (struct verdict){0};
    claims_fini(&claims);
    claims = (struct claims){0};
    verifier.verify(verifier.ctx, &ev, &claims, &v);
    json_decref(primary);
    free(quote);
    free(additional);
}

static void attest(void (*edit)(uint8_t *body)) { attest_where(edit, true); }

static void refused(const char *code)
{
    cr_assert_eq(v.result, VERDICT_REFUSED, "%s was wanted", code);
    for (size_t i = 0; i < v.reason_count; i++) {
        if (strcmp(v.reasons[i].code, code) == 0) { return; }
    }
    cr_assert_fail("%s was wanted, found %s", code, v.reasons[0].code);
}

static void accepted(void)
{
    cr_assert_eq(v.result, VERDICT_ACCEPTED, "%s: %s", v.reasons[0].code, v.reasons[0].text);
}

Test(kbs_tdx, an_honest_guest_is_known_by_its_claims)
{
    uint8_t want[48];
    attest(NULL);
    accepted();
    memset(want, 0x4d, 48);
    cr_assert_eq(memcmp(claims.measurement, want, 48), 0);
    cr_assert_eq(claims.phase, CLAIMS_PHASE_INIT);
    cr_assert(claims.has_registers);
    memset(want, 0x11, 48);
    cr_assert_eq(memcmp(claims.registers[1], want, 48), 0);
    cr_assert_eq(claims.initdata_len, 48);
    json_t *body = json_object_get(json_object_get(claims.platform, "quote"), "body");
    json_t *header = json_object_get(json_object_get(claims.platform, "quote"), "header");
    cr_assert_str_eq(json_string_value(json_object_get(header, "tee_type")), "81000000");
    cr_assert_str_eq(json_string_value(json_object_get(header, "vendor_id")),
                     "939a7233f79c4ca9940a0db3957f0607");
    cr_assert_str_eq(json_string_value(json_object_get(body, "td_attributes")), "0000001000000000");
    cr_assert_str_eq(json_string_value(json_object_get(body, "xfam")), "e700000000000000");
    cr_assert_null(json_object_get(body, "tee_tcb_svn2"));
    cr_assert_str_eq(json_string_value(json_object_get(claims.platform, "tcb_status")), "UpToDate");
    cr_assert(
        json_is_false(json_object_get(json_object_get(claims.platform, "td_attributes"), "debug")));
}

static void pool(uint8_t *body) { memset(body + B_CONFIG_ID, 0, 48); }
static void another_config(uint8_t *body) { body[B_CONFIG_ID] ^= 1; }

Test(kbs_tdx, mr_config_id_is_the_initdata_or_zero)
{
    attest(pool);
    accepted();
    attest(another_config);
    refused("tdx-mr-config-id");
}

static void another_register0(uint8_t *body) { body[B_RTMR] ^= 1; }
static void empty_register0(uint8_t *body) { memset(body + B_RTMR, 0, 48); }

Test(kbs_tdx, register_0_must_be_the_initdata_whatever_the_host_put_in_mr_config_id)
{
    tells = false; /* a guest that keeps quiet about its registers is no exception */
    attest(NULL);
    accepted();
    cr_assert_eq(claims.phase, CLAIMS_PHASE_APPLICATION);
    cr_assert_not(claims.has_registers);
    attest(another_register0);
    refused("register-initdata");
    attest(empty_register0);
    refused("register-initdata");
}

Test(kbs_tdx, where_mr_config_id_stands_alone_it_must_be_the_initdata)
{
    door.mr_config_id_alone = true;
    tells = false;
    attest(another_register0);
    accepted();
    attest(pool);
    refused("tdx-mr-config-id");
    attest(another_config);
    refused("tdx-mr-config-id");
}

Test(kbs_tdx, other_initdata_than_those_of_the_guest_are_refused)
{
    initdata = "version = \"0.1.0\"\nalgorithm = \"sha384\"\n[data]\n\"a\" = \"c\"\n";
    attest(NULL);
    refused("tdx-mr-config-id");
    refused("register-initdata");
}

Test(kbs_tdx, what_intel_says_comes_from_its_service_and_again_when_it_has_expired, .timeout = 60)
{
    struct err e = {0};
    char asked[4096];
    service_start();
    struct supply_setup s = {
        .store = {.dir = dir, .tdx_root = b.root_key},
        .from = {.intel = service.url, .intel_ca = service.url, .timeout_s = 30},
        .intel = true,
        .refresh_s = 3600,
        .pause_ms = 3600000,
        .changed = changed};
    cr_assert_eq(supply_new(&s, &door.supply, &e), 0, "%s", e.text);
    intel_pages(&b);
    attest_where(NULL, false);
    refused("tdx-collateral");
    cr_assert(coming);
    settle(1);
    service_be(true, false);
    service_asked(asked);
    attest_where(NULL, false);
    accepted();
    cr_assert_not(coming, "an outage stops no start");
    service_asked(asked);
    cr_assert_str_eq(asked, "");
    b.now += 60 * 86400;
    supply_free(door.supply); /* a broker that was off for so long */
    cr_assert_eq(supply_new(&s, &door.supply, &e), 0, "%s", e.text);
    attest_where(NULL, false);
    refused("tdx-collateral-time");
    cr_assert(coming);
    settle(1);
    attest_where(NULL, false);
    refused("tdx-collateral-time");
    cr_assert_not(coming, "the service is away");
    supply_free(door.supply);
    service_stop();
}

static void another_report_data(uint8_t *body) { body[B_REPORT_DATA + 63] ^= 1; }
static void debug(uint8_t *body) { body[B_ATTR] |= 1; }
static void owned(uint8_t *body) { body[B_OWNER] = 1; }

Test(kbs_tdx, report_data_and_the_configured_policy_hold)
{
    attest(another_report_data);
    refused("tdx-report-data");
    attest(debug);
    refused("tdx-debug");
    bench_body(&b)[B_ATTR] = 0;
    attest(owned);
    refused("tdx-mr-owner");
}

static void registers_1(uint8_t *body) { body[B_RTMR + 48] ^= 1; }
static void registers_2(uint8_t *body) { body[B_RTMR + 96] ^= 1; }
static void registers_3(uint8_t *body) { body[B_RTMR + 144] ^= 1; }

Test(kbs_tdx, registers_told_are_those_of_the_quote)
{
    attest(registers_1);
    refused("tdx-registers");
    attest(registers_2);
    refused("tdx-registers");
    attest(registers_3);
    refused("tdx-registers");
}

static void seal(uint8_t *body) { tdx_rtmr_extend(body + B_RTMR + 96, evidence_tdx_seal); }

Test(kbs_tdx, a_sealed_guest_speaks_for_its_application)
{
    attest(seal);
    accepted();
    cr_assert_eq(claims.phase, CLAIMS_PHASE_APPLICATION);
    cr_assert(claims.has_registers);
}

Test(kbs_tdx, without_collateral_for_the_platform_nobody_is_accepted)
{
    attest(NULL);
    accepted();
    memcpy(b.fmspc, "\x01\x02\x03\x04\x05\x06", 6);
    attest_where(NULL, false);
    refused("tdx-collateral");
}

Test(kbs_tdx, evidence_out_of_shape_is_refused)
{
    static const char *const bad[] = {
        "{}",
        "{\"quote\":1}",
        "{\"quote\":\"*\"}",
        "{\"quote\":\"AA==\",\"x\":1}",
        "{\"quote\":\"AA==\",\"cc_eventlog\":1}",
        "{\"quote\":\"AA==\",\"cc_eventlog\":\"*\"}",
        "{\"cc_eventlog\":null}",
    };
    struct verifier verifier = evidence_tdx_verifier(&door);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        json_t *primary = json_loads(bad[i], 0, NULL);
        struct evidence ev = {.primary = primary,
                              .additional = "",
                              .nonce = NONCE,
                              .tee_key = tee_key,
                              .initdata = {(const uint8_t *)INITDATA, strlen(INITDATA)}};
        v = (struct verdict){0};
        verifier.verify(verifier.ctx, &ev, &claims, &v);
        refused("tdx-evidence");
        json_decref(primary);
    }
    json_t *primary = json_pack("{s:s}", "quote", "AA==");
    struct evidence ev = {.primary = primary, .nonce = NONCE, .tee_key = tee_key};
    v = (struct verdict){0};
    verifier.verify(verifier.ctx, &ev, &claims, &v); /* as a further device */
    refused("tdx-evidence");
    json_decref(primary);
}

Test(kbs_tdx, a_policy_that_leaves_something_open_does_not_load)
{
    static const char *const members[] = {
        "quote_versions",  "statuses",         "advisory_ids", "mr_owner",   "mr_owner_config",
        "attributes_mask", "attributes_value", "xfam_mask",    "xfam_value", "min_tee_tcb_svn"};
    struct tdx_policy p;
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        struct err e = {0};
        json_t *doc = json_loads(POLICY, 0, NULL);
        json_object_del(doc, members[i]);
        char *text = json_dumps(doc, 0);
        cr_assert_eq(config_tdx_policy(text, strlen(text), &p, &e), -EINVAL);
        cr_assert(strstr(e.text, members[i]), "%s", e.text);
        free(text);
        json_decref(doc);
    }
}

static int with(const char *member, const char *value)
{
    struct tdx_policy p;
    json_t *doc = json_loads(POLICY, 0, NULL);
    json_object_set_new(doc, member, json_string(value));
    if (strcmp(member, "attributes_value") == 0) {
        json_object_set_new(doc, "attributes_mask", json_string("0xf00000ff"));
    }
    char *text = json_dumps(doc, 0);
    int r = config_tdx_policy(text, strlen(text), &p, &(struct err){0});
    free(text);
    json_decref(doc);
    return r;
}

Test(kbs_tdx, a_policy_that_opens_the_td_or_decides_what_a_handshake_decides_does_not_load)
{
    cr_assert_eq(with("mr_td", ZERO96), 0);
    cr_assert_eq(with("report_data", ZERO96 "00000000000000000000000000000000"), -EINVAL);
    cr_assert_eq(with("mr_config_id", ZERO96), -EINVAL);
    cr_assert_eq(with("attributes_value", "0x10000000"), 0);
    cr_assert_eq(with("attributes_value", "0x50000000"), 0);
    cr_assert_eq(with("attributes_value", "0x10000001"), -EINVAL);
    cr_assert_eq(with("attributes_value", "0x10000020"), -EINVAL);
    cr_assert_eq(with("attributes_value", "0x30000000"), -EINVAL);
    cr_assert_eq(with("attributes_value", "0x0"), -EINVAL);
}
