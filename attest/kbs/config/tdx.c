/* SPDX-License-Identifier: Apache-2.0 */
/* The table [tdx] of a configuration. */
#include "attest/kbs/config/tdx.h"

#include "attest/kbs/file.h"
#include "guest/base/hosted.h"

#include <errno.h>

/*
 * What a broker must have an opinion on; what is not here belongs to the rules or to a handshake.
 */
static const char *const required[] = {"quote_versions",
                                       "statuses",
                                       "advisory_ids",
                                       "mr_owner",
                                       "mr_owner_config",
                                       "attributes_mask",
                                       "attributes_value",
                                       "xfam_mask",
                                       "xfam_value",
                                       "min_tee_tcb_svn",
                                       NULL};

int config_tdx_policy(const void *text, size_t len, struct tdx_policy *out, struct err *e)
{
    auto_json doc = NULL;
    struct tdx_policy p;
    int r = json_load_strict("policy", text, len, TDX_POLICY_MAX, &doc, e);
    if (r == 0) { r = tdx_policy_read(doc, required, &p, e); }
    if (r < 0) { return r; }
    if (p.has_report_data || p.mr_config_id.count) {
        return err_set(e, EINVAL,
                       "policy: report_data and mr_config_id are decided by each handshake");
    }
    uint64_t open = TDX_ATTR_DEBUG_GROUP | TDX_ATTR_MIGRATABLE;
    bool shut = (p.attributes_mask & TDX_ATTR_SEPT_VE_DISABLE) == 0 ||
                (p.attributes_value & TDX_ATTR_SEPT_VE_DISABLE) != 0;
    if ((p.attributes_value & open) || !shut) {
        return err_set(e, EINVAL,
                       "policy: attributes that open a TD to its host are not taken here");
    }
    *out = p;
    return 0;
}

int config_tdx_read(struct reader *r, struct config_tdx *out, struct err *e)
{
    static const char *const known[] = {"policy", "collateral_dir", "mr_config_id_alone", NULL};
    json_t *t;
    auto_free char *policy = NULL;
    auto_store_value text = {0};
    int rc = reader_table(r, "tdx", false, known, &t, e);
    if (rc < 0 || !t) { return rc; }
    rc = reader_path(r, t, "policy", &policy, e);
    if (rc == 0) { rc = reader_path(r, t, "collateral_dir", &out->collateral_dir, e); }
    if (rc == 0) { rc = reader_flag(r, t, "mr_config_id_alone", &out->mr_config_id_alone, e); }
    if (rc == 0) { rc = file_read(policy, TDX_POLICY_MAX, false, &text, e); }
    if (rc < 0) { return rc; }
    rc = config_tdx_policy(text.p, text.len, &out->policy, e);
    if (rc < 0) { return err_wrap(e, "%s", policy); }
    out->endorsements = tdx_endorsements_new(tdx_intel_root);
    out->keeper = collateral_keeper_new(out->collateral_dir, tdx_intel_root);
    return out->endorsements && out->keeper ? 0 : err_set(e, ENOMEM, "out of memory");
}

void config_tdx_fini(struct config_tdx *c)
{
    tdx_endorsements_free(c->endorsements);
    collateral_keeper_free(c->keeper);
    free(c->collateral_dir);
    *c = (struct config_tdx){0};
}
