/* SPDX-License-Identifier: Apache-2.0 */
/* cc-attest verify --type snp */
#include "attest/cli/judge.h"

#include "attest/collateral/snp_keeper.h"
#include "attest/json.h"
#include "attest/verify/snp/evidence.h"
#include "attest/verify/snp/snp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* No honest input is larger; checked before a byte of it is read. */
#define CHAIN_MAX     8 /* certificates of a chain; more than two are counted, to say how many */
#define EVIDENCE_SIZE (256u << 10)
#define CERT_SIZE     SNP_EVIDENCE_CERT_SIZE
#define CHAIN_SIZE    (CHAIN_MAX * 2u * CERT_SIZE)

/* All that is taken apart of what the user gave. */
struct parts {
    struct view report;
    struct snp_evidence json; /* when the evidence is JSON */
    struct view vek;
    struct crypto_cert *chain[CHAIN_MAX];
    size_t chain_count;
    struct snp_root own_root; /* of --root */
    struct snp_roots roots;
    struct snp_policy policy;
};

static void parts_fini(struct parts *p)
{
    snp_evidence_fini(&p->json);
    for (size_t i = 0; i < p->chain_count; i++) { crypto_cert_free(p->chain[i]); }
    snp_policy_fini(&p->policy);
}
#define auto_parts __attribute__((cleanup(parts_fini))) struct parts

static struct view file_view(const struct judge_input *in, enum judge_file f)
{
    return (struct view){.p = (const uint8_t *)in->file[f].bytes, .len = in->file[f].len};
}

static bool check_sizes(const struct judge_input *in, struct verdict *v)
{
    static const struct {
        enum judge_file file;
        size_t max;
        const char *name;
    } limits[] = {{JUDGE_EVIDENCE, EVIDENCE_SIZE, "evidence"},
                  {JUDGE_VEK, CERT_SIZE, "vek"},
                  {JUDGE_CHAIN, CHAIN_SIZE, "chain"},
                  {JUDGE_ROOT, CERT_SIZE, "root"}};
    char found[48], wanted[48];
    for (size_t i = 0; i < ARRAY_COUNT(limits); i++) {
        size_t len = in->file[limits[i].file].len;
        if (len <= limits[i].max) { continue; }
        (void)snprintf(found, sizeof found, "%s of %zu bytes", limits[i].name, len);
        (void)snprintf(wanted, sizeof wanted, "at most %zu", limits[i].max);
        return verdict_check(v, false, &snp_codes[SNP_CODE_LIMITS], found, wanted);
    }
    return true;
}

/* What a guest sends to a broker, bare or as tee-evidence has it. */
static bool take_json(struct parts *p, const char *text, size_t len, struct verdict *v)
{
    struct err e = {0};
    auto_json doc = NULL;
    int r = json_load_strict("evidence", text, len, len, &doc, &e);
    if (r == 0) {
        const json_t *inner = json_object_get(doc, "primary_evidence");
        r = snp_evidence_parse(inner ? inner : doc, &p->json, &e);
    }
    if (r < 0) {
        verdict_refuse(v, &snp_codes[SNP_CODE_EVIDENCE], "JSON that is no SNP evidence",
                       "{\"attestation_report\":{...},\"cert_chain\":...}", "%s", e.text);
        return false;
    }
    p->report = (struct view){.p = p->json.report, .len = sizeof p->json.report};
    p->vek = p->json.vek;
    return true;
}

static bool take_evidence(struct parts *p, const struct judge_input *in, struct verdict *v)
{
    struct view bytes = file_view(in, JUDGE_EVIDENCE);
    if (bytes.len && bytes.p[0] == '{') {
        if (!take_json(p, in->file[JUDGE_EVIDENCE].bytes, bytes.len, v)) { return false; }
    } else {
        p->report = bytes;
    }
    if (in->file[JUDGE_VEK].bytes) { p->vek = file_view(in, JUDGE_VEK); }
    return true;
}

static bool take_der(struct parts *p, struct view der)
{
    if (crypto_cert_from_der(der.p, der.len, &p->chain[p->chain_count]) < 0) { return false; }
    p->chain_count++;
    return true;
}

/* The file's certificates, or those that came with the evidence. */
static bool take_chain(struct parts *p, const struct judge_input *in, struct verdict *v)
{
    struct view pem = file_view(in, JUDGE_CHAIN);
    bool good = true;
    if (pem.p) {
        good = crypto_certs_from_pem(pem.p, pem.len, p->chain, CHAIN_MAX, &p->chain_count) == 0;
    } else if (p->json.ask.p && p->json.ark.p) {
        good = take_der(p, p->json.ask) && take_der(p, p->json.ark);
    }
    return good || verdict_check(v, false, &snp_codes[SNP_CODE_CHAIN_UNREADABLE], "something else",
                                 "1 to 8 certificates");
}

