/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What crosses between guest and broker, against answers made elsewhere: initdata, report data,
 * launch digests; and the sim report, where every byte that could be changed is changed.
 */
#include "attest/initdata.h"
#include "attest/measure.h"
#include "attest/sim_signer.h"
#include "attest/transcript.h"
#include "attest/verify/sim.h"

#include "tests/unit/attest/vectors.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- initdata */

Test(initdata, digests_and_host_fields_are_those_of_the_vectors)
{
    json_t *all = vector_json("coco/initdata/cases.json"), *c;
    size_t i, seen = 0;
    json_array_foreach (json_object_get(all, "cases"), i, c) {
        char path[128], hex[129];
        uint8_t field[48];
        size_t len;
        struct err e = {0};
        struct initdata d = {0};
        snprintf(path, sizeof path, "coco/initdata/%s", member(c, "file"));
        char *text = vector_bytes(path, &len);
        cr_assert_eq(initdata_parse(text, len, &d, &e), 0, "%s", e.text);
        hex_of(d.digest, d.digest_len, hex);
        cr_assert_str_eq(hex, member(c, "digest_hex"));
        initdata_field(&d, field, INITDATA_FIELD_SNP);
        hex_of(field, INITDATA_FIELD_SNP, hex);
        cr_assert_str_eq(hex, member(c, "snp_host_data_hex"));
        initdata_field(&d, field, INITDATA_FIELD_TDX);
        hex_of(field, INITDATA_FIELD_TDX, hex);
        cr_assert_str_eq(hex, member(c, "tdx_mrconfigid_hex"));
        cr_assert_str_eq(
            initdata_text(&d, INITDATA_AA),
            "[token_configs]\n[token_configs.kbs]\nurl = \"http://kbs.example.test:8080\"\n");
        cr_assert_null(initdata_text(&d, INITDATA_POLICY));
        initdata_fini(&d);
        free(text);
        seen++;
    }
    cr_assert_eq(seen, 3);
    json_array_foreach (json_object_get(all, "bad"), i, c) {
        char path[128];
        size_t len;
        struct err e = {0};
        struct initdata d = {0};
        snprintf(path, sizeof path, "coco/initdata/%s", member(c, "file"));
        char *text = vector_bytes(path, &len);
        cr_assert_lt(initdata_parse(text, len, &d, &e), 0, "%s was read", path);
        cr_assert_neq(e.text[0], '\0');
        free(text);
    }
    json_decref(all);
}

Test(initdata, a_key_nobody_knows_at_top_level_is_refused)
{
    static const char text[] = "version = '0.1.0'\nalgorithm = 'sha256'\nextra = 1\n[data]\n";
    struct err e = {0};
    struct initdata d = {0};
    cr_assert_eq(initdata_parse(text, sizeof text - 1, &d, &e), -EINVAL);
    cr_assert_str_eq(e.text, "initdata: unknown key \"extra\"");
}

/* ---- report data */

Test(transcript, report_data_is_that_of_the_vectors)
{
    json_t *all = vector_json("coco/rcar/report-data.json"), *c;
    size_t i, seen = 0;
    json_array_foreach (json_object_get(all, "cases"), i, c) {
        struct err e = {0};
        uint8_t data[64];
        char hex[129];
        json_t *key = NULL;
        const char *hash = member(c, "hash");
        enum crypto_hash h = strcmp(hash, "sha384") == 0   ? CRYPTO_SHA384
                             : strcmp(hash, "sha512") == 0 ? CRYPTO_SHA512
                                                           : CRYPTO_SHA256;
        cr_assert_eq(transcript_tee_key(json_object_get(c, "tee_pubkey_as_sent"), &key, &e), 0,
                     "%s", e.text);
        cr_assert_eq(transcript_report_data(member(c, "nonce"), key,
                                            member(c, "additional_evidence"), h, data, &e),
                     0);
        hex_of(data, 64, hex);
        cr_assert_str_eq(hex, member(c, "report_data_64_hex"), "%s", member(c, "name"));
        json_decref(key);
        seen++;
    }
    cr_assert_eq(seen, 8);
    json_decref(all);
}

Test(transcript, tee_key_without_a_member_that_is_hashed_is_refused)
{
    struct err e = {0};
    json_t *key = NULL,
           *j = json_pack("{s:s,s:s,s:s,s:s}", "kty", "EC", "crv", "P-256", "x", "AA", "y", "AA");
    cr_assert_eq(transcript_tee_key(j, &key, &e), -EBADMSG);
    cr_assert_str_eq(e.text, "tee-pubkey: member \"alg\" is missing");
    json_decref(j);
}

