/* SPDX-License-Identifier: Apache-2.0 */
/* See chain.h. */
#include "attest/verify/tdx/chain.h"

#include "attest/der.h"
#include "attest/hex.h"
#include "attest/rfc3339.h"
#include "attest/verify/tdx/codes.h"
#include "attest/verify/tdx/pem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const uint8_t tdx_intel_root[TDX_ROOT_SIZE] = {
    0xa0, 0xaf, 0x03, 0x12, 0x89, 0xf5, 0xd5, 0xd4, 0x13, 0x2f, 0x91, 0x86, 0x06, 0x8a, 0x7f, 0xc1,
    0x36, 0x28, 0x63, 0x3b, 0xa2, 0x35, 0x77, 0x74, 0x72, 0xe2, 0x9b, 0x6b, 0x6c, 0x67, 0xa4, 0x9e};

#define INTEL ", O=Intel Corporation, L=Santa Clara, ST=CA, C=US"

/* What each role is, who may have it, and what its holder may do. */
static const struct {
    const char *what;
    const char *names[2]; /* the second is NULL where there is one */
    bool authority;
} roles[] = {
    [TDX_ROLE_ROOT] = {"root certificate", {"CN=Intel SGX Root CA" INTEL, NULL}, true},
    [TDX_ROLE_PCK_CA] = {"certificate of the PCK CA",
                         {"CN=Intel SGX PCK Platform CA" INTEL,
                          "CN=Intel SGX PCK Processor CA" INTEL},
                         true},
    [TDX_ROLE_TCB_SIGNER] = {"certificate of the TCB signer",
                             {"CN=Intel SGX TCB Signing" INTEL, NULL},
                             false},
    [TDX_ROLE_PCK] = {"PCK certificate", {"CN=Intel SGX PCK Certificate" INTEL, NULL}, false},
};

void tdx_cert_fini(struct tdx_cert *c)
{
    crypto_cert_free(c->cert);
    *c = (struct tdx_cert){0};
}

void tdx_crl_fini(struct tdx_crl *c)
{
    crypto_crl_free(c->crl);
    *c = (struct tdx_crl){0};
}

/* ---- certificates */

/* A name, or a text that nobody has as a name. */
static void subject_of(const struct tdx_cert *c, char out[CRYPTO_NAME_MAX])
{
    if (crypto_cert_subject(c->cert, out) < 0) { (void)snprintf(out, CRYPTO_NAME_MAX, "(none)"); }
}

static void issuer_of(const struct tdx_cert *c, char out[CRYPTO_NAME_MAX])
{
    if (crypto_cert_issuer(c->cert, out) < 0) { (void)snprintf(out, CRYPTO_NAME_MAX, "(none)"); }
}

static bool role_check(const struct tdx_cert *c, enum tdx_role role, struct verdict *v)
{
    const struct crypto_cert_facts *f = &c->facts;
    const char *const *names = roles[role].names;
    char name[CRYPTO_NAME_MAX];
    subject_of(c, name);
    bool called = strcmp(name, names[0]) == 0 || (names[1] && strcmp(name, names[1]) == 0);
    bool form = f->version == 3 && f->alg == CRYPTO_CERT_ECDSA_SHA256 && !f->unknown_critical;
    bool usage = f->is_ca == roles[role].authority && f->may_sign_certs == roles[role].authority &&
                 f->may_sign_crls == roles[role].authority;
    return verdict_check(v, called, &tdx_codes[TDX_CODE_CERT_NAME], name, names[0]) &&
           verdict_check(v, form, &tdx_codes[TDX_CODE_CERT], name,
                         "X.509 v3, ECDSA with SHA-256, no unknown critical extension") &&
           verdict_check(v, usage, &tdx_codes[TDX_CODE_CERT_USAGE],
                         f->is_ca ? "an authority" : "no authority",
                         roles[role].authority ? "an authority" : "no authority");
}

static bool issuer_check(const struct tdx_cert *c, const struct tdx_cert *by, struct verdict *v)
{
    auto_key key = NULL;
    char found[CRYPTO_NAME_MAX], wanted[CRYPTO_NAME_MAX];
    issuer_of(c, found);
    subject_of(by, wanted);
    if (!verdict_check(v, strcmp(found, wanted) == 0, &tdx_codes[TDX_CODE_CERT_ISSUER], found,
                       wanted)) {
        return false;
    }
    bool good = crypto_cert_key(by->cert, &key) == 0 &&
                crypto_cert_signed_by(c->cert, key, CRYPTO_CERT_ECDSA_SHA256) == 0;
    return verdict_check(v, good, &tdx_codes[TDX_CODE_CERT_SIGNATURE], c->what,
                         "signed by its issuer");
}

static bool root_check(const struct tdx_cert *c, const uint8_t pinned[TDX_ROOT_SIZE],
                       struct verdict *v)
{
    uint8_t key[TDX_ROOT_SIZE] = {0};
    bool same = crypto_cert_key_sha256(c->cert, key) == 0 && memcmp(key, pinned, sizeof key) == 0;
    return verdict_check_bytes(v, same, &tdx_codes[TDX_CODE_ROOT], key, pinned, sizeof key);
}