/* A root of the user's own replaces AMD's, and completes a chain that does not bring it. */
static bool take_root(struct parts *p, const struct judge_input *in, struct verdict *v)
{
    struct view der = file_view(in, JUDGE_ROOT);
    auto_cert root = NULL;
    p->roots = snp_amd_roots;
    if (!der.p) { return true; }
    if (crypto_cert_from_der(der.p, der.len, &root) < 0) {
        return verdict_check(v, false, &snp_codes[SNP_CODE_ROOT_UNREADABLE], "something else",
                             "one certificate in DER");
    }
    if (!snp_root_from_cert(root, &p->own_root, v)) { return false; }
    p->roots = (struct snp_roots){.v = &p->own_root, .count = 1};
    return p->chain_count != 1 || take_der(p, der);
}

/* NULL with reasons in v. */
static struct snp_endorsement *endorse(const struct parts *p, struct verdict *v)
{
    const struct crypto_cert *intermediate, *root;
    auto_cert vek = NULL;
    if (!p->vek.p) {
        verdict_check(v, false, &snp_codes[SNP_CODE_VEK_MISSING], "none", "the signing key's");
        return NULL;
    }
    if (crypto_cert_from_der(p->vek.p, p->vek.len, &vek) < 0) {
        verdict_check(v, false, &snp_codes[SNP_CODE_VEK_UNREADABLE], "something else",
                      "one certificate in DER");
        return NULL;
    }
    if (!snp_chain_sort(p->chain, p->chain_count, &p->roots, &intermediate, &root, v)) {
        return NULL;
    }
    return snp_chain_verify(vek, intermediate, root, &p->roots, v);
}

/* What was not given is looked for in the directory. */
struct shelf {
    struct snp_keeper *keeper;         /* NULL = none was named */
    struct snp_endorsement *own;       /* made here, from files */
    struct snp_crl *crl;               /* of the file */
    const struct snp_endorsement *use; /* own, or the keeper's; NULL = there is none, v says why */
};

static void shelf_fini(struct shelf *s)
{
    snp_endorsement_free(s->own);
    snp_crl_free(s->crl);
    snp_keeper_free(s->keeper);
}
#define auto_shelf __attribute__((cleanup(shelf_fini))) struct shelf

static int shelf_fill(struct shelf *s, const struct parts *p, const struct judge_input *in,
                      const struct snp_report *r, struct verdict *v, struct err *e)
{
    if (in->collateral_dir && !(s->keeper = snp_keeper_new(in->collateral_dir, &p->roots))) {
        return err_set(e, ENOMEM, "out of memory");
    }
    if (s->keeper && p->chain_count == 0) {
        s->use = snp_keeper_endorse(s->keeper, r, p->vek, p->json.ask, p->json.ark, v);
    } else {
        s->use = s->own = endorse(p, v);
    }
    return 0;
}

static void judge_report(struct shelf *s, const struct parts *p, const struct judge_input *in,
                         const struct snp_report *r, struct verdict *v)
{
    struct view list = file_view(in, JUDGE_CRL);
    const struct snp_crl *crl = NULL;
    if (list.p) {
        crl = s->crl = snp_crl_open(s->use, list.p, list.len, v);
        if (!crl) { return; }
    } else if (s->keeper) {
        crl = snp_keeper_crl(s->keeper, s->use);
    }
    verify_snp(r, s->use, crl, &p->policy, in->now, v);
}

static int run(const struct judge_input *in, struct verdict *v, json_t *claims, struct err *e)
{
    auto_parts p = {0};
    auto_shelf s = {0};
    auto_json policy = NULL;
    struct snp_report report;
    int r = judge_policy(in, &policy, e);
    if (r == 0) { r = snp_policy_parse(policy, &p.policy, e); }
    if (r < 0) { return r; }
    if (!check_sizes(in, v) || !take_evidence(&p, in, v) ||
        !snp_report_parse(p.report.p, p.report.len, &report, v)) {
        return 0;
    }
    if (take_chain(&p, in, v) && take_root(&p, in, v)) {
        r = shelf_fill(&s, &p, in, &report, v, e);
        if (r < 0) { return r; }
    }
    if (s.use) { judge_report(&s, &p, in, &report, v); }
    snp_claims(&report, s.use, claims);
    (void)json_object_set_new(
        claims, "trusted_roots",
        json_string(in->file[JUDGE_ROOT].bytes ? "replaced by --root" : "amd"));
    return 0;
}

const struct judge judge_snp = {
    .type = "snp",
    .files = 1u << JUDGE_EVIDENCE | 1u << JUDGE_VEK | 1u << JUDGE_CHAIN | 1u << JUDGE_ROOT |
             1u << JUDGE_CRL | 1u << JUDGE_POLICY,
    .dir = true,
    .run = run,
};
