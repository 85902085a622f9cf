/* SPDX-License-Identifier: Apache-2.0 */
/* See trust.h. Only what has been verified is kept; a refusal is worked out again each time. */
#include "attest/verify/snp/trust.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct chain {
    struct crypto_cert *intermediate, *root;
    char issuer[CRYPTO_NAME_MAX]; /* the intermediate's name: what an endorsement key's issuer is */
};

struct kept {
    uint8_t key[CRYPTO_SHA256_SIZE]; /* of all bytes the endorsement was made from */
    struct snp_endorsement *e;       /* NULL = free */
    uint64_t used;                   /* turn it was last used in */
};

struct snp_trust {
    const struct snp_roots *roots;
    struct chain chains[SNP_TRUST_CHAINS_MAX];
    size_t chain_count;
    struct snp_crl *crls[SNP_PRODUCT_COUNT]; /* by the product of the root; NULL = none */
    struct kept kept[SNP_TRUST_KEPT];
    uint64_t turn;
};

int snp_trust_new(const struct snp_roots *roots, struct snp_trust **out)
{
    struct snp_trust *t = calloc(1, sizeof *t);
    if (!t) { return -ENOMEM; }
    t->roots = roots;
    *out = t;
    return 0;
}

void snp_trust_free(struct snp_trust *t)
{
    if (!t) { return; }
    for (size_t i = 0; i < t->chain_count; i++) {
        crypto_cert_free(t->chains[i].intermediate);
        crypto_cert_free(t->chains[i].root);
    }
    for (size_t i = 0; i < SNP_PRODUCT_COUNT; i++) { snp_crl_free(t->crls[i]); }
    for (size_t i = 0; i < SNP_TRUST_KEPT; i++) { snp_endorsement_free(t->kept[i].e); }
    free(t);
}

int snp_trust_add_chain(struct snp_trust *t, const void *pem, size_t len, struct err *e)
{
    struct crypto_cert *certs[2];
    const struct crypto_cert *intermediate, *root;
    size_t count;
    struct verdict v = {0};
    if (t->chain_count == SNP_TRUST_CHAINS_MAX) {
        return err_set(e, E2BIG, "more than %d chains", SNP_TRUST_CHAINS_MAX);
    }
    if (crypto_certs_from_pem(pem, len, certs, ARRAY_COUNT(certs), &count) < 0) {
        return err_set(e, EINVAL, "not one or two certificates in PEM");
    }
    struct chain *c = &t->chains[t->chain_count];
    bool good = snp_chain_sort(certs, count, t->roots, &intermediate, &root, &v) &&
                crypto_cert_subject(intermediate, c->issuer) == 0;
    if (!good) {
        for (size_t i = 0; i < count; i++) { crypto_cert_free(certs[i]); }
        return err_set(e, EKEYREJECTED, "%s",
                       v.reason_count ? v.reasons[0].text
                                      : "the intermediate's name is unreadable");
    }
    c->intermediate = intermediate == certs[0] ? certs[0] : certs[1];
    c->root = root == certs[0] ? certs[0] : certs[1];
    t->chain_count++;
    return 0;
}

int snp_trust_add_crl(struct snp_trust *t, const struct snp_endorsement *e, const void *der,
                      size_t len, struct err *why)
{
    struct verdict v = {0};
    struct snp_crl **held = &t->crls[e->root.product];
    struct snp_crl *given = snp_crl_open(e, der, len, &v);
    if (!given) { return err_set(why, EINVAL, "%s", v.reasons[0].text); }
    if (*held && (*held)->facts.this_update > given->facts.this_update) {
        snp_crl_free(given);
        return err_set(why, ESTALE, "a revocation list older than the one in use");
    }
    snp_crl_free(*held);
    *held = given;
    return 0;
}

const struct snp_crl *snp_trust_crl(const struct snp_trust *t, const struct snp_endorsement *e)
{
    return t->crls[e->root.product];
}

/* ---- endorsements */

static void key_of(struct view vek, struct view ask, struct view ark,
                   uint8_t out[CRYPTO_SHA256_SIZE])
{
    const struct view all[] = {vek, ask, ark};
    struct crypto_sha c;
    (void)!crypto_sha_init(&c, CRYPTO_SHA256);
    for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
        uint64_t len = all[i].len;
        crypto_sha_update(&c, &len, sizeof len); /* so that no two splits are one text */
        if (len) { crypto_sha_update(&c, all[i].p, all[i].len); }
    }
    crypto_sha_final(&c, out);
}

