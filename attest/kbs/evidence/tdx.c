/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From TDX evidence on the wire to claims. Report data is always as the caller wanted it: a TD has
 * registers of its own, so what our guest tells about them is compared with the quote. Each of its
 * values 0 to 2 is one extend of a register that was zero; the seal is one more extend of register
 * 2; register 3 is the application's [design §4.6].
 */
#include "attest/kbs/evidence/tdx.h"

#include "attest/rfc3339.h"
#include "attest/verify/binding.h"
#include "attest/verify/tdx/codes.h"
#include "attest/verify/tdx/eventlog.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

#define TDX_NAME "tdx" /* on the wire and in claims */

const uint8_t evidence_tdx_seal[TDX_MR] = {
    0x39, 0x43, 0x41, 0xb7, 0x18, 0x2c, 0xd2, 0x27, 0xc5, 0xc6, 0xb0, 0x7e, 0xf8, 0x00, 0x0c, 0xdf,
    0xd8, 0x61, 0x36, 0xc4, 0x29, 0x2b, 0x8e, 0x57, 0x65, 0x73, 0xad, 0x7e, 0xd9, 0xae, 0x41, 0x01,
    0x9f, 0x58, 0x18, 0xb4, 0xb9, 0x71, 0xc9, 0xef, 0xfc, 0x60, 0xe1, 0xad, 0x9f, 0x12, 0x89, 0xf0};

static const uint8_t zeros[TDX_MR];

/* ---- registers ------------------------------------------------------------------------------- */

/* A register into which this value was put; zero = none was. */
static void written(const uint8_t value[TDX_MR], uint8_t out[TDX_MR])
{
    memset(out, 0, TDX_MR);
    if (memcmp(value, zeros, TDX_MR) != 0) { tdx_rtmr_extend(out, value); }
}

/* Is the initdata the one the guest was started with, by the road that counts here? */
static void initdata_check(const struct evidence_tdx *s, const struct binding *b,
                           const struct tdx_quote *q, struct verdict *v)
{
    uint8_t wanted[TDX_MR];
    if (s->mr_config_id_alone) { return; } /* the policy demands MRCONFIGID */
    written(b->register0, wanted);
    verdict_check_bytes(v, memcmp(q->rtmr[0], wanted, TDX_MR) == 0,
                        &binding_codes[BINDING_REGISTER_INITDATA], q->rtmr[0], wanted, TDX_MR);
}

/* Are the registers told those of the quote? Returns whether the guest is sealed. */
static bool registers_check(const struct binding *b, const struct tdx_quote *q, struct verdict *v)
{
    uint8_t wanted[TDX_MR];
    if (!b->has_registers) { return true; } /* who does not say so is not init */
    binding_check_registers(b, v);
    for (size_t i = 0; i < 2; i++) {
        written(b->registers.value[i], wanted);
        verdict_check_bytes(v, memcmp(q->rtmr[i], wanted, TDX_MR) == 0,
                            &tdx_codes[TDX_CODE_REGISTERS], q->rtmr[i], wanted, TDX_MR);
    }
    written(b->registers.value[2], wanted);
    bool sealed = memcmp(q->rtmr[2], wanted, TDX_MR) != 0;
    if (sealed) { tdx_rtmr_extend(wanted, evidence_tdx_seal); }
    verdict_check_bytes(v, memcmp(q->rtmr[2], wanted, TDX_MR) == 0, &tdx_codes[TDX_CODE_REGISTERS],
                        q->rtmr[2], wanted, TDX_MR);
    verdict_check_bytes(v, memcmp(q->rtmr[3], b->registers.value[3], TDX_MR) == 0,
                        &tdx_codes[TDX_CODE_REGISTERS], q->rtmr[3], b->registers.value[3], TDX_MR);
    return sealed || memcmp(q->rtmr[3], zeros, TDX_MR) != 0;
}

/* ---- claims, by the names that CoCo's policies use [coco §5.3] ------------------------------ */

