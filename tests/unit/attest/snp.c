/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SNP verifier against reports made elsewhere: 144 of a made hierarchy, each with one fault and
 * the number of the check that has to see it, and the real ones with their real chains.
 */
#include "attest/cli/judge.h"
#include "attest/verify/explain.h"
#include "attest/verify/snp/evidence.h"
#include "attest/verify/snp/snp.h"
#include "tests/unit/attest/snp_json.h"
#include "tests/unit/attest/vectors.h"

#include <errno.h>
#include <time.h>

#define DIR "snp/synthetic/"

/* ---- a judgement, as cc-attest makes it */

struct judgement {
    struct judge_input in;
    struct verdict_table table;
    struct verdict v;
    json_t *claims;
    struct err e;
    int r;
};

static void put_bytes(struct judgement *j, enum judge_file f, const void *p, size_t len)
{
    free(j->in.file[f].bytes);
    char *copy = calloc(1, len + 1);
    memcpy(copy, p, len);
    j->in.file[f].bytes = copy;
    j->in.file[f].len = len;
}

static void put_file(struct judgement *j, enum judge_file f, const char *name)
{
    free(j->in.file[f].bytes);
    j->in.file[f].bytes = vector_bytes(name, &j->in.file[f].len);
}

static void put_json(struct judgement *j, enum judge_file f, const json_t *doc)
{
    char *text = json_dumps(doc, 0);
    put_bytes(j, f, text, strlen(text));
    free(text);
}

static void run(struct judgement *j)
{
    json_decref(j->claims);
    j->v = (struct verdict){.table = &j->table};
    j->table.count = 0;
    j->e = (struct err){0};
    j->claims = json_object();
    j->r = judge_snp.run(&j->in, &j->v, j->claims, &j->e);
}

static void done(struct judgement *j)
{
    for (size_t i = 0; i < JUDGE_FILES; i++) { free(j->in.file[i].bytes); }
    json_decref(j->claims);
}

/* Exactly these codes, in this order. */
static void expect_codes(const struct judgement *j, const char *what, const char *codes)
{
    char got[512] = "";
    for (size_t i = 0; i < j->v.reason_count && i < VERDICT_REASONS_MAX; i++) {
        size_t at = strlen(got);
        (void)snprintf(got + at, sizeof got - at, "%s%s", i ? " " : "", j->v.reasons[i].code);
    }
    cr_expect_eq(j->r, 0, "%s: %s", what, j->e.text);
    cr_expect_str_eq(got, codes, "%s: got %s, wanted %s", what, got, codes);
    cr_expect_eq(j->v.result, codes[0] ? VERDICT_REFUSED : VERDICT_ACCEPTED, "%s", what);
}

static int64_t time_of(const char *text)
{
    struct tm tm = {0};
    cr_assert(strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm), "%s", text);
    return (int64_t)timegm(&tm);
}

/* ---- the made cases */

static json_t *made; /* cases.json */

static void load(void) { made = vector_json(DIR "cases.json"); }
static void unload(void) { json_decref(made); }
TestSuite(snp, .init = load, .fini = unload);

static json_t *made_policy(const json_t *c)
{
    json_t *p = json_copy(json_object_get(made, "base_policy"));
    cr_assert_eq(json_object_update(p, json_object_get(c, "policy")), 0);
    return p;
}

static void put_case_file(struct judgement *j, enum judge_file f, const json_t *c, const char *name)
{
    char path[128];
    if (!json_object_get(c, name)) { return; }
    (void)snprintf(path, sizeof path, DIR "%s", member(c, name));
    put_file(j, f, path);
}

static struct judgement of_case(const json_t *c)
{
    struct judgement j = {0};
    put_case_file(&j, JUDGE_EVIDENCE, c, "report");
    put_case_file(&j, JUDGE_VEK, c, "endorsement_key");
    put_case_file(&j, JUDGE_CHAIN, c, "chain");
    put_case_file(&j, JUDGE_ROOT, c, "trusted_root");
    put_case_file(&j, JUDGE_CRL, c, "crl");
    json_t *policy = made_policy(c);
    put_json(&j, JUDGE_POLICY, policy);
    json_decref(policy);
    j.in.now = time_of(member(c, "time"));
    return j;
}

static const json_t *find_case(const char *id)
{
    const json_t *c;
    size_t i;
    json_array_foreach (json_object_get(made, "cases"), i, c) {
        if (strcmp(member(c, "id"), id) == 0) { return c; }
    }
    cr_assert(false, "no case %s", id);
    return NULL;
}

