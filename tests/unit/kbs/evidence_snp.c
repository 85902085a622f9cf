/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's door for SNP, with reports made on the spot: a made hierarchy's keys sign what binds
 * this test's nonce and key.
 */
#include "attest/kbs/evidence/snp.h"

#include "attest/jose.h"
#include "attest/verify/binding.h"
#include "tests/unit/attest/snp_json.h"
#include "tests/unit/attest/vectors.h"

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIR      "snp/synthetic/"
#define NOW      1780272000 /* 2026-06-01 */
#define NONCE    "AAECAwQFBgcICQ=="
#define INITDATA "version = \"0.1.0\"\nalgorithm = \"sha384\"\n[data]\n\"a\" = \"b\"\n"

struct scene {
    json_t *cases, *base, *tee_key, *jwk;
    struct crypto_key *guest_key, *vcek;
    struct snp_root root;
    struct snp_roots roots;
    char dir[40]; /* the collateral's */
    struct snp_keeper *keeper;
    struct snp_policy policy;
    struct evidence_snp door;
    char *chain, *vek, *template;
    size_t chain_len, vek_len;
    /* what the guest sends */
    uint8_t report[1184];
    struct binding b;
    const char *additional, *initdata;
    bool sends_vek;
};

static char *case_bytes(struct scene *s, const char *id, const char *which, size_t *len)
{
    json_t *c;
    size_t i;
    char name[128];
    json_array_foreach (json_object_get(s->cases, "cases"), i, c) {
        if (strcmp(member(c, "id"), id) == 0) {
            (void)snprintf(name, sizeof name, DIR "%s", member(c, which));
            return vector_bytes(name, len);
        }
    }
    cr_assert(false, "no case %s", id);
    return NULL;
}

static void take_policy(struct scene *s, const char *without)
{
    struct err e = {0};
    json_t *p = json_copy(s->base);
    static const char *const never[] = {"report_data", "host_data", "measurements"};
    for (size_t i = 0; i < ARRAY_COUNT(never); i++) { json_object_del(p, never[i]); }
    if (without) { cr_assert_eq(json_object_del(p, without), 0, "%s", without); }
    snp_policy_fini(&s->policy);
    cr_assert_eq(snp_policy_parse(p, &s->policy, &e), 0, "%s", e.text);
    json_decref(p);
}

/* What collateral items are called in the directory. */
#define CHAIN_FILE "snp-chain-Milan-vcek.pem"
#define CRL_FILE   "snp-crl-Milan.der"

static void put(struct scene *s, const char *name, const void *bytes, size_t len)
{
    char path[400], temp[420];
    (void)snprintf(path, sizeof path, "%s/%s", s->dir, name);
    (void)snprintf(temp, sizeof temp, "%s.new", path);
    FILE *f = fopen(temp, "wb");
    cr_assert(f && fwrite(bytes, 1, len, f) == len);
    fclose(f);
    cr_assert_eq(rename(temp, path), 0);
}

static void drop(struct scene *s, const char *name)
{
    char path[400];
    (void)snprintf(path, sizeof path, "%s/%s", s->dir, name);
    (void)unlink(path);
}

static void setup(struct scene *s)
{
    struct err e = {0};
    struct verdict v = {0};
    size_t len;
    auto_cert root = NULL;
    memset(s, 0, sizeof *s);
    s->cases = vector_json(DIR "cases.json");
    s->base = json_object_get(s->cases, "base_policy");
    char *der = case_bytes(s, "ok-milan-v3", "trusted_root", &len);
    cr_assert_eq(crypto_cert_from_der(der, len, &root), 0);
    free(der);
    cr_assert(snp_root_from_cert(root, &s->root, &v));
    s->roots = (struct snp_roots){.v = &s->root, .count = 1};
    s->chain = case_bytes(s, "ok-milan-v3", "chain", &s->chain_len);
    s->vek = case_bytes(s, "ok-milan-v3", "endorsement_key", &s->vek_len);
    s->template = case_bytes(s, "ok-milan-v3", "report", &len);
    (void)snprintf(s->dir, sizeof s->dir, "/tmp/snp-collateral-XXXXXX");
    cr_assert_not_null(mkdtemp(s->dir));
    put(s, CHAIN_FILE, s->chain, s->chain_len);
    take_policy(s, NULL);
    s->keeper = snp_keeper_new(s->dir, &s->roots);
    cr_assert_not_null(s->keeper);
    s->door = (struct evidence_snp){.keeper = s->keeper, .policy = &s->policy};
    char *pem = vector_bytes(DIR "keys/vcek-milan.key.pem", &len);
    cr_assert_eq(crypto_key_from_pem(pem, len, &s->vcek), 0);
    free(pem);
    cr_assert_eq(crypto_key_generate(CRYPTO_P256, 0, &s->guest_key), 0);
    cr_assert_eq(jwk_to_json(s->guest_key, "ECDH-ES+A256KW", false, &s->jwk), 0);
    cr_assert_eq(transcript_tee_key(s->jwk, &s->tee_key, &e), 0, "%s", e.text);
    s->additional = "";
    s->initdata = INITDATA;
    s->sends_vek = true;
}

