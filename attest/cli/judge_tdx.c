/* SPDX-License-Identifier: Apache-2.0 */
/* cc-attest verify --type tdx: which files there are, and what is claimed. */
#include "attest/cli/judge.h"

#include "attest/collateral/keeper.h"
#include "attest/json.h"
#include "attest/rfc3339.h"
#include "attest/verify/tdx/codes.h"
#include "attest/verify/tdx/eventlog.h"
#include "attest/verify/tdx/tdx.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Intel's root, or the one that a user named. */
static int root_choose(const struct judge_input *in, uint8_t out[TDX_ROOT_SIZE], struct err *e)
{
    auto_cert cert = NULL;
    const char *der = in->file[JUDGE_ROOT].bytes;
    memcpy(out, tdx_intel_root, TDX_ROOT_SIZE);
    if (der && (crypto_cert_from_der(der, in->file[JUDGE_ROOT].len, &cert) < 0 ||
                crypto_cert_key_sha256(cert, out) < 0)) {
        return err_set(e, EINVAL, "--root: not a certificate in DER form");
    }
    return 0;
}

static void claim_number(json_t *claims, const char *name, uint64_t n)
{
    char text[24];
    (void)snprintf(text, sizeof text, "0x%016" PRIx64, n);
    (void)json_object_set_new(claims, name, json_string(text));
}

static void claim_date(json_t *claims, const char *name, int64_t t)
{
    char text[RFC3339_SIZE];
    rfc3339_format(t, text);
    (void)json_object_set_new(claims, name, json_string(text));
}

static void claim_quote(json_t *claims, const struct tdx_quote *q)
{
    static const char *const rtmrs[TDX_RTMRS] = {"rtmr_0", "rtmr_1", "rtmr_2", "rtmr_3"};
    (void)json_object_set_new(claims, "tee", json_string("tdx"));
    (void)json_object_set_new(claims, "quote_version", json_integer(q->version));
    judge_claim_hex(claims, "mr_td", q->mr_td, TDX_MR);
    for (size_t i = 0; i < TDX_RTMRS; i++) {
        judge_claim_hex(claims, rtmrs[i], q->rtmr[i], TDX_MR);
    }
    judge_claim_hex(claims, "mr_config_id", q->mr_config_id, TDX_MR);
    judge_claim_hex(claims, "mr_owner", q->mr_owner, TDX_MR);
    judge_claim_hex(claims, "mr_owner_config", q->mr_owner_config, TDX_MR);
    judge_claim_hex(claims, "report_data", q->report_data, TDX_REPORT);
    claim_number(claims, "attributes", q->attributes);
    claim_number(claims, "xfam", q->xfam);
    judge_claim_hex(claims, "tee_tcb_svn", q->tee_tcb_svn, TDX_SVN);
    judge_claim_hex(claims, "mr_seam", q->mr_seam, TDX_MR);
    if (q->body == TDX_BODY_15) {
        judge_claim_hex(claims, "tee_tcb_svn2", q->tee_tcb_svn2, TDX_SVN);
        judge_claim_hex(claims, "mr_service_td", q->mr_service_td, TDX_MR);
    }
}

/* Of every level that was found; the collateral is still there. */
static void claim_advisories(json_t *claims, const struct tdx_appraisal *a)
{
    const json_t *const lists[] = {a->tdx.advisories, a->module.advisories, a->qe.advisories};
    json_t *all = json_array();
    for (size_t i = 0; i < ARRAY_COUNT(lists); i++) {
        if (i == 1 && lists[1] == lists[0]) { continue; } /* module of major 0 */
        for (size_t k = 0; k < json_array_size(lists[i]); k++) {
            (void)json_array_append(all, json_array_get(lists[i], k));
        }
    }
    (void)json_object_set_new(claims, "advisory_ids", all);
}

