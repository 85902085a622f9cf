/* SPDX-License-Identifier: Apache-2.0 */
/* See policy.h: the JSON object to a struct. What is done with it is in demands.c. */
#include "attest/verify/snp/policy.h"

#include "attest/hex.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BIT(m) (1u << (m))
#define DEFAULTS                                                                                   \
    (BIT(SNP_M_PRODUCTS) | BIT(SNP_M_REPORT_VERSIONS) | BIT(SNP_M_VMPL) |                          \
     BIT(SNP_M_GUEST_POLICY_VALUE) | BIT(SNP_M_GUEST_POLICY_MASK) | BIT(SNP_M_ALLOW_VLEK) |        \
     BIT(SNP_M_CSP_IDS) | BIT(SNP_M_ALLOW_PROVISIONAL) | BIT(SNP_M_REQUIRE_CRL))

#define GUEST_POLICY_DEFAULT UINT64_C(0x30000) /* SMT allowed, the bit that is always one */
#define GUEST_POLICY_MASK    UINT64_C(0xffffffffffff0000) /* all but the ABI's version */

void snp_policy_init(struct snp_policy *p)
{
    *p = (struct snp_policy){
        .demands = DEFAULTS,
        .products = BIT(SNP_MILAN) | BIT(SNP_GENOA) | BIT(SNP_TURIN),
        .versions = BIT(2) | BIT(3) | BIT(5),
        .guest_policy_value = GUEST_POLICY_DEFAULT,
        .guest_policy_mask = GUEST_POLICY_MASK,
    };
}

void snp_policy_fini(struct snp_policy *p)
{
    free(p->measurements.p);
    free(p->csp_ids.p);
    free(p->id_keys.p);
    free(p->author_keys.p);
    free(p->chips.p);
    *p = (struct snp_policy){0};
}

/* ---- values. name is the member's, for errors */

static int wrong(const char *name, const char *wanted, struct err *e)
{
    return err_set(e, EINVAL, "policy: %s: wanted %s", name, wanted);
}

/* An integer, or its text as "0x30000". */
static int number(const json_t *v, const char *name, uint64_t max, uint64_t *out, struct err *e)
{
    uint64_t n = 0;
    bool good = false;
    if (json_is_integer(v)) {
        good = json_integer_value(v) >= 0;
        n = (uint64_t)json_integer_value(v);
    } else if (json_is_string(v)) {
        const char *t = json_string_value(v);
        size_t digits = strlen(t) > 2 ? strlen(t) - 2 : 0;
        good = strncmp(t, "0x", 2) == 0 && digits >= 1 && digits <= 16 &&
               strspn(t + 2, "0123456789abcdefABCDEF") == digits;
        n = good ? strtoull(t + 2, NULL, 16) : 0;
    }
    if (!good || n > max) {
        return err_set(e, EINVAL, "policy: %s: wanted a number up to %" PRIu64 ", or \"0x...\"",
                       name, max);
    }
    *out = n;
    return 0;
}

static int number_u32(const json_t *v, const char *name, uint32_t *out, struct err *e)
{
    uint64_t n;
    int r = number(v, name, UINT32_MAX, &n, e);
    if (r == 0) { *out = (uint32_t)n; }
    return r;
}

static int boolean(const json_t *v, const char *name, bool *out, struct err *e)
{
    if (!json_is_boolean(v)) { return wrong(name, "true or false", e); }
    *out = json_is_true(v);
    return 0;
}

static int bytes(const json_t *v, const char *name, uint8_t *out, size_t len, struct err *e)
{
    if (!json_is_string(v) || !hex_decode(json_string_value(v), json_string_length(v), out, len)) {
        return err_set(e, EINVAL, "policy: %s: wanted %zu digits of lower-case hex", name, 2 * len);
    }
    return 0;
}

/* One entry of a list: so many bytes of hex, or a text with zeros behind it. */
static int list_entry(const json_t *v, const char *name, uint8_t *out, size_t size, bool text,
                      struct err *e)
{
    if (!text) { return bytes(v, name, out, size, e); }
    size_t len = json_string_length(v);
    if (!json_is_string(v) || len == 0 || len >= size || strlen(json_string_value(v)) != len) {
        return wrong(name, "short texts", e);
    }
    memcpy(out, json_string_value(v), len);
    return 0;
}