static void teardown(struct scene *s)
{
    json_decref(s->cases);
    json_decref(s->tee_key);
    json_decref(s->jwk);
    crypto_key_free(s->guest_key);
    crypto_key_free(s->vcek);
    snp_keeper_free(s->keeper);
    drop(s, CHAIN_FILE);
    drop(s, CRL_FILE);
    (void)rmdir(s->dir);
    snp_policy_fini(&s->policy);
    free(s->chain);
    free(s->vek);
    free(s->template);
}

/* The processor's part: the fields as given, signed as firmware does. */
static void sign(struct scene *s, const uint8_t data[64], const uint8_t host_data[32])
{
    uint8_t digest[48], sig[132];
    size_t len;
    memcpy(s->report, s->template, sizeof s->report);
    memcpy(s->report + 0x50, data, 64);
    memcpy(s->report + 0xc0, host_data, 32);
    crypto_sha384(s->report, 0x2a0, digest);
    cr_assert_eq(crypto_ecdsa_sign(s->vcek, digest, 48, sig, &len), 0);
    memset(s->report + 0x2a0, 0, 144);
    for (size_t i = 0; i < 48; i++) {
        s->report[0x2a0 + i] = sig[47 - i];
        s->report[0x2e8 + i] = sig[95 - i];
    }
}

/* A guest that binds what it should. */
static void guest(struct scene *s)
{
    struct err e = {0};
    struct view text = {.p = (const uint8_t *)INITDATA, .len = strlen(INITDATA)};
    cr_assert_eq(binding_make(NONCE, s->tee_key, s->additional, text, &s->b, &e), 0, "%s", e.text);
    sign(s, s->b.report_data, s->b.host_data);
}

static void judge(struct scene *s, const char *nonce, int64_t now, struct claims *c,
                  struct verdict *v)
{
    json_t *doc = evidence_json(s->report, s->vek, s->vek_len);
    if (!s->sends_vek) { json_object_set_new(doc, "cert_chain", json_null()); }
    struct evidence ev = {
        .primary = doc,
        .additional = s->additional,
        .nonce = nonce,
        .tee_key = s->tee_key,
        .initdata = {.p = (const uint8_t *)s->initdata, .len = strlen(s->initdata)},
        .now = now,
    };
    struct verifier one = evidence_snp_verifier(&s->door);
    *v = (struct verdict){0};
    one.verify(one.ctx, &ev, c, v);
    json_decref(doc);
}

static void expect(struct scene *s, const char *nonce, int64_t now, const char *code)
{
    struct verdict v;
    auto_claims c = {0};
    judge(s, nonce, now, &c, &v);
    cr_expect_eq(v.result, code ? VERDICT_REFUSED : VERDICT_ACCEPTED);
    cr_expect_str_eq(v.reason_count ? v.reasons[0].code : "", code ? code : "");
}

Test(evidence_snp, guest_that_binds_everything_is_told_to_the_rules_by_cocos_names)
{
    struct scene s;
    struct verdict v;
    auto_claims c = {0};
    char hex[129];
    setup(&s);
    guest(&s);
    judge(&s, NONCE, NOW, &c, &v);
    cr_assert_eq(v.result, VERDICT_ACCEPTED, "%s", v.reasons[0].text);
    cr_assert_eq(c.phase, CLAIMS_PHASE_INIT);
    cr_assert_eq(c.initdata_len, 48);
    hex_of(c.measurement, 48, hex);
    cr_assert_str_eq(hex, "046e284b1b697206ac87f44e857535a3858dc6d5124d3ee61aa7ba4bbe1cc40d5ad60838"
                          "57f042f67e3874c66316303d");
    cr_assert_str_eq(member(c.platform, "measurement"), hex);
    cr_assert_eq(json_integer_value(json_object_get(c.platform, "reported_tcb_microcode")), 219);
    cr_assert_eq(json_integer_value(json_object_get(c.platform, "reported_tcb_bootloader")), 4);
    cr_assert(json_is_false(json_object_get(c.platform, "policy_debug_allowed")));
    cr_assert(json_is_true(json_object_get(c.platform, "policy_smt_allowed")));
    cr_assert_eq(strlen(member(c.platform, "chip_id")), 128);
    teardown(&s);
}