Test(transcript, registers_survive_the_way_out_and_in_and_strangers_do_not)
{
    static const char *const bad[] = {
        "{}",
        "[]",
        "x",
        "{\"launch_flags\":1}",
        "{\"launch_flags\":-1,\"registers\":[]}",
        "{\"launch_flags\":0,\"registers\":[\"00\",\"00\",\"00\",\"00\"]}",
    };
    struct transcript_registers g = {.launch_flags = 0x80000001}, back;
    struct err e = {0};
    char *text;
    bool present = false;
    memset(g.value, 0xa5, sizeof g.value);
    cr_assert_eq(transcript_registers_format(&g, &text, &e), 0);
    cr_assert_eq(strncmp(text, "{\"launch_flags\":2147483649,\"registers\":[\"a5a5", 45), 0);
    cr_assert_eq(transcript_registers_parse(text, &back, &present, &e), 0, "%s", e.text);
    cr_assert(present);
    cr_assert_eq(back.launch_flags, 0x80000001);
    cr_assert_eq(memcmp(back.value, g.value, sizeof g.value), 0);
    free(text);
    cr_assert_eq(transcript_registers_parse("", &back, &present, &e), 0);
    cr_assert_not(present);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_lt(transcript_registers_parse(bad[i], &back, &present, &(struct err){0}), 0, "%s",
                     bad[i]);
    }
}

Test(transcript, register_form_is_the_documented_hash_and_carries_its_mark)
{
    struct transcript_registers g = {.launch_flags = 0x01020304};
    uint8_t data[64], out[64], want[48];
    char hex[129];
    for (size_t i = 0; i < sizeof data; i++) { data[i] = (uint8_t)i; }
    memset(g.value[3], 7, 48);
    transcript_register_form(&g, true, data, out);
    cr_assert(transcript_is_register_form(out));
    cr_assert_not(transcript_is_register_form(data));
    cr_assert_eq(memcmp(out + 48, "casemate-report1", 16), 0);
    /* printf 'casemate-report-v1\4\3\2\1\1' ; 144 zeros ; 48 sevens ; 00..3f | sha384sum */
    unhex(
        "2a7ce7b1d03489c0acb584b465df50fe04b409b9ceeaa24a002753b609a90c818904fec1ec8fb225e8a8e1c8a456a005",
        want, 48);
    hex_of(out, 48, hex);
    cr_assert_eq(memcmp(out, want, 48), 0, "%s", hex);
}

/* ---- launch digest */

static uint64_t number(const json_t *obj, const char *name)
{
    return strtoull(member(obj, name), NULL, 0);
}

static void vmsa_page(const json_t *all, const char *name, uint8_t page[4096])
{
    size_t i, q;
    json_t *v, *pair;
    memset(page, 0, 4096);
    json_array_foreach (json_object_get(all, "vmsas"), i, v) {
        if (strcmp(member(v, "name"), name) != 0) { continue; }
        json_array_foreach (json_object_get(v, "nonzero_qwords"), q, pair) {
            size_t off = strtoull(json_string_value(json_array_get(pair, 0)), NULL, 0);
            unhex(json_string_value(json_array_get(pair, 1)), page + off, 8);
        }
        return;
    }
    cr_assert_fail("no VMSA %s", name);
}

static void play_step(const json_t *all, const json_t *s, struct measure_snp *m)
{
    uint8_t page[4096];
    const char *type = member(s, "type");
    uint64_t gpa = number(s, "gpa");
    const json_t *blob = json_object_get(s, "blob");
    if (strcmp(type, "normal") == 0) {
        uint64_t a = (uint64_t)json_integer_value(json_object_get(blob, "a")),
                 b = (uint64_t)json_integer_value(json_object_get(blob, "b")),
                 c = (uint64_t)json_integer_value(json_object_get(blob, "c")),
                 len = number(blob, "len");
        for (uint64_t at = 0; at < len; at += 4096) {
            for (uint64_t i = at; i < at + 4096; i++) {
                page[i - at] = (uint8_t)(a * i + b + c * (i / 4096));
            }
            cr_assert_eq(measure_snp_page(m, MEASURE_NORMAL, gpa + at, page), 0);
        }
    } else if (strcmp(type, "vmsa") == 0) {
        vmsa_page(all, member(s, "vmsa"), page);
        for (int64_t i = 0; i < json_integer_value(json_object_get(s, "count")); i++) {
            cr_assert_eq(measure_snp_page(m, MEASURE_VMSA, 0, page), 0);
        }
    } else {
        enum measure_page_type t = strcmp(type, "zero") == 0         ? MEASURE_ZERO
                                   : strcmp(type, "unmeasured") == 0 ? MEASURE_UNMEASURED
                                   : strcmp(type, "secrets") == 0    ? MEASURE_SECRETS
                                                                     : MEASURE_CPUID;
        uint64_t len = *member(s, "len") ? number(s, "len") : 4096;
        for (uint64_t at = 0; at < len; at += 4096) {
            cr_assert_eq(measure_snp_page(m, t, gpa + at, NULL), 0);
        }
    }
}

