/* SPDX-License-Identifier: Apache-2.0 */
/* See check.h. Reads bytes of strangers. */
#include "attest/collateral/check.h"

#include "attest/der.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

#define CHAIN_CERTS 2

static int bad_item(const char *name, const char *what, struct err *e)
{
    return err_set(e, EBADMSG, "%s: %s", name, what);
}

/* The verifier said no. */
static int refused_item(const char *name, const struct verdict *v, struct err *e)
{
    const struct verdict_reason *r = &v->reasons[0];
    return v->reason_count == 0
               ? bad_item(name, "cannot be read", e)
               : err_set(e, EBADMSG, "%s: %s: found %s (%s)", name, r->text, r->found, r->code);
}

/* ---- Intel ----------------------------------------------------------------------------------- */

static int tdx_check(const struct collateral_store *s, const struct collateral_id *id,
                     const char *name, const void *bytes, size_t len, struct collateral_ages *out,
                     struct err *e)
{
    struct verdict v = {0};
    auto_tdx_collateral c = NULL;
    tdx_collateral_open(bytes, len, s->tdx_root, &c, &v);
    if (!c) { return refused_item(name, &v, e); }
    bool processor = strstr(c->pck_ca.subject, "Processor CA") != NULL;
    if (memcmp(c->tcb.fmspc, id->fmspc, TDX_FMSPC) != 0 || processor != id->processor_ca) {
        return bad_item(name, "is about another kind of processor", e);
    }
    *out =
        (struct collateral_ages){.v = {c->tcb.evaluation, c->tcb.dates.issued, c->qe.dates.issued,
                                       c->root_crl.facts.this_update, c->pck_crl.facts.this_update},
                                 .expires = tdx_collateral_expires(c)};
    return 0;
}

/* ---- AMD ------------------------------------------------------------------------------------- */

struct chain {
    struct crypto_cert *certs[CHAIN_CERTS];
    const struct crypto_cert *intermediate, *root; /* two of them */
    struct snp_endorsement *issuer;
};

static void chain_fini(struct chain *c)
{
    for (size_t i = 0; i < CHAIN_CERTS; i++) { crypto_cert_free(c->certs[i]); }
    snp_endorsement_free(c->issuer);
}
#define auto_chain __attribute__((cleanup(chain_fini))) struct chain

/* Two certificates under a root of the store's, for that product and that kind of key. */
static int chain_open(const struct collateral_store *s, const struct collateral_id *id,
                      const char *name, const void *bytes, size_t len, struct chain *out,
                      struct err *e)
{
    struct verdict v = {0};
    size_t n = 0;
    if (crypto_certs_from_pem(bytes, len, out->certs, CHAIN_CERTS, &n) < 0 || n != CHAIN_CERTS) {
        return bad_item(name, "not two certificates in PEM", e);
    }
    if (snp_chain_sort(out->certs, n, s->snp_roots, &out->intermediate, &out->root, &v)) {
        out->issuer = snp_chain_verify_issuer(out->intermediate, out->root, s->snp_roots, &v);
    }
    if (!out->issuer) { return refused_item(name, &v, e); }
    if (out->issuer->root.product != id->product || out->issuer->vek.vlek != id->vlek) {
        return bad_item(name, "is another product's, or another kind of key's", e);
    }
    return 0;
}

/* The chain of this kind that lies in the store, verified again. */
static int chain_read(const struct collateral_store *s, enum snp_product product, bool vlek,
                      struct chain *out, struct err *e)
{
    const struct collateral_id id = {
        .kind = COLLATERAL_AMD_CHAIN, .product = product, .vlek = vlek};
    char name[COLLATERAL_NAME_MAX];
    auto_free char *pem = NULL;
    size_t len;
    int r = collateral_read(s, &id, &pem, &len, e);
    collateral_name(&id, name);
    return r < 0 ? r : chain_open(s, &id, name, pem, len, out, e);
}

static int vcek_check(const struct collateral_store *s, const struct collateral_id *id,
                      const char *name, const void *bytes, size_t len, struct err *e)
{
    auto_chain chain = {0};
    auto_cert cert = NULL;
    struct verdict v = {0};
    struct snp_tcb wanted;
    if (!der_is_strict(bytes, len) || crypto_cert_from_der(bytes, len, &cert) < 0) {
        return bad_item(name, "not a certificate in DER", e);
    }
    int r = chain_read(s, id->product, false, &chain, e);
    if (r < 0) { return err_wrap(e, "%s: what signs it", name); }
    struct snp_endorsement *n =
        snp_chain_verify(cert, chain.intermediate, chain.root, s->snp_roots, &v);
    if (!n) { return refused_item(name, &v, e); }
    bool fits = memcmp(n->vek.hwid, id->chip, id->chip_len) == 0 &&
                snp_tcb_read(id->product, id->tcb, &wanted) && snp_tcb_equal(&wanted, &n->vek.tcb);
    snp_endorsement_free(n);
    return fits ? 0 : bad_item(name, "is about another chip, or another TCB of it", e);
}

/* The root is the same for both kinds of keys, so either chain will do. */
static int crl_check(const struct collateral_store *s, const struct collateral_id *id,
                     const char *name, const void *bytes, size_t len, struct collateral_ages *out,
                     struct err *e)
{
    auto_chain vcek = {0};
    auto_chain vlek = {0};
    struct verdict v = {0};
    struct err ignored = {0};
    const struct chain *chain = &vcek;
    if (!der_is_strict(bytes, len)) { return bad_item(name, "not a revocation list in DER", e); }
    if (chain_read(s, id->product, false, &vcek, &ignored) < 0) {
        int r = chain_read(s, id->product, true, &vlek, e);
        if (r < 0) { return err_wrap(e, "%s: what signs it", name); }
        chain = &vlek;
    }
    struct snp_crl *list = snp_crl_open(chain->issuer, bytes, len, &v);
    if (!list) { return refused_item(name, &v, e); }
    *out = (struct collateral_ages){.v = {list->facts.this_update},
                                    .expires = list->facts.next_update};
    snp_crl_free(list);
    return 0;
}

int collateral_check(const struct collateral_store *s, const struct collateral_id *id,
                     const void *bytes, size_t len, struct collateral_ages *out, struct err *e)
{
    char name[COLLATERAL_NAME_MAX];
    collateral_name(id, name);
    *out = (struct collateral_ages){0};
    if (len > COLLATERAL_ITEM_MAX) { return bad_item(name, "too large", e); }
    switch (id->kind) {
    case COLLATERAL_TDX: return tdx_check(s, id, name, bytes, len, out, e);
    case COLLATERAL_VCEK: return vcek_check(s, id, name, bytes, len, e);
    case COLLATERAL_AMD_CHAIN: {
        auto_chain chain = {0};
        return chain_open(s, id, name, bytes, len, &chain, e);
    }
    case COLLATERAL_AMD_CRL: return crl_check(s, id, name, bytes, len, out, e);
    case COLLATERAL_NONE: break;
    }
    return err_set(e, EINVAL, "an item without a kind");
}