Test(evidence_snp, other_nonce_other_initdata_and_no_initdata_are_refused)
{
    struct scene s;
    setup(&s);
    guest(&s);
    expect(&s, "another", NOW, "snp-report-data");
    s.initdata = "version = \"0.1.0\"\nalgorithm = \"sha384\"\n[data]\n\"a\" = \"c\"\n";
    expect(&s, NONCE, NOW, "snp-host-data");
    s.initdata = ""; /* where that is allowed, whoever has some cannot hide them */
    expect(&s, NONCE, NOW, "snp-host-data");
    static const uint8_t none[32];
    sign(&s, s.b.report_data, none);
    expect(&s, NONCE, NOW, NULL);
    s.initdata = "no initdata";
    expect(&s, NONCE, NOW, "snp-evidence");
    teardown(&s);
}

Test(evidence_snp, register_form_tells_whether_the_guest_is_sealed)
{
    struct scene s;
    setup(&s);
    guest(&s);
    struct transcript_registers g = {0};
    struct err e = {0};
    char *text;
    memcpy(g.value[0], s.b.register0, 48);
    memset(g.value[1], 7, 48);
    cr_assert_eq(transcript_registers_format(&g, &text, &e), 0, "%s", e.text);
    s.additional = text;
    for (int sealed = 0; sealed < 2; sealed++) {
        uint8_t data[64];
        struct verdict v;
        auto_claims c = {0};
        guest(&s);
        transcript_register_form(&g, sealed, s.b.report_data, data);
        sign(&s, data, s.b.host_data);
        judge(&s, NONCE, NOW, &c, &v);
        cr_assert_eq(v.result, VERDICT_ACCEPTED, "%s", v.reasons[0].text);
        cr_expect_eq(c.phase, sealed ? CLAIMS_PHASE_APPLICATION : CLAIMS_PHASE_INIT);
        cr_expect(c.has_registers && c.registers[1][0] == 7);
    }
    /* Register 0 of other initdata. */
    g.value[0][0] ^= 1;
    free(text);
    cr_assert_eq(transcript_registers_format(&g, &text, &e), 0, "%s", e.text);
    s.additional = text;
    guest(&s);
    expect(&s, NONCE, NOW, "register-initdata");
    free(text);
    teardown(&s);
}

Test(evidence_snp, additional_evidence_of_other_devices_is_bound_and_tells_no_registers)
{
    struct scene s;
    struct verdict v;
    auto_claims c = {0};
    setup(&s);
    s.additional = "{\"sampledevice\":{}}";
    guest(&s);
    judge(&s, NONCE, NOW, &c, &v);
    cr_assert_eq(v.result, VERDICT_ACCEPTED, "%s", v.reasons[0].text);
    cr_assert(!c.has_registers);
    s.additional = "{}";
    expect(&s, NONCE, NOW, "snp-report-data");
    teardown(&s);
}

Test(evidence_snp, policy_that_is_silent_about_a_member_lets_nobody_in)
{
    struct scene s;
    setup(&s);
    guest(&s);
    for (unsigned m = 0; m < SNP_M_COUNT; m++) {
        if (EVIDENCE_SNP_BESIDE & 1u << m) { continue; }
        take_policy(&s, snp_member_name((enum snp_member)m));
        expect(&s, NONCE, NOW, "snp-policy-member");
    }
    take_policy(&s, NULL);
    expect(&s, NONCE, NOW, NULL);
    teardown(&s);
}

Test(evidence_snp, certificate_comes_from_the_evidence_or_the_directory)
{
    struct scene s;
    char chip[129], tcb[17], name[300];
    setup(&s);
    guest(&s);
    s.sends_vek = false;
    expect(&s, NONCE, NOW, "snp-vek-missing");
    hex_of(s.report + 0x1a0, 64, chip);
    hex_of(s.report + 0x180, 8, tcb);
    (void)snprintf(name, sizeof name, "snp-vcek-Milan-%s-%s.der", chip, tcb);
    put(&s, name, s.vek, s.vek_len);
    expect(&s, NONCE, NOW, NULL);
    /* A file that is none is a reason, not a crash. */
    put(&s, name, "no certificate", 14);
    expect(&s, NONCE, NOW, "snp-vek-unreadable");
    drop(&s, name);
    teardown(&s);
}

