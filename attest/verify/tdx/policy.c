/* SPDX-License-Identifier: Apache-2.0 */
/* See policy.h. The first half reads a policy, the second holds a quote to it. */
#include "attest/verify/tdx/policy.h"

#include "attest/hex.h"
#include "attest/json.h"
#include "attest/verify/tdx/codes.h"
#include "guest/base/ct.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CODE(name) (&tdx_codes[TDX_CODE_##name])

/* ---- reading --------------------------------------------------------------------------------- */

bool tdx_values_add(struct tdx_values *list, const uint8_t *value, size_t len)
{
    if (list->count == TDX_VALUES_MAX || len > TDX_MR) { return false; }
    memcpy(list->v[list->count++], value, len);
    return true;
}

static int take_hex(const char *name, const json_t *j, uint8_t *out, size_t len, struct err *e)
{
    const char *text = json_string_value(j);
    if (text && hex_decode(text, json_string_length(j), out, len)) { return 0; }
    return err_set(e, EINVAL, "policy: %s: wanted %zu digits of lower-case hex", name, 2 * len);
}

/* One value or a list of them, each len bytes. */
static int take_values(const char *name, const json_t *j, size_t len, struct tdx_values *out,
                       struct err *e)
{
    size_t n = json_is_array(j) ? json_array_size(j) : 1;
    if (n == 0 || n > TDX_VALUES_MAX) {
        return err_set(e, EINVAL, "policy: %s: wanted 1 to %d values", name, TDX_VALUES_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        uint8_t value[TDX_MR];
        int r = take_hex(name, json_is_array(j) ? json_array_get(j, i) : j, value, len, e);
        if (r == 0 && !tdx_values_add(out, value, len)) {
            r = err_set(e, E2BIG, "policy: %s: no room for more values", name);
        }
        if (r < 0) { return r; }
    }
    return 0;
}

static int take_number(const char *name, const json_t *j, uint64_t *out, struct err *e)
{
    const char *text = json_string_value(j);
    size_t digits = text && strncmp(text, "0x", 2) == 0 ? strlen(text + 2) : 0;
    if (json_is_integer(j) && json_integer_value(j) >= 0) {
        *out = (uint64_t)json_integer_value(j);
        return 0;
    }
    if (digits == 0 || digits > 16 || strspn(text + 2, "0123456789abcdefABCDEF") != digits) {
        return err_set(e, EINVAL, "policy: %s: wanted \"0x\" and up to 16 digits, or a number",
                       name);
    }
    *out = strtoull(text + 2, NULL, 16);
    return 0;
}

static int take_list(const char *name, const json_t *j, const char *of, struct err *e)
{
    size_t n = json_array_size(j);
    if (json_is_array(j) && n > 0 && n <= TDX_VALUES_MAX) { return 0; }
    return err_set(e, EINVAL, "policy: %s: wanted a list of 1 to %d %s", name, TDX_VALUES_MAX, of);
}

static int take_versions(const char *name, const json_t *j, struct tdx_policy *p, struct err *e)
{
    int r = take_list(name, j, "versions", e);
    if (r < 0) { return r; }
    p->quote_versions = 0;
    for (size_t i = 0; i < json_array_size(j); i++) {
        json_int_t n = json_integer_value(json_array_get(j, i));
        if (n != 4 && n != 5) { return err_set(e, EINVAL, "policy: %s: wanted 4 or 5", name); }
        p->quote_versions |= 1u << n;
    }
    return 0;
}

static int take_statuses(const char *name, const json_t *j, struct tdx_policy *p, struct err *e)
{
    int r = take_list(name, j, "statuses", e);
    if (r < 0) { return r; }
    p->statuses = 0;
    for (size_t i = 0; i < json_array_size(j); i++) {
        const char *text = json_string_value(json_array_get(j, i));
        enum tdx_status s = text ? tdx_status_of(text) : TDX_STATUSES;
        if (s == TDX_STATUSES || s == TDX_UNSUPPORTED || s == TDX_REVOKED) {
            return err_set(e, EINVAL, "policy: %s: \"%.40s\" is no status that can be accepted",
                           name, text ? text : "(no text)");
        }
        p->statuses |= 1u << s;
    }
    return 0;
}

static int take_advisories(const char *name, const json_t *j, struct tdx_policy *p, struct err *e)
{
    if (json_is_array(j) && json_array_size(j) == 0) { return 0; } /* none may apply: said aloud */
    int r = take_list(name, j, "advisories", e);
    for (size_t i = 0; r == 0 && i < json_array_size(j); i++) {
        const char *text = json_string_value(json_array_get(j, i));
        if (!text || strlen(text) >= sizeof p->advisories[0]) {
            return err_set(e, EINVAL, "policy: %s: an advisory is a text like INTEL-SA-01036",
                           name);
        }
        (void)snprintf(p->advisories[i], sizeof p->advisories[i], "%s", text);
        p->advisory_count++;
    }
    return r;
}

/* Members that are bytes, by their place in the policy. */
static const struct {
    const char *name;
    size_t at; /* of a struct tdx_values */
    size_t len;
} value_members[] = {
    {"mr_td", offsetof(struct tdx_policy, mr_td), TDX_MR},
    {"rtmr_0", offsetof(struct tdx_policy, rtmr[0]), TDX_MR},
    {"rtmr_1", offsetof(struct tdx_policy, rtmr[1]), TDX_MR},
    {"rtmr_2", offsetof(struct tdx_policy, rtmr[2]), TDX_MR},
    {"rtmr_3", offsetof(struct tdx_policy, rtmr[3]), TDX_MR},
    {"mr_config_id", offsetof(struct tdx_policy, mr_config_id), TDX_MR},
    {"mr_owner", offsetof(struct tdx_policy, mr_owner), TDX_MR},
    {"mr_owner_config", offsetof(struct tdx_policy, mr_owner_config), TDX_MR},
    {"ppids", offsetof(struct tdx_policy, ppids), TDX_PPID},
};

static const struct {
    const char *name;
    size_t at; /* of a uint64_t */
} number_members[] = {
    {"attributes_mask", offsetof(struct tdx_policy, attributes_mask)},
    {"attributes_value", offsetof(struct tdx_policy, attributes_value)},
    {"xfam_mask", offsetof(struct tdx_policy, xfam_mask)},
    {"xfam_value", offsetof(struct tdx_policy, xfam_value)},
};

static int take_member(const char *name, const json_t *j, struct tdx_policy *p, struct err *e)
{
    char *base = (char *)p;
    for (size_t i = 0; i < ARRAY_COUNT(value_members); i++) {
        if (strcmp(name, value_members[i].name) != 0) { continue; }
        struct tdx_values *out = (struct tdx_values *)(void *)(base + value_members[i].at);
        return take_values(name, j, value_members[i].len, out, e);
    }
    for (size_t i = 0; i < ARRAY_COUNT(number_members); i++) {
        if (strcmp(name, number_members[i].name) != 0) { continue; }
        return take_number(name, j, (uint64_t *)(void *)(base + number_members[i].at), e);
    }
    if (strcmp(name, "quote_versions") == 0) { return take_versions(name, j, p, e); }
    if (strcmp(name, "statuses") == 0) { return take_statuses(name, j, p, e); }
    if (strcmp(name, "advisory_ids") == 0) { return take_advisories(name, j, p, e); }
    if (strcmp(name, "report_data") == 0) {
        p->has_report_data = true;
        return take_hex(name, j, p->report_data, sizeof p->report_data, e);
    }
    if (strcmp(name, "min_tee_tcb_svn") == 0) {
        return take_hex(name, j, p->min_tee_tcb_svn, sizeof p->min_tee_tcb_svn, e);
    }
    return err_set(e, EINVAL, "policy: unknown member \"%.60s\"", name);
}

/* A value without its mask, and bits of which nobody knows what they would allow. */
static int consistent(const struct tdx_policy *p, struct err *e)
{
    if (p->attributes_value & ~p->attributes_mask) {
        return err_set(e, EINVAL, "policy: attributes_value has bits outside attributes_mask");
    }
    if (p->xfam_value & ~p->xfam_mask) {
        return err_set(e, EINVAL, "policy: xfam_value has bits outside xfam_mask");
    }
    if (p->attributes_value & ~TDX_ATTR_KNOWN) {
        return err_set(e, EINVAL, "policy: attributes_value demands bits nobody knows here");
    }
    return 0;
}

void tdx_policy_default(struct tdx_policy *out)
{
    *out =
        (struct tdx_policy){.quote_versions = 1u << 4 | 1u << 5, .statuses = 1u << TDX_UP_TO_DATE};
}

int tdx_policy_read(const json_t *doc, const char *const *required, struct tdx_policy *out,
                    struct err *e)
{
    struct tdx_policy p;
    const char *name;
    json_t *value;
    if (!json_is_object(doc)) { return err_set(e, EINVAL, "policy: not an object"); }
    for (; required && *required; required++) {
        if (!json_object_get(doc, *required)) {
            return err_set(e, EINVAL, "policy: member \"%s\" is missing", *required);
        }
    }
    tdx_policy_default(&p);
    json_object_foreach ((json_t *)(uintptr_t)doc, name, value) {
        int r = take_member(name, value, &p, e);
        if (r < 0) { return r; }
    }
    int r = consistent(&p, e);
    if (r == 0) { *out = p; }
    return r;
}

int tdx_policy_parse(const void *text, size_t len, struct tdx_policy *out, struct err *e)
{
    auto_json doc = NULL;
    int r = json_load_strict("policy", text, len, TDX_POLICY_MAX, &doc, e);
    return r < 0 ? r : tdx_policy_read(doc, NULL, out, e);
}

/* ---- holding a quote to it ------------------------------------------------------------------- */

static void check_values(const struct tdx_values *list, const struct verdict_code *code,
                         const uint8_t *found, size_t len, struct verdict *v)
{
    char hex[HEX_LEN(TDX_MR)];
    const uint8_t *wanted = list->v[0];
    if (list->count == 0) {
        hex_encode(found, len, hex);
        verdict_unbound(v, code->field, hex);
        return;
    }
    for (size_t i = 0; i < list->count; i++) {
        if (memcmp(found, list->v[i], len) == 0) { wanted = list->v[i]; }
    }
    verdict_check_bytes(v, memcmp(found, wanted, len) == 0, code, found, wanted, len);
}

static void check_mr_td(const struct tdx_policy *p, const struct tdx_quote *q, struct verdict *v)
{
    static const uint8_t zeros[TDX_MR] = {0};
    if (memcmp(q->mr_td, zeros, TDX_MR) == 0) {
        verdict_refuse(v, CODE(MR_TD), "all zeros", "a measurement", "nothing was measured");
    } else {
        check_values(&p->mr_td, CODE(MR_TD), q->mr_td, TDX_MR, v);
    }
}

static void check_number(struct verdict *v, bool holds, const struct verdict_code *code,
                         uint64_t found, const char *fmt, uint64_t wanted)
{
    char a[24], b[64];
    (void)snprintf(a, sizeof a, "0x%" PRIx64, found);
    (void)snprintf(b, sizeof b, "%s 0x%" PRIx64, fmt, wanted);
    verdict_check(v, holds, code, a, b);
}

const char *const tdx_attribute_names[64] = {
    [0] = "DEBUG", [4] = "HGS_PLUS_PROF",    [5] = "PERF_PROF",   [6] = "PMT_PROF", [16] = "ICSSD",
    [27] = "LASS", [28] = "SEPT_VE_DISABLE", [29] = "MIGRATABLE", [30] = "PKS",     [31] = "KL",
    [62] = "TPA",  [63] = "PERFMON"};

/* By the first of the bits that are wrong. */
static void refuse_attribute(struct verdict *v, const struct verdict_code *code, uint64_t found,
                             uint64_t wanted, uint64_t wrong)
{
    char a[24], b[32];
    unsigned bit = 0;
    while ((wrong >> bit & 1) == 0) { bit++; }
    (void)snprintf(a, sizeof a, "0x%" PRIx64, found);
    (void)snprintf(b, sizeof b, "exactly 0x%" PRIx64, wanted);
    verdict_refuse(v, code, a, b, "%s: bit %u (%s) is %s", code->means, bit,
                   tdx_attribute_names[bit] ? tdx_attribute_names[bit] : "reserved",
                   found >> bit & 1 ? "set" : "clear");
}

static void check_attributes(const struct tdx_policy *p, uint64_t found, struct verdict *v)
{
    uint64_t mask = p->attributes_mask;
    uint64_t wanted = (TDX_ATTR_SEPT_VE_DISABLE & ~mask) | (p->attributes_value & mask);
    uint64_t wrong = found ^ wanted;
    const struct {
        uint64_t bits;
        const struct verdict_code *code;
    } groups[] = {
        {TDX_ATTR_DEBUG_GROUP, CODE(DEBUG)},
        {TDX_ATTR_SEPT_VE_DISABLE, CODE(SEPT_VE_DISABLE)},
        {TDX_ATTR_MIGRATABLE, CODE(MIGRATABLE)},
        {TDX_ATTR_KNOWN & ~(TDX_ATTR_DEBUG_GROUP | TDX_ATTR_SEPT_VE_DISABLE | TDX_ATTR_MIGRATABLE),
         CODE(ATTRIBUTES)},
        {~(TDX_ATTR_KNOWN | TDX_ATTR_DEBUG_GROUP), CODE(ATTRIBUTES_UNKNOWN)},
    };
    for (size_t i = 0; i < ARRAY_COUNT(groups); i++) {
        if (wrong & groups[i].bits) {
            refuse_attribute(v, groups[i].code, found, wanted, wrong & groups[i].bits);
        }
    }
    if (wrong == 0) { check_number(v, true, CODE(ATTRIBUTES), found, "exactly", wanted); }
}

static void check_xfam(const struct tdx_policy *p, uint64_t found, struct verdict *v)
{
    if (found & ~TDX_XFAM_KNOWN) {
        check_number(v, false, CODE(XFAM_UNKNOWN), found, "within", TDX_XFAM_KNOWN);
    }
    uint64_t mask = p->xfam_mask | TDX_XFAM_REQUIRED;
    uint64_t value = p->xfam_value | TDX_XFAM_REQUIRED;
    char a[24], b[64];
    (void)snprintf(a, sizeof a, "0x%" PRIx64, found);
    (void)snprintf(b, sizeof b, "0x%" PRIx64 " where the mask is 0x%" PRIx64, value, mask);
    verdict_check(v, (found & mask) == value, CODE(XFAM), a, b);
}

static void check_svn(const struct tdx_policy *p, const struct tdx_quote *q, struct verdict *v)
{
    bool holds = true;
    for (size_t i = 0; i < TDX_SVN; i++) {
        holds = holds && q->tee_tcb_svn[i] >= p->min_tee_tcb_svn[i];
    }
    verdict_check_bytes(v, holds, CODE(MIN_SVN), q->tee_tcb_svn, p->min_tee_tcb_svn, TDX_SVN);
}

static void check_report_data(const struct tdx_policy *p, const struct tdx_quote *q,
                              struct verdict *v)
{
    char hex[HEX_LEN(TDX_REPORT)];
    if (!p->has_report_data) {
        hex_encode(q->report_data, sizeof q->report_data, hex);
        verdict_unbound(v, "report_data", hex);
        return;
    }
    verdict_check_bytes(v, ct_eq(q->report_data, p->report_data, TDX_REPORT), CODE(REPORT_DATA),
                        q->report_data, p->report_data, TDX_REPORT);
}

/* ---- of the machine */

static void check_advisories(const struct tdx_policy *p, const json_t *list, struct verdict *v)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *id = json_string_value(json_array_get(list, i));
        size_t k = 0;
        while (k < p->advisory_count && strcmp(p->advisories[k], id) != 0) { k++; }
        verdict_check(v, k < p->advisory_count, CODE(ADVISORY), id,
                      p->advisory_count ? "one of advisory_ids" : "none");
    }
}