static void claim_machine(json_t *claims, const struct tdx_facts *f)
{
    const struct tdx_pck *p = &f->platform;
    judge_claim_hex(claims, "fmspc", p->fmspc, TDX_FMSPC);
    judge_claim_hex(claims, "pce_id", p->pce_id, TDX_PCE_ID);
    judge_claim_hex(claims, "ppid", p->ppid, TDX_PPID);
    if (p->has_instance) {
        judge_claim_hex(claims, "platform_instance", p->instance, sizeof p->instance);
    }
    (void)json_object_set_new(claims, "tcb_status",
                              json_string(tdx_status_name(f->appraisal.status)));
    if (f->expires != 0) {
        claim_date(claims, "tcb_date", f->appraisal.date);
        claim_advisories(claims, &f->appraisal);
        claim_date(claims, "collateral_expires", f->expires);
        (void)json_object_set_new(claims, "tcb_evaluation", json_integer(f->evaluation));
    }
}

/* Raw bytes as they are; JSON as a guest sends it. */
static void judge_bytes(const char *bytes, size_t len, const struct tdx_demand *d,
                        struct verdict *v, json_t *claims)
{
    auto_tdx_evidence ev = {0};
    auto_json doc = NULL;
    struct tdx_facts f = {0};
    struct err e = {0};
    if (len > 0 && bytes[0] == '{') {
        int r = json_load_strict("evidence", bytes, len, len, &doc, &e);
        if (r == 0) {
            const json_t *inner = json_object_get(doc, "primary_evidence");
            r = tdx_evidence_parse(inner ? inner : doc, &ev, &e);
        }
        if (r < 0) {
            verdict_refuse(v, &tdx_codes[TDX_CODE_EVIDENCE], "JSON that is no evidence",
                           "{\"quote\":\"<base64>\"}", "%s", e.text);
            return;
        }
        bytes = (const char *)ev.quote;
        len = ev.quote_len;
    }
    verify_tdx(bytes, len, d, &f, v);
    if (f.quote.version == 0) { return; } /* did not parse */
    if (ev.log) { tdx_event_log_check(ev.log, ev.log_len, &f.quote, v); }
    claim_quote(claims, &f.quote);
    claim_machine(claims, &f);
}

static int run(const struct judge_input *in, struct verdict *v, json_t *claims, struct err *e)
{
    auto_json doc = NULL;
    uint8_t root[TDX_ROOT_SIZE];
    struct tdx_policy policy;
    auto_tdx_collateral given = NULL;
    auto_collateral_keeper keeper = NULL;
    struct view set = {(const uint8_t *)in->file[JUDGE_COLLATERAL].bytes,
                       in->file[JUDGE_COLLATERAL].len};
    int r = judge_policy(in, &doc, e);
    if (r == 0) { r = tdx_policy_read(doc, NULL, &policy, e); }
    if (r == 0) { r = root_choose(in, root, e); }
    if (r < 0) { return r; }
    (void)json_object_set_new(
        claims, "root", json_string(in->file[JUDGE_ROOT].bytes ? "replaced by --root" : "intel"));
    auto_tdx_endorsements endorsements = tdx_endorsements_new(root);
    struct tdx_demand demand = {.endorsements = endorsements,
                                .policy = &policy,
                                .now = in->now,
                                .collateral_for = tdx_collateral_given};
    if (set.p) {
        tdx_collateral_open(set.p, set.len, root, &given, v);
        demand.ctx = given;
    } else if (in->collateral_dir) {
        keeper = collateral_keeper_new(in->collateral_dir, root);
        demand.collateral_for = collateral_keeper_find;
        demand.ctx = keeper;
    }
    if (!endorsements || (in->collateral_dir && !set.p && !keeper)) {
        return err_set(e, ENOMEM, "out of memory");
    }
    judge_bytes(in->file[JUDGE_EVIDENCE].bytes, in->file[JUDGE_EVIDENCE].len, &demand, v, claims);
    return 0;
}

const struct judge judge_tdx = {
    .type = "tdx",
    .files = 1u << JUDGE_EVIDENCE | 1u << JUDGE_ROOT | 1u << JUDGE_COLLATERAL | 1u << JUDGE_POLICY,
    .dir = true,
    .run = run,
};