static int list(const json_t *v, const char *name, size_t size, bool text, struct snp_list *out,
                struct err *e)
{
    size_t count = json_array_size(v);
    if (!json_is_array(v) || count > SNP_POLICY_LIST_MAX) {
        return err_set(e, EINVAL, "policy: %s: wanted a list of at most %d", name,
                       SNP_POLICY_LIST_MAX);
    }
    uint8_t *p = calloc(count + 1, size); /* an empty list is a list */
    if (!p) { return err_set(e, ENOMEM, "policy: out of memory"); }
    for (size_t i = 0; i < count; i++) {
        int r = list_entry(json_array_get(v, i), name, p + i * size, size, text, e);
        if (r < 0) {
            free(p);
            return r;
        }
    }
    free(out->p);
    *out = (struct snp_list){.p = p, .count = count};
    return 0;
}

/* "1.55.0", or "1.55" for two numbers: each up to 255, no signs, no spaces. */
static int version(const json_t *v, const char *name, size_t numbers, struct snp_firmware *out,
                   struct err *e)
{
    const char *t = json_is_string(v) ? json_string_value(v) : "";
    uint8_t n[3] = {0};
    bool good = true;
    for (size_t i = 0; good && i < numbers; i++) {
        size_t digits = strspn(t, "0123456789");
        unsigned long value = digits >= 1 && digits <= 3 ? strtoul(t, NULL, 10) : 256;
        char behind = i + 1 < numbers ? '.' : '\0';
        good = value <= 255 && t[digits] == behind;
        if (good) {
            n[i] = (uint8_t)value;
            t += digits + (behind ? 1 : 0);
        }
    }
    if (!good) { return wrong(name, numbers == 3 ? "\"1.55.0\"" : "\"1.55\"", e); }
    *out = (struct snp_firmware){.major = n[0], .minor = n[1], .build = n[2]};
    return 0;
}

/* {"bl":4,"tee":0,"snp":24,"ucode":219}, with "fmc" for Turin alone: all of them, nothing else. */
static int tcb(const json_t *v, const char *name, enum snp_product p, struct snp_tcb *out,
               struct err *e)
{
    struct snp_tcb t = {0};
    const struct {
        const char *name;
        uint8_t *at;
    } parts[] = {
        {"fmc", &t.fmc}, {"bl", &t.bl}, {"tee", &t.tee}, {"snp", &t.snp}, {"ucode", &t.ucode}};
    size_t first = p == SNP_TURIN ? 0 : 1;
    if (json_object_size(v) != ARRAY_COUNT(parts) - first) {
        return err_set(e, EINVAL, "policy: %s.%s: wanted %sbl, tee, snp, ucode", name,
                       snp_product_name(p), first ? "" : "fmc, ");
    }
    for (size_t i = first; i < ARRAY_COUNT(parts); i++) {
        const json_t *n = json_object_get(v, parts[i].name);
        if (!json_is_integer(n) || json_integer_value(n) < 0 || json_integer_value(n) > 255) {
            return err_set(e, EINVAL, "policy: %s.%s.%s: wanted 0 to 255", name,
                           snp_product_name(p), parts[i].name);
        }
        *parts[i].at = (uint8_t)json_integer_value(n);
    }
    *out = t;
    return 0;
}

static int minimum(const json_t *v, const char *name, struct snp_minimum *out, struct err *e)
{
    const char *product;
    json_t *value;
    if (!json_is_object(v)) { return wrong(name, "an object of products", e); }
    json_object_foreach ((json_t *)(uintptr_t)v, product, value) {
        enum snp_product p = snp_product_find(product, strlen(product));
        if (p == SNP_PRODUCT_NONE) { return wrong(name, "Milan, Genoa or Turin", e); }
        int r = tcb(value, name, p, &out->tcb[p], e);
        if (r < 0) { return r; }
        out->known[p] = true;
    }
    return 0;
}