Test(measure, launch_digests_are_those_computed_elsewhere_after_every_step)
{
    json_t *all = vector_json("snp/launch-digests.json"), *c, *s;
    size_t i, k, seen = 0;
    json_array_foreach (json_object_get(all, "cases"), i, c) {
        struct measure_snp m;
        char hex[97];
        measure_snp_init(&m);
        json_array_foreach (json_object_get(c, "steps"), k, s) {
            play_step(all, s, &m);
            hex_of(m.digest, sizeof m.digest, hex);
            cr_assert_str_eq(hex, member(s, "digest_after"), "%s step %zu", member(c, "name"), k);
        }
        cr_assert_str_eq(hex, member(c, "launch_digest"));
        seen++;
    }
    cr_assert_eq(seen, 40);
    json_decref(all);
}

Test(measure, page_where_none_belongs_is_refused)
{
    static const uint8_t page[4096];
    struct measure_snp m;
    measure_snp_init(&m);
    cr_assert_eq(measure_snp_page(&m, MEASURE_NORMAL, 0, NULL), -EINVAL);
    cr_assert_eq(measure_snp_page(&m, MEASURE_ZERO, 0, page), -EINVAL);
    cr_assert_eq(measure_snp_page(&m, MEASURE_NORMAL, 0x800, page), -EINVAL);
    cr_assert_eq(measure_snp_page(&m, (enum measure_page_type)7, 0, NULL), -EINVAL);
}

Test(measure, plan_is_hashed_in_its_order_with_the_processors_own_address_for_the_vmsa)
{
    /* The digest: a dozen lines of Python after [SNP-ABI], over these three pages. */
    static uint8_t page[3][4096];
    struct plan p = {.count = 3,
                     .page = {{PLAN_NORMAL, 0x1000, page[0]},
                              {PLAN_NORMAL, 0xffffa000, page[1]},
                              {PLAN_VMSA, 0, page[2]}}};
    uint8_t digest[48];
    char hex[97];
    for (size_t i = 0; i < 4096; i++) { page[0][i] = (uint8_t)(7 * i + 3); }
    memset(page[2], 0xee, 4096);
    cr_assert_eq(measure_sim(NULL, &p, digest), 0);
    hex_of(digest, 48, hex);
    cr_assert_str_eq(
        hex,
        "176b78efd63bf4d07c1033552c215523fbeb8ff695f5d0a599d82accf70ec8a6014e2f7f6526ea127b30f8b8b7f7d304");
    p.page[1].gpa += 1;
    cr_assert_eq(measure_sim(NULL, &p, digest), -EINVAL);
}

/* ---- sim */

struct scene {
    char dir[64], path[96];
    struct sim_signer *signer;
    uint8_t data[64], measurement[48], host[32], report[1184];
    const struct crypto_key *key;
};

static void setup(struct scene *s)
{
    struct err e = {0};
    snprintf(s->dir, sizeof s->dir, "/tmp/casemate-sim-XXXXXX");
    cr_assert(mkdtemp(s->dir));
    snprintf(s->path, sizeof s->path, "%s/a/sim.key", s->dir);
    cr_assert_eq(sim_signer_open(s->path, &s->signer, &e), 0, "%s", e.text);
    memset(s->data, 1, sizeof s->data);
    memset(s->measurement, 2, sizeof s->measurement);
    memset(s->host, 3, sizeof s->host);
    cr_assert_eq(sim_signer_report(s->signer, s->data, s->measurement, s->host, s->report), 0);
    s->key = sim_signer_key(s->signer);
}

static void teardown(struct scene *s)
{
    char dir[80];
    unlink(s->path);
    snprintf(dir, sizeof dir, "%s/a", s->dir);
    rmdir(dir);
    rmdir(s->dir);
    sim_signer_free(s->signer);
}

static struct sim_demand demand_all(struct scene *s)
{
    return (struct sim_demand){.insecure_keys = &s->key,
                               .insecure_key_count = 1,
                               .report_data = s->data,
                               .host_data = s->host,
                               .measurements = &s->measurement,
                               .measurement_count = 1};
}

Test(sim, verdict_that_nobody_touched_is_refused)
{
    struct verdict v = {0};
    cr_assert_eq(v.result, VERDICT_REFUSED);
}

