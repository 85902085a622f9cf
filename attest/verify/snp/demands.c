/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layers of the SNP verifier that compare a signed report with what is demanded. Each check is
 * a row and, when it fails, a reason; none depends on another's outcome. What nobody demands is
 * said.
 */
#include "attest/verify/snp/policy.h"

#include "attest/hex.h"
#include "guest/base/ct.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BIT(m) (1u << (m))

/* Guest policy bits. [SNP-ABI] GUEST_POLICY */
#define POLICY_MUST_BE_ONE  (UINT64_C(1) << 17)
#define POLICY_MUST_BE_ZERO (~UINT64_C(0) << 26)

#define VMPL_MAX            3
#define KEY_INFO_AUTHOR_KEY 1u

struct look {
    const struct snp_policy *p;
    const struct snp_report *r;
    const struct snp_endorsement *e;
    struct verdict *v;
};

static bool demands(const struct look *l, enum snp_member m) { return l->p->demands & BIT(m); }

/* By the member's name; the digest by the field's, as for every kind of evidence. */
static void unbound(const struct look *l, enum snp_member m, const char *found)
{
    verdict_unbound(l->v, m == SNP_M_MEASUREMENTS ? "measurement" : snp_member_name(m), found);
}

static void unbound_bytes(const struct look *l, enum snp_member m, const uint8_t *p, size_t len)
{
    char hex[HEX_LEN(64)];
    hex_encode(p, len < 64 ? len : 64, hex);
    unbound(l, m, hex);
}

static bool all_zero(const uint8_t *p, size_t len)
{
    uint8_t any = 0;
    for (size_t i = 0; i < len; i++) { any |= p[i]; }
    return any == 0;
}

/* The entry of a list that is equal; NULL when none is. */
static const uint8_t *listed(const struct snp_list *l, const uint8_t *p, size_t size)
{
    for (size_t i = 0; i < l->count; i++) {
        if (memcmp(l->p + i * size, p, size) == 0) { return l->p + i * size; }
    }
    return NULL;
}

/* Is a digest on the list, and does it say anything? All zero is what nobody has set. */
static void check_listed(const struct look *l, enum snp_member m, enum snp_code code,
                         const struct snp_list *list, const uint8_t *found, size_t size,
                         bool counts)
{
    static const uint8_t nothing[64];
    if (!demands(l, m)) {
        unbound_bytes(l, m, found, size);
        return;
    }
    const uint8_t *entry = listed(list, found, size);
    bool holds = entry && counts && !all_zero(found, size);
    const uint8_t *wanted = entry ? entry : list->count ? list->p : nothing;
    if (holds || list->count == 1) {
        verdict_check_bytes(l->v, holds, &snp_codes[code], found, wanted, size);
        return;
    }
    char hex[HEX_LEN(64)], text[48];
    hex_encode(found, size, hex);
    (void)snprintf(text, sizeof text, "one of a list of %zu, not zero", list->count);
    verdict_check(l->v, false, &snp_codes[code], hex, text);
}

/* ---- freshness */

static void check_report_data(const struct look *l)
{
    const uint8_t *found = l->r->report_data;
    if (!demands(l, SNP_M_REPORT_DATA)) {
        unbound_bytes(l, SNP_M_REPORT_DATA, found, SNP_REPORT_DATA_SIZE);
        return;
    }
    verdict_check_bytes(l->v, ct_eq(found, l->p->report_data, SNP_REPORT_DATA_SIZE),
                        &snp_codes[SNP_CODE_REPORT_DATA], found, l->p->report_data,
                        SNP_REPORT_DATA_SIZE);
}

/* ---- TCB */

static void tcb_of(const struct look *l, const uint8_t raw[8], struct snp_tcb *t,
                   char text[SNP_TCB_TEXT])
{
    (void)snp_tcb_read(l->e->root.product, raw, t);
    snp_tcb_text(l->e->root.product, t, text);
}

static void check_tcb_order(const struct look *l)
{
    struct snp_tcb current, reported, committed;
    char top[SNP_TCB_TEXT], found[SNP_TCB_TEXT], wanted[SNP_TCB_TEXT + 16];
    tcb_of(l, l->r->current_raw, &current, top);
    (void)snprintf(wanted, sizeof wanted, "at most %s", top);
    tcb_of(l, l->r->reported_raw, &reported, found);
    bool good = snp_tcb_at_least(&current, &reported);
    if (good) {
        tcb_of(l, l->r->committed_raw, &committed, found);
        good = snp_tcb_at_least(&current, &committed);
    }
    verdict_check(l->v, good, &snp_codes[SNP_CODE_TCB_ORDER], found, wanted);
}

