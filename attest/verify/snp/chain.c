/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See chain.h. Order of the checks: shape, trusted root, algorithms, signatures, and only then what
 * the certificates say, which until there may be anybody's invention. The first failure ends it.
 */
#include "attest/verify/snp/chain.h"

#include "attest/rfc3339.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct snp_root amd_roots[] = {
    {SNP_MILAN, {0x9f, 0x05, 0x6b, 0xee, 0x44, 0x37, 0x7e, 0x29, 0x30, 0x8c, 0xb5,
                 0xff, 0xa8, 0x95, 0xbd, 0xfb, 0x62, 0xd1, 0x88, 0x81, 0xfa, 0x6b,
                 0xed, 0x8d, 0x6f, 0x07, 0x5b, 0x02, 0x04, 0x08, 0x9c, 0xb9}},
    {SNP_GENOA, {0x42, 0x9a, 0x69, 0xc9, 0x42, 0x2a, 0xa2, 0x58, 0xee, 0x4d, 0x8d,
                 0xb5, 0xfc, 0xda, 0x9c, 0x64, 0x70, 0xef, 0x15, 0xf8, 0xcd, 0x5a,
                 0x9c, 0xeb, 0xd6, 0xcb, 0xc7, 0xd9, 0x0b, 0x86, 0x38, 0x31}},
    {SNP_TURIN, {0x4f, 0x12, 0x54, 0x10, 0x56, 0x3a, 0x2a, 0xb9, 0xa5, 0x03, 0x56,
                 0xf9, 0x24, 0x3f, 0x6f, 0xe0, 0xb6, 0xf7, 0x3d, 0xe9, 0x86, 0x03,
                 0xf5, 0x3f, 0x90, 0x33, 0x9c, 0x70, 0xe9, 0xd7, 0xad, 0x08}},
};
const struct snp_roots snp_amd_roots = {amd_roots, ARRAY_COUNT(amd_roots)};

#define RSA_4096_BYTES 512
#define AMD            "OU=Engineering, C=US, L=Santa Clara, ST=CA, O=Advanced Micro Devices"
#define NAME_FORMAT    AMD ", CN=%s%s"

/* What the certificates are called, for people. */
static const char *const places[SNP_CERTS] = {"endorsement key", "intermediate", "root"};

void snp_endorsement_free(struct snp_endorsement *e)
{
    if (!e) { return; }
    crypto_key_free(e->key);
    crypto_key_free(e->root_key);
    free(e);
}

/* ---- roots */

/* A certificate's name as AMD writes it; "" when it has none that can be read. */
static void subject_of(const struct crypto_cert *c, char out[CRYPTO_NAME_MAX])
{
    if (crypto_cert_subject(c, out) < 0) { out[0] = '\0'; }
}

/* The product that a root of this name is for; NONE when it is no root's. */
static enum snp_product root_product(const char *name)
{
    char wanted[CRYPTO_NAME_MAX];
    unsigned p = SNP_PRODUCT_COUNT;
    while (--p != SNP_PRODUCT_NONE) {
        (void)snprintf(wanted, sizeof wanted, NAME_FORMAT, "ARK-",
                       snp_product_name((enum snp_product)p));
        if (strcmp(name, wanted) == 0) { break; }
    }
    return (enum snp_product)p;
}

bool snp_root_from_cert(const struct crypto_cert *c, struct snp_root *out, struct verdict *v)
{
    char name[CRYPTO_NAME_MAX];
    subject_of(c, name);
    struct snp_root root = {.product = root_product(name)};
    if (root.product == SNP_PRODUCT_NONE || crypto_cert_key_sha256(c, root.key_sha256) < 0) {
        return verdict_check(v, false, &snp_codes[SNP_CODE_ROOT_UNREADABLE], name,
                             "CN=ARK-<product>");
    }
    *out = root;
    return true;
}

static const struct snp_root *root_find(const struct crypto_cert *c, const struct snp_roots *roots)
{
    uint8_t sha[CRYPTO_SHA256_SIZE];
    if (crypto_cert_key_sha256(c, sha) < 0) { return NULL; }
    for (size_t i = 0; i < roots->count; i++) {
        if (memcmp(roots->v[i].key_sha256, sha, sizeof sha) == 0) { return &roots->v[i]; }
    }
    return NULL;
}

static bool refuse_root(const struct crypto_cert *c, const struct snp_roots *roots,
                        struct verdict *v)
{
    uint8_t sha[CRYPTO_SHA256_SIZE] = {0};
    (void)!crypto_cert_key_sha256(c, sha);
    return verdict_check_bytes(v, false, &snp_codes[SNP_CODE_ROOT], sha,
                               roots->count ? roots->v[0].key_sha256 : sha, sizeof sha);
}

