/* SPDX-License-Identifier: Apache-2.0 */
/* Yes or no by a Rego policy: what is allowed, what depends on initdata, and what is said about it. */
#include "attest/policy/rego.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define HEAD     "package policy\ndefault allow := false\n"
#define EVIDENCE "input.submods.cpu0[\"ear.veraison.annotated-evidence\"]"

static const char claims[] =
    "{\"submods\":{\"cpu0\":{\"ear.status\":\"affirming\",\"ear.trustee.identifiers\":{\"validated\":"
    "{\"container_images\":[\"team/web@sha256:11\"]}},\"ear.veraison.annotated-evidence\":{"
    "\"init_data\":\"9f1caa\",\"init_data_claims\":{\"aa.toml\":{\"owner\":\"team-red\",\"debug\":"
    "false,\"level\":3}},\"snp\":{\"measurement\":\"ab12\",\"host_data\":\"9f1caa\",\"casemate\":{"
    "\"initdata\":\"9f1caa\",\"registers\":[\"9f1caa\",\"c0de\",\"\",\"\"]}},\"tdx\":{\"quote\":{"
    "\"body\":{\"mr_config_id\":\"9f1caa\",\"rtmr_0\":\"9f\",\"mr_td\":\"77\"}}},"
    "\"runtime_data_claims\":{\"nonce\":\"n\",\"additional-evidence\":"
    "\"{\\\"registers\\\":[\\\"9f\\\",\\\"c0\\\"]}\"}}}}}";

static struct decision decide(const char *policy, const struct rego_allow *how)
{
    auto_rego p = NULL;
    auto_json input = json_loads(claims, 0, NULL);
    auto_json data =
        json_pack("{s:s, s:[s,s,s]}", "plugin", "resource", "resource-path", "a", "b", "c");
    struct rego_request rq = {.input = input, .data = data};
    struct decision d;
    struct err e = {0};
    cr_assert_eq(rego_load(policy, strlen(policy), &p, &e), 0, "%s", e.text);
    cr_assert(input && data);
    rego_decide(p, &rq, how, &d);
    cr_assert(d.allowed ? d.reason_count == 0 : d.reason_count > 0, "a verdict without its reason");
    return d;
}

static void expect_allowed(const char *policy, const char *rule)
{
    struct decision d = decide(policy, &(struct rego_allow){0});
    cr_expect(d.allowed, "%s\n%s", policy, d.reasons[0]);
    cr_expect_str_eq(d.rule, rule);
}
static void expect_refused(const char *policy, const char *reason)
{
    struct decision d = decide(policy, &(struct rego_allow){0});
    cr_expect(!d.allowed && strstr(d.reasons[0], reason), "%s\n%s", policy, d.reasons[0]);
}

Test(decide, allows_what_names_the_initdata)
{
    expect_allowed(HEAD "allow if " EVIDENCE ".init_data == \"9f1caa\"", "policy:3");
    expect_allowed(HEAD "allow if " EVIDENCE ".init_data_claims[\"aa.toml\"].owner == \"team-red\"",
                   "policy:3");
    expect_allowed(HEAD "allow if " EVIDENCE ".snp.host_data == \"9f1caa\"", "policy:3");
    expect_allowed(HEAD "allow if " EVIDENCE ".snp.casemate.registers[0] == \"9f1caa\"",
                   "policy:3");
    expect_allowed(HEAD "allow if " EVIDENCE ".snp.casemate.initdata == \"9f1caa\"", "policy:3");
    expect_allowed(HEAD "allow if json.unmarshal(" EVIDENCE
                        ".runtime_data_claims[\"additional-evidence\"]).registers[0] == \"9f\"",
                   "policy:3");
    expect_allowed(HEAD "allow if " EVIDENCE ".tdx.quote.body.mr_config_id == \"9f1caa\"",
                   "policy:3");
    expect_allowed(HEAD "allow if " EVIDENCE ".tdx.quote.body.rtmr_0 == \"9f\"", "policy:3");
    expect_allowed(HEAD
                   "allow if \"team/web@sha256:11\" in "
                   "input.submods.cpu0[\"ear.trustee.identifiers\"].validated.container_images",
                   "policy:3");
    expect_allowed(HEAD "allow if false\n\nallow if {\n" EVIDENCE
                        ".init_data in {\"9f1caa\", \"00\"}\n}",
                   "policy:5");
}

