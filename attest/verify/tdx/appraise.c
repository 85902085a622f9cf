/* SPDX-License-Identifier: Apache-2.0 */
/* See appraise.h. */
#include "attest/verify/tdx/appraise.h"

#include "attest/hex.h"
#include "attest/verify/tdx/codes.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CODE(name) (&tdx_codes[TDX_CODE_##name])

/* ---- joining statuses: what is wrong with each part, and what has a name together */

enum { HARDENING = 1, CONFIGURATION = 2, OUTDATED = 4, RELAUNCH = 8 };

static const uint8_t wrong_with[TDX_STATUSES] = {
    [TDX_SW_HARDENING_NEEDED] = HARDENING,
    [TDX_CONFIGURATION_NEEDED] = CONFIGURATION,
    [TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED] = CONFIGURATION | HARDENING,
    [TDX_OUT_OF_DATE] = OUTDATED,
    [TDX_OUT_OF_DATE_CONFIGURATION_NEEDED] = OUTDATED | CONFIGURATION,
    [TDX_RELAUNCH_ADVISED] = RELAUNCH,
    [TDX_RELAUNCH_ADVISED_CONFIGURATION_NEEDED] = RELAUNCH | CONFIGURATION,
};

enum tdx_status tdx_status_join(enum tdx_status a, enum tdx_status b)
{
    if (a == TDX_REVOKED || b == TDX_REVOKED) { return TDX_REVOKED; }
    if (a == TDX_UNSUPPORTED || b == TDX_UNSUPPORTED) { return TDX_UNSUPPORTED; }
    unsigned wrong = wrong_with[a] | wrong_with[b];
    bool configuration = wrong & CONFIGURATION;
    if (wrong & OUTDATED) {
        return configuration ? TDX_OUT_OF_DATE_CONFIGURATION_NEEDED : TDX_OUT_OF_DATE;
    }
    if (wrong & RELAUNCH) {
        return configuration ? TDX_RELAUNCH_ADVISED_CONFIGURATION_NEEDED : TDX_RELAUNCH_ADVISED;
    }
    if (wrong & HARDENING) {
        return configuration ? TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED : TDX_SW_HARDENING_NEEDED;
    }
    return configuration ? TDX_CONFIGURATION_NEEDED : TDX_UP_TO_DATE;
}

/* ---- the quoting enclave */

static bool masked_equal(const uint8_t *found, const uint8_t *mask, const uint8_t *wanted, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if ((found[i] & mask[i]) != wanted[i]) { return false; }
    }
    return true;
}

static struct tdx_rating svn_rate(const struct tdx_svn_levels *levels, uint16_t svn)
{
    for (size_t i = 0; i < levels->count; i++) {
        if (svn >= levels->v[i].isv_svn) { return levels->v[i].rating; }
    }
    return (struct tdx_rating){0};
}

/* The lowest level, for the text of a refusal. */
static void lowest(const struct tdx_svn_levels *levels, char out[32])
{
    if (levels->count == 0) {
        (void)snprintf(out, 32, "no level at all");
    } else {
        (void)snprintf(out, 32, "at least %u", levels->v[levels->count - 1].isv_svn);
    }
}

static struct tdx_rating qe_rate(const struct tdx_qe_report *qe, const struct tdx_qe_identity *id,
                                 struct verdict *v)
{
    char found[32], wanted[32];
    verdict_check_bytes(v,
                        masked_equal(qe->misc_select, id->misc_select_mask, id->misc_select,
                                     sizeof qe->misc_select),
                        CODE(QE_MISC_SELECT), qe->misc_select, id->misc_select,
                        sizeof qe->misc_select);
    verdict_check_bytes(
        v, masked_equal(qe->attributes, id->attributes_mask, id->attributes, sizeof qe->attributes),
        CODE(QE_ATTRIBUTES), qe->attributes, id->attributes, sizeof qe->attributes);
    verdict_check_bytes(v, memcmp(qe->mr_signer, id->mr_signer, sizeof qe->mr_signer) == 0,
                        CODE(QE_SIGNER), qe->mr_signer, id->mr_signer, sizeof qe->mr_signer);
    (void)snprintf(found, sizeof found, "%u", qe->isv_prod_id);
    (void)snprintf(wanted, sizeof wanted, "%u", id->isv_prod_id);
    verdict_check(v, qe->isv_prod_id == id->isv_prod_id, CODE(QE_PRODUCT), found, wanted);