bool snp_chain_sort(struct crypto_cert *const *certs, size_t count, const struct snp_roots *roots,
                    const struct crypto_cert **out_intermediate,
                    const struct crypto_cert **out_root, struct verdict *v)
{
    char found[40];
    (void)snprintf(found, sizeof found, "%zu certificates", count);
    if (!verdict_check(v, count == 2, &snp_codes[SNP_CODE_CHAIN_LENGTH], found,
                       "2: intermediate and root")) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (root_find(certs[i], roots)) {
            *out_root = certs[i];
            *out_intermediate = certs[1 - i];
            return true;
        }
    }
    return refuse_root(certs[1], roots, v);
}

/* ---- the chain */

/* All that is known of a chain while it is being checked. */
struct walk {
    const struct crypto_cert *cert[SNP_CERTS];
    int first; /* SNP_CERT_VEK, or SNP_CERT_INTERMEDIATE: without an endorsement key */
    struct snp_endorsement *e;
    struct verdict *v;
};

static bool check_algorithms(struct walk *w)
{
    for (int i = w->first; i < SNP_CERTS; i++) {
        struct crypto_cert_facts *f = &w->e->facts[i];
        if (crypto_cert_facts(w->cert[i], f) < 0) {
            int code = i == SNP_CERT_VEK ? SNP_CODE_VEK_UNREADABLE : SNP_CODE_CHAIN_UNREADABLE;
            return verdict_check(w->v, false, &snp_codes[code], places[i], "a certificate");
        }
        if (f->alg != CRYPTO_CERT_PSS_SHA384) {
            verdict_refuse(w->v, &snp_codes[SNP_CODE_CERTIFICATE_ALGORITHM], "another algorithm",
                           "RSA-PSS with SHA-384, salt 48", "certificate of the %s", places[i]);
            return false;
        }
    }
    return verdict_check(w->v, true, &snp_codes[SNP_CODE_CERTIFICATE_ALGORITHM],
                         "RSA-PSS with SHA-384", "RSA-PSS with SHA-384");
}

static bool signed_by(const struct crypto_cert *c, const struct crypto_key *issuer)
{
    return crypto_key_size(issuer) == RSA_4096_BYTES &&
           crypto_cert_signed_by(c, issuer, CRYPTO_CERT_PSS_SHA384) == 0;
}

static bool check_signatures(struct walk *w)
{
    auto_key intermediate = NULL;
    const char *found = NULL;
    if (crypto_cert_key(w->cert[SNP_CERT_ROOT], &w->e->root_key) < 0 ||
        !signed_by(w->cert[SNP_CERT_ROOT], w->e->root_key)) {
        found = "the root is not signed by itself";
    } else if (!signed_by(w->cert[SNP_CERT_INTERMEDIATE], w->e->root_key)) {
        found = "the intermediate is not signed by the root";
    } else if (w->first == SNP_CERT_VEK &&
               (crypto_cert_key(w->cert[SNP_CERT_INTERMEDIATE], &intermediate) < 0 ||
                !signed_by(w->cert[SNP_CERT_VEK], intermediate))) {
        found = "the endorsement key is not signed by the intermediate";
    }
    return verdict_check(w->v, !found, &snp_codes[SNP_CODE_CHAIN_SIGNATURE],
                         found ? found : "each by the one above, RSA-4096",
                         "each by the one above, RSA-4096");
}

static bool is_named(struct walk *w, int place, bool issuer, const char *prefix,
                     enum snp_product product)
{
    char found[CRYPTO_NAME_MAX], wanted[CRYPTO_NAME_MAX];
    int r = issuer ? crypto_cert_issuer(w->cert[place], found)
                   : crypto_cert_subject(w->cert[place], found);
    if (r < 0) { (void)snprintf(found, sizeof found, "a name that cannot be read"); }
    (void)snprintf(wanted, sizeof wanted, NAME_FORMAT, prefix, snp_product_name(product));
    if (strcmp(found, wanted) == 0) { return true; }
    verdict_refuse(w->v, &snp_codes[SNP_CODE_NAMES], found, wanted, "the %s's %s", places[place],
                   issuer ? "issuer" : "subject");
    return false;
}

