/* SPDX-License-Identifier: Apache-2.0 */
/* See words.h. */
#include "attest/cli/words.h"

#include "attest/verify/tdx/codes.h"
#include "attest/verify/tdx/policy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off: a table, one entry a paragraph */
static const struct words_subject subjects[] = {
    /* what rules look at */
    {"tee", true, "the rule is for another kind of TEE than the guest runs in",
     "start the guest with the kind the rule names, or add the kind to the rule"},
    {"initdata", true, "the guest was started with initdata the rule does not name",
     "register the digest that `cc-run --dry-run` prints for these initdata, or start with others"},
    {"measurement", true, "the guest's launch digest is none the owner knows",
     "run `cc-attest measure` over the images in use and give it to `cc-kbs admin set-reference`"},
    {"image", true, "the container's image is not one the rule names",
     "compare with the manifest digest; name it in the rule, or start the named image"},
    {"register", true, "a runtime register does not hold what the rule demands",
     "register 0 is initdata, 1 the image, 2 the launch spec, 3 the application's own"},
    {"for", true, "the resource is for another phase of the guest than the one that asks",
     "a resource for init is released before the program starts, one for the application after it"},
    {"chips", true, "the machine is not on the rule's list",
     "run the guest on a listed machine, or list this one"},
    {"firmware", true, "the platform's firmware is below the rule's floor",
     "update the host's firmware, or lower the floor if that is what you want"},
    {"tcb", true, "what the platform runs is older than the rule allows",
     "update the host's firmware and microcode"},
    {"when", true, "the rule does not hold at this time",
     "ask again within the rule's times (UTC)"},
    {"claims", true, "a claim does not have the value the rule demands",
     "compare the claim, as the token shows it, with the rule"},
    {"platforms", true, "the platform is not of a kind the rule lists",
     "run the guest on a listed product (SNP) or FMSPC (TDX), or list this one"},
    {"approvals", true, "not enough of those who must agree have signed an approval",
     "have the missing ones sign: cc-kbs approve"},
    {"signer", true, "the image is not signed by one of those the rule names",
     "have one of them sign it: cc-kbs approve"},
    {"rule", true, "the rule has released as often as it may",
     "raise its number of releases if another one is meant"},
    {"approval", true, "an approval has been used as often as it may",
     "have a new approval signed if another release is meant"},
    /* what a broker looks at before any rule */
    {"resource", false, "no rule is about this resource, or there is none of this name",
     "upload a policy with a rule that names it, and the resource itself"},
    {"nonce", false, "the evidence is for another handshake",
     "attest again: a nonce is for one session and one attempt"},
    {"session", false, "the handshake is unknown, over, or not attested",
     "begin again with /auth, and keep its cookie until the last answer"},
    {"cookie", false, "the request does not say which handshake it belongs to",
     "send the cookie that /auth set with every later request"},
    {"init-data", false, "the guest sent no initdata, or none that can be read",
     "start the guest with --initdata; a guest without gets no secrets"},
    {"tee-pubkey", false, "the guest's key is not one that secrets can be encrypted to",
     "use ECDH-ES+A256KW on P-256 or P-521, or RSA-OAEP-256"},
    {"tee", false, "the broker has no verifier for this kind of evidence",
     "enable the kind in the broker's configuration: [snp], [tdx] or, insecurely, [insecure_sim]"},
    {"additional_evidence", false, "evidence of a further device cannot be judged",
     "enable the device's kind in the broker, or do not send its evidence"},
    {"token", false, "the token is not one this broker believes",
     "attest again; tokens of other services need [token] trusted_certs or trusted_jwks"},
    {"role", false, "the administrator's token may not do this",
     "use a token whose role is admin, or give the role the operation in [admin.roles]"},
    {"path", false, "the path does not name a resource",
     "ask for repository/type/tag, of letters, digits, _, - and ."},
    {"iss", false, "the administrator's token is from somebody else",
     "use a token of the issuer that [admin] names"},
    {"signature", false, "no administrator's key has signed this token",
     "sign it with a key of [admin] public_keys, or add the key's public half there"},
    {"Authorization", false, "the request carries no token", "send Authorization: Bearer TOKEN"},
};

/* Guest policy and platform information of SNP. [SNP-ABI] */
static const char *const guest_policy_bits[64] = {[16] = "SMT",
                                                  [17] = "the bit that is always one",
                                                  [18] = "MIGRATE_MA",
                                                  [19] = "DEBUG",
                                                  [20] = "SINGLE_SOCKET",
                                                  [21] = "CXL_ALLOW",
                                                  [22] = "MEM_AES_256_XTS",
                                                  [23] = "RAPL_DIS",
                                                  [24] = "CIPHERTEXT_HIDING_DRAM",
                                                  [25] = "PAGE_SWAP_DISABLE"};
static const char *const platform_bits[64] = {[0] = "SMT_EN",
                                              [1] = "TSME_EN",
                                              [2] = "ECC_EN",
                                              [3] = "RAPL_DIS",
                                              [4] = "CIPHERTEXT_HIDING_DRAM_EN",
                                              [5] = "ALIAS_CHECK_COMPLETE",
                                              [6] = "IOMMU_WRITE_SAFE",
                                              [7] = "TIO_EN"};
