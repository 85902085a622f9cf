/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From SNP evidence on the wire to claims. This is the strict door: what the policy does not name
 * is a reason to refuse.
 */
#include "attest/kbs/evidence/snp.h"

#include "attest/verify/binding.h"
#include "attest/verify/snp/evidence.h"
#include "attest/verify/snp/snp.h"
#include "guest/base/hosted.h"

#include <string.h>

/* ---- claims, by the names that CoCo's policies use [coco §5.3] */

static json_t *platform_of(const struct snp_report *r, const struct snp_endorsement *e)
{
    char measurement[HEX_LEN(SNP_MEASUREMENT_SIZE)], chip[HEX_LEN(SNP_CHIP_ID_SIZE)];
    struct snp_tcb t;
    (void)snp_tcb_read(e->root.product, r->reported_raw, &t);
    hex_encode(r->measurement, sizeof r->measurement, measurement);
    hex_encode(r->chip_id, sizeof r->chip_id, chip);
    json_t *o = json_pack(
        "{s:s, s:s, s:i, s:i, s:b, s:b, s:b, s:b, s:i, s:i, s:i, s:i, s:b, s:b, s:s, s:I}",
        "measurement", measurement, "chip_id", chip, "policy_abi_major",
        (int)(r->policy >> 8 & 255), "policy_abi_minor", (int)(r->policy & 255),
        "policy_smt_allowed", (int)(r->policy >> 16 & 1), "policy_migrate_ma",
        (int)(r->policy >> 18 & 1), "policy_debug_allowed", (int)(r->policy >> 19 & 1),
        "policy_single_socket", (int)(r->policy >> 20 & 1), "reported_tcb_bootloader", t.bl,
        "reported_tcb_tee", t.tee, "reported_tcb_snp", t.snp, "reported_tcb_microcode", t.ucode,
        "platform_smt_enabled", (int)(r->platform_info & 1), "platform_tsme_enabled",
        (int)(r->platform_info >> 1 & 1), "product", snp_product_name(e->root.product), "guest_svn",
        (json_int_t)r->guest_svn);
    if (o && e->root.product == SNP_TURIN &&
        json_object_set_new(o, "reported_tcb_fmc", json_integer(t.fmc)) < 0) {
        json_decref(o);
        return NULL;
    }
    return o;
}

static bool claims_make(const struct snp_report *r, const struct snp_endorsement *e,
                        const struct binding *b, bool sealed, struct claims *out)
{
    struct claims c = {.phase = sealed ? CLAIMS_PHASE_APPLICATION : CLAIMS_PHASE_INIT,
                       .initdata_len = b->initdata_len,
                       .has_registers = b->has_registers,
                       .platform = platform_of(r, e)};
    if (!c.platform) { return false; }
    memcpy(c.initdata, b->initdata, b->initdata_len);
    memcpy(c.measurement, r->measurement, sizeof c.measurement);
    memcpy(c.report_data, r->report_data, sizeof c.report_data);
    memcpy(c.registers, b->registers.value, sizeof c.registers);
    *out = c;
    return true;
}

/* ---- the verdict */

/* The configured policy with what this handshake has to find. Its lists stay where they are. */
static struct snp_policy session_policy(const struct evidence_snp *s, const struct binding *b,
                                        const uint8_t report_data[TRANSCRIPT_REPORT_DATA])
{
    struct snp_policy p = *s->policy;
    memcpy(p.report_data, report_data, sizeof p.report_data);
    memcpy(p.host_data, b->host_data, sizeof p.host_data);
    p.given |= EVIDENCE_SNP_SESSION;
    p.demands |= EVIDENCE_SNP_SESSION;
    return p;
}

/* ---- what is not there ----------------------------------------------------------------------- */

/* A version 2 report does not say which of the two products it is from. */
static enum snp_product first_product(const struct snp_report *r)
{
    return r->cpu_product ? r->cpu_product : SNP_MILAN;
}
static enum snp_product last_product(const struct snp_report *r)
{
    return r->cpu_product ? r->cpu_product : SNP_GENOA;
}

/* The certificate of the key that signed a report, fetched a moment ago. */
struct fetched {
    struct collateral_id id;
    char *der; /* NULL = none */
    size_t len;
};
static void fetched_fini(struct fetched *f) { free(f->der); }
#define auto_fetched __attribute__((cleanup(fetched_fini))) struct fetched

static void find_vek(const struct evidence_snp *s, const struct snp_report *r, struct fetched *out)
{
    struct collateral_id of[COLLATERAL_OF_REPORT_MAX];
    if (!s->supply || r->vlek) { return; }
    for (unsigned p = first_product(r); !out->der && p <= last_product(r); p++) {
        out->id = of[collateral_of_report(r, (enum snp_product)p, of) - 1];
        if (!supply_find(s->supply, &out->id, &out->der, &out->len)) { out->der = NULL; }
    }
}