static struct view view_of(const char *p, size_t len)
{
    return (struct view){.p = (const uint8_t *)p, .len = len};
}

static void put_crl(struct scene *s, const char *id)
{
    size_t len;
    char *crl = case_bytes(s, id, "crl", &len);
    put(s, CRL_FILE, crl, len);
    free(crl);
}

Test(evidence_snp, chain_that_was_followed_once_is_not_followed_again_but_asked_again)
{
    struct scene s;
    struct verdict v = {0};
    struct view none = {0};
    struct snp_report r = {.cpu_product = SNP_MILAN};
    setup(&s);
    guest(&s);
    struct view vek = view_of(s.vek, s.vek_len);
    const struct snp_endorsement *first = snp_keeper_endorse(s.keeper, &r, vek, none, none, &v);
    cr_assert_not_null(first);
    drop(&s, CHAIN_FILE);
    cr_assert_eq(snp_keeper_endorse(s.keeper, &r, vek, none, none, &v), first);
    expect(&s, NONCE, NOW, NULL);
    expect(&s, NONCE, INT64_C(2840140800), "snp-validity"); /* 2060 */
    put_crl(&s, "crl-ask-revoked");
    expect(&s, NONCE, NOW, "snp-crl-revoked");
    put_crl(&s, "ok-crl");
    expect(&s, NONCE, NOW, NULL);
    teardown(&s);
}

Test(evidence_snp, list_that_vanishes_or_breaks_or_is_forged_does_not_push_out_the_one_held)
{
    struct scene s;
    setup(&s);
    guest(&s);
    put_crl(&s, "crl-ask-revoked");
    expect(&s, NONCE, NOW, "snp-crl-revoked");
    drop(&s, CRL_FILE);
    expect(&s, NONCE, NOW, "snp-crl-revoked");
    put(&s, CRL_FILE, "x", 1);
    expect(&s, NONCE, NOW, "snp-crl-revoked");
    put_crl(&s, "crl-wrong-signer");
    expect(&s, NONCE, NOW, "snp-crl-revoked");
    /* One of the same day is as good: what it says comes with the root's signature. */
    put_crl(&s, "ok-crl");
    expect(&s, NONCE, NOW, NULL);
    teardown(&s);
}

Test(evidence_snp, chain_may_come_with_the_evidence_when_none_was_added)
{
    struct scene s;
    struct verdict v = {0};
    struct view none = {0};
    struct snp_trust *t;
    setup(&s);
    cr_assert_eq(snp_trust_new(&s.roots, &t), 0);
    struct view vek = view_of(s.vek, s.vek_len);
    cr_assert_null(snp_trust_endorse(t, vek, none, none, &v));
    cr_assert_str_eq(v.reasons[0].code, "snp-chain-length");
    /* The root alone in DER is at hand; the intermediate is not, so the root poses as both. */
    size_t len;
    char *root = case_bytes(&s, "ok-milan-v3", "trusted_root", &len);
    v = (struct verdict){0};
    cr_assert_null(snp_trust_endorse(t, vek, view_of(root, len), view_of(root, len), &v));
    cr_assert_str_eq(v.reasons[0].code, "snp-chain-signature");
    v = (struct verdict){0};
    cr_assert_null(snp_trust_endorse(t, vek, view_of("x", 1), view_of(root, len), &v));
    cr_assert_str_eq(v.reasons[0].code, "snp-chain-unreadable");
    free(root);
    snp_trust_free(t);
    teardown(&s);
}

Test(evidence_snp, only_chains_to_the_roots_are_added)
{
    struct scene s;
    struct err e = {0};
    struct snp_trust *t;
    setup(&s);
    cr_assert_eq(snp_trust_new(&snp_amd_roots, &t), 0);
    cr_assert_lt(snp_trust_add_chain(t, s.chain, s.chain_len, &e), 0);
    cr_assert(strstr(e.text, "no certificate of the chain has the key of a root"));
    e = (struct err){0};
    cr_assert_lt(snp_trust_add_chain(t, "x", 1, &e), 0);
    snp_trust_free(t);
    teardown(&s);
}

Test(evidence_snp, further_devices_are_none_of_its_business)
{
    struct scene s;
    struct verdict v;
    auto_claims c = {0};
    setup(&s);
    guest(&s);
    s.additional = NULL;
    judge(&s, NONCE, NOW, &c, &v);
    cr_assert_eq(v.result, VERDICT_REFUSED);
    cr_assert_str_eq(v.reasons[0].code, "snp-evidence");
    teardown(&s);
}