Test(snp, every_made_case_is_decided_as_its_maker_says_and_by_that_check_first)
{
    const json_t *c;
    size_t i;
    json_array_foreach (json_object_get(made, "cases"), i, c) {
        struct judgement j = of_case(c);
        const char *id = member(c, "id"), *expect = member(c, "expect");
        run(&j);
        cr_expect_eq(j.r, 0, "%s: %s", id, j.e.text);
        if (strcmp(expect, "accept") == 0) {
            expect_codes(&j, id, "");
        } else if (strcmp(expect, "reject") == 0) {
            cr_expect_eq(j.v.result, VERDICT_REFUSED, "%s", id);
            cr_expect_geq(j.v.reason_count, 1, "%s", id);
            const struct verdict_code *code =
                j.v.reason_count ? explain_find(j.v.reasons[0].code) : NULL;
            cr_expect(code && strcmp(code->ref, member(c, "check")) == 0, "%s: %s, wanted %s", id,
                      code ? code->ref : "nothing", member(c, "check"));
        }
        done(&j);
    }
    cr_assert_eq(i, 144);
}

Test(snp, where_the_maker_leaves_the_choice_we_choose_always_the_same)
{
    struct judgement j = of_case(find_case("chain-order-swapped"));
    run(&j);
    expect_codes(&j, "root first", "");
    done(&j);
    j = of_case(find_case("crl-vek-serial-listed"));
    run(&j);
    expect_codes(&j, "number of the endorsement key listed", "snp-crl-revoked");
    done(&j);
}

Test(snp, one_fault_is_one_reason_wherever_the_fault_has_one_effect)
{
    /* A level below the minimum at launch too, and what the host can go back to above what runs. */
    static const struct {
        const char *id, *codes;
    } several[] = {
        {"tcb-componentwise", "snp-tcb-minimum snp-launch-tcb"},
        {"tcb-below-min", "snp-tcb-minimum snp-launch-tcb"},
        {"tcb-committed-above-current", "snp-tcb-order snp-provisional"},
        {"turin-snp-low", "snp-tcb-minimum snp-launch-tcb"},
        {"turin-legacy-layout", "snp-tcb-reserved snp-tcb-certificate"},
    };
    const json_t *c;
    size_t i;
    json_array_foreach (json_object_get(made, "cases"), i, c) {
        struct judgement j = of_case(c);
        const char *codes = NULL;
        run(&j);
        for (size_t k = 0; k < ARRAY_COUNT(several); k++) {
            if (strcmp(several[k].id, member(c, "id")) == 0) { codes = several[k].codes; }
        }
        if (codes) {
            expect_codes(&j, member(c, "id"), codes);
        } else {
            cr_expect_leq(j.v.reason_count, 1, "%s", member(c, "id"));
        }
        done(&j);
    }
}

/* ---- files of strangers that are no files of the kind */

Test(snp, what_does_not_parse_is_refused_by_a_code_of_its_own)
{
    static const struct {
        enum judge_file file;
        const char *bytes, *codes;
    } t[] = {
        {JUDGE_EVIDENCE, "{\"attestation_report\":{}}", "snp-evidence"},
        {JUDGE_EVIDENCE, "{", "snp-evidence"},
        {JUDGE_EVIDENCE, "x", "snp-size"},
        {JUDGE_VEK, "x", "snp-vek-unreadable"},
        {JUDGE_VEK, "", "snp-vek-unreadable"},
        {JUDGE_CHAIN, "x", "snp-chain-unreadable"},
        {JUDGE_CHAIN, "", "snp-chain-unreadable"},
        {JUDGE_ROOT, "x", "snp-root-unreadable"},
        {JUDGE_CRL, "x", "snp-crl-unreadable"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(t); i++) {
        struct judgement j = of_case(find_case("ok-milan-v3"));
        put_bytes(&j, t[i].file, t[i].bytes, strlen(t[i].bytes));
        run(&j);
        expect_codes(&j, t[i].bytes, t[i].codes);
        done(&j);
    }
}

Test(snp, root_must_be_named_as_one)
{
    struct judgement j = of_case(find_case("ok-milan-v3"));
    put_case_file(&j, JUDGE_ROOT, find_case("ok-milan-v3"), "endorsement_key");
    run(&j);
    expect_codes(&j, "an endorsement key as root", "snp-root-unreadable");
    done(&j);
}

Test(snp, input_larger_than_any_honest_one_is_not_looked_at)
{
    static const enum judge_file files[] = {JUDGE_EVIDENCE, JUDGE_VEK, JUDGE_CHAIN, JUDGE_ROOT};
    char *big = calloc(1, 1 << 20);
    for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
        struct judgement j = of_case(find_case("ok-milan-v3"));
        put_bytes(&j, files[i], big, 1 << 20);
        run(&j);
        expect_codes(&j, "a mebibyte", "snp-limits");
        done(&j);
    }
    free(big);
}

Test(snp, without_the_signing_keys_certificate_nothing_is_believed)
{
    struct judgement j = of_case(find_case("ok-milan-v3"));
    free(j.in.file[JUDGE_VEK].bytes);
    j.in.file[JUDGE_VEK].bytes = NULL;
    run(&j);
    expect_codes(&j, "no certificate", "snp-vek-missing");
    done(&j);
}