/* A chip that the policy does not list is refused whatever its certificate says. */
static bool chip_may_pass(const struct snp_policy *p, const struct snp_report *r)
{
    if (!(p->demands & 1u << SNP_M_CHIPS)) { return true; }
    for (size_t i = 0; i < p->chips.count; i++) {
        if (memcmp(p->chips.p + i * SNP_CHIP_ID_SIZE, r->chip_id, SNP_CHIP_ID_SIZE) == 0) {
            return true;
        }
    }
    return false;
}

/*
 * There is no endorsement, for want of the certificate or of its chain. Is it coming? The chain is fetched before the
 * certificate, which is held against it.
 */
static bool want_endorsement(const struct evidence_snp *s, const struct snp_report *r,
                             const struct verdict *v)
{
    bool no_vek = strcmp(v->reasons[0].code, snp_codes[SNP_CODE_VEK_MISSING].name) == 0;
    bool coming = false;
    if (!s->supply || !chip_may_pass(s->policy, r)) { return false; }
    for (unsigned p = first_product(r); p <= last_product(r); p++) {
        struct collateral_id of[COLLATERAL_OF_REPORT_MAX];
        size_t n = collateral_of_report(r, (enum snp_product)p, of);
        bool chain = supply_want(s->supply, &of[0]);
        bool vek = no_vek && !r->vlek && supply_want(s->supply, &of[n - 1]);
        coming = coming || (no_vek ? vek : chain);
    }
    return coming;
}

/* Without a list nobody is refused who need not have one, but it is asked for all the same. */
static bool want_crl(const struct evidence_snp *s, const struct snp_endorsement *e,
                     const struct snp_crl *crl, int64_t now)
{
    const struct collateral_id id = {.kind = COLLATERAL_AMD_CRL, .product = e->root.product};
    if (!s->supply || (crl && crl->facts.next_update >= now)) { return false; }
    return supply_want(s->supply, &id) && (crl || s->policy->require_crl);
}

static void tell_coming(const struct evidence *ev, bool coming)
{
    if (ev->out_coming && coming) { *ev->out_coming = true; }
}

static void snp_verify(void *ctx, const struct evidence *ev, struct claims *out, struct verdict *v)
{
    struct evidence_snp *s = ctx;
    uint8_t report_data[TRANSCRIPT_REPORT_DATA];
    auto_snp_evidence parts = {0};
    struct snp_report r;
    struct binding b;
    struct err e = {0};
    if (!ev->additional || snp_evidence_parse(ev->primary, &parts, &e) < 0 ||
        binding_make(ev->nonce, ev->tee_key, ev->additional, ev->initdata, &b, &e) < 0) {
        verdict_refuse(v, &snp_codes[SNP_CODE_EVIDENCE], "evidence that does not parse",
                       "evidence of kind snp", "%s", ev->additional ? e.text : "no further device");
        return;
    }
    if (!snp_report_parse(parts.report, sizeof parts.report, &r, v)) { return; }
    auto_fetched fetched = {0};
    if (!parts.vek.len) { find_vek(s, &r, &fetched); }
    struct view vek =
        fetched.der ? (struct view){(const uint8_t *)fetched.der, fetched.len} : parts.vek;
    const struct snp_endorsement *endorsement =
        snp_keeper_endorse(s->keeper, &r, vek, parts.ask, parts.ark, v);
    if (!endorsement) {
        tell_coming(ev, want_endorsement(s, &r, v));
        return;
    }
    bool sealed = binding_report_data(&b, r.report_data, report_data);
    struct snp_policy p = session_policy(s, &b, report_data);
    snp_policy_check_complete(&p, EVIDENCE_SNP_BESIDE, v);
    binding_check_registers(&b, v);
    const struct snp_crl *crl = snp_keeper_crl(s->keeper, endorsement);
    tell_coming(ev, want_crl(s, endorsement, crl, ev->now));
    verify_snp(&r, endorsement, crl, &p, ev->now, v);
    if (v->result != VERDICT_ACCEPTED) { return; }
    if (fetched.der) { supply_keep(s->supply, &fetched.id); }
    if (!claims_make(&r, endorsement, &b, sealed, out)) {
        verdict_refuse(v, &snp_codes[SNP_CODE_EVIDENCE], "no memory", "some", "out of memory");
    }
}

struct verifier evidence_snp_verifier(struct evidence_snp *s)
{
    return (struct verifier){.name = "snp", .kind = "snp", .ctx = s, .verify = snp_verify};
}
