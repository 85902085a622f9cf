/* SPDX-License-Identifier: Apache-2.0 */
/* See report.h. [SNP-ABI] ATTESTATION_REPORT, TCB_VERSION */
#include "attest/verify/snp/report.h"

#include "attest/crypto.h"
#include "guest/base/cur.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SIGNATURE_ALGO_P384 1
#define KEY_MASKED          2u
#define KEY_SIGNING(k)      ((k) >> 2 & 7)
#define KEY_SIGNING_VCEK    0
#define KEY_SIGNING_VLEK    1
#define KEY_KNOWN_BITS      0x1fu
#define P384_BYTES          48

static const char *const names[SNP_PRODUCT_COUNT] = {"", "Milan", "Genoa", "Turin"};

const char *snp_product_name(enum snp_product p) { return names[p]; }

enum snp_product snp_product_find(const char *name, size_t len)
{
    for (unsigned p = SNP_MILAN; p < SNP_PRODUCT_COUNT; p++) {
        if (strlen(names[p]) == len && memcmp(names[p], name, len) == 0) {
            return (enum snp_product)p;
        }
    }
    return SNP_PRODUCT_NONE;
}

enum snp_product snp_product_of_cpu(uint8_t family, uint8_t model)
{
    if (family == 0x19 && model <= 0x0f) { return SNP_MILAN; }
    if (family == 0x19 && model >= 0x10 && model <= 0x1f) { return SNP_GENOA; }
    if (family == 0x19 && model >= 0xa0 && model <= 0xaf) { return SNP_GENOA; }
    if (family == 0x1a && model <= 0x11) { return SNP_TURIN; }
    return SNP_PRODUCT_NONE;
}

/* ---- TCB versions */

bool snp_tcb_read(enum snp_product p, const uint8_t raw[8], struct snp_tcb *out)
{
    if (p == SNP_TURIN) {
        *out = (struct snp_tcb){
            .fmc = raw[0], .bl = raw[1], .tee = raw[2], .snp = raw[3], .ucode = raw[7]};
        return (raw[4] | raw[5] | raw[6]) == 0;
    }
    *out = (struct snp_tcb){.bl = raw[0], .tee = raw[1], .snp = raw[6], .ucode = raw[7]};
    return (raw[2] | raw[3] | raw[4] | raw[5]) == 0;
}

bool snp_tcb_at_least(const struct snp_tcb *a, const struct snp_tcb *b)
{
    return a->fmc >= b->fmc && a->bl >= b->bl && a->tee >= b->tee && a->snp >= b->snp &&
           a->ucode >= b->ucode;
}

bool snp_tcb_equal(const struct snp_tcb *a, const struct snp_tcb *b)
{
    return snp_tcb_at_least(a, b) && snp_tcb_at_least(b, a);
}

void snp_tcb_text(enum snp_product p, const struct snp_tcb *t, char out[SNP_TCB_TEXT])
{
    int n = p == SNP_TURIN ? snprintf(out, SNP_TCB_TEXT, "fmc %u, ", t->fmc) : 0;
    (void)snprintf(out + n, SNP_TCB_TEXT - (size_t)n, "bl %u, tee %u, snp %u, ucode %u", t->bl,
                   t->tee, t->snp, t->ucode);
}

/* ---- the report */

/* What is read only to be zero: the first offset of each stretch that was not. */
struct reserved {
    const uint8_t *start;
    size_t bad; /* offset + 1 of the first byte that is not zero; 0 = none */
};

static void skip_zeros(struct cur *c, size_t n, struct reserved *z)
{
    const uint8_t *p = cur_take(c, n);
    for (size_t i = 0; p && i < n; i++) {
        if (p[i] != 0 && z->bad == 0) { z->bad = (size_t)(p + i - z->start) + 1; }
    }
}

static void take(struct cur *c, uint8_t *out, size_t n)
{
    const uint8_t *p = cur_take(c, n);
    if (p) { memcpy(out, p, n); }
}

static struct snp_firmware take_firmware(struct cur *c)
{
    struct snp_firmware f;
    f.build = cur_u8(c);
    f.minor = cur_u8(c);
    f.major = cur_u8(c);
    return f;
}

/* A number of the signature: 48 little-endian bytes and zeros, turned around. */
static void take_number(struct cur *c, uint8_t out[P384_BYTES], struct reserved *z)
{
    const uint8_t *p = cur_take(c, P384_BYTES);
    for (size_t i = 0; p && i < P384_BYTES; i++) { out[i] = p[P384_BYTES - 1 - i]; }
    skip_zeros(c, SNP_SIG_PART_SIZE - P384_BYTES, z);
}

