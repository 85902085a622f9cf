/* SPDX-License-Identifier: Apache-2.0 */
/* The table [snp] of a configuration. */
#include "attest/kbs/config_snp.h"

#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define CHAIN_SIZE  (64u << 10)
#define CRL_SIZE    (4u << 20)
#define POLICY_SIZE (1u << 20)

/* Guest policy bits that open a guest to others: no configuration can let them pass. */
#define POLICY_MIGRATE_MA (UINT64_C(1) << 18)
#define POLICY_DEBUG      (UINT64_C(1) << 19)

static int load_chain(const char *path, void *out, struct err *e)
{
    auto_store_value pem = {0};
    int r = file_read(path, CHAIN_SIZE, false, &pem, e);
    if (r < 0) { return r; }
    return snp_trust_add_chain(out, pem.p, pem.len, e) < 0 ? err_wrap(e, "%s", path) : 0;
}

static int load_crl(const char *path, void *out, struct err *e)
{
    auto_store_value der = {0};
    int r = file_read(path, CRL_SIZE, false, &der, e);
    if (r < 0) { return r; }
    return snp_trust_add_crl(out, der.p, der.len, e) < 0 ? err_wrap(e, "%s", path) : 0;
}

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

/* A directory and nothing else: what is in it is looked up for each report. */
static int directory_check(const char *path, struct err *e)
{
    struct stat st;
    if (stat(path, &st) < 0) { return err_set(e, errno, "%s: %s", path, strerror(errno)); }
    return S_ISDIR(st.st_mode) ? 0 : err_set(e, ENOTDIR, "%s: not a directory", path);
}

int config_snp_read(struct reader *r, struct config_snp *out, struct err *e)
{
    static const char *const known[] = {"policy", "chains", "crls", "vek_dir", NULL};
    json_t *t;
    auto_free char *policy = NULL;
    int rc = reader_table(r, "snp", false, known, &t, e);
    if (rc < 0 || !t) { return rc; }
    if (snp_trust_new(&snp_amd_roots, &out->trust) < 0) {
        return err_set(e, ENOMEM, "out of memory");
    }
    rc = reader_path(r, t, "policy", &policy, e);
    if (rc == 0) { rc = load_policy(policy, &out->policy, e); }
    if (rc == 0) { rc = reader_files(r, t, "chains", load_chain, out->trust, e); }
    if (rc == 0) { rc = reader_files(r, t, "crls", load_crl, out->trust, e); }
    if (rc == 0 && json_object_get(t, "vek_dir")) {
        rc = reader_path(r, t, "vek_dir", &out->vek_dir, e);
        if (rc == 0) { rc = directory_check(out->vek_dir, e); }
    }
    return rc;
}

void config_snp_fini(struct config_snp *c)
{
    snp_trust_free(c->trust);
    snp_policy_fini(&c->policy);
    free(c->vek_dir);
    *c = (struct config_snp){0};
}