    struct tdx_rating rating = svn_rate(&id->levels, qe->isv_svn);
    (void)snprintf(found, sizeof found, "%u", qe->isv_svn);
    lowest(&id->levels, wanted);
    verdict_check(v, rating.status != TDX_UNSUPPORTED, CODE(QE_LEVEL), found, wanted);
    return rating;
}

/* ---- the TDX module */

/* What must hold of it. NULL, with a reason, when Intel does not know this major version. */
static const struct tdx_module *module_identify(const struct tdx_quote *q,
                                                const struct tdx_tcb_info *tcb, struct verdict *v)
{
    char name[16], found[24], wanted[48];
    const struct tdx_module *m = tdx_module_find(tcb, q->tee_tcb_svn[1]);
    (void)snprintf(name, sizeof name, "TDX_%02X", q->tee_tcb_svn[1]);
    if (!verdict_check(v, m != NULL, CODE(MODULE_IDENTITY), name, "an identity in the TCB info")) {
        return NULL;
    }
    verdict_check_bytes(v, memcmp(q->mr_signer_seam, m->mr_signer, TDX_MR) == 0,
                        CODE(MODULE_SIGNER), q->mr_signer_seam, m->mr_signer, TDX_MR);
    (void)snprintf(found, sizeof found, "0x%" PRIx64, q->seam_attributes);
    (void)snprintf(wanted, sizeof wanted, "0x%" PRIx64 ", and no bit set", m->attributes);
    verdict_check(
        v, (q->seam_attributes & m->attributes_mask) == m->attributes && q->seam_attributes == 0,
        CODE(MODULE_ATTRIBUTES), found, wanted);
    return m;
}

static struct tdx_rating module_rate(const struct tdx_quote *q, const struct tdx_module *m,
                                     struct verdict *v)
{
    char found[16], wanted[32];
    struct tdx_rating rating = svn_rate(&m->levels, q->tee_tcb_svn[0]);
    (void)snprintf(found, sizeof found, "%u", q->tee_tcb_svn[0]);
    lowest(&m->levels, wanted);
    verdict_check(v, rating.status != TDX_UNSUPPORTED, CODE(MODULE_LEVEL), found, wanted);
    return rating;
}

/* ---- the platform */

static bool reaches(const uint8_t *found, const uint8_t *level, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (found[i] < level[i]) { return false; }
    }
    return true;
}

/* The first component that every level wants to be higher; false when there is no single one. */
static bool culprit(const uint8_t *found, const struct tdx_tcb_info *tcb, bool sgx, size_t from,
                    char out_found[48], char out_wanted[48])
{
    for (size_t i = from; i < TDX_COMPONENTS && tcb->level_count > 0; i++) {
        uint8_t least = UINT8_MAX;
        for (size_t k = 0; k < tcb->level_count; k++) {
            const uint8_t *level = sgx ? tcb->levels[k].sgx : tcb->levels[k].tdx;
            if (level[i] < least) { least = level[i]; }
        }
        if (found[i] >= least) { continue; }
        (void)snprintf(out_found, 48, "%s component %zu is %u", sgx ? "SGX" : "TDX", i + 1,
                       found[i]);
        (void)snprintf(out_wanted, 48, "at least %u", least);
        return true;
    }
    return false;
}