/* Everything in its order. Which bytes are reserved depends on the version, known by now. */
static void read_fields(struct cur *c, struct snp_report *r, uint32_t *algo, struct reserved *z)
{
    r->version = cur_u32le(c);
    r->guest_svn = cur_u32le(c);
    r->policy = cur_u64le(c);
    take(c, r->family_id, sizeof r->family_id);
    take(c, r->image_id, sizeof r->image_id);
    r->vmpl = cur_u32le(c);
    *algo = cur_u32le(c);
    take(c, r->current_raw, 8);
    r->platform_info = cur_u64le(c);
    r->key_info = cur_u32le(c);
    skip_zeros(c, 4, z);
    take(c, r->report_data, sizeof r->report_data);
    take(c, r->measurement, sizeof r->measurement);
    take(c, r->host_data, sizeof r->host_data);
    take(c, r->id_key_digest, sizeof r->id_key_digest);
    take(c, r->author_key_digest, sizeof r->author_key_digest);
    take(c, r->report_id, sizeof r->report_id);
    take(c, r->report_id_ma, sizeof r->report_id_ma);
    take(c, r->reported_raw, 8);
    if (r->version >= 3) {
        r->cpu_family = cur_u8(c);
        r->cpu_model = cur_u8(c);
        r->cpu_stepping = cur_u8(c);
        skip_zeros(c, 21, z);
    } else {
        skip_zeros(c, 24, z);
    }
    take(c, r->chip_id, sizeof r->chip_id);
    take(c, r->committed_raw, 8);
    r->current = take_firmware(c);
    skip_zeros(c, 1, z);
    r->committed = take_firmware(c);
    skip_zeros(c, 1, z);
    take(c, r->launch_raw, 8);
    if (r->version >= 5) {
        r->launch_mit = cur_u64le(c);
        r->current_mit = cur_u64le(c);
        skip_zeros(c, 152, z);
    } else {
        skip_zeros(c, 168, z);
    }
    take_number(c, r->signature, z);
    take_number(c, r->signature + P384_BYTES, z);
    skip_zeros(c, 368, z);
}

static void check_key_info(struct snp_report *r, struct verdict *v)
{
    char found[16];
    unsigned signing = KEY_SIGNING(r->key_info);
    (void)snprintf(found, sizeof found, "0x%" PRIx32, r->key_info);
    verdict_check(v,
                  (r->key_info & ~KEY_KNOWN_BITS) == 0 &&
                      (signing == KEY_SIGNING_VCEK || signing == KEY_SIGNING_VLEK),
                  &snp_codes[SNP_CODE_KEY_INFO], found,
                  "SIGNING_KEY 0 (VCEK) or 1 (VLEK), no more bits");
    verdict_check(v, (r->key_info & KEY_MASKED) == 0, &snp_codes[SNP_CODE_MASKED_KEY],
                  r->key_info & KEY_MASKED ? "1" : "0", "0");
    r->vlek = signing == KEY_SIGNING_VLEK;
}

static void check_signed(const struct snp_report *r, struct verdict *v)
{
    uint8_t any = 0;
    for (size_t i = 0; i < sizeof r->signature; i++) { any |= r->signature[i]; }
    verdict_check(v, any != 0, &snp_codes[SNP_CODE_UNSIGNED], any ? "present" : "all zero",
                  "present");
}

static void check_cpu(struct snp_report *r, struct verdict *v)
{
    char found[64];
    if (r->version < 3) { return; }
    r->cpu_product = snp_product_of_cpu(r->cpu_family, r->cpu_model);
    (void)snprintf(found, sizeof found, "family 0x%x, model 0x%x, stepping %u %s", r->cpu_family,
                   r->cpu_model, r->cpu_stepping, snp_product_name(r->cpu_product));
    verdict_check(v, r->cpu_product != SNP_PRODUCT_NONE, &snp_codes[SNP_CODE_CPUID], found,
                  "Milan, Genoa or Turin");
}

bool snp_report_parse(const uint8_t *report, size_t len, struct snp_report *out, struct verdict *v)
{
    struct snp_report r = {0};
    struct reserved z = {.start = report};
    uint32_t algo = 0;
    char found[48];
    size_t before = v->reason_count;
    (void)snprintf(found, sizeof found, "%zu", len);
    if (!verdict_check(v, len == SNP_REPORT_SIZE, &snp_codes[SNP_CODE_SIZE], found, "1184")) {
        return false;
    }
    struct cur c = cur_of(report, len);
    uint32_t version = cur_u32le(&c);
    (void)snprintf(found, sizeof found, "%" PRIu32, version);
    if (!verdict_check(v, version == 2 || version == 3 || version == 5,
                       &snp_codes[SNP_CODE_VERSION], found, "2, 3 or 5")) {
        return false;
    }
    c = cur_of(report, len);
    read_fields(&c, &r, &algo, &z);
    if (!cur_end(&c)) { /* the fields above are 1184 bytes, so this cannot be */
        return verdict_check(v, false, &snp_codes[SNP_CODE_SIZE], "another layout", "1184 bytes");
    }
    (void)snprintf(found, sizeof found, "%" PRIu32, algo);
    verdict_check(v, algo == SIGNATURE_ALGO_P384, &snp_codes[SNP_CODE_SIGNATURE_ALGORITHM], found,
                  "1");
    if (z.bad) { (void)snprintf(found, sizeof found, "byte 0x%03zx not zero", z.bad - 1); }
    verdict_check(v, z.bad == 0, &snp_codes[SNP_CODE_RESERVED], z.bad ? found : "zero", "zero");
    check_key_info(&r, v);
    check_signed(&r, v);
    check_cpu(&r, v);
    if (v->reason_count != before) { return false; }
    crypto_sha384(report, SNP_REPORT_SIGNED, r.digest);
    *out = r;
    return true;
}
