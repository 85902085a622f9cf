/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An SNP machine out of the made hierarchy (vectors/snp/synthetic): a report of theirs with our data in it, signed as
 * firmware does, by a key whose certificates chain to a root that this broker is told to trust. See kbs_machine.h.
 */
#include "tests/bench/kbs_machine.h"

#include "attest/collateral/snp_keeper.h"
#include "attest/kbs/evidence/snp.h"
#include "guest/base/hosted.h"
#include "tests/unit/attest/snp_json.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define CASE "ok-milan-v3"
#define KEY  "keys/vcek-milan.key.pem"

struct snp {
    uint8_t report[SNP_REPORT_SIZE]; /* the template */
    char *vek;                       /* DER */
    size_t vek_len;
    struct crypto_key *vcek;
    struct snp_root root;
    struct snp_roots roots;
    struct snp_keeper *keeper;
    struct snp_policy policy;
    struct evidence_snp door;
};

/* *out: malloc */
static int vector_read(const char *name, char **out, size_t *out_len, struct err *e)
{
    const char *root = getenv("CASEMATE_VECTORS");
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/snp/synthetic/%s", root ? root : "tests/vectors", name);
    auto_file f = fopen(path, "rb");
    auto_free char *p = malloc(1u << 20);
    if (!f || !p) { return err_set(e, ENOENT, "%s: not here; set CASEMATE_VECTORS", path); }
    *out_len = fread(p, 1, 1u << 20, f);
    *out = steal_ptr(&p);
    return 0;
}

static int member_read(const json_t *one, const char *member, char **out, size_t *out_len,
                       struct err *e)
{
    const char *name = json_string_value(json_object_get(one, member));
    return name ? vector_read(name, out, out_len, e)
                : err_set(e, EBADMSG, "case " CASE ": no %s", member);
}

/* The chain goes into a store as cc-attest collateral fills it. */
static int keeper_make(struct snp *s, const json_t *one, const char *dir, struct err *e)
{
    const struct collateral_store store = {.dir = dir, .snp_roots = &s->roots};
    const struct collateral_id id = {.kind = COLLATERAL_AMD_CHAIN, .product = SNP_MILAN};
    auto_free char *root = NULL;
    auto_free char *chain = NULL;
    auto_cert cert = NULL;
    struct verdict v = {0};
    size_t root_len, chain_len;
    int rc = member_read(one, "trusted_root", &root, &root_len, e);
    if (rc == 0) { rc = member_read(one, "chain", &chain, &chain_len, e); }
    if (rc < 0) { return rc; }
    if (crypto_cert_from_der(root, root_len, &cert) < 0 ||
        !snp_root_from_cert(cert, &s->root, &v)) {
        return err_set(e, EBADMSG, "case " CASE ": no root");
    }
    s->roots = (struct snp_roots){.v = &s->root, .count = 1};
    rc = collateral_write(&store, &id, chain, chain_len, e);
    if (rc < 0) { return rc; }
    s->keeper = snp_keeper_new(dir, &s->roots);
    return s->keeper ? 0 : err_set(e, ENOMEM, "out of memory");
}

/* Everything of the base policy but what a handshake and the rules decide. */
static int policy_make(struct snp *s, const json_t *cases, struct err *e)
{
    static const char *const beside[] = {"report_data", "host_data", "measurements"};
    auto_json p = json_copy(json_object_get(cases, "base_policy"));
    for (size_t i = 0; i < ARRAY_COUNT(beside); i++) { (void)json_object_del(p, beside[i]); }
    return snp_policy_parse(p, &s->policy, e);
}

static int key_read(struct snp *s, struct err *e)
{
    auto_free char *pem = NULL;
    size_t len;
    int rc = vector_read(KEY, &pem, &len, e);
    if (rc < 0) { return rc; }
    rc = crypto_key_from_pem(pem, len, &s->vcek);
    return rc < 0 ? err_set(e, -rc, KEY ": no key") : 0;
}

static const json_t *case_of(const json_t *cases)
{
    const json_t *one;
    size_t i;
    json_array_foreach (json_object_get(cases, "cases"), i, one) {
        if (strcmp(json_string_value(json_object_get(one, "id")), CASE) == 0) { return one; }
    }
    return NULL;
}

static int template_read(struct snp *s, const json_t *one, struct err *e)
{
    auto_free char *report = NULL;
    size_t len;
    int rc = member_read(one, "report", &report, &len, e);
    if (rc < 0) { return rc; }
    if (len != sizeof s->report) { return err_set(e, EBADMSG, "case " CASE ": no report"); }
    memcpy(s->report, report, len);
    return member_read(one, "endorsement_key", &s->vek, &s->vek_len, e);
}

static int snp_open(struct bench_machine *m, const char *dir, struct err *e)
{
    auto_free char *text = NULL;
    size_t len;
    struct snp *s = m->own = calloc(1, sizeof *s);
    if (!s) { return err_set(e, ENOMEM, "out of memory"); }
    int rc = vector_read("cases.json", &text, &len, e);
    if (rc < 0) { return rc; }
    auto_json cases = json_loadb(text, len, 0, NULL);
    const json_t *one = case_of(cases);
    if (!one) { return err_set(e, EBADMSG, "cases.json: no " CASE); }
    rc = template_read(s, one, e);
    if (rc == 0) { rc = keeper_make(s, one, dir, e); }
    if (rc == 0) { rc = policy_make(s, cases, e); }
    if (rc == 0) { rc = key_read(s, e); }
    if (rc < 0) { return rc; }
    memcpy(m->measurement, s->report + SNP_REPORT_MEASUREMENT, sizeof m->measurement);
    s->door = (struct evidence_snp){.keeper = s->keeper, .policy = &s->policy};
    return 0;
}

static void snp_close(struct bench_machine *m)
{
    struct snp *s = m->own;
    if (!s) { return; }
    snp_keeper_free(s->keeper);
    snp_policy_fini(&s->policy);
    crypto_key_free(s->vcek);
    free(s->vek);
    free(s);
}

static int snp_evidence(struct bench_machine *m, const uint8_t data[BENCH_REPORT_DATA],
                        json_t **out, struct err *e)
{
    const struct snp *s = m->own;
    uint8_t report[SNP_REPORT_SIZE], digest[CRYPTO_SHA384_SIZE], sig[2 * CRYPTO_COORD_MAX];
    size_t len;
    memcpy(report, s->report, sizeof report);
    memcpy(report + SNP_REPORT_REPORT_DATA, data, BENCH_REPORT_DATA);
    memcpy(report + SNP_REPORT_HOST_DATA, m->initdata, 32);
    crypto_sha384(report, SNP_REPORT_R, digest);
    int rc = crypto_ecdsa_sign(s->vcek, digest, sizeof digest, sig, &len);
    if (rc < 0) { return err_set(e, -rc, "snp report: cannot be signed"); }
    memset(report + SNP_REPORT_R, 0, 144);
    for (size_t i = 0; i < 48; i++) {
        report[SNP_REPORT_R + i] = sig[47 - i];
        report[SNP_REPORT_S + i] = sig[95 - i];
    }
    *out = evidence_json(report, s->vek, s->vek_len);
    return *out ? 0 : err_set(e, ENOMEM, "out of memory");
}

static struct verifier snp_verifier(struct bench_machine *m)
{
    struct snp *s = m->own;
    return evidence_snp_verifier(&s->door);
}

const struct bench_ops bench_snp = {
    .kind = {.name = "snp", .tee = "snp", .verify_p384 = 1},
    .open = snp_open,
    .close = snp_close,
    .evidence = snp_evidence,
    .verifier = snp_verifier,
};