static struct kept *kept_find(struct snp_trust *t, const uint8_t key[CRYPTO_SHA256_SIZE])
{
    for (size_t i = 0; i < SNP_TRUST_KEPT; i++) {
        if (t->kept[i].e && memcmp(t->kept[i].key, key, CRYPTO_SHA256_SIZE) == 0) {
            return &t->kept[i];
        }
    }
    return NULL;
}

/* A free place, else the one whose owner was not needed for longest. */
static struct kept *kept_place(struct snp_trust *t)
{
    struct kept *oldest = &t->kept[0];
    for (size_t i = 0; i < SNP_TRUST_KEPT; i++) {
        if (!t->kept[i].e) { return &t->kept[i]; }
        if (t->kept[i].used < oldest->used) { oldest = &t->kept[i]; }
    }
    snp_endorsement_free(oldest->e);
    oldest->e = NULL;
    return oldest;
}

/* By the chain that was added for the certificate's issuer. NULL without reasons: there is none. */
static struct snp_endorsement *follow_own(struct snp_trust *t, const struct crypto_cert *vek,
                                          struct verdict *v)
{
    char issuer[CRYPTO_NAME_MAX];
    if (crypto_cert_issuer(vek, issuer) < 0) { return NULL; }
    for (size_t i = 0; i < t->chain_count; i++) {
        struct chain *c = &t->chains[i];
        if (strcmp(c->issuer, issuer) == 0) {
            return snp_chain_verify(vek, c->intermediate, c->root, t->roots, v);
        }
    }
    return NULL;
}

/* By what came with it. */
static struct snp_endorsement *follow_sent(struct snp_trust *t, const struct crypto_cert *vek,
                                           struct view ask, struct view ark, struct verdict *v)
{
    auto_cert a = NULL;
    auto_cert b = NULL;
    const struct crypto_cert *intermediate, *root;
    if (!ask.len || !ark.len) {
        verdict_check(v, false, &snp_codes[SNP_CODE_CHAIN_LENGTH],
                      "no chain for the certificate's issuer", "one added or sent");
        return NULL;
    }
    if (crypto_cert_from_der(ask.p, ask.len, &a) < 0 ||
        crypto_cert_from_der(ark.p, ark.len, &b) < 0) {
        verdict_check(v, false, &snp_codes[SNP_CODE_CHAIN_UNREADABLE], "something else",
                      "two certificates in DER");
        return NULL;
    }
    struct crypto_cert *const certs[] = {a, b};
    if (!snp_chain_sort(certs, 2, t->roots, &intermediate, &root, v)) { return NULL; }
    return snp_chain_verify(vek, intermediate, root, t->roots, v);
}

/* Follow the chain, by what was added or else by what was sent, and keep what came of it. */
static struct kept *follow(struct snp_trust *t, struct view vek, struct view ask, struct view ark,
                           struct verdict *v)
{
    const struct view none = {0};
    auto_cert cert = NULL;
    size_t before = v->reason_count;
    if (crypto_cert_from_der(vek.p, vek.len, &cert) < 0) {
        verdict_check(v, false, &snp_codes[SNP_CODE_VEK_UNREADABLE], "something else",
                      "one certificate in DER");
        return NULL;
    }
    struct snp_endorsement *e = follow_own(t, cert, v);
    bool own = e != NULL;
    if (!e && v->reason_count == before) { e = follow_sent(t, cert, ask, ark, v); }
    if (!e) { return NULL; }
    struct kept *k = kept_place(t);
    key_of(vek, own ? none : ask, own ? none : ark, k->key);
    k->e = e;
    return k;
}

const struct snp_endorsement *snp_trust_endorse(struct snp_trust *t, struct view vek,
                                                struct view ask, struct view ark, struct verdict *v)
{
    const struct view none = {0};
    uint8_t key[CRYPTO_SHA256_SIZE];
    key_of(vek, none, none, key); /* by a chain that was added, whatever is sent along */
    struct kept *k = kept_find(t, key);
    if (!k && ask.len) {
        key_of(vek, ask, ark, key);
        k = kept_find(t, key);
    }
    if (!k) { k = follow(t, vek, ask, ark, v); }
    if (!k) { return NULL; }
    k->used = ++t->turn;
    return k->e;
}