static bool chain_check(const struct tdx_cert *c, const enum tdx_role *role, size_t count,
                        const uint8_t root[TDX_ROOT_SIZE], struct verdict *v)
{
    if (!root_check(&c[count - 1], root, v)) { return false; }
    for (size_t i = count; i-- > 0;) {
        size_t by = i + 1 < count ? i + 1 : i; /* the root is its own */
        if (!role_check(&c[i], role[i], v) || !issuer_check(&c[i], &c[by], v)) { return false; }
    }
    return true;
}

bool tdx_chain_read(const void *pem, size_t len, const enum tdx_role *role, size_t count,
                    const uint8_t root[TDX_ROOT_SIZE], struct tdx_cert *out, struct verdict *v)
{
    struct crypto_cert *certs[TDX_CHAIN_MAX];
    struct tdx_cert c[TDX_CHAIN_MAX] = {0};
    struct err e = {0};
    int r = tdx_pem_certs(pem, len, count, certs, &e);
    if (r < 0) {
        verdict_refuse(v, &tdx_codes[r == -EILSEQ ? TDX_CODE_DER : TDX_CODE_PEM], roles[*role].what,
                       "its chain in PEM", "%s", e.text);
        return false;
    }
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        c[i] = (struct tdx_cert){.cert = certs[i], .what = roles[role[i]].what};
        good = good && verdict_check(v, crypto_cert_facts(certs[i], &c[i].facts) == 0,
                                     &tdx_codes[TDX_CODE_CERT], c[i].what,
                                     "dates, serial number and usage that can be read");
    }
    if (!good || !chain_check(c, role, count, root, v)) {
        for (size_t i = 0; i < count; i++) { tdx_cert_fini(&c[i]); }
        return false;
    }
    memcpy(out, c, count * sizeof *c);
    return true;
}

bool tdx_same_authority(const struct tdx_cert *a, const struct tdx_cert *b)
{
    uint8_t x[CRYPTO_SHA256_SIZE], y[CRYPTO_SHA256_SIZE];
    char p[CRYPTO_NAME_MAX], q[CRYPTO_NAME_MAX];
    return crypto_cert_key_sha256(a->cert, x) == 0 && crypto_cert_key_sha256(b->cert, y) == 0 &&
           memcmp(x, y, sizeof x) == 0 && crypto_cert_subject(a->cert, p) == 0 &&
           crypto_cert_subject(b->cert, q) == 0 && strcmp(p, q) == 0;
}

/* ---- revocation lists */

bool tdx_crl_read(const void *der, size_t len, const struct tdx_cert *issuer, const char *what,
                  struct tdx_crl *out, struct verdict *v)
{
    auto_crl crl = NULL;
    auto_key key = NULL;
    struct crypto_crl_facts facts;
    char found[CRYPTO_NAME_MAX], wanted[CRYPTO_NAME_MAX];
    bool readable = der_is_strict(der, len) && crypto_crl_from_der(der, len, &crl) == 0 &&
                    crypto_crl_facts(crl, &facts) == 0 && crypto_crl_issuer(crl, found) == 0;
    if (!verdict_check(v, readable, &tdx_codes[TDX_CODE_CRL], what,
                       "a whole revocation list in DER")) {
        return false;
    }
    subject_of(issuer, wanted);
    bool good = crypto_cert_key(issuer->cert, &key) == 0 &&
                crypto_crl_signed_by(crl, key, CRYPTO_CERT_ECDSA_SHA256) == 0;
    if (!verdict_check(v, strcmp(found, wanted) == 0, &tdx_codes[TDX_CODE_CRL_ISSUER], found,
                       wanted) ||
        !verdict_check(v, good, &tdx_codes[TDX_CODE_CRL_SIGNATURE], what, "signed by its issuer")) {
        return false;
    }
    *out = (struct tdx_crl){.crl = crl, .facts = facts, .what = what};
    crl = NULL;
    return true;
}

/* ---- at a point in time */

void tdx_check_window(const struct verdict_code *code, const char *what, int64_t from, int64_t to,
                      int64_t now, struct verdict *v)
{
    char found[RFC3339_SIZE], first[RFC3339_SIZE], last[RFC3339_SIZE], wanted[64];
    bool good = now >= from && now <= to;
    if (good && !v->table) { return; }
    rfc3339_format(now, found);
    rfc3339_format(from, first);
    rfc3339_format(to, last);
    (void)snprintf(wanted, sizeof wanted, "%s to %s", first, last);
    if (good) {
        verdict_check(v, true, code, found, wanted);
    } else {
        verdict_refuse(v, code, found, wanted, "%s: %s", what,
                       now < from ? "not yet valid" : "expired");
    }
}

void tdx_check_cert(const struct tdx_cert *c, const struct tdx_crl *issuers_list, int64_t now,
                    struct verdict *v)
{
    char serial[HEX_LEN(CRYPTO_SERIAL_MAX)];
    tdx_check_window(&tdx_codes[TDX_CODE_CERT_TIME], c->what, c->facts.not_before,
                     c->facts.not_after, now, v);
    if (!issuers_list || !crypto_crl_lists(issuers_list->crl, c->cert)) { return; }
    hex_encode(c->facts.serial, c->facts.serial_len, serial);
    verdict_refuse(v, &tdx_codes[TDX_CODE_REVOKED], serial, "a serial number that is not listed",
                   "%s is on the %s", c->what, issuers_list->what);
}

void tdx_check_crl(const struct tdx_crl *c, int64_t now, struct verdict *v)
{
    tdx_check_window(&tdx_codes[TDX_CODE_CRL_TIME], c->what, c->facts.this_update,
                     c->facts.next_update, now, v);
}