static int products(const json_t *v, const char *name, uint32_t *out, struct err *e)
{
    const json_t *entry;
    size_t i;
    uint32_t bits = 0;
    if (!json_is_array(v)) { return wrong(name, "a list of Milan, Genoa, Turin", e); }
    json_array_foreach (v, i, entry) {
        enum snp_product p = json_is_string(entry) ? snp_product_find(json_string_value(entry),
                                                                      json_string_length(entry))
                                                   : SNP_PRODUCT_NONE;
        if (p == SNP_PRODUCT_NONE) { return wrong(name, "a list of Milan, Genoa, Turin", e); }
        bits |= BIT(p);
    }
    *out = bits;
    return 0;
}

static int versions(const json_t *v, const char *name, uint32_t *out, struct err *e)
{
    const json_t *entry;
    size_t i;
    uint32_t bits = 0;
    if (!json_is_array(v)) { return wrong(name, "a list of 2, 3, 5", e); }
    json_array_foreach (v, i, entry) {
        json_int_t n = json_is_integer(entry) ? json_integer_value(entry) : 0;
        if (n != 2 && n != 3 && n != 5) { return wrong(name, "a list of 2, 3, 5", e); }
        bits |= BIT(n);
    }
    *out = bits;
    return 0;
}

/* ---- members */

static const char *const names[SNP_M_COUNT] = {
    [SNP_M_PRODUCTS] = "products",
    [SNP_M_REPORT_VERSIONS] = "report_versions",
    [SNP_M_REPORT_DATA] = "report_data",
    [SNP_M_MEASUREMENTS] = "measurements",
    [SNP_M_HOST_DATA] = "host_data",
    [SNP_M_VMPL] = "vmpl",
    [SNP_M_GUEST_POLICY_VALUE] = "guest_policy_required_value",
    [SNP_M_GUEST_POLICY_MASK] = "guest_policy_mask",
    [SNP_M_MIN_ABI] = "min_abi",
    [SNP_M_ALLOW_VLEK] = "allow_vlek",
    [SNP_M_CSP_IDS] = "csp_ids",
    [SNP_M_MIN_TCB] = "min_tcb",
    [SNP_M_MIN_LAUNCH_TCB] = "min_launch_tcb",
    [SNP_M_ALLOW_PROVISIONAL] = "allow_provisional_firmware",
    [SNP_M_MIN_FIRMWARE] = "min_firmware",
    [SNP_M_MIN_GUEST_SVN] = "min_guest_svn",
    [SNP_M_PLATFORM_SET] = "platform_info_must_be_set",
    [SNP_M_PLATFORM_CLEAR] = "platform_info_must_be_clear",
    [SNP_M_PLATFORM_KNOWN] = "platform_info_known_bits",
    [SNP_M_ID_KEYS] = "id_key_digests",
    [SNP_M_AUTHOR_KEYS] = "author_key_digests",
    [SNP_M_MIN_LAUNCH_MIT] = "min_launch_mit_vector",
    [SNP_M_MIN_CURRENT_MIT] = "min_current_mit_vector",
    [SNP_M_CHIPS] = "chip_id_allow",
    [SNP_M_REQUIRE_CRL] = "require_crl",
};

const char *snp_member_name(enum snp_member m) { return names[m]; }

