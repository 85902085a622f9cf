/* SPDX-License-Identifier: Apache-2.0 */
/* See snp_keeper.h. */
#include "attest/collateral/snp_keeper.h"

#include "guest/base/hosted.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct snp_keeper {
    char *dir; /* NULL = none */
    struct snp_trust *trust;
    bool has_chain[SNP_PRODUCT_COUNT][2];    /* by product; VCEK, VLEK */
    struct stat crl_seen[SNP_PRODUCT_COUNT]; /* the file that was read last; all zero = none */
};

struct snp_keeper *snp_keeper_new(const char *dir, const struct snp_roots *roots)
{
    struct snp_keeper *k = calloc(1, sizeof *k);
    if (!k) { return NULL; }
    if (snp_trust_new(roots, &k->trust) < 0 || (dir && !(k->dir = strdup(dir)))) {
        snp_keeper_free(k);
        return NULL;
    }
    return k;
}

void snp_keeper_free(struct snp_keeper *k)
{
    if (!k) { return; }
    snp_trust_free(k->trust);
    free(k->dir);
    free(k);
}

static int read_item(const struct snp_keeper *k, const struct collateral_id *id, char **out,
                     size_t *out_len)
{
    const struct collateral_store store = {.dir = k->dir};
    struct err why = {0};
    return collateral_read(&store, id, out, out_len, &why);
}

/* A chain is looked for until there is one: somebody may be filling the directory. */
static void load_chain(struct snp_keeper *k, enum snp_product p, bool vlek)
{
    const struct collateral_id id = {.kind = COLLATERAL_AMD_CHAIN, .product = p, .vlek = vlek};
    auto_free char *pem = NULL;
    struct err why = {0};
    size_t len;
    if (k->has_chain[p][vlek] || read_item(k, &id, &pem, &len) < 0) { return; }
    k->has_chain[p][vlek] = snp_trust_add_chain(k->trust, pem, len, &why) == 0;
}

static int read_vcek(const struct snp_keeper *k, const struct snp_report *r, enum snp_product p,
                     char **out, size_t *out_len)
{
    struct collateral_id of[COLLATERAL_OF_REPORT_MAX];
    return read_item(k, &of[collateral_of_report(r, p, of) - 1], out, out_len);
}

const struct snp_endorsement *snp_keeper_endorse(struct snp_keeper *k, const struct snp_report *r,
                                                 struct view vek, struct view ask, struct view ark,
                                                 struct verdict *v)
{
    /* A version 2 report does not say which of the two products it is from. */
    enum snp_product first = r->cpu_product ? r->cpu_product : SNP_MILAN;
    enum snp_product last = r->cpu_product ? r->cpu_product : SNP_GENOA;
    auto_free char *stored = NULL;
    size_t len;
    for (unsigned p = first; k->dir && p <= last; p++) {
        load_chain(k, (enum snp_product)p, r->vlek);
        if (!vek.len && !r->vlek && read_vcek(k, r, (enum snp_product)p, &stored, &len) == 0) {
            vek = (struct view){.p = (const uint8_t *)stored, .len = len};
        }
    }
    if (!vek.len) {
        verdict_check(v, false, &snp_codes[SNP_CODE_VEK_MISSING],
                      "neither in the evidence nor in the directory", "the signing key's");
        return NULL;
    }
    return snp_trust_endorse(k->trust, vek, ask, ark, v);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void refresh_crl(struct snp_keeper *k, const struct snp_endorsement *e)
{
    enum snp_product p = e->root.product;
    const struct collateral_id id = {.kind = COLLATERAL_AMD_CRL, .product = p};
    char name[COLLATERAL_NAME_MAX];
    auto_free char *path = NULL;
    auto_free char *der = NULL;
    struct err why = {0};
    struct stat now;
    size_t len;
    collateral_name(&id, name);
    if (asprintf(&path, "%s/%s", k->dir, name) < 0) {
        path = NULL;
        return;
    }
    if (stat(path, &now) < 0 || same_file(&now, &k->crl_seen[p])) { return; }
    if (read_item(k, &id, &der, &len) < 0) { return; }
    k->crl_seen[p] = now;
    (void)!snp_trust_add_crl(k->trust, e, der, len, &why);
}

const struct snp_crl *snp_keeper_crl(struct snp_keeper *k, const struct snp_endorsement *e)
{
    if (k->dir) { refresh_crl(k, e); }
    return snp_trust_crl(k->trust, e);
}