/* clang-format on */

const struct words_subject *words_find(const char *subject, bool of_rule)
{
    for (size_t i = 0; i < ARRAY_COUNT(subjects); i++) {
        size_t n = strlen(subjects[i].subject);
        if (subjects[i].of_rule == of_rule && strncmp(subject, subjects[i].subject, n) == 0 &&
            (subject[n] == '\0' || subject[n] == ' ' || subject[n] == '/')) {
            return &subjects[i];
        }
    }
    return NULL;
}

/* ---- differences */

static bool number_at(const char *text, uint64_t *out)
{
    const char *hex = strstr(text, "0x");
    char *end;
    if (!hex) { return false; }
    *out = strtoull(hex, &end, 16);
    return end > hex + 2;
}

static void name_bits(uint64_t bits, const char *const names[64], const char *verb,
                      char out[WORDS_MAX])
{
    for (unsigned i = 0; i < 64; i++) {
        if (!(bits >> i & 1)) { continue; }
        size_t at = strlen(out);
        (void)snprintf(out + at, WORDS_MAX - at, "%sbit %u (%s) %s", at ? ", " : "", i,
                       names[i] ? names[i] : "reserved", verb);
    }
}

/* "0xb0000" against "0x30000 under mask 0xffffffffffff0000, bit 17 set" */
static void guest_policy_difference(uint64_t found, const char *wanted, char out[WORDS_MAX])
{
    const char *mask_text = strstr(wanted, "mask ");
    uint64_t value, mask;
    if (!mask_text || !number_at(wanted, &value) || !number_at(mask_text, &mask)) { return; }
    mask |= UINT64_C(1) << 17 | ~UINT64_C(0) << 26;
    value = (value & ~(~UINT64_C(0) << 26)) | UINT64_C(1) << 17;
    name_bits(found & ~value & mask, guest_policy_bits, "is set", out);
    name_bits(~found & value & mask, guest_policy_bits, "is not set", out);
}

/* "0x1" against "set: 0x20", "clear: 0x2" or "none beside 0xff" */
static void platform_difference(uint64_t found, const char *wanted, char out[WORDS_MAX])
{
    uint64_t bits;
    if (!number_at(wanted, &bits)) { return; }
    if (strncmp(wanted, "set", 3) == 0) {
        name_bits(bits & ~found, platform_bits, "is not set", out);
    } else {
        uint64_t wrong = strncmp(wanted, "clear", 5) == 0 ? found & bits : found & ~bits;
        name_bits(wrong, platform_bits, "is set", out);
    }
}

/* "0x10000001" against "exactly 0x10000000": all 64 bits of a TD's attributes */
static void attributes_difference(uint64_t found, const char *wanted, char out[WORDS_MAX])
{
    uint64_t bits;
    if (!number_at(wanted, &bits)) { return; }
    name_bits(found & ~bits, tdx_attribute_names, "is set", out);
    name_bits(bits & ~found, tdx_attribute_names, "is not set", out);
}

static bool is_about_attributes(const char *code)
{
    static const enum tdx_code codes[] = {TDX_CODE_DEBUG, TDX_CODE_SEPT_VE_DISABLE,
                                          TDX_CODE_MIGRATABLE, TDX_CODE_ATTRIBUTES,
                                          TDX_CODE_ATTRIBUTES_UNKNOWN};
    for (size_t i = 0; i < ARRAY_COUNT(codes); i++) {
        if (strcmp(code, tdx_codes[codes[i]].name) == 0) { return true; }
    }
    return false;
}

static void digest_difference(const char *found, const char *wanted, char out[WORDS_MAX])
{
    static const char digits[] = "0123456789abcdef";
    size_t n = strspn(found, digits), m = strspn(wanted, digits), first = 0;
    if (n != strlen(found) || n < 16 || n % 2) { return; }
    if (strspn(found, "0") == n) {
        (void)snprintf(out, WORDS_MAX, "what was found is all zero: nobody has set it");
    } else if (m == n && m == strlen(wanted)) {
        while (first < n && found[first] == wanted[first]) { first++; }
        (void)snprintf(out, WORDS_MAX, "the first of %zu bytes that differs is number %zu", n / 2,
                       first / 2 + 1);
    }
}

void words_difference(const char *code, const char *found, const char *wanted, char out[WORDS_MAX])
{
    uint64_t bits;
    out[0] = '\0';
    if (strcmp(code, "snp-guest-policy") == 0 && number_at(found, &bits)) {
        guest_policy_difference(bits, wanted, out);
    } else if (strcmp(code, "snp-platform-info") == 0 && number_at(found, &bits)) {
        platform_difference(bits, wanted, out);
    } else if (is_about_attributes(code) && number_at(found, &bits)) {
        attributes_difference(bits, wanted, out);
    } else if (strcmp(found, wanted) != 0) {
        digest_difference(found, wanted, out);
    }
}
