/* SPDX-License-Identifier: Apache-2.0 */
/* What cc-attest explain reads, and what it says: refusals as brokers write them. */
#include "attest/cli/refusal.h"
#include "attest/cli/words.h"
#include "attest/verify/explain.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct refusal f;
static struct err e;

static int parse(const char *text)
{
    e = (struct err){0};
    return refusal_parse(text, strlen(text), &f, &e);
}

Test(refusal, error_body_is_split_at_its_reasons_and_not_at_their_semicolons)
{
    cr_assert_eq(
        parse("{\"type\":\"https://x/errors/AttestationError\",\"detail\":\"the evidence of "
              "snp is refused: policy (snp-guest-policy): one; two: found 0xb0000, wanted "
              "0x30000 under mask 0xffffffffffff0000, bit 17 set; chain (snp-validity): "
              "old: found root at T, wanted A to B\"}"),
        0, "%s", e.text);
    cr_assert_eq(f.count, 2);
    cr_assert_eq(f.reasons[0].code, explain_find("snp-guest-policy"));
    cr_assert_str_eq(f.reasons[0].found, "0xb0000");
    cr_assert_str_eq(f.reasons[0].wanted, "0x30000 under mask 0xffffffffffff0000, bit 17 set");
    cr_assert_str_eq(f.reasons[1].subject, "snp-validity");
    cr_assert_str_eq(f.reasons[1].found, "root at T");
    cr_assert_str_eq(f.reasons[1].wanted, "A to B");
}

Test(refusal, audit_lines_are_read_one_by_one_and_allowed_ones_have_nothing_to_say)
{
    cr_assert_eq(
        parse("{\"event\":\"auth\",\"decision\":\"allow\"}\n"
              "{\"event\":\"get-resource\",\"decision\":\"refuse\",\"reasons\":[\"rule web: "
              "tee: found snp, wanted sim\",\"resource: no rule names a/b/c\"]}\n"),
        0, "%s", e.text);
    cr_assert_eq(f.count, 2);
    cr_assert_str_eq(f.reasons[0].rule, "web");
    cr_assert_str_eq(f.reasons[0].subject, "tee");
    cr_assert_str_eq(f.reasons[0].found, "snp");
    cr_assert_str_eq(f.reasons[0].wanted, "sim");
    cr_assert_str_eq(f.reasons[1].rule, "");
    cr_assert_str_eq(f.reasons[1].subject, "resource");
}

Test(refusal, what_verify_prints_is_read)
{
    cr_assert_eq(
        parse("{\"verdict\":\"refused\",\"reasons\":[{\"code\":\"snp-vmpl\",\"check\":"
              "\"policy\",\"found\":\"1\",\"wanted\":\"0\",\"text\":\"t\"}],\"unbound\":[]}"),
        0, "%s", e.text);
    cr_assert_eq(f.count, 1);
    cr_assert_eq(f.reasons[0].code, explain_find("snp-vmpl"));
    cr_assert_str_eq(f.reasons[0].found, "1");
}

Test(refusal, text_alone_is_a_reason)
{
    cr_assert_eq(parse("nonce: found abc, wanted the one of this session\n"), 0);
    cr_assert_eq(f.count, 1);
    cr_assert_str_eq(f.reasons[0].subject, "nonce");
}

Test(refusal, file_without_one_is_an_error)
{
    static const char *const none[] = {
        "",       "\n", "{}", "[]", "{\"reasons\":[]}", "{\"reasons\":[1]}", "{\"detail\":\"\"}",
        "{broken"};
    for (size_t i = 0; i < ARRAY_COUNT(none); i++) {
        cr_expect_eq(parse(none[i]), -EBADMSG, "%s", none[i]);
    }
}

Test(refusal, signs_that_steer_a_terminal_are_not_passed_on)
{
    cr_assert_eq(parse("{\"detail\":\"nonce: \\u001b[2Jfound \\u0007x, wanted y\"}"), 0);
    cr_assert_str_eq(f.reasons[0].text, "nonce: ?[2Jfound ?x, wanted y");
}

Test(refusal, more_reasons_than_room_are_dropped_and_said)
{
    char *text = calloc(1, 100000);
    for (size_t i = 0; i < 200; i++) { strcat(text, "rule a: tee: found b, wanted c\n"); }
    cr_assert_eq(parse(text), 0);
    cr_assert_eq(f.count, REFUSAL_REASONS_MAX);
    cr_assert(f.more);
    free(text);
}