static void check_status(const struct tdx_policy *p, const struct tdx_appraisal *a,
                         struct verdict *v)
{
    char wanted[VERDICT_VALUE_MAX] = "";
    for (size_t s = 0, at = 0; s < TDX_STATUSES; s++) {
        if (!(p->statuses >> s & 1)) { continue; }
        int n = snprintf(wanted + at, sizeof wanted - at, "%s%s", at ? ", " : "",
                         tdx_status_name((enum tdx_status)s));
        at += n > 0 && (size_t)n < sizeof wanted - at ? (size_t)n : 0;
    }
    bool taken =
        a->status != TDX_UNSUPPORTED && a->status != TDX_REVOKED && (p->statuses >> a->status & 1);
    verdict_check(v, taken, CODE(STATUS), tdx_status_name(a->status), wanted);
    check_advisories(p, a->tdx.advisories, v);
    if (a->module.advisories != a->tdx.advisories) { check_advisories(p, a->module.advisories, v); }
    check_advisories(p, a->qe.advisories, v);
}

void tdx_policy_apply(const struct tdx_policy *p, const struct tdx_quote *q,
                      const struct tdx_pck *platform, const struct tdx_appraisal *a,
                      struct verdict *v)
{
    static const enum tdx_code rtmr_codes[TDX_RTMRS] = {TDX_CODE_RTMR_0, TDX_CODE_RTMR_1,
                                                        TDX_CODE_RTMR_2, TDX_CODE_RTMR_3};
    static const uint8_t zeros[TDX_MR] = {0};
    char version[8];
    (void)snprintf(version, sizeof version, "%u", q->version);
    verdict_check(v, p->quote_versions >> q->version & 1, CODE(QUOTE_VERSION), version,
                  "one of quote_versions");
    check_status(p, a, v);
    check_svn(p, q, v);
    if (p->ppids.count > 0) {
        check_values(&p->ppids, CODE(PLATFORM), platform->ppid, TDX_PPID, v);
    }
    check_attributes(p, q->attributes, v);
    check_xfam(p, q->xfam, v);
    verdict_check_bytes(v, memcmp(q->mr_service_td, zeros, TDX_MR) == 0, CODE(SERVICE_TD),
                        q->mr_service_td, zeros, TDX_MR);
    check_report_data(p, q, v);
    check_mr_td(p, q, v);
    for (size_t i = 0; i < TDX_RTMRS; i++) {
        check_values(&p->rtmr[i], &tdx_codes[rtmr_codes[i]], q->rtmr[i], TDX_MR, v);
    }
    check_values(&p->mr_config_id, CODE(MR_CONFIG_ID), q->mr_config_id, TDX_MR, v);
    check_values(&p->mr_owner, CODE(MR_OWNER), q->mr_owner, TDX_MR, v);
    check_values(&p->mr_owner_config, CODE(MR_OWNER_CONFIG), q->mr_owner_config, TDX_MR, v);
}
