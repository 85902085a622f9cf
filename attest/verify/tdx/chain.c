/* SPDX-License-Identifier: Apache-2.0 */
/* See chain.h. */
#include "attest/verify/tdx/chain.h"

#include "attest/der.h"
#include "attest/hex.h"
#include "attest/rfc3339.h"
#include "attest/verify/tdx/codes.h"
#include "attest/verify/tdx/pem.h"
#include "guest/base/hosted.h"

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

/* Everything a certificate says that is asked more than once. */
static bool cert_read(struct tdx_cert *c)
{
    return crypto_cert_facts(c->cert, &c->facts) == 0 &&
           crypto_cert_subject(c->cert, c->subject) == 0 &&
           crypto_cert_key_sha256(c->cert, c->key_sha256) == 0;
}

static bool role_check(const struct tdx_cert *c, enum tdx_role role, struct verdict *v)
{
    const struct crypto_cert_facts *f = &c->facts;
    const char *const *names = roles[role].names;
    const char *name = c->subject;
    bool called = strcmp(name, names[0]) == 0 || (names[1] && strcmp(name, names[1]) == 0);
    bool form = f->version == 3 && f->alg == CRYPTO_CERT_ECDSA_SHA256 && !f->unknown_critical;
    bool usage = f->is_ca == roles[role].authority && f->may_sign_certs == roles[role].authority &&
                 f->may_sign_crls == roles[role].authority;
    return tdx_step(v, called, TDX_CODE_CERT_NAME, name, names[0]) &&
           tdx_step(v, form, TDX_CODE_CERT, name,
                    "X.509 v3, ECDSA with SHA-256, no unknown critical extension") &&
           tdx_step(v, usage, TDX_CODE_CERT_USAGE, f->is_ca ? "an authority" : "no authority",
                    roles[role].authority ? "an authority" : "no authority");
}

static bool issuer_check(const struct tdx_cert *c, const struct tdx_cert *by, struct verdict *v)
{
    auto_key key = NULL;
    char issuer[CRYPTO_NAME_MAX] = "";
    bool named = crypto_cert_issuer(c->cert, issuer) == 0 && strcmp(issuer, by->subject) == 0;
    if (!tdx_step(v, named, TDX_CODE_CERT_ISSUER, issuer, by->subject)) { return false; }
    bool good = crypto_cert_key(by->cert, &key) == 0 &&
                crypto_cert_signed_by(c->cert, key, CRYPTO_CERT_ECDSA_SHA256) == 0;
    return tdx_step(v, good, TDX_CODE_CERT_SIGNATURE, c->what, "signed by its issuer");
}

static bool root_check(const struct tdx_cert *c, const uint8_t pinned[TDX_ROOT_SIZE],
                       struct verdict *v)
{
    return memcmp(c->key_sha256, pinned, TDX_ROOT_SIZE) == 0 ||
           verdict_check_bytes(v, false, &tdx_codes[TDX_CODE_ROOT], c->key_sha256, pinned,
                               TDX_ROOT_SIZE);
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
        good = good && tdx_step(v, cert_read(&c[i]), TDX_CODE_CERT, c[i].what,
                                "names, dates, serial number, usage and key that can be read");
    }
    if (!good || !chain_check(c, role, count, root, v)) {
        for (size_t i = 0; i < count; i++) { tdx_cert_fini(&c[i]); }
        return false;
    }
    memcpy(out, c, count * sizeof *c);
    return verdict_check(v, true, &tdx_codes[TDX_CODE_ROOT], roles[*role].what,
                         "a chain to the pinned root");
}

bool tdx_same_authority(const struct tdx_cert *a, const struct tdx_cert *b)
{
    return memcmp(a->key_sha256, b->key_sha256, sizeof a->key_sha256) == 0 &&
           strcmp(a->subject, b->subject) == 0;
}

/* ---- revocation lists */

bool tdx_crl_read(const void *der, size_t len, const struct tdx_cert *issuer, const char *what,
                  struct tdx_crl *out, struct verdict *v)
{
    auto_crl crl = NULL;
    auto_key key = NULL;
    struct crypto_crl_facts facts;
    char found[CRYPTO_NAME_MAX];
    bool readable = der_is_strict(der, len) && crypto_crl_from_der(der, len, &crl) == 0 &&
                    crypto_crl_facts(crl, &facts) == 0 && crypto_crl_issuer(crl, found) == 0;
    if (!tdx_step(v, readable, TDX_CODE_CRL, what, "a whole revocation list in DER")) {
        return false;
    }
    bool good = crypto_cert_key(issuer->cert, &key) == 0 &&
                crypto_crl_signed_by(crl, key, CRYPTO_CERT_ECDSA_SHA256) == 0;
    if (!tdx_step(v, strcmp(found, issuer->subject) == 0, TDX_CODE_CRL_ISSUER, found,
                  issuer->subject) ||
        !tdx_step(v, good, TDX_CODE_CRL_SIGNATURE, what, "signed by its issuer")) {
        return false;
    }
    *out = (struct tdx_crl){.crl = steal_ptr(&crl), .facts = facts, .what = what};
    return true;
}

/* ---- at a point in time */

void tdx_check_window(const struct verdict_code *code, const char *what, int64_t from, int64_t to,
                      int64_t now, struct verdict *v)
{
    char found[RFC3339_SIZE], first[RFC3339_SIZE], last[RFC3339_SIZE], wanted[64];
    if (now >= from && now <= to) { return; }
    rfc3339_format(now, found);
    rfc3339_format(from, first);
    rfc3339_format(to, last);
    (void)snprintf(wanted, sizeof wanted, "%s to %s", first, last);
    verdict_refuse(v, code, found, wanted, "%s: %s", what,
                   now < from ? "not yet valid" : "expired");
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