static void check_minimum(const struct look *l, enum snp_member m, enum snp_code code,
                          const struct snp_minimum *min, const uint8_t raw[8])
{
    enum snp_product p = l->e->root.product;
    struct snp_tcb t;
    char found[SNP_TCB_TEXT], least[SNP_TCB_TEXT], wanted[SNP_TCB_TEXT + 16];
    tcb_of(l, raw, &t, found);
    if (!demands(l, m)) {
        unbound(l, m, found);
        return;
    }
    if (!min->known[p]) {
        (void)snprintf(wanted, sizeof wanted, "a minimum for %s", snp_product_name(p));
        verdict_check(l->v, false, &snp_codes[code], found, wanted);
        return;
    }
    snp_tcb_text(p, &min->tcb[p], least);
    (void)snprintf(wanted, sizeof wanted, "at least %s", least);
    verdict_check(l->v, snp_tcb_at_least(&t, &min->tcb[p]), &snp_codes[code], found, wanted);
}

static int firmware_compare(const struct snp_firmware *a, const struct snp_firmware *b)
{
    if (a->major != b->major) { return a->major < b->major ? -1 : 1; }
    if (a->minor != b->minor) { return a->minor < b->minor ? -1 : 1; }
    return a->build < b->build ? -1 : a->build > b->build;
}

static void firmware_text(const struct snp_firmware *f, char out[16])
{
    (void)snprintf(out, 16, "%u.%u.%u", f->major, f->minor, f->build);
}

/* A committed version above the current one cannot be, allowed or not. */
static void check_provisional(const struct look *l)
{
    const struct snp_report *r = l->r;
    int order = firmware_compare(&r->committed, &r->current);
    bool settled = order == 0 && memcmp(r->committed_raw, r->current_raw, 8) == 0;
    struct snp_tcb t;
    char tcb[SNP_TCB_TEXT], firmware[16], found[96], wanted[96];
    tcb_of(l, r->committed_raw, &t, tcb);
    firmware_text(&r->committed, firmware);
    (void)snprintf(found, sizeof found, "committed %s, %s", firmware, tcb);
    tcb_of(l, r->current_raw, &t, tcb);
    firmware_text(&r->current, firmware);
    (void)snprintf(wanted, sizeof wanted, "%s %s, %s",
                   l->p->allow_provisional ? "at most" : "as current", firmware, tcb);
    verdict_check(l->v, settled || (l->p->allow_provisional && order <= 0),
                  &snp_codes[SNP_CODE_PROVISIONAL], found, wanted);
}

static void check_firmware(const struct look *l)
{
    char found[16], least[16], wanted[32];
    firmware_text(&l->r->current, found);
    if (!demands(l, SNP_M_MIN_FIRMWARE)) {
        unbound(l, SNP_M_MIN_FIRMWARE, found);
        return;
    }
    firmware_text(&l->p->min_firmware, least);
    (void)snprintf(wanted, sizeof wanted, "at least %s", least);
    verdict_check(l->v, firmware_compare(&l->r->current, &l->p->min_firmware) >= 0,
                  &snp_codes[SNP_CODE_FIRMWARE], found, wanted);
}

/* Reports below version 5 have no vector: read as zero, so that they satisfy no bit. */
static void check_mitigations(const struct look *l, enum snp_member m, const char *which,
                              uint64_t found_bits, uint64_t wanted_bits)
{
    char found[40], wanted[40];
    (void)snprintf(found, sizeof found, "%s 0x%" PRIx64, which, found_bits);
    if (!demands(l, m)) {
        unbound(l, m, found);
        return;
    }
    (void)snprintf(wanted, sizeof wanted, "bits 0x%" PRIx64, wanted_bits);
    verdict_check(l->v, (found_bits & wanted_bits) == wanted_bits, &snp_codes[SNP_CODE_MITIGATIONS],
                  found, wanted);
}