Test(snp, made_roots_are_trusted_only_when_they_are_named)
{
    struct judgement j = of_case(find_case("ok-milan-v3"));
    free(j.in.file[JUDGE_ROOT].bytes);
    j.in.file[JUDGE_ROOT].bytes = NULL;
    j.in.file[JUDGE_ROOT].len = 0;
    run(&j);
    expect_codes(&j, "AMD's roots", "snp-root");
    cr_assert_str_eq(member(j.claims, "trusted_roots"), "amd");
    done(&j);
    j = of_case(find_case("ok-milan-v3"));
    run(&j);
    expect_codes(&j, "the made root", "");
    cr_assert_str_eq(member(j.claims, "trusted_roots"), "replaced by --root");
    done(&j);
}

Test(snp, what_is_not_given_is_looked_for_in_the_collateral_directory)
{
    const json_t *c = find_case("ok-crl");
    struct judgement j = of_case(c), bare = of_case(c);
    char dir[] = "/tmp/snp-collateral-XXXXXX", chip[129], tcb[17], path[3][400];
    cr_assert_not_null(mkdtemp(dir));
    hex_of((uint8_t *)j.in.file[JUDGE_EVIDENCE].bytes + 0x1a0, 64, chip);
    hex_of((uint8_t *)j.in.file[JUDGE_EVIDENCE].bytes + 0x180, 8, tcb);
    (void)snprintf(path[0], sizeof path[0], "%s/snp-vcek-Milan-%s-%s.der", dir, chip, tcb);
    (void)snprintf(path[1], sizeof path[1], "%s/snp-chain-Milan-vcek.pem", dir);
    (void)snprintf(path[2], sizeof path[2], "%s/snp-crl-Milan.der", dir);
    static const enum judge_file files[] = {JUDGE_VEK, JUDGE_CHAIN, JUDGE_CRL};
    static const char *const codes[] = {"snp-vek-missing", "snp-chain-length", "snp-crl-missing"};
    bare.in.collateral_dir = dir;
    for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
        free(bare.in.file[files[i]].bytes);
        bare.in.file[files[i]].bytes = NULL;
        bare.in.file[files[i]].len = 0;
    }
    for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
        run(&bare);
        expect_codes(&bare, "not there yet", codes[i]);
        FILE *out = fopen(path[i], "wb");
        cr_assert(out && fwrite(j.in.file[files[i]].bytes, 1, j.in.file[files[i]].len, out) ==
                             j.in.file[files[i]].len);
        fclose(out);
    }
    run(&bare);
    expect_codes(&bare, "all there", "");
    for (size_t i = 0; i < ARRAY_COUNT(files); i++) { (void)unlink(path[i]); }
    (void)rmdir(dir);
    done(&j);
    done(&bare);
}

Test(snp, product_that_is_not_allowed_is_refused)
{
    struct judgement j = of_case(find_case("ok-turin-v5"));
    json_t *p = made_policy(find_case("ok-turin-v5"));
    json_object_set_new(p, "products", json_pack("[s,s]", "Milan", "Genoa"));
    put_json(&j, JUDGE_POLICY, p);
    run(&j);
    expect_codes(&j, "Turin", "snp-product-allowed");
    json_decref(p);
    done(&j);
}

Test(snp, product_without_a_minimum_does_not_meet_it)
{
    struct judgement j = of_case(find_case("ok-genoa-v5"));
    json_t *p = made_policy(find_case("ok-genoa-v5"));
    json_t *min = json_deep_copy(json_object_get(p, "min_tcb"));
    json_object_del(min, "Genoa");
    json_object_set_new(p, "min_tcb", min);
    put_json(&j, JUDGE_POLICY, p);
    run(&j);
    expect_codes(&j, "no minimum for Genoa", "snp-tcb-minimum");
    json_decref(p);
    done(&j);
}

Test(snp, report_of_another_kind_of_key_than_its_certificate_is_refused)
{
    struct judgement j = of_case(find_case("ok-vlek"));
    put_case_file(&j, JUDGE_VEK, find_case("ok-milan-v3"), "endorsement_key");
    put_case_file(&j, JUDGE_CHAIN, find_case("ok-milan-v3"), "chain");
    run(&j);
    expect_codes(&j, "VLEK report, VCEK certificate", "snp-key-kind");
    done(&j);
}

/* ---- the policy */