static const char also[] = "allowed, but also with other initdata";

Test(decide, refuses_what_does_not_depend_on_initdata)
{
    expect_refused("package policy\nallow := true", also);
    expect_refused("package policy\ndefault allow := true", also);
    expect_refused(HEAD "allow if data.plugin == \"resource\"", also);
    expect_refused(HEAD "allow if input.submods.cpu0[\"ear.status\"] == \"affirming\"", also);
    expect_refused(HEAD "allow if " EVIDENCE ".snp.measurement == \"ab12\"", also);
    expect_refused(HEAD "allow if " EVIDENCE ".snp.casemate.registers[1] == \"c0de\"", also);
    expect_refused(HEAD "allow if json.unmarshal(" EVIDENCE
                        ".runtime_data_claims[\"additional-evidence\"]).registers[1] == \"c0\"",
                   also);
    expect_refused(HEAD "allow if " EVIDENCE ".runtime_data_claims.nonce == \"n\"", also);
}

Test(decide, refuses_what_any_initdata_could_satisfy)
{
    expect_refused(HEAD "allow if " EVIDENCE ".init_data", also); /* that there is some */
    expect_refused(HEAD "allow if " EVIDENCE ".init_data_claims[\"aa.toml\"]", also);
    expect_refused(HEAD "allow if " EVIDENCE ".init_data != \"000000\"", also); /* all but one */
    expect_refused(HEAD "allow if not " EVIDENCE ".init_data_claims.bad", also);
    expect_refused(HEAD "allow if not " EVIDENCE ".init_data_claims[\"aa.toml\"].debug == true",
                   also);
    expect_refused(HEAD "allow if regex.match(`^[0-9a-f]+$`, " EVIDENCE ".init_data)", also);
    expect_refused(HEAD "allow if count(" EVIDENCE ".init_data) == 6", also);
    expect_refused(HEAD "allow if is_string(" EVIDENCE ".init_data_claims[\"aa.toml\"].owner)",
                   also);
    /* one way depends on it, the other does not */
    expect_refused(HEAD "allow if " EVIDENCE
                        ".init_data == \"9f1caa\"\nallow if data.plugin == \"resource\"",
                   also);
}

Test(decide, the_insecure_switch_does_not_ask_again)
{
    struct decision d = decide("package policy\nallow := true",
                               &(struct rego_allow){.insecure_without_initdata = true});
    cr_expect(d.allowed, "%s", d.reasons[0]);
    d = decide("package policy\nallow := false",
               &(struct rego_allow){.insecure_without_initdata = true});
    cr_expect(!d.allowed);
}

/* An appraisal that depends on initdata: affirming with these, contraindicated with others. */
static int appraise(void *ctx, json_t *input, struct err *e)
{
    (void)e;
    json_t *cpu = json_object_get(json_object_get(input, "submods"), "cpu0");
    const json_t *evidence = json_object_get(cpu, "ear.veraison.annotated-evidence");
    const char *digest = json_string_value(json_object_get(evidence, "init_data"));
    ++*(int *)ctx;
    return json_object_set_new(
        cpu, "ear.status",
        json_string(strcmp(digest, "9f1caa") == 0 ? "affirming" : "contraindicated"));
}
static int appraise_fails(void *ctx, json_t *input, struct err *e)
{
    (void)ctx, (void)input;
    return err_set(e, EIO, "no verifier");
}

Test(decide, an_appraisal_that_depends_on_initdata_counts)
{
    static const char policy[] =
        HEAD "allow if input.submods.cpu0[\"ear.status\"] == \"affirming\"";
    int calls = 0;
    struct decision d = decide(policy, &(struct rego_allow){.reappraise = appraise, .ctx = &calls});
    cr_expect(d.allowed, "%s", d.reasons[0]);
    cr_expect_eq(calls, 2);
    d = decide(policy, &(struct rego_allow){.reappraise = appraise_fails});
    cr_expect(!d.allowed && strstr(d.reasons[0], ": no verifier"), "%s", d.reasons[0]);
}