Test(sim, report_is_accepted_when_everything_demanded_holds)
{
    struct scene s;
    struct verdict v = {0};
    struct sim_facts f;
    setup(&s);
    struct sim_demand d = demand_all(&s);
    verify_sim(s.report, sizeof s.report, &d, &f, &v);
    cr_assert_eq(v.result, VERDICT_ACCEPTED, "%s", v.reasons[0].text);
    cr_assert_eq(v.unbound_count, 0);
    cr_assert_eq(memcmp(f.measurement, s.measurement, 48), 0);
    teardown(&s);
}

Test(sim, any_changed_byte_is_refused)
{
    struct scene s;
    setup(&s);
    struct sim_demand d = {.insecure_keys = &s.key, .insecure_key_count = 1};
    for (size_t i = 0; i < sizeof s.report; i += i < 0x60 || i > 0x290 ? 1 : 7) {
        struct verdict v = {0};
        struct sim_facts f;
        s.report[i] ^= 0x40;
        verify_sim(s.report, sizeof s.report, &d, &f, &v);
        cr_assert_eq(v.result, VERDICT_REFUSED, "byte 0x%zx", i);
        cr_assert_geq(v.reason_count, 1);
        s.report[i] ^= 0x40;
    }
    teardown(&s);
}

Test(sim, every_demand_that_does_not_hold_is_a_reason_of_its_own)
{
    struct scene s;
    struct verdict v = {0};
    struct sim_facts f;
    static const uint8_t other[64] = {9}, other_measurement[1][48] = {{8}};
    setup(&s);
    struct sim_demand d = {.insecure_keys = NULL,
                           .insecure_key_count = 0,
                           .report_data = other,
                           .host_data = other,
                           .measurements = other_measurement,
                           .measurement_count = 1};
    verify_sim(s.report, sizeof s.report, &d, &f, &v);
    cr_assert_eq(v.result, VERDICT_REFUSED);
    cr_assert_eq(v.reason_count, 4);
    cr_assert_str_eq(v.reasons[0].code, "sim-key");
    cr_assert_str_eq(v.reasons[1].code, "sim-report-data");
    cr_assert_str_eq(v.reasons[2].code, "sim-measurement");
    cr_assert_str_eq(v.reasons[3].code, "sim-host-data");
    teardown(&s);
}

Test(sim, what_nobody_demanded_is_listed_as_unbound)
{
    struct scene s;
    struct verdict v = {0};
    struct sim_facts f;
    setup(&s);
    struct sim_demand d = {.insecure_keys = &s.key, .insecure_key_count = 1};
    verify_sim(s.report, sizeof s.report, &d, &f, &v);
    cr_assert_eq(v.result, VERDICT_ACCEPTED);
    cr_assert_eq(v.unbound_count, 3);
    teardown(&s);
}

Test(sim, signature_is_no_snp_signature_under_the_same_key)
{
    struct scene s;
    uint8_t digest[48], sig[96];
    setup(&s);
    crypto_sha384(s.report, 0x2a0, digest); /* what SNP signs */
    for (size_t i = 0; i < 48; i++) {
        sig[i] = s.report[0x2a0 + 47 - i];
        sig[48 + i] = s.report[0x2e8 + 47 - i];
    }
    cr_assert_eq(crypto_ecdsa_verify(s.key, digest, 48, sig, 96), -EKEYREJECTED);
    teardown(&s);
}

Test(sim, evidence_survives_the_wire_and_more_members_do_not)
{
    struct scene s;
    uint8_t back[1184];
    struct err e = {0};
    setup(&s);
    json_t *j = sim_evidence_format(s.report);
    cr_assert_eq(sim_evidence_parse(j, back, &e), 0, "%s", e.text);
    cr_assert_eq(memcmp(back, s.report, sizeof back), 0);
    json_object_set_new(j, "x", json_true());
    cr_assert_eq(sim_evidence_parse(j, back, &e), -EBADMSG);
    json_decref(j);
    teardown(&s);
}

Test(sim_signer, key_is_made_once_and_read_afterwards)
{
    struct scene s;
    struct err e = {0};
    struct sim_signer *again;
    struct stat st;
    setup(&s);
    cr_assert_eq(stat(s.path, &st), 0);
    cr_assert_eq(st.st_mode & 07777, 0600);
    cr_assert_eq(sim_signer_open(s.path, &again, &e), 0, "%s", e.text);
    cr_assert(crypto_key_same_public(sim_signer_key(again), s.key));
    sim_signer_free(again);
    teardown(&s);
}

Test(sim_signer, key_file_others_may_read_is_refused)
{
    struct scene s;
    struct err e = {0};
    struct sim_signer *again = NULL;
    setup(&s);
    cr_assert_eq(chmod(s.path, 0644), 0);
    cr_assert_eq(sim_signer_open(s.path, &again, &e), -EPERM);
    cr_assert(strstr(e.text, "mode 0644 lets others in"), "%s", e.text);
    cr_assert_null(again);
    teardown(&s);
}