static void check_tcbs(const struct look *l)
{
    const struct snp_policy *p = l->p;
    check_tcb_order(l);
    check_minimum(l, SNP_M_MIN_TCB, SNP_CODE_TCB_MINIMUM, &p->min_tcb, l->r->reported_raw);
    check_minimum(l, SNP_M_MIN_LAUNCH_TCB, SNP_CODE_LAUNCH_TCB, &p->min_launch_tcb,
                  l->r->launch_raw);
    check_provisional(l);
    check_firmware(l);
    check_mitigations(l, SNP_M_MIN_LAUNCH_MIT, "launch", l->r->launch_mit, p->min_launch_mit);
    check_mitigations(l, SNP_M_MIN_CURRENT_MIT, "current", l->r->current_mit, p->min_current_mit);
}

/* ---- policy: which reports, from where */

static void check_source(const struct look *l)
{
    const struct snp_policy *p = l->p;
    enum snp_product product = l->e->root.product;
    char found[16], wanted[48];
    (void)snprintf(found, sizeof found, "%" PRIu32, l->r->version);
    (void)snprintf(wanted, sizeof wanted, "one of%s%s%s", p->versions & BIT(2) ? " 2" : "",
                   p->versions & BIT(3) ? " 3" : "", p->versions & BIT(5) ? " 5" : "");
    verdict_check(l->v, p->versions & BIT(l->r->version), &snp_codes[SNP_CODE_REPORT_VERSION],
                  found, wanted);
    (void)snprintf(
        wanted, sizeof wanted, "one of%s%s%s", p->products & BIT(SNP_MILAN) ? " Milan" : "",
        p->products & BIT(SNP_GENOA) ? " Genoa" : "", p->products & BIT(SNP_TURIN) ? " Turin" : "");
    verdict_check(l->v, p->products & BIT(product), &snp_codes[SNP_CODE_PRODUCT_ALLOWED],
                  snp_product_name(product), wanted);
    if (!l->e->vek.vlek) {
        verdict_check(l->v, true, &snp_codes[SNP_CODE_VLEK], "VCEK",
                      p->allow_vlek ? "VCEK or a listed VLEK" : "VCEK");
        return;
    }
    uint8_t csp[SNP_CSP_ID_MAX] = {0};
    memcpy(csp, l->e->vek.csp_id, strlen(l->e->vek.csp_id));
    verdict_check(l->v, p->allow_vlek && listed(&p->csp_ids, csp, sizeof csp),
                  &snp_codes[SNP_CODE_VLEK], l->e->vek.csp_id,
                  p->allow_vlek ? "VLEK of a listed cspID" : "VCEK");
}

/* ---- policy: how the guest was launched, on what platform */

static void check_guest_policy(const struct look *l)
{
    uint64_t found_bits = l->r->policy, mask = l->p->guest_policy_mask;
    bool holds = (found_bits & mask) == (l->p->guest_policy_value & mask) &&
                 (found_bits & POLICY_MUST_BE_ONE) && (found_bits & POLICY_MUST_BE_ZERO) == 0;
    char found[24], wanted[96];
    (void)snprintf(found, sizeof found, "0x%" PRIx64, found_bits);
    (void)snprintf(wanted, sizeof wanted, "0x%" PRIx64 " under mask 0x%" PRIx64 ", bit 17 set",
                   l->p->guest_policy_value, mask);
    verdict_check(l->v, holds, &snp_codes[SNP_CODE_GUEST_POLICY], found, wanted);

    unsigned major = found_bits >> 8 & 0xff, minor = found_bits & 0xff;
    (void)snprintf(found, sizeof found, "%u.%u", major, minor);
    if (!demands(l, SNP_M_MIN_ABI)) {
        unbound(l, SNP_M_MIN_ABI, found);
        return;
    }
    const struct snp_firmware *least = &l->p->min_abi;
    (void)snprintf(wanted, sizeof wanted, "at least %u.%u", least->major, least->minor);
    verdict_check(l->v, major > least->major || (major == least->major && minor >= least->minor),
                  &snp_codes[SNP_CODE_ABI], found, wanted);
}