Test(decide, says_where_each_clause_stopped_and_what_it_found)
{
    struct decision d = decide(HEAD "allow if {\n data.plugin == \"resource\"\n"
                                    " input.submods.cpu0[\"ear.status\"] == \"warning\"\n}\n"
                                    "allow if input.nothing\n"
                                    "allow if not input.submods\n"
                                    "allow if {\n some x in data[\"resource-path\"]\n x > \"d\"\n}",
                               &(struct rego_allow){0});
    cr_assert_eq(d.reason_count, 4);
    cr_expect_str_eq(
        d.reasons[0],
        "policy line 3: stopped at line 5: found \"affirming\", wanted == \"warning\"");
    cr_expect_str_eq(d.reasons[1],
                     "policy line 7: stopped at line 7: found nothing: it is undefined");
    cr_expect_str_eq(d.reasons[2],
                     "policy line 8: stopped at line 8: what stands behind `not` holds");
    cr_expect_str_eq(d.reasons[3],
                     "policy line 9: stopped at line 11: found \"c\", wanted > \"d\"");
}

Test(decide, everything_but_true_is_a_refusal)
{
    expect_refused("package policy\nallow := \"true\"", "not the boolean true");
    expect_refused("package policy\nallow := 1", "not the boolean true");
    expect_refused("package policy\nallow := {\"a\": true}", "not the boolean true");
    expect_refused("package policy\nallow contains true", "not the boolean true");
    expect_refused("package policy\nx := 1", "has no rule allow");
    expect_refused("package other\nallow := true", "has no rule allow");
    expect_refused("package policy.sub\nallow := true", "has no rule allow");
    expect_refused("package policy\nallow(x) := true", "has no rule allow");
    expect_refused(HEAD, "false by its default");
    expect_refused("package policy\nallow if 1 / 0 == 1",
                   "evaluation failed: line 2: division by zero");
    expect_refused("package policy\nallow := true if input.submods\nallow := false if data.plugin",
                   "evaluation failed: line 2: allow has two values");
}

Test(decide, other_initdata_leaves_the_rest_alone)
{
    auto_json input = json_loads(claims, 0, NULL);
    auto_json changed = rego_other_initdata(input, 0);
    auto_json gone = rego_other_initdata(input, 1);
    auto_json want_changed = json_loads(
        "{\"submods\":{\"cpu0\":{\"ear.status\":\"affirming\",\"ear.trustee.identifiers\":{"
        "\"validated\":{\"container_images\":[\"ufbn/xfc@tib367:22\"]}},"
        "\"ear.veraison.annotated-evidence\":{"
        "\"init_data\":\"0a2dbb\",\"init_data_claims\":{\"aa.toml\":{\"owner\":\"ufbn-sfe\","
        "\"debug\":true,\"level\":2}},\"snp\":{\"measurement\":\"ab12\",\"host_data\":\"0a2dbb\","
        "\"casemate\":{\"initdata\":\"0a2dbb\",\"registers\":[\"0a2dbb\",\"c0de\",\"\",\"\"]}},"
        "\"tdx\":{\"quote\":{\"body\":{\"mr_config_id\":\"0a2dbb\",\"rtmr_0\":\"0a\","
        "\"mr_td\":\"77\"}}},\"runtime_data_claims\":{\"nonce\":\"n\",\"additional-evidence\":"
        "\"{\\\"registers\\\":[\\\"0a\\\",\\\"c0\\\"]}\"}}}}}",
        0, NULL);
    auto_json want_gone = json_loads(
        "{\"submods\":{\"cpu0\":{\"ear.status\":\"affirming\",\"ear.veraison.annotated-evidence\":{"
        "\"init_data\":\"000000\",\"snp\":{\"measurement\":\"ab12\",\"host_data\":\"000000\","
        "\"casemate\":{\"initdata\":\"000000\",\"registers\":[\"0a2dbb\",\"c0de\",\"\",\"\"]}},"
        "\"tdx\":{\"quote\":{\"body\":{\"mr_config_id\":\"000000\",\"rtmr_0\":\"00\","
        "\"mr_td\":\"77\"}}},\"runtime_data_claims\":{\"nonce\":\"n\",\"additional-evidence\":"
        "\"{\\\"registers\\\":[\\\"0a\\\",\\\"c0\\\"]}\"}}}}}",
        0, NULL);
    char *shown = json_dumps(changed, 0);
    cr_expect(json_equal(changed, want_changed), "%s", shown);
    free(shown);
    shown = json_dumps(gone, 0);
    cr_expect(json_equal(gone, want_gone), "%s", shown);
    free(shown);
}