Test(snp, without_a_policy_the_strict_defaults_hold_and_the_rest_is_unbound)
{
    static const char *const unbound[] = {"require_crl",
                                          "report_data",
                                          "min_tcb",
                                          "min_launch_tcb",
                                          "min_firmware",
                                          "min_launch_mit_vector",
                                          "min_current_mit_vector",
                                          "measurement",
                                          "min_abi",
                                          "platform_info_must_be_set",
                                          "platform_info_must_be_clear",
                                          "platform_info_known_bits",
                                          "chip_id_allow",
                                          "host_data",
                                          "id_key_digests",
                                          "author_key_digests",
                                          "min_guest_svn"};
    static const struct {
        const char *id, *codes;
    } t[] = {{"ok-milan-v3", ""},
             {"measurement-mismatch", ""},
             {"policy-0xb0000", "snp-guest-policy"},
             {"vmpl-1", "snp-vmpl"},
             {"ok-vlek", "snp-vlek"},
             {"tcb-provisional", "snp-provisional"},
             {"report-id-ma", "snp-migration-agent"}};
    for (size_t i = 0; i < ARRAY_COUNT(t); i++) {
        struct judgement j = of_case(find_case(t[i].id));
        free(j.in.file[JUDGE_POLICY].bytes);
        j.in.file[JUDGE_POLICY].bytes = NULL;
        run(&j);
        expect_codes(&j, t[i].id, t[i].codes);
        cr_assert_eq(j.v.unbound_count, ARRAY_COUNT(unbound));
        for (size_t k = 0; k < ARRAY_COUNT(unbound); k++) {
            cr_expect_str_eq(j.v.unbound[k], unbound[k]);
        }
        done(&j);
    }
}

Test(snp, complete_policy_leaves_open_only_what_it_calls_null)
{
    struct judgement j = of_case(find_case("ok-milan-v3"));
    run(&j);
    expect_codes(&j, "base policy", "");
    cr_assert_eq(j.v.unbound_count, 4);
    cr_assert_str_eq(j.v.unbound[0], "min_abi");
    cr_assert_str_eq(j.v.unbound[1], "chip_id_allow");
    cr_assert_str_eq(j.v.unbound[2], "id_key_digests");
    cr_assert_str_eq(j.v.unbound[3], "author_key_digests");
    done(&j);
}