/* Which kind of key this is says the intermediate: its name is signed by the root. */
static bool check_names(struct walk *w)
{
    char name[CRYPTO_NAME_MAX], vlek[CRYPTO_NAME_MAX];
    enum snp_product p = w->e->root.product;
    subject_of(w->cert[SNP_CERT_INTERMEDIATE], name);
    (void)snprintf(vlek, sizeof vlek, NAME_FORMAT, "SEV-VLEK-", snp_product_name(p));
    w->e->vek.vlek = strcmp(name, vlek) == 0;
    const char *issuer = w->e->vek.vlek ? "SEV-VLEK-" : "SEV-";
    bool good = is_named(w, SNP_CERT_ROOT, false, "ARK-", p) &&
                is_named(w, SNP_CERT_ROOT, true, "ARK-", p) &&
                is_named(w, SNP_CERT_INTERMEDIATE, false, issuer, p) &&
                is_named(w, SNP_CERT_INTERMEDIATE, true, "ARK-", p);
    if (good && w->first == SNP_CERT_VEK) {
        good = is_named(w, SNP_CERT_VEK, true, issuer, p) &&
               is_named(w, SNP_CERT_VEK, false, w->e->vek.vlek ? "SEV-VLEK" : "SEV-VCEK",
                        SNP_PRODUCT_NONE);
    }
    if (good) {
        verdict_check(w->v, true, &snp_codes[SNP_CODE_NAMES],
                      w->e->vek.vlek ? "ARK, SEV-VLEK, VLEK" : "ARK, SEV, VCEK",
                      "those of AMD's chain");
    }
    return good;
}

static bool check_authority(struct walk *w)
{
    const struct crypto_cert_facts *f = w->e->facts;
    const char *found = NULL;
    if (!f[SNP_CERT_ROOT].is_ca || !f[SNP_CERT_ROOT].may_sign_certs ||
        f[SNP_CERT_ROOT].path_len == 0) {
        found = "the root may not sign intermediates";
    } else if (!f[SNP_CERT_INTERMEDIATE].is_ca || !f[SNP_CERT_INTERMEDIATE].may_sign_certs) {
        found = "the intermediate is no authority";
    } else if (w->first == SNP_CERT_VEK &&
               (f[SNP_CERT_VEK].is_ca || f[SNP_CERT_VEK].may_sign_certs)) {
        found = "the endorsement key is an authority";
    }
    return verdict_check(w->v, !found, &snp_codes[SNP_CODE_CA],
                         found ? found : "root and intermediate alone",
                         "root and intermediate alone");
}

static bool check_vek(struct walk *w)
{
    struct snp_endorsement *e = w->e;
    for (int i = 0; i < SNP_CERTS; i++) {
        if (e->facts[i].version == 3 && !e->facts[i].unknown_critical) { continue; }
        verdict_refuse(w->v, &snp_codes[SNP_CODE_VEK_EXTENSION],
                       e->facts[i].version == 3 ? "an unknown critical extension" : "no version 3",
                       "X.509 version 3, no unknown critical extension", "certificate of the %s",
                       places[i]);
        return false;
    }
    bool p384 = crypto_cert_key(w->cert[SNP_CERT_VEK], &e->key) == 0 &&
                crypto_key_type(e->key) == CRYPTO_P384;
    return verdict_check(w->v, p384, &snp_codes[SNP_CODE_VEK_KEY],
                         p384 ? "P-384" : "another kind of key", "P-384") &&
           snp_vek_read(w->cert[SNP_CERT_VEK], e->root.product, e->vek.vlek, &e->vek, w->v);
}

/* "Milan-B0" is a Milan, and so is "Milan". */
static bool check_product_name(struct walk *w)
{
    const char *name = w->e->vek.product_name;
    enum snp_product p = snp_product_find(name, strcspn(name, "-"));
    return verdict_check(w->v, p == w->e->root.product, &snp_codes[SNP_CODE_PRODUCT], name,
                         snp_product_name(w->e->root.product));
}

/* Root, algorithms, signatures, names: what both doors begin with. False with a reason. */
static bool walk_up(struct walk *w, const struct snp_roots *roots)
{
    const struct snp_root *trusted = root_find(w->cert[SNP_CERT_ROOT], roots);
    if (!trusted) { return refuse_root(w->cert[SNP_CERT_ROOT], roots, w->v); }
    w->e = calloc(1, sizeof *w->e);
    if (!w->e) {
        verdict_refuse(w->v, &snp_codes[SNP_CODE_LIMITS], "no memory", "memory", "out of memory");
        return false;
    }
    w->e->root = *trusted;
    verdict_check_bytes(w->v, true, &snp_codes[SNP_CODE_ROOT], trusted->key_sha256,
                        trusted->key_sha256, sizeof trusted->key_sha256);
    return check_algorithms(w) && check_signatures(w) && check_names(w) && check_authority(w);
}

