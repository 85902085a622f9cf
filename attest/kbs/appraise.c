/* SPDX-License-Identifier: Apache-2.0 */
/* See appraise.h. One function per kind of TEE; a kind nobody wrote one for keeps the values everything starts at. */
#include "attest/kbs/appraise.h"

#include "attest/json.h"

#include <errno.h>
#include <string.h>

struct vector {
    int executables, hardware, configuration;
};

struct look {
    const json_t *tee; /* the TEE's own object */
    const struct reference_source *rv;
};

/* `x in query_reference_value(name)`: a list is wanted, and a bare value is none. */
static bool listed(const struct look *l, const char *path, const char *name)
{
    const json_t *value = json_at(l->tee, path);
    auto_json list = l->rv->get(l->rv->ctx, name);
    for (size_t i = 0; value && i < json_array_size(list); i++) {
        if (json_equal(json_array_get(list, i), value)) { return true; }
    }
    return false;
}

/* `x == query_reference_value(name)`: the bare value, and a list is another one. */
static bool equals(const struct look *l, const char *path, const char *name)
{
    const json_t *value = json_at(l->tee, path);
    auto_json wanted = l->rv->get(l->rv->ctx, name);
    return value && wanted && json_equal(wanted, value);
}

static bool is_false(const struct look *l, const char *path)
{
    return json_is_false(json_at(l->tee, path));
}

static bool is_text(const struct look *l, const char *path, const char *wanted)
{
    const char *text = json_string_value(json_at(l->tee, path));
    return text && strcmp(text, wanted) == 0;
}

static void sample(const struct look *l, struct vector *v)
{
    /* In CoCo's policy a minimum that nobody registered is below every number; here it is none that is reached. */
    auto_json minimum = l->rv->get(l->rv->ctx, "minimum_minor_version");
    const json_t *minor = json_at(l->tee, "platform_version/minor");
    if (listed(l, "launch_digest", "launch_digest")) { v->executables = 3; }
    if (listed(l, "svn", "svn") && equals(l, "platform_version/major", "major_version") &&
        json_is_integer(minimum) && json_is_integer(minor) &&
        json_integer_value(minor) >= json_integer_value(minimum)) {
        v->hardware = 2;
    }
    if (is_false(l, "debug")) { v->configuration = 2; }
}

/* Ours: there is no hardware and nothing to configure, so everything follows from the launch digest. */
static void sim(const struct look *l, struct vector *v)
{
    if (listed(l, "measurement", "sim_launch_measurement") ||
        equals(l, "measurement", "sim_launch_measurement")) {
        *v = (struct vector){.executables = 3, .hardware = 2, .configuration = 2};
    }
}

static void snp(const struct look *l, struct vector *v)
{
    if (listed(l, "measurement", "snp_launch_measurement")) { v->executables = 3; }
    if (listed(l, "reported_tcb_bootloader", "snp_bootloader") &&
        listed(l, "reported_tcb_microcode", "snp_microcode") &&
        listed(l, "reported_tcb_snp", "snp_snp_svn") &&
        listed(l, "reported_tcb_tee", "snp_tee_svn")) {
        v->hardware = 2;
    }
    if (!is_false(l, "policy_debug_allowed") || !is_false(l, "policy_migrate_ma")) { return; }
    bool all = equals(l, "platform_smt_enabled", "snp_smt_enabled") &&
               equals(l, "platform_tsme_enabled", "snp_tsme_enabled") &&
               equals(l, "policy_abi_major", "snp_guest_abi_major") &&
               equals(l, "policy_abi_minor", "snp_guest_abi_minor") &&
               equals(l, "policy_single_socket", "snp_single_socket") &&
               equals(l, "policy_smt_allowed", "snp_smt_allowed");
    v->configuration = all ? 2 : 3;
}