Test(snp, policy_with_a_mistake_is_an_error_and_says_where)
{
    static const struct {
        const char *policy, *says;
    } t[] = {
        {"{\"measurement\":[]}", "unknown member \"measurement\""},
        {"[]", "not an object"},
        {"{\"vmpl\":0,\"vmpl\":0}", "not JSON"},
        {"{\"products\":[\"Rome\"]}", "products"},
        {"{\"products\":\"Milan\"}", "products"},
        {"{\"products\":null}", "null"},
        {"{\"report_versions\":[4]}", "report_versions"},
        {"{\"report_data\":\"00\"}", "report_data: wanted 128 digits"},
        {"{\"host_data\":\"" /* upper case */
         "43AB581DFF616C71A194DF004CB2FD4E3B8BED24772485F5D78C48D1273D8CA0\"}",
         "host_data: wanted 64 digits of lower-case hex"},
        {"{\"measurements\":[\"00\"]}", "measurements"},
        {"{\"measurements\":{}}", "measurements: wanted a list"},
        {"{\"vmpl\":\"0\"}", "vmpl: wanted a number"},
        {"{\"vmpl\":-1}", "vmpl"},
        {"{\"vmpl\":4294967296}", "vmpl"},
        {"{\"guest_policy_mask\":\"0x\"}", "guest_policy_mask"},
        {"{\"guest_policy_mask\":\"0x11111111111111111\"}", "guest_policy_mask"},
        {"{\"min_abi\":\"1\"}", "min_abi: wanted \"1.55\""},
        {"{\"min_firmware\":\"1.55\"}", "min_firmware: wanted \"1.55.0\""},
        {"{\"min_firmware\":\"1.256.0\"}", "min_firmware"},
        {"{\"min_firmware\":\"1.5.0.\"}", "min_firmware"},
        {"{\"min_firmware\":\"1.-5.0\"}", "min_firmware"},
        {"{\"allow_vlek\":1}", "allow_vlek: wanted true or false"},
        {"{\"csp_ids\":[\"\"]}", "csp_ids"},
        {"{\"csp_ids\":[\"a\\u0000b\"]}", "not JSON"},
        {"{\"min_tcb\":{\"Rome\":{}}}", "min_tcb: wanted Milan"},
        {"{\"min_tcb\":{\"Milan\":{\"bl\":4,\"tee\":0,\"snp\":24}}}", "min_tcb.Milan: wanted bl"},
        {"{\"min_tcb\":{\"Milan\":{\"bl\":4,\"tee\":0,\"snp\":24,\"ucode\":256}}}",
         "min_tcb.Milan.ucode: wanted 0 to 255"},
        {"{\"min_tcb\":{\"Milan\":{\"fmc\":0,\"bl\":4,\"tee\":0,\"snp\":24,\"ucode\":25}}}",
         "min_tcb.Milan: wanted bl"},
        {"{\"min_tcb\":{\"Turin\":{\"bl\":4,\"tee\":0,\"snp\":24,\"ucode\":25}}}",
         "min_tcb.Turin: wanted fmc, bl"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(t); i++) {
        struct judgement j = of_case(find_case("ok-milan-v3"));
        put_bytes(&j, JUDGE_POLICY, t[i].policy, strlen(t[i].policy));
        run(&j);
        cr_expect_lt(j.r, 0, "%s", t[i].policy);
        cr_expect(strstr(j.e.text, t[i].says), "%s: says %s", t[i].policy, j.e.text);
        cr_expect_eq(j.v.result, VERDICT_REFUSED);
        done(&j);
    }
}

Test(snp, every_member_of_a_policy_can_be_missing_and_then_a_strict_door_says_so)
{
    struct err e = {0};
    struct snp_policy p;
    struct verdict v = {0};
    json_t *base = json_copy(json_object_get(made, "base_policy"));
    cr_assert_eq(snp_policy_parse(base, &p, &e), 0, "%s", e.text);
    snp_policy_check_complete(&p, 0, &v);
    cr_assert_eq(v.reason_count, 0);
    snp_policy_fini(&p);
    for (unsigned m = 0; m < SNP_M_COUNT; m++) {
        json_t *less = json_copy(base);
        cr_assert_eq(json_object_del(less, snp_member_name((enum snp_member)m)), 0, "member %u", m);
        v = (struct verdict){0};
        cr_assert_eq(snp_policy_parse(less, &p, &e), 0, "%s", e.text);
        snp_policy_check_complete(&p, 0, &v);
        cr_expect_eq(v.reason_count, 1, "%s", snp_member_name((enum snp_member)m));
        cr_expect_str_eq(v.reasons[0].code, "snp-policy-member");
        cr_expect_str_eq(v.reasons[0].wanted, snp_member_name((enum snp_member)m));
        v = (struct verdict){0};
        snp_policy_check_complete(&p, 1u << m, &v);
        cr_expect_eq(v.reason_count, 0);
        snp_policy_fini(&p);
        json_decref(less);
    }
    json_decref(base);
}

/* ---- every check has been seen to refuse */

Test(snp, list_of_checks_has_no_gap)
{
    /* V34 and V37 are the nonce and the key in report_data (V27), V39 is how snp_report_parse() works. */
    static const char elsewhere[] = "V34 V37 V39";
    for (int n = 1; n <= 40; n++) {
        char ref[8];
        bool there = false;
        (void)snprintf(ref, sizeof ref, "V%02d", n);
        for (size_t i = 0; i < SNP_CODE_COUNT; i++) {
            there = there || strcmp(snp_codes[i].ref, ref) == 0;
        }
        cr_expect(there != (strstr(elsewhere, ref) != NULL), "%s", ref);
    }
}

/* ---- real reports */

Test(snp, real_reports_verify_under_amds_roots_and_strict_rules_say_what_is_wrong_with_them)
{
    static const struct {
        const char *name, *codes, *product;
    } t[] = {
        {"milan-v2-a", "snp-guest-policy", "Milan"}, /* DEBUG */
        {"milan-v2-b", "", "Milan"},
        {"milan-v2-c", "snp-provisional", "Milan"},
        {"milan-v3-vlek", "snp-vlek snp-provisional snp-vmpl", "Milan"},
        {"milan-v3-a", "", "Milan"},
        {"milan-v3-b", "", "Milan"},
        {"genoa-v3", "", "Genoa"},
        {"genoa-v5", "", "Genoa"},
        {"turin-v5", "", "Turin"},
    };
    json_t *index = vector_json("snp/reports.json"), *r;
    size_t i;
    json_array_foreach (json_object_get(index, "reports"), i, r) {
        struct judgement j = {.in.now = time_of(member(r, "evaluate_at"))};
        const json_t *chain = json_object_get(json_object_get(index, "chains"), member(r, "chain"));
        char path[128];
        cr_assert_str_eq(member(r, "name"), t[i].name);
        (void)snprintf(path, sizeof path, "snp/%s", member(r, "report"));
        put_file(&j, JUDGE_EVIDENCE, path);
        (void)snprintf(path, sizeof path, "snp/%s", member(r, "endorsement_key"));
        put_file(&j, JUDGE_VEK, path);
        (void)snprintf(path, sizeof path, "snp/%s", member(chain, "file"));
        put_file(&j, JUDGE_CHAIN, path);
        run(&j);
        expect_codes(&j, t[i].name, t[i].codes);
        cr_expect_str_eq(member(j.claims, "product"), t[i].product);

        const json_t *fields = json_object_get(r, "fields");
        static const char *const same[] = {"measurement", "report_data", "host_data", "chip_id"};
        for (size_t k = 0; k < ARRAY_COUNT(same); k++) {
            cr_expect_str_eq(member(j.claims, same[k]), member(fields, same[k]), "%s", t[i].name);
        }
        /* Any other time, chain or byte, and it is nothing. */
        j.in.now = time_of("2060-01-01T00:00:00Z");
        run(&j);
        expect_codes(&j, t[i].name, "snp-validity snp-validity snp-validity");
        j.in.now = time_of(member(r, "evaluate_at"));
        j.in.file[JUDGE_EVIDENCE].bytes[0x55] ^= 1;
        run(&j);
        expect_codes(&j, t[i].name, "snp-signature");
        done(&j);
    }
    cr_assert_eq(i, ARRAY_COUNT(t));
    json_decref(index);
}

Test(snp, odd_but_readable_certificates_are_read)
{
    static const struct {
        const char *file, *hwid;
        struct snp_tcb tcb;
    } t[] = {
        {"snp/certs-odd/vcek-hwid-raw.der", "00010203", {.bl = 3, .snp = 10, .ucode = 169}},
        {"snp/certs-odd/vcek-hwid-der-octets.der", "00010203", {.ucode = 30}},
    };
    for (size_t i = 0; i < ARRAY_COUNT(t); i++) {
        size_t len;
        char hex[9];
        auto_cert c = NULL;
        struct snp_vek k;
        struct verdict v = {0};
        char *der = vector_bytes(t[i].file, &len);
        cr_assert_eq(crypto_cert_from_der(der, len, &c), 0);
        free(der);
        cr_assert(snp_vek_read(c, SNP_MILAN, false, &k, &v), "%s", v.reasons[0].found);
        hex_of(k.hwid, 4, hex);
        cr_expect_str_eq(hex, t[i].hwid);
        cr_expect(snp_tcb_equal(&k.tcb, &t[i].tcb));
        cr_expect_str_eq(k.product_name, "Milan-B0");
        /* As another product's or another kind's it has no meaning. */
        cr_expect(!snp_vek_read(c, SNP_TURIN, false, &k, &v));
        cr_expect(!snp_vek_read(c, SNP_MILAN, true, &k, &v));
    }
}

/* ---- the layers alone */

Test(snp, report_layer_reads_every_field_as_its_publishers_do)
{
    json_t *index = vector_json("snp/reports.json"), *one;
    size_t i;
    json_array_foreach (json_object_get(index, "reports"), i, one) {
        const json_t *f = json_object_get(one, "fields");
        const char *name = member(one, "name");
        char path[128], hex[129];
        size_t len;
        struct snp_report r;
        struct verdict v = {0};
        (void)snprintf(path, sizeof path, "snp/%s", member(one, "report"));
        char *bytes = vector_bytes(path, &len);
        cr_assert(snp_report_parse((uint8_t *)bytes, len, &r, &v), "%s", name);
        free(bytes);
        cr_expect_eq(r.version, json_integer_value(json_object_get(f, "version")), "%s", name);
        cr_expect_eq(r.guest_svn, json_integer_value(json_object_get(f, "guest_svn")), "%s", name);
        cr_expect_eq(r.vmpl, json_integer_value(json_object_get(f, "vmpl")), "%s", name);
        cr_expect_eq(r.policy, strtoull(member(f, "policy"), NULL, 16), "%s", name);
        cr_expect_eq(r.platform_info, strtoull(member(f, "platform_info"), NULL, 16), "%s", name);
        cr_expect_eq(r.key_info, strtoull(member(f, "key_info"), NULL, 16), "%s", name);
        const struct {
            const char *name;
            const uint8_t *p;
            size_t len;
        } fields[] = {
            {"family_id", r.family_id, 16},         {"image_id", r.image_id, 16},
            {"id_key_digest", r.id_key_digest, 48}, {"author_key_digest", r.author_key_digest, 48},
            {"report_id", r.report_id, 32},         {"report_id_ma", r.report_id_ma, 32}};
        for (size_t k = 0; k < ARRAY_COUNT(fields); k++) {
            hex_of(fields[k].p, fields[k].len, hex);
            cr_expect_str_eq(hex, member(f, fields[k].name), "%s: %s", name, fields[k].name);
        }
        const struct {
            const char *name;
            const uint8_t *raw;
        } tcbs[] = {{"current_tcb", r.current_raw},
                    {"reported_tcb", r.reported_raw},
                    {"committed_tcb", r.committed_raw},
                    {"launch_tcb", r.launch_raw}};
        bool turin = strcmp(name, "turin-v5") == 0;
        for (size_t k = 0; k < ARRAY_COUNT(tcbs); k++) {
            const json_t *t = json_object_get(f, tcbs[k].name);
            struct snp_tcb got;
            cr_expect(snp_tcb_read(turin ? SNP_TURIN : SNP_MILAN, tcbs[k].raw, &got), "%s", name);
            cr_expect_eq(got.bl, json_integer_value(json_object_get(t, "bl")), "%s", name);
            cr_expect_eq(got.tee, json_integer_value(json_object_get(t, "tee")), "%s", name);
            cr_expect_eq(got.snp, json_integer_value(json_object_get(t, "snp")), "%s", name);
            cr_expect_eq(got.ucode, json_integer_value(json_object_get(t, "ucode")), "%s", name);
            cr_expect_eq(got.fmc, json_integer_value(json_object_get(t, "fmc")), "%s", name);
        }
        char version[16];
        (void)snprintf(version, sizeof version, "%u.%u.%u", r.current.major, r.current.minor,
                       r.current.build);
        cr_expect_str_eq(version, member(f, "current_version"), "%s", name);
        (void)snprintf(version, sizeof version, "%u.%u.%u", r.committed.major, r.committed.minor,
                       r.committed.build);
        cr_expect_str_eq(version, member(f, "committed_version"), "%s", name);
    }
    json_decref(index);
}

Test(snp, product_follows_from_family_and_model_and_stops_at_their_ends)
{
    static const struct {
        uint8_t family, model;
        enum snp_product p;
    } t[] = {{0x19, 0x00, SNP_MILAN},        {0x19, 0x0f, SNP_MILAN},
             {0x19, 0x10, SNP_GENOA},        {0x19, 0x1f, SNP_GENOA},
             {0x19, 0x20, SNP_PRODUCT_NONE}, {0x19, 0x9f, SNP_PRODUCT_NONE},
             {0x19, 0xa0, SNP_GENOA},        {0x19, 0xaf, SNP_GENOA},
             {0x19, 0xb0, SNP_PRODUCT_NONE}, {0x1a, 0x00, SNP_TURIN},
             {0x1a, 0x11, SNP_TURIN},        {0x1a, 0x12, SNP_PRODUCT_NONE},
             {0x1a, 0x50, SNP_PRODUCT_NONE}, {0x18, 0x01, SNP_PRODUCT_NONE},
             {0, 0, SNP_PRODUCT_NONE}};
    for (size_t i = 0; i < ARRAY_COUNT(t); i++) {
        cr_expect_eq(snp_product_of_cpu(t[i].family, t[i].model), t[i].p, "%x %x", t[i].family,
                     t[i].model);
    }
}

Test(snp, tcb_is_at_least_another_only_in_every_component)
{
    static const uint8_t raw[8] = {4, 0, 0, 0, 0, 0, 24, 219}, odd[8] = {4, 0, 0, 1, 0, 0, 24, 219};
    struct snp_tcb t, least;
    char text[SNP_TCB_TEXT];
    cr_assert(snp_tcb_read(SNP_MILAN, raw, &t));
    cr_assert(!snp_tcb_read(SNP_MILAN, odd, &least));
    cr_assert(!snp_tcb_read(SNP_TURIN, raw, &least));
    snp_tcb_text(SNP_MILAN, &t, text);
    cr_assert_str_eq(text, "bl 4, tee 0, snp 24, ucode 219");
    uint8_t *const parts[] = {&least.fmc, &least.bl, &least.tee, &least.snp, &least.ucode};
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        least = t;
        cr_expect(snp_tcb_at_least(&t, &least) && snp_tcb_equal(&t, &least));
        (*parts[i])++;
        cr_expect(!snp_tcb_at_least(&t, &least), "component %zu", i);
        cr_expect(snp_tcb_at_least(&least, &t) && !snp_tcb_equal(&least, &t), "component %zu", i);
    }
}