struct snp_endorsement *snp_chain_verify(const struct crypto_cert *vek,
                                         const struct crypto_cert *intermediate,
                                         const struct crypto_cert *root,
                                         const struct snp_roots *roots, struct verdict *v)
{
    struct walk w = {.cert = {vek, intermediate, root}, .first = SNP_CERT_VEK, .v = v};
    if (walk_up(&w, roots) && check_vek(&w) && check_product_name(&w)) { return w.e; }
    snp_endorsement_free(w.e);
    return NULL;
}

struct snp_endorsement *snp_chain_verify_issuer(const struct crypto_cert *intermediate,
                                                const struct crypto_cert *root,
                                                const struct snp_roots *roots, struct verdict *v)
{
    struct walk w = {.cert = {NULL, intermediate, root}, .first = SNP_CERT_INTERMEDIATE, .v = v};
    if (walk_up(&w, roots)) { return w.e; }
    snp_endorsement_free(w.e);
    return NULL;
}

/* ---- what needs a clock */

/* Is now in [start, end]? One row or reason, with what it is about in front. */
static void check_period(struct verdict *v, const struct verdict_code *code, const char *what,
                         int64_t start, int64_t end, int64_t now)
{
    char at[RFC3339_SIZE], a[RFC3339_SIZE], b[RFC3339_SIZE], found[64], wanted[96];
    rfc3339_format(now, at);
    rfc3339_format(start, a);
    rfc3339_format(end, b);
    (void)snprintf(found, sizeof found, "%s at %s", what, at);
    (void)snprintf(wanted, sizeof wanted, "%s to %s", a, b);
    verdict_check(v, now >= start && now <= end, code, found, wanted);
}

void snp_chain_check_time(const struct snp_endorsement *e, int64_t now, struct verdict *v)
{
    for (int i = 0; i < SNP_CERTS; i++) {
        check_period(v, &snp_codes[SNP_CODE_VALIDITY], places[i], e->facts[i].not_before,
                     e->facts[i].not_after, now);
    }
}

/* Issuer, signature: is this list the root's? */
static bool crl_is_roots(const struct snp_endorsement *e, const struct crypto_crl *crl,
                         struct verdict *v)
{
    char found[CRYPTO_NAME_MAX], wanted[CRYPTO_NAME_MAX];
    if (crypto_crl_issuer(crl, found) < 0) { found[0] = '\0'; }
    (void)snprintf(wanted, sizeof wanted, NAME_FORMAT, "ARK-", snp_product_name(e->root.product));
    if (strcmp(found, wanted) != 0) {
        return verdict_check(v, false, &snp_codes[SNP_CODE_CRL_SIGNATURE], found, wanted);
    }
    bool good = e->facts[SNP_CERT_ROOT].may_sign_crls &&
                crypto_crl_signed_by(crl, e->root_key, CRYPTO_CERT_PSS_SHA384) == 0;
    return verdict_check(v, good, &snp_codes[SNP_CODE_CRL_SIGNATURE],
                         good ? "the root's signature" : "not signed by the root",
                         "the root's signature");
}

struct snp_crl *snp_crl_open(const struct snp_endorsement *e, const void *der, size_t len,
                             struct verdict *v)
{
    auto_crl crl = NULL;
    struct crypto_crl_facts facts;
    if (crypto_crl_from_der(der, len, &crl) < 0 || crypto_crl_facts(crl, &facts) < 0) {
        verdict_check(v, false, &snp_codes[SNP_CODE_CRL_UNREADABLE], "something else",
                      "a revocation list in DER, with its dates");
        return NULL;
    }
    if (!crl_is_roots(e, crl, v)) { return NULL; }
    struct snp_crl *c = calloc(1, sizeof *c);
    if (!c) {
        verdict_refuse(v, &snp_codes[SNP_CODE_LIMITS], "no memory", "memory", "out of memory");
        return NULL;
    }
    *c = (struct snp_crl){.crl = crl, .facts = facts, .root = e->root};
    crl = NULL;
    return c;
}

void snp_crl_free(struct snp_crl *c)
{
    if (!c) { return; }
    crypto_crl_free(c->crl);
    free(c);
}