Test(words, everything_a_broker_says_has_words)
{
    static const struct {
        const char *text;
        const char *means; /* a piece of it */
    } t[] = {
        {"rule r: tee: found snp, wanted sim", "another kind of TEE"},
        {"rule r: initdata: found aa, wanted bb", "initdata the rule does not name"},
        {"rule r: measurement: found aa, but no reference value for snp is registered",
         "none the owner knows"},
        {"rule r: image: found none: this evidence does not carry registers",
         "not one the rule names"},
        {"rule r: register 3: found aa, wanted bb", "runtime register"},
        {"rule r: for: found application, wanted init", "another phase"},
        {"rule r: chips: found aa, wanted bb", "machine is not on"},
        {"rule r: platforms: found Milan, wanted Turin", "platform is not of a kind"},
        {"rule r: firmware: microcode: found 1, wanted at least 2", "firmware is below"},
        {"rule r: tcb: status: found x, wanted y", "older than the rule allows"},
        {"rule r: when: found x, wanted before y", "at this time"},
        {"rule r: claims: a.b: found 1, wanted equals 2", "claim does not have"},
        {"rule r: approvals: found 1, wanted 2; missing: bob", "must agree"},
        {"rule r: signer: found 0, wanted 1; missing: bob", "not signed by one"},
        {"rule r: rule/r: found 3 releases, wanted fewer than that", "released as often"},
        {"rule r: approval/0a1b: found 3 releases, wanted fewer than that",
         "approval has been used"},
        {"resource: there is no policy yet, so nothing is released", "no rule is about"},
        {"nonce: found x, wanted the one of this session", "another handshake"},
        {"session: not attested yet", "handshake is unknown"},
        {"cookie: found no kbs-session-id, wanted the one that /auth set", "which handshake"},
        {"init-data: found none; a guest without initdata gets no secrets", "no initdata"},
        {"tee-pubkey: found a private key", "guest's key"},
        {"tee: the verifier for snp is gone", "no verifier"},
        {"additional_evidence: no verifier for nvidia", "further device"},
        {"token: names no key, neither by jwk nor by kid", "not one this broker believes"},
        {"role: found none, wanted admin", "may not do this"},
        {"iss: found a, wanted b", "somebody else"},
        {"signature: by none of the 2 keys that administer", "no administrator's key"},
        {"path: wanted repository/type/tag of letters", "does not name a resource"},
        {"Authorization: found no Bearer token", "carries no token"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(t); i++) {
        cr_assert_eq(parse(t[i].text), 0, "%s", t[i].text);
        cr_assert_eq(f.count, 1, "%s", t[i].text);
        const struct words_subject *w =
            words_find(f.reasons[0].subject, f.reasons[0].rule[0] != '\0');
        cr_assert(w, "%s: nobody knows %s", t[i].text, f.reasons[0].subject);
        cr_expect(strstr(w->means, t[i].means), "%s: %s", t[i].text, w->means);
        cr_expect(w->todo[0]);
    }
    cr_assert_null(words_find("no such subject", false));
    cr_assert_null(words_find("no such subject", true));
}

Test(words, two_values_differ_in_named_bits_or_from_a_byte_on)
{
    static const struct {
        const char *code, *found, *wanted, *says;
    } t[] = {
        {"snp-guest-policy", "0xb0000", "0x30000 under mask 0xffffffffffff0000, bit 17 set",
         "bit 19 (DEBUG) is set"},
        {"snp-guest-policy", "0x10000", "0x30000 under mask 0xffffffffffff0000, bit 17 set",
         "bit 17 (the bit that is always one) is not set"},
        {"snp-guest-policy", "0x4020000", "0x30000 under mask 0xffffffffffff0000, bit 17 set",
         "bit 26 (reserved) is set, bit 16 (SMT) is not set"},
        {"snp-platform-info", "0x1", "set: 0x20", "bit 5 (ALIAS_CHECK_COMPLETE) is not set"},
        {"snp-platform-info", "0x23", "clear: 0x2", "bit 1 (TSME_EN) is set"},
        {"snp-platform-info", "0x121", "none beside 0xff", "bit 8 (reserved) is set"},
        {"", "00112233445566778899", "00112233445566770099",
         "the first of 10 bytes that differs is number 9"},
        {"", "00000000000000000000", "00112233445566770099",
         "what was found is all zero: nobody has set it"},
        {"", "0011223344556677", "0011223344556677", ""},
        {"", "0011223344556677", "00112233445566", ""},
        {"", "one", "two", ""},
    };
    for (size_t i = 0; i < ARRAY_COUNT(t); i++) {
        char out[WORDS_MAX];
        words_difference(t[i].code, t[i].found, t[i].wanted, out);
        cr_expect_str_eq(out, t[i].says, "%s: %s", t[i].found, out);
    }
}