static void check_platform_bits(const struct look *l, enum snp_member m, uint64_t wrong_bits,
                                const char *wanted_what, uint64_t wanted_bits)
{
    char found[24], wanted[40];
    (void)snprintf(found, sizeof found, "0x%" PRIx64, l->r->platform_info);
    if (!demands(l, m)) {
        unbound(l, m, found);
        return;
    }
    (void)snprintf(wanted, sizeof wanted, "%s 0x%" PRIx64, wanted_what, wanted_bits);
    verdict_check(l->v, wrong_bits == 0, &snp_codes[SNP_CODE_PLATFORM_INFO], found, wanted);
}

static void check_platform(const struct look *l)
{
    const struct snp_policy *p = l->p;
    uint64_t found = l->r->platform_info;
    check_platform_bits(l, SNP_M_PLATFORM_SET, ~found & p->platform_set, "set:", p->platform_set);
    check_platform_bits(l, SNP_M_PLATFORM_CLEAR, found & p->platform_clear,
                        "clear:", p->platform_clear);
    check_platform_bits(l, SNP_M_PLATFORM_KNOWN, found & ~p->platform_known, "none beside",
                        p->platform_known);
    check_listed(l, SNP_M_CHIPS, SNP_CODE_CHIP_ALLOWED, &p->chips, l->r->chip_id, SNP_CHIP_ID_SIZE,
                 true);
}

static void check_vmpl(const struct look *l)
{
    char found[16], wanted[16];
    (void)snprintf(found, sizeof found, l->r->vmpl > VMPL_MAX ? "0x%" PRIx32 : "%" PRIu32,
                   l->r->vmpl);
    (void)snprintf(wanted, sizeof wanted, "%" PRIu32, l->p->vmpl);
    verdict_check(l->v, l->r->vmpl == l->p->vmpl && l->r->vmpl <= VMPL_MAX,
                  &snp_codes[SNP_CODE_VMPL], found, wanted);
}

/* ---- policy: whose image, with which initdata */

static void check_identity(const struct look *l)
{
    const struct snp_policy *p = l->p;
    const struct snp_report *r = l->r;
    if (demands(l, SNP_M_HOST_DATA)) {
        verdict_check_bytes(l->v, ct_eq(r->host_data, p->host_data, sizeof r->host_data),
                            &snp_codes[SNP_CODE_HOST_DATA], r->host_data, p->host_data,
                            sizeof r->host_data);
    } else {
        unbound_bytes(l, SNP_M_HOST_DATA, r->host_data, sizeof r->host_data);
    }
    check_listed(l, SNP_M_ID_KEYS, SNP_CODE_ID_KEY, &p->id_keys, r->id_key_digest,
                 sizeof r->id_key_digest, true);
    check_listed(l, SNP_M_AUTHOR_KEYS, SNP_CODE_AUTHOR_KEY, &p->author_keys, r->author_key_digest,
                 sizeof r->author_key_digest, r->key_info & KEY_INFO_AUTHOR_KEY);

    char found[16], wanted[32];
    (void)snprintf(found, sizeof found, "%" PRIu32, r->guest_svn);
    if (demands(l, SNP_M_MIN_GUEST_SVN)) {
        (void)snprintf(wanted, sizeof wanted, "at least %" PRIu32, p->min_guest_svn);
        verdict_check(l->v, r->guest_svn >= p->min_guest_svn, &snp_codes[SNP_CODE_GUEST_SVN], found,
                      wanted);
    } else {
        unbound(l, SNP_M_MIN_GUEST_SVN, found);
    }
}

static void check_migration(const struct look *l)
{
    uint8_t none[sizeof l->r->report_id_ma];
    memset(none, 0xff, sizeof none);
    verdict_check_bytes(l->v, memcmp(l->r->report_id_ma, none, sizeof none) == 0,
                        &snp_codes[SNP_CODE_MIGRATION_AGENT], l->r->report_id_ma, none,
                        sizeof none);
}

void snp_policy_check(const struct snp_policy *p, const struct snp_report *r,
                      const struct snp_endorsement *e, struct verdict *v)
{
    const struct look l = {.p = p, .r = r, .e = e, .v = v};
    check_source(&l);
    check_report_data(&l);
    check_tcbs(&l);
    check_listed(&l, SNP_M_MEASUREMENTS, SNP_CODE_MEASUREMENT, &p->measurements, r->measurement,
                 SNP_MEASUREMENT_SIZE, true);
    check_guest_policy(&l);
    check_platform(&l);
    check_vmpl(&l);
    check_identity(&l);
    check_migration(&l);
}