/* Fields of the quote as they stand in it, in hexadecimal. */
static const struct field {
    const char *name;
    size_t at, len;
} header_fields[] = {{"version", 0, 2},  {"att_key_type", 2, 2}, {"tee_type", 4, 4},
                     {"reserved", 8, 4}, {"vendor_id", 12, 16},  {"user_data", 28, 20}},
  body_fields[] = {
      {"tcb_svn", 0, 16},           {"mr_seam", 16, 48},       {"mrsigner_seam", 64, 48},
      {"seam_attributes", 112, 8},  {"td_attributes", 120, 8}, {"xfam", 128, 8},
      {"mr_td", 136, 48},           {"mr_config_id", 184, 48}, {"mr_owner", 232, 48},
      {"mr_owner_config", 280, 48}, {"rtmr_0", 328, 48},       {"rtmr_1", 376, 48},
      {"rtmr_2", 424, 48},          {"rtmr_3", 472, 48},       {"report_data", 520, 64},
      {"tee_tcb_svn2", 584, 16},    {"mr_servicetd", 600, 48}};

static json_t *fields_json(struct view bytes, const struct field *f, size_t count)
{
    json_t *o = json_object();
    int bad = o ? 0 : -1;
    for (size_t i = 0; i < count && bad == 0; i++) {
        char hex[HEX_LEN(TDX_REPORT)];
        if (f[i].at + f[i].len > bytes.len) { continue; } /* not in a body of TDX 1.0 */
        hex_encode(bytes.p + f[i].at, f[i].len, hex);
        bad |= json_object_set_new(o, f[i].name, json_string(hex));
    }
    if (bad != 0) {
        json_decref(o);
        return NULL;
    }
    return o;
}

static json_t *quote_json(const struct tdx_quote *q)
{
    size_t body = q->version == 4 ? 48 : 54;
    struct view bytes = {.p = q->signed_bytes.p + body, .len = q->signed_bytes.len - body};
    json_t *o = json_pack("{s:o, s:o}", "header",
                          fields_json(q->signed_bytes, header_fields, ARRAY_COUNT(header_fields)),
                          "body", fields_json(bytes, body_fields, ARRAY_COUNT(body_fields)));
    if (o && q->version == 5) {
        char type[HEX_LEN(2)], size[HEX_LEN(4)];
        hex_encode(q->signed_bytes.p + 48, 2, type);
        hex_encode(q->signed_bytes.p + 50, 4, size);
        if (json_object_set_new(o, "type", json_string(type)) != 0 ||
            json_object_set_new(o, "size", json_string(size)) != 0) {
            json_decref(o);
            return NULL;
        }
    }
    return o;
}

static json_t *advisories_json(const struct tdx_appraisal *a)
{
    const json_t *const lists[] = {a->tdx.advisories, a->module.advisories, a->qe.advisories};
    json_t *all = json_array();
    int bad = all ? 0 : -1;
    for (size_t i = 0; i < ARRAY_COUNT(lists) && bad == 0; i++) {
        if (lists[i] && (i != 1 || lists[1] != lists[0])) {
            bad |= json_array_extend(all, (json_t *)(uintptr_t)lists[i]);
        }
    }
    if (bad != 0) {
        json_decref(all);
        return NULL;
    }
    return all;
}

/* NULL without memory. */
static json_t *platform_json(const struct tdx_facts *f)
{
    char date[RFC3339_SIZE], expires[RFC3339_SIZE], ppid[HEX_LEN(TDX_PPID)],
        fmspc[HEX_LEN(TDX_FMSPC)];
    uint64_t attributes = f->quote.attributes;
    rfc3339_format(f->appraisal.date, date);
    rfc3339_format(f->expires, expires);
    hex_encode(f->platform.ppid, TDX_PPID, ppid);
    hex_encode(f->platform.fmspc, TDX_FMSPC, fmspc);
    json_t *flags = json_pack("{s:b, s:b, s:b, s:b, s:b}", "debug", (int)(attributes & 1),
                              "septve_disable", (int)(attributes >> 28 & 1), "protection_keys",
                              (int)(attributes >> 30 & 1), "key_locker",
                              (int)(attributes >> 31 & 1), "perfmon", (int)(attributes >> 63 & 1));
    return json_pack("{s:o, s:o, s:s, s:s, s:o, s:s, s:s, s:I, s:s, s:s}", "quote",
                     quote_json(&f->quote), "td_attributes", flags, "tcb_status",
                     tdx_status_name(f->appraisal.status), "tcb_date", date, "advisory_ids",
                     advisories_json(&f->appraisal), "collateral_expiration_status", "0",
                     "earliest_expiration_date", expires, "tcb_eval_num", (json_int_t)f->evaluation,
                     "fmspc", fmspc, "ppid", ppid);
}