Test(snp, any_changed_byte_of_report_or_certificate_is_refused)
{
    static const struct {
        enum judge_file file;
        size_t step;
    } t[] = {{JUDGE_EVIDENCE, 5}, {JUDGE_VEK, 5}};
    struct judgement j = of_case(find_case("ok-turin-v5"));
    for (size_t i = 0; i < ARRAY_COUNT(t); i++) {
        char *bytes = j.in.file[t[i].file].bytes;
        for (size_t at = 0; at < j.in.file[t[i].file].len; at += t[i].step) {
            bytes[at] ^= 0x10;
            run(&j);
            cr_expect_eq(j.r, 0, "%s", j.e.text);
            cr_expect_eq(j.v.result, VERDICT_REFUSED, "file %zu, byte %zu", i, at);
            cr_expect_geq(j.v.reason_count, 1);
            bytes[at] ^= 0x10;
        }
    }
    run(&j);
    expect_codes(&j, "put back", "");
    done(&j);
}

/* ---- the JSON a guest sends */

Test(snp, evidence_in_a_guests_json_is_judged_as_the_report_it_tells)
{
    static const char *const ids[] = {
        "ok-milan-v3", "ok-milan-v2", "ok-genoa-v5", "ok-turin-v5",
        "ok-vlek",     "sig-flip-r",  "vmpl-host",   "measurement-mismatch"};
    for (size_t i = 0; i < ARRAY_COUNT(ids); i++) {
        struct judgement raw = of_case(find_case(ids[i])), j = of_case(find_case(ids[i]));
        json_t *doc = evidence_json((const uint8_t *)raw.in.file[JUDGE_EVIDENCE].bytes,
                                    raw.in.file[JUDGE_VEK].bytes, raw.in.file[JUDGE_VEK].len);
        put_json(&j, JUDGE_EVIDENCE, doc);
        free(j.in.file[JUDGE_VEK].bytes);
        j.in.file[JUDGE_VEK].bytes = NULL;
        run(&raw);
        run(&j);
        cr_expect_eq(j.v.result, raw.v.result, "%s", ids[i]);
        cr_expect_eq(j.v.reason_count, raw.v.reason_count, "%s", ids[i]);
        if (raw.v.reason_count) {
            cr_expect_str_eq(j.v.reasons[0].code, raw.v.reasons[0].code, "%s", ids[i]);
        }
        cr_expect(json_equal(j.claims, raw.claims), "%s", ids[i]);
        /* In the envelope a broker gets it in. */
        json_t *outer = json_pack("{s:O,s:s}", "primary_evidence", doc, "additional_evidence", "");
        put_json(&j, JUDGE_EVIDENCE, outer);
        run(&j);
        cr_expect_eq(j.v.result, raw.v.result, "%s", ids[i]);
        json_decref(outer);
        json_decref(doc);
        done(&raw);
        done(&j);
    }
}