void snp_chain_check_crl(const struct snp_endorsement *e, const struct snp_crl *crl, bool required,
                         int64_t now, struct verdict *v)
{
    if (!crl) {
        verdict_check(v, !required, &snp_codes[SNP_CODE_CRL_MISSING], "none",
                      required ? "one of the root" : "not demanded");
        return;
    }
    if (memcmp(crl->root.key_sha256, e->root.key_sha256, sizeof e->root.key_sha256) != 0) {
        verdict_check_bytes(v, false, &snp_codes[SNP_CODE_CRL_SIGNATURE], crl->root.key_sha256,
                            e->root.key_sha256, sizeof e->root.key_sha256);
        return;
    }
    check_period(v, &snp_codes[SNP_CODE_CRL_TIME], "list", crl->facts.this_update,
                 crl->facts.next_update, now);
    const char *found = NULL;
    for (int i = 0; i < SNP_CERT_ROOT; i++) {
        const struct crypto_cert_facts *c = &e->facts[i];
        if (crypto_crl_lists_serial(crl->crl, c->serial, c->serial_len)) { found = places[i]; }
    }
    verdict_check(v, !found, &snp_codes[SNP_CODE_CRL_REVOKED], found ? found : "none of the chain",
                  "none of the chain");
}

/* ---- certificate and report */

static bool all_zero(const uint8_t *p, size_t len)
{
    uint8_t any = 0;
    for (size_t i = 0; i < len; i++) { any |= p[i]; }
    return any == 0;
}

static void check_tcb(const struct snp_endorsement *e, const struct snp_report *r,
                      struct verdict *v)
{
    const uint8_t *const raws[] = {r->reported_raw, r->current_raw, r->committed_raw,
                                   r->launch_raw};
    static const char *const names[] = {"REPORTED", "CURRENT", "COMMITTED", "LAUNCH"};
    char found[SNP_TCB_TEXT], wanted[SNP_TCB_TEXT];
    struct snp_tcb t;
    const char *bad = NULL;
    for (size_t i = ARRAY_COUNT(raws); i-- > 0;) {
        if (!snp_tcb_read(e->root.product, raws[i], &t)) { bad = names[i]; }
    }
    verdict_check(v, !bad, &snp_codes[SNP_CODE_TCB_RESERVED], bad ? bad : "zero", "zero");
    (void)snp_tcb_read(e->root.product, r->reported_raw, &t);
    snp_tcb_text(e->root.product, &t, found);
    snp_tcb_text(e->root.product, &e->vek.tcb, wanted);
    verdict_check(v, snp_tcb_equal(&t, &e->vek.tcb), &snp_codes[SNP_CODE_TCB_CERTIFICATE], found,
                  wanted);
}

/* VLEK: the certificate names no chip, and the report has none to name. */
static void check_chip(const struct snp_endorsement *e, const struct snp_report *r,
                       struct verdict *v)
{
    bool zero = all_zero(r->chip_id, sizeof r->chip_id);
    if (e->vek.vlek) {
        verdict_check_bytes(v, zero, &snp_codes[SNP_CODE_CHIP], r->chip_id, e->vek.hwid,
                            sizeof r->chip_id);
        return;
    }
    verdict_check_bytes(v, !zero && memcmp(r->chip_id, e->vek.hwid, sizeof r->chip_id) == 0,
                        &snp_codes[SNP_CODE_CHIP], r->chip_id, e->vek.hwid, sizeof r->chip_id);
}

void snp_chain_check_report(const struct snp_endorsement *e, const struct snp_report *r,
                            struct verdict *v)
{
    /* A version 2 report names no product; there is none but Milan and Genoa that makes one. */
    bool product =
        r->version < 3 ? e->root.product != SNP_TURIN : r->cpu_product == e->root.product;
    if (!verdict_check(v, product, &snp_codes[SNP_CODE_PRODUCT],
                       r->version < 3 ? "a version 2 report" : snp_product_name(r->cpu_product),
                       snp_product_name(e->root.product)) ||
        !verdict_check(v, r->vlek == e->vek.vlek, &snp_codes[SNP_CODE_KEY_KIND],
                       r->vlek ? "VLEK" : "VCEK", e->vek.vlek ? "VLEK" : "VCEK")) {
        return; /* the layout is not known, or it is another key's business */
    }
    check_tcb(e, r, v);
    check_chip(e, r, v);
}

void snp_chain_check_signature(const struct snp_endorsement *e, const struct snp_report *r,
                               struct verdict *v)
{
    bool good = e->key && crypto_ecdsa_verify(e->key, r->digest, sizeof r->digest, r->signature,
                                              sizeof r->signature) == 0;
    verdict_check(v, good, &snp_codes[SNP_CODE_SIGNATURE], good ? "verifies" : "does not verify",
                  "verifies with the endorsement key");
}