static void platform_rate(const struct tdx_quote *q, const struct tdx_pck *p,
                          const struct tdx_tcb_info *tcb, struct tdx_appraisal *out,
                          struct verdict *v)
{
    /* From major 1 on the module's identity judges the first two components [PCS]. */
    size_t from = q->tee_tcb_svn[1] == 0 ? 0 : 2;
    for (size_t i = 0; i < tcb->level_count && out->tdx.status == TDX_UNSUPPORTED; i++) {
        const struct tdx_tcb_level *l = &tcb->levels[i];
        if (!reaches(p->components, l->sgx, 0, TDX_COMPONENTS) || p->pce_svn < l->pce_svn) {
            continue;
        }
        if (out->sgx.status == TDX_UNSUPPORTED) { out->sgx = l->rating; }
        if (reaches(q->tee_tcb_svn, l->tdx, from, TDX_SVN)) { out->tdx = l->rating; }
    }
    char found[48], wanted[48];
    bool good = out->tdx.status != TDX_UNSUPPORTED;
    if (good || (!culprit(p->components, tcb, true, 0, found, wanted) &&
                 !culprit(q->tee_tcb_svn, tcb, false, from, found, wanted))) {
        (void)snprintf(found, sizeof found, "PCE SVN %u, %s", p->pce_svn,
                       good ? "a level" : "no level for all components");
        (void)snprintf(wanted, sizeof wanted, "one of %zu levels", tcb->level_count);
    }
    verdict_check(v, good, CODE(TCB_LEVEL), found, wanted);
}

static bool hex_same(const uint8_t *found, const uint8_t *wanted, size_t len, enum tdx_code code,
                     struct verdict *v)
{
    return verdict_check_bytes(v, memcmp(found, wanted, len) == 0, &tdx_codes[code], found, wanted,
                               len);
}

/* ---- a TD that was started before its machine was updated */

/* Has the module that is loaded now (TEE_TCB_SVN2) what the newest levels want? */
static bool module_renewed(const struct tdx_quote *q, const struct tdx_tcb_info *tcb)
{
    const uint8_t *now = q->tee_tcb_svn2;
    const struct tdx_module *m = tdx_module_find(tcb, now[1]);
    const uint8_t *newest = tcb->levels[0].tdx;
    if (!m || tcb->level_count == 0 || (now[1] != 0 && m->levels.count == 0)) { return false; }
    uint16_t minor = now[1] == 0 ? newest[0] : m->levels.v[0].isv_svn;
    return now[0] >= minor && now[2] >= newest[2];
}

static bool relaunch_heals(const struct tdx_quote *q, const struct tdx_appraisal *a,
                           const struct tdx_tcb_info *tcb)
{
    return q->body == TDX_BODY_15 && a->qe.status == TDX_UP_TO_DATE &&
           a->module.status == TDX_OUT_OF_DATE && (wrong_with[a->sgx.status] & OUTDATED) == 0 &&
           a->sgx.status != TDX_REVOKED && (wrong_with[a->status] & OUTDATED) != 0 &&
           module_renewed(q, tcb);
}

static int64_t earlier(int64_t a, int64_t b) { return a < b ? a : b; }

void tdx_appraise(const struct tdx_quote *q, const struct tdx_pck *platform,
                  const struct tdx_collateral *c, struct tdx_appraisal *out, struct verdict *v)
{
    const struct tdx_tcb_info *tcb = &c->tcb;
    struct tdx_appraisal a = {0};
    const struct tdx_module *m = module_identify(q, tcb, v);
    bool same = hex_same(platform->fmspc, tcb->fmspc, TDX_FMSPC, TDX_CODE_FMSPC, v);
    same = hex_same(platform->pce_id, tcb->pce_id, TDX_PCE_ID, TDX_CODE_PCE_ID, v) && same;
    a.qe = qe_rate(&q->qe, &c->qe, v);
    if (m && same) { /* levels of another kind of processor would say nothing */
        platform_rate(q, platform, tcb, &a, v);
        a.module = m->major == 0 ? a.tdx : module_rate(q, m, v);
    }
    a.status = tdx_status_join(a.tdx.status, a.module.status);
    if (relaunch_heals(q, &a, tcb)) {
        bool configuration = (wrong_with[a.status] | wrong_with[a.sgx.status]) & CONFIGURATION;
        a.status = configuration ? TDX_RELAUNCH_ADVISED_CONFIGURATION_NEEDED : TDX_RELAUNCH_ADVISED;
    }
    a.status = tdx_status_join(a.status, a.qe.status);
    a.date = earlier(a.tdx.date, earlier(a.module.date, a.qe.date));
    *out = a;
}