Test(snp, evidence_of_another_shape_is_refused)
{
    struct judgement j = of_case(find_case("ok-milan-v3"));
    json_t *good = evidence_json((const uint8_t *)j.in.file[JUDGE_EVIDENCE].bytes, "x", 1);
    json_t *report = json_object_get(good, "attestation_report");
    struct snp_evidence ev;
    struct err e = {0};
    cr_assert_eq(snp_evidence_parse(good, &ev, &e), 0, "%s", e.text);
    cr_assert_eq(memcmp(ev.report, j.in.file[JUDGE_EVIDENCE].bytes, sizeof ev.report), 0);
    cr_assert(ev.vek.len == 1 && !ev.ask.p);
    snp_evidence_fini(&ev);

    static const struct {
        const char *name, *value;
    } wrong[] = {
        {"version", "\"3\""},
        {"version", "4294967296"},
        {"version", "-1"},
        {"version", "null"},
        {"vmpl", "1.5"},
        {"cpuid_fam_id", "256"},
        {"cpuid_fam_id", "null"},
        {"measurement", "[1]"},
        {"measurement", "\"00\""},
        {"current", "{\"major\":1}"},
        {"signature", "{}"},
        {"reported_tcb", "{}"},
        {"chip_id", "null"},
        {"surprise", "0"},
        {"reported_tcb", "{\"fmc\":1,\"bootloader\":1,\"tee\":1,\"snp\":1,\"micro\":1}"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        json_t *old = json_incref(json_object_get(report, wrong[i].name));
        json_object_set_new(report, wrong[i].name,
                            json_loads(wrong[i].value, JSON_DECODE_ANY, NULL));
        e = (struct err){0};
        cr_expect_eq(snp_evidence_parse(good, &ev, &e), -EBADMSG, "%s %s", wrong[i].name,
                     wrong[i].value);
        if (old) {
            json_object_set_new(report, wrong[i].name, old);
        } else {
            json_object_del(report, wrong[i].name);
        }
    }
    static const char *const chains[] = {
        "{}",
        "[{\"cert_type\":\"VCEK\",\"data\":[256]}]",
        "[{\"cert_type\":\"VCEK\",\"data\":[]}]",
        "[{\"cert_type\":\"VCEK\",\"data\":[1]},{\"cert_type\":\"VLEK\",\"data\":[1]}]",
        "[1]",
        "[{},{},{},{},{},{},{},{},{}]"};
    for (size_t i = 0; i < ARRAY_COUNT(chains); i++) {
        json_object_set_new(good, "cert_chain", json_loads(chains[i], 0, NULL));
        e = (struct err){0};
        cr_expect_eq(snp_evidence_parse(good, &ev, &e), -EBADMSG, "%s", chains[i]);
    }
    json_decref(good);
    done(&j);
}

Test(snp, evidence_written_elsewhere_is_read)
{
    size_t len;
    struct snp_evidence ev;
    struct err e = {0};
    struct snp_report r;
    struct verdict v = {0};
    char *text = vector_bytes("coco/evidence/snp-evidence.json", &len);
    json_t *doc = json_loadb(text, len, 0, NULL);
    cr_assert_eq(snp_evidence_parse(doc, &ev, &e), 0, "%s", e.text);
    cr_assert(snp_report_parse(ev.report, sizeof ev.report, &r, &v), "%s", v.reasons[0].text);
    cr_assert_eq(r.guest_svn, 7);
    snp_evidence_fini(&ev);
    json_decref(doc);
    free(text);
}