static int claims_make(const struct tdx_facts *f, const struct binding *b, bool sealed,
                       struct claims *out)
{
    struct claims c = {.phase = sealed ? CLAIMS_PHASE_APPLICATION : CLAIMS_PHASE_INIT,
                       .initdata_len = b->initdata_len,
                       .has_registers = b->has_registers,
                       .platform = platform_json(f)};
    if (!c.platform) { return -ENOMEM; }
    memcpy(c.initdata, b->initdata, b->initdata_len);
    memcpy(c.measurement, f->quote.mr_td, sizeof c.measurement);
    memcpy(c.report_data, f->quote.report_data, sizeof c.report_data);
    memcpy(c.registers, b->registers.value, sizeof c.registers);
    *out = c;
    return 0;
}

/* ---- the verdict ----------------------------------------------------------------------------- */

/* The configured policy with what this handshake has to find. */
static bool session_policy(const struct evidence_tdx *s, const struct binding *b,
                           struct tdx_policy *out)
{
    *out = *s->policy;
    out->has_report_data = true;
    memcpy(out->report_data, b->report_data, sizeof out->report_data);
    out->mr_config_id.count = 0;
    return tdx_values_add(&out->mr_config_id, b->mr_config_id, TDX_MR) &&
           (s->mr_config_id_alone || tdx_values_add(&out->mr_config_id, zeros, TDX_MR));
}

/* As tdx_demand.collateral_for; by then the quote's signature is good. */
struct search {
    const struct evidence_tdx *s;
    const struct evidence *ev;
};

static const struct tdx_collateral *collateral_find(void *ctx, const struct tdx_endorsement *n)
{
    const struct search *q = ctx;
    const struct tdx_collateral *c = collateral_keeper_find(q->s->keeper, n);
    const struct collateral_id id = collateral_of_platform(n);
    if (q->s->supply && (!c || tdx_collateral_expires(c) < q->ev->now) &&
        supply_want(q->s->supply, &id) && q->ev->out_coming) {
        *q->ev->out_coming = true;
    }
    return c;
}

static void tdx_verify(void *ctx, const struct evidence *ev, struct claims *out, struct verdict *v)
{
    const struct evidence_tdx *s = ctx;
    auto_tdx_evidence parts = {0};
    struct tdx_policy policy;
    struct tdx_facts f = {0};
    struct binding b;
    struct err e = {0};
    if (!ev->additional || tdx_evidence_parse(ev->primary, &parts, &e) < 0 ||
        binding_make(ev->nonce, ev->tee_key, ev->additional, ev->initdata, &b, &e) < 0 ||
        !session_policy(s, &b, &policy)) {
        verdict_refuse(v, &tdx_codes[TDX_CODE_EVIDENCE], "evidence that does not parse",
                       "evidence of kind tdx", "%s", ev->additional ? e.text : "no further device");
        return;
    }
    struct search search = {.s = s, .ev = ev};
    struct tdx_demand demand = {.endorsements = s->endorsements,
                                .policy = &policy,
                                .now = ev->now,
                                .collateral_for = collateral_find,
                                .ctx = &search};
    verify_tdx(parts.quote, parts.quote_len, &demand, &f, v);
    if (f.quote.version == 0) { return; } /* did not parse */
    initdata_check(s, &b, &f.quote, v);
    bool sealed = registers_check(&b, &f.quote, v);
    if (parts.log) { tdx_event_log_check(parts.log, parts.log_len, &f.quote, v); }
    if (v->result == VERDICT_ACCEPTED && claims_make(&f, &b, sealed, out) < 0) {
        verdict_refuse(v, &tdx_codes[TDX_CODE_EVIDENCE], "no memory", "some", "out of memory");
    }
}

struct verifier evidence_tdx_verifier(struct evidence_tdx *s)
{
    return (struct verifier){.name = TDX_NAME, .kind = TDX_NAME, .ctx = s, .verify = tdx_verify};
}