static int member_read(enum snp_member m, const json_t *v, struct snp_policy *p, struct err *e)
{
    const char *name = names[m];
    switch (m) {
    case SNP_M_PRODUCTS: return products(v, name, &p->products, e);
    case SNP_M_REPORT_VERSIONS: return versions(v, name, &p->versions, e);
    case SNP_M_REPORT_DATA: return bytes(v, name, p->report_data, sizeof p->report_data, e);
    case SNP_M_MEASUREMENTS: return list(v, name, SNP_MEASUREMENT_SIZE, false, &p->measurements, e);
    case SNP_M_HOST_DATA: return bytes(v, name, p->host_data, sizeof p->host_data, e);
    case SNP_M_VMPL: return number_u32(v, name, &p->vmpl, e);
    case SNP_M_GUEST_POLICY_VALUE: return number(v, name, UINT64_MAX, &p->guest_policy_value, e);
    case SNP_M_GUEST_POLICY_MASK: return number(v, name, UINT64_MAX, &p->guest_policy_mask, e);
    case SNP_M_MIN_ABI: return version(v, name, 2, &p->min_abi, e);
    case SNP_M_ALLOW_VLEK: return boolean(v, name, &p->allow_vlek, e);
    case SNP_M_CSP_IDS: return list(v, name, SNP_CSP_ID_MAX, true, &p->csp_ids, e);
    case SNP_M_MIN_TCB: return minimum(v, name, &p->min_tcb, e);
    case SNP_M_MIN_LAUNCH_TCB: return minimum(v, name, &p->min_launch_tcb, e);
    case SNP_M_ALLOW_PROVISIONAL: return boolean(v, name, &p->allow_provisional, e);
    case SNP_M_MIN_FIRMWARE: return version(v, name, 3, &p->min_firmware, e);
    case SNP_M_MIN_GUEST_SVN: return number_u32(v, name, &p->min_guest_svn, e);
    case SNP_M_PLATFORM_SET: return number(v, name, UINT64_MAX, &p->platform_set, e);
    case SNP_M_PLATFORM_CLEAR: return number(v, name, UINT64_MAX, &p->platform_clear, e);
    case SNP_M_PLATFORM_KNOWN: return number(v, name, UINT64_MAX, &p->platform_known, e);
    case SNP_M_ID_KEYS: return list(v, name, 48, false, &p->id_keys, e);
    case SNP_M_AUTHOR_KEYS: return list(v, name, 48, false, &p->author_keys, e);
    case SNP_M_MIN_LAUNCH_MIT: return number(v, name, UINT64_MAX, &p->min_launch_mit, e);
    case SNP_M_MIN_CURRENT_MIT: return number(v, name, UINT64_MAX, &p->min_current_mit, e);
    case SNP_M_CHIPS: return list(v, name, SNP_CHIP_ID_SIZE, false, &p->chips, e);
    case SNP_M_REQUIRE_CRL: return boolean(v, name, &p->require_crl, e);
    case SNP_M_COUNT: break;
    }
    return err_set(e, EINVAL, "policy: unknown member");
}

static enum snp_member member_find(const char *name)
{
    unsigned m = 0;
    while (m < SNP_M_COUNT && strcmp(names[m], name) != 0) { m++; }
    return (enum snp_member)m;
}

/* null demands nothing, which is only possible where nothing is the default. */
static int member_take(enum snp_member m, const json_t *v, struct snp_policy *p, struct err *e)
{
    p->given |= BIT(m);
    if (json_is_null(v)) {
        return BIT(m) & DEFAULTS ? wrong(names[m], "a value: null would not say which", e) : 0;
    }
    int r = member_read(m, v, p, e);
    if (r == 0) { p->demands |= BIT(m); }
    return r;
}

int snp_policy_parse(const json_t *policy, struct snp_policy *out, struct err *e)
{
    auto_snp_policy p;
    const char *name;
    json_t *v;
    snp_policy_init(&p);
    if (!json_is_object(policy)) { return err_set(e, EINVAL, "policy: not an object"); }
    json_object_foreach ((json_t *)(uintptr_t)policy, name, v) {
        enum snp_member m = member_find(name);
        if (m == SNP_M_COUNT) {
            return err_set(e, EINVAL, "policy: unknown member \"%.60s\"", name);
        }
        int r = member_take(m, v, &p, e);
        if (r < 0) { return r; }
    }
    *out = p;
    p = (struct snp_policy){0};
    return 0;
}

void snp_policy_check_complete(const struct snp_policy *p, uint32_t beside, struct verdict *v)
{
    for (unsigned m = 0; m < SNP_M_COUNT; m++) {
        if ((p->given | beside) & BIT(m)) { continue; }
        verdict_refuse(v, &snp_codes[SNP_CODE_POLICY_MEMBER], "missing", names[m],
                       "the policy does not say what %s has to be", names[m]);
    }
}