/* CoCo's kernel events are not looked at: they raise 4 to 3, and both are affirming. */
static void tdx(const struct look *l, struct vector *v)
{
    if (listed(l, "quote/body/rtmr_1", "rtmr_1") && listed(l, "quote/body/rtmr_2", "rtmr_2")) {
        v->executables = 4;
    }
    if (is_text(l, "quote/header/tee_type", "81000000") &&
        is_text(l, "quote/header/vendor_id", "939a7233f79c4ca9940a0db3957f0607") &&
        listed(l, "quote/body/mr_td", "mr_td") && is_text(l, "tcb_status", "UpToDate") &&
        is_text(l, "collateral_expiration_status", "0")) {
        v->hardware = 2;
    }
    if (is_false(l, "td_attributes/debug") && listed(l, "quote/body/xfam", "xfam")) {
        v->configuration = 2;
    }
}

static const struct {
    const char *tee;
    void (*look)(const struct look *l, struct vector *v);
} kinds[] = {{"sample", sample}, {"sim", sim}, {"snp", snp}, {"tdx", tdx}};

/* ---- identifiers ------------------------------------------------------------------------------ */

/* One value per container that has it; NULL when none has. */
static json_t *container_values(const json_t *containers, const char *const *path)
{
    auto_json out = json_array();
    size_t i;
    json_t *one;
    json_array_foreach (containers, i, one) {
        const json_t *j = one;
        for (size_t k = 0; path[k]; k++) { j = json_object_get(j, path[k]); }
        if (j) { (void)json_array_append(out, (json_t *)(uintptr_t)j); }
    }
    return json_array_size(out) ? json_incref(out) : NULL;
}

/*
 * What runs in the guest, by the agent policy in its initdata: Kata's agent holds the guest to it. Ours does not read that
 * policy, and is told by the registers in its evidence: for it nothing is validated. [coco §4.4]
 */
static json_t *identifiers(const json_t *evidence, const json_t *tee)
{
    static const char *const image[] = {"OCI", "Annotations", "io.kubernetes.cri.image-name", NULL};
    static const char *const uid[] = {"OCI", "Process", "User", "UID", NULL};
    bool ours = json_object_get(json_object_get(tee, "casemate"), "registers") != NULL;
    const json_t *policy =
        json_object_get(json_object_get(evidence, "init_data_claims"), "agent_policy_claims");
    const json_t *containers = ours ? NULL : json_object_get(policy, "containers");
    auto_json validated = json_object();
    json_t *images = container_values(containers, image), *uids = container_values(containers, uid);
    if (images) { (void)json_object_set_new(validated, "container_images", images); }
    if (uids) { (void)json_object_set_new(validated, "container_uids", uids); }
    return json_pack("[{s:s, s:i, s:{s:O}}]", "name", "ear.trustee.identifiers", "key", -18,
                     "value", "validated", validated);
}

int appraise_default(enum claims_class class, const json_t *evidence,
                     const struct reference_source *rv, struct appraisal *out, struct err *e)
{
    struct vector v = {.executables = 33, .hardware = 97, .configuration = 36};
    const json_t *tee = NULL;
    for (size_t i = 0; class == CLAIMS_CPU && !tee && i < ARRAY_COUNT(kinds); i++) {
        struct look l = {.tee = tee = json_object_get(evidence, kinds[i].tee), .rv = rv};
        if (tee) { kinds[i].look(&l, &v); }
    }
    auto_json vector = json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "instance-identity", 0,
                                 "configuration", v.configuration, "executables", v.executables,
                                 "file-system", 0, "hardware", v.hardware, "runtime-opaque", 0,
                                 "storage-opaque", 0, "sourced-data", 0);
    auto_json extensions = class == CLAIMS_CPU ? identifiers(evidence, tee) : NULL;
    if (!vector || (class == CLAIMS_CPU && !extensions)) {
        return err_set(e, ENOMEM, "appraisal: out of memory");
    }
    return appraisal_read(vector, extensions, out, e);
}
