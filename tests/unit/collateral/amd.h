/* SPDX-License-Identifier: Apache-2.0 */
/* AMD's items of the made hierarchy in snp/synthetic, under their names in a store. */
#ifndef CASEMATE_TESTS_COLLATERAL_AMD_H
#define CASEMATE_TESTS_COLLATERAL_AMD_H

#include "attest/collateral/store.h"
#include "tests/unit/attest/vectors.h"

#define AMD_DIR "snp/synthetic/"

struct amd_bytes {
    char *p;
    size_t len;
};

struct amd {
    struct amd_bytes report, vcek, chain, crl;
    struct snp_report parsed;
    struct snp_root root;
    struct snp_roots roots;
    struct collateral_id chain_id, crl_id, vcek_id;
};

static inline struct amd_bytes amd_file(const json_t *cases, const char *id, const char *which)
{
    const json_t *one;
    size_t i;
    char name[128];
    struct amd_bytes b = {0};
    json_array_foreach (json_object_get(cases, "cases"), i, one) {
        if (strcmp(member(one, "id"), id) != 0 || !json_object_get(one, which)) { continue; }
        (void)snprintf(name, sizeof name, AMD_DIR "%s", member(one, which));
        b.p = vector_bytes(name, &b.len);
    }
    return b;
}

/* Those of a case of snp/synthetic; the list is always that of case "ok-crl", Milan's. */
static inline void amd_init(struct amd *a, const char *id, enum snp_product product)
{
    json_t *cases = vector_json(AMD_DIR "cases.json");
    struct collateral_id of[COLLATERAL_OF_REPORT_MAX];
    struct verdict v = {0};
    auto_cert cert = NULL;
    memset(a, 0, sizeof *a);
    struct amd_bytes root = amd_file(cases, id, "trusted_root");
    a->report = amd_file(cases, id, "report");
    a->vcek = amd_file(cases, id, "endorsement_key");
    a->chain = amd_file(cases, id, "chain");
    a->crl = amd_file(cases, "ok-crl", "crl");
    json_decref(cases);
    cr_assert_eq(crypto_cert_from_der(root.p, root.len, &cert), 0);
    free(root.p);
    cr_assert(snp_root_from_cert(cert, &a->root, &v));
    a->roots = (struct snp_roots){.v = &a->root, .count = 1};
    cr_assert(snp_report_parse((const uint8_t *)a->report.p, a->report.len, &a->parsed, &v));
    size_t n = collateral_of_report(&a->parsed, product, of);
    a->chain_id = of[0];
    a->crl_id = of[1];
    if (n == 3) { a->vcek_id = of[2]; }
}

static inline void amd_fini(struct amd *a)
{
    struct amd_bytes *const all[] = {&a->report, &a->vcek, &a->chain, &a->crl};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) { free(all[i]->p); }
}

#endif
