/* SPDX-License-Identifier: Apache-2.0 */
/* The table [snp] of a configuration. */
#include "attest/kbs/config/snp.h"

#include "attest/kbs/file.h"
#include "guest/base/hosted.h"

#include <errno.h>

#define POLICY_SIZE (1u << 20)

/* Guest policy bits that open a guest to others: no configuration can let them pass. */
#define POLICY_MIGRATE_MA (UINT64_C(1) << 18)
#define POLICY_DEBUG      (UINT64_C(1) << 19)

/* Complete, and without what is not its to say. */
static int policy_check(const struct snp_policy *p, struct err *e)
{
    struct verdict v = {0};
    snp_policy_check_complete(p, EVIDENCE_SNP_BESIDE, &v);
    if (v.reason_count) { return err_set(e, EINVAL, "%s", v.reasons[0].text); }
    if (p->given & EVIDENCE_SNP_SESSION) {
        return err_set(e, EINVAL, "report_data and host_data are decided by each handshake");
    }
    uint64_t open = POLICY_DEBUG | POLICY_MIGRATE_MA;
    if ((p->guest_policy_mask & open) != open || (p->guest_policy_value & open) != 0) {
        return err_set(e, EINVAL,
                       "guest_policy: bits 18 (migration) and 19 (debug) must be demanded to be 0");
    }
    return 0;
}

static int load_policy(const char *path, struct snp_policy *out, struct err *e)
{
    auto_store_value text = {0};
    auto_json doc = NULL;
    int r = file_read(path, POLICY_SIZE, false, &text, e);
    if (r < 0) { return r; }
    r = json_load_strict("policy", text.p, text.len, POLICY_SIZE, &doc, e);
    if (r == 0) { r = snp_policy_parse(doc, out, e); }
    if (r == 0) { r = policy_check(out, e); }
    return r < 0 ? err_wrap(e, "%s", path) : 0;
}

int config_snp_read(struct reader *r, struct config_snp *out, struct err *e)
{
    static const char *const known[] = {"policy", "collateral_dir", NULL};
    json_t *t;
    auto_free char *policy = NULL;
    int rc = reader_table(r, "snp", false, known, &t, e);
    if (rc < 0 || !t) { return rc; }
    rc = reader_path(r, t, "policy", &policy, e);
    if (rc == 0 && json_object_get(t, "collateral_dir")) {
        rc = reader_path(r, t, "collateral_dir", &out->collateral_dir, e);
    }
    if (rc == 0) { rc = load_policy(policy, &out->policy, e); }
    if (rc < 0) { return rc; }
    out->keeper = snp_keeper_new(out->collateral_dir, &snp_amd_roots);
    return out->keeper ? 0 : err_set(e, ENOMEM, "out of memory");
}

void config_snp_fini(struct config_snp *c)
{
    snp_keeper_free(c->keeper);
    free(c->collateral_dir);
    snp_policy_fini(&c->policy);
    *c = (struct config_snp){0};
}
